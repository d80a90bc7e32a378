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
		"no articles":          {"message/send", `{"touser":"lilei","msgtype":"news","agentid":1000002,"news":{"articles":[]}}`, 40058, ""},
		"an unknown recall":    {"message/recall", `{"msgid":"x"}`, 40058, ""},
		"a response code":      {"message/update_template_card", `{"userids":["lilei"],"agentid":1000002,"response_code":"x","button":{"replace_name":"好"}}`, 41063, ""},
		"no agent":             {"menu/create", `{"button":[]}`, 40056, ""},
	} {
		c := newCaller(t)
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
