package wecom

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/wecom/wecomtest"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/store/mem"
)

// rig is an adapter with a WeCom, a gateway's memory, and a clock.
type rig struct {
	*testing.T
	*wecomtest.Server
	url   string
	cfg   *Config
	state bridge.KV
	lobby *lobby
	a     *adapter
	in    *inbox
	stop  func()

	mu   sync.Mutex
	skew time.Duration
}

// The member of most tests.
const (
	lilei     = bridge.UserID("lilei")
	lileiRoom = bridge.RoomID("lilei")
)

func newRig(t *testing.T, o wecomtest.Options) *rig {
	t.Helper()
	o.Pause = 50 * time.Millisecond
	r := &rig{T: t, Server: wecomtest.New(o), state: mem.New().KV("adapter/under-test"), lobby: &lobby{language: "en"}}
	api := httptest.NewServer(r.Handler())
	t.Cleanup(api.Close)
	t.Cleanup(r.Close)
	r.url = api.URL
	r.cfg, _ = (&network{url: api.URL}).Config().(*Config)
	r.cfg.PerMinute, r.cfg.PerHour = perMinute, perHour
	r.AddUser(wecomtest.User{ID: "LiLei", Name: "李雷"})
	r.lobby.member("lilei")
	r.open()
	t.Cleanup(func() {
		if r.stop != nil {
			r.stop()
		}
		for _, c := range r.Complaints() {
			t.Error(c)
		}
	})
	return r
}

// open makes the adapter anew, as another process does.
func (r *rig) open() {
	r.Helper()
	if r.stop != nil {
		r.stop()
	}
	if err := r.cfg.Check(); err != nil {
		r.Fatal(err)
	}
	a, err := r.cfg.Open(bridge.Env{
		Name: "wecom", Log: slog.New(slog.DiscardHandler), HTTP: &http.Client{Timeout: 5 * time.Second}, State: r.state, Lobby: r.lobby, Now: r.now,
	})
	if err != nil {
		r.Fatal(err)
	}
	r.a, _ = a.(*adapter)
	r.in = &inbox{}
	r.SetHandler(r.a.Hook())
}

// run lets it hear.
func (r *rig) run() {
	ctx, cancel := context.WithCancel(r.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.a.Run(ctx, r.in)
	}()
	r.stop = func() {
		cancel()
		<-done
		r.SetHandler(nil)
		r.stop = nil
	}
	r.until("the adapter to hear", func() bool { return r.a.running() })
}

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Add(r.skew)
}

func (a *adapter) running() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.session != nil
}

// later puts both clocks forward.
func (r *rig) later(d time.Duration) {
	r.mu.Lock()
	r.skew += d
	r.mu.Unlock()
	r.Advance(d)
}

func (r *rig) until(what string, done func() bool) {
	r.Helper()
	if !wecomtest.Wait(20*time.Second, done) {
		r.Fatalf("waited in vain for %s; heard %+v; the member sees %+v", what, r.in.all(), r.Inbox("lilei"))
	}
}

// heard waits for the nth event, and returns it.
func (r *rig) heard(n int) bridge.Event {
	r.Helper()
	r.until("an event", func() bool { return len(r.in.all()) > n })
	return r.in.all()[n]
}

// say sends what must arrive.
func (r *rig) say(key, text string) bridge.MsgID {
	r.Helper()
	ids, err := r.a.Send(r.Context(), lileiRoom, bridge.Draft{Key: key, Text: text})
	if err != nil || len(ids) != 1 {
		r.Fatalf("send: %q, %v", ids, err)
	}
	return ids[0]
}

// seen are the app's texts, without the marks.
func (r *rig) seen() []string {
	var out []string
	for _, m := range r.Inbox("lilei") {
		if !m.Own && !m.Recalled {
			out = append(out, strings.TrimRight(m.Text, markZero+markOne))
		}
	}
	return out
}

// inbox keeps what it is brought, but answers account states of the start with nil and keeps them apart.
type inbox struct {
	mu     sync.Mutex
	events []bridge.Event
	states []bridge.AccountState
	err    error // of the next Receive
}

func (in *inbox) Receive(_ context.Context, e bridge.Event) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if s, ok := e.(bridge.AccountState); ok {
		in.states = append(in.states, s)
		return nil
	}
	if err := in.err; err != nil {
		in.err = nil
		return err
	}
	in.events = append(in.events, e)
	return nil
}

func (in *inbox) all() []bridge.Event {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.events)
}

// state is the newest state of an account that was told.
func (in *inbox) state(u bridge.UserID) (active, told bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, s := range in.states {
		if s.User == u {
			active, told = s.Active, true
		}
	}
	return active, told
}

// lobby is what the adapter may ask of the gateway.
type lobby struct {
	bridge.Lobby
	mu       sync.Mutex
	language string
	members  []bridge.Member
	rooms    []bridge.RoomView
	current  bridge.LinkID
}

func (l *lobby) member(accounts ...bridge.UserID) {
	for _, u := range accounts {
		l.members = append(l.members, bridge.Member{ID: bridge.MemberID(u), Accounts: []bridge.UserRef{{Adapter: "wecom", User: u}}})
	}
}

// contact adds a customer to the room of lilei; the first one is the current.
func (l *lobby) contact(id bridge.LinkID, name, remark string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current == 0 {
		l.current = id
	}
	l.rooms = append(l.rooms, bridge.RoomView{
		Room: lileiRoom, Link: id, State: bridge.LinkActive, Remark: remark, Other: bridge.Label{Name: name, Text: name + " · 微信联系人"},
	})
}

func (l *lobby) Company() bridge.Company {
	return bridge.Company{Name: "ACME", Short: "ACME", Language: l.language, URL: "https://hutong.example"}
}
func (l *lobby) Members() []bridge.Member { return l.members }
func (l *lobby) Rooms(context.Context, bridge.UserID) ([]bridge.RoomView, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.rooms), nil
}

func (l *lobby) Room(context.Context, bridge.UserID, bridge.RoomID) (bridge.RoomView, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range l.rooms {
		if v.Link == l.current {
			return v, nil
		}
	}
	return bridge.RoomView{}, bridge.ErrNotFound
}

// wang is the customer of most tests, as the core names him.
func wang() bridge.Label {
	return bridge.Label{Name: "王小明", Text: "王小明 · 微信联系人"}
}

// attachment is a file on its way to a member.
func attachment(name, typ string, data []byte) bridge.Attachment {
	return bridge.Attachment{
		File: bridge.File{Name: name, Type: typ, Size: int64(len(data))},
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
	}
}
