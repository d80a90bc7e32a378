package slack

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// What was said while nobody listened comes once, in order: messages over several pages, notes under old roots, edits.
func TestCatchUp(t *testing.T) {
	for _, overHTTP := range []bool{false, true} {
		w := newWorkspace(t, roomsChannel, overHTTP)
		w.forgets = true
		room, user := w.Room()
		ch := w.channel(room)
		r := newRig(t, w)
		r.run()
		if !overHTTP {
			r.connected()
		}
		root := r.member(ch, user, "before", "")
		r.wants("before")
		if err := r.stop(); !errors.Is(err, r.Context().Err()) && err == nil {
			t.Error(err)
		}
		r.until("the disconnection", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(w.conns) == 0 })
		want := []string{"before"}
		for i := range 12 {
			text := fmt.Sprintf("meanwhile %d", i)
			r.member(ch, user, text, "")
			want = append(want, text)
		}
		r.member(ch, user, "a note", root)
		w.mu.Lock()
		w.change(ch, ch.find(root), "before, corrected", nil)
		w.mu.Unlock()
		r.open()
		r.run()
		want = append(want, "(a note)", "~before, corrected")
		r.wants(want...)
		if !overHTTP {
			r.connected()
		}
		r.member(ch, user, "after", "")
		r.wants(append(want, "after")...)
		_ = r.stop()
		r.open()
		r.run()
		r.until("another look", func() bool { return w.count("conversations.history") >= 4 })
		r.member(ch, user, "last", "")
		r.wants(append(want, "after", "last")...)
		_ = r.stop()
	}
}

// The same in threads.
func TestCatchUpThread(t *testing.T) {
	w := newWorkspace(t, roomsThread, false)
	w.forgets = true
	room, user := w.Room()
	_, thread := split(string(room))
	ch := w.channel(room)
	r := newRig(t, w)
	r.run()
	r.connected()
	r.member(ch, user, "before", thread)
	r.wants("before")
	_ = r.stop()
	r.until("the disconnection", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(w.conns) == 0 })
	want := []string{"before"}
	for i := range 8 {
		want = append(want, fmt.Sprint("meanwhile ", i))
		r.member(ch, user, want[i+1], thread)
	}
	r.open()
	r.run()
	r.wants(want...)
	for _, e := range r.all() {
		if m, ok := e.(bridge.MessageEvent); ok && !m.Own && m.Room != room {
			t.Errorf("heard in %q, want %q", m.Room, room)
		}
	}
}

// What was done meanwhile to what the gateway has is found by comparing: messages that are gone, notes among them, and
// reactions that came or went. What is there, too old, another channel's or the customer's is left alone.
func TestCatchUpCompares(t *testing.T) {
	for _, rooms := range []string{roomsChannel, roomsThread} {
		t.Run(rooms, func(t *testing.T) {
			w := newWorkspace(t, rooms, false)
			w.forgets = true
			_, user := w.Room()
			r := newRig(t, w)
			room, err := r.core.Open(t.Context(), opening(user))
			if err != nil {
				t.Fatal(err)
			}
			ch := w.channel(room)
			_, thread := split(string(room))
			gone, goneRoot, kept := r.member(ch, user, "gone", thread), r.member(ch, user, "root", thread), r.member(ch, user, "kept", thread)
			var notes []string
			if thread == "" {
				notes = []string{r.member(ch, user, "note kept", goneRoot), r.member(ch, user, "note gone", kept)}
			}
			sent, err := r.a.Send(t.Context(), room, bridge.Draft{Key: "k", Text: "hi"})
			if err != nil {
				t.Fatal(err)
			}
			r.run()
			r.until("all is heard", func() bool { return len(r.texts()) == 3+len(notes) })
			_ = r.stop()
			r.until("the disconnection", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(w.conns) == 0 })
			line := func(id string, l bridge.Line) bridge.Line { l.Msg, l.At = bridge.MsgID(id), moment(id); return l }
			thumb := []bridge.Reaction{{Side: bridge.MemberSide, Emoji: "👍"}}
			r.lobby.lines = []bridge.Line{
				line("1700000000.000001", bridge.Line{Mine: true}),           // too old
				line(stampOf(micros(ch.pins[0])-1), bridge.Line{Mine: true}), // before the card: maybe in another channel
				line(gone, bridge.Line{Mine: true}), line(goneRoot, bridge.Line{Mine: true}), line(kept, bridge.Line{Mine: true, Reactions: thumb}),
				line(string(sent[0]), bridge.Line{Reactions: append(thumb, bridge.Reaction{Side: bridge.ContactSide, Emoji: "🎉"})}),
				line("form-V1", bridge.Line{Mine: true}), line("", bridge.Line{Mine: true}),
			}
			for _, n := range notes {
				r.lobby.lines = append(r.lobby.lines, line(n, bridge.Line{Mine: true}))
			}
			before := len(r.all())
			w.mu.Lock()
			w.remove(ch, gone)
			w.remove(ch, goneRoot)
			if len(notes) > 0 {
				w.remove(ch, notes[1])
			}
			w.react(ch, ch.find(kept), string(user), "heart", true)
			w.react(ch, ch.find(string(sent[0])), string(user), "+1", true)
			w.react(ch, ch.find(string(sent[0])), botUser, "tada", true)
			w.mu.Unlock()
			r.open()
			r.run()
			r.connected()
			r.member(ch, user, "done", thread)
			want := []string{"deleted " + gone, "deleted " + goneRoot, fmt.Sprintf("%s 👍 %s true", user, kept), fmt.Sprintf("%s ❤️ %s false", user, kept)}
			if len(notes) > 0 {
				want = append(want, "deleted "+notes[1])
			}
			heard := func() []string {
				var got []string
				for _, e := range r.all()[before:] {
					switch e := e.(type) {
					case bridge.Deleted:
						got = append(got, "deleted "+string(e.Msg))
					case bridge.Reacted:
						got = append(got, fmt.Sprintf("%s %s %s %v", e.User, e.Emoji, e.Msg, e.Removed))
					}
				}
				slices.Sort(got)
				return got
			}
			slices.Sort(want)
			r.until("what was done", func() bool { return len(heard()) >= len(want) && slices.Contains(r.texts(), "done") })
			if got := heard(); !slices.Equal(got, want) {
				t.Errorf("heard %q, want %q", got, want)
			}
		})
	}
}

// A member's account that is deactivated is told, found at the start or while it happens.
func TestAccounts(t *testing.T) {
	for _, overHTTP := range []bool{false, true} {
		w := newWorkspace(t, roomsChannel, overHTTP)
		_, left := w.Room()
		_, stays := w.Room()
		w.deleted[string(left)] = true
		r := newRig(t, w)
		for _, u := range []bridge.UserID{left, stays, "UNOBODY"} {
			r.lobby.members = append(r.lobby.members, bridge.Member{Accounts: []bridge.UserRef{{Adapter: "slack", User: u}}})
		}
		r.run()
		has := func(u bridge.UserID, active bool) func() bool {
			return func() bool {
				return slices.ContainsFunc(r.all(), func(e bridge.Event) bool {
					s, ok := e.(bridge.AccountState)
					return ok && s.User == u && s.Active == active
				})
			}
		}
		r.until("the one who left", has(left, false))
		r.until("the one who stays", has(stays, true))
		r.until("the warning", func() bool { return strings.Contains(strings.Join(r.core.Warnings(), "\n"), "no user UNOBODY") })
		w.mu.Lock()
		w.deleted[string(stays)] = true
		w.tell("events_api", obj{"type": "event_callback", "event": obj{"type": "user_change", "event_ts": w.ts(), "user": w.user(string(stays), "x")}})
		w.mu.Unlock()
		r.until("the one who leaves", has(stays, false))
		_ = r.stop()
		w.users["UNOBODY"] = "somebody"
		r.run()
		r.until("no warning", func() bool { return len(r.core.Warnings()) == 0 })
		_ = r.stop()
	}
}

// A room that was opened while the connection was down is caught up with as well.
func TestCatchUpNewRoom(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	w.forgets = true
	_, user := w.Room()
	r := newRig(t, w)
	room, err := r.core.Open(t.Context(), opening(user))
	if err != nil {
		t.Fatal(err)
	}
	ts := r.member(w.channel(room), user, "hello?", "")
	r.run()
	r.wants("hello?")
	r.until("the place is not looked at again from before", func() bool {
		at, _ := r.core.positions.of(string(room))
		return stampOf(at) == ts
	})
	_ = r.stop()
	if kept := r.state.all()[readKey(string(room))]; kept != strconv.Quote(ts) {
		t.Errorf("kept is %s, want %q", kept, ts)
	}
}

// While history is limited by a 429, a place that may have gone on unheard waits, so that the order holds; another one does not.
func TestCatchUpLimited(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	w.forgets = true
	_, user := w.Room()
	other, _ := w.Room()
	r := newRig(t, w)
	room, err := r.core.Open(t.Context(), opening(user))
	if err != nil {
		t.Fatal(err)
	}
	ch := w.channel(room)
	r.member(ch, user, "before", "")
	w.mu.Lock()
	w.busy["conversations.history"] = 1
	w.mu.Unlock()
	r.run()
	r.connected()
	r.member(ch, user, "now", "")
	r.member(w.channel(other), user, "elsewhere", "")
	r.wants("elsewhere")
	if n := w.count("conversations.history"); n > 2 { // one is the card's
		t.Errorf("a method that must rest was called %d times", n)
	}
	w.mu.Lock()
	w.busy["conversations.history"] = 0
	w.mu.Unlock()
	r.wants("elsewhere", "before", "now")
}

// Many places are looked at in haste first, then one in pace. One that is limited, broken or gone stops no other.
func TestCatchUpPaces(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	good, user := w.Room()
	broken, _ := w.Room()
	lost, _ := w.Room()
	r := newRig(t, w)
	for _, room := range []bridge.RoomID{good, broken, "C404"} {
		if err := r.core.positions.begin(t.Context(), string(room), 1); err != nil {
			t.Fatal(err)
		}
	}
	w.broken = w.channel(broken)
	r.member(w.channel(lost), user, "of somebody who was forgotten", "")
	s := quietSession(t)
	s.a, s.in = r.core, r
	for name, c := range map[string]struct {
		stale  []string
		busy   int
		burst  int
		waits  time.Duration
		remain []string
	}{
		"in haste":  {[]string{string(broken), string(good)}, 0, 2, 0, []string{string(broken)}},
		"in pace":   {[]string{string(broken), string(good)}, 0, 1, pace, []string{string(broken)}},
		"gone":      {[]string{string(good), "C404"}, 0, 5, pace, []string{string(good)}},
		"broken":    {[]string{string(good), string(broken)}, 0, 5, pace, []string{string(broken), string(good)}},
		"limited":   {[]string{string(good)}, retrySecs, 5, retrySecs * time.Second, []string{string(good)}},
		"forgotten": {[]string{string(lost)}, 0, 5, 0, []string{}},
		"nothing":   {nil, 0, 5, pace, nil},
	} {
		clear(r.core.rest)
		w.busy["conversations.history"] = c.busy
		s.stale, s.burst = slices.Clone(c.stale), c.burst
		if got := s.catchNext(); got != c.waits || !slices.Equal(s.stale, c.remain) {
			t.Errorf("%s: the next after %s, %q remain; want %s, %q", name, got, s.stale, c.waits, c.remain)
		}
		if c.busy > 0 && s.burst != 0 {
			t.Errorf("%s: haste goes on", name)
		}
	}
	if len(r.texts()) > 0 {
		t.Errorf("heard %q", r.texts())
	}
}

// A look costs what is new: no page more, and no thread in which nothing was said.
func TestCatchUpIsFrugal(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	room, user := w.Room()
	r := newRig(t, w)
	ch := w.channel(room)
	s := quietSession(t)
	s.a, s.in = r.core, r
	var last string
	for range 12 { // on three pages
		last = r.member(ch, user, "x", "")
	}
	reply := r.member(ch, user, "note", last)
	for i, c := range []struct {
		since                  int64
		heard, history, thread int
	}{
		{micros(reply), 0, 1, 0}, {micros(reply) - 1, 1, 1, 1}, {micros(last), 1, 1, 1}, {micros(last) - 1, 2, 1, 1}, {0, 13, 3, 1},
	} {
		r.heard, r.known, w.calls = nil, map[bridge.MsgRef]bool{}, nil
		r.core.positions.heard[string(room)] = c.since
		if err := s.catchUp(string(room)); err != nil {
			t.Fatal(err)
		}
		if at, _ := r.core.positions.of(string(room)); len(r.all()) != c.heard || at != micros(reply) ||
			w.count("conversations.history") != c.history || w.count("conversations.replies") != c.thread {
			t.Errorf("look %d: heard %d up to %d with %v", i, len(r.all()), at, w.calls)
		}
	}
}

// Customers' threads are places of their own, and are not read once more with the chat that they stand in.
func TestCatchUpOfChat(t *testing.T) {
	w := newWorkspace(t, roomsThread, false)
	room, user := w.Room()
	r := newRig(t, w)
	ch := w.channel(room)
	_, root := split(string(room))
	r.member(ch, user, "to the customer", root)
	r.member(ch, user, "to the app", r.member(ch, user, "help", ""))
	s := quietSession(t)
	s.a, s.in = r.core, r
	for _, place := range []string{ch.id, string(room)} {
		if err := r.core.positions.begin(t.Context(), place, micros(root)); err != nil {
			t.Fatal(err)
		}
	}
	for place, want := range map[string][]string{ch.id: {"help", "to the app"}, string(room): {"to the customer"}} {
		r.heard = nil
		if err := s.catchUp(place); err != nil || !slices.Equal(r.texts(), want) {
			t.Errorf("%s: %v, heard %q, want %q", place, err, r.texts(), want)
		}
	}
}

// Of what is missing only the newest is asked for, and nothing of what was taken back before; another's room is left alone.
func TestCatchUpAsksLittle(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	_, user := w.Room()
	r := newRig(t, w)
	room, err := r.core.Open(t.Context(), opening(user))
	if err != nil {
		t.Fatal(err)
	}
	s := quietSession(t)
	s.a, s.in = r.core, r
	var want []string
	for i := range mostAskedFor + 2 {
		id := w.ts()
		r.lobby.lines = append(r.lobby.lines, bridge.Line{Msg: bridge.MsgID(id), Mine: true, Recalled: i == mostAskedFor})
		if i > 0 && i != mostAskedFor {
			want = append(want, id)
		}
	}
	r.lobby.foreign = true
	for _, n := range []int{0, mostAskedFor} {
		if err := s.compare(string(room), &sight{}); err != nil || len(r.all()) != n {
			t.Fatalf("%v: heard %+v, want %d deletions", err, r.all(), n)
		}
		r.lobby.foreign = false
	}
	for i, e := range r.all() {
		if d, ok := e.(bridge.Deleted); !ok || string(d.Msg) != want[len(want)-1-i] || d.Room != room {
			t.Errorf("heard %+v", e)
		}
	}
}

// Of several who reacted alike it is the owner whose reaction the customer sees.
func TestReactionOfOwner(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	r := newRig(t, w)
	s := quietSession(t)
	s.a, s.in = r.core, r
	for _, users := range [][]string{{"U1", "U2"}, {"U2", "U1"}, {"U1", botUser}, {botUser, "U1"}} {
		r.heard = nil
		m := &message{Reactions: []reaction{{Name: "heart", Users: users}, {Name: "the_workspaces_own", Users: users}}}
		if err := s.compareReactions("C1", "U1", &bridge.Line{Msg: "1.000002"}, m); err != nil {
			t.Fatal(err)
		}
		if e, ok := last[bridge.Reacted](r); !ok || len(r.all()) != 1 || e.User != "U1" || e.Emoji != "❤️" {
			t.Errorf("of %q: %+v", users, r.all())
		}
	}
}

// What was sent is found, though more was said since, and in a thread that is longer than a search.
func TestFindAmongMany(t *testing.T) {
	for _, rooms := range []string{roomsChannel, roomsThread} {
		w := newWorkspace(t, rooms, false)
		room, user := w.Room()
		r := newRig(t, w)
		_, thread := split(string(room))
		ch := w.channel(room)
		const many = 60 // the workspace gives five at a time
		old := time.Now().Add(-findSince - time.Hour).UnixMicro()
		for i := range int64(many) {
			ch.msgs = append(ch.msgs, obj{"type": "message", "user": string(user), "text": "old", "ts": stampOf(old + i), "thread_ts": thread})
		}
		ids, err := r.a.Send(t.Context(), room, bridge.Draft{Key: "k", Text: "new"})
		if err != nil {
			t.Fatal(err)
		}
		for range 7 {
			r.member(ch, user, "newer", thread)
		}
		for key, want := range map[string][]bridge.MsgID{"k": ids, "another": nil} {
			if found, err := r.core.Find(t.Context(), room, key); err != nil || !slices.Equal(found, want) {
				t.Errorf("%s: %s: found %q, want %q: %v", rooms, key, found, want, err)
			}
		}
	}
}

// A place whose history cannot be read keeps no other from being caught up with.
func TestCatchUpGoesOn(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	w.forgets = true
	_, user := w.Room()
	r := newRig(t, w)
	o := opening(user)
	one, err := r.core.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Key = "l2"
	two, err := r.core.Open(t.Context(), o) // the newer one is looked at first
	if err != nil {
		t.Fatal(err)
	}
	r.member(w.channel(one), user, "hello", "")
	w.mu.Lock()
	w.broken = w.channels[string(two)]
	w.mu.Unlock()
	r.run()
	r.wants("hello")
}
