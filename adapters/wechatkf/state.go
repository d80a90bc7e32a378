package wechatkf

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// The states of a session. The API may speak in the first two.
// https://developer.work.weixin.qq.com/document/path/94669
const (
	stateNew   = 0
	stateBot   = 1 // 智能助手接待: the API's
	statePool  = 2 // 待接入池排队
	stateHuman = 3 // 人工接待

	stateRefused = -1 // ours: a servicer refuses the customer's messages
)

// What is kept of customers and chats, by its keys.
const (
	seatPrefix = "seat/" // then the chat
	partPrefix = "part/" // then the chat and the message
)

func whoKey(customer string) string { return "who/" + customer }

// seat is a session that is not the gateway's to answer.
type seat struct {
	Who   string `json:"who,omitempty"` // userid of the servicer
	State int    `json:"state"`
	At    int64  `json:"at"` // Unix seconds, when that was so
}

// over reports whether the session has ended by itself since, 48 h after the customer's last message, which
// WeCom does not tell. A refusal lasts.
func (s seat) over(now time.Time) bool {
	return s.State != stateRefused && now.Sub(time.Unix(s.At, 0)) > windowOpen
}

// barred looks why a message was refused for the state of its session. nil: it may be sent now.
func (a *adapter) barred(ctx context.Context, room bridge.RoomID, refused error) error {
	account, customer, err := split(room)
	if err != nil {
		return err
	}
	var got struct {
		State int    `json:"service_state"`
		Who   string `json:"servicer_userid"`
	}
	in := map[string]any{"open_kfid": account, "external_userid": customer}
	if err := a.api.Query(ctx, http.MethodPost, "/cgi-bin/kf/service_state/get", nil, in, &got); err != nil {
		return fmt.Errorf("who serves the customer cannot be asked: %w", err)
	}
	switch got.State {
	case stateNew:
		in["service_state"] = stateBot
		if err := a.api.Query(ctx, http.MethodPost, "/cgi-bin/kf/service_state/trans", nil, in, nil); err != nil && codeOf(err) != 95016 {
			return fmt.Errorf("the session cannot be taken over: %w", err)
		}
		return nil
	case stateHuman:
		a.seat(ctx, room, &seat{Who: got.Who, State: stateHuman, At: a.env.Now().Unix()})
		who := got.Who
		if who == "" {
			who = a.words().somebody
		}
		return bridge.Permanent(fmt.Errorf(a.words().human, who))
	case statePool:
		a.seat(ctx, room, &seat{State: statePool, At: a.env.Now().Unix()})
		return bridge.Permanent(errors.New(a.words().pool))
	default:
		return refused // the session has ended, or the window is closed: the customer must write
	}
}

// seat notes who has a session; nil is the gateway. It is kept, since WeCom tells it once.
func (a *adapter) seat(ctx context.Context, room bridge.RoomID, s *seat) {
	if s != nil {
		s.At = time.Unix(s.At, 0).Truncate(time.Hour).Unix() // so that not every message of a servicer is a write
	}
	a.mu.Lock()
	old, had := a.seats[room]
	had = had || a.seats == nil // it is not read yet
	if s == nil {
		delete(a.seats, room)
	} else if a.seats != nil {
		a.seats[room] = *s
	}
	a.mu.Unlock()
	var err error
	switch {
	case s == nil && had:
		err = a.env.State.Delete(ctx, seatPrefix+string(room))
	case s != nil && (!had || old != *s):
		err = bridge.Keep(ctx, a.env.State, seatPrefix+string(room), s)
	}
	if err != nil {
		a.env.Log.WarnContext(ctx, "who serves a session cannot be kept", "err", err)
	}
}

// readSeats reads what seat has kept.
func (a *adapter) readSeats(ctx context.Context) error {
	seats := map[bridge.RoomID]seat{}
	err := a.kept(ctx, seatPrefix, func(key string, room bridge.RoomID) error {
		var s seat
		if _, err := bridge.Load(ctx, a.env.State, key, &s); err != nil {
			return err
		}
		if s.over(a.env.Now()) {
			return a.env.State.Delete(ctx, key)
		}
		seats[room] = s
		return nil
	})
	if err != nil {
		return fmt.Errorf("read who serves the sessions: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seats = seats
	return nil
}

// kept calls f for everything that is kept of chats under a prefix.
func (a *adapter) kept(ctx context.Context, prefix string, f func(key string, room bridge.RoomID) error) error {
	for key, err := range bridge.Keys(ctx, a.env.State, prefix) {
		if err != nil {
			return err
		}
		account, rest, _ := strings.Cut(strings.TrimPrefix(key, prefix), "/")
		customer, _, _ := strings.Cut(rest, "/")
		if err := f(key, roomOf(account, customer)); err != nil {
			return err
		}
	}
	return nil
}

// Forget removes who somebody is, who serves them, how far messages to them were sent, and what may be said to them when
// they open the chat.
func (a *adapter) Forget(ctx context.Context, t bridge.Traces) error {
	theirs := func(room bridge.RoomID) bool {
		_, customer, _ := split(room)
		return slices.Contains(t.Users, bridge.UserID(customer)) || slices.Contains(t.Rooms, room)
	}
	a.mu.Lock()
	maps.DeleteFunc(a.seats, func(room bridge.RoomID, _ seat) bool { return theirs(room) })
	maps.DeleteFunc(a.codes, func(room bridge.RoomID, _ code) bool { return theirs(room) })
	a.mu.Unlock()
	for _, prefix := range []string{seatPrefix, partPrefix} {
		err := a.kept(ctx, prefix, func(key string, room bridge.RoomID) error {
			if !theirs(room) {
				return nil
			}
			return a.env.State.Delete(ctx, key)
		})
		if err != nil {
			return fmt.Errorf("forget a customer's chats: %w", err)
		}
	}
	for _, user := range t.Users {
		if err := a.env.State.Delete(ctx, whoKey(string(user))); err != nil {
			return fmt.Errorf("forget who a customer is: %w", err)
		}
	}
	return nil
}

// note sets what is amiss about a topic; "" is nothing.
func (a *adapter) note(topic, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if text == "" {
		delete(a.notes, topic)
		return
	}
	a.notes[topic] = text
}

// Warnings says what is missing but can be done without.
func (a *adapter) Warnings() []string {
	w := a.words()
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []string
	for _, text := range a.notes {
		out = append(out, text)
	}
	taken, refused := 0, 0
	for _, s := range a.seats {
		switch {
		case s.State == stateRefused:
			refused++
		case !s.over(a.env.Now()):
			taken++
		}
	}
	if taken > 0 {
		out = append(out, fmt.Sprintf(w.seats, taken))
	}
	if refused > 0 {
		out = append(out, fmt.Sprintf(w.refuses, refused))
	}
	if a.ffmpeg == "" {
		out = append(out, w.noVoice)
	}
	slices.Sort(out)
	return out
}

// code allows one message to who has just opened the chat.
type code struct {
	text  string
	until time.Time
}

// giveCode keeps a code for the gateway's first words, and forgets those that are over.
func (a *adapter) giveCode(room bridge.RoomID, c code) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for r, old := range a.codes {
		if a.env.Now().After(old.until) {
			delete(a.codes, r)
		}
	}
	a.codes[room] = c
}

// takeCode takes the code of a chat, if it has one that is still good.
func (a *adapter) takeCode(room bridge.RoomID) (code, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c, ok := a.codes[room]
	delete(a.codes, room)
	return c, ok && a.env.Now().Before(c.until)
}
