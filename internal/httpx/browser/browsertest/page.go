package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// Page is a user's open page: it posts as the page's script does, again until it has an answer, and
// keeps what live events have shown.
type Page struct {
	*Browser
	Base string // "/desk" or "/chat"

	mu     sync.Mutex
	since  string
	typed  map[bridge.RoomID]int
	marks  map[bridge.MsgID]string
	read   map[bridge.RoomID]bridge.MsgID
	hints  map[bridge.RoomID][]string
	outbox []func(ctx context.Context) bool // false: try again
	wake   chan struct{}
	cut    context.CancelFunc
}

// NewPage opens a page.
func NewPage(b *Browser, base string) *Page {
	return &Page{
		Browser: b, Base: base, typed: map[bridge.RoomID]int{}, marks: map[bridge.MsgID]string{},
		read: map[bridge.RoomID]bridge.MsgID{}, hints: map[bridge.RoomID][]string{}, wake: make(chan struct{}, 1),
	}
}

// Run keeps the page alive until ctx ends: live events, and posting what waits.
func (p *Page) Run(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	listens := make(chan struct{})
	all.Go(func() { p.listen(ctx, sync.OnceFunc(func() { close(listens) })) })
	all.Go(func() {
		select {
		case <-listens: // so that the page sees what its posts lead to
			// What is only of the moment is left out of a stream's first events: let it get beyond them.
			pause(ctx, 20*time.Millisecond)
			p.post(ctx)
		case <-ctx.Done():
		}
	})
}

func (p *Page) listen(ctx context.Context, begun func()) {
	for ctx.Err() == nil {
		p.mu.Lock()
		since := p.since
		once, cut := context.WithCancel(ctx)
		p.cut = cut
		p.mu.Unlock()
		since = p.Live(once, p.Base+"/live", since, func(name, data string) {
			begun()
			p.event(name, data)
		})
		cut()
		p.mu.Lock()
		p.since = since
		p.mu.Unlock()
		pause(ctx, 10*time.Millisecond)
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Cut breaks the connection of live events once; the page makes a new one.
func (p *Page) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut != nil {
		p.cut()
	}
}

func (p *Page) event(name, data string) {
	var e struct {
		Room   bridge.RoomID `json:"room"`
		Msg    bridge.MsgID  `json:"msg"`
		Text   string        `json:"text"`
		State  string        `json:"state"`
		Reason string        `json:"reason"`
	}
	if json.Unmarshal([]byte(data), &e) != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch name {
	case "typing":
		p.typed[e.Room]++
	case "mark":
		p.marks[e.Msg] = strings.TrimSpace(e.State + " " + e.Reason)
		if e.State == "read" {
			p.read[e.Room] = e.Msg
		}
	case "hint":
		p.hints[e.Room] = append(p.hints[e.Room], e.Text)
	}
}

// post works the outbox off, one at a time and in order, as pages do.
func (p *Page) post(ctx context.Context) {
	for {
		p.mu.Lock()
		var first func(context.Context) bool
		if len(p.outbox) > 0 {
			first = p.outbox[0]
		}
		p.mu.Unlock()
		if first == nil {
			select {
			case <-ctx.Done():
				return
			case <-p.wake:
			}
			continue
		}
		if !first(ctx) {
			if pause(ctx, 15*time.Millisecond); ctx.Err() != nil {
				return
			}
			continue
		}
		p.mu.Lock()
		p.outbox = p.outbox[1:]
		p.mu.Unlock()
	}
}

// Later posts a value once the page runs, and again while the answer is "not now".
func (p *Page) Later(name string, v func(ctx context.Context) (any, error)) {
	p.Queue(func(ctx context.Context) bool {
		body, err := v(ctx)
		if err != nil {
			return false
		}
		raw, err := json.Marshal(body)
		if err != nil {
			return true
		}
		r, h := p.request(ctx, "POST", p.Base+"/api/"+name, "application/json", strings.NewReader(string(raw)))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code != http.StatusServiceUnavailable && w.Code != http.StatusTooManyRequests
	})
}

// Queue lets the user do something once the page runs, and again while it returns false.
func (p *Page) Queue(do func(ctx context.Context) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outbox = append(p.outbox, do)
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Upload keeps a file and returns its token.
func (p *Page) Upload(name, typ string, data []byte) (string, error) {
	w := p.Do("POST", p.Base+"/api/upload?name="+url.QueryEscape(name), typ, strings.NewReader(string(data)))
	var got struct{ Token string }
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Token == "" {
		return "", fmt.Errorf("upload: status %d", w.Code)
	}
	return got.Token, nil
}

// Shown is what the page has of a room.
type Shown struct {
	Lines []ShownLine
	Typed int
	Read  bridge.MsgID
	Hints []string
	Asks  []ShownAsk
}

// ShownLine is a line as the page gets it.
type ShownLine struct {
	ID, Msg, As, Text string
	ReplyTo           string `json:"reply_to"`
	Mine, Recalled    bool
	Files             []struct{ Name, Type string }
	Reactions         []struct {
		Mine  bool
		Emoji string
	}
	Mark string `json:"-"`
}

// ShownAsk is a question as the page gets it.
type ShownAsk struct {
	ID, Msg string
	Choices []bridge.Choice
}

// Show reads a room anew, as the page does after a live event.
func (p *Page) Show(room bridge.RoomID) Shown {
	w := p.Get(p.Base + "/api/room?" + url.Values{"room": {string(room)}, "n": {"100"}}.Encode())
	var got struct {
		Room  struct{ Asks []ShownAsk }
		Lines []ShownLine
	}
	_ = json.Unmarshal(w.Body.Bytes(), &got) // an error page shows nothing
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, l := range got.Lines {
		got.Lines[i].Mark = p.marks[bridge.MsgID(l.Msg)]
	}
	return Shown{Lines: got.Lines, Typed: p.typed[room], Read: p.read[room], Hints: append([]string(nil), p.hints[room]...), Asks: got.Room.Asks}
}

// File reads the i-th file of a line.
func (p *Page) File(room bridge.RoomID, id string, i int) []byte {
	w := p.Get(p.Base + "/api/file?" + url.Values{"room": {string(room)}, "id": {id}, "i": {fmt.Sprint(i)}}.Encode())
	raw, _ := io.ReadAll(w.Body) // a recorder's body has no errors
	return raw
}
