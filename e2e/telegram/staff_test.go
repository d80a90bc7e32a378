package telegram

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hutong-im/hutong/adapters/telegram/telegramtest"
	"github.com/hutong-im/hutong/e2e/gateway"
)

// Employees work in one bot, customers write to another: a reply chooses the customer, and so does /to.
func TestEmployeesShareABot(t *testing.T) {
	customers, staff := telegramtest.New(nil), telegramtest.New(nil)
	t.Cleanup(customers.Close)
	t.Cleanup(staff.Close)
	o := &office{t: t, site: binary.NewSite(t)}
	o.site.Found(t, gateway.Founding{Account: `staff: "777"`, Adapters: fmt.Sprintf(`
  tg: { kind: telegram, token: %[1]q, api: %[2]q }
  staff: { kind: telegram, token: %[1]q, api: %[3]q }
`, telegramtest.Token, customers.URL(), staff.URL())})
	o.start()
	lilei, han := telegramtest.User{ID: 777, Name: "李雷"}, telegramtest.User{ID: 4343, Name: "韩梅"}
	shown := func(s *telegramtest.Server, user int64, what string) telegramtest.Message {
		t.Helper()
		var found telegramtest.Message
		o.until(fmt.Sprintf("%d sees %s", user, what), func() bool {
			for _, m := range s.Messages(user) {
				if m.From == 0 && strings.Contains(m.Text, what) {
					found = m
				}
			}
			return found.ID != 0
		})
		return found
	}
	staff.Say(telegramtest.Said{User: lilei, Text: "/start"})
	shown(staff, 777, "/to")

	customers.Say(telegramtest.Said{User: wang, Text: "我是第一位"})
	first := shown(staff, 777, "我是第一位")
	customers.Say(telegramtest.Said{User: han, Text: "我是第二位"})
	if second := shown(staff, 777, "我是第二位"); !strings.HasPrefix(second.Text, "韩梅 · Telegram 联系人\n") {
		t.Errorf("the label: %q", second.Text)
	}
	staff.Say(telegramtest.Said{User: lilei, Text: "给第一位", ReplyTo: first.ID})
	shown(customers, wang.ID, "给第一位")
	staff.Say(telegramtest.Said{User: lilei, Text: "/to 韩梅"})
	shown(staff, 777, "当前联系人：韩梅")
	staff.Say(telegramtest.Said{User: lilei, Text: "给第二位"})
	shown(customers, han.ID, "给第二位")
	for _, m := range customers.Messages(wang.ID) {
		if strings.Contains(m.Text, "给第二位") {
			t.Errorf("the first customer sees what is for the second: %q", m.Text)
		}
	}
	staff.Say(telegramtest.Said{User: telegramtest.User{ID: 999, Name: "路人"}, Text: "我不是员工"})
	shown(staff, 777, "我不是员工") // who is no employee is a customer here, too
}
