package telegram

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/hutong-im/hutong/adapters/telegram/telegramtest"
)

// patience is how long a page may take to show what it should.
const patience = 15 * time.Second

// window is the employee's browser.
type window struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // chromedp's handle of the window
}

func open(t *testing.T) *window {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Fatal("no browser: install chromium; make e2e does so on Debian")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 800),
		chromedp.Flag("lang", "zh-CN"), chromedp.Flag("accept-lang", "zh-CN,zh"),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("no-pings", true), chromedp.Env("LC_ALL=C.UTF-8"),
	)
	alloc, endAlloc := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, end := chromedp.NewContext(alloc)
	messages := chromedp.Console(ctx) // this starts the browser
	var hearing sync.WaitGroup
	hearing.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.Type == chromedp.ConsoleError || m.IsException() {
				t.Errorf("the page complains: %s (%s:%d)", m, m.URL, m.Line+1)
			}
		}
	})
	t.Cleanup(func() {
		end()
		endAlloc()
		hearing.Wait()
	})
	return &window{t: t, ctx: ctx}
}

// do runs actions, each of which has to succeed in time.
func (w *window) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		w.shot("failed")
		w.t.Fatalf("%s: %v", what, err)
	}
}

// id is the selector of an element that a page has for tests.
func id(name string) chromedp.CSS { return chromedp.CSS(fmt.Sprintf(`[data-testid="%s"]`, name)) }

func (w *window) click(name string) {
	w.t.Helper()
	w.do("click "+name, chromedp.WaitVisible(id(name)), chromedp.Click(id(name)))
}

// sees waits until a JavaScript expression is true.
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
			w.shot("failed")
			w.t.Fatalf("the employee does not see %s: %v", what, err)
		}
	}
}

// row is an expression for the message with a text.
func row(text string) string {
	return fmt.Sprintf(`[...document.querySelectorAll('%s')].find(m => m.querySelector('%s')?.innerText.includes(%q))`, id("message"), id("text"), text)
}

// shot keeps what the window shows, where git ignores it.
func (w *window) shot(name string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	dir := filepath.Join("..", "..", "artefacts")
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "telegram-"+name+".png"), picture, 0o600)
	}
	if err != nil {
		w.t.Errorf("screenshot: %v", err)
	}
}

// An employee in a real browser and a customer on Telegram.
func TestDeskInABrowser(t *testing.T) {
	w := newWorld(t, "poll")
	link := w.card("--accept")
	win := open(t)
	win.do("sign in", chromedp.Navigate(w.signInLink()))
	win.click("enter")
	win.do("put the password off", chromedp.WaitVisible(id("password-later")))
	win.click("password-later")

	w.tg.Say(telegramtest.Said{User: wang, Text: "/start " + link[strings.LastIndexByte(link, '=')+1:]})
	win.sees("the request", `document.querySelector('`+string(id("room"))+`')?.dataset.state === 'asked'`)
	win.click("room")
	win.sees("the label of a customer on Telegram", `document.querySelector('`+string(id("label"))+`')?.innerText.includes('Telegram')`)
	win.click("accept")
	w.shown("the acceptance", func(m telegramtest.Message) bool { return strings.Contains(m.Text, "已接受") })

	w.tg.Say(telegramtest.Said{User: wang, Text: "价格 <b>多少</b>？急", Entities: []telegramtest.Entity{{Type: "bold", Offset: 13, Length: 1}}})
	win.sees("the customer's words", row("价格 <b>多少</b>？急"))
	win.sees("their styles", row("价格")+`.querySelector('strong, b')?.innerText === '急'`)
	win.do("answer", chromedp.WaitVisible(id("composer")), chromedp.SendKeys(id("composer"), "**今天**八折 😀"))
	win.click("send")
	m := w.shown("the answer", ends("今天八折 😀"))
	if len(m.Entities) != 1 || m.Entities[0].Type != "bold" {
		t.Errorf("shown %q %+v", m.Text, m.Entities)
	}
	win.sees("the tick", row("八折")+`.querySelector('`+string(id("tick"))+`')?.dataset.state === 'sent'`)
	w.tg.React(wang.ID, m.ID, "👍")
	win.sees("the reaction", row("八折")+`.innerText.includes('👍')`)
	win.shot("desk")
}
