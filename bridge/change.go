package bridge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// about finds the message that an event is about. One that the gateway does not know is no error of
// the network: it may be older than the gateway.
func (v *visit) about(ctx context.Context, msg MsgID) (*Record, error) {
	if err := checkIDs(string(msg)); err != nil {
		return nil, err
	}
	id, err := v.find(ctx, msg)
	if errors.Is(err, errTooEarly) {
		return nil, err
	}
	if err != nil {
		return nil, notOurs(err)
	}
	rec, err := v.b.store.Message(ctx, id)
	if err != nil {
		return nil, notOurs(err)
	}
	if err := v.use(ctx, rec.Link); err != nil {
		return nil, notOurs(err)
	}
	return &rec, nil
}

// find is the message that the network calls so. What is not known yet may be known in a moment, if somebody is
// speaking in the room.
func (v *visit) find(ctx context.Context, msg MsgID) (MessageID, error) {
	speaking := v.b.engine.speaking(v.ref) // asked before the store is: then what is not found is not on its way either
	id, err := v.b.store.Find(ctx, MsgRef{v.ref, msg})
	if errors.Is(err, ErrNotFound) && speaking && v.patient {
		return 0, errTooEarly
	}
	return id, err
}

// errTooEarly is an event about a message that the network shows, but whose sending is not settled: the event has
// to come again.
var errTooEarly = errors.New("it may be about a message that is being sent; bring it again in a moment")

func notOurs(err error) error {
	if errors.Is(err, ErrNotFound) || errors.Is(err, errNobody) {
		return ignore("unknown message")
	}
	return fmt.Errorf("read the message: %w", err)
}

// own makes sure that the message was said here, by this account: nobody changes another's words.
func (v *visit) own(rec *Record, msg MsgID, user UserID) error {
	if rec.Room != v.ref || rec.Src != msg {
		return ignore("not the author")
	}
	if user != "" && rec.From != v.from {
		return ignore("not the author")
	}
	return nil
}

// changed plans a change of a message and, unless it is a note, a delivery of that kind to the other side.
func (v *visit) changed(rec *Record, c *Change, kind DeliveryKind, seen string) *plan {
	p := &plan{step: Step{At: v.now, Seen: seen, Change: c}, stale: rec.ID}
	if rec.Note {
		return p
	}
	d := v.delivery(kind, v.side.Other())
	d.Message = rec.ID
	p.step.Deliveries = []Delivery{d}
	p.lanes = []LaneID{d.Lane}
	p.wake = []LaneID{d.Lane}
	return p
}

func (v *visit) edited(ctx context.Context, e Edited) (*plan, error) {
	text, err := cleanText(e.Text)
	if err != nil {
		return nil, err
	}
	if err := v.enter(ctx, e.Room, e.User); err != nil {
		return nil, err
	}
	rec, err := v.about(ctx, e.Msg)
	if err != nil {
		return nil, err
	}
	if err := v.own(rec, e.Msg, e.User); err != nil {
		return nil, err
	}
	if rec.Recalled || rec.Text == text {
		return nil, ignore("nothing changed")
	}
	edit := &Edit{At: stamp(e.At, v.now), Text: text}
	if v.set.Decider != nil {
		msg := rec.Message
		msg.Text, msg.Out = text, nil
		d, err := v.judged(ctx, &msg)
		if err != nil {
			return nil, err
		}
		if d.Drop != "" || d.Block != "" {
			return v.hintOnly(e.Msg, fmt.Sprintf(v.set.words.blocked, d.Block+d.Drop)), nil
		}
		edit.Out = d.Text
	}
	sum := sha256.Sum256([]byte(text))
	seen := v.seen("edited", string(e.Room), string(e.Msg), strconv.Itoa(rec.Version()), hex.EncodeToString(sum[:8]))
	return v.changed(rec, &Change{ID: rec.ID, Edit: edit}, KindAmend, seen), nil
}

func (v *visit) deleted(ctx context.Context, e Deleted) (*plan, error) {
	user := e.User
	if user == "" {
		user = "?" // the network does not say who; own() then takes it as the author
	}
	if err := v.enter(ctx, e.Room, user); err != nil {
		return nil, err
	}
	rec, err := v.about(ctx, e.Msg)
	if err != nil {
		return nil, err
	}
	if err := v.own(rec, e.Msg, e.User); err != nil {
		return nil, err
	}
	if rec.Recalled {
		return nil, ignore("nothing changed")
	}
	v.side = rec.Side
	return v.changed(rec, &Change{ID: rec.ID, Recall: true}, KindRecall, v.seen("deleted", string(e.Room), string(e.Msg))), nil
}

func (v *visit) reacted(ctx context.Context, e Reacted) (*plan, error) {
	if e.Emoji == "" || len(e.Emoji) > maxEmoji || Tidy(e.Emoji, maxEmoji) != e.Emoji {
		return nil, refuse("bad emoji")
	}
	if err := v.enter(ctx, e.Room, e.User); err != nil {
		return nil, err
	}
	rec, err := v.about(ctx, e.Msg)
	if err != nil {
		return nil, err
	}
	if why, err := v.mayWrite(ctx); err != nil {
		return nil, err
	} else if why != "" {
		return nil, ignore("not bound")
	}
	r := Reaction{Side: v.side, Emoji: e.Emoji}
	had := false
	for _, x := range rec.Reactions {
		had = had || x == r
	}
	if had != e.Removed || rec.Recalled {
		return nil, ignore("nothing changed")
	}
	p := v.changed(rec, &Change{ID: rec.ID, Reaction: &r, Off: e.Removed}, KindReact, "")
	for i := range p.step.Deliveries {
		p.step.Deliveries[i].Text, p.step.Deliveries[i].Off = e.Emoji, e.Removed
	}
	return p, nil
}

// receipt plans what the network proves of a message that the gateway sent.
func (v *visit) receipt(ctx context.Context, e Receipt) (*plan, error) {
	if e.State != StateDelivered && e.State != StateRead && e.State != StateFailed {
		return nil, refuse("bad receipt")
	}
	if err := v.enter(ctx, e.Room, e.User); err != nil {
		return nil, err
	}
	rec, err := v.about(ctx, e.Msg)
	if err != nil {
		return nil, err
	}
	if rec.Room == v.ref {
		return nil, ignore("nothing changed") // their own message
	}
	if !e.State.Beats(rec.State) {
		return nil, ignore("nothing changed")
	}
	reason := Tidy(e.Reason, maxReason)
	p := &plan{step: Step{At: v.now, Change: &Change{ID: rec.ID, State: e.State, Reason: reason}}}
	d := Delivery{Kind: KindSay, Link: rec.Link, To: rec.Side.Other(), Message: rec.ID}
	if m := v.b.markOf(&d, rec, Fate{State: e.State, Reason: reason}); m != nil {
		p.step.Deliveries = []Delivery{*m}
	}
	return p, nil
}

func stamp(t, now time.Time) time.Time {
	if t.IsZero() {
		return now
	}
	return t
}
