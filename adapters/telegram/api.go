package telegram

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// adapter is one bot.
type adapter struct {
	cfg     Config
	env     bridge.Env
	words   *words
	bot     string                  // its id, which the token begins with
	session atomic.Pointer[session] // while Run runs

	introduced atomic.Bool // the commands are registered

	albums albums

	mu     sync.Mutex
	me     user             // once asked
	owners map[string]int64 // whose account a business connection is, by its id

	pausedChat string // the last chat that Telegram asked to let rest
	pausedTill time.Time
}

// hooked is an adapter that Telegram calls.
type hooked struct{ *adapter }

var (
	_ bridge.Editor  = (*adapter)(nil)
	_ bridge.Deleter = (*adapter)(nil)
	_ bridge.Reactor = (*adapter)(nil)
	_ bridge.Typer   = (*adapter)(nil)
	_ bridge.Opener  = (*adapter)(nil)
	_ bridge.Asker   = (*adapter)(nil)
	_ bridge.Fetcher = (*adapter)(nil)
	_ bridge.Prober  = (*adapter)(nil)
	_ bridge.Inviter = (*adapter)(nil)
	_ bridge.Hooked  = (*hooked)(nil)

	_ bridge.Forgetter = (*adapter)(nil)
)

type obj = map[string]any

// maxAnswer bounds an answer, in bytes: a hundred updates of 4,096 characters with their entities are below it.
const maxAnswer = 16 << 20

var errNotUnderstood = errors.New("not understood")

// refusal is what Telegram says when it does not do something
// (https://core.telegram.org/bots/api#making-requests, #responseparameters).
type refusal struct {
	method     string
	Code       int    `json:"error_code"`
	Text       string `json:"description"`
	Parameters struct {
		RetryAfter int   `json:"retry_after"`
		MigrateTo  int64 `json:"migrate_to_chat_id"`
	} `json:"parameters"`
}

func (r *refusal) Error() string {
	return fmt.Sprintf("%s: Telegram answered %d %s", r.method, r.Code, r.Text)
}

// says reports whether Telegram refused with words that hold one of the texts.
func says(err error, texts ...string) bool {
	r, ok := errors.AsType[*refusal](err)
	for _, t := range texts {
		if ok && strings.Contains(strings.ToLower(r.Text), strings.ToLower(t)) {
			return true
		}
	}
	return false
}

// call asks Telegram for something that would be seen twice if it were done twice.
func (a *adapter) call(ctx context.Context, method string, params obj, result any) error {
	req, err := httpx.Request(ctx, http.MethodPost, a.address(method), params)
	if err != nil {
		return bridge.Permanent(fmt.Errorf("%s: %w", method, err))
	}
	req.Header.Set("Content-Type", "application/json")
	return a.do(ctx, method, req, fmt.Sprint(params["chat_id"]), result)
}

// address holds the token: it must not come into an error.
func (a *adapter) address(method string) string {
	return a.cfg.API + "/bot" + a.cfg.Token.Reveal() + "/" + method
}

// do sends a request and reads {"ok", "result"}.
func (a *adapter) do(ctx context.Context, method string, req *http.Request, chat string, result any) error {
	resp, err := httpx.Do(ctx, a.env.HTTP, req, maxAnswer)
	if resp == nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	var answer struct {
		OK     bool            `json:"ok"`
		Result json.RawMessage `json:"result"`
		refusal
	}
	answer.method = method
	bad := json.Unmarshal(resp.Body, &answer)
	switch {
	case err != nil && (bad != nil || answer.Code == 0):
		if resp.Status >= 500 && resp.Status != http.StatusServiceUnavailable {
			err = bridge.Unsure(err)
		}
		return fmt.Errorf("%s: %w", method, err)
	case err != nil || bad == nil && answer.Code != 0:
		return a.judge(&answer.refusal, chat)
	case bad == nil && !answer.OK:
		bad = errNotUnderstood
	case bad == nil && result != nil:
		bad = json.Unmarshal(answer.Result, result)
	}
	if bad != nil {
		return bridge.Unsure(fmt.Errorf("%s: the answer is not the JSON that was expected", method))
	}
	return nil
}

// ask is call for what may be done twice: when the answer is lost it is simply asked again.
func (a *adapter) ask(ctx context.Context, method string, params obj, result any) error {
	err := a.call(ctx, method, params, result)
	if bridge.Judge(err).Verdict == bridge.VerdictUnsure {
		return &again{err}
	}
	return err
}

// again is an error without the verdict of what caused it.
type again struct{ cause error }

func (e *again) Error() string { return e.cause.Error() }

// judge gives a refusal its verdict, and says what to do in words where the writer can do something.
func (a *adapter) judge(r *refusal, chat string) error {
	permanent := func(text string) error { return bridge.Permanent(&told{text, r}) }
	switch {
	case r.Code == http.StatusUnauthorized, r.Code == http.StatusNotFound && r.Text == "Not Found":
		return bridge.Login(fmt.Errorf("%w: the token is not valid (any more); get the bot's token from @BotFather with /token and put it into adapters.%s.token", r, a.env.Name))
	case r.Code == http.StatusConflict:
		return fmt.Errorf("%w: another program hears this bot, and Telegram lets only one; stop it, or make a bot of your own with @BotFather", r)
	case r.Code == http.StatusTooManyRequests:
		return a.rest(r, chat)
	case r.Code == http.StatusServiceUnavailable:
		return r
	case r.Code >= 500:
		return bridge.Unsure(r)
	case says(r, "blocked by the user"):
		return permanent(a.words.blocked)
	case says(r, "user is deactivated"):
		return permanent(a.words.deactivated)
	case says(r, "can't initiate conversation"):
		return permanent(a.words.notStarted)
	case r.Parameters.MigrateTo != 0, says(r, "supergroup", "kicked", "not a member"):
		return permanent(a.words.group)
	case says(r, "chat not found", "PEER_ID_INVALID"):
		return permanent(a.words.gone)
	}
	return bridge.Permanent(r)
}

// told is a refusal in words for the writer.
type told struct {
	text  string
	cause error
}

func (e *told) Error() string { return e.text }
func (e *told) Unwrap() error { return e.cause }

// rest lets a chat rest for as long as Telegram says. It limits chats (about a message a second) and the bot (about 30),
// and does not say which it was (https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this): when a
// second chat is stopped while the first one rests, it is the bot.
func (a *adapter) rest(r *refusal, chat string) error {
	wait := min(time.Duration(max(r.Parameters.RetryAfter, 1))*time.Second, time.Hour)
	now := a.env.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	whole := a.pausedChat != chat && now.Before(a.pausedTill)
	a.pausedChat, a.pausedTill = chat, now.Add(wait)
	if whole {
		return bridge.RetryAccountAfter(r, wait)
	}
	return bridge.RetryAfter(r, wait)
}

// self is who the bot is.
func (a *adapter) self(ctx context.Context) (user, error) {
	a.mu.Lock()
	me := a.me
	a.mu.Unlock()
	if me.Username != "" {
		return me, nil
	}
	if err := a.ask(ctx, "getMe", nil, &me); err != nil {
		return me, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.me = me
	return me, nil
}

// Invite is the link that opens the bot with a card (https://core.telegram.org/bots/features#deep-linking).
func (a *adapter) Invite(ctx context.Context, c bridge.CardID) (string, error) {
	const brief = 3 * time.Second // somebody looks at a card's page meanwhile
	ctx, cancel := context.WithTimeout(ctx, brief)
	defer cancel()
	me, err := a.self(ctx)
	if err != nil {
		return "", err
	}
	return "https://t.me/" + url.PathEscape(strings.TrimPrefix(me.Username, "@")) + "?start=" + url.QueryEscape(string(c)), nil
}

// freshError is for how long an error of the webhook is taken for the present state of things.
const freshError = 15 * time.Minute

// Probe asks whether the token works, and what Telegram says of its calls.
func (a *adapter) Probe(ctx context.Context) error {
	if err := a.ask(ctx, "getMe", nil, nil); err != nil {
		return err
	}
	if a.cfg.Mode != modeWebhook {
		return nil
	}
	var info struct {
		URL   string `json:"url"`
		Error string `json:"last_error_message"`
		At    int64  `json:"last_error_date"`
	}
	if err := a.ask(ctx, "getWebhookInfo", nil, &info); err != nil {
		return err
	}
	if info.URL == a.hookURL() && info.Error != "" && a.env.Now().Sub(time.Unix(info.At, 0)) < freshError {
		return fmt.Errorf("telegram cannot call %s: %s; it must be reachable from the internet with a valid certificate", info.URL, info.Error)
	}
	return nil
}

// Fetch reads a file.
func (a *adapter) Fetch(ctx context.Context, f bridge.File) (io.ReadCloser, error) {
	var got struct {
		Path string `json:"file_path"`
	}
	if err := a.ask(ctx, "getFile", obj{"file_id": f.Ref}, &got); err != nil {
		return nil, err
	}
	if strings.HasPrefix(got.Path, "/") {
		return nil, bridge.Permanent(errors.New(a.words.local))
	}
	parts := strings.Split(got.Path, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.cfg.API+"/file/bot"+a.cfg.Token.Reveal()+"/"+strings.Join(parts, "/"), nil)
	if err != nil || got.Path == "" {
		return nil, bridge.Permanent(errors.New("fetch: Telegram gives no address for the file"))
	}
	client := *a.env.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		if addressed, ok := errors.AsType[*url.Error](err); ok {
			err = addressed.Err // the address has the token in it
		}
		return nil, fmt.Errorf("fetch from %s: %w", req.URL.Host, err)
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("fetch: %w", httpx.Verdict(req.URL.Host, resp.StatusCode, resp.Header, a.env.Now()))
	}
	return resp.Body, nil
}
