package httpx

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// How long to wait after a 429: what the network says, at most maxPause (a wrong or hostile value must
// not stop a lane for days), at least minPause, and defaultPause when it says nothing.
const (
	minPause     = time.Second
	defaultPause = 5 * time.Second
	maxPause     = time.Hour
)

// Response is an answer, read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Error is an answer that is not 2xx. It carries its verdict; an adapter whose network says more in
// the body gives the error another one.
type Error struct {
	Host   string
	Status int
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%s answered %d %s", e.Host, e.Status, http.StatusText(e.Status))
	switch {
	case e.Status == http.StatusUnauthorized:
		return text + ": the account is logged out or its token was revoked; sign in again and update the config"
	case e.Status >= 300 && e.Status < 400:
		return text + ": the address has moved; correct it in the config"
	default:
		return text
	}
}

// Request makes a request with a JSON body (none for nil), in which Chinese text and <&> stay as they
// are. Its error never quotes the address.
func Request(ctx context.Context, method, url string, body any) (*http.Request, error) {
	var r io.Reader
	if body != nil {
		b, err := EncodeJSON(body)
		if err != nil {
			return nil, err
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, r)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", redact(err))
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	return req, nil
}

// Do sends a request once and reads at most limit bytes of the answer. The error carries the verdict:
//
//	no connection                       plain: it did not arrive
//	broken after the request was sent   Unsure; plain for GET and HEAD, which change nothing
//	401                                 Login
//	429, or 503 with Retry-After        RetryAfter, at most an hour
//	504                                 Unsure: the one behind may have done it
//	3xx, 408, 425, other 5xx            plain
//	any other 4xx                       Permanent
//
// Redirects are not followed: they would carry a token to another host. With an *Error the Response is
// returned too, for networks that say more in its body.
func Do(ctx context.Context, c *http.Client, req *http.Request, limit int64) (*Response, error) {
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { sent.Store(true) },
	})
	once := *c
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := once.Do(req.WithContext(ctx)) //nolint:gosec // the config chose the address; strangers' go through Guarded
	if err != nil {
		return nil, lost(req, sent.Load(), err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	out := &Response{Status: resp.StatusCode, Header: resp.Header, Body: body}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		if int64(len(body)) > limit {
			out.Body = body[:limit]
		}
		return out, Verdict(req.URL.Host, resp.StatusCode, resp.Header, time.Now())
	}
	if err == nil && int64(len(body)) > limit {
		err = fmt.Errorf("answer of more than %d bytes: %w", limit, bridge.ErrTooLarge)
	}
	if err != nil {
		return nil, lost(req, true, err)
	}
	return out, nil
}

// DoJSON is Do, and reads the answer into v; nil takes any answer. One that cannot be read is Unsure, but for GET and
// HEAD: the network has done something.
func DoJSON(ctx context.Context, c *http.Client, req *http.Request, limit int64, v any) error {
	resp, err := Do(ctx, c, req, limit)
	if err != nil {
		return err
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(resp.Body, v); err != nil {
		return lost(req, true, errors.New("the answer is not the JSON that was expected"))
	}
	return nil
}

// lost is a request without a usable answer.
func lost(req *http.Request, sent bool, err error) error {
	err = fmt.Errorf("%s: %w", req.URL.Host, redact(err))
	if sent && req.Method != http.MethodGet && req.Method != http.MethodHead {
		return bridge.Unsure(err)
	}
	return err
}

// Verdict is the error of an answer that is not 2xx, with the verdict that Do's comment tells; for
// libraries that make the call themselves. The host is for people: never the whole address.
func Verdict(host string, status int, h http.Header, now time.Time) error {
	err := &Error{Host: host, Status: status}
	pause, told := Pause(h, now)
	switch s := status; {
	case s == http.StatusUnauthorized:
		return bridge.Login(err)
	case s == http.StatusTooManyRequests, s == http.StatusServiceUnavailable && told:
		return bridge.RetryAfter(err, pause)
	case s == http.StatusGatewayTimeout:
		return bridge.Unsure(err)
	case s == http.StatusRequestTimeout, s == http.StatusTooEarly, s < 400, s >= 500:
		return err
	default:
		return bridge.Permanent(err)
	}
}

// Pause reads Retry-After, in seconds or as a date, between a second and an hour; told is false and the
// pause 5 s when the header is absent or malformed. A date is taken against the answer's own Date, so that
// a wrong clock on either side does not matter; now serves when there is none.
func Pause(h http.Header, now time.Time) (pause time.Duration, told bool) {
	raw := h.Get("Retry-After")
	if n, err := strconv.ParseFloat(raw, 64); err == nil && n >= 0 { // some networks send fractions
		if n > maxPause.Seconds() {
			return maxPause, true
		}
		return max(time.Duration(n*float64(time.Second)), minPause), true
	}
	at, err := http.ParseTime(raw)
	if err != nil {
		return defaultPause, false
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), minPause), maxPause), true
}
