package fake

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// handle does one call of the adapter.
func (n *Network) handle(ctx context.Context, c *call) (answer, *refusal) {
	if c.Op == opPoll {
		return n.poll(ctx, c)
	}
	n.mu.Lock()
	n.counts.Calls++
	fault, met := n.meet(c.Op)
	if met {
		if no := fault.refuse(); no != nil {
			n.counts.Refused++
			n.mu.Unlock()
			return answer{}, no
		}
	}
	a, echoed, no := n.do(c)
	if no != nil {
		n.counts.Refused++
	}
	n.change()
	n.mu.Unlock()
	if echoed != nil && n.opts.Echo == EchoFirst {
		n.wait(ctx, echoed, 50*time.Millisecond) // perhaps nobody hears
	}
	if met && fault.Trouble == Slow {
		n.wait(ctx, nil, fault.Wait)
	}
	if met && fault.Trouble == Lost && no == nil {
		return answer{}, &refusal{cut: true, done: true}
	}
	return a, no
}

// wait lasts until done is closed, d has passed, or ctx or the network ends.
func (n *Network) wait(ctx context.Context, done <-chan struct{}, d time.Duration) {
	if done == nil && d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	case <-ctx.Done():
	case <-n.ctx.Done():
	}
}

func no(status int, code string) *refusal { return &refusal{Status: status, Code: code} }

// do does a call that met no trouble; n.mu is held. Its channel is closed when the adapter has heard
// its own message.
func (n *Network) do(c *call) (answer, <-chan struct{}, *refusal) {
	switch c.Op {
	case opSend, opAsk:
		return n.send(c)
	case opProbe:
		return answer{}, nil, nil
	case opInvite:
		return answer{URL: "https://fake.example/add?card=" + c.Text}, nil, nil
	case opFetch:
		f, ok := n.files[c.Text]
		if !ok {
			return answer{}, nil, no(http.StatusNotFound, "no_such_file")
		}
		return answer{Data: f.Data}, nil, nil
	case opOpen:
		return n.open(c), nil, nil
	}
	r := n.rooms[c.Room]
	if r == nil {
		return answer{}, nil, no(http.StatusNotFound, "no_such_room")
	}
	return n.touch(r, c)
}

// touch does a call that needs a room, and no more than changes in it.
func (n *Network) touch(r *room, c *call) (answer, <-chan struct{}, *refusal) {
	switch c.Op {
	case opType:
		r.typed++
		return answer{}, nil, nil
	case opHint:
		if !slices.Contains(r.members, c.User) {
			return answer{}, nil, no(http.StatusNotFound, "no_such_member")
		}
		m := &Message{To: c.User, Text: c.Text}
		if c.Ask != nil && len(c.Ask.Choices) > 0 {
			m.Ask = c.Ask
		}
		n.put(r, m)
		return answer{}, nil, nil
	case opUpdate:
		r.title, r.shows = c.Opening.Title, c.Opening
		r.add(c.Opening.Members)
		return answer{}, nil, nil
	case opFind:
		if m := r.keys[c.Key]; m != nil {
			return answer{IDs: []bridge.MsgID{m.ID}}, nil, nil
		}
		return answer{}, nil, nil
	}
	m := r.index[c.Msg]
	if m == nil {
		if c.Op == opDelete { // already gone is what was wanted
			return answer{}, nil, nil
		}
		return answer{}, nil, no(http.StatusNotFound, "no_such_message")
	}
	return answer{}, nil, n.alter(m, c)
}

// alter does a call that changes one message.
func (n *Network) alter(m *Message, c *call) *refusal {
	switch c.Op {
	case opEdit:
		if bad := n.tooLong(c); bad != nil {
			return bad
		}
		if m.User != "" || m.Deleted {
			return no(http.StatusForbidden, "not_yours")
		}
		m.Text = c.Text
		m.Edits++
	case opDelete:
		m.Deleted = true
	case opReact:
		m.react(Reaction{"", c.Emoji}, c.On)
	case opRead:
		m.Read = true
	case opMark:
		m.Mark = c.Fate
	default:
		return no(http.StatusNotFound, "no_such_call")
	}
	return nil
}

func (n *Network) tooLong(c *call) *refusal {
	if n.caps.MaxText > 0 && count(c.Text, n.caps.Count) > n.caps.MaxText {
		return no(http.StatusRequestEntityTooLarge, "text_too_long")
	}
	if len(c.Files) > max(n.caps.MaxFiles, 1) || (len(c.Files) > 0 && n.caps.MaxFile == 0) {
		return no(http.StatusRequestEntityTooLarge, "too_many_files")
	}
	for _, f := range c.Files {
		if int64(len(f.Data)) > n.caps.MaxFile {
			return no(http.StatusRequestEntityTooLarge, "file_too_large")
		}
	}
	return nil
}

// send shows a message of the adapter.
func (n *Network) send(c *call) (answer, <-chan struct{}, *refusal) {
	r := n.rooms[c.Room]
	if r == nil {
		return answer{}, nil, no(http.StatusNotFound, "no_such_room")
	}
	if bad := n.tooLong(c); bad != nil {
		return answer{}, nil, bad
	}
	if c.Text == "" && len(c.Files) == 0 {
		return answer{}, nil, no(http.StatusBadRequest, "empty")
	}
	if old := r.keys[c.Key]; old != nil && c.Key != "" {
		if n.caps.Dedupes {
			n.counts.Deduped++
			return answer{IDs: []bridge.MsgID{old.ID}}, nil, nil
		}
		n.counts.Duplicate++
	}
	if n.windowClosed(r) {
		return answer{}, nil, no(http.StatusForbidden, codeWindow)
	}
	m := &Message{Text: c.Text, Key: c.Key, ReplyTo: c.ReplyTo, Files: c.Files, Ask: c.Ask}
	if n.caps.Names {
		m.Name = c.Name
	}
	n.put(r, m)
	r.sent++
	n.counts.Sent++
	if c.Key != "" && !n.opts.Quiet {
		r.keys[c.Key] = m
	}
	if n.opts.OnSend != nil {
		n.opts.OnSend(*m)
	}
	return answer{IDs: []bridge.MsgID{m.ID}}, n.echo(r, m), nil
}

func (n *Network) windowClosed(r *room) bool {
	w := n.caps.Window
	if w.Open == 0 {
		return false
	}
	return n.opts.Now().Sub(r.lastIn) >= w.Open || (w.Messages > 0 && r.sent >= w.Messages)
}

// echo lets the adapter hear its own message. Only a network that keeps keys can tell them.
func (n *Network) echo(r *room, m *Message) <-chan struct{} {
	if n.opts.Echo == EchoNone {
		return nil
	}
	e := n.event(kindMessage, r, "")
	e.Msg, e.Text, e.Bot = m.ID, m.Text, true
	if n.caps.Dedupes {
		e.Key = m.Key
	}
	return n.push(e)
}

// open finds or makes the room of a link. In a shared network it is the first member's room with the account.
func (n *Network) open(c *call) answer {
	if n.opts.Shared && len(c.Members) > 0 {
		r := n.room(DM(c.Members[0]))
		r.add(c.Members[:1])
		return answer{Room: r.id}
	}
	id, ok := n.opened[c.Key]
	if !ok {
		id = bridge.RoomID("room-" + c.Key)
		n.opened[c.Key] = id
	}
	r := n.room(id)
	r.title, r.shows = c.Name, c.Opening
	r.add(c.Members)
	return answer{Room: id}
}
