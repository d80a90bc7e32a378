package telegram

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/adaptertest"
	"github.com/hutong-im/hutong/adapters/telegram/telegramtest"
	"github.com/hutong-im/hutong/bridge"
)

func TestContractPoll(t *testing.T) { adaptertest.Run(t, Kind(), newNetwork(t, modePoll)) }
func TestContractWebhook(t *testing.T) {
	adaptertest.Run(t, Kind(), hooking{newNetwork(t, modeWebhook)})
}

// network is Telegram with people who use it, and the gateway that it calls.
type network struct {
	*telegramtest.Server
	mode  string
	lobby lobby

	mu    sync.Mutex
	hook  http.Handler
	users int64
}

// public is where the world believes the gateway to be.
const public = "https://gateway.acme.example"

func newNetwork(t testing.TB, mode string) *network {
	n := &network{mode: mode, lobby: lobby{company: bridge.Company{Name: "ACME", Short: "ACME", URL: public, Language: "en"}}}
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.mu.Lock()
		h := n.hook
		n.mu.Unlock()
		if h == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		h.ServeHTTP(w, r)
	}))
	n.Server = telegramtest.New(func(to string) string { return strings.Replace(to, public, gateway.URL, 1) })
	t.Cleanup(gateway.Close)
	t.Cleanup(n.Close)
	return n
}

// lobby knows the company.
type lobby struct {
	bridge.Lobby
	company bridge.Company
	members []bridge.Member
}

func (l *lobby) Company() bridge.Company  { return l.company }
func (l *lobby) Members() []bridge.Member { return l.members }

func (n *network) Lobby() bridge.Lobby { return &n.lobby }

func (n *network) Config() bridge.Config {
	return &Config{API: n.URL(), Token: bridge.MakeSecret(telegramtest.Token), Mode: n.mode, MaxFile: 1 << 20}
}

func (n *network) Facts() adaptertest.Facts {
	c, _ := n.Config().(*Config)
	return adaptertest.Facts{
		Secrets: []string{telegramtest.Token, c.secret()}, MaxText: 4096, Count: bridge.UTF16,
		Retry: telegramtest.RetryAfter * time.Second, Replies: true,
	}
}

func (n *network) Attach(a bridge.Adapter) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hook = nil
	if h, ok := a.(bridge.Hooked); ok {
		n.hook = h.Hook()
	}
}

func (n *network) Room() (bridge.RoomID, bridge.UserID) {
	n.mu.Lock()
	n.users++
	id := 7000 + n.users
	n.mu.Unlock()
	n.Started(telegramtest.User{ID: id, Name: "张三"})
	s := strconv.FormatInt(id, 10)
	return bridge.RoomID(s), bridge.UserID(s)
}

func num[S ~string](s S) int64 {
	n, _ := strconv.ParseInt(string(s), 10, 64)
	return n
}

func (n *network) Do(a adaptertest.Act) (bridge.MsgID, bool) {
	u := telegramtest.User{ID: num(a.User), Name: a.Name}
	switch a.Verb {
	case adaptertest.Say:
		said := telegramtest.Said{User: u, Text: a.Text, ReplyTo: num(a.ReplyTo)}
		for _, f := range a.Files {
			said.File = &telegramtest.File{Kind: "document", Name: f.Name, Type: f.Type, Data: f.Data}
		}
		return msgOf(n.Say(said)), len(a.Files) < 2
	case adaptertest.Edit:
		n.Server.Edit(u.ID, num(a.Msg), a.Text)
	case adaptertest.React:
		n.Server.React(u.ID, num(a.Msg), a.Emoji)
	case adaptertest.Unreact:
		n.Server.React(u.ID, num(a.Msg), "")
	case adaptertest.Join:
		return msgOf(n.Say(telegramtest.Said{User: u, Text: "/start " + string(a.Card)})), true
	case adaptertest.Leave:
		n.Block(u.ID, true)
	case adaptertest.Press:
		n.press(u.ID, num(a.Msg), a.Choice)
	case adaptertest.Recall, adaptertest.Read, adaptertest.Type:
		return "", false // a bot is not told
	}
	return a.Msg, true
}

// press presses the button whose choice has that name.
func (n *network) press(user, msg int64, choice string) {
	for _, m := range n.Messages(user) {
		for i, b := range m.Buttons {
			if m.ID == msg && i == map[string]int{"accept": 0, "decline": 1}[choice] {
				n.Press(user, msg, b.Data)
			}
		}
	}
}

func (n *network) View(room bridge.RoomID) adaptertest.View {
	user := num(room)
	v := adaptertest.View{Typed: n.Typed(user)}
	for _, m := range n.Messages(user) {
		l := adaptertest.Line{Msg: msgOf(m.ID), Mine: m.From == 0, Text: m.Text, Deleted: m.Deleted}
		if m.ReplyTo != 0 {
			l.ReplyTo = msgOf(m.ReplyTo)
		}
		if m.File != nil {
			l.Files = []adaptertest.Upload{{Name: m.File.Name, Type: m.File.Type, Data: m.File.Data}}
		}
		for _, b := range m.Buttons {
			l.Choices = append(l.Choices, b.Text)
		}
		if e := m.Reactions[0]; e != "" {
			l.Reactions = []string{e}
		}
		v.Lines = append(v.Lines, l)
	}
	return v
}

func (n *network) Trouble(t adaptertest.Trouble) bool {
	to, ok := map[adaptertest.Trouble]telegramtest.Trouble{
		adaptertest.Calm: telegramtest.Calm, adaptertest.Broken: telegramtest.Down, adaptertest.Busy: telegramtest.Busy,
		adaptertest.Lost: telegramtest.Lost, adaptertest.Slow: telegramtest.Slow, adaptertest.Revoked: telegramtest.Revoked,
	}[t]
	if ok {
		n.Server.Trouble(to)
	}
	if t == adaptertest.Cut && n.mode == modePoll {
		n.Server.Cut()
		return true
	}
	return ok
}

// hooking is the network when it calls.
type hooking struct{ *network }

func (n hooking) Forge(f adaptertest.Forgery, room bridge.RoomID, user bridge.UserID, text string) (int, bool) {
	body, err := json.Marshal(map[string]any{"update_id": 1, "message": map[string]any{
		"message_id": 1, "date": time.Now().Unix(), "text": text,
		"chat": map[string]any{"id": num(room), "type": "private"}, "from": map[string]any{"id": num(user), "first_name": "x"},
	}})
	if err != nil {
		return 0, false
	}
	switch f {
	case adaptertest.Unsigned:
		return n.Call("", body), true
	case adaptertest.Forged:
		return n.Call("another-secret-token", body), true
	case adaptertest.Malformed:
		return n.Call(n.Secret(), []byte(`{"update_id":`)), true
	case adaptertest.Oversized:
		return n.Call(n.Secret(), append([]byte(`{"update_id":1,"x":"`+strings.Repeat("x", 2<<20)), `"}`...)), true
	case adaptertest.Replayed, adaptertest.Altered: // Telegram shows a token, it signs nothing
	}
	return 0, false
}
