package wechatkf

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/wechatkf/wechatkftest"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/tencent"
)

func attach(name, kind string, data []byte) bridge.Attachment {
	return bridge.Attachment{
		File: bridge.File{Name: name, Type: kind, Size: int64(len(data))},
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
	}
}

// request is a call as the documents show it. Ids that are made here are told by their form.
type request struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Query  string `json:"query"`
	Body   any    `json:"body"`
}

var forms = map[string]*regexp.Regexp{
	"MSGID": regexp.MustCompile(`^[0-9a-zA-Z_-]{32}$`), "MEDIA_ID": regexp.MustCompile(`^MEDIA_[0-9A-Z]+$`), "CODE": regexp.MustCompile(`^CODE[0-9A-Z]+$`),
	"TOKEN": regexp.MustCompile(`^ENC[0-9A-Z]+$`), "CURSOR": regexp.MustCompile(`^4gw7MepFLfgF2VC5n.+$`), "MENU_ID": regexp.MustCompile(`^[0-9a-f]{16}\.(yes|no)\.q1$`),
}

// fits compares what was called with a sample.
func fits(want, got any) bool {
	switch w := want.(type) {
	case string:
		g, ok := got.(string)
		if re := forms[w]; re != nil {
			return ok && re.MatchString(g)
		}
		return ok && w == g
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || !slices.Equal(slices.Sorted(maps.Keys(w)), slices.Sorted(maps.Keys(g))) {
			return false
		}
		for k := range w {
			if !fits(w[k], g[k]) {
				return false
			}
		}
		return true
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for i := range w {
			if !fits(w[i], g[i]) {
				return false
			}
		}
		return true
	default:
		return reflect.DeepEqual(want, got)
	}
}

// Every kind of call is made once, and looks as the documents show it, field by field.
func TestRequestsAreAsDocumented(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	r.config = func(c *Config) { c.Welcome = "欢迎咨询" }
	a := r.start()
	r.Enter(account, customer, "")
	r.until("the welcome", func() bool { return len(r.shown()) == 1 })
	r.met()
	id := r.Upload(wechatkftest.File{Kind: "image", Name: "a.jpg", Type: "image/jpeg", Data: []byte("picture")})
	room := r.met()
	if body, err := a.Fetch(t.Context(), a.mediaFile("image", id)); err != nil {
		t.Error(err)
	} else {
		_ = body.Close()
	}
	r.SetState(account, customer, 0, "")
	r.Fail(sendPath, wechatkftest.Fault{Code: 95018, Msg: "send msg session status invalid", Times: 1})
	if err := r.say(room, "k1", `你购买的物品已发货 <&> "引号"`); err != nil {
		t.Error(err)
	}
	if s := r.State(account, customer); s != 1 {
		t.Errorf("the session's state is %d", s)
	}
	for kind, f := range map[string]bridge.Attachment{
		"image": attach("a.png", "image/png", []byte("picture")), "voice": attach("a.amr", "audio/amr", []byte("#!AMR voice")),
		"video": attach("a.mp4", "video/mp4", []byte("moving picture")), "file": attach("a.pdf", "application/pdf", []byte("document")),
	} {
		r.met()
		if _, err := a.Send(t.Context(), room, bridge.Draft{Key: "f" + kind, Files: []bridge.Attachment{f}}); err != nil {
			t.Error(err)
		}
	}
	r.met()
	place := "📍 广州国际媒体港\n广东省广州市海珠区滨江东路\nhttps://apis.map.qq.com/uri/v1/marker?marker=coord:23.106,113.32"
	if err := r.say(room, "k3", place); err != nil {
		t.Error(err)
	}
	q := bridge.Ask{ID: "q1", Text: "您对本次服务是否满意呢?", Choices: []bridge.Choice{{ID: "yes", Label: "满意"}, {ID: "no", Label: "不满意"}}}
	if _, err := a.Ask(t.Context(), room, "k2", q); err != nil {
		t.Error(err)
	}
	if _, err := a.Invite(t.Context(), "CARD"); err != nil {
		t.Error(err)
	}
	for _, path := range samples(t, "requests") {
		t.Run(strings.TrimSuffix(path, ".json"), func(t *testing.T) {
			var want request
			sample(t, path, &want)
			var seen []string
			for _, c := range r.Requests(want.Path) {
				var body any
				if want.Body != nil {
					if err := json.Unmarshal(c.Body, &body); err != nil {
						t.Fatal(err)
					}
				}
				query := strings.ReplaceAll(c.Query, "%E2%80%A6", "…")
				if want.Query == "media_id=MEDIA_ID" && strings.HasPrefix(query, "media_id=MEDIA_") {
					query = want.Query
				}
				if c.Method == want.Method && query == want.Query && (want.Body == nil || fits(want.Body, body)) {
					return
				}
				seen = append(seen, fmt.Sprintf("%s ?%s %s", c.Method, query, c.Body))
			}
			t.Errorf("no call of %s is as documented: %s", want.Path, strings.Join(seen, "\n"))
		})
	}
}

// Each errcode that a call can give has its verdict, and words that say what to do, in both languages.
func TestErrorCodes(t *testing.T) {
	verdicts := map[int]bridge.Verdict{
		-1: bridge.VerdictRetry, 40007: bridge.VerdictRetry, 95007: bridge.VerdictRetry,
		45009: bridge.VerdictWait, 45033: bridge.VerdictWait,
		40001: bridge.VerdictLogin, 40013: bridge.VerdictLogin, 40014: bridge.VerdictLogin, 41001: bridge.VerdictLogin, 42001: bridge.VerdictLogin,
		48002: bridge.VerdictLogin, 60020: bridge.VerdictLogin, 95000: bridge.VerdictLogin, 95004: bridge.VerdictLogin, 95011: bridge.VerdictLogin,
		95012: bridge.VerdictLogin, 95017: bridge.VerdictLogin, 95023: bridge.VerdictLogin,
		95001: bridge.VerdictClosed, 95002: bridge.VerdictClosed, 95031: bridge.VerdictClosed,
		40008: bridge.VerdictPermanent, 40058: bridge.VerdictPermanent, 40096: bridge.VerdictPermanent, 40201: bridge.VerdictPermanent, 44004: bridge.VerdictPermanent,
		45001: bridge.VerdictPermanent, 45002: bridge.VerdictPermanent, 95003: bridge.VerdictPermanent, 95008: bridge.VerdictPermanent, 95009: bridge.VerdictPermanent,
		95014: bridge.VerdictPermanent, 95016: bridge.VerdictPermanent, 95022: bridge.VerdictPermanent, 95030: bridge.VerdictPermanent,
	}
	for _, lang := range []string{"en", "zh"} {
		r := newRig(t, wechatkftest.Options{})
		r.lang = lang
		r.start()
		room := r.met()
		for code, want := range verdicts {
			t.Run(fmt.Sprint(lang, code), func(t *testing.T) {
				r.Fail(sendPath, wechatkftest.Fault{Code: code, Msg: "as documented"})
				defer r.Calm()
				err := r.say(room, fmt.Sprint("k", code), "x")
				verdict(t, err, want)
				c := tencent.WeComCodes().Of(code)
				words := map[string]string{"en": c.En, "zh": c.Zh}[lang]
				if err == nil || words == "" || !strings.HasPrefix(err.Error(), words) || !strings.Contains(err.Error(), fmt.Sprint(code)) {
					t.Errorf("%v does not begin with %q", err, words)
				}
			})
		}
		r.stop()
	}
}

// What WeCom says of a session decides what becomes of a message that it refused.
func TestSessionStates(t *testing.T) {
	for name, c := range map[string]struct {
		state   int
		want    bridge.Verdict
		words   string
		warning string
	}{
		"waits in the pool":         {2, bridge.VerdictPermanent, "待接入池", "有 1 个会话"},
		"is served by somebody":     {3, bridge.VerdictPermanent, "zhangsan在企业微信中人工接待", "有 1 个会话"},
		"has ended":                 {4, bridge.VerdictClosed, "95018", ""},
		"is the API's, but refuses": {1, bridge.VerdictClosed, "95018", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, wechatkftest.Options{})
			a := r.start()
			room := r.met()
			r.SetState(account, customer, c.state, "zhangsan")
			if c.state == 1 {
				r.Fail(sendPath, wechatkftest.Fault{Code: 95018, Msg: "send msg session status invalid"})
			}
			err := r.say(room, "k", "x")
			verdict(t, err, c.want)
			if !strings.Contains(err.Error(), c.words) {
				t.Errorf("the writer reads %q", err)
			}
			if w := strings.Join(a.Warnings(), "\n"); c.warning != "" && !strings.Contains(w, c.warning) {
				t.Errorf("the operator reads %q", w)
			}
			a = r.start() // another process remembers
			r.until("the warning after a restart", func() bool { return strings.Contains(strings.Join(a.Warnings(), "\n"), c.warning) })
			r.Calm()
			r.SetState(account, customer, 4, "")
			r.met()
			if err := r.say(room, "k2", "y"); err != nil {
				t.Error(err)
			}
			if w := strings.Join(a.Warnings(), "\n"); strings.Contains(w, "会话") {
				t.Errorf("it is over, and the operator still reads %q", w)
			}
		})
	}
}

// The state cannot be asked for, or the session cannot be taken: it is tried again.
func TestSessionStateUnknown(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	r.start()
	room := r.met()
	r.Fail(sendPath, wechatkftest.Fault{Code: 95018, Msg: "send msg session status invalid"})
	for _, path := range []string{"/cgi-bin/kf/service_state/get", "/cgi-bin/kf/service_state/trans"} {
		r.Fail(path, wechatkftest.Fault{Status: http.StatusBadGateway, Times: 1})
		verdict(t, r.say(room, "k"+path, "x"), bridge.VerdictRetry)
	}
}

// The text arrives, its file does not: the retry says the file alone.
func TestHalfArrived(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	r.start()
	room := r.met()
	d := bridge.Draft{Key: "k", Text: "见附件", Files: []bridge.Attachment{attach("a.pdf", "application/pdf", []byte("document"))}}
	r.Fail(sendPath, wechatkftest.Fault{Times: 1}) // nothing happens to the text
	r.Fail(sendPath, wechatkftest.Fault{Status: http.StatusBadGateway, Times: 1})
	_, err := r.adapter.Send(t.Context(), room, d)
	verdict(t, err, bridge.VerdictRetry)
	r.open() // another process goes on
	ids, err := r.adapter.Send(t.Context(), room, d)
	if err != nil || len(ids) != 2 {
		t.Fatalf("%v %v", ids, err)
	}
	lines := slices.DeleteFunc(r.Lines(account, customer), func(l wechatkftest.Line) bool { return !l.Mine })
	if len(lines) != 2 || lines[0].Text != "见附件" || lines[1].File.Name != "a.pdf" || lines[0].ID != string(ids[0]) || lines[1].ID != string(ids[1]) {
		t.Errorf("the customer sees %+v, sent %v", lines, ids)
	}
}

// WeCom refuses a msgid that it knows: then the message has arrived.
func TestRepeatedMsgID(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	r.start()
	room := r.met()
	r.Fail(sendPath, wechatkftest.Fault{Lost: true, Times: 1})
	verdict(t, r.say(room, "k", "x"), bridge.VerdictUnsure)
	if err := r.say(room, "k", "x"); err != nil {
		t.Error(err)
	}
	if got := r.shown(); !slices.Equal(got, []string{"x"}) {
		t.Errorf("the customer got %q", got)
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	r.start()
	room := r.met()
	for name, f := range map[string]bridge.Attachment{
		"too large": {File: bridge.File{Name: "a", Size: maxFile + 1}},
		"too small": attach("a.txt", "text/plain", []byte("12345")),
	} {
		_, err := r.adapter.Send(t.Context(), room, bridge.Draft{Key: name, Text: "x", Files: []bridge.Attachment{f}})
		verdict(t, err, bridge.VerdictPermanent)
	}
	if _, err := r.adapter.Send(t.Context(), room, bridge.Draft{Key: "none"}); bridge.Judge(err).Verdict != bridge.VerdictPermanent {
		t.Errorf("nothing to say: %v", err)
	}
	if len(r.shown()) > 0 {
		t.Error("something is shown")
	}
	large := bridge.File{Type: "image/jpeg", Size: maxImage + 1}
	if k := kindOf(large); k != "file" {
		t.Errorf("a picture that is too large for one goes as %s", k)
	}
}

// The token ends while a message is on its way: a new one is fetched, and the message is said once.
func TestTokenEnds(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	r.start()
	room := r.met()
	r.ExpireToken()
	if err := r.say(room, "k", "x"); err != nil {
		t.Error(err)
	}
	if got := r.shown(); !slices.Equal(got, []string{"x"}) {
		t.Errorf("the customer got %q", got)
	}
}

func TestLongQuestion(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	a := r.start()
	room := r.met()
	q := bridge.Ask{ID: "q1", Text: strings.Repeat("汉", 400), Choices: []bridge.Choice{{ID: "yes", Label: strings.Repeat("好", 60)}}}
	ids, err := a.Ask(context.Background(), room, "k", q)
	if err != nil || len(ids) != 2 {
		t.Fatalf("%v %v", ids, err)
	}
	if got := r.shown(); !slices.Equal(got, []string{q.Text, "请选择："}) {
		t.Errorf("the customer sees %q", got)
	}
	other := roomOf(account, "wmOther")
	if _, _, ok := a.openMenuID(other, a.menuID(room, "q1", "yes")); ok {
		t.Error("an answer of one chat is taken in another")
	}
	q.Choices = slices.Repeat(q.Choices, 11)
	_, err = a.Ask(context.Background(), room, "k2", q)
	verdict(t, err, bridge.VerdictPermanent)
	q.Choices = []bridge.Choice{{ID: strings.Repeat("x", 128), Label: "x"}}
	_, err = a.Ask(context.Background(), room, "k3", q)
	verdict(t, err, bridge.VerdictPermanent)
	if _, err := a.Ask(context.Background(), room, "k4", bridge.Ask{Text: "no choices", Picture: "https://gateway/qr.png"}); err != nil {
		t.Error(err)
	}
	if got := r.shown(); got[len(got)-1] != "no choices\nhttps://gateway/qr.png" {
		t.Errorf("the customer sees %q", got)
	}
}

// A place goes as one, whatever is known of it; a text that holds a place and more stays a text.
func TestPlaces(t *testing.T) {
	const link = "https://apis.map.qq.com/uri/v1/marker?marker=coord:23.1,-113.3"
	for text, want := range map[string]string{
		link:                                "||23.1,-113.3",
		"📍 名\n" + link:                      "名||23.1,-113.3",
		"📍 名\n址\n" + link:                   "名|址|23.1,-113.3",
		"李雷 · ACME\n" + link:                "",
		link + " 见":                         "",
		strings.TrimSuffix(link, ",-113.3"): "",
	} {
		r := newRig(t, wechatkftest.Options{})
		r.open()
		r.Say(account, customer, "在哪")
		if err := r.say(roomOf(account, customer), "k", text); err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		l := r.Lines(account, customer)[1]
		if want == "" && (l.Kind != "text" || l.Text != text) || want != "" && (l.Kind != "location" || l.Text != want) {
			t.Errorf("%q is shown as %s %q", text, l.Kind, l.Text)
		}
	}
}

// A session ends by itself, which WeCom does not tell: two days later the operator is not warned any more.
func TestSessionEndsByItself(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	a := r.start()
	r.met()
	r.ServicerSays(account, customer, "zhangsan", "人工")
	warned := func() bool { return strings.Contains(strings.Join(a.Warnings(), "\n"), "会话") }
	r.until("the warning", warned)
	r.stop()
	a.env.Now = func() time.Time { return time.Now().Add(50 * time.Hour) }
	if warned() {
		t.Error("the operator is still warned")
	}
	if err := a.readSeats(t.Context()); err != nil || len(a.seats) > 0 {
		t.Errorf("%v is still known, %v", a.seats, err)
	}
	if keys, err := r.state.List(t.Context(), "seat/", "", 10); err != nil || len(keys) > 0 {
		t.Errorf("%q is still kept, %v", keys, err)
	}
}
