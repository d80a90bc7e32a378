package wecom

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/tencent"
)

// Limits of articles, in bytes: https://developer.work.weixin.qq.com/document/path/90236. The title of 128 is a name, the
// beginning of the text, and marks.
const (
	articleKind = "mpnews"
	titleName   = 32
	titleText   = 46
	maxDigest   = 512
)

// sendArticle says a long text in one message, to be opened: in pieces it would fill the member's chat, and use up what
// WeCom shows them in a minute.
func (a *adapter) sendArticle(ctx context.Context, room bridge.RoomID, d bridge.Draft) (bridge.MsgID, error) {
	name, text := speaker(d.Text, d.As)
	said := inert(strings.Join(strings.Fields(text), " "))
	title := shorten(said, titleText)
	if name != "" {
		title = shorten(inert(strings.TrimRight(name, ": \n")), titleName) + ": " + title
	}
	id, err := a.deliver(ctx, room, d.Key, d.Text, func(e entry) (string, any, error) {
		if e.Media == "" { // a retry has the picture of the first try
			var err error
			if e.Media, err = a.cover(ctx); err != nil {
				return "", nil, err
			}
			if err := a.ledger.change(ctx, e); err != nil {
				return "", nil, err
			}
		}
		return articleKind, obj{"articles": []obj{{
			"title": marked(title, e.Marks), "thumb_media_id": e.Media, "content": paragraphs(d.Text), "digest": shorten(said, maxDigest),
		}}}, nil
	}, title)
	if code, ok := errors.AsType[*tencent.Error](err); ok && code.Code == mediaGone {
		err = errors.Join(err, a.env.State.Delete(ctx, coverKey))
	}
	return id, err
}

// shorten cuts to so many bytes.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	n := limit - len("…")
	for n > 0 && s[n]&0xC0 == 0x80 { // not inside a character
		n--
	}
	return s[:n] + "…"
}

// paragraphs is a text in HTML that looks like it.
func paragraphs(text string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		b.WriteString("<p>" + strings.ReplaceAll(html.EscapeString(line), "  ", "&nbsp; ") + "</p>")
	}
	return b.String()
}

// mediaGone is the errcode of a media_id that WeCom does not know, or not any more.
const mediaGone = 40007

// coverKey is where the articles' picture is kept, for less than WeCom's three days (and a retry's four hours).
const (
	coverKey = "cover"
	coverFor = 60 * time.Hour
)

// cover is the media_id of the picture that WeCom wants for each article; it is uploaded when it is needed.
func (a *adapter) cover(ctx context.Context) (string, error) {
	var kept struct {
		ID string    `json:"id"`
		At time.Time `json:"at"`
	}
	if _, err := bridge.Load(ctx, a.env.State, coverKey, &kept); err != nil {
		return "", err
	}
	now := a.env.Now()
	if now.Sub(kept.At) < coverFor {
		return kept.ID, nil
	}
	picture, err := page()
	if err != nil {
		return "", err
	}
	file := bridge.File{Name: "text.png", Type: "image/png", Size: int64(len(picture))}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(picture)), nil }
	if kept.ID, err = a.uploadAs(ctx, "image", bridge.Attachment{File: file, Open: open}); err != nil {
		return "", err
	}
	kept.At = now
	return kept.ID, bridge.Keep(ctx, a.env.State, coverKey, kept)
}

// page draws lines of writing, in the format that WeCom shows best (1068 × 455).
func page() ([]byte, error) {
	paper, ink := color.RGBA{R: 0xF2, G: 0xF5, B: 0xF7, A: 0xFF}, color.RGBA{R: 0x9A, G: 0xA8, B: 0xB5, A: 0xFF}
	m := image.NewPaletted(image.Rect(0, 0, 1068, 455), color.Palette{paper, ink})
	for i, width := range []int{700, 820, 780, 820, 420} {
		top := 90 + 60*i
		draw.Draw(m, image.Rect(124, top, 124+width, top+22), image.NewUniform(ink), image.Point{}, draw.Src)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		return nil, fmt.Errorf("draw an article's picture: %w", err)
	}
	return b.Bytes(), nil
}
