package storetest

import (
	"fmt"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// The cast: one small company, so that a failing test reads like a story.

func user(name string) bridge.UserRef {
	return bridge.UserRef{Adapter: "wechat", User: bridge.UserID(name)}
}

func chat(name string) bridge.RoomRef {
	return bridge.RoomRef{Adapter: "wechat", Room: bridge.RoomID(name)}
}

func desk(name string) bridge.RoomRef {
	return bridge.RoomRef{Adapter: "desk", Room: bridge.RoomID(name)}
}

func contact(id bridge.ContactID, accounts ...string) bridge.Contact {
	c := bridge.Contact{ID: id, Name: fmt.Sprintf("王小明 %d", id), Tags: []string{"老客户", "a\x00b"}, Since: start}
	for _, a := range accounts {
		c.Accounts = append(c.Accounts, user(a))
	}
	return c
}

// link joins a member and a contact; its rooms are named after it.
func link(id bridge.LinkID, m bridge.MemberID, c bridge.ContactID) bridge.Link {
	return bridge.Link{
		ID: id, Member: m, Contact: c, State: bridge.LinkActive, Since: start, Card: "CARD", Hello: "你好",
		Remark: "喜欢喝茶", Tags: []string{"vip"}, Pinned: true,
		Rooms: [2]bridge.RoomRef{desk(fmt.Sprintf("d%d", id)), chat(fmt.Sprintf("w%d", id))},
	}
}

func room(ref bridge.RoomRef, links ...bridge.LinkID) bridge.Room {
	r := bridge.Room{Ref: ref, Side: bridge.ContactSide, Links: links, LastIn: start, Sent: 3, Noted: "p1", Noticed: true, Window: bridge.Window{Open: time.Minute, Messages: 3}}
	if len(links) > 0 {
		r.Current, r.Said = links[0], links[0]
	}
	return r
}

func card(id bridge.CardID) bridge.Card {
	return bridge.Card{
		ID: id, Member: "lilei", Greeting: "欢迎", Source: "广交会", Acceptance: true, Created: start,
		Expires: start.AddDate(1, 0, 0),
	}
}

// message is said by the contact of a link, in the link's own chat.
func message(l bridge.LinkID, src bridge.MsgID, text string) *bridge.Message {
	return &bridge.Message{
		Link: l, Side: bridge.ContactSide, From: user(fmt.Sprintf("u%d", l)), Room: chat(fmt.Sprintf("w%d", l)),
		Src: src, At: start, Text: text,
	}
}

// delivery takes a message of a link to its member.
func delivery(l bridge.LinkID) bridge.Delivery {
	return bridge.Delivery{Lane: lane(l), Kind: bridge.KindSay, Link: l, To: bridge.MemberSide}
}

func lane(l bridge.LinkID) bridge.LaneID { return bridge.LinkLane(l, bridge.MemberSide) }

// settlement says what became of d. With ids there is a copy, in the desk's room of the link.
func settlement(d bridge.Delivery, state bridge.State, ids ...bridge.MsgID) bridge.Settlement {
	x := bridge.Settlement{
		Lane: d.Lane, Delivery: d.ID, State: state, Adapter: "desk", Attempts: d.Attempts + 1,
	}
	if len(ids) > 0 {
		x.Copy = &bridge.Copy{Room: desk(fmt.Sprintf("d%d", d.Link)), IDs: ids}
	}
	return x
}

func audit(action string) bridge.AuditEntry {
	return bridge.AuditEntry{At: start, Actor: "system", Action: action, Object: "c1", Detail: "因为"}
}

// full is a delivery with every field that a caller may set.
func full(l bridge.LinkID) bridge.Delivery {
	return bridge.Delivery{
		Lane: lane(l), Kind: bridge.KindAsk, Link: l, To: bridge.ContactSide, Room: desk("anywhere"), Message: 7, Hold: true,
		Text: "还在吗？", User: "u1", Off: true, Fate: bridge.StateFailed, At: start, State: bridge.StateHeld,
		Reason: "窗口已关闭", Attempts: 3, Begun: true, Sent: []bridge.MsgID{"p1", "p2"}, Parts: 2, Settled: start,
		Adapter: "desk",
		Ask: &bridge.Ask{ID: "ask", Text: "好？", Picture: "https://acme.example/qr/x.png", Choices: []bridge.Choice{
			{ID: "y", Label: "是", Style: "primary"}, {ID: "n", Label: "否"},
		}},
	}
}

// rich is a message with every field that a caller may set.
func rich(l bridge.LinkID, src bridge.MsgID) *bridge.Message {
	m := message(l, src, "**粗体** 🎉 \x00\n<b>&")
	m.Files = []bridge.File{
		{Name: "报价.pdf", Type: "application/pdf", Size: 1 << 40, Blob: "blob-a"},
		{Name: "../x", Type: "image/png", Ref: "media-1"},
	}
	m.ReplyTo, m.Note, m.Recalled = 5, true, true
	shown, was := "", "先前"
	m.Out, m.Edits = &shown, []bridge.Edit{{At: start, Text: "旧", Out: &was}, {At: start, Text: "更旧"}}
	m.Reactions = []bridge.Reaction{{Side: bridge.ContactSide, Emoji: "👍"}}
	return m
}
