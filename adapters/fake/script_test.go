package fake_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hutong-im/hutong/adapters/fake"
	"github.com/hutong-im/hutong/bridge"
)

// relay is the smallest gateway: what is said in a room of one network is said in one room of the other.
type relay struct {
	to    bridge.Adapter
	room  bridge.RoomID
	other *relay

	mu     sync.Mutex
	copies map[bridge.MsgID]bridge.MsgID // there, by what it is called here
	origin map[bridge.MsgID]bridge.MsgID // here, by what the other side called it
}

func (r *relay) Receive(ctx context.Context, e bridge.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e := e.(type) {
	case bridge.MessageEvent:
		if e.Own || e.Key != "" {
			return nil
		}
		text := e.Text
		var files []bridge.Attachment
		for _, f := range e.Files {
			text = "报告" // what a gateway without a store can say of a file
			files = append(files, bridge.Attachment{File: f, Open: noContent})
		}
		ids, err := r.to.Send(ctx, r.room, bridge.Draft{Key: string(e.Msg), Text: text, As: bridge.Label{Name: string(e.User)}, Files: files})
		if err != nil {
			return err
		}
		r.copies[e.Msg] = ids[0]
		r.other.origin[ids[0]] = e.Msg
		return nil
	case bridge.Edited:
		return r.to.(bridge.Editor).Edit(ctx, r.room, r.copies[e.Msg], bridge.Draft{Text: e.Text})
	case bridge.Deleted:
		return r.to.(bridge.Deleter).Delete(ctx, r.room, r.copies[e.Msg])
	case bridge.Reacted:
		return r.to.(bridge.Reactor).React(ctx, r.room, r.origin[e.Msg], e.Emoji, !e.Removed)
	default:
		return nil
	}
}

// world is two networks with a relay between them, running until the test ends.
func world(t *testing.T) *fake.Stage {
	t.Helper()
	wechat, team := network(t, fake.Options{Echo: fake.EchoAfter}), network(t, fake.Options{Echo: fake.EchoFirst})
	a, b := open(t, wechat), open(t, team)
	left := &relay{to: b, room: fake.DM("lilei"), copies: map[bridge.MsgID]bridge.MsgID{}, origin: map[bridge.MsgID]bridge.MsgID{}}
	right := &relay{to: a, room: fake.DM("zhang"), copies: map[bridge.MsgID]bridge.MsgID{}, origin: map[bridge.MsgID]bridge.MsgID{}, other: left}
	left.other = right
	wechat.Room(fake.DM("zhang"), "", "zhang")
	team.Room(fake.DM("lilei"), "", "lilei")
	hear(t, a, left)
	hear(t, b, right)
	return &fake.Stage{
		Networks: map[string]*fake.Network{"wechat": wechat, "team": team},
		Commands: map[string]func(context.Context, []string) error{
			"room": func(_ context.Context, args []string) error {
				if len(args) != 4 {
					return errors.New("want NETWORK ROOM TITLE USER")
				}
				team.Room(bridge.RoomID(args[1]), args[2], bridge.UserID(args[3]))
				return nil
			},
		},
	}
}

func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/scripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			script, err := fake.Parse(string(text))
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				if err := world(t).Play(t.Context(), script); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// What goes wrong on the stage is said with its line.
func TestScriptsFail(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{"@wechat zhang\n@team lilei\nzhang> 你好\nlilei< 再见", `line 4: lilei < 再见: the next message reads "你好"`},
		{"@wechat zhang\n@team lilei\nlilei< 你好", "nothing came"},
		{"@wechat zhang\n@team lilei\nzhang> 你好\nlilei<~ 好\nlilei named 张三", "line 5"},
		{"@nowhere zhang", "no network is called nowhere"},
		{"zhang> hello", "nobody is called zhang"},
		{"@wechat zhang\nzhang recall", "not found"},
		{"@team lilei\nlilei@王五> hello", "no room of lilei is titled 王五"},
		{"!team explode", "is no trouble"},
		{"!team busy often", "how often"},
		{"!team busy 1 long", "how long"},
		{"!nobody heal", "no command or network"},
		{"@wechat zhang\n@team lilei\nzhang> 你好\nlilei<~ 好\nzhang> 再说\n!sync\nlilei nothing", "there is"},
	} {
		script, err := fake.Parse(c.script)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			s := world(t)
			s.Patience = time.Second
			s.Commands["sync"] = func(context.Context, []string) error { synctest.Wait(); return nil }
			if err := s.Play(t.Context(), script); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q: %v, want %q", c.script, err, c.want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		line string
		want fake.Step
		bad  string
	}{
		{line: "zhang> 你好", want: fake.Step{Who: "zhang", Verb: ">", Text: "你好"}},
		{line: "  zhang  >  a > b  ", want: fake.Step{Who: "zhang", Verb: ">", Text: "a > b"}},
		{line: `lilei@张三<~ x\ny\\n\s`, want: fake.Step{Who: "lilei", Room: "张三", Verb: "<~", Text: "x\ny\\n "}},
		{line: "lilei>>好", want: fake.Step{Who: "lilei", Verb: ">>", Text: "好"}},
		{line: "@team lilei 李 雷", want: fake.Step{Who: "team", Verb: "@", Text: "lilei 李 雷"}},
		{line: "!kill", want: fake.Step{Who: "kill", Verb: "!"}},
		{line: "zhang recall", want: fake.Step{Who: "zhang", Verb: "recall"}},
		{line: "zhang", bad: "want NAME> text"},
		{line: "zhang>", bad: "missing"},
		{line: "zhang recall it", bad: "too much"},
		{line: "zhang edit", bad: "missing"},
		{line: "zhang shouts hello", bad: "is no verb"},
		{line: "zhang@> hello", bad: "begins with"},
		{line: `zhang> \x`, bad: "backslash"},
		{line: "@team", bad: "want @NAME"},
		{line: "! x", bad: "want !NAME"},
	} {
		got, err := fake.Parse("# comment\n\n" + c.line)
		if c.bad != "" {
			if err == nil || !strings.Contains(err.Error(), c.bad) || !strings.HasPrefix(err.Error(), "line 3: ") {
				t.Errorf("%q: %v, want %q", c.line, err, c.bad)
			}
			continue
		}
		c.want.Line = 3
		if err != nil || len(got) != 1 || got[0] != c.want {
			t.Errorf("%q: %+v, %v; want %+v", c.line, got, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("testdata/scripts/relay.txt")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add(`a@b<~ \n\s\\ <> @ !`)
	f.Fuzz(func(t *testing.T, text string) {
		script, err := fake.Parse(text)
		if err != nil {
			return
		}
		for _, s := range script {
			again, err := fake.Parse(s.String())
			if err != nil || len(again) != 1 {
				t.Fatalf("%q cannot be read again: %v", s, err)
			}
			again[0].Line = s.Line
			if again[0] != s {
				t.Fatalf("%+v is read again as %+v", s, again[0])
			}
		}
	})
}
