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
	if _, err := asker.Ask(t.Context(), "nowhere", "k", q); bridge.Judge(err).Verdict != bridge.VerdictPermanent {
		t.Errorf("a question to nowhere: %v", err)
	}
}

// refused makes the gateway answer every event so.
func (r *rig) refused(err error) {
	r.hearing.Lock()
	defer r.hearing.Unlock()
	r.refuse = func(bridge.Event) error { return err }
}
