package wechat

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
	"github.com/hutong-im/hutong/internal/tencent"
)

// guest is what is known of a customer. WeChat has told neither name nor picture since December 2021:
// https://developers.weixin.qq.com/community/develop/doc/00028edbe3c58081e7cc834705b801
type guest struct {
	Name   string `json:"name,omitempty"`   // what they told us
	Remark string `json:"remark,omitempty"` // what was noted in WeChat's own console
	Union  string `json:"union,omitempty"`
	Looked bool   `json:"looked,omitempty"` // user/info has answered
	Asked  string `json:"asked,omitempty"`  // the message at which the name was asked for
}

const (
	// lookWithin is how long user/info may take while a push waits for its answer, which has 5 seconds in all.
	lookWithin = 1500 * time.Millisecond
	// lookPause is how long it is left alone after it failed.
	lookPause = time.Minute
	// maxName is the longest name that is taken for one, in characters.
	maxName = 20
)

func guestKey(user bridge.UserID) string { return "guest/" + string(user) }

// Forget removes who somebody is, and how far messages to them were sent.
func (a *adapter) Forget(ctx context.Context, t bridge.Traces) error {
	for _, user := range t.Users {
		if err := a.forget(ctx, user); err != nil {
			return fmt.Errorf("forget a customer: %w", err)
		}
	}
	return nil
}

func (a *adapter) forget(ctx context.Context, user bridge.UserID) error {
	turn := a.turn(string(user)) // a push that is being handled would keep it anew
	turn.Lock()
	defer turn.Unlock()
	if err := a.env.State.Delete(ctx, guestKey(user)); err != nil {
		return err
	}
	for key, err := range bridge.Keys(ctx, a.env.State, partKey(bridge.RoomID(user), "")) {
		if err == nil {
			err = a.env.State.Delete(ctx, key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// guest reads what is known of the writer, and asks WeChat about a new one.
func (a *adapter) guest(ctx context.Context, m *push) (guest, error) {
	var g guest
	if _, err := bridge.Load(ctx, a.env.State, guestKey(m.user()), &g); err != nil {
		return g, err
	}
	before := g
	if !g.Looked && !strings.EqualFold(string(m.Event), "unsubscribe") {
		a.look(ctx, string(m.FromUserName), &g)
	}
	if name := introduced(string(m.Content)); name != "" && g.Asked != "" && g.Name == "" {
		g.Name = name
	}
	if g == before {
		return g, nil
	}
	return g, bridge.Keep(ctx, a.env.State, guestKey(m.user()), g)
}

// look asks WeChat who it is. What fails is asked again later: the message does not wait for it.
func (a *adapter) look(ctx context.Context, openid string, g *guest) {
	a.mu.Lock()
	rests := a.env.Now().Before(a.ask)
	a.mu.Unlock()
	if rests {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	var info struct {
		Union  string `json:"unionid"`
		Remark string `json:"remark"`
	}
	err := a.client.Query(ctx, http.MethodGet, "/cgi-bin/user/info", url.Values{"openid": {openid}, "lang": {"zh_CN"}}, nil, &info)
	if e, refused := errors.AsType[*tencent.Error](err); refused && bridge.Judge(err).Verdict == bridge.VerdictPermanent {
		a.env.Log.DebugContext(ctx, "WeChat does not say who a customer is", "err", e)
		g.Looked = true
		return
	}
	if err != nil {
		a.env.Log.WarnContext(ctx, "could not ask who a customer is; asking again later", "err", err)
		a.mu.Lock()
		a.ask = a.env.Now().Add(lookPause)
		a.mu.Unlock()
		return
	}
	g.Looked, g.Remark = true, info.Remark
	if info.Union != "" {
		g.Union = "weixin:" + info.Union
	}
}

// introduction is a name told as the question asks for it. Anything freer would take the customer's next
// words for a name.
var introduction = regexp.MustCompile(`(?i)^\s*(?:我叫|叫我|my name is |call me )\s*([^\s,，。.!！?？;；:：][^\n,，。!！?？;；]*?)\s*[.。!！]?\s*$`)

// introduced is the name that a text tells; "" is none.
func introduced(text string) string {
	m := introduction.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	name := bridge.Tidy(m[1], maxName+1)
	if len([]rune(name)) > maxName {
		return ""
	}
	return name
}

// greet asks a newcomer for a name, once. If WeChat repeats the push, the answer is repeated.
func (a *adapter) greet(ctx context.Context, p tencent.Push, m *push, g guest) []byte {
	if !a.cfg.AskName || g.Name != "" || g.Remark != "" || g.Asked != "" && g.Asked != m.id() || m.Event != "" {
		return nil
	}
	if g.Asked == "" {
		g.Asked = m.id()
		if err := bridge.Keep(ctx, a.env.State, guestKey(m.user()), g); err != nil {
			a.env.Log.WarnContext(ctx, "could not note that a customer is asked for a name; not asked", "err", err)
			return nil
		}
	}
	out, err := reply(p, m, a.env.Now(), a.words().askName)
	if err != nil {
		a.env.Log.ErrorContext(ctx, "could not write an answer", "err", err)
		return nil
	}
	return out
}

// answer is a passive reply: it comes with the answer to a push, and counts for no limit.
// https://developers.weixin.qq.com/doc/service/guide/product/message/Passive_user_reply_message.html
type answer struct {
	XMLName      xml.Name `xml:"xml" json:"-"`
	ToUserName   cdata
	FromUserName cdata
	CreateTime   int64
	MsgType      cdata
	Content      cdata
}

type cdata struct {
	Text string `xml:",cdata"`
}

// MarshalJSON makes it a string in JSON.
func (c cdata) MarshalJSON() ([]byte, error) { return httpx.EncodeJSON(c.Text) }

// reply makes a passive text, in the form in which the push came.
func reply(p tencent.Push, m *push, now time.Time, text string) ([]byte, error) {
	out := answer{
		ToUserName: cdata{string(m.FromUserName)}, FromUserName: cdata{string(m.ToUserName)},
		CreateTime: now.Unix(), MsgType: cdata{"text"}, Content: cdata{text},
	}
	if p.JSON {
		return httpx.EncodeJSON(out)
	}
	return xml.Marshal(out)
}
