package browsertest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hutong-im/hutong/bridge"
)

// Lobby is what the adapter of the side may ask.
func (h *House) Lobby(side bridge.Side) bridge.Lobby { return lobby{h, side} }

type lobby struct {
	h    *House
	side bridge.Side
}

// maxKeep is how many bytes the house keeps of one file.
const maxKeep = 1 << 20

func (b lobby) Company() bridge.Company {
	b.h.mu.Lock()
	defer b.h.mu.Unlock()
	return b.h.company
}

func (b lobby) Commands() []string { return []string{"pin", "remark"} }

func (b lobby) Members() []bridge.Member {
	b.h.mu.Lock()
	defer b.h.mu.Unlock()
	var out []bridge.Member
	for _, m := range b.h.members {
		if _, ok := m.Account(b.h.names[b.side]); ok {
			out = append(out, m)
		}
	}
	return out
}

func (b lobby) Card(_ context.Context, id bridge.CardID) (bridge.CardView, error) {
	b.h.mu.Lock()
	defer b.h.mu.Unlock()
	c, ok := b.h.cards[id]
	if !ok {
		return bridge.CardView{}, bridge.ErrNotFound
	}
	return b.h.card(c)
}

func (h *House) card(c bridge.Card) (bridge.CardView, error) {
	for i, m := range h.members {
		if m.ID == c.Member && m.State != bridge.MemberLeft {
			return bridge.CardView{
				ID: c.ID, Member: m.Name, Title: m.Title, Label: h.label(&link{member: &h.members[i]}, bridge.MemberSide),
				Acceptance: c.Acceptance, Verify: "verify-" + string(m.ID),
				Ways: []bridge.Way{{Kind: "wechat", URL: "https://u.example/" + string(c.ID)}, {Kind: "telegram", URL: "https://t.example/bot"}, {Kind: "evil", URL: "javascript:alert(1)"}},
			}, nil
		}
	}
	return bridge.CardView{}, bridge.ErrNotFound
}

func (b lobby) Verify(_ context.Context, token string) (bridge.CardView, error) {
	b.h.mu.Lock()
	defer b.h.mu.Unlock()
	id, ok := strings.CutPrefix(token, "verify-")
	if !ok {
		return bridge.CardView{}, bridge.ErrNotFound
	}
	return b.h.card(bridge.Card{Member: bridge.MemberID(id)})
}

func (b lobby) Rooms(_ context.Context, u bridge.UserID) ([]bridge.RoomView, error) {
	b.h.mu.Lock()
	defer b.h.mu.Unlock()
	var out []bridge.RoomView
	for _, l := range slices.Backward(b.h.links) {
		if l.users[b.side] == u && l.rooms[b.side] != "" {
			out = append(out, b.view(l))
		}
	}
	return out, nil
}

func (b lobby) Room(_ context.Context, u bridge.UserID, r bridge.RoomID) (bridge.RoomView, error) {
	b.h.mu.Lock()
	defer b.h.mu.Unlock()
	l, err := b.link(u, r)
	if err != nil {
		return bridge.RoomView{}, err
	}
	return b.view(l), nil
}

func (b lobby) link(u bridge.UserID, r bridge.RoomID) (*link, error) {
	l, err := b.h.linkOf(b.side, r, u)
	if err != nil {
		return nil, bridge.ErrNotFound
	}
	return l, nil
}

func (b lobby) view(l *link) bridge.RoomView {
	v := bridge.RoomView{
		Room: l.rooms[b.side], Link: l.id, State: l.state, Other: b.h.label(l, b.side.Other()), Network: "webchat", Hello: l.hello, Since: l.since,
	}
	if b.side == bridge.ContactSide {
		v.Network, v.Verify = "desk", "verify-"+string(l.member.ID)
	} else {
		v.Remark, v.Tags = "展会认识的客户", []string{"展会", "重点"}
		if l.state == bridge.LinkAsked {
			v.AskID = l.id.String()
		}
	}
	if n := len(l.lines); n > 0 {
		last := b.line(l, l.lines[n-1])
		v.Last = &last
	}
	return v
}

func (b lobby) line(l *link, s *said) bridge.Line {
	return bridge.Line{
		ID: s.ID, Msg: s.ids[b.side], Mine: s.Side == b.side, As: b.h.label(l, s.Side), At: s.At, Text: s.Text, Files: slices.Clone(s.Files),
		ReplyTo: s.ReplyTo, Edited: len(s.Edits) > 0, Recalled: s.Recalled, Reactions: slices.Clone(s.Reactions), State: s.state, Reason: s.reason,
	}
}

func (b lobby) History(_ context.Context, u bridge.UserID, r bridge.RoomID, before bridge.MessageID, n int) ([]bridge.Line, error) {
	b.h.mu.Lock()
	defer b.h.mu.Unlock()
	l, err := b.link(u, r)
	if err != nil {
		return nil, err
	}
	var out []bridge.Line
	for _, s := range l.lines {
		if before == 0 || s.ID < before {
			out = append(out, b.line(l, s))
		}
	}
	return out[max(0, len(out)-n):], nil
}

func (b lobby) Line(_ context.Context, u bridge.UserID, r bridge.RoomID, m bridge.MsgID) (bridge.Line, error) {
	b.h.mu.Lock()
	defer b.h.mu.Unlock()
	l, err := b.link(u, r)
	if err != nil {
		return bridge.Line{}, err
	}
	s := find(l, b.side, m)
	if s == nil {
		return bridge.Line{}, bridge.ErrNotFound
	}
	return b.line(l, s), nil
}

func (b lobby) Keep(_ context.Context, name, typ string, r io.Reader) (bridge.File, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxKeep+1))
	if err != nil {
		return bridge.File{}, err
	}
	if len(body) > maxKeep {
		return bridge.File{}, bridge.ErrTooLarge
	}
	if strings.Contains(typ, "msdownload") {
		return bridge.File{}, fmt.Errorf("%s is a program: %w", name, bridge.ErrRefused)
	}
	sum := sha256.Sum256(body)
	f := bridge.File{Name: name, Type: typ, Size: int64(len(body)), Blob: hex.EncodeToString(sum[:])}
	b.h.locked(func() { b.h.blobs[f.Blob] = body })
	return f, nil
}

func (b lobby) OpenFile(_ context.Context, u bridge.UserID, r bridge.RoomID, m bridge.MessageID, i int) (bridge.File, io.ReadCloser, error) {
	b.h.mu.Lock()
	defer b.h.mu.Unlock()
	l, err := b.link(u, r)
	if err != nil {
		return bridge.File{}, nil, err
	}
	for _, s := range l.lines {
		if s.ID == m && i < len(s.Files) && !s.Recalled {
			return s.Files[i], io.NopCloser(bytes.NewReader(b.h.blobs[s.Files[i].Blob])), nil
		}
	}
	return bridge.File{}, nil, bridge.ErrNotFound
}
