package telegram

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// session is one Run.
type session struct {
	a  *adapter
	in bridge.Inbox
	me user
	*albums
	ctx  context.Context //nolint:containedctx // a session is as long as its context
	gate sync.RWMutex    // read-locked by calls of the hook, which end before Run does
}

// Waits. Telegram holds a question for pollTime when there is nothing to tell; the gateway's client gives up after a
// minute without an answer. A server that answers at once with nothing is asked again after idlePause.
const (
	pollTime  = 25 * time.Second
	idlePause = 500 * time.Millisecond
	firstWait = 50 * time.Millisecond
	longWait  = 5 * time.Second
)

// Run hears until ctx ends.
func (a *adapter) Run(ctx context.Context, in bridge.Inbox) error {
	err := a.run(ctx, in)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (a *adapter) run(ctx context.Context, in bridge.Inbox) error {
	s := &session{a: a, in: in, albums: &a.albums}
	var err error
	if s.me, err = a.self(ctx); err != nil {
		return err
	}
	if err := s.remember(ctx); err != nil {
		return err
	}
	a.introduce(ctx)
	if a.cfg.Mode == modePoll {
		if err := a.ask(ctx, "deleteWebhook", nil, nil); err != nil {
			return err
		}
		return s.poll(ctx)
	}
	if a.env.Lobby.Company().URL == "" {
		return errors.New("mode: webhook needs gateway.url, the gateway's own address on the internet")
	}
	var cancel context.CancelFunc
	s.ctx, cancel = context.WithCancel(ctx)
	a.session.Store(s)
	defer func() {
		a.session.Store(nil)
		cancel()
		s.gate.Lock()
		s.gate.Unlock() //nolint:staticcheck // whoever holds it has ended
	}()
	err = a.ask(ctx, "setWebhook", obj{"url": a.hookURL(), "secret_token": a.cfg.secret(), "allowed_updates": wanted()}, nil)
	if err != nil {
		return fmt.Errorf("%w (gateway.url must be https, and Telegram must reach it)", err)
	}
	return s.tend(ctx)
}

// hookURL is what Telegram is told to call.
func (a *adapter) hookURL() string { return a.env.Lobby.Company().URL + "/hook/" + a.env.Name }

// introduce registers the commands, in both languages. Without them the bot works as well.
func (a *adapter) introduce(ctx context.Context) {
	if a.introduced.Load() {
		return
	}
	for code, list := range map[string][]command{"": a.words.commands, "en": english.commands, "zh": chinese.commands} {
		params := obj{"commands": list, "scope": obj{"type": "all_private_chats"}}
		if code != "" {
			params["language_code"] = code
		}
		if err := a.ask(ctx, "setMyCommands", params, nil); err != nil && ctx.Err() == nil {
			a.env.Log.Warn("the bot's commands could not be registered", "err", err)
			return
		}
	}
	a.introduced.Store(ctx.Err() == nil)
}

// place is how far the bot's news were heard.
type place struct {
	Next int64     `json:"next"`
	At   time.Time `json:"at"`
}

// placeGood is how long a place is trusted: after a week without news Telegram numbers them anew
// (https://core.telegram.org/bots/api#update).
const placeGood = 6 * 24 * time.Hour

// poll asks for news. They are confirmed by the next question, after the gateway has them.
func (s *session) poll(ctx context.Context) error {
	key := "place/" + s.a.bot
	var at place
	if b, _, err := s.a.env.State.Get(ctx, key); err == nil {
		_ = json.Unmarshal(b, &at) // what is not confirmed comes again, and is known
	} else if !errors.Is(err, bridge.ErrNotFound) {
		return fmt.Errorf("read how far was heard: %w", err)
	}
	for {
		params := obj{"timeout": int(s.patience().Seconds()), "allowed_updates": wanted()}
		if s.a.env.Now().Sub(at.At) < placeGood {
			params["offset"] = at.Next
		}
		began := s.a.env.Now()
		var news []json.RawMessage
		if err := s.a.ask(ctx, "getUpdates", params, &news); err != nil {
			return err
		}
		for _, raw := range news {
			u, err := parse(raw)
			if err != nil {
				return fmt.Errorf("getUpdates: an update is %w", err)
			}
			if err := s.insist(ctx, u); err != nil {
				return err
			}
			at = place{u.ID + 1, s.a.env.Now()}
		}
		if len(news) > 0 {
			if err := bridge.Keep(ctx, s.a.env.State, key, at); err != nil {
				return err
			}
		}
		s.bring(ctx, s.a.env.Now())
		if len(news) == 0 && s.a.env.Now().Sub(began) < idlePause {
			pause(ctx, idlePause)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// insist takes an update, however often it needs.
func (s *session) insist(ctx context.Context, u update) error {
	for wait := firstWait; ; wait = min(2*wait, longWait) {
		err := s.take(ctx, u)
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if bridge.Judge(err).Verdict == bridge.VerdictLogin {
			return err
		}
		if wait == firstWait {
			s.a.env.Log.Warn("an update waits", "err", err)
		}
		pause(ctx, wait)
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// take handles one update; nil means that it need not come again. In different chats it may be called at once.
func (s *session) take(ctx context.Context, u update) error {
	err := s.handle(ctx, u)
	if bridge.Judge(err).Verdict == bridge.VerdictPermanent { // such as one of a business connection that is gone
		s.a.env.Log.Warn("an update is left out, since Telegram does not tell what it is about", "update", u.ID, "err", err)
		return nil
	}
	return err
}

func (s *session) handle(ctx context.Context, u update) error {
	if m := u.said(); m == nil || m.Group == "" {
		if err := s.bringOf(ctx, u.chat()); err != nil { // what happens now happens after the album
			return err
		}
	}
	switch {
	case u.misunderstood:
		s.a.env.Log.Warn("an update of Telegram was not understood", "update", u.ID)
		return nil
	case u.Message != nil:
		return s.said(ctx, u, u.Message, 0)
	case u.Edited != nil:
		return s.receive(ctx, s.changed(u.Edited, 0))
	case u.Reaction != nil:
		for _, e := range u.Reaction.events() {
			if err := s.receive(ctx, e); err != nil {
				return err
			}
		}
		return nil
	case u.Member != nil:
		return s.membership(ctx, u)
	case u.Press != nil:
		return s.press(ctx, u)
	case u.Connection != nil:
		return s.a.connected(ctx, u.Connection)
	}
	return s.business(ctx, u)
}

// business takes what happens in the chats of an account that the bot serves.
func (s *session) business(ctx context.Context, u update) error {
	id := ""
	switch {
	case u.Business != nil:
		id = u.Business.Connection
	case u.EditedBusiness != nil:
		id = u.EditedBusiness.Connection
	case u.DeletedBusiness != nil:
		id = u.DeletedBusiness.Connection
	}
	if id == "" {
		return nil // of a kind that was not asked for
	}
	owner, err := s.a.owner(ctx, id)
	if err != nil {
		return err
	}
	switch {
	case u.Business != nil:
		return s.said(ctx, u, u.Business, owner)
	case u.EditedBusiness != nil:
		return s.receive(ctx, s.changed(u.EditedBusiness, owner))
	}
	d := u.DeletedBusiness
	for _, msg := range d.IDs {
		if err := s.receive(ctx, bridge.Deleted{Room: roomOf(owner, d.Chat.ID), Msg: msgOf(msg), At: s.a.env.Now()}); err != nil {
			return err
		}
	}
	return nil
}

// receive brings an event to the gateway. What is refused is done with.
func (s *session) receive(ctx context.Context, e bridge.Event) error {
	if e == nil {
		return nil
	}
	if err := s.in.Receive(ctx, e); err != nil && !errors.Is(err, bridge.ErrRefused) {
		return fmt.Errorf("receive: %w", err)
	}
	return nil
}

// said takes a message. Parts of an album are put aside, durably, until it is whole.
func (s *session) said(ctx context.Context, u update, m *message, owner int64) error {
	if m.Group != "" && m.Chat.Type == private {
		return s.putAside(ctx, m, owner)
	}
	e, met := s.spoken(ctx, u, m, owner)
	if err := s.receive(ctx, e); err != nil {
		return err
	}
	s.meet(ctx, met)
	s.explain(ctx, m, owner)
	return nil
}

// explain tells the customer which files a bot may not fetch. The member is told in the message.
func (s *session) explain(ctx context.Context, m *message, owner int64) {
	if owner != 0 || m.Chat.Type != private {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, comfort)
	defer cancel()
	for _, f := range m.attached() {
		if f.Size <= maxDown {
			continue
		}
		err := s.a.call(ctx, "sendMessage", obj{
			"chat_id": m.Chat.ID, "text": fmt.Sprintf(s.a.words.tooLargeYou, bridge.Tidy(f.Name, 64), maxDown>>20),
			"reply_parameters": obj{"message_id": m.ID, "allow_sending_without_reply": true},
		}, nil)
		if err != nil {
			s.a.env.Log.Warn("a customer could not be told that a file is too large", "err", err)
		}
	}
}

// membership takes that somebody blocked the bot, or put it into a group, which it leaves politely.
func (s *session) membership(ctx context.Context, u update) error {
	m := u.Member
	if m.Chat.Type == private {
		if m.New.Status != "kicked" {
			return nil
		}
		return s.receive(ctx, bridge.Left{
			Room: roomOf(0, m.Chat.ID), User: userOf(m.From.ID), Event: strconv.FormatInt(u.ID, 10), At: time.Unix(m.Date, 0),
		})
	}
	if m.New.Status != "member" && m.New.Status != "administrator" {
		return nil
	}
	if m.Chat.Type != "channel" {
		_ = s.a.ask(ctx, "sendMessage", obj{"chat_id": m.Chat.ID, "text": fmt.Sprintf(s.a.words.leaving, s.me.Username)}, nil) // it may not be allowed to
	}
	if err := s.a.ask(ctx, "leaveChat", obj{"chat_id": m.Chat.ID}, nil); err != nil {
		s.a.env.Log.Warn("the bot could not leave a group; remove it there", "err", err)
	}
	return nil
}

// A business connection is known by an id that changes when it is made anew, so that the owner's id stands in rooms and
// the newest connection is kept under it.
func connectionKey(owner int64) string { return fmt.Sprintf("business/%d", owner) }

func (a *adapter) connected(ctx context.Context, c *connection) error {
	if !c.Enabled { // what comes of it late is heard, but nothing can be said through it
		return nil
	}
	if _, err := a.env.State.Put(ctx, connectionKey(c.User.ID), []byte(c.ID), bridge.AnyRev); err != nil {
		return fmt.Errorf("keep a business connection: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.owners == nil {
		a.owners = map[string]int64{}
	}
	a.owners[c.ID] = c.User.ID
	return nil
}

// roomOf is the chat of a message.
func (a *adapter) roomOf(ctx context.Context, m *message) (bridge.RoomID, error) {
	if m.Connection == "" {
		return roomOf(0, m.Chat.ID), nil
	}
	owner, err := a.owner(ctx, m.Connection)
	return roomOf(owner, m.Chat.ID), err
}

// owner is whose account a connection is.
func (a *adapter) owner(ctx context.Context, id string) (int64, error) {
	a.mu.Lock()
	owner := a.owners[id]
	a.mu.Unlock()
	if owner != 0 {
		return owner, nil
	}
	var c connection
	if err := a.ask(ctx, "getBusinessConnection", obj{"business_connection_id": id}, &c); err != nil {
		return 0, err
	}
	return c.User.ID, a.connected(ctx, &c)
}
