package telegram

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/hutong-im/hutong/adapters/telegram/telegramtest"
)

// wang is the customer.
var wang = telegramtest.User{ID: 4242, Name: "王小明"}

// world is an office with a Telegram that refuses what the real one refuses.
type world struct {
	*office
	tg *telegramtest.Server
}

func newWorld(t *testing.T, mode string) *world {
	t.Helper()
	w := &world{}
	w.tg = telegramtest.New(func(to string) string { return strings.Replace(to, w.url, w.site.URL(""), 1) })
	t.Cleanup(w.tg.Close)
	w.office = newOffice(t, w.tg.URL(), mode)
	w.signIn()
	return w
}

// shown waits for the bot's message that fits, in the customer's chat.
func (w *world) shown(what string, fits func(m telegramtest.Message) bool) telegramtest.Message {
	w.t.Helper()
	var found *telegramtest.Message
	w.until("on Telegram: "+what, func() bool {
		for _, m := range w.tg.Messages(wang.ID) {
			if found == nil && m.From == 0 && !m.Deleted && fits(m) {
				found = &m
			}
		}
		return found != nil
	})
	return *found
}

func ends(text string) func(m telegramtest.Message) bool {
	return func(m telegramtest.Message) bool { return strings.HasSuffix(m.Text, text) }
}

func TestPolling(t *testing.T) { conversation(newWorld(t, "poll")) }
func TestWebhook(t *testing.T) { conversation(newWorld(t, "webhook")) }

// conversation is what happens between a customer who comes through a card and an employee.
func conversation(w *world) {
	t := w.t
	link := w.card("--greeting", "您好，我是**李雷**")
	u, err := url.Parse(link)
	if err != nil || u.Host != "t.me" || u.Path != "/"+telegramtest.Username {
		t.Fatalf("the card leads to %q (%v)", link, err)
	}
	w.tg.Say(telegramtest.Said{User: wang, Text: "/start " + u.Query().Get("start")})
	greeting := w.shown("the greeting", ends("您好，我是李雷"))
	if !strings.HasPrefix(greeting.Text, "李雷 · ACME 销售经理\n") || len(greeting.Entities) != 1 || greeting.Entities[0].Type != "bold" {
		t.Errorf("the greeting: %+v", greeting)
	}
	r := w.meets("王小明")
	if r.State != "active" || r.Network != "telegram" {
		t.Errorf("the conversation: %+v", r)
	}

	asked := w.tg.Say(telegramtest.Said{User: wang, Text: "价格 1<2 *吗*? 😀 急", Entities: []telegramtest.Entity{{Type: "bold", Offset: 15, Length: 1}}})
	question := w.sees(r, `价格 1\<2 \*吗\*? 😀 **急**`)
	answer := w.says(r, "**特价** 见 [这里](https://acme.example/a_b?x=1&y=2)", fields{"reply_to": question.Msg})
	told := w.shown("the answer", ends("特价 见 这里"))
	if told.ReplyTo != asked {
		t.Errorf("it answers %d, want %d", told.ReplyTo, asked)
	}
	if len(told.Entities) != 2 || told.Entities[1].URL != "https://acme.example/a_b?x=1&y=2" {
		t.Errorf("styles: %+v", told.Entities)
	}
	w.find(r, "the tick", func(l line) bool { return l.Msg == answer && l.State == "sent" })

	changes(w, r, asked, answer, told.ID)
	files(w, r)

	w.tg.Say(telegramtest.Said{User: wang, Text: "/who@" + telegramtest.Username})
	w.shown("who this is, with a proof", func(m telegramtest.Message) bool { return strings.Contains(m.Text, "/verify/") })
	w.tg.Block(wang.ID, true)
	w.until("the end of the conversation", func() bool { return w.meets("王小明").State == "ended" })
}

// changes are edits, reactions and recalls.
func changes(w *world, r room, asked int64, answer string, told int64) {
	t := w.t
	t.Helper()
	w.tg.Edit(wang.ID, asked, "价格多少")
	w.find(r, "the customer's edit", func(l line) bool { return l.Text == "价格多少" && l.Edited })
	w.do("edit", fields{"room": r.Room, "msg": answer, "text": "特价 *明天*"})
	w.shown("the employee's edit", func(m telegramtest.Message) bool { return m.ID == told && strings.HasSuffix(m.Text, "特价 明天") })
	w.tg.React(wang.ID, told, "👍")
	w.find(r, "the customer's reaction", func(l line) bool { return l.Msg == answer && len(l.Reactions) == 1 && l.Reactions[0].Emoji == "👍" })
	w.tg.React(wang.ID, told, "")
	w.find(r, "the customer's reaction taken back", func(l line) bool { return l.Msg == answer && len(l.Reactions) == 0 })
	w.do("react", fields{"room": r.Room, "msg": w.sees(r, "价格多少").Msg, "emoji": "❤️"})
	w.until("the employee's reaction", func() bool {
		return slices.ContainsFunc(w.tg.Messages(wang.ID), func(m telegramtest.Message) bool { return m.ID == asked && m.Reactions[0] == "❤" })
	})
	w.do("recall", fields{"room": r.Room, "msg": answer})
	w.until("the recall", func() bool {
		return slices.ContainsFunc(w.tg.Messages(wang.ID), func(m telegramtest.Message) bool { return m.ID == told && m.Deleted })
	})
}

// files go both ways, albums as one message.
func files(w *world, r room) {
	t := w.t
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		said := telegramtest.Said{User: wang, Album: "a1", File: &telegramtest.File{Kind: "photo", Type: "image/png", Data: b.Bytes()}}
		if i == 0 {
			said.Text = "三张照片"
		}
		w.tg.Say(said)
	}
	l := w.find(r, "the album", func(l line) bool { return l.Text == "三张照片" && len(l.Files) == 3 })
	w.find(r, "its pictures are here", func(n line) bool { return n.ID == l.ID && n.Files[2].Size == int64(b.Len()) })
	w.says(r, "报价与样品", fields{"files": []string{
		w.upload("样品.png", "image/png", b.Bytes()), w.upload("报价.pdf", "application/pdf", []byte("%PDF-1.4 quote")),
	}})
	sample := w.shown("the employee's picture", func(m telegramtest.Message) bool { return m.File != nil && m.File.Kind == "photo" })
	quote := w.shown("the employee's document", func(m telegramtest.Message) bool { return m.File != nil && m.File.Kind == "document" })
	if sample.Text != "报价与样品" || !bytes.Equal(sample.File.Data, b.Bytes()) || quote.File.Name != "报价.pdf" {
		t.Errorf("shown %+v and %+v", sample, quote)
	}
}

// The gateway is killed while both write. What the customer wrote is there once, in order. What the employee wrote is shown
// once, or is said to be unknown: Telegram can neither be asked nor told not to repeat.
func TestKilled(t *testing.T) {
	w := newWorld(t, "poll")
	w.tg.Say(telegramtest.Said{User: wang, Text: "你好"})
	r := w.meets("王小明")
	var wrote, answered []string
	both := func(n int) {
		for range n {
			wrote = append(wrote, fmt.Sprintf("c%03d", len(wrote)))
			w.tg.Say(telegramtest.Said{User: wang, Text: wrote[len(wrote)-1]})
			answered = append(answered, fmt.Sprintf("m%03d", len(answered)))
			w.says(r, answered[len(answered)-1], nil)
		}
	}
	for range 3 {
		both(10)
		w.process.Kill()
		for range 5 {
			wrote = append(wrote, fmt.Sprintf("c%03d", len(wrote)))
			w.tg.Say(telegramtest.Said{User: wang, Text: wrote[len(wrote)-1]})
		}
		w.start()
	}
	heard := func() []string {
		var out []string
		for _, l := range w.lines(r) {
			if len(l.Text) == 4 && l.Text[0] == 'c' {
				out = append(out, l.Text)
			}
		}
		return out
	}
	w.until("all that the customer wrote", func() bool { return len(heard()) >= len(wrote) })
	if got := heard(); !slices.Equal(got, wrote) {
		t.Errorf("the desk shows %q", got)
	}
	w.until("every answer is settled", func() bool {
		return !slices.ContainsFunc(w.lines(r), func(l line) bool { return l.Mine && l.State == "pending" })
	})
	state := map[string]string{}
	for _, l := range w.lines(r) {
		if l.Mine {
			state[l.Text] = l.State
		}
	}
	shown := map[string]int{}
	for _, m := range w.tg.Messages(wang.ID) {
		if m.From == 0 {
			shown[m.Text[strings.LastIndexByte(m.Text, '\n')+1:]]++ // a label may precede it
		}
	}
	unknown := 0
	for _, text := range answered {
		switch n := shown[text]; {
		case n > 1:
			t.Errorf("%s is shown %d times", text, n)
		case state[text] == "sent" && n != 1:
			t.Errorf("%s is said to be sent, but is shown %d times", text, n)
		case state[text] == "unknown":
			unknown++
		case state[text] != "sent":
			t.Errorf("%s is %q", text, state[text])
		}
	}
	if unknown > 3 {
		t.Errorf("%d answers are unknown after 3 kills: one can be in flight at each", unknown)
	}
}

// A customer who is busy, or who has blocked the bot, is told of to the employee in words.
func TestTold(t *testing.T) {
	w := newWorld(t, "poll")
	w.tg.Say(telegramtest.Said{User: wang, Text: "你好"})
	r := w.meets("王小明")
	w.tg.Refuse("sendMessage", 403, "Forbidden: bot was blocked by the user")
	id := w.says(r, "在吗", nil)
	l := w.find(r, "the failure", func(l line) bool { return l.Msg == id && l.State == "failed" })
	if !strings.Contains(l.Reason, "屏蔽") {
		t.Errorf("the reason: %q", l.Reason)
	}
	w.tg.Refuse("sendMessage", 429, "Too Many Requests: retry after 1")
	w.says(r, "稍后", nil)
	w.shown("what had to wait", ends("稍后"))
}
