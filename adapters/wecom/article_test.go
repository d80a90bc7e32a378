package wecom

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/wecom/wecomtest"
	"github.com/hutong-im/hutong/bridge"
)

// Three pieces are text; what needs a fourth is one article, with all of it. Everything can be taken back.
func TestLongTexts(t *testing.T) {
	line := strings.Repeat("汉", 600) + "  a & <b>\n" // 1811 bytes
	for pieces, kind := range map[int]string{1: "text", 2: "text", 3: "text", 4: articleKind, 30: articleKind} {
		t.Run(fmt.Sprint(pieces), func(t *testing.T) {
			r := newRig(t, wecomtest.Options{})
			text := "王小明 · 微信联系人\n" + strings.TrimRight(strings.Repeat(line, pieces), "\n")
			if pieces == 1 {
				text = "王小明 · 微信联系人\n好"
			}
			d := bridge.Draft{Key: "k", As: wang(), Text: text}
			ids, err := r.a.Send(t.Context(), lileiRoom, d)
			again, err2 := r.a.Send(t.Context(), lileiRoom, d)
			if err != nil || err2 != nil || !slices.Equal(ids, again) {
				t.Fatalf("%q, %v; again %q, %v", ids, err, again, err2)
			}
			got, all := r.Inbox("lilei"), []string(nil)
			for i, m := range got {
				all = append(all, m.Text)
				if m.Type != kind || bridge.MsgID(m.ID) != ids[i] {
					t.Errorf("a %s %s, want %s %s", m.Type, m.ID, kind, ids[i])
				}
			}
			want := pieces
			if kind == articleKind {
				want = 1
				if !strings.HasPrefix(got[0].Title, "王小明 · 微信联系人: 汉汉") || !strings.HasPrefix(got[0].Digest, "汉汉汉汉") {
					t.Errorf("%q, %q", got[0].Title, got[0].Digest)
				}
			}
			if len(got) != want || squeezed(strings.Join(all, "")) != squeezed(text) || want == 1 && all[0] != text {
				t.Errorf("%d messages, want %d: %.100q", len(got), want, all)
			}
			for _, id := range ids {
				if err := r.a.Delete(t.Context(), lileiRoom, id); err != nil {
					t.Error(err)
				}
			}
			if left := r.seen(); len(left) > 0 {
				t.Errorf("%d are left", len(left))
			}
		})
	}
}

// squeezed is a text without marks and without white space, of which Split takes some away where it cuts.
func squeezed(s string) string { return strings.ReplaceAll(unmarked(s), " ", "") }

// Of three pieces one is lost and the others are not repeated.
func TestLostPiece(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	d := bridge.Draft{Key: "k", Text: strings.Repeat("a", 3*maxPiece)}
	r.Fail(wecomtest.Fault{Path: sendPath, Cut: true, Times: 2})
	for _, want := range []bridge.Verdict{bridge.VerdictUnsure, bridge.VerdictUnsure, bridge.VerdictSent} {
		ids, err := r.a.Send(t.Context(), lileiRoom, d)
		if v := bridge.Judge(err).Verdict; v != want || want == bridge.VerdictSent && len(ids) != 3 {
			t.Fatalf("%q, %v", ids, err)
		}
	}
	if got := strings.Join(r.seen(), ""); got != d.Text {
		t.Errorf("the member sees %d characters", len(got))
	}
}

const uploadPath = "/cgi-bin/media/upload"

// The articles' picture is uploaded when it is wanted and used until WeCom forgets it. A retry has the same one.
func TestCover(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	long := func(i int) string { return fmt.Sprint("王小明: ", i, strings.Repeat("很长。", 700)) }
	uploads := func(want int) {
		t.Helper()
		if n := len(r.Requests(uploadPath)); n != want {
			t.Fatalf("%d uploads, want %d", n, want)
		}
	}
	r.written("a", long(1))
	r.open()
	r.written("b", long(2))
	uploads(1)
	r.later(coverFor - time.Hour)
	r.Fail(wecomtest.Fault{Path: sendPath, Cut: true, Times: 1})
	d := bridge.Draft{Key: "c", As: wang(), Text: long(3)}
	if _, err := r.a.Send(t.Context(), lileiRoom, d); bridge.Judge(err).Verdict != bridge.VerdictUnsure {
		t.Fatal(err)
	}
	r.later(2 * time.Hour)
	r.written("d", long(4))
	uploads(2)
	if got := r.written("c", long(3)); len(got) != 0 {
		t.Errorf("after a lost answer it is shown again: %+v", got)
	}
	r.Fail(wecomtest.Fault{Path: sendPath, Code: mediaGone, Times: 1})
	if _, err := r.a.Send(t.Context(), lileiRoom, bridge.Draft{Key: "e", As: wang(), Text: long(5)}); bridge.Judge(err).Verdict != bridge.VerdictRetry {
		t.Fatal(err)
	}
	r.written("e", long(5))
	uploads(3)
	r.Fail(wecomtest.Fault{Path: uploadPath, Code: -1, Times: 1})
	r.later(coverFor)
	if _, err := r.a.Send(t.Context(), lileiRoom, bridge.Draft{Key: "f", As: wang(), Text: long(6)}); bridge.Judge(err).Verdict != bridge.VerdictRetry {
		t.Fatal(err)
	}
	r.written("f", long(6))
	uploads(4)
}
