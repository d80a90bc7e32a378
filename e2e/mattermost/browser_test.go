package mattermost

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/hutong-im/hutong/e2e/mattermost/server"
	"github.com/hutong-im/hutong/e2e/window"
)

// A customer in a real browser and an employee in a real Mattermost: everything that both can do, both ways.
func TestBrowser(t *testing.T) {
	w := newWorld(t, func(w *world) { w.more = "  web: { kind: webchat }" })
	w.start()
	c := window.Open(t, "mattermost")
	ctx := t.Context()
	c.Visit(w.site.URL("/c/" + string(w.card("--accept"))))
	c.Type(window.ID("name"), "王小明")
	c.Type(window.ID("hello"), "想了解一下报价")
	c.Click(window.ID("request"))
	ch := w.room("王小明")
	ask := w.post(ch.ID, "a request with buttons", func(p *server.Post) bool { return button(p, "接受") != "" })
	w.press(w.lilei, &ask, "接受")
	c.Sees("an open conversation", `document.querySelector('`+string(window.ID("composer"))+`')?.disabled === false`)

	// Words, a reply and its mark; an edit, a reaction and a recall, of the employee.
	c.Say("请问有货吗？🙂 <b>急</b>")
	asked := w.post(ch.ID, "the question", func(p *server.Post) bool { return strings.HasPrefix(p.Message, "请问有货吗") })
	post, err := w.lilei.Say(ctx, ch.ID, mm.URL+"/"+w.team.Name+"/pl/"+asked.ID+"\n有的")
	w.must(err)
	c.Sees("the answer and what it answers", window.Message("有的")+`[0]?.querySelector('`+string(window.ID("quote"))+`')?.innerText.includes('请问有货吗')`)
	w.post(ch.ID, "a mark of the employee's message", func(p *server.Post) bool {
		return p.ID == post && (p.Reaction(w.bot.ID, "white_check_mark") || p.Reaction(w.bot.ID, "eyes"))
	})
	w.must(w.lilei.Do(ctx, http.MethodPut, "/posts/"+post+"/patch", map[string]any{"message": "有的，今天发货"}, nil))
	c.Sees("the edit", window.Message("有的，今天发货")+`[0]?.querySelector('`+string(window.ID("edited"))+`')`)
	w.must(w.lilei.Do(ctx, http.MethodPost, "/reactions", map[string]any{"user_id": w.lilei.ID, "post_id": asked.ID, "emoji_name": "+1"}, nil))
	c.Sees("the employee's reaction", window.Message("请问有货吗")+`[0]?.querySelector('`+string(window.ID("reactions"))+`')?.innerText.includes('👍')`)
	wrong, err := w.lilei.Say(ctx, ch.ID, "说错了")
	w.must(err)
	c.Sees("what will be recalled", window.Message("说错了")+`.length === 1`)
	w.must(w.lilei.Do(ctx, http.MethodDelete, "/posts/"+wrong, nil, nil))
	c.Sees("the recall", window.Message("说错了")+`.length === 0`)

	w.changesOf(c, ch.ID, post)
	w.filesOf(c, ch.ID)
	c.Quiet()
}

// changes are a reply, an edit, a reaction and a recall of the customer.
func (w *world) changesOf(c *window.Window, channel, post string) {
	w.t.Helper()
	c.Act("有的，今天发货", window.ID("reply"))
	c.Say("太好了")
	reply := w.says(channel, "太好了")
	if b, _ := json.Marshal(reply.Props); !strings.Contains(string(b), "/pl/"+post) {
		w.t.Errorf("it does not show what it answers: %s", b)
	}
	c.Act("太好了", window.ID("edit"))
	c.Do("clear", chromedp.Evaluate[chromedp.Void](`void (document.querySelector('`+string(window.ID("composer"))+`').value = '')`))
	c.Say("太好了，谢谢")
	w.post(channel, "the edit", func(p *server.Post) bool { return p.ID == reply.ID && p.Message == "太好了，谢谢" })
	c.Act("有的，今天发货", `[data-testid="react"][data-emoji="❤️"]`)
	w.marked(channel, post, "heart")
	c.Act("太好了，谢谢", window.ID("recall"))
	w.eventually("the recall", func() (string, bool) {
		list, err := w.lilei.Posts(w.t.Context(), channel)
		return "still there", err == nil && !slices.ContainsFunc(list, func(p server.Post) bool { return p.ID == reply.ID })
	})
}

// files are a picture each way.
func (w *world) filesOf(c *window.Window, channel string) {
	w.t.Helper()
	ctx := w.t.Context()
	m := image.NewRGBA(image.Rect(0, 0, 60, 40))
	m.Set(1, 1, color.White)
	var picture bytes.Buffer
	w.must(png.Encode(&picture, m))
	name := filepath.Join(w.t.TempDir(), "样品.png")
	w.must(os.WriteFile(name, picture.Bytes(), 0o600))
	c.Do("choose a picture", chromedp.SetUploadFiles(window.ID("file-input"), []string{name}))
	c.Sees("what is chosen", `document.querySelector('`+string(window.ID("chosen"))+` img')`)
	c.Click(window.ID("send"))
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
	c.Sees("the employee's picture", `[...document.querySelectorAll('`+string(window.ID("message"))+`[data-mine=false] `+string(window.ID("image"))+` img')].some(i => i.naturalWidth === 60)`)
}
