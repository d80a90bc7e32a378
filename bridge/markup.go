package bridge

import "strings"

// plain takes CommonMark's inline signs away for a network that would show them: emphasis, code,
// links (the address follows in brackets), headings and escapes. It looks at pairs only, so that
// 2*3*4 and snake_case stay as they are; code keeps its content to the letter.
func plain(s string) string {
	if !strings.ContainsAny(s, "*_`[\\#~") {
		return s
	}
	lines := strings.Split(s, "\n")
	fenced := false
	out := lines[:0]
	for _, line := range lines {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
			continue
		}
		if !fenced {
			line = plainLine(line)
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

func plainLine(s string) string {
	if h := strings.TrimLeft(s, "#"); len(h) < len(s) && len(s)-len(h) <= 6 && strings.HasPrefix(h, " ") {
		s = strings.TrimPrefix(h, " ")
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		n, text := inline(s, i)
		b.WriteString(text)
		i += n
	}
	return b.String()
}

// inline reads one sign at i: how many bytes it takes, and what is shown for them.
func inline(s string, i int) (int, string) {
	switch c := s[i]; c {
	case '\\':
		if i+1 < len(s) && strings.IndexByte("\\`*_{}[]()#+-.!~>|<", s[i+1]) >= 0 {
			return 2, s[i+1 : i+2]
		}
	case '`':
		if end := strings.IndexByte(s[i+1:], '`'); end > 0 {
			return end + 2, s[i+1 : i+1+end]
		}
	case '*', '_', '~':
		return emphasis(s, i, c)
	case '[':
		if n, text, ok := link(s[i:]); ok {
			return n, text
		}
	}
	return 1, s[i : i+1]
}

func emphasis(s string, i int, c byte) (int, string) {
	run := 1
	for i+run < len(s) && s[i+run] == c {
		run++
	}
	sign := s[i : i+run]
	if run > 3 || c == '~' && run != 2 || i > 0 && wordByte(s[i-1]) && c == '_' {
		return run, sign
	}
	body := s[i+run:]
	end := strings.Index(body, sign)
	after := i + run + end + run
	switch {
	case end <= 0, body[0] == ' ', body[end-1] == ' ',
		c == '_' && after < len(s) && wordByte(s[after]),
		c == '*' && run == 1 && i > 0 && digit(s[i-1]) && digit(body[0]):
		return run, sign
	}
	return run + end + run, plainLine(body[:end])
}

func link(s string) (int, string, bool) {
	mid := strings.Index(s, "](")
	if mid < 1 {
		return 0, "", false
	}
	end := strings.IndexByte(s[mid:], ')')
	if end < 0 {
		return 0, "", false
	}
	text, target := s[1:mid], s[mid+2:mid+end]
	if strings.ContainsAny(text, "[]") || strings.ContainsAny(target, " \t") || target == "" {
		return 0, "", false
	}
	if text == target {
		return mid + end + 1, target, true
	}
	return mid + end + 1, text + " (" + target + ")", true
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func wordByte(c byte) bool {
	return c == '_' || c >= 0x80 || digit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// EscapeMarkdown makes a text from elsewhere stay text in CommonMark: adapters of networks without
// markup use it on what they hear.
func EscapeMarkdown(s string) string {
	if !strings.ContainsAny(s, "\\`*_[]<>#~|") {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 8)
	for i := 0; i < len(s); i++ {
		if strings.IndexByte("\\`*_[]<>#~|", s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
