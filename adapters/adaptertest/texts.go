package adaptertest

import (
	"strings"
	"unicode/utf8"

	"github.com/hutong-im/hutong/bridge"
)

// sample is a text that must survive.
type sample struct{ name, text string }

// samples mean the same as plain text and as CommonMark, so that they must look the same everywhere.
func samples() []sample {
	return []sample{
		{"latin", "Good morning"},
		{"chinese", "你好，世界！「订单」已发出——请查收。"},
		{"emoji", "👍🏽 👨‍👩‍👧‍👦 🇨🇳 ❤️ 😀"},
		{"rtl", "שלום עולם مرحبا بالعالم"},
		{"signs", "1 < 2 & 3 * 4 _ 5 > 0 # 6 ~ 7 | 8"},
		{"percent", "100 % sure %s %d %2F a+b"},
		{"quotes", `"double" 'single' and a \ alone`},
		{"newlines", "first\nsecond\n\nfourth"},
		{"slash", "/start now"},
		{"combining", "é 가 각 ẹ́"},
	}
}

// unmarked means something else in CommonMark; a plain network shows it to the letter.
func unmarked() []sample {
	return []sample{
		{"html", `<b>bold</b> &amp; &lt; <script>`},
		{"markup", "*a* _b_ `c` [d](e) **f**"},
	}
}

// same reports whether an adapter's text means want: backslashes before punctuation, which CommonMark
// takes away, do not matter.
func same(got, want string) bool {
	if got == want {
		return true
	}
	var b strings.Builder
	for i := 0; i < len(got); i++ {
		if got[i] == '\\' && i+1 < len(got) && strings.IndexByte("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", got[i+1]) >= 0 {
			i++
		}
		b.WriteByte(got[i])
	}
	return b.String() == want
}

// size counts as a network does.
func size(s string, u bridge.TextUnit) int {
	switch u {
	case bridge.Bytes:
		return len(s)
	case bridge.UTF16:
		n := 0
		for _, r := range s {
			if n++; r > 0xFFFF {
				n++
			}
		}
		return n
	default:
		return utf8.RuneCountInString(s)
	}
}

// filled makes a text of exactly n units out of one character, with the rest in "a".
func filled(with string, n int, u bridge.TextUnit) string {
	times := n / size(with, u)
	return strings.Repeat(with, times) + strings.Repeat("a", n-times*size(with, u))
}
