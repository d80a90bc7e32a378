package slack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	slackapi "github.com/slack-go/slack"

	"github.com/hutong-im/hutong/bridge"
)

// Find looks for the message with the key.
func (a *adapter) Find(ctx context.Context, room bridge.RoomID, key string) ([]bridge.MsgID, error) {
	place, _, err := a.whereabouts(ctx, room)
	if err != nil {
		return nil, err
	}
	channel, thread := split(place)
	ts, err := a.find(ctx, channel, thread, key)
	if err != nil || ts == "" {
		return nil, err
	}
	return []bridge.MsgID{bridge.MsgID(ts)}, nil
}

// findPages bounds a search, at 200 messages each: a message whose answer was lost is among the newest.
const findPages = 10

func (a *adapter) find(ctx context.Context, channel, thread, key string) (string, error) {
	cursor := ""
	for range findPages {
		page, next, err := a.page(ctx, channel, thread, "", cursor)
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
func (a *adapter) page(ctx context.Context, channel, thread, oldest, cursor string) ([]message, string, error) {
	q := url.Values{"channel": {channel}, "limit": {strconv.Itoa(pageSize)}, "include_all_metadata": {"true"}}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	if thread != "" {
		q.Set("oldest", oldest)
	}
	return a.read(ctx, thread, q)
}

// one reads a message by its timestamp; a thread's root may come with it.
func (a *adapter) one(ctx context.Context, channel, thread, ts string) ([]message, error) {
	found, _, err := a.read(ctx, thread, url.Values{"channel": {channel}, "oldest": {ts}, "latest": {ts}, "inclusive": {"true"}, "limit": {"2"}})
	return found, err
}

// read asks for messages.
func (a *adapter) read(ctx context.Context, thread string, q url.Values) ([]message, string, error) {
	method := "conversations.history"
	if thread != "" {
		method = "conversations.replies"
		q.Set("ts", thread)
	}
	var got struct {
		Messages []message `json:"messages"`
		Metadata struct {
			Next string `json:"next_cursor"`
		} `json:"response_metadata"`
	}
	err := a.ask(ctx, method, q, &got)
	return got.Messages, got.Metadata.Next, err
}

// maxAnswer is more than any answer has, in bytes.
const maxAnswer = 64 << 20

// ask calls a method that changes nothing. The library would refuse a whole answer for one field that it does not expect.
func (a *adapter) ask(ctx context.Context, method string, q url.Values, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(a.cfg.APIURL, "/")+"/"+method, strings.NewReader(q.Encode()))
	if err != nil {
		return bridge.Permanent(fmt.Errorf("%s: the address is wrong", method))
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := a.web.Do(req)
	if err != nil {
		return a.asked(method, err)
	}
	defer func() { _ = resp.Body.Close() }()
	var status slackapi.SlackResponse
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err == nil {
		err = errors.Join(lenient(body, &status), lenient(body, v))
	}
	if err == nil {
		err = status.Err()
	}
	if err == nil && !status.Ok {
		err = errNotUnderstood
	}
	return a.asked(method, err)
}
