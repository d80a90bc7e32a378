package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// open reports whether a room with the ledger takes one more message now, where the network allows w in general.
func (r *Room) open(w Window, now time.Time) bool {
	w = r.allowed(w)
	return now.Before(r.LastIn.Add(w.Open)) && (w.Messages == 0 || r.Sent < w.Messages)
}

// allowed is the window that the customer opened last.
func (r *Room) allowed(w Window) Window {
	if (r.Window != Window{}) {
		return r.Window
	}
	return w
}

// grant enters in the ledger that the customer has opened a window: the network's usual one, or less. Less
// does not take away what a longer one still allows.
func (r *Room) grant(usual, less Window, now time.Time) {
	if (less != Window{}) {
		has := r.allowed(usual)
		if r.open(usual, now) && r.LastIn.Add(has.Open).After(now.Add(less.Open)) {
			return
		}
	}
	r.LastIn, r.Sent, r.Window, r.Noticed = now, 0, less, false
}

// openWindow plans that the customer has done what opens the network's window.
func (v *visit) openWindow(p *plan, less Window) {
	if v.side != ContactSide {
		return
	}
	for _, l := range v.room.Links { // whatever waits for the customer to write may go now
		p.wake = append(p.wake, LinkLane(l, ContactSide), holdLane(l))
	}
	a, _, ok := v.b.adapter(v.adapter)
	if !ok || a.Caps().Window.Open == 0 {
		return
	}
	v.room.grant(a.Caps().Window, less, v.now)
	p.step.Rooms = []Room{*v.room}
	p.refresh = append(p.refresh, v.room.Links...)
}

// windowText is what the contact's network allows the member now, in words; "" is no limit.
func (b *Bridge) windowText(ctx context.Context, set *settled, l *Link) (string, error) {
	ref := l.Rooms[ContactSide]
	a, kind, ok := b.adapter(ref.Adapter)
	if !ok || a.Caps().Window.Open == 0 {
		return "", nil
	}
	room, err := b.store.Room(ctx, ref)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read room: %w", err)
	}
	w, network := room.allowed(a.Caps().Window), set.words.networkName(kind)
	until := room.LastIn.Add(w.Open).In(set.Company.Zone).Format("01-02 15:04")
	switch {
	case !room.open(w, set.Now()):
		return fmt.Sprintf(set.words.windowClosed, network), nil
	case w.Messages > 0:
		return fmt.Sprintf(set.words.windowCount, network, w.Messages-room.Sent, w.Messages, until), nil
	default:
		return fmt.Sprintf(set.words.windowOpen, network, until), nil
	}
}

// answeredSince reports whether the customer has written after the moment.
func (b *Bridge) answeredSince(ctx context.Context, l LinkID, since time.Time) (bool, error) {
	const looked = 50 // more than anybody says in a row
	recs, err := b.store.History(ctx, l, 0, looked)
	if err != nil {
		return false, fmt.Errorf("read history: %w", err)
	}
	for i := range recs {
		if recs[i].Side == ContactSide && recs[i].ID.Time().After(since) {
			return true, nil
		}
	}
	return false, nil
}
