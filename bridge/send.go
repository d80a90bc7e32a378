package bridge

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Backoff of a delivery that did not arrive: full jitter in the upper half, doubling, five minutes at
// most, so that a network that comes back is not met by everybody at once.
const (
	firstBackoff = time.Second
	longBackoff  = 5 * time.Minute
	loginPause   = 30 * time.Second // how often an account that needs a person is tried
)

func backoff(tries int) time.Duration {
	d := longBackoff
	if tries < 9 {
		d = min(firstBackoff<<tries, longBackoff)
	}
	return d/2 + rand.N(d/2+1) //nolint:gosec // spreading load, not keeping a secret
}

// send says the drafts one after another, from the first that has not arrived. What has arrived is
// made durable between them, so that nothing is said twice.
func (j *job) send(ctx context.Context, drafts []Draft) result {
	d := &j.item.d
	ids, start := d.Sent, d.Parts
	if d.Begun && !j.caps.Dedupes && start < len(drafts) {
		got, r, known := j.resolve(ctx, drafts[start].Key)
		if !known {
			return r
		}
		if len(got) > 0 {
			ids, start = append(ids, got...), start+1
		}
	}
	for i := start; i < len(drafts); i++ {
		if !j.caps.Dedupes || i > start {
			if err := j.note(ctx, ids, i); err != nil {
				r := pending(err) // what is stored of the delivery stays as it is
				r.begun, r.sent, r.parts = d.Begun, ids, i
				return r
			}
		}
		j.set.Failpoint("deliver.before-send")
		got, err := j.adapter.Send(ctx, j.room.Room, drafts[i])
		j.set.Failpoint("deliver.after-send")
		if err == nil && len(got) == 0 {
			err = Unsure(errors.New("the network gave no message id"))
		}
		if Judge(err).Verdict == VerdictUnsure && !j.caps.Dedupes {
			var known bool
			var r result
			if got, r, known = j.resolve(ctx, drafts[i].Key); !known {
				r.cause, r.sent, r.parts = err, ids, i
				return r
			}
			if len(got) > 0 {
				err = nil
			}
		}
		if err != nil {
			return j.judge(err, ids, i)
		}
		ids = append(ids, got...)
	}
	return result{state: StateSent, sent: ids}
}

// note makes durable what has arrived so far, and, on a network that cannot dedupe, that the next part is
// about to be sent.
func (j *job) note(ctx context.Context, ids []MsgID, parts int) error {
	d := &j.item.d
	s := Settlement{
		Lane: d.Lane, Delivery: d.ID, State: StatePending, Adapter: j.room.Adapter,
		Attempts: j.lane.tries + 1, Begun: !j.caps.Dedupes, Sent: ids, Parts: parts,
	}
	if _, err := j.b.commit(ctx, Step{At: j.set.Now(), Settle: []Settlement{s}}); err != nil {
		return fmt.Errorf("note the send: %w", err)
	}
	d.Apply(s, j.set.Now())
	return nil
}

// resolve finds out whether a part arrived whose answer was lost. known: it did (ids) or did not (no
// ids); otherwise the result says how to go on.
func (j *job) resolve(ctx context.Context, key string) (ids []MsgID, r result, known bool) {
	f, ok := j.adapter.(Finder)
	if !ok {
		return nil, result{state: StateUnknown, reason: j.words().unknownWhy}, false
	}
	ids, err := f.Find(ctx, j.room.Room, key)
	if err != nil {
		r = j.judge(fmt.Errorf("look whether it arrived: %w", err), j.item.d.Sent, j.item.d.Parts)
		r.begun = true
		if r.state == StateFailed {
			r.state = StateUnknown
		}
		return nil, r, false
	}
	return ids, result{}, true
}

// judge turns an adapter's error into what happens next.
func (j *job) judge(err error, ids []MsgID, parts int) result {
	v := Judge(err)
	r := result{sent: ids, parts: parts, cause: err, reason: clip(err.Error(), maxReason)}
	switch v.Verdict {
	case VerdictPermanent:
		r.state = StateFailed
	case VerdictClosed:
		r.state, r.reason, r.until = StateHeld, j.words().heldWindow, v.Until
		r.touch = func(room *Room) { room.Sent = max(room.Sent, room.allowed(j.caps.Window).Messages) }
		r.closed = true
	case VerdictWait:
		r.state, r.wait, r.account = StatePending, v.Wait, v.Account
	case VerdictLogin:
		r.state, r.wait, r.account, r.login = StatePending, loginPause, true, true
		r.reason = fmt.Sprintf(j.words().heldLogin, j.dest)
	case VerdictSent, VerdictRetry, VerdictUnsure:
		r.state, r.wait = StatePending, backoff(j.lane.tries)
	}
	return r
}

// maxReason bounds what of an error is kept and shown, in graphemes.
const maxReason = 200

// openRoom makes the member's room of the link, on the member's first workspace that can, and ties it to the link.
func (j *job) openRoom(ctx context.Context) (bool, result) {
	m, ok := j.set.members[j.link.Member]
	if !ok {
		return true, held(j.words().heldNobody)
	}
	for _, account := range m.Accounts {
		a, _, ok := j.b.adapter(account.Adapter)
		opener, can := a.(Opener)
		if !ok || !can || j.b.absent.has(account) {
			continue
		}
		if account.Adapter != j.dest {
			return true, result{dest: account.Adapter}
		}
		o, err := j.b.opening(ctx, j.set, j.link, account.User)
		if err != nil {
			return true, pending(err)
		}
		room, err := opener.Open(ctx, o)
		if err != nil {
			r := j.judge(fmt.Errorf("open a room: %w", err), nil, 0)
			if r.state == StateFailed { // nobody can say anything to the member: that is for the operator
				r.state, r.wait = StatePending, backoff(j.lane.tries)
			}
			return true, r
		}
		j.room = RoomRef{Adapter: account.Adapter, Room: room}
		if err := j.b.tieRoom(ctx, j.link, j.room); err != nil {
			return true, pending(err)
		}
		return false, result{}
	}
	return true, held(j.words().heldOpen)
}

// tieRoom makes durable that a link's member is spoken to in the room.
func (b *Bridge) tieRoom(ctx context.Context, link *Link, ref RoomRef) error {
	const tries = 8
	for range tries {
		l, err := b.store.Link(ctx, link.ID)
		if err != nil {
			return fmt.Errorf("read link: %w", err)
		}
		l.Rooms[MemberSide] = ref
		room, err := b.roomWith(ctx, ref, MemberSide, l.ID)
		if err != nil {
			return err
		}
		_, err = b.commit(ctx, Step{At: b.now(), Links: []Link{l}, Rooms: []Room{room}})
		if err == nil {
			*link = l
			return nil
		}
		if !errors.Is(err, ErrStale) {
			return fmt.Errorf("tie the room: %w", err)
		}
	}
	return fmt.Errorf("tie the room: %w", ErrStale)
}

// roomWith is the room's record, new if need be, with the link in it.
func (b *Bridge) roomWith(ctx context.Context, ref RoomRef, side Side, link LinkID) (Room, error) {
	room, err := b.store.Room(ctx, ref)
	if errors.Is(err, ErrNotFound) {
		room, err = Room{Ref: ref, Side: side}, nil
	}
	if err != nil {
		return Room{}, fmt.Errorf("read room: %w", err)
	}
	room.add(link)
	return room, nil
}

// add puts a link into the room; the first one is the current.
func (r *Room) add(link LinkID) {
	if slices.Contains(r.Links, link) {
		return
	}
	r.Links = append(r.Links, link)
	if r.Current == 0 {
		r.Current = link
	}
}

// networkOf is the kind of network that a room is on.
func (b *Bridge) networkOf(r RoomRef) string {
	_, kind, _ := b.adapter(r.Adapter)
	return kind
}
