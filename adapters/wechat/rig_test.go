package wechat

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/wechat/wechattest"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx/browser/browsertest"
)

// rig is an adapter that runs, with WeChat on the one side and a recorder on the other.
type rig struct {
	*adapter
	t      *testing.T
	server *wechattest.Server
	state  *browsertest.KV
	log    *safeBuffer
	far    *browsertest.Far
	where  bridge.Company
	client *http.Client
	stop   func()

	mu     sync.Mutex
	events []bridge.Event
	refuse error
	hold   chan struct{} // Receive waits until it is closed
	clock  time.Duration
}

// language is a company's, which has an address that customers can open.
func (r *rig) Company() bridge.Company { return r.where }

type company struct {
	*browsertest.Far
	r *rig
}

func (c company) Company() bridge.Company { return c.r.Company() }

// Receive implements bridge.Inbox.
func (r *rig) Receive(_ context.Context, e bridge.Event) error {
	if r.hold != nil {
		<-r.hold
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse != nil {
		return r.refuse
	}
	r.events = append(r.events, e)
	return nil
}

func (r *rig) heardAll() []bridge.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]bridge.Event(nil), r.events...)
}

func (r *rig) advance(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clock += d
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// newRig starts one; change may alter its config.
func newRig(t *testing.T, o wechattest.Options, change func(*Config)) *rig {
	t.Helper()
	if o.Repeat == 0 {
		o.Repeat = 50 * time.Millisecond
	}
	r := &rig{
		t: t, server: wechattest.New(o), state: &browsertest.KV{}, log: &safeBuffer{}, far: &browsertest.Far{Adapter: "wx"},
		where:  bridge.Company{Name: "ACME 贸易", Short: "ACME", URL: gateway, Language: "zh", Zone: time.UTC},
		client: &http.Client{Transport: &http.Transport{}},
	}
	api := httptest.NewServer(r.server)
	c := configOf(r.server, api.URL)
	if change != nil {
		change(c)
	}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	r.open(c)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.Hook().ServeHTTP(w, req) }))
	r.server.SetHook(hook.URL)
	r.run()
	t.Cleanup(func() {
		r.stop()
		r.server.Close()
		hook.Close()
		r.client.CloseIdleConnections()
		api.Close()
		if bad := r.server.Complaints(); len(bad) > 0 {
			t.Errorf("WeChat complains: %q", bad)
		}
		r.noSecrets(r.log.String())
	})
	return r
}

func (r *rig) open(c *Config) {
	r.t.Helper()
	a, err := c.Open(bridge.Env{
		Name: "wx", HTTP: r.client, State: r.state, Lobby: company{r.far, r},
		Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now: func() time.Time {
			r.mu.Lock()
			defer r.mu.Unlock()
			return time.Now().Add(r.clock)
		},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.adapter, _ = a.(*adapter)
}

func (r *rig) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.Run(ctx, r)
	}()
	r.stop = func() {
		cancel()
		<-done
	}
	for r.session.Load() == nil {
		<-time.After(time.Millisecond)
	}
}

func (r *rig) noSecrets(text string) {
	r.t.Helper()
	o := r.server.Options()
	for _, s := range []string{o.Secret, o.Token, o.AESKey, "TOKEN-"} {
		if strings.Contains(text, s) {
			r.t.Errorf("a secret is in %q", text)
		}
	}
}

// eventually waits until f is true.
func (r *rig) eventually(what string, f func() bool) {
	r.t.Helper()
	end := time.Now().Add(5 * time.Second)
	for !f() {
		if time.Now().After(end) {
			r.t.Fatalf("%s: not so; heard %+v, log %s", what, r.heardAll(), r.log)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// talker is a customer who has just written.
func (r *rig) talker() bridge.RoomID {
	r.t.Helper()
	openid := r.server.Customer("")
	before := len(r.heardAll())
	r.server.Say(openid, "你好")
	r.eventually("the first words", func() bool { return len(r.heardAll()) > before })
	return bridge.RoomID(openid)
}

// say sends what must arrive.
func (r *rig) say(to bridge.RoomID, d bridge.Draft) {
	r.t.Helper()
	if d.Key == "" {
		d.Key = "key-" + d.Text
	}
	ids, err := r.Send(r.t.Context(), to, d)
	if err != nil || len(ids) == 0 {
		r.t.Fatalf("send: %q, %v", ids, err)
	}
}

// shown is what the account has said to a customer.
func (r *rig) shown(room bridge.RoomID) []wechattest.Shown {
	var out []wechattest.Shown
	for _, m := range r.server.Shown(string(room)) {
		if m.Type != "said" {
			out = append(out, m)
		}
	}
	return out
}

func attachment(name, typ string, data []byte) bridge.Attachment {
	return bridge.Attachment{
		File: bridge.File{Name: name, Type: typ, Size: int64(len(data))},
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
	}
}

// png is the beginning of a picture, enough for who sniffs.
func png() []byte { return append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, 64)...) }
