package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	slackapi "github.com/slack-go/slack"

	"github.com/hutong-im/hutong/bridge"
)

// news is one thing that Slack tells, however it came: exactly one of the fields is set.
type news struct {
	event   *event
	action  *slackapi.InteractionCallback
	command *slackapi.SlashCommand
}

// event is an inner event of the Events API: a message, or one of the others that the manifest subscribes to.
type event struct {
	slackapi.Message
	Reaction string `json:"reaction"`
	Item     struct {
		Type    string `json:"type"`
		Channel string `json:"channel"`
		TS      string `json:"ts"`
	} `json:"item"`
	Tab string `json:"tab"`
}

var errNotUnderstood = errors.New("not understood")

// parse reads what a Socket Mode envelope or a call of the hook carries. Kind is as in Socket Mode.
func parse(kind string, payload []byte) (news, error) {
	var n news
	var err error
	switch kind {
	case "events_api":
		var outer struct {
			Type  string
			Event *event
		}
		err = json.Unmarshal(payload, &outer)
		if n.event = outer.Event; err == nil && (outer.Type != "event_callback" || outer.Event == nil || outer.Event.Type == "") {
			err = errNotUnderstood
		}
	case "interactive":
		n.action = &slackapi.InteractionCallback{}
		err = json.Unmarshal(payload, n.action)
		if err == nil && (n.action.Type == "" || n.action.User.ID == "") {
			err = errNotUnderstood
		}
	case "slash_commands":
		n.command = &slackapi.SlashCommand{}
		err = json.Unmarshal(payload, n.command)
		if err == nil && (n.command.UserID == "" || n.command.ChannelID == "") {
			err = errNotUnderstood
		}
	default:
		err = errNotUnderstood
	}
	if err != nil {
		return news{}, fmt.Errorf("%s: %w", kind, err)
	}
	return n, nil
}

// parseForm reads a call of the hook that is a form: a slash command, or an interaction in its field payload.
func parseForm(body []byte) (news, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return news{}, fmt.Errorf("form: %w", errNotUnderstood)
	}
	if form.Has("payload") {
		return parse("interactive", []byte(form.Get("payload")))
	}
	fields := map[string]string{}
	for k := range form {
		if k != "is_enterprise_install" { // a boolean elsewhere, a word here
			fields[k] = form.Get(k)
		}
	}
	b, err := json.Marshal(fields)
	if err != nil {
		return news{}, fmt.Errorf("form: %w", err)
	}
	return parse("slash_commands", b)
}

// micros reads a timestamp such as 1700000000.000100 in millionths of a second; 0 is none.
func micros(ts string) int64 {
	sec, frac, _ := strings.Cut(ts, ".")
	s, err := strconv.ParseInt(sec, 10, 64)
	if err != nil || len(frac) > 6 || s < 0 || s > 1<<40 {
		return 0
	}
	f, err := strconv.ParseUint(frac+strings.Repeat("0", 6-len(frac)), 10, 32)
	if err != nil {
		return 0
	}
	return s*1e6 + int64(f)
}

func stampOf(micros int64) string { return fmt.Sprintf("%d.%06d", micros/1e6, micros%1e6) }

func moment(ts string) time.Time { return time.UnixMicro(micros(ts)) }

// place is where a message stands, and the thread that it hangs under as a note.
func (s *session) place(channel string, m *slackapi.Msg) (place, note string) {
	thread := m.ThreadTimestamp
	switch {
	case thread == "" || thread == m.Timestamp:
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
func (s *session) own(m *slackapi.Msg) (own, alien bool) {
	own = m.User == s.me.UserID || m.BotID != "" && m.BotID == s.me.BotID || keyOf(m) != ""
	return own, !own && (m.BotID != "" || m.SubType == "bot_message" || m.User == "" || m.User == "USLACKBOT")
}

// message turns a message into the gateway's event; nil if it is none of its business.
func (s *session) message(ctx context.Context, channel string, m *slackapi.Msg) (bridge.Event, error) {
	switch m.SubType {
	case "", "file_share", "me_message", "thread_broadcast", "bot_message":
	default:
		return nil, nil
	}
	own, alien := s.own(m)
	if alien || m.Timestamp == "" {
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
		Room: room, User: bridge.UserID(user), Msg: bridge.MsgID(m.Timestamp), At: moment(m.Timestamp), Text: text, Files: files,
		Thread: bridge.MsgID(note), Own: own, Key: keyOf(m),
	}, nil
}

// content is a message's text and files. Files that are kept elsewhere become links.
func (s *session) content(ctx context.Context, m *slackapi.Msg) (string, []bridge.File) {
	text := heard{emoji: s.a.emoji, name: func(id string) string { return s.name(ctx, id) }}.text(m.Text)
	var files []bridge.File
	for i := range m.Files {
		switch f := &m.Files[i]; {
		case f.Mode == "tombstone" || f.Mode == "hidden_by_limit" || f.URLPrivate == "":
		case f.IsExternal:
			text = strings.TrimPrefix(text+"\n"+f.URLPrivate, "\n")
		default:
			files = append(files, bridge.File{Name: f.Name, Type: f.Mimetype, Size: int64(f.Size), Ref: f.URLPrivate})
		}
	}
	return text, files
}

// edited turns a message_changed into an event. Slack sends one for previews and replies too: only another text counts.
func (s *session) edited(ctx context.Context, channel, at string, now, before *slackapi.Msg) (bridge.Event, error) {
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
	return bridge.Edited{Room: room, User: bridge.UserID(now.User), Msg: bridge.MsgID(now.Timestamp), At: moment(at), Text: text}, nil
}

// convert turns an event into the gateway's; nil if it is none of its business.
func (s *session) convert(ctx context.Context, e *event) (bridge.Event, error) {
	at := e.EventTimestamp
	if at == "" {
		at = e.Timestamp
	}
	switch {
	case e.Type == "message" && e.SubType == "message_changed":
		return s.edited(ctx, e.Channel, at, e.SubMessage, e.PreviousMessage)
	case e.Type == "message" && e.SubType == "message_deleted":
		return s.deleted(ctx, e, at)
	case e.Type == "message":
		return s.message(ctx, e.Channel, &e.Msg)
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
	before := e.PreviousMessage
	if before == nil {
		before = &slackapi.Msg{Timestamp: e.DeletedTimestamp}
	}
	if own, alien := s.own(before); own || alien && before.User+before.BotID != "" {
		return nil, nil
	}
	place, _ := s.place(e.Channel, before)
	room, err := s.room(ctx, place)
	if err != nil {
		return nil, err
	}
	return bridge.Deleted{Room: room, User: bridge.UserID(before.User), Msg: bridge.MsgID(e.DeletedTimestamp), At: moment(at)}, nil
}

// reactedIn is the room of a message. A reaction does not name the thread, so that it has to be asked for.
func (s *session) reactedIn(ctx context.Context, channel, ts string) (bridge.RoomID, error) {
	place := channel
	if s.a.cfg.Rooms == roomsThread && strings.HasPrefix(channel, "D") {
		found, _, err := s.a.page(ctx, channel, ts, "", "")
		if err != nil && !is(err, "thread_not_found", "message_not_found") {
			return "", err
		}
		if len(found) > 0 && found[0].ThreadTimestamp != "" {
			place = channel + ":" + found[0].ThreadTimestamp
		}
	}
	return s.room(ctx, place)
}

// said turns a slash command or a message's shortcut into the words of the gateway: "/hutong to 李雷" is "/to 李雷".
func (s *session) said(ctx context.Context, channel, thread, user, id, words string) (bridge.Event, error) {
	place, _ := s.place(channel, &slackapi.Msg{ThreadTimestamp: thread})
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
func (s *session) noteSent(ctx context.Context, i *slackapi.InteractionCallback) (bridge.Event, error) {
	m := i.Message.Msg
	if m.User != i.User.ID {
		s.a.env.Log.Warn("a colleague's note is not sent to the customer", "user", i.User.ID)
		return nil, nil
	}
	if s.a.cfg.Rooms == roomsChannel {
		m.ThreadTimestamp = ""
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
func (s *session) pressed(ctx context.Context, i *slackapi.InteractionCallback) (bridge.Event, error) {
	if len(i.ActionCallback.BlockActions) == 0 {
		return nil, nil
	}
	action := i.ActionCallback.BlockActions[0]
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
	if m := micros(action.ActionTs); m > 0 {
		at = time.UnixMicro(m)
	}
	return bridge.Answered{Room: p.Room, User: bridge.UserID(i.User.ID), Ask: p.Ask, Choice: p.Choice, At: at}, nil
}
