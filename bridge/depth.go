package bridge

import (
	"context"
	"slices"
	"time"
)

// Depth is how much is on the road, in memory.
type Depth struct {
	Lanes, Ready, Sending, Waiting, Held int           // active lanes, by what they do
	Oldest                               time.Duration // age of the oldest head of a lane that is not held
}

// Depth counts the active lanes.
func (b *Bridge) Depth() Depth {
	e := b.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	out := Depth{Lanes: len(e.lanes)}
	now := b.now()
	for _, l := range e.lanes {
		switch l.state {
		case laneReady:
			out.Ready++
		case laneSending:
			out.Sending++
		case laneWaiting:
			out.Waiting++
		case laneHeld:
			out.Held++
			continue
		}
		if len(l.items) > 0 {
			out.Oldest = max(out.Oldest, now.Sub(l.items[0].d.At))
		}
	}
	return out
}

// waitingByAdapter counts the lanes of each adapter that have something to deliver.
func (e *engine) waitingByAdapter() map[string]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make(map[string]int)
	for _, l := range e.lanes {
		out[l.dest] += max(len(l.items), 1)
	}
	return out
}

// trouble is why the account needs a person, as its last answer said.
func (e *engine) trouble(name string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if d := e.dests[name]; d != nil {
		return d.login
	}
	return ""
}

// take stops the lane for a change from outside; false: it is being sent right now.
func (e *engine) take(id LaneID) (*lane, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.lanes[id]
	if l == nil {
		return nil, true
	}
	if l.state == laneSending || l.state == laneReady {
		return nil, false
	}
	e.timers.remove(l)
	l.state = laneSending
	return l, true
}

// settleOutside commits a settlement that no worker has made, such as a cancellation.
func (e *engine) settleOutside(ctx context.Context, d Delivery, step Step) error {
	l, ok := e.take(d.Lane)
	if !ok && !d.State.Final() {
		return errSending
	}
	_, err := e.b.commit(ctx, step)
	if l == nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil {
		l.items = slices.DeleteFunc(l.items, func(it item) bool {
			if it.d.ID != d.ID {
				return false
			}
			e.cached -= it.bytes()
			return true
		})
		l.afresh()
	}
	e.ready(l)
	return err
}

// reload makes a lane look into the store again, from its beginning.
func (e *engine) reload(id LaneID, dest string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.lanes[id]
	if l == nil {
		l = &lane{id: id, more: true, index: -1, dest: dest}
		e.lanes[id] = l
		e.ready(l)
		return
	}
	l.more = true
	if l.state == laneHeld || l.state == laneWaiting {
		for i := range l.items {
			e.cached -= l.items[i].bytes()
		}
		l.items = nil
		l.tries, l.named = 0, ""
		e.ready(l)
	}
}
