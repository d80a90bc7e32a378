package telegram

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/telegram/telegramtest"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/store/mem"
)

// rig is an adapter that hears, with all that it brings.
type rig struct {
	*network
	t       *testing.T
	state   bridge.KV
	log     strings.Builder
	logging sync.Mutex
	client  *http.Client
	adapter bridge.Adapter
	stop    func()

	hearing sync.Mutex
	heard   []bridge.Event
	refuse  func(bridge.Event) error
	news    chan struct{}
}

var zhang = telegramtest.User{ID: 42, Name: "张三"}

func newRig(t *testing.T, mode string) *rig {
	store := mem.New()
	t.Cleanup(func() { _ = store.Close() })
	r := &rig{network: newNetwork(t, mode), t: t, state: store.KV("adapter/tg"), news: make(chan struct{}, 1)}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	r.client = &http.Client{Transport: transport, Timeout: 30 * time.Second}
	r.open()
	t.Cleanup(func() { r.halt() })
	return r
}

func (r *rig) Write(p []byte) (int, error) {
	r.logging.Lock()
	defer r.logging.Unlock()
	return r.log.Write(p)
}

func (r *rig) logged() string {
	r.logging.Lock()
	defer r.logging.Unlock()
	return r.log.String()
}

// open makes the adapter, as a new life of the gateway does.
func (r *rig) open() {
	a, err := r.Config().Open(bridge.Env{
		Name: "tg", Log: slog.New(slog.NewTextHandler(r, nil)), HTTP: r.client, State: r.state, Lobby: &r.lobby, Now: time.Now,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.adapter = a
}

// run lets the adapter hear.
func (r *rig) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	r.Attach(r.adapter)
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			if err := r.adapter.Run(ctx, r); err != nil && ctx.Err() == nil {
				_, _ = r.Write([]byte("run: " + err.Error() + "\n"))
				<-time.After(20 * time.Millisecond)
			}
		}
	}()
	r.stop = func() { cancel(); <-ended }
}

func (r *rig) halt() {
	if r.stop != nil {
		r.stop()
		r.stop = nil
	}
}

func (r *rig) Receive(_ context.Context, e bridge.Event) error {
	r.hearing.Lock()
	defer r.hearing.Unlock()
	if r.refuse != nil {
		if err := r.refuse(e); err != nil {
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

// await is the first event for which ok is true.
func (r *rig) await(what string, ok func(bridge.Event) bool) bridge.Event {
	r.t.Helper()
	limit := time.After(10 * time.Second)
	for {
		r.hearing.Lock()
		for _, e := range r.heard {
			if ok(e) {
				r.hearing.Unlock()
				return e
			}
		}
		r.hearing.Unlock()
		select {
		case <-r.news:
		case <-limit:
			r.t.Fatalf("not heard: %s\nheard %+v\n%s", what, r.heard, r.logged())
		}
	}
}

// message is the message with the id.
func (r *rig) message(id int64) bridge.MessageEvent {
	r.t.Helper()
	e := r.await("message", func(e bridge.Event) bool {
		m, ok := e.(bridge.MessageEvent)
		return ok && m.Msg == msgOf(id)
	})
	m, _ := e.(bridge.MessageEvent)
	return m
}

func (r *rig) all() []bridge.Event {
	r.hearing.Lock()
	defer r.hearing.Unlock()
	return slices.Clone(r.heard)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(limit) {
			t.Fatalf("not within 10 s: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}
