package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// stopwatch measures from Receive to Send, by the number in front of the text.
type stopwatch struct {
	mu   sync.Mutex
	sent map[string]time.Time
	took []time.Duration
}

func (w *stopwatch) begin(mark string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent[mark] = time.Now()
}

func (w *stopwatch) end(_ bridge.RoomID, d bridge.Draft) {
	mark, _, _ := strings.Cut(d.Text, " ")
	w.mu.Lock()
	defer w.mu.Unlock()
	if t, ok := w.sent[mark]; ok {
		w.took = append(w.took, time.Since(t))
		delete(w.sent, mark)
	}
}

// paced brings messages at a rate that does not wait for the gateway, at random moments, to the rooms
// from first on.
func paced(in bridge.Inbox, w *stopwatch, rate, first, rooms int, d time.Duration) error {
	var wg sync.WaitGroup
	errs := make(chan error, 1)
	next, until := time.Now(), time.Now().Add(d)
	for i := 0; next.Before(until); i++ {
		wait(time.Until(next))
		next = next.Add(time.Duration(rand.ExpFloat64() / float64(rate) * float64(time.Second)))
		mark := strconv.FormatInt(time.Now().UnixNano(), 36) + "-" + strconv.Itoa(i)
		wg.Go(func() {
			w.begin(mark)
			if err := in.Receive(context.Background(), event(first+i%rooms, mark, kilobyte(mark))); err != nil {
				select {
				case errs <- err:
				default:
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

// added measures the latency that the gateway adds at a rate.
func (b *bench) added(rate int) (p50, p99 time.Duration, err error) {
	s, dir, err := b.fresh("latency")
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	w := &stopwatch{sent: make(map[string]time.Time)}
	src, dst := newSource(), &sink{got: w.end}
	g, err := open(s, []string{"work"}, map[string]bridge.Adapter{"shop": src, "work": dst})
	if err != nil {
		return 0, 0, err
	}
	<-src.up
	if err := acquaint(src.in, conversations); err != nil {
		return 0, 0, err
	}
	if err := drain(g); err != nil {
		return 0, 0, err
	}
	if err := paced(src.in, w, rate, 0, conversations, b.time); err != nil {
		return 0, 0, err
	}
	if err := drain(g); err != nil {
		return 0, 0, err
	}
	if len(w.sent) > 0 {
		return 0, 0, fmt.Errorf("%d messages did not arrive", len(w.sent))
	}
	return quantile(w.took, 0.5), quantile(w.took, 0.99), g.stop()
}

func latency(b *bench) error {
	limit := map[int]time.Duration{200: 10 * time.Millisecond, 1000: 25 * time.Millisecond}
	for _, rate := range []int{200, 1000} {
		var p50s, p99s, updates []float64
		for range b.rounds {
			u, err := b.update()
			if err != nil {
				return err
			}
			p50, p99, err := b.added(rate)
			if err != nil {
				return err
			}
			p50s, p99s, updates = append(p50s, float64(p50)/float64(u)), append(p99s, float64(p99)), append(updates, float64(u))
		}
		at := fmt.Sprintf(" at %d/s", rate)
		p50, p99 := median(p50s), time.Duration(median(p99s))
		b.fact("one db.Update", ms(time.Duration(median(updates))))
		b.row("added p50"+at+", in db.Update", fmt.Sprintf("%.2f", p50), "<= 3", p50 <= 3)
		b.row("added p99"+at, ms(p99), "<= "+ms(limit[rate]), p99 <= limit[rate])
	}
	return nil
}
