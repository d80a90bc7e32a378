package tencent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// secret begins every token; it must be in no error.
const secret = "s3cret-t0ken"

// network is an API on this machine: good is the token that it takes.
type network struct {
	mu     sync.Mutex
	good   string
	asked  int // for tokens
	calls  int
	answer func(w http.ResponseWriter, r *http.Request)
}

func (n *network) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	n.calls++
	good, answer := n.good, n.answer
	n.mu.Unlock()
	if r.URL.Query().Get("access_token") != good {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"errcode":42001,"errmsg":"access_token expired, `+r.URL.Query().Get("access_token")+` rid: 1-2-3"}`)
		return
	}
	answer(w, r)
}

// now sets how calls are answered from now on.
func (n *network) now(answer func(http.ResponseWriter, *http.Request)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answer = answer
}

// fetch gives a token, and makes the network take that one only.
func (n *network) fetch(context.Context) (string, time.Duration, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	n.good = fmt.Sprintf("%s-%d", secret, n.asked)
	return n.good, 2 * time.Hour, nil
}

func (n *network) expire() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.good = "none"
}

func client(t *testing.T, n *network) *Client {
	t.Helper()
	srv := httptest.NewServer(n)
	t.Cleanup(srv.Close)
	env := bridge.Env{State: &memory{}, Log: slog.New(slog.DiscardHandler), Now: time.Now}
	return &Client{URL: srv.URL, HTTP: srv.Client(), Codes: WeComCodes(), Tokens: NewTokens(env, "ww1", n.fetch)}
}

func says(text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, text)
	}
}

func TestCall(t *testing.T) {
	var got struct{ path, query, body, kind string }
	n := &network{answer: func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		q := r.URL.Query()
		q.Del("access_token")
		got.path, got.query, got.body, got.kind = r.URL.Path, q.Encode(), string(b), r.Header.Get("Content-Type")
		_, _ = io.WriteString(w, `{"errcode":0,"errmsg":"ok","msgid":"m1","new":[]}`)
	}}
	c := client(t, n)
	var out struct {
		MsgID string `json:"msgid"`
	}
	query := url.Values{"type": {"a&b 字"}}
	if err := c.Call(t.Context(), http.MethodPost, "/cgi-bin/message/send", query, map[string]string{"content": "<a>你好&"}, &out); err != nil {
		t.Fatal(err)
	}
	if got.path != "/cgi-bin/message/send" || got.query != query.Encode() || got.body != `{"content":"<a>你好&"}` || !strings.HasPrefix(got.kind, "application/json") || out.MsgID != "m1" {
		t.Errorf("%+v, %+v", got, out)
	}
	if len(query) != 1 {
		t.Errorf("the caller's query was changed: %v", len(query))
	}
	n.now(says(`{"openid":"o1"}`)) // some calls have no errcode when they succeed
	if err := c.Call(t.Context(), http.MethodGet, "/cgi-bin/user/info", nil, nil, nil); err != nil {
		t.Error(err)
	}
}

func TestCallRenewsOnce(t *testing.T) {
	n := &network{answer: says(`{"errcode":0}`)}
	c := client(t, n)
	call := func() error { return c.Call(t.Context(), http.MethodPost, "/x", nil, map[string]int{}, nil) }
	if err := call(); err != nil || n.asked != 1 {
		t.Fatalf("%v after %d tokens", err, n.asked)
	}
	n.expire()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := call(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n.asked != 2 {
		t.Errorf("%d tokens for one that expired", n.asked-1)
	}
	for _, code := range []int{40001, 40014, 42001} {
		n.now(says(fmt.Sprintf(`{"errcode":%d}`, code)))
		asked, calls := n.asked, n.calls
		err := call()
		if e, is := errors.AsType[*Error](err); !is || e.Code != code || bridge.Judge(err).Verdict != bridge.VerdictLogin || n.asked-asked != 1 || n.calls-calls != 2 {
			t.Errorf("%d: %v after %d tokens and %d calls", code, err, n.asked-asked, n.calls-calls)
		}
	}
}

func TestCallVerdicts(t *testing.T) {
	status := func(code int) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	for _, c := range []struct {
		name        string
		answer      func(http.ResponseWriter, *http.Request)
		call, query bridge.Verdict
	}{
		{"busy", says(`{"errcode":-1,"errmsg":"system error"}`), bridge.VerdictRetry, bridge.VerdictRetry},
		{"window", says(`{"errcode":95002}`), bridge.VerdictClosed, bridge.VerdictClosed},
		{"too often", says(`{"errcode":45009}`), bridge.VerdictWait, bridge.VerdictWait},
		{"unlisted", says(`{"errcode":123456}`), bridge.VerdictPermanent, bridge.VerdictPermanent},
		{"a page", says("<html>"), bridge.VerdictUnsure, bridge.VerdictRetry},
		{"another type", says(`{"errcode":0,"msgid":{}}`), bridge.VerdictUnsure, bridge.VerdictRetry},
		{"nothing", says(""), bridge.VerdictUnsure, bridge.VerdictRetry},
		{"502", status(502), bridge.VerdictRetry, bridge.VerdictRetry},
		{"504", status(504), bridge.VerdictUnsure, bridge.VerdictRetry},
		{"403", status(403), bridge.VerdictPermanent, bridge.VerdictPermanent},
		{"cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, bridge.VerdictUnsure, bridge.VerdictRetry},
	} {
		cl := client(t, &network{answer: c.answer})
		var out struct{ MsgID string }
		one := cl.Call(t.Context(), http.MethodPost, "/x", nil, map[string]int{}, &out)
		two := cl.Query(t.Context(), http.MethodPost, "/x", nil, map[string]int{}, &out)
		if a, b := bridge.Judge(one).Verdict, bridge.Judge(two).Verdict; a != c.call || b != c.query {
			t.Errorf("%s: %d (%v) and %d (%v)", c.name, a, one, b, two)
		}
		noSecret(t, one)
		noSecret(t, two)
	}
}

func noSecret(t *testing.T, err error) {
	t.Helper()
	if err != nil && (strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "access_token=")) {
		t.Errorf("a secret is in %v", err)
	}
}

func TestErrorWords(t *testing.T) {
	n := &network{answer: says(`{"errcode":60020,"errmsg":"not allow to access from your ip, hint: [1700000000_1_abc], from ip: 203.0.113.9, more info at https://open.work.weixin.qq.com/devtool/query?e=60020"}`)}
	c := client(t, n)
	for lang, want := range map[string]string{
		"zh": "本机 IP 不可信；请在应用的「企业可信IP」中添加 (/x: errcode 60020 not allow to access from your ip, from ip: 203.0.113.9)",
		"en": "this computer's address is not trusted; add the IP to 企业可信IP of the app (/x: errcode 60020 not allow to access from your ip, from ip: 203.0.113.9)",
	} {
		c.Language = func() string { return lang }
		if err := c.Call(t.Context(), http.MethodPost, "/x", nil, nil, nil); err == nil || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	// The network's own words may quote the token.
	n.now(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"errcode":40035,"errmsg":"bad `+r.URL.Query().Get("access_token")+`"}`)
	})
	noSecret(t, c.Call(t.Context(), http.MethodGet, "/x", nil, nil, nil))
	// Nor may an error of the connection.
	c.URL = "http://127.0.0.1:1"
	err := c.Call(t.Context(), http.MethodPost, "/x", nil, nil, nil)
	if bridge.Judge(err).Verdict != bridge.VerdictRetry || err == nil {
		t.Errorf("no connection: %v", err)
	}
	noSecret(t, err)
	_, err = c.Download(t.Context(), "/x", nil)
	if err == nil {
		t.Error("a file came without a connection")
	}
	noSecret(t, err)
}

func TestFetchTokens(t *testing.T) {
	answer, got := "", ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = r.Method + " " + r.URL.RequestURI() + " " + string(b)
		_, _ = io.WriteString(w, answer)
	}))
	defer srv.Close()
	c := Client{URL: srv.URL, HTTP: srv.Client(), Codes: OfficialAccountCodes(), Tokens: &Tokens{}}
	for _, x := range []struct {
		name  string
		fetch Fetch
		want  string
	}{
		{"Official Account", StableToken(c, "wx1", bridge.MakeSecret(secret)), `POST /cgi-bin/stable_token {"appid":"wx1","grant_type":"client_credential","secret":"` + secret + `"}`},
		{"WeCom", CorpToken(c, "ww1", bridge.MakeSecret(secret)), "GET /cgi-bin/gettoken?corpid=ww1&corpsecret=" + secret + " "},
	} {
		answer = `{"errcode":0,"access_token":"tok","expires_in":7200}`
		if token, life, err := x.fetch(t.Context()); err != nil || token != "tok" || life != 2*time.Hour || got != x.want {
			t.Errorf("%s: %q %v %v after %q", x.name, token, life, err, got)
		}
		answer = `{"errcode":40001,"errmsg":"invalid credential"}`
		_, _, err := x.fetch(t.Context())
		if bridge.Judge(err).Verdict != bridge.VerdictLogin {
			t.Errorf("%s, wrong secret: %v", x.name, err)
		}
		noSecret(t, err)
	}
}
