package telegram

import (
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hutong-im/hutong/adapters/telegram/telegramtest"
	"github.com/hutong-im/hutong/bridge"
)

// What a customer may send, and how it is told.
func TestKindsOfMessage(t *testing.T) {
	r := newRig(t, modePoll)
	r.run()
	type m = map[string]any
	file := func(kind, name, typ string) *telegramtest.File {
		return &telegramtest.File{Kind: kind, Name: name, Type: typ, Data: []byte("content of " + kind)}
	}
	for name, c := range map[string]struct {
		said  telegramtest.Said
		text  string
		files []string // name and type
	}{
		"styled":         {telegramtest.Said{Text: "你好 世界", Entities: []telegramtest.Entity{{Type: "bold", Length: 2}}}, "**你好** 世界", nil},
		"command":        {telegramtest.Said{Text: "/who@ACME_bot now"}, "/who now", nil},
		"with signs":     {telegramtest.Said{Text: "/to@acme_bot a_b [x](https://b.example)"}, `/to a\_b \[x\](https://b.example)`, nil},
		"another's":      {telegramtest.Said{Text: "/who@other_bot"}, `/who@other\_bot`, nil},
		"start alone":    {telegramtest.Said{Text: "/start"}, "/start", nil},
		"photo":          {telegramtest.Said{Text: "看", File: file("photo", "", "")}, "看", []string{"photo-ID.jpg image/jpeg"}},
		"document":       {telegramtest.Said{File: file("document", "合同.pdf", "application/pdf")}, "", []string{"合同.pdf application/pdf"}},
		"voice":          {telegramtest.Said{File: file("voice", "", "audio/ogg")}, "", []string{"voice-ID.ogg audio/ogg"}},
		"audio":          {telegramtest.Said{File: file("audio", "a.mp3", "audio/mpeg")}, "", []string{"a.mp3 audio/mpeg"}},
		"video":          {telegramtest.Said{File: file("video", "v.mp4", "video/mp4")}, "", []string{"v.mp4 video/mp4"}},
		"video note":     {telegramtest.Said{File: file("video_note", "", "")}, "", []string{"video-ID.mp4 video/mp4"}},
		"animation":      {telegramtest.Said{File: file("animation", "g.mp4", "video/mp4")}, "", []string{"g.mp4 video/mp4"}},
		"sticker":        {telegramtest.Said{File: file("sticker", "", "")}, "😀", []string{"sticker-ID.webp image/webp"}},
		"moving sticker": {telegramtest.Said{File: file("sticker", "x.tgs", "")}, "😀", []string{"sticker-ID.tgs application/x-tgsticker"}},
		"place":          {telegramtest.Said{More: m{"location": m{"latitude": 31.230416, "longitude": 121.473701}}}, "📍 https://www.openstreetmap.org/?mlat=31.230416&mlon=121.473701#map=16/31.230416/121.473701", nil},
		"venue":          {telegramtest.Said{More: m{"venue": m{"location": m{"latitude": 1, "longitude": 2}, "title": "A*B", "address": "路 1"}, "location": m{"latitude": 1, "longitude": 2}}}, "📍 A\\*B\n路 1\nhttps://www.openstreetmap.org/?mlat=1.000000&mlon=2.000000#map=16/1.000000/2.000000", nil},
		"contact":        {telegramtest.Said{More: m{"contact": m{"phone_number": "+8613800000000", "first_name": "李", "last_name": "雷"}}}, "👤 李 雷\n+8613800000000", nil},
		"poll":           {telegramtest.Said{More: m{"poll": m{"question": "去哪", "options": []m{{"text": "A"}, {"text": "B"}}}}}, "📊 去哪\n- A\n- B", nil},
		"dice":           {telegramtest.Said{More: m{"dice": m{"emoji": "🎲", "value": 5}}}, "🎲 5", nil},
		"game":           {telegramtest.Said{More: m{"game": m{"title": "x"}}}, english.unsupported, nil},
		"forwarded":      {telegramtest.Said{Text: "x", More: m{"forward_origin": m{"type": "hidden_user", "sender_user_name": "王*"}}}, "Forwarded from 王\\*:\nx", nil},
		"from a channel": {telegramtest.Said{Text: "x", More: m{"forward_origin": m{"type": "channel", "chat": m{"id": -1, "type": "channel", "title": "News"}}}}, "Forwarded from News:\nx", nil},
		"quote":          {telegramtest.Said{Text: "同意", More: m{"quote": m{"text": "第一行\n第二行", "position": 0, "is_manual": true}}}, "> 第一行\n> 第二行\n同意", nil},
		"too large":      {telegramtest.Said{Text: "看", File: &telegramtest.File{Kind: "document", Name: "a_b.zip", Type: "application/zip", Size: 34 << 20}}, "看\n(a\\_b.zip, 34 MB, stays on Telegram: bots may fetch 20 MB)", nil},
	} {
		c.said.User = zhang
		id := r.Say(c.said)
		got := r.message(id)
		var files []string
		for _, f := range got.Files {
			files = append(files, strings.Replace(f.Name, string(msgOf(id)), "ID", 1)+" "+f.Type)
			body, err := r.adapter.(bridge.Fetcher).Fetch(t.Context(), f)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			data, _ := io.ReadAll(body)
			_ = body.Close()
			if string(data) != "content of "+c.said.File.Kind {
				t.Errorf("%s: the file is %q", name, data)
			}
		}
		if got.Text != c.text || !slices.Equal(files, c.files) {
			t.Errorf("%s: %q %q, want %q %q", name, got.Text, files, c.text, c.files)
		}
	}
	eventually(t, "the customer is told of the large file", func() bool {
		return slices.ContainsFunc(r.Messages(zhang.ID), func(m telegramtest.Message) bool {
			return m.From == 0 && strings.Contains(m.Text, "larger than the 20 MB")
		})
	})
	if _, err := r.adapter.(bridge.Fetcher).Fetch(t.Context(), bridge.File{Ref: "nothing"}); bridge.Judge(err).Verdict != bridge.VerdictPermanent {
		t.Errorf("a file that is not there: %v", err)
	}
}

// A service message is nothing that anybody said.
func TestIgnored(t *testing.T) {
	r := newRig(t, modePoll)
	r.run()
	r.Say(telegramtest.Said{User: zhang, More: map[string]any{"pinned_message": map[string]any{"message_id": 1}}})
	r.Push(map[string]any{"message": map[string]any{"message_id": "not a number"}})
	r.Push(map[string]any{"message": map[string]any{"message_id": 5, "chat": map[string]any{"id": -5, "type": "group"}, "from": map[string]any{"id": 1}, "text": "in a group"}})
	last := r.Say(telegramtest.Said{User: zhang, Text: "end"})
	r.message(last)
	if len(r.all()) != 1 {
		t.Errorf("heard %+v", r.all())
	}
}

func TestAlbum(t *testing.T) {
	for _, mode := range []string{modePoll, modeWebhook} {
		t.Run(mode, func(t *testing.T) {
			r := newRig(t, mode)
			r.run()
			r.message(r.Say(telegramtest.Said{User: zhang, Text: "before"}))
			picture := func(i byte) *telegramtest.File {
				return &telegramtest.File{Kind: "photo", Data: []byte{i}}
			}
			first := r.Say(telegramtest.Said{User: zhang, Text: "三张", Album: "g1", File: picture(1)})
			r.Say(telegramtest.Said{User: zhang, Album: "g1", File: picture(2)})
			r.Say(telegramtest.Said{User: zhang, Album: "g1", File: picture(3)})
			if got := r.message(first); got.Text != "三张" || len(got.Files) != 3 {
				t.Errorf("the album: %+v", got)
			}
			second := r.Say(telegramtest.Said{User: zhang, Album: "g2", File: picture(4)})
			after := r.Say(telegramtest.Said{User: zhang, Text: "after"})
			r.message(after)
			var order []bridge.MsgID
			for _, e := range r.all() {
				if m, ok := e.(bridge.MessageEvent); ok {
					order = append(order, m.Msg)
				}
			}
			if want := []bridge.MsgID{msgOf(first), msgOf(second), msgOf(after)}; !slices.Equal(order[1:], want) {
				t.Errorf("order %q, want %q", order[1:], want)
			}
			if keys, err := r.state.List(t.Context(), albumPrefix, "", 10); err != nil || len(keys) > 0 {
				t.Errorf("left: %q, %v", keys, err)
			}
		})
	}
}

// What happens to an album before it was brought comes after it.
func TestAlbumThenEdit(t *testing.T) {
	r := newRig(t, modePoll)
	r.run()
	id := r.Say(telegramtest.Said{User: zhang, Text: "旧", Album: "g", File: &telegramtest.File{Kind: "photo", Data: []byte("1")}})
	r.Server.Edit(zhang.ID, id, "新")
	r.Server.React(zhang.ID, id, "👍")
	r.await("the reaction", func(e bridge.Event) bool { _, ok := e.(bridge.Reacted); return ok })
	all := r.all()
	if len(all) != 3 {
		t.Fatalf("heard %+v", all)
	}
	if m, ok := all[0].(bridge.MessageEvent); !ok || m.Text != "旧" {
		t.Errorf("first %+v", all[0])
	}
	if e, ok := all[1].(bridge.Edited); !ok || e.Text != "新" || e.Msg != msgOf(id) {
		t.Errorf("second %+v", all[1])
	}
}

// An employee who begins with the bot is told what it can do; a customer's beginning is a first message.
func TestStart(t *testing.T) {
	r := newRig(t, modePoll)
	r.lobby.members = []bridge.Member{{ID: "lilei", Accounts: []bridge.UserRef{{Adapter: "tg", User: "7"}}}}
	r.run()
	if m := r.message(r.Say(telegramtest.Said{User: telegramtest.User{ID: 7}, Text: "/start"})); m.Text != "/help" {
		t.Errorf("an employee: %q", m.Text)
	}
	if m := r.message(r.Say(telegramtest.Said{User: zhang, Text: "/start"})); m.Text != "/start" {
		t.Errorf("a customer: %q", m.Text)
	}
}

// The gateway ends after the parts were confirmed to Telegram and before the album was brought: the next life brings it.
func TestAlbumSurvives(t *testing.T) {
	for _, mode := range []string{modePoll, modeWebhook} {
		t.Run(mode, func(t *testing.T) {
			r := newRig(t, mode)
			full := errors.New("the disk is full")
			r.refuse = func(e bridge.Event) error {
				if m, ok := e.(bridge.MessageEvent); ok && len(m.Files) > 0 {
					return full
				}
				return nil
			}
			r.run()
			first := r.Say(telegramtest.Said{User: zhang, Album: "g", File: &telegramtest.File{Kind: "photo", Data: []byte("1")}})
			r.Say(telegramtest.Said{User: zhang, Album: "g", File: &telegramtest.File{Kind: "photo", Data: []byte("2")}})
			eventually(t, "both parts are on disk", func() bool {
				b, _, err := r.state.Get(t.Context(), albumPrefix+"42/g")
				return err == nil && strings.Count(string(b), `"file_id":"AgAC2`) > 0
			})
			r.message(r.Say(telegramtest.Said{User: telegramtest.User{ID: 43}, Text: "confirms what was before"}))
			r.halt()
			r.Clear()
			r.hearing.Lock()
			r.refuse = nil
			r.hearing.Unlock()
			r.open()
			r.run()
			if got := r.message(first); len(got.Files) != 2 {
				t.Errorf("the album: %+v", got)
			}
		})
	}
}

func TestEditsAndReactions(t *testing.T) {
	r := newRig(t, modePoll)
	r.run()
	id := r.Say(telegramtest.Said{User: zhang, Text: "旧"})
	r.message(id)
	r.Server.Edit(zhang.ID, id, "新")
	r.await("the edit", func(e bridge.Event) bool {
		d, ok := e.(bridge.Edited)
		return ok && d.Msg == msgOf(id) && d.Text == "新" && d.User == "42"
	})
	r.Server.React(zhang.ID, id, "👍")
	r.Server.React(zhang.ID, id, "❤")
	for _, want := range []bridge.Reacted{{Emoji: "👍"}, {Emoji: "👍", Removed: true}, {Emoji: "❤"}} {
		r.await("a reaction", func(e bridge.Event) bool {
			d, ok := e.(bridge.Reacted)
			return ok && d.Emoji == want.Emoji && d.Removed == want.Removed && d.Msg == msgOf(id)
		})
	}
	r.Block(zhang.ID, false)
	r.Block(zhang.ID, true)
	r.await("the leaving", func(e bridge.Event) bool {
		d, ok := e.(bridge.Left)
		return ok && d.User == "42" && d.Event != ""
	})
	if n := len(r.all()); n != 6 {
		t.Errorf("heard %d events: %+v", n, r.all())
	}
}

func TestNewcomersPicture(t *testing.T) {
	r := newRig(t, modePoll)
	r.Started(zhang)
	r.Picture(zhang.ID, []byte("\xff\xd8picture"))
	r.run()
	r.Say(telegramtest.Said{User: zhang, Text: "/start CARD234567ABCDEF"})
	e := r.await("the customer", func(e bridge.Event) bool { _, ok := e.(bridge.Joined); return ok })
	j, _ := e.(bridge.Joined)
	if j.Card != "CARD234567ABCDEF" || j.Name != "张三" || j.Room != "42" || j.Event == "" || j.Avatar.Ref == "" {
		t.Errorf("joined: %+v", j)
	}
	body, err := r.adapter.(bridge.Fetcher).Fetch(t.Context(), j.Avatar)
	if err != nil {
		t.Fatal(err)
	}
	_ = body.Close()
	if again := r.message(r.Say(telegramtest.Said{User: zhang, Text: "hi"})); again.Avatar.Ref != "" || len(r.Calls("getUserProfilePhotos")) != 1 {
		t.Errorf("the picture was asked for again: %+v", again)
	}
}

// A newcomer's picture comes with what is stored at last, also in an album; of somebody of whom Telegram tells nothing
// it is asked for once.
func TestNewcomersPictureAfterTrouble(t *testing.T) {
	for name, said := range map[string]telegramtest.Said{
		"message": {Text: "hi"}, "card": {Text: "/start CARD234567ABCDEF"},
		"album": {Album: "g", File: &telegramtest.File{Kind: "photo", Data: []byte("1")}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, modePoll)
			r.Started(zhang)
			r.Picture(zhang.ID, []byte("\xff\xd8picture"))
			tries := 0
			r.refuse = func(bridge.Event) error {
				if tries++; tries < 3 {
					return errors.New("the disk is full")
				}
				return nil
			}
			r.run()
			said.User = zhang
			r.Say(said)
			e := r.await("it at last", func(bridge.Event) bool { return true })
			if n := strings.Count(r.logged(), "waits"); n != 1 {
				t.Errorf("told %d times that it waits", n)
			}
			j, _ := e.(bridge.Joined)
			m, _ := e.(bridge.MessageEvent)
			if j.Avatar.Ref == "" && m.Avatar.Ref == "" {
				t.Errorf("without a picture: %+v", e)
			}
		})
	}
	r := newRig(t, modePoll)
	r.Refuse("getUserProfilePhotos", 400, "Bad Request: user not found")
	r.run()
	for range 2 {
		r.message(r.Say(telegramtest.Said{User: zhang, Text: "x"}))
	}
	if n := len(r.Calls("getUserProfilePhotos")); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// The bot leaves groups, and says why.
func TestGroup(t *testing.T) {
	r := newRig(t, modePoll)
	r.run()
	r.Group(-100, zhang)
	eventually(t, "the bot leaves", func() bool { return r.Left(-100) })
	if got := r.Messages(-100); len(got) != 1 || !strings.Contains(got[0].Text, "t.me/acme_bot") {
		t.Errorf("said there: %+v", got)
	}
}

func TestBusiness(t *testing.T) {
	r := newRig(t, modePoll)
	owner := telegramtest.User{ID: 9}
	r.Connect("conn1", owner, false) // it was made before the gateway was
	r.run()
	id := r.Say(telegramtest.Said{User: zhang, Text: "hi", Connection: "conn1"})
	got := r.message(id)
	if got.Room != "b9.42" || got.User != "42" || got.Own {
		t.Fatalf("heard %+v", got)
	}
	for _, said := range []telegramtest.Said{{ByOwner: true}, {ByBot: true}} {
		said.User, said.Text, said.Connection = zhang, "from the owner's side", "conn1"
		if m := r.message(r.Say(said)); !m.Own || m.Room != "b9.42" {
			t.Errorf("what the account itself says: %+v", m)
		}
	}
	r.Connect("conn2", owner, true) // made anew
	r.message(r.Say(telegramtest.Said{User: zhang, Text: "again", Connection: "conn2"}))
	ids, err := r.adapter.Send(t.Context(), "b9.42", bridge.Draft{Key: "k", Text: "你好"})
	if err != nil {
		t.Fatal(err)
	}
	calls := r.Calls("sendMessage")
	if p := calls[len(calls)-1].Params; p["business_connection_id"] != "conn2" || p["chat_id"] != float64(42) {
		t.Errorf("sent with %v", p)
	}
	if err := r.adapter.(bridge.Deleter).Delete(t.Context(), "b9.42", ids[0]); err != nil {
		t.Error(err)
	}
	r.Unsay("conn2", zhang.ID, id)
	r.await("the recall", func(e bridge.Event) bool {
		d, ok := e.(bridge.Deleted)
		return ok && d.Room == "b9.42" && d.Msg == msgOf(id)
	})
	if _, err := r.adapter.Send(t.Context(), "b8.42", bridge.Draft{Key: "k", Text: "x"}); bridge.Judge(err).Verdict != bridge.VerdictPermanent {
		t.Errorf("an account that is not connected: %v", err)
	}
}

// What was heard is confirmed by the next life's first question, too.
func TestPlaceIsKept(t *testing.T) {
	r := newRig(t, modePoll)
	r.run()
	r.message(r.Say(telegramtest.Said{User: zhang, Text: "1"}))
	eventually(t, "the place is kept", func() bool {
		_, _, err := r.state.Get(t.Context(), "place/"+strings.Split(telegramtest.Token, ":")[0])
		return err == nil
	})
	r.halt()
	r.open()
	r.run()
	r.message(r.Say(telegramtest.Said{User: zhang, Text: "2"}))
	if n := len(r.all()); n != 2 {
		t.Errorf("heard %d: %+v", n, r.all())
	}
}

// Two programs with one bot: the one that loses says so, in words.
func TestConflict(t *testing.T) {
	r := newRig(t, modePoll)
	r.run()
	r.message(r.Say(telegramtest.Said{User: zhang, Text: "1"}))
	eventually(t, "the conflict is explained", func() bool { // it is one only while the adapter waits for an answer
		resp, err := r.client.Post(r.URL()+"/bot"+telegramtest.Token+"/getUpdates", "application/json", strings.NewReader(`{"timeout":0}`))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return strings.Contains(r.logged(), "another program hears this bot")
	})
	r.message(r.Say(telegramtest.Said{User: zhang, Text: "2"}))
}

func TestCommandsAreRegistered(t *testing.T) {
	r := newRig(t, modeWebhook)
	r.run()
	r.message(r.Say(telegramtest.Said{User: zhang, Text: "1"}))
	if got := r.Languages(); !reflect.DeepEqual(got, []string{"", "en", "zh"}) {
		t.Errorf("commands in %q", got)
	}
	if got := r.Calls("setWebhook"); len(got) != 1 || got[0].Params["url"] != public+"/hook/tg" || !slices.Contains(got[0].Params["allowed_updates"].([]any), any("message_reaction")) {
		t.Errorf("setWebhook: %+v", got)
	}
}

func TestProbeTellsOfTheWebhook(t *testing.T) {
	r := newRig(t, modeWebhook)
	r.run()
	r.message(r.Say(telegramtest.Said{User: zhang, Text: "1"}))
	probe := r.adapter.(bridge.Prober).Probe
	if err := probe(t.Context()); err != nil {
		t.Error(err)
	}
	r.Attach(nil)
	r.Say(telegramtest.Said{User: zhang, Text: "nobody takes it"})
	eventually(t, "the error is told", func() bool {
		err := probe(t.Context())
		return err != nil && strings.Contains(err.Error(), "Wrong response from the webhook: 404")
	})
}

// The webhook's address is the gateway's own; without one there is nothing to call.
func TestWebhookNeedsAnAddress(t *testing.T) {
	r := newRig(t, modeWebhook)
	for url, want := range map[string]string{"": "needs gateway.url", "http://gateway.example": "must be https"} {
		r.lobby.company.URL = url
		if err := r.adapter.Run(t.Context(), r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", url, err)
		}
	}
}
