package telegram

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// fromMarkdown reads CommonMark as a text with entities, which is safer than Telegram's own markup: nothing has to be
// escaped, and no text is refused for its signs. A text of nothing but signs stays as it is.
func fromMarkdown(s string) (string, []entity) {
	s = strings.ToValidUTF8(s, "\uFFFD")
	w := &writer{}
	w.document(strings.Split(s, "\n"))
	if strings.TrimSpace(w.b.String()) == "" {
		return s, nil
	}
	return w.b.String(), w.entities
}

// writer collects a text and its entities.
type writer struct {
	b        strings.Builder
	n        int // UTF-16 units so far
	entities []entity
}

func (w *writer) text(s string) {
	w.b.WriteString(s)
	w.n += units(s)
}

// around gives what f writes an entity.
func (w *writer) around(e entity, f func()) {
	at := len(w.entities)
	e.Offset = w.n
	f()
	if e.Length = w.n - e.Offset; e.Length > 0 {
		w.entities = slices.Insert(w.entities, at, e)
	}
}

// document reads lines: code between fences, quotations, headings; what is in other lines is inline.
func (w *writer) document(all []string) {
	for i := 0; i < len(all); {
		if i > 0 {
			w.text("\n")
		}
		line := all[i]
		if n, lang, ok := fenced(all[i:]); ok {
			w.around(entity{Type: "pre", Language: lang}, func() { w.text(strings.Join(all[i+1:i+n-1], "\n")) })
			i += n
			continue
		}
		if quoted(line) {
			n := 1
			for i+n < len(all) && quoted(all[i+n]) {
				n++
			}
			w.around(entity{Type: "blockquote"}, func() {
				for j, l := range all[i : i+n] {
					if j > 0 {
						w.text("\n")
					}
					w.inline(strings.TrimPrefix(l[1:], " "))
				}
			})
			i += n
			continue
		}
		if h := strings.TrimLeft(line, "#"); len(h) < len(line) && len(line)-len(h) <= 6 && strings.HasPrefix(h, " ") && strings.TrimSpace(h) != "" {
			w.around(entity{Type: "bold"}, func() { w.inline(strings.TrimSpace(h)) })
		} else {
			w.inline(line)
		}
		i++
	}
}

func quoted(line string) bool { return strings.HasPrefix(line, "> ") || line == ">" }

// fenced is a block of code at the first line: how many lines it takes. A fence that nobody closes is text.
func fenced(all []string) (n int, lang string, ok bool) {
	rest := strings.TrimLeft(all[0], "`")
	fence := len(all[0]) - len(rest)
	if fence < 3 || strings.Contains(rest, "`") {
		return 0, "", false
	}
	for i, l := range all[1:] {
		if t := strings.TrimRight(l, " "); len(t) >= fence && strings.Trim(t, "`") == "" {
			lang, _, _ = strings.Cut(strings.TrimSpace(rest), " ")
			return i + 2, word(lang), i > 0
		}
	}
	return 0, "", false
}

// node is a piece of a line: text, code, a link, or a run of signs that may begin or end a style.
type node struct {
	kind        byte // 't', 'c', 'l' or the sign
	text, url   string
	n, orig     int // how many signs are left, and were there
	open, close bool
	begins      []entity // of the styles that begin behind this node, outer ones first
	ends        int      // how many styles end before it
}

// inline reads one line.
func (w *writer) inline(s string) {
	nodes := scan(s)
	pair(nodes)
	var starts []entity
	for i := range nodes {
		d := &nodes[i]
		for range d.ends { // styles end in the opposite order of their beginning
			e := starts[len(starts)-1]
			starts = starts[:len(starts)-1]
			if e.Length = w.n - e.Offset; e.Length > 0 {
				w.entities = append(w.entities, e)
			}
		}
		switch d.kind {
		case 't':
			w.text(d.text)
		case 'c':
			w.around(entity{Type: "code"}, func() { w.text(d.text) })
		case 'l':
			w.around(entity{Type: "text_link", URL: d.url}, func() { w.inline(d.text) })
		default:
			w.text(strings.Repeat(string(d.kind), d.n))
		}
		for _, e := range d.begins {
			e.Offset = w.n
			starts = append(starts, e)
		}
	}
}

// punctuation may follow a backslash, which then is not shown (https://spec.commonmark.org/0.31.2/#backslash-escapes).
const punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

// scan cuts a line into nodes.
func scan(s string) []node {
	var out []node
	text := func(t string) {
		if n := len(out); n > 0 && out[n-1].kind == 't' {
			out[n-1].text += t
			return
		}
		out = append(out, node{kind: 't', text: t})
	}
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && strings.IndexByte(punctuation, s[i+1]) >= 0:
			text(s[i+1 : i+2])
			i += 2
		case c == '`':
			n, own, ok := codeAt(s[i:])
			if ok {
				out = append(out, node{kind: 'c', text: own})
			} else {
				text(s[i : i+n])
			}
			i += n
		case c == '[' || c == '!' && strings.HasPrefix(s[i+1:], "["):
			n, label, to := linkAt(s[i:])
			if n > 0 {
				out = append(out, node{kind: 'l', text: label, url: to})
			} else {
				n = 1
				text(s[i : i+1])
			}
			i += n
		case strings.IndexByte("*_~|", c) >= 0:
			n := len(s[i:]) - len(strings.TrimLeft(s[i:], string(c)))
			out = append(out, run(s, i, n))
			i += n
		default:
			n := strings.IndexAny(s[i+1:], "\\`[!*_~|") + 1
			if n == 0 {
				n = len(s) - i
			}
			text(s[i : i+n])
			i += n
		}
	}
	return out
}

// run judges a run of signs by what stands beside it. Chinese has no spaces, so that asterisks need none.
func run(s string, i, n int) node {
	before, _ := utf8.DecodeLastRuneInString(s[:i])
	after, _ := utf8.DecodeRuneInString(s[i+n:])
	space := func(r rune, none bool) bool { return none || unicode.IsSpace(r) }
	d := node{kind: s[i], n: n, orig: n, open: !space(after, i+n == len(s)), close: !space(before, i == 0)}
	inWord := letter(before) && letter(after)
	switch {
	case d.kind == '_' && inWord, n == 1 && d.kind == '*' && unicode.IsDigit(before) && unicode.IsDigit(after):
		d.open, d.close = false, false
	case d.kind == '_':
		d.open, d.close = d.open && !letter(before), d.close && !letter(after)
	case d.kind != '*' && n != 2:
		d.open, d.close = false, false
	}
	return d
}

func letter(r rune) bool {
	return r != utf8.RuneError && (r == '_' || unicode.IsDigit(r) || unicode.IsLetter(r) && !unicode.Is(unicode.Han, r))
}

// pair finds the styles (https://spec.commonmark.org/0.31.2/#phase-2-inline-structure). What is between two signs that
// belong together stays within them.
func pair(nodes []node) {
	for c := range nodes {
		for closer := &nodes[c]; closer.close && closer.n > 0; {
			o := c - 1
			for ; o >= 0 && !fits(&nodes[o], closer); o-- {
			}
			if o < 0 {
				break
			}
			opener, n := &nodes[o], 1
			if min(opener.n, closer.n) >= 2 {
				n = 2
			}
			for i := o + 1; i < c; i++ {
				nodes[i].open = false
			}
			opener.n, closer.n = opener.n-n, closer.n-n
			opener.begins = slices.Insert(opener.begins, 0, entity{Type: style(opener.kind, n)})
			closer.ends++
		}
	}
}

func fits(opener, closer *node) bool {
	if !opener.open || opener.n == 0 || opener.kind != closer.kind {
		return false
	}
	both := opener.close || closer.open
	return !both || (opener.orig+closer.orig)%3 != 0 || opener.orig%3 == 0 && closer.orig%3 == 0
}

func style(sign byte, n int) string {
	switch {
	case sign == '~':
		return "strikethrough"
	case sign == '|':
		return "spoiler"
	case n == 2:
		return "bold"
	}
	return "italic"
}

// codeAt reads code at the beginning of s; if there is none, how many backticks are text.
func codeAt(s string) (n int, own string, ok bool) {
	run := len(s) - len(strings.TrimLeft(s, "`"))
	for at := run; at < len(s); {
		i := strings.IndexByte(s[at:], '`')
		if i < 0 {
			break
		}
		at += i
		end := len(s[at:]) - len(strings.TrimLeft(s[at:], "`"))
		if end == run {
			own = s[run:at]
			if strings.HasPrefix(own, " ") && strings.HasSuffix(own, " ") && strings.Trim(own, " ") != "" {
				own = own[1 : len(own)-1]
			}
			return at + run, own, true
		}
		at += end
	}
	return run, "", false
}

// linkAt reads [text](address) or ![text](address); n is 0 if there is none to an address that may be opened.
func linkAt(s string) (n int, label, to string) {
	begin := strings.IndexByte(s, '[') + 1
	depth := 1
	i := begin
	for ; i < len(s) && depth > 0; i++ {
		switch s[i] {
		case '\\':
			i++
		case '[':
			depth++
		case ']':
			depth--
		}
	}
	if depth > 0 || i >= len(s) || s[i] != '(' || i-1 <= begin {
		return 0, "", ""
	}
	end := strings.IndexByte(s[i:], ')')
	if end < 0 || strings.ContainsAny(s[i:i+end], " \t") {
		return 0, "", ""
	}
	if to = target(s[i+1 : i+end]); to == "" || strings.Contains(s[begin:i-1], "](") {
		return 0, "", ""
	}
	return i + end + 1, s[begin : i-1], to
}
