package mattermost

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/adapters/adaptertest"
	"github.com/hutong-im/hutong/bridge"
)

// A bot that may do what every member may, and what the server forbids stands in the text.
func TestContractPlain(t *testing.T) {
	s := newServer(t)
	s.noNames = true
	adaptertest.Run(t, Kind(), newNetwork(t, s))
}

// A bot with a role of its own.
func TestContractTrusted(t *testing.T) {
	s := newServer(t)
	s.extra = trusted()
	adaptertest.Run(t, Kind(), newNetwork(t, s))
}

func trusted() []string { return []string{"create_post_ephemeral", "manage_slash_commands"} }

// Customers with accounts of their own.
func TestContractGhosts(t *testing.T) {
	s := newServer(t)
	s.extra, s.bossMay = trusted(), makerRights()
	n := newNetwork(t, s)
	n.ghosts = bossToken
	adaptertest.Run(t, Kind(), n)
}

// makerRights are the permissions of somebody who may make bots.
func makerRights() []string {
	return []string{"create_bot", "manage_bots", "read_bots", "create_user_access_token"}
}

func TestContractThread(t *testing.T) {
	n := newNetwork(t, newServer(t))
	n.rooms = roomsThread
	adaptertest.Run(t, Kind(), n)
}

func TestContractInbox(t *testing.T) {
	s := newServer(t)
	s.extra = trusted()
	n := newNetwork(t, s)
	n.rooms = roomsInbox
	adaptertest.Run(t, Kind(), n)
}

// network is the server with people who use it.
type network struct {
	*server
	hook   string // where the gateway is
	rooms  string
	ghosts string

	calls   sync.WaitGroup
	strays  int // presses that tried to change what cannot be changed
	who     sync.Mutex
	adapter *adapter
	lobby   lobby
}

func newNetwork(t testing.TB, s *server) *network {
	n := &network{server: s, rooms: roomsChannel}
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.who.Lock()
		a := n.adapter
		n.who.Unlock()
		if a == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		a.Hook().ServeHTTP(w, r)
	}))
	t.Cleanup(gateway.Close)
	n.hook = gateway.URL
	n.lobby.company = bridge.Company{Name: "ACME", Short: "ACME", URL: gateway.URL, Zone: time.UTC}
	return n
}

func (n *network) Config() bridge.Config {
	c := &Config{URL: n.url, Token: bridge.MakeSecret(botToken), Team: teamName, Rooms: n.rooms, Command: "hutong", MaxFile: 1 << 20}
	if n.ghosts != "" {
		c.Ghosts.Token = bridge.MakeSecret(n.ghosts)
	}
	return c
}

func (n *network) Facts() adaptertest.Facts {
	return adaptertest.Facts{Secrets: []string{botToken, bossToken}, MaxText: maxText, Count: bridge.Runes, Retry: 3 * time.Second, Replies: true}
}

func (n *network) Lobby() bridge.Lobby { return &n.lobby }

func (n *network) Attach(a bridge.Adapter) {
	n.calls.Wait()
	n.who.Lock()
	defer n.who.Unlock()
	n.adapter, _ = a.(*adapter)
}

func (n *network) Room() (bridge.RoomID, bridge.UserID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	u := n.user(fmt.Sprintf("member.%d", len(n.users)))
	n.lobby.add(u.Id)
	if n.rooms == roomsChannel {
		return bridge.RoomID(n.newChannel("hutong-"+u.Id, "张三", "P", n.bot.Id, n.bot.Id, u.Id).Id), bridge.UserID(u.Id)
	}
	at := place{channel: n.newChannel(model.GetDMNameFromIds(n.bot.Id, u.Id), "", "D", n.bot.Id, n.bot.Id, u.Id).Id}
	if n.rooms == roomsThread {
		at.root = n.put(&model.Post{ChannelId: at.channel, UserId: n.bot.Id, Message: "**张三**", Props: model.StringInterface{propCard: u.Id}}).Id
	}
	return at.name(), bridge.UserID(u.Id)
}

func (n *network) Do(a adaptertest.Act) (bridge.MsgID, bool) {
	switch a.Verb { //nolint:exhaustive // in two parts
	case adaptertest.Press:
		return a.Msg, n.press(a)
	case adaptertest.Read, adaptertest.Join, adaptertest.Leave:
		return "", false // reading is told to nobody; the others are what customers do
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.posts[string(a.Msg)]
	switch a.Verb { //nolint:exhaustive // in two parts
	case adaptertest.Say:
		at := placeOf(a.Room)
		p = &model.Post{ChannelId: at.channel, UserId: string(a.User), Message: a.Text, RootId: at.root}
		if a.ReplyTo != "" && at.root != "" {
			p.Message = n.url + "/" + teamName + "/pl/" + string(a.ReplyTo) + "\n" + a.Text
		} else if a.ReplyTo != "" {
			p.RootId = string(a.ReplyTo)
		}
		for _, f := range a.Files {
			p.FileIds = append(p.FileIds, n.store(p.UserId, p.ChannelId, f.Name, f.Type, f.Data).Id)
		}
		return bridge.MsgID(n.put(p).Id), true
	case adaptertest.Edit:
		n.edit(p, a.Text)
	case adaptertest.Recall:
		n.remove(p)
	case adaptertest.React, adaptertest.Unreact:
		n.mark(p, string(a.User), icons()[bare(a.Emoji)], a.Verb == adaptertest.React)
	case adaptertest.Type:
		at := placeOf(a.Room)
		n.tell(n.channels[at.channel], model.WebsocketEventTyping, map[string]any{"user_id": string(a.User), "parent_id": at.root}, nil)
	}
	return a.Msg, true
}

// press does what the server does when a button is pressed. What only one user sees cannot be changed.
func (n *network) press(a adaptertest.Act) bool {
	n.mu.Lock()
	p, all := n.posts[string(a.Msg)], n.actions[string(a.Msg)]
	n.mu.Unlock()
	channel := placeOf(a.Room).channel
	if p != nil {
		channel = p.ChannelId
	}
	for _, i := range all {
		if i.Context["choice"] != a.Choice {
			continue
		}
		n.calls.Go(func() {
			status, answer := n.call(i.URL, "application/json", "", encode(model.PostActionIntegrationRequest{
				UserId: string(a.User), ChannelId: channel, PostId: string(a.Msg), TriggerId: "t", Type: "button", Context: i.Context,
			}))
			var out model.PostActionIntegrationResponse
			n.mu.Lock()
			defer n.mu.Unlock()
			if status != http.StatusOK || json.Unmarshal(answer, &out) != nil {
				return
			}
			if out.Update != nil && p == nil {
				n.strays++ // the real one answers the user with an error
			} else if out.Update != nil {
				p.Message = out.Update.Message
				p.SetProps(out.Update.GetProps())
			}
			if out.EphemeralText != "" {
				n.hints = append(n.hints, hint{string(a.User), &model.Post{ChannelId: channel, Message: out.EphemeralText}})
			}
		})
		return true
	}
	return false
}

func encode(v any) []byte {
	b, _ := json.Marshal(v)
	return b
}

// call calls the gateway.
func (n *network) call(address, typ, auth string, body []byte) (int, []byte) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, nil
	}
	req.Header.Set("Content-Type", typ)
	req.Header.Set("Authorization", auth)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil
	}
	defer func() { _ = resp.Body.Close() }()
	answer, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, answer
}

func (n *network) Forge(f adaptertest.Forgery, room bridge.RoomID, user bridge.UserID, text string) (int, bool) {
	hook, typ, auth := n.hook+"/hook/under-test", "application/json", ""
	req := model.PostActionIntegrationRequest{UserId: string(user), ChannelId: placeOf(room).channel, PostId: "p", Context: map[string]any{
		"room": string(room), "ask": "link:l1", "choice": "accept", "label": text, "sig": "",
	}}
	body := encode(req)
	switch f {
	case adaptertest.Unsigned:
	case adaptertest.Forged: // a slash command with another token
		typ, auth = "application/x-www-form-urlencoded", "Token "+strings.Repeat("x", 26)
		body = []byte(url.Values{"user_id": {string(user)}, "channel_id": {placeOf(room).channel}, "trigger_id": {"t"}, "text": {"to " + text}}.Encode())
	case adaptertest.Altered:
		a := n.adapter
		p := press{Room: room, Ask: "link:l1", Choice: "decline"}
		req.Context["sig"] = a.sign(p)
		body = encode(req)
	case adaptertest.Malformed:
		body = []byte(`{"user_id": 7, "context": "` + text)
	case adaptertest.Oversized:
		body = bytes.Repeat([]byte("a"), maxHook+1)
	default:
		return 0, false // a press is as good tomorrow as today; whether it is too late the core knows
	}
	status, _ := n.call(hook, typ, auth, body)
	return status, true
}

func (n *network) Trouble(t adaptertest.Trouble) bool {
	switch t { //nolint:exhaustive // the others are the server's
	case adaptertest.Cut:
		n.cut()
		return true
	case adaptertest.Closed:
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.trouble = t
	return true
}

func (n *network) View(room bridge.RoomID) (v adaptertest.View) {
	n.mu.Lock()
	defer n.mu.Unlock()
	at := placeOf(room)
	c := n.channels[at.channel]
	if c == nil {
		return v
	}
	v.Title, v.Typed = c.DisplayName, n.typed[c.Id+at.root]
	for _, m := range c.members {
		if !n.users[m].IsBot {
			v.Members = append(v.Members, bridge.UserID(m))
		}
	}
	for _, id := range c.order {
		switch p := n.posts[id]; {
		case p.GetProp(propCard) != nil && (at.root == "" || at.root == id):
			v.Board += p.Message
		case p.Type == "" && p.RootId == at.root || p.RootId != "" && at.root == "":
			v.Lines = append(v.Lines, n.line(p))
		}
	}
	for _, h := range n.hints {
		if h.post.ChannelId == c.Id && h.post.RootId == at.root {
			l := n.line(h.post)
			l.Mine, l.To = true, bridge.UserID(h.user)
			v.Lines = append(v.Lines, l)
		}
	}
	v.Lines = append(v.Lines, n.aside(c)...)
	return v
}

// aside are the hints about a room that the bot gave in its own chats.
func (n *network) aside(about *channel) (out []adaptertest.Line) {
	for _, c := range n.channels {
		if c.Type != model.ChannelTypeDirect {
			continue
		}
		for _, id := range c.order {
			if text, ok := strings.CutPrefix(n.posts[id].Message, "~"+about.Name+"\n"); ok {
				l := n.line(n.posts[id])
				l.Text, l.To = text, n.reader(c)
				out = append(out, l)
			}
		}
	}
	return out
}

// reader is the one who reads a chat with the bot.
func (n *network) reader(c *channel) bridge.UserID {
	return bridge.UserID(c.members[slices.IndexFunc(c.members, func(m string) bool { return m != n.bot.Id })])
}

// line is a post as the clients show it.
func (n *network) line(p *model.Post) adaptertest.Line {
	by := n.users[p.UserId]
	l := adaptertest.Line{Msg: bridge.MsgID(p.Id), Mine: by != nil && by.IsBot, Text: p.Message, Deleted: p.DeleteAt != 0}
	if l.Mine && p.UserId != n.bot.Id {
		l.Name = by.FirstName
	}
	if !n.noNames && p.GetProp("from_webhook") == "true" {
		l.Name, _ = p.GetProp("override_username").(string)
	}
	if c := n.channels[p.ChannelId]; l.Mine && c.Type == model.ChannelTypeDirect && p.GetProp(propKey) == nil {
		l.To = n.reader(c)
	}
	if name, text, ok := strings.Cut(p.Message, "**\n"); ok && n.noNames && l.Mine {
		l.Name, l.Text = strings.TrimPrefix(name, "**"), text
	}
	if to, ok := p.GetProp(propReply).(string); ok {
		l.ReplyTo = bridge.MsgID(to)
	}
	if p.Metadata == nil { // it is seen by one user only
		p.Metadata = &model.PostMetadata{}
	}
	for _, f := range p.Metadata.Files {
		l.Files = append(l.Files, adaptertest.Upload{Name: f.Name, Type: f.MimeType, Data: n.uploads[f.Id].data})
	}
	for _, re := range p.Metadata.Reactions {
		_, mark := lookalikes()[re.EmojiName]
		switch {
		case re.UserId == n.bot.Id && mark:
			l.Mark += re.EmojiName
		case n.users[re.UserId].IsBot:
			l.Reactions = append(l.Reactions, character(re.EmojiName))
		}
	}
	for _, card := range p.Attachments() {
		for _, b := range card.Actions {
			l.Choices = append(l.Choices, b.Name)
		}
	}
	return l
}

// lobby is what the adapter may ask of the gateway.
type lobby struct {
	bridge.Lobby
	company bridge.Company
	lock    sync.Mutex
	members []bridge.Member
	history []bridge.Line
}

func (l *lobby) Company() bridge.Company { return l.company }

// add makes a user a member.
func (l *lobby) add(user string) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.members = append(l.members, bridge.Member{
		ID: bridge.MemberID(user), Accounts: []bridge.UserRef{{Adapter: "under-test", User: bridge.UserID(user)}},
	})
}

func (l *lobby) Members() []bridge.Member {
	l.lock.Lock()
	defer l.lock.Unlock()
	return slices.Clone(l.members)
}

func (l *lobby) Commands() []string {
	return []string{"to", "who", "contacts", "note", "remark", "help", "card"}
}

func (l *lobby) History(context.Context, bridge.UserID, bridge.RoomID, bridge.MessageID, int) ([]bridge.Line, error) {
	return l.history, nil
}
