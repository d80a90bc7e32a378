package wechatkf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/tencent"
)

// tokenLife is how long a callback's token is good for: 10 minutes, less what the way takes.
// https://developer.work.weixin.qq.com/document/path/94670
const tokenLife = 9 * time.Minute

// pageSize is how many messages are asked for at once, the most that WeCom gives.
const pageSize = 1000

var (
	errNotRunning = errors.New("the adapter does not run now")
	errNoAccounts = errors.New("none of the customer service accounts can be read")
)

// session is one Run: a puller for each account. Two for one account would race for its cursor.
type session struct {
	a    *adapter
	in   bridge.Inbox
	ctx  context.Context //nolint:containedctx // it is Run's, and ends with it
	fail context.CancelCauseFunc

	mu      sync.Mutex
	closed  bool
	pullers map[string]*puller
	work    sync.WaitGroup
}

// Run hears, until ctx ends.
func (a *adapter) Run(ctx context.Context, in bridge.Inbox) error {
	err := a.readSeats(ctx)
	var ids []string
	if err == nil {
		ids, err = a.accounts(ctx)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	run, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	s := &session{a: a, in: in, ctx: run, fail: fail, pullers: map[string]*puller{}}
	a.session.Store(s)
	for _, id := range ids {
		s.wake(id, "")
	}
	<-run.Done()
	a.session.Store(nil)
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.work.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return context.Cause(run)
}

// wake lets an account's puller look at once, with the callback's token or "".
func (s *session) wake(account, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pullers[account]
	switch {
	case s.closed:
		return
	case p == nil:
		p = &puller{s: s, account: account, called: make(chan struct{}, 1)}
		s.pullers[account] = p
		s.work.Go(p.run)
	}
	if token != "" {
		p.mu.Lock()
		p.token, p.until = token, s.a.env.Now().Add(tokenLife)
		p.mu.Unlock()
		select {
		case p.called <- struct{}{}:
		default:
		}
	}
}

// drop ends the work for an account that is gone; without any left Run fails.
func (s *session) drop(account string, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pullers, account)
	if len(s.pullers) == 0 {
		s.fail(fmt.Errorf("%w: %w", errNoAccounts, why))
	}
}

// puller asks for one account's messages.
type puller struct {
	s       *session
	account string
	called  chan struct{} // has one when a callback came
	asked   string        // the token of the last question; only for run

	mu    sync.Mutex
	token string // of the last callback; without one WeCom lets us ask seldom
	until time.Time
}

// place is how far an account was read.
type place struct {
	Cursor string `json:"cursor"`
	From   int64  `json:"from"` // Unix seconds; what was said before is older than the gateway
}

func (p *puller) run() {
	ctx, a := p.s.ctx, p.s.a
	for polled := false; ; {
		heard, err := p.catchUp(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			if heard && polled {
				a.note("callback", a.words().unreached)
			}
		case p.barred(err):
			p.s.drop(p.account, err)
			return
		case bridge.Judge(err).Verdict == bridge.VerdictWait:
			a.env.Log.WarnContext(ctx, "asking for messages is limited for a while", "account", p.account, "err", err)
		default:
			p.s.fail(fmt.Errorf("messages of %s: %w", p.account, err))
			return
		}
		pause, called := p.rest(err)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
			polled = true
		case <-called:
			polled = false
			a.note("callback", "")
		}
		timer.Stop()
	}
}

// rest is how long to wait before asking again, and what ends that early: a callback, but not while WeCom refuses even
// what has a callback's token, since another try would make it longer.
func (p *puller) rest(err error) (pause time.Duration, called <-chan struct{}) {
	j := bridge.Judge(err)
	switch {
	case j.Verdict != bridge.VerdictWait:
		return p.s.a.cfg.Poll, p.called
	case p.asked == "":
		return j.Wait, p.called
	}
	return j.Wait, nil
}

// barred reports whether the account is not ours to read, and tells the operator.
func (p *puller) barred(err error) bool {
	w := p.s.a.words()
	text := map[int]string{95000: w.gone, 95004: w.gone, 95017: w.unmanaged}[codeOf(err)]
	if text != "" {
		p.s.a.note(p.account, fmt.Sprintf(text, p.account))
	}
	return text != ""
}

// fresh is the token of the last callback, "" when it is too old.
func (p *puller) fresh() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.s.a.env.Now().After(p.until) {
		return ""
	}
	return p.token
}

// spent forgets a token that WeCom did not take.
func (p *puller) spent(token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.token == token {
		p.token = ""
	}
}

// syncRequest asks for a page. https://developer.work.weixin.qq.com/document/path/94670
type syncRequest struct {
	Cursor      string `json:"cursor,omitempty"`
	Token       string `json:"token,omitempty"`
	Limit       int    `json:"limit"`
	VoiceFormat int    `json:"voice_format"` // 0 is AMR
	Account     string `json:"open_kfid"`
}

type syncPage struct {
	Next string            `json:"next_cursor"`
	More int               `json:"has_more"`
	List []json.RawMessage `json:"msg_list"`
}

// catchUp reads page after page until there is no more. The cursor moves once every message of a page is
// stored: what comes twice after a crash is known by its id.
func (p *puller) catchUp(ctx context.Context) (heard bool, err error) {
	at, err := p.read(ctx)
	if err != nil {
		return false, err
	}
	for {
		page, err := p.page(ctx, at.Cursor)
		if err != nil {
			return heard, err
		}
		if err := p.s.take(ctx, p.account, page.List, at.From); err != nil {
			return heard, err
		}
		heard = heard || len(page.List) > 0
		moved := page.Next != "" && page.Next != at.Cursor
		if moved {
			at.Cursor = page.Next
			if err := p.write(ctx, at); err != nil {
				return heard, err
			}
		}
		if page.More == 0 { // a page may be empty though there are more
			return heard, nil
		}
		if !moved {
			return heard, errors.New("WeCom says that there is more, but its cursor does not move")
		}
	}
}

func (p *puller) page(ctx context.Context, cursor string) (syncPage, error) {
	req := syncRequest{Cursor: cursor, Token: p.fresh(), Limit: pageSize, Account: p.account}
	for {
		var page syncPage
		p.asked = req.Token
		err := p.s.a.api.Query(ctx, http.MethodPost, "/cgi-bin/kf/sync_msg", nil, req, &page)
		switch {
		case codeOf(err) == 95007 && req.Token != "": // expired meanwhile
			p.spent(req.Token)
			req.Token = ""
		case codeOf(err) == 40058 && req.Cursor != "": // from a backup, perhaps; what is known is not taken twice
			p.s.a.env.Log.WarnContext(ctx, "the cursor is not taken any more; all that WeCom keeps is read again", "account", p.account)
			req.Cursor = ""
		case errors.Is(err, bridge.ErrTooLarge) && req.Limit > 1:
			req.Limit /= 2
		default:
			return page, err
		}
	}
}

func (p *puller) read(ctx context.Context) (place, error) {
	var at place
	known, err := bridge.Load(ctx, p.s.a.env.State, "cursor/"+p.account, &at)
	if err == nil && !known {
		at.From = p.s.a.env.Now().Add(-p.s.a.cfg.Backlog).Unix()
		return at, p.write(ctx, at)
	}
	return at, err
}

func (p *puller) write(ctx context.Context, at place) error {
	return bridge.Keep(ctx, p.s.a.env.State, "cursor/"+p.account, at)
}

// codeOf is the errcode of an error, 0 if it has none.
func codeOf(err error) int {
	if e, ok := errors.AsType[*tencent.Error](err); ok {
		return e.Code
	}
	return 0
}

// Hook takes WeCom's callbacks.
func (a *adapter) Hook() http.Handler { return a.hook }

// push is what a callback says: that there is something to ask for.
type push struct {
	Event   string
	Token   string
	Account string   `xml:"OpenKfId"`
	Added   []string `xml:"AuthAddOpenKfId"`
	Removed []string `xml:"AuthDelOpenKfId"`
}

// called hears a callback. Nothing needs to be stored: the messages stay with WeCom for three days, and are
// asked for from the durable cursor.
func (a *adapter) called(_ context.Context, p tencent.Push) ([]byte, error) {
	var e push
	if err := p.Decode(&e); err != nil {
		return nil, err
	}
	s := a.session.Load()
	if s == nil {
		return nil, errNotRunning
	}
	switch e.Event {
	case "kf_msg_or_event":
		if a.serves(e.Account) {
			s.wake(e.Account, e.Token)
		}
	case "kf_account_auth_change":
		for _, id := range e.Added {
			if a.serves(id) {
				a.note(id, "")
				s.wake(id, "")
			}
		}
		for _, id := range e.Removed {
			if a.serves(id) {
				a.note(id, fmt.Sprintf(a.words().unmanaged, id))
			}
		}
	}
	return nil, nil
}

func (a *adapter) serves(account string) bool {
	return isID(account) && (len(a.cfg.Accounts) == 0 || slices.Contains(a.cfg.Accounts, account))
}
