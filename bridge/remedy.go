package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// What a writer can do about a message that did not arrive, and the questions that offer it.
const (
	askOld   = "old:"   // a text has waited too long; then the delivery's id
	askFate  = "fate:"  // a delivery failed or waits; then its id
	askAgain = "again:" // the network took a message and gave it back later; then the message's id

	choiceSend = "send" // now
	choiceHold = "hold" // when the other side writes again
	choiceDrop = "drop" // not at all
)

// remedy is what the writer can do about the fate of a delivery; nil when that is nothing.
func (s *settled) remedy(d *Delivery, f Fate) *Ask {
	if f.State != StateFailed && f.State != StateUnknown && f.State != StateHeld {
		return nil
	}
	w := s.words
	send := Choice{ID: choiceSend, Label: w.sendAgain, Style: "primary"}
	hold := Choice{ID: choiceHold, Label: w.sendLater}
	drop := Choice{ID: choiceDrop, Label: w.drop, Style: "danger"}
	a := &Ask{ID: askFate + d.ID.String(), Text: f.Reason}
	switch {
	case f.State == StateFailed && d.ID == 0:
		a.ID, a.Choices = askAgain+d.Message.String(), []Choice{send}
	case f.State == StateFailed && d.To == ContactSide:
		a.Choices = []Choice{send, hold, drop}
	case f.State == StateFailed, f.State == StateUnknown:
		a.Choices = []Choice{send, drop}
	default:
		a.Choices = []Choice{drop}
	}
	return a
}

// answeredFate plans what the writer decided about a delivery.
func (v *visit) answeredFate(ctx context.Context, id DeliveryID, e Answered) (*plan, error) {
	d, err := v.b.store.Delivery(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return v.once(e.Event, v.answer(v.set.words.settledAlready)), nil
	}
	if err != nil {
		return nil, fmt.Errorf("read delivery: %w", err)
	}
	if err := v.mayDecide(ctx, d.Link, d.To); err != nil {
		return nil, err
	}
	if !d.State.Final() {
		return v.answeredWaiting(ctx, d, e)
	}
	if rec, err := v.b.store.Message(ctx, d.Message); err == nil && stateRank(rec.State) > stateRank(StateFailed) && e.Choice != choiceDrop {
		return v.once(e.Event, v.answer(v.set.words.settledAlready)), nil // it went out in another way meanwhile
	}
	s := Settlement{Lane: d.Lane, Delivery: d.ID, Adapter: d.Adapter}
	p := v.once(e.Event)
	switch e.Choice {
	case choiceSend:
		s.State, s.Sent, s.Parts = StatePending, d.Sent, d.Parts
	case choiceHold:
		s.State = StateCancelled
		again := v.delivery(KindSay, d.To)
		again.Lane, again.Hold = holdLane(d.Link), true
		again.Message, again.Sent, again.Parts = d.Message, d.Sent, d.Parts
		p.step.Deliveries = append(p.step.Deliveries, again)
	case choiceDrop:
		s.State = StateCancelled
		if m := v.b.markFor(ctx, d, Fate{State: StateCancelled}); m != nil {
			p.step.Deliveries = append(p.step.Deliveries, *m)
		}
	default:
		return nil, refuse("unknown choice")
	}
	p.step.Settle = []Settlement{s}
	p.reload = []Delivery{d}
	return p, nil
}

// mayDecide makes sure that the visitor wrote what the question is about: the side opposite to the delivery's.
func (v *visit) mayDecide(ctx context.Context, link LinkID, to Side) error {
	if err := v.use(ctx, link); err != nil {
		return notOurs(err)
	}
	if v.side == to {
		return refuse("not the writer")
	}
	why, err := v.mayWrite(ctx)
	if err != nil {
		return err
	}
	if why != "" {
		return refuse("not the writer")
	}
	return nil
}

// answeredWaiting deals with a delivery that is still on its way: it can be taken back, or tried at once.
func (v *visit) answeredWaiting(ctx context.Context, d Delivery, e Answered) (*plan, error) {
	switch e.Choice {
	case choiceDrop:
		err := v.b.Cancel(ctx, d.ID)
		if errors.Is(err, errSending) {
			return v.once(e.Event, v.answer(v.set.words.onTheWire)), nil
		}
		if err != nil {
			return nil, err
		}
		return v.once(e.Event), nil
	case choiceSend, choiceHold:
		p := v.once(e.Event)
		p.wake = []LaneID{d.Lane}
		return p, nil
	default:
		return nil, refuse("unknown choice")
	}
}

// answeredAgain plans a message that the network gave back to go out once more.
func (v *visit) answeredAgain(ctx context.Context, id MessageID, e Answered) (*plan, error) {
	rec, err := v.b.store.Message(ctx, id)
	if err != nil {
		return nil, notOurs(err)
	}
	if err := v.mayDecide(ctx, rec.Link, rec.Side.Other()); err != nil {
		return nil, err
	}
	if rec.State != StateFailed || rec.Recalled {
		return v.once(e.Event, v.answer(v.set.words.settledAlready)), nil
	}
	d := v.delivery(KindSay, rec.Side.Other())
	d.Message = rec.ID
	p := v.once(e.Event, d)
	if p.step.Seen == "" { // two presses are one wish
		p.step.Seen = v.seen("again", id.String())
	}
	return p, nil
}

// answered plans a pressed button. To press is to write, where the network counts.
func (v *visit) answered(ctx context.Context, e Answered) (*plan, error) {
	if err := v.enter(ctx, e.Room, e.User); err != nil {
		return nil, err
	}
	p, err := v.resolved(ctx, e)
	if err == nil && v.room != nil && v.side == ContactSide && len(p.step.Rooms) == 0 {
		v.openWindow(p, Window{})
	}
	return p, err
}

func (v *visit) resolved(ctx context.Context, e Answered) (*plan, error) {
	kind, id, _ := strings.Cut(e.Ask, ":")
	letter := map[string]byte{askLink: 'l', askOld: 'd', askFate: 'd', askAgain: 'm'}[kind+":"]
	if kind+":" == askNote {
		return v.answeredNote(ctx, MsgID(id), e)
	}
	n, ok := ParseID(letter, id)
	if letter == 0 || !ok {
		return nil, refuse("unknown question")
	}
	switch kind + ":" {
	case askLink:
		return v.answeredLink(ctx, LinkID(n), e)
	case askAgain:
		return v.answeredAgain(ctx, MessageID(n), e)
	default:
		return v.answeredFate(ctx, DeliveryID(n), e)
	}
}
