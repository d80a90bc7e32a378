package telegram

import (
	"slices"
	"strings"
	"testing"

	"github.com/hutong-im/hutong/adapters/telegram/telegramtest"
	"github.com/hutong-im/hutong/bridge"
)

// What a client makes up, what is pressed twice, what another was asked and what the gateway refuses: each press is
// answered, and only the real one counts.
func TestPresses(t *testing.T) {
	r := newRig(t, modePoll)
	r.Started(zhang)
	other := telegramtest.User{ID: 43, Name: "李四"}
	r.Started(other)
	r.run()
	q := bridge.Ask{ID: "link:l1", Text: "*王小明* 请求与您联系", Picture: "https://acme.example/qr/x.png", Choices: []bridge.Choice{
		{ID: "accept", Label: "接受"}, {ID: "decline", Label: "拒绝"},
	}}
	asker, _ := r.adapter.(bridge.Asker)
	got, err := asker.Ask(t.Context(), "42", strings.Repeat("long-key-", 10), q)
	if err != nil {
		t.Fatal(err)
	}
	msg := num(got[0])
	shown := func() telegramtest.Message {
		list := r.Messages(42)
		return list[len(list)-1]
	}
	if m := shown(); m.Text != "*王小明* 请求与您联系\nhttps://acme.example/qr/x.png" || len(m.Buttons) != 2 || m.Buttons[1].Text != "拒绝" {
		t.Fatalf("the question reads %+v", m)
	}
	genuine := shown().Buttons[0].Data
	r.refused(bridge.ErrRefused)
	r.Server.Press(42, msg, genuine)
	eventually(t, "the refusal", func() bool { return slices.Equal(r.Toasts(), []string{english.notYours}) })
	r.refused(nil)
	for i, data := range []string{"0", "", "x/0", strings.TrimSuffix(genuine, "0") + "2", strings.TrimSuffix(genuine, "0") + "-1"} {
		r.Server.Press(42, msg, data)
		eventually(t, "the answer to "+data, func() bool { return len(r.Toasts()) == 2+i })
	}
	theirs := r.Say(telegramtest.Said{User: other, Text: "hi"})
	r.Server.Press(43, theirs, genuine)
	eventually(t, "the answer to somebody else", func() bool { return len(r.Toasts()) == 7 })
	r.Server.Press(42, msg, genuine)
	eventually(t, "what was chosen", func() bool { return strings.HasSuffix(shown().Text, "✔ 接受") && len(shown().Buttons) == 0 })
	r.Server.Press(42, msg, genuine)
	eventually(t, "the second press", func() bool { return len(r.Toasts()) == 9 })
	var answers []bridge.Answered
	for _, e := range r.all() {
		if a, ok := e.(bridge.Answered); ok {
			answers = append(answers, a)
		}
	}
	if len(answers) != 1 || answers[0].Ask != q.ID || answers[0].Choice != "accept" || answers[0].User != "42" || answers[0].Room != "42" {
		t.Errorf("answers = %+v", answers)
	}
	r.Block(43, true)
	for _, room := range []bridge.RoomID{"nowhere", "43"} {
		if _, err := asker.Ask(t.Context(), room, "k", q); bridge.Judge(err).Verdict != bridge.VerdictPermanent {
			t.Errorf("a question to %s: %v", room, err)
		}
	}
	if keys, err := r.state.List(t.Context(), "asked/", "", 9); err != nil || len(keys) > 0 {
		t.Errorf("left: %q, %v", keys, err)
	}
}

// A question in the chat of a business account is answered there; one that is too old to be told of loses its buttons.
func TestPressesElsewhere(t *testing.T) {
	r := newRig(t, modePoll)
	r.Connect("conn1", telegramtest.User{ID: 9}, false)
	r.run()
	r.message(r.Say(telegramtest.Said{User: zhang, Text: "to the bot"}))
	r.message(r.Say(telegramtest.Said{User: zhang, Text: "to the account", Connection: "conn1"}))
	asker, _ := r.adapter.(bridge.Asker)
	answered := func(room bridge.RoomID, press func(msg int64, data string)) (m telegramtest.Message) {
		t.Helper()
		q := bridge.Ask{ID: "ask of " + string(room), Text: "Shall I?", Choices: []bridge.Choice{{ID: "yes", Label: "Yes"}, {ID: "no", Label: "No"}}}
		got, err := asker.Ask(t.Context(), room, "k", q)
		if err != nil {
			t.Fatal(err)
		}
		press(num(got[0]), "k/1")
		e := r.await("the answer", func(e bridge.Event) bool { a, ok := e.(bridge.Answered); return ok && a.Ask == q.ID })
		if a, _ := e.(bridge.Answered); a.Room != room || a.Choice != "no" || a.User != "42" {
			t.Errorf("in %s: %+v", room, a)
		}
		eventually(t, "the buttons go", func() bool {
			m = *r.find(num(got[0]))
			keys, err := r.state.List(t.Context(), "asked/", "", 9)
			return len(m.Buttons) == 0 && err == nil && len(keys) == 0
		})
		return m
	}
	m := answered("b9.42", func(msg int64, data string) { r.PressIn("conn1", 42, msg, data) })
	if m.Text != "Shall I?\n✔ No" {
		t.Errorf("the account shows %q", m.Text)
	}
	m = answered("42", func(msg int64, data string) {
		r.Push(map[string]any{"callback_query": map[string]any{
			"id": "too old", "from": map[string]any{"id": 42, "first_name": "张三"}, "chat_instance": "1", "data": data,
			"message": map[string]any{"message_id": msg, "date": 0, "chat": map[string]any{"id": 42, "type": "private", "first_name": "张三"}},
		}})
	})
	if m.Text != "Shall I?" {
		t.Errorf("the old one shows %q", m.Text)
	}
}

// find is a message of the bot with that id, wherever it is.
func (r *rig) find(id int64) *telegramtest.Message {
	r.t.Helper()
	for _, chat := range []int64{42, -42} {
		for _, m := range r.Messages(chat) {
			if m.ID == id {
				return &m
			}
		}
	}
	r.t.Fatalf("no message %d", id)
	return nil
}

// refused makes the gateway answer every event so.
func (r *rig) refused(err error) {
	r.hearing.Lock()
	defer r.hearing.Unlock()
	r.refuse = func(bridge.Event) error { return err }
}
