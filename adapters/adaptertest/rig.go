package adaptertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/goleak"

	"github.com/hutong-im/hutong/bridge"
)

// rig is one adapter under test: opened, perhaps running, with everything that it says recorded.
type rig struct {
	T
	kind  bridge.Kind
	net   Network
	facts Facts

	before   goleak.Option // goroutines that were there before
	state    *memory
	logs     *buffer
	inbox    *inbox
	offline  atomic.Bool
	dials    atomic.Int64
	adapter  bridge.Adapter
	cancel   context.CancelFunc // not nil while it runs
	ended    chan error
	client   *http.Client
	nextText int

	mu    sync.Mutex
	errs  []error  // what the adapter has returned
	texts []string // what was said through it
}

// newRig opens an adapter. What it leaves behind is looked at when the check is over.
func newRig(t T, kind bridge.Kind, network Network) *rig {
	t.Helper()
	r := &rig{
		T: t, kind: kind, net: network, facts: network.Facts(),
		state: newMemory(), logs: &buffer{}, before: goleak.IgnoreCurrent(),
	}
	if r.facts.Patience == 0 {
		r.facts.Patience = 5 * time.Second
	}
	r.inbox = &inbox{rig: r, policy: func(context.Context, bridge.Event) error { return nil }}
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			r.dials.Add(1)
			if r.offline.Load() {
				return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("connection refused")}
			}
			return dialer.DialContext(ctx, network, addr)
		},
		MaxIdleConnsPerHost: 32,
	}
	r.client = &http.Client{Transport: transport, Timeout: 30 * time.Second}
	t.Cleanup(r.close)
	r.open()
	return r
}

// open makes the adapter anew, with the state that the last one left.
func (r *rig) open() {
	r.Helper()
	cfg := r.net.Config()
	if err := cfg.Check(); err != nil {
		r.Fatalf("the network's own config is refused: %v", err)
	}
	var lobby bridge.Lobby = nobody{}
	if l, ok := r.net.(Lobbied); ok {
		lobby = l.Lobby()
	}
	a, err := cfg.Open(bridge.Env{
		Name: "under-test", HTTP: r.client, State: r.state, Lobby: lobby, Now: time.Now,
		Log: slog.New(slog.NewJSONHandler(r.logs, &slog.HandlerOptions{Level: slog.LevelDebug})).With("adapter", "under-test"),
	})
	if err != nil {
		r.note(err)
		r.Fatalf("open: %v", err)
	}
	if a == nil {
		r.Fatalf("open: no adapter and no error")
	}
	r.adapter = a
}

// start lets the adapter hear, under a supervisor as in the gateway: a Run that fails is called again.
func (r *rig) start() {
	r.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel, r.ended = cancel, make(chan error, 1)
	ended, a := r.ended, r.adapter
	r.net.Attach(a)
	go func() {
		for {
			err := a.Run(ctx, r.inbox)
			if ctx.Err() != nil {
				if err != nil && !errors.Is(err, ctx.Err()) {
					err = a.Run(ctx, r.inbox) // it had failed before ctx ended
				}
				ended <- err
				return
			}
			r.note(err)
			if err == nil {
				r.Errorf("Run returned nil though ctx had not ended")
			}
			select { // the gateway waits for a second and more
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}()
}

// stop ends the adapter and looks at what Run says and leaves.
func (r *rig) stop() {
	r.Helper()
	if r.cancel == nil {
		return
	}
	r.cancel()
	r.cancel = nil
	select {
	case err := <-r.ended:
		r.note(err)
		if !errors.Is(err, context.Canceled) {
			r.Errorf("Run ended with %v, want ctx's error", err)
		}
	case <-time.After(r.facts.Patience):
		r.Errorf("Run did not return within %v after ctx had ended", r.facts.Patience)
	}
	r.net.Attach(nil)
}

// close is the end of every check.
func (r *rig) close() {
	r.net.Trouble(Calm)
	r.inbox.release()
	r.stop()
	r.net.Attach(nil)
	r.client.CloseIdleConnections()
	// A server of net/http that refused a body keeps the connection for half a second, so that the answer is read.
	lingers := goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait")
	if err := goleak.Find(r.before, lingers); err != nil {
		r.Errorf("a goroutine outlives the adapter: %v", err)
	}
	r.noSecrets()
}

// note keeps an error, to be searched for secrets.
func (r *rig) note(err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = append(r.errs, err)
}

// noSecrets searches all errors and log lines.
func (r *rig) noSecrets() {
	r.mu.Lock()
	defer r.mu.Unlock()
	logs := r.logs.lines()
	for _, s := range r.facts.Secrets {
		for _, err := range r.errs {
			if strings.Contains(err.Error(), s) || strings.Contains(fmt.Sprintf("%+v", err), s) {
				r.Errorf("a secret is in an error: %v", strings.ReplaceAll(err.Error(), s, "«SECRET»"))
			}
		}
		for _, line := range logs {
			if strings.Contains(line, s) {
				r.Errorf("a secret is in a log line: %s", strings.ReplaceAll(line, s, "«SECRET»"))
			}
		}
	}
	for _, line := range logs {
		if strings.Contains(line, `"level":"DEBUG"`) {
			continue
		}
		for _, text := range r.texts {
			if strings.Contains(line, text) {
				r.Errorf("what people write is in a log line above debug: %s", line)
			}
		}
	}
}

// text makes a text that is like no other.
func (r *rig) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nextText++
	s := fmt.Sprintf("said-%d-%d", time.Now().UnixNano(), r.nextText)
	r.texts = append(r.texts, s)
	return s
}

// do lets a user do something, or skips the check.
func (r *rig) do(a Act) bridge.MsgID {
	r.Helper()
	id, ok := r.net.Do(a)
	if !ok {
		r.Skipf("the network has no %s like this", a.Verb)
	}
	return id
}

// trouble makes the network misbehave, or skips the check.
func (r *rig) trouble(t Trouble) {
	r.Helper()
	if !r.net.Trouble(t) {
		r.Skipf("the network cannot be %s", t)
	}
}

// ctx lasts as long as the suite's patience.
func (r *rig) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*r.facts.Patience)
	r.Cleanup(cancel)
	return ctx
}

// buffer keeps log lines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// lines are what was logged, with the escapes of JSON undone, so that a secret is found as it is.
func (b *buffer) lines() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for line := range strings.SplitSeq(strings.TrimSpace(b.b.String()), "\n") {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) != nil {
			continue
		}
		var plain strings.Builder
		plain.WriteString(line)
		for _, v := range fields {
			fmt.Fprintf(&plain, " %v", v)
		}
		out = append(out, plain.String())
	}
	return out
}
