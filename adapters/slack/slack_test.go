package slack

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	slackapi "github.com/slack-go/slack"

	"github.com/hutong-im/hutong/bridge"
)

// quietSession is one that cannot ask Slack anything: the names of users are all known.
func quietSession() *session {
	env := bridge.Env{State: newMemory(), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	dead := &http.Client{Transport: deaf{}}
	a := &adapter{env: env, emoji: readEmojis(), cfg: Config{Rooms: roomsChannel}, api: slackapi.New("x", slackapi.OptionHTTPClient(dead))}
	return &session{a: a, me: &slackapi.AuthTestResponse{UserID: botUser, BotID: botID}, names: map[string]string{}}
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
	w.scopes = strings.ReplaceAll(w.scopes, "chat:write.customize,", "")
	err := r.core.Probe(t.Context())
	if bridge.Judge(err).Verdict != bridge.VerdictLogin || !strings.Contains(err.Error(), "lacks chat:write.customize: add it under OAuth") {
		t.Errorf("%v", err)
	}
	w.scopes = strings.Join(scopes(), ",")
	w.refuse["apps.connections.open"] = "not_allowed_token_type"
	if err := r.core.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "connections:write") {
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

func TestManifest(t *testing.T) {
	for _, o := range []ManifestOptions{{}, {Name: "客户", URL: "https://hutong.acme.example/hook/slack"}} {
		b, err := Manifest(o)
		if err != nil {
			t.Fatal(err)
		}
		var m struct {
			Display  struct{ Name string } `json:"display_information"`
			Features struct {
				Shortcuts []struct{ Name string }
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
		for _, s := range m.Features.Shortcuts {
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
	}
}

// A mark replaces the one before, its reason stands in the thread, and a young message costs one call only.
func TestMark(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	room, user := w.Room()
	ch := w.channel(room)
	r := newRig(t, w)
	id := bridge.MsgID(r.member(ch, user, "hello", ""))
	if err := r.core.Mark(t.Context(), room, id, bridge.Fate{State: bridge.StateSent}); err != nil || w.count("reactions.get") != 0 {
		t.Errorf("%v, %d looks", err, w.count("reactions.get"))
	}
	for _, f := range []bridge.Fate{
		{State: bridge.StateHeld, Reason: "waits for <!here>"},
		{State: bridge.StateHeld, Reason: "waits for <!here>"},
		{State: bridge.StateFailed, Reason: "too old"},
		{State: bridge.StateRead},
	} {
		if err := r.core.Mark(t.Context(), room, id, f); err != nil {
			t.Fatal(err)
		}
		if got := reactions(ch.find(string(id)), botUser); !slices.Equal(got, []string{mark(f.State)}) {
			t.Errorf("%s: the message shows %v", f.State, got)
		}
	}
	var notes []string
	for _, m := range ch.msgs {
		if m["thread_ts"] == string(id) && m["ts"] != string(id) {
			notes = append(notes, m["text"].(string))
		}
	}
	if want := []string{":hourglass_flowing_sand: waits for &lt;!here&gt;", ":x: too old"}; !slices.Equal(notes, want) {
		t.Errorf("the thread says %q, want %q", notes, want)
	}
}

// A hint for somebody who is not in the room comes in their chat with the app.
func TestHintElsewhere(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	room, _ := w.Room()
	_, other := w.Room()
	r := newRig(t, w)
	if err := r.core.Hint(t.Context(), room, other, bridge.Ask{Text: "not for you"}); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	direct := w.direct(string(other))
	w.mu.Unlock()
	if got := w.lines(direct); !slices.Equal(got, []string{"not for you"}) || len(w.channel(room).hints) != 0 {
		t.Errorf("%q", got)
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
