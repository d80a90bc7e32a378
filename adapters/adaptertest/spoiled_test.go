package adaptertest_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/adaptertest"
	"github.com/hutong-im/hutong/adapters/fake"
	"github.com/hutong-im/hutong/bridge"
)

// whole is an adapter with every add-on that the suite knows.
type whole interface {
	bridge.Adapter
	bridge.Hooked
	bridge.Editor
	bridge.Reactor
	bridge.Typer
	bridge.Reader
	bridge.Marker
	bridge.Opener
	bridge.Updater
	bridge.Hinter
	bridge.Asker
	bridge.Fetcher
	bridge.Finder
	bridge.Prober
	bridge.Inviter
}

// spoiled is the fake's adapter with one add-on that does not do what it says.
type spoiled struct {
	whole
	bug string
}

func (s *spoiled) Hook() http.Handler {
	h := s.whole.Hook()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch s.bug {
		case "answers 200 whatever happened":
			h.ServeHTTP(httptest.NewRecorder(), r)
			w.WriteHeader(http.StatusOK)
		case "welcomes forgeries": // what was not forged is answered as it should be
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			if rec.Code == http.StatusUnauthorized || rec.Code == http.StatusForbidden {
				rec.Code = http.StatusOK
			}
			w.WriteHeader(rec.Code)
		default:
			h.ServeHTTP(w, r)
		}
	})
}

func (s *spoiled) Send(ctx context.Context, to bridge.RoomID, d bridge.Draft) ([]bridge.MsgID, error) {
	switch s.bug {
	case "loses replies":
		d.ReplyTo = ""
	case "loses names":
		d.As = bridge.Label{}
	case "loses keys":
		d.Key = ""
	case "sends half a file":
		for i := range d.Files {
			d.Files[i].Open = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("half")), nil }
		}
	case "sends into another room":
		to = fake.DM("somebody-else")
	}
	return s.whole.Send(ctx, to, d)
}

func (s *spoiled) Edit(ctx context.Context, room bridge.RoomID, msg bridge.MsgID, d bridge.Draft) error {
	if s.bug == "edits nothing" {
		return nil
	}
	return s.whole.Edit(ctx, room, msg, d)
}

func (s *spoiled) React(ctx context.Context, room bridge.RoomID, msg bridge.MsgID, emoji string, on bool) error {
	return s.whole.React(ctx, room, msg, emoji, on || s.bug == "never takes a reaction away")
}

func (s *spoiled) Type(ctx context.Context, room bridge.RoomID) error {
	if s.bug == "types nothing" {
		return nil
	}
	return s.whole.Type(ctx, room)
}

func (s *spoiled) MarkRead(ctx context.Context, room bridge.RoomID, msg bridge.MsgID) error {
	if s.bug == "reads nothing" {
		return nil
	}
	return s.whole.MarkRead(ctx, room, msg)
}

func (s *spoiled) Mark(ctx context.Context, room bridge.RoomID, msg bridge.MsgID, f bridge.Fate) error {
	if s.bug == "marks all alike" {
		f = bridge.Fate{State: bridge.StateSent}
	}
	return s.whole.Mark(ctx, room, msg, f)
}

func (s *spoiled) Open(ctx context.Context, o bridge.Opening) (bridge.RoomID, error) {
	if s.bug == "opens a new room each time" {
		o.Key += time.Now().Format(time.RFC3339Nano)
	}
	return s.whole.Open(ctx, o)
}

func (s *spoiled) Update(ctx context.Context, room bridge.RoomID, o bridge.Opening) error {
	if s.bug == "shows what was" {
		return nil
	}
	return s.whole.Update(ctx, room, o)
}

func (s *spoiled) Hint(ctx context.Context, room bridge.RoomID, user bridge.UserID, a bridge.Ask) error {
	if s.bug == "hints to everybody" {
		_, err := s.whole.Send(ctx, room, bridge.Draft{Text: a.Text})
		return err
	}
	if s.bug == "offers another thing" {
		a.ID = "another"
	}
	return s.whole.Hint(ctx, room, user, a)
}

func (s *spoiled) Ask(ctx context.Context, room bridge.RoomID, key string, a bridge.Ask) ([]bridge.MsgID, error) {
	if s.bug == "mixes up the question" {
		a.ID = "another"
	}
	return s.whole.Ask(ctx, room, key, a)
}

func (s *spoiled) Fetch(ctx context.Context, f bridge.File) (io.ReadCloser, error) {
	if s.bug == "fetches nothing" {
		return io.NopCloser(strings.NewReader("")), nil
	}
	return s.whole.Fetch(ctx, f)
}

func (s *spoiled) Find(ctx context.Context, room bridge.RoomID, key string) ([]bridge.MsgID, error) {
	switch s.bug {
	case "finds nothing":
		return nil, nil
	case "finds anything":
		return []bridge.MsgID{"m1"}, nil
	}
	return s.whole.Find(ctx, room, key)
}

func (s *spoiled) Probe(ctx context.Context) error {
	if s.bug == "is always well" {
		return nil
	}
	return s.whole.Probe(ctx)
}

func (s *spoiled) Invite(ctx context.Context, c bridge.CardID) (string, error) {
	if s.bug == "invites to the same place" {
		c = "same"
	}
	return s.whole.Invite(ctx, c)
}

// spoiledConfig opens a spoiled adapter.
type spoiledConfig struct {
	*fake.Config
	bug string
}

func (c spoiledConfig) Open(env bridge.Env) (bridge.Adapter, error) {
	a, err := c.Config.Open(env)
	if err != nil {
		return nil, err
	}
	w, _ := a.(whole)
	if c.bug == "forgets nobody" {
		_, err = env.State.Put(context.Background(), "room/x", []byte(`{"title":"将忘"}`), bridge.AnyRev)
	}
	return &spoiled{w, c.bug}, err
}

type spoiledNetwork struct {
	*network
	bug string
}

func (n spoiledNetwork) Config() bridge.Config {
	return spoiledConfig{n.HTTPConfig(n.url), n.bug}
}

func (n spoiledNetwork) Facts() adaptertest.Facts {
	f := n.network.Facts()
	f.Patience = time.Second
	return f
}

func TestSpoiledAddonsAreCaught(t *testing.T) {
	for _, c := range []struct {
		bug, check string
		says       string // part of what the suite says
	}{
		{"answers 200 whatever happened", "hear/again after an error", "did not come"},
		{"welcomes forgeries", "hook/forged", "answers 200"},
		{"loses replies", "say/reply", "it answers"},
		{"loses names", "say/names", "name shown"},
		{"loses keys", "say/same key twice", "then"},
		{"sends half a file", "files/said", "must be shown"},
		{"sends half a file", "files/broken", "verdict sent"},
		{"sends into another room", "say/ids", "404 Not Found"},
		{"edits nothing", "editor", "in place of the old"},
		{"never takes a reaction away", "reactor", "false"},
		{"types nothing", "typer", "seen writing"},
		{"reads nothing", "reader", "must be read"},
		{"marks all alike", "marker", "unlike the others"},
		{"opens a new room each time", "opener", "has the rooms"},
		{"hints to everybody", "hinter", "must see the hint"},
		{"shows what was", "updater", "must show remark"},
		{"offers another thing", "hinter/buttons", "the answer did not come"},
		{"mixes up the question", "asker", "the answer did not come"},
		{"fetches nothing", "files/heard", "fetched 0 bytes"},
		{"finds nothing", "verdict/lost answer is found", "find:"},
		{"finds anything", "verdict/lost answer is found", "find what is not there"},
		{"is always well", "verdict/probe", "was revoked"},
		{"forgets nobody", "forgetter", "has still \"将忘\""},
		{"invites to the same place", "inviter", "the same address"},
	} {
		t.Run(c.bug+"/"+c.check, func(t *testing.T) {
			rec := &recorder{ctx: t.Context()}
			net := spoiledNetwork{newNetwork(t, fake.Full, true), c.bug}
			rec.run(func() { check(t, c.check).Run(rec, fake.Kind(), net) })
			if rec.skipped != "" {
				t.Fatalf("the check was skipped: %s", rec.skipped)
			}
			if !strings.Contains(strings.Join(rec.problems, "\n"), c.says) {
				t.Errorf("not caught; the suite says %q, want %q", rec.problems, c.says)
			}
		})
	}
}
