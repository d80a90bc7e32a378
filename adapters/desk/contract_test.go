package desk

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/hutong-im/hutong/adapters/adaptertest"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx/browser"
	"github.com/hutong-im/hutong/internal/httpx/browser/browsertest"
)

// The desk's network is people at browsers. What they see is the gateway's history, read through the
// desk's own addresses, and what live events have shown.
func TestContract(t *testing.T) {
	n := &network{far: &browsertest.Far{Adapter: "under-test"}}
	adaptertest.Run(t, bridge.Kind{Name: "desk", New: func() bridge.Config { return n.config() }}, n)
}

// config opens a desk whose history is kept, as the road would keep it.
type config struct {
	Config `yaml:",inline"`
	n      *network
}

func (c *config) Open(env bridge.Env) (bridge.Adapter, error) {
	a, err := c.Config.Open(env)
	if err != nil {
		return nil, err
	}
	return &remembered{Desk: a.(*Desk), far: c.n.far}, nil
}

type remembered struct {
	*Desk
	far *browsertest.Far
}

func (a *remembered) Run(ctx context.Context, in bridge.Inbox) error {
	return a.Desk.Run(ctx, a.far.Hearing(in))
}

func (a *remembered) Send(ctx context.Context, r bridge.RoomID, d bridge.Draft) ([]bridge.MsgID, error) {
	ids, err := a.Desk.Send(ctx, r, d)
	return a.far.Sent(r, d, ids, err)
}

func (a *remembered) Edit(ctx context.Context, r bridge.RoomID, m bridge.MsgID, d bridge.Draft) error {
	return a.far.Change(r, m, a.Desk.Edit(ctx, r, m, d), func(l *bridge.Line) { l.Text, l.Edited = d.Text, true })
}

func (a *remembered) Delete(ctx context.Context, r bridge.RoomID, m bridge.MsgID) error {
	return a.far.Change(r, m, a.Desk.Delete(ctx, r, m), func(l *bridge.Line) { l.Recalled = true })
}

func (a *remembered) React(ctx context.Context, r bridge.RoomID, m bridge.MsgID, emoji string, on bool) error {
	return a.far.Change(r, m, a.Desk.React(ctx, r, m, emoji, on), func(l *bridge.Line) {
		re := bridge.Reaction{Side: bridge.ContactSide, Emoji: emoji}
		l.Reactions = slices.DeleteFunc(l.Reactions, func(o bridge.Reaction) bool { return o == re })
		if on {
			l.Reactions = append(l.Reactions, re)
		}
	})
}

func (a *remembered) Open(ctx context.Context, o bridge.Opening) (bridge.RoomID, error) {
	r, err := a.Desk.Open(ctx, o)
	if err == nil {
		a.far.Meet(r, o.Members[0])
	}
	return r, err
}

type network struct {
	far *browsertest.Far

	mu      sync.Mutex
	adapter *remembered
	pages   map[bridge.UserID]*browsertest.Page
	stop    context.CancelFunc
	running context.Context
	open    sync.WaitGroup
	rooms   int
	posts   int
}

func (n *network) config() *config {
	c := Kind().New().(*Config)
	c.MaxFile = 1 << 20
	return &config{Config: *c, n: n}
}

func (n *network) Config() bridge.Config { return n.config() }

// Facts is the first thing that every check asks for: the pages of the last one are closed then.
func (n *network) Facts() adaptertest.Facts {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pages = map[bridge.UserID]*browsertest.Page{}
	return adaptertest.Facts{Replies: true, Boardless: true}
}

func (n *network) Attach(a bridge.Adapter) {
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
	n.adapter = a.(*remembered)
	n.running, n.stop = context.WithCancel(context.Background())
	for u, p := range n.pages {
		n.enter(u, p)
	}
}

// enter signs a user in with a one-time link, as they would, and opens the page.
func (n *network) enter(u bridge.UserID, p *browsertest.Page) {
	p.Visit(n.adapter.Pages()...)
	link, err := n.adapter.SignIn(context.Background(), u)
	if err != nil {
		panic(err) // the user is a member: see Far.Members
	}
	at, _ := url.Parse(link)
	p.Form("/desk/enter", "t", at.Query().Get("t"))
	ctx := n.running
	n.open.Go(func() { p.Run(ctx) })
}

func (n *network) Room() (bridge.RoomID, bridge.UserID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rooms++
	u := bridge.UserID(fmt.Sprintf("member.%d", n.rooms))
	r := browser.RoomOf(u, "room")
	n.far.Meet(r, u)
	p := browsertest.NewPage(browsertest.NewBrowser(), "/desk")
	n.pages[u] = p
	if n.stop != nil {
		n.enter(u, p)
	}
	return r, u
}

func (n *network) page(u bridge.UserID) *browsertest.Page {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pages[u]
}

func (n *network) nextID() bridge.MsgID {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.posts++
	return bridge.MsgID(fmt.Sprintf("01J%023d", n.posts))
}

func (n *network) Do(a adaptertest.Act) (bridge.MsgID, bool) {
	p, id := n.page(a.User), a.Msg
	later := func(name string, v map[string]any) {
		v["room"] = a.Room
		p.Later(name, func(context.Context) (any, error) { return v, nil })
	}
	switch a.Verb {
	case adaptertest.Say:
		id = n.nextID()
		p.Later("say", func(context.Context) (any, error) {
			var tokens []string
			for _, f := range a.Files {
				token, err := p.Upload(f.Name, f.Type, f.Data)
				if err != nil {
					return nil, err
				}
				tokens = append(tokens, token)
			}
			return map[string]any{"room": a.Room, "id": id, "text": a.Text, "files": tokens, "reply_to": a.ReplyTo}, nil
		})
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
	case adaptertest.Join, adaptertest.Leave:
		return "", false // what customers do
	}
	return id, true
}

func (n *network) Trouble(t adaptertest.Trouble) bool {
	if t == adaptertest.Cut {
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, p := range n.pages {
			p.Cut()
		}
	}
	return t == adaptertest.Calm || t == adaptertest.Cut // there is no network between the desk and the gateway
}

func (n *network) Lobby() bridge.Lobby { return n.far }

func (n *network) View(room bridge.RoomID) adaptertest.View {
	u := n.far.UserOf(room)
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
