package wecom

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/tencent"
)

// lookEvery is how often the members, the menu and the ledger are looked after.
const lookEvery = time.Hour

// health is what was found out about the app, for Warnings.
type health struct {
	called     bool // WeCom has pushed something, ever
	noCallback bool // a card was refused because there is no callback
	closed     bool // the app was switched off
	found      []string
	said       string // the last complaint of the log, so that it is said once
}

// calledKey remembers that WeCom has pushed something.
const calledKey = "called"

// Run hears until ctx ends: the hook hands events to it. Beside that it looks after the members and the menu.
func (a *adapter) Run(ctx context.Context, in bridge.Inbox) error {
	s := &session{ctx: ctx, in: in}
	a.now(s)
	defer s.end()
	defer a.now(nil)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := a.look(ctx, in); err != nil && ctx.Err() == nil {
			a.complain(ctx, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		case <-a.nudged:
		}
	}
}

// nudge makes Run look at the members soon.
func (a *adapter) nudge() {
	select {
	case a.nudged <- struct{}{}:
	default:
	}
}

func (a *adapter) complain(ctx context.Context, err error) {
	a.mu.Lock()
	news := a.health.said != err.Error()
	a.health.said = err.Error()
	a.mu.Unlock()
	if news {
		a.env.Log.WarnContext(ctx, "WeCom was not looked after; it is tried again", "err", err, "in", lookEvery)
	}
}

// look looks after everything; what cannot be done now is done next time.
func (a *adapter) look(ctx context.Context, in bridge.Inbox) error {
	if _, _, err := a.env.State.Get(ctx, calledKey); err == nil {
		a.mu.Lock()
		a.health.called = true
		a.mu.Unlock()
	}
	found, err := a.lookAtMembers(ctx, func(e bridge.AccountState) error { return in.Receive(ctx, e) })
	if menu := a.makeMenu(ctx); menu != nil {
		found = append(found, fmt.Sprintf(a.words().elsewhere, menu))
	}
	a.mu.Lock()
	a.health.found = found
	a.mu.Unlock()
	return errors.Join(err, a.ledger.sweep(ctx))
}

// ill notes whether the callback works. The first push ever is remembered.
func (a *adapter) ill(noCallback bool) {
	a.mu.Lock()
	first := !noCallback && !a.health.called
	a.health.noCallback = noCallback
	a.health.called = a.health.called || !noCallback
	a.mu.Unlock()
	if !first {
		return
	}
	if _, err := a.env.State.Put(context.Background(), calledKey, []byte("1"), bridge.AnyRev); err != nil {
		a.env.Log.Warn("that WeCom pushes was not kept; it is warned of after the next start", "err", err)
	}
}

// Warnings are what can be done without.
func (a *adapter) Warnings() []string {
	w := a.words()
	address := a.env.Lobby.Company().URL + "/hook/" + a.env.Name
	a.mu.Lock()
	defer a.mu.Unlock()
	out := slices.Clone(a.health.found)
	switch {
	case a.health.noCallback:
		out = append(out, fmt.Sprintf(w.noCallback, address))
	case !a.health.called:
		out = append(out, fmt.Sprintf(w.neverCalled, address))
	}
	if a.health.closed {
		out = append(out, w.closed)
	}
	return out
}

// Probe asks WeCom whether the app works and sees every member of the config.
func (a *adapter) Probe(ctx context.Context) error {
	var agent struct {
		Close int `json:"close"`
	}
	q := url.Values{"agentid": {strconv.Itoa(a.cfg.AgentID)}}
	if err := a.api.Query(ctx, http.MethodGet, "/cgi-bin/agent/get", q, nil, &agent); err != nil {
		return fmt.Errorf("ask for the app: %w", err)
	}
	var bad []error
	if agent.Close != 0 {
		bad = append(bad, errors.New(a.words().closed))
	}
	found, err := a.lookAtMembers(ctx, func(bridge.AccountState) error { return nil })
	for _, f := range found {
		bad = append(bad, errors.New(f))
	}
	return errors.Join(append(bad, err)...)
}

// lookAtMembers asks WeCom for each account of the config, and says what is wrong with some.
func (a *adapter) lookAtMembers(ctx context.Context, tell func(bridge.AccountState) error) (found []string, err error) {
	w := a.words()
	for _, account := range a.accounts() {
		status, err := a.status(ctx, account)
		var code *tencent.Error
		switch {
		case errors.As(err, &code) && slices.Contains(unreachable(), code.Code):
			status = statusLeft
			found = append(found, fmt.Sprintf("%s: %v", account, err))
		case errors.Is(err, errUnknown):
			status = statusLeft
			found = append(found, err.Error())
		case err != nil:
			return found, fmt.Errorf("ask for member %s: %w", account, err)
		case status == statusDisabled || status == statusLeft:
			found = append(found, fmt.Sprintf(w.inactive, account))
		case status == statusNew:
			found = append(found, fmt.Sprintf(w.notActivated, account))
		}
		if now, err := a.book.user(ctx, string(account)); err == nil && !strings.EqualFold(now, string(account)) && !lookedUp(string(account)) {
			found = append(found, fmt.Sprintf(w.renamed, account, now))
		}
		works := status != statusDisabled && status != statusLeft
		if err := tell(bridge.AccountState{User: account, Active: works, At: a.env.Now()}); err != nil {
			return found, err
		}
	}
	return found, nil
}

// accounts are the members' accounts as they stand in the config.
func (a *adapter) accounts() []bridge.UserID {
	var out []bridge.UserID
	for _, m := range a.env.Lobby.Members() {
		for _, u := range m.Accounts {
			if u.Adapter == a.env.Name {
				out = append(out, u.User)
			}
		}
	}
	return out
}

// The states of a member: https://developer.work.weixin.qq.com/document/path/90196
const (
	statusDisabled = 2
	statusNew      = 4
	statusLeft     = 5
)

var errUnknown = errors.New("no such member")

// status asks for a member. A mobile number or an e-mail address is looked up first.
func (a *adapter) status(ctx context.Context, account bridge.UserID) (int, error) {
	user, err := a.book.user(ctx, string(account))
	if err != nil {
		return 0, err
	}
	status, err := a.userStatus(ctx, user)
	var code *tencent.Error
	if !errors.As(err, &code) || (code.Code != noSuchUser && code.Code != badUser) || !lookedUp(string(account)) {
		return status, err
	}
	user, err = a.lookUp(ctx, string(account))
	if bridge.Judge(err).Verdict == bridge.VerdictPermanent {
		return 0, &unknownUser{fmt.Sprintf(a.words().unknownUser, account)}
	}
	if err != nil {
		return 0, err
	}
	if err := a.book.put(ctx, string(account), user); err != nil {
		return 0, err
	}
	return a.userStatus(ctx, user)
}

// unknownUser is errUnknown in words.
type unknownUser struct{ text string }

func (e *unknownUser) Error() string        { return e.text }
func (e *unknownUser) Is(target error) bool { return target == errUnknown }

func (a *adapter) userStatus(ctx context.Context, user string) (int, error) {
	var out struct {
		Status int `json:"status"`
	}
	err := a.api.Query(ctx, http.MethodGet, "/cgi-bin/user/get", url.Values{"userid": {user}}, nil, &out)
	return out.Status, err
}

// mobile is a number as people write it; a userid of digits alone is tried as such first.
var mobile = regexp.MustCompile(`^\+?[0-9]{5,20}$`)

func lookedUp(account string) bool {
	return mobile.MatchString(account) || strings.Contains(account, "@")
}

// lookUp finds the userid of a mobile number or an e-mail address:
// https://developer.work.weixin.qq.com/document/path/95402 and 95895.
func (a *adapter) lookUp(ctx context.Context, account string) (string, error) {
	path, in := "/cgi-bin/user/getuserid", obj{"mobile": account}
	if strings.Contains(account, "@") {
		const company = 1 // the address that the company gave
		path, in = "/cgi-bin/user/get_userid_by_email", obj{"email": account, "email_type": company}
	}
	var out struct {
		User string `json:"userid"`
	}
	if err := a.api.Query(ctx, http.MethodPost, path, nil, in, &out); err != nil {
		return "", err
	}
	return out.User, nil
}

// changed takes a change of the address book; it comes only to apps that may see it.
func (a *adapter) changed(ctx context.Context, in bridge.Inbox, e *push) error {
	switch {
	case e.ChangeType == "update_user" && e.NewUserID != "":
		if err := a.book.rename(ctx, e.UserID, e.NewUserID); err != nil {
			return err
		}
	case e.ChangeType == "delete_user", e.ChangeType == "update_user" && e.Status != "":
		user, _, err := a.identify(ctx, e.UserID)
		if err != nil {
			return err
		}
		works := e.ChangeType != "delete_user" && e.Status != strconv.Itoa(statusDisabled) && e.Status != strconv.Itoa(statusLeft)
		if err := in.Receive(ctx, bridge.AccountState{User: user, Active: works, At: e.at()}); err != nil {
			return err
		}
	}
	a.nudge() // departments and tags make the visible range
	return nil
}

// identify turns a userid as WeCom writes it (which is in any case) into the account of the config, and the room.
func (a *adapter) identify(ctx context.Context, userid string) (bridge.UserID, bridge.RoomID, error) {
	room, err := a.book.room(ctx, userid)
	if err != nil {
		return "", "", err
	}
	for _, account := range a.accounts() {
		user, err := a.book.user(ctx, string(account))
		if err != nil {
			return "", "", err
		}
		if strings.EqualFold(user, userid) || strings.EqualFold(string(account), userid) {
			return account, room, nil
		}
	}
	return bridge.UserID(userid), room, nil
}

// Open gives a member's chat with the app, the same for all customers.
func (a *adapter) Open(ctx context.Context, o bridge.Opening) (bridge.RoomID, error) {
	if len(o.Members) != 1 {
		return "", bridge.Permanent(fmt.Errorf("%d members; a chat with the app is one member's", len(o.Members)))
	}
	account := string(o.Members[0])
	user, err := a.book.user(ctx, account)
	if err != nil {
		return "", err
	}
	if lookedUp(account) && user == account {
		if _, err := a.status(ctx, o.Members[0]); err != nil {
			return "", err
		}
		if user, err = a.book.user(ctx, account); err != nil {
			return "", err
		}
	}
	return a.book.room(ctx, user)
}
