package wechat

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/tencent"
)

// push is what WeChat brings: a message, or an event. All forms in one, since the elements do not clash.
// https://developers.weixin.qq.com/doc/service/guide/product/message/Receiving_standard_messages.html
type push struct {
	ToUserName   scalar // the account
	FromUserName scalar // openid
	CreateTime   scalar
	MsgType      scalar
	MsgID        scalar `json:"MsgId" xml:"MsgId"` // a number of 64 bits
	Content      scalar
	MenuID       scalar `json:"bizmsgmenuid" xml:"bizmsgmenuid"`
	MediaID      scalar `json:"MediaId" xml:"MediaId"`
	Format       scalar
	Recognition  scalar
	Latitude     scalar `json:"Location_X" xml:"Location_X"`
	Longitude    scalar `json:"Location_Y" xml:"Location_Y"`
	Label        scalar
	Title        scalar
	Description  scalar
	URL          scalar `json:"Url" xml:"Url"`
	Event        scalar
	EventKey     scalar
}

// scalar is a text or a number: in JSON the same element comes as either. Anything else is empty.
type scalar string

// UnmarshalJSON implements json.Unmarshaler.
func (s *scalar) UnmarshalJSON(b []byte) error {
	var text string
	switch {
	case json.Unmarshal(b, &text) == nil:
		*s = scalar(text)
	case b[0] != '{' && b[0] != '[' && b[0] != 'n':
		*s = scalar(b)
	}
	return nil
}

// decode reads a push.
func decode(p tencent.Push) (*push, error) {
	var m push
	if err := p.Decode(&m); err != nil {
		return nil, err
	}
	if m.FromUserName == "" || m.MsgType == "" {
		return nil, fmt.Errorf("the push has no FromUserName or no MsgType: %w", tencent.ErrMalformed)
	}
	return &m, nil
}

func (m *push) room() bridge.RoomID { return bridge.RoomID(m.FromUserName) }
func (m *push) user() bridge.UserID { return bridge.UserID(m.FromUserName) }

// at is when it was said; zero when WeChat does not say.
func (m *push) at() time.Time {
	sec, err := strconv.ParseInt(string(m.CreateTime), 10, 64)
	if err != nil || sec <= 0 {
		return time.Time{}
	}
	return time.Unix(sec, 0)
}

// id is the same when WeChat repeats the push, and of its room no other's: MsgId, and for events, which have
// none, what makes them one.
func (m *push) id() string {
	if m.MsgID != "" {
		return string(m.MsgID)
	}
	return strings.Join([]string{string(m.CreateTime), string(m.Event), string(m.EventKey)}, "/")
}

// event is the id among all customers': two may scan the same code in the same second.
func (m *push) event() string { return string(m.FromUserName) + "/" + m.id() }

// click is what a press of the menu, a scan or a follow opens.
// https://developers.weixin.qq.com/doc/service/api/customer/message/api_sendcustommessage.html
func click() bridge.Window { return bridge.Window{Open: time.Minute, Messages: 3} }

var errNotRunning = errors.New("the adapter does not run now")

// take stores a push; the answer is a question for the customer's name, or nothing.
func (a *adapter) take(ctx context.Context, p tencent.Push) ([]byte, error) {
	m, err := decode(p)
	if err != nil {
		return nil, err
	}
	s := a.session.Load()
	if s == nil {
		return nil, errNotRunning
	}
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.ctx.Err() != nil {
		return nil, errNotRunning
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	turn := a.turn(string(m.FromUserName))
	turn.Lock()
	defer turn.Unlock()
	a.called(ctx)
	who, err := a.guest(ctx, m)
	if err != nil {
		return nil, err
	}
	e := a.event(ctx, m, who)
	if e == nil {
		a.ignore(ctx, m)
		return nil, nil
	}
	if err := s.in.Receive(ctx, e); err != nil {
		return nil, err
	}
	return a.greet(ctx, p, m, who), nil
}

// turn spreads customers over the turns: of one customer one push is handled at a time, so that their words
// stay in order and what is known of them is not mixed up.
func (a *adapter) turn(openid string) *sync.Mutex {
	h := fnv.New32a()
	_, _ = h.Write([]byte(openid)) // never fails
	return &a.turns[h.Sum32()%turns]
}

// called notes that WeChat knows the address.
func (a *adapter) called(ctx context.Context) {
	if a.heard.Swap(true) {
		return
	}
	if err := bridge.Keep(ctx, a.env.State, "heard", true); err != nil {
		a.env.Log.WarnContext(ctx, "could not note that WeChat has called", "err", err)
	}
}

// ignoredKinds bounds what is counted apart.
const ignoredKinds = 50

// ignore counts what means nothing here, and logs it ever more seldom.
func (a *adapter) ignore(ctx context.Context, m *push) {
	kind := strings.ToLower(string(m.MsgType))
	if kind == "event" {
		kind += " " + strings.ToLower(string(m.Event))
	}
	a.mu.Lock()
	if _, known := a.ignored[kind]; !known && len(a.ignored) >= ignoredKinds || len(kind) > 64 {
		kind = "other"
	}
	a.ignored[kind]++
	n := a.ignored[kind]
	a.mu.Unlock()
	if n&(n-1) == 0 {
		a.env.Log.InfoContext(ctx, "a push that means nothing here was ignored", "kind", kind, "count", n)
	}
}

// event is what a push means; nil is nothing.
func (a *adapter) event(ctx context.Context, m *push, who guest) bridge.Event {
	kind := strings.ToLower(string(m.MsgType))
	if kind == "event" {
		return a.happened(m, who)
	}
	if kind == "text" && m.MenuID != "" {
		if ask, choice, ok := a.chosen(ctx, m.room(), string(m.MenuID)); ok {
			return bridge.Answered{Room: m.room(), User: m.user(), Ask: ask, Choice: choice, Event: m.event(), At: m.at()}
		}
	}
	said := a.said(m, who)
	switch kind {
	case "text":
		said.Text = bridge.EscapeMarkdown(string(m.Content))
	case "image":
		said.Files = []bridge.File{m.file(refImage, "image-", ".jpg", "image/jpeg")}
	case "voice":
		said.Files = []bridge.File{a.voice(m)}
		if m.Recognition != "" {
			said.Text = fmt.Sprintf(a.words().heard, bridge.EscapeMarkdown(string(m.Recognition)))
		}
	case "video", "shortvideo":
		said.Files = []bridge.File{m.file(refVideo, "video-", ".mp4", "video/mp4")}
	case "location":
		said.Text = m.place()
	case "link":
		said.Text = lines(bridge.EscapeMarkdown(string(m.Title)), bridge.EscapeMarkdown(string(m.Description)), address(string(m.URL)))
	default:
		return nil
	}
	if len(said.Files) > 0 && m.MediaID == "" {
		return nil
	}
	return said
}

func (a *adapter) said(m *push, who guest) bridge.MessageEvent {
	return bridge.MessageEvent{
		Room: m.room(), User: m.user(), Msg: bridge.MsgID(m.id()), At: m.at(), Name: cmp.Or(who.Name, who.Remark), Union: who.Union,
	}
}

// happened is what an event means. Names of events are compared without case: documents write them either way.
func (a *adapter) happened(m *push, who guest) bridge.Event {
	joined := bridge.Joined{
		Room: m.room(), User: m.user(), Name: cmp.Or(who.Name, who.Remark), Union: who.Union,
		Window: click(), Event: m.event(), At: m.at(),
	}
	switch strings.ToLower(string(m.Event)) {
	case "subscribe": // other keys than scenes have been seen, such as last_trade_no_…
		if card, ok := strings.CutPrefix(string(m.EventKey), "qrscene_"); ok {
			joined.Card = bridge.CardID(card)
		}
		return joined
	case "scan": // of somebody who follows already; the key is the scene itself
		joined.Card = bridge.CardID(m.EventKey)
		return joined
	case "unsubscribe":
		return bridge.Left{Room: m.room(), User: m.user(), Event: m.event(), At: m.at()}
	case "click":
		said := a.said(m, who)
		said.Window = click()
		switch string(m.EventKey) {
		case keyContacts:
			said.Text = "/contacts"
		case keyHuman:
			said.Text = a.words().human
		default:
			return nil
		}
		return said
	default:
		return nil
	}
}

// file is a file by reference, with a name that says what it is: WeChat has none.
func (m *push) file(ref, name, ending, typ string) bridge.File {
	return bridge.File{Name: name + string(m.CreateTime) + ending, Type: typ, Ref: ref + string(m.MediaID)}
}

// voice is a file that people can play, where that can be made.
func (a *adapter) voice(m *push) bridge.File {
	ref, ending, typ := refVoice, ".amr", "audio/amr"
	if strings.EqualFold(string(m.Format), "speex") {
		ref, ending, typ = refSpeex, ".speex", "audio/x-speex"
	}
	if a.ffmpeg != "" {
		ending, typ = ".mp3", "audio/mpeg"
	}
	return m.file(ref, "voice-", ending, typ)
}

// place is a location in words, and on a map. X is the latitude.
func (m *push) place() string {
	x, errX := strconv.ParseFloat(string(m.Latitude), 64)
	y, errY := strconv.ParseFloat(string(m.Longitude), 64)
	text := "📍 " + bridge.EscapeMarkdown(string(m.Label))
	if errX != nil || errY != nil || !(math.Abs(x) <= 90 && math.Abs(y) <= 180) { // not for NaN either
		return strings.TrimSpace(text)
	}
	at := strconv.FormatFloat(x, 'f', 6, 64) + "," + strconv.FormatFloat(y, 'f', 6, 64)
	// https://lbs.qq.com/webApi/uriV1/uriGuide/uriWebMarker: the same coordinates (GCJ-02) as WeChat's
	q := url.Values{"marker": {"coord:" + at + ";title:" + cmp.Or(string(m.Label), at)}, "referer": {"hutong"}}
	return lines(strings.TrimSpace(text), "<https://apis.map.qq.com/uri/v1/marker?"+q.Encode()+">")
}

// address is a link as CommonMark, or its text where it is none.
func address(s string) string {
	if u, err := url.Parse(s); err == nil && webAddress(s) && !strings.ContainsAny(s, "<> \n") {
		return "<" + u.String() + ">"
	}
	return bridge.EscapeMarkdown(s)
}

func lines(list ...string) string {
	var out []string
	for _, l := range list {
		if l != "" {
			out = append(out, l)
		}
	}
	return strings.Join(out, "\n")
}
