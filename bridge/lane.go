package bridge

import (
	"container/heap"
	"time"
)

// laneState is where an active lane stands. Lanes with nothing to deliver are not kept.
type laneState uint8

const (
	laneReady   laneState = iota // in its destination's queue
	laneSending                  // a worker has its head
	laneWaiting                  // until due
	laneHeld                     // until something wakes it
)

// Bounds of what is kept in memory: a lane keeps at most laneItems deliveries, and reads the others
// from the store when it comes to them; texts are kept ready up to cacheBytes in all.
const (
	laneItems  = 16
	cacheBytes = 16 << 20
)

// lane delivers to one side of one link (or to one room), in order, one at a time.
type lane struct {
	id    LaneID
	items []item     // the oldest undelivered ones
	more  bool       // the store has newer ones than items
	seen  DeliveryID // the newest that was ever in items
	state laneState
	dest  string // the adapter it is queued at; "" while unknown
	due   time.Time
	index int  // in the timer heap; -1 when not there
	woken bool // something happened while it was being looked at

	tries int    // of the head, since the start or the last success
	why   string // why it is held
	told  State  // the last mark that the head's writer was given
	named string // how the head's writer was named at the first try
}

// afresh forgets what was tried: the lane has another head.
func (l *lane) afresh() { l.tries, l.told, l.named = 0, "", "" }

// item is a delivery with its message, if that is at hand.
type item struct {
	d   Delivery
	msg *Message
}

func (it *item) bytes() int {
	if it.msg == nil {
		return 0
	}
	return len(it.msg.Text) + 512 // 512: about what the struct itself takes
}

// dest is one adapter as a destination: the lanes that are ready for it, in order, and its workers.
type dest struct {
	name   string
	ready  []*lane // a queue; head is the next
	head   int
	active int // workers
	paused time.Time
	login  string // why the account needs a person; "" when it does not
}

func (d *dest) push(l *lane) { d.ready = append(d.ready, l) }

func (d *dest) pop() *lane {
	if d.head == len(d.ready) {
		return nil
	}
	l := d.ready[d.head]
	d.ready[d.head] = nil
	d.head++
	if d.head == len(d.ready) {
		d.ready, d.head = d.ready[:0], 0
	}
	return l
}

// timers is a heap of lanes by due time.
type timers []*lane

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].due.Before(t[j].due) }
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].index, t[j].index = i, j
}

func (t *timers) Push(x any) {
	l, _ := x.(*lane)
	l.index = len(*t)
	*t = append(*t, l)
}

func (t *timers) Pop() any {
	old := *t
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*t = old[:len(old)-1]
	l.index = -1
	return l
}

func (t *timers) remove(l *lane) {
	if l.index >= 0 {
		heap.Remove(t, l.index)
	}
}
