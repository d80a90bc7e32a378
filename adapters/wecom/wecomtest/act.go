package wecomtest

import (
	"strings"
	"time"
)

// Field is an element of a push, in the order in which it is written. Its value is text, a number or []Field.
type Field struct {
	Name  string
	Value any
}

func element(b *strings.Builder, f Field) {
	b.WriteString("<" + f.Name + ">")
	switch v := f.Value.(type) {
	case []Field:
		for _, k := range v {
			element(b, k)
		}
	case int:
		b.WriteString(itoa(v))
	case string:
		b.WriteString("<![CDATA[" + strings.ReplaceAll(v, "]]>", "]]]]><![CDATA[>") + "]]>")
	}
	b.WriteString("</" + f.Name + ">")
}

// XML is a push in the clear.
func XML(fields ...Field) []byte {
	var b strings.Builder
	b.WriteString("<xml>")
	for _, f := range fields {
		element(&b, f)
	}
	b.WriteString("</xml>")
	return []byte(b.String())
}

// head is what every push of a member begins with. s.mu is held.
func (s *Server) head(user, kind string) []Field {
	if u := s.users[strings.ToLower(user)]; u != nil {
		user = u.ID // WeCom writes it as it was assigned
	}
	return []Field{
		{"ToUserName", s.opts.CorpID},
		{"FromUserName", user},
		{"CreateTime", int(s.now().Unix())},
		{"MsgType", kind},
	}
}

// say pushes a message and puts it into the chat. s.mu is held.
func (s *Server) say(user string, m *Message, more ...Field) string {
	// Large enough that it does not fit into a float.
	m.ID, m.Own, m.At = "74567890123"+itoa(100000000+s.next()), true, s.now()
	fields := append(s.head(user, m.Type), more...)
	fields = append(fields, Field{"MsgId", m.ID}, Field{"AgentID", itoa(s.opts.AgentID)})
	id := strings.ToLower(user)
	s.inboxes[id] = append(s.inboxes[id], m)
	s.push(id, &push{body: XML(fields...)})
	return m.ID
}

// Say lets a member write to the app, and returns the MsgId.
func (s *Server) Say(user, text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.say(user, &Message{Type: "text", Text: text}, Field{"Content", text})
}

// Quote lets a member answer a message of the chat: the clients put what is quoted before the answer.
func (s *Server) Quote(user, msg, text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	quoted := ""
	for _, m := range s.inboxes[strings.ToLower(user)] {
		if m.ID != msg {
			continue
		}
		name, content := s.opts.AppName, m.Text
		if u := s.users[strings.ToLower(user)]; m.Own && u != nil {
			name = u.Name
		}
		switch {
		case m.Title != "" && s.opts.Quoted == "title":
			content = m.Title
		case m.Title != "" && s.opts.Quoted == "kind":
			content = "[链接]"
		case m.File != nil:
			content = map[string]string{"image": "[图片]", "voice": "[语音]", "video": "[视频]", "file": "[文件]"}[m.Type]
		}
		quoted = "「" + name + "：" + content + "」\n- - - - - - - - - - - - - - -\n"
	}
	return s.say(user, &Message{Type: "text", Text: quoted + text}, Field{"Content", quoted + text})
}

// SendFile lets a member send a picture, a voice, a video or (which the documents do not list) a file.
func (s *Server) SendFile(user, kind string, f File) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := "media-" + itoa(s.next())
	s.media[id] = &medium{f, kind, s.now()}
	more := []Field{{"MediaId", id}}
	switch kind {
	case "image":
		more = append([]Field{{"PicUrl", "https://pic.example/" + id}}, more...)
	case "voice":
		more = append(more, Field{"Format", "amr"})
	case "video":
		more = append(more, Field{"ThumbMediaId", "thumb-" + id})
	case "file":
		more = append(more, Field{"FileName", f.Name})
	}
	return s.say(user, &Message{Type: kind, File: &f}, more...)
}

// Locate lets a member send a place.
func (s *Server) Locate(user, lat, lng, label string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.say(user, &Message{Type: "location", Text: label}, Field{"Location_X", lat}, Field{"Location_Y", lng},
		Field{"Scale", 20}, Field{"Label", label}, Field{"AppType", "wxwork"})
}

// Share lets a member send a link.
func (s *Server) Share(user, title, description, address string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.say(user, &Message{Type: "link", Text: title}, Field{"Title", title}, Field{"Description", description},
		Field{"Url", address}, Field{"PicUrl", "https://pic.example/1"})
}

// Event pushes an event of a member ("sys" is WeCom itself): subscribe, enter_agent, click with an EventKey, ….
func (s *Server) Event(user, event string, more ...Field) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fields := append(s.head(user, "event"), Field{"Event", event})
	fields = append(append(fields, more...), Field{"AgentID", itoa(s.opts.AgentID)})
	s.push(strings.ToLower(user), &push{body: XML(fields...)})
}

// Click presses a button of the app's menu.
func (s *Server) Click(user, key string) { s.Event(user, "click", Field{"EventKey", key}) }

// Press presses the button of a card; false: there is none, or it cannot be pressed any more.
func (s *Server) Press(user, task, label string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.pressable(user, task)
	if m == nil {
		return false
	}
	for _, b := range m.Card.Buttons {
		if b.Text == label {
			s.pressed(user, m, b.Key, nil)
			return true
		}
	}
	return false
}

// Vote chooses a line of a card and submits it; false is as of Press.
func (s *Server) Vote(user, task, line string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.pressable(user, task)
	if m == nil {
		return false
	}
	ids, id := "OptionIds", "OptionId"
	if s.opts.Misspelt {
		ids, id = "OpitonIds", "OpitonId"
	}
	for _, o := range m.Card.Options {
		if o.Text == line {
			s.pressed(user, m, m.Card.Submit.Key, []Field{{"SelectedItem", []Field{
				{"QuestionKey", m.Card.Question}, {ids, []Field{{id, o.ID}}},
			}}})
			return true
		}
	}
	return false
}

func (s *Server) pressable(user, task string) *Message {
	for _, m := range s.inboxes[strings.ToLower(user)] {
		if m.Card != nil && m.Card.TaskID == task && m.Card.Replaced == "" && !m.Recalled {
			return m
		}
	}
	return nil
}

func (s *Server) pressed(user string, m *Message, key string, selected []Field) {
	fields := append(s.head(user, "event"), Field{"Event", "template_card_event"}, Field{"EventKey", key},
		Field{"TaskId", m.Card.TaskID}, Field{"CardType", m.Card.Type}, Field{"ResponseCode", s.responseCode(m.Card.TaskID)},
		Field{"AgentID", itoa(s.opts.AgentID)})
	if selected != nil {
		fields = append(fields, Field{"SelectedItems", selected})
	}
	s.push(strings.ToLower(user), &push{body: XML(fields...), press: m})
}

// Push pushes a body of your own making, as of a member, signed and encrypted.
func (s *Server) Push(user string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.push(strings.ToLower(user), &push{body: body})
}

// Wait looks every few milliseconds until done is true; false: it took longer than the limit.
func Wait(limit time.Duration, done func() bool) bool {
	for end := time.Now().Add(limit); ; {
		if done() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
		<-time.After(5 * time.Millisecond)
	}
}
