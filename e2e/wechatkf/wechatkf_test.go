package wechatkf

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/hutong-im/hutong/adapters/fake"
	"github.com/hutong-im/hutong/adapters/wechatkf/wechatkftest"
	"github.com/hutong-im/hutong/bridge"
)

const syncPath = "/cgi-bin/kf/sync_msg"

func TestConversation(t *testing.T) {
	o, room := met(t, wechatkftest.Options{})
	said := o.says(room, "您好，**价格**见附件 😀")
	o.receives("您好，价格见附件 😀")
	o.fate(room, said, bridge.StateSent)
	if first := o.kf.Lines(account, customer)[1].Text; !strings.HasPrefix(first, "李雷 · ") {
		t.Errorf("the customer is not told who speaks: %q", first)
	}

	data := []byte("报价\x00\xff content")
	o.team.Say(fake.Said{User: employee, Room: room, Text: "请看", Files: []fake.File{{Name: "报价.txt", Type: "text/plain", Data: data}}})
	o.until("the employee's file", func() bool {
		return slices.ContainsFunc(o.kf.Lines(account, customer), func(l wechatkftest.Line) bool {
			return l.Kind == "file" && l.File.Name == "报价.txt" && string(l.File.Data) == string(data)
		})
	})
	id := o.kf.Upload(wechatkftest.File{Kind: "file", Name: "合同.txt", Type: "text/plain", Data: data})
	o.kf.Send(account, customer, "file", map[string]any{"media_id": id})
	o.sees("the customer's file", func(m fake.Message) bool {
		return len(m.Files) == 1 && m.Files[0].Name == "合同.txt" && string(m.Files[0].Data) == string(data)
	})
	o.kf.Send(account, customer, "location", map[string]any{"name": "人民广场", "address": "黄浦区", "latitude": 31.23, "longitude": 121.47})
	o.sees("the place", func(m fake.Message) bool {
		return strings.Contains(m.Text, "人民广场") && strings.Contains(m.Text, "31.23,121.47")
	})

	wrong := o.kf.Say(account, customer, "说错了")
	o.sees("the words", text("说错了"))
	o.kf.Recall(account, customer, wrong)
	o.until("the recall", func() bool {
		return slices.ContainsFunc(o.team.Messages(room), func(m fake.Message) bool { return m.Text == "说错了" && m.Deleted })
	})
	if err := o.team.Recall(room, employee, said); err != nil {
		t.Fatal(err)
	}
	o.sees("that WeChat cannot take back", func(m fake.Message) bool { return strings.Contains(m.Text, "不支持撤回") })
}

// The gateway is killed while pages of messages are being read, again and again, while customers write on.
func TestKilledBetweenPages(t *testing.T) {
	o := newOffice(t, wechatkftest.Options{Page: 3})
	const customers, rounds, each = 5, 6, 12
	said := make([][]string, customers)
	write := func(n int) {
		for range n {
			for c := range said {
				said[c] = append(said[c], fmt.Sprintf("c%d-%03d", c, len(said[c])))
				o.kf.Say(account, fmt.Sprintf("wmCustomer%d", c), said[c][len(said[c])-1])
			}
		}
	}
	shown := func() map[string][]string {
		out := map[string][]string{}
		for _, r := range o.team.RoomsOf(employee) {
			for _, m := range o.team.Messages(r) {
				if who, _, ok := strings.Cut(m.Text, "-"); ok && m.User == "" && len(m.Text) == len("c0-000") && who[0] == 'c' {
					out[who] = append(out[who], m.Text)
				}
			}
		}
		return out
	}
	for c := range said {
		o.kf.Know(fmt.Sprintf("wmCustomer%d", c), wechatkftest.Customer{Nickname: fmt.Sprintf("客户%d", c)})
	}
	for round := range rounds {
		before := len(o.kf.Requests(syncPath))
		write(each)
		o.until("some pages are read", func() bool { return len(o.kf.Requests(syncPath)) > before+2+3*round })
		o.process.Kill()
		write(each)
		o.start()
	}
	o.until("all is there", func() bool {
		got := shown()
		for c := range said {
			if len(got[fmt.Sprintf("c%d", c)]) < len(said[c]) {
				return false
			}
		}
		return true
	})
	got := shown()
	for c := range said {
		if who := fmt.Sprintf("c%d", c); !slices.Equal(got[who], said[c]) {
			t.Errorf("of customer %d the employee sees\n%v\nwant\n%v", c, got[who], said[c])
		}
	}
}

// The access token ends while messages are on their way; none is lost and none comes twice.
func TestTokenExpires(t *testing.T) {
	o, room := met(t, wechatkftest.Options{})
	var want []string
	for i := range 4 {
		o.kf.ExpireToken()
		want = append(want, fmt.Sprintf("第%d条", i))
		o.fate(room, o.says(room, want[i]), bridge.StateSent)
	}
	o.receives(want...)
	if got := o.received(); !slices.Equal(got, want) {
		t.Errorf("the customer got %q, want %q", got, want)
	}
	o.kf.ExpireToken()
	o.kf.Say(account, customer, "收到")
	o.sees("the answer", text("收到"))
}

// WeChat takes a message and gives it back later: the writer's own message shows it, and why.
func TestGivenBack(t *testing.T) {
	o, room := met(t, wechatkftest.Options{})
	said := o.says(room, "在吗")
	o.receives("在吗")
	o.fate(room, said, bridge.StateSent)
	o.kf.GiveBack(account, customer, o.kf.Lines(account, customer)[1].ID, 10)
	f := o.fate(room, said, bridge.StateFailed)
	if !strings.Contains(f.Reason, "拒收") || f.Ask == nil {
		t.Errorf("the reason is %q with the buttons %+v", f.Reason, f.Ask)
	}
}

// Five messages go; three wait, in words; the customer writes, and they go in order.
func TestWindow(t *testing.T) {
	o, room := met(t, wechatkftest.Options{})
	var want []string
	var ids []bridge.MsgID
	for i := range 8 {
		want = append(want, fmt.Sprintf("消息%d", i))
		ids = append(ids, o.says(room, want[i]))
	}
	o.fate(room, ids[5], bridge.StateHeld)
	if got := o.received(); !slices.Equal(got, want[:5]) {
		t.Fatalf("the customer got %q before they wrote", got)
	}
	o.kf.Say(account, customer, "继续")
	o.receives(want...)
	for _, id := range ids {
		o.fate(room, id, bridge.StateSent)
	}
}

// A person in WeCom has taken the session: the writer reads who, and the operator reads it too. Once they have
// ended it and the customer writes again, all is as before.
func TestTakenInWeCom(t *testing.T) {
	o, room := met(t, wechatkftest.Options{})
	o.kf.SetState(account, customer, 3, "zhangsan")
	f := o.fate(room, o.says(room, "我来回答"), bridge.StateFailed)
	if !strings.Contains(f.Reason, "zhangsan") || !strings.Contains(f.Reason, "人工接待") {
		t.Errorf("the reason is %q", f.Reason)
	}
	if r := o.ready(); !strings.Contains(r, "有 1 个会话正由企业微信中的人员接待") {
		t.Errorf("the operator reads\n%s", r)
	}
	o.kf.ServicerSays(account, customer, "zhangsan", "人工回复")
	o.kf.End(account, customer)
	o.kf.Say(account, customer, "还有问题")
	o.sees("the customer", text("还有问题"))
	o.says(room, "请讲")
	o.receives("请讲")
	if r := o.ready(); strings.Contains(r, "人员接待") {
		t.Errorf("the operator reads\n%s", r)
	}
	for _, m := range o.team.Messages(room) {
		if strings.Contains(m.Text, "人工回复") {
			t.Errorf("what a colleague said in WeCom came as %+v", m)
		}
	}
}

// A customer opens a card's link in WeChat: the greeting is there before they have written a word.
func TestCard(t *testing.T) {
	o := newOffice(t, wechatkftest.Options{})
	out, err := o.site.Command(t.Context(), "card", "new", employee, "--greeting", "您好，我是李雷", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var card struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(out), &card); err != nil || card.ID == "" {
		t.Fatalf("%v in %s", err, out)
	}
	page := o.fetch("/c/" + card.ID)
	_, rest, ok := strings.Cut(page, "https://work.weixin.qq.com/kfid/")
	address, _, _ := strings.Cut(rest, `"`)
	u, err := url.Parse(strings.ReplaceAll(address, "&amp;", "&"))
	if !ok || err != nil || u.Query().Get("scene_param") != card.ID {
		t.Fatalf("the card's page has no link to WeChat with the card's id: %q %v", address, err)
	}
	o.kf.Enter(account, customer, u.Query().Get("scene_param"))
	o.receives("您好，我是李雷")
	if l := o.kf.Lines(account, customer)[0]; !l.Event || !strings.HasPrefix(l.Text, "李雷 · ") {
		t.Errorf("the greeting is %+v", l)
	}
	o.sees("that a customer has come", func(m fake.Message) bool { return strings.Contains(m.Text, "王小明") })

	const other = "wmAnotherCustomer"
	o.kf.Enter(account, other, "")
	o.until("the welcome of the config", func() bool {
		l := o.kf.Lines(account, other)
		return len(l) == 1 && l[0].Text == "欢迎" && l[0].Event
	})
}
