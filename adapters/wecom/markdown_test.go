package wecom

import (
	"slices"
	"strings"
	"testing"

	"github.com/hutong-im/hutong/adapters/adaptertest"
	"github.com/hutong-im/hutong/adapters/wecom/wecomtest"
	"github.com/hutong-im/hutong/bridge"
)

// The contract holds with markdown, too.
func TestContractMarkdown(t *testing.T) {
	n := newNetwork(t, wecomtest.Options{})
	n.change = func(c *Config) { c.Markdown = true }
	adaptertest.Run(t, Kind(), n)
	for _, c := range n.Complaints() {
		t.Error(c)
	}
}

// What is formatted is shown as such, or else in words; what is written to the letter is read to the letter.
func TestMarkdown(t *testing.T) {
	for name, x := range map[string]struct{ text, markdown, plain string }{
		"bold":            {`**请**看`, "王小明: **请**看", "王小明: 请看"},
		"a heading":       {"## 安排\n一", "王小明:\n## 安排\n一", "王小明:\n安排\n一"},
		"a quote":         {"> 一\n>二\n三", "王小明:\n> 一\n>二\n\n三", "王小明:\n> 一\n>二\n三"},
		"code":            {"见 `A3` 和 ``B4``", "王小明: 见 `A3` 和 `B4`", "王小明: 见 A3 和 B4"},
		"a block of code": {"```go\na = b\n\nc\n```", "王小明: `a = b`\n\n`c`", "王小明: a = b\n\nc"},
		"a link":          {`见 [公告](https://acme.example/a\_b?c=\&d)。`, "王小明: 见 [公告](https://acme.example/a_b?c=&d) (acme.example)。", "王小明: 见 公告 (https://acme.example/a_b?c=&d)。"},
		"an address":      {"见 <https://acme.example/a>。**好**", "王小明: 见 [https://acme.example/a](https://acme.example/a)。**好**", "王小明: 见 https://acme.example/a。好"},
		"nested":          {"**a *b* `c` [d](https://acme.example/)**", "王小明: a b `c` [d](https://acme.example/) (acme.example)", "王小明: a b c d (https://acme.example/)"},
		"three signs":     {`***请*** ~~不~~`, "王小明: **请** 不", "王小明: 请 不"},
		"beside another":  {`**a****b**`, "王小明: **ab**", "王小明: ab"},
		"within a word":   {`__请__ 2*3*4 a_b_c a_b_ _b_c`, "", "王小明: 请 2*3*4 a_b_c a_b_ _b_c"},
		"escaped":         {`\*\*请\*\* \[a\](b) 3\.5 C:\dir`, "", `王小明: **请** [a](b) 3.5 C:\dir`},
		"nothing":         {`请看`, "", "王小明: 请看"},
		"italics only":    {`*请* _看_`, "", "王小明: 请 看"},
		"half":            {`**请 看`, "", "王小明: **请 看"},
		"spaces":          {`** 请 ** * 看 *`, "", "王小明: ** 请 ** * 看 *"},
		"a space within":  {"** 请** *看 *", "", "王小明: ** 请** *看 *"},
		"a blank line":    {"> 一\n\n三", "王小明:\n> 一\n\n三", "王小明:\n> 一\n\n三"},
		"a wide space":    {"**\u3000请**", "", "王小明: \u3000请"},
		"links side by side": {
			"[a](https://acme.example/)[b](https://acme.example/b)", "王小明: [a](https://acme.example/) (acme.example)[b](https://acme.example/b) (acme.example)",
			"王小明: a (https://acme.example/)b (https://acme.example/b)",
		},
		"four signs":       {`****请**** ~看~`, "", "王小明: ****请**** ~看~"},
		"open":             {"`请 [a](b c) [](x) [d]( <x>", "", "王小明: `请 [a](b c) [](x) [d]( <x>"},
		"a colour":         {`**请** \<font color="warning"\>看\</font\>`, "", `王小明: 请 <font color="warning">看</font>`},
		"a mention":        {`**请** \<@lilei\>`, "", `王小明: 请 <@lilei>`},
		"letters":          {`**请** &lt;@lilei&gt; &#60;`, "", `王小明: 请 &lt;@lilei&gt; &#60;`},
		"a sign beside":    {`**请** 看\_这\_里`, "", `王小明: 请 看_这_里`},
		"a sign within":    {"**请\\*看** `a*b`", "", "王小明: 请*看 a*b"},
		"underlined":       {"**请**\n看\n---", "", "王小明: 请\n看\n---"},
		"indented":         {"**请**\n    看", "", "王小明: 请\n    看"},
		"turned":           {"**请**\u202e看", "", "王小明: 请\u202e看"},
		"a list":           {"**请**\n- 看", "王小明: **请**\n- 看", "王小明: 请\n- 看"},
		"marks at the end": {`**重要！**请 **重要！** 请（**重要**）**！**`, "王小明: 重要！请 **重要！** 请（**重要**）！", "王小明: 重要！请 重要！ 请（重要）！"},
		"a false address":  {`[acme.example](https://evil.example/)`, "", "王小明: acme.example (https://evil.example/)"},
		"a false host":     {`[公告](https://acme.example@evil.example/)`, "", "王小明: 公告 (https://acme.example@evil.example/)"},
		"another scheme":   {`[公告](javascript:alert) **请**`, "", "王小明: 公告 (javascript:alert) 请"},
		"an odd address":   {`[公告](https://acme.example/\(a) **请**`, "", "王小明: 公告 (https://acme.example/(a) 请"},
		"a name of signs":  {`[a\]b](https://acme.example/)`, "", "王小明: a]b (https://acme.example/)"},
		"too long":         {"**请**" + strings.Repeat("看", 670), "", "王小明: 请" + strings.Repeat("看", 670)},
		"long enough":      {"**请**" + strings.Repeat("看", 660), "王小明: **请**" + strings.Repeat("看", 660), "王小明: 请" + strings.Repeat("看", 660)},
		"too far off":      {"**" + strings.Repeat("a", maxPiece) + "**", "", "王小明: **" + strings.Repeat("a", maxPiece) + "**"},
		"nothing at all":   {"```\n```", "", "王小明:"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, wecomtest.Options{})
			r.cfg.Markdown = true
			r.open()
			d := read(bridge.Draft{As: wang(), Text: "王小明: " + x.text})
			if got := d.markdown(); got != x.markdown {
				t.Errorf("markdown %q, want %q", got, x.markdown)
			}
			if got := d.plain(); got != x.plain {
				t.Errorf("text %q, want %q", got, x.plain)
			}
			got := r.written("k", "王小明: "+x.text)
			if (got[0].Type == "markdown") != (x.markdown != "") || got[0].Type == "text" && got[0].Text != x.plain && !strings.HasPrefix(name, "too ") {
				t.Errorf("the member sees a %s: %q", got[0].Type, got[0].Text)
			}
		})
	}
}

// The name that the core puts before a text may have signs; it may be longer than any.
func TestMarkdownNames(t *testing.T) {
	for name, x := range map[string]struct {
		as             bridge.Label
		text, markdown string
	}{
		"a label":        {bridge.Label{Name: "王", Text: "王 · 微信"}, "王 · 微信\n# 一", "王 · 微信\n# 一"},
		"a mark first":   {bridge.Label{Name: "王", Text: "王 · 微信"}, "王 · 微信\n**（一）**\n**（二）** 三", "王 · 微信\n**（一）**\n**（二）** 三"},
		"of one letter":  {bridge.Label{Name: "W", Text: "W"}, "W\n**一**", "W\n**一**"},
		"with signs":     {bridge.Label{Name: "a_b", Text: "a_b · 微信"}, "a\\_b: **一**", ""},
		"without a name": {bridge.Label{}, ": **一**", ": **一**"},
	} {
		if got := read(bridge.Draft{As: x.as, Text: x.text}).markdown(); got != x.markdown {
			t.Errorf("%s: %q, want %q", name, got, x.markdown)
		}
	}
}

// Quoting a markdown message finds it, whether clients quote its signs or not.
func TestQuotedMarkdown(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	r.cfg.Markdown = true
	r.open()
	r.run()
	said := r.written("k", "王小明: **请**看")[0]
	r.Quote("LiLei", said.ID, "一")
	r.Say("LiLei", "「客户：王小明: **请**看」\r\n- - - - - - - - - - - - - - -\r\n二")
	for i := range 2 {
		if got, _ := r.heard(i).(bridge.MessageEvent); got.ReplyTo != bridge.MsgID(said.ID) {
			t.Errorf("heard %+v, want an answer to %s", got, said.ID)
		}
	}
}

// Nothing that is written to the letter becomes markup, and everything is read as it was meant: the reader of wecomtest
// takes for markup all that any client might.
func FuzzMarkdown(f *testing.F) {
	for _, s := range []string{
		"请", "**请**", "[a](https://b.example)", "<@all>", `<font color="info">`, "`a`", "# a", "> a", "---", "&lt;", "~~a~~", "_a_", "a\\", "![a](b)", "a\n===",
		"\t#", "[a", "](https://evil.example)", "1. a", "😀", "www.evil.example", "<https://evil.example>", "\u202ea",
	} {
		f.Add(s, s, s)
	}
	f.Fuzz(func(t *testing.T, bold, literal, link string) {
		for _, s := range []string{bold, literal, link} {
			if strings.ContainsAny(s, "\r\n") || strings.ContainsRune(s, '\u00a0') {
				t.Skip("one line each")
			}
		}
		e := bridge.EscapeMarkdown
		if got := read(bridge.Draft{Text: e(literal)}).markdown(); got != "" {
			t.Errorf("%q has nothing formatted, and became %q", literal, got)
		}
		d := read(bridge.Draft{Text: "x **" + e(bold) + "** " + e(literal) + " [" + e(link) + "](https://acme.example/a)"})
		text, marks := wecomtest.ReadMarkdown(d.markdown())
		for _, m := range marks {
			if m != "bold "+bold && m != "link "+link+" https://acme.example/a" {
				t.Errorf("%q %q %q became %q: %q", bold, literal, link, d.markdown(), m)
			}
		}
		if want := "x " + bold + " " + literal + " " + link + " (acme.example)"; text != "" && text != strings.TrimRight(want, "\n") {
			t.Errorf("read as %q, want %q", text, want)
		}
		if slices.Contains(marks, "bold "+literal) && literal != bold {
			t.Errorf("%q became bold", literal)
		}
		for _, s := range []string{bold, literal, link} { // any CommonMark at all
			d := read(bridge.Draft{Text: s})
			var formatted []string
			for _, l := range d {
				formatted = append(formatted, map[bool]string{true: "heading", false: "quote"}[strings.HasPrefix(l.head, "#")])
				for _, x := range l.spans {
					formatted = append(formatted, strings.TrimRight(map[byte]string{'*': "bold ", '`': "code ", '[': "link "}[x.kind]+x.text+" "+x.url, " "))
				}
			}
			md := d.markdown()
			_, marks := wecomtest.ReadMarkdown(md)
			for _, m := range marks {
				if !slices.Contains(formatted, strings.TrimRight(m, " ")) {
					t.Errorf("%q became %q, which reads %q", s, md, m)
				}
			}
		}
	})
}
