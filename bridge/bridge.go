package bridge

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Bridge is the gateway: it owns the road from every adapter to every other.
type Bridge struct {
	store  Store
	blobs  Blobs
	log    *slog.Logger
	meter  Meter
	set    atomic.Pointer[settled]
	secret []byte // signs verify tokens; durable, made once

	engine *engine
	absent *absent

	mu       sync.RWMutex
	adapters map[string]*seat
	running  context.Context // set while Run runs
	seats    sync.WaitGroup
}

// New makes a gateway over a store and a blob folder. Its error names every mistake in the settings.
// A nil meter counts nothing.
func New(store Store, blobs Blobs, set Settings, log *slog.Logger, meter Meter) (*Bridge, error) {
	s, err := settle(set)
	if err != nil {
		return nil, err
	}
	if meter == nil {
		meter = noMeter{}
	}
	b := &Bridge{store: store, blobs: blobs, log: log, meter: meter, adapters: make(map[string]*seat)}
	b.engine = newEngine(b)
	if b.secret, err = gatewaySecret(store.KV("gateway")); err != nil {
		return nil, fmt.Errorf("read the gateway's secret: %w", err)
	}
	if b.absent, err = readAbsent(context.Background(), store.KV("gateway")); err != nil {
		return nil, err
	}
	b.attune(s)
	b.set.Store(s)
	return b, nil
}

// attune gives settings what they need of the gateway.
func (b *Bridge) attune(s *settled) { s.absent, s.picture = b.absent, b.avatarURL }

// Configure puts new settings in place of the old; what is on the road already goes on with the new.
func (b *Bridge) Configure(set Settings) error {
	s, err := settle(set)
	if err != nil {
		return err
	}
	b.attune(s)
	b.set.Store(s)
	b.mu.RLock()
	ctx := b.running
	b.mu.RUnlock()
	if ctx != nil {
		b.engine.wakeHeld()
		return b.placeWaiting(ctx)
	}
	return nil
}

// Run runs the adapters and delivers, until ctx ends. Then it stops hearing, lets the sends in flight
// finish (stopGrace at most), and returns with everything that was accepted still in the store.
func (b *Bridge) Run(ctx context.Context) error {
	b.mu.Lock()
	if b.running != nil {
		b.mu.Unlock()
		return errors.New("the gateway runs already")
	}
	b.running = ctx
	for _, s := range b.adapters {
		b.start(ctx, s)
	}
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.running = nil
		b.mu.Unlock()
	}()
	if err := b.placeWaiting(ctx); err != nil && ctx.Err() == nil {
		b.log.Warn("customers without a member wait on", "err", err)
	}
	err := b.engine.run(ctx)
	b.seats.Wait()
	return err
}

// Retry puts a parked delivery back into its lane, or wakes one that waits.
func (b *Bridge) Retry(ctx context.Context, id DeliveryID) error {
	d, err := b.store.Delivery(ctx, id)
	if err != nil {
		return fmt.Errorf("delivery %s: %w", id, err)
	}
	if d.State.Final() {
		s := Settlement{Lane: d.Lane, Delivery: d.ID, State: StatePending, Sent: d.Sent, Parts: d.Parts}
		if _, err := b.store.Commit(ctx, Step{At: b.now(), Settle: []Settlement{s}}); err != nil {
			return fmt.Errorf("retry delivery %s: %w", id, err)
		}
	}
	b.engine.reload(d.Lane, d.Adapter)
	return nil
}

// Cancel takes a delivery that waits or is parked off the road, and tells its writer.
func (b *Bridge) Cancel(ctx context.Context, id DeliveryID) error {
	d, err := b.store.Delivery(ctx, id)
	if err != nil {
		return fmt.Errorf("delivery %s: %w", id, err)
	}
	step := Step{At: b.now(), Settle: []Settlement{{Lane: d.Lane, Delivery: d.ID, State: StateCancelled, Adapter: d.Adapter}}}
	if m := b.markFor(ctx, d, Fate{State: StateCancelled}); m != nil {
		step.Deliveries = append(step.Deliveries, *m)
	}
	if err := b.engine.settleOutside(ctx, d, step); err != nil {
		return fmt.Errorf("cancel delivery %s: %w", id, err)
	}
	return nil
}

// commit makes a step durable and feeds the lanes with its deliveries.
func (b *Bridge) commit(ctx context.Context, s Step) (Outcome, error) {
	msg := s.Message
	s.Then = func(o Outcome) { b.engine.feed(o, msg) }
	return b.store.Commit(ctx, s)
}

func (b *Bridge) now() time.Time { return b.set.Load().Now() }

// adapter is the adapter of that name, and its kind.
func (b *Bridge) adapter(name string) (Adapter, string, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	s, ok := b.adapters[name]
	if !ok {
		return nil, "", false
	}
	return s.adapter, s.kind, true
}

// names are the adapters' names, sorted.
func (b *Bridge) names() []string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	out := make([]string, 0, len(b.adapters))
	for n := range b.adapters {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// gatewaySecret reads the secret that signs verify tokens, or makes it: 256 bits, as HMAC-SHA256 takes.
func gatewaySecret(kv KV) ([]byte, error) {
	ctx := context.Background()
	v, _, err := kv.Get(ctx, "secret")
	if !errors.Is(err, ErrNotFound) {
		return v, err
	}
	v = make([]byte, 32)
	_, _ = rand.Read(v) // never fails: crypto/rand.Read aborts the program instead
	if _, err = kv.Put(ctx, "secret", v, 0); errors.Is(err, ErrStale) {
		v, _, err = kv.Get(ctx, "secret")
	}
	return v, err
}

type noMeter struct{}

func (noMeter) Event(string, string, string)  {}
func (noMeter) Discard(string, string)        {}
func (noMeter) Settled(string, State, string) {}
func (noMeter) Latency(string, float64)       {}
