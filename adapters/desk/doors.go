package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx/browser"
)

const enterPrefix = "enter/"

// ticket is what is kept of a one-time link, under the hash of its token.
type ticket struct {
	User bridge.UserID `json:"user"`
	Ends time.Time     `json:"ends"`
}

// SignIn makes a link with which a member signs in, once.
func (d *Desk) SignIn(ctx context.Context, u bridge.UserID) (string, error) {
	if _, ok := d.member(u); !ok {
		return "", fmt.Errorf("nobody at the desk is called %q: %w", u, bridge.ErrNotFound)
	}
	token := browser.NewToken()
	raw, err := json.Marshal(ticket{User: u, Ends: d.env.Now().Add(d.cfg.Enter)})
	if err != nil {
		return "", fmt.Errorf("make a sign-in link: %w", err)
	}
	if _, err := d.env.State.Put(ctx, enterPrefix+browser.HashToken(token), raw, 0); err != nil {
		return "", fmt.Errorf("make a sign-in link: %w", err)
	}
	return d.env.Lobby.Company().URL + "/desk/enter?t=" + url.QueryEscape(token), nil
}

// ticket is the open ticket of a token and its revision; bridge.ErrNotFound when it was used, has
// ended or never was.
func (d *Desk) ticket(ctx context.Context, token string) (t ticket, rev uint64, err error) {
	if len(token) < 20 || len(token) > 100 {
		return t, 0, bridge.ErrNotFound
	}
	raw, rev, err := d.env.State.Get(ctx, enterPrefix+browser.HashToken(token))
	if err != nil {
		return t, 0, err
	}
	if err := json.Unmarshal(raw, &t); err != nil {
		return t, 0, fmt.Errorf("read a sign-in link: %w", err)
	}
	if _, ok := d.member(t.User); !ok || !d.env.Now().Before(t.Ends) {
		return t, 0, bridge.ErrNotFound
	}
	return t, rev, nil
}

// redeem uses a ticket up. Of two who come at once, one gets it: the loser finds the revision changed.
func (d *Desk) redeem(ctx context.Context, token string) (bridge.UserID, error) {
	t, rev, err := d.ticket(ctx, token)
	if err != nil {
		return "", err
	}
	key := enterPrefix + browser.HashToken(token)
	used, err := json.Marshal(ticket{User: t.User}) // Ends is long ago
	if err != nil {
		return "", fmt.Errorf("use a sign-in link: %w", err)
	}
	if _, err := d.env.State.Put(ctx, key, used, rev); err != nil {
		if errors.Is(err, bridge.ErrStale) {
			return "", bridge.ErrNotFound
		}
		return "", fmt.Errorf("use a sign-in link: %w", err)
	}
	return t.User, nil
}

// doorData is what the pages at the door show.
type doorData struct {
	Token   string
	User    bridge.UserID
	Member  bridge.Member
	Problem string // a key of the words
	Min     int
}

func (d *Desk) door(w http.ResponseWriter, r *http.Request, status int, name string, data doorData) {
	data.Min = minPassword
	d.pages.Render(w, r, status, name, map[string]string{"enter": "enter_title", "password": "password_title", "in": "in_title"}[name], data, nil)
}

// trouble is an answer for what only the operator can mend.
func (d *Desk) trouble(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		d.env.Log.Warn("a page was not answered", "path", r.URL.Path, "err", err)
	}
	d.door(w, r, http.StatusServiceUnavailable, "in", doorData{Problem: "unavailable"})
}

// tooMany counts a try of the visitor and answers when there were too many.
func (d *Desk) tooMany(w http.ResponseWriter, r *http.Request, name string, data doorData) bool {
	wait := d.tries.Take(browser.ClientKey(r))
	if wait > 0 {
		browser.RetryAfter(w, wait)
		data.Problem = "too_many"
		d.door(w, r, http.StatusTooManyRequests, name, data)
	}
	return wait > 0
}

// showEnter asks whether to use the link up: what only looks at addresses, such as a chat's preview,
// does not press buttons.
func (d *Desk) showEnter(w http.ResponseWriter, r *http.Request) {
	token := r.URL.Query().Get("t")
	if d.tooMany(w, r, "in", doorData{}) {
		return
	}
	t, _, err := d.ticket(r.Context(), token)
	if errors.Is(err, bridge.ErrNotFound) {
		d.door(w, r, http.StatusGone, "in", doorData{Problem: "enter_gone"})
		return
	}
	if err != nil {
		d.trouble(w, r, err)
		return
	}
	m, _ := d.member(t.User)
	d.door(w, r, http.StatusOK, "enter", doorData{Token: token, User: t.User, Member: m})
}

func (d *Desk) enter(w http.ResponseWriter, r *http.Request) {
	form, ok := browser.ReadForm(w, r)
	if !ok {
		d.door(w, r, http.StatusBadRequest, "in", doorData{Problem: "enter_gone"})
		return
	}
	if d.tooMany(w, r, "in", doorData{}) {
		return
	}
	u, err := d.redeem(r.Context(), form.Get("t"))
	if errors.Is(err, bridge.ErrNotFound) {
		d.door(w, r, http.StatusGone, "in", doorData{Problem: "enter_gone"})
		return
	}
	if err == nil {
		err = d.admit(w, r, u)
	}
	if err != nil {
		d.trouble(w, r, err)
		return
	}
	http.Redirect(w, r, "/desk/password", http.StatusSeeOther)
}

// admit starts a session.
func (d *Desk) admit(w http.ResponseWriter, r *http.Request, u bridge.UserID) error {
	a, err := d.account(r.Context(), u)
	if err != nil {
		return err
	}
	return d.sessions.Start(r.Context(), w, browser.NewToken(), u, a.Gen)
}

func (d *Desk) signIn(w http.ResponseWriter, r *http.Request) {
	form, ok := browser.ReadForm(w, r)
	u, password := bridge.UserID(form.Get("account")), form.Get("password")
	data := doorData{User: u}
	if !ok || u == "" || len(u) > 200 || password == "" || len(password) > maxPassword {
		d.door(w, r, http.StatusBadRequest, "in", doorData{Problem: "in_wrong"})
		return
	}
	if d.tooMany(w, r, "in", data) {
		return
	}
	if wait := d.guesses.Take(string(u)); wait > 0 {
		browser.RetryAfter(w, wait)
		data.Problem = "too_many"
		d.door(w, r, http.StatusTooManyRequests, "in", data)
		return
	}
	a, err := d.account(r.Context(), u)
	right := false
	if err == nil {
		right, err = d.rightPassword(r.Context(), a, password)
	}
	if _, known := d.member(u); err == nil && (!right || !known) {
		data.Problem = "in_wrong"
		d.door(w, r, http.StatusForbidden, "in", data)
		return
	}
	if err == nil {
		d.guesses.Forget(string(u))
		err = d.admit(w, r, u)
	}
	if err != nil {
		d.trouble(w, r, err)
		return
	}
	http.Redirect(w, r, "/desk", http.StatusSeeOther)
}

func (d *Desk) signOut(w http.ResponseWriter, r *http.Request) {
	if err := d.sessions.End(w, r); err != nil {
		d.trouble(w, r, err)
		return
	}
	http.Redirect(w, r, "/desk", http.StatusSeeOther)
}
