package browser

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode/utf8"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx/browser/browsertest"
)

func TestCleanText(t *testing.T) {
	for name, c := range map[string]struct {
		in, want string
		refused  bool
	}{
		"plain":          {"hello", "hello", false},
		"chinese":        {"你好，世界", "你好，世界", false},
		"line ends":      {"a\r\nb\rc", "a\nb\nc", false},
		"controls":       {"a\x00b\x1b[31mc\u0085d", "ab[31mcd", false},
		"tab stays":      {"a\tb", "a\tb", false},
		"joined emoji":   {"👨‍👩‍👧‍👦", "👨‍👩‍👧‍👦", false},
		"space around":   {"\n\n  indented \n\n", "  indented", false},
		"nothing":        {" \n\t", "", false},
		"at the limit":   {strings.Repeat("汉", 10), strings.Repeat("汉", 10), false},
		"over the limit": {strings.Repeat("汉", 11), "", true},
		"no UTF-8":       {"a\xff", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := cleanText(c.in, 10)
			if got != c.want || errors.Is(err, bridge.ErrRefused) != c.refused {
				t.Errorf("got %q, %v; want %q, refused %v", got, err, c.want, c.refused)
			}
		})
	}
}

func TestValidEmoji(t *testing.T) {
	for _, s := range []string{"👍", "👍🏽", "❤️", "👨‍👩‍👧‍👦", "🇨🇳", "1️⃣"} {
		if !validEmoji(s) {
			t.Errorf("%q is an emoji", s)
		}
	}
	for _, s := range []string{"", "a", "汉", "<b>", "1", "👍 👍", "👍\n", "\xff", strings.Repeat("👍", 20)} {
		if validEmoji(s) {
			t.Errorf("%q is none", s)
		}
	}
}

func TestCutText(t *testing.T) {
	long := strings.Repeat("汉", maxInline)
	got, more := cutText(long)
	if !more || len(got) > maxInline || len(got) < maxInline-2 || !utf8.ValidString(got) {
		t.Errorf("%d bytes, more %v, valid %v", len(got), more, utf8.ValidString(got))
	}
	if got, more := cutText("short"); got != "short" || more {
		t.Errorf("got %q, %v", got, more)
	}
}

func TestRooms(t *testing.T) {
	r := RoomOf("a.b", "c")
	if u, err := userOf(r); u != "a.b" || err != nil {
		t.Errorf("got %q, %v", u, err)
	}
	for _, bad := range []bridge.RoomID{"", ".", "a", ".a", "a."} {
		if _, err := userOf(bad); bridge.Judge(err).Verdict != bridge.VerdictPermanent {
			t.Errorf("%q: %v, want a permanent error", bad, err)
		}
	}
}

func TestLimiter(t *testing.T) {
	now := time.Unix(1000, 0)
	l := NewLimiter(func() time.Time { return now }, 1, 3)
	for i := range 3 {
		if wait := l.Take("a"); wait != 0 {
			t.Errorf("request %d waits %v", i, wait)
		}
	}
	if wait := l.Take("a"); wait <= 0 || wait > time.Second {
		t.Errorf("the fourth waits %v, want up to 1s", wait)
	}
	if wait := l.Take("b"); wait != 0 {
		t.Errorf("somebody else waits %v", wait)
	}
	now = now.Add(time.Second)
	if wait := l.Take("a"); wait != 0 {
		t.Errorf("a second later it waits %v", wait)
	}
	if wait := l.Take("a"); wait == 0 {
		t.Error("a second lets two through")
	}
	l.Forget("a")
	if wait := l.Take("a"); wait != 0 {
		t.Errorf("forgotten, it waits %v", wait)
	}
}

func TestLimiterIsBounded(t *testing.T) {
	now := time.Unix(1000, 0)
	l := NewLimiter(func() time.Time { return now }, 0.001, 1)
	key := func(i int) string { return string([]byte{byte(i), byte(i >> 8), byte(i >> 16)}) }
	for i := range maxBuckets + 500 {
		l.Take(key(i))
	}
	if n := len(l.buckets); n > maxBuckets {
		t.Errorf("%d buckets, want at most %d", n, maxBuckets)
	}
}

func TestClientKey(t *testing.T) {
	for name, c := range map[string]struct {
		remote, forwarded, want string
	}{
		"direct":                       {"203.0.113.9:5", "", "203.0.113.9"},
		"direct, with a forged header": {"203.0.113.9:5", "198.51.100.1", "203.0.113.9"},
		"behind a proxy":               {"127.0.0.1:5", "198.51.100.1", "198.51.100.1"},
		"behind a proxy, forged":       {"10.0.0.1:5", "1.1.1.1, 198.51.100.1", "198.51.100.1"},
		"behind a proxy, nonsense":     {"127.0.0.1:5", "nonsense", "127.0.0.1"},
		"one household":                {"[2001:db8:1:2:3::4]:5", "", "2001:db8:1:2::/64"},
		"IPv4 in IPv6":                 {"[::ffff:203.0.113.9]:5", "", "203.0.113.9"},
		"with a zone":                  {"[fe80::1%eth0]:5", "", "fe80::/64"},
		"nonsense":                     {"nonsense", "", "nonsense"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = c.remote
			if c.forwarded != "" {
				r.Header.Set("X-Forwarded-For", c.forwarded)
			}
			if got := ClientKey(r); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestLanguage(t *testing.T) {
	for name, c := range map[string]struct {
		target, cookie, accept, fallback, want string
	}{
		"nothing":      {"/", "", "", "", "en"},
		"the company":  {"/", "", "", "zh", "zh"},
		"browser":      {"/", "", "zh-CN,en;q=0.8", "en", "zh"},
		"by weight":    {"/", "", "en;q=0.3, zh-TW;q=0.9", "", "zh"},
		"unknown":      {"/", "", "fr, de;q=0.5", "zh", "zh"},
		"cookie":       {"/", "en", "zh-CN", "zh", "en"},
		"bad cookie":   {"/", "xx", "zh-CN", "en", "zh"},
		"chosen now":   {"/?lang=en", "zh", "zh-CN", "zh", "en"},
		"chosen badly": {"/?lang=%3Cscript%3E", "", "", "zh", "zh"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", c.target, nil)
			r.Header.Set("Accept-Language", c.accept)
			if c.cookie != "" {
				r.AddCookie(&http.Cookie{Name: langCookie, Value: c.cookie})
			}
			if got := Language(r, c.fallback); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestWordsNeedBothLanguages(t *testing.T) {
	for name, c := range map[string]struct {
		table string
		ok    bool
	}{
		"both":         {`{"a": {"en": "A", "zh": "甲"}}`, true},
		"one":          {`{"a": {"en": "A"}}`, false},
		"empty":        {`{"a": {"en": "A", "zh": ""}}`, false},
		"another":      {`{"a": {"en": "A", "zh": "甲", "fr": "A"}}`, false},
		"not a table":  {`[]`, false},
		"not finished": {`{`, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := LoadWords(fstest.MapFS{"w.json": {Data: []byte(c.table)}}, "w.json")
			if (err == nil) != c.ok {
				t.Errorf("error %v, want ok %v", err, c.ok)
			}
		})
	}
}

func TestSessions(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	kv := &browsertest.KV{}
	s := &Sessions{KV: kv, Now: func() time.Time { return now }, Name: "who", Life: 48 * time.Hour, Secure: true}
	token := NewToken()
	w := httptest.NewRecorder()
	if err := s.Start(context.Background(), w, token, "lilei", 3); err != nil {
		t.Fatal(err)
	}
	c := w.Result().Cookies()[0]
	if c.Name != "__Host-who" || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("cookie %+v", c)
	}
	if kv.Contains(token) {
		t.Error("the token itself is kept; only its hash may be")
	}
	find := func(value string) (Session, error) {
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: c.Name, Value: value})
		return s.Find(r)
	}
	if v, err := find(token); err != nil || v.User != "lilei" || v.Gen != 3 {
		t.Errorf("got %+v, %v", v, err)
	}
	for _, bad := range []string{"", "x", NewToken(), strings.Repeat("A", 5000), token + "A", "../" + token} {
		if _, err := find(bad); !errors.Is(err, bridge.ErrNotFound) {
			t.Errorf("%.20q: %v, want not found", bad, err)
		}
	}
	now = now.Add(47 * time.Hour)
	v, err := find(token)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Renew(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), v); err != nil {
		t.Fatal(err)
	}
	now = now.Add(47 * time.Hour)
	if _, err := find(token); err != nil {
		t.Errorf("renewed an hour before its end: %v", err)
	}
	now = now.Add(2 * time.Hour)
	if _, err := find(token); !errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("after its end: %v", err)
	}
	if err := Sweep(context.Background(), kv, sessionPrefix, now); err != nil {
		t.Fatal(err)
	}
	if keys, _ := kv.List(context.Background(), "", "", 10); len(keys) != 0 {
		t.Errorf("%v is kept after its end", keys)
	}
}

func TestShelfLosesNoUpdate(t *testing.T) {
	s := shelf[map[string]int]{kv: &browsertest.KV{}, prefix: "x/"}
	done := make(chan error)
	for range 8 {
		go func() {
			var err error
			for range 20 {
				err = errors.Join(err, s.update(context.Background(), "n", func(m *map[string]int) bool {
					if *m == nil {
						*m = map[string]int{}
					}
					(*m)["n"]++
					return true
				}))
			}
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if m, _, _ := s.get(context.Background(), "n"); m["n"] != 160 {
		t.Errorf("%d updates are left of 160", m["n"])
	}
}
