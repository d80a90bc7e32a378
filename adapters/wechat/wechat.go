package wechat

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
	"github.com/hutong-im/hutong/internal/tencent"
)

// adapter is one Official Account. A customer's room is called as the customer is: by the openid.
type adapter struct {
	cfg      Config
	env      bridge.Env
	client   *tencent.Client
	callback *tencent.Callback
	links    linker
	videos   *http.Client // for addresses that an answer names
	ffmpeg   string       // where it is; "" is nowhere
	playing  chan struct{}

	session atomic.Pointer[session] // while Run runs
	heard   atomic.Bool             // WeChat has called, in this life or an earlier one
	invites sync.Mutex              // one QR code at a time, so that a card never gets two

	turns [turns]sync.Mutex

	mu      sync.Mutex
	ignored map[string]int    // pushes that mean nothing here, by kind
	amiss   map[string]string // what Warnings says
	ask     time.Time         // before it user/info is not asked, because it failed
}

// session is one Run. Who handles a push holds the gate, so that Run ends after them.
type session struct {
	ctx  context.Context
	in   bridge.Inbox
	gate sync.RWMutex
}

var (
	_ bridge.Asker   = (*adapter)(nil)
	_ bridge.Typer   = (*adapter)(nil)
	_ bridge.Fetcher = (*adapter)(nil)
	_ bridge.Inviter = (*adapter)(nil)
	_ bridge.Prober  = (*adapter)(nil)
	_ bridge.Warner  = (*adapter)(nil)
	_ bridge.Noticer = (*adapter)(nil)
	_ bridge.Hooked  = (*adapter)(nil)
	_ bridge.Paged   = (*adapter)(nil)

	_ bridge.Forgetter = (*adapter)(nil)
)

const (
	// voicesAtOnce bounds how many ffmpeg run.
	voicesAtOnce = 2
	// turns is how many customers' pushes are handled at once; memory for each is 8 bytes.
	turns = 512
)

// Open makes the adapter. It does not speak to WeChat yet.
func (c *Config) Open(env bridge.Env) (bridge.Adapter, error) {
	envelope, err := c.envelope(env.Now)
	if err != nil {
		return nil, err
	}
	api, err := url.Parse(c.API)
	if err != nil {
		return nil, bridge.Problem("api", "must be like %s", tencent.OfficialAccountURL)
	}
	a := &adapter{
		cfg: *c, env: env, playing: make(chan struct{}, voicesAtOnce),
		videos:  httpx.Guarded(httpx.GuardOptions{Loopback: loopback(api.Hostname())}),
		ignored: map[string]int{}, amiss: map[string]string{},
	}
	a.links = linker{adapter: a}
	a.client = &tencent.Client{URL: c.API, HTTP: env.HTTP, Codes: codes(), Language: a.language}
	a.client.Tokens = tencent.NewTokens(env, c.AppID, explained(tencent.StableToken(*a.client, c.AppID, c.Secret), a.language))
	a.callback = &tencent.Callback{Envelope: envelope, Take: a.take, Log: env.Log}
	if path, err := exec.LookPath("ffmpeg"); err == nil {
		a.ffmpeg = path
	}
	return a, nil
}

// Caps are the limits.
func (a *adapter) Caps() bridge.Caps {
	c := bridge.Caps{
		MaxText: a.cfg.MaxText, Count: bridge.Bytes, MaxFile: maxVideo,
		Window: bridge.Window{Open: usualOpen, Messages: a.cfg.Messages},
	}
	if a.links.public() {
		c.MaxFile = maxLinked
	}
	return c
}

// Run lets pushes in until ctx ends.
func (a *adapter) Run(ctx context.Context, in bridge.Inbox) error {
	s := &session{ctx: ctx, in: in}
	a.session.Store(s)
	defer func() {
		a.session.CompareAndSwap(s, nil)
		s.gate.Lock() // waits for those who are inside
		defer s.gate.Unlock()
	}()
	if found, err := bridge.Load(ctx, a.env.State, "heard", new(bool)); err != nil {
		return err
	} else if found {
		a.heard.Store(true)
	}
	a.note("menu", a.bringMenu(ctx))
	<-ctx.Done()
	return ctx.Err()
}

// Hook takes what WeChat pushes.
func (a *adapter) Hook() http.Handler { return a.callback }

// language is the company's.
func (a *adapter) language() string { return a.env.Lobby.Company().Language }

func (a *adapter) words() *phrases { return phrasesOf(a.language()) }

// ip finds the address of which WeChat says that it is not allowed: "invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4, not in whitelist".
var ip = regexp.MustCompile(`invalid ip (\S+?),? `)

// explained names the address that an operator has to allow.
func explained(fetch tencent.Fetch, language func() string) tencent.Fetch {
	return func(ctx context.Context) (string, time.Duration, error) {
		token, life, err := fetch(ctx)
		e, refused := errors.AsType[*tencent.Error](err)
		if refused && e.Code == 40164 {
			if m := ip.FindStringSubmatch(e.Msg + " "); m != nil {
				e.Words = fmt.Sprintf(phrasesOf(language()).allowIP, m[1])
			}
		}
		return token, life, err
	}
}

// Probe asks whether the account works, and whether WeChat knows where to push.
func (a *adapter) Probe(ctx context.Context) error {
	if err := a.client.Query(ctx, http.MethodGet, "/cgi-bin/getcallbackip", nil, nil, nil); err != nil {
		return err
	}
	in := map[string]string{"action": "dns", "check_operator": "DEFAULT"}
	err := a.client.Query(ctx, http.MethodPost, "/cgi-bin/callback/check", nil, in, nil)
	if e, refused := errors.AsType[*tencent.Error](err); refused && e.Code == noCallback {
		return fmt.Errorf(a.words().setCallback, a.hookAddress())
	}
	return nil // the check itself may be out of order, or not granted
}

// noCallback is that no callback is set in the console.
// https://developers.weixin.qq.com/doc/service/api/base/api_callbackcheck.html
const noCallback = 40201

func (a *adapter) hookAddress() string { return a.env.Lobby.Company().URL + "/hook/" + a.env.Name }

// Warnings are what is missing but can be done without.
func (a *adapter) Warnings() []string {
	var out []string
	if !a.heard.Load() {
		out = append(out, "nothing has ever come from WeChat: enter "+a.hookAddress()+" under 设置与开发 → 基本配置 → 服务器配置, enable it there, and write something to the account")
	}
	if !a.links.public() {
		out = append(out, "customers get pictures, voices and videos only: for other files gateway.url must be an address that they can open")
	}
	if a.ffmpeg == "" {
		out = append(out, "voice messages stay AMR files, which browsers do not play: install ffmpeg")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(a.amiss)) {
		out = append(out, what+": "+a.amiss[what])
	}
	return out
}

// note keeps what went wrong with something that can be done without, or that it works.
func (a *adapter) note(what string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		delete(a.amiss, what)
		return
	}
	a.amiss[what] = err.Error()
}

// qr is a card's QR code as it is kept.
type qr struct {
	URL   string    `json:"url"`
	Until time.Time `json:"until,omitzero"`
}

// Lives of QR codes: the longest of a temporary one, and how long before its end there is a new one.
// https://developers.weixin.qq.com/doc/service/api/qrcode/qrcodes/api_createqrcode.html
const (
	qrLife  = 30 * 24 * time.Hour
	qrEarly = 3 * 24 * time.Hour
	maxCard = 64 // of scene_str
)

// Invite is the address in a card's QR code. It is made once, and a temporary one again before it ends.
func (a *adapter) Invite(ctx context.Context, c bridge.CardID) (string, error) {
	if c == "" || len(c) > maxCard {
		return "", bridge.Permanent(fmt.Errorf("a card's id has 1 to %d characters", maxCard))
	}
	a.invites.Lock()
	defer a.invites.Unlock()
	key, now := "qr/"+string(c), a.env.Now()
	var kept qr
	if found, err := bridge.Load(ctx, a.env.State, key, &kept); err != nil {
		return "", err
	} else if found && (kept.Until.IsZero() || now.Before(kept.Until.Add(-qrEarly))) {
		return kept.URL, nil
	}
	in := qrWish{Action: "QR_LIMIT_STR_SCENE"}
	in.Info.Scene.Str = string(c)
	if a.cfg.QR == temporary {
		in.Action, in.Seconds = "QR_STR_SCENE", int(qrLife/time.Second)
	}
	var out struct {
		URL     string `json:"url"`
		Seconds int64  `json:"expire_seconds"`
	}
	if err := a.client.Query(ctx, http.MethodPost, "/cgi-bin/qrcode/create", nil, in, &out); err != nil {
		return "", err
	}
	if !webAddress(out.URL) {
		return "", errors.New("qrcode/create: the answer has no address")
	}
	kept = qr{URL: out.URL}
	if out.Seconds > 0 {
		kept.Until = now.Add(time.Duration(out.Seconds) * time.Second)
	}
	return kept.URL, bridge.Keep(ctx, a.env.State, key, kept)
}

type qrWish struct {
	Seconds int    `json:"expire_seconds,omitempty"`
	Action  string `json:"action_name"`
	Info    struct {
		Scene struct {
			Str string `json:"scene_str"`
		} `json:"scene"`
	} `json:"action_info"`
}
