package wecom

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/wecom/wecomtest"
	"github.com/hutong-im/hutong/bridge"
)

const sendPath = "/cgi-bin/message/send"

// Whatever WeCom answers to what it swallows: equal texts are all shown, and a lost answer shows nothing twice, also
// when the next process repeats it.
func TestRepeats(t *testing.T) {
	for _, swallowed := range []string{"same", "none", "new"} {
		t.Run(swallowed, func(t *testing.T) {
			r := newRig(t, wecomtest.Options{Swallowed: swallowed})
			for i := range 5 {
				r.say(fmt.Sprint("k", i), "好")
			}
			r.Fail(wecomtest.Fault{Path: sendPath, Cut: true, Times: 1})
			d := bridge.Draft{Key: "lost", Text: "好"}
			_, err := r.a.Send(r.Context(), lileiRoom, d)
			if v := bridge.Judge(err).Verdict; v != bridge.VerdictUnsure {
				t.Fatalf("a lost answer: verdict %d, %v", v, err)
			}
			r.say("after", "好")
			r.open()
			ids, err := r.a.Send(r.Context(), lileiRoom, d)
			if err != nil || len(ids) != 1 || ids[0] == "" {
				t.Fatalf("the repetition: %q, %v", ids, err)
			}
			again, err := r.a.Send(r.Context(), lileiRoom, d)
			if err != nil || !slices.Equal(again, ids) {
				t.Errorf("the same key once more: %q, %v; want %q", again, err, ids)
			}
			if got := r.seen(); len(got) != 7 {
				t.Errorf("the member sees %q, want 好 seven times", got)
			}
			if first := r.Inbox("lilei")[0].Text; first != "好" {
				t.Errorf("the first one carries marks: %q", first)
			}
		})
	}
}

// Without the check nothing is swallowed, the core is told so, and what was lost is not repeated by the adapter.
func TestWithoutCheck(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	r.cfg.DuplicateCheck = false
	r.open()
	if r.a.Caps().Dedupes {
		t.Error("the core thinks that repetitions are swallowed")
	}
	r.Fail(wecomtest.Fault{Path: sendPath, Cut: true, Times: 1})
	d := bridge.Draft{Key: "k", Text: "好"}
	for _, want := range []bridge.Verdict{bridge.VerdictUnsure, bridge.VerdictSent} {
		r.later(sureFor + time.Minute) // however late: there is no check that forgets
		if _, err := r.a.Send(t.Context(), lileiRoom, d); bridge.Judge(err).Verdict != want {
			t.Fatalf("%v", err)
		}
	}
	if n := len(r.seen()); n != 2 {
		t.Errorf("the member sees %d messages", n)
	}
	for _, q := range r.Requests(sendPath) {
		if strings.Contains(q.Body, "duplicate") {
			t.Errorf("the check is asked for: %s", q.Body)
		}
	}
}

func TestNothingToSay(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	if ids, err := r.a.Send(t.Context(), lileiRoom, bridge.Draft{Key: "k"}); bridge.Judge(err).Verdict != bridge.VerdictPermanent {
		t.Errorf("%q, %v", ids, err)
	}
}

// A file's retry has the media_id of its first try, so that it is swallowed as a text's is.
func TestRepeatedFile(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	d := bridge.Draft{Key: "k", Text: "报价", Files: []bridge.Attachment{attachment("报价.pdf", "application/pdf", []byte("%PDF-1.7"))}}
	r.Fail(wecomtest.Fault{Path: sendPath, Cut: true, Times: 2}) // of the text, then of the file
	for range 2 {
		if _, err := r.a.Send(r.Context(), lileiRoom, d); bridge.Judge(err).Verdict != bridge.VerdictUnsure {
			t.Fatalf("a lost answer: %v", err)
		}
	}
	r.open()
	ids, err := r.a.Send(r.Context(), lileiRoom, d)
	if err != nil || len(ids) != 2 {
		t.Fatalf("%q, %v", ids, err)
	}
	if got := r.Inbox("lilei"); len(got) != 2 || got[1].File == nil || got[1].File.Name != "报价.pdf" {
		t.Errorf("the member sees %+v", got)
	}
	if n := len(r.Requests("/cgi-bin/media/upload")); n != 1 {
		t.Errorf("the file was uploaded %d times", n)
	}
}

// After the hours that the check remembers, a retry would be shown again: it is given up, in words.
func TestForgotten(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	r.Fail(wecomtest.Fault{Path: sendPath, Cut: true, Times: 1})
	d := bridge.Draft{Key: "k", Text: "好"}
	if _, err := r.a.Send(r.Context(), lileiRoom, d); bridge.Judge(err).Verdict != bridge.VerdictUnsure {
		t.Fatalf("a lost answer: %v", err)
	}
	r.later(sureFor + time.Minute)
	_, err := r.a.Send(r.Context(), lileiRoom, d)
	if !errors.Is(err, errForgotten) || bridge.Judge(err).Verdict != bridge.VerdictPermanent {
		t.Errorf("hours later: %v", err)
	}
	r.later(10 * time.Minute)
	r.say("k", "好") // somebody looked, and pressed "send again"
	r.say("other", "好")
	if got := r.seen(); len(got) != 3 {
		t.Errorf("the member sees %q, want 好 three times", got)
	}
	r.later(5 * time.Hour)
	r.say("fourth", "好")
	if last := r.Inbox("lilei")[3].Text; last != "好" {
		t.Errorf("nothing equal was sent for hours, but it carries marks: %q", last)
	}
}

// What was refused did not arrive: the next try is not taken for a repetition.
func TestRefusedIsNoEntry(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	r.Fail(wecomtest.Fault{Path: sendPath, Code: -1, Times: 1})
	if _, err := r.a.Send(r.Context(), lileiRoom, bridge.Draft{Key: "k", Text: "好"}); bridge.Judge(err).Verdict != bridge.VerdictRetry {
		t.Fatalf("%v", err)
	}
	r.later(6 * time.Hour)
	r.say("k", "好")
}

// A member gets 30 messages in a minute; the excess would be dropped with errcode 0.
func TestBudget(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	for i := range perMinute {
		r.say(fmt.Sprint("k", i), fmt.Sprint("第", i))
		r.later(time.Second)
	}
	over := func(what string, least, most time.Duration) {
		t.Helper()
		_, err := r.a.Send(r.Context(), lileiRoom, bridge.Draft{Key: "over", Text: "再一句"})
		j := bridge.Judge(err)
		if j.Verdict != bridge.VerdictWait || j.Account || j.Wait < least || j.Wait > most {
			t.Errorf("%s: %+v, %v", what, j, err)
		}
	}
	over("the 31st", 25*time.Second, 31*time.Second)
	r.open()
	over("the 31st in the next process", 25*time.Second, 31*time.Second)
	r.later(31 * time.Second)
	r.say("over", "再一句")
	r.later(time.Hour)
	r.cfg.PerMinute, r.cfg.PerHour = perHour, perMinute
	r.open()
	for i := range perMinute {
		r.say(fmt.Sprint("h", i), fmt.Sprint("又", i))
		r.later(2 * time.Minute / perMinute)
	}
	over("more than an hour allows", 57*time.Minute, 59*time.Minute)
	if n := len(r.seen()); n != 2*perMinute+1 {
		t.Errorf("the member sees %d messages", n)
	}
}

func TestSweep(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	r.say("k", "旧")
	r.later(keptDays * 24 * time.Hour)
	r.say("l", "新")
	if err := r.a.ledger.sweep(r.Context()); err != nil {
		t.Fatal(err)
	}
	keys, err := r.state.List(r.Context(), ledgerPrefix, "", 10)
	if err != nil || len(keys) != 1 || !strings.Contains(keys[0], head("新")) {
		t.Errorf("the ledger keeps %q, %v", keys, err)
	}
}

// Somebody who says one word all day fills no page: the value of a key has a limit.
func TestPageStaysSmall(t *testing.T) {
	r := newRig(t, wecomtest.Options{PerMinute: 10_000, PerHour: 10_000})
	for i := range 200 {
		r.say(fmt.Sprint("k", i), "好")
		r.later(5 * time.Minute)
		if err := r.a.ledger.heard(t.Context(), lileiRoom, "好", bridge.MsgID(fmt.Sprint("m", i))); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := r.state.List(t.Context(), ledgerPrefix, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if page, err := r.a.ledger.page(t.Context(), k); err != nil || len(page) > 20 {
			t.Errorf("%d lines, %v", len(page), err)
		}
	}
	if n := len(r.seen()); n != 200 {
		t.Errorf("the member sees %d messages, want 200", n)
	}
}

func TestMarks(t *testing.T) {
	seen := map[string]bool{}
	for n := range 2000 {
		text := marked("好", n)
		if seen[text] || unmarked(text) != "好" || len(text)-len("好") > maxMarks {
			t.Fatalf("%d: %q", n, text)
		}
		seen[text] = true
	}
}

// A customer's text cannot make a link that says one thing and opens another, and stays within the limit.
func TestHarmless(t *testing.T) {
	for name, x := range map[string]struct{ text, want string }{
		"a link":         {`<a href="https://evil.example">内网</a>`, "<\u2060a href=\"https://evil.example\">内网<\u2060/a>"},
		"in capitals":    {"<A\nHREF=x>", "<\u2060A\nHREF=x>"},
		"other tags":     {"<b> <article> 1<a2", "<b> <article> 1<a2"},
		"more than fits": {strings.Repeat("<a ", 600), strings.Repeat("(a ", 600)},
	} {
		if got := harmless(x.text); got != x.want || len(got) > maxText {
			t.Errorf("%s: %.60q of %d bytes", name, got, len(got))
		}
	}
}
