package telegram

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/telegram/telegramtest"
	"github.com/hutong-im/hutong/bridge"
)

// scripted lets methods answer what the fake never would.
type scripted struct {
	next    http.RoundTripper
	answers map[string]scriptedAnswer // by method
	calls   atomic.Int64              // of those
}

type scriptedAnswer struct {
	status int
	body   string
}

func (s *scripted) RoundTrip(req *http.Request) (*http.Response, error) {
	a, is := s.answers[req.URL.Path[strings.LastIndexByte(req.URL.Path, '/')+1:]]
	if !is {
		return s.next.RoundTrip(req)
	}
	s.calls.Add(1)
	if req.Body != nil {
		_, _ = io.Copy(io.Discard, req.Body)
	}
	w := httptest.NewRecorder()
	w.WriteHeader(a.status)
	_, _ = w.WriteString(a.body)
	return w.Result(), nil
}

// script makes the adapter hear those answers.
func (r *rig) script(answers map[string]scriptedAnswer) *scripted {
	s := &scripted{next: r.client.Transport, answers: answers}
	r.client.Transport = s
	return s
}

// Answers that are not Telegram's own, or not as documented, and what they say of a message.
func TestOddAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		scriptedAnswer
		verdict bridge.Verdict
		wait    time.Duration
	}{
		"a proxy's page":           {scriptedAnswer{502, "<html>"}, bridge.VerdictUnsure, 0},
		"a proxy's JSON":           {scriptedAnswer{502, `{"error":"bad gateway"}`}, bridge.VerdictUnsure, 0},
		"a proxy's 500":            {scriptedAnswer{500, ""}, bridge.VerdictUnsure, 0},
		"a proxy that is busy":     {scriptedAnswer{503, "later"}, bridge.VerdictRetry, 0},
		"a proxy's limit":          {scriptedAnswer{429, "slowly"}, bridge.VerdictWait, 5 * time.Second},
		"no time with a limit":     {scriptedAnswer{429, `{"ok":false,"error_code":429,"description":"Too Many Requests"}`}, bridge.VerdictWait, time.Second},
		"too long a time":          {scriptedAnswer{429, `{"ok":false,"error_code":429,"description":"x","parameters":{"retry_after":99999}}`}, bridge.VerdictWait, time.Hour},
		"a method that is unknown": {scriptedAnswer{404, `{"ok":false,"error_code":404,"description":"Not Found: method not found"}`}, bridge.VerdictPermanent, 0},
		"a chat that has moved":    {scriptedAnswer{400, `{"ok":false,"error_code":400,"description":"x","parameters":{"migrate_to_chat_id":-100}}`}, bridge.VerdictPermanent, 0},
		"nothing":                  {scriptedAnswer{200, ""}, bridge.VerdictUnsure, 0},
		"no message":               {scriptedAnswer{200, `{"ok":true,"result":{}}`}, bridge.VerdictUnsure, 0},
		"something else":           {scriptedAnswer{200, `{"ok":true,"result":[1]}`}, bridge.VerdictUnsure, 0},
		"not ok, without a reason": {scriptedAnswer{200, `{"ok":false}`}, bridge.VerdictUnsure, 0},
		"something else's JSON":    {scriptedAnswer{200, `{"error":"sign in"}`}, bridge.VerdictUnsure, 0},
	} {
		r := quiet(t)
		r.script(map[string]scriptedAnswer{"sendMessage": c.scriptedAnswer, "sendDocument": c.scriptedAnswer})
		for _, d := range []bridge.Draft{{Text: "x"}, {Text: "f", Files: []bridge.Attachment{attach("a.txt", "text/plain", []byte("x"))}}} {
			r.open()
			_, err := r.send(d)
			if j := bridge.Judge(err); j.Verdict != c.verdict || j.Wait != c.wait || j.Account {
				t.Errorf("%s: %+v (%v)", name, j, err)
			}
			if name == "a chat that has moved" && !strings.Contains(err.Error(), english.group) {
				t.Errorf("the writer reads %v", err)
			}
		}
	}
}

// A second chat that is stopped once the first rests no more is a chat, not the bot.
func TestRestIsOver(t *testing.T) {
	r := quiet(t)
	a, _ := r.adapter.(*adapter)
	var ahead time.Duration
	a.env.Now = func() time.Time { return time.Now().Add(ahead) }
	limit := &refusal{Code: 429}
	limit.Parameters.RetryAfter = 30
	for _, c := range []struct {
		chat    string
		ahead   time.Duration
		account bool
	}{{"1", 0, false}, {"2", 31 * time.Second, false}, {"1", 40 * time.Second, true}, {"1", 41 * time.Second, false}} {
		ahead = c.ahead
		if j := bridge.Judge(a.rest(limit, c.chat)); j.Account != c.account || j.Wait != 30*time.Second {
			t.Errorf("%s after %s: %+v", c.chat, c.ahead, j)
		}
	}
}

// What a probe asks, and which of Telegram's words about the webhook are news.
func TestProbes(t *testing.T) {
	info := func(url string, age time.Duration) scriptedAnswer {
		return scriptedAnswer{200, fmt.Sprintf(`{"ok":true,"result":{"url":%q,"last_error_message":"Connection refused","last_error_date":%d}}`, url, time.Now().Add(-age).Unix())}
	}
	for name, c := range map[string]struct {
		mode  string
		info  scriptedAnswer
		bad   bool
		asked int64
	}{
		"poll":            {modePoll, info(public+"/hook/tg", 0), false, 0},
		"webhook":         {modeWebhook, info(public+"/hook/tg", time.Minute), true, 1},
		"long ago":        {modeWebhook, info(public+"/hook/tg", freshError+time.Minute), false, 1},
		"another's":       {modeWebhook, info("https://other.example/hook/tg", 0), false, 1},
		"cannot be asked": {modeWebhook, scriptedAnswer{503, ""}, true, 1},
	} {
		r := newRig(t, c.mode)
		s := r.script(map[string]scriptedAnswer{"getWebhookInfo": c.info})
		if err := r.adapter.(bridge.Prober).Probe(t.Context()); (err != nil) != c.bad || s.calls.Load() != c.asked {
			t.Errorf("%s: asked %d times: %v", name, s.calls.Load(), err)
		}
	}
}

// Files that are nowhere, or stay on the server.
func TestFetchOdd(t *testing.T) {
	for body, words := range map[string]string{
		`{"ok":true,"result":{"file_path":"/var/lib/x"}}`: english.local, `{"ok":true,"result":{}}`: "no address",
	} {
		r := newRig(t, modePoll)
		r.script(map[string]scriptedAnswer{"getFile": {200, body}})
		_, err := r.adapter.(bridge.Fetcher).Fetch(t.Context(), bridge.File{Ref: "x"})
		if bridge.Judge(err).Verdict != bridge.VerdictPermanent || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// A place of last week is not Telegram's any more, which counts anew.
func TestOldPlace(t *testing.T) {
	r := newRig(t, modePoll)
	if err := bridge.Keep(t.Context(), r.state, "place/"+strings.Split(telegramtest.Token, ":")[0], place{1 << 40, time.Now().Add(-placeGood)}); err != nil {
		t.Fatal(err)
	}
	id := r.Say(telegramtest.Said{User: zhang, Text: "hi"})
	r.run()
	r.message(id)
}

// A server that answers at once with nothing is not asked all the time.
func TestIdle(t *testing.T) {
	r := newRig(t, modePoll)
	s := r.script(map[string]scriptedAnswer{"getUpdates": {200, `{"ok":true,"result":[]}`}})
	ctx, cancel := context.WithTimeout(t.Context(), idlePause/2)
	defer cancel()
	if err := r.adapter.Run(ctx, r); !errors.Is(err, context.DeadlineExceeded) || s.calls.Load() != 1 {
		t.Errorf("asked %d times, %v", s.calls.Load(), err)
	}
}

// From the webhook to asking: what came meanwhile is heard; commands and name are told and asked once in a life.
func TestFromWebhookToPoll(t *testing.T) {
	r := newRig(t, modeWebhook)
	r.run()
	r.message(r.Say(telegramtest.Said{User: zhang, Text: "1"}))
	r.halt()
	r.Attach(nil)
	id := r.Say(telegramtest.Said{User: zhang, Text: "2"})
	r.mode = modePoll
	r.open()
	r.run()
	r.message(id)
	r.halt()
	commands, names := len(r.Calls("setMyCommands")), len(r.Calls("getMe"))
	r.run()
	r.message(r.Say(telegramtest.Said{User: zhang, Text: "3"}))
	if len(r.Calls("setMyCommands")) != commands || len(r.Calls("getMe")) != names {
		t.Error("Telegram is told and asked again")
	}
}

// Run ends after the calls that it handles.
func TestEndsWhileStoring(t *testing.T) {
	r := newRig(t, modeWebhook)
	storing, stored := make(chan struct{}), make(chan struct{})
	r.refuse = func(bridge.Event) error {
		close(storing)
		<-stored
		return errors.New("too late")
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	r.Attach(r.adapter)
	go func() { ended <- r.adapter.Run(ctx, r) }()
	h, _ := r.adapter.(*hooked)
	eventually(t, "it runs", func() bool { return h.session.Load() != nil })
	s := h.session.Load()
	r.Say(telegramtest.Said{User: zhang, Text: "x"})
	<-storing
	cancel()
	select {
	case err := <-ended:
		ended <- err
		t.Errorf("it ends before: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	close(stored)
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	h.session.Store(s) // who has just got hold of the session
	if err := h.hand(t.Context(), update{ID: 9}); !errors.Is(err, errNotRunning) {
		t.Errorf("afterwards: %v", err)
	}
	h.session.Store(nil)
	r.Attach(nil)
}

// Parts that come twice and out of order, with words and a file that is too large, are one album.
func TestAlbumOfAnyOrder(t *testing.T) {
	r := newRig(t, modePoll)
	r.Started(zhang)
	a, _ := r.adapter.(*adapter)
	s := &session{a: a, in: r, albums: &a.albums}
	if err := s.remember(t.Context()); err != nil {
		t.Fatal(err)
	}
	part := func(id int64) *message {
		m := &message{ID: id, From: &user{ID: 42, FirstName: "张三"}, Chat: chat{ID: 42, Type: private}, Group: "g", Photo: []file{{ID: fmt.Sprint("f", id), Width: 9, Height: 9}}}
		if id != 11 {
			m.Caption = fmt.Sprint("text ", id)
		}
		if id == 13 {
			m.Photo, m.Document = nil, &file{ID: "large", Name: "a.zip", Type: "application/zip", Size: maxDown + 1}
		}
		return m
	}
	for _, id := range []int64{14, 12, 13, 12, 11} {
		if err := s.putAside(t.Context(), part(id), 0); err != nil {
			t.Fatal(err)
		}
	}
	s.bring(t.Context(), time.Now())
	if n := len(r.all()); n != 0 || s.patience() != albumWait {
		t.Fatalf("%d are brought at once; patience %s", n, s.patience())
	}
	s.bring(t.Context(), time.Now().Add(albumWait))
	m, _ := r.all()[0].(bridge.MessageEvent)
	var refs []string
	for _, f := range m.Files {
		refs = append(refs, f.Ref)
	}
	want := "text 12\ntext 13\n(a.zip, 20 MB, stays on Telegram: bots may fetch 20 MB)\ntext 14"
	if m.Msg != "11" || !slices.Equal(refs, []string{"f11", "f12", "f14"}) || m.Text != want {
		t.Errorf("%s %q %q", m.Msg, refs, m.Text)
	}
	if calls := r.Calls("sendMessage"); len(calls) != 1 || !strings.Contains(fmt.Sprint(calls[0].Params["text"]), "a.zip") {
		t.Errorf("the customer is told %+v", calls)
	}
	for id := range int64(albumMost) {
		if s.bring(t.Context(), time.Now()); len(r.all()) != 1 {
			t.Fatalf("brought with %d parts", id)
		}
		p := part(20 + id)
		p.Group = "h"
		if err := s.putAside(t.Context(), p, 0); err != nil {
			t.Fatal(err)
		}
	}
	if s.bring(t.Context(), time.Now()); len(r.all()) != 2 || s.patience() != pollTime {
		t.Error("a full album waits")
	}
}

// A file of just the size that a bot may fetch is brought, a larger one is told of: to the customer too, but not in the
// chat of a business account, where the bot would speak in the owner's name.
func TestLargeFiles(t *testing.T) {
	r := newRig(t, modePoll)
	r.Connect("conn1", telegramtest.User{ID: 9}, true)
	r.run()
	file := func(size int64) *telegramtest.File {
		return &telegramtest.File{Kind: "document", Name: "a.zip", Type: "application/zip", Size: size}
	}
	for i, c := range []struct {
		size       int64
		connection string
		files      int
		told       int
	}{{maxDown, "", 1, 0}, {maxDown + 1, "conn1", 0, 0}, {maxDown + 1, "", 0, 1}} {
		m := r.message(r.Say(telegramtest.Said{User: zhang, File: file(c.size), Connection: c.connection}))
		r.message(r.Say(telegramtest.Said{User: zhang, Text: "end"}))
		if len(m.Files) != c.files || strings.Contains(m.Text, "stays on Telegram") != (c.files == 0) || len(r.Calls("sendMessage")) != c.told {
			t.Errorf("%d: %+v, told %d times", i, m, len(r.Calls("sendMessage")))
		}
	}
}

// The bot leaves what it is put into, and says why where it can be read.
func TestLeaving(t *testing.T) {
	for name, c := range map[string]struct {
		kind, status string
		leaves, says int
	}{
		"a group":               {"group", "member", 1, 1},
		"as an administrator":   {"supergroup", "administrator", 1, 1},
		"a channel":             {"channel", "administrator", 1, 0},
		"a group that it left":  {"group", "left", 0, 0},
		"a group without words": {"group", "restricted", 0, 0},
	} {
		r := newRig(t, modePoll)
		r.run()
		r.Push(map[string]any{"my_chat_member": map[string]any{
			"chat": map[string]any{"id": -7, "type": c.kind, "title": "x"}, "from": map[string]any{"id": 42}, "date": 1, "new_chat_member": map[string]any{"status": c.status},
		}})
		r.message(r.Say(telegramtest.Said{User: zhang, Text: "end"}))
		if len(r.Calls("leaveChat")) != c.leaves || len(r.Calls("sendMessage")) != c.says || len(r.all()) != 1 {
			t.Errorf("%s: left %d times, said %d, heard %+v", name, len(r.Calls("leaveChat")), len(r.Calls("sendMessage")), r.all())
		}
	}
}

// Updates that mean nothing here: told where they should not be, and nowhere kept.
func TestMeaningless(t *testing.T) {
	r := newRig(t, modePoll)
	r.Connect("conn1", telegramtest.User{ID: 9}, true)
	r.run()
	group := map[string]any{"id": -5, "type": "group"}
	from := map[string]any{"id": 42, "first_name": "张三"}
	r.Push(map[string]any{"message": "no message"})
	r.Push(map[string]any{"callback_query": map[string]any{"id": "1", "from": from, "data": "x/0", "message": map[string]any{"message_id": 5, "chat": group}}})
	r.Push(map[string]any{"callback_query": map[string]any{"id": "2", "from": from, "data": "x/0"}})
	r.Push(map[string]any{"message": map[string]any{"message_id": 5, "chat": group, "from": from, "media_group_id": "g", "photo": []any{map[string]any{"file_id": "x"}}}})
	r.message(r.Say(telegramtest.Said{User: zhang, Text: "/start CARD234567ABCDEF", Connection: "conn1"})) // a card is the bot's
	r.message(r.Say(telegramtest.Said{User: zhang, Text: "/start card"}))
	if len(r.all()) != 2 || len(r.Calls("answerCallbackQuery")) != 0 || !strings.Contains(r.logged(), "was not understood") {
		t.Errorf("heard %+v, log %s", r.all(), r.logged())
	}
	if kept := r.kept(); !slices.Equal(kept, []string{"business/9", "met/42"}) {
		t.Errorf("kept %q", kept)
	}
	if n := len(r.Calls("getBusinessConnection")); n != 0 {
		t.Errorf("whose a connection is was told, and asked %d times", n)
	}
}

// failing is a state that takes so much and no more.
type failing struct {
	bridge.KV
	takes *int
}

func (f failing) Put(ctx context.Context, key string, val []byte, rev uint64) (uint64, error) {
	if *f.takes--; *f.takes < 0 {
		return 0, errors.New("the disk is full")
	}
	return f.KV.Put(ctx, key, val, rev)
}

// What cannot be kept first is not asked; what cannot be kept afterwards is unsure.
func TestNothingKept(t *testing.T) {
	r := quiet(t)
	r.state = failing{r.state, new(int)}
	r.open()
	_, err := r.adapter.(bridge.Asker).Ask(t.Context(), "42", "k", bridge.Ask{ID: "q", Text: "?", Choices: []bridge.Choice{{ID: "a", Label: "A"}}})
	if bridge.Judge(err).Verdict != bridge.VerdictRetry || err == nil || len(r.Messages(42)) != 0 {
		t.Errorf("%v; shown %+v", err, r.Messages(42))
	}
	d := bridge.Draft{Key: "k", Text: strings.Repeat("x", maxCaption+1), Files: []bridge.Attachment{attach("a.txt", "text/plain", []byte("x"))}}
	_, err = r.send(d)
	if bridge.Judge(err).Verdict != bridge.VerdictUnsure || len(r.Messages(42)) != 1 {
		t.Errorf("%v; shown %+v", err, r.Messages(42))
	}
	takes := 1 // how far it was sent need not be kept once all is
	r.state = failing{r.state.(failing).KV, &takes}
	r.open()
	d.Key = "k2"
	if ids, err := r.send(d); err != nil || len(ids) != 2 {
		t.Errorf("%q, %v", ids, err)
	}
}
