package slack

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	slackapi "github.com/slack-go/slack"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// adapter is one app in one workspace.
type adapter struct {
	cfg     Config
	env     bridge.Env
	api     *slackapi.Client
	host    string // that the token may go to
	web     *http.Client
	emoji   emojis
	session atomic.Pointer[session] // while Run runs
}

// hooked is an adapter that Slack calls.
type hooked struct{ *adapter }

var (
	_ bridge.Editor  = (*adapter)(nil)
	_ bridge.Deleter = (*adapter)(nil)
	_ bridge.Reactor = (*adapter)(nil)
	_ bridge.Marker  = (*adapter)(nil)
	_ bridge.Opener  = (*adapter)(nil)
	_ bridge.Hinter  = (*adapter)(nil)
	_ bridge.Asker   = (*adapter)(nil)
	_ bridge.Fetcher = (*adapter)(nil)
	_ bridge.Finder  = (*adapter)(nil)
	_ bridge.Prober  = (*adapter)(nil)
	_ bridge.Hooked  = (*hooked)(nil)
)

func newAdapter(c *Config, env bridge.Env) (*adapter, error) {
	u, err := url.Parse(c.APIURL)
	if err != nil {
		return nil, bridge.Problem("api_url", "must be like https://slack.com/api/")
	}
	a := &adapter{cfg: *c, env: env, host: u.Host, emoji: readEmojis()}
	next := env.HTTP.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	a.web = &http.Client{
		Transport:     &doorman{next: next, host: u.Host, token: c.BotToken.Reveal(), now: env.Now},
		Timeout:       env.HTTP.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	a.api = slackapi.New(c.BotToken.Reveal(), slackapi.OptionHTTPClient(a.web), slackapi.OptionAppLevelToken(c.AppToken.Reveal()),
		slackapi.OptionAPIURL(strings.TrimSuffix(c.APIURL, "/")+"/"), slackapi.OptionLog(log.New(io.Discard, "", 0)))
	return a, nil
}

// doorman shows the token in the header, to Slack alone, and turns what is no answer into verdicts.
type doorman struct {
	next        http.RoundTripper
	host, token string
	now         func() time.Time
}

// RoundTrip implements http.RoundTripper.
func (d *doorman) RoundTrip(req *http.Request) (*http.Response, error) {
	var sent atomic.Bool
	req = req.Clone(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}))
	if req.URL.Host == d.host && req.Header.Get("Authorization") == "" {
		req.Header.Set("Authorization", "Bearer "+d.token)
	}
	resp, err := d.next.RoundTrip(req)
	if err != nil {
		if sent.Load() {
			return nil, bridge.Unsure(err)
		}
		return nil, &unsent{err}
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		_ = resp.Body.Close()
		return nil, httpx.Verdict(req.URL.Host, resp.StatusCode, resp.Header, d.now())
	}
	return resp, nil
}

// unsent is a request that never left.
type unsent struct{ error }

func (e *unsent) Unwrap() error { return e.error }

// fault gives the error of a call that changes something its verdict. Addresses are left out: those of uploads are secret.
func (a *adapter) fault(call string, err error) error {
	if err == nil {
		return nil
	}
	if addressed, ok := errors.AsType[*url.Error](err); ok {
		err = addressed.Err
	}
	if refused, ok := errors.AsType[slackapi.SlackErrorResponse](err); ok {
		return a.refused(call, refused)
	}
	wrapped := fmt.Errorf("%s: %w", call, err)
	_, left := errors.AsType[*unsent](err)
	_, answered := errors.AsType[*httpx.Error](err)
	if left || answered || bridge.Judge(err).Verdict != bridge.VerdictRetry {
		return wrapped
	}
	return bridge.Unsure(wrapped) // the answer was cut or not understood
}

// asked is fault for calls that change nothing, or nothing that would be seen twice.
func (a *adapter) asked(call string, err error) error {
	err = a.fault(call, err)
	if bridge.Judge(err).Verdict == bridge.VerdictUnsure {
		return &again{err}
	}
	return err
}

// again is an error without the verdict of what caused it.
type again struct{ cause error }

func (e *again) Error() string { return e.cause.Error() }

// refused judges Slack's own codes (https://docs.slack.dev/reference/methods/chat.postMessage#errors).
func (a *adapter) refused(call string, e slackapi.SlackErrorResponse) error {
	err := fmt.Errorf("%s: %w", call, e)
	switch e.Err {
	case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type", "org_login_required":
		return bridge.Login(fmt.Errorf("%w: install the app again at https://api.slack.com/apps and put its token into adapters.%s", err, a.env.Name))
	case "missing_scope":
		return bridge.Login(fmt.Errorf("%w: %s", err, lacking(e.Needed)))
	case "ratelimited", "rate_limited", "message_limit_exceeded":
		return bridge.RetryAfter(err, 30*time.Second)
	case "fatal_error", "internal_error", "request_timeout": // "some aspect of the operation may have succeeded"
		return bridge.Unsure(err)
	case "service_unavailable", "team_added_to_org":
		return err
	case "is_archived":
		return bridge.Permanent(fmt.Errorf("%w: the channel was archived; unarchive it", err))
	case "channel_not_found", "not_in_channel":
		return bridge.Permanent(fmt.Errorf("%w: the app is not in the channel; invite it there again", err))
	default:
		return bridge.Permanent(err)
	}
}

func lacking(scopes string) string {
	return "the app lacks " + scopes + ": add it under OAuth & Permissions, Bot Token Scopes, at https://api.slack.com/apps, then install the app again"
}

// is reports whether Slack answered with one of the codes.
func is(err error, codes ...string) bool {
	refused, ok := errors.AsType[slackapi.SlackErrorResponse](err)
	return ok && slices.Contains(codes, refused.Err)
}

// Probe asks whether the tokens work and are allowed enough.
func (a *adapter) Probe(ctx context.Context) error {
	me, err := a.api.AuthTestContext(ctx)
	if err != nil {
		return a.asked("auth.test", err)
	}
	if granted := me.Header.Get("X-OAuth-Scopes"); granted != "" {
		if less := missing(granted); len(less) > 0 {
			return bridge.Login(errors.New(lacking(strings.Join(less, ", "))))
		}
	}
	if !a.cfg.AppToken.IsZero() {
		if _, _, err := a.api.StartSocketModeContext(ctx); err != nil {
			return fmt.Errorf("%w (app_token needs connections:write and Socket Mode switched on: Basic Information, App-Level Tokens)",
				a.asked("apps.connections.open", err))
		}
	}
	return nil
}

// Fetch reads a file. The token goes with it to Slack alone.
func (a *adapter) Fetch(ctx context.Context, f bridge.File) (io.ReadCloser, error) {
	u, err := url.Parse(f.Ref)
	if err != nil || !a.trusted(u) {
		return nil, bridge.Permanent(errors.New("fetch: the file is not on Slack"))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, bridge.Permanent(errors.New("fetch: the address is wrong"))
	}
	req.Header.Set("Authorization", "Bearer "+a.cfg.BotToken.Reveal())
	resp, err := a.web.Do(req)
	if err != nil {
		return nil, a.asked("fetch", err)
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") && !strings.HasPrefix(f.Type, "text/") {
		_ = resp.Body.Close()
		return nil, bridge.Permanent(errors.New("fetch: Slack shows its sign-in page instead of the file; does the app have files:read?"))
	}
	return resp.Body, nil
}

// trusted reports whether an address is Slack's own.
func (a *adapter) trusted(u *url.URL) bool {
	return u.Host == a.host || u.Scheme == "https" && (u.Host == "slack.com" || strings.HasSuffix(u.Host, ".slack.com"))
}

// load reads what was kept under the key; false: nothing was.
func (a *adapter) load(ctx context.Context, key string, v any) (bool, error) {
	b, _, err := a.env.State.Get(ctx, key)
	if errors.Is(err, bridge.ErrNotFound) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		return false, fmt.Errorf("read %s: %w", key, err)
	}
	return true, nil
}

func (a *adapter) keep(ctx context.Context, key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("keep %s: %w", key, err)
	}
	if _, err := a.env.State.Put(ctx, key, b, bridge.AnyRev); err != nil {
		return fmt.Errorf("keep %s: %w", key, err)
	}
	return nil
}

// signKey is what buttons are signed with; it is made once.
func (a *adapter) signKey(ctx context.Context) ([]byte, error) {
	var key []byte
	known, err := a.load(ctx, "sign", &key)
	if err != nil || known {
		return key, err
	}
	key = []byte(rand.Text())
	b, err := json.Marshal(key)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	if _, err := a.env.State.Put(ctx, "sign", b, 0); errors.Is(err, bridge.ErrStale) {
		_, err = a.load(ctx, "sign", &key)
		return key, err
	} else if err != nil {
		return nil, fmt.Errorf("keep sign: %w", err)
	}
	return key, nil
}
