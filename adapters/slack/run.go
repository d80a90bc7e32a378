package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"slices"
	"time"

	slackapi "github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/hutong-im/hutong/bridge"
)

// session is one Run. One goroutine owns all of it but work, which is how the hook hands things in.
type session struct {
	a     *adapter
	in    bridge.Inbox
	me    *slackapi.AuthTestResponse
	ctx   context.Context //nolint:containedctx // a session is as long as its context
	work  chan job
	names map[string]string // of users, by id

	read  map[string]int64 // up to where each place was heard, in µs
	dirty map[string]bool  // whose position is not kept yet
	stale []string         // places that may have gone on unheard, the one to look at next is last
	burst int              // how many may be looked at before pacing begins
	swept time.Time        // when that began last
	over  error            // why Run ends
}

// job is news that wait for an answer.
type job struct {
	news
	late bool // Slack has tried before: more may have been missed
	done chan error
}

// sweepEvery is how often all places are looked at where there is no connection whose loss would be noticed.
const sweepEvery = time.Hour

// How often positions are kept; what was heard since comes twice after a crash, and is known by its id.
const keepEvery = 2 * time.Second

// Run hears until ctx ends.
func (a *adapter) Run(ctx context.Context, in bridge.Inbox) error {
	s := &session{a: a, in: in, work: make(chan job), names: map[string]string{}, read: map[string]int64{}, dirty: map[string]bool{}}
	var err error
	if s.me, err = a.api.AuthTestContext(ctx); err == nil {
		err = s.remember(ctx)
	} else {
		err = a.asked("auth.test", err)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	s.ctx = run
	if a.cfg.AppToken.IsZero() {
		s.connected()
		a.session.Store(s)
		defer a.session.Store(nil)
		err = s.loop(nil, nil, nil)
	} else {
		sm := socketmode.New(a.api, socketmode.OptionLog(log.New(io.Discard, "", 0)))
		ended := make(chan error, 1)
		go func() {
			defer close(ended)
			ended <- sm.RunContext(run)
		}()
		err = s.loop(sm.Events, func(id string) { _ = sm.AckCtx(run, id, nil) }, ended)
		cancel()
		for range ended { // it ends before Run does
		}
	}
	s.keep(context.WithoutCancel(ctx))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// loop takes news one after another; between them it catches up.
func (s *session) loop(events <-chan socketmode.Event, ack func(id string), ended chan error) error {
	keep := time.NewTicker(keepEvery)
	defer keep.Stop()
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return s.ctx.Err()
		case err := <-ended:
			return s.a.asked("apps.connections.open", err)
		case e := <-events:
			if err := s.socket(e, ack); err != nil {
				return err
			}
			if e.Type == socketmode.EventTypeHello {
				next.Reset(0)
			}
		case j := <-s.work:
			j.done <- s.take(j.news)
			if s.over != nil {
				return s.over
			}
			if j.late && len(s.stale) == 0 {
				s.connected()
			}
			if len(s.stale) > 0 {
				next.Reset(pace)
			}
		case <-keep.C:
			s.keep(s.ctx)
			if events == nil && s.a.env.Now().Sub(s.swept) > sweepEvery {
				s.connected()
				next.Reset(0)
			}
		case <-next.C:
			if wait := s.catchNext(); len(s.stale) > 0 {
				next.Reset(wait)
			}
		}
	}
}

// socket takes one event of the connection, and acknowledges it once the gateway has it: until then it is tried again.
func (s *session) socket(e socketmode.Event, ack func(id string)) error {
	req := e.Request
	switch data := e.Data.(type) {
	case *socketmode.ErrorBadMessage: // the library does not know the kind of event; what is needed of it is here all the same
		req = &socketmode.Request{}
		if json.Unmarshal(data.Message, req) != nil {
			return nil
		}
	case *slackapi.ConnectionErrorEvent:
		s.a.env.Log.Warn("no connection to Slack; trying again", "attempt", data.Attempt, "err", s.a.asked("apps.connections.open", data.ErrorObj))
	}
	if e.Type == socketmode.EventTypeHello {
		s.connected()
	}
	if req == nil || req.EnvelopeID == "" {
		return nil
	}
	n, err := parse(req.Type, req.Payload)
	if err != nil {
		s.a.env.Log.Warn("an event of Slack was not understood", "err", errNotUnderstood, "type", req.Type)
		ack(req.EnvelopeID)
		return nil
	}
	const longest = 5 * time.Second
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, longest) {
		if err = s.take(n); err == nil || s.ctx.Err() != nil {
			break
		}
		pause(s.ctx, wait)
	}
	if err == nil {
		ack(req.EnvelopeID)
	}
	return s.over
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// receive brings an event to the gateway. What is refused is done with.
func (s *session) receive(e bridge.Event) error {
	if err := s.in.Receive(s.ctx, e); err != nil && !errors.Is(err, bridge.ErrRefused) {
		return fmt.Errorf("receive: %w", err)
	}
	return nil
}

// take handles one piece of news; nil means that it need not come again.
func (s *session) take(n news) error {
	switch ctx := s.ctx; {
	case n.command != nil:
		c := n.command
		e, err := s.said(ctx, c.ChannelID, "", c.UserID, "command-"+c.TriggerID, c.Text)
		if err != nil {
			return err
		}
		return s.receive(e)
	case n.action != nil:
		return s.act(n.action)
	case n.event.Type == "app_home_opened":
		if n.event.Tab == "home" {
			s.showHome(n.event.User)
		}
		return nil
	case n.event.Type == "tokens_revoked" || n.event.Type == "app_uninstalled":
		s.over = bridge.Login(fmt.Errorf("%s: install the app again at https://api.slack.com/apps and update the tokens", n.event.Type))
		return nil
	default:
		return s.event(n.event)
	}
}

// act handles a button or a message's shortcut.
func (s *session) act(i *interaction) error {
	if i.Type == "message_action" && i.CallbackID == sendNote {
		e, err := s.noteSent(s.ctx, i)
		if err != nil || e == nil {
			return err
		}
		return s.receive(e)
	}
	if i.Type == "message_action" {
		e, err := s.said(s.ctx, i.Channel.ID, i.Message.ThreadTS, i.User.ID, "shortcut-"+i.TriggerID, i.CallbackID)
		if err != nil {
			return err
		}
		return s.receive(e)
	}
	if i.Type != "block_actions" {
		return nil
	}
	e, err := s.pressed(s.ctx, i)
	if e == nil || err != nil {
		return err
	}
	if err := s.receive(e); err != nil {
		return err
	}
	if i.Container.MessageTS == "" {
		s.showHome(i.User.ID)
		return nil
	}
	i.Message.TS = i.Container.MessageTS
	s.a.answered(s.ctx, i.Channel.ID, &i.Message, i.User.ID, i.Actions[0].Text.Text)
	return nil
}

func (s *session) showHome(user string) {
	if err := s.a.home(s.ctx, bridge.UserID(user), s.me.URL); err != nil {
		s.a.env.Log.Warn("the App Home could not be shown", "user", user, "err", err)
	}
}

// event handles a message or what happened to one. Before the first of a place that may have gone on unheard, the
// place is caught up with, so that the order holds.
func (s *session) event(e *event) error {
	if e.Type != "message" {
		heard, err := s.convert(s.ctx, e)
		if heard == nil || err != nil {
			return err
		}
		return s.receive(heard)
	}
	m := &e.message
	changed := e.Now != nil || e.Before != nil
	switch {
	case e.Now != nil:
		m = e.Now
	case e.Before != nil:
		m = e.Before
	}
	place, note := s.place(e.Channel, m)
	at := micros(e.TS)
	if _, known := s.read[place]; !known && note == "" && at > 0 {
		s.read[place] = at - 1
		if err := s.keepOne(s.ctx, place); err != nil {
			return err
		}
	}
	if i := slices.Index(s.stale, place); i >= 0 {
		if err := s.catchUp(place); err == nil {
			s.stale = slices.Delete(s.stale, i, i+1)
		}
	}
	heard, err := s.convert(s.ctx, e)
	if err == nil && heard != nil {
		err = s.receive(heard)
	}
	switch fresh := !slices.Contains(s.stale, place); {
	case err != nil && fresh && s.a.cfg.AppToken.IsZero():
		s.stale = append(s.stale, place) // Slack calls three times more; then only looking back helps
	case err == nil && fresh && at > s.read[place] && !changed:
		s.read[place], s.dirty[place] = at, true
	}
	return err
}

// name is what a user is called, for mentions.
func (s *session) name(ctx context.Context, id string) string {
	if n, ok := s.names[id]; ok {
		return n
	}
	u, err := s.a.api.GetUserInfoContext(ctx, id)
	if err != nil {
		return "…"
	}
	const most = 10_000 // larger workspaces forget and ask again
	if len(s.names) >= most {
		clear(s.names)
	}
	n := u.Profile.DisplayName
	if n == "" {
		n = u.RealName
	}
	s.names[id] = n
	return n
}
