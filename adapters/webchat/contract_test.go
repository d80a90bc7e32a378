package webchat

import (
	"context"
	"net/http"
	"net/http/httptest"
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
	tokens := map[bridge.UserID]string{}
	n = crowd.New(crowd.Options{
		Base: "/chat", Side: bridge.ContactSide, Config: config, Facts: adaptertest.Facts{Replies: true},
		Arrive: func() (bridge.RoomID, bridge.UserID) {
			token := browser.NewToken()
			u := userOf(token)
			tokens[u] = token
			return browser.RoomOf(u, "CARD234567"), u
		},
		Enter: func(a bridge.Adapter, b *browsertest.Browser, u bridge.UserID) {
			w := httptest.NewRecorder()
			if err := a.(*remembered).chat.sessions.Start(context.Background(), w, tokens[u], u, 0); err != nil {
				panic(err) // the state of the suite keeps everything
			}
			for _, c := range w.Result().Cookies() {
				b.SetCookie(c.Name, c.Value)
			}
		},
		Act: act,
	})
	adaptertest.Run(t, bridge.Kind{Name: "webchat", New: config}, n)
}

// act is what customers can do, and members cannot.
func act(p *browsertest.Page, a adaptertest.Act, id bridge.MsgID) bool {
	switch a.Verb {
	case adaptertest.Join:
		p.Queue(func(context.Context) bool {
			return p.Form("/c/"+string(a.Card), "name", a.Name, "hello", a.Text).Code == http.StatusSeeOther
		})
		return true
	case adaptertest.Leave:
		p.Later("leave", func(context.Context) (any, error) { return map[string]any{"room": a.Room, "id": id}, nil })
		return true
	default:
		return false
	}
}

// rememberedConfig opens a web chat whose history is kept.
type rememberedConfig struct {
	Config `yaml:",inline"`
	n      *crowd.Network
}

func (c *rememberedConfig) Open(env bridge.Env) (bridge.Adapter, error) {
	a, err := c.Config.Open(env)
	if err != nil {
		return nil, err
	}
	w := a.(*Webchat)
	return &remembered{c.n.Remember(w), w}, nil
}

type remembered struct {
	*crowd.Remembered
	chat *Webchat
}

func (a *remembered) Invite(ctx context.Context, id bridge.CardID) (string, error) {
	return a.chat.Invite(ctx, id)
}
