package mattermost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/bridge"
)

// place is where a room is: a channel, or one thread of it. A room is called by the place where it began.
type place struct{ channel, root string }

func (p place) name() bridge.RoomID {
	if p.root == "" {
		return bridge.RoomID(p.channel)
	}
	return bridge.RoomID(p.channel + "/" + p.root)
}

func placeOf(id bridge.RoomID) place {
	channel, root, _ := strings.Cut(string(id), "/")
	return place{channel, root}
}

// room is what is known of a place.
type room struct {
	place
	record
	mine   bool      // customers are here
	looked bool      // mine and direct are known
	talked time.Time // when something was last said in it
	unread string    // the newest post of the customer that nobody is known to have read
	sent   time.Time // when that was
}

// record is what of a room outlives the process.
type record struct {
	Members []bridge.UserID `json:"members"`
	Title   string          `json:"title"`
	Label   string          `json:"label"`
	Base    string          `json:"base"` // what names channel and card
	// What is gone for good, an archived channel or a deleted thread, goes on in another place. The core keeps
	// calling the room by its first.
	Next bridge.RoomID `json:"next,omitempty"` // of the first: where it is now
	As   bridge.RoomID `json:"as,omitempty"`   // of the others: what the core calls it
	// Direct is the bot's own chat with a user.
	Direct bool `json:"direct,omitempty"`
}

func roomKey(id bridge.RoomID) string { return "room/" + string(id) }

// room is what is known of a place without asking the server.
func (a *adapter) room(ctx context.Context, p place) (*room, error) {
	id := p.name()
	a.mu.Lock()
	r, ok := a.rooms[id]
	a.mu.Unlock()
	if ok {
		return r, nil
	}
	r = &room{place: p}
	ok, err := bridge.Load(ctx, a.env.State, roomKey(id), &r.record)
	if err != nil {
		return nil, err
	}
	r.mine, r.looked = ok, ok
	a.mu.Lock()
	defer a.mu.Unlock()
	if old, ok := a.rooms[id]; ok {
		return old, nil
	}
	a.rooms[id] = r
	return r, nil
}

// snapshot is what is known of a room at the moment.
func (a *adapter) snapshot(r *room) room {
	a.mu.Lock()
	defer a.mu.Unlock()
	return *r
}

// idOf is what the core calls a room.
func (a *adapter) idOf(r *room) bridge.RoomID {
	if as := a.snapshot(r).As; as != "" {
		return as
	}
	return r.name()
}

// where is the place at which a room is now.
func (a *adapter) where(ctx context.Context, id bridge.RoomID) (*room, error) {
	r, err := a.room(ctx, placeOf(id))
	if err != nil {
		return nil, err
	}
	if next := a.snapshot(r).Next; next != "" {
		return a.room(ctx, placeOf(next))
	}
	return r, nil
}

// heardIn is the room in which something happened: the thread's, if it is one of a customer, else the
// channel's; nil for one that is none of ours, such as the team's own channels, of which every bot is a member.
func (a *adapter) heardIn(ctx context.Context, channel, root string) (*room, error) {
	r, err := a.room(ctx, place{channel, ""})
	if err != nil {
		return nil, err
	}
	if !a.snapshot(r).looked {
		ch, err := told(a.api.GetChannel(ctx, channel))
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
	is := a.snapshot(r)
	if is.Direct && root != "" {
		if t, err := a.thread(ctx, r, root); t != nil || err != nil {
			return t, err
		}
	}
	if !is.mine && !is.Direct {
		return nil, nil
	}
	return r, nil
}

// see notes whose channel it is.
func (a *adapter) see(r *room, ch *model.Channel, s *site) {
	a.locked(func() {
		r.Direct, r.looked = ch.Type == model.ChannelTypeDirect, true
		r.mine = r.mine || ch.Type == model.ChannelTypePrivate && ch.CreatorId == s.me.Id || r.Direct && a.cfg.Rooms == roomsInbox
	})
}

// thread is a customer's thread in a chat with the bot; nil if the root is not the card of one.
func (a *adapter) thread(ctx context.Context, chat *room, root string) (*room, error) {
	r, err := a.room(ctx, place{chat.channel, root})
	if err != nil {
		return nil, err
	}
	if !a.snapshot(r).looked {
		s, err := a.known(ctx)
		if err != nil {
			return nil, err
		}
		p, err := told(a.api.GetPost(ctx, root, ""))
		if err != nil && !refused(err, http.StatusForbidden, http.StatusNotFound, http.StatusBadRequest) {
			return nil, err
		}
		a.locked(func() {
			r.mine, r.Direct, r.looked = err == nil && p.UserId == s.me.Id && p.GetProp(propCard) != nil, true, true
		})
	}
	if !a.snapshot(r).mine {
		return nil, nil
	}
	return r, nil
}

// Open makes, or finds, the place of a link.
func (a *adapter) Open(ctx context.Context, o bridge.Opening) (bridge.RoomID, error) {
	s, err := a.known(ctx)
	if err != nil {
		return "", err
	}
	rec := a.recordOf(o, record{Direct: a.cfg.Rooms != roomsChannel})
	var at place
	if rec.Direct {
		at, err = a.chat(ctx, s, o)
	} else {
		at, err = a.found(ctx, s, rec)
	}
	if err != nil {
		return "", err
	}
	r, err := a.room(ctx, at)
	if err != nil {
		return "", err
	}
	if err := a.furnish(ctx, r, rec, true); err != nil {
		return "", err
	}
	_, err = a.show(ctx, at, o, at.root != "")
	return at.name(), err
}

// recordOf is what is kept of a room that shows a link; old is what was kept before.
func (a *adapter) recordOf(o bridge.Opening, old record) record {
	rec := old
	rec.Members, rec.Title, rec.Label, rec.Base = o.Members, strings.TrimSpace(o.Title), o.Label.Text, a.keyed(o.Key)
	if rec.Title == "" {
		rec.Title = rec.Label
	}
	return rec
}

// chat is the bot's chat with the member, or the thread of the link in it, which begins with its card.
func (a *adapter) chat(ctx context.Context, s *site, o bridge.Opening) (place, error) {
	if len(o.Members) == 0 {
		return place{}, bridge.Permanent(errors.New("a chat with nobody"))
	}
	p, err := a.user(ctx, o.Members[0])
	if err != nil {
		return place{}, err
	}
	dm, err := told(a.api.CreateDirectChannel(ctx, s.me.Id, p.user.Id))
	if err != nil {
		return place{}, err
	}
	at := place{channel: dm.Id}
	if a.cfg.Rooms == roomsThread {
		at.root, err = a.show(ctx, at, o, true)
	}
	return at, err
}

// Update brings card, title and members up to date.
func (a *adapter) Update(ctx context.Context, id bridge.RoomID, o bridge.Opening) error {
	r, err := a.where(ctx, id)
	if err != nil {
		return err
	}
	if err := a.furnish(ctx, r, a.recordOf(o, a.snapshot(r).record), false); err != nil {
		return err
	}
	_, err = a.show(ctx, r.place, o, r.root != "")
	return err
}

// furnish brings title and members up to date, all of them or those who are new, and keeps what must be kept.
func (a *adapter) furnish(ctx context.Context, r *room, rec record, all bool) error {
	if rec.Direct && r.root == "" { // it shows many
		rec.Title, rec.Label, rec.Base = "", "", ""
	}
	old := a.snapshot(r).record
	if !all && old.Title == rec.Title && old.Label == rec.Label && slices.Equal(old.Members, rec.Members) {
		return nil
	}
	for _, m := range rec.Members {
		if rec.Direct || !all && slices.Contains(old.Members, m) {
			continue
		}
		p, err := a.user(ctx, m)
		if err != nil {
			return err
		}
		if _, err := told(a.api.AddChannelMember(ctx, r.channel, p.user.Id)); err != nil {
			return fmt.Errorf("bring @%s into the channel: %w", p.user.Username, err)
		}
	}
	if !rec.Direct && old.Title != "" && old.Title != rec.Title {
		title := clip(rec.Title, model.ChannelDisplayNameMaxRunes)
		if _, err := told(a.api.PatchChannel(ctx, r.channel, &model.ChannelPatch{DisplayName: &title})); err != nil {
			return err
		}
	}
	if err := bridge.Keep(ctx, a.env.State, roomKey(r.name()), rec); err != nil {
		return err
	}
	a.locked(func() { r.record, r.mine, r.looked = rec, true, true })
	return nil
}

// successors is how often a channel may be archived before nobody wants it back.
const successors = 20

// found makes the private channel of a link, or finds it. One that was archived is restored if the bot may,
// else another one follows it and says so.
func (a *adapter) found(ctx context.Context, s *site, rec record) (place, error) {
	base := "hutong-" + rec.Base
	name, header := base, harmless(rec.Label)
	for n := 2; n < successors; n++ {
		ch, err := told(a.api.CreateChannel(ctx, &model.Channel{
			TeamId: s.team.Id, Name: name, DisplayName: clip(rec.Title, model.ChannelDisplayNameMaxRunes),
			Type: model.ChannelTypePrivate, Header: clip(header, model.ChannelHeaderMaxRunes),
		}))
		if err == nil {
			return place{channel: ch.Id}, nil
		}
		if !says(err, "store.sql_channel.save_channel.exists.app_error") {
			return place{}, err
		}
		ch, err = told(a.api.GetChannelByNameIncludeDeleted(ctx, name, s.team.Id, ""))
		if err != nil && !refused(err, http.StatusForbidden, http.StatusNotFound) {
			return place{}, err
		}
		if err == nil && ch.Type == model.ChannelTypePrivate {
			if ch.DeleteAt == 0 || a.restored(ctx, ch.Id) {
				return place{channel: ch.Id}, nil
			}
			header = harmless(rec.Label) + " · ~" + ch.Name
		}
		name = fmt.Sprintf("%s-%d", base, n)
	}
	return place{}, fmt.Errorf("make a channel: %s and its %d successors are archived, or the bot was removed from them", base, successors)
}

// restored restores an archived channel, if the bot may.
func (a *adapter) restored(ctx context.Context, channel string) bool {
	_, err := told(a.api.RestoreChannel(ctx, channel))
	return err == nil
}

// revive finds another place for a room that is gone.
func (a *adapter) revive(ctx context.Context, s *site, r *room) (*room, error) {
	rec, id := a.snapshot(r).record, a.idOf(r)
	if r.root == "" && a.restored(ctx, r.channel) {
		return r, nil
	}
	if rec.Base == "" {
		return nil, errors.New("nothing more is known of it: unarchive it in Mattermost")
	}
	var at place
	var err error
	if r.root == "" {
		at, err = a.found(ctx, s, rec)
	} else {
		at.channel = r.channel // the next update completes the card
		at.root, err = a.pin(ctx, at, rec.Base, harmless("**"+bridge.EscapeMarkdown(rec.Label)+"**"))
	}
	if err != nil {
		return nil, err
	}
	next, err := a.room(ctx, at)
	if err != nil {
		return nil, err
	}
	rec.Next, rec.As = "", id
	if err := a.furnish(ctx, next, rec, true); err != nil {
		return nil, err
	}
	first, err := a.room(ctx, placeOf(id))
	if err != nil {
		return nil, err
	}
	a.locked(func() { first.Next = at.name() })
	return next, bridge.Keep(ctx, a.env.State, roomKey(id), a.snapshot(first).record)
}

// Forget removes what is kept of rooms and of the accounts that spoke in them.
func (a *adapter) Forget(ctx context.Context, t bridge.Traces) error {
	for _, id := range t.Rooms {
		r, err := a.where(ctx, id)
		if err != nil {
			return err
		}
		for _, key := range []string{roomKey(r.name()), roomKey(id), ghostKey(id)} {
			if err := a.env.State.Delete(ctx, key); err != nil {
				return fmt.Errorf("forget %s: %w", key, err)
			}
		}
		a.locked(func() {
			delete(a.rooms, r.name())
			delete(a.rooms, id)
			delete(a.ghosts, id)
		})
	}
	a.locked(func() {
		for _, key := range t.Keys {
			delete(a.cards, a.keyed(key))
		}
	})
	return nil
}
