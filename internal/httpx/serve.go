package httpx

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"time"
)

// Serve sends a topic's events until the visitor leaves or Run ends. The caller has made sure that the
// visitor may read the topic. Where to begin: the header Last-Event-ID, else ?since=, else now.
func (s *Stream) Serve(w http.ResponseWriter, r *http.Request, topic string) {
	st, status := s.join(topic, startOf(r))
	if status == http.StatusTooManyRequests {
		http.Error(w, "too many open pages", status)
		return
	}
	head := w.Header()
	head.Set("Content-Type", "text/event-stream; charset=utf-8")
	head.Set("Cache-Control", "no-store")
	head.Set("X-Accel-Buffering", "no") // nginx would keep events back
	head.Set("X-Content-Type-Options", "nosniff")
	out := &sseWriter{w: w, ctl: http.NewResponseController(w), stall: s.opts.Stall}
	if status != http.StatusOK {
		// Not running yet, or not any more: an EventSource comes back after an answer that ends, but
		// gives up for good after any status but 200.
		_ = out.send([]byte("retry: 1000\n\n"))
		return
	}
	defer s.leave(st)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(st.run, cancel)()
	if err := out.hello(st.topic.id(st.num), st.reset); err != nil {
		return
	}
	s.pump(ctx, out, st)
}

// seat is a reader's place at a topic.
type seat struct {
	run    context.Context
	reader *reader
	topic  *topic
	num    uint64 // the newest event that the reader has had
	past   uint64 // the newest event when the reader came
	reset  bool   // where the reader stood is not known any more
}

func startOf(r *http.Request) string {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return id
	}
	return r.URL.Query().Get("since")
}

// join enters a reader. The status is 200, 429 for too many, or 503 while Run is not running.
func (s *Stream) join(name, id string) (*seat, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil || s.run.Err() != nil {
		return nil, http.StatusServiceUnavailable
	}
	t := s.topic(name)
	if len(t.readers) >= s.opts.Readers {
		return nil, http.StatusTooManyRequests
	}
	st := &seat{run: s.run, topic: t, num: t.last, past: t.last, reader: &reader{wake: make(chan struct{}, 1)}}
	if id != "" {
		if n, ok := t.since(id); ok {
			st.num = n
		} else {
			st.reset = true
		}
	}
	t.readers[st.reader] = struct{}{}
	s.readers.Add(1)
	return st, http.StatusOK
}

func (s *Stream) leave(st *seat) {
	s.mu.Lock()
	delete(st.topic.readers, st.reader)
	if len(st.topic.readers) == 0 {
		st.topic.idle = time.Now()
	}
	s.mu.Unlock()
	s.readers.Done()
}

// next is what the reader has not had yet; ok is false when it fell behind the ring.
func (s *Stream) next(t *topic, num uint64) (events []sse, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !t.holds(num) {
		return nil, false
	}
	return t.after(num), true
}

// pump writes events as they come and a comment when none came for a while.
func (s *Stream) pump(ctx context.Context, out *sseWriter, st *seat) {
	t, num := st.topic, st.num
	beat := time.NewTimer(s.opts.Heartbeat)
	defer beat.Stop()
	for {
		events, ok := s.next(t, num)
		if !ok {
			return // too slow: the browser comes back and is reset
		}
		if len(events) > 0 {
			num = events[len(events)-1].num
			if err := out.events(t, events, st.past); err != nil {
				return
			}
			beat.Reset(s.opts.Heartbeat)
		}
		select {
		case <-ctx.Done():
			return
		case <-st.reader.wake:
		case <-beat.C:
			if err := out.send([]byte(": \n\n")); err != nil {
				return
			}
			beat.Reset(s.opts.Heartbeat)
		}
	}
}

// sseWriter writes the wire form of events; every write has a deadline of its own.
type sseWriter struct {
	w     http.ResponseWriter
	ctl   *http.ResponseController
	stall time.Duration
}

func (o *sseWriter) send(b []byte) error {
	_ = o.ctl.SetWriteDeadline(time.Now().Add(o.stall)) // a test's recorder has none
	if _, err := o.w.Write(b); err != nil {
		return err
	}
	return o.ctl.Flush()
}

// hello tells the browser where it stands, so that it can come back even before the first event, and
// how soon to come back.
func (o *sseWriter) hello(id string, reset bool) error {
	msg := "retry: 2000\nid: " + id + "\n"
	if reset {
		msg += "event: reset\ndata: {}\n"
	}
	return o.send([]byte(msg + "\n"))
}

// events writes a batch in one go. Up to the number past it is a replay, which leaves out what was only of
// the moment.
func (o *sseWriter) events(t *topic, list []sse, past uint64) error {
	var b bytes.Buffer
	for _, e := range list {
		b.WriteString("id: " + t.id(e.num) + "\n")
		if e.num > past || !e.flash {
			b.WriteString("event: " + oneLine(e.name) + "\n")
			for line := range bytes.SplitSeq(e.data, []byte("\n")) {
				b.WriteString("data: ")
				b.Write(bytes.ReplaceAll(line, []byte("\r"), nil)) // a bare \r would end the line
				b.WriteByte('\n')
			}
		}
		b.WriteByte('\n')
	}
	return o.send(b.Bytes())
}

func oneLine(s string) string {
	return strings.NewReplacer("\r", "", "\n", "").Replace(s)
}
