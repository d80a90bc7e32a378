// Package wechat runs the real gateway between a real Mattermost and an Official Account: employees act through
// Mattermost's own API, customers on wechattest, which is as strict as WeChat's documents.
package wechat

import (
	"fmt"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/wechat/wechattest"
	"github.com/hutong-im/hutong/e2e/gateway"
	"github.com/hutong-im/hutong/e2e/mattermost/server"
)

var (
	binary *gateway.Binary
	mm     *server.Server
)

func TestMain(m *testing.M) {
	os.Exit(server.Main(m, "WeChat and Mattermost together", func(s *server.Server, b *gateway.Binary) { mm, binary = s, b }))
}

// public is the gateway's address as customers open it; a proxy would lead it to the gateway.
const public = "https://gw.acme.example"

// world is a company of its own: a team with its bot and an employee, a gateway, an Official Account.
type world struct {
	t     *testing.T
	site  *gateway.Site
	wx    *wechattest.Server
	bot   *server.Client
	lilei *server.Client
}

func newWorld(t *testing.T, o wechattest.Options) *world {
	t.Helper()
	w := &world{t: t, wx: wechattest.New(o)}
	api := httptest.NewServer(w.wx)
	t.Cleanup(api.Close)
	t.Cleanup(w.wx.Close)
	t.Cleanup(func() {
		if bad := w.wx.Complaints(); len(bad) > 0 {
			t.Errorf("WeChat complains: %q", bad)
		}
	})
	team, err := mm.NewTeam(t.Context(), fmt.Sprintf("t%d", time.Now().UnixNano()))
	w.must(err)
	w.bot = team.Bot
	w.lilei, err = team.Employ(t.Context(), "lilei")
	w.must(err)
	w.site = binary.NewSite(t)
	w.wx.SetHook(w.site.URL("/hook/wx"))
	o = w.wx.Options()
	w.site.Found(t, gateway.Founding{Account: "team: " + team.Username("lilei"), URL: public, Adapters: fmt.Sprintf(`
  team: { kind: mattermost, url: %q, token: %q, team: %s }
  wx: { kind: wechat, app_id: %s, secret: %q, token: %q, aes_key: %q, api: %q }
`, mm.URL, team.Token, team.Name, o.AppID, o.Secret, o.Token, o.AESKey, api.URL)})
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// start starts the gateway.
func (w *world) start() *gateway.Process {
	w.t.Helper()
	return w.site.Run(w.t)
}

// eventually waits until f says that it is so; what it returns else is told at the end.
func (w *world) eventually(what string, f func() (string, bool)) {
	w.t.Helper()
	gateway.Eventually(w.t, gateway.Patience, what, f)
}

// room waits for the only customer's channel.
func (w *world) room() string {
	w.t.Helper()
	return w.lilei.AwaitChannel(w.t, "a channel for the customer", func(*server.Channel) bool { return true }).ID
}

// post waits for a post that fits.
func (w *world) post(channel, what string, fits func(p *server.Post) bool) server.Post {
	w.t.Helper()
	return w.lilei.AwaitPost(w.t, channel, what, fits)
}

// hears waits for what the customer said.
func (w *world) hears(channel, text string) server.Post {
	w.t.Helper()
	return w.post(channel, "the post "+text, func(p *server.Post) bool { return p.Message == text && p.UserID == w.bot.ID })
}

func (w *world) marked(channel, post, emoji string) {
	w.t.Helper()
	w.post(channel, "the mark "+emoji, func(p *server.Post) bool { return p.ID == post && p.Reaction(w.bot.ID, emoji) })
}

// says lets the employee write and returns the post.
func (w *world) says(channel, text string) string {
	w.t.Helper()
	id, err := w.lilei.Say(w.t.Context(), channel, text)
	w.must(err)
	return id
}

// shown is what the account has told a customer, but for the question for a name.
func (w *world) shown(openid string) []wechattest.Shown {
	return slices.DeleteFunc(w.wx.Shown(openid), func(m wechattest.Shown) bool { return m.Type == "said" || m.Passive })
}

// texts are the texts of the employee that a customer has seen, without the label before the first.
func (w *world) texts(openid string) []string {
	var out []string
	for _, m := range w.shown(openid) {
		lines := strings.Split(m.Text, "\n")
		out = append(out, lines[len(lines)-1])
	}
	return out
}

// sees waits until a customer has seen these texts, in this order and none else.
func (w *world) sees(openid string, want ...string) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("the customer sees %q", want), func() (string, bool) {
		got := w.texts(openid)
		return fmt.Sprintf("%q", got), slices.Equal(got, want)
	})
}
