// Package browser lets two people talk through the real gateway in two real browsers.
package browser

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/hutong-im/hutong/e2e/gateway"
	"github.com/hutong-im/hutong/e2e/window"
)

var binary *gateway.Binary

func TestMain(m *testing.M) {
	os.Exit(gateway.Main(m, func(b *gateway.Binary) { binary = b }))
}

// shipped is a site with the config that the project ships, at an address and a folder of the test's.
func shipped(t *testing.T) *gateway.Site {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(gateway.Root(), "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s := &gateway.Site{Binary: binary, Port: gateway.Port(t), Config: filepath.Join(t.TempDir(), "config.yaml")}
	own := strings.NewReplacer("127.0.0.1:8420", fmt.Sprintf("127.0.0.1:%d", s.Port), "http://localhost:8420", s.URL("")).Replace(string(text))
	if err := os.WriteFile(s.Config, []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// printed waits until the gateway has printed what the pattern's first group finds.
func printed(t *testing.T, p *gateway.Process, pattern string) string {
	t.Helper()
	find := regexp.MustCompile(pattern)
	for until := time.Now().Add(window.Patience); time.Now().Before(until); {
		if m := find.FindStringSubmatch(p.Out()); m != nil {
			return m[1]
		}
		<-time.After(50 * time.Millisecond)
	}
	t.Fatalf("the gateway does not print %s:\n%s", pattern, p.Out())
	return ""
}

// picture makes an image to send.
func picture(t *testing.T) string {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 240, 160))
	for y := range 160 {
		for x := range 240 {
			m.Set(x, y, color.RGBA{R: uint8(x), G: uint8(y), B: 140, A: 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "样品.png")
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestTwoWindows(t *testing.T) {
	site := shipped(t)
	p := site.Run(t)
	member, customer := window.Open(t, "member"), window.Open(t, "customer")
	member.Peer, customer.Peer = customer, member
	customer.Do("be a phone", chromedp.EmulateViewport(window.Narrow, 800))

	signIn(member, printed(t, p, `\(lilei\)\s+(http\S+)`))
	ask(customer, printed(t, p, `(http\S+/c/\S+)`))
	accept(member, customer)
	talk(member, customer)
	aPicture(t, member, customer)
	notes(member)

	customer.Reach(false)
	member.Reach(false)
	p.Kill()
	p = whileAway(t, site, member, customer)
	amends(member, customer)

	member.Look("talk", window.Wide)
	customer.Look("talk", window.Narrow)
	member.Quiet()
	customer.Quiet()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	member.Reach(false)
	customer.Reach(false)
	if err := p.Stop(ctx); err != nil {
		t.Errorf("the gateway does not stop in order: %v\n%s", err, p.Log())
	}
}

// signIn goes through the one-time link to the desk.
func signIn(member *window.Window, link string) {
	member.T.Helper()
	member.Visit(link)
	member.Click(window.ID("enter"))
	member.Do("put the password off", chromedp.WaitVisible(window.ID("password-later")))
	member.Look("password", window.Wide)
	member.Click(window.ID("password-later"))
	member.Sees("an empty desk", `document.querySelector('`+string(window.ID("empty"))+`') !== null`)
	member.Look("empty", window.Wide)
}

// ask sends the customer's request through the card.
func ask(customer *window.Window, card string) {
	customer.T.Helper()
	customer.Visit(card)
	customer.Sees("who this is", `document.querySelector('`+string(window.ID("card-member"))+`')?.innerText === '李雷' &&
		document.querySelector('`+string(window.ID("card-title"))+`').innerText.includes('销售经理')`)
	customer.Look("card", window.Narrow)
	customer.Type(window.ID("name"), "王小明")
	customer.Type(window.ID("hello"), "您好，想了解一下报价")
	customer.Click(window.ID("request"))
	customer.Sees("the label of an employee", `document.querySelector('`+string(window.ID("label"))+`')?.innerText.includes('企业联系人')`)
}

// accept takes the customer on; before that nothing can be written to either side.
func accept(member, customer *window.Window) {
	member.T.Helper()
	member.Sees("the request", `document.querySelector('`+string(window.ID("room"))+`')?.dataset.state === 'asked'`)
	member.Click(window.ID("room"))
	member.Sees("what the customer said with it", `document.querySelector('`+string(window.ID("hello"))+`')?.innerText === '您好，想了解一下报价'`)
	member.Look("request", window.Wide)
	customer.Look("waiting", window.Narrow)
	member.Click(window.ID("accept"))
	member.Sees("an open conversation", `document.querySelector('`+string(window.ID("room"))+`')?.dataset.state === 'active'`)
	member.Sees("the label of a customer", `document.querySelector('`+string(window.ID("label"))+`')?.innerText.includes('网页')`)
}

// talk is words both ways, a reply, and the ticks.
func talk(member, customer *window.Window) {
	member.T.Helper()
	customer.Say("请问这款有货吗？🙂 <b>急</b>")
	member.SeesMessage("请问这款有货吗？🙂 <b>急</b>")
	member.Act("请问这款有货吗", window.ID("reply"))
	member.Say("有的，今天可以发货。")
	customer.SeesMessage("有的，今天可以发货。")
	customer.Sees("what it answers", window.Message("有的，今天可以发货。")+`[0].querySelector('`+string(window.ID("quote"))+`').innerText.includes('请问这款有货吗')`)
	for _, w := range []*window.Window{member, customer} {
		w.Sees("that what was said is read", `[...document.querySelectorAll('`+string(window.ID("message"))+`[data-mine=true] `+string(window.ID("tick"))+`')].every(m => m.dataset.state === 'read')`)
	}
}

// aPicture sends a picture, and looks whether the other sees it.
func aPicture(t *testing.T, member, customer *window.Window) {
	t.Helper()
	customer.Do("choose a picture", chromedp.SetUploadFiles(window.ID("file-input"), []string{picture(t)}))
	customer.Sees("what is chosen", `document.querySelector('`+string(window.ID("chosen"))+` img') != null`)
	customer.Look("chosen", window.Narrow)
	customer.Click(window.ID("send"))
	member.Sees("the picture", `document.querySelector('`+string(window.ID("image"))+` img')?.naturalWidth > 0`)
}

// notes are what the member notes of the customer, in the panel beside the conversation.
func notes(member *window.Window) {
	member.T.Helper()
	has := func(name, what string) string {
		return `document.querySelector('` + string(window.ID(name)) + `')?.` + what
	}
	member.Click(window.ID("about-open"))
	member.Type(window.ID("about-remark"), "喜欢 *喝茶* <b>\r")
	member.Sees("the remark", has("about", `querySelector('input').getAttribute('value') === '喜欢 *喝茶* <b>'`))
	member.Type(window.ID("about-tag"), "vip 展会\r")
	member.Sees("both tags, beside the card's", has("about", `querySelectorAll('li').length === 3`))
	member.Look("about", window.Wide)
	member.Click(window.ID("untag"))
	member.Sees("that the card's is gone", has("about", `querySelectorAll('li').length === 2`)+` && `+has("about", `querySelector('li').innerText.startsWith('vip')`))
	member.Click(window.ID("pin"))
	member.Sees("that it is pinned", has("pin", `ariaPressed === 'true'`)+` && document.querySelector('.room .pin') != null`)
	member.Click(window.ID("about-open"))
	member.Sees("the panel closed", has("about", `hidden`))
}

// whileAway lets both write while the server is gone, and starts it again.
func whileAway(t *testing.T, site *gateway.Site, member, customer *window.Window) *gateway.Process {
	t.Helper()
	customer.Sees("that the server is away", `!document.querySelector('`+string(window.ID("offline"))+`').hidden`)
	customer.Look("offline", window.Narrow)
	customer.Say("断线时写的一句话")
	p := site.Run(t)
	member.SeesMessage("断线时写的一句话")
	for _, w := range []*window.Window{member, customer} {
		w.Sees("that the server is back", `document.querySelector('`+string(window.ID("offline"))+`').hidden`)
		w.Reach(true)
	}
	member.SeesMessage("请问这款有货吗")
	member.Say("收到，断线也没有丢。")
	customer.SeesMessage("收到，断线也没有丢。")
	return p
}

// amends is an edit and a recall.
func amends(member, customer *window.Window) {
	member.T.Helper()
	member.Act("收到，断线也没有丢", window.ID("edit"))
	member.Do("clear", chromedp.Evaluate[chromedp.Void](`void (document.querySelector('`+string(window.ID("composer"))+`').value = '')`))
	member.Say("收到，一句也没有丢。")
	customer.SeesMessage("收到，一句也没有丢。")
	customer.Sees("that it was edited", window.Message("收到，一句也没有丢。")+`[0].querySelector('`+string(window.ID("edited"))+`') != null`)
	customer.Say("这句说错了")
	member.SeesMessage("这句说错了")
	customer.Act("这句说错了", window.ID("recall"))
	member.Sees("that it was recalled", window.Message("这句说错了")+`.length === 0`)
	customer.Sees("that it is gone", window.Message("这句说错了")+`.length === 0`)
}
