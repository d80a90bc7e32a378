package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// bureau is an office that shows what it knows of customers, and warns.
type bureau struct {
	*office
	shows []bridge.Opening
	fails error // of updates
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
		press(w, "u-lilei", a, "send")
		press(w, "u-lilei", a, "send")
		w.want("sent again, once", w.shop.texts("shop-a"), []string{"李雷 · ACME 销售经理\none"})
		if h := w.office.hints; len(h) != 1 || !strings.Contains(h[0], "dealt with") {
			t.Errorf("the second press is answered %q", h)
		}

		two, a := fail(w, "two")
		press(w, "u-lilei", a, "drop")
		w.want("dropped", w.office.marks[two], []string{"failed", "cancelled"})

		three, a := fail(w, "three")
		press(w, "u-lilei", a, "hold")
		w.member("u-lilei", "room-a", "four")
		w.want("held by its writer", w.office.marks[three], []string{"failed", "held"})
		time.Sleep(time.Second)
		w.customer("a", "back")
		w.want("goes when they write, and stops nothing", w.shop.texts("shop-a"), []string{"李雷 · ACME 销售经理\none", "four", "three"})
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
		w.member("u-lilei", "room-a", "/note only for us")
		w.member("u-lilei", "room-a", "/note")
		w.want("a note by command stays", w.shop.texts("shop-a"), []string{"李雷 · ACME 销售经理\nthe price is 100"})
		w.receive(w.office.net, bridge.Answered{Room: "room-a", User: "u-lilei", Ask: "note:nothing", Choice: "send"})
	})
}

func TestDeactivatedAccounts(t *testing.T) {
	inBureau(t, plainShop(), settings(), func(w *world, b *bureau) {
		w.receive(b.net, bridge.AccountState{User: "u-lilei"})
		w.receive(b.net, bridge.AccountState{User: "u-lilei"})
		w.receive(b.net, bridge.AccountState{User: "nobody"})
		told := strings.Join(w.bridge.Health()[0].Warnings, "\n")
		if !strings.Contains(told, "member lilei is deactivated") || !strings.Contains(told, "names stand in the text") {
			t.Errorf("warnings: %q", told)
		}
		w.customer("a", "hi")
		w.want("nobody serves", w.shop.texts("shop-a"), []string{"Thank you. A colleague will take care of you; nothing you write is lost."})
		w.stop()
		w.start(w.shop, settings()) // it is remembered
		w.customer("b", "hi")
		w.want("nobody serves after a restart", w.shop.texts("shop-b"), []string{"Thank you. A colleague will take care of you; nothing you write is lost."})
		w.receive(b.net, bridge.AccountState{User: "u-lilei", Active: true})
		if err := w.bridge.Configure(settings()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		w.want("back again", b.texts("room-a"), []string{"hi"})
	})
}

func TestOneHumanOnTwoNetworks(t *testing.T) {
	inWorld(t, plainShop(), func(w *world) {
		say := func(room bridge.RoomID, user bridge.UserID, msg bridge.MsgID, union string) {
			w.receive(w.shop, bridge.MessageEvent{Room: room, User: user, Msg: msg, Name: "小红", Text: "hi", Union: union})
		}
		say("r1", "oa-1", "1", "weixin:u1")
		say("r2", "kf-1", "2", "weixin:u1")
		say("r3", "kf-2", "3", "weixin:u2")
		say("r4", "plain", "4", "")
		n := 0
		for c, err := range w.store.Contacts(w.ctx) {
			if err != nil {
				t.Fatal(err)
			}
			n++
			if slices.Contains(c.Accounts, bridge.UserRef{Adapter: "shop", User: "oa-1"}) != slices.Contains(c.Accounts, bridge.UserRef{Adapter: "shop", User: "kf-1"}) {
				t.Errorf("accounts = %v", c.Accounts)
			}
		}
		if n != 3 {
			t.Errorf("%d contacts, want 3", n)
		}
	})
}

// gallery is a shop whose customers have pictures.
type gallery struct{ *net }

func (g *gallery) Fetch(_ context.Context, f bridge.File) (io.ReadCloser, error) {
	if f.Ref == "face" {
		return io.NopCloser(strings.NewReader("\x89PNG\x0D\x0A\x1A\x0A picture")), nil
	}
	return io.NopCloser(strings.NewReader("<script>")), nil
}

func TestPictures(t *testing.T) {
	shop := &gallery{plainShop()}
	inBureau(t, shop, settings(), func(w *world, b *bureau) {
		w.receive(shop.net, bridge.MessageEvent{Room: "shop-a", User: "a", Msg: "1", Name: "a", Text: "hi", Avatar: bridge.File{Ref: "face"}})
		w.receive(shop.net, bridge.MessageEvent{Room: "shop-b", User: "b", Msg: "2", Name: "b", Text: "hi", Avatar: bridge.File{Ref: "page"}})
		w.receive(shop.net, bridge.MessageEvent{Room: "shop-a", User: "a", Msg: "3", Text: "with a face"})
		w.receive(shop.net, bridge.MessageEvent{Room: "shop-b", User: "b", Msg: "4", Text: "without"})
		at, ok := strings.CutPrefix(b.last("room-a").Avatar, "http://localhost:8420/avatar/")
		if !ok {
			t.Fatalf("picture at %q", b.last("room-a").Avatar)
		}
		data, typ, err := w.bridge.Avatar(at)
		if err != nil || typ != "image/png" || !strings.HasSuffix(string(data), "picture") {
			t.Errorf("Avatar = %q, %s, %v", data, typ, err)
		}
		blob, _, _ := strings.Cut(at, ".")
		for _, forged := range []string{blob, blob + ".", blob + ".aaaaaaaaaaaaaaaa", "", "../x"} {
			if _, _, err := w.bridge.Avatar(forged); !errors.Is(err, bridge.ErrNotFound) {
				t.Errorf("Avatar(%q) = %v", forged, err)
			}
		}
		if got := b.last("room-b").Avatar; got != "" {
			t.Errorf("what is no picture is shown: %q", got)
		}
	})
}

func TestContactsAreListed(t *testing.T) {
	inWorld(t, plainShop(), func(w *world) {
		w.member("u-lilei", "somewhere", "/contacts")
		w.customer("a", "hi")
		w.customer("b", "hi")
		w.member("u-lilei", "room-a", "/contacts")
		w.words("shop-a", "a", "/contacts")
		w.words("shop-x", "x", "/contacts")
		if got := w.office.hints[1]; !strings.Contains(got, "→ a · WeChat contact") || !strings.Contains(got, "\nb") && !strings.Contains(got, ": b") {
			t.Errorf("the member is told %q", got)
		}
		w.want("the customer", w.shop.texts("shop-a"), []string{"→ 李雷 · ACME 销售经理"})
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

func TestANameToldLater(t *testing.T) {
	inBureau(t, plainShop(), settings(), func(w *world, b *bureau) {
		say := func(msg bridge.MsgID, name string) {
			w.receive(w.shop, bridge.MessageEvent{Room: "shop-a", User: "a", Msg: msg, Name: name, Text: "hi"})
		}
		say("1", "")
		say("2", "小红")
		say("3", "小红")
		say("4", "")
		if got := b.shown().Title; got != "小红" || len(b.shows) != 1 {
			t.Errorf("the room shows %q, %d times", got, len(b.shows))
		}
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
