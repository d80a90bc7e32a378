package fake

import (
	"errors"
	"fmt"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// Limits of the wire: an API call carries files of Caps.MaxFile in base64, a hook call one event.
const (
	maxCall = 64 << 20
	maxHook = 1 << 20
)

// call is what the adapter asks of the network; Op says what, and the other fields belong to it.
type call struct {
	Op      string          `json:"op"`
	Room    bridge.RoomID   `json:"room,omitempty"`
	Msg     bridge.MsgID    `json:"msg,omitempty"`
	User    bridge.UserID   `json:"user,omitempty"`
	Key     string          `json:"key,omitempty"`
	Name    string          `json:"name,omitempty"`
	Text    string          `json:"text,omitempty"`
	ReplyTo bridge.MsgID    `json:"reply_to,omitempty"`
	Files   []File          `json:"files,omitempty"`
	Emoji   string          `json:"emoji,omitempty"`
	On      bool            `json:"on,omitempty"`
	Fate    bridge.Fate     `json:"fate,omitzero"`
	Ask     *bridge.Ask     `json:"ask,omitempty"`
	Members []bridge.UserID `json:"members,omitempty"`
	Opening bridge.Opening  `json:"opening,omitzero"`
	After   uint64          `json:"after,omitempty"`
}

// The operations of a call.
const (
	opSend   = "send"
	opEdit   = "edit"
	opDelete = "delete"
	opReact  = "react"
	opType   = "type"
	opRead   = "read"
	opMark   = "mark"
	opOpen   = "open"
	opHint   = "hint"
	opUpdate = "update"
	opAsk    = "ask"
	opFetch  = "fetch"
	opFind   = "find"
	opProbe  = "probe"
	opInvite = "invite"
	opPoll   = "poll"
)

// answer is what the network says to a call.
type answer struct {
	IDs    []bridge.MsgID `json:"ids,omitempty"`
	Room   bridge.RoomID  `json:"room,omitempty"`
	URL    string         `json:"url,omitempty"`
	Data   []byte         `json:"data,omitempty"`
	Events []Event        `json:"events,omitempty"`
}

// File is a file as the network keeps it.
type File struct {
	Name string `json:"name"`
	Type string `json:"type,omitempty"`
	Size int64  `json:"size,omitempty"`
	Ref  string `json:"ref,omitempty"`
	Data []byte `json:"data,omitempty"`
}

// Event is what the network tells the adapter.
type Event struct {
	ID      uint64        `json:"id"`
	Kind    string        `json:"kind"`
	Room    bridge.RoomID `json:"room"`
	User    bridge.UserID `json:"user,omitempty"`
	Msg     bridge.MsgID  `json:"msg,omitempty"`
	At      time.Time     `json:"at"`
	Name    string        `json:"name,omitempty"`
	Text    string        `json:"text,omitempty"`
	Files   []File        `json:"files,omitempty"`
	ReplyTo bridge.MsgID  `json:"reply_to,omitempty"`
	Thread  bridge.MsgID  `json:"thread,omitempty"`
	Key     string        `json:"key,omitempty"`
	Bot     bool          `json:"bot,omitempty"` // the adapter's own account wrote it
	Emoji   string        `json:"emoji,omitempty"`
	Removed bool          `json:"removed,omitempty"`
	State   bridge.State  `json:"state,omitempty"`
	Card    bridge.CardID `json:"card,omitempty"`
	Ask     string        `json:"ask,omitempty"`
	Choice  string        `json:"choice,omitempty"`
}

// The kinds of Event.
const (
	kindMessage = "message"
	kindEdit    = "edit"
	kindDelete  = "delete"
	kindReact   = "react"
	kindReceipt = "receipt"
	kindTyping  = "typing"
	kindJoin    = "join"
	kindLeave   = "leave"
	kindAnswer  = "answer"
)

// convert turns what the network says into what the gateway hears.
func (e *Event) convert() (bridge.Event, error) {
	if e.Room == "" || e.Kind == "" {
		return nil, fmt.Errorf("event without room or kind: %w", bridge.ErrRefused)
	}
	id := fmt.Sprintf("e%d", e.ID)
	switch e.Kind {
	case kindMessage:
		if e.Msg == "" || (e.User == "" && !e.Bot) {
			return nil, fmt.Errorf("message without id or writer: %w", bridge.ErrRefused)
		}
		return bridge.MessageEvent{
			Room: e.Room, User: e.User, Msg: e.Msg, At: e.At, Name: e.Name, Text: e.Text, Files: e.references(),
			ReplyTo: e.ReplyTo, Thread: e.Thread, Key: e.Key, Own: e.Bot,
		}, nil
	case kindEdit:
		return bridge.Edited{Room: e.Room, User: e.User, Msg: e.Msg, At: e.At, Text: e.Text}, nil
	case kindDelete:
		return bridge.Deleted{Room: e.Room, User: e.User, Msg: e.Msg, At: e.At}, nil
	case kindReact:
		return bridge.Reacted{Room: e.Room, User: e.User, Msg: e.Msg, Emoji: e.Emoji, Removed: e.Removed, At: e.At}, nil
	case kindReceipt:
		return bridge.Receipt{Room: e.Room, User: e.User, Msg: e.Msg, State: e.State, At: e.At}, nil
	case kindTyping:
		return bridge.Typing{Room: e.Room, User: e.User}, nil
	case kindJoin:
		return bridge.Joined{Room: e.Room, User: e.User, Card: e.Card, Name: e.Name, Text: e.Text, Event: id, At: e.At}, nil
	case kindLeave:
		return bridge.Left{Room: e.Room, User: e.User, Event: id, At: e.At}, nil
	case kindAnswer:
		return bridge.Answered{Room: e.Room, User: e.User, Ask: e.Ask, Choice: e.Choice, Event: id, At: e.At}, nil
	default:
		return nil, fmt.Errorf("unknown kind of event: %w", bridge.ErrRefused)
	}
}

func (e *Event) references() []bridge.File {
	var out []bridge.File
	for _, f := range e.Files {
		out = append(out, bridge.File{Name: f.Name, Type: f.Type, Size: f.Size, Ref: f.Ref})
	}
	return out
}

// refusal is a call that the network did not do: the HTTP answer, and in process the same.
type refusal struct {
	Status int           `json:"-"`
	After  time.Duration `json:"-"` // of a 429
	Code   string        `json:"code"`
	Until  time.Time     `json:"until,omitzero"`
	cut    bool          // no answer at all: the connection breaks
	done   bool          // though it was done
}

// codeWindow marks a 403 that means a closed window.
const codeWindow = "window_closed"

// window gives an error its better verdict when the network says that the window is closed.
func (r *refusal) window(err error) error {
	if r.Code == codeWindow {
		return bridge.WindowClosed(errors.New("the network's window is closed until the customer writes again"), r.Until)
	}
	return err
}

// readHook reads one event from a hook's body.
func readHook(body []byte) (*Event, error) {
	var e Event
	if err := httpx.Decode(body, &e); err != nil {
		return nil, err
	}
	return &e, nil
}
