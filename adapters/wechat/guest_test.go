package wechat

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/wechat/wechattest"
	"github.com/hutong-im/hutong/bridge"
)

// Of two customers who have told their names and got half of a message, the one who is erased leaves nothing, and is
// asked for a name when they come back.
func TestForget(t *testing.T) {
	r := newRig(t, wechattest.Options{}, func(c *Config) { c.AskName = true })
	gone, stays := r.talker(), r.talker()
	for _, room := range []bridge.RoomID{gone, stays} {
		before := len(r.heardAll())
		r.server.Say(string(room), "我叫王小明")
		r.eventually("the name", func() bool { return len(r.heardAll()) > before })
		d := bridge.Draft{Key: "half", Text: "x", Files: []bridge.Attachment{attachment("a.png", "image/png", png())}}
		n := 0
		r.server.Fail(func(path string) wechattest.Fault {
			if path == sendPath {
				n++
			}
			return wechattest.Fault{Code: map[bool]int{true: 45011}[n == 2]}
		})
		if _, err := r.Send(t.Context(), room, d); err == nil {
			t.Fatal("all was sent")
		}
		r.server.Fail(nil)
	}
	for range 2 {
		if err := r.Forget(t.Context(), bridge.Traces{Users: []bridge.UserID{bridge.UserID(gone)}, Rooms: []bridge.RoomID{gone}}); err != nil {
			t.Fatal(err)
		}
	}
	if r.state.Contains(string(gone)) {
		t.Error("something is kept of who was erased")
	}
	for _, key := range []string{guestKey(bridge.UserID(stays)), partKey(stays, "half")} {
		if _, _, err := r.state.Get(t.Context(), key); err != nil {
			t.Errorf("of the other %s is gone: %v", key, err)
		}
	}
	asked := func() int { return strings.Count(textsOf(r.shown(gone)), "怎么称呼您") }
	r.server.Say(string(gone), "你好")
	r.eventually("the question again", func() bool { return asked() == 2 })
}

func textsOf(list []wechattest.Shown) string {
	var out []string
	for _, m := range list {
		out = append(out, m.Text)
	}
	return strings.Join(out, "\n")
}

// Who is erased while something of theirs is being stored is not kept by it anew.
func TestForgetMeanwhile(t *testing.T) {
	r := newRig(t, wechattest.Options{Mode: wechattest.Plain}, func(c *Config) { c.AskName = true })
	openid := r.server.Customer("")
	q, body := r.server.Sealed(openid, 0, fieldsOf("MsgType", "text", "Content", "在吗", "MsgId", "1")...)
	r.hold = make(chan struct{})
	answered, forgotten := make(chan int, 1), make(chan error, 1)
	go func() { answered <- newRecorder(r, http.MethodPost, q.Encode(), string(body)).Code }()
	for r.turn(openid).TryLock() {
		r.turn(openid).Unlock()
		<-time.After(time.Millisecond)
	}
	go func() {
		forgotten <- r.Forget(t.Context(), bridge.Traces{Users: []bridge.UserID{bridge.UserID(openid)}})
	}()
	select {
	case err := <-forgotten:
		forgotten <- err
		t.Error("it does not wait")
	case <-time.After(20 * time.Millisecond):
	}
	close(r.hold)
	if code, err := <-answered, <-forgotten; code != http.StatusOK || err != nil || r.state.Contains(openid) {
		t.Errorf("%d, %v; kept: %v", code, err, r.state.Contains(openid))
	}
}
