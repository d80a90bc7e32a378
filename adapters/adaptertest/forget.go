package adaptertest

import (
	"strings"

	"github.com/hutong-im/hutong/bridge"
)

// Whatever an adapter has kept of a customer is gone when they are erased: on a workspace what it shows of them, on
// a messenger who they are. One that keeps nothing of them needs no Forgetter.
func checkForgetter(r *rig) {
	room, user := r.ready()
	traces := bridge.Traces{Users: []bridge.UserID{user}, Rooms: []bridge.RoomID{room}}
	known := []string{string(room), string(user)}
	if o, ok := r.adapter.(bridge.Opener); ok {
		traces, known = r.openTwo(o, user)
	} else {
		text := r.text()
		r.say(room, text)
		known = append(known, text)
	}
	if f, ok := r.adapter.(bridge.Forgetter); ok {
		r.must("forget", f.Forget(r.ctx(), traces))
		r.must("forget twice", f.Forget(r.ctx(), traces))
	}
	for key, val := range r.state.all() {
		for _, k := range known {
			if strings.Contains(key, k) || strings.Contains(val, k) {
				r.Errorf("after the customer was erased the state has still %q, at %q: %.200s", k, key, val)
			}
		}
	}
	r.flush(r.net.Room()) // and everything goes on
}

// openTwo opens the rooms of two customers, says something to the first, and returns what that one is known by.
func (r *rig) openTwo(o bridge.Opener, user bridge.UserID) (t bridge.Traces, known []string) {
	r.Helper()
	open := func(name string) (bridge.RoomID, string) {
		wish := bridge.Opening{
			Key: "link-" + r.text(), Members: []bridge.UserID{user}, Title: name, Label: bridge.Label{Name: name, Text: name + " · 微信联系人"},
			State: bridge.LinkActive, Remark: name + " 的备注", Hello: name + " 的附言",
		}
		room, err := o.Open(r.ctx(), wish)
		r.must("open", err)
		if u, ok := r.adapter.(bridge.Updater); ok {
			r.must("update", u.Update(r.ctx(), room, wish))
		}
		return room, wish.Key
	}
	stays, _ := open("张三")
	gone, key := open("将忘")
	text := r.text()
	r.say(gone, text)
	r.shown(gone, text)
	if a, ok := r.adapter.(bridge.Asker); ok {
		q := bridge.Ask{ID: "ask-" + r.text(), Text: "将忘 wants to talk to you", Choices: []bridge.Choice{{ID: "accept", Label: "Accept"}}}
		_, err := a.Ask(r.ctx(), gone, "key-"+q.ID, q)
		r.must("ask", err)
	}
	t.Keys, known = []string{key}, []string{key, "将忘", text}
	if gone != stays {
		t.Rooms, known = []bridge.RoomID{gone}, append(known, string(gone))
	}
	return t, known
}
