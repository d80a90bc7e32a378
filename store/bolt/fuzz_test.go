package bolt

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// fuzzDecoder feeds a decoder anything at all. What it takes must come out the same after being written again.
func fuzzDecoder[V any](f *testing.F, decode func([]byte) (V, error), encode func(V) []byte, seeds ...V) {
	f.Helper()
	for _, v := range seeds {
		b := encode(v)
		got, err := decode(b)
		if err != nil || !reflect.DeepEqual(got, v) {
			f.Fatalf("%+v came back as %+v, %v", v, got, err)
		}
		f.Add(b)
		f.Add(b[:len(b)/2])
		if _, err := decode(append(bytes.Clone(b), 0)); err == nil {
			f.Fatalf("%+v with something after it was taken", v)
		}
	}
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 100))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := decode(b)
		if err != nil {
			return
		}
		again, err := decode(encode(v))
		if err != nil || !reflect.DeepEqual(again, v) {
			t.Errorf("%+v came back as %+v, %v", v, again, err)
		}
	})
}

func moment() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC) }

func FuzzContact(f *testing.F) {
	fuzzDecoder(f,
		func(b []byte) (bridge.Contact, error) { return decodeContact(1, b) },
		func(c bridge.Contact) []byte { return encodeContact(&c, c.Rev) },
		bridge.Contact{ID: 1}, bridge.Contact{
			ID: 1, Rev: 7, Name: "王小明", Avatar: "a", Accounts: []bridge.UserRef{{Adapter: "wechat", User: "u"}, {}},
			Tags: []string{"", "x"}, Since: moment(),
		})
}

func FuzzLink(f *testing.F) {
	fuzzDecoder(f,
		func(b []byte) (bridge.Link, error) { return decodeLink(1, b) },
		func(l bridge.Link) []byte { return encodeLink(&l, l.Rev) },
		bridge.Link{ID: 1}, bridge.Link{
			ID: 1, Rev: 2, Member: "m", Contact: 3, State: bridge.LinkAsked, Since: moment(), Card: "c", Hello: "h", Remark: "r",
			Tags: []string{"t"}, Pinned: true, Muted: true, Rooms: [2]bridge.RoomRef{{Adapter: "a", Room: "r"}, {}},
		})
}

func FuzzRoom(f *testing.F) {
	fuzzDecoder(f,
		func(b []byte) (bridge.Room, error) { return decodeRoom(bridge.RoomRef{}, b) },
		func(r bridge.Room) []byte { return encodeRoom(&r, r.Rev) },
		bridge.Room{}, bridge.Room{
			Rev: 1, Side: bridge.ContactSide, Links: []bridge.LinkID{1, 1 << 60}, Current: 1, Said: 2, LastIn: moment(), Sent: -1, Noted: "p1", Noticed: true, Window: bridge.Window{Open: time.Minute, Messages: 3},
		})
}

func FuzzCard(f *testing.F) {
	fuzzDecoder(f,
		func(b []byte) (bridge.Card, error) { return decodeCard("K", b) },
		func(c bridge.Card) []byte { return encodeCard(&c, c.Rev) },
		bridge.Card{ID: "K"}, bridge.Card{
			ID: "K", Rev: 1, Member: "m", Greeting: "g", Source: "s", Acceptance: true, Created: moment(), Expires: moment(), Revoked: true,
		})
}

func FuzzAudit(f *testing.F) {
	fuzzDecoder(f, decodeAudit, func(a bridge.AuditEntry) []byte { return encodeAudit(&a) },
		bridge.AuditEntry{}, bridge.AuditEntry{At: moment(), Actor: "a", Action: "b", Object: "c", Detail: "d"})
}

func FuzzMessage(f *testing.F) {
	shown := ""
	fuzzDecoder(f,
		func(b []byte) (bridge.Message, error) { return decodeMessage(1, b) },
		func(m bridge.Message) []byte { return encodeMessage(&m) },
		bridge.Message{ID: 1}, bridge.Message{
			ID: 1, Link: 2, Side: bridge.ContactSide, From: bridge.UserRef{Adapter: "a", User: "u"}, Src: "s", At: moment(),
			Room: bridge.RoomRef{Adapter: "a", Room: "r"}, Text: "t", Out: &shown, ReplyTo: 3, Note: true, Recalled: true,
			Files: []bridge.File{{Name: "n", Type: "t", Size: 1, Blob: "b", Ref: "r"}},
			Edits: []bridge.Edit{{At: moment(), Text: "o", Out: &shown}}, Reactions: []bridge.Reaction{{Side: 1, Emoji: "👍"}},
		})
}

func FuzzFate(f *testing.F) {
	fuzzDecoder(f, func(b []byte) (fate, error) {
		if b == nil {
			b = []byte{}
		}
		return decodeFate(b)
	}, func(x fate) []byte { return x.encode() },
		fate{}, fate{state: bridge.StateSent, reason: "r", copies: []bridge.Copy{
			{Room: bridge.RoomRef{Adapter: "a", Room: "r"}, IDs: []bridge.MsgID{"1", ""}, Version: 2}, {},
		}})
}

func FuzzDelivery(f *testing.F) {
	fuzzDecoder(f,
		func(b []byte) (bridge.Delivery, error) { return decodeDelivery(1, b) },
		func(d bridge.Delivery) []byte { return encodeDelivery(&d) },
		bridge.Delivery{ID: 1, State: bridge.StatePending}, bridge.Delivery{
			ID: 1, Lane: 2, Kind: bridge.KindSay, Link: 3, To: 1, Room: bridge.RoomRef{Adapter: "a", Room: "r"}, Message: 4, Text: "t",
			User: "u", Off: true, Fate: bridge.StateSent, At: moment(), State: bridge.StateUnknown, Reason: "r", Attempts: 5, Begun: true,
			Sent: []bridge.MsgID{"1"}, Parts: 1, Settled: moment(), Adapter: "a",
			Hold: true, Ask: &bridge.Ask{ID: "i", Text: "t", Picture: "p", Choices: []bridge.Choice{{ID: "i", Label: "l", Style: "s"}}},
		})
}

func FuzzEntries(f *testing.F) {
	fuzzDecoder(f, func(b []byte) (es []entry, err error) {
		err = decodeEntries(b, func(e entry) { es = append(es, e) })
		return es, err
	}, func(es []entry) (b []byte) {
		for _, e := range es {
			b = e.append(b)
		}
		return b
	}, []entry{
		{kind: kindSeen, day: 3, hash: hash{1}, id: 4},
		{kind: kindHead, chain: 5, id: 6},
		{kind: kindRef, day: dayOf(moment()), hash: hash{2}, id: bridge.MessageID(bridge.FirstID(moment()))},
	})
}

func FuzzRoomKey(f *testing.F) {
	f.Add([]byte{})
	f.Add(roomKey(bridge.RoomRef{Adapter: "a\x00", Room: "r"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := roomOf(b)
		if err != nil {
			return
		}
		if again, err := roomOf(roomKey(r)); err != nil || again != r {
			t.Errorf("%+v came back as %+v, %v", r, again, err)
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte("SQLite format 3\x00"))
	f.Add(make([]byte, 8192))
	f.Fuzz(func(t *testing.T, b []byte) {
		synced, err := readHeader(bytes.NewReader(b))
		if err != nil && synced {
			t.Error("a free list in what is no store")
		}
	})
}
