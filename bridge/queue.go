package bridge

import (
	"container/heap"
	"context"
	"fmt"
	"time"
)

// feed puts freshly committed deliveries into their lanes. The store calls it in commit order.
func (e *engine) feed(o Outcome, msg *Message) {
	if len(o.Deliveries) == 0 {
		return
	}
	if msg != nil {
		m := *msg
		m.ID = o.Message
		msg = &m
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, d := range o.Deliveries {
		if i < len(o.Mine) && !o.Mine[i] {
			e.shared.Store(true)
			continue
		}
		it := item{d: d}
		if msg != nil && d.Message == msg.ID && e.cached < cacheBytes {
			it.msg = msg
		}
		e.append(it)
	}
}

func (e *engine) append(it item) {
	l := e.lanes[it.d.Lane]
	if l == nil {
		l = &lane{id: it.d.Lane, index: -1, dest: it.d.Adapter}
		e.lanes[l.id] = l
		if e.on {
			l.seen = it.d.ID
			l.items = append(l.items, it)
			e.cached += it.bytes()
		} else { // older ones may wait in the store that nobody has claimed yet
			l.more = true
		}
		e.ready(l)
		return
	}
	if it.d.ID <= l.seen { // read from the store already
		return
	}
	if l.more || len(l.items) >= laneItems {
		l.more = true
		return
	}
	l.seen = it.d.ID
	l.items = append(l.items, it)
	e.cached += it.bytes()
}

// head is the lane's next delivery. When memory has none it reads the store; what is committed meanwhile
// is appended, or sets l.more again.
func (e *engine) head(ctx context.Context, l *lane) (item, bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(l.items) == 0 && l.more {
		l.more = false
		e.mu.Unlock()
		found, err := e.b.store.Waiting(ctx, l.id, 0, laneItems)
		e.mu.Lock()
		if err != nil {
			l.more = true
			return item{}, false, fmt.Errorf("read lane: %w", err)
		}
		e.merge(l, found)
	}
	if len(l.items) == 0 {
		return item{}, false, nil
	}
	return l.items[0], true, nil
}

// merge puts what was read before what was appended meanwhile, without repeating what is in both.
func (e *engine) merge(l *lane, found []Delivery) {
	fresh := l.items
	l.items = nil
	for _, d := range found {
		l.items = append(l.items, item{d: d})
	}
	full := len(found) >= laneItems
	for _, it := range fresh {
		if len(found) > 0 && it.d.ID <= found[len(found)-1].ID {
			e.cached -= it.bytes()
			continue
		}
		if full { // there may be others between
			l.more = true
			e.cached -= it.bytes()
			continue
		}
		l.items = append(l.items, it)
	}
	if full {
		l.more = true
	}
	if n := len(l.items); n > 0 {
		l.seen = max(l.seen, l.items[n-1].d.ID)
	}
}

// next drops the delivered head and readies the lane for the one after it.
func (e *engine) next(l *lane) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cached -= l.items[0].bytes()
	l.items[0] = item{}
	l.items = l.items[1:]
	l.afresh()
	if len(l.items) == 0 && !l.more {
		delete(e.lanes, l.id)
		return
	}
	e.ready(l)
}

// retire forgets a lane that turned out to be empty.
func (e *engine) retire(l *lane) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(l.items) > 0 || l.more {
		e.ready(l)
		return
	}
	delete(e.lanes, l.id)
}

// sleep makes the lane wait.
func (e *engine) sleep(l *lane, d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l.state = laneWaiting
	l.due = e.b.now().Add(d)
	heap.Push(&e.timers, l)
	e.nudge()
}

// hold makes the lane wait until something wakes it, or until the moment given if it is not zero.
func (e *engine) hold(l *lane, why string, until time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if l.woken {
		e.ready(l)
		return
	}
	l.state, l.why = laneHeld, why
	if !until.IsZero() {
		l.due = until
		heap.Push(&e.timers, l)
		e.nudge()
	}
}

// move queues the lane at another destination.
func (e *engine) move(l *lane, dest string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l.dest = dest
	e.ready(l)
}

// enter takes a room for one call; false: it is taken, and the lane is readied when it is free.
func (e *engine) enter(r RoomRef, l *lane) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, taken := e.busy[r]; taken {
		e.busy[r] = append(e.busy[r], l)
		return false
	}
	e.busy[r] = nil
	e.unsettled[r]++
	return true
}

// concluded says that what became of a call into the room is durable, or will be asked again.
func (e *engine) concluded(r RoomRef) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.unsettled[r]--; e.unsettled[r] <= 0 {
		delete(e.unsettled, r)
	}
}

// speaking reports whether something may be in the room of which the store does not know yet what the network
// calls it.
func (e *engine) speaking(r RoomRef) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.unsettled[r] > 0
}

func (e *engine) leave(r RoomRef) {
	e.mu.Lock()
	defer e.mu.Unlock()
	waiting := e.busy[r]
	delete(e.busy, r)
	for _, l := range waiting {
		e.ready(l)
	}
}
