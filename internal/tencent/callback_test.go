package tencent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// callback is one whose log is kept.
func callback(e *Envelope, take func(context.Context, Push) ([]byte, error)) (*Callback, *bytes.Buffer) {
	var log bytes.Buffer
	return &Callback{Envelope: e, Take: take, Log: slog.New(slog.NewTextHandler(&log, nil))}, &log
}

func ask(c *Callback, method string, q url.Values, body io.Reader) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	c.ServeHTTP(w, httptest.NewRequest(method, "/hook/x?"+q.Encode(), body))
	return w
}

func TestCallbackCheck(t *testing.T) {
	v := vectors(t)[0]
	q := v.query()
	q.Set("echostr", v.Encrypt)
	c, _ := callback(v.envelope(t, WeComNetwork), nil)
	if w := ask(c, http.MethodGet, q, nil); w.Code != 200 || w.Body.String() != v.Msg || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
	q.Set("msg_signature", strings.Repeat("0", 40))
	if w := ask(c, http.MethodGet, q, nil); w.Code != 403 || strings.Contains(w.Body.String(), v.Msg) {
		t.Errorf("wrong signature: %d %q", w.Code, w.Body)
	}
	if w := ask(c, http.MethodPut, q, nil); w.Code != 405 || w.Header().Get("Allow") != "GET, POST" {
		t.Errorf("PUT: %d %v", w.Code, w.Header())
	}
	// An echo of an Official Account is in the clear, and must not be shown as a page.
	e := v.envelope(t, OfficialAccountNetwork)
	c, _ = callback(e, nil)
	q = url.Values{"timestamp": {v.Timestamp}, "nonce": {"n"}, "echostr": {"<script>"}, "signature": {Signature(v.Token, v.Timestamp, "n")}}
	if w := ask(c, http.MethodGet, q, nil); w.Code != 200 || w.Body.String() != "<script>" ||
		!strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
}

func TestCallbackAnswers(t *testing.T) {
	for _, c := range []struct {
		name    string
		network Network
		answer  string
		err     error
		status  int
		body    string // "sealed" for an encrypted answer
	}{
		{"stored, Official Account", OfficialAccountNetwork, "", nil, 200, "success"},
		{"stored, WeCom", WeComNetwork, "", nil, 200, ""},
		{"answered", WeComNetwork, "<xml>好</xml>", nil, 200, "sealed"},
		{"refused for good", WeComNetwork, "x", bridge.ErrRefused, 200, ""},
		{"not stored", OfficialAccountNetwork, "x", bridge.ErrFull, 503, "not stored; push it again\n"},
		{"malformed inside", WeComNetwork, "x", ErrMalformed, 400, "Bad Request\n"},
		{"answer too large", WeComNetwork, strings.Repeat("x", MaxBody+1), nil, 200, ""},
	} {
		e := vectors(t)[0].envelope(t, c.network)
		got := ""
		cb, _ := callback(e, func(_ context.Context, p Push) ([]byte, error) {
			got = string(p.Body)
			if c.answer == "" {
				return nil, c.err
			}
			return []byte(c.answer), c.err
		})
		q, body := pushed(t, e, "<xml>消息</xml>", e.opts.Receiver, false)
		w := ask(cb, http.MethodPost, q, bytes.NewReader(body))
		if got != "<xml>消息</xml>" || w.Code != c.status {
			t.Errorf("%s: %d after %q", c.name, w.Code, got)
		}
		if c.body == "sealed" {
			if clear := unsealed(t, e, w.Body.Bytes(), false); clear != c.answer || w.Header().Get("Content-Type") != "text/xml; charset=utf-8" {
				t.Errorf("%s: %q as %s", c.name, clear, w.Header().Get("Content-Type"))
			}
		} else if w.Body.String() != c.body {
			t.Errorf("%s: %q, want %q", c.name, w.Body, c.body)
		}
	}
}

func TestCallbackTurnsAway(t *testing.T) {
	v := vectors(t)[0]
	e := v.envelope(t, WeComNetwork)
	c, log := callback(e, func(context.Context, Push) ([]byte, error) {
		t.Error("taken")
		return nil, nil
	})
	q, body := pushed(t, e, "<xml/>", e.opts.Receiver, false)
	bad := url.Values{"msg_signature": {"0"}, "timestamp": q["timestamp"], "nonce": q["nonce"]}
	other, otherBody := pushed(t, e, "<xml/>", "ww2", false)
	for _, x := range []struct {
		name   string
		q      url.Values
		body   io.Reader
		status int
	}{
		{"wrong signature", bad, bytes.NewReader(body), 403},
		{"no signature", nil, bytes.NewReader(body), 403},
		{"for another", other, bytes.NewReader(otherBody), 403},
		{"malformed", q, strings.NewReader("hello"), 400},
		{"cut off", q, io.MultiReader(strings.NewReader("<xml>"), broken{}), 400},
		{"a bomb", q, strings.NewReader(`<!DOCTYPE x [<!ENTITY a "b">]><xml><Encrypt>&a;</Encrypt></xml>`), 400},
		{"too large", q, strings.NewReader(strings.Repeat(" ", MaxBody+1)), 413},
	} {
		if w := ask(c, http.MethodPost, x.q, x.body); w.Code != x.status {
			t.Errorf("%s: %d, want %d", x.name, w.Code, x.status)
		}
	}
	if n := strings.Count(log.String(), "turned away"); n != 1 {
		t.Errorf("%d lines for many refusals within a minute:\n%s", n, log)
	}
	later := e.opts.Now().Add(2 * time.Minute)
	e.opts.Now = func() time.Time { return later }
	ask(c, http.MethodPost, bad, bytes.NewReader(body))
	if !strings.Contains(log.String(), "not_logged=6") || strings.Contains(log.String(), v.Token) {
		t.Errorf("the log:\n%s", log)
	}
}

// broken is a connection that breaks.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("broken") }

// The answer must come only after Take returned, and Take must end before the network hangs up.
func TestCallbackTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := vectors(t)[0].envelope(t, WeComNetwork)
		c, _ := callback(e, func(ctx context.Context, _ Push) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		q, body := pushed(t, e, "<xml/>", e.opts.Receiver, false)
		start := time.Now()
		w := ask(c, http.MethodPost, q, bytes.NewReader(body))
		if took := time.Since(start); w.Code != 503 || took >= 5*time.Second || took < 4*time.Second {
			t.Errorf("%d after %v", w.Code, took)
		}
	})
}
