package telegram

import (
	"strings"
	"testing"

	"github.com/hutong-im/hutong/adapters/telegram/telegramtest"
	"github.com/hutong-im/hutong/bridge"
)

// What comes through a connection of which Telegram tells nothing any more does not stop what comes after.
func TestConnectionThatIsGone(t *testing.T) {
	for _, mode := range []string{modePoll, modeWebhook} {
		t.Run(mode, func(t *testing.T) {
			r := newRig(t, mode)
			r.run()
			r.message(r.Say(telegramtest.Said{User: zhang, Text: "before"}))
			r.Say(telegramtest.Said{User: zhang, Text: "lost", Connection: "gone"})
			r.message(r.Say(telegramtest.Said{User: zhang, Text: "after"}))
			if log := r.logged(); len(r.all()) != 2 || strings.Count(log, "an update is left out") != 1 {
				t.Errorf("heard %+v, log %s", r.all(), log)
			}
		})
	}
}

// A token that is revoked while an update is looked into ends Run, which tells the operator.
func TestRevokedMeanwhile(t *testing.T) {
	r := newRig(t, modePoll)
	r.Refuse("getBusinessConnection", 401, "Unauthorized")
	r.Connect("conn1", telegramtest.User{ID: 9}, false)
	r.run()
	id := r.Say(telegramtest.Said{User: zhang, Text: "hi", Connection: "conn1"})
	eventually(t, "the operator reads it", func() bool {
		return strings.Contains(r.logged(), "run: ") && strings.Contains(r.logged(), "@BotFather")
	})
	r.message(id) // which comes again
}

// Of two connections of one account the enabled one is spoken through, in whatever order Telegram tells of them.
func TestConnectionMadeAnew(t *testing.T) {
	r := newRig(t, modePoll)
	owner := telegramtest.User{ID: 9}
	r.Connect("old", owner, true)
	r.run()
	r.message(r.Say(telegramtest.Said{User: zhang, Text: "1", Connection: "old"}))
	r.Connect("new", owner, true)
	r.message(r.Say(telegramtest.Said{User: zhang, Text: "2", Connection: "new"}))
	r.halt()
	r.End("old")
	r.Say(telegramtest.Said{User: zhang, Text: "late", Connection: "old"})
	r.open() // knows no connection by heart
	r.run()
	r.message(r.Say(telegramtest.Said{User: zhang, Text: "3"}))
	if _, err := r.adapter.Send(t.Context(), "b9.42", bridge.Draft{Key: "k", Text: "你好"}); err != nil {
		t.Errorf("through the new one: %v", err)
	}
	if m := r.await("the late one", func(e bridge.Event) bool { m, ok := e.(bridge.MessageEvent); return ok && m.Text == "late" }); m.(bridge.MessageEvent).Room != "b9.42" {
		t.Errorf("heard as %+v", m)
	}
	r.End("new")
	r.message(r.Say(telegramtest.Said{User: zhang, Text: "4"}))
	if _, err := r.adapter.Send(t.Context(), "b9.42", bridge.Draft{Key: "k2", Text: "x"}); bridge.Judge(err).Verdict != bridge.VerdictPermanent {
		t.Errorf("through one that has ended: %v", err)
	}
}
