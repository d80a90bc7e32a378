package slack

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hutong-im/hutong/bridge"
)

func hear(s string) string {
	return heard{emoji: readEmojis(), name: func(id string) string { return "name_of " + id }}.text(s)
}

func TestToSlack(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                               "plain",
		"a < b & c > d":                       "a &lt; b &amp; c &gt; d",
		"**bold** and *it* and _u_":           "*bold* and _it_ and _u_",
		"~~gone~~":                            "~gone~",
		"`a < b`":                             "`a &lt; b`",
		"```go\nx := 1\n```":                  "```\nx := 1\n```",
		"[site](https://x.example/a?b=1&c=2)": "<https://x.example/a?b=1&amp;c=2|site>",
		"[run](javascript:alert(1))":          "[run](javascript:alert(1))",
		"[a|b](https://x.example/|>)":         "<https://x.example/%7C%3E|a¦b>",
		"# Title":                             "*Title*",
		"#tag":                                "#tag",
		"2*3*4 snake_case_name":               "2*3*4 snake_case_name",
		`\*not bold\* \<b\>`:                  `*not bold* &lt;b&gt;`,
		"中文**粗体**中文":                          "中文\u200b*粗体*\u200b中文",
		"<!channel> <!here> <@U123> @channel": "&lt;!channel&gt; &lt;!here&gt; &lt;@U123&gt; @channel",
		"**<!channel>**":                      "*&lt;!channel&gt;*",
		"[<!here>](https://x.example)":        "<https://x.example|&lt;!here&gt;>",
		"**open":                              "**open",
		"":                                    "",
	} {
		if got, _ := toSlack(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]bool{"plain * text_": false, "a *b* c": true, "x\n```\ny": true, "# h": true, "1 < 2": false} {
		if _, got := toSlack(in); got != want {
			t.Errorf("%q: styled %v", in, got)
		}
	}
}

func TestFromSlack(t *testing.T) {
	for in, want := range map[string]string{
		"plain &lt;b&gt; &amp;amp;":              `plain \<b\> &amp;`,
		"*bold* _it_ ~gone~ `a*b`":               "**bold** _it_ ~~gone~~ `a*b`",
		"```x\n&lt;y&gt;```":                     "```\nx\n<y>\n```",
		"2 * 3 * 4 snake_case a*b*c":             `2 \* 3 \* 4 snake\_case a\*b\*c`,
		"&gt; quoted\nnot &gt; this":             "> quoted\nnot \\> this",
		"<https://x.example/a_b?c=1&amp;d=2>":    "https://x.example/a_b?c=1&d=2",
		"<https://x.example|our *site*>":         `[our \*site\*](https://x.example)`,
		"<https://x.example|x.example>":          "https://x.example",
		"<https://x.example|>":                   "https://x.example",
		"<https://x.example/a(b)|l>":             "[l](https://x.example/a%28b%29)",
		"<mailto:a@b.example|a@b.example>":       "a@b.example",
		"<@U1> <@U2|li_lei> <#C1|general> <#C2>": `@name\_of U1 @li\_lei #general #…`,
		"<!here> <!channel> <!subteam^S1|@team>": "@here @channel @team",
		"<!date^1392734382^{date}|Feb 18>":       "Feb 18",
		":smile: :+1::skin-tone-3: :unknown_x:":  `😄 👍🏼 :unknown\_x:`,
		"12:30:45":                               "12:30:45",
		"<not closed":                            `\<not closed`,
		"*not closed":                            `\*not closed`,
		"`a\nb`":                                 "\\`a\nb\\`",
		"":                                       "",
	} {
		if got := hear(in); got != want {
			t.Errorf("%q:\n%q, want\n%q", in, got, want)
		}
	}
}

func TestEmoji(t *testing.T) {
	e := readEmojis()
	for char, name := range map[string]string{
		"👍": "+1", "👍🏽": "+1::skin-tone-4", "❤️": "heart", "❤": "heart", "✅": "white_check_mark", "👀": "eyes", "🇨🇳": "cn", "👨‍👩‍👧": "man-woman-girl",
	} {
		if got := e.toName(char); got != name {
			t.Errorf("%s is %q, want %q", char, got, name)
		}
		if back := e.toChar(name); bare(back) != bare(char) {
			t.Errorf("%s is %s, want %s", name, back, char)
		}
	}
	for _, s := range []string{"", "no such", "::skin-tone-2", "+1::skin-tone-9", "+1::skin-tone-"} {
		_ = e.toName(s)
		if s != "+1::skin-tone-9" && s != "+1::skin-tone-" && e.toChar(s) != "" {
			t.Errorf("%q is %q", s, e.toChar(s))
		}
	}
	for _, s := range []bridge.State{bridge.StateHeld, bridge.StateSent, bridge.StateRead, bridge.StateFailed, bridge.StateUnknown} {
		if e.toChar(mark(s)) == "" {
			t.Errorf("Slack has no %q", mark(s))
		}
	}
}

// Whatever a customer writes, no mention, link or command of Slack's comes out of it but http and mailto links.
func FuzzToSlack(f *testing.F) {
	for _, s := range []string{"**a** [b](https://c)", "<!channel>", "[<!here>](https://x|<!here>)", "\\<!x>", "`<@U1>`", "# <x>", "```\n<!here>\n```"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out, _ := toSlack(s)
		if utf8.ValidString(s) && !utf8.ValidString(out) {
			t.Errorf("%q became %q", s, out)
		}
		for rest := out; ; {
			i := strings.IndexByte(rest, '<')
			if i < 0 {
				break
			}
			rest = rest[i+1:]
			end := strings.IndexAny(rest, "<>")
			if end < 0 || rest[end] == '<' || !hasScheme(rest) {
				t.Fatalf("%q became %q", s, out)
			}
		}
		if strings.Count(out, "<") != strings.Count(out, ">") {
			t.Errorf("%q became %q", s, out)
		}
	})
}

func hasScheme(s string) bool {
	s = strings.ToLower(s)
	return strings.HasPrefix(s, "http:") || strings.HasPrefix(s, "https:") || strings.HasPrefix(s, "mailto:")
}

// Plain text survives the way to Slack, and from Slack as CommonMark.
func FuzzFromSlack(f *testing.F) {
	for _, s := range []string{"*a* _b_ <@U1|x> :smile: &amp; `c` ```d```", "<!date^1|", "&gt;", "::::", ":+1::skin-tone-2:", "<|>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := hear(s)
		if utf8.ValidString(s) && !utf8.ValidString(out) {
			t.Errorf("%q became %q", s, out)
		}
		if len(out) > 40*len(s)+40 {
			t.Errorf("%d bytes became %d", len(s), len(out))
		}
	})
}

// Whatever comes to the hook is refused or understood, and never does harm.
func FuzzNews(f *testing.F) {
	for _, s := range []string{
		`{"type":"event_callback","event":{"type":"message","channel":"C1","user":"U1","text":"x","ts":"1.000001","files":[{"id":"F1"}]}}`,
		`{"type":"event_callback","event":{"type":"message","subtype":"message_changed","message":{"user":"U1","text":"x","ts":"1.2"}}}`,
		`{"type":"event_callback","event":{"type":"message","subtype":"message_deleted","deleted_ts":"1.2","channel":"C1"}}`,
		`{"type":"event_callback","event":{"type":"reaction_added","reaction":"+1","user":"U1","item":{"type":"message","channel":"C1","ts":"1.2"}}}`,
		`{"type":"block_actions","user":{"id":"U1"},"actions":[{"block_id":"b","value":"{}"}]}`,
		`{"type":"event_callback","event":{"type":"user_change","user":{"id":"U1","deleted":true}}}`,
		`{"type":"view_submission","user":{"id":"U1"},"view":{"callback_id":"note","state":{"values":{"text":{"text":{"value":"x"}}}}}}`,
		`{"type":"message_action","callback_id":"retry","user":{"id":"U1"},"channel":{"id":"C1"},"message":{"ts":"1.2"}}`,
		`{"user_id":"U1","channel_id":"C1","text":"to x"}`, `null`, `[]`,
	} {
		for kind := range byte(4) {
			f.Add(kind, []byte(s))
		}
	}
	f.Fuzz(func(t *testing.T, kind byte, b []byte) {
		var n news
		var err error
		if kind%4 == 3 {
			n, err = parseForm(b)
		} else {
			n, err = parse([]string{"events_api", "interactive", "slash_commands"}[kind%4], b)
		}
		if err != nil {
			return
		}
		s := quietSession(t)
		if err := s.tell(n); err != nil {
			t.Errorf("%s: %v", b, err)
		}
	})
}

func FuzzMicros(f *testing.F) {
	f.Add("1700000000.000100")
	f.Add("-1.0000001")
	f.Fuzz(func(t *testing.T, ts string) {
		n := micros(ts)
		if n < 0 || n > 0 && micros(stampOf(n)) != n {
			t.Errorf("%q is %d", ts, n)
		}
	})
}
