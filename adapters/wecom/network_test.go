package wecom

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/adaptertest"
	"github.com/hutong-im/hutong/adapters/wecom/wecomtest"
	"github.com/hutong-im/hutong/bridge"
)

// network is WeCom as the suite wants it.
type network struct {
	*wecomtest.Server
	url string

	change func(*Config) // of what the suite runs with; nil is nothing

	mu    sync.Mutex
	users int
}

func newNetwork(t *testing.T, o wecomtest.Options) *network {
	t.Helper()
	o.Pause = 100 * time.Millisecond
	o.PerMinute, o.PerHour = 100_000, 100_000 // the suite talks faster than people do
	s := wecomtest.New(o)
	api := httptest.NewServer(s.Handler())
	t.Cleanup(api.Close)
	t.Cleanup(s.Close)
	return &network{Server: s, url: api.URL}
}

func (n *network) Config() bridge.Config {
	c, _ := Kind().New().(*Config)
	c.CorpID, c.AgentID, c.API = wecomtest.CorpID, wecomtest.AgentID, n.url
	c.Secret, c.Token, c.AESKey = bridge.MakeSecret(wecomtest.Secret), bridge.MakeSecret(wecomtest.Token), bridge.MakeSecret(wecomtest.AESKey)
	c.PerMinute, c.PerHour = 100_000, 100_000
	if n.change != nil {
		n.change(c)
	}
	return c
}

func (n *network) Facts() adaptertest.Facts {
	secrets := []string{wecomtest.Secret, wecomtest.Token, wecomtest.AESKey}
	for i := range 20 {
		secrets = append(secrets, fmt.Sprintf("accesstoken-%06d", i+1))
	}
	return adaptertest.Facts{Secrets: secrets, MaxText: maxText, Count: bridge.Bytes, Retry: time.Minute, Boardless: true}
}

func (n *network) Attach(a bridge.Adapter) {
	if a == nil {
		n.SetHandler(nil)
		return
	}
	n.SetHandler(a.(bridge.Hooked).Hook())
}

func (n *network) Room() (bridge.RoomID, bridge.UserID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.users++
	id := fmt.Sprintf("user%d", n.users)
	n.AddUser(wecomtest.User{ID: id, Name: "李雷"})
	return bridge.RoomID(id), bridge.UserID(id)
}

func (n *network) Do(a adaptertest.Act) (bridge.MsgID, bool) {
	user := string(a.User)
	switch {
	case a.Verb == adaptertest.Say && len(a.Files) == 1:
		f := a.Files[0]
		return bridge.MsgID(n.SendFile(user, "file", wecomtest.File{Name: f.Name, Type: f.Type, Data: f.Data})), true
	case a.Verb == adaptertest.Say && len(a.Files) > 1:
		return "", false
	case a.Verb == adaptertest.Say && a.ReplyTo != "":
		return bridge.MsgID(n.Quote(user, string(a.ReplyTo), a.Text)), true
	case a.Verb == adaptertest.Say:
		return bridge.MsgID(n.Say(user, a.Text)), true
	case a.Verb == adaptertest.Press:
		return "", n.press(user, string(a.Msg), a.Choice)
	default:
		return "", false // WeCom tells an app of nothing else
	}
}

// press finds the button of a choice, which only the adapter can read.
func (n *network) press(user, msg, choice string) bool {
	for _, m := range n.Inbox(user) {
		if m.ID != msg || m.Card == nil {
			continue
		}
		for _, b := range m.Card.Buttons {
			if strings.Contains(b.Key, `"c":"`+choice+`"`) {
				return n.Press(user, m.Card.TaskID, b.Text)
			}
		}
	}
	return false
}

// View shows each line of the app twice: the chat is the member's own, so that a hint is one like any other.
func (n *network) View(room bridge.RoomID) adaptertest.View {
	v := adaptertest.View{Members: []bridge.UserID{bridge.UserID(room)}}
	for _, m := range n.Inbox(string(room)) {
		l := adaptertest.Line{Msg: bridge.MsgID(m.ID), Mine: !m.Own, Text: m.Text, Deleted: m.Recalled}
		if m.File != nil {
			l.Files = []adaptertest.Upload{{Name: m.File.Name, Type: m.File.Type, Data: m.File.Data}}
		}
		if m.Card != nil {
			for _, b := range m.Card.Buttons {
				l.Choices = append(l.Choices, b.Text)
			}
		}
		v.Lines = append(v.Lines, l)
		if l.Mine {
			l.To = bridge.UserID(room)
			v.Lines = append(v.Lines, l)
		}
	}
	return v
}

func (n *network) Trouble(t adaptertest.Trouble) bool {
	n.Calm()
	const send, upload = "/cgi-bin/message/send", "/cgi-bin/media/upload"
	switch t {
	case adaptertest.Calm:
	case adaptertest.Broken:
		n.Fail(wecomtest.Fault{Path: send, Code: -1, Msg: "system busy"})
	case adaptertest.Busy:
		n.Fail(wecomtest.Fault{Path: send, Code: 45009, Msg: "api freq out of limit"})
	case adaptertest.Lost:
		n.Fail(wecomtest.Fault{Path: send, Cut: true})
	case adaptertest.Slow:
		n.Fail(wecomtest.Fault{Path: send, Hang: true})
	case adaptertest.Revoked:
		n.ExpireToken()
		n.Fail(wecomtest.Fault{Path: "/cgi-bin/gettoken", Code: 40001, Msg: "invalid credential"})
	case adaptertest.Cut:
		n.CutNext()
	default:
		return false
	}
	return true
}

// Forge implements adaptertest.Forger.
func (n *network) Forge(f adaptertest.Forgery, _ bridge.RoomID, user bridge.UserID, text string) (int, bool) {
	now := time.Now()
	msg := func(text string) []byte {
		return wecomtest.XML(wecomtest.Field{Name: "ToUserName", Value: wecomtest.CorpID}, wecomtest.Field{Name: "FromUserName", Value: string(user)},
			wecomtest.Field{Name: "CreateTime", Value: int(now.Unix())}, wecomtest.Field{Name: "MsgType", Value: "text"},
			wecomtest.Field{Name: "Content", Value: text}, wecomtest.Field{Name: "MsgId", Value: "1"})
	}
	knock := func(b []byte, token string, at time.Time, change func(url.Values, []byte) []byte) (int, bool) {
		return n.Knock(context.Background(), b, token, at, change), true
	}
	switch f {
	case adaptertest.Unsigned:
		return knock(msg(text), wecomtest.Token, now, func(q url.Values, b []byte) []byte { q.Del("msg_signature"); return b })
	case adaptertest.Forged:
		return knock(msg(text), "another", now, nil)
	case adaptertest.Replayed:
		return knock(msg(text), wecomtest.Token, now.Add(-time.Hour), nil)
	case adaptertest.Altered:
		return knock(msg(text), wecomtest.Token, now, func(_ url.Values, b []byte) []byte {
			i := bytes.Index(b, []byte("<Encrypt>")) + 60
			b[i] ^= 1
			return b
		})
	case adaptertest.Malformed:
		return knock([]byte("<xml><FromUserName>"+string(user)+"</From"), wecomtest.Token, now, nil)
	case adaptertest.Oversized:
		return knock(msg(strings.Repeat("x", 2<<20)), wecomtest.Token, now, nil)
	}
	return 0, false
}

func TestContract(t *testing.T) {
	n := newNetwork(t, wecomtest.Options{})
	adaptertest.Run(t, Kind(), n)
	for _, c := range n.Complaints() {
		t.Error(c)
	}
}
