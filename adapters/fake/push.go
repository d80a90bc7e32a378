package fake

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// sink is where the network brings events. nil is acknowledged, bridge.ErrRefused is never to be
// brought again, and every other error is to be brought again.
type sink interface {
	deliver(ctx context.Context, e *Event) error
}

// queued is an event that waits for its acknowledgement.
type queued struct {
	event Event
	done  chan struct{} // closed when it is acknowledged or refused
}

var errNoSink = errors.New("the adapter does not hear now")

// push queues an event and sees that somebody brings it; n.mu is held.
func (n *Network) push(e Event) <-chan struct{} {
	q := queued{event: e, done: make(chan struct{})}
	r := n.room(e.Room)
	r.queue = append(r.queue, q)
	n.start(r)
	n.change() // for those who poll
	return q.done
}

// start sees that somebody brings a room's events; n.mu is held.
func (n *Network) start(r *room) {
	if r.pushing || n.sink == nil || len(r.queue) == 0 || n.ctx.Err() != nil {
		return
	}
	r.pushing = true
	n.pushes.Go(func() { n.bring(r) })
}

// bring brings a room's events, in order, each until it is acknowledged. It ends when none is left or
// nobody hears.
func (n *Network) bring(r *room) {
	for {
		n.mu.Lock()
		to := n.sink
		if to == nil || len(r.queue) == 0 || n.ctx.Err() != nil {
			r.pushing = false
			n.mu.Unlock()
			return
		}
		q := r.queue[0]
		fault, met := n.meet("")
		n.counts.Tries++
		n.mu.Unlock()
		err := errNoSink
		if !met || fault.Trouble != Deaf {
			err = to.deliver(n.ctx, &q.event)
		}
		if err == nil && met && fault.Trouble == Twice {
			err = to.deliver(n.ctx, &q.event)
		}
		if !n.settle(r, q, err) {
			n.wait(n.ctx, nil, n.opts.Repeat)
		}
	}
}

// settle takes an event off the queue when the adapter has it, or never will.
func (n *Network) settle(r *room, q queued, err error) bool {
	if err != nil && !errors.Is(err, bridge.ErrRefused) {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err == nil {
		n.counts.Events++
	} else {
		n.counts.Dropped++
	}
	r.queue = slices.DeleteFunc(r.queue, func(o queued) bool { return o.event.ID == q.event.ID })
	close(q.done)
	n.change()
	return true
}

// poll is for adapters that ask: it takes what they have handled off the queues and answers with what
// waits, oldest first, or after a while with nothing.
func (n *Network) poll(ctx context.Context, c *call) (answer, *refusal) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	defer context.AfterFunc(n.ctx, cancel)()
	var a answer
	var bad *refusal
	n.mu.Lock()
	n.handled(c.After)
	n.mu.Unlock()
	_ = n.Wait(ctx, func() bool { // the time is over: nothing is an answer, too
		n.mu.Lock()
		defer n.mu.Unlock()
		if fault, met := n.meet(opPoll); met {
			bad = fault.refuse()
			return true
		}
		a.Events = n.waiting(100)
		return len(a.Events) > 0
	})
	return a, bad
}

// handled takes the events up to an id off the queues; n.mu is held.
func (n *Network) handled(upTo uint64) {
	for _, r := range n.rooms {
		r.queue = slices.DeleteFunc(r.queue, func(q queued) bool {
			if q.event.ID > upTo {
				return false
			}
			n.counts.Events++
			close(q.done)
			return true
		})
	}
	n.change()
}

// waiting lists up to limit queued events, oldest first; n.mu is held.
func (n *Network) waiting(limit int) []Event {
	var out []Event
	for _, r := range n.rooms {
		for _, q := range r.queue {
			out = append(out, q.event)
		}
	}
	slices.SortFunc(out, func(a, b Event) int { return cmp.Compare(a.ID, b.ID) })
	return out[:min(limit, len(out))]
}

// listen makes s the place where events go; nil is nowhere.
func (n *Network) listen(s sink) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if old, ok := n.sink.(*remote); ok {
		old.client.CloseIdleConnections()
	}
	n.sink = s
	for _, r := range n.rooms {
		n.start(r)
	}
	n.change()
}

// unlisten ends listening, if it is still s that listens.
func (n *Network) unlisten(s sink) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sink == s {
		n.sink = nil
	}
}

// Hearing reports whether there is somebody to bring events to: a hook, or an adapter in process that
// runs. An adapter that polls is not known until it asks.
func (n *Network) Hearing() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sink != nil
}

// SetHook makes the network call a hook at an address: "http://127.0.0.1:8420/hook/NAME". "" ends it.
func (n *Network) SetHook(url string) {
	if url == "" {
		n.listen(nil)
		return
	}
	n.listen(&remote{n: n, url: url, client: &http.Client{
		Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64},
	}})
}

// SetHandler makes the network call a hook without a connection; nil ends it.
func (n *Network) SetHandler(h http.Handler) {
	if h == nil {
		n.listen(nil)
		return
	}
	n.listen(&local{n: n, handler: h})
}

// Unheard counts the events that wait for the adapter.
func (n *Network) Unheard() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	sum := 0
	for _, r := range n.rooms {
		sum += len(r.queue)
	}
	return sum
}

// signature is the header of a hook call.
const signature = "X-Fake-Signature"

func (n *Network) signer() httpx.Signer { return httpx.Signer{Key: []byte(n.opts.Secret)} }

// remote calls a hook over HTTP.
type remote struct {
	n      *Network
	url    string
	client *http.Client
}

func (s *remote) deliver(ctx context.Context, e *Event) error {
	body, err := httpx.EncodeJSON(e)
	if err != nil {
		return err
	}
	status, err := s.post(ctx, body, s.n.signer().Sign(s.n.opts.Now(), body))
	if err != nil {
		return err
	}
	return heard(status)
}

func (s *remote) post(ctx context.Context, body []byte, sign string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("hook: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(signature, sign)
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("hook: %w", err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	_ = resp.Body.Close()
	return resp.StatusCode, nil
}

// heard reads a hook's status: 2xx has it, 422 never will, everything else is to be tried again.
func heard(status int) error {
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusUnprocessableEntity:
		return bridge.ErrRefused
	default:
		return fmt.Errorf("the hook answered %d", status)
	}
}

// local calls a hook's handler.
type local struct {
	n       *Network
	handler http.Handler
}

func (s *local) deliver(ctx context.Context, e *Event) error {
	body, err := httpx.EncodeJSON(e)
	if err != nil {
		return err
	}
	return heard(s.post(ctx, body, s.n.signer().Sign(s.n.opts.Now(), body)))
}

func (s *local) post(ctx context.Context, body []byte, sign string) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "/hook", bytes.NewReader(body))
	if err != nil {
		return http.StatusInternalServerError
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(signature, sign)
	w := &status{head: http.Header{}}
	s.handler.ServeHTTP(w, req)
	return max(w.code, http.StatusOK)
}

// status is a http.ResponseWriter that keeps the status.
type status struct {
	head http.Header
	code int
}

func (s *status) Header() http.Header         { return s.head }
func (s *status) Write(b []byte) (int, error) { s.WriteHeader(http.StatusOK); return len(b), nil }
func (s *status) WriteHeader(code int) {
	if s.code == 0 {
		s.code = code
	}
}
