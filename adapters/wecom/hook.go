package wecom

import (
	"context"
	"crypto/hmac"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/tencent"
)

// push is what WeCom brings: https://developer.work.weixin.qq.com/document/path/90239 and 90240.
type push struct {
	FromUserName string
	CreateTime   int64
	MsgType      string
	MsgID        string `xml:"MsgId"` // 64 bits
	AgentID      string

	Content     string
	MediaID     string `xml:"MediaId"`
	FileName    string
	Title       string
	Description string
	URL         string `xml:"Url"`
	Label       string
	X           string `xml:"Location_X"` // latitude
	Y           string `xml:"Location_Y"` // longitude

	Event, EventKey, ChangeType string
	UserID, NewUserID, Status   string     // of change_contact
	TaskID                      string     `xml:"TaskId"`
	Selected                    []selected `xml:"SelectedItems>SelectedItem"`
}

// selected is one answer of a card. The documents' sample is misspelt, and clients have been written against both.
type selected struct {
	IDs      []string `xml:"OptionIds>OptionId"`
	Misspelt []string `xml:"OpitonIds>OpitonId"`
}

// print names an event: WeCom gives events no id, and many come from the same "sys" in the same second.
func (e *push) print() string {
	return digest(strings.Join([]string{
		e.FromUserName, strconv.FormatInt(e.CreateTime, 10), e.Event, e.EventKey, e.ChangeType, e.UserID, e.TaskID, e.choice(), e.Content, e.MediaID,
	}, "\x00"))
}

// choice is the option that was chosen in a vote.
func (e *push) choice() string {
	for _, s := range e.Selected {
		for _, id := range append(s.IDs, s.Misspelt...) {
			return id
		}
	}
	return ""
}

func same(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }

func (e *push) at() time.Time { return time.Unix(e.CreateTime, 0) }

// parse reads a push.
func parse(p tencent.Push) (*push, error) {
	var e push
	if err := p.Decode(&e); err != nil {
		return nil, err
	}
	if e.FromUserName == "" || e.MsgType == "" {
		return nil, fmt.Errorf("a push without a sender or a type: %w", tencent.ErrMalformed)
	}
	return &e, nil
}

var errNotRunning = errors.New("the adapter does not run now")

// session is one run: where events go, and the pushes that are being taken.
type session struct {
	ctx context.Context
	in  bridge.Inbox

	mu    sync.Mutex
	over  bool
	calls sync.WaitGroup
}

func (s *session) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	s.calls.Add(1)
	return true
}

// end waits for the pushes that are being taken; their contexts have ended.
func (s *session) end() {
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	s.calls.Wait()
}

// startWithin is how long a push waits for Run to begin: WeCom tries three times only.
const startWithin = time.Second

// enter finds the run that a push is for, and holds it until its calls are done; nil is none.
func (a *adapter) enter(ctx context.Context) *session {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		a.mu.Lock()
		s, moved := a.session, a.moved
		a.mu.Unlock()
		if s != nil && s.begin() {
			return s
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return nil
		}
	}
}

// now makes s the run that pushes are for.
func (a *adapter) now(s *session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.session = s
	close(a.moved)
	a.moved = make(chan struct{})
}

// take stores what was pushed.
func (a *adapter) take(ctx context.Context, p tencent.Push) ([]byte, error) {
	s := a.enter(ctx)
	if s == nil {
		return nil, errNotRunning
	}
	defer s.calls.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	e, err := parse(p)
	if err != nil {
		return nil, err
	}
	if e.AgentID != "" && e.AgentID != strconv.Itoa(a.cfg.AgentID) {
		return nil, fmt.Errorf("a push for the app %.20q; give each app a callback address of its own: %w", e.AgentID, bridge.ErrRefused)
	}
	a.ill(false)
	user, room, err := a.identify(ctx, e.FromUserName)
	if err != nil {
		return nil, err
	}
	if e.MsgType == "event" {
		return a.event(ctx, s.in, e, room, user)
	}
	return nil, a.message(ctx, s.in, e, room, user)
}

// message takes something that a member said.
func (a *adapter) message(ctx context.Context, in bridge.Inbox, e *push, room bridge.RoomID, user bridge.UserID) error {
	m := bridge.MessageEvent{Room: room, User: user, Msg: bridge.MsgID(e.MsgID), At: e.at()}
	if e.MsgID == "" {
		m.Msg = bridge.MsgID("e-" + e.print())
	}
	file := func(name, typ string) {
		m.Files = []bridge.File{{Name: name, Type: typ, Ref: e.MediaID}}
	}
	switch e.MsgType {
	case "text":
		return a.text(ctx, in, e.Content, m)
	case "image":
		file("image-"+e.MsgID+".jpg", "image/jpeg")
	case "voice":
		file("voice-"+e.MsgID+".amr", "audio/amr")
	case "video", "shortvideo":
		file("video-"+e.MsgID+".mp4", "video/mp4")
	case "file": // not documented for apps
		file(e.FileName, "")
	case "location":
		m.Text = fmt.Sprintf("📍 %s\n%s,%s", bridge.EscapeMarkdown(e.Label), bridge.EscapeMarkdown(e.X), bridge.EscapeMarkdown(e.Y))
	case "link":
		m.Text = strings.Trim(bridge.EscapeMarkdown(e.Title)+"\n"+bridge.EscapeMarkdown(e.Description)+"\n"+e.URL, "\n")
	default:
		_, err := a.sendText(ctx, room, bridge.Draft{Key: "kind-" + string(m.Msg), Text: a.words().unknownKind})
		return err
	}
	return in.Receive(ctx, m)
}

// say is what an event means in words: a command to the gateway.
func (a *adapter) say(e *push, room bridge.RoomID, user bridge.UserID, text string) bridge.MessageEvent {
	return bridge.MessageEvent{Room: room, User: user, Msg: bridge.MsgID("e-" + e.print()), At: e.at(), Text: text}
}

// event takes what happened beside messages. What is not named here concerns nobody, or another app of hutong.
func (a *adapter) event(ctx context.Context, in bridge.Inbox, e *push, room bridge.RoomID, user bridge.UserID) ([]byte, error) {
	switch e.Event {
	case "subscribe", "unsubscribe": // the app was given to the member, or taken away
		return nil, in.Receive(ctx, bridge.AccountState{User: user, Active: e.Event == "subscribe", At: e.at()})
	case "click":
		if !strings.HasPrefix(e.EventKey, "/") || e.EventKey == choose && a.choose(ctx, room, user, e.print()) {
			return nil, nil
		}
		return nil, in.Receive(ctx, a.say(e, room, user, e.EventKey))
	case "template_card_event":
		return a.pressed(ctx, in, e, room, user)
	case "change_contact":
		return nil, a.changed(ctx, in, e)
	case "close_inactive_agent", "reopen_inactive_agent":
		a.mu.Lock()
		a.health.closed = e.Event == "close_inactive_agent"
		a.mu.Unlock()
	}
	return nil, nil
}

// pressed takes a button of a card; the answer to the push shows in its place what was pressed.
func (a *adapter) pressed(ctx context.Context, in bridge.Inbox, e *push, room bridge.RoomID, user bridge.UserID) ([]byte, error) {
	w := a.words()
	p, ok := a.readPress(e, room)
	if !ok {
		return a.replace(e, w.stale)
	}
	var event bridge.Event = bridge.Answered{Room: room, User: user, Ask: p.Ask, Choice: p.Choice, Event: e.print(), At: e.at()}
	if p.Ask == "" {
		list, _, _, err := a.contacts(ctx, room, user)
		if err != nil {
			return nil, err
		}
		for _, c := range list {
			if c.ID == p.Choice {
				p.Label = c.Label
				event = a.say(e, room, user, choose+" "+c.Label)
			}
		}
		if _, found := event.(bridge.MessageEvent); !found {
			return a.replace(e, w.stale)
		}
	}
	if link := (&bridge.Ask{ID: p.Ask}).Request(); link != "" { // the answer to this push changes the card
		if err := a.forgetRequest(ctx, link); err != nil {
			return nil, err
		}
	}
	err := in.Receive(ctx, event)
	switch {
	case errors.Is(err, bridge.ErrRefused):
		a.env.Log.DebugContext(ctx, "a button was refused", "err", err)
		return a.replace(e, w.stale)
	case err != nil:
		return nil, err
	}
	return a.replace(e, strings.TrimSpace("✓ "+p.Label))
}

// readPress makes sure that a button is one of this gateway's, for this chat.
func (a *adapter) readPress(e *push, room bridge.RoomID) (press, bool) {
	var p press
	if err := json.Unmarshal([]byte(e.EventKey), &p); err != nil || p.Room != room || !same(p.Sum, a.sum(p)) {
		return p, false
	}
	if p.Choice != "" {
		return p, true
	}
	sum, choice, _ := strings.Cut(e.choice(), ".")
	p.Choice = choice
	return p, choice != "" && same(sum, a.sum(p))
}

// replace is the answer that puts a text in the place of a card's buttons, for the one who pressed:
// https://developer.work.weixin.qq.com/document/path/90241. It needs no call, and a push that comes again gets it again.
func (a *adapter) replace(e *push, text string) ([]byte, error) {
	type cdata struct {
		Text string `xml:",cdata"`
	}
	return xml.Marshal(struct {
		XMLName      xml.Name `xml:"xml"`
		ToUserName   cdata
		FromUserName cdata
		CreateTime   int64
		MsgType      cdata
		Button       struct{ ReplaceName cdata }
	}{
		ToUserName: cdata{e.FromUserName}, FromUserName: cdata{a.cfg.CorpID}, CreateTime: a.env.Now().Unix(), MsgType: cdata{"update_button"},
		Button: struct{ ReplaceName cdata }{cdata{narrow(text, maxOption)}},
	})
}
