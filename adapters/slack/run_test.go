package slack

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// silently is a message of which Slack never tells.
func (r *rig) silently(c *channel, user bridge.UserID, text string) string {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	ts := r.w.ts()
	c.msgs = append(c.msgs, obj{"type": "message", "user": string(user), "text": text, "ts": ts})
	return ts
}

// Before the first message of a place that may have gone on unheard comes what was not heard, or the message waits too.
func TestMessageOfStalePlace(t *testing.T) {
	for name, c := range map[string]struct {
		fails error  // of the gateway
		busy  int    // of Slack
		place string // "" is the one where something was missed
		heard []string
		stale bool
	}{
		"in order":                 {heard: []string{"one", "two"}},
		"Slack is busy":            {busy: retrySecs, stale: true},
		"the gateway stores none":  {fails: errBroken, stale: true},
		"the channel is not there": {place: "C404", heard: []string{"two"}},
	} {
		w := newWorkspace(t, roomsChannel, true)
		room, user := w.Room()
		r := newRig(t, w)
		place := c.place
		if place == "" {
			place = string(room)
		}
		before := r.silently(w.channel(room), user, "zero")
		if err := r.core.positions.begin(t.Context(), place, micros(before)); err != nil {
			t.Fatal(err)
		}
		r.silently(w.channel(room), user, "one")
		s := quietSession(t)
		s.a, s.in, s.stale, r.fails, w.busy["conversations.history"] = r.core, r, []string{place}, c.fails, c.busy
		e := &event{message: message{Type: "message", User: string(user), Text: "two", TS: w.ts()}, Channel: place}
		if err := s.event(e); !errors.Is(err, c.fails) || (err == nil) != (c.fails == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.fails)
		}
		want := before
		if len(c.heard) > 0 {
			want = e.TS
		}
		if at, _ := r.core.positions.of(place); !slices.Equal(r.texts(), c.heard) || slices.Contains(s.stale, place) != c.stale || stampOf(at) != want {
			t.Errorf("%s: heard %q up to %s, want %s; still to be looked at: %q", name, r.texts(), stampOf(at), want, s.stale)
		}
	}
}

// A place is known durably before its first message is heard; if that cannot be stored, it is looked for where Slack does
// not bring it until it is.
func TestFirstMessageOfPlace(t *testing.T) {
	for _, overHTTP := range []bool{false, true} {
		w := newWorkspace(t, roomsChannel, overHTTP)
		r := newRig(t, w)
		s := quietSession(t)
		s.a, s.in, r.fails = r.core, r, errBroken
		e := &event{message: message{Type: "message", User: "U1", Text: "x", TS: "1700000000.000100"}, Channel: "C1"}
		if err := s.event(e); !errors.Is(err, errBroken) {
			t.Errorf("%v", err)
		}
		if kept := r.state.all()[readKey("C1")]; kept != `"1700000000.000099"` || slices.Contains(s.stale, "C1") != overHTTP {
			t.Errorf("kept %s, stale %q", kept, s.stale)
		}
		note := &event{message: message{Type: "message", User: "U1", Text: "x", TS: "1700000000.000300", ThreadTS: "1.1"}, Channel: "C2"}
		if _ = s.event(note); r.state.all()[readKey("C2")] != "" {
			t.Error("a note begins a place")
		}
	}
}

// An edit is no sign that everything before it was heard.
func TestPositionAfterEdit(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	r := newRig(t, w)
	s := quietSession(t)
	s.a, s.in = r.core, r
	first := message{Type: "message", User: "U1", Text: "x", TS: "1700000000.000100"}
	edited := first
	edited.Text = "y"
	for _, e := range []*event{
		{message: first, Channel: "C1"},
		{message: message{Type: "message", SubType: "message_changed", TS: "1700000000.000900"}, Channel: "C1", Now: &edited, Before: &first},
		{message: message{Type: "message", SubType: "message_deleted", TS: "1700000000.000950"}, Channel: "C1", Before: &edited, DeletedTS: first.TS},
	} {
		if err := s.event(e); err != nil {
			t.Fatal(err)
		}
		if at, _ := r.core.positions.of("C1"); stampOf(at) != first.TS {
			t.Errorf("after %q the position is %s", e.SubType, stampOf(at))
		}
	}
	if n := len(r.all()); n != 3 {
		t.Errorf("heard %d events", n)
	}
}

// Over HTTP a lost call is noticed when Slack repeats another, or else within the hour.
func TestLostCalls(t *testing.T) {
	w := newWorkspace(t, roomsChannel, true)
	room, user := w.Room()
	r := newRig(t, w)
	r.run()
	ts := r.member(w.channel(room), user, "heard", "")
	r.wants("heard")
	r.until("the position is kept", func() bool { return r.state.all()[readKey(string(room))] == strconv.Quote(ts) })
	r.silently(w.channel(room), user, "lost")
	hook := r.a.(bridge.Hooked).Hook()
	again := []byte(`{"type":"event_callback","event":{"type":"reaction_added","user":"U9","reaction":"+1","item":{"type":"message","channel":"C9","ts":"1.2"}}}`)
	now := time.Now()
	req := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(again))
	req.Header.Set("X-Slack-Request-Timestamp", stampSec(now))
	req.Header.Set("X-Slack-Signature", signature(signing, stampSec(now), again))
	req.Header.Set("X-Slack-Retry-Num", "1")
	rec := httptest.NewRecorder()
	if hook.ServeHTTP(rec, req); rec.Code != http.StatusOK {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	r.wants("heard", "lost")
	r.silently(w.channel(room), user, "lost again")
	r.later.Store(int64(sweepEvery + time.Minute))
	r.wants("heard", "lost", "lost again")
}

// Users are called by the names that they have chosen; who is not in memory any more is asked for again.
func TestNames(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	_, user := w.Room()
	s := quietSession(t)
	s.a = newRig(t, w).core
	for i := range 10_000 {
		s.names[fmt.Sprint("U", i)] = "somebody"
	}
	chosen := account{ID: "UA", RealName: "Li Lei"}
	chosen.Profile.DisplayName = "lilei"
	for _, u := range []account{chosen, {ID: "UB", RealName: "Han Meimei"}, {RealName: "nobody"}} {
		if err := s.account(&u); err != nil {
			t.Error(err)
		}
	}
	if len(s.names) != 2 {
		t.Errorf("%d names are remembered", len(s.names))
	}
	for id, want := range map[string]string{"UA": "lilei", "UB": "Han Meimei", string(user): "user " + string(user), "UNOBODY": "…"} {
		if got := s.name(id); got != want {
			t.Errorf("%s is called %q, want %q", id, got, want)
		}
	}
}
