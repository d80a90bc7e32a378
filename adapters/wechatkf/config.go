// Package wechatkf speaks to 微信客服, the customer service of WeCom: customers write from WeChat without
// adding anybody, and the gateway answers through the API kf/… of a self-built app.
// Documents: https://developer.work.weixin.qq.com/document/path/94638
package wechatkf

import (
	"cmp"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
	"github.com/hutong-im/hutong/internal/tencent"
)

// Limits of the network. https://developer.work.weixin.qq.com/document/path/94677 (texts, menus, the window) and
// https://developer.work.weixin.qq.com/document/path/90253 (files)
const (
	maxText  = 2048 // bytes
	maxHead  = 1024 // bytes of the text over a menu
	maxItem  = 128  // bytes of a menu's entry, and of its id
	maxItems = 10
	maxFile  = 20 << 20
	maxImage = 10 << 20
	maxVideo = 10 << 20
	maxVoice = 2 << 20
	minFile  = 6 // bytes: smaller files are refused

	windowOpen     = 48 * time.Hour
	windowMessages = 5
)

// retention is how long the network keeps messages for kf/sync_msg.
// https://developer.work.weixin.qq.com/document/path/94670
const retention = 72 * time.Hour

// Kind is the entry for the list of adapters.
func Kind() bridge.Kind {
	return bridge.Kind{Name: "wechatkf", New: func() bridge.Config {
		return &Config{API: tencent.WeComURL, Poll: 5 * time.Minute, Backlog: time.Hour, Scene: "hutong"}
	}}
}

// Config is what stands in config.yaml.
type Config struct {
	CorpID string        `yaml:"corp_id"`
	Secret bridge.Secret `yaml:"secret"`  // of the self-built app
	Token  bridge.Secret `yaml:"token"`   // of the app's callback
	AESKey bridge.Secret `yaml:"aes_key"` // of the app's callback
	// Accounts are the open_kfids to serve; none is all that the app may manage. Cards open the first one.
	Accounts []string `yaml:"accounts"`
	API      string   `yaml:"api"`
	// Poll is how often messages are asked for when no callback comes.
	Poll time.Duration `yaml:"poll"`
	// Backlog is how far back the very first start looks; the network keeps three days.
	Backlog time.Duration `yaml:"backlog"`
	Scene   string        `yaml:"scene"` // of the links behind cards; stands in WeCom's statistics
	// Welcome is said to who opens the chat without a card; Taken when a person in WeCom takes the session over,
	// Ended when they end it. "" is nothing.
	Welcome string `yaml:"welcome"`
	Taken   string `yaml:"taken"`
	Ended   string `yaml:"ended"`
	// Idempotent says that WeCom shows a message whose msgid is repeated once. The documents do not promise it.
	Idempotent bool `yaml:"idempotent"`
}

// Check names every problem.
func (c *Config) Check() error {
	_, err := c.envelope(time.Now)
	bad := []error{err}
	if c.Secret.IsZero() {
		bad = append(bad, bridge.Problem("secret", "missing: the Secret of the self-built app (see docs/wechatkf.md)"))
	}
	for i, id := range c.Accounts {
		if !isID(id) || slices.Contains(c.Accounts[:i], id) {
			bad = append(bad, bridge.Problem("accounts", "%q: each is an open_kfid such as wkAJ2GCAAASSm4_FhToWMFea0xAFfd3Q, once", id))
		}
	}
	u, err := url.Parse(c.API)
	switch {
	case err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "":
		bad = append(bad, bridge.Problem("api", "must be like %s", tencent.WeComURL))
	case u.Scheme == "http" && !loopback(u.Hostname()):
		bad = append(bad, bridge.Problem("api", "plain http is for this machine only: the access token would be readable on the way"))
	}
	if c.Poll < 10*time.Second || c.Poll > 24*time.Hour {
		bad = append(bad, bridge.Problem("poll", "must be between 10s and 24h"))
	}
	if c.Backlog < 0 || c.Backlog > retention {
		bad = append(bad, bridge.Problem("backlog", "must be between 0s and 72h, which is how long WeCom keeps messages"))
	}
	if !regexp.MustCompile(`^[0-9a-zA-Z_-]{1,32}$`).MatchString(c.Scene) {
		bad = append(bad, bridge.Problem("scene", "must be 1 to 32 of the characters 0-9 a-z A-Z _ -"))
	}
	for name, text := range map[string]string{"welcome": c.Welcome, "taken": c.Taken, "ended": c.Ended} {
		if len(text) > maxText {
			bad = append(bad, bridge.Problem(name, "has %d bytes, more than %d", len(text), maxText))
		}
	}
	return errors.Join(bad...)
}

func (c *Config) envelope(now func() time.Time) (*tencent.Envelope, error) {
	return tencent.NewEnvelope(tencent.EnvelopeOptions{
		Network: tencent.WeComNetwork, Token: c.Token, AESKey: c.AESKey, Receiver: c.CorpID, Now: now,
	}, "corp_id")
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// adapter is one self-built app with its customer service accounts.
type adapter struct {
	cfg      Config
	env      bridge.Env
	api      tencent.Client
	hook     *tencent.Callback
	pictures *http.Client // for addresses that somebody else chose
	ffmpeg   string       // the program's path, "" if it is not there

	session atomic.Pointer[session] // nil while Run is not running

	mu     sync.Mutex
	codes  map[bridge.RoomID]code // for the first words to who has just opened the chat
	seats  map[bridge.RoomID]seat // sessions that a person in WeCom has
	notes  map[string]string      // what is amiss, by account or topic
	listed []string               // the accounts, once they are known
}

var _ interface {
	bridge.Asker
	bridge.Fetcher
	bridge.Inviter
	bridge.Prober
	bridge.Warner
	bridge.Hooked
	bridge.Forgetter
} = (*adapter)(nil)

// Open makes the adapter. It does not speak to WeCom yet.
func (c *Config) Open(env bridge.Env) (bridge.Adapter, error) {
	envelope, err := c.envelope(env.Now)
	if err != nil {
		return nil, err
	}
	a := &adapter{cfg: *c, env: env, codes: map[bridge.RoomID]code{}, notes: map[string]string{}}
	a.ffmpeg, _ = exec.LookPath("ffmpeg")
	client := tencent.Client{URL: c.API, HTTP: env.HTTP, Codes: tencent.WeComCodes(), Language: a.language}
	fetch := tencent.CorpToken(client, c.CorpID, c.Secret)
	client.Tokens = tencent.NewTokens(env, c.CorpID, fetch)
	a.api = client
	a.hook = &tencent.Callback{Envelope: envelope, Take: a.called, Log: env.Log}
	u, _ := url.Parse(c.API) // Check has parsed it
	a.pictures = httpx.Guarded(httpx.GuardOptions{Loopback: u != nil && loopback(u.Hostname())})
	return a, nil
}

// Caps are the network's limits.
func (a *adapter) Caps() bridge.Caps {
	return bridge.Caps{
		MaxText: maxText, Count: bridge.Bytes, MaxFile: maxFile, Dedupes: a.cfg.Idempotent,
		Window: bridge.Window{Open: windowOpen, Messages: windowMessages},
	}
}

func (a *adapter) language() string {
	if a.env.Lobby == nil {
		return ""
	}
	return cmp.Or(a.env.Lobby.Company().Language, "en")
}

// isID reports whether s can be an id of WeCom; such ids are letters, digits, - and _.
func isID(s string) bool {
	return s != "" && len(s) <= 64 && strings.IndexFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
	}) < 0
}

// roomOf is the chat of a customer with an account.
func roomOf(account, customer string) bridge.RoomID { return bridge.RoomID(account + "/" + customer) }

// split is the opposite of roomOf.
func split(room bridge.RoomID) (account, customer string, err error) {
	account, customer, _ = strings.Cut(string(room), "/")
	if !isID(account) || !isID(customer) {
		return "", "", bridge.Permanent(errors.New("this is no chat of 微信客服"))
	}
	return account, customer, nil
}
