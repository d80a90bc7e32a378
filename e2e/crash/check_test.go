package crash

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/fake"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/e2e/gateway"
)

// verdict is what a check came to.
type verdict struct {
	said, arrived, unsure   int
	lost, repeated, reorder []string
	lies                    []string // shown as sent, but not there
}

func (v verdict) String() string {
	return fmt.Sprintf("%d said, %d arrived, %d unsure and marked so, lost %d, repeated %d, reordered %d, wrongly ticked %d",
		v.said, v.arrived, v.unsure, len(v.lost), len(v.repeated), len(v.reorder), len(v.lies))
}

func (v verdict) bad() bool {
	return len(v.lost)+len(v.repeated)+len(v.reorder)+len(v.lies) > 0
}

// settleTime is how long the gateway may take to catch up with all that waited for it.
const settleTime = 60 * time.Second

// judge waits until the gateway has dealt with everything and compares what was said with what has
// arrived. Nobody may be talking.
func (w *world) judge(p *gateway.Process) verdict {
	w.t.Helper()
	return w.judgeWithin(p, settleTime)
}

func (w *world) judgeWithin(p *gateway.Process, d time.Duration) verdict {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		v := w.verdict()
		if len(v.lost) == 0 && w.unheard() == 0 {
			return v
		}
		select {
		case <-tick.C:
		case <-p.Gone():
			w.t.Fatalf("the gateway ended while it caught up:\n%s", p.Log())
		case <-ctx.Done():
			return v
		}
	}
}

func (w *world) unheard() int {
	sum := 0
	for _, n := range w.nets {
		sum += n.Unheard()
	}
	return sum
}

// verdict looks at the networks' records as they are now.
func (w *world) verdict() verdict {
	// The ticks first: a message is there before its tick is, so a tick that is seen speaks of one that
	// the later look at the ledger has to find. The other way round the last arrival looks like a lie.
	marks := w.marks()
	t := w.ledger.tally()
	v := verdict{said: t.said, arrived: t.arrived, repeated: t.repeated, reorder: t.backward}
	for _, name := range t.missing {
		l, s := w.ledger.where(name)
		network := strings.TrimRight(l.customer, "0123456789")
		mark := marks[s]
		switch {
		case l.from == bridge.MemberSide && messengers()[network] == fake.Plain && mark == bridge.StateUnknown:
			v.unsure++
		case mark == bridge.StateSent:
			v.lies = append(v.lies, name)
		default:
			v.lost = append(v.lost, name)
		}
	}
	return v
}

// marks are the ticks that the networks show beside what was written there.
func (w *world) marks() map[said]bridge.State {
	out := map[said]bridge.State{}
	for name, n := range w.nets {
		for _, m := range n.All() {
			if m.User != "" {
				out[said{name, m.Room, m.ID}] = m.Mark.State
			}
		}
	}
	return out
}

// pass fails the test if anything was lost, repeated or reordered.
func (w *world) pass(t *testing.T, p *gateway.Process, after string) {
	t.Helper()
	v := w.judge(p)
	t.Logf("after %s: %s", after, v)
	if v.said == 0 || v.arrived == 0 {
		t.Fatalf("after %s: nothing was said, so nothing is shown", after)
	}
	if !v.bad() {
		return
	}
	few := func(list []string) []string { slices.Sort(list); return list[:min(len(list), 10)] }
	t.Fatalf("after %s: lost %q, repeated %q, reordered %q, wrongly ticked %q\n%s",
		after, few(v.lost), few(v.repeated), few(v.reorder), few(v.lies), p.Log())
}
