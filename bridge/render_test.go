package bridge

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

func TestSplit(t *testing.T) {
	family := "👨‍👩‍👧‍👦"
	for name, c := range map[string]struct {
		text  string
		limit int
		unit  TextUnit
		want  []string
	}{
		"fits":                      {"hello", 5, Runes, []string{"hello"}},
		"no limit":                  {strings.Repeat("x", 9), 0, Bytes, []string{"xxxxxxxxx"}},
		"words":                     {"one two three", 8, Runes, []string{"one two", "three"}},
		"paragraph before sentence": {"ab. cd\n\nef. gh", 12, Runes, []string{"ab. cd", "ef. gh"}},
		"Chinese sentence":          {"今天天气好。我们去玩吧", 8, Runes, []string{"今天天气好。", "我们去玩吧"}},
		"bytes":                     {"汉字汉字", 7, Bytes, []string{"汉字", "汉字"}},
		"UTF-16":                    {"😀😀😀", 4, UTF16, []string{"😀😀", "😀"}},
		"a family stays together":   {"ab" + family + "cd", 8, Runes, []string{"a", "b" + family, "cd"}},
		"longer than the limit":     {family, 3, Runes, []string{"👨‍👩", "\u200d", "👧‍👦"}},
		"one long word":             {"abcdefghij", 4, Runes, []string{"abcd", "efgh", "ij"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := Split(c.text, c.limit, c.unit)
			if name == "a family stays together" {
				if strings.Join(got, "") != c.text {
					t.Fatalf("%q", got)
				}
				for _, p := range got {
					if strings.Contains(p, "👨") != strings.Contains(p, "👦") {
						t.Errorf("the family is cut: %q", got)
					}
				}
				return
			}
			if strings.Join(got, "|") != strings.Join(c.want, "|") {
				t.Errorf("Split(%q, %d) = %q, want %q", c.text, c.limit, got, c.want)
			}
		})
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("今天 天气好。\n\nwe go 👨‍👩‍👧‍👦 e\u0301\u0301", 5, byte(0))
	f.Fuzz(func(t *testing.T, s string, limit int, unit byte) {
		u := TextUnit(unit % 3)
		if limit < 4 || limit > 1000 || !utf8.ValidString(s) {
			t.Skip("a limit below one character, or not text")
		}
		squash := func(s string) string { return strings.NewReplacer(" ", "", "\n", "").Replace(s) }
		got := Split(s, limit, u)
		for _, p := range got {
			if units(p, u) > limit {
				t.Errorf("piece %q is longer than %d", p, limit)
			}
		}
		if squash(strings.Join(got, "")) != squash(s) {
			t.Errorf("Split(%q) lost text: %q", s, got)
		}
	})
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"**bold** and *it*":          "bold and it",
		"2*3*4 snake_case_name":      "2*3*4 snake_case_name",
		"`a*b*c`":                    "a*b*c",
		"[text](http://x.example/a)": "text (http://x.example/a)",
		"[http://x](http://x)":       "http://x",
		`\*not bold\*`:               "*not bold*",
		"# Title\n#hashtag":          "Title\n#hashtag",
		"```\n**code**\n```":         "**code**",
		"~~gone~~ ~home":             "gone ~home",
		"**强调**，_斜体_":                "强调，_斜体_",
		"* item":                     "* item",
		"a * b * c":                  "a * b * c",
		"***both***":                 "both",
		"[not a link] (really)":      "[not a link] (really)",
	} {
		if got := plain(in); got != want {
			t.Errorf("plain(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("**a** [b](c) `d` \\e _f_")
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			t.Skip("not text")
		}
		if got := plain(s); !utf8.ValidString(got) || len(got) > 2*len(s)+8 {
			t.Errorf("plain(%q) = %q", s, got)
		}
		if strings.Contains(s, "```") {
			return // a fence is taken away with its line
		}
		if got := plain(EscapeMarkdown(s)); got != s && !strings.Contains(s, "\n") && !strings.HasPrefix(s, "#") {
			t.Errorf("plain(EscapeMarkdown(%q)) = %q", s, got)
		}
	})
}

func TestTidy(t *testing.T) {
	for in, want := range map[string]string{
		" a \t b\n": "a b", "a\u202egpj": "agpj", "\u200b": "", "👨‍👩‍👧": "👨‍👩‍👧", "bad\xffutf": "bad\ufffdutf", "王\u0000明": "王明",
	} {
		if got := Tidy(in, 64); got != want {
			t.Errorf("Tidy(%q) = %q, want %q", in, got, want)
		}
	}
	if got := Tidy(strings.Repeat("字", 100), 10); uniseg.GraphemeClusterCount(got) != 10 || !strings.HasSuffix(got, "…") {
		t.Errorf("a long name became %q", got)
	}
	if got := Tidy("e"+strings.Repeat("\u0301", 5000), 10); len(got) > 200 {
		t.Errorf("one letter with many marks kept %d bytes", len(got))
	}
}

func FuzzTidy(f *testing.F) {
	f.Add("a\u202eb", 8)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		if limit < 1 || limit > 1000 {
			t.Skip("not a limit that anyone uses")
		}
		got := Tidy(s, limit)
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\n\r\t\u202e\u2066") || len(got) > 16*limit+len("…")+16 {
			t.Errorf("Tidy(%q, %d) = %q", s, limit, got)
		}
		if again := Tidy(got, limit); again != got {
			t.Errorf("Tidy is not stable: %q then %q", got, again)
		}
	})
}

func TestSniff(t *testing.T) {
	for _, c := range []struct{ head, said, want string }{
		{"\x89PNG\r\n\x1a\n", "application/pdf", "image/png"},
		{"MZ\x90", "image/png", "application/x-msdownload"},
		{"<html>", "image/png", "text/html; charset=utf-8"},
		{"hello", "", "text/plain; charset=utf-8"},
		{"anything", "application/pdf", "application/pdf"},
	} {
		if got := sniff([]byte(c.head), c.said); got != c.want {
			t.Errorf("sniff(%q, %q) = %q, want %q", c.head, c.said, got, c.want)
		}
	}
}

func TestFileName(t *testing.T) {
	for in, want := range map[string]string{
		"../../etc/passwd": "passwd", `C:\x\合同.pdf`: "合同.pdf", "": "file", "..": "file", "a\u202egpj.exe": "agpj.exe", "x:y?.txt": "x_y_.txt",
	} {
		if got := fileName(in); got != want {
			t.Errorf("fileName(%q) = %q, want %q", in, got, want)
		}
	}
}
