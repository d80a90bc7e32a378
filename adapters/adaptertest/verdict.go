package adaptertest

import (
	"context"
	"slices"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

func verdictChecks() []Check {
	return []Check{
		{"verdict/unreachable is retry", checkUnreachable},
		{"verdict/broken is retry", func(r *rig) { checkVerdict(r, Broken, bridge.VerdictRetry) }},
		{"verdict/busy is wait", checkBusy},
		{"verdict/lost answer is unsure", checkLost},
		{"verdict/time-out is unsure", checkSlow},
		{"verdict/revoked is login", func(r *rig) { checkVerdict(r, Revoked, bridge.VerdictLogin) }},
		{"verdict/closed window is closed", func(r *rig) { checkVerdict(r, Closed, bridge.VerdictClosed) }},
		{"verdict/probe", checkProbe},
		{"verdict/lost answer is found", checkFound},
		{"verdict/lost answer is repeated", checkRepeated},
	}
}

// verdict is a verdict in words.
func verdict(v bridge.Verdict) string {
	names := []string{"sent", "retry", "wait", "permanent", "unsure", "closed", "login"}
	if int(v) < len(names) {
		return names[v]
	}
	return "unknown"
}

// fails sends what cannot arrive for the moment, wants the verdict, and sends again when all is well.
func (r *rig) fails(room bridge.RoomID, want bridge.Verdict) bridge.Judgement {
	r.Helper()
	text := r.text()
	_, err := r.try(r.ctx(), room, bridge.Draft{Key: "key-" + text, Text: text})
	j := bridge.Judge(err)
	if j.Verdict != want {
		r.Errorf("verdict %s (%v), want %s", verdict(j.Verdict), err, verdict(want))
	}
	return j
}

// recovers looks whether the adapter works again.
func (r *rig) recovers(room bridge.RoomID) {
	r.Helper()
	r.net.Trouble(Calm)
	text := r.text()
	r.say(room, text)
	r.shown(room, text)
}

func checkVerdict(r *rig, t Trouble, want bridge.Verdict) {
	room, _ := r.ready()
	r.trouble(t)
	r.fails(room, want)
	r.recovers(room)
}

// No connection: it did not arrive.
func checkUnreachable(r *rig) {
	room, _ := r.ready()
	r.stop()
	r.client.CloseIdleConnections()
	before := r.dials.Load()
	r.offline.Store(true)
	text := r.text()
	_, err := r.try(r.ctx(), room, bridge.Draft{Key: "key-" + text, Text: text})
	r.offline.Store(false)
	if r.dials.Load() == before {
		r.Skipf("the adapter does not use Env.HTTP")
	}
	if v := bridge.Judge(err).Verdict; v != bridge.VerdictRetry {
		r.Errorf("verdict %s (%v), want retry", verdict(v), err)
	}
	r.recovers(room)
}

// The wait is what the network asks for, not a guess.
func checkBusy(r *rig) {
	room, _ := r.ready()
	r.trouble(Busy)
	j := r.fails(room, bridge.VerdictWait)
	if want := r.facts.Retry; j.Verdict == bridge.VerdictWait && (j.Wait < want-time.Second || j.Wait > want+time.Second) {
		r.Errorf("wait %v, the network asks for %v", j.Wait, want)
	}
	r.recovers(room)
}

// loses sends what arrives, though the answer does not.
func (r *rig) loses(ctx context.Context, room bridge.RoomID) bridge.Draft {
	r.Helper()
	text := r.text()
	d := bridge.Draft{Key: "key-" + text, Text: text}
	_, err := r.try(ctx, room, d)
	if v := bridge.Judge(err).Verdict; v != bridge.VerdictUnsure {
		r.Errorf("verdict %s (%v), want unsure: the message has arrived", verdict(v), err)
	}
	r.net.Trouble(Calm)
	return d
}

func checkLost(r *rig) {
	room, _ := r.ready()
	r.trouble(Lost)
	d := r.loses(r.ctx(), room)
	r.shown(room, d.Text)
	r.recovers(room)
}

func checkSlow(r *rig) {
	room, _ := r.ready()
	r.trouble(Slow)
	ctx, cancel := context.WithTimeout(context.Background(), 150*time.Millisecond)
	defer cancel()
	began := time.Now()
	d := r.loses(ctx, room)
	if took := time.Since(began); took > r.facts.Patience {
		r.Errorf("Send returned %v after it began, though ctx ended after 150 ms", took)
	}
	r.shown(room, d.Text)
	r.recovers(room)
}

func checkProbe(r *rig) {
	p, ok := r.adapter.(bridge.Prober)
	if !ok {
		r.Skipf("the adapter is no Prober")
	}
	r.start()
	if err := p.Probe(r.ctx()); err != nil {
		r.note(err)
		r.Errorf("probe: %v", err)
	}
	r.trouble(Revoked)
	err := p.Probe(r.ctx())
	r.note(err)
	if err == nil {
		r.Errorf("probe says that all is well, though the token was revoked")
	}
}

// A Finder finds what arrived though the answer was lost, by its key, and nothing else.
func checkFound(r *rig) {
	f, ok := r.adapter.(bridge.Finder)
	if !ok {
		r.Skipf("the adapter is no Finder")
	}
	room, _ := r.ready()
	other, _ := r.net.Room()
	known := r.text()
	ids := r.send(room, bridge.Draft{Key: "key-" + known, Text: known})
	found, err := f.Find(r.ctx(), room, "key-"+known)
	r.note(err)
	if err != nil || !slices.Equal(found, ids) {
		r.Errorf("find: %q, %v; want %q", found, err, ids)
	}
	for _, room := range []bridge.RoomID{room, other} {
		none, err := f.Find(r.ctx(), room, "key-that-nobody-used")
		r.note(err)
		if err != nil || len(none) > 0 {
			r.Errorf("find what is not there: %q, %v; want no ids and no error", none, err)
		}
	}
	r.trouble(Lost)
	d := r.loses(r.ctx(), room)
	line := r.shown(room, d.Text)
	found, err = f.Find(r.ctx(), room, d.Key)
	r.note(err)
	if err != nil || !slices.Contains(found, line.Msg) {
		r.Errorf("find after the answer was lost: %q, %v; want %q", found, err, line.Msg)
	}
}

// With Caps.Dedupes, repeating after a lost answer shows nothing twice and gives the id.
func checkRepeated(r *rig) {
	if !r.adapter.Caps().Dedupes {
		r.Skipf("the network does not dedupe")
	}
	room, user := r.ready()
	r.trouble(Lost)
	d := r.loses(r.ctx(), room)
	ids := r.send(room, d)
	r.flush(room, user)
	if line := r.shown(room, d.Text); !slices.Contains(ids, line.Msg) {
		r.Errorf("the repeated message is called %q, the network shows %q", ids, line.Msg)
	}
}
