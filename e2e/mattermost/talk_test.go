package mattermost

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/fake"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/e2e/mattermost/server"
)

// button finds a button of a post by what it says.
func button(p *server.Post, name string) string {
	var cards []struct {
		Actions []struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		} `json:"actions"`
	}
	b, _ := json.Marshal(p.Props["attachments"])
	_ = json.Unmarshal(b, &cards)
	for _, c := range cards {
		for _, a := range c.Actions {
			if a.Name == name {
				return a.ID
			}
		}
	}
	return ""
}

func (w *world) press(by *server.Client, p *server.Post, name string) {
	w.t.Helper()
	id := button(p, name)
	if id == "" {
		w.t.Fatalf("no button %s on %+v", name, p)
	}
	w.must(by.Do(w.t.Context(), http.MethodPost, "/posts/"+p.ID+"/actions/"+id, map[string]any{}, nil))
}

func (w *world) card(args ...string) bridge.CardID {
	w.t.Helper()
	out, err := w.site.Command(w.t.Context(), append([]string{"card", "new", "lilei", "--json"}, args...)...)
	w.must(err)
	var card struct {
		ID bridge.CardID `json:"id"`
	}
	w.must(json.Unmarshal([]byte(out), &card))
	return card.ID
}

// mentions is how often an employee was called in a channel.
func (w *world) mentions(c *server.Client, channel string) int {
	w.t.Helper()
	var m struct {
		N int `json:"mention_count"`
	}
	w.must(c.Do(w.t.Context(), http.MethodGet, "/channels/"+channel+"/members/me", nil, &m))
	return m.N
}

func TestRequest(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.out.Join("wang", w.card("--accept", "--source", "展会"), "王小明", "我想了解一下 @channel")
	ch := w.room("王小明")
	if !strings.Contains(ch.Header, "王小明 · 联系人") || !strings.HasPrefix(ch.Name, "hutong-") {
		t.Errorf("the channel is %+v", ch)
	}
	ask := w.post(ch.ID, "a request with buttons", func(p *server.Post) bool { return button(p, "接受") != "" })
	if button(&ask, "拒绝") == "" || !strings.Contains(ask.Message, "王小明") {
		t.Errorf("the request is %+v", ask)
	}
	w.eventually("the owner is called", func() (string, bool) { return "not called", w.mentions(w.lilei, ch.ID) > 0 })
	card := w.post(ch.ID, "a pinned card", func(p *server.Post) bool { return p.Pinned })
	if !strings.Contains(card.Message, "王小明") {
		t.Errorf("the card is %+v", card)
	}

	w.out.Say(fake.Said{User: "wang", Name: "王小明", Text: "在吗"})
	w.must(w.lilei.Do(t.Context(), http.MethodPost, "/channels/"+ch.ID+"/members", map[string]any{"user_id": w.hanmei.ID}, nil))
	w.press(w.hanmei, &ask, "接受")
	if now := w.post(ch.ID, "the request", func(p *server.Post) bool { return p.ID == ask.ID }); button(&now, "接受") == "" {
		t.Error("a colleague could accept")
	}
	w.press(w.lilei, &ask, "接受")
	w.post(ch.ID, "the request without buttons", func(p *server.Post) bool { return p.ID == ask.ID && button(p, "接受") == "" })
	w.hears("wang", "the acceptance", func(m *fake.Message) bool { return strings.Contains(m.Text, "已接受") })
	held := w.says(ch.ID, "在吗")
	if held.Props["override_username"] != "王小明 · 联系人" || held.Props["from_webhook"] != "true" {
		t.Errorf("the name is not shown: %+v", held.Props)
	}
	if pinned := w.post(ch.ID, "the card", func(p *server.Post) bool { return p.ID == card.ID }); !pinned.Pinned {
		t.Errorf("the card is %+v", pinned)
	}

	// The words of the slash command, after the bot's name.
	_, err := w.lilei.Say(t.Context(), ch.ID, "@bot-"+w.team.Name+" who")
	w.must(err)
	w.told(w.lilei, "王小明 · 联系人")
}

func TestTalk(t *testing.T) {
	w := newWorld(t)
	w.start()
	ctx := t.Context()
	first := w.out.Say(fake.Said{User: "wang", Name: "王小明", Text: "你好 @channel @all @here"})
	ch := w.room("王小明")
	harmless := w.post(ch.ID, "the message", func(p *server.Post) bool { return strings.HasPrefix(p.Message, "你好") })
	if strings.Contains(harmless.Message, "@channel") || !strings.Contains(harmless.Message, "channel") {
		t.Errorf("it reads %q", harmless.Message)
	}
	dm := fake.DM("wang")

	// Employee to customer, and what becomes of it.
	post, err := w.lilei.Say(ctx, ch.ID, "您好 :smile: **李雷**")
	w.must(err)
	sent := w.hears("wang", "the answer", func(m *fake.Message) bool { return strings.Contains(m.Text, "您好 😄") })
	if sent.Name != "李雷 · ACME 销售经理" && sent.Name != "李雷" {
		t.Errorf("it was said by %q", sent.Name)
	}
	w.marked(ch.ID, post, "white_check_mark")
	w.must(w.out.Read(dm, "wang", sent.ID))
	w.marked(ch.ID, post, "eyes")
	w.eventually("one mark", func() (string, bool) {
		p := w.post(ch.ID, "the post", func(p *server.Post) bool { return p.ID == post })
		return "", !p.Reaction(w.bot.ID, "white_check_mark")
	})

	// Changes of the employee.
	w.must(w.lilei.Do(ctx, http.MethodPut, "/posts/"+post+"/patch", map[string]any{"message": "您好，有什么可以帮您"}, nil))
	w.hears("wang", "the edit", func(m *fake.Message) bool {
		return m.ID == sent.ID && strings.Contains(m.Text, "有什么可以帮您")
	})
	w.must(w.lilei.Do(ctx, http.MethodPost, "/reactions", map[string]any{"user_id": w.lilei.ID, "post_id": harmless.ID, "emoji_name": "+1_dark_skin_tone"}, nil))
	w.eventually("the employee's reaction", func() (string, bool) {
		for _, m := range w.out.Messages(dm) {
			if m.ID == first && slices.Contains(m.Reactions, fake.Reaction{Emoji: "👍🏿"}) {
				return "", true
			}
		}
		return "none", false
	})

	said := w.changes(ch.ID, post, sent.ID)

	asked := w.says(ch.ID, "多少钱一个")
	w.must(w.out.Recall(dm, "wang", said))
	w.eventually("the recall", func() (string, bool) {
		list, err := w.lilei.Posts(ctx, ch.ID)
		return "still there", err == nil && !slices.ContainsFunc(list, func(p server.Post) bool { return p.ID == asked.ID })
	})
	w.must(w.lilei.Do(ctx, http.MethodDelete, "/posts/"+post, nil, nil))
	w.hears("wang", "the recall", func(m *fake.Message) bool { return m.ID == sent.ID && m.Deleted })

	w.must(w.lilei.Do(ctx, http.MethodPost, "/users/"+w.lilei.ID+"/typing", map[string]any{"channel_id": ch.ID}, nil))
	w.eventually("typing", func() (string, bool) { return "", w.out.Typed(dm) > 0 })
}

// changes lets the customer answer what was sent, and change the answer; the employee answers that. It
// returns what the customer said.
func (w *world) changes(channel, post string, sent bridge.MsgID) bridge.MsgID {
	w.t.Helper()
	ctx, dm := w.t.Context(), fake.DM("wang")
	said := w.out.Say(fake.Said{User: "wang", Text: "多少钱", ReplyTo: sent})
	asked := w.says(channel, "多少钱")
	if b, _ := json.Marshal(asked.Props); !strings.Contains(string(b), "有什么可以帮您") || !strings.Contains(string(b), post) {
		w.t.Errorf("the answer does not show what it answers: %s", b)
	}
	w.must(w.out.Edit(dm, "wang", said, "多少钱一个"))
	w.says(channel, "多少钱一个")
	w.must(w.out.React(dm, "wang", sent, "❤️", true))
	w.marked(channel, post, "heart")
	w.must(w.out.React(dm, "wang", sent, "❤️", false))
	w.eventually("the reaction is taken back", func() (string, bool) {
		p := w.post(channel, "the post", func(p *server.Post) bool { return p.ID == post })
		return "", !p.Reaction(w.bot.ID, "heart")
	})

	// An answer of the employee, by the address of the post.
	_, err := w.lilei.Say(ctx, channel, mm.URL+"/"+w.team.Name+"/pl/"+asked.ID+"\n十元")
	w.must(err)
	if m := w.hears("wang", "the answer", func(m *fake.Message) bool { return strings.HasSuffix(m.Text, "十元") }); m.ReplyTo != said || strings.Contains(m.Text, "/pl/") {
		w.t.Errorf("the customer sees %+v", m)
	}

	// The customer sees that it was read, though the employee only looked.
	w.must(w.lilei.Do(ctx, http.MethodPost, "/channels/members/me/view", map[string]any{"channel_id": channel}, nil))
	w.eventually("the customer's message is read", func() (string, bool) {
		for _, m := range w.out.Messages(dm) {
			if m.ID == said {
				return string(m.Mark.State), m.Mark.State == bridge.StateRead
			}
		}
		return "gone", false
	})
	return said
}

func TestFiles(t *testing.T) {
	w := newWorld(t)
	w.start()
	ctx := t.Context()
	png := append([]byte("\x89PNG\r\n\x1a\n"), []byte("pixels")...)
	w.out.Say(fake.Said{User: "wang", Name: "王小明", Text: "请看", Files: []fake.File{
		{Name: "报告 1.txt", Type: "text/plain", Data: []byte("第一")}, {Name: "图.txt", Type: "text/plain", Data: []byte("第二")},
	}})
	ch := w.room("王小明")
	p := w.says(ch.ID, "请看")
	if len(p.Metadata.Files) != 2 || p.Metadata.Files[0].Name != "报告 1.txt" || p.Metadata.Files[1].Name != "图.txt" {
		t.Fatalf("the files are %+v", p.Metadata.Files)
	}
	var got []byte
	w.must(w.lilei.Do(ctx, http.MethodGet, "/files/"+p.Metadata.Files[1].ID, nil, &got))
	if string(got) != "第二" {
		t.Errorf("the second file holds %q", got)
	}
	var ids []string
	for i := range 3 {
		data := []byte{byte('a' + i)}
		if i == 1 {
			data = png
		}
		id, err := w.lilei.Upload(ctx, ch.ID, string(rune('c'-i))+".bin", data)
		w.must(err)
		ids = append(ids, id)
	}
	_, err := w.lilei.Make(ctx, "/posts", map[string]any{"channel_id": ch.ID, "message": "给您", "file_ids": ids})
	w.must(err)
	w.eventually("three files in order", func() (string, bool) {
		var names []string
		for _, m := range w.out.Messages(fake.DM("wang")) {
			for _, f := range m.Files {
				if m.User == "" {
					names = append(names, f.Name)
				}
			}
		}
		return strings.Join(names, " "), slices.Equal(names, []string{"c.bin", "b.bin", "a.bin"})
	})
}

func TestNotSent(t *testing.T) {
	w := newWorld(t)
	w.start()
	ctx := t.Context()
	w.out.Say(fake.Said{User: "wang", Name: "王小明", Text: "你好"})
	ch := w.room("王小明")
	root := w.says(ch.ID, "你好")
	w.must(w.lilei.Do(ctx, http.MethodPost, "/channels/"+ch.ID+"/members", map[string]any{"user_id": w.hanmei.ID}, nil))

	_, err := w.lilei.Make(ctx, "/posts", map[string]any{"channel_id": ch.ID, "message": "a note", "root_id": root.ID})
	w.must(err)
	w.told(w.lilei, "内部备注")
	_, err = w.hanmei.Say(ctx, ch.ID, "a stranger's")
	w.must(err)
	w.told(w.hanmei, "尚未绑定成员")
	for _, name := range []string{"town-square", "off-topic"} { // where every bot is
		var public server.Channel
		w.must(w.lilei.Do(ctx, http.MethodGet, "/teams/"+w.team.ID+"/channels/name/"+name, nil, &public))
		_, err = w.hanmei.Say(ctx, public.ID, "among colleagues")
		w.must(err)
	}
	dm, err := w.hanmei.Make(ctx, "/channels/direct", []string{w.hanmei.ID, w.bot.ID})
	w.must(err)
	_, err = w.hanmei.Say(ctx, dm, "hello bot")
	w.must(err)
	w.told(w.hanmei, "/who")

	// What the messenger refuses for good is told to the writer alone.
	w.out.Fail(fake.Fault{Trouble: fake.Closed, Times: 1, Op: "send"})
	held, err := w.lilei.Say(ctx, ch.ID, "held")
	w.must(err)
	w.marked(ch.ID, held, "hourglass")
	w.told(w.lilei, "等待客户再次发来消息")
	_, err = w.lilei.Say(ctx, ch.ID, "the last")
	w.must(err)
	w.out.Say(fake.Said{User: "wang", Text: "我在"})
	w.hearsText("wang", "the last")
	w.marked(ch.ID, held, "white_check_mark")
	for _, m := range w.out.Messages(fake.DM("wang")) {
		if m.User == "" && (strings.Contains(m.Text, "note") || strings.Contains(m.Text, "stranger") || strings.Contains(m.Text, "colleagues") || strings.Contains(m.Text, "bot")) {
			t.Errorf("the customer was told %q", m.Text)
		}
	}
	out, err := w.site.Command(ctx, "links", "list")
	w.must(err)
	if strings.Count(strings.TrimSpace(out), "active") != 1 {
		t.Errorf("there are other contacts than the customer: %s", out)
	}
}

// An archived channel that the bot may not restore goes on in another one.
func TestArchived(t *testing.T) {
	w := newWorld(t)
	w.start()
	ctx := t.Context()
	w.out.Say(fake.Said{User: "wang", Name: "王小明", Text: "one"})
	old := w.room("王小明")
	w.says(old.ID, "one")
	w.must(w.lilei.Do(ctx, http.MethodDelete, "/channels/"+old.ID, nil, nil))
	w.out.Say(fake.Said{User: "wang", Name: "王小明", Text: "two"})
	ch := w.room("王小明")
	if ch.ID == old.ID || !strings.Contains(ch.Header, "~"+old.Name) {
		t.Fatalf("the channel is %+v", ch)
	}
	w.says(ch.ID, "two")
	post, err := w.lilei.Say(ctx, ch.ID, "three")
	w.must(err)
	w.hearsText("wang", "three")
	w.marked(ch.ID, post, "white_check_mark")
}

// A server that shows no other name than the bot's has the label in the text, until it is told otherwise.
func TestNamesForbidden(t *testing.T) {
	allow := func(names bool) {
		t.Helper()
		if err := mm.Admin.Do(context.Background(), http.MethodPut, "/config/patch", map[string]any{
			"ServiceSettings": map[string]any{"EnablePostUsernameOverride": names},
		}, nil); err != nil {
			t.Fatal(err)
		}
	}
	allow(false)
	defer allow(true)
	w := newWorld(t)
	w.start()
	w.out.Say(fake.Said{User: "wang", Name: "王小明", Text: "你好"})
	ch := w.room("王小明")
	first := w.post(ch.ID, "the message", func(p *server.Post) bool { return strings.HasSuffix(p.Message, "\n你好") })
	if first.Message != "**王小明 · 联系人**\n你好" || first.Props["override_username"] != nil {
		t.Errorf("it is %+v", first)
	}
	allow(true)
	w.eventually("the names are shown", func() (string, bool) {
		w.out.Say(fake.Said{User: "wang", Name: "王小明", Text: "在吗"})
		list, err := w.lilei.Posts(t.Context(), ch.ID)
		return "not yet", err == nil && slices.ContainsFunc(list, func(p server.Post) bool {
			return p.Message == "在吗" && p.Props["override_username"] == "王小明 · 联系人"
		})
	})
}

// allow gives an account of the role the permissions, which any server without a licence lets an administrator do.
func (w *world) allow(account, role string, permissions ...string) {
	w.t.Helper()
	ctx := context.Background()
	var r struct {
		ID string `json:"id"`
	}
	w.must(mm.Admin.Do(ctx, http.MethodGet, "/roles/name/"+role, nil, &r))
	w.must(mm.Admin.Do(ctx, http.MethodPut, "/roles/"+r.ID+"/patch", map[string]any{"permissions": permissions}, nil))
	w.must(mm.Admin.Do(ctx, http.MethodPut, "/users/"+account+"/roles", map[string]any{"roles": "system_user " + role}, nil))
}

// trusted is a bot with a role that may register commands and whisper in channels.
func trusted(w *world) {
	w.t.Helper()
	w.allow(w.bot.ID, "system_post_all_public", "create_post_ephemeral", "manage_slash_commands", "manage_others_slash_commands")
}

func TestSlashCommand(t *testing.T) {
	w := newWorld(t)
	trusted(w)
	w.start()
	ctx := t.Context()
	w.out.Say(fake.Said{User: "wang", Name: "王小明", Text: "你好"})
	ch := w.room("王小明")
	w.says(ch.ID, "你好")
	w.eventually("the command is registered", func() (string, bool) {
		err := w.lilei.Do(ctx, http.MethodPost, "/commands/execute", map[string]any{"channel_id": ch.ID, "team_id": w.team.ID, "command": "/hutong who"}, nil)
		if err != nil {
			return err.Error(), false
		}
		return "", true
	})
	// The answer is for the one who asked, in the channel, and not kept anywhere: it is not in the bot's chat.
	<-time.After(time.Second)
	if text := w.private(w.lilei); text != "" {
		t.Errorf("the bot's own chat says %q", text)
	}
	if strings.Contains(w.get("/readyz"), "failed") {
		t.Error(w.get("/readyz"))
	}
}

func TestProbe(t *testing.T) {
	w := newWorld(t)
	probe := func() string {
		out, err := w.site.Command(t.Context(), "check", "--live")
		if err != nil {
			out += err.Error()
		}
		return out
	}
	if out := probe(); strings.Count(out, ": works") != 2 {
		t.Errorf("a plain bot: %s", out)
	}
	w.must(mm.Admin.Do(t.Context(), http.MethodDelete, "/teams/"+w.team.ID+"/members/"+w.lilei.ID, nil, nil))
	if out := probe(); !strings.Contains(out, "member lilei: @lilei-"+w.team.Name+" is not in the team") {
		t.Errorf("a member who is not in the team: %s", out)
	}
	w.must(mm.Admin.Do(t.Context(), http.MethodDelete, "/users/"+w.lilei.ID, nil, nil))
	if out := probe(); !strings.Contains(out, "deactivated") {
		t.Errorf("a member who is deactivated: %s", out)
	}
	w.must(mm.Admin.Do(t.Context(), http.MethodDelete, "/teams/"+w.team.ID+"/members/"+w.bot.ID, nil, nil))
	if out := probe(); !strings.Contains(out, "@bot-"+w.team.Name+" is not in the team") {
		t.Errorf("a bot that is not in the team: %s", out)
	}
}
