package slack

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// Catching up may call conversations.history burstCalls times at once, then once in pace: Slack allows about 50 a minute
// (https://docs.slack.dev/apis/web-api/rate-limits, tier 3).
const (
	burstCalls = 20
	pace       = 1200 * time.Millisecond
)

// remember reads how far each place was heard.
func (s *session) remember(ctx context.Context) error {
	prefix, after := readKey(""), ""
	const page = 500
	for {
		keys, err := s.a.env.State.List(ctx, prefix, after, page)
		if err != nil {
			return fmt.Errorf("list the positions: %w", err)
		}
		for _, k := range keys {
			v, _, err := s.a.env.State.Get(ctx, k)
			if err != nil {
				return fmt.Errorf("read %s: %w", k, err)
			}
			if place := strings.TrimPrefix(k, prefix); s.read[place] == 0 {
				s.read[place] = micros(string(v))
			}
			after = k
		}
		if len(keys) < page {
			return nil
		}
	}
}

// connected makes every place one to catch up with, those that were spoken in last first.
func (s *session) connected() {
	if err := s.remember(s.ctx); err != nil { // rooms may have been opened meanwhile
		s.a.env.Log.Warn("not all positions could be read", "err", err)
	}
	s.swept = s.a.env.Now()
	s.stale = slices.SortedFunc(maps.Keys(s.read), func(a, b string) int { return int(s.read[a]/1e6 - s.read[b]/1e6) })
	s.burst = burstCalls
}

// keep makes the positions durable.
func (s *session) keep(ctx context.Context) {
	for place := range s.dirty {
		if err := s.keepOne(ctx, place); err != nil {
			s.a.env.Log.Debug("a position could not be kept", "place", place, "err", err)
			return
		}
	}
}

func (s *session) keepOne(ctx context.Context, place string) error {
	if _, err := s.a.env.State.Put(ctx, readKey(place), []byte(stampOf(s.read[place])), bridge.AnyRev); err != nil {
		return fmt.Errorf("keep the position: %w", err)
	}
	delete(s.dirty, place)
	return nil
}

// catchNext catches up with one place, and says when the next one may be.
func (s *session) catchNext() time.Duration {
	if len(s.stale) == 0 {
		return pace
	}
	last := len(s.stale) - 1
	place := s.stale[last]
	err := s.catchUp(place)
	v := bridge.Judge(err)
	switch {
	case err == nil, v.Verdict == bridge.VerdictPermanent: // the app is no longer there, or the thread is gone
		s.stale = slices.Delete(s.stale, last, last+1)
	case s.ctx.Err() == nil:
		s.a.env.Log.Warn("what was said meanwhile could not be read; trying again", "place", place, "err", err)
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

// missed is a message that was not heard, or whose edit was not.
type missed struct {
	at   int64
	edit bool
	message
}

// catchUp brings what was said in a place since it was last heard, oldest first. What the gateway has already, it knows.
func (s *session) catchUp(place string) error {
	channel, thread := split(place)
	since := s.read[place]
	all, err := s.since(channel, thread, since)
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b missed) int { return int(min(max(a.at-b.at, -1), 1)) })
	for i := range all {
		m := &all[i]
		var e bridge.Event
		if m.edit {
			e, err = s.edited(s.ctx, channel, m.Edited.TS, &m.message, nil)
		} else {
			e, err = s.message(s.ctx, channel, &m.message)
		}
		if err == nil && e != nil {
			err = s.receive(e)
		}
		if err != nil {
			return err
		}
		if m.at > s.read[place] {
			s.read[place], s.dirty[place] = m.at, true
		}
	}
	return nil
}

// since collects what is newer: pages of the channel from its end back to what is known, and on the way the
// replies to older messages.
func (s *session) since(channel, thread string, since int64) ([]missed, error) {
	var out []missed
	cursor := ""
	for {
		page, next, err := s.a.page(s.ctx, channel, thread, stampOf(since), cursor)
		if err != nil {
			return nil, err
		}
		old := false
		for _, m := range page {
			if m.TS == thread {
				continue // the thread's root, which every page has
			}
			out = append(out, newer(m, since)...)
			old = old || micros(m.TS) <= since
			if thread == "" && m.ThreadTS == m.TS && micros(m.LatestReply) > since {
				replies, err := s.since(channel, m.TS, since)
				if err != nil {
					return nil, err
				}
				out = append(out, replies...)
			}
		}
		if cursor = next; next == "" || old && thread == "" {
			return out, nil
		}
	}
}

// newer is what of a message is newer.
func newer(m message, since int64) []missed {
	if at := micros(m.TS); at > since {
		return []missed{{at: at, message: m}}
	}
	if micros(m.Edited.TS) > since {
		return []missed{{at: micros(m.Edited.TS), edit: true, message: m}}
	}
	return nil
}
