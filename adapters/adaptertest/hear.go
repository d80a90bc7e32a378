package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

func hearChecks() []Check {
	return []Check{
		{"hear/message", checkMessage},
		{"hear/texts", checkHeardTexts},
		{"hear/order", checkHeardOrder},
		{"hear/reply", checkHeardReply},
		{"hear/again after an error", checkAgain},
		{"hear/again in the next life", checkNextLife},
		{"hear/what was said meanwhile", checkMeanwhile},
		{"hear/refused is not repeated", checkRefused},
		{"hear/own messages are marked", checkOwn},
		{"hear/edit", checkHeardEdit},
		{"hear/recall", checkHeardRecall},
		{"hear/reactions", checkHeardReactions},
		{"hear/read", checkHeardRead},
		{"hear/typing", checkHeardTyping},
		{"hear/join", checkHeardJoin},
		{"hear/leave", checkHeardLeave},
	}
}

// near reports whether a time that the network told can be true.
func near(at time.Time) bool {
	age := time.Since(at)
	return age < 5*time.Minute && age > -5*time.Minute
}

func checkMessage(r *rig) {
	r.start()
	room, user := r.net.Room()
	one, two := r.text(), r.text()
	idOne := r.do(Act{Verb: Say, Room: room, User: user, Name: "张三", Text: one})
	idTwo := r.do(Act{Verb: Say, Room: room, User: user, Name: "张三", Text: two})
	a, b := r.awaitText(room, one), r.awaitText(room, two)
	if a.Msg == "" || a.Msg == b.Msg {
		r.Errorf("ids %q and %q: each message has one of its own", a.Msg, b.Msg)
	}
	if idOne != "" && (a.Msg != idOne || b.Msg != idTwo) {
		r.Errorf("ids %q and %q, the network calls them %q and %q", a.Msg, b.Msg, idOne, idTwo)
	}
	if a.User != user {
		r.Errorf("user %q, want %q", a.User, user)
	}
	if !near(a.At) {
		r.Errorf("said at %v, want about now", a.At)
	}
	if a.Name != "" && a.Name != "张三" {
		r.Errorf("name %q, want 张三 or none", a.Name)
	}
}

func checkHeardTexts(r *rig) {
	r.start()
	for _, s := range samples() {
		room, user := r.net.Room()
		id := r.do(Act{Verb: Say, Room: room, User: user, Text: s.text})
		var got bridge.MessageEvent
		if id != "" {
			got = r.awaitMsg(room, id)
		} else {
			got = r.awaitText(room, s.text)
		}
		if !same(got.Text, s.text) {
			r.Errorf("%s: heard %q, want %q", s.name, got.Text, s.text)
		}
	}
}

func checkHeardOrder(r *rig) {
	r.start()
	room, user := r.net.Room()
	var want []string
	for range 20 {
		want = append(want, r.text())
		r.do(Act{Verb: Say, Room: room, User: user, Text: want[len(want)-1]})
	}
	r.awaitText(room, want[len(want)-1])
	i := 0
	for _, h := range r.inbox.all() {
		if m, ok := h.event.(bridge.MessageEvent); ok && m.Room == room && i < len(want) && m.Text == want[i] {
			i++
		}
	}
	if i != len(want) {
		r.Errorf("only %d of %d messages of one room came in the order in which they were said", i, len(want))
	}
}

func checkHeardReply(r *rig) {
	r.start()
	room, user := r.net.Room()
	r.flush(room, user)
	ids := r.say(room, r.text())
	text := r.text()
	r.do(Act{Verb: Say, Room: room, User: user, Text: text, ReplyTo: ids[0]})
	if got := r.awaitText(room, text); got.ReplyTo != ids[0] {
		r.Errorf("replies to %q, want %q, as Send called it", got.ReplyTo, ids[0])
	}
}

var errNotNow = errors.New("the gateway's disk is full")

// nil is the only acknowledgement: what was not acknowledged comes again.
func checkAgain(r *rig) {
	if r.facts.Forgets {
		r.Skipf("the network does not bring anything twice")
	}
	room, user := r.net.Room()
	text, tries := r.text(), 0
	r.inbox.answer(func(_ context.Context, e bridge.Event) error {
		if m, ok := e.(bridge.MessageEvent); ok && m.Room == room && same(m.Text, text) {
			if tries++; tries <= 2 {
				return errNotNow
			}
		}
		return nil
	})
	r.start()
	r.do(Act{Verb: Say, Room: room, User: user, Text: text})
	accepted := r.awaitText(room, text)
	r.flush(room, user)
	for _, h := range r.inbox.all() {
		if m, ok := h.event.(bridge.MessageEvent); ok && same(m.Text, text) && m.Msg != accepted.Msg {
			r.Errorf("the message was called %q first and %q when it came again", m.Msg, accepted.Msg)
		}
	}
}

// An adapter that is stopped before its event was received leaves it to the next one.
func checkNextLife(r *rig) {
	if r.facts.Forgets {
		r.Skipf("the network does not bring anything twice")
	}
	room, user := r.net.Room()
	text := r.text()
	seen := make(chan struct{}, 1)
	r.inbox.answer(func(_ context.Context, e bridge.Event) error {
		if m, ok := e.(bridge.MessageEvent); !ok || !same(m.Text, text) {
			return nil // left over from another check
		}
		select {
		case seen <- struct{}{}:
		default:
		}
		return errNotNow
	})
	r.start()
	r.do(Act{Verb: Say, Room: room, User: user, Text: text})
	select {
	case <-seen:
	case <-time.After(r.facts.Patience):
		r.Fatalf("the message did not come within %v", r.facts.Patience)
	}
	r.stop()
	r.inbox.release()
	r.open()
	r.start()
	r.awaitText(room, text)
}

func checkMeanwhile(r *rig) {
	if r.facts.Forgets {
		r.Skipf("the network forgets what was said while nobody heard")
	}
	r.start()
	room, user := r.net.Room()
	r.flush(room, user)
	r.stop()
	text := r.text()
	r.do(Act{Verb: Say, Room: room, User: user, Text: text})
	r.open()
	r.start()
	r.awaitText(room, text)
}

// ErrRefused is final: the next event must not wait behind it.
func checkRefused(r *rig) {
	room, user := r.net.Room()
	text := r.text()
	r.inbox.answer(func(_ context.Context, e bridge.Event) error {
		if m, ok := e.(bridge.MessageEvent); ok && same(m.Text, text) {
			return fmt.Errorf("a link of nobody: %w", bridge.ErrRefused)
		}
		return nil
	})
	r.start()
	r.do(Act{Verb: Say, Room: room, User: user, Text: text})
	r.flush(room, user)
	r.flush(room, user)
	times := 0
	for _, h := range r.inbox.all() {
		if m, ok := h.event.(bridge.MessageEvent); ok && same(m.Text, text) {
			times++
		}
	}
	if times > 1 {
		r.Errorf("what was refused came %d times", times)
	}
}

// What the adapter said itself is marked with its key, or as its own, if it is heard at all.
func checkOwn(r *rig) {
	r.start()
	room, user := r.net.Room()
	r.flush(room, user)
	text := r.text()
	ids := r.send(room, bridge.Draft{Key: "own-" + text, Text: text})
	r.flush(room, user)
	r.flush(room, user)
	for _, h := range r.inbox.all() {
		m, ok := h.event.(bridge.MessageEvent)
		if !ok || m.Room != room || (!same(m.Text, text) && m.Msg != ids[0]) {
			continue
		}
		if !m.Own && m.Key != "own-"+text {
			r.Errorf("the adapter hears its own message %q as if somebody else had said it: %+v", m.Msg, m)
		}
	}
}

func checkHeardEdit(r *rig) {
	r.start()
	room, user := r.net.Room()
	first, second := r.text(), r.text()
	id := r.do(Act{Verb: Say, Room: room, User: user, Text: first})
	said := r.awaitText(room, first)
	r.do(Act{Verb: Edit, Room: room, User: user, Msg: id, Text: second})
	r.await("the edit", func(e bridge.Event) bool {
		d, ok := e.(bridge.Edited)
		return ok && d.Room == room && d.User == user && d.Msg == said.Msg && same(d.Text, second) && near(d.At)
	})
}

func checkHeardRecall(r *rig) {
	r.start()
	room, user := r.net.Room()
	text := r.text()
	id := r.do(Act{Verb: Say, Room: room, User: user, Text: text})
	said := r.awaitText(room, text)
	r.do(Act{Verb: Recall, Room: room, User: user, Msg: id})
	r.await("the recall", func(e bridge.Event) bool {
		d, ok := e.(bridge.Deleted)
		return ok && d.Room == room && d.Msg == said.Msg && (d.User == user || d.User == "")
	})
}

func checkHeardReactions(r *rig) {
	r.start()
	room, user := r.net.Room()
	r.flush(room, user)
	ids := r.say(room, r.text())
	for _, verb := range []Verb{React, Unreact} {
		r.do(Act{Verb: verb, Room: room, User: user, Msg: ids[0], Emoji: "👍"})
		r.await("the reaction", func(e bridge.Event) bool {
			d, ok := e.(bridge.Reacted)
			return ok && d.Room == room && d.User == user && d.Msg == ids[0] && d.Emoji == "👍" && d.Removed == (verb == Unreact)
		})
	}
}

func checkHeardRead(r *rig) {
	r.start()
	room, user := r.net.Room()
	r.flush(room, user)
	ids := r.say(room, r.text())
	r.do(Act{Verb: Read, Room: room, User: user, Msg: ids[len(ids)-1]})
	r.await("the receipt", func(e bridge.Event) bool {
		d, ok := e.(bridge.Receipt)
		return ok && d.Room == room && d.Msg == ids[len(ids)-1] && d.State == bridge.StateRead
	})
}

func checkHeardTyping(r *rig) {
	r.start()
	room, user := r.net.Room()
	r.flush(room, user)
	r.do(Act{Verb: Type, Room: room, User: user})
	r.await("the sign of typing", func(e bridge.Event) bool {
		d, ok := e.(bridge.Typing)
		return ok && d.Room == room && d.User == user
	})
}

func checkHeardJoin(r *rig) {
	r.start()
	room, user := r.net.Room()
	text := r.text()
	r.do(Act{Verb: Join, Room: room, User: user, Card: "CARD234567", Name: "张三", Text: text})
	r.await("the customer with the card", func(e bridge.Event) bool {
		d, ok := e.(bridge.Joined)
		return ok && d.Room == room && d.User == user && d.Card == "CARD234567" && near(d.At)
	})
}

func checkHeardLeave(r *rig) {
	r.start()
	room, user := r.net.Room()
	r.flush(room, user)
	r.do(Act{Verb: Leave, Room: room, User: user})
	r.await("the customer's leaving", func(e bridge.Event) bool {
		d, ok := e.(bridge.Left)
		return ok && d.Room == room && d.User == user
	})
}
