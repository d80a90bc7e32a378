package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Limits of what is accepted from a network. The longest text of a known network is WhatsApp's 65,536
// characters; ids are URLs at worst.
const (
	maxTextBytes = 256 << 10
	maxIDBytes   = 512
	maxFiles     = 32
	maxEmoji     = 64
)

// soon is how long a send takes to be settled at least; it is waited for maxSoon times, twice as long each
// time: for 1.3 s in all.
const (
	soon    = 10 * time.Millisecond
	maxSoon = 7
)

// replans is how often a plan is made again when something changed under it.
const replans = 16

// inbox is where one adapter brings what it hears.
type inbox struct {
	b    *Bridge
	seat *seat
}

// Receive stores the event and what follows from it in one durable step.
func (in inbox) Receive(ctx context.Context, e Event) error {
	b := in.b
	now := b.now()
	in.seat.heard(now)
	kind := eventName(e)
	b.set.Load().Failpoint("receive.begin")
	err := b.receive(ctx, in.seat.name, e)
	b.set.Load().Failpoint("receive.end")
	var gone *discard
	switch {
	case errors.As(err, &gone):
		b.meter.Event(in.seat.name, kind, "discarded")
		b.meter.Discard(in.seat.name, gone.reason)
		if gone.refuse {
			return fmt.Errorf("%w: %s", ErrRefused, gone.reason)
		}
		return nil
	case err != nil:
		b.meter.Event(in.seat.name, kind, "error")
		return err
	}
	b.meter.Event(in.seat.name, kind, "accepted")
	return nil
}

// discard is an event that is not kept, and why. The reasons are few, since they label a metric.
type discard struct {
	reason string
	refuse bool // the network is told
}

func (d *discard) Error() string { return d.reason }

func ignore(reason string) error { return &discard{reason: reason} }
func refuse(reason string) error { return &discard{reason: reason, refuse: true} }

// plan is what shall be made durable for an event, and what is done once it is.
type plan struct {
	step  Step
	wake  []LaneID  // lanes that may have been waiting for this
	stale MessageID // a message whose text at hand is old
	lanes []LaneID  // where that text may be at hand

	reload  []Delivery // parked ones that are in their lanes again
	refresh []LinkID   // links of which a member's room shows something that changes
}

func (b *Bridge) receive(ctx context.Context, adapter string, e Event) error {
	if t, ok := e.(Typing); ok {
		b.typing(ctx, adapter, t)
		return nil
	}
	if s, ok := e.(AccountState); ok {
		return b.accountState(ctx, adapter, s)
	}
	for try := range replans {
		p, err := b.plan(ctx, adapter, e, try < maxSoon)
		if errors.Is(err, errTooEarly) {
			select {
			case <-time.After(soon << try):
				continue
			case <-ctx.Done():
				return err
			}
		}
		if err != nil {
			return err
		}
		b.refreshed(ctx, p)
		out, err := b.commit(ctx, p.step)
		if errors.Is(err, ErrStale) {
			continue
		}
		if err != nil {
			return fmt.Errorf("store the event: %w", err)
		}
		if out.Duplicate {
			return ignore("duplicate")
		}
		for _, l := range p.lanes {
			b.engine.forget(l, p.stale)
		}
		b.engine.wake(p.wake...)
		for _, d := range p.reload {
			b.engine.reload(d.Lane, d.Adapter)
		}
		return nil
	}
	return fmt.Errorf("store the event: %w too often", ErrStale)
}

// plan works out what an event leads to, from what is stored now. patient: it may come again a little later.
func (b *Bridge) plan(ctx context.Context, adapter string, e Event, patient bool) (*plan, error) {
	v := &visit{b: b, set: b.set.Load(), adapter: adapter, patient: patient}
	v.now = v.set.Now()
	switch e := e.(type) {
	case MessageEvent:
		return v.message(ctx, e)
	case Edited:
		return v.edited(ctx, e)
	case Deleted:
		return v.deleted(ctx, e)
	case Reacted:
		return v.reacted(ctx, e)
	case Receipt:
		return v.receipt(ctx, e)
	case Joined:
		return v.joined(ctx, e)
	case Left:
		return v.left(ctx, e)
	case Answered:
		return v.answered(ctx, e)
	default:
		return nil, refuse("unknown event")
	}
}

// visit is one event being planned.
type visit struct {
	b       *Bridge
	set     *settled
	adapter string
	now     time.Time
	patient bool // what is about to be known may be waited for

	ref  RoomRef
	from UserRef
	room *Room // nil: not known yet
	side Side
	who  *Member // on the member side: the writer, nil if not bound
	link *Link   // whom it is about, once chosen

	guest  guest    // on the contact side: what the network says of the writer
	writer *Contact // on the contact side: who it is, once known
}

// guest is what a network says of a customer who writes.
type guest struct {
	name   string
	union  string
	avatar File
}

// enter reads the room and finds out whose side it is.
func (v *visit) enter(ctx context.Context, room RoomID, user UserID) error {
	if err := checkIDs(string(room), string(user)); err != nil {
		return err
	}
	v.ref, v.from = RoomRef{v.adapter, room}, UserRef{v.adapter, user}
	v.who = v.set.accounts[v.from]
	r, err := v.b.store.Room(ctx, v.ref)
	switch {
	case err == nil:
		v.room, v.side = &r, r.Side
	case !errors.Is(err, ErrNotFound):
		return fmt.Errorf("read room: %w", err)
	case v.who == nil:
		v.side = ContactSide
	}
	return nil
}

// seen scopes what a network calls an event.
func (v *visit) seen(parts ...string) string {
	return v.adapter + "\x00" + strings.Join(parts, "\x00")
}

func checkIDs(ids ...string) error {
	for _, id := range ids {
		if id == "" || len(id) > maxIDBytes {
			return refuse("bad id")
		}
	}
	return nil
}

// cleanText makes an untrusted text storable: valid UTF-8, no NUL, within the limit.
func cleanText(s string) (string, error) {
	if len(s) > maxTextBytes {
		return "", refuse("text too long")
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", ""), nil
}

// typing is passed on at once or not at all.
func (b *Bridge) typing(ctx context.Context, adapter string, t Typing) {
	ref := RoomRef{adapter, t.Room}
	room, err := b.store.Room(ctx, ref)
	if err != nil || room.Current == 0 {
		return
	}
	link, err := b.store.Link(ctx, room.Current)
	if err != nil || link.State != LinkActive {
		return
	}
	to := link.Rooms[room.Side.Other()]
	a, _, ok := b.adapter(to.Adapter)
	typer, can := a.(Typer)
	if !ok || !can || to.IsZero() {
		return
	}
	const patience = 2 * time.Second // typing that comes later than this is not true any more
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := typer.Type(ctx, to.Room); err != nil {
		b.log.Debug("typing not shown", "adapter", to.Adapter, "err", err)
	}
}

func eventName(e Event) string {
	switch e.(type) {
	case MessageEvent:
		return "message"
	case Edited:
		return "edited"
	case Deleted:
		return "deleted"
	case Reacted:
		return "reacted"
	case Receipt:
		return "receipt"
	case Typing:
		return "typing"
	case Joined:
		return "joined"
	case Left:
		return "left"
	case Answered:
		return "answered"
	case AccountState:
		return "account"
	default:
		return "unknown"
	}
}
