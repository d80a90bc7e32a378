// Package wecom runs the real gateway between a WeCom and a messenger, both of them the project's own.
package wecom

import (
	"fmt"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/fake"
	"github.com/hutong-im/hutong/adapters/wecom/wecomtest"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/e2e/gateway"
)

var binary *gateway.Binary

func TestMain(m *testing.M) {
	os.Exit(gateway.Main(m, func(b *gateway.Binary) { binary = b }))
}

// The employee, as WeCom writes the userid and as the config does.
const (
	member  = "LiLei"
	account = "lilei"
)

// office is a company: its WeCom, its gateway, and a messenger in which one account serves all customers.
type office struct {
	t         *testing.T
	wecom     *wecomtest.Server
	messenger *fake.Network
	site      *gateway.Site
	process   *gateway.Process
}

func newOffice(t *testing.T, o wecomtest.Options) *office {
	t.Helper()
	return newOfficeWith(t, fake.Plain, o)
}

// newOfficeWith chooses what the messenger can do.
func newOfficeWith(t *testing.T, profile string, o wecomtest.Options) *office {
	t.Helper()
	if o.Pause == 0 {
		o.Pause = time.Second // so that a restart fits between two tries, as it does with WeCom's 5 s
	}
	if o.PerMinute == 0 {
		o.PerMinute = 10_000
	}
	o.PerHour = 10_000
	of := &office{t: t, wecom: wecomtest.New(o), site: binary.NewSite(t)}
	of.wecom.AddUser(wecomtest.User{ID: member, Name: "李雷"})
	api := httptest.NewServer(of.wecom.Handler())
	t.Cleanup(api.Close)
	t.Cleanup(of.wecom.Close)
	of.wecom.SetHook(of.site.URL("/hook/wecom"))
	n, err := fake.NewNetwork(fake.Options{Profile: profile})
	if err != nil {
		t.Fatal(err)
	}
	chat := httptest.NewServer(n.Handler())
	t.Cleanup(chat.Close)
	t.Cleanup(n.Close)
	if profile != fake.Plain { // plain asks for its news
		n.SetHook(of.site.URL("/hook/messenger"))
	}
	of.messenger = n
	of.site.Found(t, gateway.Founding{Account: "wecom: " + account, Adapters: fmt.Sprintf(`
  wecom: { kind: wecom, corp_id: %s, agent_id: %d, secret: %s, token: %s, aes_key: %s, api: "%s", per_minute: %d, per_hour: 10000 }
  messenger: { kind: fake, url: %q, secret: %s, profile: %s }
`, wecomtest.CorpID, wecomtest.AgentID, wecomtest.Secret, wecomtest.Token, wecomtest.AESKey, api.URL,
		o.PerMinute, chat.URL, fake.DefaultSecret, profile)})
	of.start()
	return of
}

func (o *office) start() {
	o.t.Helper()
	o.process = o.site.Run(o.t)
}

func (o *office) until(what string, done func() bool) {
	o.t.Helper()
	gateway.Eventually(o.t, gateway.Patience, what, func() (string, bool) { return strings.Join(o.seen(), "\n"), done() })
}

// writes is what a customer says.
func (o *office) writes(user bridge.UserID, name, text string) {
	o.messenger.Say(fake.Said{User: user, Name: name, Text: text})
}

// seen are the texts of the app that the employee sees.
func (o *office) seen() []string {
	var out []string
	for _, m := range o.wecom.Inbox(member) {
		if !m.Own && !m.Recalled {
			out = append(out, m.Text)
		}
	}
	return out
}

// sees waits for a text of the app, and returns the message.
func (o *office) sees(text string) wecomtest.Message {
	o.t.Helper()
	var found wecomtest.Message
	o.until(fmt.Sprintf("%q", text), func() bool {
		for _, m := range o.wecom.Inbox(member) {
			if !m.Own && m.Text == text {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// received are the texts that a customer got, in order.
func (o *office) received(user bridge.UserID) []string {
	var out []string
	for _, m := range o.messenger.Messages(fake.DM(user)) {
		if m.User == "" && !m.Deleted {
			out = append(out, m.Text)
		}
	}
	return out
}

// receives waits for a text that a customer gets.
func (o *office) receives(user bridge.UserID, text string) {
	o.t.Helper()
	o.until(fmt.Sprintf("%q for %s", text, user), func() bool {
		return slices.Contains(o.received(user), text)
	})
}

// quiet looks at what WeCom would have let pass though it is wrong.
func (o *office) quiet() {
	o.t.Helper()
	for _, c := range o.wecom.Complaints() {
		o.t.Error(c)
	}
}
