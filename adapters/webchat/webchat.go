package webchat

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
	"github.com/hutong-im/hutong/internal/httpx/browser"
	"github.com/hutong-im/hutong/web"
)

// Webchat is the adapter. What it says and hears is browser.Chat's; what is here is how a customer comes in.
type Webchat struct {
	*browser.Chat
	cfg      Config
	env      bridge.Env
	sessions *browser.Sessions
	pages    *browser.Pages
	requests *browser.Limiter // of new conversations, per address
	looks    *browser.Limiter // of cards and verify links, per address
}

var (
	_ bridge.Inviter = (*Webchat)(nil)
	_ bridge.Paged   = (*Webchat)(nil)

	_ bridge.Forgetter = (*Webchat)(nil)
)

func open(cfg Config, env bridge.Env) (*Webchat, error) {
	if env.Lobby == nil || env.State == nil {
		return nil, errors.New("the web chat needs the gateway's lobby and state")
	}
	company := env.Lobby.Company()
	pages, err := browser.OpenPages(web.Files, "/chat", env.Lobby.Company, "shared", "webchat")
	if err != nil {
		return nil, err
	}
	c := &Webchat{
		cfg: cfg, env: env, pages: pages,
		sessions: &browser.Sessions{
			KV: env.State, Now: env.Now, Name: "hutong_chat", Life: cfg.Session, Secure: browser.Secure(company),
		},
		requests: browser.NewLimiter(env.Now, float64(cfg.Requests)/3600, max(1, float64(cfg.Requests)/2)),
		looks:    browser.NewLimiter(env.Now, 2, 120),
	}
	c.Chat = browser.New(browser.Options{
		Env: env, Side: bridge.ContactSide, MaxText: cfg.MaxText, MaxFile: cfg.MaxFile, Who: c.who,
	})
	return c, nil
}

// Run lets pages connect until ctx ends.
func (c *Webchat) Run(ctx context.Context, in bridge.Inbox) error {
	var sweeping sync.WaitGroup
	defer sweeping.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sweeping.Go(func() {
		c.sessions.SweepEvery(ctx, func(err error) { c.env.Log.Warn("old sessions were not forgotten", "err", err) })
	})
	return c.Chat.Run(ctx, in)
}

// Invite is the address of a card's page.
func (c *Webchat) Invite(_ context.Context, id bridge.CardID) (string, error) {
	return c.env.Lobby.Company().URL + "/c/" + string(id), nil
}

// Forget ends the sessions of an erased customer, too: who comes back is somebody new.
func (c *Webchat) Forget(ctx context.Context, t bridge.Traces) error {
	if err := c.sessions.Forget(ctx, t.Users); err != nil {
		return err
	}
	return c.Chat.Forget(ctx, t)
}

// who is the customer whose browser it is.
func (c *Webchat) who(r *http.Request) (bridge.UserID, error) {
	s, err := c.sessions.Find(r)
	return s.User, err
}

// Pages are the web chat's addresses.
func (c *Webchat) Pages() []bridge.Page {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /c/{card}", c.showCard)
	mux.HandleFunc("POST /c/{card}", c.join)
	mux.HandleFunc("GET /chat", c.chat)
	mux.HandleFunc("GET /chat/{$}", c.chat)
	mux.HandleFunc("GET /verify/{token}", c.verify)
	c.Mount(mux, "/chat")
	c.pages.Mount(mux)
	policy := httpx.Policy{}
	if len(c.cfg.Origins) > 0 {
		policy.Frames = append([]string{"'self'"}, c.cfg.Origins...)
	}
	company := c.env.Lobby.Company()
	h := browser.Guard(mux, company, policy)
	loader := httpx.Secure(http.HandlerFunc(c.widget), httpx.Policy{Anywhere: true})
	return []bridge.Page{
		{Pattern: "/c/", Handler: h},
		{Pattern: "/chat", Handler: h},
		{Pattern: "/chat/", Handler: h},
		{Pattern: "/verify/", Handler: h},
		{Pattern: "GET /widget.js", Handler: loader},
	}
}

// widget is the loader for other sites. It holds nothing of this gateway: where it was loaded from
// tells it whom to speak to.
func (c *Webchat) widget(w http.ResponseWriter, _ *http.Request) {
	raw, err := web.Files.ReadFile("webchat/widget.js")
	if err != nil || len(c.cfg.Origins) == 0 {
		http.Error(w, "the widget is not enabled: set origins of the web chat in config", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(raw) // the visitor is gone; nobody is left to tell
}

// parent is the site whose frame the page is in, if it is one that may: what the page then speaks to.
func (c *Webchat) parent(r *http.Request) string {
	if o := r.URL.Query().Get("embed"); slices.Contains(c.cfg.Origins, o) {
		return o
	}
	return ""
}
