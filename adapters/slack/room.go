package slack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	slackapi "github.com/slack-go/slack"

	"github.com/hutong-im/hutong/bridge"
)

// A room is a channel ("C1"), or a thread in one ("D1:1700000000.000100"). What the gateway calls a room stays,
// even if Slack's side of it had to be replaced: then its record says where it is now.
func split(place string) (channel, thread string) {
	channel, thread, _ = strings.Cut(place, ":")
	return channel, thread
}

// record is what is kept of a room that the adapter opened.
type record struct {
	bridge.Opening
	Place string // where the room is now
	Card  string // the pinned post
	Text  string // what stands in it
}

// Keys in Env.State.
func openKey(key string) string     { return "open/" + key }   // of an Opening: the room
func roomKey(room string) string    { return "room/" + room }  // the record
func homeKey(place string) string   { return "home/" + place } // the room of a place that replaced another
func readKey(place string) string   { return "read/" + place } // up to where a place was heard
func nameKey(room, n string) string { return room + "-" + n }  // of channels: NAME-2 follows NAME

// Open makes the room of a link, or finds it.
func (a *adapter) Open(ctx context.Context, o bridge.Opening) (bridge.RoomID, error) {
	var room string
	known, err := a.load(ctx, openKey(o.Key), &room)
	if err != nil {
		return "", err
	}
	var r record
	if known {
		if _, err := a.load(ctx, roomKey(room), &r); err != nil {
			return "", err
		}
	}
	r.Opening = o
	if err := a.furnish(ctx, &r); err != nil {
		if !known {
			return "", err
		}
		return bridge.RoomID(room), a.replace(ctx, bridge.RoomID(room), &r, err)
	}
	if !known {
		room = r.Place
	}
	if err := a.settle(ctx, room, &r); err != nil {
		return "", err
	}
	return bridge.RoomID(room), nil
}

// settle makes durable where a room is.
func (a *adapter) settle(ctx context.Context, room string, r *record) error {
	err := a.keep(ctx, roomKey(room), r)
	if err == nil {
		err = a.keep(ctx, openKey(r.Key), room)
	}
	if err == nil && room != r.Place {
		err = a.keep(ctx, homeKey(r.Place), room)
	}
	if err == nil {
		_, err = a.env.State.Put(ctx, readKey(r.Place), []byte(r.Card), 0) // from its first post on
		if errors.Is(err, bridge.ErrStale) {
			err = nil
		}
	}
	return err
}

// furnish makes what is not there yet: the channel, its members, its topic, the pinned card.
func (a *adapter) furnish(ctx context.Context, r *record) error {
	var channel string
	var err error
	switch {
	case r.Place != "":
		channel, _ = split(r.Place)
	case a.cfg.Rooms == roomsThread:
		channel, err = a.direct(ctx, r.Members)
	default:
		channel, err = a.channel(ctx, r)
	}
	if err != nil {
		return err
	}
	if a.cfg.Rooms == roomsChannel {
		if err := a.invite(ctx, channel, r.Members); err != nil {
			return err
		}
	}
	if err := a.card(ctx, channel, r); err != nil {
		return err
	}
	if r.Place == "" {
		r.Place = channel
		if a.cfg.Rooms == roomsThread {
			r.Place = channel + ":" + r.Card
		}
	}
	return nil
}

// direct is the app's chat with a member.
func (a *adapter) direct(ctx context.Context, users []bridge.UserID) (string, error) {
	if len(users) == 0 {
		return "", bridge.Permanent(errors.New("conversations.open: nobody to talk to"))
	}
	c, _, _, err := a.api.OpenConversationContext(ctx, &slackapi.OpenConversationParameters{Users: []string{string(users[0])}, ReturnIM: true})
	if err != nil {
		return "", a.asked("conversations.open", err)
	}
	return c.ID, nil
}

// maxName is how long a channel's name may be (https://docs.slack.dev/reference/methods/conversations.create#naming).
const maxName = 80

// slug writes a name as Slack takes it: lower case letters, digits and dashes.
func slug(s string, limit int) string {
	var b strings.Builder
	n := 0
	for _, r := range strings.ToLower(s) {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' {
			r = '-'
		}
		if r == '-' && (b.Len() == 0 || strings.HasSuffix(b.String(), "-")) {
			continue
		}
		if n++; n > limit {
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimSuffix(b.String(), "-")
}

// channel makes a private channel called after the contact. A name that is taken is its own from an earlier try,
// unless it was archived: then the next number follows.
func (a *adapter) channel(ctx context.Context, r *record) (string, error) {
	key := slug(r.Key, maxName/2)
	name := slug(r.Title, maxName-len(key)-8)
	if name == "" {
		name = "hutong"
	}
	base := nameKey(name, key)
	const tries = 50
	for n := 1; n <= tries; n++ {
		try := base
		if n > 1 {
			try = nameKey(base, fmt.Sprint(n))
		}
		c, err := a.api.CreateConversationContext(ctx, slackapi.CreateConversationParams{ChannelName: try, IsPrivate: true})
		switch {
		case err == nil:
			return c.ID, a.describe(ctx, c.ID, r)
		case is(err, "invalid_name_specials", "invalid_name", "invalid_name_punctuation") && base != nameKey("hutong", key):
			base, n = nameKey("hutong", key), 0 // this workspace takes Latin letters only
			continue
		case !is(err, "name_taken"):
			return "", a.asked("conversations.create", err)
		}
		found, err := a.named(ctx, try)
		if err != nil {
			return "", err
		}
		if found == nil || found.IsArchived {
			continue
		}
		if found.Topic.Value == "" {
			err = a.describe(ctx, found.ID, r)
		}
		return found.ID, err
	}
	return "", bridge.Permanent(fmt.Errorf("conversations.create: %d channels are called like %s", tries, base))
}

// named finds a private channel of the app by its name; nil if it is in none.
func (a *adapter) named(ctx context.Context, name string) (*slackapi.Channel, error) {
	q := &slackapi.GetConversationsParameters{Types: []string{"private_channel"}, Limit: 200}
	for {
		page, next, err := a.api.GetConversationsContext(ctx, q)
		if err != nil {
			return nil, a.asked("conversations.list", err)
		}
		if i := slices.IndexFunc(page, func(c slackapi.Channel) bool { return c.Name == name }); i >= 0 {
			return &page[i], nil
		}
		if q.Cursor = next; next == "" {
			return nil, nil
		}
	}
}

// maxTopic is the limit of topics and purposes, in characters.
const maxTopic = 250

// describe sets topic and purpose, once: each change posts a line into the channel.
func (a *adapter) describe(ctx context.Context, channel string, r *record) error {
	label := escape(cut(r.Label.Text, maxTopic/5))
	if _, err := a.api.SetPurposeOfConversationContext(ctx, channel, label); err != nil {
		return a.asked("conversations.setPurpose", err)
	}
	_, err := a.api.SetTopicOfConversationContext(ctx, channel, label)
	return a.asked("conversations.setTopic", err)
}

// cut keeps the first n characters.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

func (a *adapter) invite(ctx context.Context, channel string, users []bridge.UserID) error {
	for _, u := range users {
		_, err := a.api.InviteUsersToConversationContext(ctx, channel, string(u))
		if err != nil && !is(err, "already_in_channel", "cant_invite_self") {
			return a.asked("conversations.invite", err)
		}
	}
	return nil
}

// card posts and pins who the contact is, or brings the post up to date.
func (a *adapter) card(ctx context.Context, channel string, r *record) error {
	text := "*" + escape(r.Label.Text) + "*\n" + a.words().card[a.cfg.Rooms]
	if r.Card != "" {
		if text == r.Text {
			return nil
		}
		_, _, _, err := a.api.UpdateMessageContext(ctx, channel, r.Card, slackapi.MsgOptionText(text, false))
		r.Text = text
		return a.asked("chat.update", err)
	}
	key := "card-" + r.Key
	found, err := a.find(ctx, channel, "", key)
	if err != nil {
		return err
	}
	if found == "" {
		opts := []slackapi.MsgOption{slackapi.MsgOptionText(text, false), stamp(key), slackapi.MsgOptionDisableLinkUnfurl()}
		if _, found, err = a.api.PostMessageContext(ctx, channel, opts...); err != nil {
			return a.asked("chat.postMessage", err)
		}
	}
	r.Card, r.Text = found, text
	if err := a.api.AddPinContext(ctx, channel, slackapi.NewRefToMessage(channel, found)); err != nil && !is(err, "already_pinned") {
		a.env.Log.Warn("the contact's card could not be pinned", "room", channel, "err", a.asked("pins.add", err))
	}
	return nil
}

// whereabouts is where a room is now, and whom a message there calls.
func (a *adapter) whereabouts(ctx context.Context, room bridge.RoomID) (place string, r *record, err error) {
	r = &record{}
	known, err := a.load(ctx, roomKey(string(room)), r)
	if err != nil || !known {
		return string(room), nil, err
	}
	return r.Place, r, nil
}

// lostPause is how often a channel is tried from which the app was removed.
const lostPause = time.Minute

// replace opens a room anew that was archived or whose thread is gone, and leads there from the old one. A channel
// that the app was removed from waits for a person.
func (a *adapter) replace(ctx context.Context, room bridge.RoomID, r *record, cause error) error {
	if r == nil {
		return cause
	}
	if is(cause, "channel_not_found", "not_in_channel") {
		return bridge.RetryAfter(fmt.Errorf("the app was removed from the channel of %s; invite it again: %w", r.Title, cause), lostPause)
	}
	if !is(cause, "is_archived", "thread_not_found") {
		return cause
	}
	old, _ := split(r.Place)
	next := &record{Opening: r.Opening}
	if err := a.furnish(ctx, next); err != nil {
		return err
	}
	if err := a.settle(ctx, string(room), next); err != nil {
		return err
	}
	a.env.Log.Warn("a channel was archived; its successor was opened", "room", room, "place", next.Place)
	channel, thread := split(next.Place)
	_, _, err := a.api.PostMessageContext(ctx, channel, slackapi.MsgOptionText(fmt.Sprintf(a.words().successor, old), false),
		slackapi.MsgOptionTS(thread), stamp("successor-"+next.Place))
	return a.asked("chat.postMessage", err)
}
