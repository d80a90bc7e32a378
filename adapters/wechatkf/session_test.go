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

// taken lets a page of items be heard by an adapter that does not run.
func (r *rig) taken(a *adapter, from int64, page ...map[string]any) {
	r.t.Helper()
	var raw []json.RawMessage
	for _, it := range page {
		b, err := json.Marshal(it)
		if err != nil {
			r.t.Fatal(err)
		}
		raw = append(raw, b)
	}
	s := &session{a: a, in: r}
	if err := s.take(r.t.Context(), account, raw, from); err != nil {
		r.t.Fatal(err)
	}
}

// what is a message of the account's chat with the customer.
func what(id string, origin int, at int64, text string) map[string]any {
	return map[string]any{
		"msgid": id, "open_kfid": account, "external_userid": customer, "send_time": at, "origin": origin, "msgtype": "text", "text": map[string]any{"content": text},
	}
}

// Which items of a page are messages, and whose.
func TestWhichItems(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	a := r.open()
	now := time.Now().Unix()
	byServicer, other := what("by a servicer", fromServicer, now, "x"), what("of no account", fromCustomer, now, "x")
	byServicer["servicer_userid"] = "zhangsan"
	delete(other, "open_kfid")
	r.taken(a, now-10,
		what("before the gateway", fromCustomer, now-11, "x"), what("as it began", fromCustomer, now-10, "x"),
		what("", fromCustomer, now, "x"), what("by the system", fromSystem, now, "x"), byServicer, other)
	var got []string
	for _, e := range r.all() {
		m, _ := e.(bridge.MessageEvent)
		got = append(got, fmt.Sprintf("%s: %s %v", m.Msg, m.User, m.Own))
	}
	want := []string{
		"as it began: " + customer + " false", "by the system: " + account + " true", "by a servicer: zhangsan true", "of no account: " + customer + " false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
}

// Who serves a session, as events tell it, what is said about it, and for how long that is so.
func TestSeats(t *testing.T) {
	hour := int64(time.Hour / time.Second)
	change := func(kind int, code string) map[string]any {
		return map[string]any{"event_type": "session_status_change", "change_type": kind, "new_servicer_userid": "zhangsan", "msg_code": code}
	}
	for name, c := range map[string]struct {
		event map[string]any // nil is a message
		age   int64          // seconds
		seats int            // that the operator is told of
		says  []string
	}{
		"taken":                {change(1, "c"), 0, 1, []string{"taken"}},
		"taken long ago":       {change(1, "c"), 47 * hour, 1, []string{"taken"}},
		"taken too long ago":   {change(1, "c"), 50 * hour, 0, nil},
		"moved":                {change(2, "c"), 0, 1, nil},
		"reopened":             {change(4, "c"), 0, 1, nil},
		"ended":                {change(3, "c"), 0, 0, []string{"ended"}},
		"ended a minute ago":   {change(3, "c"), 60, 0, nil},
		"ended without a code": {change(3, ""), 0, 0, nil},
		"a change of tomorrow": {change(9, "c"), 0, 0, nil},
		"refused":              {map[string]any{"event_type": "reject_customer_msg_switch_change", "reject_switch": 1}, 90 * hour, 1, nil},
		"refused no more":      {map[string]any{"event_type": "reject_customer_msg_switch_change", "reject_switch": 0}, 0, 0, nil},
		"a servicer writes":    {nil, hour, 1, nil},
		"they wrote long ago":  {nil, 50 * hour, 0, nil},
		"the system writes":    {nil, 0, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, wechatkftest.Options{})
			r.config = func(c *Config) { c.Taken, c.Ended = "taken", "ended" }
			a := r.open()
			if err := a.readSeats(t.Context()); err != nil {
				t.Fatal(err)
			}
			at := time.Now().Unix() - c.age
			it := what("m", fromServicer, at, "x")
			it["servicer_userid"] = "zhangsan"
			if name == "the system writes" {
				it = what("m", fromSystem, at, "x")
			}
			if c.event != nil {
				c.event["open_kfid"], c.event["external_userid"] = account, customer
				it = map[string]any{"msgid": "m", "send_time": at, "origin": fromSystem, "msgtype": "event", "event": c.event}
			}
			r.taken(a, 0, it)
			for _, life := range []string{"this life", "the next"} {
				w := strings.Join(a.Warnings(), "\n")
				if n := strings.Count(w, "有 1 "); n != c.seats {
					t.Errorf("in %s the operator is told of %d: %s", life, n, w)
				}
				if err := a.readSeats(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			keys, err := r.state.List(t.Context(), seatPrefix, "", 9)
			if err != nil || len(keys) != c.seats {
				t.Errorf("kept %q, %v", keys, err)
			}
			var says []string
			for _, req := range r.Requests(onEventPath) {
				var in struct{ Text struct{ Content string } }
				if err := json.Unmarshal(req.Body, &in); err != nil {
					t.Fatal(err)
				}
				says = append(says, in.Text.Content)
			}
			if !slices.Equal(says, c.says) {
				t.Errorf("says %q, want %q", says, c.says)
			}
		})
	}
}

// A servicer who writes much is kept once an hour; who takes over from them at once.
func TestSeatsAreKeptSeldom(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	a := r.open()
	room, at := roomOf(account, customer), time.Now().Truncate(time.Hour).Unix()
	if err := a.readSeats(t.Context()); err != nil {
		t.Fatal(err)
	}
	revs := map[uint64]bool{}
	for i, s := range []seat{{"zhangsan", stateHuman, at}, {"zhangsan", stateHuman, at + 3599}, {"lisi", stateHuman, at + 3599}, {"lisi", stateHuman, at + 3600}} {
		a.seat(t.Context(), room, &s)
		_, rev, err := r.state.Get(t.Context(), seatPrefix+string(room))
		if err != nil {
			t.Fatal(err)
		}
		revs[rev] = true
		if want := []int{1, 1, 2, 3}[i]; len(revs) != want {
			t.Errorf("after %d it was written %d times, want %d", i, len(revs), want)
		}
	}
}

// Send may be called before Run: what it learns of a session is not forgotten, and what it ends does not come back.
func TestSeatsBeforeRun(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	room := roomOf(account, customer)
	a := r.open()
	a.seat(t.Context(), room, &seat{Who: "zhangsan", State: stateHuman, At: time.Now().Unix()})
	a = r.open()
	if err := a.readSeats(t.Context()); err != nil || len(a.seats) != 1 {
		t.Errorf("%v, %v", a.seats, err)
	}
	a = r.open()
	a.seat(t.Context(), room, nil)
	if err := a.readSeats(t.Context()); err != nil || len(a.seats) != 0 {
		t.Errorf("%v, %v", a.seats, err)
	}
}

// More seats than are read at once.
func TestManySeats(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	a := r.open()
	const many = 1203
	for i := range many {
		a.seat(t.Context(), roomOf(account, fmt.Sprintf("wm%04d", i)), &seat{State: stateHuman, At: time.Now().Unix()})
	}
	if err := a.readSeats(t.Context()); err != nil || len(a.seats) != many {
		t.Errorf("%d seats, %v", len(a.seats), err)
	}
}

// Names are asked for once a day, and once for a customer of a page; what is not told any more stays as it was.
func TestProfilesAge(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	r.Know(customer, wechatkftest.Customer{Nickname: "王小明"})
	a := r.open()
	var ahead time.Duration
	a.env.Now = func() time.Time { return time.Now().Add(ahead) }
	items := []item{{Customer: customer}, {Customer: customer}, {Customer: "../x"}}
	for _, c := range []struct {
		ahead time.Duration
		asked int
		know  bool
	}{{0, 1, true}, {23 * time.Hour, 1, true}, {25 * time.Hour, 2, false}, {26 * time.Hour, 2, false}} {
		ahead = c.ahead
		if !c.know {
			r.Unknow(customer)
		}
		got := a.profiles(t.Context(), items)
		asked := r.Requests("/cgi-bin/kf/customer/batchget")
		if got[customer].Name != "王小明" || len(asked) != c.asked || len(got) != 1 {
			t.Errorf("after %v: %+v, asked %d times", c.ahead, got, len(asked))
		}
		if last := string(asked[len(asked)-1].Body); strings.Count(last, customer) != 1 {
			t.Errorf("asked for %s", last)
		}
	}
}

// What WeCom answers decides how long an account rests, and whether a callback ends that.
func TestRest(t *testing.T) {
	a := &adapter{cfg: Config{Poll: time.Minute}}
	limited := bridge.RetryAccountAfter(errNotNow, time.Hour)
	for name, c := range map[string]struct {
		err    error
		asked  string
		pause  time.Duration
		called bool
	}{
		"all is well":             {nil, "token", time.Minute, true},
		"limited with a token":    {limited, "token", time.Hour, false},
		"limited without a token": {limited, "", time.Hour, true},
	} {
		p := &puller{s: &session{a: a}, called: make(chan struct{}), asked: c.asked}
		if pause, called := p.rest(c.err); pause != c.pause || (called != nil) != c.called {
			t.Errorf("%s: %v, %v", name, pause, called)
		}
	}
}

// A callback's token is used for nine minutes, or until WeCom does not take it.
func TestTokens(t *testing.T) {
	now := time.Now()
	a := &adapter{env: bridge.Env{Now: func() time.Time { return now }}}
	s := &session{a: a, pullers: map[string]*puller{}}
	p := &puller{s: s, account: account, called: make(chan struct{}, 1)}
	s.pullers[account] = p
	s.wake(account, "first")
	s.wake(account, "second")
	s.wake(account, "")
	for _, c := range []struct {
		what string
		do   func()
		want string
	}{
		{"the last", func() {}, "second"},
		{"another is spent", func() { p.spent("first") }, "second"},
		{"after nine minutes", func() { now = now.Add(tokenLife) }, "second"},
		{"after more", func() { now = now.Add(time.Second) }, ""},
		{"a new one", func() { s.wake(account, "third") }, "third"},
		{"it is spent", func() { p.spent("third") }, ""},
	} {
		if c.do(); p.fresh() != c.want {
			t.Errorf("%s: %q, want %q", c.what, p.fresh(), c.want)
		}
	}
	if len(p.called) != 1 {
		t.Error("the puller is not woken")
	}
}

// A token that WeCom did not take is not shown again with the next question.
func TestSpentToken(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	a := r.open()
	p := &puller{s: &session{a: a, in: r}, account: account, token: "over", until: time.Now().Add(time.Hour)}
	r.Fail(syncPath, wechatkftest.Fault{Code: 95007, Msg: "invalid msg token", Times: 1})
	for range 2 {
		if _, err := p.catchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var tokens []string
	for _, c := range r.Requests(syncPath) {
		var in syncRequest
		if err := json.Unmarshal(c.Body, &in); err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, in.Token)
	}
	if !slices.Equal(tokens, []string{"over", "", ""}) {
		t.Errorf("asked with %q", tokens)
	}
}

// The gateway does not take a message for a while: it is brought again, and that is told once.
func TestInsists(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	a := r.open()
	n := 0
	r.answer = func(bridge.Event) error {
		if n++; n < 4 {
			return errNotNow
		}
		return nil
	}
	now := time.Now().Unix()
	r.taken(a, 0, what("1", fromCustomer, now, "first"), what("2", fromCustomer, now, "second"))
	if got := r.texts(); !slices.Equal(got, []string{"first", "second"}) {
		t.Errorf("heard %q", got)
	}
	r.hearing.Lock()
	defer r.hearing.Unlock()
	if log := r.log.String(); strings.Count(log, "a message waits") != 1 {
		t.Errorf("log: %s", log)
	}
}

// patient notes how long each call may take.
type patient struct {
	next http.RoundTripper
	left map[string]time.Duration
}

func (p patient) RoundTrip(req *http.Request) (*http.Response, error) {
	if end, limited := req.Context().Deadline(); limited {
		p.left[req.URL.Path] = time.Until(end)
	}
	return p.next.RoundTrip(req)
}

// Messages do not wait long for what can be done without.
func TestNobodyWaitsLong(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	r.config = func(c *Config) { c.Ended = "bye" }
	a := r.open()
	p := patient{a.api.HTTP.Transport, map[string]time.Duration{}}
	a.api.HTTP = &http.Client{Transport: p}
	now := time.Now().Unix()
	file := what("1", fromCustomer, now, "")
	file["msgtype"], file["file"] = "file", map[string]any{"media_id": "unknown"}
	r.taken(a, 0, file, map[string]any{"msgid": "m", "send_time": now, "origin": fromSystem, "msgtype": "event", "event": map[string]any{
		"event_type": "session_status_change", "change_type": 3, "msg_code": "c", "open_kfid": account, "external_userid": customer,
	}})
	for _, path := range []string{"/cgi-bin/kf/customer/batchget", "/cgi-bin/media/get", onEventPath} {
		if left := p.left[path]; left <= 0 || left > askWithin {
			t.Errorf("%s may take %s", path, left)
		}
	}
}

// How far back the first start looks is decided once: what is said while the gateway is down is not too old then.
func TestBacklogIsKept(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	a := r.open()
	p := &puller{s: &session{a: a}, account: account}
	first, err := p.read(t.Context())
	a.env.Now = func() time.Time { return time.Now().Add(5 * time.Hour) }
	again, err2 := p.read(t.Context())
	if err != nil || err2 != nil || first != again || time.Since(time.Unix(first.From, 0)).Round(time.Hour) != time.Hour {
		t.Errorf("%+v, then %+v; %v, %v", first, again, err, err2)
	}
}

// An account that is gone, in each of WeCom's ways, is left, and the operator is told; without any other Run ends.
func TestBarred(t *testing.T) {
	for code, want := range map[int]string{95000: "已不存在", 95004: "已不存在", 95017: "未交由 API 管理"} {
		r := newRig(t, wechatkftest.Options{})
		a := r.open()
		r.Fail(syncPath, wechatkftest.Fault{Code: code, Msg: "no"})
		err := a.Run(t.Context(), r)
		if w := strings.Join(a.Warnings(), "\n"); err == nil || !strings.Contains(err.Error(), errNoAccounts.Error()) || !strings.Contains(w, want) {
			t.Errorf("%d: %v, the operator reads %q", code, err, w)
		}
	}
}

// An account that was taken away and is given back is not warned of any more.
func TestAccountComesBack(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	a := r.start()
	r.met()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, element := range []string{"AuthDelOpenKfId", "AuthAddOpenKfId"} {
		r.Post(client, fmt.Sprintf("<xml><Event>kf_account_auth_change</Event><%[1]s>%[2]s</%[1]s></xml>", element, account))
		if w := strings.Join(a.Warnings(), "\n"); strings.Contains(w, account) != (element == "AuthDelOpenKfId") {
			t.Errorf("after %s the operator reads %q", element, w)
		}
	}
}

// A callback to a gateway whose adapter does not run has to come again.
func TestCallbackWhileNotRunning(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	r.Attach(r.open())
	if status := r.Post(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, "<xml><Event>kf_msg_or_event</Event><OpenKfId>"+account+"</OpenKfId></xml>"); status != http.StatusServiceUnavailable {
		t.Errorf("status %d", status)
	}
	r.Attach(nil)
}

// Run ends after all that it has begun, and what the gateway did not take is asked for again.
func TestEndsWhileStoring(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	a := r.open()
	storing, stored := make(chan struct{}), make(chan struct{})
	r.answer = func(bridge.Event) error {
		close(storing)
		<-stored
		return errNotNow
	}
	r.Say(account, customer, "x")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, r) }()
	<-storing
	cancel()
	select {
	case err := <-ended:
		t.Errorf("it ends before: %v", err)
		ended <- err
	case <-time.After(20 * time.Millisecond):
	}
	close(stored)
	if err := <-ended; err == nil {
		t.Error("Run ends without saying why")
	}
	var at place
	if known, err := bridge.Load(t.Context(), r.state, "cursor/"+account, &at); err != nil || !known || at.Cursor != "" {
		t.Errorf("%+v, %v", at, err)
	}
}

// Opening the chat without a card allows nothing when the config has no words for it.
func TestEnterWithoutCard(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	a := r.start()
	r.Enter(account, customer, "")
	j := await(r, func(bridge.Joined) bool { return true })
	if _, ok := a.takeCode(j.Room); ok || j.Window != nothing() {
		t.Errorf("joined as %+v, with a code: %v", j, ok)
	}
}

// A session that somebody else changes at the same moment is the API's all the same.
func TestTakenOverAtOnce(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	r.start()
	room := r.met()
	r.Fail(sendPath, wechatkftest.Fault{Code: 95018, Msg: "send msg session status invalid", Times: 1})
	r.Fail("/cgi-bin/kf/service_state/trans", wechatkftest.Fault{Code: 95016, Msg: "not allowed", Times: 1})
	if err := r.say(room, "k", "您好"); err != nil {
		t.Error(err)
	}
}
