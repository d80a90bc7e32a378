package mattermost

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/hutong-im/hutong/e2e/mattermost/server"
)

// window is a customer's browser.
type window struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // chromedp's handle of the window
}

// browse starts a browser with an empty profile that speaks Chinese and calls nobody but this machine.
func browse(t *testing.T) *window {
	t.Helper()
	var program string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil && program == "" {
			program = path
		}
	}
	if program == "" {
		t.Fatal("no browser: install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 800),
		chromedp.Flag("lang", "zh-CN"), chromedp.Flag("accept-lang", "zh-CN,zh"), chromedp.Env("LC_ALL=C.UTF-8"),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"))
	alloc, endAlloc := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, end := chromedp.NewContext(alloc)
	t.Cleanup(func() {
		end()
		endAlloc()
	})
	if err := chromedp.Do(ctx); err != nil { // the browser ends with the context of the first call
		t.Fatalf("start a browser: %v", err)
	}
	return &window{t, ctx}
}

func (w *window) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		w.t.Fatalf("%s: %v", what, err)
	}
}

// id is the selector of an element that a page has for tests.
func id(name string) chromedp.CSS { return chromedp.CSS(fmt.Sprintf(`[data-testid="%s"]`, name)) }

func (w *window) click(name string) {
	w.t.Helper()
	w.do("click "+name, chromedp.WaitVisible(id(name)), chromedp.Click(id(name)))
}

func (w *window) types(name, text string) {
	w.t.Helper()
	w.do("type into "+name, chromedp.WaitVisible(id(name)), chromedp.SendKeys(id(name), text))
}

func (w *window) say(text string) {
	w.t.Helper()
	w.types("composer", text)
	w.click("send")
}

// rows is an expression for the messages that hold a text.
func rows(text string) string {
	return fmt.Sprintf(`[...document.querySelectorAll('%s')].filter(m => m.querySelector('%s')?.innerText.includes(%q))`, id("message"), id("text"), text)
}

// sees waits until an expression is true.
func (w *window) sees(what, expression string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	for {
		yes, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`!!(`+expression+`)`))
		if yes {
			return
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			page, _ := chromedp.Run(w.ctx, chromedp.Evaluate[string](`document.body.innerText`))
			w.t.Fatalf("the customer does not see %s: %v\n%s", what, err, page)
		}
	}
}

// act chooses an entry of the menu of the message that holds a text.
func (w *window) act(text, entry string) {
	w.t.Helper()
	w.sees("the actions of "+text, rows(text)+`[0]?.querySelector('`+string(id("actions"))+`') != null`)
	w.do("open the menu", chromedp.Evaluate[chromedp.Void](rows(text)+`[0].querySelector('`+string(id("actions"))+`').click()`))
	w.do("choose "+entry, chromedp.WaitVisible(chromedp.CSS(entry)), chromedp.Click(chromedp.CSS(entry)))
}

// A customer in a real browser and an employee in a real Mattermost: everything that both can do, both ways.
func TestBrowser(t *testing.T) {
	w := newWorld(t, func(w *world) { w.more = "  web: { kind: webchat }" })
	w.start()
	c := browse(t)
	ctx := t.Context()
	c.do("open the card", chromedp.Navigate(w.site.URL("/c/"+string(w.card("--accept")))))
	c.types("name", "王小明")
	c.types("hello", "想了解一下报价")
	c.click("request")
	ch := w.room("王小明")
	ask := w.post(ch.ID, "a request with buttons", func(p *server.Post) bool { return button(p, "接受") != "" })
	w.press(w.lilei, &ask, "接受")
	c.sees("an open conversation", `document.querySelector('`+string(id("composer"))+`')?.disabled === false`)

	// Words, a reply and its mark; an edit, a reaction and a recall, of the employee.
	c.say("请问有货吗？🙂 <b>急</b>")
	asked := w.post(ch.ID, "the question", func(p *server.Post) bool { return strings.HasPrefix(p.Message, "请问有货吗") })
	post, err := w.lilei.Say(ctx, ch.ID, mm.URL+"/"+w.name+"/pl/"+asked.ID+"\n有的")
	w.must(err)
	c.sees("the answer and what it answers", rows("有的")+`[0]?.querySelector('`+string(id("quote"))+`')?.innerText.includes('请问有货吗')`)
	w.post(ch.ID, "a mark of the employee's message", func(p *server.Post) bool {
		return p.ID == post && (p.Reaction(w.bot.ID, "white_check_mark") || p.Reaction(w.bot.ID, "eyes"))
	})
	w.must(w.lilei.Do(ctx, http.MethodPut, "/posts/"+post+"/patch", map[string]any{"message": "有的，今天发货"}, nil))
	c.sees("the edit", rows("有的，今天发货")+`[0]?.querySelector('`+string(id("edited"))+`')`)
	w.must(w.lilei.Do(ctx, http.MethodPost, "/reactions", map[string]any{"user_id": w.lilei.ID, "post_id": asked.ID, "emoji_name": "+1"}, nil))
	c.sees("the employee's reaction", rows("请问有货吗")+`[0]?.querySelector('`+string(id("reactions"))+`')?.innerText.includes('👍')`)
	wrong, err := w.lilei.Say(ctx, ch.ID, "说错了")
	w.must(err)
	c.sees("what will be recalled", rows("说错了")+`.length === 1`)
	w.must(w.lilei.Do(ctx, http.MethodDelete, "/posts/"+wrong, nil, nil))
	c.sees("the recall", rows("说错了")+`.length === 0`)

	w.changesOf(c, ch.ID, post)
	w.filesOf(c, ch.ID)
}

// changes are a reply, an edit, a reaction and a recall of the customer.
func (w *world) changesOf(c *window, channel, post string) {
	w.t.Helper()
	c.act("有的，今天发货", string(id("reply")))
	c.say("太好了")
	reply := w.says(channel, "太好了")
	if b, _ := json.Marshal(reply.Props); !strings.Contains(string(b), "/pl/"+post) {
		w.t.Errorf("it does not show what it answers: %s", b)
	}
	c.act("太好了", string(id("edit")))
	c.do("clear", chromedp.Evaluate[chromedp.Void](`void (document.querySelector('`+string(id("composer"))+`').value = '')`))
	c.say("太好了，谢谢")
	w.post(channel, "the edit", func(p *server.Post) bool { return p.ID == reply.ID && p.Message == "太好了，谢谢" })
	c.act("有的，今天发货", `[data-testid="react"][data-emoji="❤️"]`)
	w.marked(channel, post, "heart")
	c.act("太好了，谢谢", string(id("recall")))
	w.eventually("the recall", func() (string, bool) {
		list, err := w.lilei.Posts(w.t.Context(), channel)
		return "still there", err == nil && !slices.ContainsFunc(list, func(p server.Post) bool { return p.ID == reply.ID })
	})
}

// files are a picture each way.
func (w *world) filesOf(c *window, channel string) {
	w.t.Helper()
	ctx := w.t.Context()
	m := image.NewRGBA(image.Rect(0, 0, 60, 40))
	m.Set(1, 1, color.White)
	var picture bytes.Buffer
	w.must(png.Encode(&picture, m))
	name := filepath.Join(w.t.TempDir(), "样品.png")
	w.must(os.WriteFile(name, picture.Bytes(), 0o600))
	c.do("choose a picture", chromedp.SetUploadFiles(id("file-input"), []string{name}))
	c.sees("what is chosen", `document.querySelector('`+string(id("chosen"))+` img')`)
	c.click("send")
	p := w.post(channel, "the picture", func(p *server.Post) bool { return len(p.Metadata.Files) == 1 })
	var got []byte
	w.must(w.lilei.Do(ctx, http.MethodGet, "/files/"+p.Metadata.Files[0].ID, nil, &got))
	if p.Metadata.Files[0].Name != "样品.png" || !bytes.Equal(got, picture.Bytes()) {
		w.t.Errorf("%s has %d bytes, not %d", p.Metadata.Files[0].Name, len(got), picture.Len())
	}
	file, err := w.lilei.Upload(ctx, channel, "价格.png", picture.Bytes())
	w.must(err)
	_, err = w.lilei.Make(ctx, "/posts", map[string]any{"channel_id": channel, "message": "价格表", "file_ids": []string{file}})
	w.must(err)
	c.sees("the employee's picture", `[...document.querySelectorAll('`+string(id("message"))+`[data-mine=false] `+string(id("image"))+` img')].some(i => i.naturalWidth === 60)`)
}
