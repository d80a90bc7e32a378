package telegram

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/hutong-im/hutong/adapters/telegram/telegramtest"
	"github.com/hutong-im/hutong/bridge"
)

// listener is an adapter's session without a Run.
func (r *rig) listener() *session {
	a, _ := r.adapter.(*adapter)
	return &session{a: a, in: r, albums: &a.albums, me: user{Username: telegramtest.Username}}
}

// heardOf is what an update means, when it is written as Telegram writes it.
func (r *rig) heardOf(t *testing.T, text string) []bridge.Event {
	t.Helper()
	u, err := parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	before := len(r.all())
	if err := r.listener().take(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	return r.all()[before:]
}

// What is quoted, who speaks, and which edits are told.
func TestReading(t *testing.T) {
	const chat = `"chat":{"id":42,"type":"private"},"date":100`
	of := func(id int, more string) string {
		return fmt.Sprintf(`"message_id":%d,"from":{"id":42,"first_name":"张三"},%s,%s`, id, chat, more)
	}
	r := newRig(t, modePoll)
	r.lobby.members = []bridge.Member{{ID: "lilei", Accounts: []bridge.UserRef{{Adapter: "tg", User: "7"}}}}
	r.Connect("conn1", telegramtest.User{ID: 9}, false)
	for name, c := range map[string]struct {
		update string
		want   string // of the event; "" is none
	}{
		"a reply with what it answers": {`"message":{` + of(1, `"text":"yes","quote":{"text":"all of it"}`) + `}`, "yes"},
		"a part of it":                 {`"message":{` + of(1, `"text":"yes","quote":{"text":"a part","is_manual":true}`) + `}`, "> a part\nyes"},
		"something from elsewhere":     {`"message":{` + of(1, `"text":"yes","quote":{"text":"elsewhere"},"external_reply":{"origin":{}}`) + `}`, "> elsewhere\nyes"},
		"an employee":                  {`"message":{"message_id":1,"from":{"id":7,"first_name":"x"},"chat":{"id":7,"type":"private"},"date":1,"text":"hello"}`, "hello"},
		"an edit":                      {`"edited_message":{` + of(1, `"edit_date":200,"text":"new"`) + `}`, "new at 200"},
		"a live place":                 {`"edited_message":{` + of(1, `"edit_date":200,"location":{"latitude":1,"longitude":2,"live_period":60}`) + `}`, ""},
		"an edit in a group":           {`"edited_message":{"message_id":1,"from":{"id":42},"chat":{"id":-4,"type":"group"},"date":1,"text":"x"}`, ""},
		"an edit of a customer's":      {`"edited_business_message":{` + of(1, `"business_connection_id":"conn1","edit_date":200,"text":"new"`) + `}`, "new at 200 in b9.42"},
		"an edit of the owner's":       {`"edited_business_message":{"message_id":1,"from":{"id":9},` + chat + `,"business_connection_id":"conn1","edit_date":200,"text":"new"}`, ""},
		"an edit of the bot's":         {`"edited_business_message":{` + of(1, `"business_connection_id":"conn1","sender_business_bot":{"id":1},"edit_date":200,"text":"new"`) + `}`, ""},
		"the bot's":                    {`"business_message":{` + of(1, `"business_connection_id":"conn1","sender_business_bot":{"id":1},"text":"x"`) + `}`, "own x"},
		"the owner's":                  {`"business_message":{"message_id":1,"from":{"id":9},` + chat + `,"business_connection_id":"conn1","text":"x"}`, "own x"},
		"of nobody":                    {`"message":{"message_id":1,` + chat + `,"text":"x"}`, ""},
		"a reaction in a group":        {`"message_reaction":{"chat":{"id":-4,"type":"group"},"message_id":1,"user":{"id":42},"date":1,"old_reaction":[],"new_reaction":[{"type":"emoji","emoji":"👍"}]}`, ""},
		"a reaction of a channel":      {`"message_reaction":{"chat":{"id":42,"type":"private"},"message_id":1,"date":1,"old_reaction":[],"new_reaction":[{"type":"emoji","emoji":"👍"}]}`, ""},
		"one of two reactions":         {`"message_reaction":{"chat":{"id":42,"type":"private"},"message_id":1,"user":{"id":42},"date":1,"old_reaction":[{"type":"emoji","emoji":"👍"}],"new_reaction":[{"type":"emoji","emoji":"👍"},{"type":"emoji","emoji":"🔥"},{"type":"custom_emoji"}]}`, "🔥"},
		"a deletion":                   {`"deleted_business_messages":{"business_connection_id":"conn1","chat":{"id":42,"type":"private"},"message_ids":[5]}`, "deleted 5 in b9.42"},
	} {
		got := ""
		for _, e := range r.heardOf(t, `{"update_id":1,`+c.update+`}`) {
			switch e := e.(type) {
			case bridge.MessageEvent:
				got += map[bool]string{true: "own "}[e.Own] + e.Text
			case bridge.Edited:
				got += fmt.Sprintf("%s at %d", e.Text, e.At.Unix()) + strings.TrimPrefix(" in "+string(e.Room), " in 42")
			case bridge.Reacted:
				got += e.Emoji
			case bridge.Deleted:
				got += fmt.Sprintf("deleted %s in %s", e.Msg, e.Room)
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	for _, c := range r.Calls("getUserProfilePhotos") {
		if c.Params["user_id"] == float64(9) {
			t.Error("the owner's picture is asked for")
		}
	}
}

// What happens in a chat after an album is told after it, whatever it is.
func TestAfterAnAlbum(t *testing.T) {
	for name, update := range map[string]string{
		"a deletion": `"deleted_business_messages":{"business_connection_id":"conn1","chat":{"id":42,"type":"private"},"message_ids":[5]}`,
		"a reaction": `"message_reaction":{"chat":{"id":42,"type":"private"},"message_id":1,"user":{"id":42},"date":1,"new_reaction":[{"type":"emoji","emoji":"👍"}]}`,
		"an edit":    `"edited_business_message":{"message_id":5,"from":{"id":42},"chat":{"id":42,"type":"private"},"date":1,"business_connection_id":"conn1","text":"x"}`,
		"a message":  `"business_message":{"message_id":6,"from":{"id":42},"chat":{"id":42,"type":"private"},"date":1,"business_connection_id":"conn1","text":"x"}`,
		"a block":    `"my_chat_member":{"chat":{"id":42,"type":"private"},"from":{"id":42},"date":1,"new_chat_member":{"status":"kicked"}}`,
	} {
		r := newRig(t, modePoll)
		r.Connect("conn1", telegramtest.User{ID: 9}, false)
		if err := r.listener().remember(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.heardOf(t, `{"update_id":1,"business_message":{"message_id":5,"from":{"id":42},"chat":{"id":42,"type":"private"},"date":1,"business_connection_id":"conn1","media_group_id":"g","photo":[{"file_id":"f"}]}}`)
		got := r.heardOf(t, `{"update_id":2,`+update+`}`)
		if len(got) != 2 {
			t.Errorf("%s: heard %+v", name, got)
			continue
		}
		if m, ok := got[0].(bridge.MessageEvent); !ok || len(m.Files) != 1 {
			t.Errorf("%s: first %+v", name, got[0])
		}
	}
}

// Of a picture's sizes the smallest that is wide enough is taken, else the widest.
func TestPictureSizes(t *testing.T) {
	for sizes, want := range map[string]string{"640 160 320": "160", "80 150": "150", "159 161": "161", "": ""} {
		var list []map[string]any
		for w := range strings.FieldsSeq(sizes) {
			list = append(list, map[string]any{"file_id": w, "width": json.Number(w)})
		}
		b, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		r := newRig(t, modePoll)
		r.script(map[string]scriptedAnswer{"getUserProfilePhotos": {200, `{"ok":true,"result":{"photos":[` + string(b) + `]}}`}})
		if f, met := r.listener().avatar(t.Context(), 42); f.Ref != want || met != 42 {
			t.Errorf("of %s: %+v, %d", sizes, f, met)
		}
	}
}

// Rooms that are none.
func TestRooms(t *testing.T) {
	for room, ok := range map[bridge.RoomID]bool{
		"42": true, "b9.42": true, "0": false, "": false, "b0.42": false, "b9.0": false, "b9": false, "b.42": false, "bx.42": false, "x": false, "b9.x": false,
	} {
		owner, chat, got := splitRoom(room)
		if got != ok || ok && roomOf(owner, chat) != room {
			t.Errorf("%q: %d, %d, %v", room, owner, chat, got)
		}
	}
	r := newRig(t, modePoll)
	for user, ok := range map[bridge.UserID]bool{"42": true, "lilei": false, "b9.42": false} {
		room, err := r.adapter.(bridge.Opener).Open(t.Context(), bridge.Opening{Members: []bridge.UserID{user}})
		if (err == nil) != ok || ok && room != "42" {
			t.Errorf("%s opens %q, %v", user, room, err)
		}
	}
}

// Texts and files at Telegram's limits.
func TestSayingLimits(t *testing.T) {
	r := quiet(t)
	small := []bridge.Attachment{attach("a.txt", "text/plain", []byte("x"))}
	cfg, _ := r.Config().(*Config)
	for name, c := range map[string]struct {
		d     bridge.Draft
		shown int // 0 is refused
	}{
		"a text":                 {bridge.Draft{Text: strings.Repeat("x", maxText)}, 1},
		"one unit more":          {bridge.Draft{Text: strings.Repeat("x", maxText+1)}, 0},
		"a text beside a file":   {bridge.Draft{Text: strings.Repeat("x", maxCaption), Files: small}, 1},
		"one unit more, a file":  {bridge.Draft{Text: strings.Repeat("x", maxCaption+1), Files: small}, 2},
		"the largest file":       {bridge.Draft{Files: []bridge.Attachment{attach("a", "x/y", make([]byte, cfg.MaxFile))}}, 1},
		"one byte more":          {bridge.Draft{Text: "x", Files: []bridge.Attachment{attach("a", "x/y", make([]byte, cfg.MaxFile+1))}}, 0},
		"an empty file":          {bridge.Draft{Text: "x", Files: []bridge.Attachment{attach("a", "x/y", nil)}}, 0},
		"eleven files":           {bridge.Draft{Files: slices.Repeat(small, maxFiles+1)}, maxFiles + 1},
		"longer than it is said": {bridge.Draft{Files: []bridge.Attachment{{File: bridge.File{Name: "a", Size: 1}, Open: attach("", "", []byte("xy")).Open}}}, 1},
	} {
		before, calls := len(r.Messages(42)), len(r.Calls("sendMessage"))
		c.d.Key = name
		ids, err := r.send(c.d)
		if c.shown == 0 && len(r.Calls("sendMessage")) != calls {
			t.Errorf("%s is tried", name)
		}
		if n := len(r.Messages(42)) - before; n != c.shown || len(ids) != c.shown || (c.shown == 0) != (bridge.Judge(err).Verdict == bridge.VerdictPermanent) {
			t.Errorf("%s: %d shown, ids %q, %v", name, n, ids, err)
		}
	}
	if k := kind(bridge.File{Type: "image/png", Size: maxPhoto}); k != "photo" {
		t.Errorf("the largest picture is a %s", k)
	}
	last := r.Messages(42)
	if f := last[slices.IndexFunc(last, func(m telegramtest.Message) bool { return m.File != nil && m.File.Name == "a" && len(m.File.Data) == 1 })].File; !bytes.Equal(f.Data, []byte("x")) {
		t.Errorf("of a file that is longer %q is sent", f.Data)
	}
}

// Only the first message of several answers another, and only the first has the words.
func TestReplyOfSeveral(t *testing.T) {
	r := quiet(t)
	to := r.Say(telegramtest.Said{User: zhang, Text: "?"})
	files := []bridge.Attachment{attach("a.txt", "text/plain", []byte("x")), attach("b.ogg", "audio/ogg", []byte("OggS")), attach("c.ogg", "audio/ogg", []byte("OggS"))}
	for _, text := range []string{"short", strings.Repeat("x", maxCaption+1)} {
		before := len(r.Messages(42))
		r.must(r.send(bridge.Draft{Key: "k" + text[:1], Text: text, Files: files, ReplyTo: msgOf(to)}))
		for i, m := range r.Messages(42)[before:] {
			if (m.ReplyTo == to) != (i == 0) || (m.Text == text) != (i == 0) {
				t.Errorf("%d of %.5s: answers %d, says %.5q", i, text, m.ReplyTo, m.Text)
			}
		}
	}
}

// In the chat of a business account there are no reactions; what is wrong with a text there is told once.
func TestNotInBusiness(t *testing.T) {
	r := newRig(t, modePoll)
	r.Connect("conn1", telegramtest.User{ID: 9}, false)
	r.run()
	id := r.Say(telegramtest.Said{User: zhang, Text: "hi", Connection: "conn1"})
	r.message(id)
	err := r.adapter.(bridge.Reactor).React(t.Context(), "b9.42", msgOf(id), "👍", true)
	if bridge.Judge(err).Verdict != bridge.VerdictPermanent || !strings.Contains(err.Error(), "no reaction 👍") {
		t.Errorf("%v", err)
	}
	r.Refuse("sendMessage", http.StatusBadRequest, "Bad Request: can't parse entities")
	if _, err := r.adapter.Send(t.Context(), "b9.42", bridge.Draft{Key: "k", Text: "plain"}); bridge.Judge(err).Verdict != bridge.VerdictPermanent || len(r.Calls("sendMessage")) != 1 {
		t.Errorf("%v after %d calls", err, len(r.Calls("sendMessage")))
	}
}

// What the hook does not take.
func TestHookRefuses(t *testing.T) {
	r := newRig(t, modeWebhook)
	h, _ := r.adapter.(*hooked)
	secret := h.cfg.secret()
	for name, c := range map[string]struct {
		method, secret, body string
		status               int
	}{
		"asked":        {http.MethodGet, secret, `{"update_id":1}`, http.StatusUnauthorized},
		"no secret":    {http.MethodPost, "", `{"update_id":1}`, http.StatusUnauthorized},
		"no number":    {http.MethodPost, secret, `{}`, http.StatusBadRequest},
		"number zero":  {http.MethodPost, secret, `{"update_id":0}`, http.StatusBadRequest},
		"less":         {http.MethodPost, secret, `{"update_id":-1,"message":1}`, http.StatusBadRequest},
		"no object":    {http.MethodPost, secret, `[]`, http.StatusBadRequest},
		"does not run": {http.MethodPost, secret, `{"update_id":1}`, http.StatusServiceUnavailable},
	} {
		req := httptest.NewRequest(c.method, "/hook/tg", strings.NewReader(c.body))
		req.Header.Set("X-Telegram-Bot-Api-Secret-Token", c.secret)
		w := httptest.NewRecorder()
		h.Hook().ServeHTTP(w, req)
		if w.Code != c.status {
			t.Errorf("%s: %d, want %d", name, w.Code, c.status)
		}
	}
}

// A long question's key fits a button, and two such keys stay two.
func TestLongKeys(t *testing.T) {
	r := quiet(t)
	q := bridge.Ask{ID: "q", Text: "?", Choices: slices.Repeat([]bridge.Choice{{ID: "a", Label: "A"}}, 12)}
	data := map[string]bool{}
	for _, n := range []int{48, 49, 50} {
		if _, err := r.adapter.(bridge.Asker).Ask(t.Context(), "42", strings.Repeat("k", n), q); err != nil {
			t.Fatal(err)
		}
		list := r.Messages(42)
		data[list[len(list)-1].Buttons[11].Data] = true
	}
	if len(data) != 3 {
		t.Errorf("buttons bring back %v", data)
	}
}
