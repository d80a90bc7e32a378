package mattermost

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/bridge"
)

// event turns what happened into what the core hears.
func (a *adapter) event(ctx context.Context, in bridge.Inbox, f *frame) error {
	switch f.Event { //nolint:exhaustive // what else happens is no business of ours
	case model.WebsocketEventPosted, model.WebsocketEventPostEdited, model.WebsocketEventPostDeleted:
		p, ok := f.readPost()
		if !ok {
			return nil
		}
		if f.Event == model.WebsocketEventPostDeleted && p.DeleteAt == 0 {
			p.DeleteAt = max(p.UpdateAt, p.CreateAt)
		}
		if f.Event == model.WebsocketEventPostEdited && p.EditAt == 0 {
			return nil // it was pinned, or so
		}
		if err := a.heardPost(ctx, in, p); err != nil {
			return err
		}
		a.wake.cursor = max(a.wake.cursor, p.UpdateAt)
	case model.WebsocketEventReactionAdded, model.WebsocketEventReactionRemoved:
		if r, ok := f.readReaction(); ok {
			return a.heardReaction(ctx, in, r, "", f.Event == model.WebsocketEventReactionRemoved)
		}
	case model.WebsocketEventTyping:
		return a.heardTyping(ctx, in, f)
	case model.WebsocketEventUserUpdated, model.WebsocketEventUserRoleUpdated:
		return a.heardUser(ctx, in, f)
	case model.WebsocketEventConfigChanged:
		a.changed()
		a.locked(func() { a.told = a.env.Now() })
	}
	return nil
}

// heardPost brings a post, however much of its life was missed: the core knows what it has heard before.
func (a *adapter) heardPost(ctx context.Context, in bridge.Inbox, p *model.Post) error {
	s, err := a.known(ctx)
	if err != nil {
		return err
	}
	if p.UserId == s.me.Id || !said(p) {
		return nil
	}
	r, err := a.heardIn(ctx, p.ChannelId, p.RootId)
	if err != nil || r == nil {
		return err
	}
	user, err := a.person(ctx, p.UserId)
	if err != nil {
		return err
	}
	e := a.message(s, p, user.as)
	e.Room = a.idOf(r)
	if p.DeleteAt != 0 {
		return receive(ctx, in, bridge.Deleted{Room: e.Room, User: e.User, Msg: e.Msg, At: at(p.DeleteAt)})
	}
	a.locked(func() { r.talked = at(p.CreateAt) })
	is := a.snapshot(r)
	rest, toBot := addressed(p.Message, s.me.Username)
	if is.Direct { // no thread here is a note
		if e.Thread = ""; r.root != "" && e.ReplyTo == bridge.MsgID(r.root) {
			e.ReplyTo = ""
		}
	}
	switch {
	case toBot && e.Thread == "":
		e.Text, e.ReplyTo = a.spoken(rest, user), ""
	case is.Direct && (!is.mine || !user.member): // what is said to the bot is for nobody else
		e.Text, e.ReplyTo, e.Files = a.spoken(p.Message, user), "", nil
	}
	if err := receive(ctx, in, e); err != nil {
		return err
	}
	if p.EditAt != 0 {
		if err := receive(ctx, in, bridge.Edited{Room: e.Room, User: e.User, Msg: e.Msg, At: at(p.EditAt), Text: e.Text}); err != nil {
			return err
		}
	}
	return a.read(ctx, in, r, user)
}

// heardReaction brings an emoji; bots' are no news, and the company's own mean nothing elsewhere. root is the
// thread, as far as it is known.
func (a *adapter) heardReaction(ctx context.Context, in bridge.Inbox, re *model.Reaction, root string, removed bool) error {
	emoji := character(re.EmojiName)
	if emoji == "" {
		return nil
	}
	user, err := a.person(ctx, re.UserId)
	if err != nil || user.user.IsBot {
		return err
	}
	r, err := a.heardIn(ctx, re.ChannelId, root)
	if err != nil || r == nil {
		return err
	}
	if root == "" && a.snapshot(r).Direct { // the event does not say in which thread
		if p, err := told(a.api.GetPost(ctx, re.PostId, "")); err == nil && p.RootId != "" {
			return a.heardReaction(ctx, in, re, p.RootId, removed)
		}
	}
	return receive(ctx, in, bridge.Reacted{
		Room: a.idOf(r), User: user.as, Msg: bridge.MsgID(re.PostId), Emoji: emoji, Removed: removed, At: at(re.UpdateAt),
	})
}

// heardTyping passes on that a member writes; others, and the customers' own accounts, are no news.
func (a *adapter) heardTyping(ctx context.Context, in bridge.Inbox, f *frame) error {
	if f.Data.UserID == "" {
		return nil
	}
	user, err := a.person(ctx, f.Data.UserID)
	if err != nil || user.user.IsBot {
		return err
	}
	r, err := a.heardIn(ctx, f.Broadcast.ChannelID, f.Data.ParentID)
	if err != nil || r == nil {
		return err
	}
	if f.Data.ParentID == "" || a.snapshot(r).Direct { // or it will be a note
		_ = in.Receive(ctx, bridge.Typing{Room: a.idOf(r), User: user.as})
	}
	return a.read(ctx, in, r, user)
}

// heardUser forgets what is known of a user, and tells whether a member's account works.
func (a *adapter) heardUser(ctx context.Context, in bridge.Inbox, f *frame) error {
	id := f.Data.UserID
	if f.Data.User != nil {
		id = f.Data.User.ID
	}
	s, err := a.known(ctx)
	if err != nil {
		return err
	}
	if id == s.me.Id {
		a.changed() // its roles, maybe
		return nil
	}
	a.locked(func() {
		if p := a.users[id]; p != nil {
			delete(a.users, id)
			delete(a.users, "@"+string(p.as))
		}
	})
	if f.Data.User == nil {
		return nil
	}
	p, err := a.person(ctx, id)
	if err != nil || !p.member {
		return err
	}
	return receive(ctx, in, bridge.AccountState{User: p.as, Active: p.user.DeleteAt == 0, At: a.env.Now()})
}

// receive brings an event until the gateway has it, or will never have it.
func receive(ctx context.Context, in bridge.Inbox, e bridge.Event) error {
	const longest = time.Second
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, longest) {
		err := in.Receive(ctx, e)
		if err == nil || errors.Is(err, bridge.ErrRefused) {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		pause(ctx, wait)
	}
}

// Nobody is told when somebody reads a channel, so that rooms with something unread are looked at: each
// seldom, few at a time, and not for ever.
const (
	watchEach  = 10 * time.Second
	watchRooms = 25
	watchFor   = time.Hour
)

// watch looks who has read what, until ctx ends.
func (a *adapter) watch(ctx context.Context, in bridge.Inbox) {
	tick := time.NewTicker(watchEach)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for _, r := range a.unread() {
			if err := a.look(ctx, in, r); err != nil && ctx.Err() == nil {
				a.env.Log.Debug("it is not known who has read what", "err", err)
				break
			}
		}
	}
}

// unread are some of the rooms with something unread. Who has opened a thread, the server does not tell.
func (a *adapter) unread() (out []*room) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.rooms {
		if a.env.Now().Sub(r.sent) > watchFor {
			r.unread = ""
		}
		if r.unread != "" && r.root == "" && len(out) < watchRooms {
			out = append(out, r)
		}
	}
	return out
}

// look asks when the owners last saw a channel.
func (a *adapter) look(ctx context.Context, in bridge.Inbox, r *room) error {
	is := a.snapshot(r)
	for _, m := range is.Members {
		p, err := a.user(ctx, m)
		if err != nil {
			return err
		}
		got, err := told(a.api.GetChannelMember(ctx, r.channel, p.user.Id, ""))
		if err != nil {
			return err
		}
		if a.snapshot(r).unread == is.unread && !at(got.LastViewedAt).Before(is.sent) {
			return a.read(ctx, in, r, p)
		}
	}
	return nil
}

// read tells the core that an owner of the room has seen what the customer said: they have done something there.
func (a *adapter) read(ctx context.Context, in bridge.Inbox, r *room, by *person) error {
	is := a.snapshot(r)
	if is.unread == "" || !slices.Contains(is.Members, by.as) {
		return nil
	}
	a.locked(func() {
		if r.unread == is.unread {
			r.unread = ""
		}
	})
	return receive(ctx, in, bridge.Receipt{
		Room: a.idOf(r), User: by.as, Msg: bridge.MsgID(is.unread), State: bridge.StateRead, At: a.env.Now(),
	})
}
