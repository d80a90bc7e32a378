package httpx

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hutong-im/hutong/bridge"
)

func TestSecure(t *testing.T) {
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "ok") })
	get := func(p Policy) http.Header {
		rec := httptest.NewRecorder()
		Secure(ok, p).ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
		return rec.Header()
	}
	strict := get(Policy{})
	csp := strict.Get("Content-Security-Policy")
	if strings.Contains(csp, "unsafe") || !strings.Contains(csp, "default-src 'none'") || !strings.HasSuffix(csp, "frame-ancestors 'none'") {
		t.Errorf("policy %q", csp)
	}
	for _, name := range []string{"X-Content-Type-Options", "Referrer-Policy", "X-Frame-Options", "Cross-Origin-Opener-Policy"} {
		if strict.Get(name) == "" {
			t.Errorf("%s is missing", name)
		}
	}
	widget := get(Policy{Frames: []string{"'self'", "https://acme.example"}, Anywhere: true})
	if csp := widget.Get("Content-Security-Policy"); !strings.HasSuffix(csp, "frame-ancestors 'self' https://acme.example") {
		t.Errorf("policy of the widget %q", csp)
	}
	if widget.Get("X-Frame-Options") != "" || widget.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
		t.Errorf("the widget cannot be shown elsewhere: %v", widget)
	}
}

func TestSameOrigin(t *testing.T) {
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	h, err := SameOrigin(ok, "https://chat.acme.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, method, site, origin string
		want                       int
	}{
		{"own page", "POST", "same-origin", "https://gw.example", 200},
		{"own page, old browser", "POST", "", "http://gw.example", 200},
		{"outward address", "POST", "", "https://chat.acme.example", 200},
		{"no browser", "POST", "", "", 200},
		{"another site", "POST", "cross-site", "https://evil.example", 403},
		{"another site, old browser", "POST", "", "https://evil.example", 403},
		{"sandboxed frame", "POST", "", "null", 403},
		{"a sister site", "POST", "same-site", "https://x.gw.example", 403},
		{"a link from elsewhere", "GET", "cross-site", "", 200},
		{"delete from elsewhere", "DELETE", "cross-site", "https://evil.example", 403},
	} {
		r := httptest.NewRequest(c.method, "http://gw.example/x", nil)
		if c.site != "" {
			r.Header.Set("Sec-Fetch-Site", c.site)
		}
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != c.want {
			t.Errorf("%s: %d, want %d", c.name, rec.Code, c.want)
		}
	}
	if _, err := SameOrigin(ok, "chat.acme.example/path"); err == nil {
		t.Error("a malformed origin was taken")
	}
}

func TestFileHeaders(t *testing.T) {
	for _, c := range []struct{ name, typ, wantType, wantHow string }{
		{"猫.png", "image/png", "image/png", `inline; filename*=utf-8''%E7%8C%AB.png`},
		{"x.svg", "image/svg+xml", "application/octet-stream", `attachment; filename=x.svg`},
		{"x.html", "text/html; charset=utf-8", "application/octet-stream", `attachment; filename=x.html`},
		{"../../etc/passwd", "text/plain", "text/plain", `attachment; filename=passwd`},
		{`C:\evil".txt` + "\r\nSet-Cookie: a", "", "application/octet-stream", `attachment; filename="evil.txtSet-Cookie: a"`},
		{"..", "nonsense;;", "application/octet-stream", `attachment; filename=file`},
	} {
		head := http.Header{}
		FileHeaders(head, c.name, c.typ)
		if got := head.Get("Content-Type"); got != c.wantType {
			t.Errorf("%s: type %q, want %q", c.name, got, c.wantType)
		}
		if got := head.Get("Content-Disposition"); got != c.wantHow {
			t.Errorf("%s: disposition %q, want %q", c.name, got, c.wantHow)
		}
		if head.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(head.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: %v", c.name, head)
		}
	}
}

func TestReadJSON(t *testing.T) {
	type in struct {
		Text string `json:"text"`
	}
	for _, c := range []struct {
		name, typ, body string
		want            error
	}{
		{"good", "application/json; charset=utf-8", `{"text":"你好 <&>"}`, nil},
		{"a form of another site", "text/plain", `{"text":"x"}`, bridge.ErrRefused},
		{"no type", "", `{"text":"x"}`, bridge.ErrRefused},
		{"too large", "application/json", `{"text":"` + strings.Repeat("x", 100) + `"}`, bridge.ErrTooLarge},
		{"unknown field", "application/json", `{"text":"x","admin":"hunter2"}`, bridge.ErrRefused},
		{"cut", "application/json", `{"text":"hunter2`, bridge.ErrRefused},
		{"two values", "application/json", `{"text":"x"}{"text":"hunter2"}`, bridge.ErrRefused},
		{"empty", "application/json", ``, bridge.ErrRefused},
	} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(c.body))
		r.Header.Set("Content-Type", c.typ)
		var v in
		err := ReadJSON(httptest.NewRecorder(), r, 64, &v)
		if !errors.Is(err, c.want) || (c.want == nil && err != nil) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error quotes the body: %v", c.name, err)
		}
		if c.want == nil && v.Text != "你好 <&>" {
			t.Errorf("%s: read %q", c.name, v.Text)
		}
	}
}

func TestWriteJSON(t *testing.T) {
	rec := httptest.NewRecorder()
	WriteJSON(rec, http.StatusCreated, map[string]string{"text": "<&> 你好"})
	if rec.Code != http.StatusCreated || rec.Body.String() != `{"text":"<&> 你好"}` {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if rec.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", rec.Header())
	}
	rec = httptest.NewRecorder()
	WriteJSON(rec, http.StatusOK, func() {})
	if rec.Code != http.StatusInternalServerError {
		t.Errorf("what cannot be written answers %d", rec.Code)
	}
}

func TestStatus(t *testing.T) {
	for err, want := range map[error]int{
		nil: 200, bridge.ErrTooLarge: 413, bridge.ErrRefused: 400, bridge.ErrNotFound: 404, bridge.ErrStale: 409, bridge.ErrFull: 503,
	} {
		if err != nil {
			err = fmt.Errorf("wrapped: %w", err)
		}
		if got := Status(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}
