package telegram

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"
)

func TestFromMarkdown(t *testing.T) {
	e := func(kind string, offset, length int) entity {
		return entity{Type: kind, Offset: offset, Length: length}
	}
	link := func(offset, length int, to string) entity {
		return entity{Type: "text_link", Offset: offset, Length: length, URL: to}
	}
	for name, c := range map[string]struct {
		md, text string
		list     []entity
	}{
		"plain":             {"你好 & <b>1 < 2</b>", "你好 & <b>1 < 2</b>", nil},
		"bold":              {"**你好**吗", "你好吗", []entity{e("bold", 0, 2)}},
		"before a word":     {"价格**很低**哦", "价格很低哦", []entity{e("bold", 2, 2)}},
		"quotes in bold":    {"请看**“合同”**第一页", "请看“合同”第一页", []entity{e("bold", 2, 4)}},
		"emoji counts two":  {"😀 **a** 👨‍👩‍👧 *b*", "😀 a 👨‍👩‍👧 b", []entity{e("bold", 3, 1), e("italic", 14, 1)}},
		"underscores":       {"_a_ snake_case_name __b__", "a snake_case_name b", []entity{e("italic", 0, 1), e("bold", 18, 1)}},
		"strike, spoiler":   {"~~a~~ ||b|| ~c~ |d|", "a b ~c~ |d|", []entity{e("strikethrough", 0, 1), e("spoiler", 2, 1)}},
		"nested":            {"**a *b* c**", "a b c", []entity{e("italic", 2, 1), e("bold", 0, 5)}},
		"bold italic":       {"***a***", "a", []entity{e("bold", 0, 1), e("italic", 0, 1)}},
		"overlapping":       {"**a ~~b** c~~", "a ~~b c~~", []entity{e("bold", 0, 5)}},
		"side by side":      {"**a***b*", "ab", []entity{e("bold", 0, 1), e("italic", 1, 1)}},
		"numbers":           {"2*3*4 = 24, 5 * 6", "2*3*4 = 24, 5 * 6", nil},
		"alone":             {"a ** b", "a ** b", nil},
		"escaped":           {`\*a\* \_b\_ c\d \\`, `*a* _b_ c\d \`, nil},
		"code":              {"`a*b*` ``c`d`` `open", "a*b* c`d `open", []entity{e("code", 0, 4), e("code", 5, 3)}},
		"pre":               {"x\n```go\nif a {\n```\ny", "x\nif a {\ny", []entity{{Type: "pre", Offset: 2, Length: 6, Language: "go"}}},
		"pre open":          {"```\nx", "```\nx", nil},
		"pre empty":         {"a\n```\n```", "a\n```\n```", nil},
		"quote":             {"> a\n> **b**\n\nc", "a\nb\n\nc", []entity{e("blockquote", 0, 3), e("bold", 2, 1)}},
		"heading":           {"## 标题\n正文 # 1", "标题\n正文 # 1", []entity{e("bold", 0, 2)}},
		"link":              {"见 [**这里**](https://a.example/x?a=1&b=2)。", "见 这里。", []entity{link(2, 2, "https://a.example/x?a=1&b=2"), e("bold", 2, 2)}},
		"image":             {"![图](https://a.example/x.png)", "图", []entity{link(0, 1, "https://a.example/x.png")}},
		"link to a script":  {"[x](javascript:alert)", "[x](javascript:alert)", nil},
		"brackets":          {"[a] (b) [c]", "[a] (b) [c]", nil},
		"only signs":        {"**", "**", nil},
		"bold of nothing":   {"****", "****", nil},
		"over a line's end": {"**a\nb**", "**a\nb**", nil},
		"lists stay":        {"- a\n1. b", "- a\n1. b", nil},
	} {
		text, list := fromMarkdown(c.md)
		if text != c.text || !slices.EqualFunc(sorted(list), sorted(c.list), func(a, b entity) bool { return a == b }) {
			t.Errorf("%s: %q %+v, want %q %+v", name, text, list, c.text, c.list)
		}
	}
}

func sorted(list []entity) []entity {
	out := slices.Clone(list)
	slices.SortFunc(out, func(a, b entity) int {
		if a.Offset != b.Offset {
			return a.Offset - b.Offset
		}
		if a.Length != b.Length {
			return b.Length - a.Length
		}
		return strings.Compare(a.Type, b.Type)
	})
	return out
}

func TestToMarkdown(t *testing.T) {
	e := func(kind string, offset, length int) entity {
		return entity{Type: kind, Offset: offset, Length: length}
	}
	for name, c := range map[string]struct {
		text string
		list []entity
		want string
	}{
		"plain":               {"a *b* _c_", nil, `a \*b\* \_c\_`},
		"bold":                {"你好吗", []entity{e("bold", 0, 2)}, "**你好**吗"},
		"after an emoji":      {"😀ab", []entity{e("italic", 2, 1)}, "😀*a*b"},
		"space at the edges":  {"a b c", []entity{e("bold", 1, 3)}, "a **b** c"},
		"nested":              {"abc", []entity{e("bold", 0, 3), e("italic", 1, 1)}, "**a*b*c**"},
		"overlapping":         {"abc", []entity{e("bold", 0, 2), e("strikethrough", 1, 2)}, "**a~~b~~**~~c~~"},
		"same twice":          {"abc", []entity{e("bold", 0, 3), e("bold", 1, 1)}, "**abc**"},
		"over lines":          {"a\nb", []entity{e("bold", 0, 3)}, "**a**\n**b**"},
		"underline":           {"ab", []entity{e("underline", 0, 1)}, "*a*b"},
		"spoiler":             {"ab", []entity{e("spoiler", 0, 2)}, "||ab||"},
		"code":                {"a`b", []entity{e("code", 0, 3)}, "``a`b``"},
		"code with signs":     {"*x*", []entity{e("code", 0, 3)}, "`*x*`"},
		"pre":                 {"look if x end", []entity{{Type: "pre", Offset: 5, Length: 4, Language: "go"}}, "look \n```go\nif x\n```\n end"},
		"pre with a fence":    {"```", []entity{e("pre", 0, 3)}, "````\n```\n````"},
		"bad language":        {"x", []entity{{Type: "pre", Length: 1, Language: "a b`"}}, "```\nx\n```"},
		"quote":               {"a\nb c", []entity{e("blockquote", 0, 3), e("bold", 2, 1)}, "> a\n> **b**\n c"},
		"expandable quote":    {"a", []entity{e("expandable_blockquote", 0, 1)}, "> a"},
		"link":                {"x here", []entity{{Type: "text_link", Offset: 2, Length: 4, URL: "https://a.example/(1) 2"}}, "x [here](https://a.example/%281%29%202)"},
		"bad link":            {"here", []entity{{Type: "text_link", Length: 4, URL: "javascript:x"}}, "here"},
		"address":             {"https://a.example/a_b_c", []entity{e("url", 0, 23)}, "https://a.example/a_b_c"},
		"mention":             {"@a_b hi", []entity{e("mention", 0, 4)}, `@a\_b hi`},
		"out of range":        {"ab", []entity{e("bold", 1, 5), e("bold", -1, 2), e("bold", 0, 0)}, "ab"},
		"in a character":      {"😀a", []entity{e("bold", 1, 2)}, "😀a"},
		"bold of spaces":      {"a  b", []entity{e("bold", 1, 2)}, "a  b"},
		"quote beside a line": {"a\nb\nc", []entity{e("blockquote", 2, 1)}, "a\n> b\nc"},
	} {
		if got := toMarkdown(c.text, c.list); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// What Telegram shows comes back as it was, when it is a style that both know.
func TestThereAndBack(t *testing.T) {
	for _, md := range []string{
		"**你好**，*世界*", "`code` 与 ~~旧价~~ **新价**", "> 引用\n> 第二行\n回答", "```go\nx := 1\n```", "[网站](https://a.example/x)", "||秘密||",
		"**粗 *斜* 粗**", `1\*2 \_x\_`,
	} {
		text, list := fromMarkdown(md)
		back := toMarkdown(text, list)
		text2, list2 := fromMarkdown(back)
		if text2 != text || !reflect.DeepEqual(sorted(list2), sorted(list)) {
			t.Errorf("%q became %q", md, back)
		}
	}
}

func FuzzFromMarkdown(f *testing.F) {
	for _, s := range []string{"**a *b* c**", "> q\n```go\nx\n```", "[a](https://b.example)", "***x** y* ~~z~~ ||w|| `c`", "😀**é**", "_a_b_ \\*", "```\xd2\n\n```"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, md string) {
		text, list := fromMarkdown(md)
		if !utf8.ValidString(md) && strings.TrimSpace(text) != "" && !utf8.ValidString(text) {
			t.Fatalf("not UTF-8: %q", text)
		}
		if units(text) > units(md) {
			t.Fatalf("%q became longer: %q", md, text)
		}
		sound(t, text, list)
	})
}

// sound fails unless each entity has its place in the text and is within, or beside, each other.
func sound(t *testing.T, text string, list []entity) {
	t.Helper()
	all := utf16.Encode([]rune(text))
	for _, e := range list {
		if e.Offset < 0 || e.Length <= 0 || e.end() > len(all) {
			t.Fatalf("%+v is outside of %q", e, text)
		}
		for _, at := range []int{e.Offset, e.end()} {
			if at < len(all) && all[at] >= 0xDC00 && all[at] < 0xE000 {
				t.Fatalf("%+v cuts a character of %q", e, text)
			}
		}
		for _, o := range list {
			if o.Offset < e.Offset && e.Offset < o.end() && o.end() < e.end() {
				t.Fatalf("%+v and %+v overlap in %q", o, e, text)
			}
		}
	}
}

func FuzzToMarkdown(f *testing.F) {
	f.Add("你好 *b* 世界", "bold", 0, 2, "italic", 1, 4)
	f.Add("a\nb\nc", "blockquote", 0, 3, "pre", 2, 3)
	f.Add("x `y` z", "code", 2, 3, "text_link", 0, 7)
	f.Fuzz(func(t *testing.T, text, k1 string, o1, l1 int, k2 string, o2, l2 int) {
		list := []entity{
			{Type: k1, Offset: o1, Length: l1, URL: "https://a.example"},
			{Type: k2, Offset: o2, Length: l2, Language: "go"},
		}
		md := toMarkdown(text, list)
		back, ents := fromMarkdown(md)
		want := strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), "")
		if got := strings.Join(strings.Fields(back), ""); got != want {
			t.Fatalf("%q became %q, which reads %q", text, md, back)
		}
		sound(t, back, ents)
	})
}
