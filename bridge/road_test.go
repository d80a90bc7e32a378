package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

func TestFirstMessageFindsTheFallbackAndIsAnswered(t *testing.T) {
	inWorld(t, plainShop(), func(w *world) {
		w.customer("王小明", "你好")
		w.want("office", w.office.texts("room-王小明"), []string{"New customer: 王小明 · WeChat contact", "你好"})
		if as := w.office.last("room-王小明").As; as != "王小明 · WeChat contact" {
			t.Errorf("the customer is named %q", as)
		}
		id := w.member("u-lilei", "room-王小明", "您好，**请讲**")
		w.member("u-lilei", "room-王小明", "在的")
		w.want("shop", w.shop.texts("shop-王小明"), []string{"李雷 · ACME 销售经理\n您好，请讲", "在的"})
		w.want("marks", w.office.marks[id], []string{"sent"})
	})
}

func TestTheSameEventTwiceIsOneMessage(t *testing.T) {
	inWorld(t, plainShop(), func(w *world) {
		e := bridge.MessageEvent{Room: "r", User: "u", Msg: "1", Name: "王", Text: "once"}
		w.receive(w.shop, e)
		w.receive(w.shop, e)
		w.want("office", w.office.texts("room-王"), []string{"New customer: 王 · WeChat contact", "once"})
	})
}

func TestCardWithAcceptance(t *testing.T) {
	inWorld(t, plainShop(), func(w *world) {
		card := w.card("hanmeimei", func(c *bridge.Card) { c.Acceptance, c.Greeting = true, "欢迎！" })
		w.receive(w.shop, bridge.Joined{Room: "r", User: "u", Card: card, Name: "小红", Text: "想咨询价格"})
		w.words("r", "u", "在吗")
		w.words("r", "u", "还在吗")
		if len(w.office.asks) != 1 || !strings.Contains(w.office.asks[0].Text, "想咨询价格") {
			t.Fatalf("asks = %+v", w.office.asks)
		}
		w.want("nothing is sent before acceptance", w.office.texts("han-小红"), nil)
		w.receive(w.office.net, bridge.Answered{Room: "han-小红", User: "u-lilei-not", Ask: "nonsense:1"}, bridge.ErrRefused)
		w.receive(w.office.net, bridge.Answered{Room: "han-小红", User: "u-lilei", Ask: w.office.asks[0].ID, Choice: "accept"}, bridge.ErrRefused)
		w.receive(w.office.net, bridge.Answered{Room: "han-小红", User: "u-han", Ask: w.office.asks[0].ID, Choice: "accept"})
		w.want("office", w.office.texts("han-小红"), []string{"在吗", "还在吗", "Your greeting was sent: 欢迎！"})
		w.want("shop", w.shop.texts("r"), []string{
			"Your request was sent. You will be told when it is accepted.",
			"韩梅梅 · ACME 客服 has accepted. You can talk now.", "韩梅梅 · ACME 客服\n欢迎！",
		})
		w.receive(w.office.net, bridge.Answered{Room: "han-小红", User: "u-han", Ask: w.office.asks[0].ID, Choice: "decline"})
		w.want("a second answer", w.office.hints, []string{"u-han: This was answered already: accepted"})
	})
}

func TestSharedRoomChoosesAndSays(t *testing.T) {
	inWorld(t, plainShop(), func(w *world) {
		w.receive(w.shop, bridge.Joined{Room: "r", User: "u", Card: w.card("lilei", nil), Name: "小红"})
		w.words("r", "u", "for lilei")
		w.receive(w.shop, bridge.Joined{Room: "r", User: "u", Card: w.card("hanmeimei", nil), Name: "小红"})
		w.words("r", "u", "for han")
		w.words("r", "u", "/to 李")
		w.words("r", "u", "for lilei again")
		w.member("u-han", "han-小红", "I am Han")
		hers := w.shop.last("r").Msg
		w.member("u-lilei", "room-小红", "I am Lilei")
		w.member("u-lilei", "room-小红", "and still am")
		w.receive(w.shop, bridge.MessageEvent{Room: "r", User: "u", Msg: "re", Text: "an answer", ReplyTo: hers})
		w.words("r", "u", "/who")
		w.words("r", "u", "/to nobody")
		w.words("r", "u", "/to")
		who := w.shop.texts("r")
		w.want("lilei", w.office.texts("room-小红"), []string{"New customer: 小红 · WeChat contact", "for lilei", "for lilei again"})
		w.want("han", w.office.texts("han-小红"), []string{"New customer: 小红 · WeChat contact", "for han", "an answer"})
		verify := strings.SplitAfter(who[len(who)-3], "/verify/")
		w.want("shop", who, []string{
			"Now talking to 李雷 · ACME 销售经理",
			"韩梅梅 · ACME 客服\nI am Han", "李雷 · ACME 销售经理\nI am Lilei", "李雷: and still am",
			"Now talking to 韩梅梅 · ACME 客服",
			"You are talking to 韩梅梅 · ACME 客服\nVerify: http://localhost:8420/verify/" + verify[1],
			`Nobody here is called "nobody".`, "Who is meant? Write /to and a name: 李雷, 韩梅梅",
		})
		if got := w.office.last("han-小红").ReplyTo; got == "" {
			t.Error("the answer does not point at what it answers")
		}
		w.words("r", "u", "/stop")
		w.words("r", "u", "/to 韩")
		w.want("an ended one cannot be chosen", w.shop.texts("r")[len(who):], []string{
			"You have ended the conversation with 韩梅梅 · ACME 客服.", `Nobody here is called "韩".`,
		})
	})
}

func TestOrderSurvivesAFailingNetwork(t *testing.T) {
	inWorld(t, plainShop(), func(w *world) {
		w.customer("a", "hi")
		w.shop.failing(errors.New("connection refused"))
		var ids []bridge.MsgID
		for i := range 40 { // more than a lane keeps in memory
			ids = append(ids, w.member("u-lilei", "room-a", fmt.Sprint(i)))
		}
		time.Sleep(10 * time.Second)
		w.shop.failing(nil)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		var want []string
		for i := range 40 {
			want = append(want, fmt.Sprint(i))
		}
		want[0] = "李雷 · ACME 销售经理\n0"
		w.want("shop", w.shop.texts("shop-a"), want)
		w.want("marks of the first", w.office.marks[ids[0]], []string{"pending", "sent"})
	})
}

func TestPermanentFailureIsToldOnceAndTheNextGoes(t *testing.T) {
	inWorld(t, plainShop(), func(w *world) {
		w.customer("a", "hi")
		w.shop.fail = func(_ bridge.RoomID, d bridge.Draft) error {
			if strings.Contains(d.Text, "bad") {
				return bridge.Permanent(errors.New("blocked by the network"))
			}
			return nil
		}
		bad := w.member("u-lilei", "room-a", "bad")
		good := w.member("u-lilei", "room-a", "good")
		w.want("bad", w.office.marks[bad], []string{"failed"})
		w.want("good", w.office.marks[good], []string{"sent"})
		parked, err := w.store.Deliveries(w.ctx, 0, 10, bridge.StateFailed)
		if err != nil || len(parked) != 1 || parked[0].Reason != "blocked by the network" {
			t.Fatalf("parked = %+v, %v", parked, err)
		}
		w.shop.fail = nil
		if err := w.bridge.Retry(w.ctx, parked[0].ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.want("shop", w.shop.texts("shop-a"), []string{"李雷 · ACME 销售经理\ngood", "bad"})
	})
}

func TestLostAnswer(t *testing.T) {
	lose := func(_ bridge.RoomID, d bridge.Draft) bool { return strings.Contains(d.Text, "lost") }
	for name, c := range map[string]struct {
		shop  bridge.Adapter
		marks []string
	}{
		"a network that dedupes is asked again":  {plainShop(), []string{"pending", "sent"}},
		"one that can be read back is looked at": {finder{newNet(bridge.Caps{MaxText: 600})}, []string{"sent"}},
		"one that cannot is unknown":             {newNet(bridge.Caps{MaxText: 600}), []string{"unknown"}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, c.shop, func(w *world) {
				w.customer("a", "hi")
				w.shop.lost = lose
				id := w.member("u-lilei", "room-a", "lost")
				time.Sleep(4 * time.Second)
				w.shop.mu.Lock()
				w.shop.lost = nil
				w.shop.mu.Unlock()
				time.Sleep(time.Minute)
				synctest.Wait()
				got := w.office.marks[id]
				if got[len(got)-1] != c.marks[len(c.marks)-1] {
					t.Errorf("marks = %v, want %v", got, c.marks)
				}
				if f := w.office.fates[id][len(got)-1]; f.State == bridge.StateUnknown && (f.Ask == nil || !strings.Contains(f.Ask.Text, "look before")) {
					t.Errorf("the writer is told %+v", f)
				}
				w.want("shop", w.shop.texts("shop-a"), []string{"李雷 · ACME 销售经理\nlost"})
			})
		})
	}
}

func TestWindowHoldsAndOpens(t *testing.T) {
	shop := newNet(bridge.Caps{MaxText: 600, Dedupes: true, Window: bridge.Window{Open: 48 * time.Hour, Messages: 2}})
	inWorld(t, shop, func(w *world) {
		w.customer("a", "hi")
		var last bridge.MsgID
		for _, s := range []string{"1", "2", "3"} {
			last = w.member("u-lilei", "room-a", s)
		}
		w.want("two fit", w.shop.texts("shop-a"), []string{"李雷 · ACME 销售经理\n1", "2"})
		w.want("the third is held", w.office.marks[last], []string{"held"})
		time.Sleep(time.Hour)
		w.customer("a", "still there")
		w.want("the third goes", w.shop.texts("shop-a"), []string{"李雷 · ACME 销售经理\n1", "2", "3"})
		w.want("and is ticked", w.office.marks[last], []string{"held", "sent"})
		w.member("u-lilei", "room-a", "4")
		old := w.member("u-lilei", "room-a", "5")
		time.Sleep(30 * time.Hour)
		w.customer("a", "back")
		w.want("too old to go by itself", w.office.marks[old], []string{"held", "failed"})
		if len(w.office.asks) != 1 {
			t.Fatalf("asks = %+v", w.office.asks)
		}
		w.receive(w.office.net, bridge.Answered{Room: "room-a", User: "u-lilei", Ask: w.office.asks[0].ID, Choice: "send"})
		w.want("sent after all", w.shop.texts("shop-a"), []string{"李雷 · ACME 销售经理\n1", "2", "3", "4", "5"})
	})
}

func TestEditAndRecall(t *testing.T) {
	inWorld(t, plainShop(), func(w *world) {
		id := w.customer("a", "first")
		w.receive(w.shop, bridge.Edited{Room: "shop-a", User: "a", Msg: id, Text: "second"})
		w.receive(w.shop, bridge.Edited{Room: "shop-a", User: "mallory", Msg: id, Text: "forged"})
		w.want("office", w.office.texts("room-a"), []string{"New customer: a · WeChat contact", "second"})
		w.receive(w.shop, bridge.Deleted{Room: "shop-a", User: "a", Msg: id})
		w.want("office", w.office.texts("room-a"), []string{"New customer: a · WeChat contact"})

		m := w.member("u-lilei", "room-a", "typo")
		w.receive(w.office.net, bridge.Edited{Room: "room-a", User: "u-lilei", Msg: m, Text: "fixed"})
		w.receive(w.office.net, bridge.Deleted{Room: "room-a", User: "u-lilei", Msg: m})
		w.want("a network that cannot edit", w.shop.texts("shop-a"), []string{"李雷 · ACME 销售经理\ntypo", "Correction: fixed"})
		if got := w.office.last("room-a").Text; !strings.Contains(got, "cannot take back") {
			t.Errorf("the writer is not told: %q", got)
		}
	})
}

func TestEditAndRecallOfWhatIsNotYetSent(t *testing.T) {
	inWorld(t, plainShop(), func(w *world) {
		w.customer("a", "hi")
		w.shop.failing(errors.New("down"))
		edited := w.member("u-lilei", "room-a", "typo")
		recalled := w.member("u-lilei", "room-a", "oops")
		w.receive(w.office.net, bridge.Edited{Room: "room-a", User: "u-lilei", Msg: edited, Text: "fixed"})
		w.receive(w.office.net, bridge.Deleted{Room: "room-a", User: "u-lilei", Msg: recalled})
		w.shop.failing(nil)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		w.want("shop", w.shop.texts("shop-a"), []string{"李雷 · ACME 销售经理\nfixed"})
		if m := w.office.marks[recalled]; len(m) == 0 || m[len(m)-1] != "cancelled" {
			t.Errorf("marks of the recalled: %v", m)
		}
	})
}

func TestWhatWaitsSurvivesARestart(t *testing.T) {
	shop := plainShop()
	inWorld(t, shop, func(w *world) {
		w.customer("a", "hi")
		shop.failing(errors.New("down"))
		for i := range 20 {
			w.member("u-lilei", "room-a", fmt.Sprint(i))
		}
		w.stop()
		shop.failing(nil)
		w.start(shop, settings())
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := w.shop.texts("shop-a"); len(got) != 20 || got[19] != "19" {
			t.Errorf("shop = %q", got)
		}
	})
}

func TestOnlyTheBoundMemberIsSent(t *testing.T) {
	inWorld(t, plainShop(), func(w *world) {
		w.customer("a", "hi")
		w.member("u-han", "room-a", "not my customer")
		w.member("stranger", "room-a", "who am I")
		w.member("u-lilei", "room-a", "/tpo 李雷")
		w.member("u-lilei", "room-a", "//etc/passwd")
		w.receive(w.office.net, bridge.MessageEvent{Room: "room-a", User: "u-lilei", Msg: "t1", Thread: "root", Text: "he is difficult"})
		w.receive(w.office.net, bridge.MessageEvent{Room: "room-a", User: "u-lilei", Msg: "t2", Thread: "root", Text: "very"})
		w.want("shop", w.shop.texts("shop-a"), []string{"李雷 · ACME 销售经理\n/etc/passwd"})
		if len(w.office.hints) != 4 {
			t.Errorf("hints = %q", w.office.hints)
		}
	})
}

func TestHostileNames(t *testing.T) {
	for _, name := range []string{
		"{{.Company.Name}}", "{{range}}", "a\u202egpj.exe", "\u2066x\u2069", "line\nbreak", strings.Repeat("长", 500),
		"**bold** [x](http://evil)", "\x00\x01", "李雷 · ACME 销售经理",
	} {
		inWorld(t, plainShop(), func(w *world) {
			w.receive(w.shop, bridge.MessageEvent{Room: "r", User: "u", Msg: "1", Name: name, Text: "hi"})
			if len(w.office.opened) != 1 {
				t.Fatalf("%q: no room", name)
			}
			label := w.office.opened[0].Label.Text
			if strings.ContainsAny(label, "\n\x00\u202e\u2066\u2069") || len([]rune(label)) > 200 || strings.Contains(label, "ACME 贸易") {
				t.Errorf("%q became %q", name, label)
			}
		})
	}
}

func TestFilesAreFetchedKeptAndLimited(t *testing.T) {
	shop := &fileShop{net: plainShop()}
	inWorld(t, shop, func(w *world) {
		w.receive(shop.net, bridge.MessageEvent{Room: "r", User: "u", Msg: "1", Name: "a", Files: []bridge.File{
			{Name: "../../etc/pass wd", Type: "image/png", Ref: "picture"},
			{Name: "run.exe", Type: "image/png", Ref: "program"},
			{Name: "run.amr", Type: "audio/amr", Ref: "script"},
			{Name: "voice.amr", Type: "audio/amr", Ref: "voice"},
			{Name: "gone.pdf", Type: "application/pdf", Ref: "gone"},
			{Name: "big.bin", Type: "application/octet-stream", Ref: "big", Size: 30 << 20},
		}})
		time.Sleep(time.Second)
		synctest.Wait()
		got := w.office.last("room-a")
		w.want("files", got.Files, []string{"pass wd=just text", "voice.amr=#!AMR\n\x3c\x91"})
		for _, s := range []string{"run.exe", "run.amr", "gone.pdf", "big.bin"} {
			if !strings.Contains(got.Text, s) {
				t.Errorf("the text does not tell of %s: %q", s, got.Text)
			}
		}
	})
}

// slowClaims is a store whose claims wait for the gate.
type slowClaims struct {
	bridge.Store
	gate chan struct{}
}

func (s *slowClaims) Claim(ctx context.Context, after bridge.LaneID, n int) ([]bridge.Delivery, error) {
	select {
	case <-s.gate:
		return s.Store.Claim(ctx, after, n)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestWhatComesDuringTheStartDoesNotOvertake(t *testing.T) {
	shop := plainShop()
	inWorld(t, shop, func(w *world) {
		w.customer("a", "hi")
		shop.failing(errors.New("down"))
		w.member("u-lilei", "room-a", "old")
		w.stop()
		shop.failing(nil)
		slow := &slowClaims{Store: w.store, gate: make(chan struct{})}
		w.store = slow
		w.start(shop, settings())
		w.member("u-lilei", "room-a", "new")
		close(slow.gate)
		time.Sleep(time.Minute)
		synctest.Wait()
		w.want("shop", w.shop.texts("shop-a"), []string{"李雷 · ACME 销售经理\nold", "new"})
	})
}

// fullStore refuses commits while it is full.
type fullStore struct {
	bridge.Store
	full atomic.Bool
}

func (s *fullStore) Commit(ctx context.Context, st bridge.Step) (bridge.Outcome, error) {
	if s.full.Load() {
		return bridge.Outcome{}, bridge.ErrFull
	}
	return s.Store.Commit(ctx, st)
}

func TestAFullDiskRepeatsNothing(t *testing.T) {
	shop := newNet(bridge.Caps{MaxText: 10, Names: true}) // no keys, and nothing can be read back
	inWorld(t, shop, func(w *world) {
		w.customer("a", "hi")
		full := &fullStore{Store: w.store}
		w.stop()
		w.store = full
		shop.fail = func(_ bridge.RoomID, d bridge.Draft) error {
			full.full.Store(d.Text == "one two")
			return nil
		}
		w.start(shop, settings())
		w.member("u-lilei", "room-a", "one two three four")
		time.Sleep(time.Minute)
		full.full.Store(false)
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := w.shop.texts("shop-a"); len(got) > 3 || got[0] != "one two" || slices.Contains(got[1:], "one two") {
			t.Errorf("shop = %q", got)
		}
	})
}
