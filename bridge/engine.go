package bridge

import (
	"container/heap"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// stopGrace is how long sends in flight may go on after the gateway was told to stop; what they
// carry stays in the store either way. Kubernetes kills after 30 s, systemd after 90 s.
const stopGrace = 10 * time.Second

// engine holds the active lanes. One mutex guards them all: what is done under it is short, and the
// sends and commits happen outside.
type engine struct {
	b *Bridge

	mu        sync.Mutex
	on        bool // workers may start
	lanes     map[LaneID]*lane
	dests     map[string]*dest
	busy      map[RoomRef][]*lane // rooms with a call in flight, and the lanes that wait for their turn
	unsettled map[RoomRef]int     // calls into the room whose outcome is not durable yet
	timers    timers
	cached    int
	tick      chan struct{} // the earliest due time has changed

	ctx     context.Context // of the sends
	workers sync.WaitGroup
	settles int         // workers that wait for a commit after a send
	shared  atomic.Bool // other gateways deliver from this store too
}

// settlesAtOnce bounds the commits that wait after a send. A committer takes hundreds into one
// transaction, so that more would only cost memory.
const settlesAtOnce = 1024

func newEngine(b *Bridge) *engine {
	return &engine{
		b: b, lanes: make(map[LaneID]*lane), dests: make(map[string]*dest),
		busy: make(map[RoomRef][]*lane), unsettled: make(map[RoomRef]int), tick: make(chan struct{}, 1),
	}
}

// run adopts what waits in the store and delivers until ctx ends.
func (e *engine) run(ctx context.Context) error {
	sends, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	err := e.adoptAll(ctx) // before anything is sent: reading all of it takes less time than sending some
	if err == nil {
		e.open(sends)
		e.keepTime(ctx)
	}
	e.mu.Lock()
	e.on = false
	e.mu.Unlock()
	grace := time.AfterFunc(stopGrace, cancel)
	defer grace.Stop()
	e.workers.Wait()
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// open lets the workers begin.
func (e *engine) open(sends context.Context) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.on, e.ctx = true, sends
	for _, d := range e.dests {
		e.staff(d)
	}
}

// adoptEvery is how often a gateway that shares its store looks for lanes that another one let go.
const adoptEvery = 5 * time.Second

// keepTime makes lanes ready when they are due.
func (e *engine) keepTime(ctx context.Context) {
	adopt := time.NewTicker(adoptEvery)
	defer adopt.Stop()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(e.due())
		select {
		case <-ctx.Done():
			return
		case <-e.tick:
		case <-timer.C:
		case <-adopt.C:
			if !e.shared.Load() {
				continue
			}
			if err := e.adoptAll(ctx); err != nil && ctx.Err() == nil {
				e.b.log.Warn("waiting deliveries could not be read; trying again", "err", err)
			}
		}
	}
}

// due readies the lanes whose time has come, and says how long until the next.
func (e *engine) due() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.b.now()
	for len(e.timers) > 0 && !e.timers[0].due.After(now) {
		if l, ok := heap.Pop(&e.timers).(*lane); ok {
			e.ready(l)
		}
	}
	wait := time.Minute
	if len(e.timers) > 0 {
		wait = min(wait, e.timers[0].due.Sub(now))
	}
	for _, d := range e.dests {
		if left := d.paused.Sub(now); left > 0 {
			wait = min(wait, left)
		} else {
			e.staff(d)
		}
	}
	return max(wait, time.Millisecond)
}

// adoptAll takes over every lane that waits in the store and that nobody delivers.
func (e *engine) adoptAll(ctx context.Context) error {
	const page = 1000
	var after LaneID
	for {
		heads, err := e.b.store.Claim(ctx, after, page)
		if err != nil {
			return fmt.Errorf("claim lanes: %w", err)
		}
		e.mu.Lock()
		for _, d := range heads {
			if e.lanes[d.Lane] == nil { // its head may be delivered by now: the lane reads it anew
				e.lanes[d.Lane] = &lane{id: d.Lane, more: true, index: -1, dest: d.Adapter}
				e.ready(e.lanes[d.Lane])
			}
		}
		e.mu.Unlock()
		if len(heads) < page {
			return nil
		}
		after = heads[len(heads)-1].Lane
	}
}

// ready queues a lane at its destination.
func (e *engine) ready(l *lane) {
	e.timers.remove(l)
	l.state, l.why = laneReady, ""
	d := e.dest(l.dest)
	d.push(l)
	e.staff(d)
}

func (e *engine) dest(name string) *dest {
	d := e.dests[name]
	if d == nil {
		d = &dest{name: name}
		e.dests[name] = d
	}
	return d
}

// staff starts workers for what is ready.
func (e *engine) staff(d *dest) {
	if !e.on || d.paused.After(e.b.now()) {
		return
	}
	limit := e.b.set.Load().Workers
	for n := len(d.ready) - d.head; n > 0 && d.active < limit && e.settles < settlesAtOnce; n-- {
		d.active++
		e.workers.Add(1)
		go e.work(d)
	}
}

// work delivers from one lane after another, a message of each in turn, until none is ready. Between
// the send and the end of the commit that follows it counts as settling, and another may send.
func (e *engine) work(d *dest) {
	defer e.workers.Done()
	for {
		ctx, l := e.pick(d)
		if l == nil {
			return
		}
		e.turn(ctx, d, l)
		if !e.resume(d) {
			return
		}
	}
}

// pick takes the next ready lane; nil: the worker may go.
func (e *engine) pick(d *dest) (context.Context, *lane) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.on && !d.paused.After(e.b.now()) {
		if l := d.pop(); l != nil {
			l.state, l.woken = laneSending, false
			return e.ctx, l
		}
	}
	d.active--
	return nil, nil
}

// rest gives the worker's place to another while it settles.
func (e *engine) rest(d *dest) {
	e.mu.Lock()
	defer e.mu.Unlock()
	d.active--
	e.settles++
	e.staff(d)
}

// resume takes a place again after settling; false: all are taken.
func (e *engine) resume(d *dest) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.settles--
	if d.active >= e.b.set.Load().Workers {
		return false
	}
	d.active++
	return true
}

// turn delivers the head of a lane, or finds out why it cannot, and settles. The worker's place is
// given up on the way.
func (e *engine) turn(ctx context.Context, d *dest, l *lane) {
	head, ok, err := e.head(ctx, l)
	if err != nil {
		e.rest(d)
		e.b.log.Warn("a waiting delivery could not be read; trying again", "err", err)
		e.sleep(l, time.Second)
		return
	}
	if !ok {
		e.rest(d)
		e.retire(l)
		return
	}
	j := &job{b: e.b, set: e.b.set.Load(), lane: l, item: head, dest: d.name}
	r := j.run(ctx)
	e.rest(d)
	e.conclude(ctx, j, r)
	if j.entered {
		e.concluded(j.room)
	}
}

func (e *engine) nudge() {
	select {
	case e.tick <- struct{}{}:
	default:
	}
}
