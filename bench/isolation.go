package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// isolation: customers of four workspaces; three of them are in trouble, and the fourth must not feel it.
func isolation(b *bench) error {
	var ratios []float64
	for range b.rounds {
		alone, err := b.beside(nil)
		if err != nil {
			return err
		}
		all, err := b.beside(map[string]*sink{
			"dead": {err: errors.New("connection refused")},
			"slow": {delay: 500 * time.Millisecond},
			"busy": {err: bridge.RetryAccountAfter(errors.New("429"), time.Second)},
		})
		if err != nil {
			return err
		}
		ratios = append(ratios, float64(all)/float64(alone))
	}
	r := median(ratios)
	b.row("p99 of the healthy one, beside alone", fmt.Sprintf("%.2f", r), "<= 1.2", r <= 1.2)
	return nil
}

// beside measures the p99 of a healthy workspace at 200 messages/s, while each of the others has as many
// customers, who write 20 messages/s.
func (b *bench) beside(troubled map[string]*sink) (time.Duration, error) {
	const rate, rooms = 200, 200
	s, dir, err := b.fresh("isolation")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	w := &stopwatch{sent: make(map[string]time.Time)}
	sources := map[string]*source{"well": newSource()}
	adapters := map[string]bridge.Adapter{"well": &sink{got: w.end}, "shop-well": sources["well"]}
	names := []string{"well"}
	for n, k := range troubled {
		sources[n] = newSource()
		adapters[n], adapters["shop-"+n] = k, sources[n]
		names = append(names, n)
	}
	g, err := open(s, names, adapters)
	if err != nil {
		return 0, err
	}
	for i, n := range names {
		<-sources[n].up
		if err := b.meet(g, n, sources[n].in, i*rooms, rooms); err != nil {
			return 0, err
		}
	}
	wait(time.Second) // the healthy ones' first messages are through; the others never are
	var wg sync.WaitGroup
	errs := make(chan error, len(names))
	for i, n := range names[1:] {
		wg.Go(func() {
			errs <- paced(sources[n].in, &stopwatch{sent: make(map[string]time.Time)}, rate/10, (i+1)*rooms, rooms, b.time)
		})
	}
	errs <- paced(sources["well"].in, w, rate, 0, rooms, b.time)
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return 0, err
		}
	}
	wait(time.Second)
	if len(w.sent) > 0 {
		return 0, fmt.Errorf("%d messages of the healthy one did not arrive", len(w.sent))
	}
	return quantile(w.took, 0.99), g.stop()
}

// meet brings customers to the member of that workspace, through a card.
func (b *bench) meet(g *gateway, member string, in bridge.Inbox, first, n int) error {
	ctx := context.Background()
	card := bridge.Card{ID: bridge.NewCardID(), Member: bridge.MemberID(member), Created: time.Now()}
	if _, err := g.store.Commit(ctx, bridge.Step{At: time.Now(), Cards: []bridge.Card{card}}); err != nil {
		return err
	}
	for i := first; i < first+n; i++ {
		e := event(i, "", "")
		if err := in.Receive(ctx, bridge.Joined{Room: e.Room, User: e.User, Card: card.ID, Name: e.Name}); err != nil {
			return err
		}
	}
	return nil
}
