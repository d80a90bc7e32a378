package wechatkf

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// take brings a page's messages to the gateway, in order. The error is that ctx has ended: it does not have them all.
func (s *session) take(ctx context.Context, account string, page []json.RawMessage, from int64) error {
	var items []item
	for _, raw := range page {
		it, err := readItem(raw)
		if it.Account == "" {
			it.Account = account
		}
		switch {
		case err != nil: // it would be the same next time
			s.a.env.Log.WarnContext(ctx, "a message could not be read and is left out", "account", account, "msgid", it.ID, "err", err)
		case it.At < from, it.Account != account:
		default:
			items = append(items, it)
		}
	}
	people := s.a.profiles(ctx, items)
	for _, it := range items {
		if err := s.insist(ctx, it, people[it.Customer]); err != nil {
			return err
		}
	}
	return nil
}

// Pauses while the gateway does not take a message.
const (
	firstWait = 50 * time.Millisecond
	longWait  = 5 * time.Second
)

// insist brings one message, however often it needs: the gateway may have no room, or be sending what the message is
// about. The messages of other accounts do not wait for it.
func (s *session) insist(ctx context.Context, it item, who profile) error {
	for wait := firstWait; ; wait = min(2*wait, longWait) {
		err := s.a.hear(ctx, s.in, it, who)
		if err == nil || errors.Is(err, bridge.ErrRefused) {
			return nil
		}
		if wait == firstWait && ctx.Err() == nil {
			s.a.env.Log.WarnContext(ctx, "a message waits until the gateway takes it", "account", it.Account, "msgid", it.ID, "err", err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// hear brings one message or event.
func (a *adapter) hear(ctx context.Context, in bridge.Inbox, it item, who profile) error {
	if it.Type == "event" {
		return a.happened(ctx, in, it, who)
	}
	if !isID(it.Customer) || it.ID == "" {
		return nil
	}
	room, at := roomOf(it.Account, it.Customer), time.Unix(it.At, 0)
	e := bridge.MessageEvent{Room: room, User: bridge.UserID(it.Customer), Msg: bridge.MsgID(it.ID), At: at}
	if it.Origin != fromCustomer { // a person in WeCom's client: the company's own words
		if it.Origin == fromServicer {
			a.seat(ctx, room, &seat{Who: it.Servicer, State: stateHuman, At: it.At})
		}
		e.Own, e.User = true, bridge.UserID(it.Servicer)
		if it.Servicer == "" {
			e.User = bridge.UserID(it.Account)
		}
	} else if ask, choice, ok := a.pressed(room, it); ok {
		return in.Receive(ctx, bridge.Answered{Room: room, User: e.User, Ask: ask, Choice: choice, Event: it.ID, At: at})
	}
	e.Text, e.Files = a.said(it.Type, it.body, 0)
	if it.Type == "file" && it.Origin == fromCustomer {
		a.nameFiles(ctx, e.Files)
	}
	e.Name, e.Union, e.Avatar = who.Name, who.union(), who.avatar()
	return in.Receive(ctx, e)
}

// pressed reads the choice out of the id of a menu's entry that the customer has clicked.
func (a *adapter) pressed(room bridge.RoomID, it item) (ask, choice string, ok bool) {
	var b body
	if it.Type != "text" || json.Unmarshal(it.body, &b) != nil || b.MenuID == "" {
		return "", "", false
	}
	return a.openMenuID(room, b.MenuID)
}

// nothing is a window that is closed at once: opening a chat alone allows no message.
func nothing() bridge.Window { return bridge.Window{Open: time.Nanosecond, Messages: 1} }

// happened brings an event. What happens among WeCom's own people is for the operator to read.
func (a *adapter) happened(ctx context.Context, in bridge.Inbox, it item, who profile) error {
	e, at := it.event, time.Unix(it.At, 0)
	if !isID(it.Customer) {
		if e.Type == "servicer_status_change" {
			a.env.Log.InfoContext(ctx, "a servicer goes on or off duty in WeCom", "account", it.Account, "servicer", e.Servicer, "status", e.Status)
		}
		return nil
	}
	room, user := roomOf(it.Account, it.Customer), bridge.UserID(it.Customer)
	switch e.Type {
	case "enter_session":
		card := bridge.CardID("")
		if e.Scene == a.cfg.Scene { // links of others may have parameters of their own
			card = bridge.CardID(e.SceneParam)
		}
		return a.entered(ctx, in, it, bridge.Joined{
			Room: room, User: user, Card: card, Name: who.Name, Union: who.union(), Avatar: who.avatar(),
			Event: it.ID, At: at, Window: nothing(),
		})
	case "msg_send_fail":
		why := a.words().fails[e.FailType]
		if why == "" {
			why = a.words().failed
		}
		return in.Receive(ctx, bridge.Receipt{Room: room, User: user, Msg: bridge.MsgID(e.FailID), State: bridge.StateFailed, Reason: why, At: at})
	case "user_recall_msg":
		return in.Receive(ctx, bridge.Deleted{Room: room, User: user, Msg: bridge.MsgID(e.Recalled), At: at})
	case "session_status_change":
		a.changed(ctx, room, e, at)
	case "reject_customer_msg_switch_change":
		if e.Reject == 1 {
			a.seat(ctx, room, &seat{Who: e.Servicer, State: stateRefused, At: it.At})
		} else {
			a.seat(ctx, room, nil)
		}
	}
	return nil // servicer_recall_msg is about words that were not relayed
}

// codeLife is how long the codes of enter_session and of an ended session are good for, takenLife that of
// one from a session that was taken. https://developer.work.weixin.qq.com/document/path/95122
const (
	codeLife  = 20 * time.Second
	takenLife = 48 * time.Hour
)

// entered brings a customer who has opened the chat. Within 20 s one message may be said to them: with a card it is the
// gateway's, about the member; without one it is the config's.
func (a *adapter) entered(ctx context.Context, in bridge.Inbox, it item, e bridge.Joined) error {
	left := codeLife - a.env.Now().Sub(e.At)
	good := it.event.WelcomeCode != "" && left > 0
	if good && e.Card != "" {
		a.giveCode(e.Room, code{it.event.WelcomeCode, e.At.Add(codeLife)})
		e.Window = bridge.Window{Open: codeLife, Messages: 1}
	}
	if err := in.Receive(ctx, e); err != nil {
		return err
	}
	if good && e.Card == "" {
		a.sayOnce(ctx, e.Room, it.event.WelcomeCode, a.cfg.Welcome, it.ID)
	}
	return nil
}

// changed notes who serves a session now, and says the config's words about it.
func (a *adapter) changed(ctx context.Context, room bridge.RoomID, e event, at time.Time) {
	const taken, moved, ended, reopened = 1, 2, 3, 4
	age := a.env.Now().Sub(at)
	switch e.Change {
	case taken, moved, reopened:
		a.seat(ctx, room, &seat{Who: e.NewServicer, State: stateHuman, At: at.Unix()})
		if e.Change == taken && age < takenLife {
			a.sayOnce(ctx, room, e.Code, a.cfg.Taken, e.Code)
		}
	case ended:
		a.seat(ctx, room, nil)
		if age < codeLife {
			a.sayOnce(ctx, room, e.Code, a.cfg.Ended, e.Code)
		}
	}
}

// profile is what WeCom tells of a customer.
type profile struct {
	Name    string `json:"nickname,omitempty"`
	Picture string `json:"avatar,omitempty"`
	UnionID string `json:"unionid,omitempty"`
	Asked   int64  `json:"asked"` // Unix seconds
}

func (p profile) union() string {
	if p.UnionID == "" {
		return ""
	}
	return "weixin:" + p.UnionID
}

func (p profile) avatar() bridge.File {
	if p.Picture == "" {
		return bridge.File{}
	}
	return bridge.File{Name: "avatar", Type: "image/jpeg", Ref: refAvatar + p.Picture}
}

// askWithin is how long messages wait for a name, or for words of the config.
const askWithin = 5 * time.Second

// profileLife is how long a name is taken as it is; batchSize is how many customers are asked about at once.
// https://developer.work.weixin.qq.com/document/path/95159
const (
	profileLife = 24 * time.Hour
	batchSize   = 100
)

// profiles are what is known of the customers of a page. Without them messages come all the same.
func (a *adapter) profiles(ctx context.Context, items []item) map[string]profile {
	out := map[string]profile{}
	var ask []string
	for _, it := range items {
		id := it.Customer
		if _, seen := out[id]; seen || !isID(id) {
			continue
		}
		var p profile
		_, _ = bridge.Load(ctx, a.env.State, whoKey(id), &p) // one that cannot be read is asked for again
		out[id] = p
		if a.env.Now().Sub(time.Unix(p.Asked, 0)) > profileLife {
			ask = append(ask, id)
		}
	}
	for batch := range slices.Chunk(ask, batchSize) {
		if err := a.askProfiles(ctx, batch, out); err != nil {
			a.env.Log.WarnContext(ctx, "customers' names cannot be had for now", "err", err)
			break
		}
	}
	return out
}

func (a *adapter) askProfiles(ctx context.Context, ids []string, into map[string]profile) error {
	var got struct {
		List []struct {
			ID string `json:"external_userid"`
			profile
		} `json:"customer_list"`
	}
	in := map[string]any{"external_userid_list": ids, "need_enter_session_context": 0}
	brief, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	if err := a.api.Query(brief, http.MethodPost, "/cgi-bin/kf/customer/batchget", nil, in, &got); err != nil {
		return err
	}
	found := map[string]profile{}
	for _, c := range got.List {
		found[c.ID] = c.profile
	}
	for _, id := range ids {
		p, ok := found[id]
		if !ok {
			p = into[id] // not told any more: what was known stays
		}
		p.Asked = a.env.Now().Unix()
		into[id] = p
		if err := bridge.Keep(ctx, a.env.State, whoKey(id), p); err != nil {
			return err
		}
	}
	return nil
}
