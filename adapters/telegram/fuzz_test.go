package telegram

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/store/mem"
)

func FuzzParse(f *testing.F) {
	names, err := filepath.Glob("testdata/updates/*.json")
	if err != nil || len(names) == 0 {
		f.Fatal("no updates to begin with", err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	store := mem.New()
	f.Cleanup(func() { _ = store.Close() })
	f.Fuzz(func(t *testing.T, raw []byte) {
		u, err := parse(raw)
		if err != nil {
			return
		}
		if u.ID <= 0 {
			t.Fatalf("an update without a number: %q", raw)
		}
		client := &http.Client{Transport: unreachable{}}
		a := &adapter{words: &english, env: bridge.Env{Log: slog.New(slog.DiscardHandler), HTTP: client, State: store.KV("x"), Lobby: &lobby{}, Now: time.Now}}
		s := &session{a: a, in: taker{t}, me: user{Username: "acme_bot"}, albums: &a.albums}
		if err := s.remember(t.Context()); err != nil {
			t.Fatal(err)
		}
		_ = s.take(t.Context(), u) // a business connection cannot be looked up here
		s.bring(t.Context(), time.Now().Add(time.Hour))
	})
}

type unreachable struct{}

func (unreachable) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no network")
}

// taker looks at what every event must have.
type taker struct{ t *testing.T }

func (k taker) Receive(_ context.Context, e bridge.Event) error {
	if m, ok := e.(bridge.MessageEvent); ok && (m.Room == "" || m.User == "" || m.Msg == "" || m.Text == "" && len(m.Files) == 0) {
		k.t.Fatalf("not a message: %+v", m)
	}
	return nil
}
