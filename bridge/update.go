package bridge

import (
	"context"
	"errors"
	"fmt"
)

// opening is what there is to know of a link for the room in which its member sees it.
func (b *Bridge) opening(ctx context.Context, set *settled, l *Link, user UserID) (Opening, error) {
	contact, err := b.store.Contact(ctx, l.Contact)
	if err != nil {
		return Opening{}, fmt.Errorf("read contact: %w", err)
	}
	window, err := b.windowText(ctx, set, l)
	if err != nil {
		return Opening{}, err
	}
	label := set.contactLabel(&contact, l, b.networkOf(l.Rooms[ContactSide]))
	return Opening{
		Key: l.ID.String(), Members: []UserID{user}, Title: label.Name, Label: label, State: l.State,
		Remark: l.Remark, Tags: l.Tags, Hello: l.Hello, Since: l.Since, Window: window,
	}, nil
}

// refresh is the delivery that brings what the member's room shows of the link up to date; nil where the
// room is not open yet or shows nothing. It has a lane of its own, so that it never holds up what is said.
func (b *Bridge) refresh(l *Link) *Delivery {
	ref := l.Rooms[MemberSide]
	a, _, ok := b.adapter(ref.Adapter)
	if _, can := a.(Updater); !ok || !can || ref.IsZero() {
		return nil
	}
	return &Delivery{
		Lane: RoomLane(RoomRef{ref.Adapter, "update\x00" + RoomID(l.ID.String())}), Kind: KindUpdate, Link: l.ID,
		To: MemberSide, Room: ref, At: b.now(), State: StatePending, Adapter: ref.Adapter,
	}
}

// refreshLinks is refresh for links that have to be read first. One that cannot be read is left out: it is
// a comfort, and the next change brings it.
func (b *Bridge) refreshLinks(ctx context.Context, ids []LinkID) []Delivery {
	var out []Delivery
	for _, id := range ids {
		l, err := b.store.Link(ctx, id)
		if err != nil {
			continue
		}
		if d := b.refresh(&l); d != nil {
			out = append(out, *d)
		}
	}
	return out
}

// refreshed adds to a plan what brings the rooms of the links up to date that it changes.
func (b *Bridge) refreshed(ctx context.Context, p *plan) {
	if len(p.step.Links) == 0 && len(p.refresh) == 0 {
		return // as with most messages
	}
	var rest []LinkID
	in := map[LinkID]bool{}
	for i := range p.step.Links {
		l := &p.step.Links[i]
		in[l.ID] = true
		if d := b.refresh(l); d != nil && l.Rev != 0 {
			p.step.Deliveries = append(p.step.Deliveries, *d)
		}
	}
	for _, id := range p.refresh {
		if !in[id] {
			in[id] = true
			rest = append(rest, id)
		}
	}
	p.step.Deliveries = append(p.step.Deliveries, b.refreshLinks(ctx, rest)...)
}

// update brings what the room shows up to date. When another one waits behind it, that one will.
func (j *job) update(ctx context.Context) result {
	if j.b.engine.more(j.lane) {
		return result{state: StateSent}
	}
	updater, ok := j.adapter.(Updater)
	m := j.set.members[j.link.Member]
	if !ok || m == nil {
		return result{state: StateSent}
	}
	user, ok := m.Account(j.room.Adapter)
	if !ok {
		return result{state: StateSent}
	}
	o, err := j.b.opening(ctx, j.set, j.link, user)
	if err != nil {
		return pending(err)
	}
	if err := updater.Update(ctx, j.room.Room, o); err != nil {
		r := j.judge(err, nil, 0)
		if r.state == StateFailed {
			j.b.log.Warn("a room does not show what has changed", "adapter", j.dest, "link", j.link.ID, "err", err)
			return cancelled()
		}
		return r
	}
	return result{state: StateSent}
}

// more reports whether something waits behind the lane's head.
func (e *engine) more(l *lane) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(l.items) > 1
}

// Relink changes a link (remark, tags, pinned, muted, state, member), shows the change in the member's room,
// and lets go what waited for it. change may be called several times and may refuse with an error.
func (b *Bridge) Relink(ctx context.Context, id LinkID, change func(*Link) error, audit ...AuditEntry) error {
	for range replans {
		l, err := b.store.Link(ctx, id)
		if err != nil {
			return fmt.Errorf("link %s: %w", id, err)
		}
		if err := change(&l); err != nil {
			return err
		}
		step := Step{At: b.now(), Links: []Link{l}, Audit: audit}
		if d := b.refresh(&l); d != nil {
			step.Deliveries = []Delivery{*d}
		}
		_, err = b.commit(ctx, step)
		if errors.Is(err, ErrStale) {
			continue
		}
		if err != nil {
			return fmt.Errorf("change link %s: %w", id, err)
		}
		b.engine.wake(LinkLane(id, MemberSide), LinkLane(id, ContactSide))
		return nil
	}
	return fmt.Errorf("change link %s: %w too often", id, ErrStale)
}
