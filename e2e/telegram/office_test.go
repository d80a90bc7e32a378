// Package telegram lets customers on Telegram talk with an employee at the desk, through the real gateway.
package telegram

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/telegram/telegramtest"
	"github.com/hutong-im/hutong/e2e/gateway"
)

var binary *gateway.Binary

func TestMain(m *testing.M) {
	os.Exit(gateway.Main(m, func(b *gateway.Binary) { binary = b }))
}

// office is a company with a gateway and an employee, 李雷, at its desk.
type office struct {
	t       *testing.T
	site    *gateway.Site
	url     string // of the gateway, as the world sees it
	api     string // of the Bot API
	process *gateway.Process
	client  *http.Client
	said    int
}

// newOffice starts a gateway whose bot is at the Bot API. With a webhook it has an https address, as Telegram demands.
func newOffice(t *testing.T, api, mode string) *office {
	t.Helper()
	o := &office{t: t, api: api, site: binary.NewSite(t)}
	o.client, o.url = &http.Client{Timeout: 10 * time.Second}, o.site.URL("")
	if mode == "webhook" {
		inside, err := url.Parse(o.site.URL(""))
		if err != nil {
			t.Fatal(err)
		}
		outside := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(inside); r.Out.Host = r.In.Host }})
		t.Cleanup(outside.Close)
		o.client, o.url = outside.Client(), outside.URL
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	o.client.Jar = jar
	o.site.Found(t, gateway.Founding{Account: "desk: lilei", URL: o.url, Adapters: fmt.Sprintf(`
  desk: { kind: desk }
  web: { kind: webchat }
  tg: { kind: telegram, token: %q, api: %q, mode: %s }
`, telegramtest.Token, o.api, mode)})
	o.start()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the gateway said:\n%s", o.process.Log())
		}
		if strings.Contains(o.process.Log(), telegramtest.Token) {
			t.Error("the token is in the log")
		}
	})
	return o
}

func (o *office) start() {
	o.t.Helper()
	o.process = o.site.Run(o.t)
}

// command runs another command of the gateway, which prints JSON.
func (o *office) command(v any, args ...string) {
	o.t.Helper()
	out, err := o.site.Command(o.t.Context(), append(args, "--json")...)
	if err == nil {
		err = json.Unmarshal([]byte(out), v)
	}
	if err != nil {
		o.t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// signInLink is the employee's one-time link to the desk.
func (o *office) signInLink() string {
	o.t.Helper()
	var doors []struct{ URL string }
	o.command(&doors, "signin", "lilei")
	if len(doors) == 0 {
		o.t.Fatal("no way to sign in")
	}
	return doors[0].URL
}

// signIn takes the employee's seat at the desk, without a browser.
func (o *office) signIn() {
	o.t.Helper()
	link, err := url.Parse(o.signInLink())
	if err != nil {
		o.t.Fatal(err)
	}
	resp, err := o.client.PostForm(o.url+"/desk/enter", url.Values{"t": {link.Query().Get("t")}})
	if err != nil {
		o.t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		o.t.Fatalf("sign in: %s", resp.Status)
	}
}

// card makes a card of the employee and returns where its page leads on Telegram.
func (o *office) card(args ...string) string {
	o.t.Helper()
	var v struct{ ID string }
	o.command(&v, append([]string{"card", "new", "lilei"}, args...)...)
	resp, err := o.client.Get(o.url + "/c/" + v.ID)
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	page, err := io.ReadAll(resp.Body)
	link := regexp.MustCompile(`https://t\.me/[^"\s<]+`).FindString(string(page))
	if err != nil || !strings.HasSuffix(link, v.ID) {
		o.t.Fatalf("the card's page does not lead to Telegram: %q (%v)\n%s", link, err, page)
	}
	return link
}

// line is a message as the desk shows it.
type line struct {
	ID, Msg, As, Text, State, Reason string
	Mine, Edited, Recalled           bool
	ReplyTo                          string `json:"reply_to"`
	Files                            []struct {
		Name, Type string
		Size       int64
	}
	Reactions []struct{ Emoji string }
}

type room struct {
	Room, State, Name, Label, Network string
}

// get reads from the desk's API; false: not now.
func (o *office) get(path string, v any) bool {
	req, err := http.NewRequestWithContext(o.t.Context(), http.MethodGet, o.url+"/desk/api/"+path, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	resp, err := o.client.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(v) == nil
}

// post does what a page of the desk does, which tries again while the gateway is starting; it must work.
func (o *office) post(path, typ string, body []byte, v any) {
	o.t.Helper()
	var answer []byte
	o.until(path, func() bool {
		var status int
		status, answer = o.try(path, typ, body)
		if status != http.StatusServiceUnavailable && status > 299 {
			o.t.Fatalf("%s: %d %s", path, status, answer)
		}
		return status <= 299
	})
	if v != nil {
		if err := json.Unmarshal(answer, v); err != nil {
			o.t.Fatal(err)
		}
	}
}

func (o *office) try(path, typ string, body []byte) (status int, answer []byte) {
	o.t.Helper()
	req, err := http.NewRequestWithContext(o.t.Context(), http.MethodPost, o.url+"/desk/api/"+path, bytes.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	req.Header.Set("Content-Type", typ)
	resp, err := o.client.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return resp.StatusCode, answer
}

type fields map[string]any

func (o *office) do(path string, f fields) {
	o.t.Helper()
	b, err := json.Marshal(f)
	if err != nil {
		o.t.Fatal(err)
	}
	o.post(path, "application/json", b, nil)
}

// rooms are the employee's conversations.
func (o *office) rooms() []room {
	var v struct{ Rooms []room }
	o.get("rooms", &v)
	return v.Rooms
}

// meets waits for the conversation with a customer.
func (o *office) meets(name string) room {
	o.t.Helper()
	var found room
	o.until("a conversation with "+name, func() bool {
		for _, r := range o.rooms() {
			if r.Name == name {
				found = r
			}
		}
		return found.Room != ""
	})
	return found
}

// lines are what the employee sees of a conversation, oldest first.
func (o *office) lines(r room) []line {
	var v struct{ Lines []line }
	o.get("room?n=100&room="+url.QueryEscape(r.Room), &v)
	return v.Lines
}

// find waits for the line of a conversation that fits.
func (o *office) find(r room, what string, fits func(l line) bool) line {
	o.t.Helper()
	var found *line
	o.until(what, func() bool {
		for _, l := range o.lines(r) {
			if found == nil && fits(l) {
				found = &l
			}
		}
		return found != nil
	})
	return *found
}

func (o *office) sees(r room, text string) line {
	o.t.Helper()
	return o.find(r, "at the desk: "+text, func(l line) bool { return l.Text == text })
}

// says is what the employee writes; the id is what the desk calls it.
func (o *office) says(r room, text string, more fields) string {
	o.t.Helper()
	o.said++
	id := fmt.Sprintf("01J%023d", o.said)
	f := fields{"room": r.Room, "id": id, "text": text}
	maps.Copy(f, more)
	o.do("say", f)
	return id
}

// upload keeps a file for the next message.
func (o *office) upload(name, typ string, data []byte) string {
	o.t.Helper()
	var v struct{ Token string }
	o.post("upload?name="+url.QueryEscape(name), typ, data, &v)
	return v.Token
}

// until waits for something to become true.
func (o *office) until(what string, ok func() bool) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), 30*time.Second)
	defer cancel()
	for !ok() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			o.t.Fatalf("not within 30 s: %s", what)
		}
	}
}
