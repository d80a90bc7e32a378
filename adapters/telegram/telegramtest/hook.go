package telegramtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
)

var secretToken = regexp.MustCompile(`^[A-Za-z0-9_-]{0,256}$`)

// setWebhook is setWebhook and deleteWebhook; s.mu is held.
func setWebhook(s *Server, in input) (any, *fault) {
	to := in.text("url")
	switch {
	case to != "" && !strings.HasPrefix(to, "https://"):
		return nil, bad("bad webhook: An HTTPS URL must be provided for webhook")
	case !secretToken.MatchString(in.text("secret_token")):
		return nil, bad("secret token contains unallowed characters")
	}
	s.hook = webhook{URL: to, secret: in.text("secret_token")}
	list, _ := in.params["allowed_updates"].([]any)
	for _, k := range list {
		s.hook.wanted = append(s.hook.wanted, k.(string))
	}
	s.wake()
	return true, nil
}

func webhookInfo(s *Server, _ input) (any, *fault) {
	return map[string]any{
		"url": s.hook.URL, "has_custom_certificate": false, "pending_update_count": len(s.queue),
		"last_error_message": s.hook.Error, "last_error_date": s.hook.At,
	}, nil
}

// wake says that something has happened; s.mu is held.
func (s *Server) wake() {
	close(s.news)
	s.news = make(chan struct{})
}

// deliver brings what is queued, one after another; what is not answered with 2xx comes again. It ends with the server.
func (s *Server) deliver() {
	for {
		s.mu.Lock()
		h, news, ended := s.hook, s.news, s.ended
		var next *update
		if h.URL != "" && len(s.queue) > 0 {
			next = &s.queue[0]
		}
		s.mu.Unlock()
		if ended {
			return
		}
		if next == nil {
			<-news
			continue
		}
		if status := s.bring(h, *next); status >= 200 && status <= 299 {
			continue
		}
		<-time.After(20 * time.Millisecond)
	}
}

// bring calls the webhook with an update and forgets it when it was taken.
func (s *Server) bring(h webhook, u update) int {
	status := http.StatusOK
	if h.wants(u.body) {
		body, err := json.Marshal(u.body)
		if err != nil {
			panic(err) // of this package's own making
		}
		status = s.call(h, h.secret, body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if status < 200 || status > 299 {
		s.hook.Error, s.hook.At = fmt.Sprintf("Wrong response from the webhook: %d", status), time.Now().Unix()
	} else if len(s.queue) > 0 && s.queue[0].id == u.id {
		s.queue = s.queue[1:]
	}
	return status
}

func (h webhook) wants(body map[string]any) bool {
	for _, k := range h.wanted {
		if _, ok := body[k]; ok {
			return true
		}
	}
	return false
}

// Call calls the webhook with a secret and a body of the test's own; "" is without a secret.
func (s *Server) Call(secret string, body []byte) int {
	s.mu.Lock()
	h := s.hook
	s.mu.Unlock()
	return s.call(h, secret, body)
}

// Secret is what the bot wants to be shown when it is called.
func (s *Server) Secret() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hook.secret
}

// Clear forgets what is queued.
func (s *Server) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = nil
}

func (s *Server) call(h webhook, secret string, body []byte) int {
	if s.front == nil {
		return 0
	}
	req, err := http.NewRequest(http.MethodPost, s.front(h.URL), bytes.NewReader(body)) //nolint:noctx // the client has a time-out
	if err != nil {
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	if secret != "" {
		req.Header.Set("X-Telegram-Bot-Api-Secret-Token", secret)
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}
