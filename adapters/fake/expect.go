package fake

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hutong-im/hutong/bridge"
)

// expect waits for what a verb says. What can only get worse fails at once.
func (a *actor) expect(ctx context.Context, step Step) error {
	switch step.Verb {
	case "<", "<~":
		return a.see(ctx, step)
	case "nothing":
		if left := a.unseen(""); len(left) > 0 {
			return fmt.Errorf("there is %q", left[0].Text)
		}
		return nil
	}
	var now Message
	err := a.net.Wait(ctx, func() bool {
		now = a.refresh(step)
		return a.fits(step, now)
	})
	if err != nil {
		return fmt.Errorf("it is %+v", now)
	}
	return nil
}

// refresh is the message that a verb speaks of, as it is now.
func (a *actor) refresh(step Step) Message {
	ref := a.last
	if step.Verb == "reacted" || step.Verb == "marked" {
		ref = a.own
	}
	for _, m := range a.net.Messages(ref.Room) {
		if m.ID == ref.ID {
			return m
		}
	}
	return Message{}
}

func (a *actor) fits(step Step, m Message) bool {
	switch step.Verb {
	case "edited":
		return m.Edits > 0 && m.Text == step.Text
	case "recalled":
		return m.Deleted
	case "named":
		return m.Name == step.Text
	case "asked":
		return m.Ask != nil && slices.ContainsFunc(m.Ask.Choices, func(c bridge.Choice) bool {
			return c.ID == step.Text || c.Label == step.Text
		})
	case "got":
		return slices.ContainsFunc(m.Files, func(f File) bool { return f.Name == step.Text })
	case "reacted":
		return slices.Contains(m.Reactions, Reaction{Emoji: step.Text})
	case "marked":
		return string(m.Mark.State) == step.Text
	default:
		return false
	}
}

// see waits for the oldest unseen message, and looks at it.
func (a *actor) see(ctx context.Context, step Step) error {
	room := bridge.RoomID("")
	if step.Room != "" {
		room = a.room
	}
	var next []Message
	err := a.net.Wait(ctx, func() bool {
		next = a.unseen(room)
		return len(next) > 0
	})
	if err != nil {
		return fmt.Errorf("nothing came; the room reads %s", a.readRoom())
	}
	m := next[0]
	if m.Text != step.Text && (step.Verb != "<~" || !strings.Contains(m.Text, step.Text)) {
		return fmt.Errorf("the next message reads %q", m.Text)
	}
	a.seen[m.ID] = true
	a.last, a.room = m, m.Room
	return nil
}

// unseen are the messages of others that the actor has not looked at, in one room or in all.
func (a *actor) unseen(room bridge.RoomID) []Message {
	var out []Message
	for _, id := range a.net.RoomsOf(a.user) {
		if room != "" && id != room {
			continue
		}
		for _, m := range a.net.Messages(id) {
			if m.User != a.user && (m.To == "" || m.To == a.user) && !a.seen[m.ID] && !m.Deleted {
				out = append(out, m)
			}
		}
	}
	slices.SortFunc(out, func(x, y Message) int { return cmpIDs(x.ID, y.ID) })
	return out
}

func (a *actor) readRoom() string {
	var b strings.Builder
	for _, m := range a.net.Messages(a.room) {
		fmt.Fprintf(&b, "[%s %q]", m.User, m.Text)
	}
	return b.String()
}
