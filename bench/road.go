package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/store/bolt"
	"github.com/hutong-im/hutong/store/mem"
)

const (
	conversations = 1000
	inFlight      = 256
)

// fresh opens an empty embedded store.
func (b *bench) fresh(name string) (bridge.Store, string, error) {
	dir := filepath.Join(b.dir, fmt.Sprintf("%s-%d", name, time.Now().UnixNano()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", err
	}
	s, err := bolt.Open(context.Background(), dir, bolt.Options{})
	return s, dir, err
}

func (b *bench) fill(store bridge.Store) (perSecond float64, perMessage time.Duration, err error) {
	src, dst := newSource(), &sink{}
	g, err := open(store, []string{"work"}, map[string]bridge.Adapter{"shop": src, "work": dst})
	if err != nil {
		return 0, 0, err
	}
	defer func() {
		if cerr := g.stop(); err == nil {
			err = cerr
		}
	}()
	<-src.up
	if err := acquaint(src.in, conversations); err != nil {
		return 0, 0, err
	}
	if err := drain(g); err != nil {
		return 0, 0, err
	}
	was, wasCPU := dst.n.Load(), cpu()
	began := time.Now()
	sent, err := pour(src.in, began.Add(b.time))
	if err != nil {
		return 0, 0, err
	}
	if err := drain(g); err != nil {
		return 0, 0, err
	}
	took := time.Since(began).Seconds()
	if got := dst.n.Load() - was; got != sent {
		return 0, 0, fmt.Errorf("%d messages went in and %d came out", sent, got)
	}
	return float64(sent) / took, (cpu() - wasCPU) / time.Duration(sent), nil
}

// pour says messages until the time is over, inFlight at once.
func pour(in bridge.Inbox, until time.Time) (int64, error) {
	var n, bad atomic.Int64
	var wg sync.WaitGroup
	text := kilobyte("m")
	run := time.Now().UnixNano()
	for w := range inFlight {
		wg.Go(func() {
			for i := w; time.Now().Before(until); i += inFlight {
				k := n.Add(1)
				id := fmt.Sprintf("%d-%09d", run, k)
				if err := in.Receive(context.Background(), event(int(k)%conversations, id, text)); err != nil {
					bad.Add(1)
					return
				}
			}
		})
	}
	wg.Wait()
	if bad.Load() > 0 {
		return 0, fmt.Errorf("%d messages were refused", bad.Load())
	}
	return n.Load(), nil
}

// drain waits until nothing is on the road.
func drain(g *gateway) error {
	for deadline := time.Now().Add(time.Minute); g.bridge.Depth().Lanes > 0; {
		if time.Now().After(deadline) {
			return fmt.Errorf("the lanes do not empty: %+v", g.bridge.Depth())
		}
		wait(time.Millisecond)
	}
	return nil
}

func wait(d time.Duration) { <-time.After(d) }

func road(b *bench) error {
	var rates, ratios, mems []float64
	var perMessage time.Duration
	for range b.rounds {
		f, err := b.flushes()
		if err != nil {
			return err
		}
		s, dir, err := b.fresh("road")
		if err != nil {
			return err
		}
		rate, each, err := b.fill(s)
		if err != nil {
			return err
		}
		_ = os.RemoveAll(dir)
		m, _, err := b.fill(mem.New())
		if err != nil {
			return err
		}
		rates, ratios, mems = append(rates, rate), append(ratios, rate/f), append(mems, rate/m)
		perMessage = each
	}
	b.row("messages/s", fmt.Sprintf("%.0f", median(rates)), ">= 20,000", median(rates) >= 20_000)
	b.row("in F", fmt.Sprintf("%.1f F", median(ratios)), ">= 5 F", median(ratios) >= 5)
	b.fact("of store/mem in the same run", fmt.Sprintf("%.2f", median(mems)))
	b.fact("processor time of a message, all parts", fmt.Sprintf("%.0f us", float64(perMessage)/1e3))
	return nil
}
