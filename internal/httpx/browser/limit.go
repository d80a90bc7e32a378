package browser

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// maxBuckets bounds a Limiter's memory: about 10 MB of buckets that are all in use at once.
const maxBuckets = 100_000

// Limiter is a token bucket per key.
type Limiter struct {
	now   func() time.Time
	rate  float64 // per second
	burst float64

	mu      sync.Mutex
	buckets map[string]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

// NewLimiter lets burst requests of a key through at once, and rate a second after that.
func NewLimiter(now func() time.Time, rate, burst float64) *Limiter {
	return &Limiter{now: now, rate: rate, burst: burst, buckets: map[string]bucket{}}
}

// Take lets a request through (0) or says how long to wait.
func (l *Limiter) Take(key string) time.Duration {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.buckets[key]
	if !ok {
		l.makeRoom(now)
		b = bucket{left: l.burst, at: now}
	}
	b.left = min(l.burst, b.left+l.rate*max(now.Sub(b.at).Seconds(), 0))
	b.at = now
	if b.left < 1 {
		l.buckets[key] = b
		return time.Duration((1 - b.left) / l.rate * float64(time.Second))
	}
	b.left--
	l.buckets[key] = b
	return 0
}

// Forget fills the key's bucket again, for who has shown that they mean well.
func (l *Limiter) Forget(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.buckets, key)
}

// makeRoom forgets buckets that are full again, and when none is, any hundredth of them.
func (l *Limiter) makeRoom(now time.Time) {
	if len(l.buckets) < maxBuckets {
		return
	}
	full := time.Duration(l.burst / l.rate * float64(time.Second))
	for k, b := range l.buckets {
		if now.Sub(b.at) >= full {
			delete(l.buckets, k)
		}
	}
	for k := range l.buckets {
		if len(l.buckets) < maxBuckets-maxBuckets/100 {
			return
		}
		delete(l.buckets, k)
	}
}

// ClientKey is what a visitor without a session is counted by: the address, of IPv6 the /64 that one
// household has. Behind a proxy on this machine or its private network it is the address that the
// proxy names last; what a visitor writes into X-Forwarded-For stands before it and is not believed.
func ClientKey(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if addr.IsLoopback() || addr.IsPrivate() {
		list := r.Header.Values("X-Forwarded-For")
		if len(list) > 0 {
			last := list[len(list)-1]
			last = strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
			if named, err := netip.ParseAddr(last); err == nil {
				addr = named
			}
		}
	}
	addr = addr.Unmap()
	if addr.Is6() {
		if p, err := addr.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return addr.String()
}
