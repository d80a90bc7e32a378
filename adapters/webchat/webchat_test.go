package webchat

import (
	"context"
	"encoding/json"
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

// shop is a web chat in a small gateway, with a clock of its own.
type shop struct {
	*testing.T
	chat  *Webchat
	house *browsertest.House
	kv    *browsertest.KV
	mu    sync.Mutex
	at    time.Time
}

func (s *shop) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

func (s *shop) later(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = s.at.Add(d)
}

// newShop opens a web chat that does not hear yet.
func newShop(t *testing.T, change ...func(*Config)) *shop {
	t.Helper()
	s := &shop{T: t, kv: &browsertest.KV{}, at: time.Unix(1_800_000_000, 0)}
	s.house = browsertest.New(s.now)
	cfg := Kind().New().(*Config)
	for _, f := range change {
		f(cfg)
	}
	a, err := cfg.Open(bridge.Env{
		Name: "web", Log: slog.New(slog.DiscardHandler), State: s.kv, Lobby: s.house.Lobby(bridge.ContactSide), Now: s.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.chat = a.(*Webchat)
	s.house.Attach(bridge.ContactSide, a)
	return s
}

// start lets it hear until stop is called.
func (s *shop) start() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.chat.Run(ctx, s.house.Inbox(bridge.ContactSide)) }()
	for !errors.Is(s.chat.Receive(ctx, bridge.Typing{Room: "x", User: "x"}), bridge.ErrRefused) {
		if ctx.Err() != nil {
			break
		}
	}
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			s.Errorf("Run ended with %v", err)
		}
	})
}

func openShop(t *testing.T, change ...func(*Config)) *shop {
	s := newShop(t, change...)
	t.Cleanup(s.start())
	return s
}

func (s *shop) browser() *browsertest.Browser { return browsertest.NewBrowser(s.chat.Pages()...) }

// join goes through a card and returns the room that the customer is led to.
func (s *shop) join(b *browsertest.Browser, card string, pairs ...string) bridge.RoomID {
	s.Helper()
	w := b.Form("/c/"+card, append([]string{"name", "王小明"}, pairs...)...)
	at, err := url.Parse(w.Header().Get("Location"))
	if w.Code != http.StatusSeeOther || err != nil || at.Path != "/chat" {
		s.Fatalf("join %s: status %d to %q: %s", card, w.Code, w.Header().Get("Location"), w.Body)
	}
	return bridge.RoomID(at.Query().Get("r"))
}

// events are what was received, without signs of typing.
func events[E bridge.Event](s *shop) (out []E) {
	for _, e := range s.house.Events() {
		if v, ok := e.(E); ok {
			out = append(out, v)
		}
	}
	return out
}

func (s *shop) rooms(b *browsertest.Browser) (out []string) {
	s.Helper()
	var got struct{ Rooms []struct{ Room string } }
	w := b.Get("/chat/api/rooms")
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		s.Fatalf("rooms: status %d: %v", w.Code, err)
	}
	for _, r := range got.Rooms {
		out = append(out, r.Room)
	}
	return out
}

func say(room bridge.RoomID, n int, text string) map[string]any {
	return map[string]any{"room": room, "id": fmt.Sprintf("01J%023d", n), "text": text}
}

// While nobody hears, or the gateway cannot store, the customer is told to try again, and nothing is lost.
func TestNotNow(t *testing.T) {
	s := newShop(t)
	if w := s.browser().Form("/c/OPENCARD", "name", "A", "hello", "my question"); w.Code != http.StatusServiceUnavailable ||
		w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "my question") {
		t.Errorf("join: status %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	stop := s.start()
	b := s.browser()
	room := s.join(b, "OPENCARD")
	s.house.FailWith(bridge.ErrFull)
	post := func() int {
		w := b.JSON("/chat/api/say", say(room, 1, "hello"))
		if w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		return w.Code
	}
	if code := post(); code != http.StatusServiceUnavailable {
		t.Errorf("full: status %d, want 503", code)
	}
	s.house.FailWith(fmt.Errorf("not you: %w", bridge.ErrRefused))
	if code := post(); code != http.StatusBadRequest {
		t.Errorf("refused: status %d, want 400", code)
	}
	s.house.FailWith(nil)
	stop()
	if code := post(); code != http.StatusServiceUnavailable {
		t.Errorf("stopped: status %d, want 503", code)
	}
	defer s.start()()
	for range 2 {
		if code := post(); code != http.StatusNoContent {
			t.Errorf("running again: status %d, want 204", code)
		}
	}
	if lines := s.history(b, room); len(lines) != 1 || lines[0].Text != "hello" {
		t.Errorf("the history has %+v, want hello once", lines)
	}
}

type line struct {
	ID, Msg, Text string
	Mine          bool
}

func (s *shop) history(b *browsertest.Browser, room bridge.RoomID) []line {
	s.Helper()
	var got struct{ Lines []line }
	w := b.Get("/chat/api/room?" + url.Values{"room": {string(room)}, "n": {"50"}}.Encode())
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		s.Fatalf("room: status %d: %v", w.Code, err)
	}
	return got.Lines
}

func TestStrangersStayOut(t *testing.T) {
	s := openShop(t)
	a, b := s.browser(), s.browser()
	room := s.join(a, "OPENCARD")
	s.join(b, "OPENCARD")
	a.JSON("/chat/api/say", say(room, 1, "a secret"))
	id := s.history(a, room)[0]
	for _, path := range []string{"room?n=5&room=", "line?msg=" + id.Msg + "&room=", "file?i=0&id=" + id.ID + "&room="} {
		if w := b.Get("/chat/api/" + path + url.QueryEscape(string(room))); w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: status %d, want 404", path, w.Code)
		}
	}
	for name, v := range map[string]any{
		"say": say(room, 2, "x"), "typing": map[string]any{"room": room}, "edit": map[string]any{"room": room, "msg": id.Msg, "text": "x"},
		"recall": map[string]any{"room": room, "msg": id.Msg}, "react": map[string]any{"room": room, "msg": id.Msg, "emoji": "👍"},
		"leave": map[string]any{"room": room, "id": "01J00000000000000000000009"}, "answer": map[string]any{"room": room, "ask": "x", "choice": "accept"},
	} {
		if w := b.JSON("/chat/api/"+name, v); w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d, want 404", name, w.Code)
		}
	}
	if n := len(events[bridge.MessageEvent](s)); n != 1 {
		t.Errorf("%d messages got on the road, want 1", n)
	}
}

func TestFiles(t *testing.T) {
	s := openShop(t, func(c *Config) { c.MaxFile = 1000 })
	a, b := s.browser(), s.browser()
	room := s.join(a, "OPENCARD")
	other := s.join(b, "OPENCARD")
	upload := func(name, typ string, size int) (token string, code int) {
		w := a.Do("POST", "/chat/api/upload?name="+url.QueryEscape(name), typ, strings.NewReader(strings.Repeat("x", size)))
		var got struct{ Token string }
		_ = json.Unmarshal(w.Body.Bytes(), &got) // an error has none
		return got.Token, w.Code
	}
	for name, c := range map[string]struct {
		name, typ string
		size      int
		want      int
	}{
		"too large":      {"a.txt", "text/plain", 1001, http.StatusRequestEntityTooLarge},
		"a program":      {"a.exe", "application/x-msdownload", 10, http.StatusBadRequest},
		"at the limit":   {"a.txt", "text/plain", 1000, http.StatusOK},
		"a path":         {"../../etc/passwd\x00", "text/plain", 1, http.StatusOK},
		"without a name": {"", "", 1, http.StatusOK},
	} {
		if _, code := upload(c.name, c.typ, c.size); code != c.want {
			t.Errorf("%s: status %d, want %d", name, code, c.want)
		}
	}
	page, _ := upload("page.html", "text/html", 10)
	picture, _ := upload("p.png", "image/png", 10)
	post := say(room, 1, "")
	post["files"] = []string{page, picture}
	if w := a.JSON("/chat/api/say", post); w.Code != http.StatusNoContent {
		t.Fatalf("say: status %d: %s", w.Code, w.Body)
	}
	post["room"] = other
	if w := b.JSON("/chat/api/say", post); w.Code != http.StatusBadRequest {
		t.Errorf("somebody else's upload: status %d, want 400", w.Code)
	}
	id := s.history(a, room)[0].ID
	for i, want := range []struct{ typ, how string }{{"application/octet-stream", "attachment"}, {"image/png", "inline"}} {
		h := a.Get(fmt.Sprintf("/chat/api/file?room=%s&id=%s&i=%d", room, id, i)).Header()
		if h.Get("Content-Type") != want.typ || !strings.HasPrefix(h.Get("Content-Disposition"), want.how) ||
			h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("file %d is served with %v", i, h)
		}
	}
}

func TestLimits(t *testing.T) {
	s := openShop(t, func(c *Config) { c.Requests = 4 })
	codes := map[int]int{}
	for range 6 {
		codes[s.browser().Form("/c/OPENCARD", "name", "A").Code]++
	}
	if codes[http.StatusTooManyRequests] < 3 {
		t.Errorf("requests from one address: %v", codes)
	}
	far := s.browser()
	far.Addr = "203.0.113.5:9"
	room := s.join(far, "OPENCARD")
	codes = map[int]int{}
	for i := range 150 {
		codes[far.JSON("/chat/api/say", say(room, i, "x")).Code]++
	}
	if codes[http.StatusTooManyRequests] < 20 || codes[http.StatusNoContent] < 100 {
		t.Errorf("messages of one customer: %v", codes)
	}
	s.later(time.Minute)
	if w := far.JSON("/chat/api/say", say(room, 999, "x")); w.Code != http.StatusNoContent {
		t.Errorf("a minute later: status %d", w.Code)
	}
}

// A page that lost its connection gets what it missed, once; one that was away for too long is told to
// read everything anew.
func TestLiveResumes(t *testing.T) {
	s := newShop(t)
	stop := s.start()
	b := s.browser()
	room := s.join(b, "OPENCARD")
	var got []string
	listening := make(chan struct{})
	joined := sync.OnceFunc(func() { close(listening) })
	listen := func(last string, until int) string {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return b.Live(ctx, "/chat/live", last, func(name, data string) {
			if name == "" {
				joined()
				return
			}
			var e struct{ Msg, Text string }
			_ = json.Unmarshal([]byte(data), &e) // "" is seen below
			if got = append(got, name+" "+e.Text); len(got) == until {
				cancel()
			}
		})
	}
	send := func(text string) {
		ids, err := s.chat.Send(context.Background(), room, bridge.Draft{Key: text, Text: text, As: bridge.Label{Name: "李雷"}})
		if err != nil || len(ids) != 1 {
			t.Errorf("send: %v, %v", ids, err)
		}
	}
	var first string
	read := make(chan struct{})
	go func() { defer close(read); first = listen("", 1) }()
	<-listening
	send("one")
	<-read
	send("two")
	send("three")
	last := listen(first, 3)
	if want := "line one|line two|line three"; strings.Join(got, "|") != want {
		t.Errorf("heard %q, want %q", strings.Join(got, "|"), want)
	}
	stop()
	s2 := s.start()
	defer s2()
	got = nil
	listen("unknown-17", 1)
	if len(got) != 1 || !strings.HasPrefix(got[0], "reset") {
		t.Errorf("with an unknown id it heard %q, want reset", got)
	}
	if last == "" || last == first {
		t.Errorf("ids %q and %q", first, last)
	}
}

func TestVerify(t *testing.T) {
	s := openShop(t)
	if w := s.browser().Get("/verify/verify-lilei"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "李雷") || !strings.Contains(w.Body.String(), `data-real="true"`) {
		t.Errorf("a real employee: status %d", w.Code)
	}
	s.house.SetMemberState("lilei", bridge.MemberLeft)
	for _, token := range []string{"verify-lilei", "nonsense", "%3Cscript%3E", strings.Repeat("a", 3000)} {
		if w := s.browser().Get("/verify/" + token); w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), "李雷") || !strings.Contains(w.Body.String(), "无法确认") {
			t.Errorf("%.30s: status %d", token, w.Code)
		}
	}
}

func TestFrames(t *testing.T) {
	closed, open := openShop(t), openShop(t, func(c *Config) { c.Origins = []string{"https://www.acme.example"} })
	if w := closed.browser().Get("/c/OPENCARD?embed=https://www.acme.example"); !strings.Contains(w.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Error("without origins the pages may be framed")
	}
	if w := closed.browser().Get("/widget.js"); w.Code != http.StatusNotFound {
		t.Errorf("without origins the widget is served: status %d", w.Code)
	}
	b := open.browser()
	w := b.Get("/c/OPENCARD?embed=https://www.acme.example")
	if csp := w.Header().Get("Content-Security-Policy"); !strings.HasSuffix(csp, "frame-ancestors 'self' https://www.acme.example") {
		t.Errorf("policy %q", csp)
	}
	if !strings.Contains(w.Body.String(), `"parent":"https://www.acme.example"`) {
		t.Error("the page does not know whose frame it is in")
	}
	if w := b.Get("/c/OPENCARD?embed=https://evil.example"); strings.Contains(w.Body.String(), `"parent"`) {
		t.Error("the page would speak to a site that is not in origins")
	}
	if w := b.Get("/widget.js"); w.Code != http.StatusOK || w.Header().Get("Cross-Origin-Resource-Policy") != "cross-origin" {
		t.Errorf("widget: status %d, %v", w.Code, w.Header())
	}
}

func TestLeave(t *testing.T) {
	s := openShop(t)
	b := s.browser()
	room := s.join(b, "OPENCARD")
	post := map[string]any{"room": room, "id": "01J00000000000000000000007"}
	if w := b.JSON("/chat/api/leave", post); w.Code != http.StatusNoContent {
		t.Errorf("status %d", w.Code)
	}
	if got := events[bridge.Left](s); len(got) != 1 || got[0].Event == "" || got[0].Room != room {
		t.Errorf("received %+v", got)
	}
	if w := b.Get("/c/OPENCARD"); !strings.Contains(w.Body.String(), `data-testid="request"`) {
		t.Error("who has left cannot come back through the card")
	}
}
