package slack

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/adaptertest"
	"github.com/hutong-im/hutong/bridge"
)

func TestSocketMode(t *testing.T) {
	adaptertest.Run(t, Kind(), newWorkspace(t, roomsChannel, false))
}

func TestEventsOverHTTP(t *testing.T) {
	adaptertest.Run(t, Kind(), newWorkspace(t, roomsChannel, true))
}

func TestThreads(t *testing.T) {
	adaptertest.Run(t, Kind(), newWorkspace(t, roomsThread, false))
}

// Do implements adaptertest.Network.
func (w *workspace) Do(a adaptertest.Act) (bridge.MsgID, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	place, thread := split(string(a.Room))
	c := w.channels[place]
	m := c.find(string(a.Msg))
	switch a.Verb {
	case adaptertest.Say:
		if a.ReplyTo != "" {
			return "", false
		}
		said := obj{"user": string(a.User), "text": escape(a.Text)}
		if thread != "" {
			said["thread_ts"] = thread
		}
		for _, u := range a.Files {
			f := &file{id: w.id("F"), name: u.Name, typ: u.Type, data: u.Data, done: true}
			w.files[f.id] = f
			list, _ := said["files"].([]obj)
			said["files"], said["subtype"] = append(list, w.fileObj(f)), "file_share"
		}
		return bridge.MsgID(w.say(c, said)), true
	case adaptertest.Edit:
		w.change(c, m, escape(a.Text), nil)
	case adaptertest.Recall:
		w.remove(c, string(a.Msg))
	case adaptertest.React, adaptertest.Unreact:
		w.react(c, m, string(a.User), w.emoji.toName(a.Emoji), a.Verb == adaptertest.React)
	case adaptertest.Press:
		for _, h := range c.hints {
			if h["ts"] == string(a.Msg) {
				m = h
			}
		}
		return "", w.press(c, m, string(a.User), a.Choice)
	default:
		return "", false
	}
	return "", true
}

// button is what of a message's blocks can be pressed.
type button struct {
	ActionID string         `json:"action_id"`
	Value    string         `json:"value"`
	Text     map[string]any `json:"text"`
}

func buttons(blocks any) []button {
	b, _ := json.Marshal(blocks)
	var list []struct{ Elements []button }
	_ = json.Unmarshal(b, &list)
	var out []button
	for _, x := range list {
		out = append(out, x.Elements...)
	}
	return out
}

func (w *workspace) press(c *channel, m obj, user, choice string) bool {
	for _, b := range buttons(m["blocks"]) {
		var p press
		_, body, _ := strings.Cut(b.Value, " ")
		if json.Unmarshal([]byte(body), &p) == nil && p.Choice == choice {
			w.pressed(c, m, user, b)
			return true
		}
	}
	return false
}

func (w *workspace) pressed(c *channel, m obj, user string, b button) {
	respond := w.id("r")
	w.respond[respond] = func(text string, blocks any) { m["text"], m["blocks"] = text, blocks }
	_, hint := m["to"]
	e := obj{
		"type": "block_actions", "user": obj{"id": user}, "channel": obj{"id": c.id}, "trigger_id": w.trigger(),
		"container":    obj{"type": "message", "message_ts": m["ts"], "channel_id": c.id, "is_ephemeral": hint},
		"response_url": w.srv.URL + "/respond/" + respond,
		"actions":      []obj{{"type": "button", "action_id": b.ActionID, "value": b.Value, "text": b.Text, "action_ts": w.ts()}},
	}
	if !hint { // of one that a single user sees, the content is not told
		e["message"] = m
	}
	w.tell("interactive", e)
}

var (
	fileLink = regexp.MustCompile(`\n?<http://[^|>]*/files/[^>]*>( |$)`)
	mention  = regexp.MustCompile(`^<@U[0-9A-Z]+> `)
)

// View implements adaptertest.Network.
func (w *workspace) View(room bridge.RoomID) adaptertest.View {
	w.mu.Lock()
	defer w.mu.Unlock()
	place, thread := split(string(room))
	if w.channels[place] == nil {
		return adaptertest.View{}
	}
	c := w.channels[place]
	v := adaptertest.View{Title: c.topic}
	for _, u := range c.members {
		v.Members = append(v.Members, bridge.UserID(u))
	}
	for _, m := range c.msgs {
		at, _ := m["ts"].(string)
		if t, _ := m["thread_ts"].(string); t != thread && t != at || at == thread {
			continue
		}
		v.Lines = append(v.Lines, w.line(m))
	}
	for _, h := range c.hints {
		l := w.line(h)
		l.To = bridge.UserID(h["to"].(string))
		v.Lines = append(v.Lines, l)
	}
	for _, ts := range c.pins {
		if m := c.find(ts); m != nil && (thread == "" || thread == ts) {
			v.Board = unescape(m["text"].(string))
		}
	}
	return v
}

// shown is a message's text, or that of its blocks, which hide it.
func shown(m obj) string {
	b, _ := json.Marshal(m["blocks"])
	var blocks []struct{ Text struct{ Type, Text string } }
	_ = json.Unmarshal(b, &blocks)
	var out []string
	for _, x := range blocks {
		if x.Text.Type == "plain_text" {
			x.Text.Text = escape(x.Text.Text)
		}
		if x.Text.Text != "" {
			out = append(out, x.Text.Text)
		}
	}
	if len(out) == 0 {
		return m["text"].(string)
	}
	return strings.Join(out, "\n")
}

func (w *workspace) line(m obj) adaptertest.Line {
	text := fileLink.ReplaceAllString(mention.ReplaceAllString(shown(m), ""), "")
	l := adaptertest.Line{Msg: bridge.MsgID(m["ts"].(string)), Mine: m["user"] == botUser, Text: unescape(text)}
	l.Name, _ = m["username"].(string)
	for _, n := range reactions(m, botUser) {
		l.Reactions = append(l.Reactions, w.emoji.toChar(n))
		l.Mark += n
	}
	for _, b := range buttons(m["blocks"]) {
		label, _ := b.Text["text"].(string)
		l.Choices = append(l.Choices, label)
	}
	files, _ := m["files"].([]obj)
	for _, f := range files {
		x := w.files[f["id"].(string)]
		l.Files = append(l.Files, adaptertest.Upload{Name: x.name, Type: x.typ, Data: x.data})
	}
	return l
}

// Forge implements adaptertest.Forger.
func (w *workspace) Forge(f adaptertest.Forgery, room bridge.RoomID, user bridge.UserID, text string) (int, bool) {
	w.mu.Lock()
	hook := w.hook
	place, _ := split(string(room))
	body, _ := json.Marshal(obj{"type": "event_callback", "event": obj{
		"type": "message", "channel": place, "user": string(user), "text": text, "ts": w.ts(),
	}})
	w.mu.Unlock()
	if hook == nil {
		return 0, false
	}
	now := time.Now()
	switch f {
	case adaptertest.Unsigned:
		return knock(hook, body, false, now, ""), true
	case adaptertest.Forged:
		return knock(hook, body, false, now, "another"), true
	case adaptertest.Replayed:
		return knock(hook, body, false, now.Add(-6*time.Minute), signing), true
	case adaptertest.Altered:
		stamp := now
		return knockAltered(hook, body, stamp), true
	case adaptertest.Malformed:
		return knock(hook, []byte(`{"type":"event_callback","event":{"ty`), false, now, signing), true
	case adaptertest.Oversized:
		big, _ := json.Marshal(obj{"type": "event_callback", "event": obj{"type": "message", "text": strings.Repeat("x", 2<<20)}})
		return knock(hook, big, false, now, signing), true
	}
	return 0, false
}

func knockAltered(hook http.Handler, body []byte, at time.Time) int {
	return knockSigned(hook, body, at, signature(signing, stampSec(at), append([]byte(" "), body...)))
}
