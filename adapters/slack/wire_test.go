package slack

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

// What lacks something that all of its kind have is not understood.
func TestNewsMustBeWhole(t *testing.T) {
	for payload, kinds := range map[string]map[string]bool{
		`{"type":"event_callback","event":{"type":"message"}}`: {"events_api": true, "interactive": false, "slash_commands": false},
		`{"type":"event_callback","event":{}}`:                 {"events_api": false},
		`{"type":"event_callback"}`:                            {"events_api": false},
		`{"type":"app_rate_limited","event":{"type":"x"}}`:     {"events_api": false},
		`{"type":"shortcut","user":{"id":"U1"}}`:               {"interactive": true, "new_kind": false},
		`{"type":"shortcut"}`:                                  {"interactive": false},
		`{"user":{"id":"U1"}}`:                                 {"interactive": false},
		`{"user_id":"U1","channel_id":"C1"}`:                   {"slash_commands": true},
		`{"user_id":"U1"}`:                                     {"slash_commands": false},
		`{"channel_id":"C1"}`:                                  {"slash_commands": false},
		`{`:                                                    {"events_api": false, "interactive": false, "slash_commands": false},
	} {
		for kind, want := range kinds {
			if _, err := parse(kind, []byte(payload)); (err == nil) != want {
				t.Errorf("%s %s: %v", kind, payload, err)
			}
		}
	}
	for form, want := range map[string]bool{
		"user_id=U1&channel_id=C1": true, "user_id=U1": false, "channel_id=C1": false, "%": false, "": false,
		"payload=" + url.QueryEscape(`{"type":"shortcut","user":{"id":"U1"}}`): true, "payload=": false,
	} {
		if _, err := parseForm([]byte(form)); (err == nil) != want {
			t.Errorf("%s: %v", form, err)
		}
	}
}

func TestOnlyPOST(t *testing.T) {
	h := &hooked{quietSession(t).a}
	rec := httptest.NewRecorder()
	if h.serve(rec, httptest.NewRequest(http.MethodGet, "/", nil)); rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", rec.Code)
	}
}

// A call ends when the caller goes, or when Run does, and Slack is not told that it was heard.
func TestHookEnds(t *testing.T) {
	s := quietSession(t)
	s.work = make(chan job)
	s.a.session.Store(s)
	run, stop := context.WithCancel(t.Context())
	defer stop()
	s.ctx = run
	call := func(ctx context.Context) chan error {
		ended := make(chan error, 1)
		go func() {
			ended <- (&hooked{s.a}).hand(httptest.NewRequestWithContext(ctx, http.MethodPost, "/", nil), news{event: &event{}})
		}()
		return ended
	}
	ends := func(what string, ended chan error) {
		select {
		case err := <-ended:
			if err == nil {
				t.Errorf("%s: Slack is told that it was heard", what)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("%s: the call does not end", what)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	ends("the caller is gone", call(gone))
	taken := call(t.Context())
	<-s.work
	stop()
	ends("Run ends before it answers", taken)
	ends("Run has ended", call(t.Context()))
}
