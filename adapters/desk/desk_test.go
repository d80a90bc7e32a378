package desk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx/browser/browsertest"
)

// office is a desk in a small gateway, with a clock of its own.
type office struct {
	*testing.T
	desk  *Desk
	house *browsertest.House
	kv    *browsertest.KV
	mu    sync.Mutex
	at    time.Time
	logs  strings.Builder
}

func (o *office) now() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.at
}

func (o *office) later(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.at = o.at.Add(d)
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{T: t, kv: &browsertest.KV{}, at: time.Unix(1_800_000_000, 0)}
	o.house = browsertest.New(o.now)
	a, err := Kind().New().Open(bridge.Env{
		Name: "desk", Log: slog.New(slog.NewTextHandler(&o.logs, nil)), State: o.kv, Lobby: o.house.Lobby(bridge.MemberSide), Now: o.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	o.desk = a.(*Desk)
	o.house.Attach(bridge.MemberSide, a)
	return o
}

// run lets the desk hear until the test is over.
func (o *office) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- o.desk.Run(ctx, o.house.Inbox(bridge.MemberSide)) }()
	o.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			o.Errorf("Run ended with %v", err)
		}
	})
	for {
		if err := o.desk.Receive(ctx, bridge.Typing{Room: "x", User: "x"}); errors.Is(err, bridge.ErrRefused) {
			return // it hears
		}
	}
}

// link makes a sign-in link and returns its token.
func (o *office) link(u bridge.UserID) string {
	o.Helper()
	link, err := o.desk.SignIn(context.Background(), u)
	if err != nil {
		o.Fatal(err)
	}
	at, err := url.Parse(link)
	if err != nil || at.Path != "/desk/enter" {
		o.Fatalf("link %q: %v", link, err)
	}
	return at.Query().Get("t")
}

func (o *office) browser() *browsertest.Browser { return browsertest.NewBrowser(o.desk.Pages()...) }

// seated is a browser that is signed in.
func (o *office) seated(u bridge.UserID) *browsertest.Browser {
	o.Helper()
	b := o.browser()
	if w := b.Form("/desk/enter", "t", o.link(u)); w.Code != http.StatusSeeOther {
		o.Fatalf("enter: status %d", w.Code)
	}
	return b
}

func (o *office) signedIn(b *browsertest.Browser) bool {
	return b.Get("/desk/api/rooms").Code == http.StatusOK
}

func TestLinkIsGoodForOneUse(t *testing.T) {
	o := newOffice(t)
	token := o.link("lilei")
	if o.kv.Contains(token) {
		t.Error("the token itself is kept; only its hash may be")
	}
	preview := o.browser()
	for range 3 { // what only looks at it does not use it up
		if w := preview.Get("/desk/enter?t=" + token); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "李雷") {
			t.Errorf("look: status %d", w.Code)
		}
	}
	if o.signedIn(preview) {
		t.Error("looking at the link signs in")
	}
	b := o.browser()
	if w := b.Form("/desk/enter", "t", token); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/desk/password" {
		t.Errorf("enter: status %d to %q", w.Code, w.Header().Get("Location"))
	}
	if !o.signedIn(b) {
		t.Error("the link did not sign in")
	}
	for _, again := range []int{b.Form("/desk/enter", "t", token).Code, preview.Form("/desk/enter", "t", token).Code, preview.Get("/desk/enter?t=" + token).Code} {
		if again != http.StatusGone {
			t.Errorf("used again: status %d, want 410", again)
		}
	}
	if o.signedIn(preview) {
		t.Error("a used link signs in")
	}
}

// Of many who come at once with one link, one gets in.
func TestLinkIsGoodForOneOfMany(t *testing.T) {
	o := newOffice(t)
	token := o.link("lilei")
	got := make(chan int, 8)
	for range cap(got) {
		b := o.browser()
		go func() { got <- b.Form("/desk/enter", "t", token).Code }()
	}
	in := 0
	for range cap(got) {
		if <-got == http.StatusSeeOther {
			in++
		}
	}
	if in != 1 {
		t.Errorf("%d got in, want 1", in)
	}
}

func TestLinkEnds(t *testing.T) {
	o := newOffice(t)
	token := o.link("lilei")
	o.later(24*time.Hour + time.Second)
	if w := o.browser().Form("/desk/enter", "t", token); w.Code != http.StatusGone {
		t.Errorf("status %d, want 410", w.Code)
	}
	if _, err := o.desk.SignIn(context.Background(), "nobody"); !errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("a link for nobody: %v", err)
	}
}

func TestBadLinks(t *testing.T) {
	o := newOffice(t)
	for i, token := range []string{"", "x", strings.Repeat("A", 26), strings.Repeat("A", 5000), "../../session/x", "<script>", "\x00"} {
		b := o.browser()
		b.Addr = fmt.Sprintf("203.0.113.%d:1", i)
		if w := b.Form("/desk/enter", "t", token); w.Code != http.StatusGone || strings.Contains(w.Body.String(), "<script>alert") {
			t.Errorf("%.20q: status %d", token, w.Code)
		}
	}
}

func TestPassword(t *testing.T) {
	o := newOffice(t)
	b := o.seated("lilei")
	for name, c := range map[string]struct{ password, again string }{
		"short":          {"123456789", "123456789"},
		"different":      {"correct horse", "correct hors"},
		"one letter":     {"aaaaaaaaaaaa", "aaaaaaaaaaaa"},
		"too long":       {strings.Repeat("ab", 101), strings.Repeat("ab", 101)},
		"empty":          {"", ""},
		"not valid text": {"correct\xffhorse", "correct\xffhorse"},
	} {
		if w := b.Form("/desk/password", "password", c.password, "again", c.again); w.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s: status %d, want 422", name, w.Code)
		}
	}
	const password = "三个字 correct horse"
	if w := b.Form("/desk/password", "password", password, "again", password); w.Code != http.StatusSeeOther {
		t.Fatalf("set: status %d: %s", w.Code, w.Body)
	}
	if o.kv.Contains(password) || !o.kv.Contains("$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Error("the password must be kept as argon2id, and only so")
	}
	other := o.browser()
	for name, c := range map[string]struct {
		account, password string
		want              int
	}{
		"wrong":           {"lilei", "wrong password", http.StatusForbidden},
		"somebody else's": {"hanmei", password, http.StatusForbidden},
		"nobody's":        {"nobody", password, http.StatusForbidden},
		"empty":           {"lilei", "", http.StatusBadRequest},
		"right":           {"lilei", password, http.StatusSeeOther},
	} {
		if w := other.Form("/desk/in", "account", c.account, "password", c.password); w.Code != c.want {
			t.Errorf("%s: status %d, want %d", name, w.Code, c.want)
		}
	}
	if !o.signedIn(other) {
		t.Error("the right password did not sign in")
	}
	if strings.Contains(o.logs.String(), "correct horse") {
		t.Error("the password is in the log")
	}
}

// A new password ends every session that began before, and needs the old one after a while.
func TestNewPasswordEndsSessions(t *testing.T) {
	o := newOffice(t)
	set := func(b *browsertest.Browser, old, password string) int {
		return b.Form("/desk/password", "old", old, "password", password, "again", password).Code
	}
	a, b := o.seated("lilei"), o.seated("lilei")
	if code := set(a, "", "first password"); code != http.StatusSeeOther {
		t.Fatalf("set: status %d", code)
	}
	if !o.signedIn(a) || o.signedIn(b) {
		t.Errorf("who set it is in: %v, the other session: %v; want true, false", o.signedIn(a), o.signedIn(b))
	}
	o.later(time.Hour)
	if code := set(a, "wrong password", "second password"); code != http.StatusForbidden {
		t.Errorf("with a wrong old password: status %d, want 403", code)
	}
	if code := set(a, "first password", "second password"); code != http.StatusSeeOther {
		t.Errorf("with the old password: status %d", code)
	}
}

func TestGuessesAreLimited(t *testing.T) {
	o := newOffice(t)
	b := o.seated("lilei")
	b.Form("/desk/password", "password", "correct horse", "again", "correct horse")
	limited := 0
	for i := range 15 {
		g := o.browser()
		g.Addr = fmt.Sprintf("198.51.100.%d:1", i) // every guess from another address
		w := g.Form("/desk/in", "account", "lilei", "password", fmt.Sprintf("guess number %d", i))
		if w.Code == http.StatusTooManyRequests {
			limited++
			if w.Header().Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
	}
	if limited < 4 {
		t.Errorf("%d of 15 guesses at one account were stopped, want 4 or more", limited)
	}
	limited = 0
	g := o.browser()
	g.Addr = "203.0.113.7:1"
	for i := range 30 {
		if g.Form("/desk/in", "account", fmt.Sprintf("name%d", i), "password", "x").Code == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited < 8 {
		t.Errorf("%d of 30 guesses from one address were stopped, want 8 or more", limited)
	}
	if !o.signedIn(b) {
		t.Error("guessing ends the session of who is in")
	}
}

func TestWhoLeftIsOut(t *testing.T) {
	o := newOffice(t)
	b := o.seated("lilei")
	o.house.SetMemberState("lilei", bridge.MemberLeft)
	if o.signedIn(b) {
		t.Error("a member who has left is still in")
	}
}

func TestSignOut(t *testing.T) {
	o := newOffice(t)
	b, other := o.seated("lilei"), o.seated("lilei")
	session := b.Cookies()[0]
	if w := b.Form("/desk/out"); w.Code != http.StatusSeeOther {
		t.Errorf("status %d", w.Code)
	}
	b.SetCookie(session.Name, session.Value) // kept by somebody
	if o.signedIn(b) || !o.signedIn(other) {
		t.Error("signing out ends this session, and no other")
	}
	o.later(31 * 24 * time.Hour)
	if o.signedIn(other) {
		t.Error("a session that nobody used for a month is still good")
	}
}

// What another site makes the browser send is refused, though the cookie comes along.
func TestOtherSites(t *testing.T) {
	o := newOffice(t)
	o.run()
	b := o.seated("lilei")
	for name, head := range map[string]http.Header{
		"cross-site":   {"Sec-Fetch-Site": {"cross-site"}},
		"same-site":    {"Sec-Fetch-Site": {"same-site"}},
		"old browsers": {"Sec-Fetch-Site": {""}, "Origin": {"https://evil.example"}},
	} {
		b.Header = head
		for _, target := range []string{"/desk/api/say", "/desk/api/command", "/desk/out", "/desk/password", "/desk/in", "/desk/enter"} {
			if w := b.Form(target, "x", "y"); w.Code != http.StatusForbidden {
				t.Errorf("%s: %s: status %d, want 403", name, target, w.Code)
			}
		}
	}
	b.Header = http.Header{}
	if w := b.Form("/desk/api/command", "room", "lilei.x"); w.Code != http.StatusBadRequest {
		t.Errorf("a plain form instead of JSON: status %d, want 400", w.Code)
	}
	if !o.signedIn(b) {
		t.Error("another site signed the member out")
	}
}

func TestNobodySeesAnything(t *testing.T) {
	o := newOffice(t)
	o.run()
	for _, path := range []string{"rooms", "room?room=lilei.x&n=1", "line?room=lilei.x&msg=k", "file?room=lilei.x&id=m1&i=0"} {
		if w := o.browser().Get("/desk/api/" + path); w.Code != http.StatusUnauthorized {
			t.Errorf("%s: status %d, want 401", path, w.Code)
		}
	}
	if w := o.browser().Get("/desk/live"); w.Code != http.StatusUnauthorized {
		t.Errorf("live: status %d, want 401", w.Code)
	}
	if w := o.browser().JSON("/desk/api/say", map[string]string{"text": "x"}); w.Code != http.StatusUnauthorized {
		t.Errorf("say: status %d, want 401", w.Code)
	}
	w := o.browser().Get("/desk")
	csp := w.Header().Get("Content-Security-Policy")
	if strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") {
		t.Errorf("policy %q", csp)
	}
}

func TestConfig(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		field  string
	}{
		"defaults":          {func(*Config) {}, ""},
		"session too short": {func(c *Config) { c.Session = time.Second }, "session"},
		"session too long":  {func(c *Config) { c.Session = 400 * 24 * time.Hour }, "session"},
		"enter too long":    {func(c *Config) { c.Enter = 30 * 24 * time.Hour }, "enter"},
		"no text":           {func(c *Config) { c.MaxText = 0 }, "max_text"},
		"no file":           {func(c *Config) { c.MaxFile = -1 }, "max_file"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Kind().New().(*Config)
			c.change(cfg)
			var problem *bridge.FieldError
			if err := cfg.Check(); (err == nil) != (c.field == "") || errors.As(err, &problem) && problem.Field != c.field {
				t.Errorf("got %v, want a problem of %q", err, c.field)
			}
		})
	}
	if err := (&Config{}).Check(); strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("four mistakes are not all named: %v", err)
	}
}

// A form of any shape is answered.
func FuzzForms(f *testing.F) {
	f.Add("account=lilei&password=x")
	f.Add("t=AAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("%zz&;=")
	o := &office{T: &testing.T{}, kv: &browsertest.KV{}, at: time.Unix(1_800_000_000, 0)}
	o.house = browsertest.New(o.now)
	a, err := open(*Kind().New().(*Config), bridge.Env{
		Name: "desk", Log: slog.New(slog.DiscardHandler), State: o.kv, Lobby: o.house.Lobby(bridge.MemberSide), Now: o.now,
	})
	if err != nil {
		f.Fatal(err)
	}
	o.desk = a
	f.Fuzz(func(t *testing.T, body string) {
		o.later(time.Hour)
		b := o.browser()
		for _, path := range []string{"/desk/enter", "/desk/in", "/desk/password", "/desk/out"} {
			w := b.Do("POST", path, "application/x-www-form-urlencoded", strings.NewReader(body))
			if w.Code == http.StatusInternalServerError || w.Code == http.StatusServiceUnavailable || o.signedIn(b) {
				t.Errorf("%s: status %d", path, w.Code)
			}
		}
	})
}

// What did not arrive asks what to do; any other news of the message ends the question.
func TestAFailedMessageAsks(t *testing.T) {
	o := newOffice(t)
	o.run()
	b, room := o.seated("lilei"), o.customer()
	page := func() string { return b.Get("/desk/api/room?n=10&room=" + url.QueryEscape(string(room))).Body.String() }
	fate := bridge.Fate{State: bridge.StateFailed, Reason: "blocked", Ask: &bridge.Ask{
		ID: "fate:d1", Text: "blocked", Choices: []bridge.Choice{{ID: "send", Label: "重新发送"}},
	}}
	mark := func(f bridge.Fate) {
		t.Helper()
		if err := o.desk.Mark(t.Context(), room, "m1", f); err != nil {
			t.Fatal(err)
		}
	}
	mark(fate)
	mark(fate)
	if got := page(); strings.Count(got, `"fate:d1"`) != 1 || !strings.Contains(got, "重新发送") {
		t.Errorf("the page shows %s", got)
	}
	mark(bridge.Fate{State: bridge.StateSent})
	if got := page(); strings.Contains(got, "fate:d1") {
		t.Errorf("the page still shows %s", got)
	}
}

// customer is the room of one who has asked for lilei.
func (o *office) customer() bridge.RoomID {
	o.Helper()
	customer := o.house.Inbox(bridge.ContactSide)
	if err := customer.Receive(o.Context(), bridge.Joined{Room: "c", User: "c", Card: "OPENCARD", Name: "小红", At: o.now()}); err != nil {
		o.Fatal(err)
	}
	rooms, err := o.house.Lobby(bridge.MemberSide).Rooms(o.Context(), "lilei")
	if err != nil || len(rooms) != 1 {
		o.Fatalf("rooms = %+v, %v", rooms, err)
	}
	return rooms[0].Room
}

// What buttons and fields stand for is heard as if it had been typed, and nothing else is.
func TestButtonsAreCommands(t *testing.T) {
	o := newOffice(t)
	o.run()
	b, room := o.seated("lilei"), o.customer()
	const id = "01J8Z3V7K2QWERTYASDFGHZXCV"
	for name, c := range map[string]struct {
		room   bridge.RoomID
		id     string
		text   string
		status int
	}{
		"a command":           {room, id, "/remark 喜欢 *喝茶* ", http.StatusNoContent},
		"an unknown one":      {room, id, "/fly", http.StatusBadRequest},
		"words":               {room, id, "remark x", http.StatusBadRequest},
		"nothing":             {room, id, "/", http.StatusBadRequest},
		"too long":            {room, id, "/remark " + strings.Repeat("长", 500), http.StatusBadRequest},
		"without a name":      {room, "x", "/pin", http.StatusBadRequest},
		"somebody's else":     {"hanmeimei.x", id, "/pin", http.StatusNotFound},
		"in no room whatever": {"", id, "/pin", http.StatusNotFound},
	} {
		before := len(o.house.Events())
		w := b.JSON("/desk/api/command", map[string]any{"room": c.room, "id": c.id, "text": c.text})
		heard := o.house.Events()[before:]
		if w.Code != c.status || (w.Code == http.StatusNoContent) != (len(heard) == 1) {
			t.Errorf("%s: status %d, heard %+v", name, w.Code, heard)
		}
		if len(heard) != 1 {
			continue
		}
		if e, ok := heard[0].(bridge.MessageEvent); !ok || e.Text != `/remark 喜欢 \*喝茶\*` || e.Room != room || e.User != "lilei" || e.Msg != id {
			t.Errorf("%s: heard %+v", name, heard[0])
		}
	}
}
