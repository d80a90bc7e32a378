package bridge

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Lobby is what an adapter of that name may ask of the gateway for its pages.
func (b *Bridge) Lobby(adapter, kind string) Lobby { return &lobby{b: b, adapter: adapter, kind: kind} }

type lobby struct {
	b             *Bridge
	adapter, kind string
}

// roomsShown bounds a listing: more conversations than anyone scrolls through, few enough to read at once.
const roomsShown = 500

func (y *lobby) Company() Company { return y.b.set.Load().Company }

func (y *lobby) Members() []Member {
	var out []Member
	for _, m := range y.b.set.Load().Members {
		if _, ok := m.Account(y.adapter); ok && m.State != MemberLeft {
			out = append(out, m)
		}
	}
	return out
}

func (y *lobby) Commands() []string {
	out := ownCommands()
	for _, a := range y.b.set.Load().Apps {
		out = append(out, a.Commands()...)
	}
	return out
}

func (y *lobby) Card(ctx context.Context, id CardID) (CardView, error) {
	set := y.b.set.Load()
	c, err := y.b.store.Card(ctx, id)
	if err != nil {
		return CardView{}, err
	}
	m, ok := set.serving(c.Member)
	if !ok || !c.Open(set.Now()) {
		return CardView{}, ErrNotFound
	}
	v := y.view(set, m)
	v.ID, v.Greeting, v.Acceptance = c.ID, c.Greeting, c.Acceptance
	for _, n := range y.b.names() {
		a, kind, _ := y.b.adapter(n)
		inviter, can := a.(Inviter)
		if !can || n == y.adapter {
			continue
		}
		if url, err := inviter.Invite(ctx, c.ID); err == nil {
			v.Ways = append(v.Ways, Way{Adapter: n, Kind: kind, URL: url})
		}
	}
	return v, nil
}

func (y *lobby) view(set *settled, m *Member) CardView {
	return CardView{
		Member: Tidy(m.Name, maxName), Title: Tidy(m.Title, maxName), Label: set.memberLabel(m), Verify: y.b.verifyToken(m.ID),
	}
}

func (y *lobby) Verify(_ context.Context, token string) (CardView, error) {
	set := y.b.set.Load()
	for i := range set.Members {
		m := &set.Members[i]
		if hmac.Equal([]byte(y.b.verifyToken(m.ID)), []byte(token)) {
			if _, ok := set.serving(m.ID); !ok {
				return CardView{}, ErrNotFound
			}
			return y.view(set, m), nil
		}
	}
	return CardView{}, ErrNotFound
}

// verifyToken stands for a member in an address that nobody can make up: 80 bits of an HMAC.
func (b *Bridge) verifyToken(m MemberID) string {
	h := hmac.New(sha256.New, b.secret)
	_, _ = io.WriteString(h, "verify\x00"+string(m))
	return strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil)[:10]))
}

func (y *lobby) Rooms(ctx context.Context, u UserID) ([]RoomView, error) {
	links, side, err := y.links(ctx, u)
	if err != nil {
		return nil, err
	}
	var out []RoomView
	for i := range links {
		ref := links[i].Rooms[side]
		if ref.Adapter != y.adapter {
			continue
		}
		v, err := y.roomView(ctx, &links[i], side, ref)
		if errors.Is(err, ErrNotFound) {
			continue // erased meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	slices.SortStableFunc(out, func(a, b RoomView) int { return lastTouch(b).Compare(lastTouch(a)) })
	return out, nil
}

// links are those of the user, whichever side they are on.
func (y *lobby) links(ctx context.Context, u UserID) ([]Link, Side, error) {
	set := y.b.set.Load()
	ref := UserRef{y.adapter, u}
	if m, ok := set.accounts[ref]; ok {
		var out []Link
		for l, err := range y.b.store.LinksBy(ctx, m.ID) {
			if err != nil {
				return nil, MemberSide, fmt.Errorf("list links: %w", err)
			}
			if out = append(out, l); len(out) == roomsShown {
				break
			}
		}
		return out, MemberSide, nil
	}
	c, err := y.b.store.ContactOf(ctx, ref)
	if errors.Is(err, ErrNotFound) {
		return nil, ContactSide, nil
	}
	if err != nil {
		return nil, ContactSide, fmt.Errorf("read contact: %w", err)
	}
	links, err := y.b.store.LinksOf(ctx, c.ID)
	return links, ContactSide, err
}

func (y *lobby) Room(ctx context.Context, u UserID, r RoomID) (RoomView, error) {
	l, side, err := y.mine(ctx, u, r)
	if err != nil {
		return RoomView{}, err
	}
	return y.roomView(ctx, &l, side, RoomRef{y.adapter, r})
}

// mine is the current link of a room that is the user's; ErrNotFound if it is not.
func (y *lobby) mine(ctx context.Context, u UserID, r RoomID) (Link, Side, error) {
	room, err := y.b.store.Room(ctx, RoomRef{y.adapter, r})
	if err != nil {
		return Link{}, 0, err
	}
	l, err := y.b.store.Link(ctx, room.Current)
	if err != nil {
		return Link{}, 0, err
	}
	ref := UserRef{y.adapter, u}
	if room.Side == MemberSide {
		if m := y.b.set.Load().accounts[ref]; m == nil || m.ID != l.Member {
			return Link{}, 0, ErrNotFound
		}
		return l, room.Side, nil
	}
	c, err := y.b.store.Contact(ctx, l.Contact)
	if err != nil {
		return Link{}, 0, err
	}
	if !slices.Contains(c.Accounts, ref) {
		return Link{}, 0, ErrNotFound
	}
	return l, room.Side, nil
}

func (y *lobby) roomView(ctx context.Context, l *Link, side Side, ref RoomRef) (RoomView, error) {
	set := y.b.set.Load()
	v := RoomView{
		Room: ref.Room, Link: l.ID, State: l.State, Since: l.Since,
		Network: y.b.networkOf(l.Rooms[side.Other()]),
	}
	if side == MemberSide {
		c, err := y.b.store.Contact(ctx, l.Contact)
		if err != nil {
			return v, err
		}
		v.Other = set.contactLabel(&c, l, v.Network)
		v.Hello, v.Remark, v.Tags, v.Pinned, v.Muted = l.Hello, l.Remark, l.Tags, l.Pinned, l.Muted
		if v.Window, err = y.b.windowText(ctx, set, l); err != nil {
			return v, err
		}
		if l.State == LinkAsked {
			v.AskID = askLink + l.ID.String()
		}
	} else if m, ok := set.members[l.Member]; ok {
		v.Other, v.Verify = set.memberLabel(m), y.b.verifyToken(m.ID)
	} else {
		v.Other = set.house()
	}
	last, err := y.b.store.History(ctx, l.ID, 0, 1)
	if err != nil {
		return v, fmt.Errorf("read history: %w", err)
	}
	for i := range last {
		if y.shows(&last[i], side) {
			line := y.line(&last[i], l, side, ref, Label{})
			v.Last = &line
		}
	}
	return v, nil
}

// shows reports whether a side may see a message: notes are the members' own, and what was blocked or
// dropped before it was sent is only its writer's.
func (y *lobby) shows(r *Record, side Side) bool {
	if r.Side == side {
		return true
	}
	if r.Note {
		return false
	}
	switch r.State {
	case StateSent, StateDelivered, StateRead:
		return true
	default:
		return len(r.Copies) > 0
	}
}

func (y *lobby) History(ctx context.Context, u UserID, r RoomID, before MessageID, n int) ([]Line, error) {
	l, side, err := y.mine(ctx, u, r)
	if err != nil {
		return nil, err
	}
	ref := RoomRef{y.adapter, r}
	view, err := y.roomView(ctx, &l, side, ref)
	if err != nil {
		return nil, err
	}
	var out []Line
	for len(out) < n {
		recs, err := y.b.store.History(ctx, l.ID, before, n)
		if err != nil {
			return nil, fmt.Errorf("read history: %w", err)
		}
		for i := range recs {
			if before = recs[i].ID; y.shows(&recs[i], side) {
				out = append(out, y.line(&recs[i], &l, side, ref, view.Other))
			}
		}
		if len(recs) < n {
			break
		}
	}
	out = out[:min(n, len(out))]
	slices.Reverse(out)
	return out, nil
}

func (y *lobby) Line(ctx context.Context, u UserID, r RoomID, m MsgID) (Line, error) {
	l, side, err := y.mine(ctx, u, r)
	if err != nil {
		return Line{}, err
	}
	ref := RoomRef{y.adapter, r}
	id, err := y.b.store.Find(ctx, MsgRef{ref, m})
	if err != nil {
		return Line{}, err
	}
	rec, err := y.b.store.Message(ctx, id)
	if err != nil {
		return Line{}, err
	}
	if rec.Link != l.ID || !y.shows(&rec, side) {
		return Line{}, ErrNotFound
	}
	view, err := y.roomView(ctx, &l, side, ref)
	if err != nil {
		return Line{}, err
	}
	return y.line(&rec, &l, side, ref, view.Other), nil
}

// line is a message as one side sees it.
func (y *lobby) line(r *Record, l *Link, side Side, ref RoomRef, other Label) Line {
	set := y.b.set.Load()
	v := Line{
		ID: r.ID, Msg: r.idIn(ref), Mine: r.Side == side, Note: r.Note, As: other, At: r.At, Text: r.Shown(), Files: r.Files,
		ReplyTo: r.ReplyTo, Edited: r.Version() > 0, Recalled: r.Recalled, Reactions: r.Reactions,
	}
	if v.Mine {
		v.Text, v.State, v.Reason = r.Text, r.State, r.Reason
		if v.State == "" && !r.Note { // a note goes nowhere
			v.State = StatePending
		}
		if m, ok := set.members[l.Member]; ok && side == MemberSide {
			v.As = set.memberLabel(m)
		}
	}
	if r.Recalled {
		v.Text, v.Files = "", nil
	}
	return v
}

func (y *lobby) Keep(_ context.Context, name, typ string, r io.Reader) (File, error) {
	return y.b.keep(name, typ, r)
}

func (y *lobby) OpenFile(ctx context.Context, u UserID, r RoomID, m MessageID, i int) (File, io.ReadCloser, error) {
	l, side, err := y.mine(ctx, u, r)
	if err != nil {
		return File{}, nil, err
	}
	rec, err := y.b.store.Message(ctx, m)
	if err != nil {
		return File{}, nil, err
	}
	if rec.Link != l.ID || rec.Recalled || !y.shows(&rec, side) || i < 0 || i >= len(rec.Files) || rec.Files[i].Blob == "" {
		return File{}, nil, ErrNotFound
	}
	body, err := y.b.blobs.Open(rec.Files[i].Blob)
	return rec.Files[i], body, err
}

// lastTouch is when something last happened in a conversation.
func lastTouch(v RoomView) time.Time {
	if v.Last != nil {
		return v.Last.At
	}
	return v.Since
}
