package crowd

import (
	"context"
	"slices"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx/browser/browsertest"
)

// Chat is what every adapter with pages of its own can do.
type Chat interface {
	bridge.Adapter
	bridge.Editor
	bridge.Deleter
	bridge.Reactor
	bridge.Typer
	bridge.Reader
	bridge.Marker
	bridge.Hinter
	bridge.Asker
	bridge.Forgetter
	bridge.Paged
}

// Remembered is an adapter whose history is kept, as the road would keep it. What it can do beyond a Chat its test
// hands on.
type Remembered struct {
	Chat
	far  *browsertest.Far
	side bridge.Side
}

// Remember keeps what the adapter says and hears.
func (n *Network) Remember(a Chat) *Remembered { return &Remembered{a, n.Far, n.opts.Side} }

// Run keeps what is heard.
func (a *Remembered) Run(ctx context.Context, in bridge.Inbox) error {
	return a.Chat.Run(ctx, a.far.Hearing(in))
}

// Send keeps what is said.
func (a *Remembered) Send(ctx context.Context, r bridge.RoomID, d bridge.Draft) ([]bridge.MsgID, error) {
	ids, err := a.Chat.Send(ctx, r, d)
	return a.far.Sent(r, d, ids, err)
}

// Edit changes it.
func (a *Remembered) Edit(ctx context.Context, r bridge.RoomID, m bridge.MsgID, d bridge.Draft) error {
	return a.far.Change(r, m, a.Chat.Edit(ctx, r, m, d), func(l *bridge.Line) { l.Text, l.Edited = d.Text, true })
}

// Delete takes it back.
func (a *Remembered) Delete(ctx context.Context, r bridge.RoomID, m bridge.MsgID) error {
	return a.far.Change(r, m, a.Chat.Delete(ctx, r, m), func(l *bridge.Line) { l.Recalled = true })
}

// React puts the other side's emoji on it.
func (a *Remembered) React(ctx context.Context, r bridge.RoomID, m bridge.MsgID, emoji string, on bool) error {
	return a.far.Change(r, m, a.Chat.React(ctx, r, m, emoji, on), func(l *bridge.Line) {
		re := bridge.Reaction{Side: a.side.Other(), Emoji: emoji}
		l.Reactions = slices.DeleteFunc(l.Reactions, func(o bridge.Reaction) bool { return o == re })
		if on {
			l.Reactions = append(l.Reactions, re)
		}
	})
}
