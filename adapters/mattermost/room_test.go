package mattermost

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

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

func TestCardIsKeptUpToDate(t *testing.T) {
	o := newOffice(t)
	room := o.opened()
	o.lobby.view = bridge.RoomView{Other: bridge.Label{Text: "张三 · 微信联系人"}, Remark: "老客户 @all", Tags: []string{"展会", "VIP"}, Since: time.Now()}
	o.lock.Lock()
	o.ahead = cardFor + time.Second
	o.lock.Unlock()
	o.send(room, "k1", "hello")
	var cards []*model.Post
	o.server.mu.Lock()
	for _, p := range o.posts {
		if p.IsPinned {
			cards = append(cards, p)
		}
	}
	o.server.mu.Unlock()
	if len(cards) != 1 || cards[0].EditAt == 0 || !strings.Contains(cards[0].Message, "展会, VIP") || strings.Contains(cards[0].Message, "@all") {
		t.Errorf("the cards are %+v", cards)
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
			if again := o.opened(); restores && again != room {
				t.Errorf("opened again, it is %s, not %s", again, room)
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
		if err := o.Mark(t.Context(), room, bridge.MsgID(p.Id), bridge.Fate{State: s, Reason: reason}); err != nil {
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
	var told string
	o.server.mu.Lock()
	for _, q := range o.posts {
		if o.channels[q.ChannelId].Type == model.ChannelTypeDirect {
			told += q.Message
		}
	}
	o.remove(o.posts[p.Id])
	o.server.mu.Unlock()
	if !strings.Contains(told, `waits for \*him\*`) || !strings.Contains(told, "hello") {
		t.Errorf("the writer was told %q", told)
	}
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
		"": func(o *office) { o.told = true },
		"is not in the team acme: invite it there":                     func(o *office) { o.inTeam[o.bot.Id] = false },
		"lacks permissions: Manage Private Channels > Create Channels": func(o *office) { o.lacks = []string{"create_private_channel"} },
		"@lilei is not in the team":                                    func(o *office) { o.inTeam[o.named0("lilei").Id] = false },
		"@lilei is deactivated":                                        func(o *office) { o.named0("lilei").DeleteAt = 1 },
		"there is no user":                                             func(o *office) { delete(o.server.users, o.named0("lilei").Id) },
		"Enable integrations to override usernames":                    func(o *office) { o.noNames = true },
		"there is no /hutong":                                          func(*office) {},
		"Maximum File Size":                                            func(o *office) { o.maxFile = 10 },
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
	o := newOffice(t)
	if err := o.Probe(t.Context()); err == nil {
		t.Error("what can be done without is not said")
	}
	if err := o.Probe(t.Context()); err != nil {
		t.Errorf("what can be done without is said twice: %v", err)
	}
}

func (o *office) named0(name string) *model.User {
	u, _ := o.server.found(func(u *model.User) bool { return u.Username == name })
	return u.(*model.User)
}
