package adaptertest

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/hutong-im/hutong/bridge"
)

func addonChecks() []Check {
	return []Check{
		{"editor", with(checkEditor)},
		{"deleter", with(checkDeleter)},
		{"reactor", with(checkReactor)},
		{"typer", with(checkTyper)},
		{"reader", with(checkReader)},
		{"marker", with(checkMarker)},
		{"opener", with(checkOpener)},
		{"updater", with(checkUpdater)},
		{"hinter", with(checkHinter)},
		{"hinter/buttons", with(checkHintButtons)},
		{"asker", with(checkAsker)},
		{"inviter", with(checkInviter)},
		{"forgetter", checkForgetter},
	}
}

// with skips a check when the adapter does not implement the add-on A.
func with[A any](f func(r *rig, a A)) func(r *rig) {
	return func(r *rig) {
		a, ok := r.adapter.(A)
		if !ok {
			r.Skipf("the adapter is no %s", strings.TrimPrefix(fmt.Sprintf("%T", (*A)(nil)), "*bridge."))
		}
		f(r, a)
	}
}

// must stops the check at an error.
func (r *rig) must(what string, err error) {
	r.Helper()
	r.note(err)
	if err != nil {
		r.Fatalf("%s: %v", what, err)
	}
}

func checkEditor(r *rig, e bridge.Editor) {
	room, _ := r.ready()
	ids := r.say(room, r.text())
	text := r.text()
	r.must("edit", e.Edit(r.ctx(), room, ids[0], bridge.Draft{Key: "edit-" + text, Text: text}))
	r.eventually(room, "the new text must be shown in place of the old", func(v View) bool {
		l, ok := v.line(ids[0])
		return ok && l.Text == text && len(v.mine()) == 1
	})
	for _, s := range samples() {
		r.must("edit", e.Edit(r.ctx(), room, ids[0], bridge.Draft{Key: "edit-" + r.text(), Text: s.text}))
		r.eventually(room, s.name+" must survive an edit", func(v View) bool {
			l, ok := v.line(ids[0])
			return ok && l.Text == s.text
		})
	}
	err := e.Edit(r.ctx(), room, "no-such-message", bridge.Draft{Key: "edit-" + r.text(), Text: r.text()})
	r.note(err)
	if err == nil {
		r.Errorf("a message that is not there was edited")
	}
}

// Deleting twice is no error: it is gone, as was wanted.
func checkDeleter(r *rig, d bridge.Deleter) {
	room, _ := r.ready()
	keep, lose := r.text(), r.text()
	kept, lost := r.say(room, keep), r.say(room, lose)
	for range 2 {
		for _, id := range lost {
			r.must("delete", d.Delete(r.ctx(), room, id))
		}
		r.eventually(room, "the message must be gone", func(v View) bool {
			_, there := v.line(lost[0])
			_, other := v.line(kept[0])
			return !there && other
		})
	}
}

func checkReactor(r *rig, a bridge.Reactor) {
	room, user := r.ready()
	text := r.text()
	r.do(Act{Verb: Say, Room: room, User: user, Text: text})
	msg := r.awaitText(room, text).Msg
	has := func(emoji string, want bool) {
		r.Helper()
		r.eventually(room, fmt.Sprintf("reaction %s: %v", emoji, want), func(v View) bool {
			l, ok := v.line(msg)
			return ok && slices.Contains(l.Reactions, emoji) == want
		})
	}
	r.must("react", a.React(r.ctx(), room, msg, "👍", true))
	has("👍", true)
	r.must("react twice", a.React(r.ctx(), room, msg, "👍", true))
	r.must("unreact", a.React(r.ctx(), room, msg, "👍", false))
	has("👍", false)
	r.must("unreact twice", a.React(r.ctx(), room, msg, "👍", false))
}

func checkTyper(r *rig, t bridge.Typer) {
	room, _ := r.ready()
	before := r.net.View(room).Typed
	r.must("type", t.Type(r.ctx(), room))
	r.eventually(room, "the account must be seen writing", func(v View) bool { return v.Typed > before })
}

func checkReader(r *rig, a bridge.Reader) {
	room, user := r.ready()
	text := r.text()
	r.do(Act{Verb: Say, Room: room, User: user, Text: text})
	msg := r.awaitText(room, text).Msg
	r.must("mark read", a.MarkRead(r.ctx(), room, msg))
	r.eventually(room, "the message must be read", func(v View) bool { return v.Read == msg })
}

// A mark follows the message: what is shown for failed is not what was shown for sent.
func checkMarker(r *rig, m bridge.Marker) {
	room, user := r.ready()
	text := r.text()
	r.do(Act{Verb: Say, Room: room, User: user, Text: text})
	msg := r.awaitText(room, text).Msg
	shown := map[string]bridge.State{}
	for _, s := range []bridge.State{bridge.StateSent, bridge.StateRead, bridge.StateFailed} {
		r.must("mark", m.Mark(r.ctx(), room, msg, bridge.Fate{State: s, Reason: "the window is closed"}))
		var mark string
		r.eventually(room, "the mark of "+string(s)+" must be shown, unlike the others", func(v View) bool {
			l, ok := v.line(msg)
			mark = l.Mark
			_, known := shown[mark]
			return ok && mark != "" && !known
		})
		shown[mark] = s
	}
}

func checkOpener(r *rig, o bridge.Opener) {
	r.start()
	_, user := r.net.Room()
	wish := bridge.Opening{
		Key: "link-" + r.text(), Members: []bridge.UserID{user}, Title: "张三", Label: bridge.Label{Name: "张三", Text: "张三 · 微信联系人"},
		State: bridge.LinkActive,
	}
	room, err := o.Open(r.ctx(), wish)
	r.must("open", err)
	again, err := o.Open(r.ctx(), wish)
	r.must("open again", err)
	if room == "" || room != again {
		r.Errorf("the same link has the rooms %q and %q", room, again)
	}
	if v := r.net.View(room); v.Members != nil && !slices.Contains(v.Members, user) {
		r.Errorf("%s is not in the room: %v", user, v.Members)
	}
	text := r.text()
	r.say(room, text)
	r.shown(room, text)
}

// An update changes what the room shows of its contact, in place.
func checkUpdater(r *rig, u bridge.Updater) {
	o, ok := r.adapter.(bridge.Opener)
	if !ok {
		r.Fatalf("an updater must be an opener")
	}
	r.start()
	_, user := r.net.Room()
	wish := bridge.Opening{
		Key: "link-" + r.text(), Members: []bridge.UserID{user}, Title: "张三", Label: bridge.Label{Name: "张三", Text: "张三 · 微信联系人"},
		State: bridge.LinkActive,
	}
	room, err := o.Open(r.ctx(), wish)
	r.must("open", err)
	wish.Remark, wish.Tags, wish.Window = "喜欢喝茶 <&*_", []string{"vip"}, "微信 · 还可发 2/5 条"
	r.must("update", u.Update(r.ctx(), room, wish))
	if r.facts.Boardless {
		lines := len(r.net.View(room).Lines)
		wish.State = bridge.LinkEnded
		r.must("update twice", u.Update(r.ctx(), room, wish))
		if n := len(r.net.View(room).Lines); n > lines {
			r.Errorf("an update says something: %d messages, then %d", lines, n)
		}
		return
	}
	shows := func(v View, words ...string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(v.Board, w) })
	}
	r.eventually(room, "the room must show remark, tags and window", func(v View) bool {
		return shows(v, "张三 · 微信联系人", "喜欢喝茶", "vip", "还可发 2/5 条")
	})
	lines := len(r.net.View(room).Lines)
	wish.Remark, wish.Window = "", "微信 · 还可发 1/5 条"
	r.must("update", u.Update(r.ctx(), room, wish))
	r.must("update twice", u.Update(r.ctx(), room, wish))
	r.eventually(room, "the room must show the new window and no remark", func(v View) bool {
		return shows(v, "还可发 1/5 条") && !strings.Contains(v.Board, "喜欢喝茶") && !strings.Contains(v.Board, "2/5")
	})
	if n := len(r.net.View(room).Lines); n > lines {
		r.Errorf("an update says something: %d messages, then %d", lines, n)
	}
}

// A hint may offer something; what is pressed comes back. Where a hint cannot have buttons none are shown.
func checkHintButtons(r *rig, h bridge.Hinter) {
	room, user := r.ready()
	q := bridge.Ask{ID: "note-" + r.text(), Text: r.text(), Choices: []bridge.Choice{{ID: "send", Label: "发送给客户", Style: "primary"}}}
	r.must("hint", h.Hint(r.ctx(), room, user, q))
	var msg bridge.MsgID
	offers := false
	r.eventually(room, "only "+string(user)+" must see the hint", func(v View) bool {
		for _, l := range v.Lines {
			if strings.Contains(l.Text, q.Text) && l.To == user {
				msg, offers = l.Msg, slices.Equal(l.Choices, []string{"发送给客户"})
				return true
			}
		}
		return false
	})
	if !offers {
		r.Skipf("hints have no buttons here")
	}
	r.do(Act{Verb: Press, Room: room, User: user, Msg: msg, Choice: "send"})
	r.await("the answer", func(e bridge.Event) bool {
		x, ok := e.(bridge.Answered)
		return ok && x.Room == room && x.User == user && x.Ask == q.ID && x.Choice == "send"
	})
}

func checkHinter(r *rig, h bridge.Hinter) {
	room, user := r.ready()
	text := r.text()
	r.must("hint", h.Hint(r.ctx(), room, user, bridge.Ask{Text: text}))
	r.eventually(room, "only "+string(user)+" must see the hint", func(v View) bool {
		return slices.ContainsFunc(v.Lines, func(l Line) bool { return l.Text == text && l.To == user })
	})
}

func checkAsker(r *rig, a bridge.Asker) {
	room, user := r.ready()
	q := bridge.Ask{ID: "ask-" + r.text(), Text: "张三 wants to talk to you", Choices: []bridge.Choice{
		{ID: "accept", Label: "接受 Accept", Style: "primary"}, {ID: "decline", Label: "拒绝 Decline", Style: "danger"},
	}}
	ids, err := a.Ask(r.ctx(), room, "key-"+q.ID, q)
	r.must("ask", err)
	if len(ids) == 0 || ids[0] == "" {
		r.Fatalf("ask: ids %q", ids)
	}
	r.eventually(room, "the question must be shown with its buttons", func(v View) bool {
		l, ok := v.line(ids[0])
		return ok && slices.Equal(l.Choices, []string{"接受 Accept", "拒绝 Decline"})
	})
	r.do(Act{Verb: Press, Room: room, User: user, Msg: ids[0], Choice: "decline"})
	r.await("the answer", func(e bridge.Event) bool {
		x, ok := e.(bridge.Answered)
		return ok && x.Room == room && x.User == user && x.Ask == q.ID && x.Choice == "decline" && near(x.At)
	})
	if r.adapter.Caps().Dedupes {
		again, err := a.Ask(r.ctx(), room, "key-"+q.ID, q)
		r.must("ask again", err)
		if !slices.Equal(again, ids) {
			r.Errorf("the same question is called %q, then %q", ids, again)
		}
	}
}

func checkInviter(r *rig, i bridge.Inviter) {
	r.start()
	seen := map[string]bool{}
	for _, card := range []bridge.CardID{"CARD234567ABCDEF", "CARDXYZ234567ABC"} {
		addr, err := i.Invite(r.ctx(), card)
		r.must("invite", err)
		if u, err := url.Parse(addr); err != nil || u.Scheme == "" {
			r.Errorf("the address %q is none", addr)
		}
		seen[addr] = true
	}
	if len(seen) != 2 {
		r.Errorf("two cards have the same address: %v", seen)
	}
}
