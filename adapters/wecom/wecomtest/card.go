package wecomtest

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// Card is a template card as the member sees it.
type Card struct {
	Type, TaskID string
	Title, Desc  string
	Text         string // sub_title_text
	Buttons      []Button
	Question     string // of a vote
	Options      []Option
	Submit       Button
	Replaced     string // what stands in the buttons' place, which cannot be pressed any more
}

// Button is one button of a card.
type Button struct {
	Text, Key string
	Style     int
}

// Option is one line of a vote.
type Option struct{ ID, Text string }

// templateCard is as in https://developer.work.weixin.qq.com/document/path/90236#模板卡片消息
type templateCard struct {
	Type   string `json:"card_type"`
	TaskID string `json:"task_id"`
	Source *struct {
		Icon  string `json:"icon_url"`
		Desc  string `json:"desc"`
		Color int    `json:"desc_color"`
	} `json:"source"`
	Title *struct {
		Title string `json:"title"`
		Desc  string `json:"desc"`
	} `json:"main_title"`
	Text   string `json:"sub_title_text"`
	Action *struct {
		Type int    `json:"type"`
		URL  string `json:"url"`
	} `json:"card_action"`
	Buttons []struct {
		Type  int    `json:"type"`
		Text  string `json:"text"`
		Style int    `json:"style"`
		Key   string `json:"key"`
		URL   string `json:"url"`
	} `json:"button_list"`
	Checkbox *struct {
		Key     string `json:"question_key"`
		Mode    int    `json:"mode"`
		Options []struct {
			ID      string `json:"id"`
			Text    string `json:"text"`
			Checked bool   `json:"is_checked"`
		} `json:"option_list"`
	} `json:"checkbox"`
	Submit *struct {
		Text string `json:"text"`
		Key  string `json:"key"`
	} `json:"submit_button"`
}

var taskShape = regexp.MustCompile(`^[0-9A-Za-z_@-]{1,128}$`)

// width counts as the documents' 字: a Chinese character is one, a Latin one half.
func width(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0x2E7F {
			n++
		}
	}
	return (n + 1) / 2
}

func (s *Server) composeCard(m *Message, c *templateCard) (*Message, *refusal) {
	if s.hook.unset() {
		return nil, refuse(43012, "app has no callback url")
	}
	if !taskShape.MatchString(c.TaskID) {
		return nil, refuse(42014, "invalid task_id")
	}
	card := &Card{Type: c.Type, TaskID: c.TaskID, Text: c.Text}
	if c.Title != nil {
		card.Title, card.Desc = c.Title.Title, c.Title.Desc
	}
	if card.Title == "" && card.Text == "" {
		return nil, refuse(40058, "main_title.title or sub_title_text wanted")
	}
	if utf8.RuneCountInString(card.Title) > 36 || utf8.RuneCountInString(card.Desc) > 44 || utf8.RuneCountInString(card.Text) > 160 {
		s.complain("a card's texts of %d, %d and %d characters; 36, 44 and 160 are shown",
			utf8.RuneCountInString(card.Title), utf8.RuneCountInString(card.Desc), utf8.RuneCountInString(card.Text))
	}
	m.Card, m.Text = card, strings.TrimSuffix(card.Title+"\n"+card.Text, "\n")
	switch c.Type {
	case "button_interaction":
		return m, s.composeButtons(card, c)
	case "vote_interaction":
		return m, s.composeVote(card, c)
	default:
		return nil, refuse(40058, "card_type %q is not one that this test knows", c.Type)
	}
}

func (s *Server) composeButtons(card *Card, c *templateCard) *refusal {
	if len(c.Buttons) < 1 || len(c.Buttons) > 6 {
		return refuse(40058, "button_list wants 1 to 6")
	}
	for _, b := range c.Buttons {
		switch {
		case b.Text == "" || b.Type == 0 && (b.Key == "" || len(b.Key) > 1024) || b.Type == 1 && b.URL == "":
			return refuse(40058, "invalid button")
		case width(b.Text) > 10:
			s.complain("a button of more than 10 characters is cut off: %s", b.Text)
		case b.Style < 0 || b.Style > 4:
			s.complain("button style %d", b.Style)
		}
		card.Buttons = append(card.Buttons, Button{Text: b.Text, Key: b.Key, Style: b.Style})
	}
	if c.Checkbox != nil || c.Submit != nil {
		s.complain("a button_interaction has no checkbox and no submit_button")
	}
	return nil
}

func (s *Server) composeVote(card *Card, c *templateCard) *refusal {
	switch {
	case c.Checkbox == nil || c.Checkbox.Key == "" || len(c.Checkbox.Options) < 1 || len(c.Checkbox.Options) > 20:
		return refuse(40058, "checkbox wants a question_key and 1 to 20 options")
	case c.Submit == nil || c.Submit.Text == "" || c.Submit.Key == "" || len(c.Submit.Key) > 1024:
		return refuse(40058, "submit_button wants text and key")
	case width(c.Submit.Text) > 10:
		s.complain("a submit button of more than 10 characters: %s", c.Submit.Text)
	}
	for _, o := range c.Checkbox.Options {
		if o.ID == "" || len(o.ID) > 128 || o.Text == "" {
			return refuse(40058, "invalid option")
		}
		if width(o.Text) > 17 {
			s.complain("an option of more than 17 characters: %s", o.Text)
		}
		card.Options = append(card.Options, Option{o.ID, o.Text})
	}
	card.Question = c.Checkbox.Key
	card.Submit = Button{Text: c.Submit.Text, Key: c.Submit.Key}
	if c.Text != "" || len(c.Buttons) > 0 {
		s.complain("a vote_interaction has no sub_title_text and no button_list")
	}
	return nil
}

// responseCode makes a code that is good for one update. s.mu is held.
func (s *Server) responseCode(task string) string {
	code := "response-" + itoa(s.next())
	s.codes[code] = task
	return code
}

// messageUpdate: https://developer.work.weixin.qq.com/document/path/94888
func (s *Server) messageUpdate(c *call) (obj, *refusal) {
	var in struct {
		Users  []string `json:"userids"`
		Agent  *int     `json:"agentid"`
		Code   string   `json:"response_code"`
		Button *struct {
			Name string `json:"replace_name"`
		} `json:"button"`
	}
	if no := s.read("message/update_template_card", c.body, &in); no != nil {
		return nil, no
	}
	task, ok := s.codes[in.Code]
	switch {
	case in.Agent == nil || *in.Agent != s.opts.AgentID:
		return nil, refuse(40056, "invalid agentid")
	case !ok:
		return nil, refuse(41063, "invalid response_code")
	case in.Button == nil || in.Button.Name == "":
		return nil, refuse(40058, "button wanted")
	case len(in.Users) == 0:
		s.complain("update_template_card names nobody: nobody is updated")
		return nil, nil
	}
	delete(s.codes, in.Code)
	s.tasks[task].Card.Replaced = in.Button.Name
	return obj{"invaliduser": []string{}}, nil
}
