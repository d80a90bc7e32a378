package adaptertest

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/hutong-im/hutong/bridge"
)

func sayChecks() []Check {
	return []Check{
		{"say/ids", checkIDs},
		{"say/while not running", checkNotRunning},
		{"say/texts", checkSaidTexts},
		{"say/at the limit", checkAtLimit},
		{"say/over the limit", checkOverLimit},
		{"say/reply", checkSaidReply},
		{"say/names", checkNames},
		{"say/many rooms at once", checkConcurrent},
		{"say/unknown room", checkUnknownRoom},
		{"say/nobody waits for it", checkCancelled},
		{"say/same key twice", checkKeys},
	}
}

// try sends and keeps the error.
func (r *rig) try(ctx context.Context, room bridge.RoomID, d bridge.Draft) ([]bridge.MsgID, error) {
	ids, err := r.adapter.Send(ctx, room, d)
	r.note(err)
	return ids, err
}

// send sends what must arrive, and looks at the ids.
func (r *rig) send(room bridge.RoomID, d bridge.Draft) []bridge.MsgID {
	r.Helper()
	ids, err := r.try(r.ctx(), room, d)
	if err != nil {
		r.Fatalf("send: %v", err)
	}
	if len(ids) == 0 {
		r.Fatalf("send: no id and no error")
	}
	for _, id := range ids {
		if id == "" {
			r.Fatalf("send: an empty id in %q", ids)
		}
	}
	return ids
}

// say sends a text under a key of its own.
func (r *rig) say(room bridge.RoomID, text string) []bridge.MsgID {
	r.Helper()
	return r.send(room, bridge.Draft{Key: "key-" + r.text(), Text: text, As: bridge.Label{Name: "李雷", Text: "李雷 · ACME"}})
}

// ready makes a room in which the user has written, so that no window is closed.
func (r *rig) ready() (bridge.RoomID, bridge.UserID) {
	r.Helper()
	room, user := r.net.Room()
	r.start()
	r.flush(room, user)
	return room, user
}

// shown waits until the room shows exactly one line with the text, and returns it.
func (r *rig) shown(room bridge.RoomID, text string) Line {
	r.Helper()
	var found []Line
	r.eventually(room, fmt.Sprintf("the text %.80q must be shown once", text), func(v View) bool {
		found = nil
		for _, l := range v.mine() {
			if l.Text == text {
				found = append(found, l)
			}
		}
		return len(found) == 1
	})
	return found[0]
}

func checkIDs(r *rig) {
	room, _ := r.ready()
	one, two := r.text(), r.text()
	a, b := r.say(room, one), r.say(room, two)
	if a[0] == b[0] {
		r.Errorf("two messages are both called %q", a[0])
	}
	if got := r.shown(room, one); got.Msg != a[len(a)-1] && got.Msg != a[0] {
		r.Errorf("Send calls it %q, the network %q", a, got.Msg)
	}
	r.shown(room, two)
}

// Send may be called before Run and between two runs.
func checkNotRunning(r *rig) {
	room, _ := r.ready()
	r.stop()
	text := r.text()
	r.say(room, text)
	r.shown(room, text)
}

func checkSaidTexts(r *rig) {
	all := samples()
	if r.adapter.Caps().Markup == bridge.Plain {
		all = append(all, unmarked()...)
	}
	r.start()
	for _, s := range all {
		room, user := r.net.Room()
		r.flush(room, user)
		ids := r.say(room, s.text)
		v := r.eventually(room, s.name+" must be shown", func(v View) bool { return len(v.mine()) > 0 })
		if got := v.mine()[0].Text; got != s.text {
			r.Errorf("%s: the room shows %q, want %q (%v)", s.name, got, s.text, ids)
		}
	}
}

// A text that fits by Caps arrives whole, whatever it is written in.
func checkAtLimit(r *rig) {
	caps := r.adapter.Caps()
	limit := caps.MaxText
	if limit == 0 {
		limit = 50_000
	}
	r.start()
	for _, with := range []string{"a", "汉", "😀"} {
		room, user := r.net.Room()
		r.flush(room, user)
		text := filled(with, limit, caps.Count)
		ids, err := r.try(r.ctx(), room, bridge.Draft{Key: "key-" + r.text(), Text: text})
		if err != nil {
			r.Errorf("%d units of %q, within the limit, are refused: %v", limit, with, err)
			continue
		}
		v := r.eventually(room, "a text at the limit must be shown", func(v View) bool { return len(v.mine()) > 0 })
		if got := v.mine(); len(got) != 1 || got[0].Text != text {
			r.Errorf("%d units of %q became %d messages, the first of %d units (%v)", limit, with, len(got), size(got[0].Text, caps.Count), ids)
		}
	}
}

// One unit more is refused for good, and nothing of it is shown.
func checkOverLimit(r *rig) {
	caps := r.adapter.Caps()
	if caps.MaxText == 0 {
		r.Skipf("the network has no limit")
	}
	room, _ := r.ready()
	for _, with := range []string{"a", "汉", "😀"} {
		text := filled(with, caps.MaxText, caps.Count) + "a"
		_, err := r.try(r.ctx(), room, bridge.Draft{Key: "key-" + r.text(), Text: text})
		if v := bridge.Judge(err).Verdict; v != bridge.VerdictPermanent {
			r.Errorf("one unit over the limit of %d: verdict %s (%v), want permanent", caps.MaxText, verdict(v), err)
		}
	}
	if got := r.net.View(room).mine(); len(got) > 0 {
		r.Errorf("something of what was refused is shown: %.200q", got[0].Text)
	}
}

func checkSaidReply(r *rig) {
	if !r.facts.Replies {
		r.Skipf("the network does not show replies")
	}
	room, user := r.ready()
	text := r.text()
	r.do(Act{Verb: Say, Room: room, User: user, Text: text})
	heard := r.awaitText(room, text)
	own := r.say(room, r.text())
	for _, to := range []bridge.MsgID{heard.Msg, own[0]} {
		text := r.text()
		r.send(room, bridge.Draft{Key: "key-" + text, Text: text, ReplyTo: to})
		if got := r.shown(room, text); got.ReplyTo != to {
			r.Errorf("it answers %q, want %q", got.ReplyTo, to)
		}
	}
}

func checkNames(r *rig) {
	if !r.adapter.Caps().Names {
		r.Skipf("the network does not show names")
	}
	room, _ := r.ready()
	text := r.text()
	r.send(room, bridge.Draft{Key: "key-" + text, Text: text, As: bridge.Label{Name: "李雷 <&*_", Text: "李雷 · ACME"}})
	if got := r.shown(room, text); !strings.Contains(got.Name, "李雷") {
		r.Errorf("Caps.Names is set, but the name shown is %q", got.Name)
	}
}

func checkConcurrent(r *rig) {
	r.start()
	const rooms, each = 8, 5
	var wg sync.WaitGroup
	for range rooms {
		room, user := r.net.Room()
		r.flush(room, user)
		var want []string
		for range each {
			want = append(want, r.text())
		}
		wg.Go(func() {
			for _, text := range want {
				if _, err := r.try(context.Background(), room, bridge.Draft{Key: "key-" + text, Text: text}); err != nil {
					r.Errorf("send: %v", err)
				}
			}
			got := r.net.View(room).mine()
			for i := range want {
				if len(got) != each || got[i].Text != want[i] {
					r.Errorf("the room shows %+v, want %q", got, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

// A room that is not there is an error, and not one that leaves anything unsure.
func checkUnknownRoom(r *rig) {
	r.start()
	ids, err := r.try(r.ctx(), "no-such-room", bridge.Draft{Key: "key-" + r.text(), Text: r.text()})
	switch v := bridge.Judge(err).Verdict; v {
	case bridge.VerdictSent:
		r.Errorf("a room that is not there takes a message as %q", ids)
	case bridge.VerdictUnsure, bridge.VerdictLogin:
		r.Errorf("a room that is not there: verdict %s (%v)", verdict(v), err)
	case bridge.VerdictRetry, bridge.VerdictWait, bridge.VerdictPermanent, bridge.VerdictClosed:
	}
}

// A send whose ctx has ended does nothing, and says that it may be tried again.
func checkCancelled(r *rig) {
	room, user := r.ready()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	text := r.text()
	_, err := r.try(ctx, room, bridge.Draft{Key: "key-" + text, Text: text})
	if v := bridge.Judge(err).Verdict; v != bridge.VerdictRetry && v != bridge.VerdictWait && v != bridge.VerdictUnsure {
		r.Errorf("verdict %s (%v), want retry", verdict(v), err)
	}
	r.flush(room, user)
	if got := r.net.View(room).mine(); len(got) > 0 && bridge.Judge(err).Verdict != bridge.VerdictUnsure {
		r.Errorf("it was shown nevertheless: %+v", got)
	}
}

// With Caps.Dedupes, the same key shows the same message once.
func checkKeys(r *rig) {
	if !r.adapter.Caps().Dedupes {
		r.Skipf("the network does not dedupe")
	}
	room, user := r.ready()
	text := r.text()
	d := bridge.Draft{Key: "key-" + text, Text: text}
	a, b := r.send(room, d), r.send(room, d)
	if a[0] != b[0] {
		r.Errorf("the same key is called %q, then %q", a[0], b[0])
	}
	r.flush(room, user)
	r.shown(room, text)
	d.Key += "-other"
	if c := r.send(room, d); c[0] == a[0] {
		r.Errorf("another key is taken for the same message")
	}
}
