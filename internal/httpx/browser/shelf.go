package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hutong-im/hutong/bridge"
)

// shelf keeps small values in the adapter's state, one per name.
type shelf[T any] struct {
	kv     bridge.KV
	prefix string
}

// get is the zero T when there is none.
func (s shelf[T]) get(ctx context.Context, name string) (val T, rev uint64, err error) {
	raw, rev, err := s.kv.Get(ctx, s.prefix+name)
	if errors.Is(err, bridge.ErrNotFound) {
		return val, 0, nil
	}
	if err != nil {
		return val, 0, fmt.Errorf("read state %s: %w", s.prefix, err)
	}
	if err := json.Unmarshal(raw, &val); err != nil {
		return val, rev, fmt.Errorf("read state %s: %w", s.prefix, err)
	}
	return val, rev, nil
}

// update changes a value; change returns false when nothing is to be done. It is called again when
// somebody else was quicker.
func (s shelf[T]) update(ctx context.Context, name string, change func(*T) bool) error {
	for {
		val, rev, err := s.get(ctx, name)
		if err != nil {
			return err
		}
		if !change(&val) {
			return nil
		}
		raw, err := json.Marshal(val)
		if err != nil {
			return fmt.Errorf("write state %s: %w", s.prefix, err)
		}
		_, err = s.kv.Put(ctx, s.prefix+name, raw, rev)
		if errors.Is(err, bridge.ErrStale) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return fmt.Errorf("write state %s: %w", s.prefix, err)
		}
		return nil
	}
}

// marks are how far a user has read.
type marks struct {
	Read map[bridge.RoomID]string `json:"read,omitempty"`
}

// forget drops a room; false when nothing was known of it.
func (m *marks) forget(room bridge.RoomID) bool {
	_, known := m.Read[room]
	delete(m.Read, room)
	return known
}

// read notes that the user has seen the line; false when they had before.
func (m *marks) read(room bridge.RoomID, line string) bool {
	if !laterID(line, m.Read[room]) {
		return false
	}
	if m.Read == nil {
		m.Read = map[bridge.RoomID]string{}
	}
	m.Read[room] = line
	return true
}

// asked is a question that waits for an answer in a room. It is kept because the answer must be one
// that was really asked.
type asked struct {
	Msg bridge.MsgID `json:"msg"`
	Ask bridge.Ask   `json:"ask"`
	// Request is set when it asks whether to accept the room's customer: it is over as soon as the
	// gateway does not ask it any more, whoever answered.
	Request bool `json:"request,omitempty"`
}

// maxAsks is how many questions wait in one room; the oldest gives way.
const maxAsks = 8

// Ask shows a question with buttons on the user's pages until it is answered.
func (c *Chat) Ask(ctx context.Context, room bridge.RoomID, key string, a bridge.Ask) ([]bridge.MsgID, error) {
	u, err := userOf(room)
	if err != nil {
		return nil, err
	}
	v, err := c.lobby.Room(ctx, u, room)
	if err != nil && !errors.Is(err, bridge.ErrNotFound) {
		return nil, fmt.Errorf("look at the room: %w", err)
	}
	id, request := msgID(key), v.AskID != "" && v.AskID == a.ID
	err = c.asks.update(ctx, string(room), func(list *[]asked) bool {
		for _, old := range *list {
			if old.Msg == id {
				return false
			}
		}
		*list = append(*list, asked{Msg: id, Ask: a, Request: request})
		if n := len(*list); n > maxAsks {
			*list = (*list)[n-maxAsks:]
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return []bridge.MsgID{id}, c.Refresh(ctx, room)
}

// dropAsk forgets the questions that match.
func (c *Chat) dropAsk(ctx context.Context, room bridge.RoomID, match func(asked) bool) error {
	return c.asks.update(ctx, string(room), func(list *[]asked) bool {
		var rest []asked
		for _, a := range *list {
			if !match(a) {
				rest = append(rest, a)
			}
		}
		changed := len(rest) != len(*list)
		*list = rest
		return changed
	})
}

// Forget removes what is kept of rooms and of who is in them.
func (c *Chat) Forget(ctx context.Context, t bridge.Traces) error {
	for _, u := range t.Users {
		if err := c.env.State.Delete(ctx, c.marks.prefix+string(u)); err != nil {
			return fmt.Errorf("forget the marks of %s: %w", u, err)
		}
	}
	for _, r := range t.Rooms {
		if err := c.env.State.Delete(ctx, c.asks.prefix+string(r)); err != nil {
			return fmt.Errorf("forget the questions in %s: %w", r, err)
		}
		u, err := userOf(r)
		if err != nil {
			continue // a room of nobody has no marks
		}
		if err := c.marks.update(ctx, string(u), func(m *marks) bool { return m.forget(r) }); err != nil {
			return err
		}
	}
	return nil
}
