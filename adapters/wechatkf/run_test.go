package wechatkf

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/wechatkf/wechatkftest"
	"github.com/hutong-im/hutong/bridge"
)

func numbered(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("m%03d", i))
	}
	return out
}

// The gateway cannot store for a while, and the process ends at every place in a page: each message is stored once
// by a gateway that knows ids, and none is missing.
func TestEndsBetweenAndWithinPages(t *testing.T) {
	r := newRig(t, wechatkftest.Options{Page: 4})
	want := numbered(100)
	for _, s := range want {
		r.Say(account, customer, s)
	}
	for at := range 14 {
		n := 0
		full := make(chan struct{}, 1)
		r.hearing.Lock()
		r.answer = func(bridge.Event) error {
			if n++; n > at {
				select {
				case full <- struct{}{}:
				default:
				}
				return errNotNow
			}
			return nil
		}
		r.hearing.Unlock()
		r.start()
		<-full
		r.stop()
	}
	r.hearing.Lock()
	r.answer = nil
	r.hearing.Unlock()
	r.start()
	stored := func() []string {
		var out []string
		seen := map[bridge.MsgID]bool{}
		for _, e := range r.all() {
			if m, ok := e.(bridge.MessageEvent); ok && !seen[m.Msg] {
				seen[m.Msg] = true
				out = append(out, m.Text)
			}
		}
		return out
	}
	r.until("all", func() bool { return len(stored()) == len(want) })
	if got := stored(); !slices.Equal(got, want) {
		t.Errorf("stored %q", got)
	}
	var at place
	raw, _, err := r.state.Get(t.Context(), "cursor/"+account)
	if err == nil {
		err = json.Unmarshal(raw, &at)
	}
	if err != nil || at.Cursor == "" {
		t.Errorf("the cursor is %+v, %v", at, err)
	}
}

// Each account has a cursor of its own; one that is not there any more, or not ours, does not stop the others.
func TestSeveralAccounts(t *testing.T) {
	r := newRig(t, wechatkftest.Options{Page: 2})
	const second, foreign, gone = "wkSecondAccount_1", "wkForeign", "wkGone"
	r.AddAccount(second, "第二", true)
	r.AddAccount(foreign, "不归API", false)
	r.config = func(c *Config) { c.Accounts = []string{account, second, foreign, gone} }
	a := r.start()
	for i := range 9 {
		r.Say(account, customer, fmt.Sprint("a", i))
		r.Say(second, customer, fmt.Sprint("b", i))
	}
	r.until("both", func() bool { return len(r.texts()) == 18 })
	for _, e := range r.all() {
		m, _ := e.(bridge.MessageEvent)
		if (m.Text[0] == 'a') != (m.Room == roomOf(account, customer)) {
			t.Errorf("%q in %s", m.Text, m.Room)
		}
	}
	var warnings string
	r.until("both warnings", func() bool {
		warnings = strings.Join(a.Warnings(), "\n")
		return strings.Contains(warnings, "wkForeign 未交由 API 管理") && strings.Contains(warnings, "wkGone 已不存在")
	})
	if err := a.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), foreign) || !strings.Contains(err.Error(), gone) {
		t.Errorf("probe: %v", err)
	}
}

// An account that the app is given while the gateway runs is served from then on.
func TestAccountIsAdded(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	r.start()
	r.met()
	const added = "wkAddedLater"
	r.AddAccount(added, "新", true)
	r.LoseCallbacks(true) // of the messages; the one about the account is sent by hand
	r.Say(added, customer, "新帐号")
	r.LoseCallbacks(false)
	text := "<xml><Event>kf_account_auth_change</Event><AuthAddOpenKfId>" + added + "</AuthAddOpenKfId><AuthDelOpenKfId>wkRemoved</AuthDelOpenKfId></xml>"
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if status := r.Post(client, text); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	await(r, func(m bridge.MessageEvent) bool { return m.Text == "新帐号" && m.Room == roomOf(added, customer) })
	if w := strings.Join(r.adapter.Warnings(), "\n"); !strings.Contains(w, "wkRemoved") {
		t.Errorf("the operator reads %q", w)
	}
	for _, other := range []string{"<xml><Event>change_contact</Event></xml>", "<xml><Event>kf_msg_or_event</Event><OpenKfId>../x</OpenKfId></xml>"} {
		if status := r.Post(client, other); status != http.StatusOK {
			t.Errorf("what does not concern us is answered %d", status)
		}
	}
}

func TestNoAccounts(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	r.RemoveAccount(account)
	r.AddAccount("wkForeign", "不归API", false)
	a := r.open()
	for what, err := range map[string]error{"run": a.Run(t.Context(), r), "probe": a.Probe(t.Context())} {
		if err == nil || !strings.Contains(err.Error(), "可调用接口的应用") {
			t.Errorf("%s: %v", what, err)
		}
	}
	r.config = func(c *Config) { c.Accounts = []string{"wkForeign"} }
	if err := r.open().Run(t.Context(), r); err == nil || !strings.Contains(err.Error(), "95017") {
		t.Errorf("run without any account that can be read: %v", err)
	}
}

// What stops everything is told with where to click.
func TestProbe(t *testing.T) {
	for code, want := range map[int]string{48002: "可调用接口的应用", 60020: "企业可信IP", 95012: "开通", 95017: "API"} {
		r := newRig(t, wechatkftest.Options{})
		a := r.open()
		r.Fail("/cgi-bin/kf/account/list", wechatkftest.Fault{Code: code, Msg: "no"})
		err := a.Probe(t.Context())
		verdict(t, err, bridge.VerdictLogin)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v", code, err)
		}
	}
}

// Without callbacks messages are found by asking, and the operator is told; a callback makes that good.
func TestCallbacksAreLost(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	r.poll = 30 * time.Millisecond
	a := r.start()
	r.met()
	r.LoseCallbacks(true)
	r.until("the warning", func() bool {
		r.Say(account, customer, "谁听见")
		return slices.Contains(a.Warnings(), a.words().unreached)
	})
	await(r, func(m bridge.MessageEvent) bool { return m.Text == "谁听见" })
	r.LoseCallbacks(false)
	r.met()
	r.until("the end of the warning", func() bool { return !slices.Contains(a.Warnings(), a.words().unreached) })
}

// Nothing is amiss when messages come with callbacks, or when asking finds none.
func TestCallbacksCome(t *testing.T) {
	for name, poll := range map[string]time.Duration{"with callbacks": time.Minute, "by asking": 10 * time.Millisecond} {
		r := newRig(t, wechatkftest.Options{})
		r.poll = poll
		a := r.start()
		if poll == time.Minute {
			r.met()
			r.met()
		} else {
			r.until("some questions", func() bool { return len(r.Requests(syncPath)) > 4 })
		}
		if slices.Contains(a.Warnings(), a.words().unreached) {
			t.Errorf("%s: the operator reads %q", name, a.Warnings())
		}
	}
}

// WeCom limits how often it may be asked without a callback's token; with one it goes on.
func TestLimited(t *testing.T) {
	r := newRig(t, wechatkftest.Options{Untokened: 1})
	r.Say(account, customer, "erste")
	r.start()
	await(r, func(m bridge.MessageEvent) bool { return m.Text == "erste" })
	r.start() // the second question without a token within a minute
	r.until("the refusal", func() bool { return len(r.Requests(syncPath)) >= 2 })
	r.met()
}

func TestTokenOfTheCallbackEnds(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	r.start()
	r.met()
	r.Fail(syncPath, wechatkftest.Fault{Code: 95007, Msg: "invalid msg token", Times: 1})
	r.met()
	var tokens []string
	for _, c := range r.Requests(syncPath) {
		var in syncRequest
		if err := json.Unmarshal(c.Body, &in); err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, in.Token)
	}
	if i := slices.IndexFunc(tokens, func(s string) bool { return s != "" }); i < 0 || !slices.Contains(tokens[i:], "") {
		t.Errorf("the tokens are %q: want one, then none", tokens)
	}
}

// answers lets kf/sync_msg answer what the fake never would.
func TestOddPages(t *testing.T) {
	t.Run("a cursor that is not taken", func(t *testing.T) {
		r := newRig(t, wechatkftest.Options{})
		if _, err := r.state.Put(t.Context(), "cursor/"+account, []byte(`{"cursor":"from-a-backup","from":1}`), bridge.AnyRev); err != nil {
			t.Fatal(err)
		}
		r.start()
		r.met()
	})
	for name, c := range map[string]struct {
		pages []string
		want  string // of the error; "" is none
		kept  string // cursor
	}{
		"an empty page, and more":  {[]string{`{"next_cursor":"a","has_more":1,"msg_list":[]}`, `{"next_cursor":"b","has_more":1}`, `{"next_cursor":"b","has_more":0}`}, "", "b"},
		"no cursor at the end":     {[]string{`{"has_more":0,"msg_list":[]}`}, "", "z"},
		"a cursor that stands":     {[]string{`{"next_cursor":"a","has_more":1}`, `{"next_cursor":"a","has_more":1}`}, "does not move", "a"},
		"has_more of another type": {[]string{`{"next_cursor":"a","has_more":true}`}, "not the JSON", "z"},
		"larger than is read":      {[]string{strings.Repeat(" ", 17<<20), strings.Repeat(" ", 17<<20), `{"next_cursor":"a","has_more":0}`}, "", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, wechatkftest.Options{})
			a := r.open()
			var limits []int
			a.api.HTTP = &http.Client{Transport: scripted{&c.pages, &limits, r.client.Transport}}
			s := &session{a: a, in: r}
			p := &puller{s: s, account: account}
			if err := p.write(t.Context(), place{Cursor: "z", From: 1}); err != nil {
				t.Fatal(err)
			}
			_, err := p.catchUp(t.Context())
			if at, err := p.read(t.Context()); err != nil || at.Cursor != c.kept || at.From != 1 {
				t.Errorf("kept %+v, %v", at, err)
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if err == nil && len(c.pages) > 0 {
				t.Errorf("%d pages were not asked for", len(c.pages))
			}
			if strings.HasPrefix(name, "larger") && !slices.Equal(limits, []int{1000, 500, 250}) {
				t.Errorf("asked for %v messages", limits)
			}
		})
	}
}

// The words of the config are said with the codes that events bring, once, and only in time.
func TestWordsOfTheConfig(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	r.config = func(c *Config) { c.Welcome, c.Taken, c.Ended = "欢迎", "同事为您服务", "再见" }
	a := r.start()
	r.Enter(account, customer, "")
	r.until("the welcome", func() bool { return slices.Equal(r.shown(), []string{"欢迎"}) })
	r.Enter(account, customer, "") // within 48 hours there is no second code
	r.met()
	r.Take(account, customer, "zhangsan")
	r.until("the words at taking", func() bool { return len(r.shown()) == 2 })
	if w := strings.Join(a.Warnings(), "\n"); !strings.Contains(w, "有 1 个会话") {
		t.Errorf("the operator reads %q", w)
	}
	r.End(account, customer)
	r.until("the words at the end", func() bool { return len(r.shown()) == 3 })
	if got := r.shown(); !slices.Equal(got, []string{"欢迎", "同事为您服务", "再见"}) {
		t.Errorf("the customer got %q", got)
	}
	if w := strings.Join(a.Warnings(), "\n"); strings.Contains(w, "会话") {
		t.Errorf("the operator reads %q", w)
	}
	r.Reject(account, customer, "zhangsan", 1)
	r.until("the refusal", func() bool { return strings.Contains(strings.Join(a.Warnings(), "\n"), "有 1 位客户") })
	r.Reject(account, customer, "zhangsan", 0)
	r.until("its end", func() bool { return !strings.Contains(strings.Join(a.Warnings(), "\n"), "位客户") })
}

func TestWelcomeTooLate(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	r.config = func(c *Config) { c.Welcome = "欢迎" }
	r.Enter(account, customer, "")
	r.SetHook("")
	a := r.open()
	a.env.Now = func() time.Time { return time.Now().Add(21 * time.Second) }
	r.Say(account, customer, "after")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx, r) }()
	await(r, func(m bridge.MessageEvent) bool { return m.Text == "after" })
	cancel()
	if err := <-done; err == nil {
		t.Error("Run ends without saying why")
	}
	j, _ := r.all()[0].(bridge.Joined)
	if j.Window != nothing() || j.Card != "" {
		t.Errorf("joined as %+v", j)
	}
	if n := len(r.Requests(onEventPath)); n > 0 {
		t.Errorf("a code that is over was used %d times", n)
	}
}

// With a card the gateway's own first words go with the code; after that, and when it is not taken, in the usual way.
func TestFirstWords(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	r.config = func(c *Config) { c.Welcome = "欢迎" }
	r.start()
	r.Enter(account, customer, "CARD234567ABCDEF")
	j := await(r, func(bridge.Joined) bool { return true })
	room := roomOf(account, customer)
	if j.Room != room || j.Card != "CARD234567ABCDEF" || j.Window.Open != codeLife || j.Window.Messages != 1 || j.Event == "" {
		t.Errorf("joined as %+v", j)
	}
	r.Fail(onEventPath, wechatkftest.Fault{Code: -1, Msg: "system busy", Times: 1})
	verdict(t, r.say(room, "k", "您好"), bridge.VerdictRetry)
	if err := r.say(room, "k", "您好"); err != nil {
		t.Error(err)
	}
	if l := r.Lines(account, customer); len(l) != 1 || !l[0].Event || l[0].Text != "您好" {
		t.Errorf("the customer sees %+v", l)
	}
	verdict(t, r.say(room, "k2", "在吗"), bridge.VerdictClosed)

	r.Enter(account, "wmSecond", "CARD234567ABCDEF")
	await(r, func(j bridge.Joined) bool { return j.User == "wmSecond" })
	r.Fail(onEventPath, wechatkftest.Fault{Code: 40029, Msg: "invalid code", Times: 1})
	r.Say(account, "wmSecond", "我先说")
	await(r, func(m bridge.MessageEvent) bool { return m.Text == "我先说" })
	if err := r.say(roomOf(account, "wmSecond"), "k", "您好"); err != nil {
		t.Error(err)
	}
}

func TestInvite(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	a := r.start()
	got, err := a.Invite(t.Context(), "CARD A&B")
	if err != nil || got != "https://work.weixin.qq.com/kfid/"+account+"?enc_scene=ENChutong&scene_param=CARD+A%26B" {
		t.Errorf("%q %v", got, err)
	}
	if _, err := r.open().Invite(t.Context(), "CARD"); err != nil {
		t.Error(err)
	}
	if n := len(r.Requests("/cgi-bin/kf/add_contact_way")); n != 1 {
		t.Errorf("the link was asked for %d times", n)
	}
	for card, good := range map[bridge.CardID]bool{
		"": false, bridge.CardID(strings.Repeat("汉", 15)): false, bridge.CardID(strings.Repeat("x", maxSceneParam)): true, bridge.CardID(strings.Repeat("x", maxSceneParam+1)): false,
	} {
		if _, err := a.Invite(t.Context(), card); (err == nil) != good || err != nil && bridge.Judge(err).Verdict != bridge.VerdictPermanent {
			t.Errorf("%q: %v", card, err)
		}
	}
	if _, err := r.state.Put(t.Context(), "way/"+account+"/hutong", []byte("https://work.weixin.qq.com/kf/kfc1"), bridge.AnyRev); err != nil {
		t.Fatal(err)
	}
	if got, err := a.Invite(t.Context(), "CARD"); err != nil || got != "https://work.weixin.qq.com/kf/kfc1?scene_param=CARD" {
		t.Errorf("%q %v", got, err)
	}
}

// More accounts than are told at once; those that the app does not manage are left out.
func TestManyAccounts(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	for i := range 249 {
		r.AddAccount(fmt.Sprintf("wk%03d", i), "x", i%2 == 0)
	}
	got, err := r.open().accounts(t.Context())
	if err != nil || len(got) != 1+125 {
		t.Errorf("%d accounts, %v", len(got), err)
	}
}
