package adaptertest_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/adaptertest"
	"github.com/hutong-im/hutong/adapters/fake"
	"github.com/hutong-im/hutong/bridge"
)

const secret = "fake-t0ken-Qy77"

// network lets the suite drive a fake.Network.
type network struct {
	*fake.Network
	url    string // "" in process
	hooked bool   // is called; otherwise it is polled, or reached in process
	users  atomic.Int64
}

func newNetwork(t *testing.T, profile string, overHTTP bool) *network {
	t.Helper()
	n, err := fake.NewNetwork(fake.Options{Profile: profile, Echo: fake.EchoFirst, Secret: secret, Repeat: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	out := &network{Network: n}
	if overHTTP {
		srv := httptest.NewServer(n.Handler())
		t.Cleanup(srv.Close)
		out.url, out.hooked = srv.URL, profile != fake.Plain
	}
	return out
}

func (n *network) Config() bridge.Config {
	if n.url == "" {
		return n.Network.Config()
	}
	return n.HTTPConfig(n.url)
}

func (n *network) Facts() adaptertest.Facts {
	c := n.Caps()
	return adaptertest.Facts{
		Secrets: []string{secret}, MaxText: c.MaxText, Count: c.Count, Retry: 2 * time.Second, Replies: true,
	}
}

func (n *network) Attach(a bridge.Adapter) {
	if !n.hooked {
		return
	}
	n.SetHandler(nil)
	if h, ok := a.(bridge.Hooked); ok {
		n.SetHandler(h.Hook())
	}
}

func (n *network) Room() (bridge.RoomID, bridge.UserID) {
	user := bridge.UserID(fmt.Sprintf("user%d", n.users.Add(1)))
	n.Network.Room(fake.DM(user), "", user)
	return fake.DM(user), user
}

func (n *network) Do(a adaptertest.Act) (bridge.MsgID, bool) {
	var err error
	switch a.Verb {
	case adaptertest.Say:
		said := fake.Said{User: a.User, Room: a.Room, Name: a.Name, Text: a.Text, ReplyTo: a.ReplyTo}
		for _, f := range a.Files {
			said.Files = append(said.Files, fake.File{Name: f.Name, Type: f.Type, Data: f.Data})
		}
		if len(said.Files) > 0 && n.Caps().MaxFile == 0 {
			return "", false
		}
		return n.Say(said), true
	case adaptertest.Edit:
		err = n.Edit(a.Room, a.User, a.Msg, a.Text)
	case adaptertest.Recall:
		err = n.Recall(a.Room, a.User, a.Msg)
	case adaptertest.React, adaptertest.Unreact:
		err = n.React(a.Room, a.User, a.Msg, a.Emoji, a.Verb == adaptertest.React)
	case adaptertest.Read:
		err = n.Read(a.Room, a.User, a.Msg)
	case adaptertest.Type:
		n.Typing(a.Room, a.User)
	case adaptertest.Join:
		n.Join(a.User, a.Card, a.Name, a.Text)
	case adaptertest.Leave:
		n.Leave(a.User)
	case adaptertest.Press:
		err = n.Press(a.Room, a.User, a.Msg, a.Choice)
	}
	return "", err == nil
}

func (n *network) View(room bridge.RoomID) adaptertest.View {
	var v adaptertest.View
	v.Title, v.Members = n.Title(room)
	v.Typed = n.Typed(room)
	o := n.Shows(room)
	v.Board = strings.Join(append([]string{o.Label.Text, o.Remark, o.Window}, o.Tags...), "\n")
	for _, m := range n.Messages(room) {
		l := adaptertest.Line{Msg: m.ID, Mine: m.User == "", Name: m.Name, Text: m.Text, ReplyTo: m.ReplyTo, Deleted: m.Deleted, To: m.To}
		for _, f := range m.Files {
			l.Files = append(l.Files, adaptertest.Upload{Name: f.Name, Type: f.Type, Data: f.Data})
		}
		for _, r := range m.Reactions {
			if r.User == "" {
				l.Reactions = append(l.Reactions, r.Emoji)
			}
		}
		if m.Mark.State != "" {
			l.Mark = fmt.Sprint(m.Mark)
		}
		if m.Ask != nil {
			for _, c := range m.Ask.Choices {
				l.Choices = append(l.Choices, c.Label)
			}
		}
		if m.Read && m.User != "" {
			v.Read = m.ID
		}
		v.Lines = append(v.Lines, l)
	}
	return v
}

func (n *network) Trouble(t adaptertest.Trouble) bool {
	n.Heal()
	faults := map[adaptertest.Trouble]fake.Fault{
		adaptertest.Broken:  {Trouble: fake.Broken},
		adaptertest.Busy:    {Trouble: fake.Busy, Wait: 2 * time.Second},
		adaptertest.Lost:    {Trouble: fake.Lost, Op: "send"},
		adaptertest.Slow:    {Trouble: fake.Slow, Wait: time.Minute, Op: "send"},
		adaptertest.Revoked: {Trouble: fake.Revoked},
		adaptertest.Closed:  {Trouble: fake.Closed},
		adaptertest.Cut:     {Trouble: fake.Deaf, Times: 1},
	}
	f, known := faults[t]
	if t == adaptertest.Cut && !n.hooked && n.url != "" {
		f = fake.Fault{Trouble: fake.Drop, Times: 2, Op: "poll"} // net/http itself tries a GET once more
	}
	if known {
		n.Fail(f)
	}
	return known || t == adaptertest.Calm
}

func (n *network) Forge(f adaptertest.Forgery, room bridge.RoomID, user bridge.UserID, text string) (int, bool) {
	if !n.hooked { // in process no hook is called
		return 0, false
	}
	status, err := n.CallHook(context.Background(), fake.Forgery(f), fake.Said{Room: room, User: user, Text: text})
	return status, err == nil
}

func TestFake(t *testing.T) {
	for _, profile := range fake.Profiles() {
		t.Run(profile+"/http", func(t *testing.T) { adaptertest.Run(t, fake.Kind(), newNetwork(t, profile, true)) })
		t.Run(profile+"/in process", func(t *testing.T) { adaptertest.Run(t, fake.Kind(), newNetwork(t, profile, false)) })
	}
}
