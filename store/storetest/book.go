package storetest

import (
	"fmt"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

func testNotFound(t T, k Kind) {
	e := open(t, k)
	for range 2 { // of an empty store, and of one that holds other things
		_, err := e.s.Contact(e.ctx, 9)
		e.fails("contact", err, bridge.ErrNotFound)
		_, err = e.s.ContactOf(e.ctx, user("nobody"))
		e.fails("contact of", err, bridge.ErrNotFound)
		_, err = e.s.Link(e.ctx, 9)
		e.fails("link", err, bridge.ErrNotFound)
		_, err = e.s.Room(e.ctx, chat("nowhere"))
		e.fails("room", err, bridge.ErrNotFound)
		_, err = e.s.Card(e.ctx, "none")
		e.fails("card", err, bridge.ErrNotFound)
		_, err = e.s.Message(e.ctx, 9)
		e.fails("message", err, bridge.ErrNotFound)
		_, err = e.s.Delivery(e.ctx, 9)
		e.fails("delivery", err, bridge.ErrNotFound)
		_, _, err = e.s.KV("a").Get(e.ctx, "none")
		e.fails("key", err, bridge.ErrNotFound)
		_, err = e.s.Erase(e.ctx, 9, audit("contact.erase"))
		e.fails("erase", err, bridge.ErrNotFound)
		e.finds(chat("w1"), "none", 0)
		ls, err := e.s.LinksOf(e.ctx, 9)
		e.must("links of", err)
		e.equal("links of", len(ls), 0)
		rs, err := e.s.History(e.ctx, 9, 0, 10)
		e.must("history", err)
		e.equal("history", len(rs), 0)
		e.do(bridge.Step{
			Contacts: []bridge.Contact{contact(bridge.ContactID(e.now.Unix()), fmt.Sprint(e.now))},
			Links:    []bridge.Link{link(bridge.LinkID(e.now.Unix()), "lilei", bridge.ContactID(e.now.Unix()))}, Rooms: []bridge.Room{room(chat(e.now.String()))},
			Message: message(1, bridge.MsgID(e.now.String()), "x"), Deliveries: []bridge.Delivery{delivery(1)},
		})
		if _, err = e.s.KV("a").Put(e.ctx, "some", nil, bridge.AnyRev); err != nil {
			e.Errorf("put: %v", err)
		}
	}
}

// many is more than a store would read in one go.
const many = 1200

func testBook(t T, k Kind) {
	e := open(t, k)
	var cs []bridge.Contact
	var ls []bridge.Link
	for i := range many {
		id := many - i
		cs = append(cs, contact(bridge.ContactID(id), fmt.Sprint("u", id)))
		l := link(bridge.LinkID(id), []bridge.MemberID{"lilei", "li", ""}[id%3], bridge.ContactID(id))
		l.Rooms = [2]bridge.RoomRef{}
		ls = append(ls, l)
	}
	e.do(bridge.Step{Contacts: cs, Links: ls, Cards: []bridge.Card{card("B"), card("A")}})
	n := 0
	for c, err := range e.s.Contacts(e.ctx) {
		e.must("contacts", err)
		n++
		want := cs[many-n]
		want.Rev = 1
		if n == 1 || n == many {
			e.equal("contact", c, want)
		}
		e.equal("contact", c.ID, want.ID)
	}
	e.equal("contacts", n, many)
	n = 0
	for l, err := range e.s.Links(e.ctx) {
		e.must("links", err)
		n++
		want := ls[many-n]
		want.Rev = 1
		e.equal("link", l, want)
	}
	e.equal("links", n, many)
	for i, m := range []bridge.MemberID{"lilei", "li", ""} {
		var last bridge.LinkID
		n := 0
		for l, err := range e.s.LinksBy(e.ctx, m) {
			e.must("links by", err)
			if n > 0 && l.ID >= last || int(l.ID)%3 != i {
				e.Errorf("links by %q: %d after %d", m, l.ID, last)
			}
			last, n = l.ID, n+1
		}
		e.equal("links by "+string(m), n, many/3)
	}
	seen := map[bridge.CardID]bool{}
	for c, err := range e.s.Cards(e.ctx) {
		e.must("cards", err)
		want := card(c.ID)
		want.Rev = 1
		e.equal("card", c, want)
		seen[c.ID] = true
	}
	e.equal("cards", seen, map[bridge.CardID]bool{"A": true, "B": true})
	for _, err := range e.s.Contacts(e.ctx) {
		e.must("list contacts", err)
		break
	}
}

func testListing(t T, k Kind) {
	e := open(t, k)
	var cs []bridge.Contact
	var ls []bridge.Link
	for i := range 10 {
		cs = append(cs, contact(bridge.ContactID(i+1)))
		ls = append(ls, link(bridge.LinkID(i+1), "lilei", bridge.ContactID(i+1)))
	}
	e.do(bridge.Step{Contacts: cs, Links: ls, Cards: []bridge.Card{card("A")}, Audit: []bridge.AuditEntry{audit("x")}})
	// A listing that held the store would make the commit in its body wait for ever.
	commit := func(what string) bool {
		e.Helper()
		done := make(chan error, 1)
		go func() {
			_, err := e.s.Commit(e.ctx, bridge.Step{At: start, Deliveries: []bridge.Delivery{delivery(1)}})
			done <- err
		}()
		limit := time.NewTimer(2 * time.Second)
		defer limit.Stop()
		select {
		case err := <-done:
			e.must("commit while listing "+what, err)
			return true
		case <-limit.C:
			e.Errorf("a commit in the loop over %s does not come back", what)
			return false
		}
	}
	for _, err := range e.s.Contacts(e.ctx) {
		e.must("the first of contacts", err)
		if !commit("contacts") {
			return
		}
	}
	for _, err := range e.s.Links(e.ctx) {
		e.must("the first of links", err)
		if !commit("links") {
			return
		}
	}
	for _, err := range e.s.LinksBy(e.ctx, "lilei") {
		e.must("the first of a member's links", err)
		if !commit("links of a member") {
			return
		}
	}
	for _, err := range e.s.Cards(e.ctx) {
		e.must("the first of cards", err)
		if !commit("cards") {
			return
		}
	}
	for _, err := range e.s.Trail(e.ctx) {
		e.must("the first of the trail", err)
		if !commit("the trail") {
			return
		}
	}
	n := 0
	for l, err := range e.s.Links(e.ctx) { // what is changed meanwhile does not upset it
		e.must("links", err)
		l.Remark = "changed"
		e.do(bridge.Step{Links: []bridge.Link{l}})
		n++
	}
	e.equal("links", n, 10)
}

func testHistory(t T, k Kind) {
	e := open(t, k)
	want := map[bridge.LinkID][]bridge.MessageID{}
	for i := range 60 {
		l := bridge.LinkID(1 + i%3)
		st := bridge.Step{At: start.Add(time.Duration(i) * 3 * time.Hour), Message: message(l, bridge.MsgID(fmt.Sprint(i)), fmt.Sprint("text ", i))}
		want[l] = append([]bridge.MessageID{e.do(st).Message}, want[l]...)
	}
	for l := bridge.LinkID(1); l <= 3; l++ {
		for _, n := range []int{1, 7, 20, 100} {
			var got []bridge.MessageID
			var before bridge.MessageID
			for range 50 {
				rs, err := e.s.History(e.ctx, l, before, n)
				e.must("history", err)
				if len(rs) > n {
					e.Errorf("%d messages, asked for %d", len(rs), n)
				}
				for _, r := range rs {
					got, before = append(got, r.ID), r.ID
					e.equal("link", r.Link, l)
				}
				if len(rs) == 0 {
					break
				}
			}
			e.equal("history", got, want[l])
		}
		middle := want[l][10]
		rs, err := e.s.History(e.ctx, l, middle+1, 1)
		e.must("history", err)
		if len(rs) != 1 || rs[0].ID != middle {
			e.Errorf("before an id between two messages: %v", rs)
		}
	}
	newest := e.record(want[1][0])
	rs, err := e.s.History(e.ctx, 1, 0, 1)
	e.must("history", err)
	e.equal("record", rs, []bridge.Record{newest})
}

func testTrail(t T, k Kind) {
	e := open(t, k)
	var want []bridge.AuditEntry
	for i := range many / 3 {
		a, b := audit(fmt.Sprint("one ", i)), audit(fmt.Sprint("two ", i))
		e.do(bridge.Step{Audit: []bridge.AuditEntry{a, b}})
		want = append(want, a, b)
	}
	var got []bridge.AuditEntry
	for a, err := range e.s.Trail(e.ctx) {
		e.must("trail", err)
		got = append(got, a)
	}
	e.equal("trail", got, want)
}
