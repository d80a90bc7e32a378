package httpx

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"
	"sync"
	"time"
)

// StreamOptions are the limits of a Stream; zero values take the defaults.
type StreamOptions struct {
	Events    int           // kept per topic for those who come back; default 256
	Bytes     int           // of their data per topic; default 256 KiB
	Readers   int           // connections per topic at once, such as open tabs; default 16
	Heartbeat time.Duration // between comments while nothing happens; default 15 s, below usual proxy time-outs
	Linger    time.Duration // how long a topic without readers is kept; default 2 min
	Stall     time.Duration // a write that takes longer drops the reader; default 10 s
}

// Stream brings live updates to pages as server-sent events. A topic is what one user may see; each
// topic keeps a bounded ring of its newest events, so that a page that lost its connection gets what it
// missed by Last-Event-ID. When that is not known any more (too old, or the gateway was restarted) the
// page gets an event named "reset" and must load its state anew. A reader that is too slow for the ring
// is dropped; its browser comes back and is reset. Memory is bounded by topics × ring.
//
// A page that must miss nothing renders Cursor's value, taken before it read its state, and opens the
// stream with ?since=CURSOR.
type Stream struct {
	opts StreamOptions

	mu      sync.Mutex
	topics  map[string]*topic
	run     context.Context // nil while Run is not running
	readers sync.WaitGroup
}

// topic is one user's events. Numbers count from 1; epoch tells this topic from one of the same name
// that was forgotten, or of another process.
type topic struct {
	epoch   string
	last    uint64 // number of the newest event
	ring    []sse  // oldest first, without gaps
	bytes   int
	readers map[*reader]struct{}
	idle    time.Time // since when without readers
}

type sse struct {
	num   uint64
	flash bool
	name  string
	data  []byte
}

// reader is one connection. It keeps no queue, only a wake: the ring is the queue.
type reader struct{ wake chan struct{} }

// NewStream makes a stream. It serves while Run runs.
func NewStream(o StreamOptions) *Stream {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	setTime := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&o.Events, 256)
	set(&o.Bytes, 256<<10)
	set(&o.Readers, 16)
	setTime(&o.Heartbeat, 15*time.Second)
	setTime(&o.Linger, 2*time.Minute)
	setTime(&o.Stall, 10*time.Second)
	return &Stream{opts: o, topics: map[string]*topic{}}
}

// Run lets readers in until ctx ends, then ends every connection, waits for their handlers and returns
// ctx's error. It also forgets topics that nobody reads. It may be called again afterwards, not twice
// at once.
func (s *Stream) Run(ctx context.Context) error {
	s.mu.Lock()
	s.run = ctx
	s.mu.Unlock()
	tick := time.NewTicker(s.opts.Linger / 2)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			s.sweep(now)
		case <-ctx.Done():
			s.mu.Lock()
			s.run = nil
			s.mu.Unlock()
			s.readers.Wait()
			return ctx.Err()
		}
	}
}

func (s *Stream) sweep(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, t := range s.topics {
		if len(t.readers) == 0 && now.Sub(t.idle) >= s.opts.Linger {
			delete(s.topics, name)
		}
	}
}

// Publish gives an event to those who read the topic, and to those who come back soon. Without readers
// in the last minutes it is nothing. The data is kept and must not be changed. It never blocks.
func (s *Stream) Publish(topic, name string, data []byte) { s.publish(topic, name, data, false) }

// Flash is Publish for what is of no worth a moment later, such as somebody typing: who comes back does
// not get it.
func (s *Stream) Flash(topic, name string, data []byte) { s.publish(topic, name, data, true) }

func (s *Stream) publish(name, event string, data []byte, flash bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.topics[name]
	if t == nil {
		return // whoever comes later starts from the state that the page loads
	}
	t.last++
	t.ring = append(t.ring, sse{num: t.last, flash: flash, name: event, data: data})
	t.bytes += len(data)
	for len(t.ring) > s.opts.Events || (t.bytes > s.opts.Bytes && len(t.ring) > 1) {
		t.bytes -= len(t.ring[0].data)
		t.ring[0] = sse{}
		t.ring = t.ring[1:]
	}
	for r := range t.readers {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

// Cursor is where the topic stands now, to be rendered into a page before its state is read.
func (s *Stream) Cursor(topic string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.topic(topic)
	return t.id(t.last)
}

// Readers is how many connections the topic has: whether somebody looks right now.
func (s *Stream) Readers(topic string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.topics[topic]; t != nil {
		return len(t.readers)
	}
	return 0
}

// topic finds or makes a topic; s.mu is held.
func (s *Stream) topic(name string) *topic {
	t := s.topics[name]
	if t == nil {
		t = &topic{epoch: rand.Text()[:10], readers: map[*reader]struct{}{}, idle: time.Now()}
		s.topics[name] = t
	}
	return t
}

func (t *topic) id(num uint64) string { return t.epoch + "-" + strconv.FormatUint(num, 10) }

// since finds what comes after an id; ok is false when that is not known any more.
func (t *topic) since(id string) (num uint64, ok bool) {
	epoch, rest, found := strings.Cut(id, "-")
	num, err := strconv.ParseUint(rest, 10, 64)
	if !found || err != nil || epoch != t.epoch || num > t.last {
		return 0, false
	}
	return num, t.holds(num)
}

// holds reports whether every event after num is still in the ring.
func (t *topic) holds(num uint64) bool { return t.last-num <= uint64(len(t.ring)) }

// after lists what comes after num; the ring has no gaps, so it is a tail of it. It is copied, since
// forgetting clears the ring's elements in place.
func (t *topic) after(num uint64) []sse {
	return append([]sse(nil), t.ring[len(t.ring)-int(t.last-num):]...) //nolint:gosec // holds: at most len(ring)
}
