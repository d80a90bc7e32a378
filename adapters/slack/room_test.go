package slack

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// Whatever step fails, and if the process dies there, the next try goes on in the same room.
func TestOpenIsIdempotent(t *testing.T) {
	for name, c := range map[string]struct {
		rooms string
		title string
		latin bool
		want  string
	}{
		"channel":               {roomsChannel, "王小明", false, "王小明-l1abc"},
		"channel, Latin only":   {roomsChannel, "王小明", true, "hutong-l1abc"},
		"channel, no name":      {roomsChannel, "😀!", false, "hutong-l1abc"},
		"channel, a long title": {roomsChannel, strings.Repeat("王", 100), false, strings.Repeat("王", 67) + "-l1abc"},
		"thread":                {roomsThread, "王小明", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkspace(t, c.rooms, false)
			w.latin = c.latin
			_, user := w.Room()
			r := newRig(t, w)
			o := opening(user)
			o.Title = c.title
			rooms := map[bridge.RoomID]bool{}
			steps := []string{"chat.postMessage", "pins.add", ""}
			if c.rooms == roomsChannel {
				steps = append([]string{"conversations.create", "conversations.invite", "conversations.setTopic"}, steps...)
			}
			for _, step := range steps {
				w.refuse[step] = "internal_error"
				room, err := r.a.(bridge.Opener).Open(t.Context(), o)
				if bridge.Judge(err).Verdict > bridge.VerdictRetry || (err == nil) != (step == "") {
					t.Fatalf("%s: %v", step, err)
				}
				rooms[room] = true
				delete(w.refuse, step)
				r.open()
			}
			delete(rooms, "")
			again, err := r.core.Open(t.Context(), o)
			if rooms[again] = true; err != nil {
				t.Fatal(err)
			}
			if len(rooms) != 1 {
				t.Fatalf("one link has the rooms %v", rooms)
			}
			for room := range rooms {
				ch := w.channel(room)
				if ch.name != c.want {
					t.Errorf("called %q, want %q", ch.name, c.want)
				}
				const topics = 2 // once more because the card could not be posted
				if c.rooms == roomsChannel && (ch.topics > topics || !slices.Contains(ch.members, string(user))) {
					t.Errorf("the topic was set %d times; members %v", ch.topics, ch.members)
				}
				if len(ch.pins) != 1 || strings.Contains(strings.Join(w.lines(ch), "\n"), "<!") {
					t.Errorf("pins %v, lines %q", ch.pins, w.lines(ch))
				}
			}
		})
	}
}

// A workspace that takes none of the names says so, once.
func TestNoNameIsTaken(t *testing.T) {
	for code, calls := range map[string]int{"invalid_name": 2, "name_taken": 50, "restricted_action": 1} {
		w := newWorkspace(t, roomsChannel, false)
		_, user := w.Room()
		r := newRig(t, w)
		w.refuse["conversations.create"] = code
		if _, err := r.core.Open(t.Context(), opening(user)); bridge.Judge(err).Verdict != bridge.VerdictPermanent || w.count("conversations.create") != calls {
			t.Errorf("%s: %v after %d calls, want %d", code, err, w.count("conversations.create"), calls)
		}
	}
}

// The card is changed in place, members are brought in, and a Home that was looked at follows. The same again calls nothing.
func TestUpdate(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	_, user := w.Room()
	_, boss := w.Room()
	r := newRig(t, w)
	r.lobby.language = "zh"
	o := opening(user)
	room, err := r.core.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ch := w.channel(room)
	update := func(calls int) {
		t.Helper()
		before := len(w.calls)
		if err := r.core.Update(t.Context(), room, o); err != nil || len(w.calls)-before != calls {
			t.Fatalf("%v; calls %v, want %d", err, w.calls[before:], calls)
		}
	}
	update(0)
	o.Label.Text, o.Remark, o.Tags, o.Hello = "王小明 · 老客户", "喜欢 <!here>\n茶", []string{"vip", "广交会"}, "我想询价"
	o.Since, o.Window = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC), "微信 · 还可发 2/5 条 · 至 11-24 08:12"
	o.Members = append(o.Members, boss)
	update(2) // chat.update and conversations.invite
	update(0)
	if got := w.View(room).Board; got != "*王小明 · 老客户*\n备注：喜欢 <!here> 茶\n标签：vip, 广交会\n申请附言：我想询价\n认识于：2026-11-01\n"+
		"微信 · 还可发 2/5 条 · 至 11-24 08:12\n在这里直接发言，客户会收到。消息列（thread）中的回复是内部备注，客户看不到。" {
		t.Errorf("the card: %q", got)
	}
	if len(w.lines(ch)) != 1 || len(ch.pins) != 1 || ch.topics != 1 || !slices.Contains(ch.members, string(boss)) || len(w.shouted) > 0 {
		t.Errorf("lines %q, pins %v, topic set %d times, members %v, shouted %q", w.lines(ch), ch.pins, ch.topics, ch.members, w.shouted)
	}
	r.core.showHome(t.Context(), user)
	r.lobby.rooms = []bridge.RoomView{{Room: room, State: bridge.LinkActive, Other: o.Label, Window: "还可发 1/5 条"}}
	o.Window = "还可发 1/5 条"
	update(2) // chat.update and views.publish
	if !strings.Contains(w.views[string(user)], "还可发 1/5 条") {
		t.Errorf("the home: %s", w.views[string(user)])
	}
	w.mu.Lock()
	w.remove(ch, ch.pins[0]) // somebody deletes the card
	ch.pins = nil
	w.mu.Unlock()
	o.Remark = "new"
	if err := r.core.Update(t.Context(), room, o); err != nil || len(ch.pins) != 1 || ch.topics != 1 || !strings.Contains(w.View(room).Board, "new") {
		t.Errorf("%v: pins %v, topic set %d times, %q", err, ch.pins, ch.topics, w.View(room).Board)
	}
	ch.members = []string{botUser}
	if _, err := r.core.Open(t.Context(), o); err != nil || len(ch.members) != 3 {
		t.Errorf("who has left is not back: %v, %v", ch.members, err)
	}
	o.Key, o.Label.Text = "l2", strings.Repeat("&", 300)
	if _, err := r.core.Open(t.Context(), o); err != nil {
		t.Errorf("a long label: %v", err)
	}
	if err := r.core.Update(t.Context(), "C999", o); err != nil {
		t.Errorf("a room that the adapter did not open: %v", err)
	}
}

// A thread stands in its owner's chat with the app; another owner gets it there, and for the gateway the room stays.
func TestThreadFollowsOwner(t *testing.T) {
	w := newWorkspace(t, roomsThread, false)
	_, user := w.Room()
	_, next := w.Room()
	r := newRig(t, w)
	r.run()
	r.connected()
	o := opening(user)
	room, err := r.core.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Members = []bridge.UserID{next}
	if err := r.core.Update(t.Context(), room, o); err != nil {
		t.Fatal(err)
	}
	if err := r.send(room, "hello"); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	ch := w.direct(string(next))
	root, _ := ch.msgs[len(ch.msgs)-1]["thread_ts"].(string)
	text := ch.msgs[len(ch.msgs)-1]["text"]
	w.mu.Unlock()
	if text != "<@"+string(next)+"> hello" || root == "" {
		t.Fatalf("they see %q under %q", text, root)
	}
	r.member(ch, next, "hi", root)
	r.wants("hi")
	if e := r.said("hi"); e.Room != room {
		t.Errorf("heard in %q, want %q", e.Room, room)
	}
	o.Members, o.Remark = []bridge.UserID{user}, "came back"
	if err := r.core.Update(t.Context(), room, o); err != nil || r.record(room).Place != string(room) {
		t.Fatalf("%v: back with the first owner the thread is %q, want %q", err, r.record(room).Place, room)
	}
	if got := w.View(room).Board; !strings.Contains(got, "came back") {
		t.Errorf("the card is an old one: %q", got)
	}
}

// A method that is limited is not called before its time, whatever the room; the others are.
func TestMethodRests(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	one, user := w.Room()
	two, _ := w.Room()
	r := newRig(t, w)
	w.busy["reactions.add"] = retrySecs
	for _, room := range []bridge.RoomID{one, two, one} {
		err := r.core.React(t.Context(), room, "1.000001", "👍", true)
		if j := bridge.Judge(err); j.Verdict != bridge.VerdictWait || j.Account || j.Wait < (retrySecs-1)*time.Second || j.Wait > retrySecs*time.Second {
			t.Errorf("%+v: %v", j, err)
		}
	}
	if n := w.count("reactions.add"); n != 1 {
		t.Errorf("called %d times", n)
	}
	if err := r.send(two, "x"); err != nil {
		t.Error(err)
	}
	if err := r.core.Hint(t.Context(), one, user, bridge.Ask{Text: "x"}); err != nil {
		t.Error(err)
	}
}

// A channel that was archived gets a successor; for the gateway the room stays what it was.
func TestArchivedChannel(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	_, user := w.Room()
	r := newRig(t, w)
	r.run()
	r.connected()
	room, err := r.core.Open(t.Context(), opening(user))
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{"one", "two", "three"} {
		if i > 0 {
			w.mu.Lock()
			for _, c := range w.channels {
				c.archived = true
			}
			w.mu.Unlock()
		}
		if err := r.send(room, text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	next := w.named("王小明-l1abc-3")
	if next == nil || !slices.Contains(next.members, string(user)) {
		t.Fatalf("no successor: %+v", next)
	}
	lines := w.lines(next)
	if len(lines) != 2 || !strings.Contains(lines[0], "<#"+w.named("王小明-l1abc-2").id+">") || lines[1] != "three" {
		t.Errorf("the successor shows %q", lines)
	}
	r.member(next, user, "to the customer", "")
	r.wants("to the customer")
	if e := r.said("to the customer"); e.Room != room {
		t.Errorf("heard in %q, want %q", e.Room, room)
	}
	if again, err := r.core.Open(t.Context(), opening(user)); err != nil || again != room {
		t.Errorf("opened again: %q, %v", again, err)
	}
}

func (w *workspace) named(name string) *channel {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.channels {
		if c.name == name {
			return c
		}
	}
	return nil
}

// A thread whose root was deleted begins anew; for the gateway the room stays what it was.
func TestThreadIsGone(t *testing.T) {
	w := newWorkspace(t, roomsThread, false)
	_, user := w.Room()
	r := newRig(t, w)
	room, err := r.core.Open(t.Context(), opening(user))
	if err != nil {
		t.Fatal(err)
	}
	channel, root := split(string(room))
	w.mu.Lock()
	w.remove(w.channels[channel], root)
	w.mu.Unlock()
	if err := r.send(room, "hello"); err != nil {
		t.Fatal(err)
	}
	next := r.record(room)
	if got := w.View(bridge.RoomID(next.Place)).Lines; next.Place == string(room) || next.After != "" || len(got) != 1 || got[0].Text != "hello" {
		t.Errorf("%+v shows %+v", next, got)
	}
}

// Open of a room whose channel was archived leads to its successor, too.
func TestOpenArchived(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	_, user := w.Room()
	r := newRig(t, w)
	room, err := r.core.Open(t.Context(), opening(user))
	if err != nil {
		t.Fatal(err)
	}
	w.channel(room).archived = true
	if again, err := r.core.Open(t.Context(), opening(user)); err != nil || again != room {
		t.Fatalf("%q, %v", again, err)
	}
	if err := r.send(room, "hello"); err != nil {
		t.Error(err)
	}
	if c := w.named("王小明-l1abc-2"); c == nil || !slices.Contains(w.lines(c), "hello") {
		t.Errorf("the successor: %+v", c)
	}
}

// A successor that could not be furnished at once is furnished before anything is said in it; there is no second one.
func TestInterruptedSuccessor(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	_, user := w.Room()
	r := newRig(t, w)
	room, err := r.core.Open(t.Context(), opening(user))
	if err != nil {
		t.Fatal(err)
	}
	w.channel(room).archived = true
	w.refuse["conversations.invite"] = "internal_error"
	for range 2 {
		if err := r.send(room, "hello"); bridge.Judge(err).Verdict != bridge.VerdictRetry {
			t.Errorf("%v", err)
		}
	}
	delete(w.refuse, "conversations.invite")
	if err := r.send(room, "hello"); err != nil {
		t.Fatal(err)
	}
	next := w.named("王小明-l1abc-2")
	if next == nil || !slices.Contains(next.members, string(user)) || len(w.lines(next)) != 2 || w.named("王小明-l1abc-3") != nil {
		t.Errorf("the successor: %+v", next)
	}
}

// What cannot be said because the app was removed waits, and arrives once it is back.
func TestRemovedFromChannel(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	_, user := w.Room()
	r := newRig(t, w)
	room, err := r.core.Open(t.Context(), opening(user))
	if err != nil {
		t.Fatal(err)
	}
	ch := w.channel(room)
	ch.members = []string{string(user)}
	err = r.send(room, "hello")
	if j := bridge.Judge(err); j.Verdict != bridge.VerdictWait || j.Account || !strings.Contains(err.Error(), "invite it again") {
		t.Fatalf("%+v: %v", j, err)
	}
	ch.members = append(ch.members, botUser)
	if err := r.send(room, "hello"); err != nil {
		t.Fatal(err)
	}
	if lines := w.lines(ch); lines[len(lines)-1] != "hello" {
		t.Errorf("%q", lines)
	}
}

func TestVerdicts(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	room, _ := w.Room()
	r := newRig(t, w)
	for code, want := range map[string]bridge.Verdict{
		"invalid_auth": bridge.VerdictLogin, "token_revoked": bridge.VerdictLogin, "account_inactive": bridge.VerdictLogin,
		"missing_scope": bridge.VerdictLogin, "ratelimited": bridge.VerdictWait, "internal_error": bridge.VerdictUnsure,
		"fatal_error": bridge.VerdictUnsure, "request_timeout": bridge.VerdictUnsure, "service_unavailable": bridge.VerdictRetry,
		"team_added_to_org": bridge.VerdictRetry, "message_limit_exceeded": bridge.VerdictWait, "msg_too_long": bridge.VerdictPermanent,
		"channel_not_found": bridge.VerdictPermanent, "is_archived": bridge.VerdictPermanent, "new_code": bridge.VerdictPermanent,
	} {
		w.mu.Lock()
		w.refuse["chat.postMessage"] = code
		w.mu.Unlock()
		err := r.send(room, "x")
		if got := bridge.Judge(err).Verdict; got != want || !strings.Contains(err.Error(), code) {
			t.Errorf("%s: verdict %d (%v), want %d", code, got, err, want)
		}
	}
	delete(w.refuse, "chat.postMessage")
	w.busy["chat.postMessage"] = retrySecs
	if j := bridge.Judge(r.send(room, "x")); j.Verdict != bridge.VerdictWait || j.Wait != retrySecs*time.Second || j.Account {
		t.Errorf("a 429 delays one room: %+v", j)
	}
	if _, err := r.core.Find(t.Context(), room, "k"); err != nil {
		t.Errorf("a 429 of one method is none of another: %v", err)
	}
}

// An answer that cannot be understood leaves open whether the message arrived; what may be done twice is just tried again.
func TestStrangeAnswers(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	room, _ := w.Room()
	r := newRig(t, w)
	for _, answer := range []string{"", "null", "{}", `{"ok":false}`, "<html>", `{"ok":true}`} {
		w.answers["chat.postMessage"], w.answers["reactions.add"] = answer, answer
		if err := r.send(room, "x"); bridge.Judge(err).Verdict != bridge.VerdictUnsure {
			t.Errorf("%q to a message: %v", answer, err)
		}
		err := r.core.React(t.Context(), room, "1.000001", "👍", true)
		if fine := answer == `{"ok":true}`; fine != (err == nil) || !fine && bridge.Judge(err).Verdict != bridge.VerdictRetry {
			t.Errorf("%q to a reaction: %v", answer, err)
		}
	}
}

func TestSlug(t *testing.T) {
	for in, want := range map[string]string{
		"王小明": "王小明", "Jane  O'Neil": "jane-o-neil", "  ": "", "ÀB_c": "àb_c", "--a--": "a", "a😀b": "a-b",
		strings.Repeat("x", 100): strings.Repeat("x", 30), "../../etc": "etc", "<!channel>": "channel",
	} {
		if got := slug(in, 30); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
