package browsertest

import (
	"context"
	"fmt"
	"slices"

	"github.com/hutong-im/hutong/bridge"
)

func (h *House) said(side bridge.Side, e bridge.MessageEvent) ([]todo, error) {
	l, err := h.linkOf(side, e.Room, e.User)
	if err != nil {
		return nil, err
	}
	if e.Msg == "" || e.Text == "" && len(e.Files) == 0 || l.state == bridge.LinkEnded {
		return nil, fmt.Errorf("an empty message: %w", bridge.ErrRefused)
	}
	if find(l, side, e.Msg) != nil {
		return nil, nil // said before
	}
	s := &said{Message: bridge.Message{
		ID: bridge.MessageID(h.nextID()), Side: side, At: e.At, Text: e.Text, Files: e.Files,
	}, state: bridge.StatePending}
	s.ids[side] = e.Msg
	if r := find(l, side, e.ReplyTo); r != nil {
		s.ReplyTo = r.ID
	}
	l.lines = append(l.lines, s)
	if l.state == bridge.LinkAsked {
		s.state = bridge.StateHeld
		return nil, nil
	}
	return h.deliver(l, s), nil
}

func find(l *link, side bridge.Side, m bridge.MsgID) *said {
	if m == "" {
		return nil
	}
	for _, s := range l.lines {
		if s.ids[side] == m {
			return s
		}
	}
	return nil
}

// deliver sends a message to the other side and tells its writer.
func (h *House) deliver(l *link, s *said) []todo {
	far := s.Side.Other()
	d := bridge.Draft{Key: s.ID.String(), As: h.label(l, s.Side), Text: s.Text}
	for _, f := range s.Files {
		d.Files = append(d.Files, bridge.Attachment{File: f})
	}
	for _, r := range l.lines {
		if r.ID == s.ReplyTo {
			d.ReplyTo = r.ids[far]
		}
	}
	next := h.to(far, func(ctx context.Context, a bridge.Adapter) error {
		ids, err := a.Send(ctx, l.rooms[far], d)
		if err != nil {
			return err
		}
		h.locked(func() { s.ids[far], s.state = ids[0], bridge.StateSent })
		return nil
	})
	if len(next) == 0 {
		return nil
	}
	return append(next, h.mark(l, s, bridge.StateSent)...)
}

func (h *House) mark(l *link, s *said, state bridge.State) []todo {
	return h.to(s.Side, func(ctx context.Context, a bridge.Adapter) error {
		if m, ok := a.(bridge.Marker); ok {
			return m.Mark(ctx, l.rooms[s.Side], s.ids[s.Side], bridge.Fate{State: state})
		}
		return nil
	})
}

// touched takes what is done to a message: an edit, a recall, a reaction, a receipt.
func (h *House) touched(side bridge.Side, e bridge.Event) ([]todo, error) {
	var room bridge.RoomID
	var user bridge.UserID
	var msg bridge.MsgID
	switch e := e.(type) {
	case bridge.Edited:
		room, user, msg = e.Room, e.User, e.Msg
	case bridge.Deleted:
		room, user, msg = e.Room, e.User, e.Msg
	case bridge.Reacted:
		room, user, msg = e.Room, e.User, e.Msg
	case bridge.Receipt:
		room, user, msg = e.Room, e.User, e.Msg
	}
	l, err := h.linkOf(side, room, user)
	if err != nil {
		return nil, err
	}
	s := find(l, side, msg)
	if s == nil {
		return nil, fmt.Errorf("message %q: %w", msg, bridge.ErrRefused)
	}
	switch e := e.(type) {
	case bridge.Receipt:
		return h.received(side, l, s, e)
	case bridge.Reacted:
		return h.reacted(side, l, s, e), nil
	}
	if s.Side != side {
		return nil, fmt.Errorf("message %q is somebody else's: %w", msg, bridge.ErrRefused)
	}
	far, id := l.rooms[side.Other()], s.ids[side.Other()]
	if ed, ok := e.(bridge.Edited); ok {
		s.Edits, s.Text = append(s.Edits, bridge.Edit{At: ed.At, Text: s.Text}), ed.Text
		return h.to(side.Other(), func(ctx context.Context, a bridge.Adapter) error {
			return a.(bridge.Editor).Edit(ctx, far, id, bridge.Draft{Text: ed.Text})
		}), nil
	}
	s.Recalled = true
	return h.to(side.Other(), func(ctx context.Context, a bridge.Adapter) error {
		return a.(bridge.Deleter).Delete(ctx, far, id)
	}), nil
}

func (h *House) received(side bridge.Side, l *link, s *said, e bridge.Receipt) ([]todo, error) {
	if s.Side == side || e.State != bridge.StateDelivered && e.State != bridge.StateRead {
		return nil, fmt.Errorf("receipt %q: %w", e.State, bridge.ErrRefused)
	}
	for _, old := range l.lines {
		if old.Side == s.Side && old.ID <= s.ID && e.State.Beats(old.state) {
			old.state = e.State
		}
	}
	return h.mark(l, s, s.state), nil
}

func (h *House) reacted(side bridge.Side, l *link, s *said, e bridge.Reacted) []todo {
	r := bridge.Reaction{Side: side, Emoji: e.Emoji}
	s.Reactions = slices.DeleteFunc(s.Reactions, func(o bridge.Reaction) bool { return o == r })
	if !e.Removed {
		s.Reactions = append(s.Reactions, r)
	}
	far, id := l.rooms[side.Other()], s.ids[side.Other()]
	return h.to(side.Other(), func(ctx context.Context, a bridge.Adapter) error {
		return a.(bridge.Reactor).React(ctx, far, id, e.Emoji, !e.Removed)
	})
}

// label is how the party of a side is named to the other.
func (h *House) label(l *link, side bridge.Side) bridge.Label {
	if side == bridge.MemberSide {
		return bridge.Label{Name: l.member.Name, Text: l.member.Name + " · 企业联系人 · " + h.company.Short + " " + l.member.Title}
	}
	return bridge.Label{Name: l.name, Text: l.name + " · 网页联系人"}
}
