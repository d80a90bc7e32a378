package crash

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/hutong-im/hutong/e2e/gateway"
)

// failpointCall is how the sources name a step at which a crash test may end the process.
var failpointCall = regexp.MustCompile(`(?:Failpoint|\.fail)\("([a-z.-]+)"\)`)

// failpoints finds every step in the sources, so that none is left out.
func failpoints(t *testing.T) []string {
	t.Helper()
	names := map[string]bool{}
	for _, dir := range []string{"bridge", "store/bolt", "store/blob", "cmd/hutong"} {
		files, err := filepath.Glob(filepath.Join(gateway.Root(), dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range failpointCall.FindAllStringSubmatch(string(text), -1) {
				names[m[1]] = true
			}
		}
	}
	if len(names) < 10 {
		t.Fatalf("only %d steps found in the sources: %v", len(names), names)
	}
	return slices.Sorted(maps.Keys(names))
}

// visits is at which visit of a step the process ends: the first ones, and some under full load.
func visits() []int { return []int{1, 2, 3, 5, 8, 13, 40, 100} }

// reach is how long a step may take to be reached. Upkeep begins a minute after the start.
const reach = 90 * time.Second

func TestKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir())
	for _, name := range failpoints(t) {
		switch name {
		case "backup", "close", "expire", "merge":
			continue // which talking does not reach: see TestKilledInUpkeep
		}
		stop := w.talk(context.Background())
		for _, n := range visits() {
			w.dieAt(t, name, n, nil)
		}
		stop()
		p := w.running()
		w.pass(t, p, fmt.Sprintf("%d deaths at %s", len(visits()), name))
		p.Kill()
	}
}

// dieAt starts a gateway that ends itself at a step, and waits until it has.
func (w *world) dieAt(t *testing.T, name string, n int, lead func(*gateway.Process)) {
	t.Helper()
	p := w.start(fmt.Sprintf("HUTONG_FAILPOINT=%s:%d", name, n))
	if lead != nil {
		lead(p)
	}
	select {
	case <-p.Gone():
	case <-time.After(reach):
		t.Fatalf("step %s was not reached %d times in %s\n%s", name, n, reach, p.Log())
	}
	if !p.Killed() {
		t.Fatalf("at step %s the gateway ended by itself, with code %d\n%s", name, p.ExitCode(), p.Log())
	}
}

func TestKilledInUpkeep(t *testing.T) {
	cases := map[string]struct {
		rounds int
		lead   func(*world, *gateway.Process)
	}{
		"close": {4, func(_ *world, p *gateway.Process) {
			after(300*time.Millisecond, p)
			p.Signal(syscall.SIGTERM)
		}},
		"backup": {4, func(w *world, p *gateway.Process) {
			after(300*time.Millisecond, p)
			_, err := w.site.Command(w.t.Context(), "backup", filepath.Join(w.t.TempDir(), "b.tar"))
			if err == nil {
				w.t.Error("the backup of a gateway that died says that it is done")
			}
		}},
		// Merging takes some thousand messages, or a pause after some thousand entries.
		"merge":  {3, nil},
		"expire": {1, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, t.TempDir())
			for range c.rounds {
				stop := w.talk(context.Background())
				if name == "merge" {
					w.gather()
				}
				w.dieAt(t, name, 1, func(p *gateway.Process) {
					if name == "merge" {
						stop()
					}
					if c.lead != nil {
						c.lead(w, p)
					}
				})
				stop()
			}
			w.pass(t, w.running(), fmt.Sprintf("%d deaths in %s", c.rounds, name))
		})
	}
}

// enough is more messages than an idle store leaves unmerged.
const enough = 2500

// gather lets people talk until there is something to merge.
func (w *world) gather() {
	w.t.Helper()
	p := w.running()
	from, until := w.ledger.tally().arrived, time.Now().Add(reach)
	for w.ledger.tally().arrived < from+enough {
		after(100*time.Millisecond, p)
		if time.Now().After(until) {
			w.t.Fatalf("%d messages took more than %s\n%s", enough, reach, p.Log())
		}
	}
	p.Kill()
}
