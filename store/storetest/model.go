package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// model is the store as one would write it on a napkin: lists, searched from end to end.
type model struct {
	contacts   []bridge.Contact
	links      []bridge.Link
	rooms      map[bridge.RoomRef]bridge.Room
	records    []bridge.Record
	names      map[bridge.MsgRef]bridge.MessageID
	seen       map[string]bridge.MessageID
	deliveries []bridge.Delivery
	delivery   bridge.DeliveryID
}

// commit does what the contract says; done is false for a duplicate.
func (m *model) commit(st bridge.Step) (done bool, err error) {
	if _, ok := m.seen[st.Seen]; ok && st.Seen != "" {
		return false, nil
	}
	if x := st.Message; x != nil {
		if _, ok := m.names[bridge.MsgRef{RoomRef: x.Room, Msg: x.Src}]; ok {
			return false, nil
		}
	}
	for _, x := range st.Expect {
		if i := m.link(x.Link); i < 0 && x.Rev != 0 || i >= 0 && m.links[i].Rev != x.Rev {
			return false, bridge.ErrStale
		}
	}
	next := *m // written to a copy, kept if all of it went well
	next.contacts, next.links, next.rooms = slices.Clone(m.contacts), slices.Clone(m.links), maps.Clone(m.rooms)
	if !next.write(st) {
		return false, bridge.ErrStale
	}
	if c := st.Change; c != nil && m.record(c.ID) < 0 {
		return false, bridge.ErrNotFound
	}
	*m = next
	return true, nil
}

// write writes the entities, and reports whether they may be.
func (m *model) write(st bridge.Step) bool {
	for _, c := range st.Contacts {
		i := slices.IndexFunc(m.contacts, func(o bridge.Contact) bool { return o.ID == c.ID })
		if i < 0 && c.Rev != 0 || i >= 0 && m.contacts[i].Rev != c.Rev {
			return false
		}
		c.Rev++
		if i >= 0 {
			m.contacts[i] = c
		} else {
			m.contacts = append(m.contacts, c)
		}
	}
	for _, l := range st.Links {
		i := m.link(l.ID)
		if i < 0 && l.Rev != 0 || i >= 0 && m.links[i].Rev != l.Rev {
			return false
		}
		l.Rev++
		if i >= 0 {
			m.links[i] = l
		} else {
			m.links = append(m.links, l)
		}
	}
	for _, r := range st.Rooms {
		if m.rooms[r.Ref].Rev != r.Rev {
			return false
		}
		r.Rev++
		m.rooms[r.Ref] = r
	}
	return m.unique()
}

// unique reports whether accounts and pairs are.
func (m *model) unique() bool {
	accounts := map[bridge.UserRef]bool{}
	for _, c := range m.contacts {
		for _, a := range c.Accounts {
			if accounts[a] {
				return false
			}
			accounts[a] = true
		}
	}
	pairs := map[string]bool{}
	for _, l := range m.links {
		p := fmt.Sprint(l.Contact, " ", l.Member)
		if pairs[p] {
			return false
		}
		pairs[p] = true
	}
	return true
}

func (m *model) link(id bridge.LinkID) int {
	return slices.IndexFunc(m.links, func(l bridge.Link) bool { return l.ID == id })
}

func (m *model) record(id bridge.MessageID) int {
	return slices.IndexFunc(m.records, func(r bridge.Record) bool { return r.ID == id })
}

// follow does the rest of a step, with the ids that the store gave.
func (m *model) follow(st bridge.Step, out bridge.Outcome) {
	if x := st.Message; x != nil {
		r := bridge.Record{Message: *x}
		r.ID = out.Message
		m.records = append(m.records, r)
		m.names[bridge.MsgRef{RoomRef: x.Room, Msg: x.Src}] = r.ID
	}
	if st.Seen != "" {
		m.seen[st.Seen] = out.Message
	}
	if c := st.Change; c != nil {
		r := &m.records[m.record(c.ID)]
		if c.Edit != nil {
			r.Edits, r.Text = append(slices.Clone(r.Edits), bridge.Edit{At: c.Edit.At, Text: r.Text}), c.Edit.Text
		}
		if c.State.Beats(r.State) {
			r.State, r.Reason = c.State, c.Reason
		}
	}
	for i, d := range st.Deliveries {
		m.delivery++
		d.ID, d.State, d.At = m.delivery, bridge.StatePending, st.At
		if d.Message == 0 {
			d.Message = out.Message
		}
		if out.Deliveries[i].ID > d.ID { // ids rise; a store may leave some out
			m.delivery, d.ID = out.Deliveries[i].ID, out.Deliveries[i].ID
		}
		m.deliveries = append(m.deliveries, d)
	}
	for _, x := range st.Settle {
		m.settle(x, st.At)
	}
}

func (m *model) settle(x bridge.Settlement, at time.Time) {
	i := slices.IndexFunc(m.deliveries, func(d bridge.Delivery) bool { return d.ID == x.Delivery && d.Lane == x.Lane })
	if i < 0 {
		return
	}
	d := &m.deliveries[i]
	d.Apply(x, at)
	if k := m.record(d.Message); k >= 0 {
		r := &m.records[k]
		if x.State.Beats(r.State) {
			r.State, r.Reason = x.State, x.Reason
		}
		if x.Copy != nil {
			j := slices.IndexFunc(r.Copies, func(c bridge.Copy) bool { return c.Room == x.Copy.Room })
			r.Copies = slices.Clone(r.Copies)
			if j >= 0 {
				r.Copies[j] = *x.Copy
			} else {
				r.Copies = append(r.Copies, *x.Copy)
			}
			for _, id := range x.Copy.IDs {
				m.names[bridge.MsgRef{RoomRef: x.Copy.Room, Msg: id}] = r.ID
			}
		}
	}
	if x.State == bridge.StateSent || x.State == bridge.StateCancelled {
		m.deliveries = slices.Delete(m.deliveries, i, i+1)
	}
}

// erase removes a contact. In this suite's model no room is shared.
func (m *model) erase(c bridge.ContactID) {
	mine := map[bridge.LinkID]bool{}
	for _, l := range m.links {
		if l.Contact == c {
			mine[l.ID] = true
		}
	}
	m.contacts = slices.DeleteFunc(m.contacts, func(x bridge.Contact) bool { return x.ID == c })
	m.links = slices.DeleteFunc(m.links, func(l bridge.Link) bool { return mine[l.ID] })
	m.deliveries = slices.DeleteFunc(m.deliveries, func(d bridge.Delivery) bool { return mine[d.Link] })
	maps.DeleteFunc(m.rooms, func(_ bridge.RoomRef, r bridge.Room) bool { return mine[r.Links[0]] })
	m.records = slices.DeleteFunc(m.records, func(r bridge.Record) bool { return mine[r.Link] })
	maps.DeleteFunc(m.names, func(_ bridge.MsgRef, id bridge.MessageID) bool { return m.record(id) < 0 })
}

// testModel drives the store and the model with the same random steps, and compares all that is seen.
func testModel(t T, k Kind) {
	for seed := range uint64(4) {
		e := open(t, k)
		m := &model{
			rooms: map[bridge.RoomRef]bridge.Room{}, names: map[bridge.MsgRef]bridge.MessageID{}, seen: map[string]bridge.MessageID{},
		}
		rnd := rand.New(rand.NewPCG(seed, 7))
		for i := range 400 {
			e.now = e.now.Add(time.Duration(rnd.IntN(3)) * 20 * time.Minute) // all of it within SeenFor
			st := m.random(rnd, e.now)
			before := *m
			out, err := e.s.Commit(e.ctx, st)
			done, want := m.commit(st)
			if !errors.Is(err, want) || err == nil && out.Duplicate == done {
				e.Fatalf("seed %d, step %d: %+v, %v; want done %v, %v\n%+v", seed, i, out, err, done, want, st)
			}
			if done {
				m.follow(st, out)
			} else {
				*m = before
			}
			if rnd.IntN(60) == 0 && len(m.contacts) > 0 {
				c := m.contacts[rnd.IntN(len(m.contacts))].ID
				if _, err := e.s.Erase(e.ctx, c, audit("erase")); err != nil {
					e.Fatalf("seed %d, step %d: erase: %v", seed, i, err)
				}
				m.erase(c)
			}
			if k.Durable && rnd.IntN(100) == 0 {
				e.reopen()
			}
			if i%20 == 19 {
				m.compare(e, fmt.Sprintf("seed %d, step %d", seed, i))
			}
		}
		e.must("close", e.s.Close())
	}
}

// random is some step. Its pools are small, so that things meet.
func (m *model) random(rnd *rand.Rand, now time.Time) bridge.Step {
	st := bridge.Step{At: now}
	one := func(n int) bool { return rnd.IntN(n) == 0 }
	l := bridge.LinkID(1 + rnd.IntN(6))
	if one(4) {
		st.Seen = fmt.Sprint("e", rnd.IntN(300))
	}
	if one(3) {
		c := contact(bridge.ContactID(1+rnd.IntN(5)), fmt.Sprint("u", rnd.IntN(6)))
		if i := slices.IndexFunc(m.contacts, func(o bridge.Contact) bool { return o.ID == c.ID }); i >= 0 && !one(5) {
			c.Rev = m.contacts[i].Rev
		}
		st.Contacts = append(st.Contacts, c)
	}
	if one(3) {
		x := link(l, bridge.MemberID(fmt.Sprint("m", rnd.IntN(3))), bridge.ContactID(1+int(l)%5))
		r := room(x.Rooms[1], l)
		if i := m.link(l); i >= 0 && !one(5) {
			x.Rev = m.links[i].Rev
		}
		r.Rev = m.rooms[r.Ref].Rev
		st.Links, st.Rooms = append(st.Links, x), append(st.Rooms, r)
	}
	if i := m.link(l); one(3) && i >= 0 {
		st.Expect = append(st.Expect, bridge.Expect{Link: l, Rev: m.links[i].Rev - uint64(rnd.IntN(10)/9)})
	}
	if m.link(l) >= 0 && len(st.Links) == 0 && !one(3) {
		st.Message = message(l, bridge.MsgID(fmt.Sprint("s", rnd.IntN(200))), fmt.Sprint("text ", rnd.IntN(1000)))
		for range rnd.IntN(3) {
			st.Deliveries = append(st.Deliveries, delivery(l))
		}
	}
	if n := len(m.records); n > 0 && one(4) {
		st.Change = &bridge.Change{ID: m.records[rnd.IntN(n)].ID, State: bridge.StateRead, Reason: "r"}
		if one(2) {
			st.Change.State, st.Change.Edit = "", &bridge.Edit{At: now, Text: fmt.Sprint("edit ", rnd.IntN(100))}
		}
	}
	for range rnd.IntN(4) {
		if n := len(m.deliveries); n > 0 {
			d := m.deliveries[rnd.IntN(n)]
			state := []bridge.State{
				bridge.StatePending, bridge.StateHeld, bridge.StateSent, bridge.StateSent, bridge.StateSent, bridge.StateUnknown,
				bridge.StateFailed, bridge.StateCancelled,
			}[rnd.IntN(8)]
			st.Settle = append(st.Settle, settlement(d, state, bridge.MsgID(fmt.Sprint("c", rnd.IntN(1<<40)))))
		}
	}
	return st
}

// compare looks at the store from every side.
func (m *model) compare(e *env, when string) {
	e.Helper()
	for _, c := range m.contacts {
		got, err := e.s.Contact(e.ctx, c.ID)
		e.must(when, err)
		e.equal(when+": contact", got, c)
	}
	for _, l := range m.links {
		got, err := e.s.Link(e.ctx, l.ID)
		e.must(when, err)
		e.equal(when+": link", got, l)
		rs, err := e.s.History(e.ctx, l.ID, 0, 1000)
		e.must(when, err)
		var want []bridge.Record
		for _, r := range slices.Backward(m.records) {
			if r.Link == l.ID {
				want = append(want, r)
			}
		}
		e.equal(when+": history", rs, want)
	}
	for ref, r := range m.rooms {
		got, err := e.s.Room(e.ctx, ref)
		e.must(when, err)
		e.equal(when+": room", got, r)
	}
	for ref, id := range m.names {
		got, err := e.s.Find(e.ctx, ref)
		e.must(when+": find "+string(ref.Msg), err)
		e.equal(when+": find", got, id)
	}
	n := 0
	for _, err := range e.s.Contacts(e.ctx) {
		e.must(when+": list contacts", err)
		n++
	}
	e.equal(when+": contacts", n, len(m.contacts))
	m.compareLanes(e.ctx, e, when)
}

func (m *model) compareLanes(ctx context.Context, e *env, when string) {
	e.Helper()
	slices.SortFunc(m.deliveries, func(a, b bridge.Delivery) int { return cmp.Compare(a.ID, b.ID) })
	got, err := e.s.Deliveries(ctx, 0, 10_000, bridge.StatePending, bridge.StateHeld, bridge.StateFailed, bridge.StateUnknown)
	e.must(when, err)
	e.equal(when+": deliveries", len(got), len(m.deliveries))
	lanes := map[bridge.LaneID][]bridge.DeliveryID{}
	for i, d := range m.deliveries {
		if i < len(got) {
			e.equal(when+": delivery", got[i], d)
		}
		if !d.State.Final() {
			lanes[d.Lane] = append(lanes[d.Lane], d.ID)
		}
	}
	heads, err := e.s.Claim(ctx, 0, 1000)
	e.must(when, err)
	e.equal(when+": lanes", len(heads), len(lanes))
	for l, want := range lanes {
		e.waits(l, want...)
	}
}
