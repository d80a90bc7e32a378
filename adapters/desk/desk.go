package desk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
	"github.com/hutong-im/hutong/internal/httpx/browser"
	"github.com/hutong-im/hutong/web"
)

// Desk is the adapter. What it says and hears is browser.Chat's; what is here is who may sit at it.
type Desk struct {
	*browser.Chat
	cfg      Config
	env      bridge.Env
	sessions *browser.Sessions
	pages    *browser.Pages
	tries    *browser.Limiter // of passwords and links, per address
	guesses  *browser.Limiter // of passwords, per account
	hashing  chan struct{}
}

var (
	_ bridge.Opener   = (*Desk)(nil)
	_ bridge.Updater  = (*Desk)(nil)
	_ bridge.Entrance = (*Desk)(nil)
	_ bridge.Paged    = (*Desk)(nil)
)

func open(cfg Config, env bridge.Env) (*Desk, error) {
	if env.Lobby == nil || env.State == nil {
		return nil, errors.New("the desk needs the gateway's lobby and state")
	}
	company := env.Lobby.Company()
	pages, err := browser.OpenPages(web.Files, "/desk", env.Lobby.Company, "shared", "desk")
	if err != nil {
		return nil, err
	}
	d := &Desk{
		cfg: cfg, env: env, pages: pages,
		sessions: &browser.Sessions{
			KV: env.State, Now: env.Now, Name: "hutong_desk", Life: cfg.Session, Secure: browser.Secure(company),
		},
		tries:   browser.NewLimiter(env.Now, 0.5, 20),
		guesses: browser.NewLimiter(env.Now, 1.0/60, 10),
		hashing: make(chan struct{}, maxHashing),
	}
	d.Chat = browser.New(browser.Options{
		Env: env, Side: bridge.MemberSide, MaxText: cfg.MaxText, MaxFile: cfg.MaxFile, Who: d.who,
	})
	return d, nil
}

// Run lets pages connect until ctx ends.
func (d *Desk) Run(ctx context.Context, in bridge.Inbox) error {
	var sweeping sync.WaitGroup
	defer sweeping.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sweeping.Go(func() {
		d.sessions.SweepEvery(ctx, func(err error) { d.env.Log.Warn("old sessions were not forgotten", "err", err) }, enterPrefix)
	})
	return d.Chat.Run(ctx, in)
}

// Open makes the room of a link: one for each link of the first member. The same wish gives the same room.
func (d *Desk) Open(ctx context.Context, o bridge.Opening) (bridge.RoomID, error) {
	if len(o.Members) == 0 || o.Members[0] == "" || o.Key == "" {
		return "", bridge.Permanent(errors.New("a room at the desk needs a member and a key"))
	}
	if _, ok := d.member(o.Members[0]); !ok {
		return "", fmt.Errorf("nobody at the desk is called %q: add the account to the member in config", o.Members[0])
	}
	sum := sha256.Sum256([]byte(o.Key))
	room := browser.RoomOf(o.Members[0], hex.EncodeToString(sum[:10]))
	return room, d.Refresh(ctx, room)
}

// Update tells the member's open pages to look again: what they show of a customer is the gateway's own book.
func (d *Desk) Update(ctx context.Context, room bridge.RoomID, _ bridge.Opening) error {
	return d.Refresh(ctx, room)
}

// member is the employee who sits at the desk under the name.
func (d *Desk) member(u bridge.UserID) (bridge.Member, bool) {
	for _, m := range d.env.Lobby.Members() {
		if m.State == bridge.MemberLeft {
			continue
		}
		for _, a := range m.Accounts {
			if a.Adapter == d.env.Name && a.User == u {
				return m, true
			}
		}
	}
	return bridge.Member{}, false
}

// who is the signed-in member. A session ends when the member has left or has a newer password.
func (d *Desk) who(r *http.Request) (bridge.UserID, error) {
	s, err := d.session(r)
	return s.User, err
}

func (d *Desk) session(r *http.Request) (browser.Session, error) {
	s, err := d.sessions.Find(r)
	if err != nil {
		return browser.Session{}, err
	}
	if _, ok := d.member(s.User); !ok {
		return browser.Session{}, bridge.ErrNotFound
	}
	a, err := d.account(r.Context(), s.User)
	if err != nil {
		return browser.Session{}, err
	}
	if a.Gen != s.Gen {
		return browser.Session{}, bridge.ErrNotFound
	}
	return s, nil
}

// Pages are the desk's addresses.
func (d *Desk) Pages() []bridge.Page {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /desk", d.home)
	mux.HandleFunc("GET /desk/{$}", d.home)
	mux.HandleFunc("GET /desk/enter", d.showEnter)
	mux.HandleFunc("POST /desk/enter", d.enter)
	mux.HandleFunc("POST /desk/in", d.signIn)
	mux.HandleFunc("GET /desk/in", func(w http.ResponseWriter, r *http.Request) { // reloaded, or the language switched
		http.Redirect(w, r, "/desk?"+r.URL.RawQuery, http.StatusSeeOther) //nolint:gosec // always to /desk
	})
	mux.HandleFunc("POST /desk/out", d.signOut)
	mux.HandleFunc("GET /desk/password", d.showPassword)
	mux.HandleFunc("POST /desk/password", d.setPassword)
	d.Mount(mux, "/desk")
	d.pages.Mount(mux)
	h := browser.Guard(mux, d.env.Lobby.Company(), httpx.Policy{})
	return []bridge.Page{{Pattern: "/desk", Handler: h}, {Pattern: "/desk/", Handler: h}}
}
