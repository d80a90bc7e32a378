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

// An employee whose workspace shows no names reads before every message whose it is, with one customer too: the
// gateway's own words stand in the same chat.
func TestAnInboxSaysWhoseEveryMessageIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, ctx: t.Context(), store: newStore(), office: newOffice()}
		w.desk, w.office.caps.Names = w.office, false
		w.start(plainShop(), settings())
		defer func() { w.stop() }()
		w.customer("a", "one")
		w.customer("a", "two")
		w.want("office", w.office.texts("room-a"), []string{"New customer: a · WeChat contact", "a · WeChat contact\none", "a: two"})
	})
}

// sieve is a shop that forgets.
type sieve struct {
	*net
	gone  []bridge.Traces
	fails error
}

func (s *sieve) Forget(_ context.Context, t bridge.Traces) error {
	s.gone = append(s.gone, t)
	return s.fails
}

// Who answers a message at once means it, though the gateway has not heard yet that it arrived.
func TestAnAnswerBeforeTheSendIsOver(t *testing.T) {
	inWorld(t, plainShop(), func(w *world) {
		from := func(user bridge.UserID, msg bridge.MsgID, text string) {
			w.receive(w.shop, bridge.MessageEvent{Room: bridge.RoomID("shop-" + user), User: user, Msg: msg, Name: "王", Text: text})
		}
		from("a", "1", "one")
		from("b", "2", "two")
		synctest.Wait()
		w.office.after = 200 * time.Millisecond
		from("b", "3", "three")
		synctest.Wait()
		shown := w.office.last("room-王")
		if shown.Text != "three" {
			t.Fatalf("the office shows %q", shown.Text)
		}
		reply := func(to, msg bridge.MsgID, text string) {
			w.receive(w.office.net, bridge.MessageEvent{Room: "room-王", User: "u-lilei", Msg: msg, Text: text, ReplyTo: to})
		}
		reply(shown.Msg, "r1", "for b")
		w.office.after = time.Minute
		from("b", "4", "four")
		synctest.Wait()
		reply("nobody knows it", "r2", "for whoever was chosen last")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		var to []string
		for _, who := range []bridge.RoomID{"shop-a", "shop-b"} {
			for _, text := range w.shop.texts(who) {
				to = append(to, string(who)+" "+text[strings.LastIndexByte(text, '\n')+1:])
			}
		}
		w.want("who got what", to, []string{"shop-b for b", "shop-b for whoever was chosen last"})
	})
}

// Some networks know a repeated message by its words alone: whoever speaks between two tries must not change them.
func TestEveryTrySaysTheSame(t *testing.T) {
	inWorld(t, plainShop(), func(w *world) {
		w.office.caps.Names = false
		from := func(user bridge.UserID, msg bridge.MsgID, text string) {
			w.receive(w.shop, bridge.MessageEvent{Room: bridge.RoomID("shop-" + user), User: user, Msg: msg, Name: "王", Text: text})
		}
		from("a", "1", "one")
		from("b", "2", "two")
		from("a", "3", "three")
		synctest.Wait()
		var tries []string
		w.office.mu.Lock()
		w.office.byKey = false
		w.office.lost = func(_ bridge.RoomID, d bridge.Draft) bool {
			tries = append(tries, d.Text)
			return len(tries) == 1
		}
		w.office.mu.Unlock()
		from("a", "4", "four")
		synctest.Wait()
		from("b", "5", "five")
		time.Sleep(time.Minute)
		synctest.Wait()
		label := "王 · WeChat contact"
		w.want("tries", tries, []string{"王: four", label + "\nfive", "王: four"})
	})
}

// What an adapter escapes, since it would be markup, is a name all the same.
func TestNamesWithSigns(t *testing.T) {
	inWorld(t, plainShop(), func(w *world) {
		for i, name := range []string{"a_b_c", "x*y"} {
			w.receive(w.shop, bridge.MessageEvent{Room: bridge.RoomID(fmt.Sprint("r", i)), User: bridge.UserID(name), Msg: "1", Name: name, Text: "hi"})
		}
		synctest.Wait()
		room := bridge.RoomID("room-a_b_c")
		w.member("u-lilei", room, `/to x\*y`)
		w.member("u-lilei", room, `/to a\_b\_c`)
		if len(w.office.hints) != 2 || !strings.Contains(w.office.hints[1], "a_b_c") {
			t.Errorf("the member is told %q", w.office.hints)
		}
	})
}

// Adapters offer these words; each must mean something.
func TestCommandsAreAnswered(t *testing.T) {
	inWorldWith(t, plainShop(), settings(), func(w *world) {
		w.customer("a", "hi")
		words := w.bridge.Lobby("office", "fake").Commands()
		if len(words) < 7 || !slices.Contains(words, "help") {
			t.Errorf("the words are %q", words)
		}
		for _, word := range words {
			w.member("u-lilei", "room-a", "/"+word)
		}
		if all := strings.Join(w.office.hints, "\n"); strings.Contains(all, "is not a command") {
			t.Errorf("the member is told %q", all)
		}
	})
}

func TestAdaptersForget(t *testing.T) {
	shop := &sieve{net: plainShop()}
	inBureau(t, shop, settings(), func(w *world, b *bureau) {
		say := func(name, room string) {
			w.receive(shop.net, bridge.MessageEvent{Room: bridge.RoomID(room), User: bridge.UserID(name), Msg: bridge.MsgID(room + name), Name: name, Text: "hi"})
		}
		say("a", "shop-a")
		say("b", "shop-b")
		id := func(name bridge.UserID) bridge.ContactID {
			c, err := w.store.ContactOf(w.ctx, bridge.UserRef{Adapter: "shop", User: name})
			if err != nil {
				t.Fatal(err)
			}
			return c.ID
		}
		if err := w.bridge.Forget(w.ctx, id("a")); err != nil {
			t.Fatal(err)
		}
		links, err := w.store.LinksOf(w.ctx, id("a"))
		if err != nil || len(links) != 1 {
			t.Fatal(links, err)
		}
		want := bridge.Traces{Users: []bridge.UserID{"a"}, Rooms: []bridge.RoomID{"shop-a"}, Keys: []string{links[0].ID.String()}}
		if got := fmt.Sprint(shop.gone); got != fmt.Sprint([]bridge.Traces{want}) {
			t.Errorf("the shop forgets %s, want %v", got, want)
		}
		want.Users, want.Rooms = nil, []bridge.RoomID{"room-a"}
		if got := fmt.Sprint(b.gone); got != fmt.Sprint([]bridge.Traces{want}) {
			t.Errorf("the office forgets %s, want %v", got, want)
		}
		w.receive(shop.net, bridge.MessageEvent{Room: "shop-c", User: "c", Msg: "1", Name: "a", Text: "hi"}) // shown in the same room
		if err := w.bridge.Forget(w.ctx, id("a")); err != nil {
			t.Fatal(err)
		}
		if last := b.gone[len(b.gone)-1]; last.Rooms != nil || !slices.Equal(last.Keys, want.Keys) {
			t.Errorf("the office forgets a room that is not theirs alone: %v", last)
		}
		shop.fails = errors.New("disk full")
		if err := w.bridge.Forget(w.ctx, id("b")); !errors.Is(err, shop.fails) || !strings.Contains(err.Error(), "make shop forget") || len(b.gone) != 3 {
			t.Errorf("Forget = %v; the office was asked %d times", err, len(b.gone))
		}
		if err := w.bridge.Forget(w.ctx, 99); !errors.Is(err, bridge.ErrNotFound) {
			t.Errorf("somebody unknown: %v", err)
		}
	})
}
