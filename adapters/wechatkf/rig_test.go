package wechatkf

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/wechatkf/wechatkftest"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/store/mem"
)

const customer = "wmAJ2GCAAAme1XQRC-NI-q0_ZM9ukoAw"

// rig is an adapter in the gateway's place, with all that it brings.
type rig struct {
	*network
	t       *testing.T
	lang    string
	state   bridge.KV
	client  *http.Client
	adapter *adapter
	config  func(*Config)
	poll    time.Duration // less than Check allows
	stop    func()

	hearing sync.Mutex
	heard   []bridge.Event
	answer  func(bridge.Event) error // nil takes everything
	news    chan struct{}
	log     strings.Builder
}

// front is the gateway as the adapter sees it.
type front struct {
	bridge.Lobby
	lang string
}

func (f front) Company() bridge.Company { return bridge.Company{Language: f.lang} }

func newRig(t *testing.T, o wechatkftest.Options) *rig {
	t.Helper()
	store := mem.New()
	t.Cleanup(func() { _ = store.Close() })
	if o.Repeat == 0 {
		o.Repeat = 10 * time.Millisecond
	}
	if o.Untokened == 0 {
		o.Untokened = 1 << 20
	}
	r := &rig{network: newNetwork(t, o), t: t, lang: "zh", state: store.KV("kf"), news: make(chan struct{}, 1)}
	transport := &http.Transport{}
	r.client = &http.Client{Transport: transport, Timeout: 10 * time.Second}
	t.Setenv("PATH", "") // no ffmpeg, unless a test says so
	t.Cleanup(func() {
		if r.stop != nil {
			r.stop()
		}
		transport.CloseIdleConnections()
		for _, c := range r.Complaints() {
			t.Error(c)
		}
	})
	return r
}

// open makes the adapter anew, as after a restart.
func (r *rig) open() *adapter {
	r.t.Helper()
	if r.stop != nil {
		r.stop()
	}
	c, _ := r.Config().(*Config)
	if r.config != nil {
		r.config(c)
	}
	if err := c.Check(); err != nil {
		r.t.Fatal(err)
	}
	a, err := c.Open(bridge.Env{
		Name: "kf", HTTP: r.client, State: r.state, Lobby: front{lang: r.lang}, Now: time.Now, Log: slog.New(slog.NewTextHandler(r, nil)),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.adapter, _ = a.(*adapter)
	if r.poll > 0 {
		r.adapter.cfg.Poll = r.poll
	}
	return r.adapter
}

// start opens the adapter and lets it hear; a Run that fails is called again, as in the gateway.
func (r *rig) start() *adapter {
	r.t.Helper()
	a := r.open()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	r.Attach(a)
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_ = a.Run(ctx, r)
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	r.stop = func() {
		cancel()
		<-done
		r.Attach(nil)
		r.stop = nil
	}
	return a
}

// Write implements io.Writer for the log.
func (r *rig) Write(p []byte) (int, error) {
	r.hearing.Lock()
	defer r.hearing.Unlock()
	return r.log.Write(p)
}

// Receive implements bridge.Inbox.
func (r *rig) Receive(_ context.Context, e bridge.Event) error {
	r.hearing.Lock()
	defer r.hearing.Unlock()
	if r.answer != nil {
		if err := r.answer(e); err != nil {
			return err
		}
	}
	r.heard = append(r.heard, e)
	select {
	case r.news <- struct{}{}:
	default:
	}
	return nil
}

func (r *rig) all() []bridge.Event {
	r.hearing.Lock()
	defer r.hearing.Unlock()
	return slices.Clone(r.heard)
}

// await waits for an event.
func await[E bridge.Event](r *rig, fits func(E) bool) E {
	r.t.Helper()
	var found E
	r.until("the event", func() bool {
		for _, e := range r.all() {
			if e, ok := e.(E); ok && fits(e) {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(end) {
			r.t.Fatalf("not in time: %s; heard %+v", what, r.all())
		}
		select {
		case <-r.news:
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// texts are what the customer has said so far, as it was received.
func (r *rig) texts() []string {
	var out []string
	for _, e := range r.all() {
		if m, ok := e.(bridge.MessageEvent); ok && !m.Own {
			out = append(out, m.Text)
		}
	}
	return out
}

// met lets the customer write, so that they may be answered, and waits until it was heard.
func (r *rig) met() bridge.RoomID {
	r.t.Helper()
	id := r.Say(account, customer, "你好")
	await(r, func(m bridge.MessageEvent) bool { return string(m.Msg) == id })
	return roomOf(account, customer)
}

func (r *rig) say(to bridge.RoomID, key, text string) error {
	_, err := r.adapter.Send(r.t.Context(), to, bridge.Draft{Key: key, Text: text})
	return err
}

// shown are the texts that the customer got.
func (r *rig) shown() []string {
	var out []string
	for _, l := range r.Lines(account, customer) {
		if l.Mine {
			out = append(out, l.Text)
		}
	}
	return out
}

// sample reads a file of testdata.
func sample(t *testing.T, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", path))
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func samples(t *testing.T, folder string) []string {
	t.Helper()
	list, err := os.ReadDir(filepath.Join("testdata", folder))
	if err != nil || len(list) == 0 {
		t.Fatalf("%d samples, %v", len(list), err)
	}
	var out []string
	for _, f := range list {
		out = append(out, folder+"/"+f.Name())
	}
	return out
}

var errNotNow = errors.New("the disk is full")

func verdict(t *testing.T, err error, want bridge.Verdict) {
	t.Helper()
	if got := bridge.Judge(err).Verdict; got != want {
		t.Errorf("verdict %d of %v, want %d", got, err, want)
	}
}
