package mattermost

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/bridge"
)

// room is what is known of a channel.
type room struct {
	record
	mine   bool      // made by the bot for a customer
	direct bool      // the bot's own chat with a user
	looked bool      // mine and direct are known
	talked time.Time // when something was last said in it
	unread string    // the newest post of the customer that nobody is known to have read
	sent   time.Time // when that was
	carded time.Time // when its card was last looked at
	card   string    // what the card shows
}

// record is what of a room outlives the process.
type record struct {
	Members []bridge.UserID `json:"members"`
	Label   string          `json:"label"`
	// An archived channel that the bot may not restore goes on in another one. The core keeps calling it
	// by its first id.
	Next string        `json:"next,omitempty"` // of the first: the channel now
	As   bridge.RoomID `json:"as,omitempty"`   // of the others: what the core calls it
}

func roomKey(channel string) string { return "room/" + channel }

// room is what is known of a channel without asking the server.
func (a *adapter) room(ctx context.Context, channel string) (*room, error) {
	a.mu.Lock()
	r, ok := a.rooms[channel]
	a.mu.Unlock()
	if ok {
		return r, nil
	}
	r = &room{}
	ok, err := a.kept(ctx, roomKey(channel), &r.record)
	if err != nil {
		return nil, err
	}
	r.mine, r.looked = ok, ok
	a.mu.Lock()
	defer a.mu.Unlock()
	if old, ok := a.rooms[channel]; ok {
		return old, nil
	}
	a.rooms[channel] = r
	return r, nil
}

// heardIn is the room of a channel in which something happened; nil for one that is none of ours, such as
// the team's own channels, of which every bot is a member.
func (a *adapter) heardIn(ctx context.Context, channel string) (*room, error) {
	r, err := a.room(ctx, channel)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	looked := r.looked
	a.mu.Unlock()
	if !looked {
		ch, err := call("ask for a channel", func() (*model.Channel, *model.Response, error) { return a.api.GetChannel(ctx, channel) })
		if refused(err, http.StatusForbidden, http.StatusNotFound, http.StatusBadRequest) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		s, err := a.known(ctx)
		if err != nil {
			return nil, err
		}
		a.see(r, ch, s)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !r.mine && !r.direct {
		return nil, nil
	}
	return r, nil
}

// see notes whose channel it is.
func (a *adapter) see(r *room, ch *model.Channel, s *site) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r.mine = r.mine || ch.Type == model.ChannelTypePrivate && ch.CreatorId == s.me.Id
	r.direct, r.looked = ch.Type == model.ChannelTypeDirect, true
}

// named is what the core calls the room of a channel.
func (a *adapter) named(channel string, r *room) bridge.RoomID {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.As != "" {
		return r.As
	}
	return bridge.RoomID(channel)
}

// channel is where a room is now.
func (a *adapter) channel(ctx context.Context, id bridge.RoomID) (string, *room, error) {
	r, err := a.room(ctx, string(id))
	if err != nil {
		return "", nil, err
	}
	a.mu.Lock()
	next := r.Next
	a.mu.Unlock()
	if next == "" {
		return string(id), r, nil
	}
	r, err = a.room(ctx, next)
	return next, r, err
}

// Open makes, or finds, the private channel of a link.
func (a *adapter) Open(ctx context.Context, o bridge.Opening) (bridge.RoomID, error) {
	s, err := a.known(ctx)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(a.env.Name + "\x00" + o.Key))
	title := strings.TrimSpace(o.Title)
	if title == "" {
		title = o.Label.Text
	}
	ch, err := a.found(ctx, s, "hutong-"+hex.EncodeToString(sum[:10]), title, harmless(o.Label.Text))
	if err != nil {
		return "", err
	}
	return bridge.RoomID(ch.Id), a.furnish(ctx, ch, record{Members: o.Members, Label: o.Label.Text})
}

// successors is how often a channel may be archived before nobody wants it back.
const successors = 20

// found makes the channel of the name, or finds it. One that was archived is restored if the bot may, else
// another one follows it and says so.
func (a *adapter) found(ctx context.Context, s *site, base, title, header string) (*model.Channel, error) {
	name, before := base, ""
	for n := 2; n < successors; n++ {
		want := &model.Channel{
			TeamId: s.team.Id, Name: name, DisplayName: clip(title, model.ChannelDisplayNameMaxRunes),
			Type: model.ChannelTypePrivate, Header: clip(header, model.ChannelHeaderMaxRunes),
		}
		if before != "" {
			want.Header = clip(header+" · ~"+before, model.ChannelHeaderMaxRunes)
		}
		ch, err := call("make a channel", func() (*model.Channel, *model.Response, error) { return a.api.CreateChannel(ctx, want) })
		if !says(err, "store.sql_channel.save_channel.exists.app_error") {
			return ch, err
		}
		ch, err = call("look for a channel", func() (*model.Channel, *model.Response, error) {
			return a.api.GetChannelByNameIncludeDeleted(ctx, name, s.team.Id, "")
		})
		if err != nil && !refused(err, http.StatusForbidden, http.StatusNotFound) {
			return nil, err
		}
		if err == nil && ch.Type == model.ChannelTypePrivate {
			if ch.DeleteAt == 0 || a.restored(ctx, ch.Id) {
				return ch, nil
			}
			before = ch.Name
		}
		name = fmt.Sprintf("%s-%d", base, n)
	}
	return nil, fmt.Errorf("make a channel: %s and its %d successors are archived, or the bot was removed from them", base, successors)
}

// restored restores an archived channel, if the bot may.
func (a *adapter) restored(ctx context.Context, channel string) bool {
	_, _, err := a.api.RestoreChannel(ctx, channel)
	return err == nil
}

// furnish keeps what must be kept of a channel, brings the members into it, and pins its card.
func (a *adapter) furnish(ctx context.Context, ch *model.Channel, rec record) error {
	if err := a.keep(ctx, roomKey(ch.Id), rec); err != nil {
		return err
	}
	r, err := a.room(ctx, ch.Id)
	if err != nil {
		return err
	}
	a.mu.Lock()
	r.record, r.mine, r.looked = rec, true, true
	a.mu.Unlock()
	for _, m := range rec.Members {
		p, err := a.user(ctx, m)
		if err != nil {
			return err
		}
		_, err = call("bring @"+p.user.Username+" into the channel", func() (*model.ChannelMember, *model.Response, error) {
			return a.api.AddChannelMember(ctx, ch.Id, p.user.Id)
		})
		if err != nil {
			return err
		}
	}
	a.pin(ctx, ch.Id, r)
	return nil
}

// revive finds another channel for a room that was archived.
func (a *adapter) revive(ctx context.Context, id bridge.RoomID, channel string) (string, error) {
	if a.restored(ctx, channel) {
		return channel, nil
	}
	s, err := a.known(ctx)
	if err != nil {
		return "", err
	}
	old, err := call("ask for a channel", func() (*model.Channel, *model.Response, error) { return a.api.GetChannel(ctx, channel) })
	if err != nil {
		return "", err
	}
	first, err := a.room(ctx, string(id))
	if err != nil {
		return "", err
	}
	base, _, _ := strings.Cut(strings.TrimPrefix(old.Name, "hutong-"), "-")
	header, _, _ := strings.Cut(old.Header, " · ~")
	ch, err := a.found(ctx, s, "hutong-"+base, old.DisplayName, header)
	if err != nil {
		return "", err
	}
	rec := first.record
	rec.Next, rec.As = "", id
	if err := a.furnish(ctx, ch, rec); err != nil {
		return "", err
	}
	a.mu.Lock()
	first.Next = ch.Id
	rec = first.record
	a.mu.Unlock()
	return ch.Id, a.keep(ctx, roomKey(string(id)), rec)
}

// cardFor is how often a card is compared with what the gateway knows: nobody tells when it changes.
const cardFor = time.Minute

// pin brings the room's pinned card up to date. It is a comfort: what goes wrong is tried again with a
// later message.
func (a *adapter) pin(ctx context.Context, channel string, r *room) {
	a.mu.Lock()
	rec, old, fresh := r.record, r.card, a.now().Sub(r.carded) < cardFor
	if !fresh {
		r.carded = a.now()
	}
	a.mu.Unlock()
	if fresh || rec.Label == "" {
		return
	}
	text := a.cardText(ctx, a.named(channel, r), rec)
	if text == old {
		return
	}
	if err := a.showCard(ctx, channel, text); err != nil {
		a.env.Log.Debug("a card is not up to date", "err", err)
		return
	}
	a.mu.Lock()
	r.card = text
	a.mu.Unlock()
}

func (a *adapter) showCard(ctx context.Context, channel, text string) error {
	pinned, err := call("ask for the pinned posts", func() (*model.PostList, *model.Response, error) {
		return a.api.GetPinnedPosts(ctx, channel, "")
	})
	if err != nil {
		return err
	}
	for _, p := range pinned.Posts {
		if p.GetProp(propCard) == nil {
			continue
		}
		if p.Message != text {
			_, _, err = a.api.PatchPost(ctx, p.Id, &model.PostPatch{Message: &text})
		}
		return fault("change the card", err)
	}
	p := &model.Post{ChannelId: channel, Message: text, IsPinned: true}
	p.AddProp(propCard, "1")
	_, _, err = a.api.CreatePost(ctx, p)
	return fault("pin a card", err)
}

// cardText is who the customer is, and what the member has noted.
func (a *adapter) cardText(ctx context.Context, id bridge.RoomID, rec record) string {
	lines := []string{"**" + bridge.EscapeMarkdown(rec.Label) + "**"}
	if len(rec.Members) == 0 {
		return harmless(lines[0])
	}
	v, err := a.env.Lobby.Room(ctx, rec.Members[0], id)
	if err != nil {
		return harmless(lines[0]) // it is not tied to the link yet, or erased
	}
	lines[0] = "**" + bridge.EscapeMarkdown(v.Other.Text) + "**"
	w := a.words()
	add := func(name, value string) {
		if value != "" {
			lines = append(lines, name+bridge.EscapeMarkdown(value))
		}
	}
	add(w.remark, v.Remark)
	add(w.tags, strings.Join(v.Tags, ", "))
	add(w.hello, clip(v.Hello, 200))
	add(w.since, v.Since.In(zone(a.env.Lobby.Company())).Format("2006-01-02"))
	return harmless(strings.Join(lines, "\n"))
}

func zone(c bridge.Company) *time.Location {
	if c.Zone == nil {
		return time.UTC
	}
	return c.Zone
}

// phrases are what this adapter says itself.
type phrases struct{ remark, tags, hello, since, notYours, chosen string }

func (a *adapter) words() phrases {
	if a.env.Lobby.Company().Language == "zh" {
		return phrases{"备注：", "标签：", "附言：", "添加于：", "这不是发给您的请求。", "已选择："}
	}
	return phrases{"Remark: ", "Tags: ", "Says: ", "Since: ", "You were not the one who was asked.", "Chosen: "}
}
