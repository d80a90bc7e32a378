package slack

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack/slacktest"

	"github.com/hutong-im/hutong/bridge"
)

func TestOwnAndAlien(t *testing.T) {
	s := quietSession(t)
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
		e, err := s.message("C1", &m)
		got, ok := e.(bridge.MessageEvent)
		if err != nil || ok != c.heard || got.Own != c.own {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
		if ok && got.User == "" {
			t.Errorf("%s: said by nobody", name)
		}
		if note := strings.Contains(name, "note"); ok && note != (got.Thread != "") {
			t.Errorf("%s: note %q", name, got.Thread)
		}
	}
}

// Files that are kept elsewhere are links; of those that are gone nothing is shown.
func TestFilesOfMessage(t *testing.T) {
	s := quietSession(t)
	const address = "https://files.slack.example/1"
	hosted := bridge.File{Name: "a", Ref: address}
	for name, c := range map[string]struct {
		text  string
		file  sharedFile
		want  string
		files []bridge.File
	}{
		"hosted":          {"x", sharedFile{Name: "a", Mode: "hosted", URL: address}, "x", []bridge.File{hosted}},
		"deleted":         {"x", sharedFile{Name: "a", Mode: "tombstone", URL: address}, "x", nil},
		"over the limit":  {"x", sharedFile{Name: "a", Mode: "hidden_by_limit", URL: address}, "x", nil},
		"not told":        {"x", sharedFile{Name: "a", Mode: "hosted"}, "x", nil},
		"elsewhere":       {"x", sharedFile{Name: "a", IsExternal: true, URL: address}, "x\n" + address, nil},
		"elsewhere alone": {"", sharedFile{Name: "a", IsExternal: true, URL: address}, address, nil},
	} {
		text, files := s.content(&message{Text: c.text, Files: []sharedFile{c.file}})
		if text != c.want || !slices.Equal(files, c.files) {
			t.Errorf("%s: %q with %+v", name, text, files)
		}
	}
}

func TestWhatWasDone(t *testing.T) {
	s := quietSession(t)
	for name, c := range map[string]struct{ json, want string }{
		"an edit":                 {`{"type":"message","subtype":"message_changed","message":{"user":"U1","text":"y","ts":"1.2"},"previous_message":{"text":"x"}}`, "~U1 1.2 y"},
		"of another app":          {`{"type":"message","subtype":"message_changed","message":{"user":"U3","bot_id":"B2","text":"y","ts":"1.2"}}`, ""},
		"of our own":              {`{"type":"message","subtype":"message_changed","message":{"user":"UBOT","text":"y","ts":"1.2"}}`, ""},
		"a gravestone":            {`{"type":"message","subtype":"message_changed","message":{"subtype":"tombstone","user":"U1","text":"y","ts":"1.2"}}`, ""},
		"of nothing":              {`{"type":"message","subtype":"message_changed"}`, ""},
		"a deletion":              {`{"type":"message","subtype":"message_deleted","deleted_ts":"1.2","previous_message":{"user":"U1","text":"x","ts":"1.2"}}`, "-U1 1.2"},
		"of what is not told":     {`{"type":"message","subtype":"message_deleted","deleted_ts":"1.2"}`, "- 1.2"},
		"of our own again":        {`{"type":"message","subtype":"message_deleted","deleted_ts":"1.2","previous_message":{"bot_id":"BBOT","ts":"1.2"}}`, ""},
		"of an integration's":     {`{"type":"message","subtype":"message_deleted","deleted_ts":"1.2","previous_message":{"bot_id":"B2","ts":"1.2"}}`, ""},
		"a reaction":              {`{"type":"reaction_added","user":"U1","reaction":"+1","item":{"type":"message","ts":"1.2"}}`, "U1 1.2 👍 false"},
		"taken away":              {`{"type":"reaction_removed","user":"U1","reaction":"+1","item":{"type":"message","ts":"1.2"}}`, "U1 1.2 👍 true"},
		"our mark":                {`{"type":"reaction_added","user":"UBOT","reaction":"+1","item":{"type":"message","ts":"1.2"}}`, ""},
		"a picture of their own":  {`{"type":"reaction_added","user":"U1","reaction":"acme","item":{"type":"message","ts":"1.2"}}`, ""},
		"on what is no message":   {`{"type":"reaction_added","user":"U1","reaction":"+1","item":{"type":"file","file":"F1"}}`, ""},
		"what nobody asked about": {`{"type":"pin_added","user":"U1"}`, ""},
	} {
		var e event
		if err := lenient([]byte(c.json), &e); err != nil {
			t.Fatal(err)
		}
		got, err := s.convert(&e)
		text := ""
		switch e := got.(type) {
		case bridge.Edited:
			text = fmt.Sprintf("~%s %s %s", e.User, e.Msg, e.Text)
		case bridge.Deleted:
			text = fmt.Sprintf("-%s %s", e.User, e.Msg)
		case bridge.Reacted:
			text = fmt.Sprintf("%s %s %s %v", e.User, e.Msg, e.Emoji, e.Removed)
		}
		if text != c.want || err != nil || (got == nil) != (c.want == "") {
			t.Errorf("%s: %+v, %v", name, got, err)
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
		_ = r.stop()
	}
}

func last[E bridge.Event](r *rig) (e E, ok bool) {
	for _, x := range r.all() {
		if y, is := x.(E); is {
			e, ok = y, true
		}
	}
	return e, ok
}

// What a shortcut of a message asks for comes as the answer to the question about that message.
func TestShortcuts(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	room, user := w.Room()
	ch := w.channel(room)
	r := newRig(t, w)
	r.run()
	r.connected()
	root := r.member(ch, user, "root", "")
	note := r.member(ch, user, "was meant for the *customer*", root)
	r.lobby.lines = []bridge.Line{{ID: 77, Msg: bridge.MsgID(root), Mine: true, State: bridge.StateFailed}, {ID: 78, Msg: "1.000002"}}
	shortcut := func(word, ts string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.tell("interactive", obj{
			"type": "message_action", "callback_id": word, "user": obj{"id": string(user)}, "channel": obj{"id": ch.id}, "trigger_id": w.trigger(),
			"message": obj{"ts": ts, "text": "x", "thread_ts": root}, "action_ts": w.ts(),
		})
	}
	for _, c := range []struct{ word, ts, ask string }{
		{sendNote, note, "note:" + note}, {sendAgain, root, "again:" + bridge.MessageID(77).String()},
	} {
		shortcut(c.word, c.ts)
		r.until(c.word, func() bool {
			e, ok := last[bridge.Answered](r)
			return ok && e.Ask == c.ask && e.Choice == "send" && e.Room == room && e.User == user
		})
	}
	shortcut("who", note)
	r.wants("root", "(was meant for the **customer**)", "/who")
	for _, ts := range []string{note, "1.000002"} { // not known; the customer's
		shortcut(sendAgain, ts)
	}
	r.until("two hints", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(ch.hints) == 2 })
	if w.hint(ch, 1) != r.core.words().notYours {
		t.Errorf("%q", w.hint(ch, 1))
	}
}

// In a thread's place, what is chosen in the menu of the card, which is its root, is about the customer.
func TestShortcutOnCard(t *testing.T) {
	w := newWorkspace(t, roomsThread, false)
	_, user := w.Room()
	r := newRig(t, w)
	r.run()
	r.connected()
	room, err := r.core.Open(t.Context(), opening(user))
	if err != nil {
		t.Fatal(err)
	}
	channel, card := split(string(room))
	for _, c := range []struct {
		from, thread string
		want         bridge.RoomID
	}{
		{botUser, "", room}, {botUser, card, room}, {string(user), "", bridge.RoomID(channel)},
	} {
		w.mu.Lock()
		trigger := w.trigger()
		w.tell("interactive", obj{
			"type": "message_action", "callback_id": "who", "user": obj{"id": string(user)}, "channel": obj{"id": channel}, "trigger_id": trigger,
			"message": obj{"ts": card, "thread_ts": c.thread, "user": c.from, "text": "x"}, "action_ts": w.ts(),
		})
		w.mu.Unlock()
		r.until("the word", func() bool {
			e, ok := last[bridge.MessageEvent](r)
			return ok && e.Msg == bridge.MsgID("command-"+trigger) && e.Room == c.want && e.Text == "/who"
		})
	}
}

func (w *workspace) hint(c *channel, i int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return unescape(shown(c.hints[i]))
}

// form is the modal that is open, and its id.
func (w *workspace) form() (id string, v obj) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, v = range w.modals {
	}
	return id, v
}

// fill sends a form.
func (w *workspace) fill(id string, user bridge.UserID, values obj) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.modals[id]
	delete(w.modals, id)
	w.tell("interactive", obj{"type": "view_submission", "user": obj{"id": string(user)}, "trigger_id": w.trigger(), "view": obj{
		"id": id, "type": "modal", "callback_id": v["callback_id"], "private_metadata": v["private_metadata"], "state": obj{"values": values},
	}})
}

func typed(text string) obj { return obj{"text": obj{"type": "plain_text_input", "value": text}} }

// A word that lacks its text, or whom it is about, opens a form, which brings the same words.
func TestForms(t *testing.T) {
	for name, c := range map[string]struct {
		rooms      string
		overHTTP   bool
		tell       func(w *workspace, ch *channel, user string)
		fill       obj
		chooses    bool
		initial    any
		want, bare string
	}{
		"a command without a text": {
			rooms: roomsChannel, tell: slash("note"), fill: obj{"text": typed("likes *tea*\n")}, want: "/note likes *tea*", bare: "/note",
		},
		"over HTTP": {
			rooms: roomsChannel, overHTTP: true, tell: slash("/tag "), fill: obj{"text": typed("vip -old")}, want: "/tag vip -old", bare: "/tag",
		},
		"a remark stands there already": {
			rooms: roomsChannel, tell: slash("remark"), fill: obj{"text": typed("VIP")}, initial: "Mr Tea", want: "/remark VIP", bare: "/remark",
		},
		"outside of a customer's thread": {
			rooms: roomsThread, tell: slash("note called him"), fill: obj{"text": typed("called him twice")}, chooses: true,
			initial: "called him", want: "/note called him twice", bare: "/note called him",
		},
		"a global shortcut": {
			rooms: roomsChannel, fill: obj{"text": typed("x")}, chooses: true, want: "/note x", bare: "/note",
			tell: func(w *workspace, _ *channel, user string) {
				w.tell("interactive", obj{"type": "shortcut", "callback_id": "note", "user": obj{"id": user}, "trigger_id": w.trigger()})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkspace(t, c.rooms, c.overHTTP)
			_, user := w.Room()
			r := newRig(t, w)
			room, err := r.core.Open(t.Context(), opening(user))
			if err != nil {
				t.Fatal(err)
			}
			r.run()
			ch := w.channel(room)
			w.mu.Lock()
			c.tell(w, ch, string(user))
			w.mu.Unlock()
			r.wants(c.bare)             // nobody to choose from: the gateway says what is missing
			for i := range maxOptions { // the list cannot show all
				r.lobby.rooms = append(r.lobby.rooms, bridge.RoomView{Room: bridge.RoomID(fmt.Sprint("C", i)), Other: bridge.Label{Text: "李娜"}})
			}
			r.lobby.rooms = append(r.lobby.rooms, bridge.RoomView{Room: room, Other: bridge.Label{Text: "王小明"}, Remark: "Mr Tea"})
			w.mu.Lock()
			c.tell(w, ch, string(user))
			w.mu.Unlock()
			r.until("a form", func() bool { id, _ := w.form(); return id != "" })
			id, v := w.form()
			blocks, _ := json.Marshal(v["blocks"])
			if strings.Contains(string(blocks), "static_select") != c.chooses {
				t.Errorf("the form: %s", blocks)
			}
			var inputs []struct{ Element obj }
			_ = json.Unmarshal(blocks, &inputs)
			if got := inputs[len(inputs)-1].Element["initial_value"]; got != c.initial {
				t.Errorf("it begins with %v, want %v", got, c.initial)
			}
			if c.chooses {
				c.fill["room"] = obj{"room": obj{"type": "static_select", "selected_option": obj{"value": string(room)}}}
			}
			w.fill(id, user, c.fill)
			r.until(c.want, func() bool {
				e, ok := last[bridge.MessageEvent](r)
				return ok && e.Text == c.want && e.Room == room && e.User == user && string(e.Msg) == "form-"+id
			})
			_ = r.stop()
		})
	}
}

// slash types a command.
func slash(text string) func(*workspace, *channel, string) {
	return func(w *workspace, ch *channel, user string) {
		w.tell("slash_commands", obj{"command": "/hutong", "text": text, "user_id": user, "channel_id": ch.id, "trigger_id": w.trigger()})
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
		strings.Replace(b.Value, "link:l1", "link:l2", 1), strings.Replace(b.Value, "v1=", "v1=0", 1), strings.Replace(b.Value, `"accept"`, `"decline"`, 1),
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
	w.tell("events_api", obj{"type": "event_callback", "event": obj{"type": "app_home_opened", "user": string(user), "tab": "messages"}})
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
	w.mu.Lock()
	w.tell("events_api", "of a kind that nobody knows")
	w.tell("new_kind", obj{})
	w.mu.Unlock()
	r.until("what is not understood is acknowledged", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(w.queue) == 0 })
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
