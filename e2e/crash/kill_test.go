// Package crash kills the real gateway in every way and counts what is lost.
package crash

import (
	"context"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/hutong-im/hutong/e2e/gateway"
)

var binary *gateway.Binary

func TestMain(m *testing.M) {
	os.Exit(gateway.Main(m, func(b *gateway.Binary) { binary = b }))
}

// after waits for a moment of a test's plan, or until the process has ended.
func after(d time.Duration, p *gateway.Process) {
	select {
	case <-time.After(d):
	case <-p.Gone():
	}
}

// randomKills is how often the gateway is killed at a random moment.
const randomKills = 150

func TestKilledAtRandom(t *testing.T) {
	w := newWorld(t, t.TempDir())
	random := rand.New(rand.NewPCG(1, 2))
	stop := w.talk(context.Background())
	defer stop()
	begun := time.Now()
	for i := range randomKills {
		w.jam(i%4 == 0) // now and then nothing can be delivered, and all has to be kept
		p := w.running()
		after(time.Duration(20+random.IntN(300))*time.Millisecond, p)
		if trace := p.Trace(); trace != "" {
			t.Fatal(trace)
		}
		p.Kill()
	}
	t.Logf("%d kills in %s", randomKills, time.Since(begun).Round(time.Second))
	stop()
	w.jam(false)
	w.pass(t, w.running(), "random kills")
}

// A store that forgets everything must be found out by the same means.
func TestForgettingIsNoticed(t *testing.T) {
	w := newWorldOn(t, t.TempDir(), "mem")
	stop := w.talk(context.Background())
	defer stop()
	for range 5 {
		p := w.running()
		after(300*time.Millisecond, p)
		p.Kill()
	}
	stop()
	if v := w.judgeWithin(w.running(), 5*time.Second); !v.bad() {
		t.Fatalf("five deaths without a store, and nothing is found wrong: %s", v)
	}
}
