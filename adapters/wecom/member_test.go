package wecom

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/wecom/wecomtest"
	"github.com/hutong-im/hutong/bridge"
)

// Members are looked at when the adapter starts; what is amiss is warned of, and stops Probe.
func TestMembers(t *testing.T) {
	for name, x := range map[string]struct {
		account bridge.UserID
		user    wecomtest.User
		active  bool
		warns   string
	}{
		"active":               {"lilei", wecomtest.User{ID: "LiLei"}, true, ""},
		"disabled":             {"lilei", wecomtest.User{ID: "LiLei", Status: 2}, false, "disabled"},
		"left":                 {"lilei", wecomtest.User{ID: "LiLei", Status: 5}, false, "has left"},
		"not activated":        {"lilei", wecomtest.User{ID: "LiLei", Status: 4}, true, "not activated"},
		"not in the range":     {"lilei", wecomtest.User{ID: "LiLei", Hidden: true}, false, "可见范围"},
		"unknown":              {"hanmeimei", wecomtest.User{ID: "LiLei"}, false, "correct the userid"},
		"a mobile number":      {"13800138000", wecomtest.User{ID: "LiLei", Mobile: "13800138000"}, true, ""},
		"an e-mail":            {"lilei@acme.example", wecomtest.User{ID: "LiLei", Email: "lilei@acme.example"}, true, ""},
		"an unknown number":    {"13900139000", wecomtest.User{ID: "LiLei", Mobile: "13800138000"}, false, "no userid"},
		"an userid of numbers": {"10086", wecomtest.User{ID: "10086"}, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, wecomtest.Options{})
			r.RemoveUser("LiLei", "")
			r.AddUser(x.user)
			r.lobby.members = nil
			r.lobby.member(x.account)
			r.run()
			r.until("the account's state", func() bool { _, told := r.in.state(x.account); return told })
			if active, _ := r.in.state(x.account); active != x.active {
				t.Errorf("active %v, want %v", active, x.active)
			}
			r.Say(x.user.ID, "你好")
			if e, _ := r.heard(0).(bridge.MessageEvent); x.active && (e.User != x.account || e.Room != bridge.RoomID(strings.ToLower(x.user.ID))) {
				t.Errorf("heard %+v", e)
			}
			err := r.a.Probe(t.Context())
			if (x.warns == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), x.warns) {
				t.Errorf("probe: %v, want %q", err, x.warns)
			}
			r.until("the warnings", func() bool {
				w := strings.Join(r.a.Warnings(), "\n")
				return x.warns == "" && w == "" || x.warns != "" && strings.Contains(w, x.warns)
			})
			room, err := r.a.Open(t.Context(), bridge.Opening{Key: "l1", Members: []bridge.UserID{x.account}})
			if x.active && (err != nil || room != bridge.RoomID(strings.ToLower(x.user.ID))) {
				t.Errorf("open: %q, %v", room, err)
			}
		})
	}
}

// A userid can be changed once. The room stays, in both directions, and the config is to be corrected.
func TestRenamed(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	r.run()
	r.RemoveUser("LiLei", "LiLei2")
	r.Event("sys", "change_contact", wecomtest.Field{Name: "ChangeType", Value: "update_user"},
		wecomtest.Field{Name: "UserID", Value: "LiLei"}, wecomtest.Field{Name: "NewUserID", Value: "LiLei2"})
	r.until("the warning", func() bool {
		return slices.ContainsFunc(r.a.Warnings(), func(s string) bool { return strings.Contains(s, "LiLei2") })
	})
	r.open()
	r.run()
	r.say("k", "还在吗")
	if got := r.Inbox("lilei2"); len(got) != 1 {
		t.Errorf("the member sees %+v", got)
	}
	for range 2 { // the second time the config has the new userid
		want := r.lobby.members[0].Accounts[0].User
		n := len(r.in.all())
		r.Say("LiLei2", "在")
		if e, _ := r.heard(n).(bridge.MessageEvent); e.User != want || e.Room != lileiRoom {
			t.Errorf("heard %+v, want %s", e, want)
		}
		r.lobby.members = nil
		r.lobby.member("lilei2")
	}
	if active, _ := r.in.state("lilei"); !active {
		t.Error("the account was taken for gone")
	}
}

// Messages to somebody whom the app cannot reach wait, and the members are looked at again.
func TestUnreachable(t *testing.T) {
	for name, change := range map[string]func(r *rig){
		"deleted":          func(r *rig) { r.RemoveUser("LiLei", "") },
		"not in the range": func(r *rig) { r.AddUser(wecomtest.User{ID: "LiLei", Hidden: true}) },
		"disabled":         func(r *rig) { r.AddUser(wecomtest.User{ID: "LiLei", Status: 2}) },
		"without licence":  func(r *rig) { r.AddUser(wecomtest.User{ID: "LiLei", Unlicensed: true}) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, wecomtest.Options{})
			r.run()
			r.until("a state", func() bool { active, _ := r.in.state(lilei); return active })
			change(r)
			d := bridge.Draft{Key: "k", Text: "你好"}
			_, err := r.a.Send(t.Context(), lileiRoom, d)
			if j := bridge.Judge(err); j.Verdict != bridge.VerdictWait || j.Account || j.Wait != unreachableFor {
				t.Errorf("%+v, %v", j, err)
			}
			if name != "without licence" {
				r.until("the state", func() bool { active, _ := r.in.state(lilei); return !active })
			}
			r.AddUser(wecomtest.User{ID: "LiLei"})
			if _, err := r.a.Send(t.Context(), lileiRoom, d); err != nil || len(r.seen()) != 1 {
				t.Errorf("afterwards: %v, %q", err, r.seen())
			}
		})
	}
}

// Partly invalid receivers are told with errcode 0.
func TestHiddenRefusal(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	r.AddUser(wecomtest.User{ID: "a", Hidden: true})
	if err := r.a.book.put(t.Context(), "lilei", "LiLei|a"); err != nil { // no single receiver gets such an answer from the fake
		t.Fatal(err)
	}
	_, err := r.a.Send(t.Context(), lileiRoom, bridge.Draft{Key: "k", Text: "x"})
	if bridge.Judge(err).Verdict != bridge.VerdictWait || !strings.Contains(err.Error(), "visible range") {
		t.Errorf("%v", err)
	}
}

func TestProbe(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	if err := r.a.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.ExpireToken()
	r.Fail(wecomtest.Fault{Path: "/cgi-bin/gettoken", Code: 60020, Msg: "not allow to access from your ip, from ip: 203.0.113.9", Times: 1})
	if err := r.a.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "企业可信IP") || !strings.Contains(err.Error(), "203.0.113.9") {
		t.Errorf("from an address that is not trusted: %v", err)
	}
	r.cfg.AgentID = 7
	r.open()
	if err := r.a.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "AgentID") {
		t.Errorf("with another app's id: %v", err)
	}
	r.cfg.AgentID = wecomtest.AgentID
}

func TestWarnsOfCallback(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	r.lobby.language = "zh"
	r.run()
	if w := r.a.Warnings(); len(w) != 1 || !strings.Contains(w[0], "https://hutong.example/hook/wecom") {
		t.Errorf("before the first push: %q", w)
	}
	r.Say("LiLei", "你好")
	r.until("no warning", func() bool { return len(r.a.Warnings()) == 0 })
	r.open()
	r.run()
	r.until("no warning in the next process", func() bool { return len(r.a.Warnings()) == 0 })
}

// The menu is made when it is another one, and left alone when it is right or somebody else's.
func TestMenu(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	r.cfg.Buttons = []Button{
		{Name: "官网", URL: "https://acme.example/"},
		{Name: "客户", Buttons: []SubButton{{Name: "切换", Say: "/to"}, {Name: "日报", Say: "/report"}}},
	}
	r.open()
	made := func() int { return len(r.Requests("/cgi-bin/menu/create")) }
	for range 2 {
		if err := r.a.makeMenu(t.Context()); err != nil || made() != 1 {
			t.Fatalf("made %d times, %v", made(), err)
		}
	}
	r.cfg.Buttons = nil
	r.lobby.language = "zh"
	r.open()
	if err := r.a.makeMenu(t.Context()); err != nil || made() != 2 || !strings.Contains(r.Menu(), "当前联系人") {
		t.Errorf("made %d times, %v: %s", made(), err, r.Menu())
	}
	r.cfg.Menu, r.lobby.language = menuKeep, "en"
	r.open()
	if err := r.a.makeMenu(t.Context()); err != nil || made() != 2 {
		t.Errorf("made %d times, %v", made(), err)
	}
	r.cfg.Menu = menuAuto
	r.open()
	r.Fail(wecomtest.Fault{Path: "/cgi-bin/menu/create", Code: 48002, Msg: "api forbidden"})
	r.run()
	r.until("the warning", func() bool { return strings.Contains(strings.Join(r.a.Warnings(), "\n"), "menu was not brought") })
}

func TestCheck(t *testing.T) {
	for name, x := range map[string]struct {
		change func(c *Config)
		want   string
	}{
		"good":            {func(*Config) {}, ""},
		"a short key":     {func(c *Config) { c.AESKey = bridge.MakeSecret("short") }, "aes_key: "},
		"channels":        {func(c *Config) { c.Rooms = "channel" }, "rooms: "},
		"plain http":      {func(c *Config) { c.API = "http://qyapi.example" }, "api: plain http"},
		"a query":         {func(c *Config) { c.API = "https://qyapi.example?x=1" }, "api: "},
		"an unknown menu": {func(c *Config) { c.Menu = "none" }, "menu: "},
		"four buttons":    {func(c *Config) { c.Buttons = slices.Repeat([]Button{{Name: "a", Say: "/a"}}, 4) }, "buttons: "},
		"six below": {func(c *Config) {
			c.Buttons = []Button{{Name: "a", Buttons: slices.Repeat([]SubButton{{Name: "a", Say: "/a"}}, 6)}}
		}, "buttons[0].buttons: "},
		"a long name":      {func(c *Config) { c.Buttons = []Button{{Name: "六个汉字太长", Say: "/a"}} }, "buttons[0].name: "},
		"words to anybody": {func(c *Config) { c.Buttons = []Button{{Name: "a", Say: "你好"}} }, "buttons[0].say: "},
		"neither":          {func(c *Config) { c.Buttons = []Button{{Name: "a"}} }, "buttons[0]: "},
		"all of it": {func(c *Config) {
			c.Buttons = []Button{{Name: "a", Say: "/a", Buttons: []SubButton{{Name: "b", URL: "x"}}}}
		}, "buttons[0].buttons[0].url: "},
	} {
		c, _ := (&network{url: "http://127.0.0.1:1"}).Config().(*Config)
		x.change(c)
		err := c.Check()
		if (x.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", name, err, x.want)
		}
	}
}

// A message that is too old, or whose id is not known, stays; the writer is told why.
func TestRecall(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	id := r.say("k", "x")
	r.later(25 * time.Hour)
	for _, id := range []bridge.MsgID{id, unnamed + "x"} {
		err := r.a.Delete(t.Context(), lileiRoom, id)
		if bridge.Judge(err).Verdict != bridge.VerdictPermanent || !strings.Contains(err.Error(), "24 hours") {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := r.a.Open(t.Context(), bridge.Opening{Members: []bridge.UserID{"a", "b"}}); err == nil {
		t.Error("two members have one chat")
	}
}
