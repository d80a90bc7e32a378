package slack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/hutong-im/hutong/bridge"
)

// A hint reaches its user where the app is not, or nobody can write any more.
func TestHintWhereNobodyCanWrite(t *testing.T) {
	for _, code := range []string{"user_not_in_channel", "channel_not_found", "not_in_channel", "is_archived"} {
		w := newWorkspace(t, roomsChannel, false)
		room, user := w.Room()
		r := newRig(t, w)
		w.refuse["chat.postEphemeral"] = code
		if err := r.core.Hint(t.Context(), room, user, bridge.Ask{Text: "x"}); err != nil || w.count("chat.postMessage") != 1 {
			t.Errorf("%s: %v, %v", code, err, w.calls)
		}
		w.refuse["chat.postEphemeral"] = "msg_too_long"
		if err := r.core.Hint(t.Context(), room, user, bridge.Ask{Text: "x"}); !is(err, "msg_too_long") || w.count("chat.postMessage") != 1 {
			t.Errorf("%v, %v", err, w.calls)
		}
	}
}

// The App Home shows what there is to know, of as many as Slack can show, and where to find them.
func TestHomeShows(t *testing.T) {
	w := newWorkspace(t, roomsThread, false)
	_, user := w.Room()
	r := newRig(t, w)
	s := quietSession(t)
	s.me.URL = "https://acme.slack.com/"
	many := make([]bridge.RoomView, homeRooms+5)
	for i := range many {
		many[i] = bridge.RoomView{Room: "D1:1.000002", Other: bridge.Label{Text: "many"}, State: bridge.LinkAsked, AskID: "link:l1"}
	}
	for name, c := range map[string]struct {
		rooms  []bridge.RoomView
		runs   bool
		want   string
		blocks int
	}{
		"nobody":        {nil, false, "No contacts yet.", 2},
		"a thread":      {[]bridge.RoomView{{Room: "D1:1.000002"}}, true, "<https://acme.slack.com/archives/D1/p1000002|→>", 2},
		"not connected": {[]bridge.RoomView{{Room: "D1:1.000002", Other: bridge.Label{Text: "王"}}}, false, `"*王*"`, 2},
		"a window":      {[]bridge.RoomView{{Room: "C1", Window: "2/5 <left>"}}, false, `\n_2/5 &lt;left&gt;_`, 2},
		"the last":      {[]bridge.RoomView{{Room: "C1", Last: &bridge.Line{Text: strings.Repeat("王", 200)}}}, false, `\n` + strings.Repeat("王", maxLabel-1) + `…"`, 2},
		"asked":         {[]bridge.RoomView{{Room: "C1", State: bridge.LinkAsked, AskID: "link:l1"}}, false, `"Accept"`, 4},
		"asked before":  {[]bridge.RoomView{{Room: "C1", State: bridge.LinkAsked}}, false, "C1", 2},
		"many":          {many, false, "many", 2*homeRooms + 2},
	} {
		r.lobby.rooms = c.rooms
		if r.core.session.Store(nil); c.runs {
			r.core.session.Store(s)
		}
		blocks, err := r.core.home(t.Context(), user)
		b, _ := json.Marshal(blocks)
		shown := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(b))
		if err != nil || !strings.Contains(shown, c.want) || len(blocks) != c.blocks {
			t.Errorf("%s: %v, %d blocks: %s", name, err, len(blocks), shown)
		}
	}
}

// A question is answered at Slack's address only, and the answer is as old as the press.
func TestPressed(t *testing.T) {
	w := newWorkspace(t, roomsChannel, false)
	r := newRig(t, w)
	s := quietSession(t)
	s.a, s.in = r.core, r
	var asked []string
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) { asked = append(asked, q.URL.Path) }))
	defer thief.Close()
	row, err := r.core.buttons(t.Context(), "C1", "link:l1", []bridge.Choice{{ID: "accept", Label: "Accept"}})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(row["elements"])
	var i interaction
	press := fmt.Sprintf(`{"type":"block_actions","user":{"id":"U1"},"response_url":%q,"actions":%s}`, thief.URL, strings.Replace(string(b), `"action_id"`, `"action_ts":"1700000000.000100","action_id"`, 1))
	if err := json.Unmarshal([]byte(press), &i); err != nil {
		t.Fatal(err)
	}
	if err := s.act(&i); err != nil {
		t.Fatal(err)
	}
	if e, ok := last[bridge.Answered](r); !ok || e.Choice != "accept" || !e.At.Equal(moment("1700000000.000100")) {
		t.Errorf("%+v", r.all())
	}
	if slices.Contains(asked, "/") {
		t.Error("the answer went to another address")
	}
}
