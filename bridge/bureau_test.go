package bridge_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/hutong-im/hutong/bridge"
)

// bureau is an office that shows what it knows of customers, and warns.
type bureau struct {
	*office
	shows []bridge.Opening
	fails error // of updates
	gone  []bridge.Traces
}

func (b *bureau) Forget(_ context.Context, t bridge.Traces) error {
	b.gone = append(b.gone, t)
	return nil
}

func (b *bureau) Update(_ context.Context, _ bridge.RoomID, o bridge.Opening) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fails != nil {
		return b.fails
	}
	b.shows = append(b.shows, o)
	return nil
}

func (b *bureau) Warnings() []string { return []string{"names stand in the text"} }

func (b *bureau) shown() bridge.Opening {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.shows) == 0 {
		return bridge.Opening{}
	}
	return b.shows[len(b.shows)-1]
}

// inBureau is inWorld with a bureau as the office.
func inBureau(t *testing.T, shop bridge.Adapter, set bridge.Settings, test func(w *world, b *bureau)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bureau{office: newOffice()}
		w := &world{t: t, ctx: t.Context(), store: newStore(), office: b.office, desk: b}
		w.start(shop, set)
		defer func() { w.stop() }()
		test(w, b)
	})
}
