package wecom

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hutong-im/hutong/adapters/wecom/wecomtest"
	"github.com/hutong-im/hutong/bridge"
)

// card is the newest card that the member sees.
func (r *rig) card() *wecomtest.Message {
	all := r.Inbox("lilei")
	for _, m := range slices.Backward(all) {
		if m.Card != nil {
			return &m
		}
	}
	return nil
}

func (r *rig) ask(q bridge.Ask) *wecomtest.Message {
	r.Helper()
	if _, err := r.a.Ask(r.Context(), lileiRoom, "key-"+q.ID, q); err != nil {
		r.Fatal(err)
	}
	return r.card()
}

func choices(labels ...string) []bridge.Choice {
	var out []bridge.Choice
	for i, l := range labels {
		out = append(out, bridge.Choice{ID: fmt.Sprint("c", i), Label: l})
	}
	return out
}

func labels(c *wecomtest.Card) string {
	var out []string
	for _, b := range c.Buttons {
		out = append(out, b.Text)
	}
	for _, o := range c.Options {
		out = append(out, o.Text)
	}
	return strings.Join(out, "|")
}

// What does not fit a card is shown all the same.
func TestCards(t *testing.T) {
	long := strings.Repeat("很长。", 60)
	for name, x := range map[string]struct {
		ask     bridge.Ask
		labels  string
		before  string // text before the card
		text    string // of the card
		typ     string
		complex bool
	}{
		"buttons":       {bridge.Ask{ID: "a", Text: "王小明\n你好", Choices: choices("接受", "拒绝")}, "接受|拒绝", "", "王小明\n你好", "button_interaction", false},
		"a long label":  {bridge.Ask{ID: "a", Text: "x", Choices: choices("Send again", "Send when they write again")}, "1. Send again|2. Send when they …", "", "x\n1. Send again\n2. Send when they write again", "button_interaction", false},
		"a long text":   {bridge.Ask{ID: "a", Text: "标题\n" + long, Choices: choices("好")}, "好", "标题\n" + long, "标题\n" + clip(long, maxSubtitle), "button_interaction", false},
		"a picture":     {bridge.Ask{ID: "a", Text: "x", Picture: "https://a.example/1.png", Choices: choices("好")}, "好", "", "x\nhttps://a.example/1.png", "button_interaction", false},
		"many choices":  {bridge.Ask{ID: "a", Text: "选", Choices: choices("1", "2", "3", "4", "5", "6", "7")}, "1|2|3|4|5|6|7", "", "选", "vote_interaction", true},
		"hostile names": {bridge.Ask{ID: "a", Text: "<a href=x>\"'&\n]]>", Choices: choices("<&\"]]>")}, "<&\"]]>", "", "<a href=x>\"'&\n]]>", "button_interaction", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, wecomtest.Options{Misspelt: x.complex})
			r.run()
			m := r.ask(x.ask)
			if got := labels(m.Card); got != x.labels || m.Text != x.text || m.Card.Type != x.typ {
				t.Errorf("%s card %q with %q", m.Card.Type, m.Text, got)
			}
			if all := r.seen(); x.before != "" && (len(all) != 2 || all[0] != x.before) || x.before == "" && len(all) != 1 {
				t.Errorf("the member sees %q", all)
			}
			last, want := strings.Split(x.labels, "|"), x.ask.Choices[len(x.ask.Choices)-1]
			ok := false
			if x.complex {
				ok = r.Vote("LiLei", m.Card.TaskID, last[len(last)-1])
			} else {
				ok = r.Press("LiLei", m.Card.TaskID, last[len(last)-1])
			}
			got, _ := r.heard(0).(bridge.Answered)
			if !ok || got.Ask != "a" || got.Choice != want.ID || got.Room != lileiRoom || got.User != lilei || got.Event == "" {
				t.Errorf("pressed %v: %+v", ok, got)
			}
			r.until("the card to change", func() bool { return strings.HasPrefix(r.card().Card.Replaced, "✓") })
		})
	}
}

// A card that came before is not shown again, though WeCom refuses it as known.
func TestCardAgain(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	q := bridge.Ask{ID: "a", Text: "好吗？", Choices: choices("好")}
	r.Fail(wecomtest.Fault{Path: sendPath, Cut: true, Times: 1})
	if _, err := r.a.Ask(t.Context(), lileiRoom, "k", q); bridge.Judge(err).Verdict != bridge.VerdictUnsure {
		t.Fatal(err)
	}
	r.Fail(wecomtest.Fault{Path: sendPath, Code: taskKnown, Times: 1}) // whichever of the two checks comes first
	for range 2 {
		if ids, err := r.a.Ask(t.Context(), lileiRoom, "k", q); err != nil || len(ids) != 1 || ids[0] == "" {
			t.Errorf("%q, %v", ids, err)
		}
	}
	if n := len(r.seen()); n != 1 {
		t.Errorf("the member sees %d cards", n)
	}
}

// A button of another gateway, another chat or another question is stale, and the card says so.
func TestStale(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	r.run()
	key := func(change func(p *press)) string {
		p := press{Ask: "a", Choice: "c", Room: lileiRoom}
		p.Sum = r.a.sum(p)
		change(&p)
		b, _ := json.Marshal(p)
		return string(b)
	}
	for name, k := range map[string]string{
		"not ours":       "approve",
		"another choice": key(func(p *press) { p.Choice = "d" }),
		"another ask":    key(func(p *press) { p.Ask = "b" }),
		"another room":   key(func(p *press) { p.Room = "hanmeimei"; p.Sum = r.a.sum(*p) }),
		"no choice":      key(func(p *press) { p.Choice = ""; p.Sum = r.a.sum(*p) }),
		"a contact gone": key(func(p *press) { p.Ask = ""; p.Sum = r.a.sum(*p) }),
	} {
		answer, err := r.a.pressed(t.Context(), r.in, &push{FromUserName: "LiLei", EventKey: k}, lileiRoom, lilei)
		if err != nil || !strings.Contains(string(answer), r.a.words().stale) {
			t.Errorf("%s: %s, %v", name, answer, err)
		}
	}
	if len(r.in.all()) > 0 {
		t.Errorf("heard %+v", r.in.all())
	}
	r.in.err = fmt.Errorf("not the writer: %w", bridge.ErrRefused)
	m := r.ask(bridge.Ask{ID: "a", Text: "好吗？", Choices: choices("好")})
	r.Press("LiLei", m.Card.TaskID, "好")
	r.until("the card to say so", func() bool { return r.card().Card.Replaced == r.a.words().stale })
}

// The card of customers: the current one above, the others to press; two of one name are told apart by remarks or left out.
func TestChoose(t *testing.T) {
	for name, x := range map[string]struct {
		contacts [][2]string // name, remark; the first is the current
		labels   string
		others   bool
	}{
		"two":                {[][2]string{{"王小明", ""}, {"赵四", ""}}, "赵四", false},
		"remarks":            {[][2]string{{"王小明", ""}, {"赵四", "老赵"}}, "老赵", false},
		"one name":           {[][2]string{{"王小明", ""}, {"赵四", ""}, {"赵四", ""}, {"李四", ""}}, "李四", true},
		"one name, a remark": {[][2]string{{"王小明", ""}, {"赵四", "北京"}, {"赵四", "上海"}}, "北京|上海", false},
		"a name as a remark": {[][2]string{{"王小明", ""}, {"赵四", ""}, {"钱五", "赵四"}}, "钱五", true},
		"seven others":       {[][2]string{{"王", ""}, {"1", ""}, {"2", ""}, {"3", ""}, {"4", ""}, {"5", ""}, {"6", ""}, {"7", ""}}, "1|2|3|4|5|6|7", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, wecomtest.Options{})
			r.run()
			for i, c := range x.contacts {
				r.lobby.contact(bridge.LinkID(i+1), c[0], c[1])
			}
			r.Say("LiLei", "/to")
			r.until("the card", func() bool { return r.card() != nil })
			m := r.card()
			if got := labels(m.Card); got != x.labels || !strings.HasPrefix(m.Card.Title, "Now talking to "+x.contacts[0][0]) {
				t.Errorf("%q under %q", got, m.Card.Title)
			}
			if others := strings.Contains(strings.Join(r.seen(), "\n"), "/remark"); others != x.others {
				t.Errorf("the rest is mentioned: %v; %q", others, r.seen())
			}
			first, _, _ := strings.Cut(x.labels, "|")
			if !r.Press("LiLei", m.Card.TaskID, first) && !r.Vote("LiLei", m.Card.TaskID, first) {
				t.Fatal("nothing to press")
			}
			if got, _ := r.heard(0).(bridge.MessageEvent); got.Text != "/to "+first || got.Room != lileiRoom || got.User != lilei || got.Msg == "" {
				t.Errorf("heard %+v", got)
			}
			r.until("the card to change", func() bool { return r.card().Card.Replaced == "✓ "+first })
		})
	}
}

// A customer who was handed over is not on the card.
func TestChooseHandedOver(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	for i, name := range []string{"王小明", "赵四", "钱五"} {
		r.lobby.contact(bridge.LinkID(i+1), name, "")
	}
	r.lobby.rooms[1].State = bridge.LinkHandedOver
	list, _, _, err := r.a.contacts(t.Context(), lileiRoom, lilei)
	if err != nil || len(list) != 1 || list[0].Label != "钱五" {
		t.Errorf("%+v, %v", list, err)
	}
}

// Without anybody to choose, or without a card, the core answers in words.
func TestChooseInWords(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	r.run()
	r.Say("LiLei", " /to ")
	if got, _ := r.heard(0).(bridge.MessageEvent); strings.TrimSpace(got.Text) != "/to" {
		t.Errorf("heard %+v", got)
	}
	r.lobby.contact(1, "王小明", "")
	r.lobby.contact(2, "赵四", "")
	r.Fail(wecomtest.Fault{Path: sendPath, Code: noCallback, Msg: "app has no callback url"})
	r.Click("LiLei", "/to")
	if got, _ := r.heard(1).(bridge.MessageEvent); got.Text != "/to" {
		t.Errorf("heard %+v", got)
	}
	if w := strings.Join(r.a.Warnings(), "\n"); !strings.Contains(w, "no callback address") || !strings.Contains(w, "https://hutong.example/hook/wecom") {
		t.Errorf("warnings: %s", w)
	}
	r.Calm()
	r.Say("LiLei", "x")
	r.until("the warning to go", func() bool { return len(r.a.Warnings()) == 0 })
}

// A hint that the core repeats after a lost answer is shown once; one that is asked for again is shown again.
func TestHints(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	q := bridge.Ask{Text: "名片：https://hutong.example/c/CARD", Picture: "https://hutong.example/c/CARD.png"}
	hint := func() bridge.Verdict {
		return bridge.Judge(r.a.Hint(t.Context(), lileiRoom, lilei, q)).Verdict
	}
	r.Fail(wecomtest.Fault{Path: sendPath, Cut: true, Times: 1})
	if v := hint(); v != bridge.VerdictUnsure {
		t.Fatalf("verdict %d", v)
	}
	r.Fail(wecomtest.Fault{Path: sendPath, Code: -1, Times: 1}) // the picture
	if v := hint(); v != bridge.VerdictRetry {
		t.Fatalf("verdict %d", v)
	}
	if v := hint(); v != bridge.VerdictSent {
		t.Fatalf("verdict %d", v)
	}
	if got := r.Inbox("lilei"); len(got) != 2 || got[0].Text != q.Text || got[1].Picture != q.Picture {
		t.Fatalf("the member sees %+v", got)
	}
	hint()
	if n := len(r.seen()); n != 4 {
		t.Errorf("asked again, the member sees %d messages", n)
	}
}

func FuzzPress(f *testing.F) {
	f.Add(`{"a":"x","c":"y","r":"lilei","s":"00"}`, "0.1")
	f.Fuzz(func(t *testing.T, key, option string) {
		a := &adapter{cfg: Config{Secret: bridge.MakeSecret("s")}}
		e := &push{EventKey: key, Selected: []selected{{IDs: []string{option}}}}
		if p, ok := a.readPress(e, lileiRoom); ok {
			t.Errorf("%+v was made up, and taken", p)
		}
	})
}
