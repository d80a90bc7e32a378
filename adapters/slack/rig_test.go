package slack

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/store/mem"
)

// memory is a bridge.KV that can break.
type memory struct {
	bridge.KV
	broken bool // takes nothing
}

var errBroken = errors.New("the disk is full")

func newMemory() *memory { return &memory{KV: mem.New().KV("adapter/under-test")} }

func (m *memory) Put(ctx context.Context, key string, val []byte, rev uint64) (uint64, error) {
	if m.broken {
		return 0, errBroken
	}
	return m.KV.Put(ctx, key, val, rev)
}

// lobby knows the rooms of one user.
type lobby struct {
	bridge.Lobby
	language string
	rooms    []bridge.RoomView
	members  []bridge.Member
	lines    []bridge.Line
	foreign  bool // no room is the user's
}

func (l *lobby) Company() bridge.Company {
	return bridge.Company{Name: "ACME", Language: l.language, Zone: time.UTC}
}

func (l *lobby) Members() []bridge.Member { return l.members }

func (l *lobby) History(context.Context, bridge.UserID, bridge.RoomID, bridge.MessageID, int) ([]bridge.Line, error) {
	if l.foreign {
		return nil, bridge.ErrNotFound
	}
	return l.lines, nil
}

func (l *lobby) Line(_ context.Context, _ bridge.UserID, _ bridge.RoomID, m bridge.MsgID) (bridge.Line, error) {
	for _, x := range l.lines {
		if x.Msg == m {
			return x, nil
		}
	}
	return bridge.Line{}, bridge.ErrNotFound
}

func (l *lobby) Rooms(context.Context, bridge.UserID) ([]bridge.RoomView, error) { return l.rooms, nil }

// rig is an adapter on a workspace, with what it hears.
type rig struct {
	*testing.T
	w     *workspace
	state *memory
	lobby *lobby
	a     bridge.Adapter
	core  *adapter

	mu    sync.Mutex
	heard []bridge.Event
	known map[bridge.MsgRef]bool
	fails error // what the gateway says to all that it hears
	stop  func() error
	later atomic.Int64 // how much later it is for the adapter, as a time.Duration
}

func newRig(t *testing.T, w *workspace) *rig {
	r := &rig{T: t, w: w, state: newMemory(), lobby: &lobby{}, known: map[bridge.MsgRef]bool{}}
	r.open()
	return r
}

// open makes the adapter anew; what it has kept stays.
func (r *rig) open() {
	r.Helper()
	r.openWith(r.w.Config())
}

func (r *rig) openWith(cfg bridge.Config) {
	r.Helper()
	transport := &http.Transport{}
	r.Cleanup(transport.CloseIdleConnections)
	a, err := cfg.Open(bridge.Env{
		Name: "slack", Log: slog.New(slog.DiscardHandler), HTTP: &http.Client{Transport: transport, Timeout: 10 * time.Second},
		State: r.state, Lobby: r.lobby, Now: func() time.Time { return time.Now().Add(time.Duration(r.later.Load())) },
	})
	if err != nil {
		r.Fatal(err)
	}
	r.a = a
	switch a := a.(type) {
	case *adapter:
		r.core = a
	case *hooked:
		r.core = a.adapter
	}
}

// Receive implements bridge.Inbox.
func (r *rig) Receive(_ context.Context, e bridge.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fails != nil {
		return r.fails
	}
	if m, ok := e.(bridge.MessageEvent); ok { // the gateway knows what it has
		id := bridge.MsgRef{RoomRef: bridge.RoomRef{Room: m.Room}, Msg: m.Msg}
		if r.known[id] {
			return nil
		}
		r.known[id] = true
	}
	r.heard = append(r.heard, e)
	return nil
}

// run lets it hear until halt.
func (r *rig) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	r.w.Attach(r.a)
	go func() { ended <- r.a.Run(ctx, r) }()
	var once sync.Once
	var err error
	r.stop = func() error {
		once.Do(func() { cancel(); err = <-ended; r.w.Attach(nil) })
		return err
	}
	r.Cleanup(func() { _ = r.stop() })
}

// until waits for something to become true.
func (r *rig) until(what string, ok func() bool) {
	r.Helper()
	for end := time.Now().Add(20 * time.Second); ; <-time.After(2 * time.Millisecond) {
		if ok() {
			return
		}
		if time.Now().After(end) {
			r.Fatalf("%s: not within 5 s; heard %+v", what, r.all())
		}
	}
}

func (r *rig) all() []bridge.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.heard)
}

// texts are the texts of members' messages, in order; notes are in brackets.
func (r *rig) texts() []string {
	var out []string
	for _, e := range r.all() {
		switch e := e.(type) {
		case bridge.MessageEvent:
			if e.Own {
				continue
			}
			if e.Thread != "" {
				e.Text = "(" + e.Text + ")"
			}
			out = append(out, e.Text)
		case bridge.Edited:
			out = append(out, "~"+e.Text)
		}
	}
	return out
}

// said is the message with the text.
func (r *rig) said(text string) (found bridge.MessageEvent) {
	for _, e := range r.all() {
		if m, ok := e.(bridge.MessageEvent); ok && m.Text == text {
			found = m
		}
	}
	return found
}

func (r *rig) wants(texts ...string) {
	r.Helper()
	r.until("heard "+strings.Join(texts, ", "), func() bool { return slices.Equal(r.texts(), texts) })
}

// member says something in a channel, under a root if there is one.
func (r *rig) member(c *channel, user bridge.UserID, text, thread string) string {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	m := obj{"user": string(user), "text": text}
	if thread != "" {
		m["thread_ts"] = thread
	}
	return r.w.say(c, m)
}

func (w *workspace) channel(room bridge.RoomID) *channel {
	w.mu.Lock()
	defer w.mu.Unlock()
	place, _ := split(string(room))
	return w.channels[place]
}

func (w *workspace) count(method string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, c := range w.calls {
		if c == method {
			n++
		}
	}
	return n
}

// lines are what a channel shows at its top level.
func (w *workspace) lines(c *channel) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, m := range c.msgs {
		if t, _ := m["thread_ts"].(string); t == "" || t == m["ts"] {
			out = append(out, m["text"].(string))
		}
	}
	return out
}

func opening(user bridge.UserID) bridge.Opening {
	return bridge.Opening{
		Key: "l1abc", Members: []bridge.UserID{user}, Title: "王小明",
		Label: bridge.Label{Name: "王小明", Text: "王小明 · 微信联系人 <!channel>"}, State: bridge.LinkActive,
	}
}

// connected waits until what the workspace tells arrives.
func (r *rig) connected() {
	r.Helper()
	r.until("the connection", func() bool {
		r.w.mu.Lock()
		defer r.w.mu.Unlock()
		return len(r.w.conns) > 0
	})
}

func (r *rig) send(room bridge.RoomID, text string) error {
	_, err := r.a.Send(r.Context(), room, bridge.Draft{Key: "k-" + text, Text: text, As: bridge.Label{Name: "王小明"}})
	return err
}
