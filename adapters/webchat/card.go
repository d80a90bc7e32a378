package webchat

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx/browser"
)

// What a customer may write when asking: a name as long as networks allow (Mattermost's 64), and a hello
// that the gateway keeps whole.
const (
	maxName  = 64
	maxHello = 200
)

// errNobodyFree is a request that was understood, but led to no conversation: the member has as many
// customers as they may have.
var errNobodyFree = errors.New("the request led to no conversation")

// cardData is what the card's page shows.
type cardData struct {
	Card    bridge.CardView
	Label   string // who this is, without the name and the kind of contact, which stand beside it
	Ways    []way
	Room    bridge.RoomID // there is a conversation already
	Name    string
	Hello   string
	Problem string // a key of the words
	Embed   string
	ID      string
	Known   bool // the browser has a conversation with somebody here
}

// way is a messenger on which the card can be opened too.
type way struct {
	Kind string
	URL  string
}

func (c *Webchat) showCard(w http.ResponseWriter, r *http.Request) {
	v, ok := c.card(w, r)
	if !ok {
		return
	}
	data := cardData{Card: v, Embed: c.parent(r)}
	u, err := c.who(r)
	if err == nil {
		data.Known = true
		data.Room, err = c.roomWith(r.Context(), u, v)
	}
	if err != nil && !errors.Is(err, bridge.ErrNotFound) {
		c.trouble(w, r, err)
		return
	}
	c.cardPage(w, r, http.StatusOK, data)
}

// card is the card that a request is about; if there is none, the request is answered.
func (c *Webchat) card(w http.ResponseWriter, r *http.Request) (bridge.CardView, bool) {
	if wait := c.looks.Take(browser.ClientKey(r)); wait > 0 {
		browser.RetryAfter(w, wait)
		c.message(w, r, http.StatusTooManyRequests, "too_many", "too_many_text")
		return bridge.CardView{}, false
	}
	id := r.PathValue("card")
	if !validCard(id) {
		c.message(w, r, http.StatusNotFound, "card_gone", "card_gone_text")
		return bridge.CardView{}, false
	}
	v, err := c.env.Lobby.Card(r.Context(), bridge.CardID(id))
	switch {
	case errors.Is(err, bridge.ErrNotFound):
		c.message(w, r, http.StatusNotFound, "card_gone", "card_gone_text")
	case err != nil:
		c.trouble(w, r, err)
	default:
		return v, true
	}
	return bridge.CardView{}, false
}

// validCard reports whether the id may be a card's: letters and digits, as it becomes part of a room's id.
func validCard(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	return strings.IndexFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
	}) < 0
}

// roomWith is the conversation that a customer has with a card's member already, maybe through another
// card; bridge.ErrNotFound if there is none, or if it has ended.
func (c *Webchat) roomWith(ctx context.Context, u bridge.UserID, v bridge.CardView) (bridge.RoomID, error) {
	list, err := c.env.Lobby.Rooms(ctx, u)
	if err != nil {
		return "", err
	}
	own := browser.RoomOf(u, string(v.ID))
	var same bridge.RoomID
	for _, room := range list {
		if room.State == bridge.LinkEnded || room.State == bridge.LinkHandedOver {
			continue
		}
		if room.Room == own {
			return own, nil
		}
		if same == "" && sameMember(room, v) {
			same = room.Room
		}
	}
	if same == "" {
		return "", bridge.ErrNotFound
	}
	return same, nil
}

// sameMember reports whether the conversation's other end is who the card is of: by the verify token
// where it names the member, else by the label, which is how customers tell people apart too.
func sameMember(room bridge.RoomView, v bridge.CardView) bool {
	if room.Verify != "" && v.Verify != "" {
		return room.Verify == v.Verify
	}
	return room.Other.Text != "" && room.Other.Text == v.Label.Text && room.Other.Name == v.Label.Name
}

// readJoin reads what the customer says of themselves; problem is a key of the words.
func readJoin(form url.Values) (name, hello, problem string) {
	name = bridge.Tidy(form.Get("name"), maxName)
	hello = strings.TrimSpace(strings.ToValidUTF8(form.Get("hello"), ""))
	switch {
	case name == "":
		problem = "name_missing"
	case utf8.RuneCountInString(hello) > maxHello:
		problem = "hello_long"
	}
	return name, hello, problem
}

// join takes the customer's request.
func (c *Webchat) join(w http.ResponseWriter, r *http.Request) {
	v, ok := c.card(w, r)
	if !ok {
		return
	}
	form, ok := browser.ReadForm(w, r)
	data := cardData{Card: v, Embed: c.parent(r)}
	if !ok {
		data.Problem = "name_missing"
		c.cardPage(w, r, http.StatusBadRequest, data)
		return
	}
	data.Name, data.Hello, data.Problem = readJoin(form)
	if data.Problem != "" {
		c.cardPage(w, r, http.StatusUnprocessableEntity, data)
		return
	}
	if wait := c.requests.Take(browser.ClientKey(r)); wait > 0 {
		browser.RetryAfter(w, wait)
		data.Problem = "too_many_text"
		c.cardPage(w, r, http.StatusTooManyRequests, data)
		return
	}
	room, err := c.begin(w, r, v, data, form.Get("id"))
	if errors.Is(err, errNobodyFree) {
		data.Problem = "nobody_free"
		c.cardPage(w, r, http.StatusConflict, data)
		return
	}
	if errors.Is(err, bridge.ErrRefused) {
		data.Problem = "card_gone_text"
		c.cardPage(w, r, http.StatusForbidden, data)
		return
	}
	if err != nil {
		data.Problem = "unavailable"
		c.warn(r, err)
		c.cardPage(w, r, http.StatusServiceUnavailable, data)
		return
	}
	to := url.Values{"r": {string(room)}}
	if data.Embed != "" {
		to.Set("embed", data.Embed)
	}
	http.Redirect(w, r, "/chat?"+to.Encode(), http.StatusSeeOther)
}

// begin makes the browser known if it is not, and brings the request to the road. A page that makes the
// id for the form itself gets the same session again when its first answer was lost.
func (c *Webchat) begin(w http.ResponseWriter, r *http.Request, v bridge.CardView, data cardData, id string) (bridge.RoomID, error) {
	ctx := r.Context()
	u, err := c.who(r)
	if errors.Is(err, bridge.ErrNotFound) {
		token := browser.NewToken()
		if validToken(id) {
			token = id
		}
		u = userOf(token)
		err = c.sessions.Start(ctx, w, token, u, 0)
	}
	if err != nil {
		return "", err
	}
	room, err := c.roomWith(ctx, u, v)
	if err == nil {
		return room, nil
	}
	if !errors.Is(err, bridge.ErrNotFound) {
		return "", err
	}
	room = browser.RoomOf(u, string(v.ID))
	joined := bridge.Joined{Room: room, User: u, Card: v.ID, Name: data.Name, Text: data.Hello, At: c.env.Now()}
	if err := c.Receive(ctx, joined); err != nil {
		return "", err
	}
	if err := c.Refresh(ctx, room); err != nil {
		return "", err
	}
	// The gateway joins the pair of customer and member: it may know them by another room.
	known, err := c.roomWith(ctx, u, v)
	if errors.Is(err, bridge.ErrNotFound) {
		return "", errNobodyFree
	}
	return known, err
}

// validToken reports whether a page made the token: 32 hex digits of 128 random bits.
func validToken(s string) bool {
	if len(s) != 32 {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'f') }) < 0
}

// userOf is who a session's browser is. It tells nothing of the token, and has no dot (see browser.RoomOf).
func userOf(token string) bridge.UserID {
	return bridge.UserID("w" + browser.HashToken("user " + token)[:24])
}
