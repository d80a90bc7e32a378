// Package mattermost shows customers in a company's Mattermost: each in a private channel, in a thread, or all
// of an employee's in one chat, over one bot account that needs no more rights than a member of the team has.
package mattermost

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/bridge"
)

// Kind is the entry for the list of adapters.
func Kind() bridge.Kind {
	return bridge.Kind{Name: "mattermost", New: func() bridge.Config {
		return &Config{Rooms: roomsChannel, Command: "hutong", MaxFile: 100 << 20}
	}}
}

// How customers appear.
const (
	roomsChannel = "channel" // a private channel for each
	roomsThread  = "thread"  // a thread for each, in the bot's chat with the employee
	roomsInbox   = "inbox"   // all in the bot's chat with the employee
)

// Config is one bot account on a Mattermost server.
type Config struct {
	URL     string        `yaml:"url"`      // where the server is, as in a browser
	Token   bridge.Secret `yaml:"token"`    // of the bot
	Team    string        `yaml:"team"`     // the team's name in addresses
	Rooms   string        `yaml:"rooms"`    // how customers appear: channel, thread or inbox
	Command string        `yaml:"command"`  // the slash command, registered if the bot may; "" is none
	MaxFile int64         `yaml:"max_file"` // bytes; no more than the server's own limit, which is 100 MiB unless changed
	Ghosts  Ghosts        `yaml:"ghosts"`
}

// Ghosts are accounts of the customers' own, in whose name they speak.
type Ghosts struct {
	Token bridge.Secret `yaml:"token"` // of a person who may make bots; none is no ghosts
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
	odd := func(t bridge.Secret) bool {
		return strings.ContainsFunc(t.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' })
	}
	if c.Token.IsZero() {
		bad = append(bad, bridge.Problem("token", "missing: in Mattermost, Integrations > Bot Accounts > Add Bot Account shows one"))
	} else if odd(c.Token) {
		bad = append(bad, bridge.Problem("token", "has a character in it that no token has"))
	}
	if c.Team == "" || strings.ToLower(c.Team) != c.Team || strings.ContainsAny(c.Team, "/ ?#") {
		bad = append(bad, bridge.Problem("team", "must be the team's name as it stands in addresses: acme in https://chat.acme.example/acme/channels/town-square"))
	}
	if !slices.Contains([]string{roomsChannel, roomsThread, roomsInbox}, c.Rooms) {
		bad = append(bad, bridge.Problem("rooms", "must be channel (a private channel for each customer), thread (a thread for each) or inbox (all in one chat)"))
	}
	if c.Command != "" && !model.IsValidUsername(c.Command) {
		bad = append(bad, bridge.Problem("command", "must be a word in lower case, like hutong"))
	}
	if c.MaxFile <= 0 {
		bad = append(bad, bridge.Problem("max_file", "must be more than 0 bytes"))
	}
	switch {
	case odd(c.Ghosts.Token):
		bad = append(bad, bridge.Problem("ghosts.token", "has a character in it that no token has"))
	case !c.Ghosts.Token.IsZero() && c.Rooms != roomsChannel:
		bad = append(bad, bridge.Problem("ghosts.token", "is only of use with rooms: channel, since nobody can be added to a chat of two"))
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
	if env.Now == nil {
		env.Now = time.Now
	}
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	a := &adapter{
		cfg: *c, env: env, host: u.Host, base: u.String(), icons: sync.OnceValue(icons),
		rooms: map[bridge.RoomID]*room{}, users: map[string]*person{}, cards: map[string]card{}, notes: map[string]string{}, roll: make(chan struct{}, 1),
		ghosts: map[bridge.RoomID]*ghost{}, key: derive(c.Token, "buttons"),
	}
	block, err := aes.NewCipher(derive(c.Ghosts.Token, "ghosts"))
	if err == nil {
		a.safe, err = cipher.NewGCMWithRandomNonce(block)
	}
	if err != nil {
		return nil, fmt.Errorf("make a cipher: %w", err)
	}
	a.api = a.client(c.Token.Reveal())
	return a, nil
}

// derive makes a key of its own for each use out of a token: the same in every process that has it.
func derive(token bridge.Secret, use string) []byte {
	sum := sha256.Sum256([]byte("hutong " + use + "\x00" + token.Reveal()))
	return sum[:]
}

func (a *adapter) client(token string) *model.Client4 {
	c := model.NewAPIv4Client(a.base)
	c.SetToken(token)
	c.HTTPClient = &http.Client{Transport: wire{a.env.HTTP}}
	return c
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
	base  string // the server's address
	api   *model.Client4
	icons func() map[string]string // names of emoji by character
	key   []byte                   // of the signatures on buttons
	safe  cipher.AEAD              // for ghosts' tokens: who reads the store but not the config learns none
	roll  chan struct{}            // the members' accounts are to be looked at
	gate  gate
	wake  resume

	mu      sync.Mutex
	site    *site     // nil until asked, and after a change
	told    time.Time // when the server last said that its settings have changed
	rooms   map[bridge.RoomID]*room
	users   map[string]*person // by id, and by what the config calls them
	cards   map[string]card    // by the link's key
	ghosts  map[bridge.RoomID]*ghost
	notes   map[string]string // what can be done without and is missing, by subject
	command string            // the token of the slash command
}

var _ interface {
	bridge.Editor
	bridge.Deleter
	bridge.Reactor
	bridge.Typer
	bridge.Marker
	bridge.Opener
	bridge.Updater
	bridge.Hinter
	bridge.Asker
	bridge.Fetcher
	bridge.Finder
	bridge.Forgetter
	bridge.Prober
	bridge.Warner
	bridge.Hooked
} = (*adapter)(nil)

// Caps are the server's limits. It dedupes for half a minute only, so that Find is asked. A name that the
// server does not show stands in the text, put there by Send.
func (a *adapter) Caps() bridge.Caps {
	return bridge.Caps{
		MaxText: maxText, Count: bridge.Runes, MaxFile: a.cfg.MaxFile, MaxFiles: maxFiles, Markup: bridge.CommonMark, Names: true,
	}
}

// phrases are what this adapter says itself.
type phrases struct{ remark, tags, hello, since, window, here, notYours, chosen, describe string }

func (a *adapter) words() phrases {
	if a.env.Lobby.Company().Language == "zh" {
		return phrases{
			"备注：", "标签：", "附言：", "添加于：", "窗口：", "在此消息列（thread）中回复，客户会收到。", "这不是发给您的请求。", "已选择：", "客户、名片与备注",
		}
	}
	return phrases{
		"Remark: ", "Tags: ", "Says: ", "Since: ", "Window: ", "Reply in this thread to talk to the customer.",
		"You were not the one who was asked.", "Chosen: ", "customers, cards and notes",
	}
}

// keyed is a short name for something that has a long or secret one, the same in every process.
func (a *adapter) keyed(what string) string {
	return hexSum(a.env.Name + "\x00" + what)[:20]
}

// locked does something that others must not see half done.
func (a *adapter) locked(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
