package mattermost

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"
	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/adapters/adaptertest"
)

// wsConn is a WebSocket of the bot. It outlives its connection, so that it can be resumed.
type wsConn struct {
	id     string
	frames [][]byte // by number; nil was lost
	more   chan struct{}
	stop   context.CancelFunc
	forget bool // it is not known any more
}

// sentBuffer is how many frames a connection that broke may have missed: model's send queue and the buffer.
const sentBuffer = 256 + 128

// add makes a frame; server.mu is held.
func (c *wsConn) add(event model.WebsocketEventType, data map[string]any, channel string, lost bool) {
	b, _ := json.Marshal(map[string]any{
		"event": event, "data": data, "seq": len(c.frames), "broadcast": map[string]any{"channel_id": channel, "user_id": "", "team_id": ""},
	})
	if lost {
		b = nil
	}
	c.frames = append(c.frames, b)
	close(c.more)
	c.more = make(chan struct{})
}

// websocket lets everybody in; those without a good token are thrown out without a word.
func (s *server) websocket(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = ws.CloseNow() }()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	s.mu.Lock()
	good := s.caller(r) == s.bot.Id && s.trouble != adaptertest.Revoked
	s.mu.Unlock()
	if !good {
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond): // five seconds, really
		}
		return
	}
	s.mind(r)
	c, next := s.connect(r, cancel)
	go s.answer(ctx, cancel, ws)
	for {
		s.mu.Lock()
		frames, more := c.frames[min(next, len(c.frames)):], c.more
		s.mu.Unlock()
		for _, f := range frames {
			next++
			if f == nil {
				continue
			}
			if err := ws.Write(ctx, websocket.MessageText, f); err != nil {
				return
			}
		}
		if len(frames) > 0 {
			continue
		}
		select {
		case <-more:
		case <-ctx.Done():
			return
		}
	}
}

// mind is what happens while a connection is resumed. The server has let it in, counts the old one no more and does
// not count the new one yet: between them, web_hub.go drops events without using a number.
func (s *server) mind(r *http.Request) {
	s.mu.Lock()
	gap := s.gap
	if gap == nil || s.conns[r.URL.Query().Get("connection_id")] == nil {
		s.mu.Unlock()
		return
	}
	s.gap, s.between = nil, true
	s.mu.Unlock()
	gap()
	s.mu.Lock()
	s.between = false
	s.mu.Unlock()
}

// connect resumes a connection, or makes one that says hello.
func (s *server) connect(r *http.Request, stop context.CancelFunc) (*wsConn, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := 0
	_, _ = fmt.Sscan(r.URL.Query().Get("sequence_number"), &next)
	if c := s.conns[r.URL.Query().Get("connection_id")]; c != nil && !c.forget && len(c.frames)-next <= sentBuffer {
		c.stop = stop
		return c, next
	}
	for id := range s.conns {
		delete(s.conns, id)
	}
	c := &wsConn{id: s.id(), more: make(chan struct{}), stop: stop}
	s.conns[c.id] = c
	c.add(model.WebsocketEventHello, map[string]any{"connection_id": c.id, "server_version": "9.10.0"}, "", false)
	return c, 0
}

// answer answers pings.
func (s *server) answer(ctx context.Context, cancel context.CancelFunc, ws *websocket.Conn) {
	defer cancel()
	for {
		_, b, err := ws.Read(ctx)
		if err != nil {
			return
		}
		var in struct {
			Action string `json:"action"`
			Seq    int64  `json:"seq"`
		}
		if json.Unmarshal(b, &in) != nil || in.Action != "ping" {
			return
		}
		out := fmt.Appendf(nil, `{"status":"OK","data":{"text":"pong","version":"9.10.0"},"seq_reply":%d}`, in.Seq)
		if ws.Write(ctx, websocket.MessageText, out) != nil {
			return
		}
	}
}

// cut breaks all connections, once.
func (s *server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.stop()
	}
}

// restart forgets all connections, as a server that was started again.
func (s *server) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.forget = true
		c.stop()
	}
}
