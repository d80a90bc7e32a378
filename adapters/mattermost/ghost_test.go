package mattermost

import (
	"bytes"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/bridge"
)

// ghostly is an office whose customers have accounts of their own.
func ghostly(t *testing.T, change ...func(s *server)) *office {
	o := newOffice(t, append(change, func(s *server) { s.bossMay = makerRights() })...)
	o.network.ghosts = bossToken
	o.open()
	return o
}

func (o *office) author(p *model.Post) *model.User {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	return o.server.users[p.UserId]
}

func TestGhost(t *testing.T) {
	o := ghostly(t)
	room := o.opened()
	first := o.send(room, "k1", "hello")
	by := o.author(first)
	if !by.IsBot || by.Id == o.bot.Id || by.FirstName != "张三 · 微信联系人" || !strings.HasPrefix(by.Username, "customer-") {
		t.Fatalf("it was said by %+v", by)
	}
	o.open() // a new process knows the account and its token
	if again := o.author(o.send(room, "k2", "hello")); again.Id != by.Id || o.count("POST /users/{id}/tokens") != 1 {
		t.Errorf("then by %+v", again)
	}
	if ids, err := o.Find(t.Context(), room, "k1"); err != nil || len(ids) != 1 || string(ids[0]) != first.Id {
		t.Errorf("find: %v, %v", ids, err)
	}

	// A new name, and what the bot itself says.
	ids, err := o.Send(t.Context(), room, bridge.Draft{Key: "k3", Text: "hello", As: bridge.Label{Name: "张三丰", Text: "张三丰 · 微信联系人"}})
	if err != nil || o.author(o.get(string(ids[0]))).FirstName != "张三丰 · 微信联系人" {
		t.Errorf("the name stays: %v", err)
	}
	house := bridge.Label{Name: "ACME", Text: "ACME"}
	if ids, err = o.Send(t.Context(), room, bridge.Draft{Key: "k4", Text: "New customer", As: house}); err != nil || o.author(o.get(string(ids[0]))).Id != o.bot.Id {
		t.Errorf("the gateway speaks as the customer: %v", err)
	}
	for _, msg := range []bridge.MsgID{bridge.MsgID(first.Id), ids[0]} { // each by its own account
		if err := o.Edit(t.Context(), room, msg, bridge.Draft{Text: "changed", As: house}); err != nil || o.get(string(msg)).Message != "changed" {
			t.Errorf("edit: %v", err)
		}
		if err := o.Delete(t.Context(), room, msg); err != nil || o.get(string(msg)).DeleteAt == 0 {
			t.Errorf("delete: %v", err)
		}
	}
	for _, v := range o.allState(t) {
		if bytes.Contains(v, []byte(o.tokenOf(by.Id))) {
			t.Error("the token stands in the store as it is")
		}
	}
}

// allState is what the adapter keeps.
func (o *office) allState(t *testing.T) (out [][]byte) {
	t.Helper()
	keys, err := o.state.List(t.Context(), "", "", 1000)
	if err != nil || len(keys) == 0 {
		t.Fatal(keys, err)
	}
	for _, k := range keys {
		v, _, err := o.state.Get(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

func (o *office) tokenOf(user string) string {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	for token, id := range o.tokens {
		if id == user {
			return token
		}
	}
	o.t.Fatal("it has no token")
	return ""
}

// An account whose token was revoked, or that was removed from its channel, is made good.
func TestGhostIsMadeGood(t *testing.T) {
	for name, harm := range map[string]func(o *office, room, user, token string){
		"revoked": func(o *office, _, _, token string) { delete(o.tokens, token) },
		"removed": func(o *office, room, user, _ string) {
			c := o.channels[room]
			c.members = slices.DeleteFunc(c.members, func(m string) bool { return m == user })
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := ghostly(t)
			room := o.opened()
			by := o.author(o.send(room, "k1", "hello"))
			token := o.tokenOf(by.Id)
			o.server.mu.Lock()
			harm(o, string(room), by.Id, token)
			o.server.mu.Unlock()
			d := bridge.Draft{Key: "k2", Text: "again", As: bridge.Label{Name: "张三", Text: "张三 · 微信联系人"}}
			if _, err := o.Send(t.Context(), room, d); bridge.Judge(err).Verdict != bridge.VerdictRetry {
				t.Fatalf("want a plain error, got %v", err)
			}
			if again := o.author(o.send(room, "k2", "again")); again.Id != by.Id {
				t.Errorf("it is another: %+v", again)
			}
		})
	}
}

// Where accounts may not be made, customers speak through the bot, and the operator is told why.
func TestGhostRefused(t *testing.T) {
	o := ghostly(t, func(s *server) { s.noNames = true })
	o.server.mu.Lock()
	o.bossMay = []string{"read_bots"}
	o.server.mu.Unlock()
	room := o.opened()
	p := o.send(room, "k1", "hello")
	if o.author(p).Id != o.bot.Id || p.Message != "**张三 · 微信联系人**\nhello" {
		t.Errorf("it is %+v", p)
	}
	if said := strings.Join(o.Warnings(), "\n"); !strings.Contains(said, "customers have no accounts of their own") || !strings.Contains(said, "ghosts.token:") {
		t.Errorf("the warnings are %s", said)
	}
	o.send(room, "k2", "hello")
	if n := o.count("POST /bots"); n != 1 {
		t.Errorf("it was tried %d times", n)
	}
}

func TestGhostPicture(t *testing.T) {
	o := ghostly(t)
	var face bytes.Buffer
	if err := png.Encode(&face, image.NewRGBA(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	asked := 0
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		_, _ = w.Write(face.Bytes())
	}))
	defer gateway.Close()
	o.lobby.company.URL = gateway.URL
	room := o.opened()
	for i, c := range []struct {
		address string
		asked   int
	}{{"https://elsewhere.example/face.png", 0}, {gateway.URL + "/avatar/1", 1}, {gateway.URL + "/avatar/1", 1}, {gateway.URL + "/avatar/2", 2}} {
		label := bridge.Label{Name: "张三", Text: "张三 · 微信联系人", Avatar: c.address}
		ids, err := o.Send(t.Context(), room, bridge.Draft{Key: "k" + string(rune('0'+i)), Text: "hello", As: label})
		if err != nil {
			t.Fatal(err)
		}
		p := o.get(string(ids[0]))
		o.server.mu.Lock()
		if size := o.pictures[p.UserId]; asked != c.asked || (size > 0) != (asked > 0) || p.GetProp("override_icon_url") != c.address {
			t.Errorf("%s: asked %d times, the account has a picture of %d bytes, the post shows %v", c.address, asked, size, p.GetProp("override_icon_url"))
		}
		o.server.mu.Unlock()
	}
}
