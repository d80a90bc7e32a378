package wechat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/wechat/wechattest"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/tencent"
)

// sample is a call as the documents show it.
type sample struct {
	Method string            `json:"method"`
	Path   string            `json:"path"`
	Query  map[string]string `json:"query"`
	Body   any               `json:"body"`
}

// Names, types and order of magnitude of every call are those of the documents' samples.
func TestRequests(t *testing.T) {
	template := "ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY"
	cases := map[string]struct {
		config func(c *Config)
		do     func(r *rig, to bridge.RoomID) error
	}{
		"stable_token": {do: func(r *rig, _ bridge.RoomID) error { return r.Probe(t.Context()) }},
		"text":         {do: sends(bridge.Draft{Text: "Hello 你好 <&>"})},
		"agent": {
			config: func(c *Config) { c.KF = map[string]string{"李雷": "test1@" + wechattest.Account} },
			do:     sends(bridge.Draft{Text: "Hello World", As: bridge.Label{Name: "李雷"}}),
		},
		"image":  {do: sends(bridge.Draft{Files: []bridge.Attachment{attachment("图.png", "image/png", png())}})},
		"upload": {do: sends(bridge.Draft{Files: []bridge.Attachment{attachment("图.png", "image/png", png())}})},
		"voice":  {do: sends(bridge.Draft{Files: []bridge.Attachment{attachment("v.mp3", "audio/mpeg", []byte("ID3"))}})},
		"video":  {do: sends(bridge.Draft{Files: []bridge.Attachment{attachment("片.mp4", "video/mp4", []byte("ftyp"))}})},
		"news":   {do: sends(bridge.Draft{Files: []bridge.Attachment{attachment("报价 1.pdf", "application/pdf", []byte("%PDF"))}})},
		"msgmenu": {do: func(r *rig, to bridge.RoomID) error {
			_, err := r.Ask(t.Context(), to, "k", bridge.Ask{ID: "link:l1", Text: "您对本次服务是否满意呢?", Choices: []bridge.Choice{
				{ID: "accept", Label: "满意"}, {ID: "decline", Label: "不满意"},
			}})
			return err
		}},
		"typing": {do: func(r *rig, to bridge.RoomID) error { return r.Type(t.Context(), to) }},
		"template": {
			config: func(c *Config) {
				c.Notice = Notice{Kind: noticeTemplate, Template: template, URL: "https://acme.example/", Data: map[string]string{"thing1": "{name}给您回了消息，请回复任意内容查看全部消息", "time2": "2026"}}
			},
			do: closes,
		},
		"subscription": {
			config: func(c *Config) {
				c.Notice = Notice{Kind: noticeSubscription, Template: template, URL: "https://acme.example/", Data: map[string]string{"thing1": "{company}有新消息"}}
			},
			do: closes,
		},
		"qr_permanent":  {do: invites},
		"qr_temporary":  {config: func(c *Config) { c.QR = temporary }, do: invites},
		"menu_create":   {config: func(c *Config) { c.Menu = menuOfTests() }, do: nothing},
		"menu_get":      {config: func(c *Config) { c.Menu = menuOfTests() }, do: nothing},
		"user_info":     {do: nothing},
		"callbackip":    {do: func(r *rig, _ bridge.RoomID) error { return r.Probe(t.Context()) }},
		"callbackcheck": {do: func(r *rig, _ bridge.RoomID) error { return r.Probe(t.Context()) }},
		"media_get":     {do: fetches(refImage, "image", "image/jpeg")},
		"media_jssdk":   {do: fetches(refSpeex, "voice", "voice/speex")},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join("testdata", "requests", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			r := newRig(t, wechattest.Options{}, c.config)
			to := r.talker()
			if err := c.do(r, to); err != nil {
				t.Fatal(err)
			}
			var want sample
			decodeSample(t, raw, &want)
			r.eventually("the call "+want.Path, func() bool { return len(r.server.Requests(want.Path)) > 0 })
			all := r.server.Requests(want.Path)
			compare(t, to, want, all[len(all)-1])
		})
	}
	files, _ := filepath.Glob("testdata/requests/*.json")
	if len(files) != len(cases) {
		t.Errorf("%d samples, %d cases", len(files), len(cases))
	}
}

func nothing(*rig, bridge.RoomID) error { return nil }

func sends(d bridge.Draft) func(*rig, bridge.RoomID) error {
	return func(r *rig, to bridge.RoomID) error {
		d.Key = "key"
		_, err := r.Send(r.t.Context(), to, d)
		return err
	}
}

// closes lets WeChat say that the window is closed.
func closes(r *rig, to bridge.RoomID) error {
	r.server.Consent(string(to))
	return r.notice(to)
}

func invites(r *rig, _ bridge.RoomID) error {
	_, err := r.Invite(r.t.Context(), "CARD234567ABCDEF")
	return err
}

func fetches(ref, kind, typ string) func(*rig, bridge.RoomID) error {
	return func(r *rig, _ bridge.RoomID) error {
		id := r.server.Keep(kind, typ, []byte("data"))
		body, err := r.Fetch(r.t.Context(), bridge.File{Ref: ref + id})
		if err == nil {
			err = body.Close()
		}
		return err
	}
}

func menuOfTests() []Button {
	return []Button{
		{Name: "联系我们", Buttons: []Item{{Name: "人工客服", Key: keyHuman}, {Name: "我的联系人", Key: keyContacts}}},
		{Name: "官网", URL: "https://acme.example/"},
	}
}

func decodeSample(t *testing.T, raw []byte, v any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(v); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
}

// made are what differs each time: ids of media, sealed ids of buttons and addresses.
var made = regexp.MustCompile(`MEDIA-[0-9A-Z]+|file/[\w-]{80,}/|"[\w-]{60,}"`)

func compare(t *testing.T, to bridge.RoomID, want sample, got wechattest.Request) {
	t.Helper()
	fixed := func(s string) string {
		s = strings.ReplaceAll(s, string(to), "OPENID")
		return made.ReplaceAllStringFunc(s, func(m string) string {
			switch m[0] {
			case 'M':
				return "MEDIA_ID"
			case 'f':
				return "file/SEALED/"
			}
			return `"SEALED"`
		})
	}
	if got.Method != want.Method {
		t.Errorf("%s, want %s", got.Method, want.Method)
	}
	query := map[string]string{}
	for k, v := range got.Query {
		query[k] = fixed(strings.Join(v, "|"))
	}
	if len(query)+len(want.Query) > 0 && !reflect.DeepEqual(query, want.Query) {
		t.Errorf("query %v, want %v", query, want.Query)
	}
	if want.Body == nil {
		if got.Method == http.MethodGet && len(got.Body) > 0 {
			t.Errorf("a body: %s", got.Body)
		}
		return
	}
	var body any
	decodeSample(t, []byte(fixed(string(got.Body))), &body)
	if !reflect.DeepEqual(body, want.Body) {
		t.Errorf("it is   %#v\nwant    %#v\nin full %s", body, want.Body, got.Body)
	}
}

func TestTextIsNoLink(t *testing.T) {
	r := newRig(t, wechattest.Options{}, nil)
	to := r.talker()
	for _, s := range []string{
		`<a href="weixin://bizmsgmenu?msgmenucontent=yes&msgmenuid=1">tap</a>`, "<A\nhref=x>y</A >", "a < b <abc> & <b>",
	} {
		r.say(to, bridge.Draft{Text: s})
		list := r.shown(to)
		if got := strings.ReplaceAll(list[len(list)-1].Text, "\u2060", ""); got != s {
			t.Errorf("%q is shown as %q", s, got)
		}
	}
}

// What is too long is not even tried: WeChat's own limit may be another.
func TestTooLong(t *testing.T) {
	r := newRig(t, wechattest.Options{}, func(c *Config) { c.MaxText = 300 })
	to := r.talker()
	r.say(to, bridge.Draft{Text: strings.Repeat("汉", 100)})
	for _, text := range []string{strings.Repeat("汉", 101), strings.Repeat("a", 298) + "<a "} {
		_, err := r.Send(t.Context(), to, bridge.Draft{Key: "k", Text: text})
		if bridge.Judge(err).Verdict != bridge.VerdictPermanent || !strings.Contains(err.Error(), "消息过长") || len(r.server.Requests(sendPath)) != 1 {
			t.Errorf("%d bytes: %v, %d calls", len(text), err, len(r.server.Requests(sendPath)))
		}
	}
}

// A text that is just short enough goes in two messages when what makes it harmless, 3 bytes a time, makes it too long.
func TestHarmlessButTooLong(t *testing.T) {
	r := newRig(t, wechattest.Options{}, func(c *Config) { c.MaxText = 300 })
	to := r.talker()
	d := bridge.Draft{Key: "k", Text: strings.Repeat("a", 250) + "\n" + strings.Repeat("<a b", 12) + "z"}
	r.server.Fail(func() func(string) wechattest.Fault {
		n := 0
		return func(path string) wechattest.Fault {
			if path == sendPath {
				n++
			}
			return wechattest.Fault{Code: map[bool]int{true: 45011}[n == 2]}
		}
	}())
	if _, err := r.Send(t.Context(), to, d); bridge.Judge(err).Verdict != bridge.VerdictWait {
		t.Fatalf("the second half: %v", err)
	}
	r.server.Fail(nil)
	ids, err := r.Send(t.Context(), to, d)
	if err != nil || !slices.Equal(ids, []bridge.MsgID{"k", "k+1"}) {
		t.Errorf("%q, %v", ids, err)
	}
	if got := strings.ReplaceAll(textsOf(r.shown(to)), "\u2060", ""); got != d.Text || len(r.shown(to)) != 2 {
		t.Errorf("shown as %q", got)
	}
}

// Every code has its verdict and its words, and none lets a secret or an address through.
func TestCodes(t *testing.T) {
	verdicts := map[bridge.Verdict][]int{
		bridge.VerdictRetry:  {-1, 40007},
		bridge.VerdictWait:   {45009, 45011},
		bridge.VerdictClosed: {45015, 45047, 45048},
		bridge.VerdictLogin:  {40001, 40013, 40014, 40125, 40164, 41001, 42001, 48001, 48004},
		bridge.VerdictPermanent: {
			40003, 40004, 40005, 40006, 40008, 40009, 40010, 40011, 40012, 40015, 40016, 40017, 40018, 40019, 40020, 40023, 40024, 40025,
			40026, 40027, 40036, 40037, 40054, 40055, 40200, 43004, 43019, 43101, 43116, 44004, 45001, 45002, 45006, 45007, 45008, 45010,
			45029, 45072, 45080, 45081, 46004, 47001, 47003, 48002, 50001, 50002, 50005, 61451, 61452, 65400, 65408, 65416,
			99999, // one that nobody has listed
		},
	}
	known := 0
	for _, language := range []string{"en", "zh"} {
		r := newRig(t, wechattest.Options{}, nil)
		r.where.Language = language
		to := r.talker()
		for verdict, list := range verdicts {
			for _, code := range list {
				r.server.Fail(func(path string) wechattest.Fault {
					if path == sendPath {
						return wechattest.Fault{Code: code}
					}
					return wechattest.Fault{}
				})
				_, err := r.Send(t.Context(), to, bridge.Draft{Key: "k", Text: "x"})
				if got := bridge.Judge(err).Verdict; got != verdict {
					t.Errorf("%d: verdict %d, want %d: %v", code, got, verdict, err)
				}
				words := codes().Of(code).En
				if language == "zh" {
					words = codes().Of(code).Zh
				}
				if words == "" || err == nil || !strings.HasPrefix(err.Error(), words) {
					t.Errorf("%d: %v, want it to begin %q", code, err, words)
				}
				r.noSecrets(fmt.Sprint(err))
				known++
			}
		}
	}
	for code := range codes() {
		if code < 65400 || code > 65416 {
			known -= 2
		}
	}
	if known != 2*4 { // 99999 and three of the seventeen from 65400
		t.Errorf("the table and this test differ by %d codes", known/2-4)
	}
}

func TestAddressNotAllowed(t *testing.T) {
	r := newRig(t, wechattest.Options{}, nil)
	r.server.Allow(false)
	err := r.Probe(t.Context())
	if err == nil || bridge.Judge(err).Verdict != bridge.VerdictLogin || !strings.Contains(err.Error(), "本机 IP 203.0.113.7 未在白名单中") {
		t.Errorf("probe: %v", err)
	}
	r.where.Language = "en"
	if err := r.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "address 203.0.113.7 is not allowed") {
		t.Errorf("probe: %v", err)
	}
}

func TestProbe(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"wrong secret": {func(c *Config) { c.Secret = bridge.MakeSecret("ffffffffffffffffffffffffffffffff") }, "AppSecret 错误"},
		"wrong AppID":  {func(c *Config) { c.AppID = "wx0000000000000000" }, "AppID 错误"},
	} {
		r := newRig(t, wechattest.Options{}, c.change)
		err := r.Probe(t.Context())
		if err == nil || bridge.Judge(err).Verdict != bridge.VerdictLogin || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		r.noSecrets(fmt.Sprint(err))
	}
	r := newRig(t, wechattest.Options{}, nil)
	if err := r.Probe(t.Context()); err != nil {
		t.Error(err)
	}
	r.server.HasCallback(false)
	if err := r.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), gateway+"/hook/wx") {
		t.Errorf("without a callback: %v", err)
	}
}

func TestTokenExpires(t *testing.T) {
	r := newRig(t, wechattest.Options{}, nil)
	to := r.talker()
	r.say(to, bridge.Draft{Text: "one"})
	asked := r.server.Tokens()
	r.server.ExpireToken()
	r.say(to, bridge.Draft{Text: "two"})
	if list := r.shown(to); len(list) != 2 || r.server.Tokens() != asked+1 {
		t.Errorf("%d messages, %d tokens, then %d", len(list), asked, r.server.Tokens())
	}
}

// What was shown of a draft is not shown again, and nothing is shown of a draft whose file cannot go.
func TestParts(t *testing.T) {
	r := newRig(t, wechattest.Options{Messages: 2}, nil)
	to := r.talker()
	d := bridge.Draft{Key: "k1", Text: "请看", Files: []bridge.Attachment{attachment("图.png", "image/png", png())}}
	r.say(to, bridge.Draft{Text: "一"})
	_, err := r.Send(t.Context(), to, d)
	if bridge.Judge(err).Verdict != bridge.VerdictClosed || len(r.shown(to)) != 2 {
		t.Fatalf("%v after %+v", err, r.shown(to))
	}
	r.server.Say(string(to), "继续")
	ids, err := r.Send(t.Context(), to, d)
	if err != nil || len(ids) != 2 || ids[0] == ids[1] {
		t.Fatalf("%q, %v", ids, err)
	}
	if list := r.shown(to); len(list) != 3 || list[1].Text != "请看" || list[2].Type != "image" {
		t.Errorf("shown: %+v", list)
	}
	r.server.Refuse("/cgi-bin/media/upload", -1, 1)
	d.Key = "k2"
	if _, err := r.Send(t.Context(), to, d); bridge.Judge(err).Verdict != bridge.VerdictRetry || len(r.shown(to)) != 3 {
		t.Errorf("%v after %+v", err, r.shown(to))
	}
}

// The customer is asked to write where config says how. When is for the gateway to say.
func TestNotice(t *testing.T) {
	quiet := newRig(t, wechattest.Options{}, nil)
	if err := quiet.notice(quiet.talker()); err != nil || len(quiet.server.Requests("/cgi-bin/message/template/send")) > 0 {
		t.Errorf("without a notice in config: %v", err)
	}
	r := newRig(t, wechattest.Options{}, func(c *Config) {
		c.Notice.Template = "ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY"
		c.Notice.Data = map[string]string{"thing1": "{company}的{name}给您留言了", "time2": "{time}", "phrase3": "等待您的回复"}
	})
	to := r.talker()
	r.where.Zone = time.FixedZone("far", 9*60*60+1800)
	if err := r.notice(to); err != nil {
		t.Fatal(err)
	}
	list := r.server.Notices()
	if at, err := time.ParseInLocation("2006-01-02 15:04", list[0].Data["time2"], r.where.Zone); err != nil || time.Since(at).Abs() > 2*time.Minute {
		t.Errorf("the hour is %q, %v", list[0].Data["time2"], err)
	}
	if len(list) != 1 || list[0].To != string(to) || list[0].Data["thing1"] != "ACME的李雷给您留言了" || list[0].Data["phrase3"] != "等待您的…" {
		t.Fatalf("%+v", list)
	}
	for code, again := range map[int]bool{40037: false, -1: true} { // what WeChat will never take is told to the operator
		r.server.Refuse("/cgi-bin/message/template/send", code, 1)
		if err := r.notice(to); (err != nil) != again {
			t.Errorf("errcode %d: %v", code, err)
		}
		if code == 40037 {
			if w := strings.Join(r.Warnings(), "\n"); !strings.Contains(w, "通知模板不属于此公众号") {
				t.Errorf("warnings: %s", w)
			}
		}
	}
}

func (r *rig) notice(to bridge.RoomID) error {
	return r.Notice(r.t.Context(), to, bridge.Label{Name: "李雷"})
}

// An account without menus asks in words.
func TestAskInWords(t *testing.T) {
	r := newRig(t, wechattest.Options{}, nil)
	to := r.talker()
	r.server.Refuse(sendPath, 40200, 1)
	q := bridge.Ask{ID: "link:l1", Text: "好吗", Choices: []bridge.Choice{{ID: "y", Label: "好"}, {ID: "n", Label: "不好"}}}
	if _, err := r.Ask(t.Context(), to, "k", q); err != nil {
		t.Fatal(err)
	}
	if list := r.shown(to); len(list) != 1 || list[0].Type != "text" || list[0].Text != "好吗\n· 好\n· 不好" {
		t.Errorf("%+v", list)
	}
}

// A button works for the customer who was asked, and nobody makes one up.
func TestForgedButton(t *testing.T) {
	r := newRig(t, wechattest.Options{}, nil)
	to, other := r.talker(), r.talker()
	if _, err := r.Ask(t.Context(), to, "k", bridge.Ask{ID: "link:l1", Text: "?", Choices: []bridge.Choice{{ID: "accept", Label: "好"}}}); err != nil {
		t.Fatal(err)
	}
	id := r.shown(to)[0].Options[0].ID
	for _, c := range []struct {
		who bridge.RoomID
		id  string
	}{{other, id}, {to, id[:len(id)-2] + "xx"}, {to, "101"}} {
		before := len(r.heardAll())
		r.server.Message(string(c.who), "text", wechattest.Field{Name: "Content", Value: "好"}, wechattest.Field{Name: "bizmsgmenuid", Value: c.id})
		r.eventually("the press", func() bool { return len(r.heardAll()) > before })
		if m, ok := r.heardAll()[before].(bridge.MessageEvent); !ok || m.Text != "好" {
			t.Errorf("%s by %s: %+v", c.id, c.who, r.heardAll()[before])
		}
	}
}

func TestTypingIsNoError(t *testing.T) {
	r := newRig(t, wechattest.Options{}, nil)
	to := r.talker()
	for range 2 { // the second is 45081
		if err := r.Type(t.Context(), to); err != nil {
			t.Error(err)
		}
	}
	if n := r.server.Typed(string(to)); n != 1 {
		t.Errorf("seen %d times", n)
	}
	r.server.Refuse("/cgi-bin/message/custom/typing", 45072, 1)
	err := r.Type(t.Context(), to)
	if e, refused := errors.AsType[*tencent.Error](err); !refused || e.Code != 45072 {
		t.Errorf("a wrong command: %v", err)
	}
}
