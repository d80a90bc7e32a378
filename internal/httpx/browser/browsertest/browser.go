package browsertest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"

	"github.com/hutong-im/hutong/bridge"
)

// Browser is one visitor: it keeps cookies and calls handlers without a network between.
type Browser struct {
	// Header is sent with every request, beside what browsers send.
	Header http.Header
	// Addr is where the visitor seems to be; "" is 192.0.2.1:1234.
	Addr string

	mu      sync.Mutex
	handler http.Handler
	cookies map[string]string
	baked   []*http.Cookie
}

// NewBrowser makes a visitor of the pages.
func NewBrowser(pages ...bridge.Page) *Browser {
	b := &Browser{Header: http.Header{}, cookies: map[string]string{}}
	b.Visit(pages...)
	return b
}

// Visit lets the visitor see other pages from now on; cookies stay.
func (b *Browser) Visit(pages ...bridge.Page) {
	mux := http.NewServeMux()
	for _, p := range pages {
		mux.Handle(p.Pattern, p.Handler)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.handler = mux
}

// Cookies are all that were ever set, with their attributes.
func (b *Browser) Cookies() []*http.Cookie {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]*http.Cookie(nil), b.baked...)
}

// SetCookie puts a cookie into the visitor's hands.
func (b *Browser) SetCookie(name, value string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cookies[name] = value
}

func (b *Browser) request(ctx context.Context, method, target, typ string, body io.Reader) (*http.Request, http.Handler) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := httptest.NewRequestWithContext(ctx, method, target, body)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Accept-Language", "zh-CN")
	if typ != "" {
		r.Header.Set("Content-Type", typ)
	}
	maps.Copy(r.Header, b.Header)
	if b.Addr != "" {
		r.RemoteAddr = b.Addr
	}
	for k, v := range b.cookies {
		r.AddCookie(&http.Cookie{Name: k, Value: v})
	}
	return r, b.handler
}

// Do makes a request and keeps the cookies of the answer.
func (b *Browser) Do(method, target, typ string, body io.Reader) *httptest.ResponseRecorder {
	r, h := b.request(context.Background(), method, target, typ, body)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range w.Result().Cookies() {
		b.baked = append(b.baked, c)
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return w
}

// Get opens an address.
func (b *Browser) Get(target string) *httptest.ResponseRecorder { return b.Do("GET", target, "", nil) }

// Form posts an HTML form of the given names and values.
func (b *Browser) Form(target string, pairs ...string) *httptest.ResponseRecorder {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return b.Do("POST", target, "application/x-www-form-urlencoded", strings.NewReader(v.Encode()))
}

// JSON posts a value as a page's script does.
func (b *Browser) JSON(target string, v any) *httptest.ResponseRecorder {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // a mistake of the test
	}
	return b.Do("POST", target, "application/json", bytes.NewReader(raw))
}

// Live reads live events until ctx ends or the stream does; last is the Last-Event-ID, or "". Blocks
// without an event, such as the first that says where the stream stands, have no name. It returns the id
// to come back with.
func (b *Browser) Live(ctx context.Context, target, last string, on func(name, data string)) string {
	r, h := b.request(ctx, "GET", target, "", nil)
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	pr, pw := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = pw.Close() }()
		h.ServeHTTP(&pipeWriter{head: http.Header{}, w: pw}, r)
	}()
	name, data := "", ""
	for lines := bufio.NewScanner(pr); lines.Scan(); {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case field == "id":
			last = value
		case field == "event":
			name = value
		case field == "data":
			data += value
		case field == "" && value == "":
			if last != "" { // else the gateway does not run: come back later
				on(name, data)
			}
			name, data = "", ""
		}
	}
	_ = pr.Close()
	<-done
	return last
}

// pipeWriter is a http.ResponseWriter that can be flushed.
type pipeWriter struct {
	head http.Header
	w    io.Writer
}

func (p *pipeWriter) Header() http.Header         { return p.head }
func (p *pipeWriter) Write(b []byte) (int, error) { return p.w.Write(b) }
func (p *pipeWriter) WriteHeader(int)             {}
func (p *pipeWriter) FlushError() error           { return nil }
