package adaptertest

import (
	"context"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

func runChecks() []Check {
	return []Check{
		{"run/stops", checkStops},
		{"run/stops while the network is broken", checkStopsBroken},
		{"run/stops while an event is stored", checkStopsBusy},
		{"run/again", checkRunAgain},
		{"run/reconnects", checkReconnects},
		{"run/never", checkNeverRun},
	}
}

// stop itself looks at the error, the time and the goroutines.
func checkStops(r *rig) {
	room, user := r.ready()
	r.say(room, r.text())
	r.stop()
	heard := len(r.inbox.all())
	r.net.Do(Act{Verb: Say, Room: room, User: user, Text: r.text()})
	if _, ok := r.net.Do(Act{Verb: Type, Room: room, User: user}); ok {
		r.net.Trouble(Calm)
	}
	if n := len(r.inbox.all()); n != heard {
		r.Errorf("%d events came after Run had returned", n-heard)
	}
}

func checkStopsBroken(r *rig) {
	r.offline.Store(true)
	r.start()
	room, user := r.net.Room()
	r.net.Do(Act{Verb: Say, Room: room, User: user, Text: r.text()})
	<-time.After(50 * time.Millisecond) // so that it tries at least once
	r.stop()
}

// Run ends although the gateway is still storing: it must not wait for longer than ctx lets it.
func checkStopsBusy(r *rig) {
	room, user := r.net.Room()
	text := r.text()
	entered := make(chan struct{}, 1)
	release := make(chan struct{})
	r.inbox.answer(func(ctx context.Context, e bridge.Event) error {
		if m, ok := e.(bridge.MessageEvent); !ok || !same(m.Text, text) {
			return nil
		}
		select {
		case entered <- struct{}{}:
		default:
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-release:
			return errNotNow
		}
	})
	r.start()
	r.do(Act{Verb: Say, Room: room, User: user, Text: text})
	select {
	case <-entered:
	case <-time.After(r.facts.Patience):
		r.Errorf("the message did not come within %v", r.facts.Patience)
	}
	done := time.AfterFunc(r.facts.Patience+time.Second, func() { close(release) })
	r.stop()
	if done.Stop() {
		close(release)
	}
}

// A second Run of the same adapter hears as the first did.
func checkRunAgain(r *rig) {
	room, user := r.ready()
	r.stop()
	r.start()
	r.flush(room, user)
	text := r.text()
	r.say(room, text)
	r.shown(room, text)
}

func checkReconnects(r *rig) {
	room, user := r.ready()
	for range 3 {
		r.trouble(Cut)
		r.flush(room, user)
	}
}

// An adapter that was opened and never run leaves nothing behind.
func checkNeverRun(r *rig) {
	if err := context.Cause(r.Context()); err != nil {
		r.Fatalf("the check has no time: %v", err)
	}
}
