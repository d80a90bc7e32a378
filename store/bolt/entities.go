package bolt

import (
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// Entities begin with their revision in 8 bytes, so that it can be compared without decoding.

func encodeUser(e *encoder, u bridge.UserRef) { text(e, u.Adapter); text(e, u.User) }
func encodeRef(e *encoder, r bridge.RoomRef)  { text(e, r.Adapter); text(e, r.Room) }

func decodeUser(d *decoder) bridge.UserRef {
	return bridge.UserRef{Adapter: readText[string](d), User: readText[bridge.UserID](d)}
}

func decodeRef(d *decoder) bridge.RoomRef {
	return bridge.RoomRef{Adapter: readText[string](d), Room: readText[bridge.RoomID](d)}
}

func encodeContact(c *bridge.Contact, rev uint64) []byte {
	e := &encoder{make([]byte, 0, 160)}
	e.fixed(rev)
	e.byte(version)
	text(e, c.Name)
	text(e, c.Avatar)
	e.uint(uint64(len(c.Accounts)))
	for _, a := range c.Accounts {
		encodeUser(e, a)
	}
	texts(e, c.Tags)
	e.time(c.Since)
	return e.b
}

func decodeContact(id bridge.ContactID, b []byte) (bridge.Contact, error) {
	d := &decoder{b: b}
	c := bridge.Contact{ID: id, Rev: d.fixed()}
	d.version()
	c.Name, c.Avatar = readText[string](d), readText[string](d)
	c.Accounts = readList(d, decodeUser)
	c.Tags = readTexts[string](d)
	c.Since = d.time()
	return c, d.end()
}

func encodeLink(l *bridge.Link, rev uint64) []byte {
	e := &encoder{make([]byte, 0, 200)}
	e.fixed(rev)
	e.byte(version)
	text(e, l.Member)
	e.uint(uint64(l.Contact))
	text(e, l.State)
	e.time(l.Since)
	text(e, l.Card)
	text(e, l.Hello)
	text(e, l.Remark)
	texts(e, l.Tags)
	e.bools(l.Pinned, l.Muted)
	encodeRef(e, l.Rooms[0])
	encodeRef(e, l.Rooms[1])
	return e.b
}

func decodeLink(id bridge.LinkID, b []byte) (bridge.Link, error) {
	d := &decoder{b: b}
	l := bridge.Link{ID: id, Rev: d.fixed()}
	d.version()
	l.Member, l.Contact = readText[bridge.MemberID](d), bridge.ContactID(d.uint())
	l.State, l.Since = readText[bridge.LinkState](d), d.time()
	l.Card, l.Hello, l.Remark = readText[bridge.CardID](d), readText[string](d), readText[string](d)
	l.Tags = readTexts[string](d)
	d.bools(&l.Pinned, &l.Muted)
	l.Rooms[0] = decodeRef(d)
	l.Rooms[1] = decodeRef(d)
	return l, d.end()
}

// roomHead is where a room's list of links begins: after revision and version.
const roomHead = 9

// encodeLinks is the list of links as a room holds it. It is self-delimiting: of two lists that
// differ, neither begins with the other.
func encodeLinks(e *encoder, ls []bridge.LinkID) {
	e.uint(uint64(len(ls)))
	for _, l := range ls {
		e.uint(uint64(l))
	}
}

func decodeLinks(d *decoder) []bridge.LinkID {
	return readList(d, func(d *decoder) bridge.LinkID { return bridge.LinkID(d.uint()) })
}

func encodeRoom(r *bridge.Room, rev uint64) []byte {
	e := &encoder{make([]byte, 0, 64)}
	e.fixed(rev)
	e.byte(version)
	encodeLinks(e, r.Links)
	e.byte(byte(r.Side))
	e.uint(uint64(r.Current))
	e.uint(uint64(r.Said))
	e.time(r.LastIn)
	e.int(int64(r.Sent))
	granted := r.Window != bridge.Window{}
	e.bools(false, r.Noted != "", granted, r.Noticed) // the first was once all that was kept of Noted
	if r.Noted != "" {
		text(e, r.Noted)
	}
	if granted {
		e.int(int64(r.Window.Open))
		e.int(int64(r.Window.Messages))
	}
	return e.b
}

func decodeRoom(ref bridge.RoomRef, b []byte) (bridge.Room, error) {
	d := &decoder{b: b}
	r := bridge.Room{Ref: ref, Rev: d.fixed()}
	d.version()
	r.Links = decodeLinks(d)
	r.Side = bridge.Side(d.byte())
	r.Current, r.Said = bridge.LinkID(d.uint()), bridge.LinkID(d.uint())
	r.LastIn, r.Sent = d.time(), int(d.int())
	var old, noted, granted bool
	d.bools(&old, &noted, &granted, &r.Noticed)
	if noted {
		r.Noted = readText[bridge.MsgID](d)
	}
	if granted {
		r.Window = bridge.Window{Open: time.Duration(d.int()), Messages: int(d.int())}
	}
	return r, d.end()
}

func encodeCard(c *bridge.Card, rev uint64) []byte {
	e := &encoder{}
	e.fixed(rev)
	e.byte(version)
	text(e, c.Member)
	text(e, c.Greeting)
	text(e, c.Source)
	e.bools(c.Acceptance, c.Revoked)
	e.time(c.Created)
	e.time(c.Expires)
	return e.b
}

func decodeCard(id bridge.CardID, b []byte) (bridge.Card, error) {
	d := &decoder{b: b}
	c := bridge.Card{ID: id, Rev: d.fixed()}
	d.version()
	c.Member, c.Greeting, c.Source = readText[bridge.MemberID](d), readText[string](d), readText[string](d)
	d.bools(&c.Acceptance, &c.Revoked)
	c.Created, c.Expires = d.time(), d.time()
	return c, d.end()
}

func encodeAudit(a *bridge.AuditEntry) []byte {
	e := &encoder{}
	e.byte(version)
	e.time(a.At)
	text(e, a.Actor)
	text(e, a.Action)
	text(e, a.Object)
	text(e, a.Detail)
	return e.b
}

func decodeAudit(b []byte) (bridge.AuditEntry, error) {
	d := &decoder{b: b}
	d.version()
	a := bridge.AuditEntry{At: d.time()}
	a.Actor, a.Action = readText[string](d), readText[string](d)
	a.Object, a.Detail = readText[string](d), readText[string](d)
	return a, d.end()
}
