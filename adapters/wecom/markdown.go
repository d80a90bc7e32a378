package wecom

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hutong-im/hutong/bridge"
)

// WeCom's markdown (https://developer.work.weixin.qq.com/document/path/90236) has headings, bold, links, code in a line,
// quotes and colours, and no escape. So a text becomes markdown only if nothing in it but what was formatted could be read
// as a sign; otherwise it is sent as text, with the signs of what was formatted taken away.

// span is a part of a line.
type span struct {
	kind byte   // 0, or the sign of what it is: * bold, ` code, [ link
	text string // without signs and escapes
	url  string
}

// row is a line: "# " or "> " before it, and its spans.
type row struct {
	head  string
	spans []span
}

// document is a text in CommonMark, as far as WeCom can show it.
type document []row

// turned are the characters that change the direction of writing: an address after them reads as another.
const turned = `[\x{061c}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2066}-\x{2069}]`

var (
	// block is what makes a line a heading or a quote.
	block = regexp.MustCompile(`^(#{1,6} |> ?)`)
	// signs are what any reader of markdown might read in what is said to the letter.
	signs = regexp.MustCompile("[*_`\\[\\]<>#~|\\\\]|&[#A-Za-z]|" + turned)
	// shape is a line that might be code, or make a heading of the one above.
	shape = regexp.MustCompile(`^(?:    | *\t)|^ *[-=][-= ]*$`)
	// addressed is a link's text that could be taken for an address.
	addressed = regexp.MustCompile(`\S[.．｡。]\S|//|(?i:www)|@|` + turned)
	// backslashes are escapes in an address.
	backslashes = regexp.MustCompile("\\\\([!-/:-@\\[-`{-~])")
	// clean is an address that ends where it says.
	clean = regexp.MustCompile("^https?://[!#-&+-;=?-Z_a-z~]+$")
)

// read takes a message apart; its writer's name stands on a line of its own before a heading or a quote.
func read(d bridge.Draft) document {
	name, text := speaker(d.Text, bridge.Label{Name: bridge.EscapeMarkdown(d.As.Name), Text: bridge.EscapeMarkdown(d.As.Text)})
	var out document
	fenced := false
	for l := range strings.SplitSeq(text, "\n") {
		head := block.FindString(l)
		switch {
		case strings.HasPrefix(strings.TrimSpace(l), "```"):
			fenced = !fenced
		case fenced && l != "":
			out = append(out, row{spans: []span{{kind: '`', text: l}}})
		default:
			out = append(out, row{head, inline(l[len(head):], 0)})
		}
	}
	said := span{text: flat(inline(name, 0))}
	switch {
	case name == "":
	case strings.HasSuffix(name, "\n") || len(out) == 0 || out[0].head != "":
		said.text = strings.TrimRight(said.text, " \n")
		out = append(document{{spans: []span{said}}}, out...)
	default:
		out[0].spans = append([]span{said}, out[0].spans...)
	}
	return out
}

// inline reads one line, or what stands between two signs of kind.
func inline(s string, kind byte) []span {
	var all []span
	for from, i := 0, 0; i <= len(s); {
		n, list := 0, []span(nil)
		if i < len(s) {
			n, list = formatted(s, i, kind)
		}
		if i > from && (n > 0 || i == len(s)) {
			all = append(all, span{kind: kind, text: s[from:i]})
		}
		all = append(all, list...)
		i += max(n, 1)
		if n > 0 {
			from = i
		}
	}
	return joined(all)
}

// joined makes one span of neighbours that are shown alike.
func joined(all []span) []span {
	var out []span
	for i := 0; i < len(all); {
		var b strings.Builder
		x := all[i]
		for ; i < len(all) && all[i].kind == x.kind && (x.kind == 0 || x.kind == '*'); i++ {
			b.WriteString(all[i].text)
		}
		if b.Len() == 0 {
			i++
		} else {
			x.text = b.String()
		}
		out = append(out, x)
	}
	return out
}

// formatted reads what begins with a sign at i: how many bytes it has, and what it is; 0 is nothing.
func formatted(s string, i int, kind byte) (int, []span) {
	rest := s[i:]
	switch s[i] {
	case '\\':
		if len(rest) > 1 && strings.IndexByte("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", rest[1]) >= 0 {
			return 2, []span{{kind: kind, text: rest[1:2]}}
		}
	case '`', '*', '_', '~':
		return between(s, i, kind)
	case '[':
		mid := closing(rest, "](")
		if mid < 2 {
			return 0, nil
		}
		end := closing(rest[mid:], ")")
		if end < 3 || strings.Contains(rest[mid:mid+end], " ") {
			return 0, nil
		}
		return mid + end + 1, []span{{'[', flat(inline(rest[1:mid], 0)), backslashes.ReplaceAllString(rest[mid+2:mid+end], "$1")}}
	case '<':
		if end := strings.IndexByte(rest, '>'); end > 0 && clean.MatchString(rest[1:end]) {
			return end + 1, []span{{'[', rest[1:end], rest[1:end]}}
		}
	}
	return 0, nil
}

// between reads from a sign to the same sign: emphasis, or code. Signs without another are text.
func between(s string, i int, kind byte) (int, []span) {
	c := s[i]
	n := len(s[i:]) - len(strings.TrimLeft(s[i:], s[i:i+1]))
	sign, body := s[i:i+n], s[i+n:]
	letter := []span{{kind: kind, text: sign}}
	if c == '`' {
		if end := strings.Index(body, sign); end > 0 {
			return end + 2*n, []span{{kind: '`', text: body[:end]}}
		}
		return n, letter
	}
	end := closing(body, sign)
	switch {
	case end <= 0 || n > 3 || c == '~' && n != 2, body[0] == ' ' || body[end-1] == ' ',
		c == '_' && (word(last(s[:i])) || word(first(body[end+n:]))),
		n == 1 && unicode.IsDigit(last(s[:i])) && unicode.IsDigit(first(body)): // 2*3*4
		return n, letter
	case n > 1 && c != '~':
		kind = '*'
	}
	return end + 2*n, inline(body[:end], kind)
}

// closing is where a sign stands next that is not escaped, or -1; what is further off than markdown can be is not looked at.
func closing(s, sign string) int {
	s = s[:min(len(s), maxPiece)]
	for from := 0; ; {
		i := strings.Index(s[from:], sign)
		if i < 0 {
			return -1
		}
		i += from
		if slashes := i - len(strings.TrimRight(s[:i], `\`)); slashes%2 == 0 {
			return i
		}
		from = i + 1
	}
}

func first(s string) rune { r, _ := utf8.DecodeRuneInString(s); return r }
func last(s string) rune  { r, _ := utf8.DecodeLastRuneInString(s); return r }

func word(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) || r == '_' }

func flat(list []span) string {
	var b strings.Builder
	for _, s := range list {
		b.WriteString(s.text)
		if s.url != "" && s.url != s.text {
			b.WriteString(" (" + s.url + ")")
		}
	}
	return b.String()
}

// plain is the text with its signs taken away.
func (d document) plain() string {
	var out []string
	for _, l := range d {
		out = append(out, strings.TrimLeft(l.head, "# ")+flat(l.spans))
	}
	return strings.Join(out, "\n")
}

// markdown is the text in WeCom's markdown; "" if nothing in it is formatted, what is said to the letter has signs, or it
// does not fit one message.
func (d document) markdown() string {
	var b strings.Builder
	some, quoted := false, false
	for _, l := range d {
		quote := strings.HasPrefix(l.head, ">")
		if quoted && !quote && len(l.spans) > 0 {
			b.WriteString("\n") // the quote ends
		}
		quoted = quote
		if shape.MatchString(flat(l.spans)) {
			return ""
		}
		b.WriteString(l.head)
		some = some || l.head != ""
		for i, s := range l.spans {
			text, ok := s.markdown(l.spans[:i], l.spans[i+1:])
			if !ok {
				return ""
			}
			b.WriteString(text)
			some = some || text != s.text
			if b.Len() > maxPiece {
				return ""
			}
		}
		b.WriteString("\n")
	}
	if !some {
		return ""
	}
	return strings.TrimRight(b.String(), "\n")
}

// markdown is a span with its signs; false if it cannot be told where it ends, or where it leads.
func (s span) markdown(before, after []span) (string, bool) {
	u, err := url.Parse(s.url)
	switch {
	case signs.MatchString(s.text):
		return "", false
	case s.kind == '*' && stands(last(flat(before)), first(s.text)) && stands(first(flat(after)), last(s.text)):
		return "**" + s.text + "**", true
	case s.kind == '`':
		return "`" + s.text + "`", true
	case s.kind == '[' && (err != nil || !clean.MatchString(s.url) || u.User != nil || s.text != s.url && addressed.MatchString(s.text)):
		return "", false
	case s.kind == '[' && s.text == s.url:
		return "[" + s.text + "](" + s.url + ")", true
	case s.kind == '[':
		return "[" + s.text + "](" + s.url + ") (" + u.Host + ")", true
	default:
		return s.text, true
	}
}

// stands reports whether a sign between the two is read as one by every reader of CommonMark.
func stands(outside, inside rune) bool {
	return word(inside) || !unicode.IsSpace(inside) && (outside == utf8.RuneError || unicode.IsSpace(outside))
}
