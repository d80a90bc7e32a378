package slack

import (
	"context"
	"slices"
	"time"

	slackapi "github.com/slack-go/slack"

	"github.com/hutong-im/hutong/bridge"
)

// catchNext catches up with one place, and says when the next one may be.
func (s *session) catchNext() time.Duration {
	if len(s.stale) == 0 {
		return pace
	}
	last := len(s.stale) - 1
	place := s.stale[last]
	err := s.catchUp(place)
	v := bridge.Judge(err)
	switch {
	case err == nil, v.Verdict == bridge.VerdictPermanent: // the app is no longer there, or the thread is gone
		s.stale = slices.Delete(s.stale, last, last+1)
	case s.ctx.Err() == nil:
		s.a.env.Log.Warn("what was said meanwhile could not be read; trying again", "place", place, "err", err)
	}
	if v.Verdict == bridge.VerdictWait {
		s.burst = 0
		return v.Wait
	}
	if s.burst--; s.burst > 0 && err == nil {
		return 0
	}
	return pace
}

// missed is a message that was not heard, or whose edit was not.
type missed struct {
	at   int64
	edit bool
	slackapi.Message
}

// catchUp brings what was said in a place since it was last heard, oldest first. What the gateway has already, it knows.
func (s *session) catchUp(place string) error {
	channel, thread := split(place)
	since := s.read[place]
	all, err := s.since(channel, thread, since)
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b missed) int { return int(min(max(a.at-b.at, -1), 1)) })
	for i := range all {
		m := &all[i]
		var e bridge.Event
		if m.edit {
			e, err = s.edited(s.ctx, channel, m.Edited.Timestamp, &m.Msg, nil)
		} else {
			e, err = s.message(s.ctx, channel, &m.Msg)
		}
		if err == nil && e != nil {
			err = s.receive(e)
		}
		if err != nil {
			return err
		}
		if m.at > s.read[place] {
			s.read[place], s.dirty[place] = m.at, true
		}
	}
	return nil
}

// since collects what is newer: pages of the channel from its end back to what is known, and on the way the
// replies to older messages.
func (s *session) since(channel, thread string, since int64) ([]missed, error) {
	var out []missed
	cursor := ""
	for {
		page, next, err := s.a.page(s.ctx, channel, thread, stampOf(since), cursor)
		if err != nil {
			return nil, err
		}
		old := false
		for _, m := range page {
			if m.Timestamp == thread {
				continue // the thread's root, which every page has
			}
			out = append(out, newer(m, since)...)
			old = old || micros(m.Timestamp) <= since
			if thread == "" && m.ThreadTimestamp == m.Timestamp && micros(m.LatestReply) > since {
				replies, err := s.since(channel, m.Timestamp, since)
				if err != nil {
					return nil, err
				}
				out = append(out, replies...)
			}
		}
		if cursor = next; next == "" || old && thread == "" {
			return out, nil
		}
	}
}

// newer is what of a message is newer.
func newer(m slackapi.Message, since int64) []missed {
	if at := micros(m.Timestamp); at > since {
		return []missed{{at: at, Message: m}}
	}
	if m.Edited != nil && micros(m.Edited.Timestamp) > since {
		return []missed{{at: micros(m.Edited.Timestamp), edit: true, Message: m}}
	}
	return nil
}

// pageSize is how many messages are read at once; Slack advises no more than 200
// (https://docs.slack.dev/reference/methods/conversations.history).
const pageSize = 200

// page reads messages: a channel's from the newest back, a thread's from the oldest after a moment on.
func (a *adapter) page(ctx context.Context, channel, thread, oldest, cursor string) ([]slackapi.Message, string, error) {
	if thread != "" {
		page, _, next, err := a.api.GetConversationRepliesContext(ctx, &slackapi.GetConversationRepliesParameters{
			ChannelID: channel, Timestamp: thread, Oldest: oldest, Cursor: cursor, Limit: pageSize, IncludeAllMetadata: true,
		})
		return page, next, a.asked("conversations.replies", err)
	}
	got, err := a.api.GetConversationHistoryContext(ctx, &slackapi.GetConversationHistoryParameters{
		ChannelID: channel, Cursor: cursor, Limit: pageSize, IncludeAllMetadata: true,
	})
	if err != nil {
		return nil, "", a.asked("conversations.history", err)
	}
	return got.Messages, got.ResponseMetaData.NextCursor, nil
}

// one reads a message by its timestamp; a thread's root may come with it.
func (a *adapter) one(ctx context.Context, channel, thread, ts string) ([]slackapi.Message, error) {
	if thread != "" {
		page, _, _, err := a.api.GetConversationRepliesContext(ctx, &slackapi.GetConversationRepliesParameters{
			ChannelID: channel, Timestamp: thread, Oldest: ts, Latest: ts, Inclusive: true, Limit: 2,
		})
		return page, a.asked("conversations.replies", err)
	}
	got, err := a.api.GetConversationHistoryContext(ctx, &slackapi.GetConversationHistoryParameters{
		ChannelID: channel, Oldest: ts, Latest: ts, Inclusive: true, Limit: 1,
	})
	if err != nil {
		return nil, a.asked("conversations.history", err)
	}
	return got.Messages, nil
}
