package slack

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// place is where a message stands, and the thread that it hangs under as a note.
func (s *session) place(channel string, m *message) (place, note string) {
	thread := m.ThreadTS
	switch {
	case thread == "" || thread == m.TS:
		return channel, ""
	case s.threads(channel):
		return channel + ":" + thread, ""
	default:
		return channel, thread
	}
}

// threads reports whether customers are threads in a channel.
func (s *session) threads(channel string) bool {
	return s.a.cfg.Rooms == roomsThread && strings.HasPrefix(channel, "D")
}

// room is what the gateway calls a place.
func (s *session) room(place string) (bridge.RoomID, error) {
	home := bridge.RoomID(place)
	_, err := bridge.Load(s.ctx, s.a.env.State, homeKey(place), &home)
	return home, err
}

// own reports whether the app wrote it; alien, whether another app did, whose words are no employee's.
func (s *session) own(m *message) (own, alien bool) {
	own = m.User == s.me.UserID || m.BotID != "" && m.BotID == s.me.BotID || keyOf(m) != ""
	return own, !own && (m.BotID != "" || m.SubType == "bot_message" || m.User == "" || m.User == "USLACKBOT")
}

// message turns a message into the gateway's event; nil if it is none of its business.
func (s *session) message(channel string, m *message) (bridge.Event, error) {
	switch m.SubType {
	case "", "file_share", "me_message", "thread_broadcast", "bot_message":
	default:
		return nil, nil
	}
	own, alien := s.own(m)
	if alien || m.TS == "" {
		return nil, nil
	}
	place, note := s.place(channel, m)
	room, err := s.room(place)
	if err != nil {
		return nil, err
	}
	user := m.User
	if user == "" {
		user = s.me.UserID
	}
	text, files := s.content(m)
	if text == "" && len(files) == 0 {
		return nil, nil
	}
	return bridge.MessageEvent{
		Room: room, User: bridge.UserID(user), Msg: bridge.MsgID(m.TS), At: moment(m.TS), Text: text, Files: files,
		Thread: bridge.MsgID(note), Own: own, Key: keyOf(m),
	}, nil
}

// content is a message's text and files. Files that are kept elsewhere become links.
func (s *session) content(m *message) (string, []bridge.File) {
	text := heard{emoji: s.a.emoji, name: s.name}.text(m.Text)
	var files []bridge.File
	for i := range m.Files {
		switch f := &m.Files[i]; {
		case f.Mode == "tombstone" || f.Mode == "hidden_by_limit" || f.URL == "":
		case f.IsExternal:
			text = strings.TrimPrefix(text+"\n"+f.URL, "\n")
		default:
			files = append(files, bridge.File{Name: f.Name, Type: f.Type, Size: f.Size, Ref: f.URL})
		}
	}
	return text, files
}

// edited turns a message_changed into an event. Slack sends one for previews and replies too: only another text counts.
func (s *session) edited(channel, at string, now, before *message) (bridge.Event, error) {
	if now == nil || now.SubType == "tombstone" || before != nil && before.Text == now.Text {
		return nil, nil
	}
	if own, alien := s.own(now); own || alien {
		return nil, nil
	}
	place, _ := s.place(channel, now)
	room, err := s.room(place)
	text, _ := s.content(now)
	return bridge.Edited{Room: room, User: bridge.UserID(now.User), Msg: bridge.MsgID(now.TS), At: moment(at), Text: text}, err
}

// deleted turns a message_deleted into an event.
func (s *session) deleted(e *event, at string) (bridge.Event, error) {
	before := e.Before
	if before == nil {
		before = &message{TS: e.DeletedTS}
	}
	if own, alien := s.own(before); own || alien && before.User+before.BotID != "" {
		return nil, nil
	}
	place, _ := s.place(e.Channel, before)
	room, err := s.room(place)
	return bridge.Deleted{Room: room, User: bridge.UserID(before.User), Msg: bridge.MsgID(e.DeletedTS), At: moment(at)}, err
}

// convert turns an event into the gateway's; nil if it is none of its business.
func (s *session) convert(e *event) (bridge.Event, error) {
	at := e.EventTS
	if at == "" {
		at = e.TS
	}
	switch {
	case e.Type == "message" && e.SubType == "message_changed":
		return s.edited(e.Channel, at, e.Now, e.Before)
	case e.Type == "message" && e.SubType == "message_deleted":
		return s.deleted(e, at)
	case e.Type == "message":
		return s.message(e.Channel, &e.message)
	case (e.Type == "reaction_added" || e.Type == "reaction_removed") && e.Item.Type == "message" && e.User != s.me.UserID:
		char := s.a.emoji.toChar(e.Reaction)
		if char == "" {
			return nil, nil // the workspace's own: a picture that only Slack has
		}
		room, err := s.reactedIn(e.Item.Channel, e.Item.TS)
		return bridge.Reacted{
			Room: room, User: bridge.UserID(e.User), Msg: bridge.MsgID(e.Item.TS), Emoji: char,
			Removed: e.Type == "reaction_removed", At: moment(at),
		}, err
	}
	return nil, nil
}

// reactedIn is the room of a message. A reaction does not name the thread, so that it has to be asked for.
func (s *session) reactedIn(channel, ts string) (bridge.RoomID, error) {
	place := channel
	if s.threads(channel) {
		found, err := s.a.one(s.ctx, channel, ts, ts)
		if err != nil { // it is only a reaction: messages must not wait for it
			s.a.env.Log.Warn("a reaction is lost: its thread could not be found", "room", channel, "err", err)
		}
		if found != nil && found.ThreadTS != "" {
			place = channel + ":" + found.ThreadTS
		}
	}
	return s.room(place)
}

// act handles a button, a shortcut or a form.
func (s *session) act(i *interaction) error {
	switch {
	case i.Type == "block_actions" && len(i.Actions) > 0:
		return s.pressed(i)
	case i.Type == "view_submission" && formWord(i.View.CallbackID):
		return s.filled(i)
	case i.Type == "shortcut" && formWord(i.CallbackID):
		chat, err := s.a.direct(s.ctx, []bridge.UserID{bridge.UserID(i.User.ID)})
		if err != nil {
			s.a.env.Log.Warn("a shortcut leads nowhere: there is no chat with the user", "user", i.User.ID, "err", err)
			return nil
		}
		return s.say(i.TriggerID, i.User.ID, chat, i.CallbackID)
	case i.Type == "message_action":
		return s.chosen(i)
	}
	return nil
}

// chosen handles what was chosen in the menu of a message.
func (s *session) chosen(i *interaction) error {
	place, _ := s.place(i.Channel.ID, &i.Message)
	if own, _ := s.own(&i.Message); own && place == i.Channel.ID && s.threads(place) {
		place += ":" + i.Message.TS // a customer's card, under which their thread is
	}
	if i.CallbackID != sendNote && i.CallbackID != sendAgain {
		return s.say(i.TriggerID, i.User.ID, place, i.CallbackID)
	}
	room, err := s.room(place)
	if err != nil {
		return err
	}
	answer := bridge.Answered{Room: room, User: bridge.UserID(i.User.ID), Ask: "note:" + i.Message.TS, Choice: "send", At: s.a.env.Now()}
	if i.CallbackID == sendNote {
		return s.receive(answer, nil)
	}
	line, err := s.a.env.Lobby.Line(s.ctx, answer.User, room, bridge.MsgID(i.Message.TS))
	if errors.Is(err, bridge.ErrNotFound) || err == nil && !line.Mine {
		if err := s.a.Hint(s.ctx, room, answer.User, bridge.Ask{Text: s.a.words().notYours}); err != nil {
			s.a.env.Log.Warn("a user could not be told that there is nothing to repeat", "user", i.User.ID, "err", err)
		}
		return nil
	}
	answer.Ask, answer.Event = "again:"+line.ID.String(), "retry-"+i.TriggerID
	return s.receive(answer, err)
}

// pressed brings an answer, if the button is one of ours; the room is the one that was signed.
func (s *session) pressed(i *interaction) error {
	action := i.Actions[0]
	signer, err := s.a.signer(s.ctx)
	if err != nil {
		return err
	}
	sum, body, _ := strings.Cut(action.Value, " ")
	var p press
	if signer.Check(sum, []byte(body), s.a.env.Now()) != nil || json.Unmarshal([]byte(body), &p) != nil {
		s.a.env.Log.Warn("a button that the gateway did not make was pressed", "user", i.User.ID)
		return nil
	}
	at := s.a.env.Now()
	if m := micros(action.ActionTs); m > 0 {
		at = time.UnixMicro(m)
	}
	if err := s.receive(bridge.Answered{Room: p.Room, User: bridge.UserID(i.User.ID), Ask: p.Ask, Choice: p.Choice, At: at}, nil); err != nil {
		return err
	}
	if i.ResponseURL == "" {
		s.a.showHome(s.ctx, bridge.UserID(i.User.ID))
		return nil
	}
	text := strings.TrimPrefix(escape(unescape(i.Message.Text))+"\n"+fmt.Sprintf(s.a.words().answered, escape(action.Text.Text), i.User.ID), "\n")
	if err := s.replaceQuestion(i.ResponseURL, text); err != nil {
		s.a.env.Log.Warn("the buttons of an answered question stay", "room", p.Room, "err", err)
	}
	return nil
}

// replaceQuestion takes the buttons off a question, which may be one that a single user sees.
func (s *session) replaceQuestion(address, text string) error {
	u, err := url.Parse(address)
	if err != nil || !s.a.trusted(u) {
		return errors.New("the address to answer at is not Slack's")
	}
	body := fields{"replace_original": true, "text": text, "blocks": []fields{mrkdwn(text)}}
	req, err := httpx.Request(s.ctx, http.MethodPost, address, body)
	if err != nil {
		return err
	}
	_, err = httpx.Do(s.ctx, s.a.env.HTTP, req, maxCall)
	return err
}

// formWord reports whether a word asks for a text in a form when it comes without one.
func formWord(word string) bool { return word == "note" || word == "remark" || word == "tag" }

// say brings the words of a slash command or a shortcut: "/hutong to 李雷" is the gateway's "/to 李雷". Or it opens the
// form for what they lack; that may be whom they are about, since Slack takes no slash commands in threads.
func (s *session) say(trigger, user, place, words string) error {
	words = strings.TrimPrefix(strings.TrimSpace(words), "/")
	if words == "" {
		words = "help"
	}
	room, err := s.room(place)
	if err != nil {
		return err
	}
	word, text, _ := strings.Cut(words, " ")
	if formWord(word) {
		r, _, _, err := s.a.where(s.ctx, room)
		if err != nil {
			return err
		}
		about := room
		if r.Key == "" {
			about = ""
		}
		if text == "" || about == "" {
			if opened, err := s.openForm(trigger, user, word, text, about); opened || err != nil {
				return err
			}
		}
	}
	return s.receive(bridge.MessageEvent{
		Room: room, User: bridge.UserID(user), Msg: bridge.MsgID("command-" + trigger), At: s.a.env.Now(), Text: "/" + words,
	}, nil)
}

// openForm asks for a text, and for the customer whom it is about if room is "". It reports whether it could: a form
// comes within three seconds or not at all.
func (s *session) openForm(trigger, user, word, text string, room bridge.RoomID) (bool, error) {
	w := s.a.words()
	rooms, err := s.a.env.Lobby.Rooms(s.ctx, bridge.UserID(user))
	if err != nil {
		return false, fmt.Errorf("list the rooms: %w", err)
	}
	var blocks, options []fields
	for i, r := range rooms {
		if i < maxOptions {
			options = append(options, fields{"text": plainText(r.Other.Text, maxLabel), "value": string(r.Room)})
		}
		if r.Room == room && word == "remark" && text == "" {
			text = r.Remark
		}
	}
	if len(options) == 0 {
		return false, nil
	}
	if room == "" {
		choose := fields{"type": "static_select", "action_id": "room", "options": options}
		blocks = append(blocks, fields{"type": "input", "block_id": "room", "label": plainText(w.customer, maxLabel), "element": choose})
	}
	input := fields{"type": "plain_text_input", "action_id": "text", "multiline": word == "note", "max_length": maxSection}
	if text != "" {
		input["initial_value"] = cut(text, maxSection)
	}
	blocks = append(blocks, fields{"type": "input", "block_id": "text", "label": plainText(w.forms[word], maxLabel), "element": input})
	err = s.a.call(s.ctx, "views.open", fields{"trigger_id": trigger, "view": fields{
		"type": "modal", "callback_id": word, "private_metadata": string(room), "blocks": blocks,
		"title": plainText("/"+word, maxLabel), "submit": plainText(w.submit, maxLabel), "close": plainText(w.cancel, maxLabel),
	}}, nil)
	if err != nil {
		s.a.env.Log.Warn("a form could not be opened", "user", user, "err", err)
	}
	return err == nil, nil
}

// filled brings what was written into a form, in the words of the command.
func (s *session) filled(i *interaction) error {
	values := i.View.State.Values
	room := i.View.Room
	if room == "" {
		room = values["room"]["room"].SelectedOption.Value
	}
	text := strings.TrimSpace(values["text"]["text"].Value)
	return s.receive(bridge.MessageEvent{
		Room: bridge.RoomID(room), User: bridge.UserID(i.User.ID), Msg: bridge.MsgID("form-" + i.View.ID), At: s.a.env.Now(),
		Text: "/" + i.View.CallbackID + " " + text,
	}, nil)
}
