package wecom

import (
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/wecom/wecomtest"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/tencent"
)

// sample is a request of testdata, written after the documents. Where a value is this project's own choice or WeCom's, it
// is "…"; task ids, keys and signatures are looked at by other tests.
type sample struct {
	Method string
	Path   string
	Query  map[string]string
	Body   any
}

// like compares; "…" is like any text.
func like(got, want any) bool {
	switch want := want.(type) {
	case string:
		s, ok := got.(string)
		return ok && (want == "…" && s != "" || s == want)
	case map[string]any:
		m, ok := got.(map[string]any)
		if !ok || len(m) != len(want) {
			return false
		}
		for k, v := range want {
			if x, there := m[k]; !there || !like(x, v) {
				return false
			}
		}
		return true
	case []any:
		l, ok := got.([]any)
		if !ok || len(l) != len(want) {
			return false
		}
		for i := range want {
			if !like(l[i], want[i]) {
				return false
			}
		}
		return true
	default:
		return reflect.DeepEqual(got, want)
	}
}

// requests makes every kind of request that this adapter makes, by the name of its sample.
func requests() map[string]func(r *rig) error {
	png := append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, 16)...)
	file := func(name, typ string, data []byte) func(r *rig) error {
		return func(r *rig) error {
			_, err := r.a.Send(r.Context(), lileiRoom, bridge.Draft{Key: "k", Files: []bridge.Attachment{attachment(name, typ, data)}})
			return err
		}
	}
	send := func(change func(c *Config), text string) func(r *rig) error {
		return func(r *rig) error {
			change(r.cfg)
			r.open()
			_, err := r.a.Send(r.Context(), lileiRoom, bridge.Draft{Key: "k", As: wang(), Text: text})
			return err
		}
	}
	asIs := func(*Config) {}
	return map[string]func(r *rig) error{
		"textcard": send(asIs, "王小明 · 微信联系人\n公告\n明天放假\nhttps://acme.example/a?b=1&c=2"),
		"place": send(asIs, "王小明: 📍 深圳市腾讯大厦\n<https://apis.map.qq.com/uri/v1/marker?marker=coord%3A22.540503%2C113.934528%3B"+
			"title%3A%E6%B7%B1%E5%9C%B3&referer=hutong>"),
		"markdown": send(func(c *Config) { c.Markdown = true },
			"王小明 · 微信联系人\n# 安排\n> 明天**九点**\n见 `A3`，[公告](https://acme.example/a?b=1)"),
		"mpnews":       send(asIs, "王小明: 第一段 <b>\n"+strings.Repeat("很长。", 700)),
		"cover":        send(asIs, "王小明: "+strings.Repeat("很长。", 700)),
		"confidential": send(func(c *Config) { c.Confidential = true }, "您好"),
		"text": func(r *rig) error {
			_, err := r.a.Send(r.Context(), lileiRoom, bridge.Draft{Key: "k", Text: "您好，<b> & 王小明\n第二行"})
			return err
		},
		"image": file("合影.png", "image/png", png),
		"voice": file("a.amr", "audio/amr", []byte("#!AMR\n0123")),
		"video": file("演示.mp4", "video/mp4", []byte("\x00\x00\x00\x18ftypisom")),
		"file":  file("报价.pdf", "application/pdf", []byte("%PDF-1.7")),
		"news": func(r *rig) error {
			return r.a.Hint(r.Context(), lileiRoom, lilei, bridge.Ask{Text: "我的名片\n请扫码", Picture: "https://hutong.example/c/CARD.png"})
		},
		"buttons": func(r *rig) error {
			_, err := r.a.Ask(r.Context(), lileiRoom, "k", bridge.Ask{ID: "link:l1", Text: "王小明 请求与您联系。\n你好", Choices: []bridge.Choice{
				{ID: "accept", Label: "接受", Style: "primary"}, {ID: "decline", Label: "拒绝", Style: "danger"},
			}})
			return err
		},
		"vote": func(r *rig) error {
			_, err := r.a.Ask(r.Context(), lileiRoom, "k", bridge.Ask{ID: "q:1", Text: "哪一天？\n请选择", Choices: choices("一", "二", "三", "四", "五", "六", "日")})
			return err
		},
		"card-update": func(r *rig) error {
			q := bridge.Ask{ID: "link:l1", Text: "王小明 请求与您联系。", Choices: choices("接受", "拒绝")}
			if _, err := r.a.Ask(r.Context(), lileiRoom, "k", q); err != nil {
				return err
			}
			return r.a.Update(r.Context(), lileiRoom, bridge.Opening{Key: "l1", State: bridge.LinkActive})
		},
		"recall":      func(r *rig) error { return r.a.Delete(r.Context(), lileiRoom, r.say("k", "x")) },
		"agent-get":   func(r *rig) error { return r.a.Probe(r.Context()) },
		"user-get":    func(r *rig) error { return r.a.Probe(r.Context()) },
		"menu-get":    func(r *rig) error { return r.a.makeMenu(r.Context()) },
		"menu-create": func(r *rig) error { return r.a.makeMenu(r.Context()) },
		"getuserid": func(r *rig) error {
			_, err := r.a.lookUp(r.Context(), "13800138000")
			return err
		},
		"get-userid-by-email": func(r *rig) error {
			_, err := r.a.lookUp(r.Context(), "lilei@acme.example")
			return err
		},
		"media-get": func(r *rig) error {
			r.SendFile("LiLei", "image", wecomtest.File{Name: "x.png", Type: "image/png", Data: png})
			body, err := r.a.Fetch(r.Context(), bridge.File{Ref: "media-1"})
			if err != nil {
				return err
			}
			return body.Close()
		},
	}
}

// Each request is as in the documents, field by field.
func TestRequests(t *testing.T) {
	for name, do := range requests() {
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join("testdata", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var want sample
			if err := json.Unmarshal(raw, &want); err != nil {
				t.Fatal(err)
			}
			r := newRig(t, wecomtest.Options{})
			r.lobby.language = "zh"
			r.AddUser(wecomtest.User{ID: "LiLei", Mobile: "13800138000", Email: "lilei@acme.example"})
			if err := do(r); err != nil {
				t.Fatal(err)
			}
			all := r.Requests(want.Path)
			if len(all) == 0 {
				t.Fatalf("no request to %s", want.Path)
			}
			got := all[len(all)-1]
			var body any
			if got.Body != "" {
				if err := json.Unmarshal([]byte(got.Body), &body); err != nil {
					t.Fatal(err)
				}
			}
			query := url.Values{}
			for k, v := range want.Query {
				query.Set(k, v)
			}
			if got.Method != want.Method || got.Query.Encode() != query.Encode() || !like(body, want.Body) {
				t.Errorf("%s %s?%s\n%s\nwant %s", got.Method, got.Path, got.Query.Encode(), got.Body, raw)
			}
		})
	}
}

// Uploads say what they are, and keep names in Chinese.
func TestUploads(t *testing.T) {
	big := make([]byte, 11<<20)
	copy(big, "\x89PNG\r\n\x1a\n")
	for name, x := range map[string]struct {
		file bridge.Attachment
		kind string
	}{
		"a picture":         {attachment("合影 1.png", "image/png", append([]byte("\x89PNG\r\n\x1a\n"), 1, 2)), "image"},
		"a large picture":   {attachment("大图.png", "image/png", big), "file"},
		"no picture at all": {attachment("假.png", "image/png", []byte("GIF89a……")), "file"},
		"another picture":   {attachment("动图.gif", "image/gif", []byte("GIF89a……")), "file"},
		"a voice":           {attachment("留言.amr", "audio/amr", []byte("#!AMR\n0123")), "voice"},
		"music":             {attachment("歌.mp3", "audio/mpeg", []byte("ID3……")), "file"},
		"hostile":           {attachment("a\"; filename=b.exe\r\nX: y", "text/plain\r\nX: y", []byte("1234567")), "file"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, wecomtest.Options{})
			if _, err := r.a.Send(t.Context(), lileiRoom, bridge.Draft{Key: "k", Files: []bridge.Attachment{x.file}}); err != nil {
				t.Fatal(err)
			}
			got := r.Inbox("lilei")
			if len(got) != 1 || got[0].Type != x.kind || len(got[0].File.Data) != int(x.file.Size) {
				t.Fatalf("the member sees %d messages, a %s", len(got), got[0].Type)
			}
			if name != "hostile" && got[0].File.Name != x.file.Name {
				t.Errorf("it is called %q", got[0].File.Name)
			}
		})
	}
	r := newRig(t, wecomtest.Options{})
	for name, size := range map[string]int64{"too small": 5, "too large": maxFile + 1} {
		f := attachment(name, "text/plain", nil)
		f.Size = size
		_, err := r.a.Send(t.Context(), lileiRoom, bridge.Draft{Key: "k", Text: "x", Files: []bridge.Attachment{f}})
		if bridge.Judge(err).Verdict != bridge.VerdictPermanent || len(r.seen()) > 0 {
			t.Errorf("%s: %v, %q", name, err, r.seen())
		}
	}
}

// WeCom keeps media for three days. What is gone is gone; a token that has expired is no reason to give up.
func TestFetch(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	r.run()
	r.SendFile("LiLei", "voice", wecomtest.File{Name: "v.amr", Type: "audio/amr", Data: []byte("#!AMR\n0123")})
	e, _ := r.heard(0).(bridge.MessageEvent)
	r.ExpireToken()
	body, err := r.a.Fetch(t.Context(), e.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	_ = body.Close()
	r.Fail(wecomtest.Fault{Path: "/cgi-bin/media/get", Code: -1, Times: 1})
	if _, err := r.a.Fetch(t.Context(), e.Files[0]); bridge.Judge(err).Verdict != bridge.VerdictRetry {
		t.Errorf("a busy network: %v", err)
	}
	r.later(73 * time.Hour)
	if _, err := r.a.Fetch(t.Context(), e.Files[0]); bridge.Judge(err).Verdict != bridge.VerdictPermanent {
		t.Errorf("after three days: %v", err)
	}
}

// Every errcode that sending can give, with its verdict and its words in both languages.
func TestErrcodes(t *testing.T) {
	table := tencent.WeComCodes()
	for _, x := range []struct {
		verdict bridge.Verdict
		codes   []int
	}{
		{bridge.VerdictRetry, []int{-1, 40007}},
		{bridge.VerdictWait, []int{45009, 45033, 40003, 60111, 60011, 81013}},
		{bridge.VerdictLogin, []int{40001, 40013, 40014, 40056, 41001, 41004, 42001, 48002, 60020, 301002}},
		{bridge.VerdictPermanent, []int{40008, 40035, 40058, 40201, 43012, 44004, 45001, 45002, 60123, 82001, 99999}},
	} {
		for _, code := range x.codes {
			for _, language := range []string{"en", "zh"} {
				r := newRig(t, wecomtest.Options{})
				r.lobby.language = language
				r.Fail(wecomtest.Fault{Path: sendPath, Code: code, Msg: "as WeCom words it"})
				_, err := r.a.Send(t.Context(), lileiRoom, bridge.Draft{Key: "k", Text: "你好"})
				words := table.Of(code).En
				if language == "zh" {
					words = table.Of(code).Zh
				}
				if j := bridge.Judge(err); j.Verdict != x.verdict || !strings.HasPrefix(err.Error(), words) {
					t.Errorf("%d: verdict %d, %v; want %d and %q", code, j.Verdict, err, x.verdict, words)
				}
				if j := bridge.Judge(err); slices.Contains(unreachable(), code) && j.Account {
					t.Errorf("%d: one member who cannot be reached stops all others", code)
				}
				r.Calm()
				if id := r.say("k", "你好"); id == "" || len(r.seen()) != 1 {
					t.Errorf("%d: afterwards the member sees %q", code, r.seen())
				}
			}
		}
	}
}

// A token that expires between two messages costs nothing, and is not in the error of one that cannot be had.
func TestTokens(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	r.say("a", "一")
	r.ExpireToken()
	r.say("b", "二")
	r.later(3 * time.Hour)
	r.say("c", "三")
	if n := len(r.AccessTokens()); n != 3 {
		t.Errorf("%d tokens were asked for, want 3", n)
	}
	r.ExpireToken()
	r.Fail(wecomtest.Fault{Path: "/cgi-bin/gettoken", Code: 40001, Msg: "invalid credential"})
	_, err := r.a.Send(t.Context(), lileiRoom, bridge.Draft{Key: "d", Text: "四"})
	var code *tencent.Error
	if bridge.Judge(err).Verdict != bridge.VerdictLogin || !errors.As(err, &code) || regexp.MustCompile(`accesstoken-\d`).MatchString(err.Error()) {
		t.Errorf("%v", err)
	}
	for _, s := range []string{wecomtest.Secret, wecomtest.Token, wecomtest.AESKey} {
		if strings.Contains(err.Error(), s) {
			t.Errorf("a secret in %v", err)
		}
	}
}
