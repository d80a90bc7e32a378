package wecomtest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Tries is how often a push is made in all, and Deadline how long each may take: https://developer.work.weixin.qq.com/document/path/90238
const (
	Tries    = 3
	Deadline = 5 * time.Second
)

// hook is where pushes go.
type hook struct {
	mu      sync.RWMutex // held for reading while a handler of this process is being called
	handler http.Handler
	url     string
	set     bool
}

func (h *hook) unset() bool { return !h.set }

// SetHook tells the address of the callback, as an administrator does in the console.
func (s *Server) SetHook(address string) {
	s.hook.mu.Lock()
	defer s.hook.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook.url, s.hook.set = address, address != ""
}

// SetHandler is SetHook for a callback in this process; nil is one that nobody listens to. Calls that are under way
// have ended when it returns.
func (s *Server) SetHandler(h http.Handler) {
	s.hook.mu.Lock()
	defer s.hook.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook.handler = h
	s.hook.set = s.hook.set || h != nil
}

// pushes are the pushes of each member that were not tried yet, in order.
type pushes struct {
	queues  map[string][]*push
	running sync.WaitGroup
	stop    chan struct{}
	lost    int
}

type push struct {
	body  []byte
	press *Message // the card that an answer may change
}

// Lost counts the pushes that were given up.
func (s *Server) Lost() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pushes.lost
}

// CutNext breaks the connection of the next push before its answer is read: it is pushed again.
func (s *Server) CutNext() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = true
}

// push queues a push of a member's; each member's are tried in order, once, and those that fail are tried again beside
// the others. s.mu is held.
func (s *Server) push(user string, p *push) {
	if s.pushes.queues == nil {
		s.pushes.queues = map[string][]*push{}
	}
	select {
	case <-s.pushes.stop:
		return
	default:
	}
	q, running := s.pushes.queues[user]
	s.pushes.queues[user] = append(q, p)
	if !running {
		s.pushes.running.Go(func() { s.drain(user) })
	}
}

func (s *Server) drain(user string) {
	for {
		s.mu.Lock()
		q := s.pushes.queues[user]
		if len(q) == 0 {
			delete(s.pushes.queues, user)
			s.mu.Unlock()
			return
		}
		p := q[0]
		s.pushes.queues[user] = q[1:]
		s.mu.Unlock()
		if !s.try(p) {
			s.pushes.running.Go(func() { s.retry(p) })
		}
	}
}

func (s *Server) retry(p *push) {
	for range Tries - 1 {
		select {
		case <-time.After(s.opts.Pause):
		case <-s.pushes.stop:
			return
		}
		if s.try(p) {
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushes.lost++
}

// try pushes once. Each try has a nonce of its own, and is encrypted anew.
func (s *Server) try(p *push) bool {
	ctx, cancel := context.WithTimeout(context.Background(), Deadline)
	defer cancel()
	s.pushes.running.Go(func() {
		select {
		case <-s.pushes.stop:
			cancel()
		case <-ctx.Done():
		}
	})
	s.mu.Lock()
	query, body := s.seal(p.body, s.opts.Token, time.Now())
	cut := s.cut
	s.cut = false
	s.mu.Unlock()
	status, answer := s.call(ctx, query, body)
	if status != http.StatusOK || cut {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(bytes.TrimSpace(answer)) > 0 {
		s.apply(p, answer)
	}
	return true
}

// apply does what the answer to a push wants. s.mu is held.
func (s *Server) apply(p *push, answer []byte) {
	r, err := s.open(answer)
	switch {
	case err != nil:
		s.complain("the answer to a push: %v", err)
	case r.From != s.opts.CorpID:
		s.complain("the answer to a push is from %q", r.From)
	case r.Type != "update_button" || r.Button.Name == "":
		s.complain("the answer to a push is a %q", r.Type)
	case p.press == nil:
		s.complain("update_button answers what is no card's event")
	case p.press.Card.Replaced != "":
	default:
		p.press.Card.Replaced = r.Button.Name
	}
}

// seal makes the call: its query and its body. s.mu is held.
func (s *Server) seal(msg []byte, token string, at time.Time) (url.Values, []byte) {
	text := s.encrypt(msg)
	stamp, nonce := itoa(int(at.Unix())), "nonce"+itoa(s.next())
	q := url.Values{"msg_signature": {sign(token, stamp, nonce, text)}, "timestamp": {stamp}, "nonce": {nonce}}
	return q, wrap(s.opts.CorpID, itoa(s.opts.AgentID), text)
}

func wrap(corp, agent, text string) []byte {
	return []byte("<xml><ToUserName><![CDATA[" + corp + "]]></ToUserName><AgentID><![CDATA[" + agent + "]]></AgentID>" +
		"<Encrypt><![CDATA[" + text + "]]></Encrypt></xml>")
}

// call posts to the hook, wherever it is; status 0 is that nobody answered.
func (s *Server) call(ctx context.Context, query url.Values, body []byte) (int, []byte) {
	s.hook.mu.RLock()
	defer s.hook.mu.RUnlock()
	address := s.hook.url
	if s.hook.handler != nil {
		address = "http://hook.example/"
	}
	if address == "" {
		return 0, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address+"?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return 0, nil
	}
	req.Header.Set("Content-Type", "text/xml")
	if s.hook.handler != nil {
		w := httptest.NewRecorder()
		s.hook.handler.ServeHTTP(w, req)
		if ctx.Err() != nil {
			return 0, nil
		}
		return w.Code, w.Body.Bytes()
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil
	}
	defer func() { _ = resp.Body.Close() }()
	out, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return 0, nil
	}
	return resp.StatusCode, out
}

// Knock calls the hook once with a push of your own making: signed with another token, at another time, or changed
// after that. It returns the status, 0 when nobody answers.
func (s *Server) Knock(ctx context.Context, msg []byte, token string, at time.Time, change func(q url.Values, body []byte) []byte) int {
	s.mu.Lock()
	query, body := s.seal(msg, token, at)
	s.mu.Unlock()
	if change != nil {
		body = change(query, body)
	}
	status, _ := s.call(ctx, query, body)
	return status
}

// Verify does what the console does when the address is saved, and reports whether the answer is right.
func (s *Server) Verify(ctx context.Context) bool {
	s.mu.Lock()
	echo := "echo" + itoa(s.next())
	text := s.encrypt([]byte(echo))
	stamp := itoa(int(time.Now().Unix()))
	q := url.Values{"msg_signature": {sign(s.opts.Token, stamp, "n", text)}, "timestamp": {stamp}, "nonce": {"n"}, "echostr": {text}}
	s.mu.Unlock()
	s.hook.mu.RLock()
	defer s.hook.mu.RUnlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(s.hook.url, "/")+"?"+q.Encode(), http.NoBody)
	if err != nil {
		return false
	}
	if s.hook.handler != nil {
		w := httptest.NewRecorder()
		s.hook.handler.ServeHTTP(w, req)
		return w.Code == http.StatusOK && w.Body.String() == echo
	}
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}} // 1 s: path 90930
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	out, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	return resp.StatusCode == http.StatusOK && string(out) == echo
}
