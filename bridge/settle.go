package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// slowAfter is how long a message may wait before its writer is shown that it does: a tick that comes
// within this time needs no hourglass.
const slowAfter = 3 * time.Second

// conclude carries out what a look at a lane's head came to. The lane rests until the commit is durable.
func (e *engine) conclude(ctx context.Context, j *job, r result) {
	switch {
	case r.busy:
		return
	case r.dest != "":
		e.move(j.lane, r.dest)
		return
	}
	if r.account {
		e.pause(j.dest, r.wait, r)
	} else if r.state == StateSent {
		e.pause(j.dest, 0, r)
	}
	e.settle(ctx, j, r)
}

// pause stops a destination for a while, or says that it works.
func (e *engine) pause(name string, d time.Duration, r result) {
	e.mu.Lock()
	defer e.mu.Unlock()
	to := e.dest(name)
	to.login = ""
	if r.login {
		to.login = r.reason
	}
	if d > 0 {
		to.paused = e.b.now().Add(d)
		e.nudge()
	}
}

// settle makes durable what became of the delivery, tells its writer, and lets the lane go on.
func (e *engine) settle(ctx context.Context, j *job, r result) {
	if r.state == StatePending && r.wait == 0 {
		r.wait = backoff(j.lane.tries)
	}
	j.report(r)
	if step, worth := j.step(ctx, &r); worth && !e.persist(ctx, j, step, r) {
		return // told to stop: the delivery stays as it is in the store
	}
	switch r.state {
	case StatePending:
		j.lane.tries++
		e.sleep(j.lane, r.wait)
	case StateHeld:
		e.hold(j.lane, r.reason, r.until)
	default:
		e.next(j.lane)
	}
}

// report counts and logs: failures once each, retries when they begin.
func (j *job) report(r result) {
	d := &j.item.d
	switch {
	case r.state == StatePending && j.lane.tries == 0:
		j.b.log.Warn("not delivered; trying again", "adapter", j.dest, "delivery", d.ID, "kind", d.Kind, "err", r.cause, "in", r.wait)
	case r.state == StateFailed, r.state == StateUnknown:
		j.b.log.Error("not delivered", "adapter", j.dest, "delivery", d.ID, "kind", d.Kind, "state", r.state, "reason", r.reason, "err", r.cause)
	}
	if r.state.Final() {
		j.b.meter.Settled(j.dest, r.state, string(d.Kind))
		if r.state == StateSent && d.Kind == KindSay {
			j.b.meter.Latency(j.dest, j.set.Now().Sub(d.At).Seconds())
		}
	}
}

// step is what has to be made durable; worth is false when the store knows it already.
func (j *job) step(ctx context.Context, r *result) (Step, bool) {
	d := &j.item.d
	s := Settlement{
		Lane: d.Lane, Delivery: d.ID, State: r.state, Reason: r.reason, Adapter: j.dest,
		Attempts: j.lane.tries + 1, Begun: r.begun, Sent: r.sent, Parts: r.parts, Copy: r.copy,
	}
	step := Step{At: j.set.Now(), Deliveries: r.extra}
	mark := j.tell(ctx, r)
	if mark != nil {
		step.Deliveries = append(step.Deliveries, *mark)
	}
	switch r.state {
	case StateHeld:
		s.Attempts = d.Attempts
		if d.State == StateHeld && d.Reason == r.reason && mark == nil && r.touch == nil {
			return step, false
		}
	case StatePending:
		n := j.lane.tries + 1
		if n&(n-1) != 0 && d.Begun == s.Begun && mark == nil && len(r.sent) == len(d.Sent) {
			return step, false
		}
	default:
		s.Sent = nil
		if r.state == StateFailed || r.state == StateUnknown {
			s.Sent = r.sent
		}
	}
	step.Settle = []Settlement{s}
	return step, true
}

// persist commits until it is done; false: the gateway stops.
func (e *engine) persist(ctx context.Context, j *job, step Step, r result) bool {
	for try := 0; ; try++ {
		whole := step
		err := j.ledgerInto(ctx, &whole, r.touch)
		if err == nil {
			_, err = e.b.commit(ctx, whole)
		}
		if err == nil {
			j.set.Failpoint("deliver.settled")
			e.mu.Lock()
			j.lane.items[0].d.Apply(step.Settle[0], step.At)
			e.mu.Unlock()
			return true
		}
		if ctx.Err() != nil || errors.Is(err, ErrClosed) {
			return false
		}
		if errors.Is(err, ErrStale) {
			continue // the room's record was written meanwhile: count on from there
		}
		if try == 0 {
			e.b.log.Error("what became of a delivery could not be stored; trying again", "delivery", j.item.d.ID.String(), "err", err)
		}
		select {
		case <-time.After(backoff(min(try, 4))):
		case <-ctx.Done():
			return false
		}
	}
}

// ledgerInto puts the changed record of the room into the step.
func (j *job) ledgerInto(ctx context.Context, step *Step, touch func(*Room)) error {
	if touch == nil {
		return nil
	}
	room, err := j.b.store.Room(ctx, j.room)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read room: %w", err)
	}
	touch(&room)
	step.Rooms = []Room{room}
	if j.caps.Window.Open > 0 {
		step.Deliveries = append(slices.Clone(step.Deliveries), j.b.refreshLinks(ctx, room.Links)...)
	}
	return nil
}

// tell is what the writer is shown of the message's fate now; nil when there is no news.
func (j *job) tell(ctx context.Context, r *result) *Delivery {
	d := &j.item.d
	if d.Kind != KindSay || j.lane.told == r.state {
		return nil
	}
	if !r.state.Final() && j.set.Now().Sub(d.At) < slowAfter && r.state == StatePending {
		return nil
	}
	if r.state == StateHeld && d.State == StateHeld && d.Reason == r.reason {
		return nil
	}
	j.lane.told = r.state
	if j.record == nil {
		rec, err := j.b.store.Message(ctx, d.Message)
		if err != nil {
			return nil // erased, or not readable: then there is nobody to tell
		}
		j.record = &rec
	}
	return j.b.markOf(d, j.record, Fate{State: r.state, Reason: r.reason})
}

// markFor is markOf for a delivery whose message has to be read first.
func (b *Bridge) markFor(ctx context.Context, d Delivery, f Fate) *Delivery {
	if d.Kind != KindSay {
		return nil
	}
	rec, err := b.store.Message(ctx, d.Message)
	if err != nil {
		return nil
	}
	return b.markOf(&d, &rec, f)
}

// markOf is the delivery that shows a message's fate to its writer: a mark where the network can show
// one, words where it cannot and the news is bad, nothing otherwise.
func (b *Bridge) markOf(d *Delivery, rec *Record, f Fate) *Delivery {
	if rec.Src == "" {
		return nil // the gateway's own greeting
	}
	a, _, ok := b.adapter(rec.Room.Adapter)
	if !ok {
		return nil
	}
	back := Delivery{
		Lane: LinkLane(d.Link, d.To.Other()), Link: d.Link, To: d.To.Other(), Room: rec.Room, Message: rec.ID,
		At: b.now(), State: StatePending, Adapter: rec.Room.Adapter,
	}
	_, marks := a.(Marker)
	_, reads := a.(Reader)
	set := b.set.Load()
	words := set.words
	switch {
	case marks, reads && f.State == StateRead:
		back.Kind, back.Fate, back.Text, back.User = KindMark, f.State, f.Reason, rec.From.User
		back.Ask = set.remedy(d, f)
	case f.State == StateFailed:
		back.Kind, back.Text = KindNotice, fmt.Sprintf(words.failed, excerpt(rec.Text, rec.Files), f.Reason)
		if _, asks := a.(Asker); asks {
			back.Kind, back.Ask = KindAsk, set.remedy(d, f)
			back.Ask.Text, back.Text = back.Text, ""
		}
	case f.State == StateUnknown:
		back.Kind, back.Text = KindNotice, fmt.Sprintf(words.unknownFate, excerpt(rec.Text, rec.Files))
	default:
		return nil
	}
	return &back
}

// askAgain lets a text that has waited too long leave its lane, and asks the writer whether it shall still go.
func (j *job) askAgain() result {
	d, w := &j.item.d, j.words()
	r := failed(w.tooOld, nil)
	if j.record.Src == "" {
		return r
	}
	r.extra = []Delivery{{
		Lane: LinkLane(d.Link, d.To.Other()), Kind: KindAsk, Link: d.Link, To: d.To.Other(), Room: j.record.Room,
		At: j.set.Now(), State: StatePending, Adapter: j.record.Room.Adapter,
		Ask: &Ask{
			ID:   askOld + d.ID.String(),
			Text: fmt.Sprintf(w.sendOld, excerpt(j.record.Text, j.record.Files)),
			Choices: []Choice{
				{ID: choiceSend, Label: w.sendNow, Style: "primary"},
				{ID: choiceDrop, Label: w.drop, Style: "danger"},
			},
		},
	}}
	return r
}

// notice is a text of the gateway for one side of a link, in the room given or in the link's own.
func (b *Bridge) notice(l *Link, to Side, room RoomRef, text string) Delivery {
	if room.IsZero() {
		room = l.Rooms[to]
	}
	return Delivery{
		Lane: LinkLane(l.ID, to), Kind: KindNotice, Link: l.ID, To: to, Room: room, Text: text,
		At: b.now(), State: StatePending, Adapter: b.target(l, to, room),
	}
}

// target guesses the adapter that will carry a delivery, so that it is queued there at once.
func (b *Bridge) target(l *Link, to Side, room RoomRef) string {
	if !room.IsZero() {
		return room.Adapter
	}
	if !l.Rooms[to].IsZero() {
		return l.Rooms[to].Adapter
	}
	if m, ok := b.set.Load().members[l.Member]; ok && to == MemberSide && len(m.Accounts) > 0 {
		return m.Accounts[0].Adapter
	}
	return ""
}
