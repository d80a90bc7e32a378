package fake

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/hutong-im/hutong/internal/httpx"
)

// Forgery is a hook call that must be refused.
type Forgery string

// The forgeries.
const (
	Unsigned  Forgery = "unsigned"
	Forged    Forgery = "forged"    // signed with another key
	Replayed  Forgery = "replayed"  // signed rightly, an hour ago
	Altered   Forgery = "altered"   // signed rightly, then changed
	Malformed Forgery = "malformed" // signed rightly, but no event
	Oversized Forgery = "oversized" // signed rightly, but larger than any event
)

// Forgeries lists the forgeries.
func Forgeries() []Forgery {
	return []Forgery{Unsigned, Forged, Replayed, Altered, Malformed, Oversized}
}

// CallHook calls the adapter's hook with a forged message of a user, and returns the HTTP status. It is
// an error when no hook is set.
func (n *Network) CallHook(ctx context.Context, kind Forgery, s Said) (int, error) {
	n.mu.Lock()
	if s.Room == "" {
		s.Room = DM(s.User)
	}
	e := n.event(kindMessage, n.room(s.Room), s.User)
	e.Msg, e.Text = "forged", s.Text
	to := n.sink
	n.mu.Unlock()
	body, err := httpx.EncodeJSON(e)
	if err != nil {
		return 0, err
	}
	at, key := n.opts.Now(), n.signer()
	switch kind {
	case Forged:
		key.Key = []byte("another key")
	case Replayed:
		at = at.Add(-time.Hour)
	case Malformed:
		body = body[:len(body)/2]
	case Oversized:
		body = []byte(`{"text":"` + strings.Repeat("x", maxHook) + `"}`)
	case Unsigned, Altered:
	}
	sign := key.Sign(at, body)
	switch kind {
	case Unsigned:
		sign = ""
	case Altered:
		body = []byte(strings.Replace(string(body), `"forged"`, `"f0rged"`, 1))
	case Forged, Replayed, Malformed, Oversized:
	}
	switch to := to.(type) {
	case *remote:
		return to.post(ctx, body, sign)
	case *local:
		return to.post(ctx, body, sign), nil
	default:
		return 0, errors.New("no hook is set")
	}
}
