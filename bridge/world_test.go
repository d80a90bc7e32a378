package bridge_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/store/mem"
)

// line is something that a net's room shows.
type line struct {
	Msg     bridge.MsgID
	Key     string
	As      string
	Text    string
	ReplyTo bridge.MsgID
	Files   []string
	Marks   []string
	Reacted []string
	Gone    bool
	Quiet   bool
	Avatar  string
}

// net is a network in memory whose every call can be made to fail.
type net struct {
	caps bridge.Caps

	mu    sync.Mutex
	rooms map[bridge.RoomID][]*line
	in    bridge.Inbox
	fail  func(room bridge.RoomID, d bridge.Draft) error // nil: all is well
	lost  func(room bridge.RoomID, d bridge.Draft) bool  // shown, but the answer is lost
	delay time.Duration
	after time.Duration // until a send that shows something returns
	byKey bool          // a key shows once
}

func newNet(c bridge.Caps) *net {
	return &net{caps: c, rooms: make(map[bridge.RoomID][]*line), byKey: c.Dedupes}
}

func (n *net) Caps() bridge.Caps { return n.caps }

func (n *net) Run(ctx context.Context, in bridge.Inbox) error {
	n.mu.Lock()
	n.in = in
	n.mu.Unlock()
	<-ctx.Done()
	return ctx.Err()
}

func (n *net) Send(ctx context.Context, room bridge.RoomID, d bridge.Draft) ([]bridge.MsgID, error) {
	if n.delay > 0 {
		select {
		case <-time.After(n.delay):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	ids, err := n.show(room, d)
	if n.after > 0 {
		time.Sleep(n.after)
	}
	return ids, err
}

func (n *net) show(room bridge.RoomID, d bridge.Draft) ([]bridge.MsgID, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fail != nil {
		if err := n.fail(room, d); err != nil {
			return nil, err
		}
	}
	if n.byKey {
		for _, l := range n.rooms[room] {
			if l.Key == d.Key {
				return []bridge.MsgID{l.Msg}, nil
			}
		}
	}
	l := &line{Msg: bridge.MsgID(fmt.Sprintf("%s#%d", room, len(n.rooms[room])+1)), Key: d.Key, As: d.As.Text, Text: d.Text, ReplyTo: d.ReplyTo, Quiet: d.Quiet, Avatar: d.As.Avatar}
	for _, f := range d.Files {
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		b, _ := io.ReadAll(r)
		_ = r.Close()
		l.Files = append(l.Files, f.Name+"="+string(b))
	}
	n.rooms[room] = append(n.rooms[room], l)
	if n.lost != nil && n.lost(room, d) {
		return nil, bridge.Unsure(fmt.Errorf("the answer was lost"))
	}
	return []bridge.MsgID{l.Msg}, nil
}

// failing makes every send fail with err; nil makes the net well again.
func (n *net) failing(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fail = func(bridge.RoomID, bridge.Draft) error { return err }
}

func (n *net) find(room bridge.RoomID, m bridge.MsgID) *line {
	for _, l := range n.rooms[room] {
		if l.Msg == m {
			return l
		}
	}
	return nil
}

func (n *net) texts(room bridge.RoomID) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []string
	for _, l := range n.rooms[room] {
		if !l.Gone {
			out = append(out, l.Text)
		}
	}
	return out
}

func (n *net) last(room bridge.RoomID) line {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.rooms[room]) == 0 {
		return line{}
	}
	return *n.rooms[room][len(n.rooms[room])-1]
}

// office is a net with what a workspace can do beside.
type office struct {
	*net
	asks   []bridge.Ask
	hints  []string
	offers []bridge.Ask
	opened []bridge.Opening
	marks  map[bridge.MsgID][]string
	fates  map[bridge.MsgID][]bridge.Fate
}

func newOffice() *office {
	return &office{
		net:   newNet(bridge.Caps{MaxText: 1000, MaxFile: 1 << 20, MaxFiles: 3, Markup: bridge.CommonMark, Names: true, Dedupes: true}),
		marks: make(map[bridge.MsgID][]string),
		fates: make(map[bridge.MsgID][]bridge.Fate),
	}
}

func (o *office) Open(_ context.Context, w bridge.Opening) (bridge.RoomID, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.opened = append(o.opened, w)
	if w.Members[0] == "u-han" {
		return bridge.RoomID("han-" + w.Title), nil
	}
	return bridge.RoomID("room-" + w.Title), nil
}

func (o *office) Edit(_ context.Context, room bridge.RoomID, m bridge.MsgID, d bridge.Draft) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.find(room, m)
	if l == nil {
		return bridge.Permanent(fmt.Errorf("no message %s", m))
	}
	l.Text = d.Text
	return nil
}

func (o *office) Delete(_ context.Context, room bridge.RoomID, m bridge.MsgID) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if l := o.find(room, m); l != nil {
		l.Gone = true
	}
	return nil
}

func (o *office) React(_ context.Context, room bridge.RoomID, m bridge.MsgID, emoji string, on bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if l := o.find(room, m); l != nil {
		l.Reacted = append(l.Reacted, fmt.Sprint(emoji, on))
	}
	return nil
}

func (o *office) Mark(_ context.Context, _ bridge.RoomID, m bridge.MsgID, f bridge.Fate) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.marks[m] = append(o.marks[m], string(f.State))
	o.fates[m] = append(o.fates[m], f)
	return nil
}

func (o *office) Hint(_ context.Context, _ bridge.RoomID, u bridge.UserID, a bridge.Ask) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hints = append(o.hints, string(u)+": "+a.Text)
	o.offers = append(o.offers, a)
	return nil
}

func (o *office) Ask(_ context.Context, room bridge.RoomID, key string, a bridge.Ask) ([]bridge.MsgID, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.ContainsFunc(o.asks, func(x bridge.Ask) bool { return x.ID == a.ID }) {
		o.asks = append(o.asks, a)
	}
	return []bridge.MsgID{bridge.MsgID(string(room) + "-ask-" + key)}, nil
}

// finder is a net that can be read back.
type finder struct{ *net }

func (f finder) Find(_ context.Context, room bridge.RoomID, key string) ([]bridge.MsgID, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.rooms[room] {
		if l.Key == key {
			return []bridge.MsgID{l.Msg}, nil
		}
	}
	return nil, nil
}

// memBlobs keeps files in a map.
type memBlobs struct {
	mu sync.Mutex
	m  map[string][]byte
}

func (b *memBlobs) Put(r io.Reader, limit int64) (string, int64, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return "", 0, err
	}
	if int64(len(data)) > limit {
		return "", 0, bridge.ErrTooLarge
	}
	sum := sha256.Sum256(data)
	name := hex.EncodeToString(sum[:])
	b.mu.Lock()
	defer b.mu.Unlock()
	b.m[name] = data
	return name, int64(len(data)), nil
}

func (b *memBlobs) Open(name string) (io.ReadCloser, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d, ok := b.m[name]
	if !ok {
		return nil, bridge.ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(d)), nil
}

func (b *memBlobs) Remove(name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.m, name)
	return nil
}

func (b *memBlobs) Sweep(time.Time, func([]string) ([]string, error)) (int, error) { return 0, nil }

// world is a gateway between an office and a shop of customers.
type world struct {
	t      *testing.T
	ctx    context.Context
	store  bridge.Store
	bridge *bridge.Bridge
	office *office
	desk   bridge.Adapter // the office, unless it can do more
	shop   *net
	stop   func()
	n      int
}

var people = []bridge.Member{
	{ID: "lilei", Name: "李雷", Title: "销售经理", Serves: true, Accounts: []bridge.UserRef{{Adapter: "office", User: "u-lilei"}}},
	{ID: "hanmeimei", Name: "韩梅梅", Title: "客服", Serves: true, Accounts: []bridge.UserRef{{Adapter: "office", User: "u-han"}}},
}

func settings() bridge.Settings {
	return bridge.Settings{
		Company:  bridge.Company{Name: "ACME 贸易有限公司", Short: "ACME", Language: "en", URL: "http://localhost:8420"},
		Members:  people,
		Fallback: "lilei",
	}
}

func newStore() bridge.Store { return mem.New() }

// inWorld runs the test in a bubble of time, with a shop of the given kind.
func inWorld(t *testing.T, shop bridge.Adapter, test func(w *world)) {
	t.Helper()
	inWorldWith(t, shop, settings(), test)
}

func inWorldWith(t *testing.T, shop bridge.Adapter, set bridge.Settings, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, ctx: t.Context(), store: newStore(), office: newOffice()}
		w.desk = w.office
		w.start(shop, set)
		defer func() { w.stop() }()
		test(w)
	})
}

func (w *world) start(shop bridge.Adapter, set bridge.Settings) {
	w.t.Helper()
	b, err := bridge.New(w.store, &memBlobs{m: make(map[string][]byte)}, set, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.bridge = b
	switch s := shop.(type) {
	case *net:
		w.shop = s
	case finder:
		w.shop = s.net
	case *fileShop:
		w.shop = s.net
	case *office:
		w.shop = s.net
	case *gallery:
		w.shop = s.net
	case *eager:
		w.shop = s.net
	case *herald:
		w.shop = s.net
	}
	for name, a := range map[string]bridge.Adapter{"office": w.desk, "shop": shop} {
		if err := b.Add(name, map[string]string{"office": "mattermost", "shop": "wechat"}[name], a); err != nil {
			w.t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}
	synctest.Wait()
}

// receive brings an event; an error may be expected.
func (w *world) receive(n *net, e bridge.Event, want ...error) {
	w.t.Helper()
	err := n.in.Receive(w.ctx, e)
	if len(want) > 0 && errors.Is(err, want[0]) {
		err = nil
	} else if len(want) > 0 {
		w.t.Fatalf("Receive(%+v) = %v, want %v", e, err, want[0])
	}
	if err != nil {
		w.t.Fatalf("Receive(%+v) = %v", e, err)
	}
	synctest.Wait()
}

// words says something in a room of the shop.
func (w *world) words(room bridge.RoomID, user bridge.UserID, text string) {
	w.t.Helper()
	w.n++
	w.receive(w.shop, bridge.MessageEvent{Room: room, User: user, Msg: bridge.MsgID(fmt.Sprintf("in-%d", w.n)), Name: "小红", Text: text})
}

// fileShop is a shop whose messages bring files.
type fileShop struct{ *net }

func (f *fileShop) Fetch(_ context.Context, file bridge.File) (io.ReadCloser, error) {
	switch file.Ref {
	case "picture":
		return io.NopCloser(strings.NewReader("just text")), nil
	case "voice":
		return io.NopCloser(strings.NewReader("#!AMR\n\x3c\x91")), nil
	case "script":
		return io.NopCloser(strings.NewReader("#!/bin/sh\n")), nil
	case "program":
		return io.NopCloser(strings.NewReader("MZ\x90 this program cannot be run")), nil
	default:
		return nil, bridge.Permanent(errors.New("404"))
	}
}

// customer says something in the shop; each has a room of their own name.
func (w *world) customer(name, text string) bridge.MsgID {
	w.t.Helper()
	w.n++
	id := bridge.MsgID(fmt.Sprintf("in-%d", w.n))
	w.receive(w.shop, bridge.MessageEvent{Room: bridge.RoomID("shop-" + name), User: bridge.UserID(name), Msg: id, Name: name, Text: text})
	return id
}

// member says something in the office.
func (w *world) member(user bridge.UserID, room bridge.RoomID, text string) bridge.MsgID {
	w.t.Helper()
	w.n++
	id := bridge.MsgID(fmt.Sprintf("out-%d", w.n))
	w.receive(w.office.net, bridge.MessageEvent{Room: room, User: user, Msg: id, Text: text})
	return id
}

// card puts a card into the store.
func (w *world) card(m bridge.MemberID, change func(*bridge.Card)) bridge.CardID {
	w.t.Helper()
	c := bridge.Card{ID: bridge.NewCardID(), Member: m, Created: time.Now()}
	if change != nil {
		change(&c)
	}
	if _, err := w.store.Commit(w.ctx, bridge.Step{At: time.Now(), Cards: []bridge.Card{c}}); err != nil {
		w.t.Fatal(err)
	}
	return c.ID
}

func (w *world) want(what string, got, want []string) {
	w.t.Helper()
	if !slices.Equal(got, want) {
		w.t.Errorf("%s\n got: %s\nwant: %s", what, strings.Join(got, " | "), strings.Join(want, " | "))
	}
}

func plainShop() *net {
	return newNet(bridge.Caps{MaxText: 600, MaxFile: 1 << 20, Dedupes: true})
}
