package wecomtest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// caller calls a server's API as anybody might.
type caller struct {
	t     *testing.T
	s     *Server
	token string
}

func newCaller(t *testing.T) *caller {
	t.Helper()
	s := New(Options{Pause: time.Millisecond})
	t.Cleanup(s.Close)
	s.SetHook("http://127.0.0.1:1/")
	s.AddUser(User{ID: "LiLei"})
	c := &caller{t: t, s: s}
	c.token, _ = c.call("GET", "gettoken?corpid="+CorpID+"&corpsecret="+Secret, "")["access_token"].(string)
	return c
}

func (c *caller) call(method, path, body string) map[string]any {
	c.t.Helper()
	req := httptest.NewRequest(method, "/cgi-bin/"+path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	c.s.Handler().ServeHTTP(w, req)
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != http.StatusOK {
		c.t.Fatalf("%d %s", w.Code, w.Body)
	}
	return out
}

func (c *caller) post(path, body string) int {
	c.t.Helper()
	code, _ := c.call("POST", path+"?access_token="+c.token, body)["errcode"].(float64)
	return int(code)
}

// What WeCom refuses is refused, with its code; what it would let pass is complained of.
func TestStrict(t *testing.T) {
	long := strings.Repeat("x", maxText+1)
	card := func(more string) string {
		return `{"touser":"lilei","msgtype":"template_card","agentid":1000002,"template_card":{"card_type":"button_interaction",` + more + `}}`
	}
	textCard := func(more string) string {
		return `{"touser":"lilei","msgtype":"textcard","agentid":1000002,"textcard":{` + more + `}}`
	}
	mpnews := func(more string) string {
		return `{"touser":"lilei","msgtype":"mpnews","agentid":1000002,"mpnews":{"articles":[{` + more + `}]}}`
	}
	for name, x := range map[string]struct {
		path, body string
		code       int
		complaint  string
	}{
		"good":                 {"message/send", `{"touser":"lilei","msgtype":"text","agentid":1000002,"text":{"content":"好"}}`, 0, ""},
		"a string as a number": {"message/send", `{"touser":"lilei","msgtype":"text","agentid":"1000002","text":{"content":"好"}}`, 40058, ""},
		"no JSON":              {"message/send", `{`, 47001, ""},
		"another agent":        {"message/send", `{"touser":"lilei","msgtype":"text","agentid":1,"text":{"content":"好"}}`, 40056, ""},
		"no receiver":          {"message/send", `{"msgtype":"text","agentid":1000002,"text":{"content":"好"}}`, 82001, ""},
		"an unknown receiver":  {"message/send", `{"touser":"x","msgtype":"text","agentid":1000002,"text":{"content":"好"}}`, 81013, ""},
		"no text":              {"message/send", `{"touser":"lilei","msgtype":"text","agentid":1000002,"text":{"content":""}}`, 44004, ""},
		"an unknown type":      {"message/send", `{"touser":"lilei","msgtype":"fax","agentid":1000002}`, 40008, ""},
		"a wrong medium":       {"message/send", `{"touser":"lilei","msgtype":"image","agentid":1000002,"image":{"media_id":"x"}}`, 40007, ""},
		"an interval":          {"message/send", `{"touser":"lilei","msgtype":"text","agentid":1000002,"text":{"content":"好"},"duplicate_check_interval":14401}`, 40058, ""},
		"an unknown field":     {"message/send", `{"touser":"lilei","msgtype":"text","agentid":1000002,"text":{"content":"好"},"to":1}`, 0, "unknown field"},
		"a null":               {"message/send", `{"touser":"lilei","toparty":null,"msgtype":"text","agentid":1000002,"text":{"content":"好"}}`, 0, "a null"},
		"escaped":              {"message/send", `{"touser":"lilei","msgtype":"text","agentid":1000002,"text":{"content":"\u597d"}}`, 0, "escaped"},
		"too long":             {"message/send", `{"touser":"lilei","msgtype":"text","agentid":1000002,"text":{"content":"` + long + `"}}`, 0, "2049 bytes"},
		"a bad task":           {"message/send", card(`"task_id":"a b","main_title":{"title":"x"},"button_list":[{"text":"a","key":"b"}]`), 42014, ""},
		"no buttons":           {"message/send", card(`"task_id":"a","main_title":{"title":"x"},"button_list":[]`), 40058, ""},
		"no title":             {"message/send", card(`"task_id":"a","button_list":[{"text":"a","key":"b"}]`), 40058, ""},
		"a wide button":        {"message/send", card(`"task_id":"a","main_title":{"title":"x"},"button_list":[{"text":"一二三四五六七八九十一","key":"b"}]`), 0, "more than 10"},
		"a text card":          {"message/send", `{"touser":"lilei","msgtype":"textcard","agentid":1000002,"textcard":{"title":"a","description":"b","url":""}}`, 40058, ""},
		"a script":             {"message/send", textCard(`"title":"a","description":"b","url":"javascript:x"`), 40058, ""},
		"a long address":       {"message/send", textCard(`"title":"a","description":"b","url":"https://a.example/` + long + `"`), 40058, ""},
		"a text card's limits": {"message/send", textCard(`"title":"` + long[:128] + `","description":"` + long[:512] + `","url":"https://a.example","btntxt":"打开地图"`), 0, ""},
		"a long title":         {"message/send", textCard(`"title":"` + long[:129] + `","description":"b","url":"https://a.example"`), 0, "129 characters"},
		"a long description":   {"message/send", textCard(`"title":"a","description":"` + long[:513] + `","url":"https://a.example"`), 0, "513 characters"},
		"a long button":        {"message/send", textCard(`"title":"a","description":"b","url":"https://a.example","btntxt":"打开地图吧"`), 0, "5 characters"},
		"another tag":          {"message/send", textCard(`"title":"a","description":"<b>b</b>","url":"https://a.example"`), 0, "not documented"},
		"another class":        {"message/send", textCard(`"title":"a","description":"<div class=\"red\">b</div>","url":"https://a.example"`), 0, "not documented"},
		"a field too many":     {"message/send", textCard(`"title":"a","description":"b","url":"https://a.example","picurl":"x"`), 0, "unknown field"},
		"no pages":             {"message/send", `{"touser":"lilei","msgtype":"mpnews","agentid":1000002,"mpnews":{"articles":[]}}`, 40058, ""},
		"a page of no picture": {"message/send", mpnews(`"title":"a","content":"b"`), 40058, ""},
		"a wrong picture":      {"message/send", mpnews(`"title":"a","content":"b","thumb_media_id":"x"`), 40007, ""},
		"a voice as a picture": {"message/send", mpnews(`"title":"a","content":"b","thumb_media_id":"media-v"`), 40007, ""},
		"a page":               {"message/send", mpnews(`"title":"a","content":"<p>b &lt;</p>","digest":"c","author":"d","thumb_media_id":"media-p"`), 0, ""},
		"a page too long":      {"message/send", mpnews(`"title":"a","content":"` + strings.Repeat("x", 666_001) + `","thumb_media_id":"media-p"`), 45002, ""},
		"a page's long title":  {"message/send", mpnews(`"title":"` + long[:129] + `","content":"<p>b</p>","thumb_media_id":"media-p"`), 0, "129, 0 and 0"},
		"a page's long digest": {"message/send", mpnews(`"title":"a","digest":"` + long[:513] + `","content":"<p>b</p>","thumb_media_id":"media-p"`), 0, "1, 513 and 0"},
		"a page's title's tag": {"message/send", mpnews(`"title":"<b>a","content":"<p>b</p>","thumb_media_id":"media-p"`), 0, "HTML"},
		"a page's tag":         {"message/send", mpnews(`"title":"a","content":"<p><img src=x></p>","thumb_media_id":"media-p"`), 0, "not escaped"},
		"a page's loose text":  {"message/send", mpnews(`"title":"a","content":"<p>b</p>c","thumb_media_id":"media-p"`), 0, "outside its paragraphs"},
		"a safe text":          {"message/send", `{"touser":"lilei","msgtype":"text","agentid":1000002,"text":{"content":"好"},"safe":1}`, 0, ""},
		"a safer text":         {"message/send", `{"touser":"lilei","msgtype":"text","agentid":1000002,"text":{"content":"好"},"safe":2}`, 40058, ""},
		"a safe markdown":      {"message/send", `{"touser":"lilei","msgtype":"markdown","agentid":1000002,"markdown":{"content":"好"},"safe":1}`, 40058, ""},
		"no articles":          {"message/send", `{"touser":"lilei","msgtype":"news","agentid":1000002,"news":{"articles":[]}}`, 40058, ""},
		"an unknown recall":    {"message/recall", `{"msgid":"x"}`, 40058, ""},
		"a response code":      {"message/update_template_card", `{"userids":["lilei"],"agentid":1000002,"response_code":"x","button":{"replace_name":"好"}}`, 41063, ""},
		"no agent":             {"menu/create", `{"button":[]}`, 40056, ""},
	} {
		c := newCaller(t)
		for id, kind := range map[string]string{"media-p": "image", "media-v": "voice"} {
			c.s.media[id] = &medium{kind: kind, at: c.s.now()}
		}
		if code := c.post(x.path, x.body); code != x.code {
			t.Errorf("%s: errcode %d, want %d", name, code, x.code)
		}
		all := strings.Join(c.s.Complaints(), "\n")
		if (x.complaint == "") != (all == "") || !strings.Contains(all, x.complaint) {
			t.Errorf("%s: complaints %q, want %q", name, all, x.complaint)
		}
	}
}

// A response code is good once, and changes the card.
func TestUpdateOnce(t *testing.T) {
	c := newCaller(t)
	sent := c.call("POST", "message/send?access_token="+c.token, `{"touser":"lilei","msgtype":"template_card","agentid":1000002,"template_card":`+
		`{"card_type":"button_interaction","task_id":"a","main_title":{"title":"x"},"button_list":[{"text":"a","key":"b"}]}}`)
	code, _ := sent["response_code"].(string)
	body := `{"userids":["lilei"],"agentid":1000002,"response_code":"` + code + `","button":{"replace_name":"已处理"}}`
	if n := c.post("message/update_template_card", body); n != 0 || c.s.Inbox("lilei")[0].Card.Replaced != "已处理" {
		t.Errorf("errcode %d: %+v", n, c.s.Inbox("lilei")[0].Card)
	}
	if n := c.post("message/update_template_card", body); n != 41063 {
		t.Errorf("the second time: errcode %d", n)
	}
	if c.s.Press("lilei", "a", "a") {
		t.Error("a button that is gone can be pressed")
	}
}

// Tokens are wanted, must be the newest, and end.
func TestTokens(t *testing.T) {
	c := newCaller(t)
	send := `{"touser":"lilei","msgtype":"text","agentid":1000002,"text":{"content":"好"}}`
	for name, x := range map[string]struct {
		token string
		code  float64
	}{"missing": {"", 41001}, "wrong": {"x", 40014}} {
		if got := c.call("POST", "message/send?access_token="+x.token, send)["errcode"]; got != x.code {
			t.Errorf("%s: %v", name, got)
		}
	}
	c.s.Advance(tokenLife)
	if code := c.post("message/send", send); code != 42001 {
		t.Errorf("expired: %d", code)
	}
	if got := c.call("GET", "message/send?access_token="+c.token, "")["errcode"]; got != float64(43001) {
		t.Errorf("GET: %v", got)
	}
}

// A push that nobody answers is made three times.
func TestGivesUp(t *testing.T) {
	c := newCaller(t)
	tries := make(chan struct{}, 10)
	c.s.SetHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		tries <- struct{}{}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	c.s.Say("LiLei", "在吗")
	if !Wait(5*time.Second, func() bool { return c.s.Lost() == 1 }) || len(tries) != Tries {
		t.Errorf("%d tries, %d lost", len(tries), c.s.Lost())
	}
}

// A member reads what is documented of markdown, and whatever else any client might make of it is told.
func TestReadMarkdown(t *testing.T) {
	text, marks := ReadMarkdown("# 一\n> **二** `三` [四](https://a.example)\n<@x> <font color=\"info\">五</font> &lt; *六*\n---\n\t七")
	want := []string{"heading", "quote", "code 三", "link 四 https://a.example", "bold 二", "mention @x", `tag font color="info"`, "tag /font", "italic 六", "letters", "underline ---", "code block \t七"}
	for i, w := range want {
		if i >= len(marks) || !strings.HasPrefix(marks[i], w) {
			t.Fatalf("%q, want %q", marks, want)
		}
	}
	if len(marks) != len(want) || !strings.HasPrefix(text, "一\n二 三 四\n") {
		t.Errorf("%q, %q", text, marks)
	}
}
