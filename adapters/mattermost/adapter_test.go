package mattermost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/store/mem"
)

// office is an adapter that runs against a server in memory.
type office struct {
	*network
	*adapter
	t     *testing.T
	state bridge.KV
	stop  func()

	lock  sync.Mutex
	heard []bridge.Event
	ahead time.Duration // of the gateway's clock
}

// lilei is what the config calls an employee: by e-mail address.
const lilei = bridge.UserID("lilei@acme.example")

func newOffice(t *testing.T, change ...func(s *server)) *office {
	t.Helper()
	s := newServer(t)
	for _, f := range change {
		f(s)
	}
	o := &office{network: newNetwork(t, s), t: t, state: newState()}
	o.server.user("lilei")
	o.lobby.members = []bridge.Member{{ID: "lilei", Accounts: []bridge.UserRef{{Adapter: "under-test", User: lilei}}}}
	o.open()
	return o
}

// newState is what a new gateway keeps: nothing.
func newState() bridge.KV { return mem.New().KV("adapter/under-test") }

// open makes a new adapter, as a new process would.
func (o *office) open() {
	o.t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}, Timeout: 10 * time.Second}
	o.t.Cleanup(client.CloseIdleConnections)
	a, err := o.Config().Open(bridge.Env{
		Name: "under-test", Log: slog.New(slog.DiscardHandler), HTTP: client, State: o.state, Lobby: &o.lobby,
		Now: func() time.Time {
			o.lock.Lock()
			defer o.lock.Unlock()
			return time.Now().Add(o.ahead)
		},
	})
	if err != nil {
		o.t.Fatal(err)
	}
	o.adapter = a.(*adapter)
}

// run lets the adapter hear until the returned function is called.
func (o *office) run() {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	a := o.adapter
	running.Go(func() {
		for ctx.Err() == nil {
			if err := a.Run(ctx, o); err != nil && ctx.Err() == nil {
				pause(ctx, 10*time.Millisecond)
			}
		}
	})
	o.Attach(a)
	o.stop = sync.OnceFunc(func() {
		o.Attach(nil)
		cancel()
		running.Wait()
	})
	o.t.Cleanup(o.stop)
}

// Receive implements bridge.Inbox.
func (o *office) Receive(_ context.Context, e bridge.Event) error {
	o.lock.Lock()
	defer o.lock.Unlock()
	o.heard = append(o.heard, e)
	return nil
}

func (o *office) events() []bridge.Event {
	o.lock.Lock()
	defer o.lock.Unlock()
	return slices.Clone(o.heard)
}

// texts are what was heard in a room, each once: the core takes care of what comes twice.
func (o *office) texts(room bridge.RoomID) []string {
	var out []string
	seen := map[string]bool{}
	for _, e := range o.events() {
		if m, ok := e.(bridge.MessageEvent); ok && m.Room == room && m.Key == "" && !seen[m.Text] {
			seen[m.Text] = true
			out = append(out, m.Text)
		}
	}
	return out
}

func (o *office) eventually(what string, f func() bool) {
	o.t.Helper()
	end := time.Now().Add(10 * time.Second)
	for !f() {
		if time.Now().After(end) {
			o.t.Fatalf("%s: not so after 10 s; heard %+v", what, o.events())
		}
		<-time.After(2 * time.Millisecond)
	}
}

// says lets a user post, and returns the post.
func (o *office) says(channel, user, text string) *model.Post {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	return o.put(&model.Post{ChannelId: channel, UserId: user, Message: text})
}

// id is a user's by name.
func (o *office) id(name string) string {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	u, _ := o.server.found(func(u *model.User) bool { return u.Username == name })
	return u.(*model.User).Id
}

// opened is the channel of a customer.
func (o *office) opened() bridge.RoomID {
	o.t.Helper()
	room, err := o.adapter.Open(o.t.Context(), wish())
	if err != nil {
		o.t.Fatal(err)
	}
	return room
}

func (o *office) send(room bridge.RoomID, key, text string) *model.Post {
	o.t.Helper()
	ids, err := o.Send(o.t.Context(), room, bridge.Draft{Key: key, Text: text, As: bridge.Label{Name: "张三", Text: "张三 · 微信联系人"}})
	if err != nil {
		o.t.Fatal(err)
	}
	return o.get(string(ids[0]))
}

// get is a post as it is now.
func (o *office) get(id string) *model.Post {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	return o.shown(o.posts[id])
}

func (o *office) count(pattern string) int {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	return o.server.calls[pattern]
}

func TestConfigProblems(t *testing.T) {
	good := Config{URL: "https://chat.acme.example/mm", Token: bridge.MakeSecret("x"), Team: "acme", Rooms: "channel", MaxFile: 1}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for field, change := range map[string]func(c *Config){
		"url":      func(c *Config) { c.URL = "https://user:pw@chat.acme.example" },
		"token":    func(c *Config) { c.Token = bridge.MakeSecret("two words") },
		"team":     func(c *Config) { c.Team = "ACME Ltd" },
		"rooms":    func(c *Config) { c.Rooms = "topic" },
		"command":  func(c *Config) { c.Command = "/hutong" },
		"max_file": func(c *Config) { c.MaxFile = 0 },
		"ghosts.token": func(c *Config) {
			c.Rooms, c.Ghosts.Token = roomsThread, bridge.MakeSecret("x")
		},
	} {
		c := good
		change(&c)
		bad, ok := errors.AsType[*bridge.FieldError](c.Check())
		if !ok || bad.Field != field {
			t.Errorf("%s: %v", field, c.Check())
		}
	}
}

// What the config says in the words of people leads to accounts, and back.
func TestMembersAreFound(t *testing.T) {
	o := newOffice(t)
	o.run()
	room := o.opened()
	o.says(string(room), o.id("lilei"), "hello")
	o.eventually("it is heard from the member", func() bool {
		return slices.ContainsFunc(o.events(), func(e bridge.Event) bool {
			m, ok := e.(bridge.MessageEvent)
			return ok && m.Text == "hello" && m.User == lilei
		})
	})
	if _, err := o.user(t.Context(), "@nobody"); bridge.Judge(err).Verdict != bridge.VerdictPermanent {
		t.Errorf("an account that is not there: %v", err)
	}
}

// Bots are in every public channel of their team, and anybody may write to them.
func TestOnlyRoomsOfCustomersAreHeard(t *testing.T) {
	o := newOffice(t)
	o.run()
	room, hanmei, li := o.opened(), o.newUser("hanmei"), o.id("lilei")
	o.server.mu.Lock()
	square := o.newChannel("town-square", "Town Square", "O", "", o.bot.Id, hanmei)
	trap := o.newChannel("hutong-trap", "Trap", "P", hanmei, o.bot.Id, hanmei)
	dm := o.newChannel(model.GetDMNameFromIds(o.bot.Id, li), "", "D", li, o.bot.Id, li)
	strange := o.newChannel(model.GetDMNameFromIds(o.bot.Id, hanmei), "", "D", hanmei, o.bot.Id, hanmei)
	o.server.mu.Unlock()
	o.says(square.Id, hanmei, "among colleagues")
	o.says(trap.Id, hanmei, "not a customer's")
	for said, want := range map[string]string{"who": "/who", "/To 李雷": "/to 李雷", "hello": "/help", "": "/help"} {
		o.says(dm.Id, li, said+" ")
		o.eventually(want, func() bool { return slices.Contains(o.texts(bridge.RoomID(dm.Id)), want) })
	}
	for _, said := range []string{"hello", "card", "/note something"} { // the core would take a stranger for a customer
		o.says(strange.Id, hanmei, said)
	}
	o.server.mu.Lock()
	hook := o.put(&model.Post{ChannelId: string(room), UserId: hanmei, Message: "from a webhook", Props: model.StringInterface{"from_webhook": "true"}})
	o.put(&model.Post{ChannelId: string(room), UserId: hanmei, Message: "hanmei left", Type: "system_leave_channel"})
	o.edit(hook, "edited by a webhook")
	o.server.mu.Unlock()
	o.says(string(room), hanmei, "@"+botName+", note stolen")
	o.says(string(room), li, "@"+botName+", who")
	o.says(string(room), hanmei, "the end")
	o.eventually("the end", func() bool { return slices.Contains(o.texts(room), "the end") })
	if got := o.texts(room); !slices.Equal(got, []string{"/help", "/who", "the end"}) {
		t.Errorf("heard %q", got)
	}
	if got := o.texts(bridge.RoomID(strange.Id)); !slices.Equal(got, []string{"/help"}) {
		t.Errorf("heard %q of a stranger", got)
	}
	for _, c := range []*channel{square, trap} {
		if got := o.texts(bridge.RoomID(c.Id)); len(got) > 0 {
			t.Errorf("heard %q in %s", got, c.Name)
		}
	}
}

// newUser makes another user.
func (o *office) newUser(name string) string {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	return o.server.user(name).Id
}

// Whatever breaks, what was said is read back. The server brings what was missed to a connection that is resumed,
// but not always all of it.
func TestLosses(t *testing.T) {
	listing := "GET /users/{id}/{of}"
	for name, c := range map[string]struct {
		lose    func(o *office, room string)
		reading bool
	}{
		"the connection breaks": {func(o *office, room string) {
			o.cut()
			o.says(room, o.id("lilei"), "missed")
		}, true},
		"something is said while the connection is resumed": {func(o *office, room string) {
			over, before := make(chan struct{}), o.count(listing)
			o.server.mu.Lock()
			o.gap = func() {
				defer close(over)
				for range 50 { // a gateway that read now would read too early
					if o.count(listing) != before {
						break
					}
					pause(o.t.Context(), 10*time.Millisecond)
				}
				o.says(room, o.id("lilei"), "missed")
			}
			o.server.mu.Unlock()
			o.cut()
			<-over
		}, true},
		"the server is restarted": {func(o *office, room string) {
			o.restart()
			o.says(room, o.id("lilei"), "missed")
		}, true},
		"an event is lost": {func(o *office, room string) {
			o.server.mu.Lock()
			o.drop = func(_ string, p *model.Post) bool { return p != nil && p.Message == "missed" }
			o.server.mu.Unlock()
			o.says(room, o.id("lilei"), "missed")
		}, true},
		"too much is missed": {func(o *office, room string) {
			li := o.id("lilei")
			o.server.mu.Lock() // nobody comes back before it is over
			defer o.server.mu.Unlock()
			for _, c := range o.conns {
				c.stop()
			}
			o.put(&model.Post{ChannelId: room, UserId: li, Message: "missed"})
			for i := range sentBuffer + 10 {
				o.put(&model.Post{ChannelId: room, UserId: li, Message: fmt.Sprintf("missed %03d", i)})
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			o.run()
			room := o.opened()
			o.says(string(room), o.id("lilei"), "first")
			o.eventually("the first", func() bool { return slices.Contains(o.texts(room), "first") })
			before := o.count(listing)
			c.lose(o, string(room))
			o.says(string(room), o.id("lilei"), "last")
			o.eventually("the last", func() bool { return slices.Contains(o.texts(room), "last") })
			got := o.texts(room)
			if !slices.IsSorted(got[1:len(got)-1]) || got[1] != "missed" {
				t.Errorf("heard %q", got)
			}
			if reading := o.count(listing) != before; reading != c.reading {
				t.Errorf("it was read back: %v", reading)
			}
		})
	}
}

// The server lists a thousand changes at most, in no order, and pages show nothing that was deleted.
func TestAwayForLong(t *testing.T) {
	o := newOffice(t)
	o.run()
	room := o.opened()
	li := o.id("lilei")
	gone := o.says(string(room), li, "gone")
	edited := o.says(string(room), li, "edited")
	o.eventually("the last", func() bool { return slices.Contains(o.texts(room), "edited") })
	o.stop()
	o.lobby.history = []bridge.Line{{Msg: bridge.MsgID(gone.Id), Mine: true, At: time.Now()}, {Msg: bridge.MsgID(edited.Id), Mine: true, At: time.Now()}}
	o.server.mu.Lock()
	o.clock += overlap.Milliseconds() + 1000
	o.remove(o.posts[gone.Id])
	o.edit(o.posts[edited.Id], "edited!")
	o.mark(o.posts[edited.Id], li, "+1", true)
	o.server.mu.Unlock()
	var want []string
	for i := range sinceCap + 300 {
		want = append(want, fmt.Sprintf("number %d", i))
		o.says(string(room), li, want[i])
	}
	o.lock.Lock()
	o.heard = nil
	o.lock.Unlock()
	o.open()
	o.run()
	o.eventually("the last", func() bool { return slices.Contains(o.texts(room), want[len(want)-1]) })
	got := slices.DeleteFunc(o.texts(room), func(s string) bool { return s == "edited!" || s == "edited" || s == "gone" })
	if !slices.Equal(got, want) {
		t.Errorf("heard %d texts, want %d in order", len(got), len(want))
	}
	for what, fits := range map[string]func(e bridge.Event) bool{
		"the edit":     func(e bridge.Event) bool { d, ok := e.(bridge.Edited); return ok && d.Text == "edited!" },
		"the recall":   func(e bridge.Event) bool { d, ok := e.(bridge.Deleted); return ok && string(d.Msg) == gone.Id },
		"the reaction": func(e bridge.Event) bool { r, ok := e.(bridge.Reacted); return ok && r.Emoji == "👍" },
	} {
		if !slices.ContainsFunc(o.events(), fits) {
			t.Errorf("%s was not heard", what)
		}
	}
}
