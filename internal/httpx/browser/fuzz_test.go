package browser

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
	"github.com/hutong-im/hutong/internal/httpx/browser/browsertest"
)

func quietChat() *Chat {
	h := browsertest.New(time.Now)
	return New(Options{
		Env: bridge.Env{
			Name: "web", Log: slog.New(slog.DiscardHandler), State: &browsertest.KV{}, Lobby: h.Lobby(bridge.ContactSide), Now: time.Now,
		},
		Side: bridge.ContactSide, MaxText: 100, MaxFile: 1 << 20,
		Who: func(*http.Request) (bridge.UserID, error) { return "somebody", nil },
	})
}

// Whatever a page posts, it is answered and nothing malformed gets on the road.
func FuzzPosts(f *testing.F) {
	for _, s := range []string{
		`{"room":"somebody.x","id":"01J00000000000000000000000","text":"hi","files":[],"reply_to":""}`,
		`{"room":"somebody.x","msg":"01J00000000000000000000000","text":"hi","emoji":"👍","off":true,"state":"read"}`,
		`{"room":"somebody.x","ask":"link:l1","choice":"accept","on":true,"id":"01J00000000000000000000000"}`,
		`{"files":["e30.AAAA"]}`, `{}`, `[]`, ``, `null`, `{"text":"\u0000\ud800"}`, `{"room":{"a":1}}`, `{"room":"a"} {"room":"b"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		c := quietChat()
		mux := http.NewServeMux()
		c.Mount(mux, "/chat")
		for _, name := range []string{"say", "edit", "recall", "react", "seen", "typing", "answer", "leave"} {
			r := httptest.NewRequest("POST", "/chat/api/"+name, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			if w.Code < 400 || w.Code == 500 || w.Code == http.StatusServiceUnavailable {
				t.Errorf("%s: status %d: %s", name, w.Code, w.Body)
			}
		}
	})
}

// What is made of a message is valid, or refused.
func FuzzSay(f *testing.F) {
	f.Add(`{"room":"somebody.x","id":"01J00000000000000000000000","text":"hi"}`)
	f.Add(`{"room":"somebody.x","id":"01J00000000000000000000000","text":"\u202e\u0000\r\n"}`)
	c := quietChat()
	f.Fuzz(func(t *testing.T, body string) {
		var form sayForm
		if httpx.Decode([]byte(body), &form) != nil {
			return
		}
		e, err := c.readSay(form, "somebody")
		if err != nil {
			if !errors.Is(err, bridge.ErrRefused) {
				t.Errorf("%v is no refusal", err)
			}
			return
		}
		if e.Text == "" && len(e.Files) == 0 || !utf8.ValidString(e.Text) || utf8.RuneCountInString(e.Text) > 100 || strings.ContainsAny(e.Text, "\x00\r\x1b") || !validID(string(e.Msg)) {
			t.Errorf("accepted %+v", e)
		}
	})
}

// Whatever is asked for in an address is answered without a crash.
func FuzzGets(f *testing.F) {
	for _, s := range []string{"room=somebody.x&n=20", "room=a&n=-1", "room=a&before=m1&n=3", "id=m1&i=0", "id=x&i=99999999999999999999", "%zz", "n=1;n=2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		c := quietChat()
		mux := http.NewServeMux()
		c.Mount(mux, "/chat")
		for _, name := range []string{"room", "line", "file"} {
			r := httptest.NewRequest("GET", "/chat/api/"+name, nil)
			r.URL.RawQuery = query
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			if w.Code != http.StatusBadRequest && w.Code != http.StatusNotFound {
				t.Errorf("%s?%s: status %d", name, query, w.Code)
			}
		}
	})
}

// No token but one that was given opens anything, and that one only for its user.
func FuzzToken(f *testing.F) {
	c := quietChat()
	file := bridge.File{Name: "a.txt", Type: "text/plain", Size: 3, Blob: strings.Repeat("ab", 32)}
	good, err := c.sealToken(context.Background(), file, "somebody")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good + "A")
	f.Add(strings.Replace(good, ".", "", 1))
	f.Add("e30.")
	f.Add(".")
	f.Fuzz(func(t *testing.T, token string) {
		got, err := c.openToken(token, "somebody")
		if (err == nil) != (token == good) || err == nil && got != file {
			t.Errorf("%q gives %+v, %v", token, got, err)
		}
		if _, err := c.openToken(token, "somebody else"); err == nil {
			t.Errorf("%q is good for somebody else", token)
		}
	})
}

func FuzzAcceptLanguage(f *testing.F) {
	f.Add("zh-CN,zh;q=0.9,en;q=0.8", "zh")
	f.Add(";q=;,,q", "xx")
	f.Add("en;q=1e999", "")
	f.Fuzz(func(t *testing.T, accept, cookie string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Accept-Language"] = []string{accept}
		r.AddCookie(&http.Cookie{Name: langCookie, Value: cookie})
		if l := Language(r, ""); l != "en" && l != "zh" {
			t.Errorf("%q and %q give %q", accept, cookie, l)
		}
	})
}
