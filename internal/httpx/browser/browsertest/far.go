package browsertest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// Far is a gateway that only remembers: what an adapter heard and said is its history, as the road
// would keep it. A test that has a gateway of its own in Run's inbox stands it beside the adapter, so
// that the pages have something to show.
type Far struct {
	Adapter string // the adapter's name in the test

	mu    sync.Mutex
	users map[bridge.RoomID]bridge.UserID
	known map[bridge.RoomID]bool // joined, and so listed
	lines map[bridge.RoomID][]*bridge.Line
	blobs map[string][]byte
	last  uint64
}

var _ bridge.Lobby = (*Far)(nil)

// Meet makes a room of a user known.
func (f *Far) Meet(r bridge.RoomID, u bridge.UserID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.users == nil {
		f.known = map[bridge.RoomID]bool{}
		f.users, f.lines, f.blobs = map[bridge.RoomID]bridge.UserID{}, map[bridge.RoomID][]*bridge.Line{}, map[string][]byte{}
	}
	f.users[r] = u
}

// UserOf is whose room it is.
func (f *Far) UserOf(r bridge.RoomID) bridge.UserID {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.users[r]
}

func (f *Far) find(r bridge.RoomID, m bridge.MsgID) *bridge.Line {
	for _, l := range f.lines[r] {
		if l.Msg == m && m != "" {
			return l
		}
	}
	return nil
}

// add is false when the line is there already, or nobody to see it.
func (f *Far) add(r bridge.RoomID, l bridge.Line, replyTo bridge.MsgID) bool {
	if f.users[r] == "" || f.find(r, l.Msg) != nil {
		return false
	}
	f.last = max(f.last+1, bridge.FirstID(time.Now()))
	l.ID = bridge.MessageID(f.last)
	if to := f.find(r, replyTo); to != nil {
		l.ReplyTo = to.ID
	}
	f.lines[r] = append(f.lines[r], &l)
	return true
}

// Sent notes what the adapter has said, and passes Send's answer on.
func (f *Far) Sent(r bridge.RoomID, d bridge.Draft, ids []bridge.MsgID, err error) ([]bridge.MsgID, error) {
	if err != nil {
		return ids, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	l := bridge.Line{Msg: ids[0], As: d.As, At: time.Now(), Text: d.Text}
	for _, a := range d.Files {
		l.Files = append(l.Files, f.keep(a.File, a.Open))
	}
	f.add(r, l, d.ReplyTo)
	return ids, nil
}

func (f *Far) keep(file bridge.File, open func() (io.ReadCloser, error)) bridge.File {
	body, err := open()
	if err != nil {
		return file
	}
	raw, _ := io.ReadAll(body) // what is short is seen by the test
	_ = body.Close()
	sum := sha256.Sum256(raw)
	file.Blob = hex.EncodeToString(sum[:])
	f.blobs[file.Blob] = raw
	return file
}

// Change changes a line, if err is nil, and passes err on.
func (f *Far) Change(r bridge.RoomID, m bridge.MsgID, err error, change func(*bridge.Line)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if l := f.find(r, m); l != nil && err == nil {
		change(l)
	}
	return err
}

// Hearing notes what is accepted on its way to the inbox.
func (f *Far) Hearing(in bridge.Inbox) bridge.Inbox { return hearing{f, in} }

type hearing struct {
	f  *Far
	in bridge.Inbox
}

func (h hearing) Receive(ctx context.Context, e bridge.Event) error {
	m, said := e.(bridge.MessageEvent)
	if said { // the inbox's own test may look at once
		h.f.mu.Lock()
		said = h.f.add(m.Room, bridge.Line{Msg: m.Msg, Mine: true, At: m.At, Text: m.Text, Files: m.Files, State: bridge.StatePending}, m.ReplyTo)
		h.f.mu.Unlock()
	}
	err := h.in.Receive(ctx, e)
	if said && err != nil {
		h.f.mu.Lock()
		defer h.f.mu.Unlock()
		h.f.lines[m.Room] = slices.DeleteFunc(h.f.lines[m.Room], func(l *bridge.Line) bool { return l.Msg == m.Msg })
	}
	if j, ok := e.(bridge.Joined); ok && err == nil {
		h.f.mu.Lock()
		defer h.f.mu.Unlock()
		h.f.known[j.Room] = true
	}
	return err
}

// Company is ACME.
func (f *Far) Company() bridge.Company {
	return bridge.Company{Name: "ACME", Short: "ACME", URL: "http://localhost:8420", Language: "en"}
}

// Commands are none.
func (f *Far) Commands() []string { return nil }

// Members are all users.
func (f *Far) Members() []bridge.Member {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []bridge.Member
	for _, u := range f.users {
		out = append(out, bridge.Member{ID: bridge.MemberID(u), Name: "李雷", Accounts: []bridge.UserRef{{Adapter: f.Adapter, User: u}}})
	}
	return out
}

// Card is there, whatever it is called.
func (f *Far) Card(_ context.Context, id bridge.CardID) (bridge.CardView, error) {
	return bridge.CardView{ID: id, Member: "李雷", Label: bridge.Label{Name: "李雷", Text: "李雷 · " + string(id)}}, nil
}

// Verify knows nobody.
func (f *Far) Verify(context.Context, string) (bridge.CardView, error) {
	return bridge.CardView{}, bridge.ErrNotFound
}

// Rooms are the user's.
func (f *Far) Rooms(_ context.Context, u bridge.UserID) ([]bridge.RoomView, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []bridge.RoomView
	for r, owner := range f.users {
		if owner == u && f.known[r] {
			out = append(out, bridge.RoomView{Room: r, State: bridge.LinkActive})
		}
	}
	return out, nil
}

// Room is one of them.
func (f *Far) Room(_ context.Context, u bridge.UserID, r bridge.RoomID) (bridge.RoomView, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.users[r] == "" || f.users[r] != u {
		return bridge.RoomView{}, bridge.ErrNotFound
	}
	return bridge.RoomView{Room: r, State: bridge.LinkActive}, nil
}

// History is what was said.
func (f *Far) History(ctx context.Context, u bridge.UserID, r bridge.RoomID, before bridge.MessageID, n int) ([]bridge.Line, error) {
	if _, err := f.Room(ctx, u, r); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []bridge.Line
	for _, l := range f.lines[r] {
		if before == 0 || l.ID < before {
			c := *l
			c.Reactions = slices.Clone(l.Reactions)
			out = append(out, c)
		}
	}
	return out[max(0, len(out)-n):], nil
}

// Line is one of them.
func (f *Far) Line(ctx context.Context, u bridge.UserID, r bridge.RoomID, m bridge.MsgID) (bridge.Line, error) {
	if _, err := f.Room(ctx, u, r); err != nil {
		return bridge.Line{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if l := f.find(r, m); l != nil {
		return *l, nil
	}
	return bridge.Line{}, bridge.ErrNotFound
}

// Keep keeps a file.
func (f *Far) Keep(_ context.Context, name, typ string, r io.Reader) (bridge.File, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return bridge.File{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	file := bridge.File{Name: name, Type: typ, Size: int64(len(raw))}
	return f.keep(file, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil }), nil
}

// OpenFile reads a file of a line.
func (f *Far) OpenFile(ctx context.Context, u bridge.UserID, r bridge.RoomID, m bridge.MessageID, i int) (bridge.File, io.ReadCloser, error) {
	lines, err := f.History(ctx, u, r, 0, 1<<30)
	if err != nil {
		return bridge.File{}, nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range lines {
		if l.ID == m && i < len(l.Files) {
			return l.Files[i], io.NopCloser(bytes.NewReader(f.blobs[l.Files[i].Blob])), nil
		}
	}
	return bridge.File{}, nil, bridge.ErrNotFound
}
