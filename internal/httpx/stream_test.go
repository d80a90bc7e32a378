package httpx

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// page is a browser's end of a stream, for a bubble: it keeps what was written, and can stop reading.
type page struct {
	mu   sync.Mutex
	head http.Header
	text strings.Builder
	gate chan struct{} // nil reads at once; otherwise each write waits for a token
}

func (p *page) Header() http.Header { return p.head }
func (p *page) WriteHeader(int)     {}
func (p *page) Flush()              {}

func (p *page) Write(b []byte) (int, error) {
	if p.gate != nil {
		<-p.gate
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *page) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// open connects a page until the returned function is called or the stream ends it; done is closed when
// the handler has returned.
func open(s *Stream, topic, lastID string, gate chan struct{}) (p *page, leave func(), done chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	r := httptest.NewRequestWithContext(ctx, "GET", "/events", nil)
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	p = &page{head: http.Header{}, gate: gate}
	done = make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(p, r, topic)
	}()
	synctest.Wait()
	return p, cancel, done
}

func inBubble(t *testing.T, o StreamOptions, f func(t *testing.T, s *Stream, stop func())) {
	synctest.Test(t, func(t *testing.T) {
		s := NewStream(o)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = s.Run(ctx) })
		synctest.Wait()
		stop := func() { cancel(); wg.Wait() }
		f(t, s, stop)
		stop()
	})
}

func TestStreamDelivers(t *testing.T) {
	inBubble(t, StreamOptions{}, func(t *testing.T, s *Stream, _ func()) {
		a, leaveA, _ := open(s, "alice", "", nil)
		b, leaveB, _ := open(s, "bob", "", nil)
		defer leaveA()
		defer leaveB()
		s.Publish("alice", "message", []byte("{\"text\":\"你好\"}\nsecond\r\nline"))
		synctest.Wait()
		want := "event: message\ndata: {\"text\":\"你好\"}\ndata: second\ndata: line\n\n"
		if !strings.HasSuffix(a.String(), want) {
			t.Errorf("alice got %q, want it to end in %q", a, want)
		}
		if strings.Contains(b.String(), "message") {
			t.Errorf("bob got alice's event: %q", b)
		}
		for k, v := range map[string]string{
			"Content-Type":  "text/event-stream; charset=utf-8",
			"Cache-Control": "no-store", "X-Accel-Buffering": "no",
		} {
			if a.head.Get(k) != v {
				t.Errorf("%s is %q, want %q", k, a.head.Get(k), v)
			}
		}
	})
}

func TestStreamResumes(t *testing.T) {
	inBubble(t, StreamOptions{Events: 4}, func(t *testing.T, s *Stream, _ func()) {
		start := s.Cursor("alice")
		for i := range 3 {
			s.Publish("alice", "n", []byte(strconv.Itoa(i)))
		}
		s.Flash("alice", "typing", []byte("gone"))
		epoch, _, _ := strings.Cut(start, "-")
		for _, c := range []struct {
			name, id string
			reset    bool
			want     []string
		}{
			{"now", "", false, nil},
			{"from the cursor", start, false, []string{"0", "1", "2"}},
			{"from the middle", epoch + "-2", false, []string{"2"}},
			{"nothing missed", epoch + "-4", false, nil},
			{"another process", "ABCDEFGHIJ-2", true, nil},
			{"from the future", epoch + "-9", true, nil},
			{"nonsense", "\x00", true, nil},
		} {
			p, leave, done := open(s, "alice", c.id, nil)
			leave()
			<-done
			if got := strings.Contains(p.String(), "event: reset\n"); got != c.reset {
				t.Errorf(c.name+": reset %v, want %v: %q", got, c.reset, p)
			}
			if got := strings.Count(p.String(), "event: n\n"); got != len(c.want) {
				t.Errorf(c.name+": %d events, want %v: %q", got, c.want, p)
			}
			for _, w := range c.want {
				if !strings.Contains(p.String(), "data: "+w+"\n") {
					t.Errorf(c.name+": %s is missing: %q", w, p)
				}
			}
			if strings.Contains(p.String(), "typing") {
				t.Errorf(c.name+": what was of the moment was replayed: %q", p)
			}
		}
		s.Publish("alice", "n", []byte("one too many"))
		p, leave, done := open(s, "alice", start, nil)
		leave()
		<-done
		if !strings.Contains(p.String(), "event: reset\n") {
			t.Errorf("no reset though the ring has lost an event: %q", p)
		}
	})
}

func TestStreamBoundsBytes(t *testing.T) {
	inBubble(t, StreamOptions{Bytes: 10}, func(t *testing.T, s *Stream, _ func()) {
		start := s.Cursor("alice")
		for range 3 {
			s.Publish("alice", "n", []byte("123456"))
		}
		if n := len(s.topics["alice"].ring); n != 1 {
			t.Errorf("%d events kept, want 1", n)
		}
		p, leave, done := open(s, "alice", start, nil)
		leave()
		<-done
		if !strings.Contains(p.String(), "event: reset\n") {
			t.Errorf("no reset: %q", p)
		}
	})
}

func TestStreamHeartbeat(t *testing.T) {
	inBubble(t, StreamOptions{}, func(t *testing.T, s *Stream, _ func()) {
		p, leave, _ := open(s, "alice", "", nil)
		defer leave()
		time.Sleep(31 * time.Second) // the bubble's clock
		synctest.Wait()
		if n := strings.Count(p.String(), ": \n\n"); n != 2 {
			t.Errorf("%d heartbeats in 31 s, want 2: %q", n, p)
		}
	})
}

func TestStreamDropsSlowReaders(t *testing.T) {
	inBubble(t, StreamOptions{Events: 8}, func(t *testing.T, s *Stream, _ func()) {
		gate := make(chan struct{})
		_, leave, done := open(s, "alice", "", gate)
		defer leave()
		fast, leaveFast, _ := open(s, "alice", "", nil)
		defer leaveFast()
		gate <- struct{}{} // hello
		for range 100 {    // the slow reader hangs in its first write
			s.Publish("alice", "n", []byte("x"))
			synctest.Wait()
		}
		close(gate)
		<-done // it was dropped, not fed from an unbounded queue
		if n := strings.Count(fast.String(), "event: n"); n != 100 {
			t.Errorf("the fast reader got %d of 100", n)
		}
		if n := s.Readers("alice"); n != 1 {
			t.Errorf("%d readers left, want 1", n)
		}
	})
}

func TestStreamStops(t *testing.T) {
	inBubble(t, StreamOptions{}, func(t *testing.T, s *Stream, stop func()) {
		_, _, done := open(s, "alice", "", nil)
		stop()
		<-done
		p, _, done := open(s, "alice", "", nil)
		<-done
		if p.String() != "retry: 1000\n\n" {
			t.Errorf("a stream that does not run said %q", p)
		}
		ctx, cancel := context.WithCancel(t.Context())
		again := make(chan struct{})
		go func() { defer close(again); _ = s.Run(ctx) }()
		synctest.Wait()
		p, leave, _ := open(s, "alice", "", nil)
		if !strings.HasPrefix(p.String(), "retry: 2000\nid: ") {
			t.Errorf("after Run was called again: %q", p)
		}
		leave()
		cancel()
		<-again
	})
}

func TestStreamForgetsTopics(t *testing.T) {
	inBubble(t, StreamOptions{Readers: 2}, func(t *testing.T, s *Stream, _ func()) {
		s.Publish("nobody", "n", []byte("x"))
		if len(s.topics) != 0 {
			t.Error("a topic without readers was kept")
		}
		_, leave1, _ := open(s, "alice", "", nil)
		_, leave2, _ := open(s, "alice", "", nil)
		rec := httptest.NewRecorder()
		s.Serve(rec, httptest.NewRequest("GET", "/", nil), "alice")
		if rec.Code != http.StatusTooManyRequests {
			t.Errorf("third reader of two: status %d", rec.Code)
		}
		s.Cursor("bob")
		time.Sleep(10 * time.Minute) // the bubble's clock
		synctest.Wait()
		if s.topics["alice"] == nil || s.topics["bob"] != nil {
			t.Errorf("topics after ten minutes: %v", s.topics)
		}
		leave1()
		leave2()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if len(s.topics) != 0 {
			t.Errorf("topics after all have left: %v", s.topics)
		}
	})
}

func TestStreamOverHTTP(t *testing.T) {
	s := NewStream(StreamOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) })
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.Serve(w, r, "alice") }))
	defer srv.Close()
	req, _ := http.NewRequestWithContext(t.Context(), "GET", srv.URL+"?since="+s.Cursor("alice"), nil)
	s.Publish("alice", "n", []byte("1"))
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var got strings.Builder
	buf := make([]byte, 512)
	for !strings.Contains(got.String(), "data: 1\n\n") {
		n, err := resp.Body.Read(buf)
		got.Write(buf[:n])
		if err != nil {
			t.Fatalf("%v after %q", err, got.String())
		}
	}
	cancel()
	wg.Wait() // Run waits for the handler
}
