package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hutong-im/hutong/adapters"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/config"
)

func TestExpiry(t *testing.T) {
	now := time.Date(2026, 12, 30, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Time{
		"":           {},
		"90d":        now.AddDate(0, 0, 90),
		"12h":        now.Add(12 * time.Hour),
		"2026-12-31": time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		if got, err := expiry(s, now); err != nil || !got.Equal(want) {
			t.Errorf("expiry(%q) = %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"forever", "soon", "0h", "-1h", "2026-13-01", "31.12.2026"} {
		if got, err := expiry(s, now); exitCode(err) != exitUsage {
			t.Errorf("expiry(%q) = %v, %v", s, got, err)
		}
	}
}

func TestExitCodes(t *testing.T) {
	for want, err := range map[int]error{
		exitDone: nil, exitFailed: io.ErrUnexpectedEOF, exitUsage: usage("no"), exitConfig: config.Mistakes{{}},
		exitNotFound: &answered{"card x: not found", bridge.ErrNotFound}, exitPerson: errPerson,
	} {
		if err != nil {
			err = errors.Join(fmt.Errorf("wrapped: %w", err))
		}
		if got := exitCode(err); got != want {
			t.Errorf("exitCode(%v) = %d, want %d", err, got, want)
		}
	}
}

// brokenStore is a store that fails when it writes or forgets.
type brokenStore struct {
	bridge.Store
	err   error
	calls int
	kept  []time.Time // what Expire was asked to keep
}

func (b *brokenStore) KV(string) bridge.KV { return brokenKV{b} }

func (b *brokenStore) Expire(_ context.Context, _, history time.Time) ([]string, error) {
	b.kept = append(b.kept, history)
	return nil, b.err
}

type brokenKV struct{ *brokenStore }

func (k brokenKV) Get(context.Context, string) ([]byte, uint64, error) { return nil, 0, k.err }

func (k brokenKV) Put(context.Context, string, []byte, uint64) (uint64, error) {
	k.calls++
	return 1, k.err
}
func (k brokenKV) Delete(context.Context, string) error { return k.err }
func (k brokenKV) List(context.Context, string, string, int) ([]string, error) {
	return nil, k.err
}

func TestStatusOfAFullStore(t *testing.T) {
	o := smallOffice(t, nil)
	now := time.Now()
	o.now = func() time.Time { return now }
	if v := o.status(t.Context()); !v.Ready {
		t.Errorf("a whole store: %+v", v)
	}
	broken := &brokenStore{Store: o.store, err: fmt.Errorf("commit: %w", bridge.ErrFull)}
	o.store = broken
	if v := o.status(t.Context()); !v.Ready || broken.calls > 0 {
		t.Errorf("asked again at once: %+v, %d calls", v, broken.calls)
	}
	now = now.Add(probeEvery)
	v := o.status(t.Context())
	if v.Ready || !strings.Contains(v.Store, "free disk space in "+o.data.dir) || !strings.Contains(v.String(), "NOT READY") {
		t.Errorf("a full store: %s", v)
	}
	now = now.Add(probeEvery)
	broken.err = io.ErrClosedPipe
	if v := o.status(t.Context()); v.Ready || !strings.Contains(v.Store, "cannot write into") {
		t.Errorf("a broken store: %s", v)
	}
	now = now.Add(probeEvery)
	broken.err = nil
	if v := o.status(t.Context()); !v.Ready || v.Store != "" {
		t.Errorf("a store that works again: %s", v)
	}
}

func TestUpkeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := smallOffice(t, nil)
		o.conf.Load().History.Keep = config.Span(30 * 24 * time.Hour)
		store := &brokenStore{Store: o.store, err: bridge.ErrFull}
		o.store = store
		g := &gateway{office: o, log: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- g.upkeep(ctx) }()
		began := time.Now()
		time.Sleep(firstUpkeep + 2*upkeepEvery + time.Minute)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if len(store.kept) != 3 {
			t.Fatalf("%d rounds in two hours, want 3 though each fails", len(store.kept))
		}
		if want := began.Add(firstUpkeep).AddDate(0, 0, -30); !store.kept[0].Equal(want) {
			t.Errorf("keeps from %v, want %v", store.kept[0], want)
		}
		o.conf.Load().History.Keep = 0
		g.forget(t.Context())
		if !store.kept[3].IsZero() {
			t.Errorf("keeps from %v, want for ever", store.kept[3])
		}
	})
}

func TestConnectToDataThatDoesNotAnswer(t *testing.T) {
	dir := t.TempDir()
	held, err := lockFolder(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	c, err := config.Parse(filepath.Join(dir, "config.yaml"), []byte(smallConfig+"gateway: { data: . }\n"), adapters.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := (&app{err: io.Discard}).connect(t.Context(), c)
		if !errors.Is(err, errHeld) || !strings.Contains(err.Error(), "does not answer") || !strings.Contains(err.Error(), "process ") {
			t.Errorf("got %v", err)
		}
		if waited := time.Since(began); waited < startWait || waited > 2*startWait {
			t.Errorf("waited %v", waited)
		}
	})
}
