package mattermost

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/bridge"
)

// What the server takes as a mention was tried on a real one.
func TestHarmless(t *testing.T) {
	for in, want := range map[string]string{
		"@channel now":       "@\u200bchannel now",
		"(@here)":            "(@\u200bhere)",
		"_@all":              "_@\u200ball",
		"a.@here":            "a.@\u200bhere",
		`\@channel`:          "\\@\u200bchannel",
		"你好@all":             "你好@\u200ball",
		"li@acme.example ok": "li@acme.example ok",
		"nothing":            "nothing",
	} {
		if got := harmless(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	long := strings.Repeat("@", maxText)
	if n := utf8.RuneCountInString(harmless(long)); n > maxPost {
		t.Errorf("a text of mentions grows to %d characters", n)
	}
}

func TestQuoted(t *testing.T) {
	id := strings.Repeat("a", 26)
	for in, want := range map[string][2]string{
		"https://mm.example/acme/pl/" + id + "\nyes":        {"yes", id},
		"https://mm.example/sub/acme/pl/" + id + " \n\nyes": {"yes", id},
		"https://mm.example/acme/pl/" + id:                  {"", ""},
		"https://mm.example/acme/pl/short\nyes":             {"", ""},
		"https://evil.example/acme/pl/" + id + "\nyes":      {"", ""},
		"see https://mm.example/acme/pl/" + id + "\nyes":    {"", ""},
		"/acme/pl/" + id + "\nyes":                          {"", ""},
	} {
		if want[1] == "" {
			want[0] = in
		}
		text, to := quoted(in, "mm.example", "")
		if text != want[0] || string(to) != want[1] {
			t.Errorf("%q: %q, %q; want %q", in, text, to, want)
		}
	}
}

func TestEmojize(t *testing.T) {
	for in, want := range map[string]string{
		"good :+1: :smile:":    "good 👍 😄",
		"你好:smile:世界":          "你好😄世界",
		"10:100:1":             "10:100:1",
		"code `:smile:` stays": "code `:smile:` stays",
		":our_own_logo:":       ":our_own_logo:",
	} {
		if got := emojize(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

// Every emoji that the server knows has a name that leads to it.
func TestEmojiHaveNames(t *testing.T) {
	names := icons()
	for name := range model.SystemEmojis {
		c := character(name)
		if name == "mattermost" { // a picture
			continue
		}
		if back := character(names[bare(c)]); c == "" || bare(back) != bare(c) {
			t.Errorf("%s is %q, which is called %q, which is %q", name, c, names[bare(c)], back)
		}
	}
	for emoji, want := range map[string]string{"👍": "+1", "👍🏿": "+1_dark_skin_tone", "❤": "heart", "❤️": "heart"} {
		if got := names[bare(emoji)]; got != want {
			t.Errorf("%s is called %q, want %q", emoji, got, want)
		}
	}
	for _, other := range lookalikes() {
		if model.SystemEmojis[other] == "" {
			t.Errorf("the server knows no emoji %s", other)
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte(`{"event":"posted","data":{"post":"{\"id\":\"p\",\"channel_id\":\"c\",\"props\":{\"attachments\":[{}]}}"},"seq":1}`))
	f.Add([]byte(`{"event":"reaction_removed","data":{"reaction":"{\"post_id\":\"p\"}"},"broadcast":{"channel_id":"c"},"seq":2}`))
	f.Add([]byte(`{"status":"OK","seq_reply":1}`))
	a := &adapter{}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := readFrame(b)
		if err != nil {
			return
		}
		if p, ok := e.readPost(); ok {
			said(p)
			m := a.message(&site{}, p, "u")
			if m.Msg == "" || m.Room == "" {
				t.Errorf("a message without id or room: %+v", m)
			}
		}
		if r, ok := e.readReaction(); ok && (r.PostId == "" || r.ChannelId == "") {
			t.Errorf("a reaction without post or channel: %+v", r)
		}
	})
}

func FuzzPress(f *testing.F) {
	f.Add([]byte(`{"user_id":"u","channel_id":"c","context":{"room":"c","ask":"link:l1","choice":"accept","sig":"x"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		a := &adapter{key: []byte("k")}
		if _, p, err := readPress(b); err == nil && p.Ask == "" {
			t.Error("a press about nothing")
		} else if err == nil && a.sign(p) == p.Sig {
			t.Errorf("a forged press is taken: %+v", p)
		}
	})
}

func FuzzText(f *testing.F) {
	f.Add("@channel _@all a@b.c 你好@here :smile: `:x:`")
	f.Add("/Card  x")
	a := &adapter{env: bridge.Env{Lobby: &lobby{}}}
	words := []string{"/to", "/who", "/contacts", "/note", "/remark", "/help", "/card"}
	f.Fuzz(func(t *testing.T, s string) {
		got := harmless(s)
		if strings.ReplaceAll(strings.ReplaceAll(got, "\u200b", ""), "\uff20", "@") != strings.ReplaceAll(strings.ReplaceAll(s, "\u200b", ""), "\uff20", "@") {
			t.Errorf("%q becomes %q", s, got)
		}
		for _, m := range []string{"@channel", "@all", "@here"} {
			if strings.HasPrefix(got, m) || strings.Contains(got, " "+m) {
				t.Errorf("%q still mentions: %q", s, got)
			}
		}
		if name, _, _ := strings.Cut(a.spoken(s, &person{member: true}), " "); !slices.Contains(words, name) {
			t.Errorf("%q asks for %q", s, name)
		}
		emojize(s)
		addressed(s, "bot")
	})
}
