package telegram

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/hutong-im/hutong/bridge"
)

// entity is a style, link or mention within a text. Offset and length count UTF-16 units
// (https://core.telegram.org/bots/api#messageentity).
type entity struct {
	Type     string `json:"type"`
	Offset   int    `json:"offset"`
	Length   int    `json:"length"`
	URL      string `json:"url,omitempty"`
	Language string `json:"language,omitempty"`
}

func (e *entity) end() int { return e.Offset + e.Length }

// units counts UTF-16 units, as Telegram does.
func units(s string) int {
	n := 0
	for _, r := range s {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

// toMarkdown writes a text of Telegram as CommonMark. What is a sign in the text stays text. A styled text that would
// not read back as what was written is shown without its styles.
func toMarkdown(text string, entities []entity) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	plain := bridge.EscapeMarkdown(text)
	list := usable(text, entities)
	if len(list) == 0 {
		return plain
	}
	out := blocks(text, list)
	if back, _ := fromMarkdown(out); strings.Join(strings.Fields(back), "") != strings.Join(strings.Fields(text), "") {
		return plain
	}
	return out
}

// span is an entity whose bounds are bytes.
type span struct {
	entity
	from, to int
}

// usable are the entities that the text has, in bytes, outer ones first. Bounds that Telegram would not send are left out.
func usable(text string, entities []entity) []span {
	at := map[int]int{} // bytes by units, at the bounds of characters
	n := 0
	for i, r := range text {
		at[n] = i
		n += max(utf16.RuneLen(r), 1)
	}
	at[n] = len(text)
	var out []span
	for _, e := range entities {
		from, ok := at[e.Offset]
		to, ok2 := at[e.Offset+e.Length]
		if ok && ok2 && from < to && (shape(e.Type) != 0 || sign(e.Type) != "") {
			out = append(out, span{e, from, to})
		}
	}
	slices.SortStableFunc(out, func(a, b span) int {
		if a.from != b.from {
			return a.from - b.from
		}
		return b.to - a.to
	})
	return out
}

// shape is 'b' for what stands on lines of its own, 'v' for what keeps its content to the letter, 'l' for links.
func shape(kind string) byte {
	switch kind {
	case "pre", "blockquote", "expandable_blockquote":
		return 'b'
	case "code", "url", "email":
		return 'v'
	case "text_link":
		return 'l'
	}
	return 0
}

// sign is what stands around a styled text. CommonMark cannot underline; it is shown as emphasis.
func sign(kind string) string {
	switch kind {
	case "bold":
		return "**"
	case "italic", "underline":
		return "*"
	case "strikethrough":
		return "~~"
	case "spoiler":
		return "||"
	}
	return ""
}

// blocks writes quotations and code on lines of their own, and what is between them line by line.
func blocks(text string, list []span) string {
	var b strings.Builder
	fresh := func() {
		if b.Len() > 0 && !strings.HasSuffix(b.String(), "\n") {
			b.WriteByte('\n')
		}
	}
	at := 0
	for _, s := range list {
		if shape(s.Type) != 'b' || s.from < at {
			continue // of blocks that overlap, the first counts
		}
		b.WriteString(lines(text, at, s.from, list))
		fresh()
		if s.Type == "pre" {
			fence := "```"
			for strings.Contains(text[s.from:s.to], fence) {
				fence += "`"
			}
			b.WriteString(fence + word(s.Language) + "\n" + strings.Trim(text[s.from:s.to], "\n") + "\n" + fence)
		} else {
			inner := strings.Trim(lines(text, s.from, s.to, list), "\n")
			b.WriteString("> " + strings.ReplaceAll(inner, "\n", "\n> "))
		}
		if at = s.to; at < len(text) && text[at] != '\n' {
			b.WriteByte('\n')
		}
	}
	b.WriteString(lines(text, at, len(text), list))
	return b.String()
}

// word is a language's name as it may stand after a fence.
func word(s string) string {
	if len(s) > 32 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '`' || r > 'z' }) {
		return ""
	}
	return s
}

// lines writes text[from:to]; no style reaches over the end of a line.
func lines(text string, from, to int, list []span) string {
	var b strings.Builder
	for from <= to {
		end := strings.IndexByte(text[from:to], '\n')
		if end < 0 {
			b.WriteString(inline(text, from, to, list))
			break
		}
		b.WriteString(inline(text, from, from+end, list) + "\n")
		from += end + 1
	}
	return b.String()
}

// inline writes a piece of a line: the first entity that begins in it around what it holds, and so on. What of an entity
// is beyond the outer one is written after it.
func inline(text string, from, to int, list []span) string {
	var b strings.Builder
	for i, s := range list {
		s.from, s.to = max(s.from, from), min(s.to, to)
		for s.from < s.to && strings.IndexByte(" \t\n", text[s.from]) >= 0 { // signs do not stand beside space
			s.from++
		}
		for s.from < s.to && strings.IndexByte(" \t\n", text[s.to-1]) >= 0 {
			s.to--
		}
		if s.from >= s.to || shape(s.Type) == 'b' {
			continue
		}
		b.WriteString(bridge.EscapeMarkdown(text[from:s.from]))
		b.WriteString(styled(text, s, list[i+1:]))
		from = s.to
	}
	b.WriteString(bridge.EscapeMarkdown(text[from:to]))
	return b.String()
}

func styled(text string, s span, rest []span) string {
	own := text[s.from:s.to]
	switch shape(s.Type) {
	case 'v':
		if s.Type == "code" {
			return code(own)
		}
		if strings.ContainsAny(own, "*`[]<>\\|~") {
			return bridge.EscapeMarkdown(own)
		}
		return own // an address with a backslash in it leads nowhere
	case 'l':
		inner := inline(text, s.from, s.to, slices.DeleteFunc(slices.Clone(rest), func(x span) bool { return shape(x.Type) == 'l' }))
		if to := target(s.URL); to != "" {
			return "[" + inner + "](" + to + ")"
		}
		return inner
	}
	mark := sign(s.Type)
	same := func(x span) bool { return sign(x.Type) == mark }
	return mark + inline(text, s.from, s.to, slices.DeleteFunc(slices.Clone(rest), same)) + mark
}

func code(s string) string {
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		return fence + " " + s + " " + fence
	}
	return fence + s + fence
}

// target is an address as it may stand in a link; "" is one that people should not be led to.
func target(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || !slices.Contains([]string{"http", "https", "mailto", "tel", "tg"}, strings.ToLower(u.Scheme)) || !utf8.ValidString(raw) {
		return ""
	}
	return strings.NewReplacer("(", "%28", ")", "%29", " ", "%20", "<", "%3C", ">", "%3E", "\\", "%5C", "\n", "", "\t", "").Replace(raw)
}
