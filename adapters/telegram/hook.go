package telegram

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// maxCall bounds a call of Telegram's, in bytes: one update.
const maxCall = 1 << 20

var errNotRunning = errors.New("the adapter does not run now")

// Hook takes updates.
func (h *hooked) Hook() http.Handler { return http.HandlerFunc(h.serve) }

func (h *hooked) serve(w http.ResponseWriter, r *http.Request) {
	shown := r.Header.Get("X-Telegram-Bot-Api-Secret-Token")
	if r.Method != http.MethodPost || subtle.ConstantTimeCompare([]byte(shown), []byte(h.cfg.secret())) != 1 {
		http.Error(w, "wrong secret token", http.StatusUnauthorized)
		return
	}
	body, err := httpx.ReadBody(w, r, maxCall)
	if errors.Is(err, bridge.ErrTooLarge) {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	u, bad := parse(body)
	if err != nil || bad != nil {
		http.Error(w, "not an update", http.StatusBadRequest)
		return
	}
	if err := h.hand(r.Context(), u); err != nil {
		http.Error(w, "not now", http.StatusServiceUnavailable) // Telegram brings it again
	}
}

// hand gives an update to Run, which does not end before it is done.
func (h *hooked) hand(ctx context.Context, u update) error {
	s := h.session.Load()
	if s == nil {
		return errNotRunning
	}
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.ctx.Err() != nil {
		return errNotRunning
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	err := s.take(ctx, u)
	if err != nil && ctx.Err() == nil {
		h.env.Log.Warn("an update must come again", "err", err)
	}
	return err
}
