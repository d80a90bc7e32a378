package fake_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hutong-im/hutong/adapters/fake"
	"github.com/hutong-im/hutong/bridge"
)

func noContent() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader([]byte("content"))), nil
}

func network(t *testing.T, o fake.Options) *fake.Network {
	t.Helper()
	n, err := fake.NewNetwork(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

// open makes the adapter that reaches the network in process.
func open(t *testing.T, n *fake.Network) bridge.Adapter {
	t.Helper()
	a, err := n.Config().Open(bridge.Env{Name: "fake", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// hear runs an adapter until the test ends, and waits until the network knows it.
func hear(t *testing.T, a bridge.Adapter, in bridge.Inbox) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := a.Run(ctx, in); !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
}

// inbox keeps what it receives.
type inbox struct {
	mu     sync.Mutex
	events []bridge.Event
	answer func(n int) error // n counts calls from 1; nil is always nil
	calls  int
}

func (in *inbox) Receive(_ context.Context, e bridge.Event) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.calls++
	if in.answer != nil {
		if err := in.answer(in.calls); err != nil {
			return err
		}
	}
	in.events = append(in.events, e)
	return nil
}

func (in *inbox) texts() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	var out []string
	for _, e := range in.events {
		if m, ok := e.(bridge.MessageEvent); ok && !m.Own {
			out = append(out, m.Text)
		}
	}
	return out
}

func send(t *testing.T, a bridge.Adapter, room bridge.RoomID, key, text string) error {
	t.Helper()
	_, err := a.Send(t.Context(), room, bridge.Draft{Key: key, Text: text})
	return err
}

// The network brings events until they are acknowledged, in order per room, and counts its tries.
func TestBringsUntilAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := network(t, fake.Options{})
		busy := errors.New("not now")
		in := &inbox{answer: func(i int) error {
			if i <= 3 {
				return busy
			}
			return nil
		}}
		n.Say(fake.Said{User: "zhang", Text: "1"})
		n.Say(fake.Said{User: "zhang", Text: "2"})
		if got := n.Unheard(); got != 2 {
			t.Errorf("%d events wait, want 2", got)
		}
		hear(t, open(t, n), in)
		if err := n.Wait(t.Context(), func() bool { return n.Unheard() == 0 }); err != nil {
			t.Fatal(err)
		}
		if got := in.texts(); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("heard %q", got)
		}
		if c := n.Counts(); c.Events != 2 || c.Tries != 5 {
			t.Errorf("counts %+v, want 2 events in 5 tries", c)
		}
	})
}

// What is brought twice on purpose arrives twice.
func TestTroubleOfEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := network(t, fake.Options{})
		in := &inbox{}
		hear(t, open(t, n), in)
		synctest.Wait()
		n.Fail(fake.Fault{Trouble: fake.Twice, Times: 1})
		n.Say(fake.Said{User: "zhang", Text: "twice"})
		synctest.Wait()
		n.Fail(fake.Fault{Trouble: fake.Deaf, Times: 1})
		n.Say(fake.Said{User: "zhang", Text: "late"})
		if err := n.Wait(t.Context(), func() bool { return n.Unheard() == 0 }); err != nil {
			t.Fatal(err)
		}
		if got := in.texts(); !slices.Equal(got, []string{"twice", "twice", "late"}) {
			t.Errorf("heard %q", got)
		}
	})
}

func TestWindowIsEnforced(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	n := network(t, fake.Options{Profile: fake.Windowed, Now: func() time.Time { return now }})
	a := open(t, n)
	room := fake.DM("zhang")
	n.Room(room, "", "zhang")
	if got := bridge.Judge(send(t, a, room, "0", "too early")).Verdict; got != bridge.VerdictClosed {
		t.Errorf("before the customer has written: %d", got)
	}
	n.Say(fake.Said{User: "zhang", Text: "hello"})
	for i := range 5 {
		if err := send(t, a, room, string(rune('a'+i)), "answer"); err != nil {
			t.Errorf("message %d: %v", i+1, err)
		}
	}
	if got := bridge.Judge(send(t, a, room, "f", "sixth")).Verdict; got != bridge.VerdictClosed {
		t.Errorf("the sixth message: %d", got)
	}
	n.Say(fake.Said{User: "zhang", Text: "still there?"})
	now = now.Add(48*time.Hour - time.Second)
	if err := send(t, a, room, "g", "just in time"); err != nil {
		t.Errorf("within 48 h: %v", err)
	}
	now = now.Add(time.Second)
	if got := bridge.Judge(send(t, a, room, "h", "too late")).Verdict; got != bridge.VerdictClosed {
		t.Errorf("after 48 h: %d", got)
	}
}

// With keys nothing is shown twice; without, the network shows and counts it.
func TestCountsDuplicates(t *testing.T) {
	for profile, want := range map[string]fake.Counts{
		fake.Full:       {Calls: 2, Sent: 1, Deduped: 1},
		fake.Searchable: {Calls: 2, Sent: 2, Duplicate: 1},
	} {
		n := network(t, fake.Options{Profile: profile})
		n.Room("r", "")
		a := open(t, n)
		for range 2 {
			if err := send(t, a, "r", "k", "hello"); err != nil {
				t.Fatal(err)
			}
		}
		if got := n.Counts(); got != want {
			t.Errorf("%s: %+v, want %+v", profile, got, want)
		}
	}
}

func TestShared(t *testing.T) {
	n := network(t, fake.Options{Shared: true})
	o, ok := open(t, n).(bridge.Opener)
	if !ok {
		t.Fatal("no Opener")
	}
	for _, key := range []string{"link1", "link2"} {
		room, err := o.Open(t.Context(), bridge.Opening{Key: key, Members: []bridge.UserID{"lilei"}})
		if err != nil || room != fake.DM("lilei") {
			t.Errorf("%s: %q, %v", key, room, err)
		}
	}
}

func TestQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		n := network(t, fake.Options{Quiet: true, OnSend: func(m fake.Message) { seen = append(seen, m.Key) }})
		in := &inbox{}
		a := open(t, n)
		if _, err := n.SayNow(t.Context(), fake.Said{User: "zhang", Text: "x"}); err == nil {
			t.Error("acknowledged by nobody")
		}
		hear(t, a, in)
		synctest.Wait()
		if _, err := n.SayNow(t.Context(), fake.Said{User: "zhang", Text: "y"}); err != nil {
			t.Error(err)
		}
		if err := send(t, a, fake.DM("zhang"), "k1", "hello"); err != nil {
			t.Error(err)
		}
		if !slices.Equal(seen, []string{"k1"}) || len(n.All()) != 0 || n.Counts().Sent != 1 || n.Counts().Events != 1 {
			t.Errorf("seen %q, kept %v, counts %+v", seen, n.All(), n.Counts())
		}
	})
}

// Strangers do not get at the API, and what is malformed does no harm.
func TestHandlerRefuses(t *testing.T) {
	n := network(t, fake.Options{})
	for _, c := range []struct {
		name, method, path, token, typ, body string
		want                                 int
	}{
		{"no token", "POST", "/", "", "application/json", `{"op":"probe"}`, 401},
		{"wrong token", "POST", "/", "x", "application/json", `{"op":"probe"}`, 401},
		{"good", "POST", "/", fake.DefaultSecret, "application/json", `{"op":"probe"}`, 200},
		{"no JSON", "POST", "/", fake.DefaultSecret, "application/json", `{"op":`, 400},
		{"unknown field", "POST", "/", fake.DefaultSecret, "application/json", `{"opp":"probe"}`, 400},
		{"wrong type", "POST", "/", fake.DefaultSecret, "text/plain", `{"op":"probe"}`, 400},
		{"unknown call", "POST", "/", fake.DefaultSecret, "application/json", `{"op":"dance"}`, 404},
		{"asked", "GET", "/?call=%7B%22op%22%3A%22probe%22%7D", fake.DefaultSecret, "", "", 200},
		{"done by GET", "GET", "/?call=%7B%22op%22%3A%22send%22%7D", fake.DefaultSecret, "", "", 400},
	} {
		r := httptest.NewRequest(c.method, c.path, bytes.NewReader([]byte(c.body)))
		r.Header.Set("Authorization", "Bearer "+c.token)
		r.Header.Set("Content-Type", c.typ)
		w := httptest.NewRecorder()
		n.Handler().ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d %s, want %d", c.name, w.Code, w.Body, c.want)
		}
	}
}

func TestNewNetworkRefuses(t *testing.T) {
	if _, err := fake.NewNetwork(fake.Options{Profile: "nonsense"}); err == nil {
		t.Error("an unknown profile was taken")
	}
}

func FuzzHook(f *testing.F) {
	f.Add([]byte(`{"id":1,"kind":"message","room":"r","user":"u","msg":"m","at":"2026-03-01T12:00:00Z","text":"你好"}`))
	f.Add([]byte(`{"id":2,"kind":"react","room":"r","user":"u","msg":"m","at":"2026-03-01T12:00:00Z","emoji":"👍","removed":true}`))
	f.Add([]byte(`{"kind":"dance","room":"r"}`))
	f.Add([]byte(`{"id":`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := fake.ReadHook(body)
		if err != nil {
			if !errors.Is(err, bridge.ErrRefused) {
				t.Errorf("%q: %v is no refusal", body, err)
			}
			return
		}
		if m, ok := e.(bridge.MessageEvent); ok && (m.Room == "" || m.Msg == "") {
			t.Errorf("%q became %+v", body, m)
		}
	})
}
