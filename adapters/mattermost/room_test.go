package mattermost

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/adapters/adaptertest"
	"github.com/hutong-im/hutong/bridge"
)

func TestOwnerIsCalledOncePerBurst(t *testing.T) {
	o := newOffice(t)
	room := o.opened()
	called := func(p *model.Post) bool {
		return len(p.Attachments()) == 1 && p.Attachments()[0].Pretext == "@lilei"
	}
	first, second := o.send(room, "k1", "one"), o.send(room, "k2", "two")
	o.lock.Lock()
	o.ahead = burst + time.Second
	o.lock.Unlock()
	third := o.send(room, "k3", "three")
	if !called(first) || called(second) || !called(third) || first.Message != "one" {
		t.Errorf("called: %v, %v, %v", called(first), called(second), called(third))
	}
}

// wish is what there is to show of a link.
func wish(change ...func(o *bridge.Opening)) bridge.Opening {
	o := bridge.Opening{
		Key: "l1", Members: []bridge.UserID{lilei}, Title: "张三", Label: bridge.Label{Name: "张三", Text: "张三 · 微信联系人"}, State: bridge.LinkActive,
	}
	for _, f := range change {
		f(&o)
	}
	return o
}

// cards are the cards that are pinned in a channel.
func (o *office) cards(channel string) (out []*model.Post) {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	for _, id := range o.channels[channel].order {
		if p := o.posts[id]; p.IsPinned && p.DeleteAt == 0 {
			out = append(out, p.Clone())
		}
	}
	return out
}

func TestCard(t *testing.T) {
	for _, rooms := range []string{roomsChannel, roomsThread, roomsInbox} {
		t.Run(rooms, func(t *testing.T) {
			o := newOffice(t)
			o.network.rooms = rooms
			o.open()
			room := o.opened()
			o.newUser("hanmei")
			change := func(w *bridge.Opening) {
				w.Title, w.Members = "张三丰", append(w.Members, "hanmei")
				w.Remark, w.Tags, w.Hello = "老客户 @all", []string{"展会", "VIP"}, "[想](买)茶"
				w.Since, w.Window = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), "微信 · 还可发 2/5 条"
			}
			update := func(change ...func(*bridge.Opening)) {
				t.Helper()
				if err := o.Update(t.Context(), room, wish(change...)); err != nil {
					t.Fatal(err)
				}
			}
			update(change)
			cards := o.cards(placeOf(room).channel)
			if len(cards) != 1 {
				t.Fatalf("the cards are %+v", cards)
			}
			for _, part := range []string{"展会, VIP", "老客户 @\u200ball", `\[想\](买)茶`, "2026-11-22", "还可发 2/5 条"} {
				if !strings.Contains(cards[0].Message, part) {
					t.Errorf("the card does not say %q: %s", part, cards[0].Message)
				}
			}
			calls := o.count("PUT /posts/{id}/patch")
			update(change)
			o.open() // a new process finds the card
			update(change)
			if again := o.cards(placeOf(room).channel); len(again) != 1 || again[0].Id != cards[0].Id {
				t.Errorf("the cards are %+v", again)
			}
			if n := o.count("PUT /posts/{id}/patch"); rooms != roomsThread && n != calls {
				t.Errorf("what had not changed was written %d times", n-calls)
			}
			if rooms != roomsChannel {
				return
			}
			if v := o.View(room); v.Title != "张三丰" || len(v.Members) != 2 {
				t.Errorf("the channel is %+v", v)
			}
			o.server.mu.Lock()
			o.remove(o.posts[cards[0].Id]) // somebody deletes it
			o.server.mu.Unlock()
			update()
			if again := o.cards(placeOf(room).channel); len(again) != 1 || again[0].Id == cards[0].Id || strings.Contains(again[0].Message, "展会") {
				t.Errorf("the cards are %+v", again)
			}
		})
	}
}

func TestArchivedChannel(t *testing.T) {
	for name, restores := range map[string]bool{"restored": true, "followed": false} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, func(s *server) { s.restores = restores })
			o.run()
			room := o.opened()
			o.send(room, "k1", "before")
			o.server.mu.Lock()
			o.channels[string(room)].DeleteAt = o.server.now()
			o.server.mu.Unlock()
			for range 2 { // the second by a new process
				after := o.send(room, "k2", "after")
				if restored := after.ChannelId == string(room); restored != restores {
					t.Fatalf("in the same channel: %v", restored)
				}
				o.says(after.ChannelId, o.id("lilei"), "answer")
				o.eventually("the answer in the old room", func() bool { return slices.Contains(o.texts(room), "answer") })
				ids, err := o.Find(t.Context(), room, "k2")
				if err != nil || len(ids) != 1 {
					t.Errorf("find: %q, %v", ids, err)
				}
				o.stop()
				o.heard = nil
				o.open()
				o.run()
			}
			if restores && o.opened() != room {
				t.Errorf("opened again, it is not %s", room)
			}
			if err := o.Forget(t.Context(), bridge.Traces{Rooms: []bridge.RoomID{room}}); err != nil {
				t.Fatal(err)
			}
			if left, err := o.state.List(t.Context(), "room/", "", 10); err != nil || len(left) > 0 {
				t.Errorf("after forgetting there is %q, %v", left, err)
			}
		})
	}
}

// A bot that was removed from a channel loses nothing: it waits, and says what to do.
func TestRemovedFromChannel(t *testing.T) {
	o := newOffice(t)
	room := o.opened()
	o.server.mu.Lock()
	c := o.channels[string(room)]
	c.members = slices.DeleteFunc(c.members, func(m string) bool { return m == o.bot.Id })
	o.server.mu.Unlock()
	_, err := o.Send(t.Context(), room, bridge.Draft{Key: "k", Text: "hello"})
	if j := bridge.Judge(err); j.Verdict != bridge.VerdictWait || !strings.Contains(err.Error(), "/invite @"+botName) {
		t.Errorf("%+v: %v", j, err)
	}
}

func TestMarks(t *testing.T) {
	o := newOffice(t)
	o.run()
	room := o.opened()
	p := o.says(string(room), o.id("lilei"), "hello")
	o.eventually("it is heard", func() bool { return slices.Contains(o.texts(room), "hello") })
	marks := func() (out []string) {
		for _, re := range o.get(p.Id).Metadata.Reactions {
			out = append(out, re.EmojiName)
		}
		return out
	}
	mark := func(s bridge.State, reason string, want ...string) {
		t.Helper()
		f := bridge.Fate{State: s, User: lilei, Reason: reason, Ask: &bridge.Ask{ID: "fate:d1", Text: reason, Choices: []bridge.Choice{{ID: "drop", Label: "Do not send"}}}}
		if err := o.Mark(t.Context(), room, bridge.MsgID(p.Id), f); err != nil {
			t.Fatal(err)
		}
		if got := marks(); !slices.Equal(got, want) {
			t.Errorf("%s: the marks are %q, want %q", s, got, want)
		}
	}
	mark(bridge.StateHeld, "waits for *him*", "hourglass")
	if err := o.React(t.Context(), room, bridge.MsgID(p.Id), "✅", true); err != nil {
		t.Fatal(err)
	}
	o.stop()
	o.open() // which does not know the mark
	mark(bridge.StateSent, "", "heavy_check_mark", "white_check_mark")
	mark(bridge.StateRead, "", "heavy_check_mark", "eyes")
	mark(bridge.StateCancelled, "", "heavy_check_mark")
	var told []adaptertest.Line
	for _, l := range o.View(room).Lines {
		if l.To == bridge.UserID(o.id("lilei")) {
			told = append(told, l)
		}
	}
	if len(told) != 1 || !strings.Contains(told[0].Text, `waits for \*him\*`) || !strings.Contains(told[0].Text, "/pl/"+p.Id) {
		t.Fatalf("the writer was told %+v", told)
	}
	o.run()
	o.eventually("the press comes back for the room that it is about", func() bool {
		o.press(adaptertest.Act{Room: room, User: bridge.UserID(o.id("lilei")), Msg: told[0].Msg, Choice: "drop"})
		return slices.ContainsFunc(o.events(), func(e bridge.Event) bool {
			x, ok := e.(bridge.Answered)
			return ok && x.Room == room && x.User == lilei && x.Ask == "fate:d1" && x.Choice == "drop"
		})
	})
	o.eventually("the buttons are gone", func() bool { return len(o.get(string(told[0].Msg)).Attachments()[0].Actions) == 0 })
	o.server.mu.Lock()
	o.remove(o.posts[p.Id])
	o.server.mu.Unlock()
	if err := o.Mark(t.Context(), room, bridge.MsgID(p.Id), bridge.Fate{State: bridge.StateSent}); err != nil {
		t.Errorf("a mark on what was deleted: %v", err)
	}
}

func TestReadingIsTold(t *testing.T) {
	o := newOffice(t)
	o.run()
	room := o.opened()
	o.says(string(room), o.newUser("boss"), "watching") // reading of others does not count
	o.eventually("the supervisor", func() bool { return slices.Contains(o.texts(room), "watching") })
	p := o.send(room, "k1", "hello")
	o.says(string(room), o.id("lilei"), "hello yourself")
	o.eventually("the receipt", func() bool {
		return slices.ContainsFunc(o.events(), func(e bridge.Event) bool {
			r, ok := e.(bridge.Receipt)
			return ok && r.Msg == bridge.MsgID(p.Id) && r.State == bridge.StateRead && r.User == lilei && r.Room == room
		})
	})
}

func TestSlashCommand(t *testing.T) {
	o := newOffice(t, func(s *server) { s.extra = []string{"manage_slash_commands"} })
	o.server.mu.Lock()
	o.commands = []*model.Command{{Id: "c1", Token: "t0ken", Trigger: "hutong", URL: "http://old.example/hook/under-test"}}
	o.server.mu.Unlock()
	o.run()
	room := o.opened()
	hook := o.network.hook + "/hook/under-test"
	o.eventually("the command's address is corrected", func() bool {
		o.server.mu.Lock()
		defer o.server.mu.Unlock()
		return len(o.commands) == 1 && o.commands[0].URL == hook && o.commands[0].Token == "t0ken"
	})
	form := url.Values{"user_id": {o.id("lilei")}, "channel_id": {string(room)}, "trigger_id": {"t1"}, "text": {"to 张三"}}
	var status int
	o.eventually("the command is taken", func() bool {
		status, _ = o.network.call(hook, "application/x-www-form-urlencoded", "Token t0ken", []byte(form.Encode()))
		return status == http.StatusOK
	})
	if got := o.texts(room); !slices.Equal(got, []string{"/to 张三"}) {
		t.Errorf("heard %q", got)
	}
	if status, _ = o.network.call(hook, "application/x-www-form-urlencoded", "Token other", []byte(form.Encode())); status != http.StatusUnauthorized {
		t.Errorf("another token is answered %d", status)
	}
	o.stop()
	if status, _ = o.network.call(hook, "application/x-www-form-urlencoded", "Token t0ken", []byte(form.Encode())); status == http.StatusOK {
		t.Error("a command is taken though nobody hears it")
	}
}

func TestProbe(t *testing.T) {
	for want, change := range map[string]func(o *office){
		"": func(*office) {},
		"is not in the team acme: invite it there":                     func(o *office) { o.inTeam[o.bot.Id] = false },
		"lacks permissions: Manage Private Channels > Create Channels": func(o *office) { o.lacks = []string{"create_private_channel"} },
		"@lilei is not in the team":                                    func(o *office) { o.inTeam[o.named0("lilei").Id] = false },
		"@lilei is deactivated":                                        func(o *office) { o.named0("lilei").DeleteAt = 1 },
		"there is no user":                                             func(o *office) { delete(o.server.users, o.named0("lilei").Id) },
	} {
		o := newOffice(t)
		o.server.mu.Lock()
		change(o)
		o.server.mu.Unlock()
		err := o.Probe(t.Context())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// What can be done without is told without asking the server.
func TestWarnings(t *testing.T) {
	for want, change := range map[string]func(o *office){
		"":                      func(o *office) { o.extra = trusted() },
		"override usernames":    func(o *office) { o.noNames = true },
		"there is no /hutong":   func(*office) {},
		"create_post_ephemeral": func(*office) {},
		"Maximum File Size":     func(o *office) { o.maxFile = 10 },
		"lacks create_bot":      func(o *office) { o.network.ghosts = bossToken },
		"lacks manage_bots": func(o *office) {
			o.network.ghosts, o.bossMay = bossToken, []string{"create_bot", "read_bots", "create_user_access_token"}
		},
		"no bot may make bots":   func(o *office) { o.network.ghosts = botToken },
		"ghosts.token: does not": func(o *office) { o.network.ghosts = "no-such-token" },
		"@lilei is not in the":   func(o *office) { o.inTeam[o.named0("lilei").Id] = false },
	} {
		o := newOffice(t)
		o.server.mu.Lock()
		change(o)
		o.server.mu.Unlock()
		o.open()
		if got := o.Warnings(); len(got) > 0 {
			t.Errorf("before anything is known: %q", got)
		}
		o.run()
		said := func() string { return strings.Join(o.Warnings(), "\n") }
		if want == "" {
			o.eventually("the members are looked at", func() bool { return len(o.events()) > 0 })
		}
		o.eventually("the warning "+want, func() bool { return strings.Contains(said(), want) })
		if want == "" && said() != "" {
			t.Errorf("all is well, but: %s", said())
		}
		o.stop()
	}
}

func (o *office) named0(name string) *model.User {
	u, _ := o.server.found(func(u *model.User) bool { return u.Username == name })
	return u.(*model.User)
}

// What the server tells its clients may be old for a moment after it has told that there is a change.
func TestSettingsAreAskedAgain(t *testing.T) {
	o := newOffice(t, func(s *server) { s.noNames = true })
	o.run()
	room := o.opened()
	o.eventually("the members are looked at", func() bool { return len(o.events()) > 0 })
	shown := func(key string) bool { return o.send(room, key, "hello").GetProp("override_username") != nil }
	change := func() {
		o.server.mu.Lock()
		defer o.server.mu.Unlock()
		for _, c := range o.conns {
			c.add(model.WebsocketEventConfigChanged, map[string]any{}, "", false)
		}
	}
	change() // told before it is so
	o.eventually("it is heard", func() bool {
		o.adapter.mu.Lock()
		defer o.adapter.mu.Unlock()
		return !o.told.IsZero()
	})
	if shown("k1") {
		t.Error("a name is shown though the server shows none")
	}
	o.server.mu.Lock()
	o.noNames = false
	o.server.mu.Unlock()
	o.lock.Lock()
	o.ahead = settling + time.Second
	o.lock.Unlock()
	if !shown("k2") {
		t.Error("the change is not noticed")
	}
}
