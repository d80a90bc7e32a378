package slack

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	slackapi "github.com/slack-go/slack"
	"github.com/slack-go/slack/slacktest"

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
	r.member(w.channel(room), user, "hello?", "")
	r.run()
	r.wants("hello?")
}

// While history is limited by a 429, what is said now is heard, and what was said before comes later.
func TestCatchUpLimited(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	w.forgets = true
	_, user := w.Room()
	r := newRig(t, w)
	room, err := r.core.Open(t.Context(), opening(user))
	if err != nil {
		t.Fatal(err)
	}
	ch := w.channel(room)
	r.member(ch, user, "before", "")
	w.mu.Lock()
	w.busy["conversations.history"] = true
	w.mu.Unlock()
	r.run()
	r.connected()
	r.member(ch, user, "now", "")
	r.wants("now")
	w.mu.Lock()
	w.busy["conversations.history"] = false
	w.mu.Unlock()
	r.member(ch, user, "then", "")
	r.until("what was said before", func() bool { return slices.Contains(r.texts(), "before") && slices.Contains(r.texts(), "then") })
}

func TestOwnAndAlien(t *testing.T) {
	s := &session{a: &adapter{env: bridge.Env{State: newMemory()}, emoji: readEmojis()}, me: &slackapi.AuthTestResponse{UserID: botUser, BotID: botID}}
	for name, c := range map[string]struct {
		json       string
		own, heard bool
	}{
		"a member":                     {`{"user":"U1","text":"x","ts":"1.2"}`, false, true},
		"our user, no bot_id":          {`{"user":"UBOT","text":"x","ts":"1.2"}`, true, true},
		"our bot_id, no user":          {`{"bot_id":"BBOT","subtype":"bot_message","text":"x","ts":"1.2"}`, true, true},
		"only our metadata":            {`{"user":"U2","text":"x","ts":"1.2","metadata":{"event_type":"hutong","event_payload":{"key":"k"}}}`, true, true},
		"another app":                  {`{"user":"U3","bot_id":"BOTHER","text":"x","ts":"1.2"}`, false, false},
		"another app's metadata":       {`{"user":"U3","bot_id":"B2","text":"x","ts":"1.2","metadata":{"event_type":"other","event_payload":{"key":"k"}}}`, false, false},
		"an old integration":           {`{"subtype":"bot_message","username":"x","text":"x","ts":"1.2"}`, false, false},
		"Slackbot":                     {`{"user":"USLACKBOT","text":"x","ts":"1.2"}`, false, false},
		"somebody joined":              {`{"user":"U1","subtype":"channel_join","text":"x","ts":"1.2"}`, false, false},
		"a topic":                      {`{"user":"U1","subtype":"channel_topic","text":"x","ts":"1.2"}`, false, false},
		"a note shown in the channel":  {`{"user":"U1","subtype":"thread_broadcast","thread_ts":"1.1","text":"x","ts":"1.2"}`, false, true},
		"nothing at all":               {`{"user":"U1","ts":"1.2"}`, false, false},
		"metadata of a strange shape":  {`{"user":"U1","text":"x","ts":"1.2","metadata":{"event_type":"hutong","event_payload":{"key":7}}}`, false, true},
		"a root that has a thread now": {`{"user":"U1","text":"x","ts":"1.2","thread_ts":"1.2"}`, false, true},
	} {
		var m message
		if err := lenient([]byte(c.json), &m); err != nil {
			t.Fatal(err)
		}
		e, err := s.message(t.Context(), "C1", &m)
		got, ok := e.(bridge.MessageEvent)
		if err != nil || ok != c.heard || got.Own != c.own {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
		if note := strings.Contains(name, "note"); ok && note != (got.Thread != "") {
			t.Errorf("%s: note %q", name, got.Thread)
		}
	}
}

// Slack tells of previews and replies as of edits; only another text is one.
func TestChangedWithoutAnotherText(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	room, user := w.Room()
	ch := w.channel(room)
	r := newRig(t, w)
	r.run()
	r.connected()
	id := r.member(ch, user, "same", "")
	w.mu.Lock()
	w.change(ch, ch.find(id), "same", nil)
	w.change(ch, ch.find(id), "other", nil)
	w.mu.Unlock()
	r.wants("same", "~other")
}

func TestCommandsAndShortcuts(t *testing.T) {
	for _, overHTTP := range []bool{false, true} {
		w := newWorkspace(t, roomsChannel, overHTTP)
		room, user := w.Room()
		ch := w.channel(room)
		r := newRig(t, w)
		r.run()
		w.mu.Lock()
		for _, text := range []string{"to 李雷", "", "/who"} {
			w.tell("slash_commands", obj{
				"command": "/hutong", "text": text, "user_id": string(user), "channel_id": ch.id, "trigger_id": w.id("t"), "is_enterprise_install": "false",
			})
		}
		w.mu.Unlock()
		r.wants("/to 李雷", "/help", "/who")
		root := r.member(ch, user, "root", "")
		note := r.member(ch, user, "was meant for the *customer*", root)
		r.until("the note", func() bool { return len(r.texts()) == 5 })
		for by, word := range map[string]string{"UOTHER": "send", string(user): "send"} {
			w.mu.Lock()
			w.tell("interactive", obj{
				"type": "message_action", "callback_id": word, "user": obj{"id": by}, "channel": obj{"id": ch.id}, "trigger_id": w.id("t"),
				"message": ch.find(note), "action_ts": w.ts(),
			})
			w.mu.Unlock()
		}
		r.wants("/to 李雷", "/help", "/who", "root", "(was meant for the **customer**)", "was meant for the **customer**")
		last, _ := r.all()[len(r.all())-1].(bridge.MessageEvent)
		if err := r.core.Mark(t.Context(), last.Room, last.Msg, bridge.Fate{State: bridge.StateSent}); err != nil {
			t.Errorf("its fate is shown on the note: %v", err)
		}
		_ = r.stop()
	}
}

func TestForgedButton(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	room, user := w.Room()
	ch := w.channel(room)
	r := newRig(t, w)
	r.run()
	r.connected()
	ids, err := r.core.Ask(t.Context(), room, "k", bridge.Ask{ID: "link:l1", Text: "?", Choices: []bridge.Choice{{ID: "accept", Label: "Accept"}}})
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	m := ch.find(string(ids[0]))
	b := buttons(m["blocks"])[0]
	for _, forged := range []string{
		strings.Replace(b.Value, "link:l1", "link:l2", 1), strings.Replace(b.Value, `"accept"`, `"decline"`, 1),
		strings.Replace(b.Value, ch.id, "C999999", 1), `{"Ask":"link:l1","Choice":"accept"}`, "nonsense", "",
	} {
		w.pressed(ch, m, string(user), button{ActionID: "x", Value: forged, Text: b.Text})
	}
	w.pressed(ch, m, string(user), b)
	w.mu.Unlock()
	r.until("the answer", func() bool { return slices.ContainsFunc(r.all(), isAnswer) })
	for _, e := range r.all() {
		if a, ok := e.(bridge.Answered); ok && (a.Ask != "link:l1" || a.Choice != "accept" || a.Room != room) {
			t.Errorf("a forged button was heard: %+v", a)
		}
	}
	r.until("the buttons are gone", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(buttons(ch.find(string(ids[0]))["blocks"])) == 0 && strings.Contains(ch.find(string(ids[0]))["text"].(string), "<@"+string(user)+">")
	})
}

func isAnswer(e bridge.Event) bool { _, ok := e.(bridge.Answered); return ok }

func TestAppHome(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	_, user := w.Room()
	r := newRig(t, w)
	r.lobby.rooms = []bridge.RoomView{
		{Room: "C7", State: bridge.LinkAsked, Other: bridge.Label{Text: "李娜 <!here>"}, AskID: "link:l7"},
		{Room: "C8", State: bridge.LinkActive, Other: bridge.Label{Text: "王小明 · 微信联系人"}, Remark: "VIP & more", Last: &bridge.Line{Text: "Good morning"}},
	}
	r.run()
	r.connected()
	w.mu.Lock()
	w.tell("events_api", obj{"type": "event_callback", "event": obj{"type": "app_home_opened", "user": string(user), "tab": "home"}})
	w.mu.Unlock()
	var view string
	r.until("the home", func() bool { w.mu.Lock(); defer w.mu.Unlock(); view = w.views[string(user)]; return view != "" })
	var v struct {
		Type   string
		Blocks []struct {
			Type     string
			Text     struct{ Text string }
			Elements []button
		}
	}
	if err := json.Unmarshal([]byte(view), &v); err != nil || v.Type != "home" || len(v.Blocks) != 5 {
		t.Fatalf("%v: %s", err, view)
	}
	if strings.Contains(view, "<!here>") || v.Blocks[1].Text.Text != "*李娜 &lt;!here&gt;* <#C7>" ||
		v.Blocks[4].Text.Text != "*王小明 · 微信联系人* (VIP &amp; more) <#C8>\nGood morning" {
		t.Errorf("%+v", v.Blocks)
	}
	w.mu.Lock()
	w.tell("interactive", obj{
		"type": "block_actions", "user": obj{"id": string(user)}, "container": obj{"type": "view", "view_id": "V1"}, "trigger_id": "t",
		"actions": []obj{{"type": "button", "block_id": "b", "action_id": "x", "value": v.Blocks[2].Elements[0].Value, "action_ts": w.ts()}},
	})
	w.mu.Unlock()
	r.until("the answer", func() bool {
		return slices.ContainsFunc(r.all(), func(e bridge.Event) bool {
			a, ok := e.(bridge.Answered)
			return ok && a.Room == "C7" && a.Ask == "link:l7" && a.Choice == "accept" && a.User == user
		})
	})
	r.until("the home anew", func() bool { return w.count("views.publish") == 2 })
}

// An uninstalled app ends Run with the verdict that asks for a person.
func TestUninstalled(t *testing.T) {
	for _, overHTTP := range []bool{false, true} {
		w := newWorkspace(t, roomsChannel, overHTTP)
		r := newRig(t, w)
		w.Attach(r.a)
		ended := make(chan error, 1)
		go func() { ended <- r.a.Run(t.Context(), r) }()
		w.mu.Lock()
		w.tell("events_api", obj{"type": "event_callback", "event": obj{"type": "tokens_revoked", "tokens": obj{"bot": []string{"UBOT"}}}})
		w.mu.Unlock()
		select {
		case err := <-ended:
			if bridge.Judge(err).Verdict != bridge.VerdictLogin {
				t.Errorf("%v", err)
			}
		case <-time.After(5 * time.Second):
			t.Error("Run goes on")
		}
		w.Attach(nil)
	}
}

// The library's own test server, which nobody here wrote, speaks Socket Mode.
func TestAgainstSlacktest(t *testing.T) {
	srv := slacktest.NewTestServer()
	srv.Start()
	defer srv.Stop()
	w := newWorkspace(t, roomsChannel, false)
	r := newRig(t, w)
	cfg := &Config{BotToken: bridge.MakeSecret(botToken), AppToken: bridge.MakeSecret(appToken), Rooms: roomsChannel, APIURL: srv.GetAPIURL()}
	r.openWith(cfg)
	r.run()
	r.until("the event", func() bool {
		srv.SendToWebsocket(`{"type":"events_api","envelope_id":"e1","payload":{"type":"event_callback","event":` +
			`{"type":"message","channel":"C1","user":"U1","text":"pushed &amp; heard","ts":"1700000000.000100"}}}`)
		<-time.After(20 * time.Millisecond)
		return slices.Contains(r.texts(), "pushed & heard")
	})
	r.until("the acknowledgement", func() bool { return slices.ContainsFunc(srv.GetSeenInboundMessages(), isAck) })
	if _, err := r.a.Send(t.Context(), "C1", bridge.Draft{Key: "k", Text: "hello"}); err != nil {
		t.Error(err)
	}
}

func isAck(s string) bool { return strings.Contains(s, `"envelope_id":"e1"`) }
