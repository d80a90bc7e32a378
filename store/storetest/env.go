package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// start is when the suite's clock begins: an hour that is not on the edge of a day of UTC.
var start = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// env is one store under test.
type env struct {
	T
	kind Kind
	dir  string
	s    bridge.Store
	ctx  context.Context
	now  time.Time
}

func open(t T, k Kind) *env {
	e := &env{T: t, kind: k, dir: t.TempDir(), ctx: t.Context(), now: start}
	e.s = k.Open(t, e.dir)
	t.Cleanup(func() { _ = e.s.Close() })
	return e
}

// reopen closes the store and opens it again.
func (e *env) reopen() {
	e.Helper()
	if err := e.s.Close(); err != nil {
		e.Fatalf("close: %v", err)
	}
	e.s = e.kind.Open(e.T, e.dir)
}

// do commits a step that must be done. A second passes before it.
func (e *env) do(st bridge.Step) bridge.Outcome {
	e.Helper()
	if st.At.IsZero() {
		e.now = e.now.Add(time.Second)
		st.At = e.now
	}
	out, err := e.s.Commit(e.ctx, st)
	if err != nil {
		e.Fatalf("commit: %v", err)
	}
	if out.Duplicate {
		e.Fatalf("commit: a duplicate, want it done")
	}
	return out
}

// refuses commits a step that must fail so.
func (e *env) refuses(what string, st bridge.Step, want error) {
	e.Helper()
	if st.At.IsZero() {
		st.At = e.now
	}
	if _, err := e.s.Commit(e.ctx, st); !errors.Is(err, want) {
		e.Errorf("%s: error %v, want %v", what, err, want)
	}
}

// say stores a message of the link with one delivery to the other side.
func (e *env) say(l bridge.LinkID, src bridge.MsgID, text string) (bridge.MessageID, bridge.Delivery) {
	e.Helper()
	out := e.do(bridge.Step{Message: message(l, src, text), Deliveries: []bridge.Delivery{delivery(l)}})
	return out.Message, out.Deliveries[0]
}

// settle commits one settlement.
func (e *env) settle(d bridge.Delivery, state bridge.State, ids ...bridge.MsgID) {
	e.Helper()
	e.do(bridge.Step{Settle: []bridge.Settlement{settlement(d, state, ids...)}})
}

// record reads a message that must be there.
func (e *env) record(id bridge.MessageID) bridge.Record {
	e.Helper()
	r, err := e.s.Message(e.ctx, id)
	if err != nil {
		e.Fatalf("message %s: %v", id, err)
	}
	return r
}

// finds checks what a network's name leads to; 0 is nothing.
func (e *env) finds(room bridge.RoomRef, msg bridge.MsgID, want bridge.MessageID) {
	e.Helper()
	got, err := e.s.Find(e.ctx, bridge.MsgRef{RoomRef: room, Msg: msg})
	switch {
	case want == 0 && !errors.Is(err, bridge.ErrNotFound):
		e.Errorf("find %s in %s: %s, %v, want it not found", msg, room.Room, got, err)
	case want != 0 && (err != nil || got != want):
		e.Errorf("find %s in %s: %s, %v, want %s", msg, room.Room, got, err, want)
	}
}

// waits checks what waits in a lane.
func (e *env) waits(lane bridge.LaneID, want ...bridge.DeliveryID) {
	e.Helper()
	ds, err := e.s.Waiting(e.ctx, lane, 0, 100)
	if err != nil {
		e.Fatalf("waiting: %v", err)
	}
	if got := ids(ds); !reflect.DeepEqual(got, want) {
		e.Errorf("lane %d holds %v, want %v", lane, got, want)
	}
}

// parked checks what is listed as failed or unknown.
func (e *env) parked(want ...bridge.DeliveryID) {
	e.Helper()
	ds, err := e.s.Deliveries(e.ctx, 0, 100, bridge.StateFailed, bridge.StateUnknown)
	if err != nil {
		e.Fatalf("deliveries: %v", err)
	}
	if got := ids(ds); !reflect.DeepEqual(got, want) {
		e.Errorf("parked are %v, want %v", got, want)
	}
}

func ids(ds []bridge.Delivery) []bridge.DeliveryID {
	var out []bridge.DeliveryID
	for _, d := range ds {
		out = append(out, d.ID)
	}
	return out
}

// equal checks that two things are the same, by value.
func (e *env) equal(what string, got, want any) {
	e.Helper()
	if !reflect.DeepEqual(got, want) {
		e.Errorf("%s:\n got %s\nwant %s", what, show(got), show(want))
	}
}

// fails checks that an error is the one wanted.
func (e *env) fails(what string, err, want error) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Errorf("%s: error %v, want %v", what, err, want)
	}
}

// must checks that there is no error.
func (e *env) must(what string, err error) {
	e.Helper()
	if err != nil {
		e.Fatalf("%s: %v", what, err)
	}
}

func show(v any) string { return fmt.Sprintf("%+v", v) }

// dump is everything that can be seen of a store, as lines of text.
func dump(t T, s bridge.Store) string {
	t.Helper()
	ctx, w := t.Context(), &strings.Builder{}
	line := func(kind string, key ...any) { fmt.Fprintln(w, append([]any{kind}, key...)...) }
	check := func(what string, err error) {
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	rooms := map[bridge.RoomRef]bool{}
	for c, err := range s.Contacts(ctx) {
		check("contacts", err)
		line("contact", c.ID, c.Rev, text(c))
		for _, a := range c.Accounts {
			o, err := s.ContactOf(ctx, a)
			check("account", err)
			line("account", a, o.ID)
		}
	}
	for l, err := range s.Links(ctx) {
		check("links", err)
		line("link", l.ID, l.Rev, text(l))
		for _, ref := range l.Rooms {
			if rooms[ref] {
				continue
			}
			rooms[ref] = true
			if r, err := s.Room(ctx, ref); err == nil {
				line("room", ref, r.Rev, text(r))
			}
		}
		rs, err := s.History(ctx, l.ID, 0, 10_000)
		check("history", err)
		for _, r := range rs {
			line("message", uint64(r.ID), text(r))
			dumpNames(ctx, s, r, line)
		}
	}
	for c, err := range s.Cards(ctx) {
		check("cards", err)
		line("card", c.ID, c.Rev, text(c))
	}
	dumpDeliveries(ctx, s, check, line)
	for a, err := range s.Trail(ctx) {
		check("trail", err)
		line("audit", text(a))
	}
	return w.String()
}

// dumpNames says where the network's names of a message lead.
func dumpNames(ctx context.Context, s bridge.Store, r bridge.Record, line func(string, ...any)) {
	for _, c := range append([]bridge.Copy{{Room: r.Room, IDs: []bridge.MsgID{r.Src}}}, r.Copies...) {
		for _, id := range c.IDs {
			got, err := s.Find(ctx, bridge.MsgRef{RoomRef: c.Room, Msg: id})
			line("name", c.Room, id, uint64(got), err)
		}
	}
}

func dumpDeliveries(ctx context.Context, s bridge.Store, check func(string, error), line func(string, ...any)) {
	ds, err := s.Deliveries(ctx, 0, 10_000, bridge.StatePending, bridge.StateHeld, bridge.StateFailed, bridge.StateUnknown)
	check("deliveries", err)
	for _, d := range ds {
		line("delivery", uint64(d.ID), uint64(d.Lane), text(d))
	}
	heads, err := s.Claim(ctx, 0, 10_000)
	check("claim", err)
	for _, h := range heads {
		ds, err := s.Waiting(ctx, h.Lane, 0, 10_000)
		check("waiting", err)
		line("lane", uint64(h.Lane), uint64(h.ID), fmt.Sprint(ids(ds)))
	}
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// diff is the first line in which two dumps differ.
func diff(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		a, b := "(nothing)", "(nothing)"
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			return fmt.Sprintf("line %d\n got %s\nwant %s", i+1, a, b)
		}
	}
	return "(the same)"
}
