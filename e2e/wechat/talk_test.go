package wechat

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/wechat/wechattest"
	"github.com/hutong-im/hutong/e2e/gateway"
	"github.com/hutong-im/hutong/e2e/mattermost/server"
)

func png() []byte { return append([]byte("\x89PNG\r\n\x1a\n"), bytes.Repeat([]byte("pixels"), 50)...) }

// upload lets the employee send a file with a text.
func (w *world) upload(channel, text, name string, data []byte) string {
	w.t.Helper()
	id, err := w.lilei.Upload(w.t.Context(), channel, name, data)
	w.must(err)
	post, err := w.lilei.Make(w.t.Context(), "/posts", map[string]any{"channel_id": channel, "message": text, "file_ids": []string{id}})
	w.must(err)
	return post
}

func TestTalk(t *testing.T) {
	w := newWorld(t, wechattest.Options{})
	w.start()
	out, err := w.site.Command(t.Context(), "card", "new", "lilei", "--json")
	w.must(err)
	var card struct {
		ID string `json:"id"`
	}
	w.must(json.Unmarshal([]byte(out), &card))

	// A stranger follows through the card, and writes.
	wang := w.wx.Customer("o6_wang")
	w.wx.Follow(wang, card.ID)
	ch := w.room()
	w.wx.Say(wang, "你好 @channel *你们* 在吗？")
	w.hears(ch, "你好 @\u200bchannel \\*你们\\* 在吗？")
	w.eventually("the name is asked for once", func() (string, bool) {
		n := 0
		for _, m := range w.wx.Shown(wang) {
			if m.Passive {
				n++
			}
		}
		return fmt.Sprint(n), n == 1
	})
	w.wx.Say(wang, "我叫王小明")
	w.hears(ch, "我叫王小明")

	post := w.says(ch, "您好，**王先生** <a href=\"https://x.example\">x</a>")
	w.eventually("the answer, with who speaks", func() (string, bool) {
		list := w.shown(wang)
		return fmt.Sprintf("%+v", list), len(list) == 1 &&
			strings.ReplaceAll(list[0].Text, "\u2060", "") == "李雷 · ACME 销售经理\n您好，王先生 <a href=\"https://x.example\">x</a>"
	})
	w.marked(ch, post, "white_check_mark")

	// Pictures, both ways.
	w.wx.Message(wang, "image", wechattest.Field{Name: "PicUrl", Value: "http://mmbiz.example/1"},
		wechattest.Field{Name: "MediaId", Value: w.wx.Keep("image", "image/png", png())})
	seen := w.post(ch, "the picture", func(p *server.Post) bool { return len(p.Metadata.Files) == 1 })
	var got []byte
	w.must(w.lilei.Do(t.Context(), http.MethodGet, "/files/"+seen.Metadata.Files[0].ID, nil, &got))
	if !bytes.Equal(got, png()) {
		t.Errorf("the picture has %d bytes", len(got))
	}
	w.marked(ch, w.upload(ch, "给您", "图.png", png()), "white_check_mark")
	list := w.shown(wang)
	if m := list[len(list)-1]; m.Type != "image" || !bytes.Equal(m.Data, png()) || list[len(list)-2].Text != "给您" {
		t.Errorf("the customer sees %+v", list)
	}

	// What WeChat does not show goes as a link, which opens.
	w.wx.Say(wang, "报价呢")
	w.marked(ch, w.upload(ch, "", "报价 1.pdf", []byte("%PDF-1.7")), "white_check_mark")
	list = w.shown(wang)
	link := list[len(list)-1]
	path, ours := strings.CutPrefix(link.URL, public)
	if link.Title != "报价 1.pdf" || !ours {
		t.Fatalf("the customer sees %+v", link)
	}
	if status, body := w.get(path); status != http.StatusOK || body != "%PDF-1.7" {
		t.Errorf("behind the link: %d %q", status, body)
	}
	w.must(w.lilei.Do(t.Context(), http.MethodPost, "/users/"+w.lilei.ID+"/typing", map[string]any{"channel_id": ch}, nil))
	w.eventually("the customer sees writing", func() (string, bool) { return "", w.wx.Typed(wang) > 0 })
}

// get reads an address of the gateway.
func (w *world) get(path string) (int, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.site.URL(path), nil)
	w.must(err)
	resp, err := http.DefaultTransport.RoundTrip(req)
	w.must(err)
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	w.must(err)
	return resp.StatusCode, string(b)
}

// Five may be sent; three wait, through a kill -9 of the gateway, and go when the customer writes again.
func TestWindow(t *testing.T) {
	for name, messages := range map[string]int{
		"the gateway's own count": 5, "WeChat's count, which is less": 2,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, wechattest.Options{Messages: messages})
			p := w.start()
			wang := w.wx.Customer("")
			w.wx.Say(wang, "你好")
			ch := w.room()
			w.hears(ch, "你好")
			var want, posts []string
			for i := range messages + 3 {
				want = append(want, fmt.Sprintf("第 %d 条", i+1))
				posts = append(posts, w.says(ch, want[i]))
			}
			w.sees(wang, want[:messages]...)
			w.marked(ch, posts[messages], "hourglass")
			p.Kill()
			w.wx.Say(wang, "还在吗") // WeChat brings it again, since nobody took it
			w.start()
			w.hears(ch, "还在吗")
			if messages < 3 {
				w.sees(wang, want[:2*messages]...)
				w.wx.Say(wang, "继续")
			}
			w.sees(wang, want...)
			for _, post := range posts {
				w.marked(ch, post, "white_check_mark")
			}
			if n := w.wx.Lost(); n > 0 {
				t.Errorf("WeChat gave up %d pushes", n)
			}
		})
	}
}

// Killed while it sends: whatever WeChat took is shown once and in order, and what is not known to have arrived is
// marked so; the rest arrives.
func TestKilledWhileSending(t *testing.T) {
	w := newWorld(t, wechattest.Options{Messages: 50})
	p := w.start()
	wang := w.wx.Customer("")
	w.wx.Say(wang, "你好")
	ch := w.room()
	w.hears(ch, "你好")
	var want, posts []string
	for round := range 3 {
		for i := range 4 {
			want = append(want, fmt.Sprintf("第 %d 轮第 %d 条", round+1, i+1))
			posts = append(posts, w.says(ch, want[len(want)-1]))
		}
		p.Kill()
		p = w.start()
		w.wx.Say(wang, fmt.Sprint("在", round)) // opens the gateway's own window of five
		w.hears(ch, fmt.Sprint("在", round))
	}
	opened := time.Now()
	w.eventually("every message has its mark", func() (string, bool) {
		if time.Since(opened) > 3*time.Second { // more wait than one window takes
			w.wx.Say(wang, "还在")
			opened = time.Now()
		}
		list, err := w.lilei.Posts(t.Context(), ch)
		if err != nil {
			return err.Error(), false
		}
		missing := 0
		for i := range list {
			if slices.Contains(posts, list[i].ID) && !list[i].Reaction(w.bot.ID, "white_check_mark") && !list[i].Reaction(w.bot.ID, "question") {
				missing++
			}
		}
		return fmt.Sprintf("%d without; the customer sees %q", missing, w.texts(wang)), missing == 0
	})
	got := w.texts(wang)
	last := -1
	for _, text := range got {
		i := slices.Index(want, text)
		if i <= last {
			t.Errorf("%q is out of order or there twice in %q", text, got)
		}
		last = i
	}
	list, err := w.lilei.Posts(t.Context(), ch)
	w.must(err)
	for i := range list {
		if at := slices.Index(posts, list[i].ID); at >= 0 && list[i].Reaction(w.bot.ID, "white_check_mark") && !slices.Contains(got, want[at]) {
			t.Errorf("%q is marked as sent, but was not shown", want[at])
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), gateway.Patience)
	defer cancel()
	w.must(p.Stop(ctx))
}
