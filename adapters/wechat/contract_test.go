package wechat

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/adaptertest"
	"github.com/hutong-im/hutong/adapters/wechat/wechattest"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx/browser/browsertest"
)

// The pushes come in every envelope that the console offers.
func TestContract(t *testing.T) {
	for name, o := range map[string]wechattest.Options{
		"safe":                {},
		"compatible and JSON": {Mode: wechattest.Compatible, JSON: true},
		"plaintext":           {Mode: wechattest.Plain},
	} {
		t.Run(name, func(t *testing.T) {
			o.Repeat = 300 * time.Millisecond
			n := newNetwork(t, o)
			adaptertest.Run(t, bridge.Kind{Name: "wechat", New: func() bridge.Config {
				c, _ := Kind().New().(*Config)
				return &config{Config: *c, n: n}
			}}, n)
			if bad := n.server.Complaints(); len(bad) > 0 {
				t.Errorf("WeChat complains: %q", bad)
			}
		})
	}
}

// config opens an adapter that is overheard: WeChat gives messages no ids, so that the network learns them
// from what Send returns.
type config struct {
	Config `yaml:",inline"`
	n      *network
}

func (c *config) Open(env bridge.Env) (bridge.Adapter, error) {
	a, err := c.Config.Open(env)
	if err != nil {
		return nil, err
	}
	return &overheard{adapter: a.(*adapter), n: c.n}, nil
}

type overheard struct {
	*adapter
	n *network
}

func (a *overheard) Send(ctx context.Context, r bridge.RoomID, d bridge.Draft) ([]bridge.MsgID, error) {
	ids, err := a.adapter.Send(ctx, r, d)
	a.n.named(r, ids, nil)
	return a.n.far.Sent(r, d, ids, err)
}

func (a *overheard) Ask(ctx context.Context, r bridge.RoomID, key string, q bridge.Ask) ([]bridge.MsgID, error) {
	ids, err := a.adapter.Ask(ctx, r, key, q)
	a.n.named(r, ids, &q)
	return ids, err
}

// memory is the gateway's, of what was said, with an address that customers can open.
type memory struct{ *browsertest.Far }

// gateway is its address.
const gateway = "https://gateway.example"

func (memory) Company() bridge.Company {
	return bridge.Company{Name: "ACME", Short: "ACME", URL: gateway, Language: "zh", Zone: time.UTC}
}

// network is WeChat.
type network struct {
	far    memory
	server *wechattest.Server
	api    string

	mu       sync.Mutex
	adapter  *overheard
	calls    sync.WaitGroup
	messages map[bridge.RoomID]map[int]saidAs // by their places in what is shown
}

// saidAs is what the adapter calls a message, and what it asks.
type saidAs struct {
	id  bridge.MsgID
	ask *bridge.Ask
}

func newNetwork(t testing.TB, o wechattest.Options) *network {
	t.Helper()
	n := &network{
		far: memory{&browsertest.Far{Adapter: "under-test"}}, server: wechattest.New(o),
		messages: map[bridge.RoomID]map[int]saidAs{},
	}
	api := httptest.NewServer(n.server)
	hook := httptest.NewServer(http.HandlerFunc(n.called))
	n.api = api.URL
	n.server.SetHook(hook.URL)
	t.Cleanup(func() {
		n.server.Close()
		hook.Close()
		api.Close()
	})
	return n
}

func (n *network) Lobby() bridge.Lobby { return n.far }

func (n *network) called(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	a := n.adapter
	if a == nil {
		n.mu.Unlock()
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	n.calls.Add(1)
	n.mu.Unlock()
	defer n.calls.Done()
	a.Hook().ServeHTTP(w, r)
}

func (n *network) Attach(a bridge.Adapter) {
	n.mu.Lock()
	n.adapter, _ = a.(*overheard)
	n.mu.Unlock()
	if a == nil {
		n.calls.Wait()
	}
}

func (n *network) Config() bridge.Config { return &config{Config: *configOf(n.server, n.api), n: n} }

// configOf is how an account is written in config.yaml.
func configOf(s *wechattest.Server, api string) *Config {
	c, _ := Kind().New().(*Config)
	o := s.Options()
	c.AppID, c.Secret, c.Token, c.API = o.AppID, bridge.MakeSecret(o.Secret), bridge.MakeSecret(o.Token), api
	if o.Mode != wechattest.Plain {
		c.AESKey = bridge.MakeSecret(o.AESKey)
	}
	c.AskName = false
	return c
}

func (n *network) Facts() adaptertest.Facts {
	o := n.server.Options()
	return adaptertest.Facts{
		Secrets: []string{o.Secret, o.Token, o.AESKey, "TOKEN-"}, MaxText: 2048, Count: bridge.Bytes, Retry: time.Minute,
	}
}

func (n *network) Room() (bridge.RoomID, bridge.UserID) {
	openid := n.server.Customer("")
	n.far.Meet(bridge.RoomID(openid), bridge.UserID(openid))
	return bridge.RoomID(openid), bridge.UserID(openid)
}

func (n *network) Do(a adaptertest.Act) (bridge.MsgID, bool) {
	openid := string(a.User)
	switch a.Verb {
	case adaptertest.Say:
		if a.ReplyTo != "" || len(a.Files) > 0 { // pictures, voices and videos have tests of their own
			return "", false
		}
		return bridge.MsgID(n.server.Say(openid, a.Text)), true
	case adaptertest.Join:
		n.server.Scan(openid, string(a.Card))
		return "", true
	case adaptertest.Leave:
		n.server.Unfollow(openid)
		return "", true
	case adaptertest.Press:
		return "", n.press(a)
	default:
		return "", false
	}
}

func (n *network) press(a adaptertest.Act) bool {
	for i, m := range n.server.Shown(string(a.User)) {
		n.mu.Lock()
		asked := n.messages[a.Room][i]
		n.mu.Unlock()
		if asked.id != a.Msg || asked.ask == nil {
			continue
		}
		for k, c := range asked.ask.Choices {
			if c.ID == a.Choice {
				return n.server.Press(string(a.User), m.Options[k].ID)
			}
		}
	}
	return false
}

// named notes what the newest messages of a room are called.
func (n *network) named(r bridge.RoomID, ids []bridge.MsgID, ask *bridge.Ask) {
	shown := n.server.Shown(string(r))
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.messages[r] == nil {
		n.messages[r] = map[int]saidAs{}
	}
	for i := len(shown) - 1; i >= 0 && len(ids) > 0; i-- {
		if shown[i].Type != "said" {
			n.messages[r][i] = saidAs{ids[len(ids)-1], ask}
			ids = ids[:len(ids)-1]
		}
	}
}

func (n *network) View(room bridge.RoomID) adaptertest.View {
	v := adaptertest.View{Typed: n.server.Typed(string(room))}
	for i, m := range n.server.Shown(string(room)) {
		n.mu.Lock()
		l := adaptertest.Line{Msg: n.messages[room][i].id, Mine: m.Type != "said", Text: m.Text}
		n.mu.Unlock()
		for _, o := range m.Options {
			l.Choices = append(l.Choices, o.Content)
		}
		if !l.Mine {
			l.Msg = bridge.MsgID(m.ID)
		}
		if m.URL != "" {
			l.Text, l.Files = "", []adaptertest.Upload{{Name: m.Title, Data: n.open(m.URL)}}
		}
		v.Lines = append(v.Lines, l)
	}
	return v
}

// open is the customer's browser.
func (n *network) open(address string) []byte {
	n.mu.Lock()
	a := n.adapter
	n.mu.Unlock()
	path, ours := strings.CutPrefix(address, gateway)
	if a == nil || !ours {
		return nil
	}
	mux := http.NewServeMux()
	for _, p := range a.Pages() {
		mux.Handle(p.Pattern, p.Handler)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if w.Code != http.StatusOK {
		return nil
	}
	return w.Body.Bytes()
}

func (n *network) Trouble(t adaptertest.Trouble) bool {
	faults := map[adaptertest.Trouble]wechattest.Fault{
		adaptertest.Broken: {Code: -1}, adaptertest.Busy: {Code: 45011}, adaptertest.Lost: {Lost: true},
		adaptertest.Slow: {Hang: true}, adaptertest.Revoked: {Code: 40001}, adaptertest.Closed: {Code: 45015},
	}
	f, can := faults[t]
	if !can {
		n.server.Fail(nil)
		return t == adaptertest.Calm
	}
	n.server.Fail(func(path string) wechattest.Fault {
		if t == adaptertest.Revoked || strings.HasPrefix(path, "/cgi-bin/message/") {
			return f
		}
		return wechattest.Fault{}
	})
	return true
}

func (n *network) Forge(f adaptertest.Forgery, room bridge.RoomID, user bridge.UserID, text string) (int, bool) {
	fields := []wechattest.Field{{Name: "Content", Value: text}, {Name: "MsgType", Value: "text"}, {Name: "MsgId", Value: "1"}}
	q, body := n.server.Sealed(string(user), 0, fields...)
	plain := n.server.Options().Mode == wechattest.Plain
	switch f {
	case adaptertest.Unsigned:
		q = url.Values{"timestamp": q["timestamp"], "nonce": q["nonce"]}
	case adaptertest.Forged:
		o := n.server.Options()
		o.Token = "another-token"
		stranger := wechattest.New(o)
		defer stranger.Close()
		q, body = stranger.Sealed(string(user), 0, fields...)
	case adaptertest.Replayed:
		q, body = n.server.Sealed(string(user), time.Hour, fields...)
	case adaptertest.Altered:
		if plain {
			return 0, false // the plain signature does not cover the body
		}
		i := bytes.Index(body, []byte("Encrypt")) + 40
		body = bytes.Clone(body)
		body[i] ^= 1
	case adaptertest.Malformed:
		q, body = n.server.Sealed(string(user), 0, wechattest.Field{Name: "Content", Value: text})
	case adaptertest.Oversized:
		body = append(body, bytes.Repeat([]byte(" "), 2<<20)...)
	}
	w := httptest.NewRecorder()
	n.called(w, httptest.NewRequest(http.MethodPost, "/hook/under-test?"+q.Encode(), bytes.NewReader(body)))
	return w.Code, true
}
