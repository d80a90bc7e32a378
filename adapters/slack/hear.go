package slack

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// place is where a message stands, and the thread that it hangs under as a note.
func (s *session) place(channel string, m *message) (place, note string) {
	thread := m.ThreadTS
	switch {
	case thread == "" || thread == m.TS:
		return channel, ""
	case s.a.cfg.Rooms == roomsThread && strings.HasPrefix(channel, "D"):
		return channel + ":" + thread, ""
	default:
		return channel, thread
	}
}

// room is what the gateway calls a place.
func (s *session) room(ctx context.Context, place string) (bridge.RoomID, error) {
	var home string
	known, err := s.a.load(ctx, homeKey(place), &home)
	if err != nil || known {
		return bridge.RoomID(home), err
	}
	return bridge.RoomID(place), nil
}

// own reports whether the app wrote it; alien, whether another app did, whose words are no employee's.
func (s *session) own(m *message) (own, alien bool) {
	own = m.User == s.me.UserID || m.BotID != "" && m.BotID == s.me.BotID || keyOf(m) != ""
	return own, !own && (m.BotID != "" || m.SubType == "bot_message" || m.User == "" || m.User == "USLACKBOT")
}

// message turns a message into the gateway's event; nil if it is none of its business.
func (s *session) message(ctx context.Context, channel string, m *message) (bridge.Event, error) {
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
	room, err := s.room(ctx, place)
	if err != nil {
		return nil, err
	}
	user := m.User
	if user == "" {
		user = s.me.UserID
	}
	text, files := s.content(ctx, m)
	if text == "" && len(files) == 0 {
		return nil, nil
	}
	return bridge.MessageEvent{
		Room: room, User: bridge.UserID(user), Msg: bridge.MsgID(m.TS), At: moment(m.TS), Text: text, Files: files,
		Thread: bridge.MsgID(note), Own: own, Key: keyOf(m),
	}, nil
}

// content is a message's text and files. Files that are kept elsewhere become links.
func (s *session) content(ctx context.Context, m *message) (string, []bridge.File) {
	text := heard{emoji: s.a.emoji, name: func(id string) string { return s.name(ctx, id) }}.text(m.Text)
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
func (s *session) edited(ctx context.Context, channel, at string, now, before *message) (bridge.Event, error) {
	if now == nil || now.SubType == "tombstone" || before != nil && before.Text == now.Text {
		return nil, nil
	}
	if own, alien := s.own(now); own || alien {
		return nil, nil
	}
	place, _ := s.place(channel, now)
	room, err := s.room(ctx, place)
	if err != nil {
		return nil, err
	}
	text, _ := s.content(ctx, now)
	return bridge.Edited{Room: room, User: bridge.UserID(now.User), Msg: bridge.MsgID(now.TS), At: moment(at), Text: text}, nil
}

// convert turns an event into the gateway's; nil if it is none of its business.
func (s *session) convert(ctx context.Context, e *event) (bridge.Event, error) {
	at := e.EventTS
	if at == "" {
		at = e.TS
	}
	switch {
	case e.Type == "message" && e.SubType == "message_changed":
		return s.edited(ctx, e.Channel, at, e.Now, e.Before)
	case e.Type == "message" && e.SubType == "message_deleted":
		return s.deleted(ctx, e, at)
	case e.Type == "message":
		return s.message(ctx, e.Channel, &e.message)
	case (e.Type == "reaction_added" || e.Type == "reaction_removed") && e.Item.Type == "message" && e.User != s.me.UserID:
		char := s.a.emoji.toChar(e.Reaction)
		if char == "" {
			return nil, nil // the workspace's own: a picture that only Slack has
		}
		room, err := s.reactedIn(ctx, e.Item.Channel, e.Item.TS)
		if err != nil {
			return nil, err
		}
		return bridge.Reacted{
			Room: room, User: bridge.UserID(e.User), Msg: bridge.MsgID(e.Item.TS), Emoji: char,
			Removed: e.Type == "reaction_removed", At: moment(at),
		}, nil
	}
	return nil, nil
}

func (s *session) deleted(ctx context.Context, e *event, at string) (bridge.Event, error) {
	before := e.Before
	if before == nil {
		before = &message{TS: e.DeletedTS}
	}
	if own, alien := s.own(before); own || alien && before.User+before.BotID != "" {
		return nil, nil
	}
	place, _ := s.place(e.Channel, before)
	room, err := s.room(ctx, place)
	if err != nil {
		return nil, err
	}
	return bridge.Deleted{Room: room, User: bridge.UserID(before.User), Msg: bridge.MsgID(e.DeletedTS), At: moment(at)}, nil
}

// reactedIn is the room of a message. A reaction does not name the thread, so that it has to be asked for.
func (s *session) reactedIn(ctx context.Context, channel, ts string) (bridge.RoomID, error) {
	place := channel
	if s.a.cfg.Rooms == roomsThread && strings.HasPrefix(channel, "D") {
		found, _, err := s.a.page(ctx, channel, ts, "", "")
		if err != nil { // it is only a reaction: messages must not wait for it
			s.a.env.Log.Warn("a reaction is lost: its thread could not be found", "room", channel, "err", err)
		}
		if len(found) > 0 && found[0].ThreadTS != "" {
			place = channel + ":" + found[0].ThreadTS
		}
	}
	return s.room(ctx, place)
}

// said turns a slash command or a message's shortcut into the words of the gateway: "/hutong to 李雷" is "/to 李雷".
func (s *session) said(ctx context.Context, channel, thread, user, id, words string) (bridge.Event, error) {
	place, _ := s.place(channel, &message{ThreadTS: thread})
	room, err := s.room(ctx, place)
	if err != nil {
		return nil, err
	}
	if words = strings.TrimPrefix(strings.TrimSpace(words), "/"); words == "" {
		words = "help"
	}
	return bridge.MessageEvent{Room: room, User: bridge.UserID(user), Msg: bridge.MsgID(id), At: s.a.env.Now(), Text: "/" + words}, nil
}

// sendNote is the shortcut that sends a note to the customer after all.
const sendNote = "send"

// sentNote ends the id of such a message, since the note has its own already.
const sentNote = "-sent"

// stampIn is Slack's own id in a message's.
func stampIn(m bridge.MsgID) string { return strings.TrimSuffix(string(m), sentNote) }

// noteSent is a note of the member's own, said to the customer now.
func (s *session) noteSent(ctx context.Context, i *interaction) (bridge.Event, error) {
	m := i.Message
	if m.User != i.User.ID {
		s.a.env.Log.Warn("a colleague's note is not sent to the customer", "user", i.User.ID)
		return nil, nil
	}
	if s.a.cfg.Rooms == roomsChannel {
		m.ThreadTS = ""
	}
	e, err := s.message(ctx, i.Channel.ID, &m)
	said, ok := e.(bridge.MessageEvent)
	if err != nil || !ok {
		return nil, err
	}
	said.Msg += sentNote
	said.At = s.a.env.Now()
	return said, nil
}

// pressed is an answer, if the button is one of ours; the room is the one that was signed.
func (s *session) pressed(ctx context.Context, i *interaction) (bridge.Event, error) {
	if len(i.Actions) == 0 {
		return nil, nil
	}
	action := i.Actions[0]
	var p press
	key, err := s.a.signKey(ctx)
	if err != nil {
		return nil, err
	}
	if json.Unmarshal([]byte(action.Value), &p) != nil || !p.genuine(key) {
		s.a.env.Log.Warn("a button that the gateway did not make was pressed", "user", i.User.ID)
		return nil, nil
	}
	at := s.a.env.Now()
	if m := micros(action.TS); m > 0 {
		at = time.UnixMicro(m)
	}
	return bridge.Answered{Room: p.Room, User: bridge.UserID(i.User.ID), Ask: p.Ask, Choice: p.Choice, At: at}, nil
}
