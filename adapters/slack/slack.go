package slack

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	slackapi "github.com/slack-go/slack"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// adapter is one app in one workspace.
type adapter struct {
	cfg       Config
	env       bridge.Env
	origin    string           // of the Web API: where the token may go
	socket    *slackapi.Client // for Socket Mode
	emoji     emojis
	session   atomic.Pointer[session] // while Run runs
	positions *positions

	mu       sync.Mutex
	rest     map[string]time.Time // of methods: until when Slack wants no more calls
	warnings map[string]string    // by what they are about
	homes    map[bridge.UserID]bool
}

// hooked is an adapter that Slack calls.
type hooked struct{ *adapter }

var (
	_ bridge.Editor    = (*adapter)(nil)
	_ bridge.Deleter   = (*adapter)(nil)
	_ bridge.Reactor   = (*adapter)(nil)
	_ bridge.Marker    = (*adapter)(nil)
	_ bridge.Opener    = (*adapter)(nil)
	_ bridge.Updater   = (*adapter)(nil)
	_ bridge.Hinter    = (*adapter)(nil)
	_ bridge.Asker     = (*adapter)(nil)
	_ bridge.Fetcher   = (*adapter)(nil)
	_ bridge.Finder    = (*adapter)(nil)
	_ bridge.Prober    = (*adapter)(nil)
	_ bridge.Warner    = (*adapter)(nil)
	_ bridge.Forgetter = (*adapter)(nil)
	_ bridge.Hooked    = (*hooked)(nil)
)

func newAdapter(c *Config, env bridge.Env) (*adapter, error) {
	u, err := url.Parse(c.APIURL)
	if err != nil {
		return nil, bridge.Problem("api_url", "must be like https://slack.com/api/")
	}
	a := &adapter{
		cfg: *c, env: env, origin: u.Scheme + "://" + u.Host, emoji: readEmojis(), positions: newPositions(env.State),
		rest: map[string]time.Time{}, warnings: map[string]string{}, homes: map[bridge.UserID]bool{},
	}
	a.cfg.APIURL = strings.TrimSuffix(c.APIURL, "/") + "/"
	a.socket = slackapi.New("", slackapi.OptionHTTPClient(env.HTTP), slackapi.OptionAppLevelToken(c.AppToken.Reveal()),
		slackapi.OptionAPIURL(a.cfg.APIURL), slackapi.OptionLog(log.New(io.Discard, "", 0)))
	return a, nil
}

// fields are what a call, a block or a view consists of.
type fields = map[string]any

// maxAnswer is more than any answer has, in bytes.
const maxAnswer = 64 << 20

// refusal is an answer with which Slack says no. Codes: https://docs.slack.dev/reference/methods/chat.postMessage#errors.
type refusal struct {
	OK     bool   `json:"ok"`
	Code   string `json:"error"`
	Needed string `json:"needed"` // scopes, with missing_scope
}

func (r *refusal) Error() string { return r.Code }

// is reports whether Slack answered with one of the codes.
func is(err error, codes ...string) bool {
	said, ok := errors.AsType[*refusal](err)
	return ok && slices.Contains(codes, said.Code)
}

// call is ask for what may be done twice without anybody seeing it: that nobody knows whether it was done is no matter.
func (a *adapter) call(ctx context.Context, method string, f fields, answer any) error {
	_, err := a.ask(ctx, method, f, answer)
	return certain(err)
}

// certain takes the doubt from an error of what may be done again.
func certain(err error) error {
	if bridge.Judge(err).Verdict == bridge.VerdictUnsure {
		return errors.New(err.Error())
	}
	return err
}

// ask calls a method of the Web API, as a form, which is what all of them take. Slack limits methods, each for the whole
// workspace: one that is limited is not called before its time, while the others go on. chat.postMessage is limited by
// channel, which the gateway's lanes see to.
func (a *adapter) ask(ctx context.Context, method string, f fields, answer any) (http.Header, error) {
	a.mu.Lock()
	rest := a.rest[method].Sub(a.env.Now())
	a.mu.Unlock()
	if rest > 0 {
		return nil, bridge.RetryAfter(fmt.Errorf("%s: Slack wants no more calls for a while", method), rest)
	}
	form := url.Values{}
	for k, v := range f {
		if v == "" {
			continue
		}
		if text, ok := v.(string); ok {
			form.Set(k, text)
			continue
		}
		b, err := httpx.EncodeJSON(v)
		if err != nil {
			return nil, bridge.Permanent(fmt.Errorf("%s: %w", method, err))
		}
		form.Set(k, string(b))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.cfg.APIURL+method, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, bridge.Permanent(fmt.Errorf("%s: the address is wrong", method))
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+a.cfg.BotToken.Reveal())
	resp, err := httpx.Do(ctx, a.env.HTTP, req, maxAnswer)
	if err != nil {
		return nil, a.limited(method, fmt.Errorf("%s: %w", method, err))
	}
	said := &refusal{}
	if answer == nil {
		answer = &struct{}{}
	}
	if err := errors.Join(lenient(resp.Body, said), lenient(resp.Body, answer)); err != nil || !said.OK && said.Code == "" {
		return nil, bridge.Unsure(fmt.Errorf("%s: %w", method, errNotUnderstood))
	}
	if !said.OK {
		return nil, a.limited(method, a.refused(method, said))
	}
	return resp.Header, nil
}

// limited notes how long a method must rest.
func (a *adapter) limited(method string, err error) error {
	if j := bridge.Judge(err); j.Verdict == bridge.VerdictWait && method != "chat.postMessage" {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.rest[method] = a.env.Now().Add(j.Wait)
	}
	return err
}

// refused gives a refusal its verdict.
func (a *adapter) refused(method string, said *refusal) error {
	err := fmt.Errorf("%s: %w", method, said)
	switch said.Code {
	case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type", "org_login_required":
		return bridge.Login(fmt.Errorf("%w: install the app again at https://api.slack.com/apps and put its token into adapters.%s", err, a.env.Name))
	case "missing_scope":
		err = fmt.Errorf("%w: %s", err, lacking(said.Needed))
		if comforts()[said.Needed] != "" {
			return bridge.Permanent(err)
		}
		return bridge.Login(err)
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

// disconnected is an error of the library that keeps the socket.
func (a *adapter) disconnected(err error) error {
	if said, ok := errors.AsType[slackapi.SlackErrorResponse](err); ok {
		return a.refused("apps.connections.open", &refusal{Code: said.Err})
	}
	return fmt.Errorf("apps.connections.open: %w", homeless(err))
}

// homeless is an error without the address, in which there may be a secret.
func homeless(err error) error {
	if addressed, ok := errors.AsType[*url.Error](err); ok {
		return addressed.Err
	}
	return err
}

// identity is who the app is in the workspace.
type identity struct {
	URL    string `json:"url"`
	UserID string `json:"user_id"`
	BotID  string `json:"bot_id"`
}

// identify asks who the app is, and whether it may do what it must.
func (a *adapter) identify(ctx context.Context) (*identity, error) {
	me := &identity{}
	head, err := a.ask(ctx, "auth.test", nil, me)
	if err != nil {
		return nil, err
	}
	return me, a.allowed(head.Get("X-OAuth-Scopes"))
}

// allowed looks through the scopes that a token has: without some nothing goes on, without others there is a warning.
func (a *adapter) allowed(header string) error {
	if header == "" {
		return nil // Slack does not say
	}
	granted := strings.FieldsFunc(header, func(r rune) bool { return r == ',' || r == ' ' })
	var must []string
	for _, scope := range scopes() {
		comfort := comforts()[scope]
		switch {
		case slices.Contains(granted, scope):
			a.warn(scope, "")
		case comfort == "":
			must = append(must, scope)
		default:
			a.warn(scope, comfort+": "+lacking(scope))
		}
	}
	if len(must) > 0 {
		return bridge.Login(errors.New(lacking(strings.Join(must, ", "))))
	}
	return nil
}

// Probe asks whether the tokens work and are allowed enough.
func (a *adapter) Probe(ctx context.Context) error {
	if _, err := a.identify(ctx); err != nil || a.cfg.AppToken.IsZero() {
		return err
	}
	if _, _, err := a.socket.StartSocketModeContext(ctx); err != nil {
		return fmt.Errorf("%w (app_token needs connections:write and Socket Mode switched on: Basic Information, App-Level Tokens)", a.disconnected(err))
	}
	return nil
}

// Warnings are what was found missing that can be done without.
func (a *adapter) Warnings() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Values(a.warnings))
}

// warn keeps a sentence for the operator, in place of the last about the same; "" takes it away.
func (a *adapter) warn(about, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.warnings[about] = text; text == "" {
		delete(a.warnings, about)
	}
}

// Fetch reads a file. The token goes with it to Slack alone.
func (a *adapter) Fetch(ctx context.Context, f bridge.File) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.Ref, nil)
	if err != nil || !a.trusted(req.URL) {
		return nil, bridge.Permanent(errors.New("fetch: the file is not on Slack"))
	}
	req.Header.Set("Authorization", "Bearer "+a.cfg.BotToken.Reveal())
	client := *a.env.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", homeless(err))
	}
	switch {
	case resp.StatusCode != http.StatusOK:
		err = httpx.Verdict(req.URL.Host, resp.StatusCode, resp.Header, a.env.Now())
	case strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") && !strings.HasPrefix(f.Type, "text/"):
		err = bridge.Permanent(errors.New("fetch: Slack shows its sign-in page instead of the file; does the app have files:read?"))
	default:
		return resp.Body, nil
	}
	_ = resp.Body.Close()
	return nil, err
}

// trusted reports whether an address is Slack's own.
func (a *adapter) trusted(u *url.URL) bool {
	return u.Scheme+"://"+u.Host == a.origin || u.Scheme == "https" && (u.Host == "slack.com" || strings.HasSuffix(u.Host, ".slack.com"))
}

// keepFirst makes durable what stands under the key, unless something does already.
func keepFirst(ctx context.Context, kv bridge.KV, key string, v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		_, err = kv.Put(ctx, key, b, 0)
	}
	if err != nil && !errors.Is(err, bridge.ErrStale) {
		return fmt.Errorf("keep the state: %w", err)
	}
	return nil
}

// signer signs buttons, with a key that is made once.
func (a *adapter) signer(ctx context.Context) (httpx.Signer, error) {
	const buttonsLast = 365 * 24 * time.Hour
	s := httpx.Signer{Window: buttonsLast}
	known, err := bridge.Load(ctx, a.env.State, "sign", &s.Key)
	if err == nil && !known {
		err = keepFirst(ctx, a.env.State, "sign", []byte(rand.Text()))
		if err == nil {
			_, err = bridge.Load(ctx, a.env.State, "sign", &s.Key)
		}
	}
	return s, err
}
