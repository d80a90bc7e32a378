package slack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// Slack's limits. Text may have 40,000 characters, but chat.update takes 4,000 and that is what Slack advises
// (https://docs.slack.dev/changelog/2018-truncating-really-long-messages); a file has 1 GB, a message shows ten
// of them; a name has 80 characters.
const (
	maxText  = 4000
	maxFile  = 1 << 30
	maxFiles = 10
	maxUser  = 80
)

// Caps are Slack's limits. It knows no key that keeps a message from appearing twice, so the adapter is a Finder.
func (a *adapter) Caps() bridge.Caps {
	return bridge.Caps{MaxText: maxText, MaxFile: maxFile, MaxFiles: maxFiles, Markup: bridge.CommonMark, Names: true}
}

// eventType marks what the gateway has posted, with its key (https://docs.slack.dev/messaging/message-metadata).
const eventType = "hutong"

func stamp(key string) fields {
	return fields{"event_type": eventType, "event_payload": fields{"key": key}}
}

// keyOf is the key on a message of the gateway, "" on any other.
func keyOf(m *message) string {
	if m.Metadata.EventType != eventType {
		return ""
	}
	return m.Metadata.EventPayload.Key
}

// Send says d. Files are uploaded first and shown by their links, so that text, name, key and files are one message.
func (a *adapter) Send(ctx context.Context, to bridge.RoomID, d bridge.Draft) ([]bridge.MsgID, error) {
	if n := utf8.RuneCountInString(d.Text); n > maxText {
		return nil, bridge.Permanent(fmt.Errorf("text of %d characters, more than %d", n, maxText))
	}
	if len(d.Files) > maxFiles {
		return nil, bridge.Permanent(fmt.Errorf("%d files, more than %d", len(d.Files), maxFiles))
	}
	links, err := a.upload(ctx, d.Files)
	if err != nil {
		return nil, err
	}
	text, styled := toSlack(d.Text)
	f := fields{"metadata": stamp(d.Key)}
	persona(f, d.As)
	if len(links) > 0 {
		text, styled = strings.TrimPrefix(text+"\n"+strings.Join(links, " "), "\n"), true
	} else { // what customers write makes Slack fetch nothing
		f["unfurl_links"], f["unfurl_media"] = false, false
	}
	if !styled && (d.Quiet || a.cfg.Rooms == roomsChannel) { // in a thread the owner is mentioned, which is a sign
		f["mrkdwn"] = false
	}
	return a.post(ctx, to, text, d.Quiet, f)
}

// persona shows who speaks.
func persona(f fields, as bridge.Label) {
	if as.Text == "" {
		as.Text = as.Name
	}
	f["username"] = cut(as.Text, maxUser)
	switch {
	case as.Text == "":
	case strings.HasPrefix(as.Avatar, "https://"): // it is Slack that loads it
		f["icon_url"] = as.Avatar
	default:
		f["icon_emoji"] = ":bust_in_silhouette:"
	}
}

// post puts a message into a room, wherever that is now.
func (a *adapter) post(ctx context.Context, room bridge.RoomID, text string, quiet bool, f fields) ([]bridge.MsgID, error) {
	for moved := false; ; moved = true {
		r, channel, thread, err := a.where(ctx, room)
		if err == nil && r.Key != "" && r.Card == "" { // its making was interrupted
			_, err = a.furnish(ctx, room, r, r.Opening)
		}
		if err != nil {
			return nil, err
		}
		f["channel"], f["thread_ts"], f["text"] = channel, thread, calling(r, thread, quiet)+text
		var got message
		_, err = a.ask(ctx, "chat.postMessage", f, &got)
		if err == nil && got.TS == "" {
			err = bridge.Unsure(errors.New("chat.postMessage: the answer names no message"))
		}
		if err == nil {
			return []bridge.MsgID{bridge.MsgID(got.TS)}, nil
		}
		if moved {
			return nil, err
		}
		if err := a.replace(ctx, room, r, err); err != nil {
			return nil, err
		}
	}
}

// calling mentions the owner of a thread, who wants to be called: Slack tells nobody of a reply otherwise.
func calling(r *record, thread string, quiet bool) string {
	if quiet || thread == "" || len(r.Members) == 0 {
		return ""
	}
	return "<@" + string(r.Members[0]) + "> "
}

// upload brings files to Slack, where nobody sees them yet, and returns links that show them in a message.
func (a *adapter) upload(ctx context.Context, files []bridge.Attachment) ([]string, error) {
	var links []string
	for _, f := range files {
		id, err := a.uploadOne(ctx, f)
		if err != nil {
			return nil, err
		}
		var info struct {
			File struct {
				Permalink string `json:"permalink"`
			} `json:"file"`
		}
		if err := a.call(ctx, "files.info", fields{"file": id}, &info); err != nil {
			return nil, err
		}
		links = append(links, "<"+info.File.Permalink+"|"+escape(strings.ReplaceAll(f.Name, "|", "¦"))+">")
	}
	return links, nil
}

func (a *adapter) uploadOne(ctx context.Context, f bridge.Attachment) (string, error) {
	if f.Size <= 0 || f.Size > maxFile {
		return "", bridge.Permanent(fmt.Errorf("a file of %d bytes: Slack takes 1 to %d: %w", f.Size, maxFile, bridge.ErrTooLarge))
	}
	r, err := f.Open()
	if err != nil {
		return "", fmt.Errorf("open the file: %w", err)
	}
	defer func() { _ = r.Close() }()
	name := f.Name
	if name == "" {
		name = "file"
	}
	var to struct {
		URL string `json:"upload_url"`
		ID  string `json:"file_id"`
	}
	if err := a.call(ctx, "files.getUploadURLExternal", fields{"filename": name, "length": f.Size}, &to); err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL, r)
	if err != nil || !a.trusted(req.URL) {
		return "", errors.New("upload: Slack names an address that is not its own")
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	req.ContentLength = f.Size // a file that turns out shorter is refused, not cut
	if _, err := httpx.Do(ctx, a.env.HTTP, req, maxCall); err != nil {
		return "", certain(fmt.Errorf("upload: %w", err))
	}
	return to.ID, a.call(ctx, "files.completeUploadExternal", fields{"files": []fields{{"id": to.ID, "title": name}}}, nil)
}

// Edit changes a message's text.
func (a *adapter) Edit(ctx context.Context, room bridge.RoomID, msg bridge.MsgID, d bridge.Draft) error {
	r, channel, thread, err := a.where(ctx, room)
	if err != nil {
		return err
	}
	text, _ := toSlack(d.Text)
	if len(d.Files) > 0 { // the line of the message that shows its files must stay
		old, err := a.one(ctx, channel, thread, string(msg))
		if err != nil {
			return err
		}
		if old != nil {
			if last := old.Text[strings.LastIndex(old.Text, "\n")+1:]; strings.HasPrefix(last, "<http") {
				text = strings.Trim(text+"\n"+last, "\n")
			}
		}
	}
	return a.call(ctx, "chat.update", fields{"channel": channel, "ts": string(msg), "text": calling(r, thread, d.Quiet) + text}, nil)
}

// Delete takes a message back.
func (a *adapter) Delete(ctx context.Context, room bridge.RoomID, msg bridge.MsgID) error {
	_, channel, _, err := a.where(ctx, room)
	if err != nil {
		return err
	}
	err = a.call(ctx, "chat.delete", fields{"channel": channel, "ts": string(msg)}, nil)
	if is(err, "message_not_found") {
		return nil
	}
	return err
}

// React puts an emoji on a message, or takes it away.
func (a *adapter) React(ctx context.Context, room bridge.RoomID, msg bridge.MsgID, emoji string, on bool) error {
	name := a.emoji.toName(emoji)
	if name == "" {
		return bridge.Permanent(fmt.Errorf("reactions.add: Slack has no emoji %q", emoji))
	}
	_, channel, _, err := a.where(ctx, room)
	if err != nil {
		return err
	}
	return a.react(ctx, channel, string(msg), name, on)
}

func (a *adapter) react(ctx context.Context, channel, ts, name string, on bool) error {
	method := "reactions.remove"
	if on {
		method = "reactions.add"
	}
	err := a.call(ctx, method, fields{"channel": channel, "timestamp": ts, "name": name}, nil)
	if is(err, "already_reacted", "no_reaction") {
		return nil
	}
	return err
}

// mark is the reaction that shows a fate; "" is none.
func mark(s bridge.State) string {
	return map[bridge.State]string{
		bridge.StatePending: "hourglass_flowing_sand", bridge.StateHeld: "hourglass_flowing_sand",
		bridge.StateSent: "white_check_mark", bridge.StateDelivered: "white_check_mark", bridge.StateRead: "eyes",
		bridge.StateFailed: "x", bridge.StateUnknown: "question",
	}[s]
}

// freshFor is how young a message is that cannot have a mark yet: the hourglass comes after 3 s.
const freshFor = 2 * time.Second

// Mark shows what became of a member's message: one reaction of the app, and, to the writer alone, the reason of what is
// not good, with what can be done. A note that was typed as a command has no message to react to.
func (a *adapter) Mark(ctx context.Context, room bridge.RoomID, msg bridge.MsgID, f bridge.Fate) error {
	if micros(string(msg)) > 0 {
		_, channel, _, err := a.where(ctx, room)
		if err == nil {
			err = a.setMark(ctx, channel, string(msg), f.State)
		}
		if is(err, "message_not_found") {
			return nil // its writer has deleted it
		}
		if err != nil {
			return err
		}
	}
	bad := f.State == bridge.StateHeld || f.State == bridge.StateFailed || f.State == bridge.StateUnknown
	if !bad || f.Reason == "" || f.User == "" {
		return nil
	}
	q := bridge.Ask{Text: f.Reason}
	if f.Ask != nil {
		q = *f.Ask
	}
	q.Text = a.emoji.toChar(mark(f.State)) + " " + q.Text
	return a.Hint(ctx, room, f.User, q)
}

// setMark puts a mark in the place of those of earlier fates.
func (a *adapter) setMark(ctx context.Context, channel, ts string, state bridge.State) error {
	want := mark(state)
	if want != "" {
		if err := a.react(ctx, channel, ts, want, true); err != nil {
			return err
		}
	}
	if state == bridge.StateSent && a.env.Now().Sub(moment(ts)) < freshFor {
		return nil
	}
	var got struct {
		Message message `json:"message"`
	}
	if err := a.call(ctx, "reactions.get", fields{"channel": channel, "timestamp": ts, "full": true}, &got); err != nil {
		return err
	}
	for _, s := range []bridge.State{bridge.StateHeld, bridge.StateSent, bridge.StateRead, bridge.StateFailed, bridge.StateUnknown} {
		name := mark(s)
		bears := slices.ContainsFunc(got.Message.Reactions, func(r reaction) bool { return r.Name == name })
		if name == want || !bears {
			continue
		}
		if err := a.react(ctx, channel, ts, name, false); err != nil {
			return err
		}
	}
	return nil
}
