package people

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/store/mem"
)

// shelf is a blob folder in memory.
type shelf struct {
	mu     sync.Mutex
	blobs  map[string][]byte
	broken string // Remove of this one fails
}

func (s *shelf) Put(r io.Reader, _ int64) (string, int64, error) {
	b, err := io.ReadAll(r)
	sum := sha256.Sum256(b)
	name := hex.EncodeToString(sum[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blobs[name] = b
	return name, int64(len(b)), err
}

func (s *shelf) Open(name string) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.blobs[name]
	if !ok {
		return nil, bridge.ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func (s *shelf) Remove(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name == s.broken {
		return errors.New("the disk says no")
	}
	delete(s.blobs, name)
	return nil
}

// Sweep asks about everything: all of it is old.
func (s *shelf) Sweep(_ time.Time, unused func([]string) ([]string, error)) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gone, err := unused(slices.Sorted(maps.Keys(s.blobs)))
	for _, b := range gone {
		delete(s.blobs, b)
	}
	return len(gone), err
}

// town is a small company with a clock that stands still.
type town struct {
	*People
	t       *testing.T
	ctx     context.Context
	store   *mem.Store
	blobs   *shelf
	now     time.Time
	members []bridge.Member
	forgot  []bridge.ContactID
	stuck   error // of adapters that cannot forget
}

func (w *town) forget(_ context.Context, id bridge.ContactID) error {
	w.forgot = append(w.forgot, id)
	return w.stuck
}

func newTown(t *testing.T) *town {
	w := &town{
		t: t, ctx: t.Context(), store: mem.New(), blobs: &shelf{blobs: map[string][]byte{}},
		now: time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC),
		members: []bridge.Member{
			{ID: "lilei", Name: "李雷", Serves: true, Accounts: []bridge.UserRef{{Adapter: "desk", User: "lilei"}}},
			{ID: "hanmeimei", Name: "韩梅梅", Serves: true},
			{ID: "clerk", Name: "Clerk"},
			{ID: "gone", Name: "Gone", Serves: true, State: bridge.MemberLeft},
		},
	}
	w.People = New(w.store, w.blobs, func() []bridge.Member { return w.members }, func() time.Time { return w.now })
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *town) commit(s bridge.Step) bridge.Outcome {
	w.t.Helper()
	s.At = w.now
	out, err := w.store.Commit(w.ctx, s)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// befriend makes a contact with a link to the member.
func (w *town) befriend(id bridge.ContactID, name string, m bridge.MemberID) bridge.LinkID {
	w.t.Helper()
	link := bridge.LinkID(bridge.NewID(w.now))
	w.commit(bridge.Step{
		Contacts: []bridge.Contact{{
			ID: id, Name: name, Since: w.now,
			Accounts: []bridge.UserRef{{Adapter: "web", User: bridge.UserID(id.String())}},
		}},
		Links: []bridge.Link{{ID: link, Member: m, Contact: id, State: bridge.LinkActive, Since: w.now}},
	})
	return link
}

// say stores one message of a link.
func (w *town) say(l bridge.LinkID, m bridge.Message) bridge.MessageID {
	w.t.Helper()
	m.Link, m.At = l, w.now
	return w.commit(bridge.Step{Message: &m}).Message
}

func (w *town) file(name, content string) bridge.File {
	w.t.Helper()
	blob, size, err := w.blobs.Put(strings.NewReader(content), 1<<20)
	if err != nil {
		w.t.Fatal(err)
	}
	return bridge.File{Name: name, Type: "text/plain", Size: size, Blob: blob}
}

// trail is the audit log as "actor action object: detail".
func (w *town) trail() []string {
	w.t.Helper()
	var lines []string
	for e, err := range w.store.Trail(w.ctx) {
		if err != nil {
			w.t.Fatal(err)
		}
		if !e.At.Equal(w.now) {
			w.t.Errorf("audit at %v, want %v", e.At, w.now)
		}
		lines = append(lines, e.Actor+" "+e.Action+" "+e.Object+": "+e.Detail)
	}
	return lines
}

func TestNewCard(t *testing.T) {
	w := newTown(t)
	wish := CardWish{Member: "lilei", Greeting: "您好", Source: "展会", Acceptance: true, Expires: w.now.Add(time.Hour)}
	for _, by := range []Actor{Operator("root"), AsMember("lilei"), System()} {
		c, err := w.NewCard(w.ctx, by, wish)
		if err != nil {
			t.Fatal(err)
		}
		if c.Rev == 0 || c.Member != "lilei" || c.Greeting != "您好" || c.Source != "展会" || !c.Acceptance || !c.Expires.Equal(wish.Expires) {
			t.Errorf("card = %+v", c)
		}
		trail := w.trail()
		if want := by.String() + " card.new " + string(c.ID) + ": for lilei"; trail[len(trail)-1] != want {
			t.Errorf("audit = %q, want %q", trail, want)
		}
	}
}

func TestNewCardRefused(t *testing.T) {
	op := Operator("root")
	cases := []struct {
		name string
		by   Actor
		wish CardWish
		want error
	}{
		{"for somebody else", AsMember("hanmeimei"), CardWish{Member: "lilei"}, ErrForbidden},
		{"by nobody", Actor{}, CardWish{Member: "lilei"}, ErrForbidden},
		{"by a member without an id", AsMember(""), CardWish{Member: "lilei"}, ErrForbidden},
		{"for nobody", op, CardWish{}, bridge.ErrNotFound},
		{"for a stranger", op, CardWish{Member: "mallory"}, bridge.ErrNotFound},
		{"for one who does not serve", op, CardWish{Member: "clerk"}, ErrInvalid},
		{"for one who has left", op, CardWish{Member: "gone"}, ErrInvalid},
		{"greeting too long", op, CardWish{Member: "lilei", Greeting: strings.Repeat("好", maxGreeting+1)}, ErrInvalid},
		{"source too long", op, CardWish{Member: "lilei", Source: strings.Repeat("x", maxSource+1)}, ErrInvalid},
		{"source of two lines", op, CardWish{Member: "lilei", Source: "a\nb"}, ErrInvalid},
		{"expired", op, CardWish{Member: "lilei", Expires: time.Unix(0, 0)}, ErrInvalid},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newTown(t)
			if _, err := w.NewCard(w.ctx, c.by, c.wish); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if trail := w.trail(); len(trail) > 0 {
				t.Errorf("refused, but written down as done: %v", trail)
			}
		})
	}
}

func TestCards(t *testing.T) {
	w := newTown(t)
	op := Operator("root")
	make1 := func(m bridge.MemberID, expires time.Time) bridge.CardID {
		c, err := w.NewCard(w.ctx, op, CardWish{Member: m, Expires: expires})
		if err != nil {
			t.Fatal(err)
		}
		return c.ID
	}
	mine, short, hers := make1("lilei", time.Time{}), make1("lilei", w.now.Add(time.Minute)), make1("hanmeimei", time.Time{})
	w.now = w.now.Add(time.Hour)
	list := func(by Actor, m bridge.MemberID, closed bool) []bridge.CardID {
		var ids []bridge.CardID
		for c, err := range w.Cards(w.ctx, by, m, closed) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, c.ID)
		}
		slices.Sort(ids)
		return ids
	}
	for _, c := range []struct {
		name   string
		by     Actor
		member bridge.MemberID
		closed bool
		want   []bridge.CardID
	}{
		{"all that are open", op, "", false, []bridge.CardID{mine, hers}},
		{"all", op, "", true, []bridge.CardID{mine, short, hers}},
		{"of one", op, "lilei", true, []bridge.CardID{mine, short}},
		{"a member's own", AsMember("hanmeimei"), "", true, []bridge.CardID{hers}},
		{"a member asks for another's", AsMember("hanmeimei"), "lilei", true, nil},
	} {
		slices.Sort(c.want)
		if got := list(c.by, c.member, c.closed); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if _, err := w.Card(w.ctx, AsMember("hanmeimei"), mine); !errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("another's card: %v", err)
	}
	if c, err := w.Card(w.ctx, AsMember("lilei"), mine); err != nil || c.ID != mine {
		t.Errorf("my card: %v, %v", c, err)
	}
}

func TestRevokeCard(t *testing.T) {
	w := newTown(t)
	c, err := w.NewCard(w.ctx, Operator("root"), CardWish{Member: "lilei"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.RevokeCard(w.ctx, AsMember("hanmeimei"), c.ID); !errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("another's card: %v", err)
	}
	for range 2 {
		got, err := w.RevokeCard(w.ctx, AsMember("lilei"), c.ID)
		if err != nil || !got.Revoked {
			t.Fatalf("got %+v, %v", got, err)
		}
	}
	if stored, err := w.store.Card(w.ctx, c.ID); err != nil || !stored.Revoked {
		t.Errorf("stored %+v, %v", stored, err)
	}
	if trail := w.trail(); len(trail) != 2 || !strings.HasPrefix(trail[1], "lilei card.revoke ") {
		t.Errorf("audit = %q, want new and one revoke", trail)
	}
	if _, err := w.RevokeCard(w.ctx, Operator("root"), "nope"); !errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("a card that is not there: %v", err)
	}
}

func TestFirstCard(t *testing.T) {
	for _, c := range []struct {
		name     string
		fallback bridge.MemberID
		want     bridge.MemberID
	}{
		{"the fallback", "hanmeimei", "hanmeimei"},
		{"no fallback", "", "lilei"},
		{"a fallback that has left", "gone", "lilei"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newTown(t)
			first, fresh, err := w.FirstCard(w.ctx, c.fallback)
			if err != nil || !fresh || first.Member != c.want || !first.Acceptance {
				t.Fatalf("got %+v, %v, %v", first, fresh, err)
			}
			again, fresh, err := w.FirstCard(w.ctx, c.fallback)
			if err != nil || fresh || again.ID != first.ID {
				t.Errorf("again %+v, %v, %v", again, fresh, err)
			}
			if _, err := w.RevokeCard(w.ctx, System(), first.ID); err != nil {
				t.Fatal(err)
			}
			if _, _, err := w.FirstCard(w.ctx, c.fallback); !errors.Is(err, bridge.ErrNotFound) {
				t.Errorf("all revoked: %v; what was closed is not opened again", err)
			}
		})
	}
	w := newTown(t)
	w.members = w.members[2:]
	if _, _, err := w.FirstCard(w.ctx, "clerk"); !errors.Is(err, ErrInvalid) {
		t.Errorf("nobody serves: %v", err)
	}
}

func TestLinks(t *testing.T) {
	w := newTown(t)
	a := w.befriend(1, "王小明", "lilei")
	w.now = w.now.Add(time.Second)
	b := w.befriend(2, "小红", "lilei")
	w.now = w.now.Add(time.Second)
	c := w.befriend(3, "小刚", "")
	list := func(by Actor, wish LinkWish) []bridge.LinkID {
		var ids []bridge.LinkID
		for v, err := range w.Links(w.ctx, by, wish) {
			if err != nil {
				t.Fatal(err)
			}
			if v.ContactName == "" || v.Member != "" && v.MemberName == "" {
				t.Errorf("a link without names: %+v", v)
			}
			ids = append(ids, v.ID)
		}
		return ids
	}
	op := Operator("root")
	for _, x := range []struct {
		name string
		by   Actor
		wish LinkWish
		want []bridge.LinkID
	}{
		{"all, oldest first", op, LinkWish{}, []bridge.LinkID{a, b, c}},
		{"of a member, newest first", op, LinkWish{Member: "lilei"}, []bridge.LinkID{b, a}},
		{"of a contact", op, LinkWish{Contact: 2}, []bridge.LinkID{b}},
		{"of a contact and another member", op, LinkWish{Contact: 2, Member: "hanmeimei"}, nil},
		{"by state", op, LinkWish{State: bridge.LinkEnded}, nil},
		{"a member's own", AsMember("lilei"), LinkWish{}, []bridge.LinkID{b, a}},
		{"another's", AsMember("hanmeimei"), LinkWish{Member: "lilei"}, nil},
		{"another's by contact", AsMember("hanmeimei"), LinkWish{Contact: 1}, nil},
	} {
		if got := list(x.by, x.wish); !slices.Equal(got, x.want) {
			t.Errorf("%s: %v, want %v", x.name, got, x.want)
		}
	}
}
