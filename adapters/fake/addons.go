package fake

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// as gives the adapter the add-ons of a profile: a type for each, since implementing an add-on is
// declaring it.
func (a *core) as(profile string) bridge.Adapter {
	switch profile {
	case Full:
		return &full{
			a,
			hooked{a},
			editor{a},
			deleter{a},
			reactor{a},
			typer{a},
			reader{a},
			marker{a},
			opener{a},
			updater{a},
			hinter{a},
			asker{a},
			fetcher{a},
			finder{a},
			prober{a},
			inviter{a},
		}
	case Windowed:
		return &windowed{a, hooked{a}, typer{a}, fetcher{a}, prober{a}, inviter{a}}
	case Searchable:
		return &searchable{a, hooked{a}, editor{a}, deleter{a}, opener{a}, fetcher{a}, finder{a}, prober{a}}
	default:
		return a
	}
}

type full struct {
	*core
	hooked
	editor
	deleter
	reactor
	typer
	reader
	marker
	opener
	updater
	hinter
	asker
	fetcher
	finder
	prober
	inviter
}

type windowed struct {
	*core
	hooked
	typer
	fetcher
	prober
	inviter
}

type searchable struct {
	*core
	hooked
	editor
	deleter
	opener
	fetcher
	finder
	prober
}

// What the profiles promise.
var (
	_ bridge.Adapter = (*core)(nil)
	_ interface {
		bridge.Hooked
		bridge.Editor
		bridge.Deleter
		bridge.Reactor
		bridge.Typer
		bridge.Reader
		bridge.Marker
		bridge.Opener
		bridge.Hinter
		bridge.Asker
		bridge.Fetcher
		bridge.Finder
		bridge.Prober
		bridge.Inviter
	} = (*full)(nil)
	_ interface {
		bridge.Hooked
		bridge.Fetcher
		bridge.Inviter
	} = (*windowed)(nil)
	_ interface {
		bridge.Hooked
		bridge.Finder
		bridge.Opener
	} = (*searchable)(nil)
)

func (a *core) do(ctx context.Context, c *call) error {
	_, err := a.link.call(ctx, c)
	return err
}

type editor struct{ at *core }

// Edit changes the text of a sent message.
func (e editor) Edit(ctx context.Context, room bridge.RoomID, msg bridge.MsgID, d bridge.Draft) error {
	return e.at.do(ctx, &call{Op: opEdit, Room: room, Msg: msg, Text: d.Text})
}

type deleter struct{ at *core }

// Delete takes a message back.
func (d deleter) Delete(ctx context.Context, room bridge.RoomID, msg bridge.MsgID) error {
	return d.at.do(ctx, &call{Op: opDelete, Room: room, Msg: msg})
}

type reactor struct{ at *core }

// React puts an emoji on a message, or takes it away.
func (r reactor) React(ctx context.Context, room bridge.RoomID, msg bridge.MsgID, emoji string, on bool) error {
	return r.at.do(ctx, &call{Op: opReact, Room: room, Msg: msg, Emoji: emoji, On: on})
}

type typer struct{ at *core }

// Type shows that the other side is writing.
func (t typer) Type(ctx context.Context, room bridge.RoomID) error {
	return t.at.do(ctx, &call{Op: opType, Room: room})
}

type reader struct{ at *core }

// MarkRead tells the network what the other side has read.
func (r reader) MarkRead(ctx context.Context, room bridge.RoomID, msg bridge.MsgID) error {
	return r.at.do(ctx, &call{Op: opRead, Room: room, Msg: msg})
}

type marker struct{ at *core }

// Mark shows a writer what became of a message.
func (m marker) Mark(ctx context.Context, room bridge.RoomID, msg bridge.MsgID, f bridge.Fate) error {
	return m.at.do(ctx, &call{Op: opMark, Room: room, Msg: msg, Fate: f})
}

type opener struct{ at *core }

// Open makes, or finds, the room of a link.
func (o opener) Open(ctx context.Context, w bridge.Opening) (bridge.RoomID, error) {
	got, err := o.at.link.call(ctx, &call{Op: opOpen, Key: w.Key, Name: w.Title, Text: w.Label.Text, Members: w.Members, Opening: w})
	return got.Room, err
}

type updater struct{ at *core }

// Update brings what a room shows of its contact up to date.
func (u updater) Update(ctx context.Context, room bridge.RoomID, o bridge.Opening) error {
	return u.at.do(ctx, &call{Op: opUpdate, Room: room, Opening: o})
}

type hinter struct{ at *core }

// Hint says something to one user alone.
func (h hinter) Hint(ctx context.Context, room bridge.RoomID, user bridge.UserID, a bridge.Ask) error {
	return h.at.do(ctx, &call{Op: opHint, Room: room, User: user, Text: a.Text, Ask: &a})
}

type asker struct{ at *core }

// Ask shows a question with buttons.
func (k asker) Ask(ctx context.Context, room bridge.RoomID, key string, a bridge.Ask) ([]bridge.MsgID, error) {
	got, err := k.at.link.call(ctx, &call{Op: opAsk, Room: room, Key: key, Text: a.Text, Ask: &a})
	return got.IDs, err
}

type fetcher struct{ at *core }

// Fetch reads a file that came by reference.
func (f fetcher) Fetch(ctx context.Context, file bridge.File) (io.ReadCloser, error) {
	return f.at.fetch(ctx, file)
}

type finder struct{ at *core }

// Find looks for the message that was sent with a key.
func (f finder) Find(ctx context.Context, room bridge.RoomID, key string) ([]bridge.MsgID, error) {
	got, err := f.at.link.call(ctx, &call{Op: opFind, Room: room, Key: key})
	return got.IDs, err
}

type prober struct{ at *core }

// Probe asks whether the account works.
func (p prober) Probe(ctx context.Context) error { return p.at.do(ctx, &call{Op: opProbe}) }

type inviter struct{ at *core }

// Invite makes the address behind a card's QR code.
func (i inviter) Invite(ctx context.Context, c bridge.CardID) (string, error) {
	got, err := i.at.link.call(ctx, &call{Op: opInvite, Text: string(c)})
	return got.URL, err
}

type hooked struct{ at *core }

// Hook is what the network calls.
func (h hooked) Hook() http.Handler { return http.HandlerFunc(h.at.hook) }

// hook answers 204 when the event is stored, 422 when it never will be, and 503 when it must come again.
func (a *core) hook(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	body, err := httpx.ReadBody(w, r, maxHook)
	if err != nil {
		w.WriteHeader(httpx.Status(err))
		return
	}
	sign := httpx.Signer{Key: []byte(a.secret.Reveal())}
	if err := sign.Check(r.Header.Get(signature), body, a.now()); err != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	e, err := readHook(body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	switch err := a.gate.receive(r.Context(), e); {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case errors.Is(err, bridge.ErrRefused):
		w.WriteHeader(http.StatusUnprocessableEntity)
	default:
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}
