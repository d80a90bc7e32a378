package browser

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// Options say what kind of pages a Chat stands behind.
type Options struct {
	Env     bridge.Env
	Side    bridge.Side // whose pages these are
	MaxText int         // runes that a person may type into one message
	MaxFile int64       // bytes of one file
	// Who is the signed-in user of a request; bridge.ErrNotFound is nobody.
	Who func(r *http.Request) (bridge.UserID, error)
}

// Chat is an adapter without pages: it sends to whoever has the user's page open, and takes what pages
// post. A room's id begins with its user's id (see RoomOf).
type Chat struct {
	opts  Options
	env   bridge.Env
	lobby bridge.Lobby
	live  *httpx.Stream
	gate  gate
	marks shelf[marks]
	asks  shelf[[]asked]
	said  *Limiter
	kept  *Limiter
	key   uploadKey
}

var (
	_ bridge.Adapter = (*Chat)(nil)
	_ bridge.Editor  = (*Chat)(nil)
	_ bridge.Deleter = (*Chat)(nil)
	_ bridge.Reactor = (*Chat)(nil)
	_ bridge.Typer   = (*Chat)(nil)
	_ bridge.Reader  = (*Chat)(nil)
	_ bridge.Marker  = (*Chat)(nil)
	_ bridge.Hinter  = (*Chat)(nil)
	_ bridge.Asker   = (*Chat)(nil)

	_ bridge.Forgetter = (*Chat)(nil)
)

// New makes a Chat.
func New(o Options) *Chat {
	return &Chat{
		opts: o, env: o.Env, lobby: o.Env.Lobby,
		live:  httpx.NewStream(httpx.StreamOptions{}),
		marks: shelf[marks]{kv: o.Env.State, prefix: "marks/"},
		asks:  shelf[[]asked]{kv: o.Env.State, prefix: "asks/"},
		said:  NewLimiter(o.Env.Now, 4, 120),
		kept:  NewLimiter(o.Env.Now, 0.5, 30),
	}
}

// RoomOf makes the id of a room: its user, a dot, and what tells the user's rooms apart, without a dot.
func RoomOf(u bridge.UserID, what string) bridge.RoomID {
	return bridge.RoomID(string(u) + "." + what)
}

// userOf is the user that RoomOf put into the id.
func userOf(r bridge.RoomID) (bridge.UserID, error) {
	i := strings.LastIndexByte(string(r), '.')
	if i <= 0 || i == len(r)-1 {
		return "", bridge.Permanent(fmt.Errorf("room %q is none of this adapter", r))
	}
	return bridge.UserID(r[:i]), nil
}

// msgID is what a message sent with the key is called: the same key gives the same id, so that a
// second Send shows nothing twice. Ids that pages make are upper case, these are lower case.
func msgID(key string) bridge.MsgID {
	sum := sha256.Sum256([]byte(key))
	return bridge.MsgID("k" + hex.EncodeToString(sum[:16]))
}

// Run lets pages connect and post until ctx ends, then waits for what they had begun.
func (c *Chat) Run(ctx context.Context, in bridge.Inbox) error {
	c.gate.open(ctx, in)
	err := c.live.Run(ctx)
	c.gate.close()
	return err
}

// Caps are those of a page: any length, as the page reads long texts from the history.
func (c *Chat) Caps() bridge.Caps {
	return bridge.Caps{MaxFile: c.opts.MaxFile, MaxFiles: maxFiles, Markup: bridge.CommonMark, Names: true, Dedupes: true}
}

// Send tells the user's open pages that there is a message.
func (c *Chat) Send(ctx context.Context, to bridge.RoomID, d bridge.Draft) ([]bridge.MsgID, error) {
	for _, f := range d.Files {
		if err := c.readable(f); err != nil {
			return nil, err
		}
	}
	id := msgID(d.Key)
	text, more := cutText(d.Text)
	e := lineEvent{
		Room: to, Msg: id, As: d.As.Name, Label: d.As.Text, Text: text, More: more,
		Notice:  len(d.Files) == 0 && c.house(d.As),
		ReplyTo: d.ReplyTo, At: c.env.Now().UnixMilli(),
	}
	for _, f := range d.Files {
		e.Files = append(e.Files, fileView{Name: f.Name, Type: f.Type, Size: f.Size})
	}
	if err := c.publish(ctx, to, "line", e); err != nil {
		return nil, err
	}
	return []bridge.MsgID{id}, nil
}

// house reports whether it is the gateway that speaks: in nobody's name, or in the company's.
func (c *Chat) house(as bridge.Label) bool {
	company := c.lobby.Company()
	return as.Name == "" || as.Name == company.Short || as.Name == company.Name
}

// readable reads a file once, so that nobody is shown one that cannot be opened.
func (c *Chat) readable(f bridge.Attachment) error {
	if f.Size > c.opts.MaxFile {
		return bridge.Permanent(fmt.Errorf("file of %d bytes: %w", f.Size, bridge.ErrTooLarge))
	}
	if f.Open == nil {
		return nil
	}
	r, err := f.Open()
	if err != nil {
		return fmt.Errorf("open a file: %w", err)
	}
	n, err := io.Copy(io.Discard, io.LimitReader(r, c.opts.MaxFile+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return fmt.Errorf("read a file: %w", err)
	}
	if n > c.opts.MaxFile {
		return bridge.Permanent(fmt.Errorf("file of more than %d bytes: %w", c.opts.MaxFile, bridge.ErrTooLarge))
	}
	return nil
}

// Edit tells pages that a message reads differently now.
func (c *Chat) Edit(ctx context.Context, room bridge.RoomID, msg bridge.MsgID, d bridge.Draft) error {
	u, err := userOf(room)
	if err != nil {
		return err
	}
	if _, err := c.lobby.Line(ctx, u, room, msg); errors.Is(err, bridge.ErrNotFound) {
		return bridge.Permanent(fmt.Errorf("the message to change: %w", err))
	} else if err != nil {
		return err
	}
	text, more := cutText(d.Text)
	return c.publish(ctx, room, "edited", lineEvent{Room: room, Msg: msg, Text: text, More: more})
}

// Delete tells pages that a message was taken back, or a question withdrawn.
func (c *Chat) Delete(ctx context.Context, room bridge.RoomID, msg bridge.MsgID) error {
	if _, err := userOf(room); err != nil {
		return err
	}
	if err := c.dropAsk(ctx, room, func(a asked) bool { return a.Msg == msg }); err != nil {
		return err
	}
	return c.publish(ctx, room, "deleted", lineEvent{Room: room, Msg: msg})
}

// React tells pages that an emoji was put on a message or taken off.
func (c *Chat) React(ctx context.Context, room bridge.RoomID, msg bridge.MsgID, emoji string, on bool) error {
	return c.publish(ctx, room, "reacted", struct {
		Room  bridge.RoomID `json:"room"`
		Msg   bridge.MsgID  `json:"msg"`
		Emoji string        `json:"emoji"`
		On    bool          `json:"on"`
	}{room, msg, emoji, on})
}

// Type shows that the other side is writing.
func (c *Chat) Type(_ context.Context, room bridge.RoomID) error {
	u, err := userOf(room)
	if err != nil {
		return err
	}
	c.live.Flash(string(u), "typing", encode(roomEvent{Room: room}))
	return nil
}

// MarkRead shows that the other side has read everything up to msg.
func (c *Chat) MarkRead(ctx context.Context, room bridge.RoomID, msg bridge.MsgID) error {
	return c.Mark(ctx, room, msg, bridge.Fate{State: bridge.StateRead})
}

// Mark shows the writer what became of their message, and asks what to do when it did not arrive.
func (c *Chat) Mark(ctx context.Context, room bridge.RoomID, msg bridge.MsgID, f bridge.Fate) error {
	if err := c.askFate(ctx, room, msg, f); err != nil {
		return err
	}
	return c.publish(ctx, room, "mark", struct {
		Room   bridge.RoomID `json:"room"`
		Msg    bridge.MsgID  `json:"msg"`
		State  bridge.State  `json:"state"`
		Reason string        `json:"reason,omitempty"`
	}{room, msg, f.State, f.Reason})
}

// askFate asks what to do about a message that did not arrive; any other news of it ends the question. A
// message that waits needs none: it can be recalled where it stands.
func (c *Chat) askFate(ctx context.Context, room bridge.RoomID, msg bridge.MsgID, f bridge.Fate) error {
	key := "fate-" + string(msg)
	if err := c.dropAsk(ctx, room, func(a asked) bool { return a.Msg == msgID(key) }); err != nil {
		return err
	}
	if f.Ask == nil || f.State != bridge.StateFailed && f.State != bridge.StateUnknown {
		return nil
	}
	a := *f.Ask
	if u, err := userOf(room); err == nil {
		if line, err := c.lobby.Line(ctx, u, room, msg); err == nil && line.Text != "" {
			a.Text = "“" + bridge.Tidy(line.Text, 24) + "” " + a.Text
		}
	}
	_, err := c.Ask(ctx, room, key, a)
	return err
}

// Hint says something to the room's user alone; it is gone when the page is closed.
func (c *Chat) Hint(ctx context.Context, room bridge.RoomID, user bridge.UserID, a bridge.Ask) error {
	u, err := userOf(room)
	if err != nil {
		return err
	}
	if u != user {
		return bridge.Permanent(fmt.Errorf("user %q is not in room %q", user, room))
	}
	text, _ := cutText(strings.TrimSuffix(a.Text+"\n"+a.Picture, "\n"))
	return c.publish(ctx, room, "hint", lineEvent{Room: room, Text: text})
}

// Refresh tells the user's pages that a room has appeared or changed.
func (c *Chat) Refresh(ctx context.Context, room bridge.RoomID) error {
	return c.publish(ctx, room, "room", roomEvent{Room: room})
}

// publish gives an event to the open pages of the room's user. Pages that are closed need nothing: they
// read the history when they open.
func (c *Chat) publish(ctx context.Context, room bridge.RoomID, name string, event any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	u, err := userOf(room)
	if err != nil {
		return err
	}
	c.live.Publish(string(u), name, encode(event))
	return nil
}

// encode cannot fail: events are plain structs.
func encode(v any) []byte {
	b, err := httpx.EncodeJSON(v)
	if err != nil {
		return []byte("{}")
	}
	return b
}

// errNotRunning is what a page gets while the gateway starts or stops: it keeps the text and tries again.
var errNotRunning = errors.New("the gateway is starting or stopping: try again")

// Receive brings an event to the road. nil = stored. It gives up when the page is gone or Run ends.
func (c *Chat) Receive(ctx context.Context, e bridge.Event) error {
	in, run, ok := c.gate.enter()
	if !ok {
		return errNotRunning
	}
	defer c.gate.leave()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(run, cancel)()
	return in.Receive(ctx, e)
}

// gate is open while Run runs; closing it waits for those inside.
type gate struct {
	mu     sync.Mutex
	in     bridge.Inbox
	run    context.Context
	inside sync.WaitGroup
}

func (g *gate) open(run context.Context, in bridge.Inbox) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.run, g.in = run, in
}

func (g *gate) close() {
	g.mu.Lock()
	g.run, g.in = nil, nil
	g.mu.Unlock()
	g.inside.Wait()
}

func (g *gate) enter() (bridge.Inbox, context.Context, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.in == nil || g.run.Err() != nil {
		return nil, nil, false
	}
	g.inside.Add(1)
	return g.in, g.run, true
}

func (g *gate) leave() { g.inside.Done() }

// Cursor is where a user's live events stand now; see httpx.Stream.
func (c *Chat) Cursor(u bridge.UserID) string { return c.live.Cursor(string(u)) }

// now is the gateway's clock.
func (c *Chat) now() time.Time { return c.env.Now() }
