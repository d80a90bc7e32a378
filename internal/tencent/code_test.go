package tencent

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/hutong-im/hutong/bridge"
)

// documented are the codes that the networks' documents name for the calls that the adapters make.
func documented() map[string]string {
	return map[string]string{
		"official account": `-1 40001 40003 40007 40013 40014 40125 40164 40200 41001 42001 43004 43019 43101 44004 45001 45002 45009 45011
			45015 45047 45072 45080 45081 47003 48001 48002 48004 50001 50005 65400 65401 65402 65403 65404 65405 65406 65407 65408 65409 65410
			65411 65412 65413 65414 65415 65416`,
		"wecom": `-1 40001 40003 40007 40008 40013 40014 40035 40056 40058 40125 40201 41001 41004 42001 42014 43012 44004 45001 45002 45009
			45033 48002 50001 60011 60020 60111 60123 81013 82001 301002 86001 86003 86004 86005 86006 86007 86008 86201 86202 86203 86204 86205
			86206 86207 86215 95000 95001 95002 95003 95004 95005 95006 95007 95008 95009 95011 95012 95013 95014 95015 95016 95017 95018 95019
			95022 95023 95026 95027 95030 95031`,
	}
}

// Every documented code, as an answer, has words in both languages and the verdict that the table says.
func TestEveryCode(t *testing.T) {
	tables := map[string]Codes{"official account": OfficialAccountCodes(), "wecom": WeComCodes()}
	for name, list := range documented() {
		table := tables[name]
		seen := map[int]bool{}
		for word := range strings.FieldsSeq(list) {
			code, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			seen[code] = true
			c, is := table[code]
			if !is {
				t.Errorf("%s: %d is missing", name, code)
				continue
			}
			if c.En == "" || c.Zh == "" || !strings.ContainsFunc(c.Zh, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
				t.Errorf("%s: %d: words %q, %q", name, code, c.En, c.Zh)
			}
			if (c.Verdict == bridge.VerdictWait) != (c.Wait > 0) || c.Verdict == bridge.VerdictSent {
				t.Errorf("%s: %d: verdict %d after %v", name, code, c.Verdict, c.Wait)
			}
			answered := client(t, &network{answer: says(`{"errcode":` + word + `}`)})
			answered.Codes = table
			answered.Language = func() string { return "zh" }
			got := answered.Call(t.Context(), http.MethodPost, "/x", nil, nil, nil)
			j := bridge.Judge(got)
			if j.Verdict != c.Verdict || j.Wait != c.Wait || j.Account != (c.Wait > 0) || !strings.HasPrefix(got.Error(), c.Zh) {
				t.Errorf("%s: %d: %+v, %v", name, code, j, got)
			}
		}
		for code := range table {
			if !seen[code] {
				t.Errorf("%s: %d is in the table but not documented", name, code)
			}
		}
	}
}

// The same numbers that mean different things, and those that the core's decisions hang on.
func TestCodesDiffer(t *testing.T) {
	oa, we := OfficialAccountCodes(), WeComCodes()
	for _, c := range []struct {
		table   Codes
		code    int
		verdict bridge.Verdict
		wait    time.Duration
	}{
		{oa, 48002, bridge.VerdictPermanent, 0},
		{we, 48002, bridge.VerdictLogin, 0},
		{oa, 45009, bridge.VerdictWait, time.Hour},
		{we, 45009, bridge.VerdictWait, time.Minute},
		{oa, 45015, bridge.VerdictClosed, 0},
		{oa, 45047, bridge.VerdictClosed, 0},
		{we, 95001, bridge.VerdictClosed, 0},
		{we, 95018, bridge.VerdictClosed, 0},
		{oa, -1, bridge.VerdictRetry, 0},
		{we, 60020, bridge.VerdictLogin, 0},
		{oa, 40164, bridge.VerdictLogin, 0},
		{oa, 60020, bridge.VerdictPermanent, 0}, // not one of its codes
		{oa, 40003, bridge.VerdictPermanent, 0},
	} {
		if got := c.table.Of(c.code); got.Verdict != c.verdict || got.Wait != c.wait {
			t.Errorf("%d: %d after %v, want %d after %v", c.code, got.Verdict, got.Wait, c.verdict, c.wait)
		}
	}
	oa[-1] = Code{}
	if OfficialAccountCodes()[-1].En == "" {
		t.Error("a caller's change is everyone's")
	}
}

func TestTidy(t *testing.T) {
	for _, c := range []struct{ msg, want string }{
		{"ok", "ok"},
		{"invalid credential, access_token is invalid or not latest rid: 64f0-12ab-34cd", "invalid credential, access_token is invalid or not latest"},
		{"invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4, not in whitelist rid: 6-1", "invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4, not in whitelist"},
		{"user no exist, hint: [1583_66_2a], from ip: 1.2.3.4, more info at https://x.example/?e=1", "user no exist, from ip: 1.2.3.4"},
		{"response out of time limit or subscription is canceled hint: [tuT", "response out of time limit or subscription is canceled"},
		{"a\n\x1b[31mb\u202ec\xff", "a [31mb c"},
		{strings.Repeat("字", 200), strings.Repeat("字", 120) + "…"},
	} {
		if got := tidy(c.msg); got != c.want {
			t.Errorf("%q became %q, want %q", c.msg, got, c.want)
		}
	}
}
