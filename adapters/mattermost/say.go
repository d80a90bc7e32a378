package mattermost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/bridge"
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
	ids, err := a.say(ctx, s, to, p, d.Key)
	if err == nil && !a.house(d.As) {
		a.expect(ctx, p.ChannelId, ids[0])
	}
	return ids, err
}

// house reports whether the gateway itself speaks.
func (a *adapter) house(l bridge.Label) bool {
	c := a.env.Lobby.Company()
	return l.Name == "" || l.Name == c.Short || l.Name == c.Name
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
	return fmt.Sprintf("↩ [%s](%s/%s/pl/%s)", bridge.EscapeMarkdown(text), s.address, s.team.Name, url.PathEscape(p.Id))
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
		r.talked, r.sent = a.now(), at(done.CreateAt)
		a.mu.Unlock()
		a.pin(ctx, done.ChannelId, r)
	}
	return []bridge.MsgID{bridge.MsgID(done.Id)}, nil
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
