package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// withBlobs is a message of the link that refers to the blobs.
func withBlobs(l bridge.LinkID, src bridge.MsgID, blobs ...string) *bridge.Message {
	m := message(l, src, "x")
	for _, b := range blobs {
		m.Files = append(m.Files, bridge.File{Name: b, Blob: b})
	}
	return m
}

// family stores a contact with two links, rooms, messages with copies, and deliveries in every state.
func (e *env) family(c bridge.ContactID) []bridge.MessageID {
	e.Helper()
	person := contact(c, fmt.Sprintf("u%d", c), fmt.Sprintf("tele%d", c))
	person.Avatar = fmt.Sprintf("avatar%d", c)
	var out []bridge.MessageID
	var ls []bridge.Link
	var rooms []bridge.Room
	for i := range 2 {
		l := link(bridge.LinkID(c)*10+bridge.LinkID(i), bridge.MemberID(fmt.Sprint("m", i)), c)
		ls = append(ls, l)
		rooms = append(rooms, room(l.Rooms[0], l.ID), room(l.Rooms[1], l.ID))
	}
	e.do(bridge.Step{Contacts: []bridge.Contact{person}, Links: ls, Rooms: rooms})
	for _, l := range ls {
		for i, state := range []bridge.State{bridge.StateSent, bridge.StateFailed, bridge.StateHeld, bridge.StateUnknown, bridge.StatePending} {
			src := bridge.MsgID(fmt.Sprint("s", i))
			m := withBlobs(l.ID, src, fmt.Sprintf("own%d", c), "common")
			o := e.do(bridge.Step{Message: m, Deliveries: []bridge.Delivery{delivery(l.ID)}})
			e.settle(o.Deliveries[0], state, src+"copy")
			out = append(out, o.Message)
		}
		notice := bridge.Delivery{Lane: bridge.RoomLane(l.Rooms[0]), Kind: bridge.KindNotice, Room: l.Rooms[0], Text: "王小明 ist da"}
		e.do(bridge.Step{Deliveries: []bridge.Delivery{notice}})
	}
	return out
}

func testErase(t T, k Kind) {
	e := open(t, k)
	e.family(1)
	other := dump(e, e.s)
	gone := e.family(2)
	waiting := bridge.Step{Message: message(0, "before any link", "x")}
	waiting.Message.Room = chat("w20")
	gone = append(gone, e.do(waiting).Message)
	e.do(bridge.Step{Audit: []bridge.AuditEntry{audit("before")}})

	blobs, err := e.s.Erase(e.ctx, 2, audit("contact.erase"))
	e.must("erase", err)
	slices.Sort(blobs)
	e.equal("blobs", blobs, []string{"avatar2", "own2"})
	e.nothingOf(2, gone)
	left := dump(e, e.s)
	for _, a := range []string{"before", "contact.erase"} {
		line := "audit " + text(audit(a)) + "\n"
		if !strings.Contains(left, line) {
			e.Errorf("%s is not in the trail", a)
		}
		left = strings.Replace(left, line, "", 1)
	}
	if left != other {
		e.Errorf("something else is different: %s", diff(left, other))
	}
	_, err = e.s.Erase(e.ctx, 2, audit("contact.erase"))
	e.fails("erase again", err, bridge.ErrNotFound)
	e.family(2) // and may come back as somebody new
	blobs, err = e.s.Erase(e.ctx, 1, audit("contact.erase"))
	e.must("erase", err)
	slices.Sort(blobs)
	e.equal("blobs", blobs, []string{"avatar1", "own1"})
	blobs, err = e.s.Erase(e.ctx, 2, audit("contact.erase"))
	e.must("erase", err)
	slices.Sort(blobs)
	e.equal("blobs", blobs, []string{"avatar2", "common", "own2"})
}

// nothingOf checks that a family is gone, however one asks.
func (e *env) nothingOf(c bridge.ContactID, messages []bridge.MessageID) {
	e.Helper()
	_, err := e.s.Contact(e.ctx, c)
	e.fails("contact", err, bridge.ErrNotFound)
	for _, a := range []string{"u", "tele"} {
		_, err = e.s.ContactOf(e.ctx, user(fmt.Sprintf("%s%d", a, c)))
		e.fails("account", err, bridge.ErrNotFound)
	}
	ls, err := e.s.LinksOf(e.ctx, c)
	e.must("links of", err)
	e.equal("links", len(ls), 0)
	for i := range bridge.LinkID(2) {
		id := bridge.LinkID(c)*10 + i
		l := link(id, "", c)
		_, err = e.s.Link(e.ctx, id)
		e.fails("link", err, bridge.ErrNotFound)
		for _, ref := range l.Rooms {
			_, err = e.s.Room(e.ctx, ref)
			e.fails("room", err, bridge.ErrNotFound)
		}
		rs, err := e.s.History(e.ctx, id, 0, 100)
		e.must("history", err)
		e.equal("history", len(rs), 0)
		for n := range 5 {
			e.finds(l.Rooms[1], bridge.MsgID(fmt.Sprint("s", n)), 0)
			e.finds(l.Rooms[0], bridge.MsgID(fmt.Sprint("s", n, "copy")), 0)
		}
		e.waits(lane(id))
		e.waits(bridge.RoomLane(l.Rooms[0]))
	}
	for _, id := range messages {
		_, err = e.s.Message(e.ctx, id)
		e.fails("message", err, bridge.ErrNotFound)
	}
	for l, err := range e.s.Links(e.ctx) {
		e.must("links", err)
		if l.Contact == c {
			e.Errorf("link %d is still listed", l.ID)
		}
	}
	ds, err := e.s.Deliveries(e.ctx, 0, 1000, bridge.StatePending, bridge.StateHeld, bridge.StateFailed, bridge.StateUnknown)
	e.must("deliveries", err)
	for _, d := range ds {
		if uint64(d.Link)/10 == uint64(c) || slices.Contains(messages, d.Message) {
			e.Errorf("delivery %d is still there", d.ID)
		}
	}
}

func testEraseShared(t T, k Kind) {
	e := open(t, k)
	one, two := link(1, "lilei", 1), link(2, "lilei", 2)
	one.Rooms[0], two.Rooms[0] = desk("shared"), desk("shared")
	e.do(bridge.Step{
		Contacts: []bridge.Contact{contact(1, "a"), contact(2, "b")}, Links: []bridge.Link{one, two},
		Rooms: []bridge.Room{room(desk("shared"), 1, 2)},
	})
	id, _ := e.say(2, "s", "stays")
	if _, err := e.s.Erase(e.ctx, 1, audit("contact.erase")); err != nil {
		e.Fatalf("erase: %v", err)
	}
	r, err := e.s.Room(e.ctx, desk("shared"))
	e.must("room", err)
	want := room(desk("shared"), 2)
	want.Rev, want.Current, want.Said = 2, 0, 0
	e.equal("room", r, want)
	e.record(id)
	e.linksBy("lilei", 2)
}

// midnight is the start of the day of UTC, n days after the suite's first.
func midnight(n int) time.Time { return start.Truncate(24*time.Hour).AddDate(0, 0, n) }

func testExpire(t T, k Kind) {
	e := open(t, k)
	var messages []bridge.MessageID
	for d := range 40 {
		out := e.do(bridge.Step{
			At: midnight(d).Add(time.Duration(d%24) * time.Hour), Seen: fmt.Sprint("event", d),
			Message:    withBlobs(1, bridge.MsgID(fmt.Sprint("s", d)), fmt.Sprint("day", d), fmt.Sprint("ten", d/10)),
			Deliveries: []bridge.Delivery{delivery(1)},
		})
		e.settle(out.Deliveries[0], bridge.StateSent, bridge.MsgID(fmt.Sprint("c", d)))
		messages = append(messages, out.Message)
	}
	now := midnight(39).Add(time.Hour)
	e.expires(now, time.Time{}) // nothing but dedupe keys
	e.has(messages, 0)
	e.expires(now, midnight(5), "day0", "day1", "day2", "day3", "day4")
	e.has(messages, 5)
	e.expires(now, midnight(5).Add(23*time.Hour)) // not a whole day more
	e.has(messages, 5)
	e.expires(now, midnight(20), append(days(5, 20), "ten0", "ten1")...)
	e.has(messages, 20)
	e.expires(now, midnight(38), append(days(20, 38), "ten2")...)
	e.has(messages, 38)
	rs, err := e.s.History(e.ctx, 1, 0, 100)
	e.must("history", err)
	e.equal("history", len(rs), 2)
	for d := range 40 {
		age := now.Sub(midnight(d).Add(time.Duration(d%24) * time.Hour))
		for _, st := range []bridge.Step{
			{At: now, Seen: fmt.Sprint("event", d), Message: message(2, "", "x")},
			{At: now, Message: message(1, bridge.MsgID(fmt.Sprint("s", d)), "x")},
		} {
			out, err := e.s.Commit(e.ctx, st)
			e.must("commit", err)
			if age < bridge.SeenFor && !out.Duplicate {
				e.Errorf("an event of day %d was forgotten", d)
			}
			if age > bridge.SeenFor+48*time.Hour && out.Duplicate {
				e.Errorf("an event of day %d is still known", d)
			}
		}
	}
	testLoose(e, now)
}

// testLoose lets a blob go in a commit: the next time that blobs are listed it is among them.
func testLoose(e *env, now time.Time) {
	e.Helper()
	id := e.do(bridge.Step{At: now, Message: withBlobs(7, "late", "replaced", "kept")}).Message
	e.do(bridge.Step{At: now, Change: &bridge.Change{ID: id, Files: []bridge.File{{Blob: "kept"}, {Blob: "new"}}}})
	c := contact(7)
	c.Avatar = "face"
	e.do(bridge.Step{At: now, Contacts: []bridge.Contact{c}})
	c.Rev, c.Avatar = 1, "new face"
	e.do(bridge.Step{At: now, Contacts: []bridge.Contact{c}})
	e.do(bridge.Step{At: now, Message: withBlobs(7, "again", "replaced")})
	e.unused("face")
	e.expires(now, time.Time{}, "face")
	e.expires(now, time.Time{})
}

// unused checks which of the blobs of testLoose nothing refers to, beside one that was never stored.
func (e *env) unused(want ...string) {
	e.Helper()
	got, err := e.s.Unused(e.ctx, []string{"kept", "face", "new face", "replaced", "new", "never"})
	e.must("unused", err)
	e.equal("unused", got, append(want, "never"))
}

func days(from, to int) (out []string) {
	for d := from; d < to; d++ {
		out = append(out, fmt.Sprint("day", d))
	}
	return out
}

func (e *env) expires(now, history time.Time, want ...string) {
	e.Helper()
	got, err := e.s.Expire(e.ctx, now, history)
	e.must("expire", err)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		e.Errorf("expire before %v: blobs %v, want %v", history, got, want)
	}
}

// has checks that the messages from the given one on are there, and no others.
func (e *env) has(messages []bridge.MessageID, from int) {
	e.Helper()
	for i, id := range messages {
		want := id
		if i < from {
			want = 0
			_, err := e.s.Message(e.ctx, id)
			e.fails(fmt.Sprint("message of day ", i), err, bridge.ErrNotFound)
		} else {
			e.record(id)
		}
		e.finds(chat("w1"), bridge.MsgID(fmt.Sprint("s", i)), want)
		e.finds(desk("d1"), bridge.MsgID(fmt.Sprint("c", i)), want)
	}
}

func testStats(t T, k Kind) {
	e := open(t, k)
	figures := func(waiting, parked int, oldest time.Time) {
		e.Helper()
		st, err := e.s.Stats(e.ctx)
		e.must("stats", err)
		if st.Waiting != waiting || st.Parked != parked || !st.Oldest.Equal(oldest) {
			e.Errorf("%d waiting, %d parked, oldest %v; want %d, %d, %v", st.Waiting, st.Parked, st.Oldest, waiting, parked, oldest)
		}
	}
	figures(0, 0, time.Time{})
	_, one := e.say(1, "s1", "a")
	first := e.now
	_, two := e.say(2, "s2", "b")
	second := e.now
	_, three := e.say(2, "s3", "c")
	figures(3, 0, first)
	e.settle(three, bridge.StateHeld)
	e.settle(one, bridge.StateFailed)
	figures(2, 1, second)
	e.settle(one, bridge.StatePending)
	figures(3, 0, first)
	e.settle(one, bridge.StateUnknown)
	e.settle(two, bridge.StateSent)
	e.settle(three, bridge.StateCancelled)
	figures(0, 1, time.Time{})
	st, err := e.s.Stats(e.ctx)
	e.must("stats", err)
	if st.Commits.Steps < 9 || st.Commits.Commits == 0 || st.Commits.Commits > st.Commits.Steps {
		e.Errorf("commits: %+v", st.Commits)
	}
	if st.Free > st.Size {
		e.Errorf("%d bytes free of %d", st.Free, st.Size)
	}
}
