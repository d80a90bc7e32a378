package mattermost

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/fake"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/e2e/gateway"
)

// talk is one customer and one employee who count aloud.
type talk struct {
	customer bridge.UserID
	channel  string

	mu              sync.Mutex
	asked, answered int // how far each has counted
}

// begin opens the channel of a customer.
func (w *world) begin(customer string) *talk {
	w.t.Helper()
	w.out.Say(fake.Said{User: bridge.UserID(customer), Name: customer, Text: "hello"})
	ch := w.room(customer)
	w.says(ch.ID, "hello")
	return &talk{customer: bridge.UserID(customer), channel: ch.ID}
}

// count lets both sides of the talks count for a while, each at a pace. A server that is away is tried
// again: what it did not take was not said.
func (w *world) count(ctx context.Context, pace time.Duration, talks ...*talk) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	for _, tk := range talks {
		all.Go(func() {
			tick := time.NewTicker(pace)
			defer tick.Stop()
			for ctx.Err() == nil {
				w.out.Say(fake.Said{User: tk.customer, Text: fmt.Sprintf("q%d", tk.next(&tk.asked))})
				<-tick.C
			}
		})
		all.Go(func() {
			tick := time.NewTicker(pace)
			defer tick.Stop()
			for ctx.Err() == nil {
				text := fmt.Sprintf("a%d", tk.next(&tk.answered))
				for w.answer(tk, text) != nil {
					<-time.After(50 * time.Millisecond)
				}
				<-tick.C
			}
		})
	}
	return func() { cancel(); all.Wait() }
}

// answer posts once, however often it has to be tried.
func (w *world) answer(tk *talk, text string) error {
	return w.lilei.Do(context.Background(), http.MethodPost, "/posts", map[string]any{
		"channel_id": tk.channel, "message": text, "pending_post_id": w.lilei.ID + ":" + tk.channel + text,
	}, nil)
}

func (tk *talk) next(n *int) int {
	tk.mu.Lock()
	defer tk.mu.Unlock()
	*n++
	return *n
}

// settled waits until all that was said has arrived, each once and in order, on both sides.
func (w *world) settled(within time.Duration, talks ...*talk) {
	w.t.Helper()
	for _, tk := range talks {
		gateway.Eventually(w.t, within, "all answers to "+string(tk.customer), func() (string, bool) {
			var got []string
			for _, m := range w.out.Messages(fake.DM(tk.customer)) {
				if text := m.Text[strings.LastIndexByte(m.Text, '\n')+1:]; m.User == "" && strings.HasPrefix(text, "a") {
					got = append(got, text)
				}
			}
			return told(got, "a", tk.answered)
		})
		gateway.Eventually(w.t, within, "all questions of "+string(tk.customer), func() (string, bool) {
			list, err := w.lilei.Posts(w.t.Context(), tk.channel)
			if err != nil {
				return err.Error(), false
			}
			var got []string
			for _, p := range list {
				if strings.HasPrefix(p.Message, "q") {
					got = append(got, p.Message)
				}
			}
			return told(got, "q", tk.asked)
		})
	}
}

// told compares what arrived with what was counted.
func told(got []string, sign string, n int) (string, bool) {
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf("%s%d", sign, i+1))
	}
	if slices.Equal(got, want) {
		return "", true
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("%d of %d arrived; number %d is %s, not %s", len(got), n, i+1, got[i], want[i]), false
		}
	}
	return fmt.Sprintf("%d of %d arrived", len(got), n), false
}

// fifty is 50 messages a second each way, with ten talks.
const fifty = 200 * time.Millisecond

func (w *world) ten() []*talk {
	var out []*talk
	for i := range 10 {
		out = append(out, w.begin(fmt.Sprintf("customer%d", i)))
	}
	return out
}

func TestGatewayKilled(t *testing.T) {
	w := newWorld(t)
	p := w.start()
	talks := w.ten()
	stop := w.count(t.Context(), fifty, talks...)
	for i := range 8 {
		<-time.After(time.Duration(700+150*i) * time.Millisecond)
		p.Kill()
		<-time.After(time.Duration(50*i) * time.Millisecond)
		p = w.start()
	}
	<-time.After(time.Second)
	stop()
	w.settled(gateway.Patience, talks...)
	w.sums(talks)
}

func (w *world) sums(talks []*talk) {
	asked, answered := 0, 0
	for _, tk := range talks {
		asked, answered = asked+tk.asked, answered+tk.answered
	}
	w.t.Logf("%d questions and %d answers, each once and in order", asked, answered)
}

func TestMattermostRestarted(t *testing.T) {
	w := newWorld(t)
	w.start()
	talks := w.ten()
	stop := w.count(t.Context(), fifty, talks...)
	for range 2 {
		<-time.After(2 * time.Second)
		mm.Down()
		<-time.After(500 * time.Millisecond)
		w.must(mm.Up(t.Context()))
	}
	<-time.After(2 * time.Second)
	stop()
	w.settled(2*time.Minute, talks...)
	w.sums(talks)
}

// What was said, changed and taken back while the gateway was away is there when it comes back, although
// the server lists a thousand changes at most.
func TestGatewayAway(t *testing.T) {
	w := newWorld(t)
	p := w.start()
	tk := w.begin("wang")
	ctx := t.Context()
	edited, err := w.lilei.Say(ctx, tk.channel, "edited later")
	w.must(err)
	gone, err := w.lilei.Say(ctx, tk.channel, "deleted later")
	w.must(err)
	w.hears("wang", "the last", func(m *fake.Message) bool { return strings.HasSuffix(m.Text, "deleted later") })
	stopping, cancel := context.WithTimeout(ctx, gateway.Patience)
	defer cancel()
	w.must(p.Stop(stopping))
	w.must(w.lilei.Do(ctx, http.MethodPut, "/posts/"+edited+"/patch", map[string]any{"message": "edited"}, nil))
	w.must(w.lilei.Do(ctx, http.MethodDelete, "/posts/"+gone, nil, nil))
	w.must(w.lilei.Do(ctx, http.MethodPost, "/reactions", map[string]any{"user_id": w.lilei.ID, "post_id": edited, "emoji_name": "heart"}, nil))
	const many = 1300
	for tk.answered < many {
		w.must(w.answer(tk, fmt.Sprintf("a%d", tk.next(&tk.answered))))
	}
	w.start()
	w.settled(2*time.Minute, tk)
	w.hears("wang", "the edit", func(m *fake.Message) bool { return strings.HasSuffix(m.Text, "edited") && m.Edits == 1 })
	w.hears("wang", "the reaction", func(m *fake.Message) bool {
		return strings.HasSuffix(m.Text, "edited") && slices.Contains(m.Reactions, fake.Reaction{Emoji: "❤️"})
	})
	w.hears("wang", "the recall", func(m *fake.Message) bool { return strings.HasSuffix(m.Text, "deleted later") && m.Deleted })
}

func TestManyCustomers(t *testing.T) {
	w := newWorld(t)
	w.start()
	const customers = 200
	for i := range customers {
		w.out.Say(fake.Said{User: bridge.UserID(fmt.Sprintf("c%d", i)), Name: fmt.Sprintf("c%d", i), Text: "q1"})
	}
	talks := make([]*talk, customers)
	gateway.Eventually(w.t, 2*time.Minute, "a channel for everybody", func() (string, bool) {
		list, err := w.lilei.Channels(t.Context())
		if err != nil {
			return err.Error(), false
		}
		n := 0
		for _, ch := range list {
			var i int
			if _, err := fmt.Sscanf(ch.Title, "c%d", &i); err == nil && ch.Type == "P" {
				talks[i] = &talk{customer: bridge.UserID(ch.Title), channel: ch.ID, asked: 1}
				n++
			}
		}
		return fmt.Sprint(n), n == customers
	})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := i; j < customers; j += 8 {
				if err := w.answer(talks[j], fmt.Sprintf("a%d", talks[j].next(&talks[j].answered))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	w.settled(time.Minute, talks...)
}

// proxy stands between the gateway and Mattermost, and can break what goes through it.
type proxy struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	conns []net.Conn
	all   sync.WaitGroup
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, to: to}
	p.all.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		p.all.Wait()
	})
	return p
}

func (p *proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		out, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", p.to)
		if err != nil {
			_ = in.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, in, out)
		p.mu.Unlock()
		for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
			p.all.Go(func() {
				_, _ = io.Copy(way[0], way[1])
				_ = way[0].Close()
			})
		}
	}
}

// cut breaks every connection, wherever in a request it is.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

func TestNetworkCut(t *testing.T) {
	p := newProxy(t, strings.TrimPrefix(mm.URL, "http://"))
	w := newWorld(t, func(w *world) { w.url = "http://" + p.listener.Addr().String() })
	w.start()
	talks := w.ten()
	stop := w.count(t.Context(), fifty, talks...)
	for range 20 {
		<-time.After(300 * time.Millisecond)
		p.cut()
	}
	<-time.After(time.Second)
	stop()
	w.settled(time.Minute, talks...)
	w.sums(talks)
}
