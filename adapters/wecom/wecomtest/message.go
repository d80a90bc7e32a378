package wecomtest

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Message is one message in the chat between a member and the app, as the member sees it.
type Message struct {
	ID       string // msgid of the app's, MsgId of the member's
	Own      bool   // the member said it
	Type     string
	Text     string   // the content without its markup, or what the card or the article says
	Title    string   // of a text card or an article
	Digest   string   // of an article
	Markup   []string // what is more than letters in markdown, as ReadMarkdown has it
	Safe     int      // 1 is confidential
	URL      string   // of an article or a text card
	Picture  string   // address of an article's picture
	File     *File
	Card     *Card
	Recalled bool
	At       time.Time
}

// File is what a member downloads or sends.
type File struct {
	Name, Type string
	Data       []byte
}

// Inbox is the chat of a member with the app, oldest first.
func (s *Server) Inbox(user string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Message
	for _, m := range s.inboxes[strings.ToLower(user)] {
		c := *m
		if m.Card != nil {
			card := *m.Card
			c.Card = &card
		}
		out = append(out, c)
	}
	return out
}

// sending is the body of message/send: https://developer.work.weixin.qq.com/document/path/90236
type sending struct {
	ToUser   *string `json:"touser"`
	ToParty  *string `json:"toparty"`
	ToTag    *string `json:"totag"`
	Type     string  `json:"msgtype"`
	Agent    *int    `json:"agentid"`
	Safe     int     `json:"safe"`
	IDTrans  int     `json:"enable_id_trans"`
	Check    int     `json:"enable_duplicate_check"`
	Interval int     `json:"duplicate_check_interval"`

	Text     *struct{ Content string }     `json:"text"`
	Markdown *struct{ Content string }     `json:"markdown"`
	Image    *mediaBody                    `json:"image"`
	Voice    *mediaBody                    `json:"voice"`
	File     *mediaBody                    `json:"file"`
	Video    *mediaBody                    `json:"video"`
	TextCard *textCard                     `json:"textcard"`
	News     *struct{ Articles []article } `json:"news"`
	MPNews   *struct{ Articles []page }    `json:"mpnews"`
	Card     *templateCard                 `json:"template_card"`
}

type mediaBody struct {
	ID          string `json:"media_id"`
	Title       string `json:"title"`
	Description string `json:"description"`
}

type article struct {
	Title       string `json:"title"`
	Description string `json:"description"`
	URL         string `json:"url"`
	Picture     string `json:"picurl"`
	AppID       string `json:"appid"`
	PagePath    string `json:"pagepath"`
}

// maxText is the limit of text and markdown in bytes: https://developer.work.weixin.qq.com/document/path/90236
const maxText = 2048

func (s *Server) messageSend(c *call) (obj, *refusal) {
	var in sending
	if no := s.read("message/send", c.body, &in); no != nil {
		return nil, no
	}
	switch {
	case in.Agent == nil || *in.Agent != s.opts.AgentID:
		return nil, refuse(40056, "invalid agentid")
	case in.ToUser == nil || *in.ToUser == "":
		return nil, refuse(82001, "touser/toparty/totag all empty")
	case in.Interval < 0 || in.Interval > 14400:
		return nil, refuse(40058, "duplicate_check_interval must be in [0, 14400]")
	}
	m, no := s.compose(&in)
	if no != nil {
		return nil, no
	}
	if m.Safe = in.Safe; m.Safe < 0 || m.Safe > mostSafe(m.Type) {
		return nil, refuse(40058, "safe %d of %s", m.Safe, m.Type) // that it is refused, and not ignored, is this test's choice
	}
	var invalid, unlicensed, good []string
	for id := range strings.SplitSeq(*in.ToUser, "|") {
		u := s.users[strings.ToLower(id)]
		switch {
		case u == nil || u.Hidden || u.Status == 2 || u.Status == 5:
			invalid = append(invalid, strings.ToLower(id))
		case u.Unlicensed:
			unlicensed = append(unlicensed, strings.ToLower(id))
		default:
			good = append(good, strings.ToLower(id))
		}
	}
	if len(good) == 0 && len(unlicensed) == 0 {
		return nil, refuse(81013, "user & party & tag all invalid")
	}
	out := obj{"invaliduser": strings.Join(invalid, "|"), "unlicenseduser": strings.Join(unlicensed, "|")}
	print := s.bare(c.body)
	if was, ok := s.recent[print]; ok && in.Check == 1 && s.now().Before(was.until) {
		s.number++
		switch s.opts.Swallowed {
		case "same":
			out["msgid"] = was.id
		case "new":
			out["msgid"] = "swallowed-" + itoa(s.number)
		}
		return out, nil
	}
	if m.Card != nil {
		if _, used := s.tasks[m.Card.TaskID]; used {
			return nil, refuse(42014, "task_id exists")
		}
	}
	m.ID, m.At = "msgid-"+itoa(s.next()), s.now()
	out["msgid"] = m.ID
	if in.Check == 1 {
		s.recent[print] = swallow{m.ID, s.now().Add(time.Duration(max(in.Interval, 1)) * time.Second)}
	}
	if m.Card != nil {
		s.tasks[m.Card.TaskID] = m
		if m.Card.Type != "text_notice" && m.Card.Type != "news_notice" {
			out["response_code"] = s.responseCode(m.Card.TaskID)
		}
	}
	for _, id := range good {
		if s.dropped(id) {
			continue // without a word: https://developer.work.weixin.qq.com/document/path/90236
		}
		s.inboxes[id] = append(s.inboxes[id], m)
	}
	return out, nil
}

// bare is the body without what belongs to the check itself: whether WeCom counts that in is not told.
func (s *Server) bare(body []byte) string {
	var v map[string]json.RawMessage
	_ = json.Unmarshal(body, &v)
	delete(v, "enable_duplicate_check")
	delete(v, "duplicate_check_interval")
	out, _ := json.Marshal(v)
	return string(out)
}

// dropped reports whether the member has had too many messages of the app.
func (s *Server) dropped(id string) bool {
	minute, hour := 0, 0
	for _, m := range s.inboxes[id] {
		age := s.now().Sub(m.At)
		if m.Own || age >= time.Hour {
			continue
		}
		hour++
		if age < time.Minute {
			minute++
		}
	}
	return minute >= s.opts.PerMinute || hour >= s.opts.PerHour
}

// compose checks the content and makes what the member sees of it.
func (s *Server) compose(in *sending) (*Message, *refusal) {
	m := &Message{Type: in.Type}
	var content string
	switch {
	case in.Type == "text" && in.Text != nil:
		content = in.Text.Content
	case in.Type == "markdown" && in.Markdown != nil:
		content = in.Markdown.Content
	case in.Type == "template_card" && in.Card != nil:
		return s.composeCard(m, in.Card)
	case in.Type == "textcard" && in.TextCard != nil:
		return s.composeTextCard(m, in.TextCard)
	case in.Type == "mpnews" && in.MPNews != nil:
		return s.composeMPNews(m, in.MPNews.Articles)
	case in.Type == "news" && in.News != nil:
		return composeNews(m, in.News.Articles)
	case in.Type == "image" && in.Image != nil:
		return s.composeMedia(m, in.Image)
	case in.Type == "voice" && in.Voice != nil:
		return s.composeMedia(m, in.Voice)
	case in.Type == "video" && in.Video != nil:
		return s.composeMedia(m, in.Video)
	case in.Type == "file" && in.File != nil:
		return s.composeMedia(m, in.File)
	case slices.Contains([]string{"text", "markdown", "template_card", "textcard", "news", "mpnews", "image", "voice", "video", "file"}, in.Type):
		return nil, refuse(40058, "field `%s` missing", in.Type)
	default:
		return nil, refuse(40008, "invalid message type")
	}
	if content == "" {
		return nil, refuse(44004, "text is empty")
	}
	if len(content) > maxText { // WeCom cuts it off, which no sender wants
		s.complain("message/send: %d bytes of %s, more than %d", len(content), in.Type, maxText)
		for content = content[:maxText]; !utf8.ValidString(content); {
			content = content[:len(content)-1]
		}
	}
	if m.Text = content; in.Type == "markdown" {
		m.Text, m.Markup = ReadMarkdown(content)
	}
	return m, nil
}

func composeNews(m *Message, list []article) (*Message, *refusal) {
	if len(list) < 1 || len(list) > 8 {
		return nil, refuse(40058, "articles must be 1 to 8")
	}
	a := list[0]
	switch {
	case a.Title == "" || (a.URL == "" && a.AppID == ""):
		return nil, refuse(40058, "articles want title and url")
	case len(a.Title) > 128 || len(a.Description) > 512 || len(a.URL) > 2048:
		return nil, refuse(45002, "article too long")
	}
	m.Text, m.URL, m.Picture = a.Title, a.URL, a.Picture
	if a.Description != "" {
		m.Text += "\n" + a.Description
	}
	return m, nil
}

func (s *Server) composeMedia(m *Message, b *mediaBody) (*Message, *refusal) {
	f := s.media[b.ID]
	switch {
	case f == nil || s.now().Sub(f.at) > mediaLife:
		return nil, refuse(40007, "invalid media_id")
	case f.kind != m.Type:
		return nil, refuse(40007, "invalid media_id: uploaded as %s", f.kind)
	case m.Type == "video" && (len(b.Title) > 128 || len(b.Description) > 512):
		return nil, refuse(45002, "title or description too long")
	case m.Type != "video" && (b.Title != "" || b.Description != ""):
		s.complain("message/send: a %s has no title", m.Type)
	}
	m.File, m.Text = &f.File, b.Title
	return m, nil
}

// recallWithin: https://developer.work.weixin.qq.com/document/path/94867
const recallWithin = 24 * time.Hour

func (s *Server) messageRecall(c *call) (obj, *refusal) {
	var in struct {
		ID string `json:"msgid"`
	}
	if no := s.read("message/recall", c.body, &in); no != nil {
		return nil, no
	}
	for _, box := range s.inboxes {
		for _, m := range box {
			if m.Own || m.ID != in.ID {
				continue
			}
			if s.now().Sub(m.At) > recallWithin {
				return nil, refuse(40058, "msgid expired") // which code comes is not documented
			}
			m.Recalled = true
			return nil, nil
		}
	}
	return nil, refuse(40058, "invalid msgid")
}
