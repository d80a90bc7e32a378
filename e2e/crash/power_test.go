package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/hutong-im/hutong/e2e/gateway"
	"github.com/hutong-im/hutong/e2e/needs"
	"github.com/hutong-im/hutong/e2e/powercut"
)

// The cuts of each way in which a disk can lose what was not synced.
const (
	cutsPerMode  = 36 // under load
	firstCuts    = 8  // during the very first start
	cutsPerCheck = 12
	mostSteps    = 700 // writes, syncs and names until a cut: about half a second of load
	firstSteps   = 60  // the same for a first start
)

// machine is a disk at a folder, on which a gateway keeps its data.
type machine struct {
	w      *world
	disk   *powercut.Disk
	folder string
	random *rand.Rand
}

func newMachine(t *testing.T, seed uint64) *machine {
	t.Helper()
	needs.Mounts(t)
	folder := t.TempDir()
	return &machine{
		w: newWorld(t, folder), disk: powercut.New(seed), folder: folder, random: rand.New(rand.NewPCG(seed, seed)),
	}
}

// on turns the power on; off has to follow.
func (m *machine) on() (off func()) {
	m.w.t.Helper()
	mount, err := m.disk.Mount(m.folder)
	if err != nil {
		m.w.t.Fatal(err)
	}
	return func() {
		if err := mount.Unmount(); err != nil {
			m.w.t.Fatal(err)
		}
	}
}

// round is one life of the machine: power on, start, and a cut after some steps, wherever that may be.
func (m *machine) round(mode powercut.Mode, steps int) {
	m.w.t.Helper()
	defer m.on()()
	cut := m.disk.CutAfter(1+m.random.IntN(steps), mode)
	p := m.w.site.Start(m.w.t)
	defer p.Kill()
	select {
	case <-cut:
		return
	case <-p.Gone():
	case <-time.After(20 * time.Second):
		m.w.t.Logf("the cut came late: nothing was written for a while")
		m.disk.Cut(mode)
		return
	}
	select {
	case <-cut: // a gateway that ends because its disk has gone is as good as one that was killed
	default:
		m.w.t.Fatalf("the gateway does not start after a power cut: exit code %d\n%s", p.ExitCode(), p.Log())
	}
}

// check starts the gateway once more and counts; it ends well, so that the next cuts meet a store that
// was closed in order, too.
func (m *machine) check(t *testing.T, after string) {
	t.Helper()
	defer m.on()()
	p := m.w.running()
	defer p.Kill()
	m.w.pass(t, p, after)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		t.Fatalf("after %s: the gateway does not stop in order: %v\n%s", after, err, p.Log())
	}
}

func TestPowerCuts(t *testing.T) {
	for _, mode := range powercut.Modes() {
		t.Run(mode.String(), func(t *testing.T) {
			m := newMachine(t, uint64(mode)+1)
			for done := 0; done < cutsPerMode; {
				stop := m.w.talk(context.Background())
				for i := range cutsPerCheck {
					m.w.jam(i%3 == 0) // now and then nothing can be delivered, and all has to be kept
					m.round(mode, mostSteps)
				}
				stop()
				m.w.jam(false)
				done += cutsPerCheck
				m.check(t, fmt.Sprintf("%d power cuts, %s", done, mode))
			}
			if s := m.disk.Stats(); s.Lost == 0 {
				t.Fatalf("no write was unsynced at any of the cuts, so nothing is shown: %+v", s)
			} else {
				t.Logf("%s: %+v", mode, s)
			}
		})
	}
}

func TestPowerCutsInTheFirstStart(t *testing.T) {
	for _, mode := range powercut.Modes() {
		for i := range firstCuts {
			m := newMachine(t, uint64(100*int(mode)+i))
			stop := m.w.talk(context.Background())
			m.round(mode, firstSteps)
			m.round(mode, firstSteps)
			m.begin(t, stop, mode)
		}
	}
}

// begin is the first start that lasts.
func (m *machine) begin(t *testing.T, stop func(), mode powercut.Mode) {
	t.Helper()
	defer m.on()()
	p := m.w.running()
	defer p.Kill()
	m.wait(p)
	stop()
	m.w.pass(t, p, fmt.Sprintf("two cuts in the first start, %s", mode))
}

// wait lets people talk until something has arrived.
func (m *machine) wait(p *gateway.Process) {
	m.w.t.Helper()
	until := time.Now().Add(settleTime)
	for m.w.ledger.tally().arrived < 20 {
		after(50*time.Millisecond, p)
		if time.Now().After(until) {
			m.w.t.Fatalf("nothing arrives after the power cuts\n%s", p.Log())
		}
	}
}

// With a disk that does not sync what it says it has synced, which is what a store that leaves out its
// syncs amounts to, something must be lost: or the tests above would not see it either.
func TestWithoutSyncsSomethingIsLost(t *testing.T) {
	for _, mode := range powercut.Modes() {
		t.Run(mode.String(), func(t *testing.T) {
			m := newMachine(t, 1)
			stop := m.w.talk(context.Background())
			defer stop()
			off := m.on()
			p := m.w.running()
			m.wait(p)
			m.disk.Lie()
			m.w.jam(true) // what is accepted now is nowhere else
			after(time.Second, p)
			m.disk.Cut(mode)
			p.Kill()
			off()
			stop()
			m.w.jam(false)
			defer m.on()()
			p = m.w.start()
			defer p.Kill()
			select {
			case <-p.Gone():
				complains(t, p)
			default:
				v := m.w.judgeWithin(p, 5*time.Second)
				t.Logf("without syncs: %s", v)
				if !v.bad() {
					t.Error("a second of messages was not synced before the cut, and nothing is missing")
				}
			}
		})
	}
}
