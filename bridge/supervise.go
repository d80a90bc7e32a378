package bridge

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"
)

// Pauses between two runs of an adapter that fails: one second, then twice as long each time, five
// minutes at most; a run that lasted healthyRun starts over.
const (
	firstPause = time.Second
	longPause  = 5 * time.Minute
	healthyRun = time.Minute
)

// Health is how an adapter does, for operators.
type Health struct {
	Name, Kind string
	State      string // "starting", "running", "failed" or "stopped"
	Since      time.Time
	LastEvent  time.Time // zero: none since the start
	Err        string    // what is wrong and what a person must do; "" when nothing is
	Warnings   []string  // what is missing but can be done without
	Waiting    int       // deliveries in memory that wait for this adapter
}

// seat is an adapter with its supervisor: a broken adapter never stops the rest.
type seat struct {
	name, kind string
	adapter    Adapter
	stop       context.CancelFunc
	done       chan struct{} // closed when the supervisor has ended; nil before the start

	mu     sync.Mutex
	health Health
}

// Add puts an adapter on the road; it is supervised from now on, or from Run on.
func (b *Bridge) Add(name, kind string, a Adapter) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, taken := b.adapters[name]; taken {
		return fmt.Errorf("adapter %s is there already", name)
	}
	s := &seat{name: name, kind: kind, adapter: a}
	s.health = Health{Name: name, Kind: kind, State: "stopped", Since: b.now()}
	b.adapters[name] = s
	if b.running != nil {
		b.start(b.running, s)
		b.engine.wakeHeld()
	}
	return nil
}

// Remove takes an adapter off the road and waits until it has stopped. What waits for it keeps waiting.
func (b *Bridge) Remove(ctx context.Context, name string) error {
	b.mu.Lock()
	s, ok := b.adapters[name]
	delete(b.adapters, name)
	b.mu.Unlock()
	if !ok {
		return fmt.Errorf("adapter %s: %w", name, ErrNotFound)
	}
	if s.stop == nil {
		return nil
	}
	s.stop()
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("adapter %s does not stop: %w", name, ctx.Err())
	}
}

// Health is the state of every adapter, by name.
func (b *Bridge) Health() []Health {
	waiting := b.engine.waitingByAdapter()
	var out []Health
	for _, n := range b.names() {
		b.mu.RLock()
		s := b.adapters[n]
		b.mu.RUnlock()
		if s == nil {
			continue
		}
		s.mu.Lock()
		h := s.health
		s.mu.Unlock()
		h.Waiting, h.Warnings = waiting[n], b.warnings(n)
		if h.Err == "" {
			h.Err = b.engine.trouble(n)
		}
		out = append(out, h)
	}
	return out
}

// start runs the supervisor; b.mu is held.
func (b *Bridge) start(ctx context.Context, s *seat) {
	ctx, s.stop = context.WithCancel(ctx)
	s.done = make(chan struct{})
	s.set("starting", "", b.now())
	b.seats.Go(func() {
		defer close(s.done)
		b.supervise(ctx, s)
		s.set("stopped", "", b.now())
	})
}

func (b *Bridge) supervise(ctx context.Context, s *seat) {
	pause := firstPause
	log := b.log.With("adapter", s.name)
	last := ""
	for ctx.Err() == nil {
		began := b.now()
		s.set("running", "", began)
		err := runSafely(ctx, s.adapter, inbox{b: b, seat: s})
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("stopped by itself")
		}
		if b.now().Sub(began) > healthyRun {
			pause = firstPause
		}
		if text := err.Error(); text != last {
			log.Error("adapter failed", "err", err, "again_in", pause)
			last = text
		}
		s.set("failed", err.Error(), b.now())
		jittered := pause/2 + rand.N(pause/2+1) //nolint:gosec // spreading load, not keeping a secret
		select {
		case <-time.After(jittered):
		case <-ctx.Done():
		}
		pause = min(2*pause, longPause)
	}
}

// runSafely turns a panic of an adapter into an error: one adapter's mistake must not end the gateway.
func runSafely(ctx context.Context, a Adapter, in Inbox) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return a.Run(ctx, in)
}

func (s *seat) set(state, text string, now time.Time) {
	s.mu.Lock()
	s.health.State, s.health.Err, s.health.Since = state, text, now
	s.mu.Unlock()
}

func (s *seat) heard(now time.Time) {
	s.mu.Lock()
	s.health.LastEvent = now
	s.mu.Unlock()
}
