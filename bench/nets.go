package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// source is a network that customers write from.
type source struct {
	in   bridge.Inbox
	up   chan struct{}
	once sync.Once
}

func newSource() *source { return &source{up: make(chan struct{})} }

func (s *source) Caps() bridge.Caps { return bridge.Caps{MaxText: 4096, Dedupes: true, Names: true} }

func (s *source) Run(ctx context.Context, in bridge.Inbox) error {
	s.once.Do(func() { s.in = in; close(s.up) })
	<-ctx.Done()
	return ctx.Err()
}

func (s *source) Send(context.Context, bridge.RoomID, bridge.Draft) ([]bridge.MsgID, error) {
	return []bridge.MsgID{"notice"}, nil
}

// sink is a workspace that takes what it is sent, after delay or with an error.
type sink struct {
	delay time.Duration
	err   error
	got   func(bridge.RoomID, bridge.Draft)
	n     atomic.Int64
}

func (s *sink) Caps() bridge.Caps {
	return bridge.Caps{MaxText: 16383, Dedupes: true, Names: true, Markup: bridge.CommonMark}
}

func (s *sink) Run(ctx context.Context, _ bridge.Inbox) error {
	<-ctx.Done()
	return ctx.Err()
}

func (s *sink) Open(_ context.Context, o bridge.Opening) (bridge.RoomID, error) {
	return bridge.RoomID("room-" + o.Key), nil
}

func (s *sink) Send(ctx context.Context, room bridge.RoomID, d bridge.Draft) ([]bridge.MsgID, error) {
	if s.delay > 0 {
		select {
		case <-time.After(s.delay):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if s.err != nil {
		return nil, s.err
	}
	if s.got != nil {
		s.got(room, d)
	}
	n := s.n.Add(1)
	return []bridge.MsgID{bridge.MsgID("out-" + strconv.FormatInt(n, 10))}, nil
}

// gateway is a bridge with a store of its own.
type gateway struct {
	bridge *bridge.Bridge
	store  bridge.Store
	stop   func() error
}

func members(adapters ...string) []bridge.Member {
	var out []bridge.Member
	for _, a := range adapters {
		out = append(out, bridge.Member{
			ID: bridge.MemberID(a), Name: "李雷", Title: "销售经理", Serves: true,
			Accounts: []bridge.UserRef{{Adapter: a, User: "lilei"}},
		})
	}
	return out
}

// open runs a gateway over the store with these adapters; members are named after their workspace.
func open(store bridge.Store, workspaces []string, adapters map[string]bridge.Adapter) (*gateway, error) {
	set := bridge.Settings{
		Company: bridge.Company{Name: "ACME", Short: "ACME", Language: "zh"}, Members: members(workspaces...),
		Fallback: bridge.MemberID(workspaces[0]),
	}
	b, err := bridge.New(store, noBlobs{}, set, quiet(), nil)
	if err != nil {
		return nil, err
	}
	for n, a := range adapters {
		if err := b.Add(n, "fake", a); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	return &gateway{bridge: b, store: store, stop: func() error {
		cancel()
		err := <-done
		if cerr := store.Close(); err == nil {
			err = cerr
		}
		return err
	}}, nil
}

// acquaint makes the conversations: a first message of each customer, outside of what is measured.
func acquaint(in bridge.Inbox, n int) error {
	var wg sync.WaitGroup
	errs := make(chan error, n)
	slots := make(chan struct{}, 256)
	for i := range n {
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer wg.Done()
			defer func() { <-slots }()
			errs <- in.Receive(context.Background(), event(i, fmt.Sprintf("hello-%d", i), "hello"))
		}()
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func event(conversation int, id, text string) bridge.MessageEvent {
	u := strconv.Itoa(conversation)
	return bridge.MessageEvent{
		Room: bridge.RoomID("room-" + u), User: bridge.UserID("user-" + u), Msg: bridge.MsgID(id), Name: "客户 " + u,
		At: time.Now(), Text: text,
	}
}

// kilobyte is a text of 1 KiB with a mark in front.
func kilobyte(mark string) string {
	const say = "您好，我想咨询一下这款产品的价格和交货期。We need 200 pieces by the end of next month. "
	s := mark + " " + strings.Repeat(say, 1024/len(say)+1)
	return strings.ToValidUTF8(s[:1024], "")
}

type noBlobs struct{ bridge.Blobs }
