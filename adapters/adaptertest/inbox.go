package adaptertest

import (
	"context"
	"sync"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// inbox records what an adapter hears, and answers as the check wants.
type inbox struct {
	rig *rig

	mu      sync.Mutex
	policy  func(ctx context.Context, e bridge.Event) error
	heard   []heard
	changed chan struct{}
}

// heard is one call of Receive.
type heard struct {
	event bridge.Event
	err   error // what it was answered
}

// Receive implements bridge.Inbox.
func (in *inbox) Receive(ctx context.Context, e bridge.Event) error {
	in.mu.Lock()
	policy := in.policy
	in.mu.Unlock()
	err := policy(ctx, e)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.heard = append(in.heard, heard{e, err})
	if in.changed != nil {
		close(in.changed)
		in.changed = nil
	}
	return err
}

// answer sets what Receive answers from now on.
func (in *inbox) answer(f func(ctx context.Context, e bridge.Event) error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.policy = f
}

// release lets everything in, for the end.
func (in *inbox) release() {
	in.answer(func(context.Context, bridge.Event) error { return nil })
}

// all are the events so far, refused ones too.
func (in *inbox) all() []heard {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]heard(nil), in.heard...)
}

// await waits for an event that fits and that was answered with nil.
func (r *rig) await(what string, fits func(e bridge.Event) bool) bridge.Event {
	r.Helper()
	limit := time.NewTimer(r.facts.Patience)
	defer limit.Stop()
	for {
		r.inbox.mu.Lock()
		if r.inbox.changed == nil {
			r.inbox.changed = make(chan struct{})
		}
		changed := r.inbox.changed
		r.inbox.mu.Unlock()
		all := r.inbox.all()
		for _, h := range all {
			if h.err == nil && fits(h.event) {
				return h.event
			}
		}
		select {
		case <-changed:
		case <-limit.C:
			r.Fatalf("%s did not come within %v; what came: %+v", what, r.facts.Patience, all)
			return nil
		}
	}
}

// awaitText waits for a message of a room that says the text.
func (r *rig) awaitText(room bridge.RoomID, text string) bridge.MessageEvent {
	r.Helper()
	e := r.await("the message "+text, func(e bridge.Event) bool {
		m, ok := e.(bridge.MessageEvent)
		return ok && m.Room == room && same(m.Text, text) && !m.Own && m.Key == ""
	})
	m, _ := e.(bridge.MessageEvent)
	return m
}

// awaitMsg waits for a message by its id.
func (r *rig) awaitMsg(room bridge.RoomID, id bridge.MsgID) bridge.MessageEvent {
	r.Helper()
	e := r.await("the message "+string(id), func(e bridge.Event) bool {
		m, ok := e.(bridge.MessageEvent)
		return ok && m.Room == room && m.Msg == id
	})
	m, _ := e.(bridge.MessageEvent)
	return m
}

// flush lets the user say something and waits for it: what was said before has been heard by then.
func (r *rig) flush(room bridge.RoomID, user bridge.UserID) {
	r.Helper()
	text := r.text()
	r.do(Act{Verb: Say, Room: room, User: user, Text: text})
	r.awaitText(room, text)
}

// eventually waits until the room shows what must be shown.
func (r *rig) eventually(room bridge.RoomID, what string, fits func(v View) bool) View {
	r.Helper()
	deadline := time.Now().Add(r.facts.Patience)
	for {
		v := r.net.View(room)
		if fits(v) {
			return v
		}
		if time.Now().After(deadline) {
			r.Fatalf("%s: the room shows %+v", what, v)
			return v
		}
		<-time.After(5 * time.Millisecond)
	}
}

// mine are the lines of the account that are not deleted.
func (v View) mine() []Line {
	var out []Line
	for _, l := range v.Lines {
		if l.Mine && !l.Deleted && l.To == "" {
			out = append(out, l)
		}
	}
	return out
}

// line finds a line by its id; a deleted one is not found.
func (v View) line(id bridge.MsgID) (Line, bool) {
	for _, l := range v.Lines {
		if l.Msg == id && !l.Deleted {
			return l, true
		}
	}
	return Line{}, false
}
