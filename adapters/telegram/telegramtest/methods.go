package telegramtest

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// method is one that the server knows: its parameters, and what it does. s.mu is held.
type method struct {
	fields  fields
	changes bool // it says or changes something, and so meets trouble
	do      func(s *Server, in input) (any, *fault)
}

// common are the parameters of all methods that send.
func common(own fields) fields {
	out := fields{
		"business_connection_id": "string", "chat_id": "*int", "reply_parameters": "object", "disable_notification": "bool",
		"protect_content": "bool", "link_preview_options": "object",
	}
	maps.Copy(out, own)
	return out
}

func captioned(field string) fields {
	return common(fields{field: "*file", "caption": "string", "caption_entities": "list"})
}

// methods are those of https://core.telegram.org/bots/api that a bridge needs. Others are refused.
func methods() map[string]method {
	out := map[string]method{
		"getMe":                 {fields{}, false, getMe},
		"getUpdates":            {fields{"offset": "int", "limit": "int", "timeout": "int", "allowed_updates": "list"}, false, nil},
		"setWebhook":            {fields{"url": "*string", "secret_token": "string", "allowed_updates": "list", "max_connections": "int", "drop_pending_updates": "bool"}, false, setWebhook},
		"deleteWebhook":         {fields{"drop_pending_updates": "bool"}, false, setWebhook},
		"getWebhookInfo":        {fields{}, false, webhookInfo},
		"setMyCommands":         {fields{"commands": "*list", "scope": "object", "language_code": "string"}, false, setMyCommands},
		"getUserProfilePhotos":  {fields{"user_id": "*int", "offset": "int", "limit": "int"}, false, photos},
		"getBusinessConnection": {fields{"business_connection_id": "*string"}, false, getConnection},
		"getFile":               {fields{"file_id": "*string"}, false, getFile},
		"leaveChat":             {fields{"chat_id": "*int"}, false, leaveChat},

		"sendMessage":            {common(fields{"text": "*string", "entities": "list", "reply_markup": "object"}), true, sendMessage},
		"sendMediaGroup":         {common(fields{"media": "*list"}), true, sendMediaGroup},
		"editMessageText":        {common(fields{"message_id": "*int", "text": "*string", "entities": "list", "reply_markup": "object"}), true, editText},
		"editMessageReplyMarkup": {common(fields{"message_id": "*int", "reply_markup": "object"}), true, editButtons},
		"editMessageCaption":     {common(fields{"message_id": "*int", "caption": "string", "caption_entities": "list"}), true, editCaption},
		"deleteMessage":          {fields{"chat_id": "*int", "message_id": "*int"}, true, deleteMessage},
		"deleteBusinessMessages": {fields{"business_connection_id": "*string", "message_ids": "*list"}, true, deleteBusiness},
		"answerCallbackQuery":    {fields{"callback_query_id": "*string", "text": "string", "show_alert": "bool"}, true, answerPress},
		"setMessageReaction":     {fields{"chat_id": "*int", "message_id": "*int", "reaction": "list", "is_big": "bool"}, true, setReaction},
		"sendChatAction":         {fields{"business_connection_id": "string", "chat_id": "*int", "action": "*string"}, true, chatAction},
	}
	for _, k := range []string{"photo", "document", "voice", "audio", "video"} {
		out["send"+strings.ToUpper(k[:1])+k[1:]] = method{captioned(k), true, func(s *Server, in input) (any, *fault) { return sendFile(s, in, k) }}
	}
	return out
}

func getMe(*Server, input) (any, *fault) {
	return map[string]any{"id": botID, "is_bot": true, "first_name": "ACME", "username": Username, "can_join_groups": true}, nil
}

// chat is the chat that a call names, if the bot may write there.
func (s *Server) chat(in input) (*chat, int64, *fault) {
	id := in.number("chat_id")
	if conn := in.text("business_connection_id"); conn != "" {
		if s.connections[conn] == 0 || s.over[conn] {
			return nil, 0, bad("business connection not found")
		}
		id = -id
	}
	c := s.chats[id]
	switch {
	case c == nil:
		return nil, 0, bad("chat not found")
	case c.gone:
		return nil, 0, &fault{Code: http.StatusForbidden, Text: "Forbidden: user is deactivated"}
	case c.blocked:
		return nil, 0, &fault{Code: http.StatusForbidden, Text: "Forbidden: bot was blocked by the user"}
	case !c.started:
		return nil, 0, &fault{Code: http.StatusForbidden, Text: "Forbidden: bot can't initiate conversation with a user"}
	}
	return c, id, nil
}

// say makes a message of the bot.
func (s *Server) say(in input, text string, list []Entity, f *File) (*Message, *fault) {
	c, id, bad := s.chat(in)
	if bad != nil {
		return nil, bad
	}
	reply, bad := replyTo(c, in)
	if bad != nil {
		return nil, bad
	}
	m := s.add(c, id, 0)
	m.Text, m.Entities, m.ReplyTo = text, list, reply
	m.Silent = in.params["disable_notification"] == true
	if f != nil {
		m.File, m.FileID = f, s.store(f)
	}
	return m, nil
}

func replyTo(c *chat, in input) (int64, *fault) {
	p, ok := in.params["reply_parameters"].(map[string]any)
	if !ok {
		return 0, nil
	}
	n, ok := p["message_id"].(float64)
	if !ok {
		return 0, bad("can't parse reply parameters")
	}
	if c.find(int64(n)) != nil {
		return int64(n), nil
	}
	if p["allow_sending_without_reply"] == true {
		return 0, nil
	}
	return 0, bad("message to be replied not found")
}

func sendMessage(s *Server, in input) (any, *fault) {
	text, list, f := styled(in, "text", "entities", 4096, "message")
	if f != nil {
		return nil, f
	}
	if text == "" {
		return nil, bad("message text is empty")
	}
	buttons, f := keyboard(in)
	if f != nil {
		return nil, f
	}
	m, f := s.say(in, text, list, nil)
	if f != nil {
		return nil, f
	}
	m.Buttons = buttons
	return s.wire(m), nil
}

// keyboard reads the buttons under a message (https://core.telegram.org/bots/api#inlinekeyboardmarkup).
func keyboard(in input) ([]Button, *fault) {
	markup, ok := in.params["reply_markup"].(map[string]any)
	if !ok {
		return nil, nil
	}
	rows, ok := markup["inline_keyboard"].([]any)
	if !ok || len(markup) != 1 {
		return nil, bad("can't parse reply keyboard markup JSON object")
	}
	var out []Button
	for _, row := range rows {
		list, ok := row.([]any)
		if !ok {
			return nil, bad("object expected as reply markup")
		}
		for _, one := range list {
			b, _ := one.(map[string]any)
			text, _ := b["text"].(string)
			data, _ := b["callback_data"].(string)
			if text == "" || len(b) != 2 {
				return nil, bad("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
			}
			if data == "" || len(data) > 64 {
				return nil, bad("BUTTON_DATA_INVALID")
			}
			out = append(out, Button{text, data})
		}
	}
	return out, nil
}

func answerPress(s *Server, in input) (any, *fault) {
	id := in.text("callback_query_id")
	if !s.presses[id] {
		return nil, bad("query is too old and response timeout expired or query ID is invalid")
	}
	delete(s.presses, id)
	s.toasts = append(s.toasts, in.text("text"))
	return true, nil
}

func sendFile(s *Server, in input, kind string) (any, *fault) {
	text, list, f := styled(in, "caption", "caption_entities", 1024, "message caption")
	if f != nil {
		return nil, f
	}
	file := in.files[kind]
	if file == nil {
		return nil, bad("there is no %s in the request", kind)
	}
	if f := showable(kind, file); f != nil {
		return nil, f
	}
	m, f := s.say(in, text, list, file)
	if f != nil {
		return nil, f
	}
	return s.wire(m), nil
}

// showable gives a file its kind, if Telegram can show it so.
func showable(kind string, f *File) *fault {
	if kind == "photo" && !picture(f.Data) {
		return bad("IMAGE_PROCESS_FAILED")
	}
	if kind == "photo" && len(f.Data) > 10<<20 {
		return bad("file of size %d bytes is too big for a photo; the maximum size is 10485760 bytes", len(f.Data))
	}
	f.Kind = kind
	return nil
}

func sendMediaGroup(s *Server, in input) (any, *fault) {
	media, _ := in.params["media"].([]any)
	if len(media) < 2 || len(media) > 10 {
		return nil, bad("wrong number of media: 2 to 10")
	}
	kinds := map[string]bool{}
	var out []any
	album := fmt.Sprintf("album%d", s.lastID)
	for _, one := range media {
		m, _ := one.(map[string]any)
		item := input{m, nil}
		for k := range m {
			if !slices.Contains([]string{"type", "media", "caption", "caption_entities"}, k) {
				return nil, bad("InputMedia has no field %q", k)
			}
		}
		kind := item.text("type")
		kinds[kind] = true
		file := in.files[strings.TrimPrefix(item.text("media"), "attach://")]
		if file == nil {
			return nil, bad("there is no file %q in the request", item.text("media"))
		}
		if !slices.Contains([]string{"photo", "video", "document", "audio"}, kind) || (kinds["document"] || kinds["audio"]) && len(kinds) > 1 {
			return nil, bad("Can't use the media of the specified type in the album")
		}
		if f := showable(kind, file); f != nil {
			return nil, f
		}
		text, list, f := styled(item, "caption", "caption_entities", 1024, "message caption")
		if f != nil {
			return nil, f
		}
		said, f := s.say(in, text, list, file)
		if f != nil {
			return nil, f
		}
		said.Group = album
		out = append(out, s.wire(said))
	}
	return out, nil
}

// mine is the bot's own message that a call wants to edit.
func (s *Server) mine(in input) (*Message, *fault) {
	c, _, f := s.chat(in)
	if f != nil {
		return nil, f
	}
	m := c.find(in.number("message_id"))
	if m == nil {
		return nil, bad("message to edit not found")
	}
	if m.From != 0 {
		return nil, bad("message can't be edited")
	}
	return m, nil
}

func editText(s *Server, in input) (any, *fault) {
	text, list, f := styled(in, "text", "entities", 4096, "message")
	if f != nil {
		return nil, f
	}
	buttons, f := keyboard(in)
	if f != nil {
		return nil, f
	}
	m, f := s.mine(in)
	if f == nil && m.File == nil && text != "" && m.Text != text {
		m.Buttons = buttons // without reply_markup the buttons go
	}
	switch {
	case f != nil:
		return nil, f
	case m.File != nil:
		return nil, bad("there is no text in the message to edit")
	case text == "":
		return nil, bad("message text is empty")
	}
	return s.edited(m, text, list)
}

func editButtons(s *Server, in input) (any, *fault) {
	buttons, f := keyboard(in)
	if f != nil {
		return nil, f
	}
	m, f := s.mine(in)
	if f != nil {
		return nil, f
	}
	m.Buttons = buttons
	return s.wire(m), nil
}

func editCaption(s *Server, in input) (any, *fault) {
	text, list, f := styled(in, "caption", "caption_entities", 1024, "message caption")
	if f != nil {
		return nil, f
	}
	m, f := s.mine(in)
	switch {
	case f != nil:
		return nil, f
	case m.File == nil:
		return nil, bad("there is no caption in the message to edit")
	}
	return s.edited(m, text, list)
}

func (s *Server) edited(m *Message, text string, list []Entity) (any, *fault) {
	if m.Text == text && slices.Equal(m.Entities, list) {
		return nil, bad("message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message")
	}
	m.Text, m.Entities = text, list
	return s.wire(m), nil
}

func deleteMessage(s *Server, in input) (any, *fault) {
	c, _, f := s.chat(in)
	if f != nil {
		return nil, f
	}
	m := c.find(in.number("message_id"))
	if m == nil {
		return nil, bad("message to delete not found")
	}
	if time.Since(m.Date) > 48*time.Hour {
		return nil, bad("message can't be deleted for everyone")
	}
	m.Deleted = true
	return true, nil
}

func deleteBusiness(s *Server, in input) (any, *fault) {
	list, _ := in.params["message_ids"].([]any)
	if s.connections[in.text("business_connection_id")] == 0 {
		return nil, bad("business connection not found")
	}
	for _, c := range s.chats {
		for _, id := range list {
			n, _ := id.(float64)
			if m := c.find(int64(n)); m != nil && c.owner != 0 {
				m.Deleted = true
			}
		}
	}
	return true, nil
}

// allowed are the emoji that bots may react with (https://core.telegram.org/bots/api#reactiontypeemoji).
const allowed = `"❤", "👍", "👎", "🔥", "🥰", "👏", "😁", "🤔", "🤯", "😱", "🤬", "😢", "🎉", "🤩", "🤮", "💩", "🙏", "👌", "🕊", "🤡", "🥱", "🥴", "😍", "🐳", "❤‍🔥", "🌚", "🌭", "💯", "🤣", "⚡", "🍌", "🏆", "💔", "🤨", "😐", "🍓", "🍾", "💋", "🖕", "😈", "😴", "😭", "🤓", "👻", "👨‍💻", "👀", "🎃", "🙈", "😇", "😨", "🤝", "✍", "🤗", "🫡", "🎅", "🎄", "☃", "💅", "🤪", "🗿", "🆒", "💘", "🙉", "🦄", "😘", "💊", "🙊", "😎", "👾", "🤷‍♂", "🤷", "🤷‍♀", "😡"`

func setReaction(s *Server, in input) (any, *fault) {
	c, _, f := s.chat(in)
	if f != nil {
		return nil, f
	}
	m := c.find(in.number("message_id"))
	if m == nil {
		return nil, bad("message to react not found")
	}
	list, _ := in.params["reaction"].([]any)
	if len(list) > 1 {
		return nil, bad("REACTIONS_TOO_MANY")
	}
	emoji := ""
	for _, one := range list {
		r, _ := one.(map[string]any)
		emoji, _ = r["emoji"].(string)
		if r["type"] != "emoji" || !strings.Contains(allowed, `"`+emoji+`"`) {
			return nil, bad("REACTION_INVALID")
		}
	}
	m.Reactions[0] = emoji
	return true, nil
}

func chatAction(s *Server, in input) (any, *fault) {
	c, _, f := s.chat(in)
	if f != nil {
		return nil, f
	}
	if in.text("action") != "typing" {
		return nil, bad("wrong parameter action in request")
	}
	c.typed++
	return true, nil
}

func getFile(s *Server, in input) (any, *fault) {
	id := in.text("file_id")
	f := s.files[id]
	if f == nil {
		return nil, bad("wrong file_id or the file is temporarily unavailable")
	}
	if f.size() > 20<<20 {
		return nil, bad("file is too big")
	}
	return map[string]any{"file_id": id, "file_unique_id": strings.ToLower(id), "file_size": f.size(), "file_path": f.path(id)}, nil
}

func photos(s *Server, in input) (any, *fault) {
	c := s.chats[in.number("user_id")]
	if c == nil {
		return nil, bad("user not found")
	}
	if c.picture == "" {
		return map[string]any{"total_count": 0, "photos": []any{}}, nil
	}
	sizes := []any{}
	for _, wide := range []int{640, 160, 320} {
		sizes = append(sizes, map[string]any{"file_id": c.picture, "file_unique_id": "p", "width": wide, "height": wide, "file_size": 1000})
	}
	return map[string]any{"total_count": 1, "photos": []any{sizes}}, nil
}

func getConnection(s *Server, in input) (any, *fault) {
	id := in.text("business_connection_id")
	if s.connections[id] == 0 {
		return nil, bad("business connection not found")
	}
	return s.connectionWire(id), nil
}

func leaveChat(s *Server, in input) (any, *fault) {
	c := s.chats[in.number("chat_id")]
	if c == nil || !c.group {
		return nil, bad("chat not found")
	}
	c.left = true
	return true, nil
}

var commandName = regexp.MustCompile(`^[a-z0-9_]{1,32}$`)

func setMyCommands(s *Server, in input) (any, *fault) {
	list, _ := in.params["commands"].([]any)
	for _, one := range list {
		c, _ := one.(map[string]any)
		name, _ := c["command"].(string)
		text, _ := c["description"].(string)
		if !commandName.MatchString(name) || text == "" || len([]rune(text)) > 256 {
			return nil, bad("BOT_COMMAND_INVALID")
		}
	}
	if scope, ok := in.params["scope"].(map[string]any); ok && scope["type"] != "all_private_chats" && scope["type"] != "default" {
		return nil, bad("can't parse BotCommandScope")
	}
	s.commands[in.text("language_code")] = len(list)
	return true, nil
}
