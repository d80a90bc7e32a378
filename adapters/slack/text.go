package slack

import (
	_ "embed" // the table of emoji
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hutong-im/hutong/bridge"
)

// emojiTable has one emoji a line, then Slack's names for it (from emoji-datasource 15.1.2, MIT, which is what Slack
// itself uses: https://github.com/iamcal/emoji-data).
//
//go:embed emoji.txt
var emojiTable string

// emojis turns characters into Slack's names and back.
type emojis struct{ char, name map[string]string }

func readEmojis() emojis {
	e := emojis{map[string]string{}, map[string]string{}}
	for line := range strings.Lines(emojiTable) {
		words := strings.Fields(line)
		for _, name := range words[1:] {
			e.char[name] = words[0]
		}
		e.name[bare(words[0])] = words[1]
	}
	return e
}

// bare is an emoji without the sign that asks for its coloured form, which some keyboards leave out.
func bare(s string) string { return strings.ReplaceAll(s, "\ufe0f", "") }

// firstTone is the lightest of the five skin tones, which Slack counts from 2.
const firstTone = '\U0001F3FB'

// toChar reads a name such as "+1::skin-tone-3"; "" is an emoji of the workspace's own.
func (e emojis) toChar(name string) string {
	base, tone, toned := strings.Cut(name, "::skin-tone-")
	char := e.char[base]
	if !toned || char == "" || len(tone) != 1 || tone[0] < '2' || tone[0] > '6' {
		return char
	}
	first, n := utf8.DecodeRuneInString(char)
	return string(first) + string(firstTone+rune(tone[0]-'2')) + char[n:]
}

// toName finds Slack's name for an emoji; "" if it has none.
func (e emojis) toName(char string) string {
	tone := ""
	plain := strings.Map(func(r rune) rune {
		if r >= firstTone && r < firstTone+5 {
			tone = "::skin-tone-" + string('2'+r-firstTone)
			return -1
		}
		return r
	}, bare(char))
	if name, ok := e.name[bare(char)]; ok {
		return name
	}
	if name, ok := e.name[plain]; ok {
		return name + tone
	}
	return ""
}

// escape makes a text stay text: of mentions, links and commands nothing is left
// (https://docs.slack.dev/messaging/formatting-message-text#escaping).
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

func unescape(s string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(s)
}

// toSlack writes CommonMark as mrkdwn. styled is false when nothing in it is a sign, so that Slack may be told to read none.
func toSlack(s string) (text string, styled bool) {
	var b strings.Builder
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			styled = true
			b.WriteString("```")
			continue
		}
		if h := strings.TrimLeft(line, "#"); len(h) < len(line) && len(line)-len(h) <= 6 && strings.HasPrefix(h, " ") && h != " " {
			inner, _ := lineToSlack(strings.TrimSpace(h))
			b.WriteString("*" + inner + "*")
			styled = true
			continue
		}
		out, signs := lineToSlack(line)
		b.WriteString(out)
		styled = styled || signs
	}
	return b.String(), styled
}

// lineToSlack maps the signs within a line.
func lineToSlack(s string) (text string, styled bool) {
	var b strings.Builder
	for i := 0; i < len(s); {
		c := s[i]
		if c == '\\' && i+1 < len(s) && strings.IndexByte("\\`*_{}[]()#+-.!~>|<", s[i+1]) >= 0 {
			b.WriteString(escape(s[i+1 : i+2]))
			i += 2
			continue
		}
		n, out := 0, ""
		switch c {
		case '`':
			if end := strings.IndexByte(s[i+1:], '`'); end > 0 {
				n, out = end+2, "`"+escape(s[i+1:i+1+end])+"`"
			}
		case '*', '_', '~':
			n, out = emphasisToSlack(s, i)
		case '[':
			n, out = linkToSlack(s[i:])
		}
		if n == 0 {
			_, n = utf8.DecodeRuneInString(s[i:])
			b.WriteString(escape(s[i : i+n]))
		} else {
			styled = true
			b.WriteString(out)
		}
		i += n
	}
	return b.String(), styled
}

// edge stands between a sign and a letter, since Slack reads signs only at the edges of words and Chinese has none.
const edge = "\u200b"

func emphasisToSlack(s string, i int) (int, string) {
	c, run := s[i], 1
	for i+run < len(s) && s[i+run] == c {
		run++
	}
	if run > 2 || c == '~' && run != 2 {
		return 0, ""
	}
	sign := s[i : i+run]
	end := closing(s[i+run:], sign)
	before, _ := utf8.DecodeLastRuneInString(s[:i])
	if end <= 0 || c == '_' && word(before) || run == 1 && unicode.IsDigit(before) {
		return 0, ""
	}
	rest := s[i+run+end+run:]
	after, _ := utf8.DecodeRuneInString(rest)
	if c == '_' && word(after) {
		return 0, ""
	}
	mark := map[string]string{"**": "*", "__": "*", "*": "_", "_": "_", "~~": "~"}[sign]
	inner, _ := lineToSlack(s[i+run : i+run+end])
	out := mark + inner + mark
	if i > 0 && !unicode.IsSpace(before) {
		out = edge + out
	}
	if rest != "" && !unicode.IsSpace(after) {
		out += edge
	}
	return run + end + run, out
}

// closing is where the text within two equal signs ends; 0 or less if it does not.
func closing(body, sign string) int {
	for from := 1; from < len(body); {
		end := strings.Index(body[from:], sign)
		if end < 0 || body[0] == ' ' {
			return -1
		}
		if end += from; body[end-1] != ' ' && body[end-1] != '\\' {
			return end
		}
		from = end + len(sign)
	}
	return -1
}

func word(r rune) bool {
	return r != utf8.RuneError && (r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r))
}

func linkToSlack(s string) (int, string) {
	mid := strings.Index(s, "](")
	if mid < 2 {
		return 0, ""
	}
	end := strings.IndexByte(s[mid:], ')')
	if end < 0 || strings.ContainsAny(s[1:mid], "[]") {
		return 0, ""
	}
	u, err := url.Parse(s[mid+2 : mid+end])
	if err != nil || (u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "mailto") {
		return 0, ""
	}
	target := strings.NewReplacer("|", "%7C", "<", "%3C", ">", "%3E").Replace(s[mid+2 : mid+end])
	return mid + end + 1, "<" + strings.ReplaceAll(target, "&", "&amp;") + "|" + escape(strings.ReplaceAll(s[1:mid], "|", "¦")) + ">"
}

// heard reads mrkdwn as CommonMark.
type heard struct {
	emoji emojis
	name  func(user string) string
}

func (h heard) text(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		n, out := h.sign(s, i)
		if n == 0 {
			_, n = utf8.DecodeRuneInString(s[i:])
			out = bridge.EscapeMarkdown(s[i : i+n])
		}
		b.WriteString(out)
		i += n
	}
	return b.String()
}

// sign reads what is special at i: how many bytes it takes, and its CommonMark; 0 is nothing special.
func (h heard) sign(s string, i int) (int, string) {
	switch c := s[i]; c {
	case '&':
		for _, e := range []string{"&lt;", "&gt;", "&amp;"} {
			if strings.HasPrefix(s[i:], e) {
				if c := unescape(e); c == ">" && (i == 0 || s[i-1] == '\n') {
					return len(e), c // a quotation, in both
				}
				return len(e), bridge.EscapeMarkdown(unescape(e))
			}
		}
	case '<':
		if end := strings.IndexByte(s[i:], '>'); end > 0 {
			return end + 1, h.token(s[i+1 : i+end])
		}
	case '`':
		if rest, ok := strings.CutPrefix(s[i:], "```"); ok {
			if end := strings.Index(rest, "```"); end > 0 {
				return end + 6, "```\n" + strings.Trim(unescape(rest[:end]), "\n") + "\n```"
			}
			return 0, ""
		}
		if end := strings.IndexAny(s[i+1:], "`\n"); end > 0 && s[i+1+end] == '`' {
			return end + 2, "`" + unescape(s[i+1:i+1+end]) + "`"
		}
	case ':':
		if end := strings.IndexByte(s[i+1:], ':'); end > 0 {
			name, n := s[i+1:i+1+end], end+2
			if tone := s[i+n:]; strings.HasPrefix(tone, ":skin-tone-") && len(tone) > 12 && tone[12] == ':' {
				name, n = name+":"+tone[:12], n+13
			}
			if char := h.emoji.toChar(name); char != "" {
				return n, char
			}
		}
	case '*', '_', '~':
		return h.emphasis(s, i)
	}
	return 0, ""
}

func (h heard) emphasis(s string, i int) (int, string) {
	before, _ := utf8.DecodeLastRuneInString(s[:i])
	line, _, _ := strings.Cut(s[i+1:], "\n")
	end := closing(line, s[i:i+1])
	if end <= 0 || i > 0 && word(before) || s[i-min(i, 1)] == s[i] && i > 0 {
		return 0, ""
	}
	if after, _ := utf8.DecodeRuneInString(line[end+1:]); line[end+1:] != "" && (word(after) || after == rune(s[i])) {
		return 0, ""
	}
	mark := map[byte]string{'*': "**", '_': "_", '~': "~~"}[s[i]]
	return end + 2, mark + h.text(line[:end]) + mark
}

// token reads what Slack writes between < and >: mentions become names, and call nobody on the other side.
func (h heard) token(s string) string {
	target, label, _ := strings.Cut(s, "|")
	label = unescape(label)
	shown := bridge.EscapeMarkdown(label)
	switch {
	case strings.HasPrefix(target, "@") && label == "":
		return "@" + bridge.EscapeMarkdown(h.name(target[1:]))
	case strings.HasPrefix(target, "@"), strings.HasPrefix(target, "#") && label != "":
		return target[:1] + shown
	case strings.HasPrefix(target, "#"):
		return "#…"
	case strings.HasPrefix(target, "!") && label != "":
		return shown
	case strings.HasPrefix(target, "!"):
		return "@" + bridge.EscapeMarkdown(strings.TrimPrefix(target, "!"))
	}
	address := unescape(target)
	bareAddress := strings.TrimPrefix(address, "mailto:")
	if label == "" || label == address || label == bareAddress || strings.HasSuffix(address, "//"+label) {
		return bareAddress
	}
	return "[" + shown + "](" + strings.NewReplacer("(", "%28", ")", "%29", " ", "%20").Replace(address) + ")"
}
