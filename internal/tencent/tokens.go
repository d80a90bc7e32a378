package tencent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

const (
	// early is how long before its end a token is renewed. For five minutes the old and the new one are
	// both good. https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken.html
	early = 5 * time.Minute
	// pause is how long an old token that is still good is used after it could not be renewed.
	pause = 30 * time.Second
)

// Fetch asks a network for a new access token and says for how long it is good.
type Fetch func(ctx context.Context) (token string, life time.Duration, err error)

// Tokens keeps the access token of one account, or of one app of a corp. All who need it share it: one
// asks the network, the others wait for the answer. It survives a restart, because the networks limit
// how often one may ask.
type Tokens struct {
	state bridge.KV
	key   string
	fetch Fetch
	log   *slog.Logger
	now   func() time.Time

	mu     sync.Mutex
	loaded bool
	held   held
	flight *flight // nil while nobody asks
}

// held is the token as it is kept.
type held struct {
	Token string    `json:"token"`
	Renew time.Time `json:"renew"` // from then on a new one is asked for
	End   time.Time `json:"end"`   // from then on it is no good
}

// flight is one question to the network, and its answer once done is closed.
type flight struct {
	done  chan struct{}
	token string
	err   error
}

// NewTokens makes the keeper of one token. Account names what it is for (an AppID, a CorpID with an
// AgentID); it is no secret, and the token is kept in env.State under it.
func NewTokens(env bridge.Env, account string, fetch Fetch) *Tokens {
	return &Tokens{state: env.State, key: "token/" + account, fetch: fetch, log: env.Log, now: env.Now}
}

// Get returns a token that is good, asking for one if need be. An error means that nothing was sent;
// its verdict is never Unsure or Permanent: plain, RetryAccountAfter, or Login when a person must act.
func (t *Tokens) Get(ctx context.Context) (string, error) {
	for {
		t.mu.Lock()
		t.load(ctx)
		if t.held.Token != "" && t.now().Before(t.held.Renew) {
			token := t.held.Token
			t.mu.Unlock()
			return token, nil
		}
		f := t.flight
		if f == nil {
			f = &flight{done: make(chan struct{})}
			t.flight = f
			t.mu.Unlock()
			return t.ask(ctx, f)
		}
		t.mu.Unlock()
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-f.done:
		}
		// The one who asked may have given up for reasons of their own.
		if !errors.Is(f.err, context.Canceled) && !errors.Is(f.err, context.DeadlineExceeded) {
			return f.token, f.err
		}
	}
}

// ask fetches for everyone who waits.
func (t *Tokens) ask(ctx context.Context, f *flight) (string, error) {
	f.err = errors.New("asking for an access token ended early") // if fetch panics
	defer func() {
		t.mu.Lock()
		t.flight = nil
		t.mu.Unlock()
		close(f.done)
	}()
	token, life, err := t.fetch(ctx)
	if err == nil && (token == "" || life <= 0) {
		err = errors.New("the network gave no access token")
	}
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.held = held{Token: token, Renew: now.Add(life - lead(life)), End: now.Add(life)}
		t.save(ctx)
		f.token, f.err = token, nil
		return f.token, f.err
	}
	if t.held.Token != "" && now.Before(t.held.End) {
		t.log.WarnContext(ctx, "the access token could not be renewed; the old one is used until it ends", "err", err)
		t.held.Renew = now.Add(min(pause, t.held.End.Sub(now)))
		f.token, f.err = t.held.Token, nil
		return f.token, f.err
	}
	f.err = unsent(fmt.Errorf("get an access token: %w", err))
	return "", f.err
}

// lead is how long before its end a token of this life is renewed. A network may hand out the rest of a
// token that is nearly over.
func lead(life time.Duration) time.Duration {
	if life > 2*early {
		return early
	}
	return life / 10
}

// Drop forgets a token that the network refused, unless another one has taken its place meanwhile: of
// many callers whose token was refused, one asks for the next.
func (t *Tokens) Drop(ctx context.Context, token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.load(ctx)
	if t.held.Token != token {
		return
	}
	t.held = held{}
	if err := t.state.Delete(ctx, t.key); err != nil {
		t.log.WarnContext(ctx, "a refused access token could not be forgotten on disk", "err", err)
	}
}

// load reads what an earlier run has kept; it holds mu.
func (t *Tokens) load(ctx context.Context) {
	if t.loaded {
		return
	}
	raw, _, err := t.state.Get(ctx, t.key)
	switch {
	case errors.Is(err, bridge.ErrNotFound):
	case err != nil:
		t.log.WarnContext(ctx, "the kept access token could not be read; a new one is asked for", "err", err)
		return
	default:
		if err := json.Unmarshal(raw, &t.held); err != nil {
			t.held = held{}
			t.log.WarnContext(ctx, "the kept access token is malformed; a new one is asked for")
		}
	}
	t.loaded = true
}

// save keeps the token for the next run; it holds mu. Without it all works but a restart asks again.
func (t *Tokens) save(ctx context.Context) {
	t.loaded = true
	raw, err := json.Marshal(t.held)
	if err == nil {
		_, err = t.state.Put(ctx, t.key, raw, bridge.AnyRev)
	}
	if err != nil {
		t.log.WarnContext(ctx, "the access token could not be kept on disk", "err", err)
	}
}

// unsent gives an error of a token the verdict that it has for a message: not sent, whatever became of
// the question; and what needs a person needs one for the whole account.
func unsent(err error) error {
	switch j := bridge.Judge(err); j.Verdict {
	case bridge.VerdictUnsure:
		return harmless(err)
	case bridge.VerdictPermanent, bridge.VerdictClosed:
		return bridge.Login(err)
	case bridge.VerdictWait:
		return bridge.RetryAccountAfter(err, j.Wait)
	default:
		return err
	}
}

// harmless makes an Unsure error plain: it is no matter whether the network did what was asked.
func harmless(err error) error {
	if bridge.Judge(err).Verdict != bridge.VerdictUnsure {
		return err
	}
	return &noVerdict{err}
}

// noVerdict keeps an error's text and what it Is, and hides its verdict.
type noVerdict struct{ cause error }

func (e *noVerdict) Error() string        { return e.cause.Error() }
func (e *noVerdict) Is(target error) bool { return errors.Is(e.cause, target) }
