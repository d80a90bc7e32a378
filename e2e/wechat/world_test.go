// Package wechat runs the real gateway between a real Mattermost and an Official Account: employees act through
// Mattermost's own API, customers on wechattest, which is as strict as WeChat's documents.
package wechat

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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
	os.Exit(func() int {
		if os.Getenv(server.Without) != "" {
			fmt.Println(server.Without + " is set: nothing is known about WeChat and Mattermost together")
			return 0
		}
		var err error
		if mm, err = server.Start(context.Background()); err != nil {
			fmt.Fprintf(os.Stderr, "%v; to go without Mattermost set %s=1\n", err, server.Without)
			return 1
		}
		defer mm.Close()
		return gateway.Main(m, func(b *gateway.Binary) { binary = b })
	}())
}

const password = "an-employee-of-tests"

// public is the gateway's address as customers open it; a proxy would lead it to the gateway.
const public = "https://gw.acme.example"

// world is a company of its own: a team with its bot and an employee, a gateway, an Official Account.
type world struct {
	t     *testing.T
	site  *gateway.Site
	wx    *wechattest.Server
	team  string
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
	dir, name := t.TempDir(), fmt.Sprintf("t%d", time.Now().UnixNano())
	token := w.people(name)
	w.site = &gateway.Site{Binary: binary, Port: gateway.Port(t), Config: filepath.Join(dir, "config.yaml")}
	w.wx.SetHook(w.site.URL("/hook/wx"))
	o = w.wx.Options()
	w.must(os.WriteFile(w.site.Config, fmt.Appendf(nil, `
company: { name: ACME 贸易有限公司, short: ACME, zone: Asia/Shanghai, language: zh }
gateway: { listen: "127.0.0.1:%d", url: %q, data: %q }
adapters:
  team: { kind: mattermost, url: %q, token: %q, team: %s }
  wx: { kind: wechat, app_id: %s, secret: %q, token: %q, aes_key: %q, api: %q }
members:
  - { id: lilei, name: 李雷, title: 销售经理, accounts: { team: lilei-%s }, serves: true }
fallback: lilei
`, w.site.Port, public, filepath.Join(dir, "data"), mm.URL, token, name, o.AppID, o.Secret, o.Token, o.AESKey, api.URL, name), 0o600))
	return w
}

// people makes the team with who is in it, and returns the bot's token.
func (w *world) people(name string) string {
	w.t.Helper()
	ctx := w.t.Context()
	var err error
	w.team, err = mm.Admin.Make(ctx, "/teams", map[string]any{"name": name, "display_name": "ACME", "type": "I"})
	w.must(err)
	var bot struct {
		ID string `json:"user_id"`
	}
	w.must(mm.Admin.Do(ctx, http.MethodPost, "/bots", map[string]any{"username": "bot-" + name, "display_name": "hutong"}, &bot))
	var token struct {
		Token string `json:"token"`
	}
	w.must(mm.Admin.Do(ctx, http.MethodPost, "/users/"+bot.ID+"/tokens", map[string]any{"description": "hutong"}, &token))
	w.bot = server.NewClient(mm.URL, token.Token)
	w.bot.ID = bot.ID
	w.join(bot.ID)
	user := "lilei-" + name
	id, err := mm.Admin.Make(ctx, "/users", map[string]any{"username": user, "email": user + "@acme.example", "password": password})
	w.must(err)
	w.join(id)
	w.lilei, err = mm.Login(ctx, user, password)
	w.must(err)
	return token.Token
}

func (w *world) join(user string) {
	w.t.Helper()
	w.must(mm.Admin.Do(w.t.Context(), http.MethodPost, "/teams/"+w.team+"/members", map[string]any{"team_id": w.team, "user_id": user}, nil))
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

// patience is how long something may take that must happen.
const patience = 30 * time.Second

// eventually waits until f says that it is so; what it returns else is told at the end.
func (w *world) eventually(what string, f func() (string, bool)) {
	w.t.Helper()
	end := time.Now().Add(patience)
	for {
		is, ok := f()
		if ok {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("%s: not within %s; it is: %s", what, patience, is)
		}
		<-time.After(30 * time.Millisecond)
	}
}

// room waits for the only customer's channel.
func (w *world) room() string {
	w.t.Helper()
	var found string
	w.eventually("a channel for the customer", func() (string, bool) {
		list, err := w.lilei.Channels(w.t.Context())
		if err != nil {
			return err.Error(), false
		}
		i := slices.IndexFunc(list, func(c server.Channel) bool { return c.Type == "P" })
		if i >= 0 {
			found = list[i].ID
		}
		return fmt.Sprint(list), i >= 0
	})
	return found
}

// post waits for a post that fits.
func (w *world) post(channel, what string, fits func(p *server.Post) bool) server.Post {
	w.t.Helper()
	var found server.Post
	w.eventually(what, func() (string, bool) {
		list, err := w.lilei.Posts(w.t.Context(), channel)
		if err != nil {
			return err.Error(), false
		}
		for i := range list {
			if fits(&list[i]) {
				found = list[i]
				return "", true
			}
		}
		b, _ := json.Marshal(list)
		return string(b), false
	})
	return found
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
