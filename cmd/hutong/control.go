package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
	"github.com/hutong-im/hutong/people"
)

// userHeader names the user at the other end of the control socket. The socket's folder lets in only
// the user that the gateway runs as, so the name is for the audit log and proves nothing.
const userHeader = "Hutong-User"

// errorTrailer carries what went wrong after an answer's first bytes were sent.
const errorTrailer = "Hutong-Error"

// maxCommand is the largest body of a command; the longest text in one is a greeting.
const maxCommand = 64 << 10

// maxList is how many things one answer lists; the command asks on from the last.
const maxList = 1000

// control answers commands. The same handler is behind the gateway's socket and behind a command that
// opened the data folder itself.
type control struct {
	*office
}

func (c control) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, do := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /status":                  c.status,
		"POST /cards":                  c.newCard,
		"GET /cards":                   c.cards,
		"GET /cards/{id}":              c.card,
		"POST /cards/{id}/revoke":      c.revokeCard,
		"POST /signin/{member}":        c.signIn,
		"GET /links":                   c.links,
		"GET /deliveries":              c.deliveries,
		"GET /deliveries/{id}":         c.delivery,
		"POST /deliveries/{id}/retry":  c.retry,
		"POST /deliveries/{id}/cancel": c.cancel,
		"GET /contacts/{id}":           c.stock,
		"POST /contacts/{id}/erase":    c.erase,
		"POST /contacts/{id}/export":   c.export,
		"POST /backup":                 c.backup,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := do(w, r); err != nil {
				refuse(w, err)
			}
		})
	}
	return mux
}

// refusal is an error on its way to a command.
type refusal struct {
	Text string `json:"error"`
	Kind string `json:"kind,omitempty"`
}

// kinds of refusal that a command tells apart, by the error that each stands for.
func refusalKinds() map[string]error {
	return map[string]error{
		"not found": bridge.ErrNotFound, "invalid": people.ErrInvalid, "forbidden": people.ErrForbidden,
		"full": bridge.ErrFull, "closed": bridge.ErrClosed,
	}
}

func refuse(w http.ResponseWriter, err error) {
	if w.Header().Get("Trailer") != "" {
		w.Header().Set(errorTrailer, strings.ReplaceAll(err.Error(), "\n", "; "))
		return
	}
	re := refusal{Text: err.Error()}
	for kind, target := range refusalKinds() {
		if errors.Is(err, target) {
			re.Kind = kind
		}
	}
	httpx.WriteJSON(w, http.StatusConflict, re)
}

// operator is who sits at the other end.
func operator(r *http.Request) people.Actor {
	name := bridge.Tidy(r.Header.Get(userHeader), 64)
	if name == "" {
		name = "unknown"
	}
	return people.Operator(name)
}

func (c control) status(w http.ResponseWriter, r *http.Request) error {
	httpx.WriteJSON(w, http.StatusOK, c.office.status(r.Context()))
	return nil
}

func (c control) newCard(w http.ResponseWriter, r *http.Request) error {
	var wish cardWish
	if err := httpx.ReadJSON(w, r, maxCommand, &wish); err != nil {
		return err
	}
	card, err := c.people.NewCard(r.Context(), operator(r), people.CardWish(wish))
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, viewCard(card, c.url(), c.now()))
	return nil
}

func (c control) cards(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	list := c.people.Cards(r.Context(), operator(r), bridge.MemberID(q.Get("member")), q.Get("closed") != "")
	views, err := collect(list, func(card bridge.Card) cardView { return viewCard(card, c.url(), c.now()) })
	if err != nil {
		return fmt.Errorf("list cards: %w", err)
	}
	httpx.WriteJSON(w, http.StatusOK, views)
	return nil
}

func (c control) card(w http.ResponseWriter, r *http.Request) error {
	card, err := c.people.Card(r.Context(), operator(r), bridge.CardID(r.PathValue("id")))
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, viewCard(card, c.url(), c.now()))
	return nil
}

func (c control) revokeCard(w http.ResponseWriter, r *http.Request) error {
	card, err := c.people.RevokeCard(r.Context(), operator(r), bridge.CardID(r.PathValue("id")))
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, viewCard(card, c.url(), c.now()))
	return nil
}

func (c control) signIn(w http.ResponseWriter, r *http.Request) error {
	views, err := c.office.signIn(r.Context(), bridge.MemberID(r.PathValue("member")))
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, views)
	return nil
}

func (c control) links(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	wish := people.LinkWish{Member: bridge.MemberID(q.Get("member")), State: bridge.LinkState(q.Get("state"))}
	if s := q.Get("contact"); s != "" {
		id, err := parseContact(s)
		if err != nil {
			return err
		}
		wish.Contact = id
	}
	views, err := collect(c.people.Links(r.Context(), operator(r), wish), viewLink)
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}
	httpx.WriteJSON(w, http.StatusOK, views)
	return nil
}

func (c control) deliveries(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	var states []bridge.State
	for _, s := range q["state"] {
		states = append(states, bridge.State(s))
	}
	after, err := strconv.ParseUint(q.Get("after"), 36, 64)
	if err != nil && q.Get("after") != "" {
		return fmt.Errorf("%w: after is no delivery", people.ErrInvalid)
	}
	list, err := c.store.Deliveries(r.Context(), bridge.DeliveryID(after), maxList, states...)
	if err != nil {
		return fmt.Errorf("list deliveries: %w", err)
	}
	views := make([]deliveryView, len(list))
	for i, d := range list {
		views[i] = viewDelivery(d)
	}
	httpx.WriteJSON(w, http.StatusOK, views)
	return nil
}

func (c control) delivery(w http.ResponseWriter, r *http.Request) error {
	id, err := parseDelivery(r.PathValue("id"))
	if err != nil {
		return err
	}
	d, err := c.store.Delivery(r.Context(), id)
	if err != nil {
		return fmt.Errorf("delivery %s: %w (one that was sent or cancelled is listed no more)", id, err)
	}
	httpx.WriteJSON(w, http.StatusOK, viewDelivery(d))
	return nil
}

func (c control) retry(w http.ResponseWriter, r *http.Request) error {
	return c.changeDelivery(w, r, "delivery.retry", c.bridge.Retry)
}

func (c control) cancel(w http.ResponseWriter, r *http.Request) error {
	return c.changeDelivery(w, r, "delivery.cancel", c.bridge.Cancel)
}

// changeDelivery does what was asked, and writes down who asked.
func (c control) changeDelivery(w http.ResponseWriter, r *http.Request, action string, do func(context.Context, bridge.DeliveryID) error) error {
	id, err := parseDelivery(r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := do(r.Context(), id); err != nil {
		return err
	}
	entry := bridge.AuditEntry{At: c.now(), Actor: operator(r).String(), Action: action, Object: id.String()}
	if _, err := c.store.Commit(r.Context(), bridge.Step{At: entry.At, Audit: []bridge.AuditEntry{entry}}); err != nil {
		return fmt.Errorf("done, but not written into the audit log: %w", err)
	}
	httpx.WriteJSON(w, http.StatusOK, struct {
		ID string `json:"id"`
	}{id.String()})
	return nil
}

// collect turns a listing into views. Listings of people's things are small next to what one machine serves.
func collect[T, V any](list iter.Seq2[T, error], view func(T) V) ([]V, error) {
	views := []V{}
	for t, err := range list {
		if err != nil {
			return nil, err
		}
		views = append(views, view(t))
	}
	return views, nil
}

func parseContact(s string) (bridge.ContactID, error) {
	id, ok := bridge.ParseID('c', s)
	if !ok {
		return 0, fmt.Errorf("%w: %q is no contact; ids begin with c, hutong links list shows them", people.ErrInvalid, s)
	}
	return bridge.ContactID(id), nil
}

func parseDelivery(s string) (bridge.DeliveryID, error) {
	id, ok := bridge.ParseID('d', s)
	if !ok {
		return 0, fmt.Errorf("%w: %q is no delivery; ids begin with d, hutong deliveries list shows them", people.ErrInvalid, s)
	}
	return bridge.DeliveryID(id), nil
}

// clock is the time as commands see it.
func clock() time.Time { return time.Now() }
