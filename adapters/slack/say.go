package slack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	slackapi "github.com/slack-go/slack"

	"github.com/hutong-im/hutong/bridge"
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

func stamp(key string) slackapi.MsgOption {
	return slackapi.MsgOptionMetadata(slackapi.SlackMetadata{EventType: eventType, EventPayload: map[string]any{"key": key}})
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
	opts := []slackapi.MsgOption{stamp(d.Key), persona(d.As)}
	if len(links) > 0 {
		text, styled = strings.TrimPrefix(text+"\n"+strings.Join(links, " "), "\n"), true
	} else { // what customers write makes Slack fetch nothing
		opts = append(opts, slackapi.MsgOptionDisableLinkUnfurl(), slackapi.MsgOptionDisableMediaUnfurl())
	}
	if !styled && a.cfg.Rooms == roomsChannel { // in a thread the owner is mentioned, which is a sign
		opts = append(opts, slackapi.MsgOptionDisableMarkdown())
	}
	return a.post(ctx, to, text, opts...)
}

// persona shows who speaks.
func persona(as bridge.Label) slackapi.MsgOption {
	name := as.Text
	if name == "" {
		name = as.Name
	}
	if name == "" {
		return slackapi.MsgOptionCompose()
	}
	return slackapi.MsgOptionCompose(slackapi.MsgOptionUsername(cut(name, maxUser)), slackapi.MsgOptionIconEmoji(":bust_in_silhouette:"))
}

// post puts a message into a room, wherever that is now.
func (a *adapter) post(ctx context.Context, room bridge.RoomID, text string, opts ...slackapi.MsgOption) ([]bridge.MsgID, error) {
	for moved := false; ; moved = true {
		place, r, err := a.whereabouts(ctx, room)
		if err != nil {
			return nil, err
		}
		channel, thread := split(place)
		_, ts, err := a.api.PostMessageContext(ctx, channel, slackapi.MsgOptionCompose(opts...),
			slackapi.MsgOptionText(calling(r, thread)+text, false), slackapi.MsgOptionTS(thread))
		if err == nil && ts == "" {
			err = errors.New("the answer names no message")
		}
		if err == nil {
			return []bridge.MsgID{bridge.MsgID(ts)}, nil
		}
		err = a.fault("chat.postMessage", err)
		if moved {
			return nil, err
		}
		if err := a.replace(ctx, room, r, err); err != nil {
			return nil, err
		}
	}
}

// calling mentions the owner of a thread: Slack tells nobody of a reply otherwise.
func calling(r *record, thread string) string {
	if r == nil || thread == "" || len(r.Members) == 0 {
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
		if err := a.ask(ctx, "files.info", url.Values{"file": {id}}, &info); err != nil {
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
	to, err := a.api.GetUploadURLExternalContext(ctx, slackapi.GetUploadURLExternalParameters{FileName: name, FileSize: int(f.Size)})
	if err != nil {
		return "", a.asked("files.getUploadURLExternal", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.UploadURL, r)
	if err != nil || !a.trusted(req.URL) {
		return "", errors.New("upload: Slack names an address that is not its own")
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	req.ContentLength = f.Size // a file that turns out shorter is refused, not cut
	resp, err := a.web.Do(req)
	if err != nil {
		return "", a.asked("upload", err)
	}
	_ = resp.Body.Close()
	_, err = a.api.CompleteUploadExternalContext(ctx, slackapi.CompleteUploadExternalParameters{Files: []slackapi.FileSummary{{ID: to.FileID, Title: name}}})
	return to.FileID, a.asked("files.completeUploadExternal", err)
}

// Edit changes a message's text.
func (a *adapter) Edit(ctx context.Context, room bridge.RoomID, msg bridge.MsgID, d bridge.Draft) error {
	place, r, err := a.whereabouts(ctx, room)
	if err != nil {
		return err
	}
	channel, thread := split(place)
	text, _ := toSlack(d.Text)
	if len(d.Files) > 0 {
		links, err := a.fileLine(ctx, channel, thread, string(msg))
		if err != nil {
			return err
		}
		text = strings.Trim(text+"\n"+links, "\n")
	}
	_, _, _, err = a.api.UpdateMessageContext(ctx, channel, string(msg), slackapi.MsgOptionText(calling(r, thread)+text, false))
	return a.asked("chat.update", err) // doing it twice does no harm
}

// fileLine is the line of a message that shows its files, which an edit must not lose.
func (a *adapter) fileLine(ctx context.Context, channel, thread, ts string) (string, error) {
	page, err := a.one(ctx, channel, thread, ts)
	if err != nil {
		return "", err
	}
	for i := range page {
		if last := page[i].Text[strings.LastIndex(page[i].Text, "\n")+1:]; page[i].TS == ts && strings.HasPrefix(last, "<http") {
			return last, nil
		}
	}
	return "", nil
}

// Delete takes a message back.
func (a *adapter) Delete(ctx context.Context, room bridge.RoomID, msg bridge.MsgID) error {
	place, _, err := a.whereabouts(ctx, room)
	if err != nil {
		return err
	}
	channel, _ := split(place)
	_, _, err = a.api.DeleteMessageContext(ctx, channel, string(msg))
	if is(err, "message_not_found") {
		return nil
	}
	return a.asked("chat.delete", err)
}

// React puts an emoji on a message, or takes it away.
func (a *adapter) React(ctx context.Context, room bridge.RoomID, msg bridge.MsgID, emoji string, on bool) error {
	name := a.emoji.toName(emoji)
	if name == "" {
		return bridge.Permanent(fmt.Errorf("reactions.add: Slack has no emoji %q", emoji))
	}
	_, err := a.react(ctx, room, msg, name, on)
	return err
}

// react reports whether anything has changed.
func (a *adapter) react(ctx context.Context, room bridge.RoomID, msg bridge.MsgID, name string, on bool) (bool, error) {
	place, _, err := a.whereabouts(ctx, room)
	if err != nil {
		return false, err
	}
	channel, _ := split(place)
	item, call := slackapi.NewRefToMessage(channel, stampIn(msg)), "reactions.remove"
	if on {
		call, err = "reactions.add", a.api.AddReactionContext(ctx, name, item)
	} else {
		err = a.api.RemoveReactionContext(ctx, name, item)
	}
	if is(err, "already_reacted", "no_reaction") {
		return false, nil
	}
	return err == nil, a.asked(call, err)
}

// marks are the reactions that show a fate; "" is none.
func mark(s bridge.State) string {
	switch s {
	case bridge.StatePending, bridge.StateHeld:
		return "hourglass_flowing_sand"
	case bridge.StateSent, bridge.StateDelivered:
		return "white_check_mark"
	case bridge.StateRead:
		return "eyes"
	case bridge.StateFailed:
		return "x"
	case bridge.StateUnknown:
		return "question"
	case bridge.StateCancelled:
	}
	return ""
}

// freshFor is how young a message is that cannot have a mark yet: the hourglass comes after 3 s.
const freshFor = 2 * time.Second

// Mark shows what became of a member's message: one reaction of the app, and the reason of what is not good.
func (a *adapter) Mark(ctx context.Context, room bridge.RoomID, msg bridge.MsgID, f bridge.Fate) error {
	want, news := mark(f.State), false
	if want != "" {
		var err error
		if news, err = a.react(ctx, room, msg, want, true); err != nil {
			return err
		}
	}
	if f.State == bridge.StateSent && a.env.Now().Sub(moment(stampIn(msg))) < freshFor {
		return nil
	}
	if err := a.unmark(ctx, room, msg, want); err != nil {
		return err
	}
	if !news || f.Reason == "" || !slices.Contains([]bridge.State{bridge.StateHeld, bridge.StateFailed, bridge.StateUnknown}, f.State) {
		return nil
	}
	place, _, err := a.whereabouts(ctx, room)
	if err != nil {
		return err
	}
	channel, thread := split(place)
	if thread == "" {
		thread = stampIn(msg) // a thread is seen by colleagues only
	}
	_, _, err = a.api.PostMessageContext(ctx, channel, slackapi.MsgOptionText(":"+want+": "+escape(f.Reason), false),
		slackapi.MsgOptionTS(thread), stamp("why-"+string(msg)))
	return a.asked("chat.postMessage", err)
}

// unmark takes the marks of earlier fates away.
func (a *adapter) unmark(ctx context.Context, room bridge.RoomID, msg bridge.MsgID, keep string) error {
	place, _, err := a.whereabouts(ctx, room)
	if err != nil {
		return err
	}
	channel, _ := split(place)
	got, err := a.api.GetReactionsContext(ctx, slackapi.NewRefToMessage(channel, stampIn(msg)), slackapi.GetReactionsParameters{Full: true})
	if err != nil {
		return a.asked("reactions.get", err)
	}
	for _, s := range []bridge.State{bridge.StateHeld, bridge.StateSent, bridge.StateRead, bridge.StateFailed, bridge.StateUnknown} {
		name := mark(s)
		if name == keep || !slices.ContainsFunc(got.Reactions, func(r slackapi.ItemReaction) bool { return r.Name == name }) {
			continue
		}
		if _, err := a.react(ctx, room, msg, name, false); err != nil {
			return err
		}
	}
	return nil
}

// Hint says something to one user alone; in the app's own chat with them where they are not in the room.
func (a *adapter) Hint(ctx context.Context, room bridge.RoomID, user bridge.UserID, q bridge.Ask) error {
	place, _, err := a.whereabouts(ctx, room)
	if err != nil {
		return err
	}
	channel, thread := split(place)
	opts := []slackapi.MsgOption{slackapi.MsgOptionText(escape(q.Text), false), slackapi.MsgOptionTS(thread), stamp("hint")}
	_, err = a.api.PostEphemeralContext(ctx, channel, string(user), opts...)
	if is(err, "user_not_in_channel", "channel_not_found", "not_in_channel", "is_archived") {
		if channel, err = a.direct(ctx, []bridge.UserID{user}); err == nil {
			_, _, err = a.api.PostMessageContext(ctx, channel, opts[0], opts[2])
		}
	}
	return a.asked("chat.postEphemeral", err)
}
