package adaptertest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/hutong-im/hutong/adapters/fake"
	"github.com/hutong-im/hutong/bridge"
)

// bug is a mistake planted in the toy.
type bug string

// The bugs.
const (
	none            bug = ""
	tokenInError    bug = "token in a URL error"
	tokenInLog      bug = "token in a log line"
	textInLog       bug = "message text in a log line"
	earlyOffset     bug = "offset advanced before Receive"
	lateRefused     bug = "refused event repeated for ever"
	ownUnmarked     bug = "own messages not marked"
	timeoutIsRetry  bug = "time-out as plain retry"
	revokedIsRetry  bug = "401 as retry"
	busyWithoutWait bug = "429 without delay"
	bytesNotUTF16   bug = "limit in bytes instead of the network's unit"
	noLimit         bug = "no limit"
	cutText         bug = "text cut at the limit"
	ignoresCtx      bug = "Run ignores ctx"
	escapedText     bug = "escaped text"
	emptyID         bug = "empty id"
	otherID         bug = "id of something else"
	deleteNothing   bug = "Delete does nothing"
	deleteTwice     bug = "deleting twice is an error"
	goroutineStays  bug = "goroutine outlives Run"
	checkAll        bug = "config check accepts all"
	checkFirst      bug = "config check stops at the first problem"
	openCalls       bug = "Open speaks to the network"
	permanentDown   bug = "unreachable as permanent"
	runReturnsNil   bug = "Run returns nil on a broken connection"
	sharedCursor    bug = "replies lost"
)

// toy is a small adapter for fake's polled API, as a newcomer might write it, with one bug or none.
type toy struct {
	bug bug
	cfg *toyConfig
	env bridge.Env
}

type toyConfig struct {
	URL    string        `yaml:"url"`
	Secret bridge.Secret `yaml:"secret"`
	bug    bug
}

func toyKind(b bug) bridge.Kind {
	return bridge.Kind{Name: "toy", New: func() bridge.Config { return &toyConfig{bug: b} }}
}

func (c *toyConfig) Check() error {
	if c.bug == checkAll {
		return nil
	}
	var bad []error
	if u, err := url.Parse(c.URL); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		bad = append(bad, bridge.Problem("url", "must be an address"))
	}
	if c.bug == checkFirst && bad != nil {
		return bad[0]
	}
	if c.Secret.IsZero() {
		bad = append(bad, bridge.Problem("secret", "missing"))
	}
	return errors.Join(bad...)
}

func (c *toyConfig) Open(env bridge.Env) (bridge.Adapter, error) {
	a := &toy{bug: c.bug, cfg: c, env: env}
	if c.bug == openCalls {
		_, _ = a.call(context.Background(), request{Op: "probe"})
	}
	return a, nil
}

// request and reply are the fake's wire.
type request struct {
	Op      string        `json:"op"`
	Room    bridge.RoomID `json:"room,omitempty"`
	Msg     bridge.MsgID  `json:"msg,omitempty"`
	Key     string        `json:"key,omitempty"`
	Text    string        `json:"text,omitempty"`
	ReplyTo bridge.MsgID  `json:"reply_to,omitempty"`
	After   uint64        `json:"after,omitempty"`
}

type reply struct {
	IDs    []bridge.MsgID `json:"ids"`
	Events []fake.Event   `json:"events"`
	Code   string         `json:"code"`
}

func (a *toy) Caps() bridge.Caps {
	c := bridge.Caps{MaxText: 4096, Count: bridge.UTF16}
	if a.bug == bytesNotUTF16 {
		c.Count = bridge.Bytes
	}
	if a.bug == noLimit {
		c.MaxText = 0
	}
	return c
}

func (a *toy) Run(ctx context.Context, in bridge.Inbox) error {
	if a.bug == ignoresCtx {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
	}
	if a.bug == goroutineStays {
		go func() { <-time.After(3 * time.Second) }()
	}
	after := uint64(0)
	for ctx.Err() == nil {
		got, err := a.call(ctx, request{Op: "poll", After: after})
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			if a.bug == runReturnsNil {
				return nil
			}
			return err
		}
		after = a.take(ctx, in, got.Events, after)
	}
	return ctx.Err()
}

func (a *toy) take(ctx context.Context, in bridge.Inbox, events []fake.Event, after uint64) uint64 {
	for _, e := range events {
		if a.bug == earlyOffset {
			after = e.ID
		}
		heard := bridge.MessageEvent{
			Room: e.Room, User: e.User, Msg: e.Msg, At: e.At, Name: e.Name, Text: e.Text, ReplyTo: e.ReplyTo, Own: e.Bot && a.bug != ownUnmarked,
		}
		if a.bug == sharedCursor {
			heard.ReplyTo = ""
		}
		if a.bug == textInLog {
			a.env.Log.Info("heard", "text", e.Text)
		}
		if e.Kind != "message" {
			after = e.ID
			continue
		}
		err := in.Receive(ctx, heard)
		if err != nil && (!errors.Is(err, bridge.ErrRefused) || a.bug == lateRefused) {
			<-time.After(10 * time.Millisecond)
			return after
		}
		after = e.ID
	}
	return after
}

func (a *toy) Send(ctx context.Context, to bridge.RoomID, d bridge.Draft) ([]bridge.MsgID, error) {
	units := len(utf16.Encode([]rune(d.Text)))
	if a.bug == bytesNotUTF16 {
		units = len(d.Text)
	}
	if units > 4096 && a.bug != noLimit {
		if a.bug != cutText {
			return nil, bridge.Permanent(fmt.Errorf("text of %d units", units))
		}
		d.Text = string([]rune(d.Text)[:2000])
	}
	if a.bug == escapedText {
		d.Text = html.EscapeString(d.Text)
	}
	got, err := a.call(ctx, request{Op: "send", Room: to, Key: d.Key, Text: d.Text, ReplyTo: d.ReplyTo})
	if err != nil {
		return nil, err
	}
	if a.bug == emptyID {
		return []bridge.MsgID{""}, nil
	}
	if a.bug == otherID {
		return []bridge.MsgID{"request-" + bridge.MsgID(d.Key)}, nil
	}
	return got.IDs, nil
}

func (a *toy) Delete(ctx context.Context, room bridge.RoomID, msg bridge.MsgID) error {
	if a.bug == deleteNothing {
		return nil
	}
	_, err := a.call(ctx, request{Op: "delete", Room: room, Msg: msg})
	if a.bug == deleteTwice && err == nil {
		_, again, _ := a.env.State.Get(ctx, "deleted")
		_, _ = a.env.State.Put(ctx, "deleted", nil, bridge.AnyRev)
		if again > 0 {
			return errors.New("already deleted")
		}
	}
	return err
}

// call is one HTTP request and its verdict.
func (a *toy) call(ctx context.Context, q request) (reply, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return reply{}, bridge.Permanent(err)
	}
	method, addr := http.MethodPost, a.cfg.URL+"/"
	var content io.Reader = bytes.NewReader(body)
	if q.Op == "poll" {
		method, addr, content = http.MethodGet, addr+"?call="+url.QueryEscape(string(body)), nil
	}
	if a.bug == tokenInError {
		addr = strings.Replace(addr+"&token="+a.cfg.Secret.Reveal(), "/&", "/?", 1)
	}
	req, err := http.NewRequestWithContext(ctx, method, addr, content)
	if err != nil {
		return reply{}, errors.New("the address is wrong")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+a.cfg.Secret.Reveal())
	if a.bug == tokenInLog {
		a.env.Log.Debug("request", "headers", req.Header)
	}
	resp, err := a.env.HTTP.Do(req)
	if err != nil {
		return reply{}, a.broken(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var got reply
	err = json.NewDecoder(resp.Body).Decode(&got)
	if resp.StatusCode != http.StatusOK {
		return reply{}, a.refused(resp, got.Code)
	}
	if err != nil {
		return reply{}, bridge.Unsure(errors.New("the answer is cut"))
	}
	return got, nil
}

func (a *toy) broken(err error) error {
	var u *url.Error
	if errors.As(err, &u) && a.bug != tokenInError {
		err = u.Err
	}
	dial := strings.Contains(err.Error(), "connection refused") || errors.Is(err, context.Canceled)
	switch {
	case dial && a.bug == permanentDown:
		return bridge.Permanent(err)
	case dial, a.bug == timeoutIsRetry:
		return err
	default:
		return bridge.Unsure(err)
	}
}

func (a *toy) refused(resp *http.Response, code string) error {
	err := fmt.Errorf("the network answered %d", resp.StatusCode)
	switch s := resp.StatusCode; {
	case code == "window_closed":
		return bridge.WindowClosed(err, time.Time{})
	case s == http.StatusUnauthorized && a.bug != revokedIsRetry:
		return bridge.Login(err)
	case s == http.StatusTooManyRequests && a.bug != busyWithoutWait:
		n, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return bridge.RetryAfter(err, time.Duration(n)*time.Second)
	case s >= 500, s == http.StatusTooManyRequests, s == http.StatusUnauthorized:
		return err
	default:
		return bridge.Permanent(err)
	}
}
