// Package mattermost shows customers in a company's Mattermost: a private channel per customer, over one
// bot account that needs no more rights than a member of the team has.
package mattermost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// Kind is the entry for the list of adapters.
func Kind() bridge.Kind {
	return bridge.Kind{Name: "mattermost", New: func() bridge.Config {
		return &Config{Rooms: roomsChannel, Command: "hutong", MaxFile: 100 << 20}
	}}
}

// roomsChannel is a private channel for each customer.
const roomsChannel = "channel"

// Config is one bot account on a Mattermost server.
type Config struct {
	URL     string        `yaml:"url"`      // where the server is, as in a browser
	Token   bridge.Secret `yaml:"token"`    // of the bot
	Team    string        `yaml:"team"`     // the team's name in addresses
	Rooms   string        `yaml:"rooms"`    // how customers appear: channel
	Command string        `yaml:"command"`  // the slash command, registered if the bot may; "" is none
	MaxFile int64         `yaml:"max_file"` // bytes; no more than the server's own limit, which is 100 MiB unless changed
}

// Check names every problem.
func (c *Config) Check() error {
	var bad []error
	u, err := url.Parse(c.URL)
	switch {
	case c.URL == "":
		bad = append(bad, bridge.Problem("url", "missing: the address of the server, like https://chat.acme.example"))
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		bad = append(bad, bridge.Problem("url", "must be like https://chat.acme.example, without a query or a password"))
	}
	if t := c.Token.Reveal(); t == "" {
		bad = append(bad, bridge.Problem("token", "missing: in Mattermost, Integrations > Bot Accounts > Add Bot Account shows one"))
	} else if strings.ContainsFunc(t, func(r rune) bool { return r <= ' ' || r > '~' }) {
		bad = append(bad, bridge.Problem("token", "has a character in it that no token has"))
	}
	if c.Team == "" || strings.ToLower(c.Team) != c.Team || strings.ContainsAny(c.Team, "/ ?#") {
		bad = append(bad, bridge.Problem("team", "must be the team's name as it stands in addresses: acme in https://chat.acme.example/acme/channels/town-square"))
	}
	if c.Rooms != roomsChannel {
		bad = append(bad, bridge.Problem("rooms", "must be channel: a private channel for each customer"))
	}
	if c.Command != "" && !model.IsValidUsername(c.Command) {
		bad = append(bad, bridge.Problem("command", "must be a word in lower case, like hutong"))
	}
	if c.MaxFile <= 0 {
		bad = append(bad, bridge.Problem("max_file", "must be more than 0 bytes"))
	}
	return errors.Join(bad...)
}

// Open makes the adapter. It does not speak to the network yet.
func (c *Config) Open(env bridge.Env) (bridge.Adapter, error) {
	if env.Lobby == nil || env.State == nil || env.HTTP == nil {
		return nil, errors.New("mattermost needs the gateway's lobby, state and client")
	}
	u, err := url.Parse(strings.TrimRight(c.URL, "/"))
	if err != nil {
		return nil, bridge.Problem("url", "is no address")
	}
	a := &adapter{
		cfg: *c, env: env, host: u.Host, api: model.NewAPIv4Client(u.String()), icons: sync.OnceValue(icons),
		rooms: map[string]*room{}, users: map[string]*person{}, marks: marks{fresh: map[string]string{}},
		key: deriveKey(c.Token.Reveal()),
	}
	a.api.SetToken(c.Token.Reveal())
	a.api.HTTPClient = &http.Client{Transport: wire{env.HTTP}}
	return a, nil
}

// Limits of the server, in model/post.go: a message has at most 16383 runes, of which some are left for
// what this adapter adds, and at most 10 files.
const (
	maxPost  = model.PostMessageMaxRunesV2
	maxText  = maxPost - 1383
	maxFiles = 10
)

type adapter struct {
	cfg   Config
	env   bridge.Env
	host  string
	api   *model.Client4
	icons func() map[string]string // names of emoji by character
	key   []byte                   // of the signatures on buttons
	gate  gate
	wake  resume

	mu      sync.Mutex
	site    *site            // nil until asked, and after a change
	rooms   map[string]*room // by channel
	users   map[string]*person
	marks   marks
	told    bool   // what is missing but not needed was said once
	command string // the token of the slash command
}

var _ interface {
	bridge.Editor
	bridge.Deleter
	bridge.Reactor
	bridge.Typer
	bridge.Marker
	bridge.Opener
	bridge.Hinter
	bridge.Asker
	bridge.Fetcher
	bridge.Finder
	bridge.Prober
	bridge.Hooked
} = (*adapter)(nil)

// Caps are the server's limits. It dedupes for half a minute only, so that Find is asked.
func (a *adapter) Caps() bridge.Caps {
	return bridge.Caps{
		MaxText: maxText, Count: bridge.Runes, MaxFile: a.cfg.MaxFile, MaxFiles: maxFiles, Markup: bridge.CommonMark, Names: true,
	}
}

func (a *adapter) now() time.Time {
	if a.env.Now != nil {
		return a.env.Now()
	}
	return time.Now()
}

// maxAnswer bounds one answer: a thousand posts of the longest kind.
const maxAnswer = 128 << 20

// wire carries the requests of model.Client4, so that its errors have verdicts.
type wire struct{ http *http.Client }

// RoundTrip never answers with a status that is not 2xx: that is an error, with what the server says.
func (w wire) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := httpx.Do(req.Context(), w.http, req, maxAnswer)
	if status, ok := errors.AsType[*httpx.Error](err); ok && resp != nil {
		no := &refusal{error: err, status: status.Status}
		_ = json.Unmarshal(resp.Body, &no.says) // a proxy's page says nothing
		return nil, no
	}
	if err != nil {
		return nil, err
	}
	return &http.Response{
		Status: http.StatusText(resp.Status), StatusCode: resp.Status, Header: resp.Header, Request: req,
		Body: io.NopCloser(bytes.NewReader(resp.Body)), ContentLength: int64(len(resp.Body)), ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// refusal is an answer that is not 2xx; its verdict is that of the status.
type refusal struct {
	error
	status int
	says   struct {
		ID      string `json:"id"`
		Message string `json:"message"`
	}
}

func (r *refusal) Error() string {
	if r.says.Message == "" {
		return r.error.Error()
	}
	return r.error.Error() + ": " + r.says.Message
}

// Unwrap leads to the verdict.
func (r *refusal) Unwrap() error { return r.error }

// fault is the error of a call as the core shall read it: what net/http put around it is taken away; a
// limit is the account's, not the room's; and what the server has switched off stays off.
func fault(doing string, err error) error {
	if err == nil {
		return nil
	}
	if around, ok := errors.AsType[*url.Error](err); ok {
		err = around.Err
	} else { // all that fails after the answer has come
		err = bridge.Unsure(errors.New("the answer is not what was expected; is url: the address of Mattermost?"))
	}
	err = fmt.Errorf("%s: %w", doing, err)
	if j := bridge.Judge(err); j.Verdict == bridge.VerdictWait {
		return bridge.RetryAccountAfter(err, j.Wait)
	}
	if refused(err, http.StatusNotImplemented) {
		return bridge.Permanent(err)
	}
	return err
}

// refused reports whether the server answered one of the statuses.
func refused(err error, statuses ...int) bool {
	no, ok := errors.AsType[*refusal](err)
	return ok && slices.Contains(statuses, no.status)
}

// says reports whether the server gave this reason.
func says(err error, id string) bool {
	no, ok := errors.AsType[*refusal](err)
	return ok && no.says.ID == id
}

// plainly is an error of a call that shows nothing to anybody, so that it may be repeated at will.
func plainly(err error) error {
	if bridge.Judge(err).Verdict == bridge.VerdictUnsure {
		return fmt.Errorf("%v; it will be tried again", err) //nolint:errorlint // the verdict is to be lost
	}
	return err
}

// call is a call that is repeated at will, without the rest of its answer.
func call[T any](doing string, f func() (T, *model.Response, error)) (T, error) {
	v, _, err := f()
	return v, plainly(fault(doing, err))
}

// state keeps a small value in the gateway's store.
func (a *adapter) keep(ctx context.Context, key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if _, err := a.env.State.Put(ctx, key, b, bridge.AnyRev); err != nil {
		return fmt.Errorf("keep %s: %w", key, err)
	}
	return nil
}

// kept reads what keep has kept; false is nothing.
func (a *adapter) kept(ctx context.Context, key string, v any) (bool, error) {
	b, _, err := a.env.State.Get(ctx, key)
	if errors.Is(err, bridge.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %s: %w", key, err)
	}
	return json.Unmarshal(b, v) == nil, nil
}
