package mattermost

import (
	"context"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/bridge"
)

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
		for channel, r := range a.unread() {
			if err := a.look(ctx, in, channel, r); err != nil && ctx.Err() == nil {
				a.env.Log.Debug("it is not known who has read what", "err", err)
				break
			}
		}
	}
}

// expect waits for an owner to read a post.
func (a *adapter) expect(ctx context.Context, channel string, post bridge.MsgID) {
	r, err := a.room(ctx, channel)
	if err != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	r.unread = string(post)
}

// unread are some of the rooms with something unread.
func (a *adapter) unread() map[string]*room {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := map[string]*room{}
	for channel, r := range a.rooms {
		if r.unread != "" && a.now().Sub(r.sent) > watchFor {
			r.unread = ""
		}
		if r.unread != "" && len(out) < watchRooms {
			out[channel] = r
		}
	}
	return out
}

// look asks when the owners last saw a channel.
func (a *adapter) look(ctx context.Context, in bridge.Inbox, channel string, r *room) error {
	a.mu.Lock()
	members, sent, post := r.Members, r.sent, r.unread
	a.mu.Unlock()
	for _, m := range members {
		p, err := a.user(ctx, m)
		if err != nil {
			return err
		}
		got, err := call("ask what was read", func() (*model.ChannelMember, *model.Response, error) {
			return a.api.GetChannelMember(ctx, channel, p.user.Id, "")
		})
		if err != nil {
			return err
		}
		a.mu.Lock()
		same := r.unread == post
		a.mu.Unlock()
		if same && !at(got.LastViewedAt).Before(sent) {
			return a.read(ctx, in, channel, r, p)
		}
	}
	return nil
}

// read tells the core that an owner of the room has seen what the customer said: they have done something there.
func (a *adapter) read(ctx context.Context, in bridge.Inbox, channel string, r *room, by *person) error {
	a.mu.Lock()
	post, owner := r.unread, false
	for _, m := range r.Members {
		owner = owner || m == by.as
	}
	if owner {
		r.unread = ""
	}
	a.mu.Unlock()
	if !owner || post == "" {
		return nil
	}
	return receive(ctx, in, bridge.Receipt{
		Room: a.named(channel, r), User: by.as, Msg: bridge.MsgID(post), State: bridge.StateRead, At: a.now(),
	})
}
