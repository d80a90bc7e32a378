package mattermost

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/bridge"
)

// card is the pinned post that shows what is known of a link's contact.
type card struct{ post, text string }

// show brings the card of a link up to date, in place; a thread begins with it.
func (a *adapter) show(ctx context.Context, at place, o bridge.Opening, thread bool) (string, error) {
	base, text := a.keyed(o.Key), a.cardText(o, thread)
	var c card
	a.locked(func() { c = a.cards[base] })
	if c.post == "" || at.root != "" && c.post != at.root {
		c = card{post: at.root}
	}
	if c.post == "" {
		s, err := a.known(ctx)
		if err != nil {
			return "", err
		}
		pinned, err := told(a.api.GetPinnedPosts(ctx, at.channel, ""))
		if err != nil {
			return "", err
		}
		for _, p := range pinned.Posts {
			if p.UserId == s.me.Id && p.GetProp(propCard) == base {
				c = card{p.Id, p.Message}
			}
		}
	}
	if c.post != "" && c.text != text {
		_, err := told(a.api.PatchPost(ctx, c.post, &model.PostPatch{Message: &text}))
		if refused(err, http.StatusForbidden, http.StatusNotFound, http.StatusBadRequest) && at.root == "" {
			c = card{} // somebody has deleted it
		} else if err != nil {
			return "", err
		}
	}
	if c.post == "" {
		post, err := a.pin(ctx, at, base, text)
		if err != nil {
			return "", err
		}
		c.post = post
	}
	c.text = text
	a.locked(func() { a.cards[base] = c })
	return c.post, nil
}

// pin makes a card.
func (a *adapter) pin(ctx context.Context, at place, base, text string) (string, error) {
	p := &model.Post{ChannelId: at.channel, RootId: at.root, Message: text, IsPinned: true}
	p.AddProp(propCard, base)
	made, err := told(a.api.CreatePost(ctx, p))
	if err != nil {
		return "", err
	}
	return made.Id, nil
}

// cardText is who the customer is, what the member has noted, and what the customer's network allows now.
func (a *adapter) cardText(o bridge.Opening, thread bool) string {
	w := a.words()
	lines := []string{"**" + bridge.EscapeMarkdown(o.Label.Text) + "**"}
	add := func(name, value string) {
		if value != "" {
			lines = append(lines, name+bridge.EscapeMarkdown(value))
		}
	}
	add(w.remark, o.Remark)
	add(w.tags, strings.Join(o.Tags, ", "))
	add(w.hello, clip(o.Hello, 200))
	if !o.Since.IsZero() {
		zone := a.env.Lobby.Company().Zone
		if zone == nil {
			zone = time.UTC
		}
		add(w.since, o.Since.In(zone).Format("2006-01-02"))
	}
	add(w.window, o.Window)
	if thread {
		lines = append(lines, "_"+w.here+"_")
	}
	return harmless(strings.Join(lines, "\n"))
}
