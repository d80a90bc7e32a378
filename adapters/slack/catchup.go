package slack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// Catching up may take burstLooks looks at once, then one in pace: Slack allows about 50 calls of conversations.history a
// minute (https://docs.slack.dev/apis/web-api/rate-limits, tier 3).
const (
	burstLooks = 20
	pace       = 1200 * time.Millisecond
)

// connected makes every place one to catch up with, those that were spoken in last first; then every member's account.
func (s *session) connected() {
	s.swept = s.a.env.Now()
	s.stale = s.a.positions.places()
	s.burst = burstLooks
	s.accounts = nil
	for _, m := range s.a.env.Lobby.Members() {
		if user, ok := m.Account(s.a.env.Name); ok {
			s.accounts = append(s.accounts, string(user))
		}
	}
}

// keep makes the positions durable.
func (s *session) keep(ctx context.Context) {
	if err := s.a.positions.keep(ctx); err != nil {
		s.a.env.Log.Debug("how far was heard could not be kept; trying again", "err", err)
	}
}

// behind reports whether there is something to look at.
func (s *session) behind() bool { return len(s.stale)+len(s.accounts) > 0 }

// catchNext looks at one place or account, and says when to look at the next one.
func (s *session) catchNext() time.Duration {
	if !s.behind() {
		return pace
	}
	list, look := &s.stale, s.catchUp
	if len(s.stale) == 0 {
		list, look = &s.accounts, s.checkAccount
	}
	last := len(*list) - 1
	what := (*list)[last]
	err := look(what)
	v := bridge.Judge(err)
	switch {
	case err == nil, v.Verdict == bridge.VerdictPermanent: // the app is no longer there, or the thread is gone
		*list = (*list)[:last]
	case s.ctx.Err() == nil:
		s.a.env.Log.Warn("what happened meanwhile could not be read; trying again", "what", what, "err", err)
		*list = slices.Insert((*list)[:last], 0, what) // after the others
	}
	if v.Verdict == bridge.VerdictWait {
		s.burst = 0
		return v.Wait
	}
	if s.burst--; s.burst > 0 && err == nil {
		return 0
	}
	return pace
}

// checkAccount tells whether a member's account works.
func (s *session) checkAccount(id string) error {
	u, err := s.look(id)
	if is(err, "user_not_found", "user_not_visible") {
		s.a.warn("user "+id, "there is no user "+id+" in the workspace: correct the accounts in members")
		return nil
	}
	if err != nil {
		return err
	}
	s.a.warn("user "+id, "")
	return s.account(u)
}

// Slack's history does not tell that a message is gone, or what reactions it had. So the newest lines that the gateway
// remembers of a room are compared with what Slack shows. What is missing there counts as deleted only while no
// workspace's retention can have removed it, which is a day at least, and only after asking for the message itself.
const (
	comparedLines = 100
	recallable    = 20 * time.Hour
	mostAskedFor  = 10 // in one place at a time; most are notes, which stand in threads
)

// missed is a message that was not heard, or whose edit was not.
type missed struct {
	at   int64
	edit bool
	message
}

// sight is what Slack shows of a place.
type sight struct {
	missed []missed
	shown  map[string]*message
	from   int64 // everything since then was read
}

// catchUp brings what was said in a place since it was last heard, oldest first, and what was done to what was said
// before. What the gateway has already, it knows.
func (s *session) catchUp(place string) error {
	channel, thread := split(place)
	since, known := s.a.positions.of(place)
	if !known {
		return nil // it was forgotten
	}
	v := &sight{shown: map[string]*message{}}
	var err error
	if thread == "" {
		err = s.seeChannel(channel, since, v)
	} else {
		err = s.seeThread(channel, thread, since, v)
	}
	if err != nil {
		return err
	}
	slices.SortStableFunc(v.missed, func(a, b missed) int { return int(min(max(a.at-b.at, -1), 1)) })
	for i := range v.missed {
		m := &v.missed[i]
		var err error
		if m.edit {
			err = s.receive(s.edited(channel, m.Edited.TS, &m.message, nil))
		} else {
			err = s.receive(s.message(channel, &m.message))
		}
		if err != nil {
			return err
		}
		s.a.positions.advance(place, m.at)
	}
	return s.compare(place, v)
}

// seeChannel collects what is newer: pages from the channel's end back to what is known, and on the way the replies to
// older messages.
func (s *session) seeChannel(channel string, since int64, v *sight) error {
	for cursor := ""; ; {
		page, next, err := s.a.page(s.ctx, channel, "", 0, cursor)
		if err != nil {
			return err
		}
		for i := range page {
			m := &page[i]
			v.add(m, since)
			_, apart := s.a.positions.of(channel + ":" + m.TS) // a customer's thread is a place of its own
			if m.ThreadTS == m.TS && micros(m.LatestReply) > since && !apart {
				if err := s.seeThread(channel, m.TS, since, v); err != nil {
					return err
				}
			}
			v.from = micros(m.TS)
		}
		if cursor = next; cursor == "" || len(page) > 0 && v.from <= since {
			return nil
		}
	}
}

// seeThread collects what is newer in a thread, and what may have been deleted.
func (s *session) seeThread(channel, thread string, since int64, v *sight) error {
	v.from = max(since-recallable.Microseconds(), 0)
	for oldest, cursor := v.from, ""; ; {
		page, next, err := s.a.page(s.ctx, channel, thread, oldest, cursor)
		if err != nil {
			return err
		}
		for i := range page {
			if page[i].TS != thread { // the root, which every page has
				v.add(&page[i], since)
			}
		}
		if cursor = next; cursor == "" {
			return nil
		}
	}
}

func (v *sight) add(m *message, since int64) {
	v.shown[m.TS] = m
	if at := micros(m.TS); at > since {
		v.missed = append(v.missed, missed{at: at, message: *m})
	} else if at = micros(m.Edited.TS); at > since {
		v.missed = append(v.missed, missed{at: at, edit: true, message: *m})
	}
}

// compare brings what was done meanwhile to what the gateway remembers.
func (s *session) compare(place string, v *sight) error {
	room, err := s.room(place)
	if err != nil {
		return err
	}
	r, channel, _, err := s.a.where(s.ctx, room)
	if err != nil || len(r.Members) == 0 {
		return err
	}
	lines, err := s.a.env.Lobby.History(s.ctx, r.Members[0], room, 0, comparedLines)
	if errors.Is(err, bridge.ErrNotFound) {
		return nil // the room is another's now
	}
	if err != nil {
		return fmt.Errorf("read what was said: %w", err)
	}
	from := max(v.from, micros(r.Card)) // what was said before the card was posted may stand in another channel
	asked := 0
	for _, l := range slices.Backward(lines) {
		at := micros(string(l.Msg))
		if l.Recalled || at == 0 || at < from {
			continue
		}
		switch m := v.shown[string(l.Msg)]; {
		case m != nil && m.SubType != "tombstone":
			err = s.compareReactions(room, r.Members[0], &l, m)
		case l.Mine && asked < mostAskedFor && s.a.env.Now().Sub(time.UnixMicro(at)) < recallable:
			asked++
			err = s.compareGone(channel, room, l.Msg)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// compareGone brings that a message was deleted, if it was.
func (s *session) compareGone(channel string, room bridge.RoomID, id bridge.MsgID) error {
	m, err := s.a.one(s.ctx, channel, string(id), string(id))
	if err != nil && !is(err, "thread_not_found", "message_not_found") {
		return err
	}
	if m != nil && m.SubType != "tombstone" {
		return nil
	}
	return s.receive(bridge.Deleted{Room: room, Msg: id, At: s.a.env.Now()}, nil)
}

// compareReactions brings the reactions of people that came or went.
func (s *session) compareReactions(room bridge.RoomID, owner bridge.UserID, l *bridge.Line, m *message) error {
	now := map[string]string{}
	for _, r := range m.Reactions {
		for _, user := range r.Users {
			if char := s.a.emoji.toChar(r.Name); char != "" && user != s.me.UserID && now[char] != string(owner) {
				now[char] = user
			}
		}
	}
	for _, r := range l.Reactions {
		if r.Side != bridge.MemberSide {
			continue
		}
		if _, stays := now[r.Emoji]; stays {
			delete(now, r.Emoji)
			continue
		}
		gone := bridge.Reacted{Room: room, User: owner, Msg: l.Msg, Emoji: r.Emoji, Removed: true, At: s.a.env.Now()}
		if err := s.receive(gone, nil); err != nil {
			return err
		}
	}
	for _, char := range slices.Sorted(maps.Keys(now)) {
		e := bridge.Reacted{Room: room, User: bridge.UserID(now[char]), Msg: l.Msg, Emoji: char, At: s.a.env.Now()}
		if err := s.receive(e, nil); err != nil {
			return err
		}
	}
	return nil
}
