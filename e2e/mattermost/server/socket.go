package server

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// Whisper is a post that only the client's account sees: it comes over the WebSocket and is kept nowhere.
type Whisper struct {
	Post
	Attachments []struct {
		ImageURL string `json:"image_url"`
		Actions  []struct {
			ID, Name, Cookie string
		} `json:"actions"`
	} `json:"-"`
}

// Whispers hears what is said to the account alone, until ctx ends; then the channel is closed. It is a
// WebSocket of some thirty lines, as much of RFC 6455 as a server that behaves needs.
func (c *Client) Whispers(ctx context.Context) (<-chan Whisper, error) {
	u, err := url.Parse(c.url)
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, err
	}
	r := bufio.NewReader(conn)
	_, err = fmt.Fprintf(conn, "GET %s/websocket HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: aHV0b25nIGlzIGEgdGVzdA==\r\nAuthorization: Bearer %s\r\n\r\n", u.Path, u.Host, c.token)
	if err == nil {
		var resp *http.Response
		if resp, err = http.ReadResponse(r, nil); err == nil {
			_ = resp.Body.Close() // which is empty: what follows are frames
			if resp.StatusCode != http.StatusSwitchingProtocols {
				err = errors.New(resp.Status)
			}
		}
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("open a WebSocket: %w", err)
	}
	out := make(chan Whisper, 100)
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	hello := make(chan struct{})
	go func() {
		defer close(out)
		defer stop()
		listen(conn, r, out, hello)
	}()
	select {
	case <-hello:
		return out, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// listen reads frames until the connection ends. The server's are not masked and not in parts.
func listen(conn net.Conn, r *bufio.Reader, out chan<- Whisper, hello chan<- struct{}) {
	for {
		var head [2]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		n := uint64(head[1] & 0x7f)
		switch n {
		case 126:
			var b [2]byte
			_, _ = io.ReadFull(r, b[:])
			n = uint64(binary.BigEndian.Uint16(b[:]))
		case 127:
			var b [8]byte
			_, _ = io.ReadFull(r, b[:])
			n = binary.BigEndian.Uint64(b[:])
		}
		data := make([]byte, n)
		if _, err := io.ReadFull(r, data); err != nil {
			return
		}
		const text, ping = 1, 9
		switch head[0] & 0x0f {
		case ping: // the answer is masked with nothing
			_, _ = conn.Write(append([]byte{0x8a, 0x80 | byte(n), 0, 0, 0, 0}, data...))
		case text:
			var e struct {
				Event string `json:"event"`
				Data  struct {
					Post string `json:"post"`
				} `json:"data"`
			}
			_ = json.Unmarshal(data, &e)
			var w Whisper
			switch {
			case e.Event == "hello":
				close(hello)
			case e.Event == "ephemeral_message" && json.Unmarshal([]byte(e.Data.Post), &w.Post) == nil:
				b, _ := json.Marshal(w.Props["attachments"])
				_ = json.Unmarshal(b, &w.Attachments)
				out <- w
			}
		}
	}
}

// PressWhispered presses a button of what was said to the account alone. The server has kept nothing of it: what
// the button brings back is in a cookie.
func (c *Client) PressWhispered(ctx context.Context, w Whisper, name string) error {
	for _, a := range w.Attachments {
		for _, b := range a.Actions {
			if b.Name == name {
				return c.Do(ctx, http.MethodPost, "/posts/"+w.ID+"/actions/"+b.ID, map[string]any{"cookie": b.Cookie}, nil)
			}
		}
	}
	return fmt.Errorf("there is no button %s in %+v", name, w)
}
