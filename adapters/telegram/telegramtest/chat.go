package telegramtest

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// User is a person on Telegram.
type User struct {
	ID   int64
	Name string
}

// chat is a private chat of a user with the bot, or with a business account that the bot serves (owner), or a group.
type chat struct {
	user    User
	owner   int64
	group   bool
	started bool // the user has written
	blocked bool
	gone    bool // the account was deleted
	left    bool // the bot left the group
	typed   int
	picture string // file id of the user's picture
	msgs    []*Message
}

// File is a file that Telegram keeps.
type File struct {
	Kind string // photo, document, voice, audio, video, animation, sticker
	Name string
	Type string
	Data []byte
	Size int64 // if it is not that of Data: a file that a test has no room for
}

func (f *File) path(id string) string { return "documents/" + id + ".bin" }

func (f *File) size() int64 {
	if f.Size != 0 {
		return f.Size
	}
	return int64(len(f.Data))
}

// Message is a message as its chat shows it.
type Message struct {
	ID        int64
	From      int64 // the bot's own are 0
	Date      time.Time
	Text      string // or caption
	Entities  []Entity
	File      *File
	FileID    string
	ReplyTo   int64
	Group     string // of an album
	Deleted   bool
	Silent    bool // sent without a notification
	Buttons   []Button
	Reactions map[int64]string // by who reacted; the bot is 0
	more      map[string]any
	chat      *chat
	chatID    int64
}

// Button is one under a message.
type Button struct{ Text, Data string }

// End ends a business connection, of which the bot hears.
func (s *Server) End(connection string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over[connection] = true
	s.push(map[string]any{"business_connection": s.connectionWire(connection)})
}

// Press is a user who presses a button; data is what it brings back, or what a client makes up. It returns the
// call's id, which has to be answered.
func (s *Server) Press(user, msg int64, data string) string { return s.PressIn("", user, msg, data) }

// PressIn is Press in the chat of a business account, through that connection.
func (s *Server) PressIn(connection string, user, msg int64, data string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.chats[user]
	if connection != "" {
		c = s.chats[-user]
	}
	pressed := s.wire(c.find(msg))
	if connection != "" {
		pressed["business_connection_id"] = connection
	}
	id := fmt.Sprintf("press%d", s.nextPress)
	s.nextPress++
	s.presses[id] = true
	s.push(map[string]any{"callback_query": map[string]any{
		"id": id, "from": userWire(c.user), "message": pressed, "chat_instance": "1", "data": data,
	}})
	return id
}

// Toasts are the words that pressed buttons were answered with, "" for none.
func (s *Server) Toasts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.toasts)
}

// Started makes a user who has started the bot.
func (s *Server) Started(u User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.chats[u.ID] == nil {
		s.chats[u.ID] = &chat{user: u}
	}
	s.chats[u.ID].started = true
}

// Stranger makes a user who has never written to the bot.
func (s *Server) Stranger(u User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chats[u.ID] = &chat{user: u}
}

// Vanish deletes a user's account.
func (s *Server) Vanish(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chats[id].gone = true
}

// Picture gives a user a profile picture.
func (s *Server) Picture(id int64, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chats[id].picture = s.store(&File{Kind: "photo", Type: "image/jpeg", Data: data})
}

// store keeps a file; s.mu is held.
func (s *Server) store(f *File) string {
	id := fmt.Sprintf("AgAC%d-file_id", len(s.files)+1)
	s.files[id] = f
	return id
}

// Said is something that a user says.
type Said struct {
	User     User
	Text     string
	Entities []Entity
	File     *File
	ReplyTo  int64
	Album    string
	More     map[string]any // other fields of the message, as in the API: location, contact, quote, …

	Connection string // through which the bot sees the chat of a business account
	ByOwner    bool   // the account's owner writes
	ByBot      bool   // the bot itself wrote it for the owner
}

// Say is a user who writes to the bot. It returns the message's id.
func (s *Server) Say(said Said) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, kind := said.User.ID, "message"
	if said.Connection != "" {
		id, kind = -said.User.ID, "business_message" // a chat of its own in this server; in the API it is the user's
	}
	c := s.chats[id]
	if c == nil {
		c = &chat{user: said.User, owner: s.connections[said.Connection]}
		s.chats[id] = c
	}
	c.started, c.blocked = true, false
	if said.User.Name != "" {
		c.user.Name = said.User.Name
	}
	m := s.add(c, id, said.User.ID)
	m.Text, m.Entities, m.ReplyTo, m.Group, m.more = said.Text, said.Entities, said.ReplyTo, said.Album, said.More
	if said.File != nil {
		m.File, m.FileID = said.File, s.store(said.File)
	}
	body := s.wire(m)
	if said.Connection != "" {
		body["business_connection_id"] = said.Connection
		if said.ByOwner || said.ByBot {
			m.From = c.owner
			body["from"] = map[string]any{"id": c.owner, "is_bot": false, "first_name": "Owner"}
		}
		if said.ByBot {
			body["sender_business_bot"] = map[string]any{"id": botID, "is_bot": true, "first_name": "ACME"}
		}
	}
	s.push(map[string]any{kind: body})
	return m.ID
}

// add makes a message; s.mu is held.
func (s *Server) add(c *chat, id, from int64) *Message {
	s.lastID++
	m := &Message{ID: s.lastID, From: from, Date: time.Now(), chat: c, chatID: id, Reactions: map[int64]string{}}
	c.msgs = append(c.msgs, m)
	return m
}

// find is a message that is there; s.mu is held.
func (c *chat) find(id int64) *Message {
	for _, m := range c.msgs {
		if m.ID == id && !m.Deleted {
			return m
		}
	}
	return nil
}

// Edit is a user who changes a message's text.
func (s *Server) Edit(user, msg int64, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.chats[user].find(msg)
	m.Text, m.Entities = text, nil
	body := s.wire(m)
	body["edit_date"] = time.Now().Unix()
	s.push(map[string]any{"edited_message": body})
}

// React is a user who puts a reaction on a message; "" takes it away.
func (s *Server) React(user, msg int64, emoji string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.chats[user].find(msg)
	list := func(e string) []any {
		if e == "" {
			return []any{}
		}
		return []any{map[string]any{"type": "emoji", "emoji": e}}
	}
	old := m.Reactions[user]
	m.Reactions[user] = emoji
	s.push(map[string]any{"message_reaction": map[string]any{
		"chat": chatWire(m.chat, user), "message_id": msg, "user": userWire(m.chat.user), "date": time.Now().Unix(),
		"old_reaction": list(old), "new_reaction": list(emoji),
	}})
}

// Block is a user who blocks the bot, or lets it in again.
func (s *Server) Block(user int64, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.chats[user]
	c.blocked = on
	status := map[bool]string{true: "kicked", false: "member"}
	s.push(map[string]any{"my_chat_member": membership(c, user, status[!on], status[on])})
}

func membership(c *chat, id int64, before, now string) map[string]any {
	bot := map[string]any{"id": botID, "is_bot": true, "first_name": "ACME", "username": Username}
	return map[string]any{
		"chat": chatWire(c, id), "from": userWire(c.user), "date": time.Now().Unix(),
		"old_chat_member": map[string]any{"status": before, "user": bot}, "new_chat_member": map[string]any{"status": now, "user": bot},
	}
}

// Group puts the bot into a group.
func (s *Server) Group(id int64, by User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &chat{user: by, group: true, started: true}
	s.chats[id] = c
	s.push(map[string]any{"my_chat_member": membership(c, id, "left", "member")})
}

// Left reports whether the bot has left a group.
func (s *Server) Left(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chats[id].left
}

// Connect connects the bot with a business account. Told says whether the bot hears of it.
func (s *Server) Connect(connection string, owner User, told bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for old, of := range s.connections {
		s.over[old] = s.over[old] || of == owner.ID
	}
	s.connections[connection] = owner.ID
	for _, c := range s.chats {
		if c.owner != 0 {
			c.owner = owner.ID
		}
	}
	if told {
		s.push(map[string]any{"business_connection": s.connectionWire(connection)})
	}
}

// Unsay is somebody who deletes messages in the chat of a business account.
func (s *Server) Unsay(connection string, user int64, msgs ...int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.push(map[string]any{"deleted_business_messages": map[string]any{
		"business_connection_id": connection, "chat": chatWire(s.chats[-user], user), "message_ids": msgs,
	}})
}

// Push queues an update as it is, but for its number.
func (s *Server) Push(body map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.push(body)
}

// Age makes a message older.
func (s *Server) Age(user, msg int64, by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.chats[user].find(msg)
	m.Date = m.Date.Add(-by)
}

// Messages are what a user's chat shows, oldest first, with what was deleted.
func (s *Server) Messages(user int64) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Message
	if c := s.chats[user]; c != nil {
		for _, m := range c.msgs {
			copied := *m
			out = append(out, copied)
		}
	}
	return out
}

// Typed is how often the bot was seen writing.
func (s *Server) Typed(user int64) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.chats[user]; c != nil {
		return c.typed
	}
	return 0
}

// Languages are those in which commands are registered; "" is the default.
func (s *Server) Languages() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for l := range s.commands {
		out = append(out, l)
	}
	slices.Sort(out)
	return out
}

// push queues an update; s.mu is held.
func (s *Server) push(body map[string]any) {
	s.lastUpdate++
	body["update_id"] = s.lastUpdate
	s.queue = append(s.queue, update{s.lastUpdate, body})
	s.wake()
}

func userWire(u User) map[string]any {
	return map[string]any{"id": u.ID, "is_bot": false, "first_name": u.Name, "language_code": "zh-hans"}
}

func chatWire(c *chat, id int64) map[string]any {
	if c.group {
		return map[string]any{"id": id, "type": "group", "title": "Friends"}
	}
	return map[string]any{"id": c.user.ID, "type": "private", "first_name": c.user.Name}
}

func (s *Server) connectionWire(id string) map[string]any {
	owner := s.connections[id]
	return map[string]any{
		"id": id, "user": map[string]any{"id": owner, "is_bot": false, "first_name": "Owner"}, "user_chat_id": owner,
		"date": time.Now().Unix(), "is_enabled": !s.over[id],
	}
}

// wire is a message as the API tells it; s.mu is held.
func (s *Server) wire(m *Message) map[string]any {
	out := map[string]any{"message_id": m.ID, "date": m.Date.Unix(), "chat": chatWire(m.chat, m.chatID), "from": userWire(m.chat.user)}
	if m.From == 0 {
		out["from"] = map[string]any{"id": botID, "is_bot": true, "first_name": "ACME", "username": Username}
	}
	text, entities := "text", "entities"
	if m.File != nil {
		text, entities = "caption", "caption_entities"
		out[m.File.Kind] = fileWire(m.FileID, m.File)
	}
	if m.Text != "" {
		out[text] = m.Text
	}
	if len(m.Entities) > 0 {
		out[entities] = m.Entities
	}
	if m.Group != "" {
		out["media_group_id"] = m.Group
	}
	var rows []any
	for _, b := range m.Buttons {
		rows = append(rows, []any{map[string]any{"text": b.Text, "callback_data": b.Data}})
	}
	if len(rows) > 0 {
		out["reply_markup"] = map[string]any{"inline_keyboard": rows}
	}
	if m.ReplyTo != 0 {
		if to := m.chat.find(m.ReplyTo); to != nil {
			out["reply_to_message"] = s.wire(to)
		}
	}
	maps.Copy(out, m.more)
	return out
}

func fileWire(id string, f *File) any {
	one := map[string]any{"file_id": id, "file_unique_id": strings.ToLower(id), "file_size": f.size()}
	switch f.Kind {
	case "photo":
		small := map[string]any{"file_id": id + "-small", "file_unique_id": "s", "file_size": 90, "width": 90, "height": 60}
		one["width"], one["height"] = 1280, 853
		return []any{small, one}
	case "sticker":
		one["width"], one["height"], one["emoji"], one["is_animated"], one["is_video"], one["type"] = 512, 512, "😀", strings.HasSuffix(f.Name, ".tgs"), false, "regular"
	case "video", "animation":
		one["width"], one["height"], one["duration"], one["mime_type"], one["file_name"] = 640, 480, 3, f.Type, f.Name
	case "voice", "video_note":
		one["duration"] = 3
		if f.Kind == "voice" {
			one["mime_type"] = f.Type
		}
	default:
		one["mime_type"], one["file_name"] = f.Type, f.Name
	}
	return one
}

// picture reports whether bytes are a picture that Telegram can show.
func picture(data []byte) bool {
	return strings.HasPrefix(http.DetectContentType(data), "image/") || bytes.HasPrefix(data, []byte("\xff\xd8"))
}
