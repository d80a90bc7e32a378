package bridge_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/store/mem"
)

// FuzzReceive brings events made of anything. Whatever they hold, the gateway answers with nil or
// ErrRefused, what it keeps is text, and it goes on working.
func FuzzReceive(f *testing.F) {
	f.Add(byte(0), "room", "user", "msg", "你好 /to x", "reply", "name")
	f.Add(byte(0), "room", "user", "msg", "/to {{.Name}}", "", "{{.}}")
	f.Add(byte(3), "room", "user", "msg", "👍", "", "")
	f.Add(byte(5), "room", "user", "card", "hello", "", "\u202ename")
	f.Add(byte(7), "room", "user", "link:l1", "accept", "", "")
	f.Fuzz(func(t *testing.T, kind byte, room, user, msg, text, reply, name string) {
		store, shop, office := mem.New(), plainShop(), newOffice()
		b, err := bridge.New(store, &memBlobs{m: make(map[string][]byte)}, settings(), slog.New(slog.DiscardHandler), nil)
		if err != nil {
			t.Fatal(err)
		}
		for n, a := range map[string]bridge.Adapter{"shop": shop, "office": office} {
			if err := b.Add(n, "fake", a); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		}()
		in := waitForInbox(shop)
		for _, e := range []bridge.Event{
			bridge.MessageEvent{Room: bridge.RoomID(room), User: bridge.UserID(user), Msg: "first", Text: text, Name: name},
			anyEvent(kind, room, user, msg, text, reply, name),
			bridge.MessageEvent{Room: "good", User: "good", Msg: "last", Text: "still there?"},
		} {
			if err := in.Receive(ctx, e); err != nil && !errors.Is(err, bridge.ErrRefused) {
				t.Errorf("Receive(%#v) = %v", e, err)
			}
		}
		id, err := store.Find(ctx, bridge.MsgRef{RoomRef: bridge.RoomRef{Adapter: "shop", Room: "good"}, Msg: "last"})
		if err != nil {
			t.Fatalf("the gateway does not go on: %v", err)
		}
		if rec, err := store.Message(ctx, id); err != nil || rec.Text != "still there?" {
			t.Errorf("message = %+v, %v", rec, err)
		}
		for c, err := range store.Contacts(ctx) {
			if err != nil || !utf8.ValidString(c.Name) {
				t.Errorf("contact %q, %v", c.Name, err)
			}
		}
	})
}

func anyEvent(kind byte, room, user, msg, text, reply, name string) bridge.Event {
	r, u, m, at := bridge.RoomID(room), bridge.UserID(user), bridge.MsgID(msg), time.Unix(1e9, 0)
	switch kind % 8 {
	case 0:
		return bridge.MessageEvent{Room: r, User: u, Msg: m, Text: text, ReplyTo: bridge.MsgID(reply), Name: name, Files: []bridge.File{{Name: name, Type: text, Ref: reply}}}
	case 1:
		return bridge.Edited{Room: r, User: u, Msg: m, Text: text, At: at}
	case 2:
		return bridge.Deleted{Room: r, User: u, Msg: "first"}
	case 3:
		return bridge.Reacted{Room: r, User: u, Msg: "first", Emoji: text}
	case 4:
		return bridge.Receipt{Room: r, User: u, Msg: m, State: bridge.State(text), Reason: name}
	case 5:
		return bridge.Joined{Room: r, User: u, Card: bridge.CardID(msg), Name: name, Text: text, Event: reply}
	case 6:
		return bridge.Left{Room: r, User: u, Event: reply}
	default:
		return bridge.Answered{Room: r, User: u, Ask: msg, Choice: text, Event: reply}
	}
}

// waitForInbox waits until the network's Run has begun.
func waitForInbox(n *net) bridge.Inbox {
	for {
		n.mu.Lock()
		in := n.in
		n.mu.Unlock()
		if in != nil {
			return in
		}
	}
}
