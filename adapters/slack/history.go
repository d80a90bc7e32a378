package slack

import (
	"context"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// Find looks for the message with the key.
func (a *adapter) Find(ctx context.Context, room bridge.RoomID, key string) ([]bridge.MsgID, error) {
	_, channel, thread, err := a.where(ctx, room)
	if err != nil {
		return nil, err
	}
	ts, err := a.find(ctx, channel, thread, key)
	if err != nil || ts == "" {
		return nil, err
	}
	return []bridge.MsgID{bridge.MsgID(ts)}, nil
}

// A message whose answer was lost is among the newest findPages pages of a channel; a thread, which Slack reads from its
// beginning, is searched from findSince ago on.
const (
	findPages = 10
	findSince = 7 * 24 * time.Hour
)

// find looks for the message of the gateway that bears the key; "" if there is none.
func (a *adapter) find(ctx context.Context, channel, thread, key string) (string, error) {
	oldest, cursor := int64(0), ""
	if thread != "" {
		oldest = a.env.Now().Add(-findSince).UnixMicro()
	}
	for range findPages {
		page, next, err := a.page(ctx, channel, thread, oldest, cursor)
		if err != nil {
			return "", err
		}
		for i := range page {
			if keyOf(&page[i]) == key {
				return page[i].TS, nil
			}
		}
		if cursor = next; next == "" {
			break
		}
	}
	return "", nil
}

// pageSize is how many messages are read at once; Slack advises no more than 200
// (https://docs.slack.dev/reference/methods/conversations.history).
const pageSize = 200

// page reads messages: a channel's from the newest back, a thread's from the oldest after a moment on.
func (a *adapter) page(ctx context.Context, channel, thread string, oldest int64, cursor string) ([]message, string, error) {
	return a.history(ctx, thread, fields{
		"channel": channel, "limit": pageSize, "include_all_metadata": true, "cursor": cursor, "oldest": stampOf(oldest),
	})
}

// one reads a message by its timestamp, in a thread if one is named; nil if there is none.
func (a *adapter) one(ctx context.Context, channel, thread, ts string) (*message, error) {
	found, _, err := a.history(ctx, thread, fields{"channel": channel, "oldest": ts, "latest": ts, "inclusive": true, "limit": 2})
	for i := range found {
		if found[i].TS == ts {
			return &found[i], nil
		}
	}
	return nil, err
}

// history asks for messages.
func (a *adapter) history(ctx context.Context, thread string, q fields) ([]message, string, error) {
	method := "conversations.history"
	if thread != "" {
		method, q["ts"] = "conversations.replies", thread
	}
	var got struct {
		Messages []message `json:"messages"`
		Metadata struct {
			Next string `json:"next_cursor"`
		} `json:"response_metadata"`
	}
	err := a.call(ctx, method, q, &got)
	return got.Messages, got.Metadata.Next, err
}
