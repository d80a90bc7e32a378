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
	me    *identity
	ctx   context.Context //nolint:containedctx // a session is as long as its context
	work  chan job
	names map[string]string // of users, by id

	stale    []string  // places that may have gone on unheard, the one to look at next is last
	accounts []string  // members who may have been deactivated unheard
	burst    int       // how many looks may be taken before pacing begins
	swept    time.Time // when that began last
	over     error     // why Run ends
}

// job is news that wait for an answer.
type job struct {
	news
	late bool // Slack has tried before: more may have been missed
	done chan error
}

// sweepEvery is how often all places are looked at where there is no connection whose loss would be noticed.
const sweepEvery = time.Hour

// keepEvery is how often positions are kept.
const keepEvery = 2 * time.Second

// Run hears until ctx ends.
func (a *adapter) Run(ctx context.Context, in bridge.Inbox) error {
	s := &session{a: a, in: in, work: make(chan job), names: map[string]string{}}
	var err error
	if s.me, err = a.identify(ctx); err == nil {
		err = a.positions.load(ctx)
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
	a.session.Store(s)
	defer a.session.Store(nil)
	if a.cfg.AppToken.IsZero() {
		s.connected()
		err = s.loop(nil, nil, nil)
	} else {
		sm := socketmode.New(a.socket, socketmode.OptionLog(log.New(io.Discard, "", 0)))
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
		behind := s.behind()
		select {
		case <-s.ctx.Done():
			return s.ctx.Err()
		case err := <-ended:
			return s.a.disconnected(err)
		case e := <-events:
			if err := s.take(e, ack); err != nil {
				return err
			}
			if e.Type == socketmode.EventTypeHello {
				next.Reset(0)
			}
		case j := <-s.work:
			j.done <- s.tell(j.news)
			if s.over != nil {
				return s.over
			}
			if j.late && !s.behind() {
				s.connected()
			}
			if !behind && s.behind() {
				next.Reset(pace)
			}
		case <-keep.C:
			s.keep(s.ctx)
			if events == nil && s.a.env.Now().Sub(s.swept) > sweepEvery {
				s.connected()
				next.Reset(0)
			}
		case <-next.C:
			if wait := s.catchNext(); s.behind() {
				next.Reset(wait)
			}
		}
	}
}

// take handles one event of the connection, and acknowledges it once the gateway has it: until then it is tried again.
func (s *session) take(e socketmode.Event, ack func(id string)) error {
	req := e.Request
	switch data := e.Data.(type) {
	case *socketmode.ErrorBadMessage: // the library does not know the kind of event; what is needed of it is here all the same
		req = &socketmode.Request{}
		if json.Unmarshal(data.Message, req) != nil {
			return nil
		}
	case *slackapi.ConnectionErrorEvent:
		s.a.env.Log.Warn("no connection to Slack; trying again", "attempt", data.Attempt, "err", s.a.disconnected(data.ErrorObj))
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
		if err = s.tell(n); err == nil || s.ctx.Err() != nil {
			break
		}
		select {
		case <-time.After(wait):
		case <-s.ctx.Done():
		}
	}
	if err == nil {
		ack(req.EnvelopeID)
	}
	return s.over
}

// tell handles one piece of news; nil means that it need not come again.
func (s *session) tell(n news) error {
	switch {
	case n.command != nil:
		c := n.command
		return s.say(c.TriggerID, c.UserID, c.ChannelID, c.Text)
	case n.action != nil:
		return s.act(n.action)
	case n.event.Type == "app_home_opened":
		if n.event.Tab == "home" {
			s.a.showHome(s.ctx, bridge.UserID(n.event.User))
		}
		return nil
	case n.event.Type == "user_change":
		return s.account(&n.event.Account)
	case n.event.Type == "tokens_revoked" || n.event.Type == "app_uninstalled":
		s.over = bridge.Login(fmt.Errorf("%s: install the app again at https://api.slack.com/apps and update the tokens", n.event.Type))
		return nil
	default:
		return s.event(n.event)
	}
}

// receive brings an event to the gateway; nil is none. What is refused is done with.
func (s *session) receive(e bridge.Event, err error) error {
	if e == nil || err != nil {
		return err
	}
	if err := s.in.Receive(s.ctx, e); err != nil && !errors.Is(err, bridge.ErrRefused) {
		return fmt.Errorf("%w: %w", errNotStored, err)
	}
	return nil
}

var errNotStored = errors.New("receive")

// event handles a message or what happened to one. Before the first of a place that may have gone on unheard, the
// place is caught up with, so that the order holds; if Slack does not let us now, it comes with the rest, later.
func (s *session) event(e *event) error {
	if e.Type != "message" {
		return s.receive(s.convert(e))
	}
	m := e.about()
	place, note := s.place(e.Channel, m)
	at := micros(e.TS)
	if own, _ := s.own(m); !own && note == "" && at > 0 { // its own words may be those of a room that is forgotten
		if err := s.a.positions.begin(s.ctx, place, at-1); err != nil {
			return err
		}
	}
	if i := slices.Index(s.stale, place); i >= 0 {
		err := s.catchUp(place)
		switch {
		case errors.Is(err, errNotStored):
			return err
		case err != nil && bridge.Judge(err).Verdict != bridge.VerdictPermanent:
			return nil
		}
		s.stale = slices.Delete(s.stale, i, i+1)
	}
	err := s.receive(s.convert(e))
	switch {
	case err != nil && s.a.cfg.AppToken.IsZero():
		s.stale = append(s.stale, place) // Slack calls three times more; then only looking back helps
	case err == nil && m == &e.message:
		s.a.positions.advance(place, at)
	}
	return err
}

// account notes what a user is called, and tells whether their account works. Whether it is a member's, the gateway knows.
func (s *session) account(u *account) error {
	if u.ID == "" {
		return nil
	}
	const most = 10_000 // larger workspaces forget and ask again
	if len(s.names) >= most {
		clear(s.names)
	}
	if s.names[u.ID] = u.Profile.DisplayName; u.Profile.DisplayName == "" {
		s.names[u.ID] = u.RealName
	}
	return s.receive(bridge.AccountState{User: bridge.UserID(u.ID), Active: !u.Deleted, At: s.a.env.Now()}, nil)
}

// look asks for a user.
func (s *session) look(id string) (*account, error) {
	var got struct {
		User account `json:"user"`
	}
	err := s.a.call(s.ctx, "users.info", fields{"user": id}, &got)
	return &got.User, err
}

// name is what a user is called, for mentions.
func (s *session) name(id string) string {
	if _, known := s.names[id]; !known {
		u, err := s.look(id)
		if err == nil {
			err = s.account(u)
		}
		if err != nil {
			return "…"
		}
	}
	return s.names[id]
}
