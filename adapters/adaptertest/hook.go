package adaptertest

import (
	"github.com/hutong-im/hutong/bridge"
)

func hookChecks() []Check {
	var out []Check
	for _, f := range forgeries() {
		out = append(out, Check{"hook/" + string(f), func(r *rig) { checkForgery(r, f) }})
	}
	return out
}

// What is not from the network is refused, not heard, and does no harm.
func checkForgery(r *rig, f Forgery) {
	if _, ok := r.adapter.(bridge.Hooked); !ok {
		r.Skipf("the adapter has no hook")
	}
	forger, ok := r.net.(Forger)
	if !ok {
		r.Fatalf("the adapter has a hook, so its network must implement adaptertest.Forger")
	}
	r.start()
	room, user := r.net.Room()
	r.flush(room, user)
	text := r.text()
	status, ok := forger.Forge(f, room, user, text)
	if !ok {
		r.Skipf("the network has no %s calls", f)
	}
	if status < 400 || status > 499 {
		r.Errorf("the hook answers %d to an %s call, want 4xx", status, f)
	}
	r.flush(room, user)
	for _, h := range r.inbox.all() {
		if m, ok := h.event.(bridge.MessageEvent); ok && m.Text == text {
			r.Errorf("the %s message was heard: %+v", f, m)
		}
	}
}
