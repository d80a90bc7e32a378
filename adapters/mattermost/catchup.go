package mattermost

import (
	"cmp"
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

// What is read again after events were lost.
const (
	// overlap is read twice: events of different channels do not come in the order of their times.
	overlap = 20 * time.Second
	// quiet channels are read too, since an edit does not count as news of its channel; but not those
	// where nothing was said for so long.
	quiet = 7 * 24 * time.Hour
	// sinceCap is how many posts the server gives at most for since=, in no order: SqlPostStore.GetPostsSince.
	sinceCap = 1000
	pageSize = 200 // posts of a page: api4/params.go, PerPageMaximum
	keepEach = time.Second
)

const placeKey = "heard" // in State: resume.cursor

// begin finds out up to where everything was heard. A new adapter begins now.
func (a *adapter) begin(ctx context.Context) error {
	if a.wake.cursor != 0 {
		return nil
	}
	ok, err := bridge.Load(ctx, a.env.State, placeKey, &a.wake.cursor)
	if err != nil || ok {
		return err
	}
	_, resp, err := a.api.GetMe(ctx, "")
	if err != nil {
		return done(resp, err)
	}
	a.wake.cursor, a.wake.fresh = serverTime(resp.Header, a.env.Now()), true
	return bridge.Keep(ctx, a.env.State, placeKey, a.wake.cursor)
}

// serverTime is the server's clock, in ms; it tells whole seconds.
func serverTime(h http.Header, now time.Time) int64 {
	if t, err := http.ParseTime(h.Get("Date")); err == nil {
		return t.UnixMilli()
	}
	return now.UnixMilli()
}

// markPlace keeps the cursor, not more often than each second: what is heard twice does no harm.
func (a *adapter) markPlace(ctx context.Context, last bool) {
	if now := a.env.Now(); last || now.Sub(a.wake.kept) >= keepEach {
		a.wake.kept = now
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if err := bridge.Keep(ctx, a.env.State, placeKey, a.wake.cursor); err != nil && !errors.Is(err, bridge.ErrClosed) {
			a.env.Log.Warn("how far was heard could not be kept; it will be heard again", "err", err)
		}
	}
}

// catchUp reads what was said, changed and deleted since the cursor. The cursor moves when all is read.
func (a *adapter) catchUp(ctx context.Context, in bridge.Inbox) error {
	a.changed() // for all that is known
	s, err := a.known(ctx)
	if err != nil {
		return err
	}
	channels, resp, err := a.api.GetChannelsForUserWithLastDeleteAt(ctx, s.me.Id, 0)
	if err != nil {
		return done(resp, err)
	}
	now := serverTime(resp.Header, a.env.Now())
	since, known := a.wake.cursor-overlap.Milliseconds(), a.wake.cursor-quiet.Milliseconds()
	if a.wake.fresh { // there was nothing before, but for what was said while the server told its time, in seconds
		since = a.wake.cursor - 2*time.Second.Milliseconds()
		known = since
	}
	slices.SortFunc(channels, func(x, y *model.Channel) int { return cmp.Compare(x.LastPostAt, y.LastPostAt) }) // who has waited longest
	for _, ch := range channels {
		r, err := a.room(ctx, place{channel: ch.Id})
		if err != nil {
			return err
		}
		a.see(r, ch, s)
		if ours, err := a.heardIn(ctx, ch.Id, ""); err != nil {
			return err
		} else if ours == nil || ch.LastPostAt < known {
			continue
		}
		if err := a.readBack(ctx, in, ch.Id, since); err != nil {
			return fmt.Errorf("read what was said meanwhile: %w", err)
		}
	}
	select {
	case a.roll <- struct{}{}:
	default: // they will be, anyway
	}
	a.wake.cursor, a.wake.fresh = max(a.wake.cursor, now), false
	a.markPlace(ctx, true)
	return nil
}

// readBack brings what happened in a channel, oldest first.
func (a *adapter) readBack(ctx context.Context, in bridge.Inbox, channel string, since int64) error {
	posts, err := a.since(ctx, channel, since)
	if err != nil {
		return err
	}
	for _, p := range posts {
		if err := a.heardPost(ctx, in, p); err != nil {
			return err
		}
		if p.Metadata == nil {
			continue
		}
		for _, re := range p.Metadata.Reactions {
			if re.ChannelId = p.ChannelId; re.UpdateAt <= since {
				continue
			}
			if err := a.heardReaction(ctx, in, re, p.RootId, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// since lists the posts of a channel that are new or changed, oldest first.
func (a *adapter) since(ctx context.Context, channel string, since int64) ([]*model.Post, error) {
	list, err := told(a.api.GetPostsSince(ctx, channel, since, false))
	if err != nil {
		return nil, err
	}
	found := map[string]*model.Post{}
	take(found, list)
	if len(list.Order) >= sinceCap { // some are missing, nobody knows which
		if err := a.all(ctx, channel, since, found); err != nil {
			return nil, err
		}
	}
	out := make([]*model.Post, 0, len(found))
	for _, p := range found {
		if p.UpdateAt > since {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(x, y *model.Post) int {
		return cmp.Or(cmp.Compare(x.CreateAt, y.CreateAt), cmp.Compare(x.Id, y.Id))
	})
	return out, nil
}

func take(into map[string]*model.Post, l *model.PostList) {
	for _, id := range l.Order {
		if p := l.Posts[id]; p != nil {
			into[id] = p
		}
	}
}

// all reads page after page, back to where posts are too old to be changed. Pages leave out what was
// deleted: that is what the gateway remembers and the pages do not show.
func (a *adapter) all(ctx context.Context, channel string, since int64, found map[string]*model.Post) error {
	from := since - quiet.Milliseconds()
	err := a.pages(ctx, channel, func(l *model.PostList) bool {
		take(found, l)
		return oldest(l).CreateAt > from
	})
	if err != nil {
		return err
	}
	ids, err := a.missing(ctx, channel, from, found)
	if err != nil || len(ids) == 0 {
		return err
	}
	gone, err := told(a.api.GetPostsByIds(ctx, ids))
	for _, p := range gone {
		found[p.Id] = p
	}
	return err
}

// missing are the posts of members, in the rooms of a channel, that the gateway remembers and that were not found.
func (a *adapter) missing(ctx context.Context, channel string, from int64, found map[string]*model.Post) (ids []string, err error) {
	keys, err := a.env.State.List(ctx, roomKey(bridge.RoomID(channel)), "", pageSize)
	if err != nil {
		return nil, fmt.Errorf("list the rooms: %w", err)
	}
	for _, k := range keys {
		r, err := a.room(ctx, placeOf(bridge.RoomID(strings.TrimPrefix(k, roomKey("")))))
		if err != nil {
			return nil, err
		}
		var lines []bridge.Line // none of what the gateway does not remember, which cannot be taken back
		if members := a.snapshot(r).Members; len(members) > 0 {
			lines, _ = a.env.Lobby.History(ctx, members[0], a.idOf(r), 0, pageSize)
		}
		for _, l := range lines {
			if id := string(l.Msg); l.Mine && !l.Recalled && found[id] == nil && model.IsValidId(id) && l.At.UnixMilli() > from {
				ids = append(ids, id)
			}
		}
	}
	return ids, nil
}

func oldest(l *model.PostList) *model.Post { return l.Posts[l.Order[len(l.Order)-1]] }

// pages reads a channel backwards until more says that it is enough. Pages begin behind a post, so that
// what is said meanwhile moves nothing.
func (a *adapter) pages(ctx context.Context, channel string, more func(*model.PostList) bool) error {
	before := ""
	for {
		var list *model.PostList
		var err error
		if before == "" {
			list, err = told(a.api.GetPostsForChannel(ctx, channel, 0, pageSize, "", false, false))
		} else {
			list, err = told(a.api.GetPostsBefore(ctx, channel, before, 0, pageSize, "", false, false))
		}
		if err != nil {
			return err
		}
		if len(list.Order) == 0 || oldest(list) == nil || !more(list) {
			return nil
		}
		before = oldest(list).Id
	}
}
