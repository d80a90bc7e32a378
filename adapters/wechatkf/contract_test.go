package wechatkf

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/adaptertest"
	"github.com/hutong-im/hutong/adapters/wechatkf/wechatkftest"
	"github.com/hutong-im/hutong/bridge"
)

const account = wechatkftest.Account

func TestContract(t *testing.T) {
	for name, once := range map[string]bool{"a repeated msgid is refused": false, "a repeated msgid is shown once": true} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, wechatkftest.Options{Once: once, Untokened: 1 << 20, Repeat: 20 * time.Millisecond, Page: 7})
			n.idempotent = once
			adaptertest.Run(t, Kind(), n)
			for _, c := range n.Complaints() {
				t.Error(c)
			}
		})
	}
}

// network is 微信客服 for the suite.
type network struct {
	*wechatkftest.Network
	api, gate  *httptest.Server
	idempotent bool

	mu      sync.Mutex
	adapter bridge.Adapter
	rooms   int
}

func newNetwork(t *testing.T, o wechatkftest.Options) *network {
	n := &network{Network: wechatkftest.New(o)}
	n.api = httptest.NewServer(n.Handler())
	n.gate = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.mu.Lock()
		h, _ := n.adapter.(bridge.Hooked)
		n.mu.Unlock()
		if h == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		h.Hook().ServeHTTP(w, r)
	}))
	t.Cleanup(func() { n.Close(); n.api.Close(); n.gate.Close() })
	return n
}

func (n *network) Config() bridge.Config {
	c, _ := Kind().New().(*Config)
	c.API, c.CorpID, c.Idempotent, c.Poll = n.api.URL, wechatkftest.CorpID, n.idempotent, 10*time.Second
	c.Secret, c.Token, c.AESKey = bridge.MakeSecret(wechatkftest.Secret), bridge.MakeSecret(wechatkftest.Token), bridge.MakeSecret(wechatkftest.AESKey)
	return c
}

func (n *network) Facts() adaptertest.Facts {
	return adaptertest.Facts{
		Secrets: []string{wechatkftest.Secret, wechatkftest.Token, wechatkftest.AESKey, "access-t0ken"},
		MaxText: 2048, Count: bridge.Bytes, Retry: 5 * time.Second,
	}
}

func (n *network) Attach(a bridge.Adapter) {
	n.mu.Lock()
	n.adapter = a
	n.mu.Unlock()
	if a == nil {
		n.SetHook("")
	} else {
		n.SetHook(n.gate.URL)
	}
}

func (n *network) Room() (bridge.RoomID, bridge.UserID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rooms++
	user := fmt.Sprintf("wmAJ2GCAAAme1XQRC-NI-q0_Z%06d", n.rooms)
	return roomOf(account, user), bridge.UserID(user)
}

func (n *network) Do(a adaptertest.Act) (bridge.MsgID, bool) {
	user := string(a.User)
	if a.Name != "" {
		n.Know(user, wechatkftest.Customer{Nickname: a.Name})
	}
	switch a.Verb {
	case adaptertest.Say:
		switch {
		case a.ReplyTo != "" || len(a.Files) > 1:
			return "", false
		case len(a.Files) == 0:
			return bridge.MsgID(n.Say(account, user, a.Text)), true
		}
		n.Say(account, user, a.Text)
		f := a.Files[0]
		id := n.Upload(wechatkftest.File{Kind: "file", Name: f.Name, Type: f.Type, Data: f.Data})
		return bridge.MsgID(n.Send(account, user, "file", map[string]any{"media_id": id})), true
	case adaptertest.Recall:
		n.Recall(account, user, string(a.Msg))
	case adaptertest.Join:
		n.Enter(account, user, string(a.Card))
	case adaptertest.Press:
		for _, l := range n.Lines(account, user) {
			for _, e := range l.Menu {
				if l.ID == string(a.Msg) && strings.Contains(e.ID, "."+a.Choice+".") {
					return "", n.Click(account, user, e.Content)
				}
			}
		}
		return "", false
	default:
		return "", false
	}
	return "", true
}

func (n *network) View(room bridge.RoomID) (v adaptertest.View) {
	acc, customer, _ := strings.Cut(string(room), "/")
	for _, l := range n.Lines(acc, customer) {
		line := adaptertest.Line{Msg: bridge.MsgID(l.ID), Mine: l.Mine, Text: l.Text, Deleted: l.Deleted}
		if l.File.Data != nil {
			line.Files = []adaptertest.Upload{{Name: l.File.Name, Type: l.File.Type, Data: l.File.Data}}
		}
		for _, e := range l.Menu {
			line.Choices = append(line.Choices, e.Content)
		}
		v.Lines = append(v.Lines, line)
	}
	return v
}

const (
	sendPath    = "/cgi-bin/kf/send_msg"
	onEventPath = "/cgi-bin/kf/send_msg_on_event"
	syncPath    = "/cgi-bin/kf/sync_msg"
)

func (n *network) Trouble(t adaptertest.Trouble) bool {
	n.Calm()
	f, ok := map[adaptertest.Trouble]wechatkftest.Fault{
		adaptertest.Broken: {Status: http.StatusBadGateway},
		adaptertest.Busy:   {Code: 45033, Msg: "concurrent call out of limit"},
		adaptertest.Lost:   {Lost: true},
		adaptertest.Slow:   {Slow: true},
		adaptertest.Closed: {Code: 95001, Msg: "send msg count limit"},
	}[t]
	switch {
	case ok:
		n.Fail(sendPath, f)
	case t == adaptertest.Revoked:
		n.Revoke()
	case t == adaptertest.Cut:
		n.Fail(syncPath, wechatkftest.Fault{Break: true, Times: 1})
	}
	return true
}

// Forge implements adaptertest.Forger.
func (n *network) Forge(f adaptertest.Forgery, _ bridge.RoomID, _ bridge.UserID, _ string) (int, bool) {
	o := wechatkftest.Options{CorpID: wechatkftest.CorpID, Token: wechatkftest.Token, AESKey: wechatkftest.AESKey}
	text, at := "<xml><Event>kf_msg_or_event</Event><Token>ENC</Token><OpenKfId>"+account+"</OpenKfId></xml>", time.Now()
	switch f {
	case adaptertest.Forged:
		o.Token = "another"
	case adaptertest.Replayed:
		at = at.Add(-24 * time.Hour)
	case adaptertest.Malformed:
		text = "this is no XML <"
	case adaptertest.Oversized:
		text = strings.Repeat(" ", 1<<20)
	default:
	}
	q, body := wechatkftest.Seal(o, text, at)
	switch f {
	case adaptertest.Unsigned:
		q.Del("msg_signature")
	case adaptertest.Altered:
		body = []byte(strings.Replace(string(body), "<Encrypt><![CDATA[", "<Encrypt><![CDATA[AAAA", 1))
	default:
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return wechatkftest.Call(client, n.gate.URL, q, body), true
}
