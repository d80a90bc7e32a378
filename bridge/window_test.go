package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

func windowed() *net {
	return newNet(bridge.Caps{MaxText: 600, Dedupes: true, Window: bridge.Window{Open: 48 * time.Hour, Messages: 5}})
}

func TestRoomsShowTheWindowAndWhatIsNoted(t *testing.T) {
	inBureau(t, windowed(), settings(), func(w *world, b *bureau) {
		w.customer("a", "hi")
		if got := b.opened[0].Window; !strings.Contains(got, "WeChat · 5 of 5 messages left · until 01-03") {
			t.Errorf("the room opens with %q", got)
		}
		w.member("u-lilei", "room-a", "1")
		w.member("u-lilei", "room-a", "2")
		if got := b.shown().Window; !strings.Contains(got, "3 of 5") {
			t.Errorf("after two messages: %q", got)
		}
		w.customer("a", "again")
		if got := b.shown().Window; !strings.Contains(got, "5 of 5") {
			t.Errorf("after the customer wrote: %q", got)
		}
		var link bridge.LinkID
		for l, err := range w.store.LinksBy(w.ctx, "lilei") {
			if err != nil {
				t.Fatal(err)
			}
			link = l.ID
		}
		err := w.bridge.Relink(w.ctx, link, func(l *bridge.Link) error { l.Remark, l.Tags, l.Muted = "老客户", []string{"vip"}, true; return nil })
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := b.shown(); got.Remark != "老客户" || !slices.Equal(got.Tags, []string{"vip"}) || got.Members[0] != "u-lilei" {
			t.Errorf("after a change: %+v", got)
		}
		w.customer("a", "quietly")
		if !b.last("room-a").Quiet {
			t.Error("a muted customer still calls")
		}
		refused := errors.New("no")
		if err := w.bridge.Relink(w.ctx, link, func(*bridge.Link) error { return refused }); !errors.Is(err, refused) {
			t.Errorf("a refused change: %v", err)
		}
	})
}

// What a room shows is a comfort: that it cannot be changed holds up nothing, and leaves nothing behind.
func TestAFailingUpdateHoldsUpNothing(t *testing.T) {
	for name, err := range map[string]error{"for good": bridge.Permanent(errors.New("no")), "for now": errors.New("down")} {
		t.Run(name, func(t *testing.T) {
			inBureau(t, windowed(), settings(), func(w *world, b *bureau) {
				w.customer("a", "hi")
				b.mu.Lock()
				b.fails = err
				b.mu.Unlock()
				w.customer("a", "there")
				w.want("office", b.texts("room-a"), []string{"New customer: a · WeChat contact", "hi", "there"})
				b.mu.Lock()
				b.fails = nil
				b.mu.Unlock()
				w.member("u-lilei", "room-a", "1")
				time.Sleep(time.Minute)
				synctest.Wait()
				if got := b.shown().Window; !strings.Contains(got, "4 of 5") {
					t.Errorf("once it works again: %q", got)
				}
				if left, err := w.store.Deliveries(w.ctx, 0, 10, bridge.StateFailed, bridge.StatePending); err != nil || len(left) > 0 {
					t.Errorf("left behind: %+v, %v", left, err)
				}
			})
		})
	}
}

func TestAClickOpensLess(t *testing.T) {
	inBureau(t, windowed(), settings(), func(w *world, b *bureau) {
		card := w.card("lilei", nil)
		w.receive(w.shop, bridge.Joined{Room: "shop-a", User: "a", Card: card, Name: "a", Window: bridge.Window{Open: time.Minute, Messages: 3}})
		for i := range 4 {
			w.member("u-lilei", "room-a", fmt.Sprint(i))
		}
		w.want("three fit", w.shop.texts("shop-a"), []string{"李雷 · ACME 销售经理\n0", "1", "2"})
		w.customer("a", "words")
		w.want("words open all", w.shop.texts("shop-a"), []string{"李雷 · ACME 销售经理\n0", "1", "2", "3"})
		w.receive(w.shop, bridge.Joined{Room: "shop-a", User: "a", Card: card, Event: "scan", Window: bridge.Window{Open: time.Minute, Messages: 3}})
		if got := b.shown().Window; !strings.Contains(got, "4 of 5") {
			t.Errorf("a scan takes away what the words have opened: %q", got)
		}
		time.Sleep(49 * time.Hour)
		held := w.member("u-lilei", "room-a", "late")
		w.want("held", b.marks[held], []string{"held"})
	})
}

// herald is a shop that can call customers back.
type herald struct {
	*net
	called []string
}

func (h *herald) Notice(_ context.Context, room bridge.RoomID, as bridge.Label) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.called = append(h.called, string(room)+" "+as.Name)
	return nil
}

// What waits for the customer to write calls them back, once until they do: whether the gateway's count or the
// network itself says that the window is closed.
func TestACustomerIsCalledBackOnce(t *testing.T) {
	for name, byNetwork := range map[string]bool{"by the count": false, "by the network": true} {
		t.Run(name, func(t *testing.T) {
			shop := &herald{net: newNet(bridge.Caps{MaxText: 600, Dedupes: true, Window: bridge.Window{Open: 48 * time.Hour, Messages: 2}})}
			inWorld(t, shop, func(w *world) {
				w.customer("a", "hi")
				if byNetwork {
					w.shop.failing(bridge.WindowClosed(errors.New("45015"), time.Time{}))
				}
				for i := range 5 {
					w.member("u-lilei", "room-a", fmt.Sprint(i))
				}
				w.want("called at once", shop.called, []string{"shop-a 李雷"})
				if err := w.bridge.Configure(settings()); err != nil { // which looks at all that waits again
					w.t.Fatal(err)
				}
				synctest.Wait()
				w.want("called", shop.called, []string{"shop-a 李雷"})
				w.shop.failing(nil)
				w.customer("a", "back")
				time.Sleep(50 * time.Hour)
				w.member("u-lilei", "room-a", "again")
				w.want("called", shop.called, []string{"shop-a 李雷", "shop-a 李雷"})
			})
		})
	}
}
