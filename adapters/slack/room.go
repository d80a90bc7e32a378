package slack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

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
	Place string          // where the room is now
	Card  string          // the pinned post
	Text  string          // what stands in it
	In    []bridge.UserID // who was brought in
}

// Keys in Env.State.
func openKey(key string) string         { return "open/" + key }          // of an Opening: the room
func roomKey(room bridge.RoomID) string { return "room/" + string(room) } // the record
func homeKey(place string) string       { return "home/" + place }        // the room of a place that replaced another
func readKey(place string) string       { return "read/" + place }        // up to where a place was heard

// where finds a room: what is kept of it, and where it is now. The record of one that the adapter did not open has no key.
func (a *adapter) where(ctx context.Context, room bridge.RoomID) (r *record, channel, thread string, err error) {
	r = &record{Place: string(room)}
	_, err = a.load(ctx, roomKey(room), r)
	channel, thread = split(r.Place)
	return r, channel, thread, err
}

// Open makes the room of a link, or finds it.
func (a *adapter) Open(ctx context.Context, o bridge.Opening) (bridge.RoomID, error) {
	var room bridge.RoomID
	known, err := a.load(ctx, openKey(o.Key), &room)
	if err != nil {
		return "", err
	}
	r := &record{}
	if known {
		if r, _, _, err = a.where(ctx, room); err != nil {
			return "", err
		}
		r.In = nil // who has left is wanted again
	}
	if err := a.furnish(ctx, r, o); err != nil {
		if !known {
			return "", err
		}
		return room, a.replace(ctx, room, r, err)
	}
	if !known {
		room = bridge.RoomID(r.Place)
	}
	return room, a.settle(ctx, room, r)
}

// Update brings card, members and App Home up to date. A thread follows its owner.
func (a *adapter) Update(ctx context.Context, room bridge.RoomID, o bridge.Opening) error {
	r, _, _, err := a.where(ctx, room)
	if err != nil || r.Key == "" {
		return err
	}
	before := *r
	if err := a.furnish(ctx, r, o); err != nil {
		return err
	}
	if r.Text != before.Text || r.Place != before.Place || !slices.Equal(r.In, before.In) {
		if err := a.settle(ctx, room, r); err != nil {
			return err
		}
	}
	for _, user := range o.Members {
		a.mu.Lock()
		seen := a.homes[user]
		a.mu.Unlock()
		if seen {
			a.showHome(ctx, user)
		}
	}
	return nil
}

// settle makes durable where a room is.
func (a *adapter) settle(ctx context.Context, room bridge.RoomID, r *record) error {
	err := a.keep(ctx, roomKey(room), r, bridge.AnyRev)
	if err == nil {
		err = a.keep(ctx, openKey(r.Key), room, bridge.AnyRev)
	}
	if err == nil && string(room) != r.Place {
		err = a.keep(ctx, homeKey(r.Place), room, bridge.AnyRev)
	}
	if err == nil {
		err = a.keep(ctx, readKey(r.Place), r.Card, 0) // from its first post on
	}
	return err
}

// furnish makes what is not there yet, and brings the rest up to date: the channel, its members, its topic, the pinned card.
func (a *adapter) furnish(ctx context.Context, r *record, o bridge.Opening) error {
	if a.cfg.Rooms == roomsThread && r.Place != "" && !slices.Equal(r.Members, o.Members) {
		r.Place, r.Card = "", ""
	}
	r.Opening = o
	channel, _ := split(r.Place)
	var err error
	switch {
	case channel != "":
	case a.cfg.Rooms == roomsThread:
		channel, err = a.direct(ctx, r.Members)
	default:
		channel, err = a.channel(ctx, r)
	}
	if err != nil {
		return err
	}
	if a.cfg.Rooms == roomsChannel {
		if err := a.invite(ctx, channel, r); err != nil {
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
	var got struct {
		Channel named `json:"channel"`
	}
	err := a.call(ctx, "conversations.open", fields{"users": string(users[0])}, &got)
	return got.Channel.ID, err
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

// conversation is a channel of Slack's.
type conversation struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Archived bool   `json:"is_archived"`
	Topic    struct {
		Value string `json:"value"`
	} `json:"topic"`
}

// channel makes a private channel called after the contact. A name that is taken is its own from an earlier try,
// unless it was archived: then the next number follows.
func (a *adapter) channel(ctx context.Context, r *record) (string, error) {
	key := slug(r.Key, maxName/2)
	base, plain := slug(r.Title, maxName-len(key)-8)+"-"+key, "hutong-"+key
	if base == "-"+key {
		base = plain
	}
	const tries = 50
	for n := 1; n <= tries; n++ {
		name := base
		if n > 1 {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		var got struct {
			Channel conversation `json:"channel"`
		}
		err := a.call(ctx, "conversations.create", fields{"name": name, "is_private": true}, &got)
		switch {
		case err == nil:
			return got.Channel.ID, a.describe(ctx, got.Channel.ID, r)
		case is(err, "invalid_name_specials", "invalid_name", "invalid_name_punctuation") && base != plain:
			base, n = plain, 0 // this workspace takes Latin letters only
			continue
		case !is(err, "name_taken"):
			return "", err
		}
		found, err := a.named(ctx, name)
		if err != nil {
			return "", err
		}
		if found == nil || found.Archived {
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
func (a *adapter) named(ctx context.Context, name string) (*conversation, error) {
	for cursor := ""; ; {
		var got struct {
			Channels []conversation `json:"channels"`
			Metadata struct {
				Next string `json:"next_cursor"`
			} `json:"response_metadata"`
		}
		if err := a.call(ctx, "conversations.list", fields{"types": "private_channel", "limit": pageSize, "cursor": cursor}, &got); err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(got.Channels, func(c conversation) bool { return c.Name == name }); i >= 0 {
			return &got.Channels[i], nil
		}
		if cursor = got.Metadata.Next; cursor == "" {
			return nil, nil
		}
	}
}

// maxTopic is the limit of topics, in characters.
const maxTopic = 250

// describe sets the topic, once: each change posts a line into the channel.
func (a *adapter) describe(ctx context.Context, channel string, r *record) error {
	return a.call(ctx, "conversations.setTopic", fields{"channel": channel, "topic": escape(cut(r.Label.Text, maxTopic/5))}, nil)
}

// cut keeps the first n characters.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// invite brings in whom it has not brought in before.
func (a *adapter) invite(ctx context.Context, channel string, r *record) error {
	for _, u := range r.Members {
		if slices.Contains(r.In, u) {
			continue
		}
		err := a.call(ctx, "conversations.invite", fields{"channel": channel, "users": string(u)}, nil)
		if err != nil && !is(err, "already_in_channel", "cant_invite_self") {
			return err
		}
		r.In = append(slices.Clone(r.In), u)
	}
	return nil
}

// describes is what the card says.
func (a *adapter) describes(o *bridge.Opening) string {
	w := a.words()
	lines := []string{"*" + escape(o.Label.Text) + "*"}
	add := func(name, value string) {
		if value = bridge.Tidy(value, maxSection/4); value != "" {
			lines = append(lines, name+escape(value))
		}
	}
	add(w.remark, o.Remark)
	add(w.tags, strings.Join(o.Tags, ", "))
	add(w.hello, o.Hello)
	if zone := a.env.Lobby.Company().Zone; zone != nil && !o.Since.IsZero() {
		add(w.since, o.Since.In(zone).Format(time.DateOnly))
	}
	add("", o.Window)
	return strings.Join(append(lines, w.card[a.cfg.Rooms]), "\n")
}

// card posts and pins who the contact is, or brings the post up to date. One that somebody deleted is posted again.
func (a *adapter) card(ctx context.Context, channel string, r *record) error {
	text := a.describes(&r.Opening)
	if r.Card != "" {
		if text == r.Text {
			return nil
		}
		err := a.call(ctx, "chat.update", fields{"channel": channel, "ts": r.Card, "text": text}, nil)
		if !is(err, "message_not_found") {
			r.Text = text
			return err
		}
		r.Place = ""
	}
	key := "card-" + r.Key
	found, err := a.find(ctx, channel, "", key)
	if err != nil {
		return err
	}
	if found == "" {
		var got message
		err := a.call(ctx, "chat.postMessage", fields{
			"channel": channel, "text": text, "metadata": stamp(key), "unfurl_links": false, "unfurl_media": false,
		}, &got)
		if err != nil {
			return err
		}
		found = got.TS
	}
	r.Card, r.Text = found, text
	err = a.call(ctx, "pins.add", fields{"channel": channel, "timestamp": found}, nil)
	if bridge.Judge(err).Verdict != bridge.VerdictPermanent {
		return err
	}
	if !is(err, "already_pinned") {
		a.warn("pins", "contacts' cards cannot be pinned: "+err.Error())
	}
	return nil
}

// lostPause is how often a channel is tried from which the app was removed.
const lostPause = time.Minute

// replace opens a room anew that was archived or whose thread is gone, and leads there from the old one. A channel
// that the app was removed from waits for a person.
func (a *adapter) replace(ctx context.Context, room bridge.RoomID, r *record, cause error) error {
	if r.Key == "" {
		return cause
	}
	if is(cause, "channel_not_found", "not_in_channel") {
		return bridge.RetryAfter(fmt.Errorf("the app was removed from the channel of %s; invite it again: %w", r.Title, cause), lostPause)
	}
	if !is(cause, "is_archived", "thread_not_found") {
		return cause
	}
	old, _ := split(r.Place)
	next := &record{}
	if err := a.furnish(ctx, next, r.Opening); err != nil {
		return err
	}
	if err := a.settle(ctx, room, next); err != nil {
		return err
	}
	a.env.Log.Warn("a channel was archived; its successor was opened", "room", room, "place", next.Place)
	channel, thread := split(next.Place)
	return a.call(ctx, "chat.postMessage", fields{
		"channel": channel, "thread_ts": thread, "text": fmt.Sprintf(a.words().successor, old), "metadata": stamp("successor-" + next.Place),
	}, nil)
}
