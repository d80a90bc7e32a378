package slack

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hutong-im/hutong/bridge"
)

func TestPositions(t *testing.T) {
	kv := newMemory()
	p := newPositions(kv)
	at := func(p *positions) string {
		var all []string
		for _, place := range p.places() {
			n, _ := p.of(place)
			all = append(all, fmt.Sprint(place, " ", n))
		}
		return strings.Join(all, ", ")
	}
	for i, c := range []struct {
		do   func() error
		want string // what is known, in order
		kept string // of what the next process knows
	}{
		{func() error { return p.begin(t.Context(), "C1", 7) }, "C1 7", "C1 7"},
		{func() error { return p.begin(t.Context(), "C1", 9) }, "C1 7", "C1 7"},
		{func() error { return p.begin(t.Context(), "C2", 3) }, "C2 3, C1 7", "C2 3, C1 7"},
		{func() error { p.advance("C2", 2); return p.keep(t.Context()) }, "C2 3, C1 7", "C2 3, C1 7"},
		{func() error { p.advance("C2", 8); return nil }, "C1 7, C2 8", "C2 3, C1 7"},
		{func() error { kv.broken = true; defer func() { kv.broken = false }(); return p.keep(t.Context()) }, "C1 7, C2 8", "C2 3, C1 7"},
		{func() error { return p.load(t.Context()) }, "C1 7, C2 8", "C2 3, C1 7"},
		{func() error { return p.keep(t.Context()) }, "C1 7, C2 8", "C1 7, C2 8"},
		{func() error { p.advance("C1", 9); return p.forget(t.Context(), "C1") }, "C2 8", "C2 8"},
		{func() error { p.advance("C1", 9); return p.keep(t.Context()) }, "C2 8", "C2 8"},
		{func() error { kv.broken = true; return p.begin(t.Context(), "C3", 9) }, "C2 8", "C2 8"},
		{func() error { kv.broken = true; return p.keep(t.Context()) }, "C2 8", "C2 8"}, // nothing is to be kept
	} {
		broken := func() bool { return errors.Is(c.do(), errBroken) }()
		kv.broken = false
		next := newPositions(kv)
		if err := next.load(t.Context()); err != nil || at(p) != c.want || at(next) != c.kept || broken != (i == 5 || i == 10) {
			t.Errorf("step %d: known %s, kept %s, broken %v, %v; want %s and %s", i, at(p), at(next), broken, err, c.want, c.kept)
		}
	}
	if _, err := kv.Put(t.Context(), readKey("C9"), []byte("{"), bridge.AnyRev); err != nil {
		t.Fatal(err)
	}
	if err := newPositions(kv).load(t.Context()); err == nil {
		t.Error("what cannot be read counts as nothing")
	}
}

// Whoever is erased leaves nothing behind, wherever their room has been: not in the store, and not in what Run keeps later.
func TestForget(t *testing.T) {
	for _, rooms := range []string{roomsChannel, roomsThread} {
		t.Run(rooms, func(t *testing.T) {
			w := newWorkspace(t, rooms, false)
			_, user := w.Room()
			_, next := w.Room()
			r := newRig(t, w)
			r.run()
			r.connected()
			moved := func(o bridge.Opening) bridge.RoomID { // a room that was in three places
				o.Members = []bridge.UserID{user}
				room, err := r.core.Open(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				for _, o.Members = range [][]bridge.UserID{{next}, {user}} {
					w.channel(bridge.RoomID(r.record(room).Place)).archived = rooms == roomsChannel
					if rooms == roomsThread {
						err = r.core.Update(t.Context(), room, o)
					}
					if err != nil || r.send(room, "hello "+string(o.Members[0])) != nil {
						t.Fatal(err)
					}
				}
				return room
			}
			o := opening(user)
			o.Key = "l2"
			moved(o)
			before := r.state.all()
			o.Key = "l1abc"
			room := moved(o)
			text := "heard, and its position not kept"
			place := r.record(room).Place
			channel, thread := split(place)
			r.member(w.channel(bridge.RoomID(channel)), user, text, thread)
			r.until("it is heard", func() bool { return r.said(text).Text != "" })
			if err := r.core.Forget(t.Context(), bridge.Traces{Keys: []string{o.Key}}); err != nil {
				t.Fatal(err)
			}
			_ = r.stop() // keeps the positions
			after := r.state.all()
			for k, v := range after {
				if _, had := before[k]; !had && !strings.HasPrefix(k, "read/D") { // the app's own chats with members stay
					t.Errorf("left: %s = %s", k, v)
				}
			}
			if len(after) < len(before) {
				t.Errorf("of another contact's %v there is %v", before, after)
			}
			if err := r.core.Forget(t.Context(), bridge.Traces{Keys: []string{o.Key}, Rooms: []bridge.RoomID{room}}); err != nil {
				t.Errorf("a second time: %v", err)
			}
		})
	}
}

// all is everything that is kept.
func (m *memory) all() map[string]string {
	out := map[string]string{}
	keys, _ := m.List(context.Background(), "", "", 1000)
	for _, k := range keys {
		v, _, _ := m.Get(context.Background(), k)
		out[k] = string(v)
	}
	return out
}

func (r *rig) record(room bridge.RoomID) *record {
	r.Helper()
	rec, _, _, err := r.core.where(r.Context(), room)
	if err != nil {
		r.Fatal(err)
	}
	return rec
}
