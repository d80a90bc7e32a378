package desk

import (
	"context"
	"fmt"
	"net/url"
	"testing"

	"github.com/hutong-im/hutong/adapters/adaptertest"
	"github.com/hutong-im/hutong/adapters/adaptertest/crowd"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx/browser"
	"github.com/hutong-im/hutong/internal/httpx/browser/browsertest"
)

func TestContract(t *testing.T) {
	var n *crowd.Network
	config := func() bridge.Config {
		c := Kind().New().(*Config)
		c.MaxFile = 1 << 20
		return &rememberedConfig{Config: *c, n: n}
	}
	members := 0
	n = crowd.New(crowd.Options{
		Base: "/desk", Side: bridge.MemberSide, Config: config, Facts: adaptertest.Facts{Replies: true, Boardless: true},
		Arrive: func() (bridge.RoomID, bridge.UserID) {
			members++
			u := bridge.UserID(fmt.Sprintf("member.%d", members))
			return browser.RoomOf(u, "room"), u
		},
		Enter: enter,
		Act:   func(*browsertest.Page, adaptertest.Act, bridge.MsgID) bool { return false }, // what customers do
	})
	adaptertest.Run(t, bridge.Kind{Name: "desk", New: config}, n)
}

// enter signs a user in with a one-time link, as they would.
func enter(a bridge.Adapter, b *browsertest.Browser, u bridge.UserID) {
	link, err := a.(*remembered).desk.SignIn(context.Background(), u)
	if err != nil {
		panic(err) // the user is a member: see Far.Members
	}
	at, _ := url.Parse(link)
	b.Form("/desk/enter", "t", at.Query().Get("t"))
}

// rememberedConfig opens a desk whose history is kept.
type rememberedConfig struct {
	Config `yaml:",inline"`
	n      *crowd.Network
}

func (c *rememberedConfig) Open(env bridge.Env) (bridge.Adapter, error) {
	a, err := c.Config.Open(env)
	if err != nil {
		return nil, err
	}
	d := a.(*Desk)
	return &remembered{c.n.Remember(d), d, c.n.Far}, nil
}

type remembered struct {
	*crowd.Remembered
	desk *Desk
	far  *browsertest.Far
}

func (a *remembered) Open(ctx context.Context, o bridge.Opening) (bridge.RoomID, error) {
	r, err := a.desk.Open(ctx, o)
	if err == nil {
		a.far.Meet(r, o.Members[0])
	}
	return r, err
}

func (a *remembered) Update(ctx context.Context, r bridge.RoomID, o bridge.Opening) error {
	return a.desk.Update(ctx, r, o)
}
