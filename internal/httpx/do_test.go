package httpx

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// secret must be in no error, wherever it stood in a request or an answer.
const secret = "hunter2-t0ken"

func client(t *testing.T) *http.Client {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 5 * time.Second}
}

// post sends a request that is full of secrets.
func post(t *testing.T, c *http.Client, base, method string) (*Response, error) {
	t.Helper()
	req, err := Request(t.Context(), method, base+"/bot"+secret+"/send?key="+secret, map[string]string{"text": secret})
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	resp, err := Do(t.Context(), c, req, 64)
	noSecret(t, err)
	return resp, err
}

func noSecret(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Error("failed", "err", err)
	if strings.Contains(err.Error(), secret) || strings.Contains(log.String(), secret) {
		t.Errorf("the secret is in the error: %v", err)
	}
}

func TestDoStatus(t *testing.T) {
	for _, c := range []struct {
		status int
		head   map[string]string
		want   bridge.Verdict
		wait   time.Duration
	}{
		{200, nil, bridge.VerdictSent, 0},
		{204, nil, bridge.VerdictSent, 0},
		{302, map[string]string{"Location": "/elsewhere?" + secret}, bridge.VerdictRetry, 0},
		{307, map[string]string{"Location": "/elsewhere?" + secret}, bridge.VerdictRetry, 0},
		{400, nil, bridge.VerdictPermanent, 0},
		{401, nil, bridge.VerdictLogin, 0},
		{403, nil, bridge.VerdictPermanent, 0},
		{404, nil, bridge.VerdictPermanent, 0},
		{408, nil, bridge.VerdictRetry, 0},
		{413, nil, bridge.VerdictPermanent, 0},
		{425, nil, bridge.VerdictRetry, 0},
		{429, nil, bridge.VerdictWait, 5 * time.Second},
		{429, map[string]string{"Retry-After": "17"}, bridge.VerdictWait, 17 * time.Second},
		{500, nil, bridge.VerdictRetry, 0},
		{502, nil, bridge.VerdictRetry, 0},
		{503, nil, bridge.VerdictRetry, 0},
		{503, map[string]string{"Retry-After": "3"}, bridge.VerdictWait, 3 * time.Second},
		{504, nil, bridge.VerdictUnsure, 0},
	} {
		calls := 0
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls++
			for k, v := range c.head {
				w.Header().Set(k, v)
			}
			w.WriteHeader(c.status)
			if c.status != http.StatusNoContent {
				_, _ = io.WriteString(w, `{"error":"`+secret+strings.Repeat("x", 100)[:30]+`"}`)
			}
		}))
		resp, err := post(t, client(t), srv.URL, "POST")
		srv.Close()
		if j := bridge.Judge(err); j.Verdict != c.want || j.Wait != c.wait {
			t.Errorf("%d: %+v (%v), want %d after %v", c.status, j, err, c.want, c.wait)
		}
		if calls != 1 {
			t.Errorf("%d: asked %d times", c.status, calls)
		}
		if resp == nil || resp.Status != c.status || (c.status != 204 && !strings.Contains(string(resp.Body), secret)) {
			t.Errorf("%d: the answer itself is lost: %+v", c.status, resp)
		}
	}
}

// raw answers each connection with f and closes it.
func raw(t *testing.T, f func(net.Conn)) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			f(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	return "http://" + ln.Addr().String()
}

func readRequest(c net.Conn) {
	req, err := http.ReadRequest(bufio.NewReader(c))
	if err == nil {
		_, _ = io.Copy(io.Discard, req.Body)
	}
}

func TestDoLost(t *testing.T) {
	answer := func(text string) func(net.Conn) {
		return func(c net.Conn) { readRequest(c); _, _ = io.WriteString(c, text) }
	}
	for _, c := range []struct {
		name   string
		serve  func(net.Conn)
		method string
		want   bridge.Verdict
	}{
		{"cut before the answer", answer(""), "POST", bridge.VerdictUnsure},
		{"cut within the answer", answer("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"), "POST", bridge.VerdictUnsure},
		{"answer too large", answer("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + strings.Repeat("x", 100)), "POST", bridge.VerdictUnsure},
		{"answer is not HTTP", answer(secret + "\r\n\r\n"), "POST", bridge.VerdictUnsure},
		{"malformed header", answer("HTTP/1.1 200 OK\r\n" + secret + "\r\n\r\n"), "POST", bridge.VerdictUnsure},
		{"cut, but only asked", answer(""), "GET", bridge.VerdictRetry},
		{"an error's body is cut", answer("HTTP/1.1 500 X\r\nContent-Length: 50\r\n\r\n{"), "POST", bridge.VerdictRetry},
	} {
		_, err := post(t, client(t), raw(t, c.serve), c.method)
		if got := bridge.Judge(err).Verdict; got != c.want || err == nil {
			t.Errorf("%s: verdict %d (%v), want %d", c.name, got, err, c.want)
		}
	}
}

func TestDoNotSent(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := "http://" + ln.Addr().String()
	_ = ln.Close()
	for _, base := range []string{dead, "http://no.such.host.invalid", "gopher://127.0.0.1"} {
		_, err := post(t, client(t), base, "POST")
		if bridge.Judge(err).Verdict != bridge.VerdictRetry {
			t.Errorf("%s: %+v %v", base, bridge.Judge(err), err)
		}
	}
}

func TestDoTimeout(t *testing.T) {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer srv.Close()
	defer close(release)
	c := client(t)
	c.Timeout = 50 * time.Millisecond
	_, err := post(t, c, srv.URL, "POST")
	if bridge.Judge(err).Verdict != bridge.VerdictUnsure {
		t.Errorf("time-out after the request was sent: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, _ := Request(ctx, "POST", srv.URL+"/?"+secret, nil)
	_, err = Do(ctx, client(t), req, 64)
	noSecret(t, err)
	if bridge.Judge(err).Verdict != bridge.VerdictRetry || !errors.Is(err, context.Canceled) {
		t.Errorf("ended before it was sent: %v", err)
	}
}

func TestRequestHidesAddress(t *testing.T) {
	_, err := Request(t.Context(), "POST", "http://[::1/"+secret, nil)
	if err == nil {
		t.Fatal("a malformed address was taken")
	}
	noSecret(t, err)
	_, err = Request(t.Context(), "POST", "http://x/"+secret, func() {})
	if err == nil {
		t.Fatal("a body that is no JSON was taken")
	}
	noSecret(t, err)
}

func TestDoJSON(t *testing.T) {
	answer := ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if answer == "" {
			_, _ = w.Write(b)
		} else {
			_, _ = io.WriteString(w, answer)
		}
	}))
	defer srv.Close()
	type msg struct{ Text string }
	want := msg{Text: "你好 <&*_ 👨‍👩‍👧 \u202eabc\n/to"}
	var got msg
	req, _ := Request(t.Context(), "POST", srv.URL, want)
	if err := DoJSON(t.Context(), client(t), req, 1024, &got); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	answer = "<html>" + secret
	for method, verdict := range map[string]bridge.Verdict{"POST": bridge.VerdictUnsure, "GET": bridge.VerdictRetry} {
		req, _ = Request(t.Context(), method, srv.URL, nil)
		err := DoJSON(t.Context(), client(t), req, 1024, &got)
		noSecret(t, err)
		if bridge.Judge(err).Verdict != verdict {
			t.Errorf("%s: %v", method, err)
		}
	}
}

func TestPause(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	date := func(t time.Time) string { return t.Format(http.TimeFormat) }
	for _, c := range []struct {
		name, after, date string
		want              time.Duration
		told              bool
	}{
		{"absent", "", "", 5 * time.Second, false},
		{"seconds", "30", "", 30 * time.Second, true},
		{"fractions", "2.5", "", 2500 * time.Millisecond, true},
		{"zero", "0", "", time.Second, true},
		{"a year", "31536000", "", time.Hour, true},
		{"overflow", "1e300", "", time.Hour, true},
		{"not a number", "NaN", "", 5 * time.Second, false},
		{"negative", "-5", "", 5 * time.Second, false},
		{"nonsense", "soon", "", 5 * time.Second, false},
		{"date", date(now.Add(time.Minute)), "", time.Minute, true},
		{"date, their clock is an hour ahead", date(now.Add(time.Hour + time.Minute)), date(now.Add(time.Hour)), time.Minute, true},
		{"date, their clock is a day behind", date(now.Add(time.Minute - 24*time.Hour)), date(now.Add(-24 * time.Hour)), time.Minute, true},
		{"date in the past", date(now.Add(-time.Minute)), date(now), time.Second, true},
		{"date far away", date(now.Add(1000 * time.Hour)), date(now), time.Hour, true},
	} {
		h := http.Header{}
		if c.after != "" {
			h.Set("Retry-After", c.after)
		}
		if c.date != "" {
			h.Set("Date", c.date)
		}
		if got, told := Pause(h, now); got != c.want || told != c.told {
			t.Errorf("%s: %v %v, want %v %v", c.name, got, told, c.want, c.told)
		}
	}
}
