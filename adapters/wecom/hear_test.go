package wecom

import (
	"errors"
	"strings"
	"testing"

	"github.com/hutong-im/hutong/adapters/wecom/wecomtest"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/tencent"
)

// Every kind of message, as https://developer.work.weixin.qq.com/document/path/90239 has them. WeCom writes the userid
// as it was assigned, the config in lower case.
func TestMessages(t *testing.T) {
	amr := []byte("#!AMR\n0123456789")
	for name, x := range map[string]struct {
		say  func(r *rig) string
		want func(id string) bridge.MessageEvent
	}{
		"text": {
			func(r *rig) string { return r.Say("LiLei", "价格 *2* <b>") },
			func(string) bridge.MessageEvent { return bridge.MessageEvent{Text: `价格 \*2\* \<b\>`} },
		},
		"image": {
			func(r *rig) string { return r.SendFile("LiLei", "image", wecomtest.File{Name: "x", Data: amr}) },
			func(id string) bridge.MessageEvent {
				return bridge.MessageEvent{Files: []bridge.File{{Name: "image-" + id + ".jpg", Type: "image/jpeg"}}}
			},
		},
		"voice": {
			func(r *rig) string { return r.SendFile("LiLei", "voice", wecomtest.File{Name: "x", Data: amr}) },
			func(id string) bridge.MessageEvent {
				return bridge.MessageEvent{Files: []bridge.File{{Name: "voice-" + id + ".amr", Type: "audio/amr"}}}
			},
		},
		"video": {
			func(r *rig) string { return r.SendFile("LiLei", "video", wecomtest.File{Name: "x", Data: amr}) },
			func(id string) bridge.MessageEvent {
				return bridge.MessageEvent{Files: []bridge.File{{Name: "video-" + id + ".mp4", Type: "video/mp4"}}}
			},
		},
		"file": {
			func(r *rig) string {
				return r.SendFile("LiLei", "file", wecomtest.File{Name: "报价 1.pdf", Data: amr})
			},
			func(string) bridge.MessageEvent {
				return bridge.MessageEvent{Files: []bridge.File{{Name: "报价 1.pdf"}}}
			},
		},
		"location": {
			func(r *rig) string { return r.Locate("LiLei", "22.540503", "113.934528", "深圳市_腾讯大厦") },
			func(string) bridge.MessageEvent {
				return bridge.MessageEvent{Text: "📍 深圳市\\_腾讯大厦\n22.540503,113.934528"}
			},
		},
		"link": {
			func(r *rig) string {
				return r.Share("LiLei", "公告", "明天放假", "https://acme.example/a?b=1&c=2")
			},
			func(string) bridge.MessageEvent {
				return bridge.MessageEvent{Text: "公告\n明天放假\nhttps://acme.example/a?b=1&c=2"}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, wecomtest.Options{})
			r.run()
			id := x.say(r)
			got, _ := r.heard(0).(bridge.MessageEvent)
			want := x.want(id)
			if got.Room != lileiRoom || got.User != lilei || got.Msg != bridge.MsgID(id) || got.Text != want.Text || got.At.IsZero() {
				t.Errorf("heard %+v, want %+v of %s", got, want, id)
			}
			if len(got.Files) != len(want.Files) {
				t.Fatalf("heard %+v", got.Files)
			}
			for i, f := range got.Files {
				if f.Name != want.Files[i].Name || f.Type != want.Files[i].Type || f.Ref == "" {
					t.Errorf("file %+v, want %+v", f, want.Files[i])
				}
			}
		})
	}
}

// What cannot be passed on is said, and does not come again.
func TestUnknownKind(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	r.run()
	r.Push("LiLei", wecomtest.XML(wecomtest.Field{Name: "FromUserName", Value: "LiLei"}, wecomtest.Field{Name: "CreateTime", Value: int(r.now().Unix())},
		wecomtest.Field{Name: "MsgType", Value: "sphfeed"}, wecomtest.Field{Name: "MsgId", Value: "77"}))
	r.until("a word to the member", func() bool { return len(r.seen()) == 1 && r.seen()[0] == r.a.words().unknownKind })
}

// A message that WeCom gives no id has one all the same, which is the same when it comes again.
func TestNoMsgID(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	r.run()
	f := func(name string, v any) wecomtest.Field { return wecomtest.Field{Name: name, Value: v} }
	for _, text := range []string{"一", "一", "二"} {
		r.Push("LiLei", wecomtest.XML(f("FromUserName", "LiLei"), f("CreateTime", 1700000000), f("MsgType", "text"), f("Content", text)))
	}
	ids := map[bridge.MsgID]string{}
	for i := range 3 {
		e, _ := r.heard(i).(bridge.MessageEvent)
		if was, known := ids[e.Msg]; e.Msg == "" || known && was != e.Text {
			t.Errorf("%q is called %q, as is %q", e.Text, e.Msg, was)
		}
		ids[e.Msg] = e.Text
	}
	if len(ids) != 2 {
		t.Errorf("the three have %d ids, want 2", len(ids))
	}
}

// Events that concern nobody are taken, and nothing follows from them.
func TestEvents(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	r.run()
	f := func(name string, v any) wecomtest.Field { return wecomtest.Field{Name: name, Value: v} }
	r.Event("LiLei", "enter_agent", f("EventKey", ""))
	r.Event("LiLei", "LOCATION", f("Latitude", "22.5"), f("Longitude", "113.9"), f("Precision", "65"), f("AppType", "wxwork"))
	r.Event("LiLei", "view", f("EventKey", "https://acme.example/"))
	r.Event("LiLei", "template_card_menu_event", f("EventKey", "menu"), f("TaskId", "t"), f("CardType", "text_notice"), f("ResponseCode", "c"))
	r.Event("LiLei", "click", f("EventKey", "somebody-else's"))
	r.Event("sys", "kf_msg_or_event", f("Token", "t"), f("OpenKfId", "wk1"))
	r.Event("sys", "change_external_contact", f("ChangeType", "add_external_contact"), f("UserID", "LiLei"), f("ExternalUserID", "wm1"))
	r.Event("LiLei", "click", f("EventKey", "/who"))
	r.Say("LiLei", "最后")
	r.until("the last", func() bool { return len(r.in.all()) >= 2 })
	var texts []string
	for _, e := range r.in.all() {
		m, _ := e.(bridge.MessageEvent)
		texts = append(texts, m.Text)
	}
	if strings.Join(texts, " ") != "/who 最后" && strings.Join(texts, " ") != "最后 /who" {
		t.Errorf("heard %+v", r.in.all())
	}
	if n := r.Lost(); n > 0 {
		t.Errorf("%d events were pushed in vain", n)
	}
}

// Two clicks in one second on two buttons are two events; a push that comes again is one.
func TestEventNames(t *testing.T) {
	one := push{FromUserName: "sys", CreateTime: 1, Event: "click", EventKey: "/who"}
	same, other := one, one
	other.EventKey = "/help"
	if one.print() != same.print() || one.print() == other.print() {
		t.Error("events are named wrongly")
	}
}

// The app goes off and on, and members come and go.
func TestStates(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	r.run()
	f := func(name string, v any) wecomtest.Field { return wecomtest.Field{Name: name, Value: v} }
	for name, x := range map[string]struct {
		user, event string
		fields      []wecomtest.Field
		active      bool
	}{
		"removed from the visible range": {"LiLei", "unsubscribe", nil, false},
		"back":                           {"LiLei", "subscribe", nil, true},
		"deleted":                        {"sys", "change_contact", []wecomtest.Field{f("ChangeType", "delete_user"), f("UserID", "lilei")}, false},
		"disabled":                       {"sys", "change_contact", []wecomtest.Field{f("ChangeType", "update_user"), f("UserID", "LILEI"), f("Status", "2")}, false},
		"left":                           {"sys", "change_contact", []wecomtest.Field{f("ChangeType", "update_user"), f("UserID", "LiLei"), f("Status", "5")}, false},
		"enabled":                        {"sys", "change_contact", []wecomtest.Field{f("ChangeType", "update_user"), f("UserID", "LiLei"), f("Status", "1")}, true},
	} {
		_, err := r.a.event(t.Context(), r.in, &push{
			FromUserName: x.user, Event: x.event, ChangeType: value(x.fields, "ChangeType"),
			UserID: value(x.fields, "UserID"), Status: value(x.fields, "Status"), CreateTime: 1,
		}, lileiRoom, lilei)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		r.in.mu.Lock()
		last := bridge.AccountState{}
		for _, s := range r.in.states {
			if s.At.Unix() == 1 {
				last = s
			}
		}
		r.in.mu.Unlock()
		if last.User != lilei || last.Active != x.active {
			t.Errorf("%s: %+v", name, last)
		}
	}
	r.Event("sys", "close_inactive_agent")
	r.until("the warning", func() bool { return strings.Contains(strings.Join(r.a.Warnings(), "\n"), "switched off") })
	r.Event("sys", "reopen_inactive_agent")
	r.until("no warning", func() bool { return !strings.Contains(strings.Join(r.a.Warnings(), "\n"), "switched off") })
}

func value(fields []wecomtest.Field, name string) string {
	for _, f := range fields {
		if f.Name == name {
			s, _ := f.Value.(string)
			return s
		}
	}
	return ""
}

// A push for another app of the corp, which was given the same address, is refused for good.
func TestOtherApp(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	r.run()
	body := []byte("<xml><FromUserName>LiLei</FromUserName><CreateTime>1</CreateTime><MsgType>text</MsgType><Content>x</Content><AgentID>7</AgentID></xml>")
	if _, err := r.a.take(t.Context(), tencent.Push{Body: body}); !errors.Is(err, bridge.ErrRefused) {
		t.Errorf("%v, want ErrRefused", err)
	}
}

// A quoted message chooses the customer, whichever of the two sides said it, and after a restart too.
func TestQuotes(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	r.run()
	long := strings.Repeat("很长的一句话，", 20)
	first := r.say("k1", "王小明 · 微信联系人\n你好：在吗？")
	own := r.Say("LiLei", "我说的")
	r.heard(0)
	second := r.say("k2", long)
	r.open()
	r.run()
	for i, x := range []struct {
		quoted string
		want   bridge.MsgID
	}{{string(first), first}, {own, bridge.MsgID(own)}, {string(second), second}} {
		r.Quote("LiLei", x.quoted, "回复")
		if got, _ := r.heard(i).(bridge.MessageEvent); got.ReplyTo != x.want || got.Text != "回复" {
			t.Errorf("the answer to %q: %+v, want ReplyTo %q", x.quoted, got, x.want)
		}
	}
	r.Say("LiLei", "「客户："+long[:len("很")*35]+"…」\r\n- - - - - - - - - - - - - - -\r\n缩短的引用")
	if got, _ := r.heard(3).(bridge.MessageEvent); got.ReplyTo != second {
		t.Errorf("a shortened quote: %+v", got)
	}
	r.Say("LiLei", "「不是引用」\n真的")
	if got, _ := r.heard(4).(bridge.MessageEvent); got.ReplyTo != "" || got.Text != "「不是引用」\n真的" {
		t.Errorf("no quote: %+v", got)
	}
}

// What is not found, such as a picture, is for nobody while there is a choice: the member is asked.
func TestLostQuote(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	r.run()
	lost := "「客户：[图片]」\n- - - - - - - - - - - - - - -\n好看"
	r.lobby.contact(1, "王小明", "")
	r.Say("LiLei", lost)
	if got, _ := r.heard(0).(bridge.MessageEvent); got.Text != "好看" {
		t.Errorf("with one customer there is no doubt: %+v", got)
	}
	r.lobby.contact(2, "赵四", "")
	r.Say("LiLei", lost)
	r.until("a question", func() bool { return len(r.seen()) == 2 })
	if got := r.seen(); got[0] != r.a.words().lostQuote || !strings.HasPrefix(got[1], "Now talking to 王小明") {
		t.Errorf("the member sees %q", got)
	}
	if n := len(r.in.all()); n != 1 {
		t.Errorf("it went somewhere: %+v", r.in.all())
	}
	r.cfg.Quotes = false
	r.open()
	r.run()
	r.Say("LiLei", lost)
	if got, _ := r.heard(0).(bridge.MessageEvent); !strings.Contains(got.Text, "好看") || got.ReplyTo != "" {
		t.Errorf("with quotes off: %+v", got)
	}
}

func FuzzPush(f *testing.F) {
	f.Add([]byte("<xml><FromUserName>a</FromUserName><CreateTime>1</CreateTime><MsgType>event</MsgType><Event>template_card_event</Event>" +
		"<SelectedItems><SelectedItem><OpitonIds><OpitonId>x</OpitonId></OpitonIds></SelectedItem></SelectedItems></xml>"))
	f.Add([]byte(`{"FromUserName":"a","MsgType":"text","CreateTime":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := parse(tencent.Push{Body: body})
		if err != nil {
			if !errors.Is(err, tencent.ErrMalformed) {
				t.Errorf("%v is not ErrMalformed", err)
			}
			return
		}
		if e.FromUserName == "" || e.MsgType == "" || len(e.print()) != 24 {
			t.Errorf("%+v", e)
		}
	})
}

func FuzzQuote(f *testing.F) {
	f.Add("「李雷：你好」\n- - - - - - - - - - - - - - -\n回复")
	f.Add("「「」」\n- - - - - -\n")
	f.Fuzz(func(t *testing.T, text string) {
		if parts := quote.FindStringSubmatch(text); parts != nil && !strings.HasSuffix(text, parts[2]) {
			t.Errorf("%q is not at the end of %q", parts[2], text)
		}
	})
}
