package mattermost

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/fake"
	"github.com/hutong-im/hutong/e2e/gateway"
	"github.com/hutong-im/hutong/e2e/mattermost/server"
)

// chat is the bot's own chat with an employee.
func (w *world) chat(with *server.Client) string {
	w.t.Helper()
	id, err := with.Make(w.t.Context(), "/channels/direct", []string{with.ID, w.bot.ID})
	w.must(err)
	return id
}

// replies posts in a thread.
func (w *world) replies(by *server.Client, channel, root, text string) string {
	w.t.Helper()
	id, err := by.Make(w.t.Context(), "/posts", map[string]any{"channel_id": channel, "message": text, "root_id": root})
	w.must(err)
	return id
}

// A note that was meant for the customer goes out by the button under the private word: in the bot's own chat,
// where it may not whisper in the channel.
func TestNoteGoesOut(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.out.Say(fake.Said{User: "wang", Name: "王小明", Text: "你好"})
	ch := w.room("王小明")
	root := w.says(ch.ID, "你好")
	w.replies(w.lilei, ch.ID, root.ID, "报价 100 元")
	hint := w.post(w.chat(w.lilei), "the private word", func(p *server.Post) bool { return strings.Contains(p.Message, "内部备注") })
	if !strings.HasPrefix(hint.Message, "~"+ch.Name+"\n") {
		t.Errorf("it does not say which channel is meant: %s", hint.Message)
	}
	w.press(w.lilei, &hint, "发送给客户")
	w.hearsText("wang", "报价 100 元")
	w.post(w.chat(w.lilei), "the private word without its button", func(p *server.Post) bool {
		return p.ID == hint.ID && button(p, "发送给客户") == "" && strings.Contains(p.Message, "内部备注")
	})
}

// The same in the channel itself, where nothing of it is kept.
func TestWhisperedNoteGoesOut(t *testing.T) {
	w := newWorld(t, func(w *world) { w.more = "  web: { kind: webchat }" })
	trusted(w)
	w.start()
	w.out.Say(fake.Said{User: "wang", Name: "王小明", Text: "你好"})
	ch := w.room("王小明")
	root := w.says(ch.ID, "你好")
	whispers, err := w.lilei.Whispers(t.Context())
	w.must(err)
	whisper := func(part string) server.Whisper {
		t.Helper()
		for {
			select {
			case one := <-whispers:
				if strings.Contains(one.Message, part) {
					return one
				}
			case <-time.After(gateway.Patience):
				t.Fatalf("nobody whispers %s", part)
			}
		}
	}
	w.replies(w.lilei, ch.ID, root.ID, "报价 100 元")
	w.must(w.lilei.PressWhispered(t.Context(), whisper("内部备注"), "发送给客户"))
	whisper("已选择：发送给客户")
	w.hearsText("wang", "报价 100 元")

	// The slash command, with what it changes on the card.
	slash := func(words string) {
		t.Helper()
		w.eventually("/hutong "+words, func() (string, bool) {
			err := w.lilei.Do(t.Context(), http.MethodPost, "/commands/execute", map[string]any{"channel_id": ch.ID, "team_id": w.team.ID, "command": "/hutong " + words}, nil)
			return "refused", err == nil
		})
	}
	card := w.post(ch.ID, "the card", func(p *server.Post) bool { return p.Pinned })
	slash("remark 老客户")
	w.post(ch.ID, "the remark", func(p *server.Post) bool { return p.ID == card.ID && strings.Contains(p.Message, "老客户") })
	slash("tag 展会")
	w.post(ch.ID, "the tag", func(p *server.Post) bool { return p.ID == card.ID && strings.Contains(p.Message, "展会") })
	slash("contacts")
	whisper("王小明 · 联系人")
	slash("note 不要打折")
	slash("card")
	for deadline := time.After(gateway.Patience); ; {
		one := whisper("/c/")
		if len(one.Attachments) == 1 && strings.HasPrefix(one.Attachments[0].ImageURL, w.site.URL("")) {
			break
		}
		select {
		case <-deadline:
			t.Fatal("the card has no picture")
		default:
		}
	}
	for _, m := range w.out.Messages(fake.DM("wang")) {
		if strings.Contains(m.Text, "打折") || strings.Contains(m.Text, "老客户") {
			t.Errorf("the customer was told %q", m.Text)
		}
	}
	if text := w.private(w.lilei); text != "" {
		t.Errorf("the bot's own chat says %q", text)
	}
}

// What failed for good offers a button, and goes out by it once its writer has mended it.
func TestFailedIsSentAgain(t *testing.T) {
	w := newWorld(t, func(w *world) { w.outLimits = "window: 48h, max_text: 9000" }) // the messenger takes 4000
	w.start()
	ctx := t.Context()
	w.out.Say(fake.Said{User: "wang", Name: "王小明", Text: "你好"})
	ch := w.room("王小明")
	w.says(ch.ID, "你好")
	post, err := w.lilei.Say(ctx, ch.ID, strings.Repeat("长", 5000))
	w.must(err)
	w.marked(ch.ID, post, "x")
	told := w.post(w.chat(w.lilei), "why", func(p *server.Post) bool { return button(p, "重新发送") != "" })
	if !strings.Contains(told.Message, "/pl/"+post) || button(&told, "不发送") == "" {
		t.Errorf("it says %s", told.Message)
	}
	w.must(w.lilei.Do(ctx, http.MethodPut, "/posts/"+post+"/patch", map[string]any{"message": "短"}, nil))
	w.eventually("the edit is heard", func() (string, bool) {
		out, err := w.site.Command(ctx, "links", "list")
		return out, err == nil
	})
	w.press(w.lilei, &told, "重新发送")
	w.hears("wang", "the mended message", func(m *fake.Message) bool { return strings.HasSuffix(m.Text, "短") })
	w.marked(ch.ID, post, "white_check_mark")
}

// The pinned card counts the window down, in place.
func TestWindowOnTheCard(t *testing.T) {
	w := newWorld(t, func(w *world) { w.outLimits, w.windowed = "window: 48h, window_messages: 5", 5 })
	w.start()
	w.out.Say(fake.Said{User: "wang", Name: "王小明", Text: "你好"})
	ch := w.room("王小明")
	card := w.post(ch.ID, "the window", func(p *server.Post) bool { return p.Pinned && strings.Contains(p.Message, "5/5") })
	for _, left := range []string{"4/5", "3/5"} {
		_, err := w.lilei.Say(t.Context(), ch.ID, "another")
		w.must(err)
		w.post(ch.ID, left, func(p *server.Post) bool { return p.ID == card.ID && strings.Contains(p.Message, left) })
	}
	w.out.Say(fake.Said{User: "wang", Text: "再来"})
	w.post(ch.ID, "a new window", func(p *server.Post) bool { return p.ID == card.ID && strings.Contains(p.Message, "5/5") })
	list, err := w.lilei.Posts(t.Context(), ch.ID)
	w.must(err)
	if n := slices.DeleteFunc(list, func(p server.Post) bool { return !p.Pinned }); len(n) != 1 {
		t.Errorf("there are %d cards", len(n))
	}
}

func TestMemberDeactivated(t *testing.T) {
	w := newWorld(t)
	p := w.start()
	active := func(yes bool) {
		t.Helper()
		w.must(mm.Admin.Do(t.Context(), http.MethodPut, "/users/"+w.lilei.ID+"/active", map[string]any{"active": yes}, nil))
	}
	says := func(yes bool) {
		t.Helper()
		w.eventually("/readyz says so", func() (string, bool) {
			text := w.get("/readyz")
			return text, strings.Contains(text, "lilei is deactivated") == yes
		})
	}
	active(false)
	says(true)
	active(true)
	says(false)
	p.Kill()
	active(false) // while nobody hears
	w.start()
	says(true)
}

func TestThreads(t *testing.T) {
	w := newWorld(t, func(w *world) { w.teamMore = ", rooms: thread" })
	w.start()
	ctx := t.Context()
	w.out.Say(fake.Said{User: "wang", Name: "王小明", Text: "你好"})
	w.out.Say(fake.Said{User: "zhao", Name: "赵四", Text: "在吗"})
	dm := w.chat(w.lilei)
	hello, other := w.says(dm, "你好"), w.says(dm, "在吗")
	card := w.post(dm, "the card", func(p *server.Post) bool { return p.ID == hello.RootID })
	if !strings.Contains(card.Message, "王小明 · 联系人") || hello.RootID == other.RootID {
		t.Fatalf("the card is %+v; the roots %s and %s", card, hello.RootID, other.RootID)
	}
	if b, _ := json.Marshal(hello.Props["attachments"]); !strings.Contains(string(b), "@lilei-"+w.team.Name) {
		t.Errorf("the owner is not called: %s", b)
	}
	post := w.replies(w.lilei, dm, hello.RootID, "您好")
	sent := w.hearsText("wang", "您好")
	w.marked(dm, post, "white_check_mark")
	w.must(w.lilei.Do(ctx, http.MethodPost, "/reactions", map[string]any{"user_id": w.lilei.ID, "post_id": hello.ID, "emoji_name": "heart"}, nil))
	w.eventually("a reaction", func() (string, bool) {
		for _, m := range w.out.Messages(fake.DM("wang")) {
			if len(m.Reactions) > 0 {
				return "", true
			}
		}
		return "none", false
	})
	w.replies(w.lilei, dm, hello.RootID, "@bot-"+w.team.Name+" note 他很高")
	w.replies(w.lilei, dm, hello.RootID, "@bot-"+w.team.Name+" remark 老客户")
	w.post(dm, "the remark", func(p *server.Post) bool { return p.ID == card.ID && strings.Contains(p.Message, "老客户") })
	_, err := w.lilei.Say(ctx, dm, "contacts")
	w.must(err)
	w.post(dm, "all contacts", func(p *server.Post) bool {
		return p.RootID == "" && strings.Contains(p.Message, "赵四") && strings.Contains(p.Message, "王小明") && !p.Pinned
	})
	w.must(w.out.Recall(fake.DM("wang"), "wang", w.out.Say(fake.Said{User: "wang", Text: "说错了"})))
	w.must(w.lilei.Do(ctx, http.MethodPut, "/posts/"+post+"/patch", map[string]any{"message": "您好！"}, nil))
	w.hears("wang", "the edit", func(m *fake.Message) bool { return m.ID == sent.ID && m.Text == "您好！" })
	for user, list := range map[string][]fake.Message{"zhao": w.out.Messages(fake.DM("zhao")), "wang": w.out.Messages(fake.DM("wang"))} {
		for _, m := range list {
			if m.User == "" && (user == "zhao" && strings.Contains(m.Text, "您好") || strings.Contains(m.Text, "他很高") || strings.Contains(m.Text, "contacts")) {
				t.Errorf("%s was told %q", user, m.Text)
			}
		}
	}
	if out, err := w.site.Command(ctx, "check", "--live"); err != nil {
		t.Errorf("check: %v\n%s", err, out)
	}
}

func TestInbox(t *testing.T) {
	w := newWorld(t, func(w *world) { w.teamMore = ", rooms: inbox" })
	w.start()
	ctx := t.Context()
	w.out.Say(fake.Said{User: "wang", Name: "王小明", Text: "你好"})
	dm := w.chat(w.lilei)
	hello := w.says(dm, "你好")
	w.out.Say(fake.Said{User: "zhao", Name: "赵四", Text: "在吗"})
	if other := w.says(dm, "在吗"); other.Props["override_username"] != "赵四 · 联系人" || hello.Props["override_username"] != "王小明 · 联系人" {
		t.Errorf("they are not named: %+v %+v", hello.Props, other.Props)
	}
	_, err := w.lilei.Say(ctx, dm, "给王小明")
	w.must(err)
	w.hearsText("wang", "给王小明")
	_, err = w.lilei.Say(ctx, dm, "@bot-"+w.team.Name+" to 赵四")
	w.must(err)
	w.post(dm, "who is chosen", func(p *server.Post) bool {
		return strings.Contains(p.Message, "赵四") && p.UserID == w.bot.ID && !p.Pinned && p.Props["override_username"] == nil
	})
	_, err = w.lilei.Say(ctx, dm, "给赵四")
	w.must(err)
	w.hearsText("zhao", "给赵四")
	post := w.replies(w.lilei, dm, hello.ID, "回复王小明")
	m := w.hearsText("wang", "回复王小明")
	if m.ReplyTo == "" {
		t.Errorf("it answers nothing: %+v", m)
	}
	w.marked(dm, post, "white_check_mark")
	w.must(w.out.React(fake.DM("wang"), "wang", m.ID, "❤️", true))
	w.marked(dm, post, "heart")
	list, err := w.lilei.Posts(ctx, dm)
	w.must(err)
	if n := slices.DeleteFunc(list, func(p server.Post) bool { return !p.Pinned }); len(n) != 2 {
		t.Errorf("there are %d cards", len(n))
	}
	stranger := w.chat(w.hanmei)
	_, err = w.hanmei.Say(ctx, stranger, "am I a customer?")
	w.must(err)
	w.told(w.hanmei, "/who")
	out, err := w.site.Command(ctx, "links", "list")
	w.must(err)
	if strings.Count(out, "active") != 2 {
		t.Errorf("the links are %s", out)
	}
}

// ghosts lets a person make bots, and tells the gateway their token.
func (w *world) ghosts(permissions ...string) {
	w.t.Helper()
	ctx := w.t.Context()
	name := fmt.Sprintf("maker%d", time.Now().UnixNano())
	id, err := mm.Admin.Make(ctx, "/users", map[string]any{"username": name, "email": name + "@acme.example", "password": "a-maker-of-ghosts"})
	w.must(err)
	w.allow(id, "system_user_access_token", permissions...)
	token, err := mm.TokenOf(ctx, id)
	w.must(err)
	w.teamMore = ", ghosts: { token: " + token + " }"
}

func TestGhosts(t *testing.T) {
	w := newWorld(t, func(w *world) { w.ghosts("create_bot", "manage_bots", "read_bots", "create_user_access_token") })
	p := w.start()
	ctx, dm := t.Context(), fake.DM("wang")
	w.out.Say(fake.Said{User: "wang", Name: "王小明", Text: "你好"})
	ch := w.room("王小明")
	hello := w.says(ch.ID, "你好")
	var by struct {
		Username string `json:"username"`
		First    string `json:"first_name"`
		Bot      bool   `json:"is_bot"`
	}
	w.must(w.lilei.Do(ctx, http.MethodGet, "/users/"+hello.UserID, nil, &by))
	if hello.UserID == w.bot.ID || !by.Bot || by.First != "王小明 · 联系人" {
		t.Fatalf("it was said by %+v", by)
	}
	said := w.out.Say(fake.Said{User: "wang", Text: "多少钱", Files: []fake.File{{Name: "图.txt", Type: "text/plain", Data: []byte("一")}}})
	asked := w.says(ch.ID, "多少钱")
	if asked.UserID != hello.UserID || len(asked.Metadata.Files) != 1 {
		t.Errorf("then %+v", asked)
	}
	w.must(w.out.Edit(dm, "wang", said, "多少钱一个"))
	w.says(ch.ID, "多少钱一个")
	post, err := w.lilei.Say(ctx, ch.ID, "十元")
	w.must(err)
	m := w.hearsText("wang", "十元")
	w.marked(ch.ID, post, "white_check_mark")
	w.must(w.out.React(dm, "wang", m.ID, "👍", true))
	w.post(ch.ID, "the reaction of the customer's own account", func(p *server.Post) bool { return p.ID == post && p.Reaction(hello.UserID, "+1") })
	p.Kill()
	w.start()
	w.must(w.out.Recall(dm, "wang", said))
	w.eventually("the recall", func() (string, bool) {
		list, err := w.lilei.Posts(ctx, ch.ID)
		return "still there", err == nil && !slices.ContainsFunc(list, func(p server.Post) bool { return p.ID == asked.ID })
	})
	if n := len(w.out.Messages(dm)); n != 3 {
		t.Errorf("an echo has come back: %+v", w.out.Messages(dm))
	}
}

func TestGhostsRefused(t *testing.T) {
	w := newWorld(t, func(w *world) { w.ghosts("create_user_access_token") })
	w.start()
	w.eventually("a warning", func() (string, bool) {
		text := w.get("/readyz")
		return text, strings.Contains(text, "lacks create_bot manage_bots")
	})
	w.out.Say(fake.Said{User: "wang", Name: "王小明", Text: "你好"})
	if hello := w.says(w.room("王小明").ID, "你好"); hello.UserID != w.bot.ID || hello.Props["override_username"] != "王小明 · 联系人" {
		t.Errorf("it is %+v", hello)
	}
}
