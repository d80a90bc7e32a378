package wecom

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hutong-im/hutong/adapters/wecom/wecomtest"
	"github.com/hutong-im/hutong/bridge"
)

// written sends what must arrive, in the name of a customer, and returns what the member sees of it.
func (r *rig) written(key, text string) []wecomtest.Message {
	r.Helper()
	before := len(r.Inbox("lilei"))
	if _, err := r.a.Send(r.Context(), lileiRoom, bridge.Draft{Key: key, As: wang(), Text: text}); err != nil {
		r.Fatalf("%q: %v", text, err)
	}
	return r.Inbox("lilei")[before:]
}

// What has one thing to open is a card; what says more, or whose link cannot be told for certain, is text.
func TestLinkCards(t *testing.T) {
	long := strings.Repeat("很长", 60)
	for name, x := range map[string]struct{ text, card, url, button string }{
		"a bare link":          {"王小明: https://acme.example/a?b=1&c=2", "王小明: acme.example\nacme.example/a", "https://acme.example/a?b=1&c=2", "Open"},
		"with a label":         {"王小明 · 微信联系人\nhttp://acme.example", "王小明 · 微信联系人: acme.example\nacme.example", "http://acme.example", "Open"},
		"a shared link":        {"王小明: 公告\n明天放假\nhttps://acme.example/a", "王小明: 公告\n明天放假\nacme.example/a", "https://acme.example/a", "Open"},
		"in angle brackets":    {"王小明: 公告\n<https://acme.example/a>", "王小明: 公告\nacme.example/a", "https://acme.example/a", "Open"},
		"a named link":         {"王小明: 公告 (https://acme.example/a)", "王小明: 公告\nacme.example/a", "https://acme.example/a", "Open"},
		"a place":              {"王小明: 📍 大厦\n深圳市\nhttps://map.example/?q=1,2", "王小明: 📍 大厦\n深圳市\nmap.example/", "https://map.example/?q=1,2", "Map"},
		"a place of no name":   {"王小明: 📍 https://map.example/?q=1,2", "王小明: 📍 Map\nmap.example/", "https://map.example/?q=1,2", "Map"},
		"introduced":           {"王小明: 看这个：https://acme.example/a", "王小明: 看这个\nacme.example/a", "https://acme.example/a", "Open"},
		"of the gateway":       {"公告\nhttps://acme.example/a", "公告\nacme.example/a", "https://acme.example/a", "Open"},
		"blank lines":          {"王小明: 公告\n\n \nhttps://acme.example/a", "王小明: 公告\nacme.example/a", "https://acme.example/a", "Open"},
		"brackets of the path": {"王小明: https://acme.example/a_(b)", "王小明: acme.example\nacme.example/a_(b)", "https://acme.example/a_(b)", "Open"},
		"a long address":       {"王小明: https://acme.example/" + strings.Repeat("a", 200), "王小明: acme.example\nacme.example/" + strings.Repeat("a", 86) + "…", "https://acme.example/" + strings.Repeat("a", 200), "Open"},

		"words":                  {"王小明: 你好", "", "", ""},
		"a link among words":     {"王小明: 看 https://acme.example/a 好吗", "", "", ""},
		"words before a link":    {"王小明: 看 https://acme.example/a", "", "", ""},
		"words after a link":     {"王小明: https://acme.example/a\n好吗", "", "", ""},
		"two links":              {"王小明: https://acme.example/a\nhttps://acme.example/b", "", "", ""},
		"turned":                 {"王小明: \u202e告公\nhttps://acme.example/a", "", "", ""},
		"a link within a link":   {"王小明: https://acme.example/?to=https://evil.example/", "", "", ""},
		"another name":           {"王小明: https://acme.example@evil.example/", "", "", ""},
		"a false address":        {"王小明: acme.example\nhttps://evil.example/", "", "", ""},
		"no host":                {"王小明: https://", "", "", ""},
		"an empty host":          {"王小明: https:///a", "", "", ""},
		"no address":             {"王小明: https://%zz/", "", "", ""},
		"another scheme":         {"王小明: ftp://acme.example/a", "", "", ""},
		"a script":               {"王小明: javascript:alert(1)//https", "", "", ""},
		"letters of a script":    {"王小明: https://acme.example/谢谢", "", "", ""},
		"a sentence's end":       {"王小明: https://acme.example/a.", "", "", ""},
		"an odd sign":            {"王小明: https://acme.example/a|b", "", "", ""},
		"an open bracket":        {"王小明: 公告 (https://acme.example/a", "", "", ""},
		"four lines":             {"王小明: 一\n二\n三\n四\nhttps://acme.example/a", "", "", ""},
		"a title that is long":   {"王小明: " + long + "\nhttps://acme.example/a", "", "", ""},
		"a description too long": {"王小明: 公告\n" + strings.Repeat(long, 4) + "\nhttps://acme.example/a", "", "", ""},
		"an address too long":    {"王小明: https://acme.example/" + strings.Repeat("a", maxCardURL), "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, wecomtest.Options{})
			got := r.written("k", x.text)
			typ, want := "textcard", x.card
			if x.card == "" {
				typ, want = "text", x.text
			}
			if x.card == "" && len(got) > 1 { // in pieces
				typ, want = got[0].Type, got[0].Text
			}
			if got[0].Type != typ || got[0].Text != want || got[0].URL != x.url {
				t.Fatalf("%s %q of %q, want %s %q", got[0].Type, got[0].Text, got[0].URL, typ, want)
			}
			if n := len(r.Requests(sendPath)); n != len(got) {
				t.Errorf("%d requests: WeCom refused a card", n)
			}
			body := r.Requests(sendPath)[0].Body
			if x.card != "" && !strings.Contains(body, `"btntxt":"`+x.button+`"`) {
				t.Errorf("not the button %s: %s", x.button, body)
			}
		})
	}
}

// At its limits a card is whole, with marks and all; WeCom's limits are the rig's complaints.
func TestLinkCardLimits(t *testing.T) {
	r := newRig(t, wecomtest.Options{PerMinute: 1000})
	r.cfg.PerMinute = 1000
	r.open()
	title := strings.Repeat("题", maxCardTitle-len([]rune("王小明: ")))
	link := "https://acme.example/" + strings.Repeat("a", maxCardURL-len("https://acme.example/"))
	for i := range 40 {
		if got := r.written(fmt.Sprint(i), "王小明: "+title+"\n"+link); len(got) != 1 || got[0].Type != "textcard" {
			t.Fatalf("the %dth: %+v", i, got)
		}
	}
	for what, text := range map[string]string{
		"one more in the title": "王小明: " + title + "题\n" + link, "one more in the address": "王小明: " + title + "\n" + link + "a",
	} {
		tries := len(r.Requests(sendPath))
		if got := r.written(what, text); got[0].Type != "text" || len(r.Requests(sendPath))-tries != len(got) {
			t.Errorf("%s: %s", what, got[0].Type)
		}
	}
}

// Nothing that a customer writes is HTML on a card or in an article; the rig would complain.
func TestHostileKinds(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	hostile := `</div><div class="highlight"><a href=x>&lt;b&gt;<!-- </p><img src=x>`
	for i, text := range []string{
		"王小明: " + hostile + "\n" + hostile + "\nhttps://acme.example/a&lt;b",
		"王小明: " + hostile + "\n" + strings.Repeat(hostile, 200),
	} {
		got := r.written(fmt.Sprint(i), text)
		if kind := []string{"textcard", articleKind}[i]; len(got) != 1 || got[0].Type != kind || !strings.Contains(unmarked(got[0].Text), hostile) {
			t.Errorf("%+v", got)
		}
	}
}

// However long a name is, and whatever it and the text are made of, an article's title and digest fit.
func TestLongNames(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	for i, sign := range []string{"名", "<a", "&b", "😀"} {
		name := strings.Repeat(sign, 160)
		d := bridge.Draft{Key: fmt.Sprint(i), As: bridge.Label{Name: name, Text: name}, Text: name + "\n" + strings.Repeat(sign, 6000)}
		if _, err := r.a.Send(t.Context(), lileiRoom, d); err != nil {
			t.Fatal(err)
		}
		m := r.Inbox("lilei")[i]
		if m.Type != articleKind || len(m.Title) > 128-maxMarks || !strings.Contains(m.Title, "…: "+sign[:1]) || len(m.Digest) < 500 {
			t.Errorf("%q, %d bytes of %q", m.Title, len(m.Digest), m.Digest)
		}
	}
}

// A text is no link, in whichever piece it stands.
func TestHostileText(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	for _, m := range r.written("k", `王小明: <a href="//evil.example">内网</a>`+strings.Repeat(" 长", 700)+`<A href=x>`) {
		if anchor.MatchString(m.Text) {
			t.Errorf("a link: %q", m.Text)
		}
	}
}

// Of equal messages each is shown, whatever their kind; of one whose answer was lost one.
func TestEqualKinds(t *testing.T) {
	for kind, text := range map[string]string{
		"text": "王小明: 好", "textcard": "王小明: https://acme.example/a", "markdown": "王小明: **好**", articleKind: "王小明: " + strings.Repeat("很长。", 700),
	} {
		r := newRig(t, wecomtest.Options{})
		r.cfg.Markdown = true
		r.open()
		r.Fail(wecomtest.Fault{Path: sendPath, Cut: true, Times: 1})
		_, err := r.a.Send(t.Context(), lileiRoom, bridge.Draft{Key: "a", As: wang(), Text: text})
		if bridge.Judge(err).Verdict != bridge.VerdictUnsure {
			t.Fatalf("%s: %v", kind, err)
		}
		r.written("a", text)
		r.written("b", text)
		r.written("c", text)
		if got := r.Inbox("lilei"); len(got) != 3 || got[2].Type != kind {
			t.Errorf("%s: the member sees %d messages", kind, len(got))
		}
	}
}

// Whatever clients quote of a card or an article, the answer goes to whom it is for, or to nobody.
func TestQuotedKinds(t *testing.T) {
	long := "王小明: " + strings.Repeat("这是一段很长的话，", 400)
	for name, text := range map[string]string{"a card": "王小明: 公告\nhttps://acme.example/a", "an article": long, "a short text": "王小明: 好"} {
		for _, quoted := range []string{"", "title", "kind"} {
			t.Run(name+" "+quoted, func(t *testing.T) {
				r := newRig(t, wecomtest.Options{Quoted: quoted})
				r.lobby.contact(1, "王小明", "")
				r.lobby.contact(2, "赵四", "")
				r.run()
				said := r.written("k", text)[0]
				r.written("l", "赵四: 公告\nhttps://acme.example/a")
				r.Quote("LiLei", said.ID, "收到")
				if quoted == "kind" && said.Title != "" {
					r.until("a word to the member", func() bool { return slices.Contains(r.seen(), r.a.words().lostQuote) })
					return
				}
				if got, _ := r.heard(0).(bridge.MessageEvent); got.Text != "收到" || got.ReplyTo != bridge.MsgID(said.ID) {
					t.Errorf("heard %+v, want an answer to %s", got, said.ID)
				}
			})
		}
	}
}

// What WeCom does not take as a card, markdown or an article is said in text; words must arrive.
func TestRefusedKinds(t *testing.T) {
	for name, x := range map[string]struct {
		text string
		want int
	}{
		"a card":     {"王小明: 公告\nhttps://acme.example/a", 1},
		"markdown":   {"王小明: **好**", 1},
		"an article": {"王小明: " + strings.Repeat("很长。", 700), 4},
	} {
		r := newRig(t, wecomtest.Options{})
		r.cfg.Markdown = true
		r.open()
		r.Fail(wecomtest.Fault{Path: sendPath, Code: 40008, Times: 1})
		got := r.written("k", x.text)
		if len(got) != x.want || got[0].Type != "text" || !strings.HasPrefix(got[0].Text, "王小明: ") {
			t.Errorf("%s: %d messages, the first %q", name, len(got), got[0].Text)
		}
		r.Fail(wecomtest.Fault{Path: sendPath, Code: -1, Times: 1})
		_, err := r.a.Send(t.Context(), lileiRoom, bridge.Draft{Key: "busy", As: wang(), Text: x.text + "?"})
		if bridge.Judge(err).Verdict != bridge.VerdictRetry || len(r.Inbox("lilei")) != x.want {
			t.Errorf("%s, of a busy network: %v", name, err)
		}
	}
}

// What WeCom can keep confidential is; links are texts then.
func TestConfidential(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	r.cfg.Markdown, r.cfg.Confidential = true, true
	if err := r.cfg.Check(); err == nil || !strings.Contains(err.Error(), "confidential") {
		t.Errorf("markdown and confidential: %v", err)
	}
	r.cfg.Markdown = false
	r.open()
	png, mp4 := []byte("\x89PNG\r\n\x1a\n……"), []byte("\x00\x00\x00\x18ftypisom")
	d := bridge.Draft{Key: "k", As: wang(), Text: "王小明: https://acme.example/a", Files: []bridge.Attachment{
		attachment("a.png", "image/png", png), attachment("a.mp4", "video/mp4", mp4), attachment("a.pdf", "application/pdf", []byte("%PDF-1.7")),
		attachment("a.amr", "audio/amr", []byte("#!AMR\n0123")),
	}}
	if _, err := r.a.Send(t.Context(), lileiRoom, d); err != nil {
		t.Fatal(err)
	}
	r.written("l", "王小明: "+strings.Repeat("很长。", 700))
	r.ask(bridge.Ask{ID: "a", Text: "好吗？", Choices: choices("好")})
	var got []string
	for _, m := range r.Inbox("lilei") {
		got = append(got, fmt.Sprint(m.Type, m.Safe))
	}
	if want := "text1 image1 video1 file1 voice0 mpnews1 template_card0"; strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
	}
}
