// Package wecomtest is WeCom for tests: the part of its API that an app needs, and the members who hold the
// other end. It is as strict as the documents (https://developer.work.weixin.qq.com/document/): it refuses
// what WeCom refuses, swallows what WeCom swallows, signs and encrypts its pushes, and pushes again what was
// not answered with 200, three times in all. What WeCom would take though it is wrong (unknown fields, nulls,
// escaped Chinese) is kept as complaints, which tests want to be none.
package wecomtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options are what the two sides have agreed on. The zero Options are fit for use.
type Options struct {
	CorpID  string
	AgentID int
	Secret  string
	Token   string // of the callback
	AESKey  string // of the callback: 43 letters and digits
	AppName string // stands before what a member quotes of the app
	// Pause is between two tries of a push; WeCom's is 5 s, which is what 0 means.
	Pause time.Duration
	// Swallowed is what the answer to a message that the duplicate check swallows carries as msgid. The documents do
	// not say: "same" (the default) is the first message's, "none" is none, "new" is another.
	Swallowed string
	Quoted    string // what clients quote of text cards and articles, which is not documented: "" all of it, "title", "kind"
	// Misspelt writes OpitonIds in what is chosen in a card, as the documents' sample does.
	Misspelt bool
	// PerMinute and PerHour are how many messages a member gets; more are dropped without a word. 0 is WeCom's 30 and 1000.
	PerMinute, PerHour int
}

// The defaults of Options. The key is no secret: it opens nothing but a network in memory.
const (
	CorpID  = "ww5823bf96d3bd56c7"
	AgentID = 1000002
	Secret  = "wecom-s3cret-Tq7vJx2mPz0aLr9cWk4eYu8hBn1d" //nolint:gosec // see above
	Token   = "QDG6eKhutong"                              //nolint:gosec // see above
	AESKey  = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
)

// Server is WeCom. All its methods may be called concurrently. Close ends it.
type Server struct {
	opts Options
	mux  *http.ServeMux

	mu         sync.Mutex
	skew       time.Duration
	token      string
	tokenEnd   time.Time
	tokens     int
	users      map[string]*User // by userid in lower case
	inboxes    map[string][]*Message
	tasks      map[string]*Message
	recent     map[string]swallow // by body: the duplicate check
	codes      map[string]string  // response codes that were not used yet: to task id
	media      map[string]*medium
	menu       json.RawMessage
	faults     []*Fault
	requests   []Request
	complaints []string
	number     int
	hook       hook
	cut        bool
	pushes     pushes
}

type swallow struct {
	id    string
	until time.Time
}

// New makes a WeCom without members.
func New(o Options) *Server {
	def := func(to *string, v string) {
		if *to == "" {
			*to = v
		}
	}
	def(&o.CorpID, CorpID)
	def(&o.Secret, Secret)
	def(&o.Token, Token)
	def(&o.AESKey, AESKey)
	def(&o.AppName, "客户")
	def(&o.Swallowed, "same")
	if o.AgentID == 0 {
		o.AgentID = AgentID
	}
	if o.Pause == 0 {
		o.Pause = 5 * time.Second
	}
	if o.PerMinute == 0 {
		o.PerMinute = 30
	}
	if o.PerHour == 0 {
		o.PerHour = 1000
	}
	s := &Server{
		opts: o, users: map[string]*User{}, inboxes: map[string][]*Message{}, tasks: map[string]*Message{},
		recent: map[string]swallow{}, codes: map[string]string{}, media: map[string]*medium{},
	}
	s.pushes.stop = make(chan struct{})
	s.mux = http.NewServeMux()
	s.mux.HandleFunc("/cgi-bin/gettoken", s.getToken)
	s.handle("GET", "/cgi-bin/agent/get", s.agentGet)
	s.handle("GET", "/cgi-bin/user/get", s.userGet)
	s.handle("POST", "/cgi-bin/user/getuserid", s.userByMobile)
	s.handle("POST", "/cgi-bin/user/get_userid_by_email", s.userByEmail)
	s.handle("GET", "/cgi-bin/menu/get", s.menuGet)
	s.handle("POST", "/cgi-bin/menu/create", s.menuCreate)
	s.handle("POST", "/cgi-bin/message/send", s.messageSend)
	s.handle("POST", "/cgi-bin/message/recall", s.messageRecall)
	s.handle("POST", "/cgi-bin/message/update_template_card", s.messageUpdate)
	s.handle("POST", "/cgi-bin/media/upload", s.mediaUpload)
	s.mux.HandleFunc("/cgi-bin/media/get", s.mediaGet)
	return s
}

// Handler is the API, to be served at the address that stands in the config as api.
func (s *Server) Handler() http.Handler { return s.mux }

// Close ends it: nothing is pushed any more, and its goroutines have ended.
func (s *Server) Close() {
	s.mu.Lock()
	select {
	case <-s.pushes.stop:
	default:
		close(s.pushes.stop)
	}
	s.mu.Unlock()
	s.pushes.running.Wait()
}

// Request is a call of the API as it came.
type Request struct {
	Method, Path string
	Query        url.Values // without the token
	Body         string     // "" for multipart
}

// Requests are the calls so far, for the given path.
func (s *Server) Requests(path string) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.requests), func(r Request) bool { return r.Path != path })
}

// Complaints are what WeCom would have let pass though it is wrong.
func (s *Server) Complaints() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.complaints)
}

// Fault makes calls of one path fail.
type Fault struct {
	Path  string
	Code  int    // the errcode; with 0 the fields below count
	Msg   string // errmsg
	HTTP  int    // a status instead
	Cut   bool   // the call is done, then the connection breaks
	Hang  bool   // the call is done, and answered when the caller has given up
	Done  bool   // the call is done although Code is answered, as of a proxy that answers for WeCom
	Times int    // how often; 0 is until Calm
}

// Fail adds a fault.
func (s *Server) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// Calm takes all faults away.
func (s *Server) Calm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.cut = nil, false
}

// ExpireToken makes the access token that is in use expire now.
func (s *Server) ExpireToken() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokenEnd = s.now()
}

// AccessTokens are all that were handed out: secrets.
func (s *Server) AccessTokens() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for i := range s.tokens {
		out = append(out, tokenName(i+1))
	}
	return out
}

// Advance puts WeCom's clock forward.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skew += d
}

// now is WeCom's clock; s.mu is held.
func (s *Server) now() time.Time { return time.Now().Add(s.skew) }

func (s *Server) complain(format string, args ...any) {
	s.complaints = append(s.complaints, fmt.Sprintf(format, args...))
}

func (s *Server) next() int {
	s.number++
	return s.number
}

type obj = map[string]any

func (s *Server) answer(w http.ResponseWriter, code int, msg string, more obj) {
	out := obj{"errcode": code, "errmsg": msg}
	maps.Copy(out, more)
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_ = json.NewEncoder(w).Encode(out)
}

// refusal is an errcode.
type refusal struct {
	code int
	msg  string
}

func refuse(code int, format string, args ...any) *refusal {
	return &refusal{code, fmt.Sprintf(format, args...) + ", more info at https://open.work.weixin.qq.com/devtool/query?e=" + strconv.Itoa(code)}
}

func tokenName(n int) string { return fmt.Sprintf("accesstoken-%06d-hJv8Xq2L", n) }

// tokenLife is 7200 s: https://developer.work.weixin.qq.com/document/path/91039
const tokenLife = 7200 * time.Second

func (s *Server) getToken(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	if f := s.fault(r.URL.Path); f != nil && f.Code != 0 {
		s.answer(w, f.Code, f.Msg, nil)
		return
	}
	switch {
	case q.Get("corpid") != s.opts.CorpID:
		s.answer(w, 40013, "invalid corpid", nil)
	case q.Get("corpsecret") == "":
		s.answer(w, 41004, "corpsecret missing", nil)
	case q.Get("corpsecret") != s.opts.Secret:
		s.answer(w, 40001, "invalid credential", nil)
	default:
		if s.token == "" || !s.now().Before(s.tokenEnd) {
			s.tokens++
			s.token, s.tokenEnd = tokenName(s.tokens), s.now().Add(tokenLife)
		}
		s.answer(w, 0, "ok", obj{"access_token": s.token, "expires_in": int(s.tokenEnd.Sub(s.now()).Seconds())})
	}
}

// call is one call being served; s.mu is held while it is.
type call struct {
	r    *http.Request
	q    url.Values
	body []byte
}

// handle serves a path: method, token, faults; then f.
func (s *Server) handle(method, path string, f func(c *call) (obj, *refusal)) {
	s.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		c := &call{r: r, q: r.URL.Query()}
		var err error
		if c.body, err = readAll(r); err != nil {
			return
		}
		s.mu.Lock()
		fault, out, no := s.serve(c, method, f)
		s.mu.Unlock()
		switch {
		case fault != nil && fault.HTTP != 0:
			w.WriteHeader(fault.HTTP)
		case fault != nil && fault.Code != 0:
			s.answer(w, fault.Code, fault.Msg, nil)
		case fault != nil && fault.Cut:
			panic(http.ErrAbortHandler)
		case fault != nil && fault.Hang:
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		case no != nil:
			s.answer(w, no.code, no.msg, nil)
		default:
			s.answer(w, 0, "ok", out)
		}
	})
}

func (s *Server) serve(c *call, method string, f func(c *call) (obj, *refusal)) (*Fault, obj, *refusal) {
	fault := s.fault(c.r.URL.Path)
	if fault != nil && (fault.Code != 0 || fault.HTTP != 0) && !fault.Done {
		return fault, nil, nil
	}
	token := c.q.Get("access_token")
	c.q.Del("access_token")
	seen := Request{Method: c.r.Method, Path: c.r.URL.Path, Query: c.q}
	if strings.HasPrefix(c.r.Header.Get("Content-Type"), "application/json") {
		seen.Body = string(c.body)
		s.look(c.r.URL.Path, c.body)
	}
	switch {
	case c.r.Method != method:
		return nil, nil, refuse(43001, "require %s method", method)
	case token == "":
		return nil, nil, refuse(41001, "access_token missing")
	case token != s.token:
		return nil, nil, refuse(40014, "invalid access_token %s", token) // Tencent's errmsg has been seen to quote it
	case !s.now().Before(s.tokenEnd):
		return nil, nil, refuse(42001, "access_token expired")
	}
	s.requests = append(s.requests, seen)
	out, no := f(c)
	return fault, out, no
}

// fault is the one that a call of the path meets; s.mu is held.
func (s *Server) fault(path string) *Fault {
	i := slices.IndexFunc(s.faults, func(f *Fault) bool { return f.Path == path })
	if i < 0 {
		return nil
	}
	f := s.faults[i]
	if f.Times > 0 {
		if f.Times--; f.Times == 0 {
			s.faults = slices.Delete(s.faults, i, i+1)
		}
	}
	return f
}
