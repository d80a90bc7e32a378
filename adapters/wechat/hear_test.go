package wechat

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/wechat/wechattest"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/tencent"
)

func fieldsOf(pairs ...string) []wechattest.Field {
	var out []wechattest.Field
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, wechattest.Field{Name: pairs[i], Value: pairs[i+1]})
	}
	return out
}

// pushed is something that WeChat brings, and what it means.
type pushed struct {
	name, typ string // MsgType; "event NAME" for an event
	fields    []wechattest.Field
	want      bridge.Event // without room, user, ids and time; nil: nothing
}

func pushes() []pushed {
	file := func(name, typ, ref string) []bridge.File { return []bridge.File{{Name: name, Type: typ, Ref: ref}} }
	short := bridge.Window{Open: time.Minute, Messages: 3}
	return []pushed{
		{"text", "text", fieldsOf("Content", "a*b_c ]]> <&> 你好"), bridge.MessageEvent{Text: `a\*b\_c \]\]\> \<&\> 你好`}},
		{"image", "image", fieldsOf("PicUrl", "http://mmbiz.qpic.cn/x", "MediaId", "m1"), bridge.MessageEvent{Files: file("image-AT.jpg", "image/jpeg", "image/m1")}},
		{"image without media", "image", fieldsOf("PicUrl", "http://mmbiz.qpic.cn/x"), nil},
		{"voice", "voice", fieldsOf("MediaId", "m1", "Format", "amr"), bridge.MessageEvent{Files: file("voice-AT.amr", "audio/amr", "voice/m1")}},
		{
			"voice that was understood", "voice", fieldsOf("MediaId", "m1", "Format", "speex", "Recognition", "多少钱*"),
			bridge.MessageEvent{Text: `〔语音识别〕多少钱\*`, Files: file("voice-AT.speex", "audio/x-speex", "speex/m1")},
		},
		{"video", "video", fieldsOf("MediaId", "m1", "ThumbMediaId", "t1"), bridge.MessageEvent{Files: file("video-AT.mp4", "video/mp4", "video/m1")}},
		{"short video", "shortvideo", fieldsOf("MediaId", "m1", "ThumbMediaId", "t1"), bridge.MessageEvent{Files: file("video-AT.mp4", "video/mp4", "video/m1")}},
		{
			"location", "location", fieldsOf("Location_X", "23.134521", "Location_Y", "113.358803", "Scale", "20", "Label", "广州塔_1"),
			bridge.MessageEvent{Text: "📍 广州塔\\_1\n<https://apis.map.qq.com/uri/v1/marker?marker=coord%3A23.134521%2C113.358803%3Btitle%3A%E5%B9%BF%E5%B7%9E%E5%A1%94_1&referer=hutong>"},
		},
		{"location nowhere", "location", fieldsOf("Location_X", "91", "Location_Y", "0", "Scale", "20", "Label", "梦"), bridge.MessageEvent{Text: "📍 梦"}},
		{
			"link", "link", fieldsOf("Title", "公众平台*", "Description", "官网", "Url", "https://a.example/x_y?b=1"),
			bridge.MessageEvent{Text: "公众平台\\*\n官网\n<https://a.example/x_y?b=1>"},
		},
		{"link to nowhere good", "link", fieldsOf("Title", "t", "Url", "javascript:alert(1)"), bridge.MessageEvent{Text: "t\njavascript:alert(1)"}},
		{"follow", "event subscribe", fieldsOf("EventKey", ""), bridge.Joined{Window: short}},
		{"follow without a key", "event subscribe", nil, bridge.Joined{Window: short}},
		{"follow after paying", "event subscribe", fieldsOf("EventKey", "last_trade_no_4003"), bridge.Joined{Window: short}},
		{"follow through a card", "event subscribe", fieldsOf("EventKey", "qrscene_CARD1", "Ticket", "T"), bridge.Joined{Card: "CARD1", Window: short}},
		{"scan", "event SCAN", fieldsOf("EventKey", "CARD1", "Ticket", "T"), bridge.Joined{Card: "CARD1", Window: short}},
		{"scan of a card called so", "event SCAN", fieldsOf("EventKey", "qrscene_1"), bridge.Joined{Card: "qrscene_1", Window: short}},
		{"unfollow", "event unsubscribe", fieldsOf("EventKey", ""), bridge.Left{}},
		{"contacts", "event CLICK", fieldsOf("EventKey", "contacts"), bridge.MessageEvent{Text: "/contacts", Window: short}},
		{"a person", "event CLICK", fieldsOf("EventKey", "human"), bridge.MessageEvent{Text: "我想联系人工客服", Window: short}},
		{"another click", "event CLICK", fieldsOf("EventKey", "V1001_TODAY_MUSIC"), nil},
		{"view", "event VIEW", fieldsOf("EventKey", "http://www.qq.com", "MenuId", "4"), nil},
		{"where they are", "event LOCATION", fieldsOf("Latitude", "23.1", "Longitude", "113.3", "Precision", "119"), nil},
		{"template sent", "event TEMPLATESENDJOBFINISH", fieldsOf("MsgID", "200163836", "Status", "success"), nil},
		{"a kind of tomorrow", "hologram", fieldsOf("MediaId", "m1"), nil},
	}
}

// Every kind, in XML and in JSON.
func TestPushes(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		r := newRig(t, wechattest.Options{JSON: asJSON}, nil)
		r.ffmpeg = ""
		for _, c := range pushes() {
			openid := r.server.Customer("")
			before := len(r.heardAll())
			if name, is := strings.CutPrefix(c.typ, "event "); is {
				r.server.Event(openid, name, c.fields...)
			} else {
				r.server.Message(openid, c.typ, c.fields...)
			}
			r.server.Say(openid, "after")
			r.eventually(c.name, func() bool {
				list := r.heardAll()
				m, ok := list[len(list)-1].(bridge.MessageEvent)
				return ok && m.Text == "after"
			})
			list := r.heardAll()[before:]
			if c.want == nil {
				if len(list) != 1 {
					t.Errorf("%s: heard %+v", c.name, list[0])
				}
				continue
			}
			if len(list) != 2 || !reflect.DeepEqual(bare(t, list[0], openid), c.want) {
				t.Errorf("%s (JSON %v): heard %+v\nwant %+v", c.name, asJSON, list[0], c.want)
			}
		}
		if log := r.log.String(); !strings.Contains(log, `kind="event view" count=1`) || !strings.Contains(log, `kind=hologram count=1`) {
			t.Errorf("what was ignored is not counted: %s", log)
		}
	}
}

// bare takes out of an event what differs each time, and looks at it.
func bare(t *testing.T, e bridge.Event, openid string) bridge.Event {
	t.Helper()
	room, user := bridge.RoomID(openid), bridge.UserID(openid)
	near := func(at time.Time) bool { return time.Since(at).Abs() < time.Minute }
	ok := false
	switch x := e.(type) {
	case bridge.MessageEvent:
		ok = x.Room == room && x.User == user && near(x.At) && x.Msg != ""
		for i := range x.Files {
			x.Files[i].Name = strings.Replace(x.Files[i].Name, fmt.Sprint(x.At.Unix()), "AT", 1)
		}
		x.Room, x.User, x.At, x.Msg = "", "", time.Time{}, ""
		e = x
	case bridge.Joined:
		ok = x.Room == room && x.User == user && near(x.At) && strings.Contains(x.Event, openid)
		x.Room, x.User, x.At, x.Event = "", "", time.Time{}, ""
		e = x
	case bridge.Left:
		ok = x.Room == room && x.User == user && near(x.At) && strings.Contains(x.Event, openid)
		x.Room, x.User, x.At, x.Event = "", "", time.Time{}, ""
		e = x
	}
	if !ok {
		t.Errorf("room, user, time or id of %+v", e)
	}
	return e
}

// Ids are the same when WeChat repeats a push, and differ between customers and between events.
func TestIDs(t *testing.T) {
	scan := func(openid, at, card string) *push {
		return &push{FromUserName: scalar(openid), CreateTime: scalar(at), MsgType: "event", Event: "SCAN", EventKey: scalar(card)}
	}
	seen := map[string]bool{}
	for _, m := range []*push{scan("a", "1", "x"), scan("b", "1", "x"), scan("a", "2", "x"), scan("a", "1", "y")} {
		seen[m.event()] = true
	}
	if len(seen) != 4 || !seen[scan("a", "1", "x").event()] {
		t.Errorf("%v", seen)
	}
	var m push
	if err := tencent.DecodeJSON([]byte(`{"MsgId":18446744073709551615,"CreateTime":"7"}`), &m); err != nil || m.id() != "18446744073709551615" || m.at().Unix() != 7 {
		t.Errorf("%q at %v, %v", m.id(), m.at(), err)
	}
}

// A push that was not stored comes again, and one that was is called the same.
func TestRepeated(t *testing.T) {
	r := newRig(t, wechattest.Options{}, nil)
	openid := r.server.Customer("")
	r.mu.Lock()
	r.refuse = errors.New("the disk is full")
	r.mu.Unlock()
	msg := r.server.Say(openid, "在吗")
	r.mu.Lock()
	r.refuse = nil
	r.mu.Unlock()
	r.eventually("the message", func() bool { return len(r.heardAll()) == 1 })
	if m, ok := r.heardAll()[0].(bridge.MessageEvent); !ok || string(m.Msg) != msg || r.server.Lost() != 0 {
		t.Errorf("%+v, want %s", r.heardAll()[0], msg)
	}
}

func TestAskName(t *testing.T) {
	for _, o := range []wechattest.Options{{}, {Mode: wechattest.Plain}, {JSON: true, Mode: wechattest.Compatible}} {
		r := newRig(t, o, func(c *Config) { c.AskName = true })
		openid := r.server.Customer("")
		room := bridge.RoomID(openid)
		said := func(text, name string) {
			t.Helper()
			before := len(r.heardAll())
			r.server.Say(openid, text)
			r.eventually(text, func() bool { return len(r.heardAll()) > before })
			if m, ok := r.heardAll()[before].(bridge.MessageEvent); !ok || m.Name != name || m.Text != text {
				t.Errorf("%+v, want the name %q", r.heardAll()[before], name)
			}
		}
		r.server.Scan(openid, "CARD1")
		said("我叫张三", "") // nobody has asked
		r.eventually("the question", func() bool { return len(r.shown(room)) == 1 })
		if q := r.shown(room)[0]; !q.Passive || !strings.Contains(q.Text, "怎么称呼您") {
			t.Errorf("asked %+v", q)
		}
		said("你好，我叫什么来着？", "")
		said("我叫王小明。", "王小明")
		said("我叫李四", "王小明")
		if n := len(r.shown(room)); n != 1 {
			t.Errorf("asked %d times", n)
		}
		for _, k := range []string{"first", "second"} {
			said(k, "王小明")
		}
	}
}

// A question that WeChat did not get is asked again with the repeated push, and not with the next.
func TestAskNameAgain(t *testing.T) {
	r := newRig(t, wechattest.Options{Mode: wechattest.Plain}, func(c *Config) { c.AskName = true })
	openid := r.server.Customer("")
	push := func(id string) string {
		q, body := r.server.Sealed(openid, 0, fieldsOf("MsgType", "text", "Content", "在吗", "MsgId", id)...)
		return call(r, q.Encode(), string(body))
	}
	for _, c := range []struct {
		id    string
		asked bool
	}{{"1", true}, {"1", true}, {"2", false}} {
		if got := push(c.id); strings.Contains(got, "怎么称呼您") != c.asked {
			t.Errorf("the answer to %s is %q", c.id, got)
		}
	}
}

// Of many first messages at once one is answered with the question, and every one is heard.
func TestAskNameOnce(t *testing.T) {
	r := newRig(t, wechattest.Options{Mode: wechattest.Plain}, func(c *Config) { c.AskName = true })
	openid := r.server.Customer("")
	const many = 8
	answers := make(chan string, many)
	for i := range many {
		q, body := r.server.Sealed(openid, 0, fieldsOf("MsgType", "text", "Content", "在吗", "MsgId", fmt.Sprint(i+1))...)
		go func() {
			w := newRecorder(r, http.MethodPost, q.Encode(), string(body))
			answers <- w.Body.String()
		}()
	}
	asked := 0
	for range many {
		if strings.Contains(<-answers, "怎么称呼您") {
			asked++
		}
	}
	if asked != 1 || len(r.heardAll()) != many {
		t.Errorf("asked %d times, heard %d", asked, len(r.heardAll()))
	}
}

func TestIntroduced(t *testing.T) {
	for text, want := range map[string]string{
		"我叫王小明": "王小明", " 叫我小王！": "小王", "my name is Wang Xiaoming.": "Wang Xiaoming", "Call me Al": "Al",
		"我叫": "", "我叫，": "", "我叫王小明，想问价格": "", "多少钱": "", "王小明": "", "我叫" + strings.Repeat("长", 21): "",
		"我叫王\n小明": "", "call me maybe?": "", "我叫\u202e王": "王",
	} {
		if got := introduced(text); got != want {
			t.Errorf("%q tells %q, want %q", text, got, want)
		}
	}
}

func TestGuest(t *testing.T) {
	r := newRig(t, wechattest.Options{}, func(c *Config) { c.AskName = true })
	known := r.server.Customer("o6_union")
	r.server.Remark(known, "王总")
	r.server.Follow(known, "CARD1")
	r.eventually("the join", func() bool { return len(r.heardAll()) == 1 })
	if j, ok := r.heardAll()[0].(bridge.Joined); !ok || j.Union != "weixin:o6_union" || j.Name != "王总" {
		t.Errorf("%+v", r.heardAll()[0])
	}
	r.server.Say(known, "你好")
	r.eventually("the message", func() bool { return len(r.heardAll()) == 2 })
	if m, ok := r.heardAll()[1].(bridge.MessageEvent); !ok || m.Union != "weixin:o6_union" || m.Name != "王总" {
		t.Errorf("%+v", r.heardAll()[1])
	}
	const info = "/cgi-bin/user/info"
	if n := len(r.server.Requests(info)); n != 1 || len(r.shown(bridge.RoomID(known))) != 0 {
		t.Errorf("asked WeChat %d times, the customer %d times", n, len(r.shown(bridge.RoomID(known))))
	}

	// WeChat's trouble does not hold a message up, and is asked again after a while.
	late := r.server.Customer("o6_late")
	hung := make(chan struct{})
	r.server.Fail(func(path string) wechattest.Fault {
		if path != info {
			return wechattest.Fault{}
		}
		select {
		case <-hung:
		default:
			close(hung)
		}
		return wechattest.Fault{Hang: true}
	})
	began := time.Now()
	r.server.Say(late, "一")
	<-hung
	r.eventually("the message", func() bool { return len(r.heardAll()) == 3 })
	if took := time.Since(began); took > 3*time.Second { // WeChat hangs up after five
		t.Errorf("the message waited %s", took)
	}
	r.server.Fail(nil)
	r.server.Say(late, "二")
	r.eventually("the message", func() bool { return len(r.heardAll()) == 4 })
	r.advance(2 * lookPause)
	r.server.Say(late, "三")
	r.eventually("the message", func() bool { return len(r.heardAll()) == 5 })
	for i, want := range []string{"", "", "weixin:o6_late"} {
		if m, ok := r.heardAll()[2+i].(bridge.MessageEvent); !ok || m.Union != want {
			t.Errorf("%+v, want %q", r.heardAll()[2+i], want)
		}
	}
	// An account that may not ask is not asked for each message.
	r.server.Refuse(info, 50001, -1)
	mute := r.server.Customer("")
	n := len(r.server.Requests(info))
	for i := range 3 {
		r.server.Say(mute, "在吗")
		r.eventually("the message", func() bool { return len(r.heardAll()) == 6+i })
	}
	if again := len(r.server.Requests(info)); again != n+1 {
		t.Errorf("asked %d times", again-n)
	}
}

func TestMenu(t *testing.T) {
	r := newRig(t, wechattest.Options{}, func(c *Config) { c.Menu = menuOfTests() })
	const create = "/cgi-bin/menu/create"
	r.eventually("the menu", func() bool { return len(r.server.Menu()) == 2 })
	if m := r.server.Menu(); m[0].Sub[1].Key != keyContacts || m[1].URL != "https://acme.example/" {
		t.Errorf("%+v", m)
	}
	for i, want := range []int{1, 2} {
		r.stop()
		if i == 1 {
			r.cfg.Menu[0].Name = "联系"
		}
		r.run()
		r.eventually("a look at the menu", func() bool { return len(r.server.Requests("/cgi-bin/menu/get")) == 2+i })
		r.eventually("the menu", func() bool { return len(r.server.Requests(create)) == want })
	}
	r.stop()
	r.server.Refuse("/cgi-bin/menu/get", 48001, -1)
	r.run()
	r.eventually("the warning", func() bool { return strings.Contains(strings.Join(r.Warnings(), "\n"), "menu: ") })
}

func TestWarnings(t *testing.T) {
	r := newRig(t, wechattest.Options{}, nil)
	r.ffmpeg = ""
	if w := strings.Join(r.Warnings(), "\n"); !strings.Contains(w, gateway+"/hook/wx") || !strings.Contains(w, "ffmpeg") || strings.Contains(w, "gateway.url") {
		t.Errorf("before: %s", w)
	}
	r.talker()
	if w := strings.Join(r.Warnings(), "\n"); strings.Contains(w, "/hook/wx") {
		t.Errorf("after: %s", w)
	}
	r.stop()
	r.heard.Store(false)
	r.run()
	r.eventually("that WeChat has called is remembered", r.heard.Load)
}

// call is a push by hand, and the answer.
func call(r *rig, query, body string) string {
	r.t.Helper()
	w := newRecorder(r, http.MethodPost, query, body)
	if w.Code != http.StatusOK {
		r.t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func FuzzPush(f *testing.F) {
	f.Add([]byte(`<xml><FromUserName>o1</FromUserName><CreateTime>1</CreateTime><MsgType>text</MsgType><Content>你好</Content><MsgId>1</MsgId></xml>`), false)
	f.Add([]byte(`<xml><FromUserName>o1</FromUserName><CreateTime>x</CreateTime><MsgType>location</MsgType><Location_X>NaN</Location_X><Location_Y>1e999</Location_Y></xml>`), false)
	f.Add([]byte(`{"FromUserName":"o1","CreateTime":1,"MsgType":"link","Url":"https://a b","Title":{"a":1},"MsgId":1}`), true)
	f.Add([]byte(`{"FromUserName":"o1","CreateTime":1,"MsgType":"event","Event":"CLICK","EventKey":"human"}`), true)
	a := opened(f)
	f.Fuzz(func(t *testing.T, body []byte, asJSON bool) {
		m, err := decode(tencent.Push{Body: body, JSON: asJSON})
		if err != nil {
			if !errors.Is(err, tencent.ErrMalformed) {
				t.Error(err)
			}
			return
		}
		e := a.event(t.Context(), m, guest{})
		if said, ok := e.(bridge.MessageEvent); ok && (said.Msg == "" || said.Text == "" && len(said.Files) == 0 && m.Content != "" && m.MsgType == "text") {
			t.Errorf("%q became %+v", body, said)
		}
		if _, err := reply(tencent.Push{JSON: asJSON}, m, time.Unix(1, 0), "好]]>"); err != nil {
			t.Error(err)
		}
	})
}

func FuzzIntroduced(f *testing.F) {
	f.Add("我叫王小明")
	f.Fuzz(func(t *testing.T, text string) {
		if name := introduced(text); len([]rune(name)) > maxName || strings.ContainsAny(name, "\n\r\x00") {
			t.Errorf("%q tells %q", text, name)
		}
	})
}

func FuzzScalar(f *testing.F) {
	f.Add([]byte(`"x"`))
	f.Add([]byte(`1e5`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var m push
		if json.Unmarshal([]byte(`{"Content":`+string(raw)+`}`), &m) == nil && len(m.Content) > 3*len(raw) {
			t.Errorf("%q became %q", raw, m.Content)
		}
	})
}
