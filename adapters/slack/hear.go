package slack

import (
	"strings"

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
func (s *session) room(place string) (bridge.RoomID, error) {
	home := bridge.RoomID(place)
	_, err := s.a.load(s.ctx, homeKey(place), &home)
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
	if s.a.cfg.Rooms == roomsThread && strings.HasPrefix(channel, "D") {
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
