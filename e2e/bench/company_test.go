package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/hutong-im/hutong/e2e/gateway"
	"github.com/hutong-im/hutong/e2e/mattermost/server"
)

// customers is how many talk at once. A page may say 120 messages at a stretch and four a second then, so
// that fewer could not fill the road.
const customers = 48

// inFlight is how many calls are under way at once, here and there: what the gateway allows an adapter.
const inFlight = 16

// company is a team with its bot and one employee, the gateway between them and the customers.
type company struct {
	b        *testing.B
	mm       *server.Server
	team     string
	bot      *server.Client
	employee *server.Client
	ears     map[*server.Client]string // tokens to listen with
	site     *gateway.Site
	card     string
	pages    []*page
	channels []string // of the customers
	bare     []string // where nothing but the bench speaks
}

func (c *company) must(err error) {
	c.b.Helper()
	if err != nil {
		c.b.Fatal(err)
	}
}

func newCompany(b *testing.B, binary *gateway.Binary, mm *server.Server) *company {
	b.Helper()
	c := &company{b: b, mm: mm}
	ctx, dir := b.Context(), b.TempDir()
	team, err := mm.NewTeam(ctx, "acme")
	c.must(err)
	c.bot = team.Bot
	c.employee, err = team.Employ(ctx, "lilei")
	c.must(err)
	own, err := mm.TokenOf(ctx, c.employee.ID)
	c.must(err)
	c.team = team.ID
	c.ears = map[*server.Client]string{c.bot: team.Token, c.employee: own}
	c.site = &gateway.Site{Binary: binary, Port: gateway.Port(b), Config: filepath.Join(dir, "config.yaml")}
	c.must(os.WriteFile(filepath.Join(dir, "token"), []byte(team.Token), 0o600))
	c.must(os.WriteFile(c.site.Config, fmt.Appendf(nil, `
company: { name: ACME, language: en }
gateway: { listen: "127.0.0.1:%d", url: "%s", data: "%s" }
adapters:
  team: { kind: mattermost, url: %q, token: "file:%s", team: acme }
  web: { kind: webchat, requests_per_hour: 10000 }
members:
  - { id: lilei, name: 李雷, accounts: { team: %s }, serves: true }
fallback: lilei
`, c.site.Port, c.site.URL(""), filepath.Join(dir, "data"), mm.URL, filepath.Join(dir, "token"), team.Username("lilei")), 0o600))
	return c
}

// open starts the gateway and lets every customer in.
func (c *company) open() {
	c.b.Helper()
	ctx := c.b.Context()
	c.site.Run(c.b)
	out, err := c.site.Command(ctx, "card", "new", "lilei", "--json")
	c.must(err)
	var card struct {
		ID string `json:"id"`
	}
	c.must(json.Unmarshal([]byte(out), &card))
	c.card = card.ID
	ears := listen(c.b, c.mm.URL, c.ears[c.employee])
	for i := range customers {
		p := c.enter(fmt.Sprintf("customer %d", i))
		c.pages = append(c.pages, p)
		words := fmt.Sprintf("first words of %d.", i)
		ears.expect(words)
		c.must(p.say(ctx, words))
	}
	for i := range customers {
		c.channels = append(c.channels, ears.wait(c.b, fmt.Sprintf("first words of %d.", i)).channel)
		id, err := c.bot.Make(ctx, "/channels", map[string]any{"team_id": c.team, "name": fmt.Sprintf("bare-%d", i), "display_name": "bare", "type": "P"})
		c.must(err)
		c.must(c.bot.Do(ctx, http.MethodPost, "/channels/"+id+"/members", map[string]any{"user_id": c.employee.ID}, nil))
		c.bare = append(c.bare, id)
	}
	ears.close()
}

// page is a customer's open web chat.
type page struct {
	http *http.Client
	url  string
	room string
	n    int
	mu   sync.Mutex
}

func (c *company) enter(name string) *page {
	c.b.Helper()
	jar, err := cookiejar.New(nil)
	c.must(err)
	p := &page{url: c.site.URL(""), http: &http.Client{
		Jar: jar, Transport: &http.Transport{MaxIdleConnsPerHost: 4},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	for try := 0; p.room == ""; try++ {
		resp, err := p.post(c.b.Context(), "/c/"+c.card, "application/x-www-form-urlencoded", url.Values{"name": {name}}.Encode())
		c.must(err)
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusTooManyRequests && try < 20 {
			<-time.After(time.Second)
			continue
		}
		to, err := url.Parse(resp.Header.Get("Location"))
		c.must(err)
		if p.room = to.Query().Get("r"); p.room == "" {
			c.b.Fatalf("the card does not let %s in: %s", name, resp.Status)
		}
	}
	return p
}

func (p *page) post(ctx context.Context, path, typ, body string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", typ)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return p.http.Do(req)
}

// say says something; a limit of the page is waited for.
func (p *page) say(ctx context.Context, text string) error {
	p.mu.Lock()
	p.n++
	id := fmt.Sprintf("01ARZ3NDEKTSV4RRFFQ%07d", p.n)
	p.mu.Unlock()
	body, err := json.Marshal(map[string]any{"room": p.room, "id": id, "text": text})
	if err != nil {
		return err
	}
	for {
		resp, err := p.post(ctx, "/chat/api/say", "application/json", string(body))
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		switch {
		case resp.StatusCode < 300:
			return nil
		case resp.StatusCode != http.StatusTooManyRequests:
			return errors.New("say: " + resp.Status)
		}
		select {
		case <-time.After(250 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// heard is when and where something was heard.
type heard struct {
	at      time.Time
	channel string
}

// ears hear what is said, and when.
type ears struct {
	mu     sync.Mutex
	wanted map[string]chan heard
	stop   context.CancelFunc
	done   sync.WaitGroup
}

func newEars() *ears { return &ears{wanted: map[string]chan heard{}} }

func (e *ears) expect(text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.wanted[text] = make(chan heard, 1)
}

func (e *ears) hear(text, channel string) {
	at := time.Now()
	e.mu.Lock()
	ch := e.wanted[text]
	e.mu.Unlock()
	if ch != nil {
		select {
		case ch <- heard{at, channel}:
		default:
		}
	}
}

func (e *ears) wait(b *testing.B, text string) heard {
	b.Helper()
	e.mu.Lock()
	ch := e.wanted[text]
	e.mu.Unlock()
	select {
	case h := <-ch:
		return h
	case <-time.After(time.Minute):
		b.Fatalf("%q was not heard within a minute", text)
		return heard{}
	}
}

func (e *ears) close() { e.stop(); e.done.Wait() }

// listen hears what a user of Mattermost hears.
func listen(b *testing.B, address, token string) *ears {
	b.Helper()
	e := newEars()
	ctx, cancel := context.WithCancel(b.Context())
	e.stop = cancel
	opts := &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}}
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(address, "http")+"/api/v4/websocket", opts) //nolint:bodyclose // Dial has read it
	if err != nil {
		b.Fatal(err)
	}
	conn.SetReadLimit(1 << 20)
	e.done.Go(func() {
		defer func() { _ = conn.CloseNow() }()
		for {
			_, data, err := conn.Read(ctx)
			if err != nil {
				return
			}
			var f struct {
				Event string
				Data  struct{ Post string }
			}
			var p struct {
				Message   string
				ChannelID string `json:"channel_id"`
			}
			if json.Unmarshal(data, &f) == nil && f.Event == "posted" && json.Unmarshal([]byte(f.Data.Post), &p) == nil {
				e.hear(p.Message, p.ChannelID)
			}
		}
	})
	return e
}

// attend hears what all the customers' pages hear.
func (c *company) attend() *ears {
	c.b.Helper()
	e := newEars()
	ctx, cancel := context.WithCancel(c.b.Context())
	e.stop = cancel
	var ready sync.WaitGroup
	for _, p := range c.pages {
		ready.Add(1)
		e.done.Go(func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/chat/live", nil)
			if err != nil {
				ready.Done()
				return
			}
			resp, err := p.http.Do(req)
			ready.Done()
			if err != nil {
				return
			}
			defer func() { _ = resp.Body.Close() }()
			lines := bufio.NewScanner(resp.Body)
			lines.Buffer(nil, 1<<20)
			for lines.Scan() {
				data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
				var m struct{ Text, Room string }
				if ok && json.Unmarshal(data, &m) == nil && m.Text != "" {
					e.hear(m.Text, m.Room)
				}
			}
		})
	}
	ready.Wait()
	return e
}

// quantile is the q-th of the durations.
func quantile(list []time.Duration, q float64) time.Duration {
	slices.Sort(list)
	return list[min(int(q*float64(len(list))), len(list)-1)]
}
