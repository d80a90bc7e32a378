package slack

import (
	"maps"
	"strings"
	"testing"

	"github.com/hutong-im/hutong/bridge"
)

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
			kept := opening(user)
			kept.Key = "l2"
			if _, err := r.core.Open(t.Context(), kept); err != nil {
				t.Fatal(err)
			}
			before := r.state.all()
			o := opening(user)
			room, err := r.core.Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			for i, owner := range []bridge.UserID{next, user} { // another place, twice
				if w.channel(room).archived = rooms == roomsChannel; i == 1 && rooms == roomsChannel {
					w.named("王小明-l1abc-2").archived = true
				}
				if o.Members = []bridge.UserID{owner}; rooms == roomsThread {
					err = r.core.Update(t.Context(), room, o)
				}
				if err != nil || r.send(room, "hello "+string(owner)) != nil {
					t.Fatal(err)
				}
			}
			text := "heard, and its position not kept"
			place := r.record(room).Place
			channel, thread := split(place)
			r.member(w.channel(bridge.RoomID(channel)), user, text, thread)
			r.until("it is heard", func() bool { return r.said(text).Text != "" })
			for _, traces := range []bridge.Traces{{Keys: []string{o.Key}}, {Keys: []string{o.Key}, Rooms: []bridge.RoomID{room}}} {
				if err := r.core.Forget(t.Context(), traces); err != nil {
					t.Fatal(err)
				}
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
		})
	}
}

func (m *memory) all() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.vals)
}

func (r *rig) record(room bridge.RoomID) *record {
	r.Helper()
	rec, _, _, err := r.core.where(r.Context(), room)
	if err != nil {
		r.Fatal(err)
	}
	return rec
}
