// Package window is a person in a real browser, for the end-to-end tests: what they see, click and type.
package window

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

// Patience is how long a page may take to show what it should.
const Patience = 15 * time.Second

// Window is one person's browser.
type Window struct {
	T    *testing.T
	name string
	// Peer is shown, too, when something fails.
	Peer *Window
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

// Open starts a browser of its own, with an empty profile, that speaks Chinese and calls nobody but the
// gateway.
func Open(t *testing.T, name string) *Window {
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
	w := &Window{T: t, name: name, ctx: ctx}
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
func (w *Window) hear(m chromedp.ConsoleMessage) {
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

// Reach says whether the server can be reached.
func (w *Window) Reach(yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away = !yes
}

// Quiet fails the test if the page has complained.
func (w *Window) Quiet() {
	w.T.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.errors {
		w.T.Errorf("%s's window: %s", w.name, e)
	}
}

// Do runs actions, each of which has to succeed in time.
func (w *Window) Do(what string, actions ...chromedp.Action[chromedp.Void]) {
	w.T.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, Patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		w.failed()
		w.T.Fatalf("%s: %s: %v", w.name, what, err)
	}
}

// ID is the selector of an element that a page has for tests.
func ID(name string) chromedp.CSS { return chromedp.CSS(fmt.Sprintf(`[data-testid="%s"]`, name)) }

// Visit opens an address.
func (w *Window) Visit(url string) {
	w.T.Helper()
	w.Do("open "+url, chromedp.Navigate(url))
}

// Click clicks what the selector finds, once it is there.
func (w *Window) Click(selector chromedp.CSS) {
	w.T.Helper()
	w.Do("click "+string(selector), chromedp.WaitVisible(selector), chromedp.Click(selector))
}

// Type types into what the selector finds.
func (w *Window) Type(selector chromedp.CSS, text string) {
	w.T.Helper()
	w.Do("type into "+string(selector), chromedp.WaitVisible(selector), chromedp.SendKeys(selector, text))
}

// failed keeps what both windows show and what they complained about.
func (w *Window) failed() {
	w.T.Helper()
	for _, one := range []*Window{w, w.Peer} {
		if one == nil {
			continue
		}
		one.Shot("failed", Wide)
		one.Quiet()
	}
}

// Sees waits until a JavaScript expression is true, on whatever page the window comes to meanwhile.
func (w *Window) Sees(what, expression string) {
	w.T.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, Patience)
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
			w.T.Fatalf("%s does not see %s: %v", w.name, what, err)
		}
	}
}

// Message is an expression for the rows of the log that hold a text.
func Message(text string) string {
	return fmt.Sprintf(`[...document.querySelectorAll('%s')].filter(m => m.querySelector('%s')?.innerText.includes(%q))`, ID("message"), ID("text"), text)
}

// SeesMessage waits for one message with the text.
func (w *Window) SeesMessage(text string) {
	w.T.Helper()
	w.Sees(text, Message(text)+`.length === 1`)
}

// Say writes a message.
func (w *Window) Say(text string) {
	w.T.Helper()
	w.Type(ID("composer"), text)
	w.Click(ID("send"))
}

// Act chooses an entry, by its selector, of the menu of the message that holds a text.
func (w *Window) Act(text string, entry chromedp.CSS) {
	w.T.Helper()
	w.Sees("the actions of "+text, Message(text)+`[0]?.querySelector('`+string(ID("actions"))+`') != null`)
	w.Do("open the menu of "+text, chromedp.Evaluate[chromedp.Void](Message(text)+`[0].querySelector('`+string(ID("actions"))+`').click()`))
	w.Click(entry)
}

// The widths at which pages are looked at: a desktop's and the narrowest phone's, in CSS pixels.
const (
	Wide   = 1280
	Narrow = 360
)

// artefacts is where screenshots are kept, from the project's root; git ignores it.
const artefacts = "artefacts"

// Shot keeps what the window shows, at a width, and fails if the page is wider than the window.
func (w *Window) Shot(name string, width int64) {
	w.T.Helper()
	dir := filepath.Join("..", "..", artefacts)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		w.T.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.ctx, Patience)
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
		w.T.Errorf("%s: screenshot of %s: %v", w.name, name, err)
		return
	}
	if over > 0 {
		w.T.Errorf("%s: %s at %d px is %d px too Wide", w.name, name, width, over)
	}
	if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s-%d.png", name, w.name, width)), picture, 0o600); err != nil {
		w.T.Fatal(err)
	}
}

// Look takes the screenshots of a moment, and leaves the window at the width that it had.
func (w *Window) Look(name string, back int64) {
	w.T.Helper()
	w.Shot(name, Wide)
	w.Shot(name, Narrow)
	w.Do("go on", chromedp.EmulateViewport(back, 800))
}
