package browser

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
)

// patience is how long a page may take to show what it should.
const patience = 15 * time.Second

// window is one person's browser.
type window struct {
	t    *testing.T
	name string
	peer *window         // is shown, too, when something fails
	ctx  context.Context //nolint:containedctx // chromedp's handle of the window

	mu     sync.Mutex
	errors []string
	away   bool // the server is away, and the page cannot reach it
}

// browsers are the names under which Debian and others install one.
func browsers() []string { return []string{"chromium", "chromium-browser", "google-chrome"} }

func program(t *testing.T) string {
	t.Helper()
	for _, name := range browsers() {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("no browser: install one of %v; make e2e does so on Debian", browsers())
	return ""
}

// open starts a browser of its own, with an empty profile, that speaks Chinese and calls nobody but the
// gateway.
func open(t *testing.T, name string) *window {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program(t)), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 800),
		chromedp.Flag("lang", "zh-CN"), chromedp.Flag("accept-lang", "zh-CN,zh"),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("no-pings", true),
		chromedp.Flag("disable-features", "OptimizationHints,MediaRouter,Translate,InterestFeedContentSuggestions"),
		chromedp.Env("LC_ALL=C.UTF-8"), // or the names of files are not understood
	)
	alloc, endAlloc := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, end := chromedp.NewContext(alloc)
	w := &window{t: t, name: name, ctx: ctx}
	messages := chromedp.Console(ctx) // this starts the browser
	var hearing sync.WaitGroup
	hearing.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			w.hear(m)
		}
	})
	t.Cleanup(func() {
		end()
		endAlloc()
		hearing.Wait()
	})
	return w
}

// hear collects what the page complains about. While the server is away the browser reports that it
// cannot reach it, which no page can keep it from.
func (w *window) hear(m chromedp.ConsoleMessage) {
	if m.Type != chromedp.ConsoleError && !m.IsException() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away && m.Source == "network" && strings.Contains(m.Text, "net::ERR_") {
		return
	}
	w.errors = append(w.errors, fmt.Sprintf("%s (%s:%d)", m, m.URL, m.Line+1))
}

// reach says whether the server can be reached.
func (w *window) reach(yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away = !yes
}

// quiet fails the test if the page has complained.
func (w *window) quiet() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.errors {
		w.t.Errorf("%s's window: %s", w.name, e)
	}
}

// do runs actions, each of which has to succeed in time.
func (w *window) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		w.failed()
		w.t.Fatalf("%s: %s: %v", w.name, what, err)
	}
}

// id is the selector of an element that a page has for tests.
func id(name string) chromedp.CSS { return chromedp.CSS(fmt.Sprintf(`[data-testid="%s"]`, name)) }

func (w *window) visit(url string) {
	w.t.Helper()
	w.do("open "+url, chromedp.Navigate(url))
}

func (w *window) click(selector chromedp.CSS) {
	w.t.Helper()
	w.do("click "+string(selector), chromedp.WaitVisible(selector), chromedp.Click(selector))
}

func (w *window) typed(selector chromedp.CSS, text string) {
	w.t.Helper()
	w.do("type into "+string(selector), chromedp.WaitVisible(selector), chromedp.SendKeys(selector, text))
}

// failed keeps what both windows show and what they complained about.
func (w *window) failed() {
	w.t.Helper()
	for _, one := range []*window{w, w.peer} {
		one.shot("failed", wide)
		one.quiet()
	}
}

// sees waits until a JavaScript expression is true, on whatever page the window comes to meanwhile.
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
			w.failed()
			w.t.Fatalf("%s does not see %s: %v", w.name, what, err)
		}
	}
}

// message is an expression for the rows of the log that hold a text.
func message(text string) string {
	return fmt.Sprintf(`[...document.querySelectorAll('%s')].filter(m => m.querySelector('%s')?.innerText.includes(%q))`, id("message"), id("text"), text)
}

func (w *window) seesMessage(text string) {
	w.t.Helper()
	w.sees(text, message(text)+`.length === 1`)
}

func (w *window) say(text string) {
	w.t.Helper()
	w.typed(id("composer"), text)
	w.click(id("send"))
}

// act chooses an entry of the menu of the message that holds a text.
func (w *window) act(text, entry string) {
	w.t.Helper()
	w.sees("the actions of "+text, message(text)+`[0]?.querySelector('`+string(id("actions"))+`') != null`)
	w.do("open the menu of "+text, chromedp.Evaluate[chromedp.Void](message(text)+`[0].querySelector('`+string(id("actions"))+`').click()`))
	w.click(id(entry))
}

// The widths at which pages are looked at: a desktop's and the narrowest phone's, in CSS pixels.
const (
	wide   = 1280
	narrow = 360
)

// artefacts is where screenshots are kept, from the project's root; git ignores it.
const artefacts = "artefacts"

// shot keeps what the window shows, at a width, and fails if the page is wider than the window.
func (w *window) shot(name string, width int64) {
	w.t.Helper()
	dir := filepath.Join("..", "..", artefacts)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 800))
	var over int
	if err == nil {
		over, err = chromedp.Run(ctx, chromedp.Evaluate[int](`document.documentElement.scrollWidth - innerWidth`))
	}
	var picture []byte
	if err == nil {
		picture, err = chromedp.Run(ctx, chromedp.CaptureScreenshot())
	}
	if err != nil {
		w.t.Errorf("%s: screenshot of %s: %v", w.name, name, err)
		return
	}
	if over > 0 {
		w.t.Errorf("%s: %s at %d px is %d px too wide", w.name, name, width, over)
	}
	if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s-%d.png", name, w.name, width)), picture, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// look takes the screenshots of a moment, and leaves the window at the width that it had.
func (w *window) look(name string, back int64) {
	w.t.Helper()
	w.shot(name, wide)
	w.shot(name, narrow)
	w.do("go on", chromedp.EmulateViewport(back, 800))
}
