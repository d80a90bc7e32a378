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
	for until := time.Now().Add(patience); time.Now().Before(until); {
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
	member, customer := open(t, "member"), open(t, "customer")
	member.peer, customer.peer = customer, member
	customer.do("be a phone", chromedp.EmulateViewport(narrow, 800))

	signIn(member, printed(t, p, `\(lilei\)\s+(http\S+)`))
	ask(customer, printed(t, p, `(http\S+/c/\S+)`))
	accept(member, customer)
	talk(member, customer)
	aPicture(t, member, customer)

	customer.reach(false)
	member.reach(false)
	p.Kill()
	p = whileAway(t, site, member, customer)
	amends(member, customer)

	member.look("talk", wide)
	customer.look("talk", narrow)
	member.quiet()
	customer.quiet()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	member.reach(false)
	customer.reach(false)
	if err := p.Stop(ctx); err != nil {
		t.Errorf("the gateway does not stop in order: %v\n%s", err, p.Log())
	}
}

// signIn goes through the one-time link to the desk.
func signIn(member *window, link string) {
	member.t.Helper()
	member.visit(link)
	member.click(id("enter"))
	member.do("put the password off", chromedp.WaitVisible(id("password-later")))
	member.look("password", wide)
	member.click(id("password-later"))
	member.sees("an empty desk", `document.querySelector('`+string(id("empty"))+`') !== null`)
	member.look("empty", wide)
}

// ask sends the customer's request through the card.
func ask(customer *window, card string) {
	customer.t.Helper()
	customer.visit(card)
	customer.sees("who this is", `document.querySelector('`+string(id("card-member"))+`')?.innerText === '李雷' &&
		document.querySelector('`+string(id("card-title"))+`').innerText.includes('销售经理')`)
	customer.look("card", narrow)
	customer.typed(id("name"), "王小明")
	customer.typed(id("hello"), "您好，想了解一下报价")
	customer.click(id("request"))
	customer.sees("the label of an employee", `document.querySelector('`+string(id("label"))+`')?.innerText.includes('企业联系人')`)
}

// accept takes the customer on; before that nothing can be written to either side.
func accept(member, customer *window) {
	member.t.Helper()
	member.sees("the request", `document.querySelector('`+string(id("room"))+`')?.dataset.state === 'asked'`)
	member.click(id("room"))
	member.sees("what the customer said with it", `document.querySelector('`+string(id("hello"))+`')?.innerText === '您好，想了解一下报价'`)
	member.look("request", wide)
	customer.look("waiting", narrow)
	member.click(id("accept"))
	member.sees("an open conversation", `document.querySelector('`+string(id("room"))+`')?.dataset.state === 'active'`)
	member.sees("the label of a customer", `document.querySelector('`+string(id("label"))+`')?.innerText.includes('网页')`)
}

// talk is words both ways, a reply, and the ticks.
func talk(member, customer *window) {
	member.t.Helper()
	customer.say("请问这款有货吗？🙂 <b>急</b>")
	member.seesMessage("请问这款有货吗？🙂 <b>急</b>")
	member.act("请问这款有货吗", "reply")
	member.say("有的，今天可以发货。")
	customer.seesMessage("有的，今天可以发货。")
	customer.sees("what it answers", message("有的，今天可以发货。")+`[0].querySelector('`+string(id("quote"))+`').innerText.includes('请问这款有货吗')`)
	for _, w := range []*window{member, customer} {
		w.sees("that what was said is read", `[...document.querySelectorAll('`+string(id("message"))+`[data-mine=true] `+string(id("tick"))+`')].every(m => m.dataset.state === 'read')`)
	}
}

// aPicture sends a picture, and looks whether the other sees it.
func aPicture(t *testing.T, member, customer *window) {
	t.Helper()
	customer.do("choose a picture", chromedp.SetUploadFiles(id("file-input"), []string{picture(t)}))
	customer.sees("what is chosen", `document.querySelector('`+string(id("chosen"))+` img') != null`)
	customer.look("chosen", narrow)
	customer.click(id("send"))
	member.sees("the picture", `document.querySelector('`+string(id("image"))+` img')?.naturalWidth > 0`)
}

// whileAway lets both write while the server is gone, and starts it again.
func whileAway(t *testing.T, site *gateway.Site, member, customer *window) *gateway.Process {
	t.Helper()
	customer.sees("that the server is away", `!document.querySelector('`+string(id("offline"))+`').hidden`)
	customer.look("offline", narrow)
	customer.say("断线时写的一句话")
	p := site.Run(t)
	member.seesMessage("断线时写的一句话")
	for _, w := range []*window{member, customer} {
		w.sees("that the server is back", `document.querySelector('`+string(id("offline"))+`').hidden`)
		w.reach(true)
	}
	member.seesMessage("请问这款有货吗")
	member.say("收到，断线也没有丢。")
	customer.seesMessage("收到，断线也没有丢。")
	return p
}

// amends is an edit and a recall.
func amends(member, customer *window) {
	member.t.Helper()
	member.act("收到，断线也没有丢", "edit")
	member.do("clear", chromedp.Evaluate[chromedp.Void](`void (document.querySelector('`+string(id("composer"))+`').value = '')`))
	member.say("收到，一句也没有丢。")
	customer.seesMessage("收到，一句也没有丢。")
	customer.sees("that it was edited", message("收到，一句也没有丢。")+`[0].querySelector('`+string(id("edited"))+`') != null`)
	customer.say("这句说错了")
	member.seesMessage("这句说错了")
	customer.act("这句说错了", "recall")
	member.sees("that it was recalled", message("这句说错了")+`.length === 0`)
	customer.sees("that it is gone", message("这句说错了")+`.length === 0`)
}
