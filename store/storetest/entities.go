package storetest

import (
	"time"

	"github.com/hutong-im/hutong/bridge"
)

func testRevisions(t T, k Kind) {
	e := open(t, k)
	e.do(bridge.Step{
		Contacts: []bridge.Contact{contact(1, "a")}, Links: []bridge.Link{link(1, "lilei", 1)},
		Rooms: []bridge.Room{room(chat("w1"), 1)}, Cards: []bridge.Card{card("K")},
	})
	for rev := uint64(1); rev <= 3; rev++ {
		c, err := e.s.Contact(e.ctx, 1)
		e.must("contact", err)
		l, err := e.s.Link(e.ctx, 1)
		e.must("link", err)
		r, err := e.s.Room(e.ctx, chat("w1"))
		e.must("room", err)
		v, err := e.s.Card(e.ctx, "K")
		e.must("card", err)
		e.equal("revisions", []uint64{c.Rev, l.Rev, r.Rev, v.Rev}, []uint64{rev, rev, rev, rev})
		e.do(bridge.Step{
			Contacts: []bridge.Contact{c}, Links: []bridge.Link{l}, Rooms: []bridge.Room{r}, Cards: []bridge.Card{v},
		})
	}
	want := contact(1, "a")
	want.Rev = 4
	got, err := e.s.Contact(e.ctx, 1)
	e.must("contact", err)
	e.equal("contact", got, want)

	for _, rev := range []uint64{0, 3, 5} {
		c, l, r, v := contact(1, "a"), link(1, "lilei", 1), room(chat("w1"), 1), card("K")
		c.Rev, l.Rev, r.Rev, v.Rev = rev, rev, rev, rev
		e.refuses("contact", bridge.Step{Contacts: []bridge.Contact{c}}, bridge.ErrStale)
		e.refuses("link", bridge.Step{Links: []bridge.Link{l}}, bridge.ErrStale)
		e.refuses("room", bridge.Step{Rooms: []bridge.Room{r}}, bridge.ErrStale)
		e.refuses("card", bridge.Step{Cards: []bridge.Card{v}}, bridge.ErrStale)
		c.ID, l.ID, r.Ref, v.ID = 2, 2, chat("w2"), "L"
		if rev > 0 { // one that is not there has no revision
			e.refuses("new contact", bridge.Step{Contacts: []bridge.Contact{c}}, bridge.ErrStale)
			e.refuses("new link", bridge.Step{Links: []bridge.Link{l}}, bridge.ErrStale)
			e.refuses("new room", bridge.Step{Rooms: []bridge.Room{r}}, bridge.ErrStale)
			e.refuses("new card", bridge.Step{Cards: []bridge.Card{v}}, bridge.ErrStale)
		}
	}
	e.refuses("the same contact twice", bridge.Step{Contacts: []bridge.Contact{contact(3), contact(3)}}, bridge.ErrStale)
	e.refuses("the same room twice", bridge.Step{Rooms: []bridge.Room{room(chat("x")), room(chat("x"))}}, bridge.ErrStale)
}

func testAccounts(t T, k Kind) {
	e := open(t, k)
	e.do(bridge.Step{Contacts: []bridge.Contact{contact(1, "a", "b")}})
	e.do(bridge.Step{Contacts: []bridge.Contact{contact(2, "c")}})
	e.refuses("a new contact with a taken account", bridge.Step{Contacts: []bridge.Contact{contact(3, "d", "b")}}, bridge.ErrStale)
	e.refuses("two new contacts with one account", bridge.Step{Contacts: []bridge.Contact{contact(3, "d"), contact(4, "d")}}, bridge.ErrStale)
	two := contact(2, "c", "a")
	two.Rev = 1
	e.refuses("an account added that is taken", bridge.Step{Contacts: []bridge.Contact{two}}, bridge.ErrStale)
	one := contact(1, "b")
	one.Rev = 1
	e.do(bridge.Step{Contacts: []bridge.Contact{two, one}}) // the account moves, whatever the order in the step
	for account, want := range map[string]bridge.ContactID{"a": 2, "b": 1, "c": 2} {
		c, err := e.s.ContactOf(e.ctx, user(account))
		e.must("contact of "+account, err)
		e.equal("owner of "+account, c.ID, want)
	}
	_, err := e.s.ContactOf(e.ctx, user("d"))
	e.fails("contact of d", err, bridge.ErrNotFound)
	one.Rev, one.Accounts = 2, nil
	e.do(bridge.Step{Contacts: []bridge.Contact{one}})
	_, err = e.s.ContactOf(e.ctx, user("b"))
	e.fails("contact of a dropped account", err, bridge.ErrNotFound)
	e.do(bridge.Step{Contacts: []bridge.Contact{contact(5, "b")}})
}

func testPairs(t T, k Kind) {
	e := open(t, k)
	e.do(bridge.Step{Links: []bridge.Link{link(1, "lilei", 1), link(2, "hanmei", 1), link(3, "lilei", 2)}})
	e.refuses("the pair again", bridge.Step{Links: []bridge.Link{link(4, "lilei", 1)}}, bridge.ErrStale)
	e.refuses("a new pair twice", bridge.Step{Links: []bridge.Link{link(4, "kate", 1), link(5, "kate", 1)}}, bridge.ErrStale)
	three := link(3, "lilei", 1)
	three.Rev = 1
	e.refuses("a link moved onto a pair", bridge.Step{Links: []bridge.Link{three}}, bridge.ErrStale)
	one, two := link(1, "hanmei", 1), link(2, "lilei", 1)
	one.Rev, two.Rev = 1, 1
	e.do(bridge.Step{Links: []bridge.Link{one, two}}) // they change places
	e.linksBy("lilei", 3, 2)
	e.linksBy("hanmei", 1)
	ls, err := e.s.LinksOf(e.ctx, 1)
	e.must("links of 1", err)
	e.equal("links of 1", linkIDs(ls), []bridge.LinkID{1, 2})
}

func (e *env) linksBy(m bridge.MemberID, want ...bridge.LinkID) {
	e.Helper()
	var got []bridge.LinkID
	for l, err := range e.s.LinksBy(e.ctx, m) {
		e.must("links by "+string(m), err)
		got = append(got, l.ID)
	}
	e.equal("links by "+string(m), got, want)
}

func linkIDs(ls []bridge.Link) (out []bridge.LinkID) {
	for _, l := range ls {
		out = append(out, l.ID)
	}
	return out
}

func testExpect(t T, k Kind) {
	e := open(t, k)
	e.do(bridge.Step{Links: []bridge.Link{link(1, "lilei", 1)}, Rooms: []bridge.Room{room(chat("w1"), 1)}})
	for _, c := range []struct {
		name string
		x    bridge.Expect
		ok   bool
	}{
		{"link as it is", bridge.Expect{Link: 1, Rev: 1}, true},
		{"room as it is", bridge.Expect{Room: chat("w1"), Rev: 1}, true},
		{"no link yet", bridge.Expect{Link: 9, Rev: 0}, true},
		{"no room yet", bridge.Expect{Room: chat("w9"), Rev: 0}, true},
		{"link that was new", bridge.Expect{Link: 1, Rev: 0}, false},
		{"link that changed", bridge.Expect{Link: 1, Rev: 2}, false},
		{"room that was new", bridge.Expect{Room: chat("w1"), Rev: 0}, false},
		{"room that changed", bridge.Expect{Room: chat("w1"), Rev: 3}, false},
		{"link that went", bridge.Expect{Link: 9, Rev: 1}, false},
		{"room that went", bridge.Expect{Room: chat("w9"), Rev: 1}, false},
	} {
		st := bridge.Step{Expect: []bridge.Expect{{Link: 1, Rev: 1}, c.x}, Message: message(1, bridge.MsgID(c.name), "x")}
		if c.ok {
			e.do(st)
			continue
		}
		e.refuses(c.name, st, bridge.ErrStale)
		e.finds(chat("w1"), bridge.MsgID(c.name), 0)
	}
	l := link(1, "lilei", 1)
	l.Rev = 1
	e.do(bridge.Step{Expect: []bridge.Expect{{Link: 1, Rev: 1}}, Links: []bridge.Link{l}}) // as it was before the step
}

func testAtomic(t T, k Kind) {
	e := open(t, k)
	e.do(bridge.Step{Contacts: []bridge.Contact{contact(1, "a")}, Links: []bridge.Link{link(1, "lilei", 1)}, Rooms: []bridge.Room{room(desk("d1"), 1)}})
	id, d := e.say(1, "s1", "a")
	before := dump(e, e.s)
	whole := func() bridge.Step {
		return bridge.Step{
			Seen: "event", Contacts: []bridge.Contact{contact(2, "b")}, Links: []bridge.Link{link(2, "hanmei", 1)},
			Rooms: []bridge.Room{room(chat("w1"), 1)}, Cards: []bridge.Card{card("K")},
			Message: message(1, "s2", "b"), Change: &bridge.Change{ID: id, Edit: &bridge.Edit{At: start, Text: "c"}},
			Deliveries: []bridge.Delivery{delivery(1)}, Settle: []bridge.Settlement{settlement(d, bridge.StateSent, "c1")},
			Audit: []bridge.AuditEntry{audit("all")},
		}
	}
	for _, c := range []struct {
		name  string
		spoil func(*bridge.Step)
		want  error
	}{
		{"expect", func(s *bridge.Step) { s.Expect = []bridge.Expect{{Link: 1, Rev: 9}} }, bridge.ErrStale},
		{"contact", func(s *bridge.Step) { s.Contacts = append(s.Contacts, contact(1, "a")) }, bridge.ErrStale},
		{"account", func(s *bridge.Step) { s.Contacts = append(s.Contacts, contact(3, "a")) }, bridge.ErrStale},
		{"link", func(s *bridge.Step) { s.Links = append(s.Links, link(1, "lilei", 1)) }, bridge.ErrStale},
		{"pair", func(s *bridge.Step) { s.Links = append(s.Links, link(3, "lilei", 1)) }, bridge.ErrStale},
		{"room", func(s *bridge.Step) { s.Rooms = append(s.Rooms, room(desk("d1"))) }, bridge.ErrStale},
		{"card", func(s *bridge.Step) { s.Cards = append(s.Cards, card("K")) }, bridge.ErrStale},
		{"change", func(s *bridge.Step) { s.Change.ID = 12345 }, bridge.ErrNotFound},
	} {
		st := whole()
		c.spoil(&st)
		e.refuses(c.name, st, c.want)
		if after := dump(e, e.s); after != before {
			e.Errorf("%s: something was done: %s", c.name, diff(after, before))
		}
		e.finds(chat("w1"), "s2", 0)
	}
	out := e.do(whole()) // and none of it was remembered
	e.finds(chat("w1"), "s2", out.Message)
	e.finds(desk("d1"), "c1", id)
	if _, err := e.s.Card(e.ctx, "K"); err != nil {
		e.Errorf("card: %v", err)
	}
}

func testChange(t T, k Kind) {
	e := open(t, k)
	id := e.do(bridge.Step{Message: message(1, "s1", "one")}).Message
	up, smile := bridge.Reaction{Side: bridge.MemberSide, Emoji: "👍"}, bridge.Reaction{Side: bridge.ContactSide, Emoji: "😀"}
	files := []bridge.File{{Name: "a", Type: "b", Size: 3, Blob: "blob"}}
	edited := start.Add(time.Minute)
	want := bridge.Record{Message: *message(1, "s1", "one")}
	want.ID = id
	other := "[redacted]"
	for _, c := range []struct {
		name string
		c    bridge.Change
	}{
		{"nothing", bridge.Change{}},
		{"edit", bridge.Change{Edit: &bridge.Edit{At: edited, Text: "two", Out: &other}}},
		{"edit again", bridge.Change{Edit: &bridge.Edit{At: edited, Text: ""}}},
		{"reaction", bridge.Change{Reaction: &up}},
		{"same reaction", bridge.Change{Reaction: &up}},
		{"another", bridge.Change{Reaction: &smile}},
		{"one off", bridge.Change{Reaction: &up, Off: true}},
		{"off again", bridge.Change{Reaction: &up, Off: true}},
		{"files", bridge.Change{Files: files}},
		{"sent", bridge.Change{State: bridge.StateSent, Reason: "好"}},
		{"held after sent", bridge.Change{State: bridge.StateHeld, Reason: "no"}},
		{"read", bridge.Change{State: bridge.StateRead}},
		{"delivered after read", bridge.Change{State: bridge.StateDelivered}},
		{"recall", bridge.Change{Recall: true}},
	} {
		c.c.ID = id
		e.do(bridge.Step{Change: &c.c})
		want.Apply(c.c)
		if c.c.State != "" && c.c.State.Beats(want.State) {
			want.State, want.Reason = c.c.State, c.c.Reason
		}
		e.equal(c.name, e.record(id), want)
	}
	e.equal("text", want.Text, "")
	e.equal("state", want.State, bridge.StateRead)
	e.refuses("a message that is not there", bridge.Step{Change: &bridge.Change{ID: id + 1, Recall: true}}, bridge.ErrNotFound)
}

func testAliasing(t T, k Kind) {
	e := open(t, k)
	c, m, d := contact(1, "a"), rich(1, "s1"), full(1)
	out := e.do(bridge.Step{
		Contacts: []bridge.Contact{c}, Links: []bridge.Link{link(1, "lilei", 1)}, Message: m, Deliveries: []bridge.Delivery{d},
	})
	val := []byte("value")
	_, err := e.s.KV("a").Put(e.ctx, "k", val, 0)
	e.must("put", err)
	scribble := func(c bridge.Contact, m bridge.Message, d bridge.Delivery, val []byte) {
		c.Accounts[0].User, c.Tags[0] = "x", "x"
		m.Files[0].Blob, m.Edits[0].Text, m.Reactions[0].Emoji = "x", "x", "x"
		d.Sent[0], d.Ask.Text, d.Ask.Choices[0].ID = "x", "x", "x"
		val[0] = 'x'
	}
	before := dump(e, e.s)
	scribble(c, *m, d, val)
	scribble(contact(1, "a"), *rich(1, "s"), out.Deliveries[0], []byte("x"))
	got, err := e.s.Contact(e.ctx, 1)
	e.must("contact", err)
	stored, err := e.s.Delivery(e.ctx, out.Deliveries[0].ID)
	e.must("delivery", err)
	v, _, err := e.s.KV("a").Get(e.ctx, "k")
	e.must("get", err)
	e.equal("value", string(v), "value")
	scribble(got, e.record(out.Message).Message, stored, v)
	if after := dump(e, e.s); after != before {
		e.Errorf("the store shares memory with its caller: %s", diff(after, before))
	}
	v, _, err = e.s.KV("a").Get(e.ctx, "k")
	e.must("get", err)
	e.equal("value", string(v), "value")
}
