package telegram

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/hutong-im/hutong/adapters/telegram/telegramtest"
	"github.com/hutong-im/hutong/bridge"
)

// Of two customers who have left the same traces, in the bot's chat and in that of a business account, the one who is
// erased leaves none, and what they had not said completely is not brought any more.
func TestForget(t *testing.T) {
	for _, mode := range []string{modePoll, modeWebhook} {
		t.Run(mode, func(t *testing.T) {
			r := newRig(t, mode)
			r.lobby.members = []bridge.Member{{ID: "lilei", Accounts: []bridge.UserRef{{Adapter: "tg", User: "9"}}}}
			r.Connect("staff", telegramtest.User{ID: 9}, true)
			r.run()
			for _, id := range []int64{42, 43} {
				r.traces(id)
			}
			f, _ := r.adapter.(bridge.Forgetter)
			for range 2 {
				if err := f.Forget(t.Context(), bridge.Traces{Users: []bridge.UserID{"42", "9"}, Rooms: []bridge.RoomID{"42", "b9.42"}}); err != nil {
					t.Fatal(err)
				}
			}
			want := []string{"album/43/g43", "album/43/h43", "asked/43/k43", "business/43", "business/9", "half/43/k43", "half/b9.43/k43", "met/43"}
			if got := r.kept(); !slices.Equal(got, want) {
				t.Errorf("kept\n%q, want\n%q", got, want)
			}
			r.refused(nil)
			r.await("the album of the other", func(e bridge.Event) bool {
				m, ok := e.(bridge.MessageEvent)
				return ok && m.User == "43" && len(m.Files) > 0
			})
			r.halt()
			r.open()
			r.run()
			last := r.Say(telegramtest.Said{User: zhang, Text: "somebody new"})
			r.message(last)
			for _, e := range r.all() {
				if m, ok := e.(bridge.MessageEvent); ok && m.User == "42" && len(m.Files) > 0 {
					t.Errorf("what was forgotten is brought: %+v", m)
				}
			}
		})
	}
}

// traces lets a customer leave every kind of trace.
func (r *rig) traces(id int64) {
	r.t.Helper()
	who, name := telegramtest.User{ID: id, Name: "张三"}, string(userOf(id))
	r.refused(nil)
	r.message(r.Say(telegramtest.Said{User: who, Text: "hi"}))
	r.message(r.Say(telegramtest.Said{User: who, Text: "hi", Connection: "staff"}))
	r.Connect("of"+name, who, true) // the bot serves their own account, too
	r.message(r.Say(telegramtest.Said{User: telegramtest.User{ID: 50 + id}, Text: "hi", Connection: "of" + name}))
	r.hearing.Lock()
	r.refuse = func(e bridge.Event) error {
		if m, ok := e.(bridge.MessageEvent); ok && len(m.Files) > 0 {
			return errors.New("the disk is full")
		}
		return nil
	}
	r.hearing.Unlock()
	r.Say(telegramtest.Said{User: who, Album: "g" + name, File: &telegramtest.File{Kind: "photo", Data: []byte("1")}})
	r.Say(telegramtest.Said{User: who, Album: "h" + name, Connection: "staff", File: &telegramtest.File{Kind: "photo", Data: []byte("1")}})
	asker, _ := r.adapter.(bridge.Asker)
	if _, err := asker.Ask(r.t.Context(), bridge.RoomID(name), "k"+name, bridge.Ask{ID: "q", Text: "?", Choices: []bridge.Choice{{ID: "a", Label: "A"}}}); err != nil {
		r.t.Fatal(err)
	}
	for _, room := range []bridge.RoomID{bridge.RoomID(name), bridge.RoomID("b9." + name)} {
		r.Refuse("sendDocument", http.StatusTooManyRequests, "Too Many Requests: retry after 3")
		d := bridge.Draft{Key: "k" + name, Text: strings.Repeat("x", maxCaption+1), Files: []bridge.Attachment{attach("a.txt", "text/plain", []byte("x"))}}
		if _, err := r.adapter.Send(r.t.Context(), room, d); err == nil {
			r.t.Fatal("the second half was sent")
		}
	}
	eventually(r.t, "the albums are kept", func() bool {
		return slices.Contains(r.kept(), "album/"+name+"/g"+name) && slices.Contains(r.kept(), "album/"+name+"/h"+name)
	})
}

// kept are the keys of what is kept of people.
func (r *rig) kept() []string {
	r.t.Helper()
	keys, err := r.state.List(r.t.Context(), "", "", 1000)
	if err != nil {
		r.t.Fatal(err)
	}
	return slices.DeleteFunc(keys, func(k string) bool {
		return strings.HasPrefix(k, "place/") || strings.HasPrefix(k, "met/9") || strings.HasPrefix(k, "met/5")
	})
}
