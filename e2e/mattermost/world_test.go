// Package mattermost runs the real gateway with a real Mattermost: employees act through Mattermost's own
// API, customers on a messenger in memory.
package mattermost

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/fake"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/e2e/gateway"
	"github.com/hutong-im/hutong/e2e/mattermost/server"
)

var (
	binary *gateway.Binary
	mm     *server.Server
)

func TestMain(m *testing.M) {
	os.Exit(server.Main(m, "Mattermost", func(s *server.Server, b *gateway.Binary) { mm, binary = s, b }))
}

// world is a company of its own: a team, its bot, its employees, a gateway, a messenger with customers.
type world struct {
	t      *testing.T
	site   *gateway.Site
	out    *fake.Network
	team   *server.Team
	bot    *server.Client
	lilei  *server.Client // serves customers
	hanmei *server.Client // is in the team, but no member
	url    string         // where the gateway finds Mattermost

	// What differs from the usual, as YAML: settings of both adapters, and more adapters.
	teamMore, outLimits, more string
	windowed                  int // how many messages the messenger allows in its window
}

func newWorld(t *testing.T, configure ...func(w *world)) *world {
	t.Helper()
	w := &world{t: t, url: mm.URL, outLimits: "window: 48h"}
	for _, f := range configure {
		f(w)
	}
	var err error
	w.team, err = mm.NewTeam(t.Context(), fmt.Sprintf("t%d", time.Now().UnixNano()))
	w.must(err)
	w.bot = w.team.Bot
	w.lilei, err = w.team.Employ(t.Context(), "lilei")
	w.must(err)
	w.hanmei, err = w.team.Employ(t.Context(), "hanmei")
	w.must(err)
	token := filepath.Join(t.TempDir(), "token")
	w.must(os.WriteFile(token, []byte(w.team.Token+"\n"), 0o600))
	caps, _ := fake.ProfileCaps(fake.Full)
	caps.Window.Open, caps.Window.Messages = 48*time.Hour, w.windowed
	w.out, err = fake.NewNetwork(fake.Options{Caps: &caps})
	w.must(err)
	api := httptest.NewServer(w.out.Handler())
	t.Cleanup(api.Close)
	t.Cleanup(w.out.Close)
	w.site = binary.NewSite(t)
	w.out.SetHook(w.site.URL("/hook/out"))
	w.site.Found(t, gateway.Founding{Account: "team: " + w.team.Username("lilei"), Adapters: fmt.Sprintf(`
  team: { kind: mattermost, url: %q, token: "file:%s", team: %s%s }
  out: { kind: fake, url: %q, secret: %s, limits: { %s } }
%s
`, w.url, token, w.team.Name, w.teamMore, api.URL, fake.DefaultSecret, w.outLimits, w.more)})
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

// room waits for the channel of a customer.
func (w *world) room(title string) server.Channel {
	w.t.Helper()
	return w.lilei.AwaitChannel(w.t, "a channel for "+title, func(c *server.Channel) bool { return c.Title == title })
}

// post waits for a post in a channel that fits.
func (w *world) post(channel, what string, fits func(p *server.Post) bool) server.Post {
	w.t.Helper()
	return w.lilei.AwaitPost(w.t, channel, what, fits)
}

// says waits for a post with a text.
func (w *world) says(channel, text string) server.Post {
	w.t.Helper()
	return w.post(channel, "the post "+text, func(p *server.Post) bool { return p.Message == text })
}

// told waits for what the bot says to an employee alone.
func (w *world) told(to *server.Client, part string) {
	w.t.Helper()
	w.eventually("a private word: "+part, func() (string, bool) {
		text := w.private(to)
		return text, strings.Contains(text, part)
	})
}

// private is all that the bot has said to an employee alone.
func (w *world) private(to *server.Client) string {
	w.t.Helper()
	id, err := to.Make(w.t.Context(), "/channels/direct", []string{to.ID, w.bot.ID})
	w.must(err)
	list, err := to.Posts(w.t.Context(), id)
	if err != nil {
		return err.Error() // the chat may be being made right now
	}
	var b strings.Builder
	for _, p := range list {
		b.WriteString(p.Message + "\n")
	}
	return b.String()
}

// hears waits for a message of the gateway to a customer.
func (w *world) hears(customer bridge.UserID, what string, fits func(m *fake.Message) bool) fake.Message {
	w.t.Helper()
	var found fake.Message
	w.eventually(what, func() (string, bool) {
		list := w.out.Messages(fake.DM(customer))
		for i := range list {
			if list[i].User == "" && fits(&list[i]) {
				found = list[i]
				return "", true
			}
		}
		return fmt.Sprintf("%+v", list), false
	})
	return found
}

func (w *world) hearsText(customer bridge.UserID, text string) fake.Message {
	w.t.Helper()
	return w.hears(customer, "the message "+text, func(m *fake.Message) bool { return m.Text == text && !m.Deleted })
}

// marked waits for the bot's mark on an employee's post, which must be the only one.
func (w *world) marked(channel, post, emoji string) {
	w.t.Helper()
	w.post(channel, "the mark "+emoji, func(p *server.Post) bool { return p.ID == post && p.Reaction(w.bot.ID, emoji) })
}

// get reads an address of the gateway.
func (w *world) get(path string) string {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.site.URL(path), nil)
	w.must(err)
	resp, err := http.DefaultTransport.RoundTrip(req)
	w.must(err)
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	w.must(err)
	return string(b)
}
