package mattermost

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
	s, r, err := a.there(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	for again := false; ; again = true {
		id, err := a.sendIn(ctx, s, r, d)
		if !again && says(err, "api.post.create_post.can_not_post_to_deleted.error", "api.post.create_post.root_id.app_error") {
			if r, err = a.revive(ctx, s, r); err != nil {
				return nil, fmt.Errorf("send: it was archived or deleted: %w", err)
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("send: %w", err)
		}
		return []bridge.MsgID{id}, nil
	}
}

// there is the site, and the place of a room.
func (a *adapter) there(ctx context.Context, id bridge.RoomID) (*site, *room, error) {
	s, err := a.known(ctx)
	if err != nil {
		return nil, nil, err
	}
	r, err := a.where(ctx, id)
	return s, r, err
}

// sendIn says a draft at a place: in the name of the customer's own account, if there is one.
func (a *adapter) sendIn(ctx context.Context, s *site, r *room, d bridge.Draft) (bridge.MsgID, error) {
	if a.house(d.As) {
		return a.post(ctx, s, r, nil, d)
	}
	g, err := a.ghost(ctx, s, r, d.As)
	if err != nil {
		return "", err
	}
	id, err := a.post(ctx, s, r, g, d)
	if g != nil && refused(err, http.StatusUnauthorized, http.StatusForbidden) {
		return "", errors.Join(errors.New("the customer's own account may not speak any more; it is made good"), a.forgetToken(ctx, r, g))
	}
	if err == nil {
		a.locked(func() { r.unread = string(id) })
	}
	return id, err
}

// post makes a post of a draft. The key makes a second call within half a minute show nothing, and lets Find
// find it later.
func (a *adapter) post(ctx context.Context, s *site, r *room, g *ghost, d bridge.Draft) (bridge.MsgID, error) {
	api := a.api
	if g != nil {
		api = g.api
	}
	p := &model.Post{ChannelId: r.channel, RootId: r.root, Message: a.dressed(s, d, g)}
	if s.names() && d.As.Text != "" {
		p.AddProp(model.PostPropsFromWebhook, "true") // or the clients do not show the name
		p.AddProp("override_username", clip(d.As.Text, 64))
		if d.As.Avatar != "" {
			p.AddProp("override_icon_url", d.As.Avatar)
		}
	}
	note := &model.MessageAttachment{}
	if !d.Quiet {
		note.Pretext = a.mention(ctx, r, r.root != "")
	}
	if d.ReplyTo != "" {
		p.AddProp(propReply, string(d.ReplyTo))
		note.Text = a.quote(ctx, s, d.ReplyTo)
	}
	if note.Pretext != "" || note.Text != "" {
		p.AddProp(model.PostPropsAttachments, []*model.MessageAttachment{note})
	}
	for _, f := range d.Files {
		id, err := a.upload(ctx, s, api, r.channel, f)
		if err != nil {
			return "", fmt.Errorf("%s: %w", f.Name, err)
		}
		p.FileIds = append(p.FileIds, id)
	}
	return a.say(ctx, s, r, api, p, d.Key)
}

// house reports whether the gateway itself speaks.
func (a *adapter) house(l bridge.Label) bool {
	c := a.env.Lobby.Company()
	return l.Name == "" || l.Name == c.Short || l.Name == c.Name
}

// dressed is the text of a draft; with who speaks, where nothing else shows it.
func (a *adapter) dressed(s *site, d bridge.Draft, g *ghost) string {
	text := harmless(d.Text)
	if s.names() || d.As.Text == "" || g != nil && s.conf["TeammateNameDisplay"] != model.ShowUsername {
		return text
	}
	return strings.TrimSuffix("**"+harmless(bridge.EscapeMarkdown(d.As.Text))+"**\n"+text, "\n")
}

// mention calls the room's owners, if they do not expect a message. It stands beside the text, so that
// the text stays what was said.
func (a *adapter) mention(ctx context.Context, r *room, always bool) string {
	is := a.snapshot(r)
	if is.Direct && is.root == "" || !always && a.env.Now().Sub(is.talked) < burst {
		return "" // every message in a chat of two calls anyway
	}
	var names []string
	for _, m := range is.Members {
		if p, err := a.user(ctx, m); err == nil {
			names = append(names, "@"+p.user.Username)
		}
	}
	return strings.Join(names, " ")
}

// quote is the message that is answered, with a way to it.
func (a *adapter) quote(ctx context.Context, s *site, id bridge.MsgID) string {
	p, err := told(a.api.GetPost(ctx, string(id), ""))
	if err != nil {
		return "↩ …" // deleted, or not to be had: the answer is worth more than the question
	}
	text := excerpt(p.Message)
	if text == "" {
		for _, f := range files(p) {
			text = excerpt(f.Name)
		}
	}
	return fmt.Sprintf("↩ [%s](%s)", bridge.EscapeMarkdown(text), s.link(p.Id))
}

// link is the address of a post.
func (s *site) link(post string) string {
	return s.address + "/" + s.team.Name + "/pl/" + url.PathEscape(post)
}

// say posts under a key.
func (a *adapter) say(ctx context.Context, s *site, r *room, api *model.Client4, p *model.Post, key string) (bridge.MsgID, error) {
	p.PendingPostId = s.me.Id + ":" + key
	p.AddProp(propKey, key)
	made, err := told(api.CreatePost(ctx, p))
	if refused(err, http.StatusForbidden) && api == a.api {
		return "", bridge.RetryAfter(fmt.Errorf("%w (was @%s removed from the channel? /invite @%s there, and it goes on)", err, s.me.Username, s.me.Username), outside)
	}
	if err != nil {
		return "", err
	}
	if made.Id == "" {
		return "", bridge.Unsure(errors.New("the server gave no id"))
	}
	a.locked(func() { r.talked, r.sent = a.env.Now(), at(made.CreateAt) })
	return bridge.MsgID(made.Id), nil
}

// findPages is how many pages of posts are searched for a key: what was sent when the gateway died is
// among the newest of its room.
const findPages = 5

// Find looks among the newest posts of a room.
func (a *adapter) Find(ctx context.Context, room bridge.RoomID, key string) ([]bridge.MsgID, error) {
	r, err := a.where(ctx, room)
	if err != nil {
		return nil, err
	}
	var found []bridge.MsgID
	n := 0
	err = a.pages(ctx, r.channel, func(l *model.PostList) bool {
		for _, id := range l.Order {
			if p := l.Posts[id]; p != nil && p.GetProp(propKey) == key {
				found = append(found, bridge.MsgID(id))
			}
		}
		n++
		return len(found) == 0 && n < findPages
	})
	return found, err
}

// asWriter does something with a post that only its writer may: the customer's own account, if there is one,
// or the bot.
func (a *adapter) asWriter(ctx context.Context, room bridge.RoomID, do func(s *site, api *model.Client4, g *ghost) error) error {
	s, r, err := a.there(ctx, room)
	if err != nil {
		return err
	}
	g, err := a.ghost(ctx, s, r, bridge.Label{})
	if err != nil {
		return err
	}
	if g != nil {
		if err := do(s, g.api, g); !refused(err, http.StatusForbidden, http.StatusUnauthorized) {
			return err
		}
	}
	return do(s, a.api, nil)
}

// Edit changes the text; name, files and key stay.
func (a *adapter) Edit(ctx context.Context, room bridge.RoomID, msg bridge.MsgID, d bridge.Draft) error {
	return a.asWriter(ctx, room, func(s *site, api *model.Client4, g *ghost) error {
		text := a.dressed(s, d, g)
		_, err := told(api.PatchPost(ctx, string(msg), &model.PostPatch{Message: &text}))
		return err
	})
}

// Delete takes a post back. The server refuses to delete what is gone as if it were another's.
func (a *adapter) Delete(ctx context.Context, room bridge.RoomID, msg bridge.MsgID) error {
	err := a.asWriter(ctx, room, func(_ *site, api *model.Client4, _ *ghost) error {
		return done(api.DeletePost(ctx, string(msg)))
	})
	if !refused(err, http.StatusForbidden, http.StatusNotFound) {
		return err
	}
	if _, gone := told(a.api.GetPost(ctx, string(msg), "")); refused(gone, http.StatusNotFound) {
		return nil
	}
	return err
}

// Type shows that the customer is writing; without an account of theirs it looks as if the bot did.
func (a *adapter) Type(ctx context.Context, room bridge.RoomID) error {
	r, err := a.where(ctx, room)
	if err != nil {
		return err
	}
	return a.asWriter(ctx, room, func(s *site, api *model.Client4, g *ghost) error {
		return done(api.PublishUserTyping(ctx, who(s, g), model.TypingRequest{ChannelId: r.channel, ParentId: r.root}))
	})
}

func who(s *site, g *ghost) string {
	if g != nil {
		return g.User
	}
	return s.me.Id
}

// React puts an emoji on a post, or takes it away; in the bot's name where the customer has no account.
func (a *adapter) React(ctx context.Context, room bridge.RoomID, msg bridge.MsgID, emoji string, on bool) error {
	name, ok := a.icons()[bare(emoji)]
	if !ok {
		return bridge.Permanent(errors.New("react: Mattermost does not have this emoji"))
	}
	return a.asWriter(ctx, room, func(s *site, api *model.Client4, g *ghost) error {
		if other, taken := lookalikes()[name]; taken && g == nil {
			return setReaction(ctx, api, who(s, g), string(msg), other, on)
		}
		return setReaction(ctx, api, who(s, g), string(msg), name, on)
	})
}

// setReaction puts a reaction on a post or takes it away; doing so twice is no error.
func setReaction(ctx context.Context, api *model.Client4, user, post, name string, on bool) error {
	re := &model.Reaction{UserId: user, PostId: post, EmojiName: name}
	if on {
		_, err := told(api.SaveReaction(ctx, re))
		return err
	}
	return done(api.DeleteReaction(ctx, re))
}

// lookalikes stand in for the marks when the bot shows one of them as a customer's reaction.
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

// Mark shows the writer what became of a post, as one reaction of the bot, and tells the reason privately, with
// what can be done.
func (a *adapter) Mark(ctx context.Context, room bridge.RoomID, msg bridge.MsgID, f bridge.Fate) error {
	s, err := a.known(ctx)
	if err != nil {
		return err
	}
	want, post := markFor(f.State), string(msg)
	had, err := a.marksOn(ctx, s, post)
	if err != nil {
		return err
	}
	if want != "" && !slices.Contains(had, want) {
		if err := setReaction(ctx, a.api, s.me.Id, post, want, true); refused(err, http.StatusNotFound, http.StatusForbidden) {
			return nil // the writer has deleted it
		} else if err != nil {
			return err
		}
	}
	for _, name := range had {
		if name != want {
			if err := setReaction(ctx, a.api, s.me.Id, post, name, false); err != nil {
				return err
			}
		}
	}
	bad := f.State == bridge.StateFailed || f.State == bridge.StateHeld || f.State == bridge.StateUnknown
	if !bad || f.Reason == "" || f.User == "" {
		return nil
	}
	q := bridge.Ask{}
	if f.Ask != nil {
		q = *f.Ask
	}
	q.Text = f.Reason
	return a.whisper(ctx, room, f.User, q, fmt.Sprintf(":%s: [↩](%s) ", want, s.link(post)))
}

// marksOn are the marks that a post bears.
func (a *adapter) marksOn(ctx context.Context, s *site, post string) ([]string, error) {
	list, err := told(a.api.GetReactions(ctx, post))
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
