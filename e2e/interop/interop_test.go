// Package interop is where the idea comes from: an employee in 企业微信 and customers in 微信, through the
// public interfaces of both, with no other workspace between.
package interop

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/wechatkf/wechatkftest"
	"github.com/hutong-im/hutong/adapters/wecom/wecomtest"
	"github.com/hutong-im/hutong/e2e/gateway"
)

var binary *gateway.Binary

func TestMain(m *testing.M) {
	os.Exit(gateway.Main(m, func(b *gateway.Binary) { binary = b }))
}

const (
	account = wechatkftest.Account
	member  = "LiLei"
)

// The two customers, by external_userid.
const (
	ming = "wmAJ2GCAAAme1XQRC-NI-q0_ZM9ukoAw"
	hong = "wmAJ2GCAAAme1XQRC-NI-q0_ZM9ukoBx"
)

// company has its employees in WeCom and its customers in WeChat.
type company struct {
	t       *testing.T
	wecom   *wecomtest.Server
	kf      *wechatkftest.Network
	site    *gateway.Site
	process *gateway.Process
}

func newCompany(t *testing.T) *company {
	t.Helper()
	const again = 250 * time.Millisecond // between two tries of a callback: a restart fits between, as it does with the real 5 s
	c := &company{
		t: t, wecom: wecomtest.New(wecomtest.Options{Pause: again, PerMinute: 10_000, PerHour: 10_000}),
		kf:   wechatkftest.New(wechatkftest.Options{Repeat: again}),
		site: binary.NewSite(t),
	}
	work, service := httptest.NewServer(c.wecom.Handler()), httptest.NewServer(c.kf.Handler())
	t.Cleanup(func() { c.wecom.Close(); c.kf.Close(); work.Close(); service.Close() })
	c.wecom.AddUser(wecomtest.User{ID: member, Name: "李雷"})
	c.wecom.SetHook(c.site.URL("/hook/wecom"))
	c.kf.SetHook(c.site.URL("/hook/kf"))
	c.kf.Know(ming, wechatkftest.Customer{Nickname: "王小明", UnionID: "oUnion1"})
	c.kf.Know(hong, wechatkftest.Customer{Nickname: "小红", UnionID: "oUnion2"})
	c.site.Found(t, gateway.Founding{Account: "wecom: lilei", Adapters: fmt.Sprintf(`
  wecom: { kind: wecom, corp_id: %s, agent_id: %d, secret: %s, token: %s, aes_key: %s, api: %q, per_minute: 10000, per_hour: 10000 }
  kf: { kind: wechatkf, corp_id: %s, secret: %s, token: %s, aes_key: %s, api: %q }
`,
		wecomtest.CorpID, wecomtest.AgentID, wecomtest.Secret, wecomtest.Token, wecomtest.AESKey, work.URL,
		wechatkftest.CorpID, wechatkftest.Secret, wechatkftest.Token, wechatkftest.AESKey, service.URL)})
	t.Cleanup(func() {
		for _, complaint := range append(c.wecom.Complaints(), c.kf.Complaints()...) {
			t.Error(complaint)
		}
	})
	c.start()
	return c
}

func (c *company) start() {
	c.t.Helper()
	c.process = c.site.Run(c.t)
}

// until waits for something to become true.
func (c *company) until(what string, ok func() bool) {
	c.t.Helper()
	gateway.Eventually(c.t, gateway.Patience, what, func() (string, bool) {
		return fmt.Sprintf("the employee sees\n%s\n王小明 sees\n%s\n小红 sees\n%s",
			strings.Join(c.inbox(), "\n"), strings.Join(c.chat(ming), "\n"), strings.Join(c.chat(hong), "\n")), ok()
	})
}

// inbox is what the app shows the employee.
func (c *company) inbox() []string {
	var out []string
	for _, m := range c.wecom.Inbox(member) {
		if !m.Own && !m.Recalled {
			out = append(out, m.Text)
		}
	}
	return out
}

// chat is what a customer was sent.
func (c *company) chat(customer string) []string {
	var out []string
	for _, l := range c.kf.Lines(account, customer) {
		if l.Mine && l.Kind == "text" {
			out = append(out, l.Text)
		}
	}
	return out
}

func (c *company) employeeSees(text string) {
	c.t.Helper()
	c.until("the employee sees "+text, func() bool { return slices.Contains(c.inbox(), text) })
}

func (c *company) customerSees(customer, text string) {
	c.t.Helper()
	c.until("the customer sees "+text, func() bool { return slices.Contains(c.chat(customer), text) })
}

// waiting counts the messages to customers that the gateway has accepted and not sent.
func (c *company) waiting() int {
	c.t.Helper()
	out, err := c.site.Command(c.t.Context(), "deliveries", "list", "--json")
	if err != nil {
		c.t.Fatal(err)
	}
	var list []struct{ Kind, To string }
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		c.t.Fatalf("%v in %s", err, out)
	}
	n := 0
	for _, d := range list {
		if d.Kind == "say" && d.To == "contact" {
			n++
		}
	}
	return n
}

// Two customers of one employee: each side sees who the other is, a quote and a command choose, and a picture
// goes both ways.
func TestWeComAndWeChat(t *testing.T) {
	c := newCompany(t)
	c.kf.Say(account, ming, "你好，请问有货吗？")
	c.employeeSees("王小明 · 微信联系人\n你好，请问有货吗？")
	c.wecom.Say(member, "有的，**现货**") // neither of the two knows markup: what is typed is what is shown
	c.customerSees(ming, "李雷 · ACME 销售经理\n有的，**现货**")

	c.kf.Say(account, hong, "我想退货")
	c.employeeSees("小红 · 微信联系人\n我想退货")
	c.wecom.Say(member, "/to 小红")
	c.until("小红 is chosen", func() bool {
		list := c.inbox()
		return strings.Contains(list[len(list)-1], "当前联系人：小红 · 微信联系人")
	})
	c.wecom.Say(member, "请告诉我订单号")
	c.customerSees(hong, "李雷 · ACME 销售经理\n请告诉我订单号")
	c.wecom.Say(member, "/to 王小明")
	c.until("王小明 is chosen", func() bool {
		list := c.inbox()
		return strings.Contains(list[len(list)-1], "当前联系人：王小明 · 微信联系人")
	})
	c.wecom.Say(member, "需要几件？")
	c.customerSees(ming, "需要几件？")

	data := []byte("\xff\xd8\xff\xe0 a picture")
	id := c.kf.Upload(wechatkftest.File{Kind: "image", Name: "图.jpg", Type: "image/jpeg", Data: data})
	c.kf.Send(account, ming, "image", map[string]any{"media_id": id})
	c.until("the customer's picture", func() bool {
		return slices.ContainsFunc(c.wecom.Inbox(member), func(m wecomtest.Message) bool { return m.File != nil && string(m.File.Data) == string(data) })
	})
	c.wecom.SendFile(member, "image", wecomtest.File{Name: "价.jpg", Type: "image/jpeg", Data: data})
	c.until("the employee's picture", func() bool {
		return slices.ContainsFunc(c.kf.Lines(account, ming), func(l wechatkftest.Line) bool {
			return l.Mine && l.Kind == "image" && string(l.File.Data) == string(data)
		})
	})
	if got := c.chat(hong); len(got) != 1 {
		t.Errorf("小红 was sent what was not for her: %q", got)
	}
}

// WeChat gives five messages for each of the customer's. The sixth waits, and the employee is told; it goes when
// the customer writes, in order, though the gateway was killed meanwhile.
func TestTheSixthMessageWaits(t *testing.T) {
	c := newCompany(t)
	c.kf.Say(account, ming, "在吗")
	c.employeeSees("王小明 · 微信联系人\n在吗")
	var want []string
	for i := range 8 {
		text := fmt.Sprintf("第%d条", i+1)
		c.wecom.Say(member, text)
		want = append(want, text)
	}
	said := func() []string {
		var out []string
		for _, text := range c.chat(ming) {
			out = append(out, text[strings.LastIndexByte(text, '\n')+1:])
		}
		return out
	}
	c.until("five are sent", func() bool { return len(said()) == 5 })
	c.until("three wait", func() bool { return c.waiting() == 3 }) // what was not accepted yet WeCom would push again, out of order
	c.process.Kill()
	c.start()
	c.kf.Say(account, ming, "还在")
	c.until("the others follow", func() bool { return len(said()) == 8 })
	if got := said(); !slices.Equal(got, want) {
		t.Errorf("the customer got %q", got)
	}
}

// A customer who comes through a card that needs acceptance: the request comes as a card with buttons, which go when
// it is answered in words.
func TestARequestAnsweredInWords(t *testing.T) {
	c := newCompany(t)
	out, err := c.site.Command(t.Context(), "card", "new", "lilei", "--accept", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var card struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(out), &card); err != nil {
		t.Fatal(err)
	}
	c.kf.Enter(account, hong, card.ID)
	request := func() *wecomtest.Card {
		for _, m := range c.wecom.Inbox(member) {
			if m.Card != nil && strings.Contains(m.Text, "小红") {
				return m.Card
			}
		}
		return nil
	}
	c.until("the request", func() bool { return request() != nil })
	c.kf.Say(account, hong, "您好")
	c.wecom.Say(member, "/accept")
	c.employeeSees("小红 · 微信联系人\n您好")
	c.until("the card without its buttons", func() bool { return request().Replaced == "已处理" })
}
