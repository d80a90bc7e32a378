package slack

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/adaptertest"
	"github.com/hutong-im/hutong/bridge"
)

// quietSession is one that reaches nobody.
func quietSession(t testing.TB) *session {
	env := bridge.Env{State: newMemory(), Lobby: &lobby{}, Now: time.Now, Log: slog.New(slog.DiscardHandler), HTTP: &http.Client{Transport: deaf{}}}
	a, err := newAdapter(&Config{Rooms: roomsChannel, APIURL: "https://slack.example/api/"}, env)
	if err != nil {
		t.Fatal(err)
	}
	return &session{a: a, me: &identity{UserID: botUser, BotID: botID}, names: map[string]string{}, ctx: t.Context(), in: &rig{known: map[bridge.MsgRef]bool{}}}
}

// deaf reaches nobody.
type deaf struct{}

func (deaf) RoundTrip(*http.Request) (*http.Response, error) { return nil, os.ErrDeadlineExceeded }

func TestCheck(t *testing.T) {
	good := func() *Config {
		c, _ := Kind().New().(*Config)
		c.BotToken, c.AppToken = bridge.MakeSecret(botToken), bridge.MakeSecret(appToken)
		return c
	}
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"good":                 {func(*Config) {}, ""},
		"a user's token":       {func(c *Config) { c.BotToken = bridge.MakeSecret("xoxp-1") }, "bot_token: must be the Bot"},
		"the other way round":  {func(c *Config) { c.AppToken = c.BotToken }, "app_token: must be an App-Level"},
		"both ways":            {func(c *Config) { c.SigningSecret = bridge.MakeSecret("x") }, "signing_secret: give app_token or"},
		"neither":              {func(c *Config) { c.AppToken = bridge.Secret{} }, "app_token: give app_token"},
		"a room that is none":  {func(c *Config) { c.Rooms = "inbox" }, `rooms: "inbox" is not known`},
		"http to the world":    {func(c *Config) { c.APIURL = "http://slack.example/api/" }, "api_url: plain http"},
		"http to this machine": {func(c *Config) { c.APIURL = "http://127.0.0.1:4003/api/" }, ""},
	} {
		cfg := good()
		c.change(cfg)
		err := cfg.Check()
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestProbeNamesWhatIsMissing(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	r := newRig(t, w)
	if err := r.core.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.scopes = strings.ReplaceAll(w.scopes, "groups:history,", "")
	err := r.core.Probe(t.Context())
	if bridge.Judge(err).Verdict != bridge.VerdictLogin || !strings.Contains(err.Error(), "lacks groups:history: add it under OAuth") {
		t.Errorf("%v", err)
	}
	if err := r.core.Run(t.Context(), r); bridge.Judge(err).Verdict != bridge.VerdictLogin {
		t.Errorf("Run: %v", err)
	}
	w.scopes = strings.ReplaceAll(strings.Join(scopes(), ","), "pins:write,", "")
	if err := r.core.Probe(t.Context()); err != nil {
		t.Errorf("what can be done without stops the work: %v", err)
	}
	if got := r.core.Warnings(); len(got) != 1 || !strings.Contains(got[0], "cards are not pinned: the app lacks pins:write") {
		t.Errorf("warnings %q", got)
	}
	_, user := w.Room()
	if room, err := r.core.Open(t.Context(), opening(user)); err != nil || r.send(room, "hello") != nil {
		t.Errorf("without pins there is no room: %v", err)
	}
	w.scopes = strings.Join(scopes(), ",")
	if err := r.core.Probe(t.Context()); err != nil || len(r.core.Warnings()) != 1 { // that a pin failed
		t.Errorf("%v, %q", err, r.core.Warnings())
	}
	o := opening(user)
	o.Key = "l2"
	if _, err := r.core.Open(t.Context(), o); err != nil || len(r.core.Warnings()) != 0 {
		t.Errorf("cards are pinned again: %v, %q", err, r.core.Warnings())
	}
	w.refuse["apps.connections.open"] = "not_allowed_token_type"
	if err := r.core.Probe(t.Context()); bridge.Judge(err).Verdict != bridge.VerdictLogin || !strings.Contains(err.Error(), "connections:write") {
		t.Errorf("%v", err)
	}
}

// The token goes to Slack and to nobody else, wherever a message says that its file is.
func TestFetchKeepsTheToken(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	r := newRig(t, w)
	got := make(chan string, 1)
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) { got <- q.Header.Get("Authorization") }))
	defer thief.Close()
	for _, ref := range []string{thief.URL + "/x", "https://slack.com.evil.example/x", "http://files.slack.com/x", "https://evilslack.com/x", "::", ""} {
		if _, err := r.core.Fetch(t.Context(), bridge.File{Ref: ref}); bridge.Judge(err).Verdict != bridge.VerdictPermanent {
			t.Errorf("%q: %v", ref, err)
		}
	}
	select {
	case h := <-got:
		t.Errorf("asked with %q", h)
	default:
	}
}

// What is no file is not taken for one, and what is wrong is said without the address, in which there may be a token.
func TestFetchRefuses(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	r := newRig(t, w)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, c := range map[string]struct {
		status             int
		typ, body, fetched string
		verdict            bridge.Verdict
	}{
		"a file":           {http.StatusOK, "text/plain", "x", "text/plain", 0},
		"a page":           {http.StatusOK, "text/html", "x", "text/html", 0},
		"the sign-in page": {http.StatusOK, "text/html", "x", "image/png", bridge.VerdictPermanent},
		"gone":             {http.StatusNotFound, "text/plain", "x", "text/plain", bridge.VerdictPermanent},
		"trouble":          {http.StatusBadGateway, "text/plain", "x", "text/plain", bridge.VerdictRetry},
		"elsewhere":        {http.StatusFound, "text/plain", "x", "text/plain", bridge.VerdictRetry},
		"no connection":    {0, "", "", "text/plain", bridge.VerdictRetry},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
			if q.URL.Path == "/other" {
				t.Errorf("%s: it was led to another address", name)
			}
			rw.Header().Set("Content-Type", c.typ)
			rw.Header().Set("Location", "/other")
			rw.WriteHeader(c.status)
			_, _ = io.WriteString(rw, c.body)
		}))
		if c.status == 0 {
			srv.Close()
		}
		r.core.origin = srv.URL
		body, err := r.core.Fetch(t.Context(), bridge.File{Ref: srv.URL + "/f?t=hidden", Type: c.fetched})
		if (err == nil) != (c.verdict == 0) || err != nil && (bridge.Judge(err).Verdict != c.verdict || strings.Contains(err.Error(), "hidden")) {
			t.Errorf("%s: %v", name, err)
		}
		if body != nil {
			_ = body.Close()
		}
		srv.Close()
	}
}

func TestTrusted(t *testing.T) {
	a := quietSession(t).a // whose API is at https://slack.example
	for address, want := range map[string]bool{
		"https://slack.example/f": true, "http://slack.example/f": false, "https://slack.example:444/f": false, "https://x.slack.example/f": false,
		"https://files.slack.com/f": true, "https://slack.com/f": true, "http://slack.com/f": false, "https://slack.com@evil.example/f": false,
	} {
		u, err := url.Parse(address)
		if err != nil || a.trusted(u) != want {
			t.Errorf("%s: %v, want %v", address, !want, want)
		}
	}
}

func TestManifest(t *testing.T) {
	for _, o := range []ManifestOptions{{}, {Name: "客户", URL: "https://hutong.acme.example/hook/slack"}} {
		b, err := Manifest(o)
		if err != nil {
			t.Fatal(err)
		}
		var m struct {
			Display  struct{ Name string } `json:"display_information"`
			Features struct {
				Shortcuts []struct{ Name, Type string }
				Commands  []struct{ URL string } `json:"slash_commands"`
			}
			OAuth    struct{ Scopes struct{ Bot []string } } `json:"oauth_config"`
			Settings struct {
				Socket bool `json:"socket_mode_enabled"`
				Events struct {
					RequestURL string `json:"request_url"`
				} `json:"event_subscriptions"`
			}
		}
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		if m.Settings.Socket != (o.URL == "") || m.Settings.Events.RequestURL != o.URL || m.Features.Commands[0].URL != o.URL {
			t.Errorf("%+v", m)
		}
		if !slices.Equal(m.OAuth.Scopes.Bot, scopes()) || bytes.Contains(b, []byte("null")) {
			t.Errorf("%s", b)
		}
		types := map[string]int{}
		for _, s := range m.Features.Shortcuts {
			if types[s.Type]++; types[s.Type] > 5 { // Slack's limit
				t.Errorf("too many shortcuts of type %s", s.Type)
			}
			if len(s.Name) > 24 { // Slack's limit
				t.Errorf("shortcut %q is too long", s.Name)
			}
		}
	}
}

// TestScopesAreDocumented holds that the page says of every scope why it is needed.
func TestScopesAreDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "slack.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range append(scopes(), "connections:write") {
		if !strings.Contains(string(page), "| `"+s+"` |") {
			t.Errorf("docs/slack.md does not say why %s is needed", s)
		}
		if must := strings.Contains(string(page), "| `"+s+"` | must |"); must == (comforts()[s] != "") {
			t.Errorf("docs/slack.md says of %s that it is needed: %v", s, must)
		}
	}
}

// A mark replaces the one before, its writer alone is told the reason and what can be done, and a young message costs one call only.
func TestMark(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	room, user := w.Room()
	ch := w.channel(room)
	r := newRig(t, w)
	r.run()
	r.connected()
	id := bridge.MsgID(r.member(ch, user, "hello", ""))
	if err := r.core.Mark(t.Context(), room, id, bridge.Fate{State: bridge.StateSent}); err != nil || w.count("reactions.get") != 0 {
		t.Errorf("%v, %d looks", err, w.count("reactions.get"))
	}
	again := &bridge.Ask{ID: "fate:d1", Text: "too old", Choices: []bridge.Choice{{ID: "send", Label: "Send again", Style: "primary"}, {ID: "drop", Label: "Do not send"}}}
	for _, f := range []bridge.Fate{
		{State: bridge.StateHeld, User: user, Reason: "waits for <!here>"}, {State: bridge.StateFailed, User: user, Reason: "too old", Ask: again}, {State: bridge.StateRead, User: user},
	} {
		if err := r.core.Mark(t.Context(), room, id, f); err != nil {
			t.Fatal(err)
		}
		if got := reactions(ch.find(string(id)), botUser); !slices.Equal(got, []string{mark(f.State)}) {
			t.Errorf("%s: the message shows %v", f.State, got)
		}
	}
	v := w.View(room)
	if len(v.Lines) != 3 || v.Lines[1].Text != "⏳ waits for <!here>" || v.Lines[1].To != user || v.Lines[2].Text != "❌ too old" || len(v.Lines[2].Choices) != 2 {
		t.Fatalf("they see %+v", v.Lines)
	}
	if _, ok := w.Do(adaptertest.Act{Verb: adaptertest.Press, Room: room, User: user, Msg: v.Lines[2].Msg, Choice: "send"}); !ok {
		t.Fatal("no such button")
	}
	r.until("the answer", func() bool {
		e, ok := last[bridge.Answered](r)
		return ok && e.Room == room && e.User == user && e.Ask == "fate:d1" && e.Choice == "send"
	})
	r.until("the buttons are gone", func() bool { return w.hint(ch, 1) == "Send again · <@"+string(user)+">" })
	w.mu.Lock()
	old := stampOf(time.Now().Add(-freshFor).UnixMicro()) // it may have waited
	ch.msgs = append(ch.msgs, obj{"ts": old, "text": "x", "by " + botUser: []string{mark(bridge.StateHeld)}})
	w.mu.Unlock()
	if err := r.core.Mark(t.Context(), room, bridge.MsgID(old), bridge.Fate{State: bridge.StateSent}); err != nil {
		t.Fatal(err)
	}
	if got := reactions(ch.find(old), botUser); !slices.Equal(got, []string{mark(bridge.StateSent)}) {
		t.Errorf("a message that waited shows %v", got)
	}
	// The fate of a note that was typed as a command, and of a message that is gone.
	if err := r.core.Mark(t.Context(), room, "command-x", bridge.Fate{State: bridge.StateFailed, User: user, Reason: "no"}); err != nil || w.hint(ch, 2) != "❌ no" {
		t.Errorf("%v", err)
	}
	if err := r.core.Mark(t.Context(), room, "1700000000.000001", bridge.Fate{State: bridge.StateSent}); err != nil {
		t.Error(err)
	}
}

// A hint for somebody who is not in the room comes in their chat with the app, and what is pressed there is about the room.
func TestHintElsewhere(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	_, user := w.Room()
	_, other := w.Room()
	r := newRig(t, w)
	r.run()
	r.connected()
	room, err := r.core.Open(t.Context(), opening(user))
	if err != nil {
		t.Fatal(err)
	}
	q := bridge.Ask{ID: "note:1.000002", Text: "not for you", Choices: []bridge.Choice{{ID: "send", Label: "Send"}}}
	if err := r.core.Hint(t.Context(), room, other, q); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	direct := w.direct(string(other))
	w.mu.Unlock()
	v := w.View(bridge.RoomID(direct.id))
	if len(v.Lines) != 1 || v.Lines[0].Text != "王小明 · 微信联系人 <!channel>\nnot for you" || len(w.channel(room).hints) != 0 || len(w.shouted) > 0 {
		t.Fatalf("%+v", v.Lines)
	}
	w.Do(adaptertest.Act{Verb: adaptertest.Press, Room: bridge.RoomID(direct.id), User: other, Msg: v.Lines[0].Msg, Choice: "send"})
	r.until("the answer", func() bool {
		e, ok := last[bridge.Answered](r)
		return ok && e.Room == room && e.User == other && e.Ask == q.ID
	})
}

// A picture is shown, wherever the hint comes; if Slack cannot load it, its address is said.
func TestHintWithPicture(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	room, user := w.Room()
	_, other := w.Room()
	r := newRig(t, w)
	for picture, blocks := range map[string]bool{"https://hutong.example/qr/1.png": true, "http://10.0.0.1/qr/1.png": false} {
		for _, u := range []bridge.UserID{user, other} {
			if err := r.core.Hint(t.Context(), room, u, bridge.Ask{Text: "your card", Picture: picture}); err != nil {
				t.Fatal(err)
			}
		}
		w.mu.Lock()
		here, there := w.channels[string(room)].hints, w.direct(string(other)).msgs
		w.mu.Unlock()
		for _, h := range []obj{here[len(here)-1], there[len(there)-1]} {
			if h["text"] != "your card\n"+picture || (h["blocks"] != nil) != blocks {
				t.Errorf("%s: %+v", picture, h)
			}
		}
	}
}

// Who speaks is shown with their picture, if Slack can load it.
func TestPersona(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	room, _ := w.Room()
	r := newRig(t, w)
	for _, c := range []struct {
		avatar    string
		url, icon any
	}{
		{"https://hutong.example/avatar/1", "https://hutong.example/avatar/1", nil}, {"http://10.0.0.1/avatar/1", nil, ":bust_in_silhouette:"}, {"", nil, ":bust_in_silhouette:"},
	} {
		ids, err := r.a.Send(t.Context(), room, bridge.Draft{Key: "k" + c.avatar, Text: "x", As: bridge.Label{Name: "王小明", Text: "王小明 · 微信联系人", Avatar: c.avatar}})
		if err != nil {
			t.Fatal(err)
		}
		m := w.channel(room).find(string(ids[0]))
		if m["icon_url"] != c.url || m["icon_emoji"] != c.icon || m["username"] != "王小明 · 微信联系人" {
			t.Errorf("%q: %+v", c.avatar, m)
		}
	}
}

// An edit leaves the files of the message where they are, and its key as it was.
func TestEditKeepsFiles(t *testing.T) {
	for _, rooms := range []string{roomsChannel, roomsThread} {
		w := newWorkspace(t, rooms, false)
		room, _ := w.Room()
		r := newRig(t, w)
		f := bridge.Attachment{File: bridge.File{Name: "a|b <x>.txt", Size: 3}, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("abc")), nil }}
		ids, err := r.core.Send(t.Context(), room, bridge.Draft{Key: "k", Text: "one", Files: []bridge.Attachment{f}})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.core.Edit(t.Context(), room, ids[0], bridge.Draft{Key: "other", Text: "two", Files: []bridge.Attachment{f}}); err != nil {
			t.Fatal(err)
		}
		m := w.channel(room).find(string(ids[0]))
		if text, _ := m["text"].(string); !strings.HasPrefix(text, "two\n<http") || !strings.HasSuffix(text, "|a¦b &lt;x&gt;.txt>") || len(w.shared(text)) != 1 {
			t.Errorf("%s: %q", rooms, text)
		}
		other, err := r.core.Send(t.Context(), room, bridge.Draft{Key: "l", Text: "one\nline more"})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.core.Edit(t.Context(), room, other[0], bridge.Draft{Text: "two", Files: []bridge.Attachment{f}}); err != nil || w.channel(room).find(string(other[0]))["text"] != "two" {
			t.Errorf("%s: a line that shows no file stays, too: %v", rooms, err)
		}
		if found, err := r.core.Find(t.Context(), room, "k"); err != nil || !slices.Equal(found, ids) {
			t.Errorf("%s: found %q, %v", rooms, found, err)
		}
	}
}

// In a thread of the member's, Slack tells of a message only who is mentioned.
func TestThreadMentionsItsOwner(t *testing.T) {
	w := newWorkspace(t, roomsThread, false)
	_, user := w.Room()
	r := newRig(t, w)
	room, err := r.core.Open(t.Context(), opening(user))
	if err != nil {
		t.Fatal(err)
	}
	ids, err := r.core.Send(t.Context(), room, bridge.Draft{Key: "k", Text: "<!channel> hello"})
	if err != nil {
		t.Fatal(err)
	}
	quiet, err := r.core.Send(t.Context(), room, bridge.Draft{Key: "q", Text: "*hush*", Quiet: true})
	if err != nil || w.channel(room).find(string(quiet[0]))["text"] != "_hush_" {
		t.Errorf("a muted customer calls nobody: %v, %v", w.channel(room).find(string(quiet[0])), err)
	}
	m := w.channel(room).find(string(ids[0]))
	if want := "<@" + string(user) + "> &lt;!channel&gt; hello"; m["text"] != want || len(w.shouted) > 0 {
		t.Errorf("%q, want %q; shouted %q", m["text"], want, w.shouted)
	}
}

func TestURLVerification(t *testing.T) {
	w := newWorkspace(t, roomsChannel, true)
	r := newRig(t, w)
	hook := r.a.(bridge.Hooked).Hook()
	body := []byte(`{"type":"url_verification","challenge":"3eZbrw1aB"}`)
	req := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	now := time.Now()
	req.Header.Set("X-Slack-Request-Timestamp", stampSec(now))
	req.Header.Set("X-Slack-Signature", signature(signing, stampSec(now), body))
	rec := httptest.NewRecorder()
	hook.ServeHTTP(rec, req)
	if rec.Code != http.StatusOK || rec.Body.String() != "3eZbrw1aB" {
		t.Errorf("%d %q", rec.Code, rec.Body.String())
	}
	if code := knock(hook, body[:20], false, now, signing); code != http.StatusBadRequest {
		t.Errorf("malformed: %d", code)
	}
	event := []byte(`{"type":"event_callback","event":{"type":"message","channel":"C1","user":"U1","text":"x","ts":"1.2"}}`)
	if code := knock(hook, event, false, now, signing); code != http.StatusServiceUnavailable {
		t.Errorf("while Run does not run: %d", code)
	}
}
