package slack

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Limits of what Slack calls: nothing that it sends is near maxCall; older than maxAge is a replay
// (https://docs.slack.dev/authentication/verifying-requests-from-slack).
const (
	maxCall = 1 << 20
	maxAge  = 5 * time.Minute
)

// Hook takes events, interactions and commands over HTTP.
func (h *hooked) Hook() http.Handler { return http.HandlerFunc(h.serve) }

func (h *hooked) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCall))
	if err != nil {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	if !h.signed(r.Header, body) {
		http.Error(w, "wrong or old signature; compare signing_secret and the clock", http.StatusUnauthorized)
		return
	}
	var n news
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		n, err = parseForm(body)
	} else {
		var check struct{ Type, Challenge string }
		if json.Unmarshal(body, &check) == nil && check.Type == "url_verification" {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = io.WriteString(w, check.Challenge)
			return
		}
		n, err = parse("events_api", body)
	}
	if err != nil {
		http.Error(w, "not understood", http.StatusBadRequest)
		return
	}
	if err := h.hand(r, n); err != nil {
		http.Error(w, "not now", http.StatusServiceUnavailable)
	}
}

// signed checks who calls, and when it was written.
func (h *hooked) signed(head http.Header, body []byte) bool {
	stamp := head.Get("X-Slack-Request-Timestamp")
	sec, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return false
	}
	if age := h.env.Now().Sub(time.Unix(sec, 0)); age > maxAge || age < -maxAge {
		return false
	}
	mac := hmac.New(sha256.New, []byte(h.cfg.SigningSecret.Reveal()))
	mac.Write([]byte("v0:" + stamp + ":"))
	mac.Write(body)
	got, err := hex.DecodeString(strings.TrimPrefix(head.Get("X-Slack-Signature"), "v0="))
	return err == nil && hmac.Equal(got, mac.Sum(nil))
}

var errNotRunning = errors.New("the adapter does not run now")

// hand gives news to Run and waits for what becomes of them.
func (h *hooked) hand(r *http.Request, n news) error {
	s := h.session.Load()
	if s == nil {
		return errNotRunning
	}
	j := job{news: n, late: r.Header.Get("X-Slack-Retry-Num") != "", done: make(chan error, 1)}
	select {
	case s.work <- j:
	case <-s.ctx.Done():
		return errNotRunning
	case <-r.Context().Done():
		return r.Context().Err()
	}
	select {
	case err := <-j.done:
		return err
	case <-s.ctx.Done():
		return errNotRunning
	}
}
