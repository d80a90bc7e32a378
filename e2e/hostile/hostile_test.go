// Package hostile sends the real gateway what strangers, broken programs and attackers send.
package hostile

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/fake"
	"github.com/hutong-im/hutong/e2e/gateway"
)

var binary *gateway.Binary

func TestMain(m *testing.M) {
	os.Exit(gateway.Main(m, func(b *gateway.Binary) { binary = b }))
}

// least is how many inputs there have to be.
const least = 1000

// mostMemory is what the gateway may have in memory at any time, in bytes: less than the bodies that are
// sent to it at once.
const mostMemory = 160 << 20

// site is a gateway with pages and two networks.
func site(t *testing.T) (s *gateway.Site, team, keyed *fake.Network) {
	t.Helper()
	s = binary.NewSite(t)
	network := func(name string) (*fake.Network, string) {
		n, err := fake.NewNetwork(fake.Options{})
		if err != nil {
			t.Fatal(err)
		}
		api := httptest.NewServer(n.Handler())
		t.Cleanup(func() { n.Close(); api.Close() })
		n.SetHook(s.URL("/hook/" + name))
		return n, fmt.Sprintf("  %s: { kind: fake, url: %q, secret: %s }\n", name, api.URL, fake.DefaultSecret)
	}
	team, first := network("team")
	keyed, second := network("keyed")
	s.Found(t, gateway.Founding{Account: "team: lilei, desk: lilei", Adapters: first + second + `
  desk: { kind: desk }
  web: { kind: webchat }
`})
	return s, team, keyed
}

// customer comes through a card and is signed in then.
func customer(t *testing.T, s *gateway.Site) target {
	t.Helper()
	out, err := s.Command(t.Context(), "card", "new", "lilei")
	if err != nil {
		t.Fatal(err)
	}
	g := target{host: strings.TrimPrefix(s.URL(""), "http://"), card: regexp.MustCompile(`/c/\w+`).FindString(out)}
	if g.card == "" {
		t.Fatalf("no card in %q", out)
	}
	client := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ask := func(method, path, body string) (cookies []*http.Cookie, text []byte) {
		req, err := http.NewRequestWithContext(t.Context(), method, s.URL(path), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", s.URL(""))
		if g.cookie != "" {
			req.Header.Set("Cookie", g.cookie)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		if text, err = io.ReadAll(resp.Body); err != nil || resp.StatusCode >= 400 {
			t.Fatalf("%s %s: %s, %v\n%s", method, path, resp.Status, err, text)
		}
		return resp.Cookies(), text
	}
	cookies, text := ask(http.MethodPost, g.card, url.Values{"name": {"伊芙"}}.Encode())
	for _, c := range cookies {
		g.cookie = c.Name + "=" + c.Value
	}
	if g.cookie == "" {
		t.Fatalf("the card gave no session:\n%s", text)
	}
	_, text = ask(http.MethodGet, "/chat/api/rooms", "")
	var list struct {
		Rooms []struct {
			Room string `json:"room"`
		} `json:"rooms"`
	}
	if err := json.Unmarshal(text, &list); err != nil || len(list.Rooms) == 0 {
		t.Fatalf("the customer has no room: %v\n%s", err, text)
	}
	g.room = list.Rooms[0].Room
	return g
}

// send sends an input on a connection of its own and returns the status of the answer; 0 is none.
func send(ctx context.Context, host string, in input) int {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", host)
	if err != nil {
		return 0
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(15 * time.Second))
	go func() {
		_, _ = conn.Write(in.raw) // ends with the connection at the latest
		if in.broken && len(in.raw) < tooMuch {
			_ = conn.(*net.TCPConn).CloseWrite() // or the server waits for the rest
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	_ = resp.Body.Close()
	return resp.StatusCode
}

// fine reports whether a status is an answer that such an input may get.
func fine(in input, status int) bool {
	switch status {
	case 0, http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return in.broken
	case http.StatusServiceUnavailable:
		return true
	default:
		return status < 500
	}
}

func TestHostileInputs(t *testing.T) {
	s, team, keyed := site(t)
	p := s.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if !p.Ready(ctx) {
		t.Fatalf("the gateway does not start:\n%s", p.Log())
	}
	g := customer(t, s)
	inputs := g.all()
	if len(inputs) < least {
		t.Fatalf("only %d inputs, want %d", len(inputs), least)
	}
	statuses := bombard(ctx, t, g.host, inputs, p)
	most := p.Peak(t)
	t.Logf("%d inputs: %v; at most %d MiB in memory", len(inputs), statuses, most>>20)
	if most > mostMemory {
		t.Errorf("the gateway has had %d MiB in memory, more than %d", most>>20, mostMemory>>20)
	}
	if trace := p.Trace(); trace != "" {
		t.Errorf("something panicked:\n%s", trace)
	}
	for _, secret := range []string{fake.DefaultSecret, strings.SplitN(g.cookie, "=", 2)[1]} {
		if strings.Contains(p.Log(), secret) {
			t.Errorf("a secret is in the log")
		}
	}
	// And now somebody who only wants to talk.
	keyed.Say(fake.Said{User: "alice", Text: "还在吗？"})
	wait, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	arrived := func() bool {
		return slices.ContainsFunc(team.All(), func(m fake.Message) bool { return strings.Contains(m.Text, "还在吗？") })
	}
	if err := team.Wait(wait, arrived); err != nil {
		t.Errorf("after all that nobody can talk any more: %v\n%s", err, p.Log())
	}
}

// bombard sends everything, several at a time, and counts the statuses.
func bombard(ctx context.Context, t *testing.T, host string, inputs []input, p *gateway.Process) map[int]int {
	t.Helper()
	statuses := map[int]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	next := make(chan input)
	for range 8 {
		all.Go(func() {
			for in := range next {
				status := send(ctx, host, in)
				mu.Lock()
				statuses[status]++
				mu.Unlock()
				if !fine(in, status) {
					t.Errorf("%s: answered with %d", in.name, status)
				}
			}
		})
	}
	for _, in := range inputs {
		select {
		case next <- in:
		case <-p.Gone():
			t.Errorf("the gateway has ended, at %s or a little before:\n%s", in.name, p.Log())
			close(next)
			all.Wait()
			return statuses
		}
	}
	close(next)
	all.Wait()
	return statuses
}
