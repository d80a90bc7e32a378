package mattermost

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/bridge"
)

// React puts an emoji on a post, or takes it away; in the bot's name, as a customer has none.
func (a *adapter) React(ctx context.Context, _ bridge.RoomID, msg bridge.MsgID, emoji string, on bool) error {
	name, ok := a.icons()[bare(emoji)]
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
func (a *adapter) Hint(ctx context.Context, room bridge.RoomID, user bridge.UserID, q bridge.Ask) error {
	p, err := a.user(ctx, user)
	if err != nil {
		return err
	}
	return a.whisper(ctx, room, p.user.Id, harmless(bridge.EscapeMarkdown(q.Text)))
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
	for try := 0; ; try++ {
		_, _, err = a.api.CreatePost(ctx, &model.Post{ChannelId: dm.Id, Message: text})
		if err = fault("hint", err); try > 2 || !refused(err, http.StatusForbidden) {
			return err
		}
		pause(ctx, settling) // the user opens the same chat right now, and nobody is in it yet
	}
}

// settling is how long the server may take to put two people into a new chat.
const settling = 200 * time.Millisecond
