package tencent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// memory is a KV that can be made to fail.
type memory struct {
	mu   sync.Mutex
	vals map[string][]byte
	err  error
}

func (m *memory) Get(_ context.Context, key string) ([]byte, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	val, is := m.vals[key]
	switch {
	case m.err != nil:
		return nil, 0, m.err
	case !is:
		return nil, 0, bridge.ErrNotFound
	default:
		return val, 1, nil
	}
}

func (m *memory) Put(_ context.Context, key string, val []byte, _ uint64) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return 0, m.err
	}
	if m.vals == nil {
		m.vals = map[string][]byte{}
	}
	m.vals[key] = val
	return 1, nil
}

func (m *memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.vals, key)
	return m.err
}

func (m *memory) List(context.Context, string, string, int) ([]string, error) { return nil, m.err }

// issuer gives out tokens t1, t2 …, each after a second and good for life.
type issuer struct {
	mu    sync.Mutex
	asked int
	life  time.Duration
	err   error
}

func (i *issuer) fetch(ctx context.Context) (string, time.Duration, error) {
	i.mu.Lock()
	i.asked++
	n, life, err := i.asked, i.life, i.err
	i.mu.Unlock()
	select {
	case <-ctx.Done():
		return "", 0, ctx.Err()
	case <-time.After(time.Second):
	}
	if err != nil {
		return "", 0, err
	}
	return fmt.Sprintf("t%d", n), life, nil
}

func tokens(kv bridge.KV, i *issuer) *Tokens {
	return NewTokens(bridge.Env{State: kv, Log: slog.New(slog.DiscardHandler), Now: time.Now}, "wx1", i.fetch)
}

func want(t *testing.T, ts *Tokens, token string) {
	t.Helper()
	if got, err := ts.Get(t.Context()); got != token || err != nil {
		t.Errorf("%q, %v; want %s", got, err, token)
	}
}

func TestTokensRenewInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: 2 * time.Hour}
		ts := tokens(&memory{}, i)
		want(t, ts, "t1")
		time.Sleep(114 * time.Minute)
		want(t, ts, "t1")
		time.Sleep(2 * time.Minute) // four minutes before its end
		want(t, ts, "t2")
		i.life = time.Minute // the rest of a token that somebody else got
		ts.Drop(t.Context(), "t2")
		want(t, ts, "t3")
		time.Sleep(50 * time.Second)
		want(t, ts, "t3")
		time.Sleep(5 * time.Second)
		want(t, ts, "t4")
	})
}

func TestTokensAskOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: 2 * time.Hour}
		ts := tokens(&memory{}, i)
		all := func(do func()) {
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(do)
			}
			wg.Wait()
		}
		all(func() { want(t, ts, "t1") })
		// All find t1 refused, some of them late.
		all(func() {
			ts.Drop(t.Context(), "t1")
			want(t, ts, "t2")
			ts.Drop(t.Context(), "t1")
			want(t, ts, "t2")
		})
		if i.asked != 2 {
			t.Errorf("asked %d times, want 2", i.asked)
		}
		ts.Drop(t.Context(), "t2")
		i.err = errors.New("busy")
		all(func() {
			if _, err := ts.Get(t.Context()); !errors.Is(err, i.err) {
				t.Error(err)
			}
		})
		if i.asked != 3 {
			t.Errorf("asked %d times for one failure", i.asked-2)
		}
	})
}

func TestTokensSurviveRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv, i := &memory{}, &issuer{life: 2 * time.Hour}
		want(t, tokens(kv, i), "t1")
		again := tokens(kv, i)
		want(t, again, "t1")
		again.Drop(t.Context(), "t1")
		want(t, tokens(kv, i), "t2") // dropped on disk too
		time.Sleep(3 * time.Hour)
		want(t, tokens(kv, i), "t3")
		other := NewTokens(bridge.Env{State: kv, Log: slog.New(slog.DiscardHandler), Now: time.Now}, "wx2", i.fetch)
		want(t, other, "t4") // another account's is not taken
		kv.vals["token/wx1"] = []byte("{")
		want(t, tokens(kv, i), "t5")
		kv.err = errors.New("disk full")
		want(t, tokens(kv, i), "t6")
	})
}

func TestTokensWhoAskedGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := tokens(&memory{}, &issuer{life: 2 * time.Hour})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := ts.Get(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("the one who gave up: %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() { want(t, ts, "t2") })
		short, stop := context.WithTimeout(t.Context(), time.Millisecond)
		defer stop()
		wg.Go(func() {
			if _, err := ts.Get(short); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the one in a hurry: %v", err)
			}
		})
		time.Sleep(10 * time.Millisecond)
		cancel()
		wg.Wait()
	})
}

func TestTokensOldOneServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: 2 * time.Hour}
		ts := tokens(&memory{}, i)
		want(t, ts, "t1")
		i.err = errors.New("down")
		time.Sleep(116 * time.Minute)
		want(t, ts, "t1")
		want(t, ts, "t1")
		if i.asked != 2 {
			t.Errorf("asked %d times within the pause", i.asked-1)
		}
		time.Sleep(5 * time.Minute)
		if got, err := ts.Get(t.Context()); err == nil {
			t.Errorf("%q after its end", got)
		}
		i.err = nil
		want(t, ts, fmt.Sprintf("t%d", i.asked+1))
	})
}

// What becomes of the question for a token is not what becomes of the message.
func TestTokensVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("cause")
		for _, c := range []struct {
			err  error
			want bridge.Judgement
		}{
			{cause, bridge.Judgement{Verdict: bridge.VerdictRetry}},
			{bridge.Unsure(cause), bridge.Judgement{Verdict: bridge.VerdictRetry}},
			{bridge.Permanent(cause), bridge.Judgement{Verdict: bridge.VerdictLogin}},
			{bridge.Login(cause), bridge.Judgement{Verdict: bridge.VerdictLogin}},
			{bridge.WindowClosed(cause, time.Time{}), bridge.Judgement{Verdict: bridge.VerdictLogin}},
			{bridge.RetryAfter(cause, time.Minute), bridge.Judgement{Verdict: bridge.VerdictWait, Wait: time.Minute, Account: true}},
		} {
			_, err := tokens(&memory{}, &issuer{err: c.err}).Get(t.Context())
			if got := bridge.Judge(err); got != c.want || !errors.Is(err, cause) || !strings.Contains(err.Error(), "access token") {
				t.Errorf("%+v became %+v (%v), want %+v", bridge.Judge(c.err), got, err, c.want)
			}
		}
		for _, i := range []*issuer{{life: 0}, {life: -time.Hour}} {
			if got, err := tokens(&memory{}, i).Get(t.Context()); err == nil {
				t.Errorf("%q with a life of %v", got, i.life)
			}
		}
	})
}
