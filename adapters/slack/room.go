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
	After string          // the archived channel that it continues
}

// Keys in Env.State.
func openKey(key string) string         { return "open/" + key }          // of an Opening: the room
func roomKey(room bridge.RoomID) string { return "room/" + string(room) } // the record
func homeKey(place string) string       { return "home/" + place }        // the room of a place that replaced another
func readKey(place string) string       { return "read/" + place }        // up to where a place was heard

// where finds a room: what is kept of it, and where it is now. The record of one that the adapter did not open has no key.
func (a *adapter) where(ctx context.Context, room bridge.RoomID) (r *record, channel, thread string, err error) {
	r = &record{Place: string(room)}
	_, err = bridge.Load(ctx, a.env.State, roomKey(room), r)
	channel, thread = split(r.Place)
	return r, channel, thread, err
}

// Open makes the room of a link, or finds it.
func (a *adapter) Open(ctx context.Context, o bridge.Opening) (bridge.RoomID, error) {
	var room bridge.RoomID
	known, err := bridge.Load(ctx, a.env.State, openKey(o.Key), &room)
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
	at, err := a.furnish(ctx, room, r, o)
	if err != nil && known {
		return room, a.replace(ctx, room, r, err)
	}
	return at, err
}

// Update brings card, members and App Home up to date. A thread follows its owner.
func (a *adapter) Update(ctx context.Context, room bridge.RoomID, o bridge.Opening) error {
	r, _, _, err := a.where(ctx, room)
	if err != nil || r.Key == "" {
		return err
	}
	if _, err := a.furnish(ctx, room, r, o); err != nil {
		return err
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

// furnish makes what is not there yet, and brings the rest up to date: the channel, its members, its topic, the pinned
// card. A channel is kept as soon as it is there, so that whatever goes wrong from then on is made good in it.
func (a *adapter) furnish(ctx context.Context, room bridge.RoomID, r *record, o bridge.Opening) (bridge.RoomID, error) {
	threads := a.cfg.Rooms == roomsThread
	if threads && r.Place != "" && !slices.Equal(r.Members, o.Members) {
		r.Place, r.Card = "", ""
	}
	r.Opening = o
	channel, _ := split(r.Place)
	var err error
	switch {
	case channel != "":
	case threads:
		channel, err = a.direct(ctx, o.Members)
	default:
		if channel, err = a.channel(ctx, r); err == nil {
			r.Place = channel
			room, err = a.settle(ctx, room, r)
		}
	}
	if err == nil && !threads {
		err = a.invite(ctx, channel, r)
	}
	if err == nil {
		err = a.card(ctx, channel, r)
	}
	if err != nil {
		return "", err
	}
	if threads {
		r.Place = channel + ":" + r.Card
	}
	return a.settle(ctx, room, r)
}

// settle makes durable where a room is. A new one is called after its place.
func (a *adapter) settle(ctx context.Context, room bridge.RoomID, r *record) (bridge.RoomID, error) {
	if room == "" {
		room = bridge.RoomID(r.Place)
	}
	err := bridge.Keep(ctx, a.env.State, roomKey(room), r)
	if err == nil {
		err = bridge.Keep(ctx, a.env.State, openKey(r.Key), room)
	}
	if err == nil && string(room) != r.Place {
		err = bridge.Keep(ctx, a.env.State, homeKey(r.Place), room)
	}
	if err == nil {
		err = a.positions.begin(ctx, r.Place, micros(r.Card)) // from its first post on
	}
	return room, err
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

// channel makes a private channel called after the contact. If the name is taken, by one that was archived, the next
// number follows. One whose making was never answered stays behind, with nobody in it but the app.
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
			Channel named `json:"channel"`
		}
		err := a.call(ctx, "conversations.create", fields{"name": name, "is_private": true}, &got)
		switch {
		case is(err, "invalid_name_specials", "invalid_name", "invalid_name_punctuation") && base != plain:
			base, n = plain, 0 // this workspace takes Latin letters only
		case !is(err, "name_taken"):
			return got.Channel.ID, err
		}
	}
	return "", bridge.Permanent(fmt.Errorf("conversations.create: %d channels are called like %s", tries, base))
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
func (a *adapter) describes(r *record) string {
	w, o := a.words(), &r.Opening
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
	lines = append(lines, w.card[a.cfg.Rooms])
	if r.After != "" {
		lines = append(lines, fmt.Sprintf(w.successor, r.After))
	}
	return strings.Join(lines, "\n")
}

// maxTopic is the limit of topics, in characters; a sign may be escaped into five.
const maxTopic = 250

// card posts and pins who the contact is, or brings the post up to date. One that somebody deleted is posted again.
func (a *adapter) card(ctx context.Context, channel string, r *record) error {
	text := a.describes(r)
	if r.Card != "" && text == r.Text {
		return nil
	}
	update := func(card string) error {
		return a.call(ctx, "chat.update", fields{"channel": channel, "ts": card, "text": text}, nil)
	}
	if r.Card != "" {
		if err := update(r.Card); !is(err, "message_not_found") {
			r.Text = text
			return err
		}
	}
	key := "card-" + r.Key
	card, err := a.find(ctx, channel, "", key)
	switch {
	case err != nil:
	case card != "": // the answer was lost, or the room was here before
		err = update(card)
	default:
		card, err = a.postCard(ctx, channel, key, text, r)
	}
	if err != nil {
		return err
	}
	r.Card, r.Text = card, text
	return a.pin(ctx, channel, card)
}

// postCard posts the card. The topic is set once, before the first: each change posts a line into the channel.
func (a *adapter) postCard(ctx context.Context, channel, key, text string, r *record) (string, error) {
	if r.Card == "" && a.cfg.Rooms == roomsChannel {
		topic := escape(cut(r.Label.Text, maxTopic/5))
		if err := a.call(ctx, "conversations.setTopic", fields{"channel": channel, "topic": topic}, nil); err != nil {
			return "", err
		}
	}
	var got message
	err := a.call(ctx, "chat.postMessage", fields{
		"channel": channel, "text": text, "metadata": stamp(key), "unfurl_links": false, "unfurl_media": false,
	}, &got)
	return got.TS, err
}

// pin pins a card. That it may not is only a warning.
func (a *adapter) pin(ctx context.Context, channel, card string) error {
	err := a.call(ctx, "pins.add", fields{"channel": channel, "timestamp": card}, nil)
	switch {
	case err == nil || is(err, "already_pinned"):
		a.warn("pins", "")
	case bridge.Judge(err).Verdict == bridge.VerdictPermanent:
		a.warn("pins", "contacts' cards cannot be pinned: "+err.Error())
	default:
		return err
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
	next := &record{}
	if a.cfg.Rooms == roomsChannel {
		next.After = r.Place
	}
	if _, err := a.furnish(ctx, room, next, r.Opening); err != nil {
		return err
	}
	a.env.Log.Warn("a channel was archived, or a thread is gone; its successor was opened", "room", room, "place", next.Place)
	return nil
}
