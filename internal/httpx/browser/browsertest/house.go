package browsertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// House is the gateway: two adapters, links between their users, and what was said.
type House struct {
	mu       sync.Mutex
	company  bridge.Company
	members  []bridge.Member
	cards    map[bridge.CardID]bridge.Card
	names    [2]string
	adapters [2]bridge.Adapter
	links    []*link
	last     uint64
	clock    func() time.Time
	blobs    map[string][]byte

	events []bridge.Event
	fail   error
}

type link struct {
	id     bridge.LinkID
	state  bridge.LinkState
	member *bridge.Member
	name   string // of the customer
	hello  string
	since  time.Time
	users  [2]bridge.UserID
	rooms  [2]bridge.RoomID
	lines  []*said
}

type said struct {
	bridge.Message
	ids    [2]bridge.MsgID
	state  bridge.State
	reason string
}

// New makes a house with the members 李雷 (account "lilei") and 韩梅梅 (account "hanmei").
func New(now func() time.Time) *House {
	account := func(u bridge.UserID) []bridge.UserRef { return []bridge.UserRef{{Adapter: "desk", User: u}} }
	return &House{
		company: bridge.Company{Name: "ACME 贸易有限公司", Short: "ACME", Language: "zh", URL: "http://localhost:8420", Zone: time.UTC},
		members: []bridge.Member{
			{ID: "lilei", Name: "李雷", Title: "销售经理", Accounts: account("lilei"), Serves: true},
			{ID: "hanmei", Name: "韩梅梅", Title: "客户经理", Accounts: account("hanmei"), Serves: true},
		},
		cards: map[bridge.CardID]bridge.Card{
			"OPENCARD": {ID: "OPENCARD", Member: "lilei"},
			"OTHERONE": {ID: "OTHERONE", Member: "lilei"},
			"ASKFIRST": {ID: "ASKFIRST", Member: "hanmei", Acceptance: true},
		},
		names: [2]string{"desk", "web"}, clock: now, blobs: map[string][]byte{},
	}
}

// SetURL changes where the house says it lives.
func (h *House) SetURL(url string) { h.locked(func() { h.company.URL = url }) }

// SetMemberState changes whether the member works here.
func (h *House) SetMemberState(id bridge.MemberID, s bridge.MemberState) {
	h.locked(func() {
		for i := range h.members {
			if h.members[i].ID == id {
				h.members[i].State = s
			}
		}
	})
}

// FailWith makes Receive answer err until it is called with nil.
func (h *House) FailWith(err error) { h.locked(func() { h.fail = err }) }

// Attach puts an adapter on a side, so that what is said is sent to it.
func (h *House) Attach(side bridge.Side, a bridge.Adapter) { h.locked(func() { h.adapters[side] = a }) }

// Events are what was received so far, Typing and repeated ones included.
func (h *House) Events() []bridge.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.events)
}

func (h *House) locked(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

func (h *House) nextID() uint64 {
	id := bridge.FirstID(h.clock())
	h.last = max(h.last+1, id)
	return h.last
}

// Inbox is where the adapter of the side brings what it hears.
func (h *House) Inbox(side bridge.Side) bridge.Inbox { return inbox{h, side} }

type inbox struct {
	h    *House
	side bridge.Side
}

// todo is what is to be sent once the lock is open.
type todo func(ctx context.Context) error

// Receive keeps an event, then does what it asks for.
func (in inbox) Receive(ctx context.Context, e bridge.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	h := in.h
	h.mu.Lock()
	if h.fail != nil {
		defer h.mu.Unlock()
		return h.fail
	}
	h.events = append(h.events, e)
	next, err := h.take(in.side, e)
	h.mu.Unlock()
	if err != nil {
		return err
	}
	for _, do := range next {
		if err := do(context.WithoutCancel(ctx)); err != nil {
			return fmt.Errorf("the other side: %w", err)
		}
	}
	return nil
}

func (h *House) take(side bridge.Side, e bridge.Event) ([]todo, error) {
	switch e := e.(type) {
	case bridge.Joined:
		return h.joined(e)
	case bridge.MessageEvent:
		return h.said(side, e)
	case bridge.Answered:
		return h.answered(side, e)
	case bridge.Left:
		l, err := h.linkOf(side, e.Room, e.User)
		if err == nil {
			l.state = bridge.LinkEnded
		}
		return nil, err
	case bridge.Typing:
		l, err := h.linkOf(side, e.Room, e.User)
		if err != nil {
			return nil, err
		}
		return h.to(side.Other(), func(ctx context.Context, a bridge.Adapter) error {
			if t, ok := a.(bridge.Typer); ok {
				return t.Type(ctx, l.rooms[side.Other()])
			}
			return nil
		}), nil
	default:
		return h.touched(side, e)
	}
}

// to does something with the adapter of a side, if there is one.
func (h *House) to(side bridge.Side, do func(context.Context, bridge.Adapter) error) []todo {
	a := h.adapters[side]
	if a == nil {
		return nil
	}
	return []todo{func(ctx context.Context) error { return do(ctx, a) }}
}

func (h *House) linkOf(side bridge.Side, r bridge.RoomID, u bridge.UserID) (*link, error) {
	for _, l := range h.links {
		if l.rooms[side] == r {
			if l.users[side] != u {
				return nil, fmt.Errorf("user %q in the room of %q: %w", u, l.users[side], bridge.ErrRefused)
			}
			return l, nil
		}
	}
	return nil, fmt.Errorf("room %q: %w", r, bridge.ErrRefused)
}

func (h *House) joined(e bridge.Joined) ([]todo, error) {
	card, ok := h.cards[e.Card]
	if !ok || e.Name == "" || e.User == "" || e.At.IsZero() {
		return nil, fmt.Errorf("card %q: %w", e.Card, bridge.ErrRefused)
	}
	i := slices.IndexFunc(h.members, func(m bridge.Member) bool { return m.ID == card.Member })
	m := &h.members[i]
	for _, l := range h.links {
		if l.users[bridge.ContactSide] == e.User && l.member == m && l.state != bridge.LinkEnded {
			return nil, nil
		}
	}
	l := &link{
		id: bridge.LinkID(h.nextID()), state: bridge.LinkActive, member: m, name: e.Name, hello: e.Text, since: e.At,
		users: [2]bridge.UserID{m.Accounts[0].User, e.User}, rooms: [2]bridge.RoomID{"", e.Room},
	}
	if card.Acceptance {
		l.state = bridge.LinkAsked
	}
	h.links = append(h.links, l)
	if h.adapters[bridge.MemberSide] == nil {
		l.rooms[0] = bridge.RoomID(fmt.Sprintf("%s.r%d", l.users[0], l.id))
		return nil, nil
	}
	return h.to(bridge.MemberSide, func(ctx context.Context, a bridge.Adapter) error { return h.welcome(ctx, a, l) }), nil
}

func (h *House) welcome(ctx context.Context, a bridge.Adapter, l *link) error {
	opener, ok := a.(bridge.Opener)
	if !ok {
		return errors.New("the workspace opens no rooms")
	}
	room, err := opener.Open(ctx, bridge.Opening{Key: l.id.String(), Members: []bridge.UserID{l.users[0]}, Title: l.name, State: l.state})
	if err != nil {
		return err
	}
	h.locked(func() { l.rooms[0] = room })
	if l.state != bridge.LinkAsked {
		return nil
	}
	if asker, ok := a.(bridge.Asker); ok {
		_, err = asker.Ask(ctx, room, "ask "+l.id.String(), bridge.Ask{ID: l.id.String(), Text: l.name + "?", Choices: []bridge.Choice{
			{ID: "accept", Label: "接受", Style: "primary"}, {ID: "decline", Label: "拒绝"},
		}})
	}
	return err
}

func (h *House) answered(side bridge.Side, e bridge.Answered) ([]todo, error) {
	l, err := h.linkOf(side, e.Room, e.User)
	if err != nil {
		return nil, err
	}
	if e.Ask != l.id.String() || l.state != bridge.LinkAsked {
		return nil, fmt.Errorf("ask %q: %w", e.Ask, bridge.ErrRefused)
	}
	text := "对方已接受您的请求，可以开始聊天了。"
	l.state = bridge.LinkActive
	if e.Choice != "accept" {
		l.state, text = bridge.LinkEnded, "对方暂时无法接受您的请求。"
	}
	next := h.to(side.Other(), func(ctx context.Context, a bridge.Adapter) error {
		_, err := a.Send(ctx, l.rooms[side.Other()], bridge.Draft{Key: "answer " + l.id.String(), Text: text})
		return err
	})
	for _, s := range l.lines {
		next = append(next, h.deliver(l, s)...)
	}
	return next, nil
}
