package wechatkf

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/wechatkf/wechatkftest"
	"github.com/hutong-im/hutong/bridge"
)

// What is just short enough goes, in as many messages as it should; what is too long is not even tried.
func TestLimits(t *testing.T) {
	choices := func(n int) []bridge.Choice { return slices.Repeat([]bridge.Choice{{ID: "a", Label: "A"}}, n) }
	for name, c := range map[string]struct {
		text    string
		choices []bridge.Choice
		shown   int // 0 is refused
	}{
		"a text":                  {strings.Repeat("x", maxText), nil, 1},
		"one byte more":           {strings.Repeat("x", maxText+1), nil, 0},
		"a menu":                  {strings.Repeat("x", maxHead), choices(maxItems), 1},
		"a text and a menu":       {strings.Repeat("x", maxHead+1), choices(1), 2},
		"the longest, and a menu": {strings.Repeat("x", maxText), choices(1), 2},
		"one byte more, a menu":   {strings.Repeat("x", maxText+1), choices(1), 0},
		"too many entries":        {"x", choices(maxItems + 1), 0},
		"an entry":                {"x", []bridge.Choice{{ID: strings.Repeat("x", maxItem-len("q")-18), Label: "A"}}, 1},
		"an entry's id too long":  {"x", []bridge.Choice{{ID: strings.Repeat("x", maxItem-len("q")-17), Label: "A"}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, wechatkftest.Options{})
			a := r.open()
			r.Say(account, customer, "hi")
			_, err := a.Ask(t.Context(), roomOf(account, customer), "k", bridge.Ask{ID: "q", Text: c.text, Choices: c.choices})
			if (err == nil) != (c.shown > 0) || err != nil && bridge.Judge(err).Verdict != bridge.VerdictPermanent {
				t.Errorf("%v", err)
			}
			if n := len(r.Requests(sendPath)); n != c.shown || len(r.shown()) != c.shown {
				t.Errorf("said in %d messages, want %d", n, c.shown)
			}
		})
	}
}

// Files at the limits, and what they are shown as.
func TestFileLimits(t *testing.T) {
	for name, c := range map[string]struct {
		f    bridge.File
		kind string
	}{
		"picture":                 {bridge.File{Type: "image/jpeg", Size: maxImage}, "image"},
		"larger picture":          {bridge.File{Type: "image/jpeg", Size: maxImage + 1}, "file"},
		"picture with parameters": {bridge.File{Type: "image/png; x=y", Size: 6}, "image"},
		"voice":                   {bridge.File{Type: "audio/amr", Size: maxVoice}, "voice"},
		"longer voice":            {bridge.File{Type: "audio/amr", Size: maxVoice + 1}, "file"},
		"video":                   {bridge.File{Type: "video/mp4", Size: maxVideo}, "video"},
		"longer video":            {bridge.File{Type: "video/mp4", Size: maxVideo + 1}, "file"},
		"anything":                {bridge.File{Type: "image/webp", Size: 6}, "file"},
	} {
		if got := kindOf(c.f); got != c.kind {
			t.Errorf("%s: %s, want %s", name, got, c.kind)
		}
	}
	r := newRig(t, wechatkftest.Options{})
	a := r.open()
	for size, taken := range map[int]bool{minFile - 1: false, minFile: true, maxFile: true, maxFile + 1: false} {
		_, err := a.upload(t.Context(), attach("a.bin", "application/octet-stream", make([]byte, size)))
		if (err == nil) != taken {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// Whether the session lets the message go after all.
func TestBarredSessions(t *testing.T) {
	const trans = "/cgi-bin/kf/service_state/trans"
	for name, c := range map[string]struct {
		code, state int
		fails       int // how often
		verdict     bridge.Verdict
		moves       int
	}{
		"new":                         {95018, 0, 1, bridge.VerdictSent, 1},
		"new, by the other code":      {95013, 0, 1, bridge.VerdictSent, 1},
		"new, and refused once more":  {95018, 0, 2, bridge.VerdictClosed, 1},
		"the API's":                   {95018, 1, 1, bridge.VerdictClosed, 0},
		"ended":                       {95013, 4, 1, bridge.VerdictClosed, 0},
		"refused for something other": {95001, 0, 1, bridge.VerdictClosed, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, wechatkftest.Options{})
			r.open()
			r.Say(account, customer, "hi")
			r.SetState(account, customer, c.state, "")
			r.Fail(sendPath, wechatkftest.Fault{Code: c.code, Msg: "no", Times: c.fails})
			verdict(t, r.say(roomOf(account, customer), "k", "x"), c.verdict)
			if n := len(r.Requests(trans)); n != c.moves {
				t.Errorf("the session was moved %d times", n)
			}
		})
	}
}

// A code is good for one message, for a while; those of others that are over are forgotten with the next.
func TestCodes(t *testing.T) {
	now := time.Now()
	a := &adapter{env: bridge.Env{Now: func() time.Time { return now }}, codes: map[bridge.RoomID]code{}}
	a.giveCode("a", code{"1", now.Add(time.Second)})
	a.giveCode("b", code{"2", now.Add(2 * time.Second)})
	for _, c := range []struct {
		room bridge.RoomID
		want bool
	}{{"a", true}, {"a", false}, {"none", false}} {
		if _, ok := a.takeCode(c.room); ok != c.want {
			t.Errorf("%s has a code: %v", c.room, ok)
		}
	}
	now = now.Add(2 * time.Second)
	if _, ok := a.takeCode("b"); ok {
		t.Error("a code that is over is taken")
	}
	a.giveCode("c", code{"3", now.Add(time.Second)})
	now = now.Add(2 * time.Second)
	a.giveCode("d", code{"4", now.Add(time.Second)})
	a.giveCode("e", code{"5", now.Add(time.Second)})
	if len(a.codes) != 2 {
		t.Errorf("known: %v", a.codes)
	}
}

// Of first words that may have arrived nothing is said again; a file does not use the code up.
func TestFirstWordsMayHaveArrived(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	a := r.open()
	r.Say(account, customer, "hi")
	room := roomOf(account, customer)
	a.giveCode(room, code{"unknown", time.Now().Add(codeLife)})
	if _, err := a.Send(t.Context(), room, bridge.Draft{Key: "f", Files: []bridge.Attachment{attach("a.txt", "text/plain", []byte("hello!"))}}); err != nil {
		t.Fatal(err)
	}
	r.Fail(onEventPath, wechatkftest.Fault{Lost: true, Times: 1})
	verdict(t, r.say(room, "k", "x"), bridge.VerdictUnsure)
	if n := len(r.Requests(sendPath)); n != 1 {
		t.Errorf("said %d times in the other way", n-1)
	}
	if _, ok := a.takeCode(room); ok {
		t.Error("the code is used once more")
	}
	a.giveCode(room, code{"unknown", time.Now().Add(codeLife)})
	r.Fail(onEventPath, wechatkftest.Fault{Lost: true, Times: 1})
	_, err := a.Ask(t.Context(), room, "q", bridge.Ask{ID: "q", Text: "?", Choices: []bridge.Choice{{ID: "a", Label: "A"}}})
	verdict(t, err, bridge.VerdictUnsure)
	a.giveCode(room, code{"unknown", time.Now().Add(codeLife)})
	r.Fail(onEventPath, wechatkftest.Fault{Code: 95013, Msg: "closed"})
	if err := r.say(room, "k2", "x"); err != nil {
		t.Errorf("the code is not taken, but there is a window: %v", err)
	}
}

// The deadline ends the second part: that the first has arrived is kept all the same.
func TestHalfArrivedInTime(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	a := r.open()
	r.Say(account, customer, "hi")
	d := bridge.Draft{Key: "k", Text: "见附件", Files: []bridge.Attachment{attach("a.txt", "text/plain", []byte("hello!"))}}
	ctx, cancel := context.WithCancel(t.Context())
	a.api.HTTP.Transport = stopping{a.api.HTTP.Transport, cancel, new(int)}
	_, err := a.Send(ctx, roomOf(account, customer), d)
	if err == nil || ctx.Err() == nil {
		t.Fatal(err)
	}
	keys, err := r.state.List(t.Context(), partPrefix, "", 9)
	if err != nil || len(keys) != 1 {
		t.Errorf("kept %q, %v", keys, err)
	}
	if ids, err := a.Send(t.Context(), roomOf(account, customer), d); err != nil || len(ids) != 2 || len(r.shown()) != 2 {
		t.Errorf("%q, %v; shown %q", ids, err, r.shown())
	}
	if keys, err := r.state.List(t.Context(), partPrefix, "", 9); err != nil || len(keys) != 0 {
		t.Errorf("still kept %q, %v", keys, err)
	}
}

// A forwarded history is shown to a hundred messages, three deep, with twenty files.
func TestMerged(t *testing.T) {
	a := &adapter{env: bridge.Env{Lobby: front{lang: "en"}}}
	history := func(n int, kind, content string) map[string]any {
		var list []any
		for range n {
			list = append(list, map[string]any{"msgtype": kind, "sender_name": "王", "msg_content": content})
		}
		return map[string]any{"title": "t", "item": list}
	}
	encoded := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	nested := encoded(map[string]any{"content": "deep"})
	kind := "text"
	for range 5 {
		nested, kind = encoded(history(1, kind, nested)), "merged_msg"
	}
	for name, c := range map[string]struct {
		history string
		count   string
		n       int
		files   int
		cut     bool
	}{
		"a hundred":      {encoded(history(maxMerged, "text", `{"content":"hi"}`)), ": hi", maxMerged, 0, false},
		"more":           {encoded(history(maxMerged+1, "text", `{"content":"hi"}`)), ": hi", maxMerged, 0, true},
		"files":          {encoded(history(30, "image", `{"media_id":"m"}`)), "picture", 30, maxMergedFiles, false},
		"with its type":  {encoded(history(1, "text", `{"text":{"content":"hi"}}`)), ": hi", 1, 0, false},
		"too deep":       {nested, "chat history", 4, 0, true},
		"nothing in one": {encoded(history(1, "text", `{"content":""}`)), "message that only", 1, 0, false},
	} {
		text, files := a.said("merged_msg", json.RawMessage(c.history), 0)
		if strings.Count(text, c.count) != c.n || len(files) != c.files || strings.Contains(text, "…") != c.cut {
			t.Errorf("%s: %d files, %q", name, len(files), text)
		}
	}
}

// Coordinates that are none lead to no map.
func TestMapLink(t *testing.T) {
	for _, c := range []struct {
		lat, long json.Number
		want      bool
	}{
		{"90", "180", true}, {"-90", "-180", true}, {"90.1", "0", false}, {"-90.1", "0", false}, {"0", "180.1", false}, {"0", "-180.1", false}, {"", "1", false}, {"1", "", false},
	} {
		if got := mapLink(c.lat, c.long); (got != "") != c.want || got != "" && !strings.HasSuffix(got, fmt.Sprintf("coord:%s,%s", c.lat, c.long)) {
			t.Errorf("%s, %s: %q", c.lat, c.long, got)
		}
	}
}
