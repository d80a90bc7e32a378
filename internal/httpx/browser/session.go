package browser

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// Sessions remember who a browser is, by a cookie with a random token of which only the hash is kept.
type Sessions struct {
	KV     bridge.KV
	Now    func() time.Time
	Name   string        // of the cookie
	Life   time.Duration // since it was last renewed
	Secure bool          // the pages are served over https
}

// Session is what is kept of one.
type Session struct {
	User  bridge.UserID `json:"user"`
	Gen   int           `json:"gen,omitempty"` // of the user's password; a new password ends older sessions
	Since time.Time     `json:"since"`
	Ends  time.Time     `json:"ends"`
	token string
}

// renewAfter is how old a session is before a visit makes it last anew: one write a day at most.
const renewAfter = 24 * time.Hour

// NewToken is an unguessable token: 26 letters of 5 random bits, 130 bits.
func NewToken() string { return rand.Text() }

// HashToken is what may be kept of a token.
func HashToken(token string) string {
	h := sha256.Sum256([]byte(token))
	return hex.EncodeToString(h[:])
}

const sessionPrefix = "session/"

func (s *Sessions) cookie() string {
	if s.Secure {
		return "__Host-" + s.Name // browsers then insist on Secure, Path=/ and no Domain
	}
	return s.Name
}

// Start signs a browser in; token is a NewToken, or one that a repeated request brings again.
func (s *Sessions) Start(ctx context.Context, w http.ResponseWriter, token string, u bridge.UserID, gen int) error {
	now := s.Now()
	return s.put(ctx, w, Session{User: u, Gen: gen, Since: now, Ends: now.Add(s.Life), token: token})
}

func (s *Sessions) put(ctx context.Context, w http.ResponseWriter, v Session) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("keep the session: %w", err)
	}
	if _, err := s.KV.Put(ctx, sessionPrefix+HashToken(v.token), raw, bridge.AnyRev); err != nil {
		return fmt.Errorf("keep the session: %w", err)
	}
	http.SetCookie(w, s.bake(v.token, int(s.Life.Seconds())))
	return nil
}

func (s *Sessions) bake(token string, age int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure wherever the gateway is reached by https
		Name: s.cookie(), Value: token, Path: "/", MaxAge: age,
		HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteLaxMode,
	}
}

// Find is the session of a request; bridge.ErrNotFound when there is none.
func (s *Sessions) Find(r *http.Request) (Session, error) {
	c, err := r.Cookie(s.cookie())
	if err != nil || len(c.Value) < 20 || len(c.Value) > 100 {
		return Session{}, bridge.ErrNotFound
	}
	raw, _, err := s.KV.Get(r.Context(), sessionPrefix+HashToken(c.Value))
	if err != nil {
		if errors.Is(err, bridge.ErrNotFound) {
			return Session{}, bridge.ErrNotFound
		}
		return Session{}, fmt.Errorf("read the session: %w", err)
	}
	v := Session{}
	if err := json.Unmarshal(raw, &v); err != nil {
		return Session{}, fmt.Errorf("read the session: %w", err)
	}
	if !s.Now().Before(v.Ends) {
		return Session{}, bridge.ErrNotFound
	}
	v.token = c.Value
	return v, nil
}

// Renew makes a session that is in use last.
func (s *Sessions) Renew(w http.ResponseWriter, r *http.Request, v Session) error {
	now := s.Now()
	if v.Ends.Sub(now) > s.Life-min(renewAfter, s.Life/2) {
		return nil
	}
	v.Ends = now.Add(s.Life)
	return s.put(r.Context(), w, v)
}

// End signs the browser out.
func (s *Sessions) End(w http.ResponseWriter, r *http.Request) error {
	if c, err := r.Cookie(s.cookie()); err == nil {
		if err := s.KV.Delete(r.Context(), sessionPrefix+HashToken(c.Value)); err != nil {
			return fmt.Errorf("end the session: %w", err)
		}
	}
	http.SetCookie(w, s.bake("", -1))
	return nil
}

// Sweep forgets what has ended of everything below the prefix that has an "ends" time.
func Sweep(ctx context.Context, kv bridge.KV, prefix string, now time.Time) error {
	return sweep(ctx, kv, prefix, func(v Session) bool { return !now.Before(v.Ends) })
}

// Forget ends the sessions of the users.
func (s *Sessions) Forget(ctx context.Context, users []bridge.UserID) error {
	return sweep(ctx, s.KV, sessionPrefix, func(v Session) bool { return slices.Contains(users, v.User) })
}

// sweep removes what over says is over, and what cannot be read.
func sweep(ctx context.Context, kv bridge.KV, prefix string, over func(Session) bool) error {
	for k, err := range bridge.Keys(ctx, kv, prefix) {
		if err == nil {
			err = sweepOne(ctx, kv, k, over)
		}
		if err != nil {
			return fmt.Errorf("sweep %s: %w", prefix, err)
		}
	}
	return nil
}

func sweepOne(ctx context.Context, kv bridge.KV, key string, over func(Session) bool) error {
	raw, _, err := kv.Get(ctx, key)
	if errors.Is(err, bridge.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var v Session
	if json.Unmarshal(raw, &v) == nil && !over(v) {
		return nil
	}
	return kv.Delete(ctx, key)
}

// SweepEvery sweeps the sessions and the prefixes hourly, until ctx ends. Failures are logged.
func (s *Sessions) SweepEvery(ctx context.Context, warn func(error), prefixes ...string) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, p := range append(prefixes, sessionPrefix) {
			if err := Sweep(ctx, s.KV, p, s.Now()); err != nil && ctx.Err() == nil {
				warn(err)
			}
		}
	}
}
