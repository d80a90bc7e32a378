package wecom

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hutong-im/hutong/adapters/fake"
	"github.com/hutong-im/hutong/adapters/wecom/wecomtest"
)

// Two customers of one employee, in the one chat that the employee has with the app: each side is told who speaks,
// and the employee chooses by a name, by a card and by quoting.
func TestConversation(t *testing.T) {
	o := newOffice(t, wecomtest.Options{})
	if !o.wecom.Verify(t.Context()) {
		t.Error("the console would not save the callback's address")
	}
	o.writes("wang", "王小明", "你好")
	o.sees("新客户：王小明 · 联系人")
	o.sees("王小明 · 联系人\n你好")
	o.wecom.Say(member, "您好，我是李雷")
	o.receives("wang", "李雷 · ACME 销售经理\n您好，我是李雷")

	o.writes("zhao", "赵四", "在吗？")
	asked := o.sees("赵四 · 联系人\n在吗？")
	o.wecom.Say(member, "这句还是给王小明的")
	o.receives("wang", "这句还是给王小明的")

	o.wecom.Say(member, "/to 赵四")
	o.sees("当前联系人：赵四 · 联系人")
	o.wecom.Say(member, "在的")
	o.receives("zhao", "李雷 · ACME 销售经理\n在的")

	o.writes("wang", "王小明", "好")
	o.writes("wang", "王小明", "好")
	o.until("both of two equal texts", func() bool {
		n := 0
		for _, s := range o.seen() {
			if s == "王小明 · 联系人\n好" || strings.TrimRight(s, "\u200b\u2060") == "王小明: 好" {
				n++
			}
		}
		return n == 2
	})

	o.wecom.Click(member, "/to")
	card := o.sees("当前联系人：赵四 · 联系人\n切换到：")
	if !o.wecom.Press(member, card.Card.TaskID, "王小明") {
		t.Fatalf("the card has no such button: %+v", card.Card)
	}
	o.until("the card to say what was pressed", func() bool {
		for _, m := range o.wecom.Inbox(member) {
			if m.ID == card.ID {
				return m.Card.Replaced == "✓ 王小明"
			}
		}
		return false
	})
	o.until("the change", func() bool { return slices.Contains(o.seen(), "当前联系人：王小明 · 联系人") })
	o.wecom.Say(member, "选好了")
	o.receives("wang", "选好了")

	o.wecom.Quote(member, asked.ID, "引用回复")
	o.receives("zhao", "引用回复")
	o.wecom.Click(member, "/who")
	o.until("the answer to 当前联系人", func() bool {
		return slices.ContainsFunc(o.seen(), func(s string) bool { return strings.HasPrefix(s, "赵四 · 联系人，添加于") })
	})
	if slices.ContainsFunc(o.received("wang"), func(s string) bool { return strings.Contains(s, "引用回复") }) {
		t.Error("an answer to one customer reached another")
	}
	o.quiet()
}

// The gateway is killed again and again while both sides write. Nothing is lost, nothing is shown twice.
func TestKilled(t *testing.T) {
	o := newOffice(t, wecomtest.Options{})
	o.writes("wang", "王小明", "你好")
	o.sees("王小明 · 联系人\n你好")
	var toCustomer, toMember []string
	for round := range 4 {
		for i := range 12 {
			toMember = append(toMember, fmt.Sprintf("c%02d%02d", round, i))
			o.writes("wang", "王小明", toMember[len(toMember)-1])
			toCustomer = append(toCustomer, fmt.Sprintf("m%02d%02d", round, i))
			o.wecom.Say(member, toCustomer[len(toCustomer)-1])
			if i == 6 {
				o.process.Kill()
				o.start()
			}
		}
	}
	last := func(all []string) []string {
		var out []string
		for _, s := range all {
			if s = strings.TrimPrefix(s[strings.LastIndexByte(s, '\n')+1:], "王小明: "); len(s) == 5 && (s[0] == 'c' || s[0] == 'm') {
				out = append(out, s)
			}
		}
		return out
	}
	o.until("everything", func() bool {
		return len(last(o.seen())) >= len(toMember) && len(last(o.received("wang"))) >= len(toCustomer)-o.wecom.Lost()
	})
	if got := last(o.seen()); !slices.Equal(got, toMember) {
		t.Errorf("the employee sees %v", got)
	}
	if o.wecom.Lost() > 0 {
		t.Errorf("WeCom gave up %d pushes: the gateway was away for too long", o.wecom.Lost())
	}
	got := last(o.received("wang"))
	slices.Sort(got) // a push that is repeated comes after those that followed it
	if !slices.Equal(got, toCustomer) {
		t.Errorf("the customer sees %v", got)
	}
	o.quiet()
}

// An answer of WeCom's that is lost, and a token that expires in the middle, show nothing twice; nor does a kill after it.
func TestLostAnswer(t *testing.T) {
	o := newOffice(t, wecomtest.Options{Swallowed: "none"})
	o.writes("wang", "王小明", "第一句")
	o.sees("王小明 · 联系人\n第一句")
	o.wecom.ExpireToken()
	o.wecom.Fail(wecomtest.Fault{Path: "/cgi-bin/message/send", Cut: true})
	o.writes("wang", "王小明", "第二句")
	o.sees("王小明: 第二句")
	o.process.Kill()
	o.wecom.Calm()
	o.start()
	o.writes("wang", "王小明", "第三句")
	o.sees("王小明: 第三句")
	if n := count(o.seen(), "第二句"); n != 1 {
		t.Errorf("what was said once is shown %d times", n)
	}
	o.quiet()
}

// A place and a link are cards, a long text is one article; to quote them answers whom they are from, after a kill, too.
func TestKinds(t *testing.T) {
	o := newOffice(t, wecomtest.Options{})
	o.writes("zhao", "赵四", "📍 腾讯大厦\nhttps://map.example/?q=1,2")
	place := o.sees("赵四 · 联系人: 📍 腾讯大厦\nmap.example/")
	long := strings.TrimSpace(strings.Repeat("这份合同的条款很长。\n", 400))
	o.writes("wang", "王小明", long)
	article := o.sees("王小明 · 联系人\n" + long)
	if article.Type != "mpnews" || place.Type != "textcard" || place.URL != "https://map.example/?q=1,2" {
		t.Errorf("a %s and a %s to %s", article.Type, place.Type, place.URL)
	}
	o.process.Kill()
	o.start()
	o.writes("wang", "王小明", "公告\nhttps://acme.example/a")
	o.sees("王小明: 公告\nacme.example/a")
	o.wecom.Quote(member, article.ID, "合同收到")
	o.receives("wang", "李雷 · ACME 销售经理\n合同收到")
	o.wecom.Quote(member, place.ID, "马上到")
	o.receives("zhao", "李雷 · ACME 销售经理\n马上到")
	o.quiet()
}

func count(all []string, text string) int {
	n := 0
	for _, s := range all {
		if strings.Contains(s, text) {
			n++
		}
	}
	return n
}

// Pictures and videos go both ways.
func TestFiles(t *testing.T) {
	o := newOfficeWith(t, fake.Full, wecomtest.Options{})
	png := append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, 64)...)
	o.messenger.Say(fake.Said{User: "wang", Name: "王小明", Text: "照片", Files: []fake.File{{Name: "合影.png", Type: "image/png", Size: int64(len(png)), Data: png}}})
	o.until("the customer's picture", func() bool {
		return slices.ContainsFunc(o.wecom.Inbox(member), func(m wecomtest.Message) bool {
			return m.Type == "image" && m.File.Name == "合影.png" && string(m.File.Data) == string(png)
		})
	})
	mp4 := append([]byte("\x00\x00\x00\x18ftypisom"), make([]byte, 64)...)
	o.wecom.SendFile(member, "video", wecomtest.File{Name: "video.mp4", Type: "video/mp4", Data: mp4})
	o.until("the employee's video", func() bool {
		return slices.ContainsFunc(o.messenger.Messages(fake.DM("wang")), func(m fake.Message) bool {
			return len(m.Files) == 1 && m.Files[0].Type == "video/mp4" && string(m.Files[0].Data) == string(mp4)
		})
	})
	o.quiet()
}

// More than 30 messages in a minute would be dropped without a word: they wait instead.
func TestTooMany(t *testing.T) {
	o := newOffice(t, wecomtest.Options{PerMinute: 5})
	for i := range 8 {
		o.writes("wang", "王小明", fmt.Sprintf("第%d句", i))
	}
	o.until("what may be shown", func() bool { return len(o.seen()) == 5 })
	o.process.Kill() // the next process knows what the first one sent
	o.start()
	o.writes("wang", "王小明", "再一句")
	o.until("the rest to wait", func() bool { return strings.Contains(o.process.Log(), "as many messages as WeCom shows") })
	if n := len(o.wecom.Requests("/cgi-bin/message/send")); n != 5 {
		t.Errorf("%d messages were sent within a minute", n)
	}
	if n := len(o.seen()); n != 5 {
		t.Errorf("the employee sees %d messages", n)
	}
}

// The app's menu is made once, and left alone after that.
func TestMenu(t *testing.T) {
	o := newOffice(t, wecomtest.Options{})
	o.until("the menu", func() bool { return o.wecom.Menu() != "" })
	var m struct{ Button []struct{ Name, Key string } }
	if err := json.Unmarshal([]byte(o.wecom.Menu()), &m); err != nil || len(m.Button) != 3 || m.Button[0].Name != "当前联系人" {
		t.Errorf("the menu is %s", o.wecom.Menu())
	}
	o.process.Kill()
	o.start()
	o.until("a look at the menu", func() bool { return len(o.wecom.Requests("/cgi-bin/menu/get")) == 2 })
	if n := len(o.wecom.Requests("/cgi-bin/menu/create")); n != 1 {
		t.Errorf("the menu was made %d times", n)
	}
	o.quiet()
}
