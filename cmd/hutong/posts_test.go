package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hutong-im/hutong/bridge"
)

// porter is an adapter that only has addresses.
type porter struct {
	name     string
	patterns []string
}

func (p porter) Run(ctx context.Context, _ bridge.Inbox) error {
	<-ctx.Done()
	return ctx.Err()
}

func (p porter) Send(context.Context, bridge.RoomID, bridge.Draft) ([]bridge.MsgID, error) {
	return nil, nil
}

func (p porter) Caps() bridge.Caps { return bridge.Caps{} }

func (p porter) answer(w http.ResponseWriter, r *http.Request) {
	_, _ = w.Write([]byte(p.name + " " + r.URL.Path))
}

func (p porter) Pages() []bridge.Page {
	var list []bridge.Page
	for _, pattern := range p.patterns {
		list = append(list, bridge.Page{Pattern: pattern, Handler: http.HandlerFunc(p.answer)})
	}
	return list
}

// caller is a porter that its network calls.
type caller struct{ porter }

func (c caller) Hook() http.Handler { return http.HandlerFunc(c.answer) }

func TestLay(t *testing.T) {
	mux, clashes := lay(map[string]bridge.Adapter{
		"a": porter{name: "a", patterns: []string{"/a", "/shared/{x}"}},
		"b": caller{porter{name: "b", patterns: []string{"GET /b/"}}},
	})
	if len(clashes) > 0 {
		t.Fatal(clashes)
	}
	for path, want := range map[string]string{
		"/a": "a /a", "/shared/1": "a /shared/1", "/b/c": "b /b/c",
		"/hook/b": "b /hook/b", "/hook/b/sub": "b /hook/b/sub", "/hook/a": "404 page not found\n", "/c": "404 page not found\n",
	} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if got := w.Body.String(); got != want {
			t.Errorf("%s answers %q, want %q", path, got, want)
		}
	}
}

func TestLayNamesWhoClashes(t *testing.T) {
	for name, c := range map[string]struct {
		list map[string]bridge.Adapter
		who  string
		want []string
	}{
		"the same": {
			map[string]bridge.Adapter{"a": porter{patterns: []string{"/x"}}, "b": porter{patterns: []string{"/x"}}},
			"b",
			[]string{"/x", "a serves"},
		},
		"overlapping": {
			map[string]bridge.Adapter{"a": porter{patterns: []string{"/x/{y}/z"}}, "b": porter{patterns: []string{"/x/a/{z}"}}},
			"b",
			[]string{"/x/a/{z}", "/x/{y}/z"},
		},
		"the gateway's": {map[string]bridge.Adapter{"a": porter{patterns: []string{"/metrics"}}}, "a", []string{house}},
		"the root":      {map[string]bridge.Adapter{"a": porter{patterns: []string{"/{$}"}}}, "a", []string{house}},
		"its own twice": {map[string]bridge.Adapter{"a": porter{patterns: []string{"/x", "/x"}}}, "a", []string{"a serves"}},
		"no pattern":    {map[string]bridge.Adapter{"a": porter{patterns: []string{"x{"}}}, "a", []string{"fault of the program"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, clashes := lay(c.list)
			if len(clashes) != 1 || clashes[c.who] == nil {
				t.Fatalf("clashes = %v", clashes)
			}
			for _, word := range c.want {
				if !strings.Contains(clashes[c.who].Error(), word) {
					t.Errorf("%q lacks %q", clashes[c.who], word)
				}
			}
		})
	}
}
