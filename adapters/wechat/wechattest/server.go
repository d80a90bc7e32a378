// Package wechattest is WeChat's side of an Official Account, for tests: a server with the API and with
// customers. It is as strict as the documents (https://developers.weixin.qq.com/doc/service/): it refuses what
// WeChat refuses, with WeChat's errcodes, and keeps a list of complaints about what WeChat would let pass or
// answer vaguely. Tests look that it is empty.
package wechattest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Mode is how pushes are sealed.
type Mode uint8

// The modes: 安全模式, 兼容模式, 明文模式.
const (
	Safe Mode = iota
	Compatible
	Plain
)

// Options are what the two sides have agreed on. Zero values take the defaults of New.
type Options struct {
	AppID, Secret, Token, AESKey string
	Mode                         Mode
	JSON                         bool          // pushes are JSON
	Repeat                       time.Duration // between the tries of a push
	Messages                     int           // that may be sent within 48 h of a customer's message
}

// Account is the account's own id, as pushes name it.
const Account = "gh_97417a04a28d"

// Request is a call of the API.
type Request struct {
	Method string
	Path   string
	Query  url.Values // without the token
	Body   []byte
}

// Fault is what goes wrong with a call. The zero Fault is nothing.
type Fault struct {
	Status int  // answered in place of everything
	Code   int  // the same, as an errcode
	Lost   bool // it is done, and the connection breaks
	Hang   bool // it is done, and answered only when the caller has given up
}

// Server is WeChat.
type Server struct {
	opts   Options
	client *http.Client
	mux    *http.ServeMux
	pushes sync.WaitGroup

	mu         sync.Mutex
	hook       string
	closed     bool
	offset     time.Duration
	token      string
	tokenEnds  time.Time
	tokens     int // how often one was asked for
	allowed    bool
	fault      func(path string) Fault
	requests   []Request
	complaints []string
	customers  map[string]*customer
	media      map[string]*file
	cards      map[string]string // address of a QR code → scene
	menu       []Button
	notices    []Notice
	callback   bool
	queue      []failed // pushes that come again
	lost       int
	next       uint64
}

// New makes a server without customers. Close it.
func New(o Options) *Server {
	set := func(s *string, d string) {
		if *s == "" {
			*s = d
		}
	}
	set(&o.AppID, "wxba5fad812f8e6fb9")
	set(&o.Secret, "0123456789abcdef0123456789abcdef")
	set(&o.Token, "t0ken-of-tests")
	set(&o.AESKey, "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C")
	if o.Repeat == 0 {
		o.Repeat = 5 * time.Second
	}
	if o.Messages == 0 {
		o.Messages = 5
	}
	s := &Server{
		opts: o, allowed: true, callback: true,
		client:    &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
		customers: map[string]*customer{}, media: map[string]*file{}, cards: map[string]string{},
		next: 23456789012345678, // above 2^53: nobody may read a MsgId as a float
	}
	s.routes()
	s.pushes.Go(s.repeat)
	return s
}

// Options are those of New, with the defaults.
func (s *Server) Options() Options { return s.opts }

// SetHook says where to push; "" is nowhere, as with a server that is down.
func (s *Server) SetHook(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = address
}

// Close ends all repetitions.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.pushes.Wait()
}

// Advance moves the clock.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset += d
}

// now is the server's clock; s.mu is held.
func (s *Server) now() time.Time { return time.Now().Add(s.offset) }

// ExpireToken ends the access token that is in use.
func (s *Server) ExpireToken() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokenEnds = time.Time{}
}

// Tokens is how often an access token was asked for.
func (s *Server) Tokens() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens
}

// Token is the access token in use, a secret.
func (s *Server) Token() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token
}

// Allow says whether the caller's address is on the IP allow list.
func (s *Server) Allow(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allowed = on
}

// HasCallback says whether an address for pushes is set in the console.
func (s *Server) HasCallback(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.callback = on
}

// Fail makes calls fail; nil lets all be well.
func (s *Server) Fail(f func(path string) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Refuse answers the calls of a path with an errcode, n times; then all is well.
func (s *Server) Refuse(path string, code, n int) {
	s.Fail(func(p string) Fault {
		if p != path || n == 0 {
			return Fault{}
		}
		n--
		return Fault{Code: code}
	})
}

// Complaints are what was wrong with the calls and answers so far.
func (s *Server) Complaints() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.complaints)
}

// Requests are the calls of a path so far.
func (s *Server) Requests(path string) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Request
	for _, r := range s.requests {
		if r.Path == path {
			out = append(out, r)
		}
	}
	return out
}

func (s *Server) complain(format string, args ...any) {
	s.complaints = append(s.complaints, fmt.Sprintf(format, args...))
}

// maxCall bounds a call: the largest upload, and what stands around it.
const maxCall = 12 << 20

// ServeHTTP is the API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCall))
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	q := r.URL.Query()
	q.Del("access_token")
	s.mu.Lock()
	s.requests = append(s.requests, Request{r.Method, r.URL.Path, q, body})
	var f Fault
	if s.fault != nil {
		f = s.fault(r.URL.Path)
	}
	s.mu.Unlock()
	switch {
	case f.Status != 0:
		w.WriteHeader(f.Status)
		return
	case f.Code != 0:
		refuse(w, f.Code)
		return
	case !f.Lost && !f.Hang:
		s.mux.ServeHTTP(w, r)
		return
	}
	s.mux.ServeHTTP(httptest.NewRecorder(), r)
	if f.Hang {
		<-r.Context().Done()
	}
	panic(http.ErrAbortHandler)
}

// errmsg are WeChat's own words for some codes.
func errmsg(code int) string {
	switch code {
	case 0:
		return "ok"
	case 40001:
		return "invalid credential, access_token is invalid or not latest, could get access_token by getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r rid: 6470e1cf-2a1e5a72-0b0b0b0b"
	case 40164:
		return "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist rid: 6470e1cf-2a1e5a72-0b0b0b0b"
	case 45015:
		return "response out of time limit or subscription is canceled hint: [ZE1Uxa0498age8]"
	case 45047:
		return "out of response count limit rid: 6470e1cf-2a1e5a72-0b0b0b0b"
	default:
		return fmt.Sprintf("error %d rid: 6470e1cf-2a1e5a72-0b0b0b0b", code)
	}
}

func refuse(w http.ResponseWriter, code int) {
	write(w, map[string]any{"errcode": code, "errmsg": errmsg(code)})
}

func write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; encoding=utf-8")
	_ = json.NewEncoder(w).Encode(v) // the caller is gone
}

// api is a call with a token. It answers with an errcode, or with what it returns.
type api func(q url.Values, body []byte) (any, int)

func (s *Server) routes() {
	s.mux = http.NewServeMux()
	s.mux.HandleFunc("POST /cgi-bin/stable_token", s.stableToken)
	for pattern, h := range map[string]api{
		"POST /cgi-bin/message/custom/send":       s.send,
		"POST /cgi-bin/message/custom/typing":     s.typing,
		"POST /cgi-bin/message/template/send":     s.template,
		"POST /cgi-bin/message/subscribe/bizsend": s.subscription,
		"GET /cgi-bin/user/info":                  s.userInfo,
		"POST /cgi-bin/qrcode/create":             s.qrCode,
		"POST /cgi-bin/menu/create":               s.menuCreate,
		"GET /cgi-bin/menu/get":                   s.menuGet,
		"GET /cgi-bin/getcallbackip":              s.callbackIP,
		"POST /cgi-bin/callback/check":            s.callbackCheck,
	} {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, h) })
	}
	s.mux.HandleFunc("POST /cgi-bin/media/upload", s.upload)
	s.mux.HandleFunc("GET /cgi-bin/media/get", s.download)
	s.mux.HandleFunc("GET /cgi-bin/media/get/jssdk", s.download)
	s.mux.HandleFunc("GET /video/{id}", s.video)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.complain("%s %s is no call", r.Method, r.URL.Path)
		s.mu.Unlock()
		refuse(w, 40066)
	})
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, h api) {
	body, _ := io.ReadAll(r.Body) // from memory
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	code := s.checkToken(q)
	var out any
	if code == 0 {
		q.Del("access_token")
		if r.Method == http.MethodPost {
			s.checkBody(r, body)
		}
		out, code = h(q, body)
	}
	if code != 0 || out == nil {
		refuse(w, code)
		return
	}
	write(w, out)
}

func (s *Server) checkToken(q url.Values) int {
	switch token := q.Get("access_token"); {
	case !s.allowed:
		return 40164
	case token == "":
		return 41001
	case token != s.token:
		return 40001
	case !s.now().Before(s.tokenEnds):
		return 42001
	default:
		return 0
	}
}

// checkBody complains about what WeChat has shown to the letter in the past.
func (s *Server) checkBody(r *http.Request, body []byte) {
	if bytes.Contains(body, []byte(`\u`)) {
		s.complain("%s: characters are escaped: %s", r.URL.Path, body)
	}
	if bytes.Contains(body, []byte(":null")) {
		s.complain("%s: null in %s", r.URL.Path, body)
	}
	if t := r.Header.Get("Content-Type"); !strings.HasPrefix(t, "application/json") {
		s.complain("%s: content type %s", r.URL.Path, t)
	}
}

// decode reads a body strictly; false: 47001 is the answer.
func (s *Server) decode(body []byte, v any) bool {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil {
		_, err = dec.Token()
		if errors.Is(err, io.EOF) {
			return true
		}
	}
	s.complain("%v in %s", err, body)
	return false
}

func (s *Server) stableToken(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // from memory
	s.mu.Lock()
	defer s.mu.Unlock()
	var in struct {
		Grant  string `json:"grant_type"`
		AppID  string `json:"appid"`
		Secret string `json:"secret"`
		Force  bool   `json:"force_refresh"`
	}
	s.tokens++
	s.checkBody(r, body)
	switch {
	case !s.decode(body, &in):
		refuse(w, 47001)
	case in.Grant != "client_credential":
		refuse(w, 40002)
	case in.AppID != s.opts.AppID:
		refuse(w, 40013)
	case in.Secret != s.opts.Secret:
		refuse(w, 40125)
	case !s.allowed:
		refuse(w, 40164)
	default:
		if s.tokenEnds.Sub(s.now()) < 5*time.Minute {
			s.token, s.tokenEnds = s.id("TOKEN-"), s.now().Add(7200*time.Second)
		}
		write(w, map[string]any{"access_token": s.token, "expires_in": int(s.tokenEnds.Sub(s.now()).Seconds())})
	}
}
