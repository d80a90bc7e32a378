package webchat

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx/browser"
)

// boot is what the pages' scripts start with.
type boot struct {
	Lang    string            `json:"lang"`
	User    bridge.UserID     `json:"user,omitempty"`
	Base    string            `json:"base"`
	Since   string            `json:"since,omitempty"` // of the live events
	Room    string            `json:"room,omitempty"`
	MaxText int               `json:"max_text"`
	MaxFile int64             `json:"max_file"`
	Parent  string            `json:"parent,omitempty"` // the site whose frame this is
	Words   map[string]string `json:"words"`
}

func (c *Webchat) boot(r *http.Request) boot {
	lang := c.pages.Lang(r)
	return boot{
		Lang: lang, Base: "/chat", MaxText: c.cfg.MaxText, MaxFile: c.cfg.MaxFile,
		Parent: c.parent(r), Words: c.pages.Words(lang),
	}
}

func (c *Webchat) cardPage(w http.ResponseWriter, r *http.Request, status int, data cardData) {
	data.Label = strings.TrimPrefix(data.Card.Label.Text, data.Card.Label.Name+" · ")
	for _, kind := range []string{"企业联系人 · ", "Business contact · "} { // it stands beside it already
		data.Label = strings.TrimPrefix(data.Label, kind)
	}
	for _, l := range data.Card.Ways {
		u, err := url.Parse(l.URL)
		if err == nil && (u.Scheme == "https" || u.Scheme == "http") {
			name := c.pages.Say(r, "way_"+l.Kind)
			if name == "way_"+l.Kind { // a network that the words do not know
				name = l.Kind
			}
			data.Ways = append(data.Ways, way{Kind: name, URL: l.URL})
		}
	}
	c.pages.Render(w, r, status, "card", "card_title", data, c.boot(r))
}

// message is a page with one thing to say.
func (c *Webchat) message(w http.ResponseWriter, r *http.Request, status int, title, text string) {
	c.pages.Render(w, r, status, "message", title, text, c.boot(r))
}

func (c *Webchat) warn(r *http.Request, err error) {
	if r.Context().Err() == nil {
		c.env.Log.Warn("a page was not answered", "err", err)
	}
}

// trouble is an answer for what only the operator can mend.
func (c *Webchat) trouble(w http.ResponseWriter, r *http.Request, err error) {
	c.warn(r, err)
	c.message(w, r, http.StatusServiceUnavailable, "trouble", "unavailable")
}

// chat is the customer's page.
func (c *Webchat) chat(w http.ResponseWriter, r *http.Request) {
	s, err := c.sessions.Find(r)
	if errors.Is(err, bridge.ErrNotFound) {
		c.message(w, r, http.StatusOK, "nobody", "nobody_text")
		return
	}
	if err == nil {
		err = c.sessions.Renew(w, r, s)
	}
	if err != nil {
		c.trouble(w, r, err)
		return
	}
	b := c.boot(r)
	b.User, b.Since, b.Room = s.User, c.Cursor(s.User), r.URL.Query().Get("r")
	c.pages.Render(w, r, http.StatusOK, "chat", "chat_title", nil, b)
}

// verifyData is what the verify page shows.
type verifyData struct {
	Real bool
	Card bridge.CardView
}

// verify answers "is this a real employee?".
func (c *Webchat) verify(w http.ResponseWriter, r *http.Request) {
	if wait := c.looks.Take(browser.ClientKey(r)); wait > 0 {
		browser.RetryAfter(w, wait)
		c.message(w, r, http.StatusTooManyRequests, "too_many", "too_many_text")
		return
	}
	token := r.PathValue("token")
	var v bridge.CardView
	err := error(bridge.ErrNotFound)
	if len(token) <= 512 {
		v, err = c.env.Lobby.Verify(r.Context(), token)
	}
	switch {
	case errors.Is(err, bridge.ErrNotFound), errors.Is(err, bridge.ErrRefused):
		c.pages.Render(w, r, http.StatusNotFound, "verify", "verify_title", verifyData{}, nil)
	case err != nil:
		c.trouble(w, r, err)
	default:
		c.pages.Render(w, r, http.StatusOK, "verify", "verify_title", verifyData{Real: true, Card: v}, nil)
	}
}
