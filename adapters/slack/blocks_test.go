package slack

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// badBlocks reports what https://docs.slack.dev/reference/block-kit/blocks forbids.
func badBlocks(blocks []any) bool {
	text := func(v any, limit int) bool { // a text object that is in order
		t, _ := v.(map[string]any)
		s, _ := t["text"].(string)
		return s != "" && utf8.RuneCountInString(s) <= limit && (t["type"] == "plain_text" || t["type"] == "mrkdwn" && t["emoji"] == nil)
	}
	for _, v := range blocks {
		b, _ := v.(map[string]any)
		switch b["type"] {
		case "section":
			if !text(b["text"], 3000) {
				return true
			}
		case "header":
			if !text(b["text"], 150) {
				return true
			}
		case "image":
			if u, _ := b["image_url"].(string); !strings.HasPrefix(u, "https://") || b["alt_text"] == "" {
				return true
			}
		case "actions":
			if badButtons(b["elements"], text) {
				return true
			}
		case "input":
			if !text(b["label"], 2000) || badInput(b["element"], text) {
				return true
			}
		default:
			return true
		}
	}
	return len(blocks) > 100
}

func badButtons(v any, text func(any, int) bool) bool {
	list, _ := v.([]any)
	seen := map[any]bool{}
	for _, x := range list {
		b, _ := x.(map[string]any)
		value, _ := b["value"].(string)
		style := b["style"]
		if b["type"] != "button" || !text(b["text"], 75) || len(value) > 2000 || seen[b["action_id"]] ||
			style != nil && style != "primary" && style != "danger" {
			return true
		}
		seen[b["action_id"]] = true
	}
	return len(list) == 0 || len(list) > 25
}

func badInput(v any, text func(any, int) bool) bool {
	e, _ := v.(map[string]any)
	switch e["type"] {
	case "plain_text_input":
		n, _ := e["max_length"].(float64)
		value, given := e["initial_value"]
		return n < 1 || n > 3000 || given && value == ""
	case "static_select":
		list, _ := e["options"].([]any)
		for _, x := range list {
			o, _ := x.(map[string]any)
			if value, _ := o["value"].(string); value == "" || len(value) > 150 || !text(o["text"], 75) {
				return true
			}
		}
		return len(list) == 0 || len(list) > 100
	}
	return true
}

// view shows the App Home or a form (https://docs.slack.dev/reference/views/modal-views).
func (w *workspace) view(method string, f url.Values) obj {
	var v map[string]any
	if json.Unmarshal([]byte(f.Get("view")), &v) != nil {
		return no("invalid_arguments")
	}
	if blocks, _ := v["blocks"].([]any); len(blocks) == 0 || badBlocks(blocks) {
		return no("invalid_arguments")
	}
	if method == "views.publish" {
		if v["type"] != "home" {
			return no("invalid_arguments")
		}
		w.views[f.Get("user_id")] = f.Get("view")
		return yes("view", obj{"id": "V1"})
	}
	for _, k := range []string{"title", "submit", "close"} {
		t, _ := v[k].(map[string]any)
		if s, _ := t["text"].(string); s == "" || utf8.RuneCountInString(s) > 24 || t["type"] != "plain_text" {
			return no("invalid_arguments")
		}
	}
	if v["type"] != "modal" {
		return no("invalid_arguments")
	}
	if !w.triggers[f.Get("trigger_id")] {
		return no("expired_trigger_id")
	}
	delete(w.triggers, f.Get("trigger_id"))
	id := w.id("V")
	w.modals[id] = v
	return yes("view", obj{"id": id})
}

// trigger is good for opening one form.
func (w *workspace) trigger() string {
	id := w.id("t")
	w.triggers[id] = true
	return id
}

// responded is a call of a response_url, which takes no token.
func (w *workspace) responded(rw http.ResponseWriter, r *http.Request) {
	var in struct {
		Replace bool   `json:"replace_original"`
		Text    string `json:"text"`
		Blocks  []any  `json:"blocks"`
	}
	err := json.NewDecoder(r.Body).Decode(&in)
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.respond[strings.TrimPrefix(r.URL.Path, "/respond/")]
	if err != nil || f == nil || !in.Replace || r.Header.Get("Authorization") != "" || badBlocks(in.Blocks) {
		w.t.Errorf("the response %+v is wrong: %v", in, err)
		http.Error(rw, "invalid_payload", http.StatusBadRequest)
		return
	}
	f(in.Text, in.Blocks)
	_, _ = io.WriteString(rw, "ok")
}
