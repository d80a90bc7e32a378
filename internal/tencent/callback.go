package tencent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// answerWithin is how long Take has: the networks hang up after 5 seconds and push again, three times
// in all. https://developer.work.weixin.qq.com/document/path/90930
const answerWithin = 4500 * time.Millisecond

// complaintEvery is how often a refused push is logged; strangers may send many.
const complaintEvery = time.Minute

// Callback is the address that a network pushes to; an adapter's Hook returns it.
//
//	what came                             answer
//	GET, well signed                      200 with the echo
//	POST, and Take returned nil           200 with its answer, sealed
//	POST, and Take returned ErrRefused    200: the network must not push it again
//	POST, and Take returned another error 503: the network pushes again
//	wrong signature, old, not for us      403
//	malformed                             400
//	more than MaxBody bytes               413
//	another method                        405
type Callback struct {
	Envelope *Envelope
	// Take stores what was pushed. It returns nil only once that is durable. The answer is in the clear, nil
	// for none, which is what nearly every push gets. The context ends before the network hangs up.
	Take func(ctx context.Context, p Push) (answer []byte, err error)
	Log  *slog.Logger

	mu      sync.Mutex
	said    time.Time // when a refusal was last logged
	omitted int       // how many were not logged since
}

// ServeHTTP implements http.Handler.
func (c *Callback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff") // a signed stranger's echo must not become a page
	h.Set("Cache-Control", "no-store")
	switch r.Method {
	case http.MethodGet:
		echo, err := c.Envelope.Check(r.URL.Query())
		if err != nil {
			c.refuse(w, err)
			return
		}
		plain(w, []byte(echo))
	case http.MethodPost:
		c.post(w, r)
	default:
		h.Set("Allow", "GET, POST")
		http.Error(w, "GET and POST only", http.StatusMethodNotAllowed)
	}
}

func (c *Callback) post(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		if _, is := errors.AsType[*http.MaxBytesError](err); is {
			err = bridge.ErrTooLarge
		} else {
			err = ErrMalformed // cut off; nobody is there to read the answer
		}
		c.refuse(w, err)
		return
	}
	push, err := c.Envelope.Open(r.URL.Query(), body)
	if err != nil {
		c.refuse(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
	defer cancel()
	answer, err := c.Take(ctx, push)
	switch {
	case errors.Is(err, ErrMalformed):
		c.refuse(w, err)
		return
	case errors.Is(err, bridge.ErrRefused):
		c.Log.WarnContext(ctx, "a push was refused and will not come again", "err", err)
		answer = nil
	case err != nil:
		c.Log.WarnContext(ctx, "a push could not be stored and has to come again", "err", err)
		http.Error(w, "not stored; push it again", http.StatusServiceUnavailable)
		return
	}
	c.answer(ctx, w, push, answer)
}

// answer writes what Take returned. An answer that cannot be sealed is left out: what was pushed is stored.
func (c *Callback) answer(ctx context.Context, w http.ResponseWriter, p Push, answer []byte) {
	out, err := c.Envelope.Seal(p, answer)
	if err != nil {
		c.Log.ErrorContext(ctx, "an answer could not be encrypted and was left out", "err", err)
		out = nil
	}
	switch {
	case len(out) == 0 && c.Envelope.opts.Network == OfficialAccountNetwork:
		plain(w, []byte("success")) // an empty body does as well, but some proxies dislike it
	case len(out) == 0:
		plain(w, nil) // WeCom prefers an empty body
	case isJSON(out):
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = w.Write(out) //nolint:gosec // JSON, not a page
	default:
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		_, _ = w.Write(out) //nolint:gosec // XML, not a page
	}
}

// plain writes just these bytes: no newline, no mark.
func plain(w http.ResponseWriter, text []byte) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(text) //nolint:gosec // plain text, not a page; an error means that the network is gone
}

// refuse answers and logs what did not come through the envelope. The answer says no more than the status:
// whoever sent it may be a stranger.
func (c *Callback) refuse(w http.ResponseWriter, err error) {
	status := http.StatusForbidden
	switch {
	case errors.Is(err, bridge.ErrTooLarge):
		status = http.StatusRequestEntityTooLarge
	case errors.Is(err, ErrMalformed):
		status = http.StatusBadRequest
	}
	http.Error(w, http.StatusText(status), status)
	c.mu.Lock()
	now := c.Envelope.opts.Now()
	if now.Sub(c.said) < complaintEvery {
		c.omitted++
		c.mu.Unlock()
		return
	}
	more := c.omitted
	c.said, c.omitted = now, 0
	c.mu.Unlock()
	c.Log.Warn("a push was turned away", "status", status, "err", err, "not_logged", more)
}
