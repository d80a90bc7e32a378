package wechat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/wechat/wechattest"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/tencent"
)

// Parts of pushes at their limits.
func TestEdgesOfPushes(t *testing.T) {
	for at, want := range map[scalar]int64{"": 0, "x": 0, "0": 0, "-1": 0, "7": 7} {
		m := push{CreateTime: at}
		if got := m.at(); got.IsZero() != (want == 0) || want != 0 && got.Unix() != want {
			t.Errorf("%q is %v", at, got)
		}
	}
	for where, known := range map[[2]scalar]bool{
		{"90", "180"}: true, {"-90", "-180"}: true, {"90.1", "0"}: false, {"0", "180.1"}: false, {"0", "-180.1"}: false, {"NaN", "0"}: false, {"0", "x"}: false,
	} {
		m := push{Latitude: where[0], Longitude: where[1], Label: "塔"}
		if got := m.place(); strings.Contains(got, "map.qq.com") != known {
			t.Errorf("%v: %q", where, got)
		}
	}
	for in, want := range map[string]string{
		"https://a.example/x?y=%20": "<https://a.example/x?y=%20>", "https://a.example/?q=<x>": `https\://a.example/?q=\<x\>`,
		"https://a.example/a b": "https://a.example/a b", "weixin://x": "weixin://x", "": "",
	} {
		if got := address(in); strings.HasPrefix(got, "<") != strings.HasPrefix(want, "<") {
			t.Errorf("%q is %q", in, got)
		}
	}
	a := opened(t)
	if m := a.said(&push{}, guest{Name: "told", Remark: "noted"}); m.Name != "told" {
		t.Errorf("called %q", m.Name)
	}
	if j, _ := a.happened(&push{Event: "subscribe"}, guest{Name: "told", Remark: "noted"}).(bridge.Joined); j.Name != "told" {
		t.Errorf("called %q", j.Name)
	}
	for name, taken := range map[string]bool{strings.Repeat("王", maxName): true, strings.Repeat("王", maxName+1): false} {
		if got := introduced("我叫" + name); (got == name) != taken {
			t.Errorf("%q is taken as %q", name, got)
		}
	}
	for field, want := range map[string]int{"thing1": 20, "character_string9": 32, "phrase3": 5, "name2": 10, "time1": 40} {
		for _, n := range []int{want, want + 1} {
			text := strings.Repeat("好", n)
			if got := fitted(field, text); len([]rune(got)) > want && field != "time1" || (got == text) != (n == want || field == "time1") {
				t.Errorf("%s: %d became %q", field, n, got)
			}
		}
	}
}

// What means nothing is counted by kind, of which there may not be too many, and told ever more seldom.
func TestIgnored(t *testing.T) {
	r := newRig(t, wechattest.Options{}, nil)
	r.ignore(t.Context(), &push{MsgType: scalar(strings.Repeat("x", 65))})
	for i := range 2 * ignoredKinds {
		r.ignore(t.Context(), &push{MsgType: scalar(fmt.Sprint("kind", i))})
	}
	if n := len(r.ignored); n != ignoredKinds || r.ignored["other"] != ignoredKinds+2 {
		t.Errorf("%d kinds, %d of others", n, r.ignored["other"])
	}
	for range 6 { // one was there before
		r.ignore(t.Context(), &push{MsgType: "kind0"})
	}
	if n := strings.Count(r.log.String(), "kind=kind0"); n != 3 {
		t.Errorf("7 of a kind are told %d times", n)
	}
}

// inbox is a gateway that does what a test says.
type inbox func(context.Context, bridge.Event) error

func (f inbox) Receive(ctx context.Context, e bridge.Event) error { return f(ctx, e) }

// Run ends after those who store something, and lets them go; nothing is taken afterwards.
func TestEndsWhileStoring(t *testing.T) {
	a := opened(t)
	p := tencent.Push{Body: []byte(`<xml><FromUserName>o1</FromUserName><CreateTime>1</CreateTime><MsgType>text</MsgType><Content>x</Content><MsgId>1</MsgId></xml>`)}
	a.heard.Store(true)
	a.ask = time.Now().Add(time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	storing, stored, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- a.Run(ctx, inbox(func(ctx context.Context, _ bridge.Event) error {
			close(storing)
			<-ctx.Done() // Run's end reaches who stores
			<-stored
			return ctx.Err()
		}))
	}()
	for a.session.Load() == nil {
		<-time.After(time.Millisecond)
	}
	s := a.session.Load()
	taken := make(chan error, 1)
	go func() {
		_, err := a.take(t.Context(), p)
		taken <- err
	}()
	<-storing
	cancel()
	select {
	case err := <-ended:
		ended <- err
		t.Errorf("it ends before: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	close(stored)
	if err := <-taken; !errors.Is(err, context.Canceled) {
		t.Errorf("stored: %v", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
	if _, err := a.take(t.Context(), p); !errors.Is(err, errNotRunning) {
		t.Errorf("afterwards: %v", err)
	}
	a.session.Store(s) // who has just got hold of the session
	if _, err := a.take(t.Context(), p); !errors.Is(err, errNotRunning) {
		t.Errorf("afterwards, with the old session: %v", err)
	}
}

// Many ask for one card's code at once: it is made once.
func TestInviteAtOnce(t *testing.T) {
	r := newRig(t, wechattest.Options{}, nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := r.Invite(t.Context(), bridge.CardID(strings.Repeat("x", maxCard))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(r.server.Requests("/cgi-bin/qrcode/create")); n != 1 {
		t.Errorf("made %d times", n)
	}
}

// answers lets a path answer what the fake never would.
type answers struct {
	next http.RoundTripper
	path string
	body string
}

func (a answers) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path != a.path {
		return a.next.RoundTrip(req)
	}
	if req.Body != nil {
		_, _ = io.Copy(io.Discard, req.Body)
	}
	w := httptest.NewRecorder()
	_, _ = w.WriteString(a.body)
	return w.Result(), nil
}

// An address that nobody can open is not printed, nor kept; an upload without a name is not sent.
func TestOddAnswers(t *testing.T) {
	r := newRig(t, wechattest.Options{}, nil)
	to := r.talker()
	real := r.client.Transport
	r.client.Transport = answers{real, "/cgi-bin/qrcode/create", `{"url":"javascript:alert(1)"}`}
	if got, err := r.Invite(t.Context(), "CARD1"); err == nil || r.state.Contains("javascript") {
		t.Errorf("%q", got)
	}
	r.client.Transport = answers{real, "/cgi-bin/media/upload", `{"type":"image"}`}
	if _, err := r.Send(t.Context(), to, bridge.Draft{Key: "k", Files: []bridge.Attachment{attachment("a.png", "image/png", png())}}); bridge.Judge(err).Verdict != bridge.VerdictRetry {
		t.Errorf("%v", err)
	}
	r.client.Transport = real
}

// What differs between two menus, so that WeChat's is made anew.
func TestSameMenu(t *testing.T) {
	menu := func() []entry {
		return []entry{{Type: "click", Name: "a", Key: "k"}, {Type: "view", Name: "b", URL: "https://a.example"}, {Name: "c", Sub: []entry{{Type: "click", Name: "d", Key: "k"}}}}
	}
	if !same(menu(), menu()) {
		t.Error("a menu differs from itself")
	}
	for name, change := range map[string]func(m []entry){
		"type": func(m []entry) { m[0].Type = "view" }, "name": func(m []entry) { m[0].Name = "x" }, "key": func(m []entry) { m[0].Key = "x" },
		"address": func(m []entry) { m[1].URL = "x" }, "below": func(m []entry) { m[2].Sub[0].Key = "x" }, "nothing below": func(m []entry) { m[2].Sub = nil },
	} {
		m := menu()
		if change(m); same(m, menu()) || same(menu(), m) {
			t.Errorf("another %s is not seen", name)
		}
	}
	if same(menu(), menu()[:2]) {
		t.Error("an entry less is not seen")
	}
}

// A customer's own JSON, sent as a video, is no address of one; files go as what they are up to WeChat's limits.
func TestEdgesOfMedia(t *testing.T) {
	for typ, limit := range map[string]int{"image/png": maxImage, "audio/amr": maxVoice, "video/mp4": maxVideo} {
		for _, size := range []int{limit, limit + 1} {
			r := newRig(t, wechattest.Options{}, nil)
			to := r.talker()
			data := append(png(), make([]byte, size-len(png()))...)
			r.say(to, bridge.Draft{Key: "k", Files: []bridge.Attachment{attachment("a", typ, data)}})
			if got := r.shown(to)[0].Type; (got == "news") != (size > limit) {
				t.Errorf("%s of %d bytes goes as %s", typ, size, got)
			}
		}
	}
	l := &limited{max: 3, stop: func() {}}
	if _, err := l.Write([]byte("abc")); err != nil {
		t.Error(err)
	}
	if _, err := l.Write([]byte("d")); !errors.Is(err, bridge.ErrTooLarge) {
		t.Errorf("too much is taken: %v", err)
	}
	r := newRig(t, wechattest.Options{}, nil)
	r.client.Transport = named{r.client.Transport}
	if got, err := r.fetched(refVideo + "x"); err != nil || string(got) != `{"video_url":"https://a.example/x"}` {
		t.Errorf("%q, %v", got, err)
	}
}

// named answers with a file of JSON, which has a name.
type named struct{ http.RoundTripper }

func (n named) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path != "/cgi-bin/media/get" {
		return n.RoundTripper.RoundTrip(req)
	}
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="a.json"`)
	_, _ = w.WriteString(`{"video_url":"https://a.example/x"}`)
	return w.Result(), nil
}

// A file is found far back in what was said.
func TestLinkFarBack(t *testing.T) {
	r := newRig(t, wechattest.Options{}, nil)
	to := r.talker()
	r.far.Meet(to, bridge.UserID(to))
	d := bridge.Draft{Key: "k", Files: []bridge.Attachment{attachment("a.pdf", "application/pdf", []byte("%PDF"))}}
	ids, err := r.Send(t.Context(), to, d)
	if _, err := r.far.Sent(to, d, ids, err); err != nil {
		t.Fatal(err)
	}
	for i := range 2 * linkPage {
		key := fmt.Sprint("later", i)
		_, _ = r.far.Sent(to, bridge.Draft{Key: key, Text: key}, []bridge.MsgID{bridge.MsgID(key)}, nil)
	}
	if w := r.get(r.shown(to)[0].URL); w.Code != http.StatusOK || w.Body.String() != "%PDF" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// What a customer can open.
func TestPublic(t *testing.T) {
	for url, want := range map[string]bool{
		"https://gw.example": true, "http://203.0.114.7:8420": true, "https://[2400:3200::1]": true, "https://gw.internal": false, "https://gw.local": false, "https://10.0.0.7": false, "https://gw": false, "": false,
	} {
		r := &rig{where: bridge.Company{URL: url}}
		l := linker{adapter: &adapter{env: bridge.Env{Lobby: company{nil, r}}}}
		if got := l.public(); got != want {
			t.Errorf("%q: %v", url, got)
		}
	}
}

// Files of one message, without a text: each is known by itself after trouble, even when the deadline was the trouble;
// what cannot be kept is told as unsure.
func TestFilesHalfSent(t *testing.T) {
	r := newRig(t, wechattest.Options{}, nil)
	to := r.talker()
	d := bridge.Draft{Key: "k", Files: []bridge.Attachment{attachment("a.png", "image/png", png()), attachment("b.png", "image/png", png())}}
	stop := func(then func()) {
		n := 0
		r.server.Fail(func(path string) wechattest.Fault {
			if path != sendPath {
				return wechattest.Fault{}
			}
			if n++; n != 2 {
				return wechattest.Fault{}
			}
			then()
			return wechattest.Fault{Code: 45011}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	stop(cancel)
	if _, err := r.Send(ctx, to, d); err == nil {
		t.Fatal("all was sent")
	}
	r.server.Fail(nil)
	uploads := len(r.server.Requests("/cgi-bin/media/upload"))
	ids, err := r.Send(t.Context(), to, d)
	if err != nil || !slices.Equal(ids, []bridge.MsgID{"k", "k+1"}) || len(r.shown(to)) != 2 {
		t.Errorf("%q, %v; shown %+v", ids, err, r.shown(to))
	}
	if n := len(r.server.Requests("/cgi-bin/media/upload")) - uploads; n != 1 {
		t.Errorf("%d files were brought again", n)
	}
	if r.state.Contains(partKey(to, "")) {
		t.Error("a note of what was sent stays")
	}
	d.Key = "k2"
	stop(func() { r.state.Fail = errors.New("the disk is full") })
	_, err = r.Send(t.Context(), to, d)
	r.state.Fail = nil
	if bridge.Judge(err).Verdict != bridge.VerdictUnsure {
		t.Errorf("what cannot be kept: %v", err)
	}
}

// That it may not be shown that somebody writes is no error, whatever the reason.
func TestTypingNotAllowed(t *testing.T) {
	r := newRig(t, wechattest.Options{}, nil)
	to := r.talker()
	for code, fine := range map[int]bool{40200: true, 45080: true, 45081: true, 45072: false, 48001: false} {
		r.server.Refuse("/cgi-bin/message/custom/typing", code, 1)
		if err := r.Type(t.Context(), to); (err == nil) != fine {
			t.Errorf("%d: %v", code, err)
		}
	}
}
