package webchat

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

func TestCard(t *testing.T) {
	s := openShop(t)
	b := s.browser()
	w := b.Get("/c/ASKFIRST")
	for _, want := range []string{"韩梅梅", "客户经理", "ACME 贸易有限公司", "企业联系人", "/verify/verify-hanmei", "https://u.example/ASKFIRST", `data-testid="request"`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the card's page lacks %s", want)
		}
	}
	if strings.Contains(w.Body.String(), "javascript:") {
		t.Error("an address of another kind than http is shown as a link")
	}
	if len(b.Cookies()) != 0 {
		t.Error("a cookie is set before the customer has done anything")
	}
	for _, card := range []string{"NOSUCH", "a.b", strings.Repeat("A", 100), "%3Cscript%3E", "..%2f..%2fetc"} {
		if w := b.Get("/c/" + card); w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d, want 404", card, w.Code)
		}
	}
}

func TestJoin(t *testing.T) {
	s := openShop(t)
	b := s.browser()
	room := s.join(b, "ASKFIRST", "name", "  王\u202e小明 \n", "hello", "您好")
	got := events[bridge.Joined](s)
	if len(got) != 1 || got[0].Card != "ASKFIRST" || got[0].Name != "王小明" || got[0].Text != "您好" || got[0].Room != room {
		t.Errorf("received %+v", got)
	}
	c := b.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || len(c.Value) < 26 {
		t.Errorf("cookie %+v", c)
	}
	if s.kv.Contains(c.Value) {
		t.Error("the token itself is kept; only its hash may be")
	}
	if rooms := s.rooms(b); len(rooms) != 1 || rooms[0] != string(room) {
		t.Errorf("rooms %v, want %s", rooms, room)
	}
	if w := b.Get("/c/ASKFIRST"); !strings.Contains(w.Body.String(), `data-testid="continue"`) {
		t.Error("who comes again is not led to the conversation")
	}
}

// A post that is repeated since its answer was lost is the same customer and one request.
func TestJoinTwice(t *testing.T) {
	s := openShop(t)
	id := strings.Repeat("0123456789abcdef", 2)
	one := s.join(s.browser(), "OPENCARD", "id", id)
	two := s.join(s.browser(), "OPENCARD", "id", id)
	if got := events[bridge.Joined](s); one != two || len(got) != 1 {
		t.Errorf("rooms %s and %s, %d requests", one, two, len(got))
	}
	if three := s.join(s.browser(), "OPENCARD"); three == one {
		t.Error("somebody else has the same room")
	}
}

func TestOneConversationForEachMember(t *testing.T) {
	s := openShop(t)
	b := s.browser()
	lilei := s.join(b, "OPENCARD")
	if again := s.join(b, "OTHERONE"); again != lilei {
		t.Errorf("another card of the same member leads to %s, want %s", again, lilei)
	}
	if hanmei := s.join(b, "ASKFIRST"); hanmei == lilei {
		t.Error("two members have one conversation")
	}
	if rooms := s.rooms(b); len(rooms) != 2 {
		t.Errorf("rooms %v, want two", rooms)
	}
}

func TestBadRequests(t *testing.T) {
	s := openShop(t)
	for name, c := range map[string]struct {
		pairs []string
		want  int
	}{
		"no name":          {nil, http.StatusUnprocessableEntity},
		"a blank name":     {[]string{"name", " \u200b\u202e\n"}, http.StatusUnprocessableEntity},
		"a long hello":     {[]string{"name", "A", "hello", strings.Repeat("汉", 201)}, http.StatusUnprocessableEntity},
		"a long name":      {[]string{"name", strings.Repeat("汉", 900)}, http.StatusSeeOther},
		"a name of markup": {[]string{"name", "<script>alert(1)</script>{{.}}"}, http.StatusSeeOther},
		"not UTF-8":        {[]string{"name", "A\xff", "hello", "\xfe"}, http.StatusSeeOther},
		"a forged session": {[]string{"name", "A", "id", "../../x"}, http.StatusSeeOther},
		"too much":         {[]string{"name", strings.Repeat("a", 20<<10)}, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			w := s.browser().Form("/c/OPENCARD", c.pairs...)
			if w.Code != c.want || strings.Contains(w.Body.String(), "<script>alert") {
				t.Errorf("status %d, want %d", w.Code, c.want)
			}
		})
	}
	for _, j := range events[bridge.Joined](s) {
		if n := len([]rune(j.Name)); n == 0 || n > maxName || strings.ContainsAny(j.Name, "\n\u202e") {
			t.Errorf("name %q got through", j.Name)
		}
	}
}

func TestConfig(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		field  string
	}{
		"defaults":          {func(*Config) {}, ""},
		"a site":            {func(c *Config) { c.Origins = []string{"https://www.acme.example", "http://localhost:3000"} }, ""},
		"a path":            {func(c *Config) { c.Origins = []string{"https://ok.example", "https://www.acme.example/"} }, "origins[1]"},
		"no scheme":         {func(c *Config) { c.Origins = []string{"www.acme.example"} }, "origins[0]"},
		"everybody":         {func(c *Config) { c.Origins = []string{"*"} }, "origins[0]"},
		"a second policy":   {func(c *Config) { c.Origins = []string{"https://a.example; script-src *"} }, "origins[0]"},
		"capitals":          {func(c *Config) { c.Origins = []string{"https://WWW.acme.example"} }, "origins[0]"},
		"session too short": {func(c *Config) { c.Session = time.Minute }, "session"},
		"no text":           {func(c *Config) { c.MaxText = 0 }, "max_text"},
		"no file":           {func(c *Config) { c.MaxFile = 0 }, "max_file"},
		"no requests":       {func(c *Config) { c.Requests = 0 }, "requests_per_hour"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Kind().New().(*Config)
			c.change(cfg)
			var problem *bridge.FieldError
			if err := cfg.Check(); (err == nil) != (c.field == "") || errors.As(err, &problem) && problem.Field != c.field {
				t.Errorf("got %v, want a problem of %q", err, c.field)
			}
		})
	}
}

// A request of any shape is answered, and what gets on the road is clean.
func FuzzJoin(f *testing.F) {
	f.Add("OPENCARD", "name=A&hello=B&id=0123456789abcdef0123456789abcdef")
	f.Add("a.b/../c", "%zz&;=")
	f.Add("OPENCARD", "name=%00%ff%E2%80%AE")
	s := newShop(&testing.T{}, func(c *Config) { c.Requests = 100000 })
	defer s.start()()
	f.Fuzz(func(t *testing.T, card, body string) {
		s.later(time.Hour)
		b := s.browser()
		w := b.Do("POST", "/c/"+url.PathEscape(card), "application/x-www-form-urlencoded", strings.NewReader(body))
		if w.Code == http.StatusInternalServerError || w.Code == http.StatusServiceUnavailable {
			t.Errorf("status %d", w.Code)
		}
	})
}

func FuzzOrigin(f *testing.F) {
	f.Add("https://www.acme.example")
	f.Add("https://a.example; script-src *")
	f.Fuzz(func(t *testing.T, o string) {
		if validOrigin(o) && (strings.ContainsAny(o, " ;,'\"\n\t*") || strings.Count(o, "/") != 2) {
			t.Errorf("%q would change the policy", o)
		}
	})
}
