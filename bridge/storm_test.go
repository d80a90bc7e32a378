package bridge_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// TestStorm writes from both sides at once over networks that fail in every way, with restarts in the
// middle: nothing is lost, nothing is repeated, nothing is out of order.
func TestStorm(t *testing.T) {
	const customers, lines = 30, 40
	shop := plainShop()
	inWorld(t, shop, func(w *world) {
		for c := range customers {
			w.customer(fmt.Sprint("c", c), "hello")
		}
		for _, n := range []*net{w.office.net, shop} {
			moody(n, rand.New(rand.NewPCG(1, 2)))
		}
		for part := range 3 {
			var wg sync.WaitGroup
			for c := range customers {
				wg.Go(func() { say(w, shop, c, part, lines, "shop-c%d", "c%d", "in-%d-%d-%d") })
				wg.Go(func() { say(w, w.office.net, c, part, lines, "room-c%d", "u-lilei", "out-%d-%d-%d") })
			}
			wg.Wait()
			time.Sleep(time.Duration(part) * time.Second)
			w.stop()
			w.start(shop, settings())
		}
		shop.failing(nil)
		w.office.failing(nil)
		time.Sleep(time.Hour)
		synctest.Wait()
		for c := range customers {
			check(t, w.office.texts(bridge.RoomID(fmt.Sprintf("room-c%d", c))), "in", 3*lines)
			check(t, shop.texts(bridge.RoomID(fmt.Sprintf("shop-c%d", c))), "out", 3*lines)
		}
		if d := w.bridge.Depth(); d.Lanes != 0 {
			t.Errorf("something is still on the road: %+v", d)
		}
	})
}

func say(w *world, n *net, customer, part, lines int, room, user, id string) {
	if strings.Contains(user, "%") {
		user = fmt.Sprintf(user, customer)
	}
	for i := range lines {
		msg := bridge.MsgID(fmt.Sprintf(id, customer, part, i))
		kind, _, _ := strings.Cut(string(msg), "-")
		e := bridge.MessageEvent{
			Room: bridge.RoomID(fmt.Sprintf(room, customer)), User: bridge.UserID(user), Msg: msg,
			Text: fmt.Sprintf("%s %d", kind, part*lines+i),
		}
		for range 1 + i%2 { // every other event comes twice
			if err := n.in.Receive(w.ctx, e); err != nil {
				w.t.Errorf("Receive: %v", err)
			}
		}
	}
}

// moody makes a network fail half of the time, in every way that does not end a message.
func moody(n *net, r *rand.Rand) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fail = func(bridge.RoomID, bridge.Draft) error {
		switch r.IntN(8) {
		case 0, 1:
			return errors.New("connection refused")
		case 2:
			return bridge.RetryAfter(errors.New("429"), time.Second)
		case 3:
			return bridge.RetryAccountAfter(errors.New("429"), 100*time.Millisecond)
		default:
			return nil
		}
	}
	n.lost = func(bridge.RoomID, bridge.Draft) bool { return r.IntN(8) == 0 }
}

// check wants the numbered texts of a kind to be there, each once and in order.
func check(t *testing.T, texts []string, kind string, n int) {
	t.Helper()
	next := 0
	for _, s := range texts {
		i := strings.LastIndex(s, kind+" ")
		if i < 0 {
			continue
		}
		if s[i:] != fmt.Sprintf("%s %d", kind, next) {
			t.Fatalf("%q stands where %d is due", s, next)
		}
		next++
	}
	if next != n {
		t.Errorf("%d of %d arrived", next, n)
	}
}
