// Package wechatkf lets customers write through 微信客服 to an employee, through the real gateway.
package wechatkf

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/fake"
	"github.com/hutong-im/hutong/adapters/wechatkf/wechatkftest"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/e2e/gateway"
)

var binary *gateway.Binary

func TestMain(m *testing.M) {
	os.Exit(gateway.Main(m, func(b *gateway.Binary) { binary = b }))
}

const (
	account  = wechatkftest.Account
	customer = "wmAJ2GCAAAme1XQRC-NI-q0_ZM9ukoAw"
	employee = "lilei"
)

// office is a company: its customer service, its gateway, and a workspace with one employee.
type office struct {
	t       *testing.T
	kf      *wechatkftest.Network
	team    *fake.Network
	site    *gateway.Site
	process *gateway.Process
}

func newOffice(t *testing.T, opts wechatkftest.Options) *office {
	t.Helper()
	opts.Repeat = 200 * time.Millisecond // a callback that comes before the gateway runs
	o := &office{t: t, kf: wechatkftest.New(opts)}
	o.site = binary.NewSite(t)
	wecom := httptest.NewServer(o.kf.Handler())
	team, err := fake.NewNetwork(fake.Options{Profile: fake.Full})
	if err != nil {
		t.Fatal(err)
	}
	o.team = team
	api := httptest.NewServer(team.Handler())
	t.Cleanup(func() { o.kf.Close(); team.Close(); wecom.Close(); api.Close() })
	team.Room(fake.DM(employee), "", employee)
	team.SetHook(o.site.URL("/hook/team"))
	o.kf.SetHook(o.site.URL("/hook/kf"))
	o.kf.Know(customer, wechatkftest.Customer{Nickname: "王小明", UnionID: "oUnion1"})
	o.site.Found(t, gateway.Founding{Account: "team: lilei", Adapters: fmt.Sprintf(`
  web: { kind: webchat }
  team: { kind: fake, url: %q, secret: %s, profile: full }
  kf: { kind: wechatkf, api: %q, corp_id: %s, secret: %s, token: %s, aes_key: %s, welcome: 欢迎 }
`, api.URL, fake.DefaultSecret, wecom.URL, wechatkftest.CorpID, wechatkftest.Secret, wechatkftest.Token, wechatkftest.AESKey)})
	t.Cleanup(func() {
		for _, c := range o.kf.Complaints() {
			t.Error(c)
		}
	})
	o.start()
	return o
}

func (o *office) start() {
	o.t.Helper()
	o.process = o.site.Run(o.t)
}

// until waits for something to become true.
func (o *office) until(what string, ok func() bool) {
	o.t.Helper()
	gateway.Eventually(o.t, time.Minute, what, func() (string, bool) { return "not so", ok() })
}

// room is where the employee sees the customer of that name, "" while there is none.
func (o *office) room(name string) bridge.RoomID {
	for _, r := range o.team.RoomsOf(employee) {
		if title, _ := o.team.Title(r); strings.Contains(title, name) {
			return r
		}
	}
	return ""
}

// sees waits until the employee sees a message, and returns it.
func (o *office) sees(what string, fits func(m fake.Message) bool) fake.Message {
	o.t.Helper()
	var got fake.Message
	o.until("the employee sees "+what, func() bool {
		for _, r := range o.team.RoomsOf(employee) {
			for _, m := range o.team.Messages(r) {
				if fits(m) {
					got = m
					return true
				}
			}
		}
		return false
	})
	return got
}

func text(s string) func(m fake.Message) bool {
	return func(m fake.Message) bool { return m.User == "" && m.Text == s }
}

// says lets the employee write to the customer.
func (o *office) says(room bridge.RoomID, text string) bridge.MsgID {
	return o.team.Say(fake.Said{User: employee, Room: room, Text: text})
}

// fate waits for what is shown of the employee's message.
func (o *office) fate(room bridge.RoomID, msg bridge.MsgID, want bridge.State) bridge.Fate {
	o.t.Helper()
	var got bridge.Fate
	o.until("the fate "+string(want), func() bool {
		i := slices.IndexFunc(o.team.Messages(room), func(m fake.Message) bool { return m.ID == msg })
		got = o.team.Messages(room)[i].Mark
		return got.State == want
	})
	return got
}

// received are the texts that the customer got, without the label that precedes some.
func (o *office) received() []string {
	var out []string
	for _, l := range o.kf.Lines(account, customer) {
		if l.Mine && l.Kind == "text" {
			out = append(out, l.Text[strings.LastIndexByte(l.Text, '\n')+1:])
		}
	}
	return out
}

func (o *office) receives(want ...string) {
	o.t.Helper()
	o.until(fmt.Sprintf("the customer gets %q", want), func() bool {
		got := o.received()
		return len(got) >= len(want) && slices.Equal(got[len(got)-len(want):], want)
	})
}

// met is an office in which the customer and the employee have met, and their room.
func met(t *testing.T, opts wechatkftest.Options) (*office, bridge.RoomID) {
	t.Helper()
	o := newOffice(t, opts)
	o.kf.Say(account, customer, "你好 <b> & *原文*")
	o.sees("the first words", text(`你好 \<b\> & \*原文\*`))
	room := o.room("王小明")
	if room == "" {
		t.Fatal("no room is called after the customer")
	}
	return o, room
}

// fetch reads a page of the gateway.
func (o *office) fetch(path string) string {
	o.t.Helper()
	req, err := http.NewRequestWithContext(o.t.Context(), http.MethodGet, o.site.URL(path), nil)
	if err != nil {
		o.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req) //nolint:forbidigo // one call to this machine
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return string(b)
}

// ready is what operators read.
func (o *office) ready() string {
	o.t.Helper()
	return o.fetch("/readyz")
}
