package wechattest

import (
	"net/url"
	"regexp"
	"strings"
)

// Shown is a message that a customer sees.
type Shown struct {
	Type    string // of the API: text, image, voice, video, news, msgmenu; or "said" for the customer's own
	Text    string // what is read; links of a text without their signs
	Data    []byte // of a picture, a voice or a video
	Title   string
	URL     string // of a card
	Options []Option
	Agent   string // kf_account
	Passive bool   // it came with the answer to a push
	ID      string // MsgId of the customer's own
}

// Option is a button of a question.
type Option struct {
	ID      string `json:"id"`
	Content string `json:"content"`
}

type item struct {
	ID string `json:"media_id"`
}

// wire is a customer-service message.
type wire struct {
	To   string `json:"touser"`
	Type string `json:"msgtype"`
	Text *struct {
		Content string `json:"content"`
	} `json:"text"`
	Image *item `json:"image"`
	Voice *item `json:"voice"`
	Video *struct {
		ID          string `json:"media_id"`
		Thumb       string `json:"thumb_media_id"`
		Title       string `json:"title"`
		Description string `json:"description"`
	} `json:"video"`
	News *struct {
		Articles []struct {
			Title       string `json:"title"`
			Description string `json:"description"`
			URL         string `json:"url"`
			Picture     string `json:"picurl"`
		} `json:"articles"`
	} `json:"news"`
	Menu *struct {
		Head string   `json:"head_content"`
		List []Option `json:"list"`
		Tail string   `json:"tail_content"`
	} `json:"msgmenu"`
	Service *struct {
		Account string `json:"kf_account"`
	} `json:"customservice"`
}

// bodies is how many contents a message has, and whether its type names one that is there.
func (m *wire) bodies() (n int, named bool) {
	for name, has := range map[string]bool{
		"text": m.Text != nil, "image": m.Image != nil, "voice": m.Voice != nil, "video": m.Video != nil,
		"news": m.News != nil, "msgmenu": m.Menu != nil,
	} {
		if has {
			n++
			named = named || name == m.Type
		}
	}
	return n, named
}

// maxText is in bytes; see the adapter.
const maxText = 2048

// anchor is what a text shows as a link.
var anchor = regexp.MustCompile(`(?is)<a\s[^>]*>(.*?)</a\s*>`)

func (s *Server) send(q url.Values, body []byte) (any, int) {
	s.onlyQuery("custom/send", q)
	var m wire
	if !s.decode(body, &m) {
		return nil, 47001
	}
	if n, named := m.bodies(); n != 1 || !named {
		s.complain("custom/send: %d contents, type %s", n, m.Type)
		return nil, 40008
	}
	c := s.customers[m.To]
	if c == nil {
		return nil, 40003
	}
	out, code := s.content(&m)
	if code != 0 {
		return nil, code
	}
	if m.Service != nil {
		if !strings.HasSuffix(m.Service.Account, "@"+Account) {
			return nil, 61452
		}
		out.Agent = m.Service.Account
	}
	if code := c.spend(s.now()); code != 0 {
		return nil, code
	}
	c.shown = append(c.shown, out)
	return nil, 0
}

// content checks a message and is what the customer will see of it.
func (s *Server) content(m *wire) (Shown, int) {
	out := Shown{Type: m.Type}
	switch m.Type {
	case "text":
		out.Text = anchor.ReplaceAllString(m.Text.Content, "$1")
		return out, textCode(m.Text.Content)
	case "image", "voice":
		id := m.Image
		if m.Type == "voice" {
			id = m.Voice
		}
		f := s.media[id.ID]
		if f == nil || f.kind != m.Type || s.now().After(f.ends) {
			return out, 40007
		}
		out.Data = f.data
	case "video":
		f, thumb := s.media[m.Video.ID], s.media[m.Video.Thumb]
		if f == nil || f.kind != "video" || thumb == nil || thumb.kind != "thumb" || s.now().After(f.ends) {
			return out, 40007
		}
		out.Data, out.Title = f.data, m.Video.Title
	case "news":
		if len(m.News.Articles) != 1 {
			return out, 45008
		}
		a := m.News.Articles[0]
		out.Title, out.Text, out.URL = a.Title, a.Description, a.URL
		if u, err := url.Parse(a.URL); err != nil || !strings.HasPrefix(u.Scheme, "http") || a.Title == "" {
			return out, 40066
		}
	case "msgmenu":
		out.Text, out.Options = anchor.ReplaceAllString(m.Menu.Head, "$1"), m.Menu.List
		if len(m.Menu.List) == 0 {
			return out, 40035
		}
		for _, o := range m.Menu.List {
			if o.ID == "" || o.Content == "" {
				return out, 40035
			}
		}
		return out, textCode(m.Menu.Head)
	default:
		return out, 40008
	}
	return out, 0
}

func textCode(content string) int {
	switch {
	case content == "":
		return 44004
	case len(content) > maxText:
		return 45002
	default:
		return 0
	}
}
