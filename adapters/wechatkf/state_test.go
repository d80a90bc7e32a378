package wechatkf

import (
	"slices"
	"strings"
	"testing"

	"github.com/hutong-im/hutong/adapters/wechatkf/wechatkftest"
	"github.com/hutong-im/hutong/bridge"
)

const stays = "wmStays"

// Of two customers, each with a name, a servicer in WeCom and half of a message, the one who is erased leaves nothing:
// they are found by who they are, whatever chats the gateway knows.
func TestForget(t *testing.T) {
	for name, gone := range map[string]bridge.Traces{
		"by user": {Users: []bridge.UserID{customer}},
		"by both": {Users: []bridge.UserID{customer}, Rooms: []bridge.RoomID{roomOf(account, customer)}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, wechatkftest.Options{})
			a := r.start()
			for _, who := range []string{customer, stays} {
				r.traces(who)
			}
			a.giveCode(roomOf(account, customer), code{"c", a.env.Now().Add(codeLife)})
			for range 2 {
				if err := a.Forget(t.Context(), gone); err != nil {
					t.Fatal(err)
				}
			}
			keys, err := r.state.List(t.Context(), "", "", 1000)
			if err != nil {
				t.Fatal(err)
			}
			theirs := func(who string) (n int) {
				for _, k := range keys {
					if strings.Contains(k, who) {
						n++
					}
				}
				return n
			}
			if theirs(customer) != 0 || theirs(stays) != 3 {
				t.Errorf("kept: %q", keys)
			}
			if !slices.Contains(a.Warnings(), "有 1 个会话正由企业微信中的人员接待，这里无法向这些客户发送；请将客服帐号的接待方式设为由 API 接待，或结束这些会话") {
				t.Errorf("the operator reads %q", a.Warnings())
			}
			if _, ok := a.takeCode(roomOf(account, customer)); ok {
				t.Error("their code is known still")
			}
		})
	}
}

// A chat that somebody else may be in, but nobody who is erased, is forgotten by its name alone.
func TestForgetRoom(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	a := r.start()
	r.traces(customer)
	if err := a.Forget(t.Context(), bridge.Traces{Rooms: []bridge.RoomID{roomOf(account, customer)}}); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{seatPrefix, partPrefix} {
		if keys, err := r.state.List(t.Context(), prefix, "", 10); err != nil || len(keys) > 0 {
			t.Errorf("kept: %q, %v", keys, err)
		}
	}
}

// traces lets a customer leave every kind of trace.
func (r *rig) traces(who string) {
	r.t.Helper()
	room := roomOf(account, who)
	id := r.Say(account, who, "你好")
	await(r, func(m bridge.MessageEvent) bool { return string(m.Msg) == id })
	r.Fail(sendPath, wechatkftest.Fault{Times: 1}) // nothing happens to the text
	r.Fail(sendPath, wechatkftest.Fault{Code: 45009, Msg: "limited", Times: 1})
	d := bridge.Draft{Key: "half", Text: "x", Files: []bridge.Attachment{attach("a.txt", "text/plain", []byte("hello!"))}}
	if _, err := r.adapter.Send(r.t.Context(), room, d); err == nil {
		r.t.Fatal("all was sent")
	}
	r.Take(account, who, "zhangsan")
	r.until("the seat", func() bool {
		_, _, err := r.state.Get(r.t.Context(), seatPrefix+string(room))
		return err == nil
	})
}
