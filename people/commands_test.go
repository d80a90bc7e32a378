package people

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hutong-im/hutong/bridge"
)

// street is the road as the commands need it: changes go into the store, and every card opens in two ways.
type street struct {
	bridge.Lobby
	*town
}

func (s street) Relink(ctx context.Context, id bridge.LinkID, change func(*bridge.Link) error, audit ...bridge.AuditEntry) error {
	l, err := s.store.Link(ctx, id)
	if err != nil {
		return err
	}
	if err := change(&l); err != nil {
		return err
	}
	_, err = s.store.Commit(ctx, bridge.Step{At: s.now, Links: []bridge.Link{l}, Audit: audit})
	return err
}

type road struct{ street }

func (r road) Lobby(string, string) bridge.Lobby { return r.street }

func (s street) Card(_ context.Context, id bridge.CardID) (bridge.CardView, error) {
	return bridge.CardView{
		ID: id, Label: bridge.Label{Text: "李雷 · ACME"},
		Ways: []bridge.Way{{Kind: "webchat", URL: "https://acme.example/c/" + string(id)}, {Kind: "telegram", URL: "https://t.me/acme?start=" + string(id)}},
	}, nil
}

func commands(w *town, language string) *Commands {
	r := road{street{town: w}}
	return NewCommands(w.People, func() Road { return r }, func() bridge.Company {
		return bridge.Company{Language: language, URL: "https://acme.example"}
	})
}

func TestCommandsAboutACustomer(t *testing.T) {
	w := newTown(t)
	id := w.befriend(1, "小红", "lilei")
	c := commands(w, "en")
	l, err := w.store.Link(w.ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	l.Tags = []string{"first run"} // of a card
	w.commit(bridge.Step{Links: []bridge.Link{l}})
	for _, step := range []struct {
		command, args, says string
		check               func(bridge.Link) bool
	}{
		{"remark", "", "Remark: (none)", func(l bridge.Link) bool { return l.Remark == "" }},
		{"remark", "喜欢\u202e喝茶\n了", "Remark: 喜欢喝茶 了", func(l bridge.Link) bool { return l.Remark == "喜欢喝茶 了" }},
		{"remark", "-", "Remark: (none)", func(l bridge.Link) bool { return l.Remark == "" }},
		{"tag", "-first run", "Tags: (none)", func(l bridge.Link) bool { return len(l.Tags) == 0 }},
		{"tag", "vip #广交会 vip", "Tags: 广交会, vip", func(l bridge.Link) bool { return slices.Equal(l.Tags, []string{"广交会", "vip"}) }},
		{"tag", "-vip", "Tags: 广交会", func(l bridge.Link) bool { return slices.Equal(l.Tags, []string{"广交会"}) }},
		{"tag", "", "Tags: 广交会", nil},
		{"pin", "", "Pinned.", func(l bridge.Link) bool { return l.Pinned }},
		{"pin", "", "Pinned.", func(l bridge.Link) bool { return l.Pinned }},
		{"unpin", "", "Not pinned any more.", func(l bridge.Link) bool { return !l.Pinned }},
		{"mute", "", "Muted: new messages come without a notification.", func(l bridge.Link) bool { return l.Muted }},
		{"unmute", "", "Not muted any more.", func(l bridge.Link) bool { return !l.Muted }},
	} {
		l, err := w.store.Link(w.ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Command(w.ctx, bridge.Command{Member: w.members[0], Link: &l, Name: step.command, Args: step.args})
		if err != nil || got.Text != step.says {
			t.Errorf("/%s %s = %q, %v; want %q", step.command, step.args, got.Text, err, step.says)
		}
		if l, err = w.store.Link(w.ctx, id); err != nil || step.check != nil && !step.check(l) {
			t.Errorf("/%s %s left %+v, %v", step.command, step.args, l, err)
		}
	}
	tooMany := strings.Join(strings.Split("abcdefghijklmnopqrstuvwxy", ""), " ")
	l, _ = w.store.Link(w.ctx, id)
	if _, err := c.Command(w.ctx, bridge.Command{Member: w.members[0], Link: &l, Name: "tag", Args: tooMany}); err == nil {
		t.Error("25 tags are taken")
	}
	if _, err := c.Command(w.ctx, bridge.Command{Member: w.members[1], Link: &l, Name: "remark", Args: "mine"}); err == nil {
		t.Error("a colleague may write the remark")
	}
	if _, err := c.Command(w.ctx, bridge.Command{Member: w.members[0], Name: "mute"}); err == nil {
		t.Error("nobody can be muted")
	}
	var actions []string
	for e, err := range w.store.Trail(w.ctx) {
		if err != nil {
			t.Fatal(err)
		}
		actions = append(actions, e.Actor+" "+e.Action)
	}
	if !slices.Contains(actions, "lilei link.remark") || !slices.Contains(actions, "lilei link.unmute") {
		t.Errorf("the audit log has %q", actions)
	}
}

func TestCardCommand(t *testing.T) {
	w := newTown(t)
	c := commands(w, "zh")
	first, err := c.Command(w.ctx, bridge.Command{Member: w.members[0], Name: "card"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.Command(w.ctx, bridge.Command{Member: w.members[0], Name: "card"})
	if err != nil || again.Text != first.Text || again.Picture != first.Picture {
		t.Errorf("the second time: %+v, %v; the first %+v", again, err, first)
	}
	if !strings.HasPrefix(first.Picture, "https://acme.example/qr/") || strings.Count(first.Text, "\n") != 2 {
		t.Errorf("card = %+v", first)
	}
	if _, err := c.Command(w.ctx, bridge.Command{Member: w.members[2], Name: "card"}); err == nil || errors.Is(err, ErrForbidden) {
		t.Errorf("a member who does not serve: %v", err)
	}
	for _, language := range []string{"en", "zh"} {
		if h := c.Help(language); !strings.Contains(h, "/card") || !strings.Contains(h, "/mute") {
			t.Errorf("help in %s: %q", language, h)
		}
	}
}
