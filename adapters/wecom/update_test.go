package wecom

import (
	"strings"
	"testing"

	"github.com/hutong-im/hutong/adapters/wecom/wecomtest"
	"github.com/hutong-im/hutong/bridge"
)

const updatePath = "/cgi-bin/message/update_template_card"

// A request that was answered in words, or elsewhere, loses its buttons; one that was pressed has lost them already.
func TestARequestAnsweredElsewhere(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	r.run()
	ask := func(link string) {
		t.Helper()
		q := bridge.Ask{ID: "link:" + link, Text: "小红 请求与您联系", Choices: []bridge.Choice{{ID: "accept", Label: "接受"}, {ID: "decline", Label: "拒绝"}}}
		if _, err := r.a.Ask(t.Context(), lileiRoom, "key-"+link, q); err != nil {
			t.Fatal(err)
		}
	}
	update := func(link string, state bridge.LinkState) {
		t.Helper()
		if err := r.a.Update(t.Context(), lileiRoom, bridge.Opening{Key: link, State: state}); err != nil {
			t.Fatal(err)
		}
	}
	ask("l1")
	update("l1", bridge.LinkAsked)
	update("another", bridge.LinkActive)
	if n := len(r.Requests(updatePath)); n != 0 || r.card().Card.Replaced != "" {
		t.Fatalf("%d calls, the card shows %q", n, r.card().Card.Replaced)
	}
	update("l1", bridge.LinkActive)
	update("l1", bridge.LinkActive)
	if n := len(r.Requests(updatePath)); n != 1 || r.card().Card.Replaced != r.a.words().settled {
		t.Errorf("%d calls, the card shows %q", n, r.card().Card.Replaced)
	}

	ask("l2")
	r.Press("LiLei", r.card().Card.TaskID, "接受")
	r.until("the press", func() bool { return strings.HasPrefix(r.card().Card.Replaced, "✓") })
	update("l2", bridge.LinkActive)
	if n := len(r.Requests(updatePath)); n != 1 {
		t.Errorf("%d calls after a press", n)
	}

	ask("l3")
	r.Fail(wecomtest.Fault{Path: updatePath, Code: 41063, Times: 1})
	update("l3", bridge.LinkEnded)
	ask("l4")
	r.Fail(wecomtest.Fault{Path: updatePath, Code: -1})
	if err := r.a.Update(t.Context(), lileiRoom, bridge.Opening{Key: "l4", State: bridge.LinkEnded}); bridge.Judge(err).Verdict != bridge.VerdictRetry {
		t.Errorf("a busy WeCom: %v", err)
	}
	r.Calm()
	update("l4", bridge.LinkEnded)
	if got := r.card().Card.Replaced; got != r.a.words().settled {
		t.Errorf("the card shows %q", got)
	}
}

// Of a request to an erased contact nothing is left with which its card could be changed.
func TestForget(t *testing.T) {
	r := newRig(t, wecomtest.Options{})
	r.run()
	for _, link := range []string{"gone", "stays"} {
		r.ask(bridge.Ask{ID: "link:" + link, Text: "小红 请求与您联系", Choices: choices("接受")})
	}
	for range 2 {
		if err := r.a.Forget(t.Context(), bridge.Traces{Keys: []string{"gone", "another"}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range []string{"gone", "stays"} {
		if err := r.a.Update(t.Context(), lileiRoom, bridge.Opening{Key: link, State: bridge.LinkActive}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(r.Requests(updatePath)); n != 1 {
		t.Errorf("%d cards were changed, want that of one", n)
	}
	if keys, err := r.state.List(t.Context(), "request/", "", 10); err != nil || len(keys) != 0 {
		t.Errorf("the state has %q, %v", keys, err)
	}
}
