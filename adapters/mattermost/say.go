package mattermost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// burst is how long a room is quiet before the next message is one that the owner must be told of.
const burst = 5 * time.Minute

// outside is how long a room waits that the bot was removed from.
const outside = time.Minute

// Send says a draft in the name of who speaks.
func (a *adapter) Send(ctx context.Context, to bridge.RoomID, d bridge.Draft) ([]bridge.MsgID, error) {
	if n := utf8.RuneCountInString(d.Text); n > maxText {
		return nil, bridge.Permanent(fmt.Errorf("send: text of %d characters, more than %d", n, maxText))
	}
	if len(d.Files) > maxFiles {
		return nil, bridge.Permanent(fmt.Errorf("send: %d files, more than %d", len(d.Files), maxFiles))
	}
	s, err := a.known(ctx)
	if err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	channel, r, err := a.channel(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	p := &model.Post{ChannelId: channel, Message: a.dressed(s, d)}
	if s.names && d.As.Text != "" {
		p.AddProp("from_webhook", "true") // or the clients do not show the name
		p.AddProp("override_username", clip(d.As.Text, 64))
	}
	note := &model.MessageAttachment{Pretext: a.mention(ctx, r, false)}
	if d.ReplyTo != "" {
		p.AddProp(propReply, string(d.ReplyTo))
		note.Text = a.quote(ctx, s, d.ReplyTo)
	}
	if note.Pretext != "" || note.Text != "" {
		p.AddProp("attachments", []*model.MessageAttachment{note})
	}
	for _, f := range d.Files {
		id, err := a.upload(ctx, s, channel, f)
		if err != nil {
			return nil, fmt.Errorf("send %s: %w", f.Name, err)
		}
		p.FileIds = append(p.FileIds, id)
	}
	return a.say(ctx, s, to, p, d.Key)
}

// dressed is the text of a draft; with who speaks, where the server shows no other name than the bot's.
func (a *adapter) dressed(s *site, d bridge.Draft) string {
	text := harmless(d.Text)
	if s.names || d.As.Text == "" {
		return text
	}
	return strings.TrimSuffix("**"+harmless(bridge.EscapeMarkdown(d.As.Text))+"**\n"+text, "\n")
}

// mention calls the room's owners, if they do not expect a message. It stands beside the text, so that
// the text stays what was said.
func (a *adapter) mention(ctx context.Context, r *room, always bool) string {
	a.mu.Lock()
	members, talked := r.Members, r.talked
	a.mu.Unlock()
	if !always && a.now().Sub(talked) < burst {
		return ""
	}
	var names []string
	for _, m := range members {
		if p, err := a.user(ctx, m); err == nil {
			names = append(names, "@"+p.user.Username)
		}
	}
	return strings.Join(names, " ")
}

// quote is the message that is answered, with a way to it.
func (a *adapter) quote(ctx context.Context, s *site, id bridge.MsgID) string {
	p, err := call("read the answered post", func() (*model.Post, *model.Response, error) { return a.api.GetPost(ctx, string(id), "") })
	if err != nil {
		return "↩ …" // deleted, or not to be had: the answer is worth more than the question
	}
	text := excerpt(p.Message)
	if text == "" {
		for _, f := range files(p) {
			text = excerpt(f.Name)
		}
	}
	return fmt.Sprintf("↩ [%s](%s/%s/pl/%s)", bridge.EscapeMarkdown(text), a.api.URL, s.team.Name, url.PathEscape(p.Id))
}

// say posts. The key makes a second call within half a minute show nothing, and lets Find find it later.
func (a *adapter) say(ctx context.Context, s *site, to bridge.RoomID, p *model.Post, key string) ([]bridge.MsgID, error) {
	p.PendingPostId = s.me.Id + ":" + key
	p.AddProp(propKey, key)
	done, _, err := a.api.CreatePost(ctx, p)
	err = fault("send", err)
	if says(err, "api.post.create_post.can_not_post_to_deleted.error") {
		if p.ChannelId, err = a.revive(ctx, to, p.ChannelId); err != nil {
			return nil, fmt.Errorf("send: the channel was archived: %w", plainly(err))
		}
		done, _, err = a.api.CreatePost(ctx, p)
		err = fault("send", err)
	}
	if refused(err, http.StatusForbidden) {
		return nil, bridge.RetryAfter(fmt.Errorf("%w (was @%s removed from the channel? /invite @%s there, and it goes on)", err, s.me.Username, s.me.Username), outside)
	}
	if err != nil {
		return nil, err
	}
	if done.Id == "" {
		return nil, bridge.Unsure(errors.New("send: the server gave no id"))
	}
	if r, err := a.room(ctx, done.ChannelId); err == nil {
		a.mu.Lock()
		r.talked = a.now()
		a.mu.Unlock()
		a.pin(ctx, done.ChannelId, r)
	}
	return []bridge.MsgID{bridge.MsgID(done.Id)}, nil
}

// upload brings a file to the server, for a post that follows.
func (a *adapter) upload(ctx context.Context, s *site, channel string, f bridge.Attachment) (string, error) {
	limit := a.cfg.MaxFile
	if s.maxFile > 0 {
		limit = min(limit, s.maxFile)
	}
	if f.Size > limit {
		return "", bridge.Permanent(fmt.Errorf("%d bytes, more than %d: %w", f.Size, limit, bridge.ErrTooLarge))
	}
	body, err := f.Open()
	if err != nil {
		return "", fmt.Errorf("open: %w", err)
	}
	defer func() { _ = body.Close() }()
	q := url.Values{"channel_id": {channel}, "filename": {f.Name}}
	req, err := httpx.Request(ctx, http.MethodPost, a.api.APIURL+"/files?"+q.Encode(), nil)
	if err != nil {
		return "", bridge.Permanent(err)
	}
	req.Body, req.ContentLength = body, f.Size
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("Authorization", "Bearer "+a.cfg.Token.Reveal())
	resp, err := a.api.HTTPClient.Do(req)
	if err != nil {
		return "", plainly(fault("upload", err))
	}
	defer func() { _ = resp.Body.Close() }()
	got, _, err := model.DecodeJSONFromResponse[*model.FileUploadResponse](resp)
	if err != nil || got == nil || len(got.FileInfos) != 1 {
		return "", errors.New("upload: the server did not say what it calls the file")
	}
	return got.FileInfos[0].Id, nil
}

// Fetch reads a file of a post.
func (a *adapter) Fetch(ctx context.Context, f bridge.File) (io.ReadCloser, error) {
	if !model.IsValidId(f.Ref) {
		return nil, bridge.Permanent(errors.New("fetch: not the id of a file"))
	}
	req, err := httpx.Request(ctx, http.MethodGet, a.api.APIURL+"/files/"+f.Ref, nil)
	if err != nil {
		return nil, bridge.Permanent(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.cfg.Token.Reveal())
	once := *a.env.HTTP
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := once.Do(req)
	if err != nil {
		return nil, fault("fetch", err)
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("fetch: %w", httpx.Verdict(a.host, resp.StatusCode, resp.Header, a.now()))
	}
	return resp.Body, nil
}

// findPages is how many pages of posts are searched for a key: what was sent when the gateway died is
// among the newest of its room.
const findPages = 5

// Find looks among the newest posts of a room.
func (a *adapter) Find(ctx context.Context, room bridge.RoomID, key string) ([]bridge.MsgID, error) {
	s, err := a.known(ctx)
	if err != nil {
		return nil, err
	}
	channel, _, err := a.channel(ctx, room)
	if err != nil {
		return nil, err
	}
	var found []bridge.MsgID
	n := 0
	err = a.pages(ctx, channel, func(l *model.PostList) bool {
		for _, id := range l.Order {
			if p := l.Posts[id]; p != nil && p.UserId == s.me.Id && p.GetProp(propKey) == key {
				found = append(found, bridge.MsgID(id))
			}
		}
		n++
		return len(found) == 0 && n < findPages
	})
	return found, err
}

// Edit changes the text; name, files and key stay.
func (a *adapter) Edit(ctx context.Context, _ bridge.RoomID, msg bridge.MsgID, d bridge.Draft) error {
	s, err := a.known(ctx)
	if err != nil {
		return fmt.Errorf("edit: %w", err)
	}
	text := a.dressed(s, d)
	_, err = call("edit", func() (*model.Post, *model.Response, error) {
		return a.api.PatchPost(ctx, string(msg), &model.PostPatch{Message: &text})
	})
	return err
}

// Delete takes a post back. The server refuses to delete what is gone as if it were another's.
func (a *adapter) Delete(ctx context.Context, _ bridge.RoomID, msg bridge.MsgID) error {
	_, err := a.api.DeletePost(ctx, string(msg))
	if err = plainly(fault("delete", err)); !refused(err, http.StatusForbidden, http.StatusNotFound) {
		return err
	}
	_, _, gone := a.api.GetPost(ctx, string(msg), "")
	if refused(fault("delete", gone), http.StatusNotFound) {
		return nil
	}
	return err
}

// React puts an emoji on a post, or takes it away; in the bot's name, as a customer has none.
func (a *adapter) React(ctx context.Context, _ bridge.RoomID, msg bridge.MsgID, emoji string, on bool) error {
	name, ok := a.icons[bare(emoji)]
	if !ok {
		return bridge.Permanent(errors.New("react: Mattermost does not have this emoji"))
	}
	if other, taken := lookalikes()[name]; taken {
		name = other
	}
	return a.tag(ctx, string(msg), name, on)
}

// tag puts a reaction of the bot on a post or takes it away; doing so twice is no error.
func (a *adapter) tag(ctx context.Context, post, name string, on bool) error {
	s, err := a.known(ctx)
	if err != nil {
		return err
	}
	re := &model.Reaction{UserId: s.me.Id, PostId: post, EmojiName: name}
	if on {
		_, _, err = a.api.SaveReaction(ctx, re)
	} else {
		_, err = a.api.DeleteReaction(ctx, re)
	}
	return plainly(fault("react", err))
}

// Type shows that the customer is writing; it looks as if the bot did.
func (a *adapter) Type(ctx context.Context, room bridge.RoomID) error {
	s, err := a.known(ctx)
	if err != nil {
		return err
	}
	channel, _, err := a.channel(ctx, room)
	if err != nil {
		return err
	}
	_, err = a.api.PublishUserTyping(ctx, s.me.Id, model.TypingRequest{ChannelId: channel})
	return plainly(fault("type", err))
}

// lookalikes stand in for the marks when a customer uses one of them as a reaction.
func lookalikes() map[string]string {
	return map[string]string{
		"white_check_mark": "heavy_check_mark", "eyes": "eye", "x": "heavy_multiplication_x",
		"hourglass": "hourglass_flowing_sand", "question": "grey_question",
	}
}

// markFor is the reaction that shows a fate; "" is none.
func markFor(s bridge.State) string {
	switch s {
	case bridge.StateSent, bridge.StateDelivered:
		return "white_check_mark"
	case bridge.StateRead:
		return "eyes"
	case bridge.StatePending, bridge.StateHeld:
		return "hourglass"
	case bridge.StateFailed:
		return "x"
	case bridge.StateUnknown:
		return "question"
	case bridge.StateCancelled:
		return ""
	default:
		return ""
	}
}

// marks are the marks that posts bear, of the newest few thousand posts that were heard or marked; of
// others the server is asked. Guarded by adapter.mu.
type marks struct{ fresh, old map[string]string }

const marksKept = 4096

func (m *marks) put(post, name string) {
	if len(m.fresh) >= marksKept {
		m.old, m.fresh = m.fresh, map[string]string{}
	}
	m.fresh[post] = name
}

func (m *marks) get(post string) (string, bool) {
	if name, ok := m.fresh[post]; ok {
		return name, true
	}
	name, ok := m.old[post]
	return name, ok
}

// Mark shows the writer what became of a post, as one reaction of the bot, and tells the reason privately.
func (a *adapter) Mark(ctx context.Context, room bridge.RoomID, msg bridge.MsgID, f bridge.Fate) error {
	want, post := markFor(f.State), string(msg)
	a.mu.Lock()
	have, known := a.marks.get(post)
	a.mu.Unlock()
	had := []string{have}
	if !known {
		var err error
		if had, err = a.borne(ctx, post); err != nil {
			return err
		}
	}
	if want != "" && !slices.Contains(had, want) {
		if err := a.tag(ctx, post, want, true); refused(err, http.StatusNotFound, http.StatusForbidden) {
			return nil // the writer has deleted it
		} else if err != nil {
			return err
		}
	}
	for _, name := range had {
		if name != "" && name != want {
			if err := a.tag(ctx, post, name, false); err != nil {
				return err
			}
		}
	}
	a.mu.Lock()
	a.marks.put(post, want)
	a.mu.Unlock()
	bad := f.State == bridge.StateFailed || f.State == bridge.StateHeld || f.State == bridge.StateUnknown
	if !bad || f.Reason == "" {
		return nil
	}
	p, err := call("read the post", func() (*model.Post, *model.Response, error) { return a.api.GetPost(ctx, post, "") })
	if err != nil {
		return err
	}
	return a.whisper(ctx, room, p.UserId, ":"+want+": "+excerpt(p.Message)+"\n"+harmless(bridge.EscapeMarkdown(f.Reason)))
}

// borne are the marks that a post bears.
func (a *adapter) borne(ctx context.Context, post string) ([]string, error) {
	s, err := a.known(ctx)
	if err != nil {
		return nil, err
	}
	list, err := call("read the marks", func() ([]*model.Reaction, *model.Response, error) { return a.api.GetReactions(ctx, post) })
	if refused(err, http.StatusNotFound, http.StatusForbidden) {
		return nil, nil
	}
	var out []string
	for _, re := range list {
		if _, is := lookalikes()[re.EmojiName]; is && re.UserId == s.me.Id {
			out = append(out, re.EmojiName)
		}
	}
	return out, err
}

// Hint says something to one user alone.
func (a *adapter) Hint(ctx context.Context, room bridge.RoomID, user bridge.UserID, text string) error {
	p, err := a.user(ctx, user)
	if err != nil {
		return err
	}
	return a.whisper(ctx, room, p.user.Id, harmless(bridge.EscapeMarkdown(text)))
}

// whisper says something to one user alone: in the channel, where the bot may, else in its own chat with them.
func (a *adapter) whisper(ctx context.Context, room bridge.RoomID, user, text string) error {
	s, err := a.known(ctx)
	if err != nil {
		return err
	}
	channel, _, err := a.channel(ctx, room)
	if err != nil {
		return err
	}
	a.mu.Lock()
	whispers := s.whispers
	a.mu.Unlock()
	if whispers {
		_, _, err := a.api.CreatePostEphemeral(ctx, &model.PostEphemeral{UserID: user, Post: &model.Post{ChannelId: channel, Message: text}})
		if err = plainly(fault("hint", err)); !refused(err, http.StatusForbidden) {
			return err
		}
		a.mu.Lock()
		s.whispers = false
		a.mu.Unlock()
	}
	dm, err := call("open a chat", func() (*model.Channel, *model.Response, error) { return a.api.CreateDirectChannel(ctx, s.me.Id, user) })
	if err != nil {
		return err
	}
	if dm.Id != channel {
		ch, err := call("ask for a channel", func() (*model.Channel, *model.Response, error) { return a.api.GetChannel(ctx, channel) })
		if err == nil {
			text = "~" + ch.Name + "\n" + text
		}
	}
	_, _, err = a.api.CreatePost(ctx, &model.Post{ChannelId: dm.Id, Message: text})
	return fault("hint", err)
}
