package wechatkf

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/wechatkf/wechatkftest"
	"github.com/hutong-im/hutong/bridge"
)

// heardSample is an item as WeCom's documents show it, and what it says.
type heardSample struct {
	Item  map[string]any `json:"item"`
	Text  string         `json:"text"`
	Files []bridge.File  `json:"files"`
}

func TestEveryTypeOfMessage(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	r.start()
	r.met()
	for i, path := range samples(t, "heard") {
		t.Run(strings.TrimSuffix(path, ".json"), func(t *testing.T) {
			var s heardSample
			sample(t, path, &s)
			id := fmt.Sprintf("m%d", i)
			s.Item["msgid"], s.Item["send_time"] = id, time.Now().Unix()
			r.Put(account, s.Item)
			got := await(r, func(m bridge.MessageEvent) bool { return string(m.Msg) == id })
			if got.Text != s.Text || !slices.Equal(got.Files, s.Files) {
				t.Errorf("it says\n%q %+v\nwant\n%q %+v", got.Text, got.Files, s.Text, s.Files)
			}
			if got.Own || got.User != customer || got.Room != roomOf(account, customer) {
				t.Errorf("heard as %+v", got)
			}
		})
	}
}

func TestWhoWrites(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	r.Know(customer, wechatkftest.Customer{Nickname: "王小明", Avatar: "https://wx.qlogo.cn/a", UnionID: "oU1"})
	r.start()
	r.met()
	id := r.ServicerSays(account, customer, "zhangsan", "人工")
	r.Say(account, "wmUnknown", "我是谁")
	got := await(r, func(m bridge.MessageEvent) bool { return !m.Own })
	if got.Name != "王小明" || got.Union != "weixin:oU1" || got.Avatar.Ref != "avatar/https://wx.qlogo.cn/a" {
		t.Errorf("the customer is %+v", got)
	}
	if got := await(r, func(m bridge.MessageEvent) bool { return string(m.Msg) == id }); !got.Own || got.User != "zhangsan" {
		t.Errorf("a colleague in WeCom is %+v", got)
	}
	if got := await(r, func(m bridge.MessageEvent) bool { return m.User == "wmUnknown" }); got.Name != "" || got.Avatar.Ref != "" {
		t.Errorf("somebody of whom nothing is told is %+v", got)
	}
	r.met()
	if n := len(r.Requests("/cgi-bin/kf/customer/batchget")); n > 2 {
		t.Errorf("two customers were asked about %d times", n)
	}
}

// More customers than one question takes, and a question that fails: messages come all the same.
func TestManyCustomers(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	r.Fail("/cgi-bin/kf/customer/batchget", wechatkftest.Fault{Code: -1, Msg: "system busy", Times: 1})
	const many = 230
	for i := range many {
		id := fmt.Sprintf("wm%03d", i)
		r.Know(id, wechatkftest.Customer{Nickname: "n" + id})
		r.Say(account, id, "x")
	}
	r.start()
	r.until("all messages", func() bool { return len(r.texts()) == many })
	for i := range many {
		r.Say(account, fmt.Sprintf("wm%03d", i), "y")
	}
	r.until("all messages", func() bool { return len(r.texts()) == 2*many })
	for _, e := range r.all()[many:] {
		if m, _ := e.(bridge.MessageEvent); m.Name != "n"+string(m.User) {
			t.Errorf("the name of %s is %q", m.User, m.Name)
		}
	}
}

func TestRecallAndGivenBack(t *testing.T) {
	for lang, want := range map[string]string{"zh": "客户上次发言后已超过 5 条", "en": "more than 5 messages since the customer last wrote"} {
		t.Run(lang, func(t *testing.T) {
			r := newRig(t, wechatkftest.Options{})
			r.lang = lang
			r.start()
			room := r.met()
			r.Recall(account, customer, "msg1")
			r.GiveBack(account, customer, "msg2", 6)
			r.GiveBack(account, customer, "msg3", 99)
			if d := await(r, func(bridge.Deleted) bool { return true }); d.Room != room || d.User != customer || d.Msg != "msg1" {
				t.Errorf("%+v", d)
			}
			e := await(r, func(e bridge.Receipt) bool { return e.Msg == "msg2" })
			if e.Room != room || e.State != bridge.StateFailed || e.Reason != want {
				t.Errorf("%+v", e)
			}
			if e := await(r, func(e bridge.Receipt) bool { return e.Msg == "msg3" }); e.Reason != r.adapter.words().failed {
				t.Errorf("%+v", e)
			}
			w := r.adapter.words()
			for _, i := range []int{1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13} {
				if w.fails[i] == "" {
					t.Errorf("fail_type %d has no words", i)
				}
			}
		})
	}
}

// What is of no use to the gateway is passed over, and what cannot be read does not stop what follows.
func TestPassedOver(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	r.start()
	r.met()
	n := len(r.all())
	now := time.Now().Unix()
	event := func(e map[string]any) {
		r.Put(account, map[string]any{"msgid": "e" + fmt.Sprint(len(e)), "send_time": now, "origin": 4, "msgtype": "event", "event": e})
	}
	event(map[string]any{"event_type": "servicer_status_change", "servicer_userid": "zhangsan", "status": 2, "open_kfid": account})
	event(map[string]any{"event_type": "servicer_recall_msg", "recall_msgid": "x", "servicer_userid": "z", "open_kfid": account, "external_userid": customer})
	event(map[string]any{"event_type": "something_new", "open_kfid": account, "external_userid": customer})
	r.Put(account, map[string]any{"msgid": 17, "send_time": now, "origin": 3, "msgtype": "text"})
	r.Put(account, map[string]any{"msgid": "a", "send_time": now, "origin": 3, "msgtype": "event", "event": "no object"})
	r.Put(account, map[string]any{"msgid": "b", "send_time": now, "origin": 3, "msgtype": "text", "open_kfid": account, "external_userid": "../../x", "text": map[string]any{"content": "hostile id"}})
	r.Put(account, map[string]any{"msgid": "c", "send_time": now, "origin": 3, "msgtype": "text", "open_kfid": "wkOther", "external_userid": customer, "text": map[string]any{"content": "of another account"}})
	r.met()
	if got := r.all()[n:]; len(got) != 1 {
		t.Errorf("heard %+v", got)
	}
}

func TestSceneOfOthers(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	r.config = func(c *Config) { c.Scene = "mine" } // the network's links say hutong
	r.start()
	r.Enter(account, customer, "campaign-7")
	if j := await(r, func(bridge.Joined) bool { return true }); j.Card != "" {
		t.Errorf("a parameter of another's link is taken as a card: %+v", j)
	}
}

// The first start looks back an hour and no further; what came then is not forgotten by a restart.
func TestFirstStart(t *testing.T) {
	r := newRig(t, wechatkftest.Options{Start: time.Now().Add(-2 * time.Hour)})
	r.Say(account, customer, "long ago")
	r.Advance(90 * time.Minute)
	r.Say(account, customer, "half an hour ago")
	r.Advance(30 * time.Minute)
	r.start()
	r.met()
	if got := r.texts(); !slices.Equal(got, []string{"half an hour ago", "你好"}) {
		t.Errorf("heard %q", got)
	}
}

func FuzzItem(f *testing.F) {
	for _, path := range samples(&testing.T{}, "heard") {
		var s heardSample
		sample(&testing.T{}, path, &s)
		raw, err := json.Marshal(s.Item)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(`{"msgid":"1","msgtype":"msgmenu"}`))
	f.Add([]byte(`{"msgid":"1","msgtype":"event","event":{"event_type":"enter_session","scene_param":"x"}}`))
	a := &adapter{env: bridge.Env{Lobby: front{lang: "zh"}}}
	f.Fuzz(func(t *testing.T, raw []byte) {
		it, err := readItem(raw)
		if err != nil {
			return
		}
		text, files := a.said(it.Type, it.body, 0)
		if it.Type != "event" && it.Type != "text" && text == "" && len(files) == 0 {
			t.Errorf("a message of type %q says nothing", it.Type)
		}
		if len(files) > 32 {
			t.Errorf("%d files", len(files))
		}
		_, _, _ = a.pressed(roomOf("wk1", "wm1"), it)
	})
}
