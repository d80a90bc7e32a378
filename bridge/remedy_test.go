package bridge_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

func TestWhatCanBeDoneAboutAFailure(t *testing.T) {
	broken := bridge.Permanent(errors.New("blocked by the network"))
	fail := func(w *world, text string) (bridge.MsgID, *bridge.Ask) {
		w.t.Helper()
		w.shop.failing(broken)
		id := w.member("u-lilei", "room-a", text)
		w.shop.failing(nil)
		f := w.office.fates[id]
		if len(f) == 0 || f[len(f)-1].Ask == nil || f[len(f)-1].User != "u-lilei" {
			w.t.Fatalf("the writer of %q is told %+v", text, f)
		}
		return id, f[len(f)-1].Ask
	}
	press := func(w *world, user bridge.UserID, a *bridge.Ask, choice string, want ...error) {
		w.t.Helper()
		w.receive(w.office.net, bridge.Answered{Room: "room-a", User: user, Ask: a.ID, Choice: choice}, want...)
	}
	inWorld(t, windowed(), func(w *world) {
		w.customer("a", "hi")
		_, a := fail(w, "one")
		if len(a.Choices) != 3 || a.Text != "blocked by the network" {
			t.Fatalf("offered: %+v", a)
		}
		press(w, "u-han", a, "send", bridge.ErrRefused)
		press(w, "u-lilei", a, "nonsense", bridge.ErrRefused)
		w.receive(w.shop, bridge.Answered{Room: "shop-a", User: "a", Ask: a.ID, Choice: "drop"}, bridge.ErrRefused) // whom it was for does not decide
		press(w, "u-lilei", a, "send")
		press(w, "u-lilei", a, "send")
		w.want("sent again, once", w.shop.texts("shop-a"), []string{"李雷 · ACME 销售经理\none"})
		if h := w.office.hints; len(h) != 1 || !strings.Contains(h[0], "dealt with") {
			t.Errorf("the second press is answered %q", h)
		}

		two, a := fail(w, "two")
		press(w, "u-lilei", a, "drop")
		w.want("dropped", w.office.marks[two], []string{"failed", "cancelled"})

		_, a = fail(w, "twice") // asked again in another way, such as a shortcut of the workspace
		parked, err := w.store.Deliveries(w.ctx, 0, 10, bridge.StateFailed)
		if err != nil || len(parked) != 1 {
			t.Fatalf("parked = %+v, %v", parked, err)
		}
		press(w, "u-lilei", &bridge.Ask{ID: "again:" + parked[0].Message.String()}, "send")
		press(w, "u-lilei", a, "send")
		w.want("went out once", w.shop.texts("shop-a"), []string{"李雷 · ACME 销售经理\none", "twice"})
		press(w, "u-lilei", a, "drop")

		three, a := fail(w, "three")
		press(w, "u-lilei", a, "hold")
		w.member("u-lilei", "room-a", "four")
		w.want("held by its writer", w.office.marks[three], []string{"failed", "held"})
		time.Sleep(time.Second)
		w.customer("a", "back")
		w.want("goes when they write, and stops nothing", w.shop.texts("shop-a"), []string{"李雷 · ACME 销售经理\none", "twice", "four", "three"})
		w.want("its marks", w.office.marks[three], []string{"failed", "held", "sent"})
		if left, err := w.store.Deliveries(w.ctx, 0, 10, bridge.StateFailed, bridge.StateHeld); err != nil || len(left) > 0 {
			t.Errorf("left behind: %+v, %v", left, err)
		}
	})
}

func TestAHeldMessageCanBeTakenBack(t *testing.T) {
	inWorld(t, windowed(), func(w *world) {
		w.customer("a", "hi")
		time.Sleep(50 * time.Hour)
		id := w.member("u-lilei", "room-a", "late")
		f := w.office.fates[id]
		if len(f) != 1 || f[0].State != bridge.StateHeld || f[0].Ask == nil {
			t.Fatalf("told: %+v", f)
		}
		w.receive(w.office.net, bridge.Answered{Room: "room-a", User: "u-lilei", Ask: f[0].Ask.ID, Choice: "drop"})
		w.customer("a", "back")
		w.want("shop", w.shop.texts("shop-a"), nil)
		w.want("marks", w.office.marks[id], []string{"held", "cancelled"})
	})
}

// A network that takes a message and gives it back later: the writer's tick becomes the truth, and it can
// go once more.
func TestAMessageThatCameBack(t *testing.T) {
	inWorld(t, plainShop(), func(w *world) {
		w.customer("a", "hi")
		id := w.member("u-lilei", "room-a", "one")
		w.receive(w.shop, bridge.Receipt{Room: "shop-a", User: "a", Msg: w.shop.last("shop-a").Msg, State: bridge.StateFailed, Reason: "refused by the customer's client"})
		f := w.office.fates[id]
		if last := f[len(f)-1]; last.State != bridge.StateFailed || last.Ask == nil || !strings.Contains(last.Reason, "refused") {
			t.Fatalf("told: %+v", f)
		}
		ask := f[len(f)-1].Ask.ID
		w.receive(w.office.net, bridge.Answered{Room: "room-a", User: "u-lilei", Ask: ask, Choice: "send"})
		w.receive(w.office.net, bridge.Answered{Room: "room-a", User: "u-lilei", Ask: ask, Choice: "send"})
		if got := w.shop.texts("shop-a"); len(got) != 2 || !strings.HasSuffix(got[1], "one") {
			t.Errorf("shop = %q", got)
		}
		w.want("marks", w.office.marks[id], []string{"sent", "failed", "sent"})
	})
}

func TestANoteGoesToTheCustomerAfterAll(t *testing.T) {
	inWorld(t, plainShop(), func(w *world) {
		w.customer("a", "hi")
		note := func(id bridge.MsgID, thread bridge.MsgID, text string) {
			w.receive(w.office.net, bridge.MessageEvent{Room: "room-a", User: "u-lilei", Msg: id, Thread: thread, Text: text})
		}
		note("n1", "root1", "he is difficult")
		note("n2", "root1", "very")
		note("n3", "root2", "the price is 100")
		lines, err := w.bridge.Lobby("office", "mattermost").History(w.ctx, "u-lilei", "room-a", 0, 1)
		if err != nil || len(lines) != 1 || !lines[0].Note || lines[0].State != "" {
			t.Errorf("its page shows %+v, %v", lines, err)
		}
		if n := len(w.office.offers); n != 2 {
			t.Fatalf("%d hints for two threads: %+v", n, w.office.offers)
		}
		offer := w.office.offers[1]
		if len(offer.Choices) != 1 || offer.ID != "note:n3" {
			t.Fatalf("offered: %+v", offer)
		}
		press := bridge.Answered{Room: "room-a", User: "u-lilei", Ask: offer.ID, Choice: "send"}
		stranger := press
		stranger.User = "u-han"
		w.receive(w.office.net, stranger, bridge.ErrRefused)
		w.receive(w.office.net, press)
		w.receive(w.office.net, press)
		w.want("shop", w.shop.texts("shop-a"), []string{"李雷 · ACME 销售经理\nthe price is 100"})
		w.want("its tick", w.office.marks["n3"], []string{"sent"})
		said := w.member("u-lilei", "room-a", "no note at all")
		w.receive(w.office.net, bridge.Answered{Room: "room-a", User: "u-lilei", Ask: "note:" + string(said), Choice: "send"})
		w.want("what was no note is not sent twice", w.shop.texts("shop-a"), []string{"李雷 · ACME 销售经理\nthe price is 100", "no note at all"})
		w.member("u-lilei", "room-a", "/note only for us")
		w.member("u-lilei", "room-a", "/note")
		w.want("a note by command stays", w.shop.texts("shop-a"), []string{"李雷 · ACME 销售经理\nthe price is 100", "no note at all"})
		w.receive(w.office.net, bridge.Answered{Room: "room-a", User: "u-lilei", Ask: "note:nothing", Choice: "send"})
	})
}

// eager is a shop whose customers react before the gateway has even been told what the message is called.
type eager struct {
	*net
	react func(msg bridge.MsgID)
}

func (e *eager) Send(ctx context.Context, room bridge.RoomID, d bridge.Draft) ([]bridge.MsgID, error) {
	ids, err := e.net.Send(ctx, room, d)
	if err == nil && e.react != nil {
		e.react(ids[0])
		time.Sleep(50 * time.Millisecond)
	}
	return ids, err
}

func TestAReactionMayComeBeforeTheAnswer(t *testing.T) {
	shop := &eager{net: plainShop()}
	inWorld(t, shop, func(w *world) {
		w.customer("a", "hi")
		heard := make(chan error, 1)
		shop.react = func(msg bridge.MsgID) {
			go func() {
				heard <- shop.in.Receive(w.ctx, bridge.Reacted{Room: "shop-a", User: "a", Msg: msg, Emoji: "👍"})
			}()
		}
		id := w.member("u-lilei", "room-a", "one")
		time.Sleep(time.Second)
		if err := <-heard; err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		rec, err := w.store.Find(w.ctx, bridge.MsgRef{RoomRef: bridge.RoomRef{Adapter: "office", Room: "room-a"}, Msg: id})
		if err != nil {
			t.Fatal(err)
		}
		m, err := w.store.Message(w.ctx, rec)
		if err != nil || len(m.Reactions) != 1 {
			t.Errorf("reactions = %+v, %v", m.Reactions, err)
		}
	})
}
