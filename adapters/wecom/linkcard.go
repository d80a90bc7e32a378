package wecom

import (
	"cmp"
	"context"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/hutong-im/hutong/bridge"
)

// Limits of text cards, in characters but for the address, which is in bytes:
// https://developer.work.weixin.qq.com/document/path/90236#文本卡片消息
const (
	maxCardTitle = 128 - maxMarks/len(markOne)
	maxCardText  = 512
	maxCardURL   = 2048
	maxCardLines = 3 // of what is said beside the address: a title, a description, or a place's address
)

// linkCard is a message that is nothing but one link, or a place, and what is said of it.
type linkCard struct {
	title, description string // the description in WeCom's HTML
	address, button    string
	text               string // all of it as the member reads it
}

// address is a link that ends a text: alone on its line, after who sends it, in <> or, after what it is called, in ().
var address = regexp.MustCompile(`^(?s)((?:.*[\n:：])? ?(?:📍 )?|[^\n]* \(|(?:.*\n)?<)(https?://[!-~]+)$`)

// linkCard makes a card of a text that ends in its only link; false: it stays a text.
func (a *adapter) linkCard(d bridge.Draft) (linkCard, bool) {
	name, text := speaker(d.Text, d.As)
	if strings.Count(text, "://") != 1 {
		return linkCard{}, false
	}
	m := address.FindStringSubmatch(text)
	if m == nil {
		return linkCard{}, false
	}
	said, link, ok := unwrap(m[1], m[2])
	u, err := url.Parse(link)
	if !ok || err != nil || u.Host == "" || u.User != nil || len(link) > maxCardURL || addressed.MatchString(said) {
		return linkCard{}, false
	}
	shown := clip(u.Host+u.EscapedPath(), 100)
	var lines []string
	for l := range strings.SplitSeq(cmp.Or(said, u.Host), "\n") {
		if l = strings.TrimSpace(l); l != "" {
			lines = append(lines, l)
		}
	}
	if len(lines) > maxCardLines {
		return linkCard{}, false
	}
	c := linkCard{title: lines[0], address: link, button: a.words().open}
	if strings.HasPrefix(said, "📍") {
		c.button = a.words().onMap
		if said == "📍" {
			c.title += " " + c.button
		}
	}
	if name != "" {
		c.title = strings.TrimRight(name, ": \n") + ": " + c.title
	}
	c.text = strings.Join(append([]string{c.title}, append(lines[1:], shown)...), "\n")
	for _, l := range lines[1:] {
		c.description += `<div class="normal">` + inert(l) + `</div>`
	}
	c.description += `<div class="gray">` + inert(shown) + `</div>`
	c.title = inert(c.title)
	return c, utf8.RuneCountInString(c.title) <= maxCardTitle && utf8.RuneCountInString(c.description) <= maxCardText
}

// unwrap takes off what stands round a link; false: it cannot be told where the link ends.
func unwrap(said, link string) (string, string, bool) {
	closing := map[byte]string{'<': ">", '(': ")"}
	end, ok := "", true
	if said != "" {
		end = closing[said[len(said)-1]]
	}
	if end != "" {
		said = said[:len(said)-1]
		link, ok = strings.CutSuffix(link, end)
	}
	ok = ok && !strings.ContainsAny(link, "<>\"`\\^{|}") && !strings.ContainsAny(link[len(link)-1:], ".,;:!?'")
	return strings.Trim(said, ":： \n"), link, ok
}

func (a *adapter) sendLinkCard(ctx context.Context, room bridge.RoomID, key string, c linkCard) (bridge.MsgID, error) {
	return a.deliver(ctx, room, key, c.text, func(e entry) (string, any, error) {
		return "textcard", obj{
			"title": marked(c.title, e.Marks), "description": c.description, "url": c.address, "btntxt": c.button,
		}, nil
	}, c.title)
}
