package mattermost

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/adapters/adaptertest"
	"github.com/hutong-im/hutong/bridge"
)

// chatting is an office whose customers appear in the bot's chats.
func chatting(t *testing.T, rooms string) (o *office, room bridge.RoomID, at place) {
	t.Helper()
	o = newOffice(t)
	o.network.rooms = rooms
	o.open()
	o.run()
	room = o.opened()
	return o, room, placeOf(room)
}

// message is what was heard with the text.
func (o *office) message(text string) bridge.MessageEvent {
	o.t.Helper()
	var found bridge.MessageEvent
	o.eventually("the message "+text, func() bool {
		return slices.ContainsFunc(o.events(), func(e bridge.Event) bool {
			m, ok := e.(bridge.MessageEvent)
			found = m
			return ok && m.Text == text
		})
	})
	return found
}

// writes lets a user post in a thread.
func (o *office) writes(at place, root, user, text string) *model.Post {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	return o.put(&model.Post{ChannelId: at.channel, RootId: root, UserId: user, Message: text})
}

func TestThreads(t *testing.T) {
	o, room, at := chatting(t, roomsThread)
	li := o.id("lilei")
	if at.root == "" || o.get(at.root).UserId != o.bot.Id {
		t.Fatalf("the room is %s", room)
	}
	other, err := o.adapter.Open(t.Context(), wish(func(w *bridge.Opening) { w.Key = "l2" }))
	if err != nil || placeOf(other).channel != at.channel || other == room {
		t.Fatalf("another customer's room is %s: %v", other, err)
	}

	// Each message of the customer calls the owner, but for one who is muted.
	for i, c := range []struct {
		quiet bool
		calls string
	}{{false, "@lilei"}, {false, "@lilei"}, {true, ""}} {
		ids, err := o.Send(t.Context(), room, bridge.Draft{Key: string(rune('a' + i)), Text: "hello", Quiet: c.quiet})
		if err != nil {
			t.Fatal(err)
		}
		p, called := o.get(string(ids[0])), ""
		for _, a := range p.Attachments() {
			called = a.Pretext
		}
		if p.RootId != at.root || called != c.calls {
			t.Errorf("it stands under %s and calls %q", p.RootId, called)
		}
	}

	// What the owner writes in the thread is for the customer, and no note; at the top it is for the bot.
	said := o.writes(at, at.root, li, "to the customer")
	if m := o.message("to the customer"); m.Room != room || m.Thread != "" || m.ReplyTo != "" || m.User != lilei {
		t.Errorf("heard %+v", m)
	}
	o.writes(at, at.root, li, o.url+"/"+teamName+"/pl/"+said.Id+"\nan answer")
	if m := o.message("an answer"); string(m.ReplyTo) != said.Id {
		t.Errorf("heard %+v", m)
	}
	o.writes(at, at.root, li, "@"+botName+" note he is tall")
	if m := o.message("/note he is tall"); m.Room != room || m.Thread != "" {
		t.Errorf("heard %+v", m)
	}
	top := o.writes(at, "", li, "who")
	if m := o.message("/who"); m.Room == room || m.Room != bridge.RoomID(at.channel) {
		t.Errorf("heard %+v", m)
	}
	o.writes(at, top.Id, li, "not for any customer")
	if m := o.message("/help"); m.Room != bridge.RoomID(at.channel) {
		t.Errorf("heard %+v", m)
	}
	o.server.mu.Lock()
	o.mark(o.posts[said.Id], li, "+1", true)
	o.server.mu.Unlock()
	o.eventually("a reaction in the thread", func() bool {
		return slices.ContainsFunc(o.events(), func(e bridge.Event) bool {
			r, ok := e.(bridge.Reacted)
			return ok && r.Room == room && string(r.Msg) == said.Id
		})
	})

	// A thread that was deleted goes on in another, under its old name.
	o.server.mu.Lock()
	o.remove(o.posts[at.root])
	o.server.mu.Unlock()
	after := o.send(room, "k9", "after")
	if after.RootId == at.root || after.RootId == "" {
		t.Fatalf("it stands under %s", after.RootId)
	}
	o.writes(at, after.RootId, li, "in the other")
	if m := o.message("in the other"); m.Room != room {
		t.Errorf("heard %+v", m)
	}
	if err := o.Update(t.Context(), room, wish(func(w *bridge.Opening) { w.Remark = "found again" })); err != nil {
		t.Error(err)
	}
	if p := o.get(after.RootId); !p.IsPinned || p.EditAt == 0 {
		t.Errorf("the card of the other is %+v", p)
	}
}

// A gateway that has lost what it kept knows the threads by their cards.
func TestThreadIsKnownByItsCard(t *testing.T) {
	o, room, at := chatting(t, roomsThread)
	o.stop()
	o.state = newState()
	o.open()
	o.run()
	o.writes(at, at.root, o.id("lilei"), "hello")
	if m := o.message("hello"); m.Room != room {
		t.Errorf("heard %+v", m)
	}
	if again := o.opened(); again != room {
		t.Errorf("opened again it is %s, not %s", again, room)
	}
}

func TestInbox(t *testing.T) {
	o, room, at := chatting(t, roomsInbox)
	li := o.id("lilei")
	other, err := o.adapter.Open(t.Context(), wish(func(w *bridge.Opening) {
		w.Key, w.Label.Text = "l2", "李四 · 联系人"
	}))
	if err != nil || other != room || at.root != "" || len(o.cards(at.channel)) != 2 {
		t.Fatalf("another customer's room is %s: %v; %d cards", other, err, len(o.cards(at.channel)))
	}
	p := o.send(room, "k1", "hello")
	if p.RootId != "" || p.GetProp("override_username") != "张三 · 微信联系人" || len(p.Attachments()) > 0 {
		t.Errorf("it is %+v", p)
	}
	o.writes(at, "", li, "to the chosen one")
	if m := o.message("to the chosen one"); m.Room != room || m.ReplyTo != "" || m.Thread != "" {
		t.Errorf("heard %+v", m)
	}
	o.writes(at, p.Id, li, "an answer")
	if m := o.message("an answer"); m.Room != room || string(m.ReplyTo) != p.Id || m.Thread != "" {
		t.Errorf("heard %+v", m)
	}
	o.writes(at, "", li, "@"+botName+" to 李四")
	if m := o.message("/to 李四"); m.Room != room || m.ReplyTo != "" {
		t.Errorf("heard %+v", m)
	}
	hanmei := o.newUser("hanmei")
	o.server.mu.Lock()
	strange := o.newChannel(model.GetDMNameFromIds(o.bot.Id, hanmei), "", "D", hanmei, o.bot.Id, hanmei)
	o.server.mu.Unlock()
	o.says(strange.Id, hanmei, "am I a customer?")
	if m := o.message("/help"); m.Room != bridge.RoomID(strange.Id) {
		t.Errorf("heard %+v", m)
	}
	o.lock.Lock()
	o.ahead = personFor + time.Second // who they are is asked anew
	o.lock.Unlock()
	if err := o.Hint(t.Context(), bridge.RoomID(strange.Id), bridge.UserID(hanmei), bridge.Ask{Text: "You are not."}); err != nil {
		t.Fatal(err)
	}
	o.says(strange.Id, hanmei, "am I one now?") // to be answered makes nobody a member
	o.says(string(room), li, "the end")
	o.message("the end")
	if got := o.texts(bridge.RoomID(strange.Id)); !slices.Equal(got, []string{"/help"}) {
		t.Errorf("heard %q of a stranger", got)
	}
}

// A hint in the channel itself cannot be changed once it was pressed: the server does not have it.
func TestWhisperedButtons(t *testing.T) {
	o := newOffice(t, func(s *server) { s.extra = trusted() })
	o.run()
	room := o.opened()
	q := bridge.Ask{ID: "note:p1", Text: "a note", Picture: "https://gateway.example/qr.png", Choices: []bridge.Choice{{ID: "send", Label: "Send"}}}
	if err := o.Hint(t.Context(), room, lilei, q); err != nil {
		t.Fatal(err)
	}
	hints := o.View(room).Lines
	h := hints[len(hints)-1]
	o.server.mu.Lock()
	pictures := o.hints[0].post.Attachments()[0].ImageURL
	o.server.mu.Unlock()
	if h.To != bridge.UserID(o.id("lilei")) || !slices.Equal(h.Choices, []string{"Send"}) || pictures != q.Picture {
		t.Fatalf("the hint is %+v, its picture %s", h, pictures)
	}
	o.press(adaptertest.Act{Room: room, User: bridge.UserID(o.id("lilei")), Msg: h.Msg, Choice: "send"})
	o.eventually("the press", func() bool {
		return slices.ContainsFunc(o.events(), func(e bridge.Event) bool {
			x, ok := e.(bridge.Answered)
			return ok && x.Room == room && x.Ask == "note:p1"
		})
	})
	o.network.calls.Wait()
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	if o.strays > 0 {
		t.Error("the answer changes a post that is not there")
	}
}

func TestAccountStates(t *testing.T) {
	o := newOffice(t)
	state := func(active bool) func() bool {
		return func() bool {
			events := o.events()
			i := slices.IndexFunc(events, func(e bridge.Event) bool { _, ok := e.(bridge.AccountState); return ok })
			last := false
			for _, e := range events {
				if s, ok := e.(bridge.AccountState); ok {
					last = s.Active == active && s.User == lilei
				}
			}
			return i >= 0 && last
		}
	}
	set := func(deleted int64) {
		o.server.mu.Lock()
		defer o.server.mu.Unlock()
		u := o.named0("lilei")
		u.DeleteAt = deleted
		for _, c := range o.conns {
			c.add(model.WebsocketEventUserUpdated, map[string]any{"user": map[string]any{"id": u.Id, "delete_at": deleted}}, "", false)
		}
	}
	set(1)
	o.run()
	o.eventually("it is told at the start", state(false))
	set(0)
	o.eventually("it works again", state(true))
	set(2)
	o.eventually("it is told at once", state(false))
}

// A command in a channel that is none of ours is for the core to answer; one in a thread is for its customer.
func TestSlashCommandElsewhere(t *testing.T) {
	o := newOffice(t, func(s *server) { s.extra = trusted() })
	o.network.rooms = roomsThread
	o.open()
	o.run()
	room := o.opened()
	at := placeOf(room)
	o.server.mu.Lock()
	square := o.newChannel("town-square", "Town Square", "O", "", o.bot.Id)
	o.server.mu.Unlock()
	var token string
	o.eventually("the command is registered", func() bool {
		o.server.mu.Lock()
		defer o.server.mu.Unlock()
		if len(o.commands) == 1 {
			token = o.commands[0].Token
		}
		return token != ""
	})
	for i, c := range []struct {
		user, channel, root, said, want string
		room                            bridge.RoomID
	}{
		{o.id("lilei"), square.Id, "", "contacts", "/contacts", bridge.RoomID(square.Id)},
		{o.id("lilei"), at.channel, at.root, "remark tall", "/remark tall", room},
		{o.newUser("hanmei"), square.Id, "", "card", "/help", bridge.RoomID(square.Id)},
	} {
		form := url.Values{"user_id": {c.user}, "channel_id": {c.channel}, "root_id": {c.root}, "trigger_id": {string(rune('a' + i))}, "text": {c.said}}
		o.eventually("the command is taken", func() bool {
			status, _ := o.network.call(o.network.hook+"/hook/under-test", "application/x-www-form-urlencoded", "Token "+token, []byte(form.Encode()))
			return status == http.StatusOK
		})
		if m := o.message(c.want); m.Room != c.room {
			t.Errorf("%s: heard %+v", c.said, m)
		}
	}
}
