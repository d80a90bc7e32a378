// Package crowd is people at browsers, as a network for the suite: for adapters whose users see the gateway's own
// pages. What they see is the gateway's history, read through the adapter's addresses, and what live events have shown.
package crowd

import (
	"context"
	"fmt"
	"sync"

	"github.com/hutong-im/hutong/adapters/adaptertest"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx/browser/browsertest"
)

// Options are what one adapter's people differ in from another's.
type Options struct {
	Base   string               // of the pages: "/desk" or "/chat"
	Side   bridge.Side          // whose pages these are
	Config func() bridge.Config // of the adapter, whose Open must return what Remember made, or something round it
	Facts  adaptertest.Facts
	// Arrive makes a new user and a room of theirs.
	Arrive func() (bridge.RoomID, bridge.UserID)
	// Enter makes the user known to the adapter at their browser.
	Enter func(a bridge.Adapter, b *browsertest.Browser, u bridge.UserID)
	// Act is what the page's users can do beyond what all can; false is nothing of the kind. id names a new event.
	Act func(p *browsertest.Page, a adaptertest.Act, id bridge.MsgID) bool
}

// Network is a network of people at browsers.
type Network struct {
	Far  *browsertest.Far
	opts Options

	mu      sync.Mutex
	adapter bridge.Adapter
	pages   map[bridge.UserID]*browsertest.Page
	stop    context.CancelFunc
	running context.Context
	open    sync.WaitGroup
	posts   int
}

var (
	_ adaptertest.Network = (*Network)(nil)
	_ adaptertest.Lobbied = (*Network)(nil)
)

// New makes a network.
func New(o Options) *Network {
	return &Network{Far: &browsertest.Far{Adapter: "under-test"}, opts: o}
}

// Config is the adapter's.
func (n *Network) Config() bridge.Config { return n.opts.Config() }

// Lobby is the gateway's, which remembers what was said.
func (n *Network) Lobby() bridge.Lobby { return n.Far }

// Facts is the first thing that every check asks for: the pages of the last one are closed then.
func (n *Network) Facts() adaptertest.Facts {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pages = map[bridge.UserID]*browsertest.Page{}
	return n.opts.Facts
}

// Attach opens everybody's pages, when the adapter runs.
func (n *Network) Attach(a bridge.Adapter) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stop != nil {
		n.stop()
		n.stop = nil
		n.mu.Unlock()
		n.open.Wait()
		n.mu.Lock()
	}
	if a == nil {
		return
	}
	n.adapter = a
	n.running, n.stop = context.WithCancel(context.Background())
	for u, p := range n.pages {
		n.enter(u, p)
	}
}

func (n *Network) enter(u bridge.UserID, p *browsertest.Page) {
	if paged, ok := n.adapter.(bridge.Paged); ok {
		p.Visit(paged.Pages()...)
	}
	n.opts.Enter(n.adapter, p.Browser, u)
	ctx := n.running
	n.open.Go(func() { p.Run(ctx) })
}

// Room is a new user's.
func (n *Network) Room() (bridge.RoomID, bridge.UserID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r, u := n.opts.Arrive()
	n.Far.Meet(r, u)
	p := browsertest.NewPage(browsertest.NewBrowser(), n.opts.Base)
	n.pages[u] = p
	if n.stop != nil {
		n.enter(u, p)
	}
	return r, u
}

func (n *Network) page(u bridge.UserID) *browsertest.Page {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pages[u]
}

func (n *Network) nextID() bridge.MsgID {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.posts++
	return bridge.MsgID(fmt.Sprintf("01J%023d", n.posts))
}

// Do lets a user do something on their page, which posts it until it is answered.
func (n *Network) Do(a adaptertest.Act) (bridge.MsgID, bool) {
	p, id := n.page(a.User), a.Msg
	later := func(name string, v map[string]any) {
		v["room"] = a.Room
		p.Later(name, func(context.Context) (any, error) { return v, nil })
	}
	switch a.Verb {
	case adaptertest.Say:
		id = n.nextID()
		p.Later("say", func(context.Context) (any, error) { return said(p, a, id) })
	case adaptertest.Edit:
		later("edit", map[string]any{"msg": a.Msg, "text": a.Text})
	case adaptertest.Recall:
		later("recall", map[string]any{"msg": a.Msg})
	case adaptertest.React, adaptertest.Unreact:
		later("react", map[string]any{"msg": a.Msg, "emoji": a.Emoji, "off": a.Verb == adaptertest.Unreact})
	case adaptertest.Read:
		later("seen", map[string]any{"msg": a.Msg, "state": "read"})
	case adaptertest.Type:
		later("typing", map[string]any{})
	case adaptertest.Press:
		for _, q := range p.Show(a.Room).Asks {
			if q.Msg == string(a.Msg) {
				later("answer", map[string]any{"ask": q.ID, "choice": a.Choice})
			}
		}
	default:
		if !n.opts.Act(p, a, n.nextID()) {
			return "", false
		}
	}
	return id, true
}

// said uploads the files of a message, and is what the page posts then.
func said(p *browsertest.Page, a adaptertest.Act, id bridge.MsgID) (any, error) {
	var tokens []string
	for _, f := range a.Files {
		token, err := p.Upload(f.Name, f.Type, f.Data)
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, token)
	}
	return map[string]any{"room": a.Room, "id": id, "text": a.Text, "files": tokens, "reply_to": a.ReplyTo}, nil
}

// Trouble is only that pages lose their connection: there is no network between the adapter and the gateway.
func (n *Network) Trouble(t adaptertest.Trouble) bool {
	if t == adaptertest.Cut {
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, p := range n.pages {
			p.Cut()
		}
	}
	return t == adaptertest.Calm || t == adaptertest.Cut
}

// View is what the room's user sees.
func (n *Network) View(room bridge.RoomID) adaptertest.View {
	u := n.Far.UserOf(room)
	p := n.page(u)
	if p == nil {
		return adaptertest.View{}
	}
	s := p.Show(room)
	v := adaptertest.View{Members: []bridge.UserID{u}, Typed: s.Typed, Read: s.Read}
	msgs := map[string]bridge.MsgID{}
	for _, l := range s.Lines {
		msgs[l.ID] = bridge.MsgID(l.Msg)
		line := adaptertest.Line{Msg: bridge.MsgID(l.Msg), Mine: !l.Mine, Name: l.As, Text: l.Text, ReplyTo: msgs[l.ReplyTo], Deleted: l.Recalled, Mark: l.Mark}
		for i, f := range l.Files {
			line.Files = append(line.Files, adaptertest.Upload{Name: f.Name, Type: f.Type, Data: p.File(room, l.ID, i)})
		}
		for _, r := range l.Reactions {
			if !r.Mine {
				line.Reactions = append(line.Reactions, r.Emoji)
			}
		}
		v.Lines = append(v.Lines, line)
	}
	for _, h := range s.Hints {
		v.Lines = append(v.Lines, adaptertest.Line{Mine: true, Text: h, To: u})
	}
	for _, q := range s.Asks {
		line := adaptertest.Line{Msg: bridge.MsgID(q.Msg), Mine: true}
		for _, c := range q.Choices {
			line.Choices = append(line.Choices, c.Label)
		}
		v.Lines = append(v.Lines, line)
	}
	return v
}
