package bridge

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"
)

// sendTimeout bounds one call of an adapter. Uploads of 25 MiB over a slow line take a minute.
const sendTimeout = 2 * time.Minute

// job is one look at the head of a lane: find the room, fit the message, send it, judge the answer.
type job struct {
	b    *Bridge
	set  *settled
	lane *lane
	item item
	dest string // the adapter whose worker this is

	adapter Adapter
	kind    string // of the adapter's network
	caps    Caps
	link    *Link
	room    RoomRef
	entered bool    // the room is ours for the moment
	ledger  *Room   // the room's record, where the network needs one
	record  *Record // the message
}

// result is what a job came to. Exactly one of its ways is taken.
type result struct {
	busy bool   // the room is taken; the lane is readied when it is free
	dest string // another adapter has to do it

	state   State         // what became of the delivery
	reason  string        // for people
	wait    time.Duration // pending: not before
	account bool          // the wait is the whole adapter's
	login   bool          // pending: the account needs a person
	until   time.Time     // held: until then at most
	closed  bool          // held: the network says that the window is closed
	begun   bool
	sent    []MsgID
	parts   int
	copy    *Copy
	touch   func(*Room) // changes the room's ledger, in the same commit
	extra   []Delivery  // what others are told, in the same commit
	cause   error       // for the operator's log
}

func pending(err error) result          { return result{state: StatePending, cause: err} }
func held(why string) result            { return result{state: StateHeld, reason: why} }
func failed(why string, e error) result { return result{state: StateFailed, reason: why, cause: e} }
func cancelled() result                 { return result{state: StateCancelled} }

func (j *job) words() *phrases { return j.set.words }

// key is the same on every retry, and never that of another delivery: the number starts over with an
// empty store, the moment does not.
func (j *job) key() string {
	d := &j.item.d
	return strconv.FormatInt(d.At.UnixMilli(), 36) + "-" + strconv.FormatUint(uint64(d.ID), 36)
}

// tooOld reports whether a text to a customer has waited so long that its writer must be asked again.
// What a person brought back from the parked ones counts from that moment. What a customer wrote is
// never too old for the member.
func (j *job) tooOld() bool {
	d := &j.item.d
	since := d.At
	if d.State == StatePending && d.Attempts == 0 && !d.Settled.IsZero() {
		since = d.Settled
	}
	return d.To == ContactSide && j.set.Now().Sub(since) > j.set.MaxAge
}

// run never panics: what an adapter does wrong is a failed try.
func (j *job) run(ctx context.Context) (r result) {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			r = pending(fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
		if j.entered {
			j.b.engine.leave(j.room)
		}
	}()
	if stop, r := j.prepare(ctx); stop {
		return r
	}
	j.entered = j.b.engine.enter(j.room, j.lane)
	if !j.entered {
		return result{busy: true}
	}
	if stop, r := j.consult(ctx); stop {
		return r
	}
	r = j.act(ctx)
	if r.closed {
		r.touch = both(r.touch, j.callBack(ctx))
	}
	return r
}

// prepare finds out where the delivery goes and whether it may go now.
func (j *job) prepare(ctx context.Context) (bool, result) {
	d := &j.item.d
	if d.Link != 0 {
		l, err := j.b.store.Link(ctx, d.Link)
		if errors.Is(err, ErrNotFound) { // erased meanwhile
			return true, cancelled()
		}
		if err != nil {
			return true, pending(err)
		}
		j.link = &l
		if stop, r := j.gate(); stop {
			return true, r
		}
	}
	if stop, r := j.findRoom(ctx); stop {
		return true, r
	}
	if d.Message != 0 {
		if err := j.load(ctx); errors.Is(err, ErrNotFound) {
			return true, cancelled()
		} else if err != nil {
			return true, pending(err)
		}
		if d.Kind == KindSay && j.record.Recalled {
			return true, cancelled()
		}
	}
	if d.Hold {
		if again, err := j.b.answeredSince(ctx, d.Link, d.At); err != nil {
			return true, pending(err)
		} else if !again {
			return true, held(j.words().heldWindow)
		}
	}
	return false, result{}
}

// consult asks, now that nobody else speaks in the room, what it allows.
func (j *job) consult(ctx context.Context) (bool, result) {
	if stop, r := j.findLedger(ctx); stop {
		return true, r
	}
	if j.item.d.Kind == KindSay && j.tooOld() {
		return true, j.askAgain()
	}
	return false, result{}
}

// gate says what a link's state lets through.
func (j *job) gate() (bool, result) {
	d := &j.item.d
	if d.Kind != KindSay {
		return false, result{}
	}
	switch j.link.State {
	case LinkAsked:
		if j.link.Member == "" {
			return true, held(j.words().heldNobody)
		}
		return true, held(j.words().heldAsked)
	case LinkEnded:
		if d.To == ContactSide {
			return true, failed(j.words().closedLink, nil)
		}
	case LinkActive, LinkHandedOver:
	}
	return false, result{}
}

// load reads the message, unless it is at hand.
func (j *job) load(ctx context.Context) error {
	if j.item.msg != nil && j.item.d.Kind == KindSay {
		j.record = &Record{Message: *j.item.msg}
		return nil
	}
	r, err := j.b.store.Message(ctx, j.item.d.Message)
	if err != nil {
		return fmt.Errorf("read message %s: %w", j.item.d.Message, err)
	}
	j.record = &r
	return nil
}

// findRoom finds, or opens, the room, and the adapter that it is on.
func (j *job) findRoom(ctx context.Context) (bool, result) {
	d := &j.item.d
	j.room = d.Room
	if j.room.IsZero() && j.link != nil {
		j.room = j.link.Rooms[d.To]
	}
	if j.room.IsZero() {
		if d.To == ContactSide || j.link == nil {
			return true, failed(j.words().noRoom, nil)
		}
		if stop, r := j.openRoom(ctx); stop {
			return true, r
		}
	}
	if j.room.Adapter != j.dest {
		return true, result{dest: j.room.Adapter}
	}
	a, kind, ok := j.b.adapter(j.room.Adapter)
	if !ok {
		return true, held(fmt.Sprintf(j.words().heldAdapter, j.room.Adapter))
	}
	j.adapter, j.kind, j.caps = a, kind, a.Caps()
	return false, result{}
}

// findLedger reads the room's record where the network needs one: to count its window, or to say who
// speaks. A closed window holds what would be refused.
func (j *job) findLedger(ctx context.Context) (bool, result) {
	counts := j.caps.Window.Open > 0
	if j.caps.Names && !counts {
		return false, result{}
	}
	r, err := j.b.store.Room(ctx, j.room)
	if errors.Is(err, ErrNotFound) {
		return false, result{}
	}
	if err != nil {
		return true, pending(err)
	}
	j.ledger = &r
	if !counts || r.Side != ContactSide || !j.speaks() {
		return false, result{}
	}
	if !r.open(j.caps.Window, j.set.Now()) {
		closed := held(j.words().heldWindow)
		closed.touch = j.callBack(ctx)
		return true, closed
	}
	return false, result{}
}

// callBack asks the customer to write where the network can, once until they do; what it returns notes that it
// was done, and is nil when it was not.
func (j *job) callBack(ctx context.Context) func(*Room) {
	n, ok := j.adapter.(Noticer)
	if !ok || j.ledger == nil || j.ledger.Noticed {
		return nil
	}
	as := j.set.house()
	if j.link != nil && j.set.members[j.link.Member] != nil {
		as = j.set.memberLabel(j.set.members[j.link.Member])
	}
	if err := n.Notice(ctx, j.room.Room, as); err != nil {
		j.b.log.Warn("the customer could not be asked to write again", "adapter", j.dest, "err", err)
		return nil
	}
	return func(room *Room) { room.Noticed = true }
}

// both are two changes of a room's record, either of which may be nil.
func both(one, other func(*Room)) func(*Room) {
	switch {
	case one == nil:
		return other
	case other == nil:
		return one
	}
	return func(r *Room) { one(r); other(r) }
}

// speaks reports whether the delivery makes a new message in the room.
func (j *job) speaks() bool {
	switch j.item.d.Kind {
	case KindSay, KindNotice, KindAsk:
		return true
	case KindAmend, KindRecall, KindReact, KindMark, KindHint, KindUpdate, KindAvatar:
		return false
	default:
		return false
	}
}

func (j *job) act(ctx context.Context) result {
	switch j.item.d.Kind {
	case KindSay:
		return j.say(ctx)
	case KindAmend:
		return j.amend(ctx)
	case KindRecall:
		return j.recall(ctx)
	case KindReact:
		return j.react(ctx)
	case KindMark:
		return j.mark(ctx)
	case KindNotice:
		return j.notice(ctx, j.item.d.Text)
	case KindHint:
		return j.hint(ctx)
	case KindAsk:
		return j.ask(ctx)
	case KindUpdate:
		return j.update(ctx)
	case KindAvatar:
		return j.avatar(ctx)
	default: // written by a newer version
		return failed("unknown kind of delivery: "+string(j.item.d.Kind), nil)
	}
}
