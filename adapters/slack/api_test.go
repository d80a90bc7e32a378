package slack

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

func no(code string) obj { return obj{"ok": false, "error": code} }

func yes(kv ...any) obj {
	o := obj{"ok": true}
	for i := 0; i+1 < len(kv); i += 2 {
		o[kv[i].(string)] = kv[i+1]
	}
	return o
}

func signature(secret, stamp string, body []byte) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte("v0:" + stamp + ":"))
	h.Write(body)
	return "v0=" + hex.EncodeToString(h.Sum(nil))
}

// answer carries out one method.
func (w *workspace) answer(method string, f url.Values) obj {
	c := w.channels[f.Get("channel")]
	if f.Has("channel") && f.Get("channel") == "" {
		return no("channel_not_found")
	}
	if f.Has("channel") && (c == nil || !slices.Contains(c.members, botUser)) {
		return no("channel_not_found")
	}
	if c != nil && c.archived && changes.MatchString(method) && method != "chat.delete" {
		return no("is_archived")
	}
	switch method {
	case "auth.test":
		return yes("url", "https://acme.slack.com/", "team", "ACME", "user", "hutong", "team_id", "T1", "user_id", botUser, "bot_id", botID)
	case "apps.connections.open":
		return yes("url", strings.Replace(w.srv.URL, "http", "ws", 1)+"/socket?ticket="+ticket)
	case "users.info":
		if name, ok := w.users[f.Get("user")]; ok {
			return yes("user", w.user(f.Get("user"), name))
		}
		return no("user_not_found")
	case "views.publish", "views.open":
		return w.view(method, f)
	}
	switch group, _, _ := strings.Cut(method, "."); group {
	case "chat":
		return w.chat(method, c, f)
	case "conversations":
		return w.conversation(method, c, f)
	case "reactions", "pins":
		return w.decorate(method, c, f)
	case "files":
		return w.fileMethod(method, f)
	}
	return no("unknown_method")
}

var call = regexp.MustCompile(`<(!|subteam)`)

func (w *workspace) chat(method string, c *channel, f url.Values) obj {
	text := f.Get("text")
	if call.MatchString(text) || f.Get("link_names") == "1" || f.Get("parse") == "full" {
		w.shouted = append(w.shouted, text)
	}
	switch {
	case c == nil:
		return no("channel_not_found")
	case method != "chat.delete" && text == "" && f.Get("blocks") == "":
		return no("no_text")
	case utf8.RuneCountInString(unescape(text)) > 40000, method == "chat.update" && utf8.RuneCountInString(unescape(text)) > 4000+30:
		return no("msg_too_long")
	case utf8.RuneCountInString(f.Get("username")) > 80:
		return no("invalid_arguments")
	}
	m := obj{"user": botUser, "bot_id": botID, "text": text}
	for _, k := range []string{"blocks", "metadata"} {
		if f.Get(k) == "" {
			continue
		}
		var v any
		if json.Unmarshal([]byte(f.Get(k)), &v) != nil || v == nil {
			return no("invalid_" + k)
		}
		m[k] = v
	}
	if list, _ := m["blocks"].([]any); badBlocks(list) {
		return no("invalid_blocks")
	}
	for _, k := range []string{"username", "thread_ts", "icon_url", "icon_emoji"} {
		if f.Get(k) != "" {
			m[k] = f.Get(k)
		}
	}
	if t := f.Get("thread_ts"); t != "" && c.find(t) == nil {
		return no("thread_not_found")
	}
	switch method {
	case "chat.postMessage":
		m["files"] = w.shared(text)
		ts := w.say(c, m)
		return yes("channel", c.id, "ts", ts, "message", m)
	case "chat.postEphemeral":
		if !slices.Contains(c.members, f.Get("user")) {
			return no("user_not_in_channel")
		}
		m["ts"], m["to"] = w.ts(), f.Get("user")
		c.hints = append(c.hints, m)
		return yes("message_ts", m["ts"])
	}
	old := c.find(f.Get("ts"))
	if old == nil {
		return no("message_not_found")
	}
	if old["user"] != botUser {
		return no("cant_update_message")
	}
	if method == "chat.delete" {
		w.remove(c, f.Get("ts"))
		return yes("channel", c.id, "ts", f.Get("ts"))
	}
	w.change(c, old, text, m["blocks"])
	return yes("channel", c.id, "ts", f.Get("ts"), "text", text)
}

// shared are the files whose links stand in a text.
func (w *workspace) shared(text string) []obj {
	out := []obj{}
	for id, f := range w.files {
		if f.done && strings.Contains(text, "<"+w.srv.URL+"/files/"+id+"|") {
			o := w.fileObj(f)
			delete(o, "initial_comment")
			out = append(out, o)
		}
	}
	return out
}

func (w *workspace) fileObj(f *file) obj {
	return obj{
		"id": f.id, "name": f.name, "mimetype": f.typ, "size": len(f.data), "mode": "hosted", "initial_comment": "of another type than documented",
		"url_private": w.srv.URL + "/files-pri/" + f.id + "/x", "permalink": w.srv.URL + "/files/" + f.id,
	}
}

func (w *workspace) change(c *channel, m obj, text string, blocks any) {
	before := maps.Clone(m)
	at := w.ts()
	m["text"], m["edited"] = text, obj{"user": m["user"], "ts": at}
	if blocks != nil {
		m["blocks"] = blocks
	}
	w.tell("events_api", obj{"type": "event_callback", "event": obj{
		"type": "message", "subtype": "message_changed", "hidden": true, "channel": c.id, "ts": at, "event_ts": at,
		"message": maps.Clone(m), "previous_message": before,
	}})
}

func (w *workspace) remove(c *channel, ts string) {
	before := maps.Clone(c.find(ts))
	if c.find(ts)["thread_ts"] == ts { // what had replies leaves a gravestone
		m := c.find(ts)
		clear(m)
		maps.Copy(m, obj{"type": "message", "subtype": "tombstone", "user": "USLACKBOT", "text": "This message was deleted.", "ts": ts, "thread_ts": ts})
	} else {
		c.msgs = slices.DeleteFunc(c.msgs, func(m obj) bool { return m["ts"] == ts })
	}
	at := w.ts()
	w.tell("events_api", obj{"type": "event_callback", "event": obj{
		"type": "message", "subtype": "message_deleted", "hidden": true, "channel": c.id, "ts": at, "event_ts": at, "deleted_ts": ts,
		"previous_message": before,
	}})
}

var (
	anyName   = regexp.MustCompile(`^[\p{Ll}\p{Lo}\p{N}_-]{1,80}$`)
	latinName = regexp.MustCompile(`^[a-z0-9_-]{1,80}$`)
)

func (w *workspace) conversation(method string, c *channel, f url.Values) obj {
	switch method {
	case "conversations.create":
		return w.create(f.Get("name"), f.Get("is_private"))
	case "conversations.open":
		if _, ok := w.users[f.Get("users")]; !ok {
			return no("user_not_found")
		}
		return yes("channel", obj{"id": w.direct(f.Get("users")).id})
	}
	if c == nil {
		return no("channel_not_found")
	}
	switch method {
	case "conversations.invite":
		for u := range strings.SplitSeq(f.Get("users"), ",") {
			if slices.Contains(c.members, u) {
				return no("already_in_channel")
			}
			if _, ok := w.users[u]; !ok {
				return no("user_not_found")
			}
			c.members = append(c.members, u)
		}
		return yes("channel", obj{"id": c.id})
	case "conversations.setTopic":
		text := f.Get("topic")
		if utf8.RuneCountInString(text) > 250 {
			return no("too_long")
		}
		c.topic = text
		c.topics++
		return yes("channel", obj{"id": c.id})
	case "conversations.history", "conversations.replies":
		if c == w.broken {
			return no("internal_error")
		}
		return w.history(method, c, f)
	}
	return no("unknown_method")
}

func (w *workspace) create(name, private string) obj {
	valid := anyName
	if w.latin {
		valid = latinName
	}
	if !valid.MatchString(name) {
		return no("invalid_name_specials")
	}
	for _, c := range w.channels {
		if c.name == name {
			return no("name_taken")
		}
	}
	if private != "true" {
		return no("restricted_action")
	}
	c := &channel{id: w.id("C"), name: name, members: []string{botUser}}
	w.channels[c.id] = c
	return yes("channel", obj{"id": c.id, "name": name})
}

// history pages as Slack does: a channel from its end, a thread from its beginning and with its root each time.
func (w *workspace) history(method string, c *channel, f url.Values) obj {
	limit, _ := strconv.Atoi(f.Get("limit"))
	if limit < 1 || limit > 999 {
		return no("invalid_limit")
	}
	limit = min(limit, 5) // small pages, so that they are followed
	root, oldest := f.Get("ts"), micros(f.Get("oldest"))
	var all []obj
	for _, m := range c.msgs {
		thread, _ := m["thread_ts"].(string)
		at := m["ts"].(string)
		switch {
		case method == "conversations.history" && (thread == "" || thread == at || m["subtype"] == "thread_broadcast"):
		case method == "conversations.replies" && (at == root || thread == root):
		default:
			continue
		}
		if latest := f.Get("latest"); latest != "" && micros(at) > micros(latest) {
			continue
		}
		if f.Get("inclusive") == "true" && micros(at) == oldest || micros(at) > oldest || at == root {
			all = append(all, w.seen(m, f.Get("include_all_metadata")))
		}
	}
	if method == "conversations.replies" && c.find(root) == nil {
		return no("thread_not_found")
	}
	if method == "conversations.history" {
		slices.Reverse(all)
	}
	from, _ := strconv.Atoi(f.Get("cursor"))
	to := min(from+limit, len(all))
	next := ""
	if to < len(all) {
		next = strconv.Itoa(to)
	}
	page := append([]obj{}, all[min(from, to):to]...)
	return yes("messages", page, "has_more", next != "", "response_metadata", obj{"next_cursor": next})
}

func (w *workspace) seen(m obj, metadata string) obj {
	m = maps.Clone(m)
	m["reactions"] = reactionsOf(m)
	if metadata != "true" && metadata != "1" {
		delete(m, "metadata")
	}
	return m
}

func (w *workspace) decorate(method string, c *channel, f url.Values) obj {
	if c == nil {
		return no("channel_not_found")
	}
	m := c.find(f.Get("timestamp"))
	if m == nil {
		return no("message_not_found")
	}
	if method == "pins.add" {
		if slices.Contains(c.pins, f.Get("timestamp")) {
			return no("already_pinned")
		}
		c.pins = append(c.pins, f.Get("timestamp"))
		return yes()
	}
	name := f.Get("name")
	if method != "reactions.get" && w.emoji.toChar(name) == "" {
		return no("invalid_name")
	}
	switch method {
	case "reactions.get":
		return yes("type", "message", "channel", c.id, "message", obj{"ts": m["ts"], "reactions": reactionsOf(m)})
	case "reactions.add":
		if slices.Contains(reactions(m, botUser), name) {
			return no("already_reacted")
		}
		w.react(c, m, botUser, name, true)
	case "reactions.remove":
		if !slices.Contains(reactions(m, botUser), name) {
			return no("no_reaction")
		}
		w.react(c, m, botUser, name, false)
	}
	return yes()
}

// reactionsOf are a message's reactions as the history tells them.
func reactionsOf(m obj) []obj {
	out := []obj{}
	for k := range m {
		user, ok := strings.CutPrefix(k, "by ")
		for _, n := range reactions(m, user) {
			if ok {
				out = append(out, obj{"name": n, "count": 1, "users": []string{user}})
			}
		}
	}
	return out
}

func reactions(m obj, user string) []string {
	list, _ := m["by "+user].([]string)
	return list
}

func (w *workspace) react(c *channel, m obj, user, name string, on bool) {
	list, kind := reactions(m, user), "reaction_removed"
	list = slices.DeleteFunc(slices.Clone(list), func(n string) bool { return n == name })
	if on {
		list, kind = append(list, name), "reaction_added"
	}
	m["by "+user] = list
	w.tell("events_api", obj{"type": "event_callback", "event": obj{
		"type": kind, "user": user, "reaction": name, "event_ts": w.ts(),
		"item": obj{"type": "message", "channel": c.id, "ts": m["ts"]},
	}})
}

func (w *workspace) fileMethod(method string, f url.Values) obj {
	switch method {
	case "files.getUploadURLExternal":
		n, err := strconv.Atoi(f.Get("length"))
		if err != nil || n < 1 || f.Get("filename") == "" {
			return no("invalid_arguments")
		}
		id := w.id("F")
		w.files[id] = &file{id: id, name: f.Get("filename"), typ: "text/plain", announced: n}
		return yes("upload_url", w.srv.URL+"/upload/"+id, "file_id", id)
	case "files.completeUploadExternal":
		var list []struct{ ID, Title string }
		if json.Unmarshal([]byte(f.Get("files")), &list) != nil || len(list) == 0 {
			return no("invalid_arguments")
		}
		out := []obj{}
		for _, x := range list {
			if w.files[x.ID] == nil || w.files[x.ID].data == nil {
				return no("file_not_found")
			}
			w.files[x.ID].done = true
			out = append(out, obj{"id": x.ID, "title": x.Title})
		}
		return yes("files", out)
	case "files.info":
		if w.files[f.Get("file")] == nil {
			return no("file_not_found")
		}
		return yes("file", w.fileObj(w.files[f.Get("file")]))
	}
	return no("unknown_method")
}

func (w *workspace) user(id, name string) obj {
	return obj{"id": id, "deleted": w.deleted[id], "real_name": name, "profile": obj{"display_name": name}}
}

// permitted is the refusal of a method for which the app has no scope; nil if it has.
func (w *workspace) permitted(method string) obj {
	needs := map[string]string{
		"users.info": "users:read", "chat.postMessage": "chat:write", "chat.update": "chat:write", "chat.delete": "chat:write",
		"chat.postEphemeral": "chat:write", "conversations.create": "groups:write", "conversations.invite": "groups:write",
		"conversations.setTopic": "groups:write", "conversations.open": "im:write",
		"conversations.history": "groups:history", "conversations.replies": "groups:history", "reactions.get": "reactions:read",
		"reactions.add": "reactions:write", "reactions.remove": "reactions:write", "pins.add": "pins:write",
		"files.info": "files:read", "files.getUploadURLExternal": "files:write", "files.completeUploadExternal": "files:write",
	}
	if need := needs[method]; need != "" && !slices.Contains(strings.Split(w.scopes, ","), need) {
		return obj{"ok": false, "error": "missing_scope", "needed": need, "provided": w.scopes}
	}
	return nil
}

var errNull = errors.New("null is no value")

// readForm reads a call's fields, which may come as JSON as well. Nulls are refused.
func readForm(r *http.Request) error {
	if err := r.ParseForm(); err != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		for _, v := range r.Form {
			if strings.Contains(v[0], ":null") && strings.HasPrefix(v[0], "{") || strings.Contains(v[0], ":null") && strings.HasPrefix(v[0], "[") {
				return errNull
			}
		}
		return err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || len(body) == 0 {
		return err
	}
	if strings.Contains(string(body), ":null") {
		return errNull
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return err
	}
	for k, v := range fields {
		text := string(v)
		_ = json.Unmarshal(v, &text) // a string; anything else stays JSON
		r.Form.Set(k, text)
	}
	return nil
}
