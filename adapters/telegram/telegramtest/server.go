// Package telegramtest is a Telegram Bot API in memory, for tests: it refuses what Telegram's documents refuse, and more
// (a field that no method has is refused, too), and can be told to misbehave.
package telegramtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// Token and Username are the bot's.
const (
	Token    = "123456789:AAFsecret-of-the-bot_0123456789abcdef"
	Username = "acme_bot"
	botID    = 123456789
)

// Trouble is a way in which the server misbehaves, in calls that say or change something.
type Trouble string

// The troubles.
const (
	Calm    Trouble = ""
	Down    Trouble = "down"    // 503: nothing was done
	Failed  Trouble = "failed"  // 500: nobody knows
	Busy    Trouble = "busy"    // 429
	Lost    Trouble = "lost"    // done, then the connection breaks
	Slow    Trouble = "slow"    // done, and never answered
	Revoked Trouble = "revoked" // 401, for every call
)

// RetryAfter is what a busy server asks for, in seconds.
const RetryAfter = 7

// Server is the Bot API with its users.
type Server struct {
	srv   *httptest.Server
	front func(url string) string

	mu          sync.Mutex
	trouble     Trouble
	refusals    map[string]*fault // by method, once each
	chats       map[int64]*chat
	files       map[string]*File
	connections map[string]int64 // owner by business connection
	over        map[string]bool  // connections that were made anew since
	calls       []Call
	commands    map[string]int  // how many are registered, by language
	presses     map[string]bool // pressed buttons that were not answered yet
	nextPress   int
	toasts      []string
	lastID      int64 // of messages
	lastUpdate  int64
	queue       []update
	news        chan struct{} // closed when something is queued
	polls       int           // counts questions, so that an older one is ended
	cut         chan struct{} // closed to break the connection of a question
	hook        webhook
	calling     sync.WaitGroup
	ended       bool
}

type update struct {
	id   int64
	body map[string]any
}

type webhook struct {
	URL    string
	secret string
	wanted []string
	Error  string
	At     int64
}

// Call is a call that the server took.
type Call struct {
	Method string
	Params map[string]any
}

// fault is an answer that is no result.
type fault struct {
	Code       int
	Text       string
	Parameters map[string]any
}

func bad(text string, args ...any) *fault {
	return &fault{Code: http.StatusBadRequest, Text: "Bad Request: " + fmt.Sprintf(text, args...)}
}

// New starts a server. Front says where an https address of a webhook is really served; nil is nowhere.
func New(front func(url string) string) *Server {
	s := &Server{
		front: front, refusals: map[string]*fault{}, chats: map[int64]*chat{}, files: map[string]*File{}, connections: map[string]int64{}, over: map[string]bool{},
		commands: map[string]int{}, presses: map[string]bool{}, lastID: 100, lastUpdate: 5000, news: make(chan struct{}), cut: make(chan struct{}),
	}
	s.srv = httptest.NewServer(s)
	s.calling.Go(s.deliver)
	return s
}

// URL is what stands in the config as api.
func (s *Server) URL() string { return s.srv.URL }

// Close stops the server and waits for its calls of the hook.
func (s *Server) Close() {
	s.mu.Lock()
	s.ended = true
	s.wake()
	s.mu.Unlock()
	s.srv.CloseClientConnections()
	s.srv.Close()
	s.calling.Wait()
}

// Trouble makes the server misbehave from now on.
func (s *Server) Trouble(t Trouble) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = t
}

// Refuse makes the next call of a method fail.
func (s *Server) Refuse(method string, code int, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusals[method] = &fault{Code: code, Text: text}
}

// Cut breaks the connections on which somebody waits for news.
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.cut)
	s.cut = make(chan struct{})
}

// Calls are the calls of a method so far.
func (s *Server) Calls(method string) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Call
	for _, c := range s.calls {
		if c.Method == method {
			out = append(out, c)
		}
	}
	return out
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if path, ok := strings.CutPrefix(r.URL.Path, "/file/bot"+Token+"/"); ok {
		s.download(w, path)
		return
	}
	token, method, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/bot"), "/")
	s.mu.Lock()
	trouble := s.trouble
	s.mu.Unlock()
	if token != Token || trouble == Revoked {
		answer(w, nil, &fault{Code: http.StatusUnauthorized, Text: "Unauthorized"})
		return
	}
	m, known := methods()[method]
	if !known {
		answer(w, nil, &fault{Code: http.StatusNotFound, Text: "Not Found: method not found"})
		return
	}
	in, f := read(r, m.fields)
	if f != nil {
		answer(w, nil, f)
		return
	}
	if m.changes && (trouble == Down || trouble == Failed || trouble == Busy) {
		answer(w, nil, troubled(trouble))
		return
	}
	var result any
	if method == "getUpdates" {
		result, f = s.updates(r, in)
	} else {
		result, f = s.run(method, m, in)
	}
	if f == nil && m.changes && trouble == Lost {
		panic(http.ErrAbortHandler)
	}
	if f == nil && m.changes && trouble == Slow {
		<-r.Context().Done()
		return
	}
	answer(w, result, f)
}

func troubled(t Trouble) *fault {
	switch t {
	case Down:
		return &fault{Code: http.StatusServiceUnavailable, Text: "Service Unavailable"}
	case Busy:
		return &fault{
			Code: http.StatusTooManyRequests, Text: fmt.Sprintf("Too Many Requests: retry after %d", RetryAfter),
			Parameters: map[string]any{"retry_after": RetryAfter},
		}
	default:
		return &fault{Code: http.StatusInternalServerError, Text: "Internal Server Error"}
	}
}

// run does a call while nothing else happens.
func (s *Server) run(name string, m method, in input) (any, *fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, Call{name, in.params})
	if f := s.refusals[name]; f != nil {
		delete(s.refusals, name)
		return nil, f
	}
	return m.do(s, in)
}

func answer(w http.ResponseWriter, result any, f *fault) {
	w.Header().Set("Content-Type", "application/json")
	if f == nil {
		_ = json.NewEncoder(w).Encode(map[string]any{"ok": true, "result": result})
		return
	}
	out := map[string]any{"ok": false, "error_code": f.Code, "description": f.Text}
	if f.Parameters != nil {
		out["parameters"] = f.Parameters
	}
	w.WriteHeader(f.Code)
	_ = json.NewEncoder(w).Encode(out)
}

func (s *Server) download(w http.ResponseWriter, path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, f := range s.files {
		if f.path(id) == path {
			_, _ = w.Write(f.Data)
			return
		}
	}
	answer(w, nil, &fault{Code: http.StatusNotFound, Text: "Not Found"})
}

// updates is getUpdates: what came before the offset is forgotten, then there is news or a wait. A newer question ends an
// older one, as there may be one only.
func (s *Server) updates(r *http.Request, in input) (any, *fault) {
	offset, timeout := in.number("offset"), time.Duration(in.number("timeout"))*time.Second
	s.mu.Lock()
	if s.hook.URL != "" {
		s.mu.Unlock()
		return nil, &fault{Code: http.StatusConflict, Text: "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"}
	}
	s.polls++
	mine, cut := s.polls, s.cut
	s.wake()
	for len(s.queue) > 0 && s.queue[0].id < offset {
		s.queue = s.queue[1:]
	}
	s.mu.Unlock()
	limit := time.NewTimer(timeout)
	defer limit.Stop()
	for {
		s.mu.Lock()
		out := []any{}
		for _, u := range s.queue {
			if wants(in.params["allowed_updates"], u.body) {
				out = append(out, u.body)
			}
		}
		newest, news := s.polls == mine, s.news
		s.mu.Unlock()
		if !newest {
			return nil, &fault{Code: http.StatusConflict, Text: "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"}
		}
		if len(out) > 0 {
			return out[:min(len(out), 100)], nil
		}
		select {
		case <-news:
		case <-limit.C:
			return out, nil
		case <-cut:
			panic(http.ErrAbortHandler)
		case <-r.Context().Done():
			return out, nil
		}
	}
}

// wants reports whether updates of the kind were asked for.
func wants(allowed any, body map[string]any) bool {
	list, _ := allowed.([]any)
	for _, k := range list {
		if _, ok := body[k.(string)]; ok {
			return true
		}
	}
	return false
}
