package telegram

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// albums are pictures that were sent together: Telegram brings each as a message of its own and does not say how many
// there are. Each part is on disk before Telegram is told that it arrived, and the message is brought when no more come.
type albums struct {
	mu   sync.Mutex // in an album's chat only one thing happens at a time
	open map[string]*album
}

// album is one that may not be whole yet.
type album struct {
	Owner int64      `json:"owner"`
	Parts []*message `json:"parts"`
	due   time.Time
	wait  time.Duration // until the next try, when it could not be brought
}

const (
	albumPrefix = "album/"
	albumWait   = time.Second // between parts that were sent together there are some tens of milliseconds
	albumMost   = 10          // https://core.telegram.org/bots/api#sendmediagroup
)

// patience is how long Telegram may hold a question: not long while an album waits.
func (s *session) patience() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) > 0 {
		return albumWait
	}
	return pollTime
}

// remember reads the albums that the last run has put aside.
func (s *session) remember(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = map[string]*album{}
	for key, err := range bridge.Keys(ctx, s.a.env.State, albumPrefix) {
		al := &album{due: s.a.env.Now().Add(albumWait)}
		if err == nil {
			_, err = bridge.Load(ctx, s.a.env.State, key, al)
		}
		if err != nil {
			return err
		}
		s.open[key] = al
	}
	return nil
}

// putAside keeps a part of an album. The same part may come twice.
func (s *session) putAside(ctx context.Context, m *message, owner int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := albumsOf(m.Chat.ID) + m.Group
	al := &album{Owner: owner, due: s.a.env.Now().Add(albumWait)}
	if known := s.open[key]; known != nil {
		al.Parts = slices.Clone(known.Parts)
	}
	if !slices.ContainsFunc(al.Parts, func(p *message) bool { return p.ID == m.ID }) {
		al.Parts = append(al.Parts, m)
	}
	slices.SortFunc(al.Parts, func(a, b *message) int { return int(a.ID - b.ID) })
	if err := bridge.Keep(ctx, s.a.env.State, key, al); err != nil {
		return err
	}
	s.open[key] = al
	if len(al.Parts) >= albumMost {
		al.due = time.Time{}
	}
	return nil
}

// bring brings the albums of which no more is expected. One that the gateway does not take is brought again, ever
// later.
func (s *session) bring(ctx context.Context, now time.Time) {
	_ = s.bringIf(ctx, func(_ string, al *album) bool { return !now.Before(al.due) })
}

// bringOf brings what a chat has waiting, before it says something else.
func (s *session) bringOf(ctx context.Context, chat int64) error {
	return s.bringIf(ctx, func(key string, _ *album) bool { return strings.HasPrefix(key, albumsOf(chat)) })
}

func (s *session) bringIf(ctx context.Context, want func(key string, al *album) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var bad []error
	for key, al := range s.open {
		if !want(key, al) {
			continue
		}
		if err := s.whole(ctx, key, al); err != nil {
			if al.wait == 0 && ctx.Err() == nil {
				s.a.env.Log.Warn("an album waits", "err", err)
			}
			al.wait = min(max(2*al.wait, firstWait), longWait)
			al.due = s.a.env.Now().Add(al.wait)
			bad = append(bad, err)
		}
	}
	return errors.Join(bad...)
}

// whole brings an album as one message, which is called what its first part is called. When the gateway has it already,
// because the last run ended between the two steps, it knows it by that.
func (s *session) whole(ctx context.Context, key string, al *album) error {
	if len(al.Parts) > 0 {
		first := al.Parts[0]
		e, met := s.spoken(ctx, update{}, first, al.Owner)
		if msg, ok := e.(bridge.MessageEvent); ok {
			for _, p := range al.Parts[1:] {
				if text := s.text(p); text != "" {
					msg.Text = strings.TrimPrefix(msg.Text+"\n"+text, "\n")
				}
				msg.Files = append(msg.Files, s.files(p)...)
			}
			if err := s.receive(ctx, msg); err != nil {
				return err
			}
			s.meet(ctx, met)
		}
		for _, p := range al.Parts {
			s.explain(ctx, p, al.Owner)
		}
	}
	delete(s.open, key)
	if err := s.a.env.State.Delete(ctx, key); err != nil {
		return fmt.Errorf("forget an album: %w", err)
	}
	return nil
}

// tend brings albums while Telegram calls.
func (s *session) tend(ctx context.Context) error {
	tick := time.NewTicker(albumWait / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			s.bring(ctx, s.a.env.Now())
		}
	}
}
