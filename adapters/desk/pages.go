package desk

import (
	"errors"
	"net/http"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx/browser"
)

// freshFor is how long after signing in a member may set a password without typing the old one: they
// have just proved who they are, by the link.
const freshFor = 30 * time.Minute

// boot is what the desk's script starts with.
type boot struct {
	Lang    string            `json:"lang"`
	User    bridge.UserID     `json:"user"`
	Base    string            `json:"base"`
	Since   string            `json:"since"` // of the live events
	MaxText int               `json:"max_text"`
	MaxFile int64             `json:"max_file"`
	Words   map[string]string `json:"words"`
}

// home is the desk, or the door for who is not signed in.
func (d *Desk) home(w http.ResponseWriter, r *http.Request) {
	s, err := d.session(r)
	if errors.Is(err, bridge.ErrNotFound) {
		d.door(w, r, http.StatusOK, "in", doorData{})
		return
	}
	if err == nil {
		err = d.sessions.Renew(w, r, s)
	}
	if err != nil {
		d.trouble(w, r, err)
		return
	}
	m, _ := d.member(s.User)
	lang := d.pages.Lang(r)
	d.pages.Render(w, r, http.StatusOK, "desk", "desk_title", doorData{User: s.User, Member: m}, boot{
		Lang: lang, User: s.User, Base: "/desk", Since: d.Cursor(s.User),
		MaxText: d.cfg.MaxText, MaxFile: d.cfg.MaxFile, Words: d.pages.Words(lang),
	})
}

// seated is the session of who may set a password now: fresh, or with the old password.
func (d *Desk) seated(w http.ResponseWriter, r *http.Request) (s browser.Session, a account, ok bool) {
	s, err := d.session(r)
	if errors.Is(err, bridge.ErrNotFound) {
		http.Redirect(w, r, "/desk", http.StatusSeeOther)
		return s, a, false
	}
	if err == nil {
		a, err = d.account(r.Context(), s.User)
	}
	if err != nil {
		d.trouble(w, r, err)
		return s, a, false
	}
	return s, a, true
}

// passwordData is what the password's page shows.
type passwordData struct {
	doorData
	Old bool // the old password must be typed
}

func (d *Desk) needsOld(s browser.Session, a account) bool {
	return a.Hash != "" && d.env.Now().Sub(s.Since) > freshFor
}

func (d *Desk) passwordPage(w http.ResponseWriter, r *http.Request, status int, s browser.Session, a account, problem string) {
	m, _ := d.member(s.User)
	data := passwordData{doorData{User: s.User, Member: m, Min: minPassword, Problem: problem}, d.needsOld(s, a)}
	d.pages.Render(w, r, status, "password", "password_title", data, nil)
}

func (d *Desk) showPassword(w http.ResponseWriter, r *http.Request) {
	if s, a, ok := d.seated(w, r); ok {
		d.passwordPage(w, r, http.StatusOK, s, a, "")
	}
}

func (d *Desk) setPassword(w http.ResponseWriter, r *http.Request) {
	s, a, ok := d.seated(w, r)
	if !ok {
		return
	}
	form, ok := browser.ReadForm(w, r)
	if !ok {
		d.passwordPage(w, r, http.StatusBadRequest, s, a, "password_short")
		return
	}
	if problem := goodPassword(form.Get("password"), form.Get("again"), s.User); problem != "" {
		d.passwordPage(w, r, http.StatusUnprocessableEntity, s, a, problem)
		return
	}
	if d.guesses.Take(string(s.User)) > 0 {
		d.passwordPage(w, r, http.StatusTooManyRequests, s, a, "too_many")
		return
	}
	if d.needsOld(s, a) {
		right, err := d.rightPassword(r.Context(), a, form.Get("old"))
		if err != nil {
			d.trouble(w, r, err)
			return
		}
		if !right {
			d.passwordPage(w, r, http.StatusForbidden, s, a, "password_old_wrong")
			return
		}
	}
	gen, err := d.keepPassword(r.Context(), s.User, form.Get("password"))
	if err == nil {
		err = d.sessions.Start(r.Context(), w, browser.NewToken(), s.User, gen)
	}
	if err != nil {
		d.trouble(w, r, err)
		return
	}
	http.Redirect(w, r, "/desk", http.StatusSeeOther)
}
