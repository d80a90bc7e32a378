package telegram

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/hutong-im/hutong/adapters/telegram/telegramtest"
	"github.com/hutong-im/hutong/e2e/window"
)

// An employee in a real browser and a customer on Telegram.
func TestDeskInABrowser(t *testing.T) {
	w := newWorld(t, "poll")
	link := w.card("--accept")
	win := window.Open(t, "telegram")
	win.Visit(w.signInLink())
	win.Click(window.ID("enter"))
	win.Do("put the password off", chromedp.WaitVisible(window.ID("password-later")))
	win.Click(window.ID("password-later"))

	w.tg.Say(telegramtest.Said{User: wang, Text: "/start " + link[strings.LastIndexByte(link, '=')+1:]})
	win.Sees("the request", `document.querySelector('`+string(window.ID("room"))+`')?.dataset.state === 'asked'`)
	win.Click(window.ID("room"))
	win.Sees("the label of a customer on Telegram", `document.querySelector('`+string(window.ID("label"))+`')?.innerText.includes('Telegram')`)
	win.Click(window.ID("accept"))
	w.shown("the acceptance", func(m telegramtest.Message) bool { return strings.Contains(m.Text, "已接受") })

	w.tg.Say(telegramtest.Said{User: wang, Text: "价格 <b>多少</b>？急", Entities: []telegramtest.Entity{{Type: "bold", Offset: 13, Length: 1}}})
	win.Sees("the customer's words", window.Message("价格 <b>多少</b>？急")+`[0]`)
	win.Sees("their styles", window.Message("价格")+`[0]`+`.querySelector('strong, b')?.innerText === '急'`)
	win.Say("**今天**八折 😀")
	m := w.shown("the answer", ends("今天八折 😀"))
	if len(m.Entities) != 1 || m.Entities[0].Type != "bold" {
		t.Errorf("shown %q %+v", m.Text, m.Entities)
	}
	win.Sees("the tick", window.Message("八折")+`[0]`+`.querySelector('`+string(window.ID("tick"))+`')?.dataset.state === 'sent'`)
	w.tg.React(wang.ID, m.ID, "👍")
	win.Sees("the reaction", window.Message("八折")+`[0]`+`.innerText.includes('👍')`)
	win.Shot("desk", window.Wide)
	win.Quiet()
}
