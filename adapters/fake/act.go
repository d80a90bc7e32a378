package fake

import (
	"context"
	"fmt"
	"slices"

	"github.com/hutong-im/hutong/bridge"
)

// Said is what a user says.
type Said struct {
	User    bridge.UserID
	Room    bridge.RoomID // "" is the user's room with the account
	Name    string        // what the network calls the user; "" is the user's id
	Text    string
	ReplyTo bridge.MsgID
	Thread  bridge.MsgID // the root of the thread that it hangs under
	Files   []File
}

// Say lets a user say something. The adapter hears of it in the background, until it acknowledges.
func (n *Network) Say(s Said) bridge.MsgID {
	n.mu.Lock()
	defer n.mu.Unlock()
	e := n.said(s)
	n.push(e)
	return e.Msg
}

// SayNow is Say, and brings the event itself, once, and tells what the adapter answered: nil is
// acknowledged. A bench that does so decides how many are in flight.
func (n *Network) SayNow(ctx context.Context, s Said) (bridge.MsgID, error) {
	n.mu.Lock()
	e := n.said(s)
	to := n.sink
	n.counts.Tries++
	n.mu.Unlock()
	if to == nil {
		return e.Msg, errNoSink
	}
	err := to.deliver(ctx, &e)
	if err == nil {
		n.mu.Lock()
		n.counts.Events++
		n.mu.Unlock()
	}
	return e.Msg, err
}

// said enters what a user says, and opens the window; n.mu is held.
func (n *Network) said(s Said) Event {
	if s.Room == "" {
		s.Room = DM(s.User)
	}
	if s.Name == "" {
		s.Name = string(s.User)
	}
	r := n.room(s.Room)
	r.add([]bridge.UserID{s.User})
	files := make([]File, len(s.Files))
	for i, f := range s.Files {
		f.Ref = fmt.Sprintf("f%d", len(n.files)+1)
		f.Size = int64(len(f.Data))
		n.files[f.Ref] = f
		files[i] = f
	}
	m := &Message{User: s.User, Name: s.Name, Text: s.Text, ReplyTo: s.ReplyTo, Files: files}
	n.put(r, m)
	r.lastIn, r.sent = m.At, 0
	n.change()
	e := n.event(kindMessage, r, s.User)
	e.Msg, e.Name, e.Text, e.ReplyTo, e.Thread = m.ID, s.Name, s.Text, s.ReplyTo, s.Thread
	for _, f := range files {
		f.Data = nil
		e.Files = append(e.Files, f)
	}
	return e
}

// event makes an event; n.mu is held.
func (n *Network) event(kind string, r *room, u bridge.UserID) Event {
	n.lastEvt++
	return Event{ID: n.lastEvt, Kind: kind, Room: r.id, User: u, At: n.opts.Now()}
}

// on finds a message and lets f change it, and tells the adapter with the event that f completes.
func (n *Network) on(kind string, room bridge.RoomID, user bridge.UserID, id bridge.MsgID, f func(m *Message, e *Event)) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.rooms[room]
	if r == nil || r.index[id] == nil {
		return fmt.Errorf("message %s in room %s: %w", id, room, bridge.ErrNotFound)
	}
	e := n.event(kind, r, user)
	e.Msg = id
	f(r.index[id], &e)
	n.change()
	n.push(e)
	return nil
}

// Edit lets a user change a message.
func (n *Network) Edit(room bridge.RoomID, user bridge.UserID, msg bridge.MsgID, text string) error {
	return n.on(kindEdit, room, user, msg, func(m *Message, e *Event) {
		m.Text, e.Text = text, text
		m.Edits++
	})
}

// Recall lets a user take a message back.
func (n *Network) Recall(room bridge.RoomID, user bridge.UserID, msg bridge.MsgID) error {
	return n.on(kindDelete, room, user, msg, func(m *Message, _ *Event) { m.Deleted = true })
}

// React lets a user put an emoji on a message, or take it away.
func (n *Network) React(room bridge.RoomID, user bridge.UserID, msg bridge.MsgID, emoji string, on bool) error {
	return n.on(kindReact, room, user, msg, func(m *Message, e *Event) {
		m.react(Reaction{user, emoji}, on)
		e.Emoji, e.Removed = emoji, !on
	})
}

func (m *Message) react(r Reaction, on bool) {
	m.Reactions = slices.DeleteFunc(m.Reactions, func(o Reaction) bool { return o == r })
	if on {
		m.Reactions = append(m.Reactions, r)
	}
}

// Read lets a user see all that the account said up to a message.
func (n *Network) Read(room bridge.RoomID, user bridge.UserID, msg bridge.MsgID) error {
	return n.on(kindReceipt, room, user, msg, func(m *Message, e *Event) {
		m.Read = true
		e.State = bridge.StateRead
	})
}

// Typing lets the others see that a user is writing.
func (n *Network) Typing(room bridge.RoomID, user bridge.UserID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.push(n.event(kindTyping, n.room(room), user))
}

// Join lets a user come through a card; "" is none.
func (n *Network) Join(user bridge.UserID, card bridge.CardID, name, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.room(DM(user))
	r.add([]bridge.UserID{user})
	r.lastIn, r.sent = n.opts.Now(), 0 // following opens the window, as on WeChat
	e := n.event(kindJoin, r, user)
	e.Card, e.Name, e.Text = card, name, text
	n.change()
	n.push(e)
}

// Leave lets a user go: unfollow, block, end.
func (n *Network) Leave(user bridge.UserID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.push(n.event(kindLeave, n.room(DM(user)), user))
}

// Press lets a user press the button of a question; the choice is its id or its label.
func (n *Network) Press(room bridge.RoomID, user bridge.UserID, msg bridge.MsgID, choice string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.rooms[room]
	if r == nil || r.index[msg] == nil || r.index[msg].Ask == nil {
		return fmt.Errorf("question %s in room %s: %w", msg, room, bridge.ErrNotFound)
	}
	ask := r.index[msg].Ask
	i := slices.IndexFunc(ask.Choices, func(c bridge.Choice) bool { return c.ID == choice || c.Label == choice })
	if i < 0 {
		return fmt.Errorf("button %q: %w", choice, bridge.ErrNotFound)
	}
	e := n.event(kindAnswer, r, user)
	e.Ask, e.Choice = ask.ID, ask.Choices[i].ID
	n.push(e)
	return nil
}
