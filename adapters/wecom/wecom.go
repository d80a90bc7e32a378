// Package wecom speaks to WeCom (企业微信) through a company's own self-built app (自建应用), as the workspace of its
// employees: all customers of an employee come into the one chat that this employee has with the app.
// Documents: https://developer.work.weixin.qq.com/document/.
package wecom

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/tencent"
)

// The ways of Config.Menu.
const (
	menuAuto = "auto" // the app's menu is made as it stands in the config
	menuKeep = "keep" // somebody else's menu is left alone
)

// roomsInbox is the only way to show customers: WeCom does not let an app hear a group.
const roomsInbox = "inbox"

// Limits of what an app may say: https://developer.work.weixin.qq.com/document/path/90236. A text of more than 2048
// bytes is cut off. Of these, 48 are kept for what tells equal texts apart (see ledger.go). What is longer comes in
// pieces; what would need more than maxPieces comes as one article, which fits whatever stands in it.
const (
	wireText  = 2048
	maxPiece  = wireText - maxMarks
	maxPieces = 3
	maxText   = 64 << 10
	maxMarks  = 48
	maxFile   = 20 << 20
	perMinute = 30
	perHour   = 1000
)

// Kind is the entry for the list of adapters.
func Kind() bridge.Kind {
	return bridge.Kind{Name: "wecom", New: func() bridge.Config {
		return &Config{
			API: tencent.WeComURL, Rooms: roomsInbox, Menu: menuAuto, Quotes: true, DuplicateCheck: true, PerMinute: perMinute, PerHour: perHour,
		}
	}}
}

// Config is what stands in config.yaml; docs/wecom.md says where to find each value.
type Config struct {
	CorpID  string        `yaml:"corp_id"`
	AgentID int           `yaml:"agent_id"`
	Secret  bridge.Secret `yaml:"secret"`
	Token   bridge.Secret `yaml:"token"`   // of the callback
	AESKey  bridge.Secret `yaml:"aes_key"` // of the callback
	API     string        `yaml:"api"`     // another address for tests and proxies
	Rooms   string        `yaml:"rooms"`   // inbox
	Menu    string        `yaml:"menu"`    // auto or keep
	Buttons []Button      `yaml:"buttons"` // of the menu; none are the usual ones
	// Quotes says that a quoted message chooses the customer. Whether all clients write quotes alike is not
	// documented; false leaves them as they are.
	Quotes bool `yaml:"quotes"`
	// DuplicateCheck has WeCom swallow repetitions. It is not documented how closely bodies are compared; false does
	// without, and a message whose answer was lost is shown as unknown.
	DuplicateCheck bool `yaml:"duplicate_check"`
	// Markdown shows what customers format as such. It is off because the WeChat plug-in (微信插件) shows no markdown.
	Markdown bool `yaml:"markdown"`
	// Confidential (保密消息) keeps messages from being forwarded and shows them with a watermark. WeCom has it for
	// texts, pictures, videos, files and articles, so that links do not come as cards then.
	Confidential bool `yaml:"confidential"`
	// PerMinute and PerHour are how many messages one member gets of the app: WeCom drops more without a word.
	PerMinute int `yaml:"per_minute"`
	PerHour   int `yaml:"per_hour"`
}

// Check names every problem.
func (c *Config) Check() error {
	_, err := c.envelope(nil)
	bad := []error{err}
	if c.AgentID <= 0 {
		bad = append(bad, bridge.Problem("agent_id", "missing: the AgentId of the app, a number (应用管理 → 自建 → the app)"))
	}
	if c.Secret.IsZero() {
		bad = append(bad, bridge.Problem("secret", "missing: the app's Secret (应用管理 → 自建 → the app → Secret)"))
	}
	u, err := url.Parse(c.API)
	switch {
	case err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.RawQuery != "" || u.User != nil:
		bad = append(bad, bridge.Problem("api", "must be like "+tencent.WeComURL))
	case u.Scheme == "http" && !loopback(u.Hostname()):
		bad = append(bad, bridge.Problem("api", "plain http is for this machine only: the secret would be readable on the way"))
	}
	if c.Rooms != roomsInbox {
		bad = append(bad, bridge.Problem("rooms", "%q is not known; in WeCom there is inbox only", c.Rooms))
	}
	if c.Menu != menuAuto && c.Menu != menuKeep {
		bad = append(bad, bridge.Problem("menu", "%q is not known; there are auto and keep", c.Menu))
	}
	if c.Markdown && c.Confidential {
		bad = append(bad, bridge.Problem("markdown", "WeCom has no confidential markdown; leave out markdown or confidential"))
	}
	if c.PerMinute <= 0 {
		bad = append(bad, bridge.Problem("per_minute", "must be at least 1; WeCom's limit is %d", perMinute))
	}
	if c.PerHour <= 0 {
		bad = append(bad, bridge.Problem("per_hour", "must be at least 1; WeCom's limit is %d", perHour))
	}
	return errors.Join(append(bad, checkButtons(c.Buttons)...)...)
}

func (c *Config) envelope(env *bridge.Env) (*tencent.Envelope, error) {
	o := tencent.EnvelopeOptions{Network: tencent.WeComNetwork, Token: c.Token, AESKey: c.AESKey, Receiver: c.CorpID}
	if env != nil {
		o.Now = env.Now
	}
	return tencent.NewEnvelope(o, "corp_id")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Open makes the adapter. It does not speak to WeCom yet.
func (c *Config) Open(env bridge.Env) (bridge.Adapter, error) {
	envelope, err := c.envelope(&env)
	if err != nil {
		return nil, err
	}
	a := &adapter{cfg: *c, env: env, nudged: make(chan struct{}, 1), moved: make(chan struct{}), unsure: map[string]string{}, asking: map[string]string{}}
	client := tencent.Client{URL: c.API, HTTP: env.HTTP, Codes: tencent.WeComCodes(), Language: a.language}
	a.api = client
	a.api.Tokens = tencent.NewTokens(env, c.CorpID+"/"+strconv.Itoa(c.AgentID), tencent.CorpToken(client, c.CorpID, c.Secret))
	a.ledger = &ledger{
		state: env.State, swallows: c.DuplicateCheck, now: env.Now, minute: c.PerMinute, hour: c.PerHour, budgets: map[bridge.RoomID]*budget{},
	}
	a.book = &book{state: env.State}
	a.hook = &tencent.Callback{Envelope: envelope, Take: a.take, Log: env.Log}
	return a, nil
}

// adapter is one app.
type adapter struct {
	cfg    Config
	env    bridge.Env
	api    tencent.Client
	hook   *tencent.Callback
	ledger *ledger
	book   *book
	nudged chan struct{} // the members are to be looked at again

	mu      sync.Mutex
	session *session          // nil while Run is not running
	moved   chan struct{}     // closed when session is another one
	asking  map[string]string // requests that are being sent: key to link
	unsure  map[string]string // hints of which nobody knows whether they arrived: to their keys
	health  health
}

var (
	_ bridge.Opener    = (*adapter)(nil)
	_ bridge.Updater   = (*adapter)(nil)
	_ bridge.Asker     = (*adapter)(nil)
	_ bridge.Hinter    = (*adapter)(nil)
	_ bridge.Deleter   = (*adapter)(nil)
	_ bridge.Fetcher   = (*adapter)(nil)
	_ bridge.Forgetter = (*adapter)(nil)
	_ bridge.Prober    = (*adapter)(nil)
	_ bridge.Warner    = (*adapter)(nil)
	_ bridge.Hooked    = (*adapter)(nil)
)

// Caps are the limits of an app's messages. WeCom swallows a repeated body, and the ledger sees to it that only a
// repeated message has one.
func (a *adapter) Caps() bridge.Caps {
	c := bridge.Caps{MaxText: maxText, Count: bridge.Bytes, MaxFile: maxFile, Dedupes: a.cfg.DuplicateCheck}
	if a.cfg.Markdown {
		c.Markup = bridge.CommonMark
	}
	return c
}

// Hook is the app's callback.
func (a *adapter) Hook() http.Handler { return a.hook }

func (a *adapter) language() string { return a.env.Lobby.Company().Language }
