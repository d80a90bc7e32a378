package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/hutong-im/hutong/bridge"
)

// scene fills a store with some of everything.
func (e *env) scene() {
	e.Helper()
	e.family(1)
	e.family(2)
	_, err := e.s.KV("adapter").Put(e.ctx, "cursor", []byte("42"), 0)
	e.must("put", err)
	whole := full(10)
	e.do(bridge.Step{
		Seen: "event", Message: rich(10, "rich"), Deliveries: []bridge.Delivery{whole},
		Cards: []bridge.Card{card("K")}, Audit: []bridge.AuditEntry{audit("card.new")},
	})
}

// remembers checks what a dump does not show.
func (e *env) remembers() {
	e.Helper()
	v, rev, err := e.s.KV("adapter").Get(e.ctx, "cursor")
	if err != nil || string(v) != "42" || rev == 0 {
		e.Errorf("the key holds %q at %d, %v", v, rev, err)
	}
	for _, st := range []bridge.Step{
		{Seen: "event"},
		{Message: message(10, "s1", "again")},
		{Message: &bridge.Message{Room: desk("d10"), Src: "s0copy", Text: "echo"}},
	} {
		st.At = e.now
		out, err := e.s.Commit(e.ctx, st)
		if err != nil || !out.Duplicate || out.Message == 0 {
			e.Errorf("a repeat was not known: %+v, %v", out, err)
		}
	}
	c := contact(3, "u1")
	e.refuses("a taken account", bridge.Step{Contacts: []bridge.Contact{c}}, bridge.ErrStale)
	e.refuses("a taken pair", bridge.Step{Links: []bridge.Link{link(99, "m0", 1)}}, bridge.ErrStale)
}

func testReopen(t T, k Kind) {
	e := open(t, k)
	e.scene()
	before := dump(e, e.s)
	was, err := e.s.Stats(e.ctx)
	e.must("stats", err)
	for range 3 {
		e.reopen()
		if after := dump(e, e.s); after != before {
			e.Errorf("after reopening: %s", diff(after, before))
		}
		e.remembers()
		is, err := e.s.Stats(e.ctx)
		e.must("stats", err)
		if is.Waiting != was.Waiting || is.Parked != was.Parked || !is.Oldest.Equal(was.Oldest) {
			e.Errorf("figures %+v, want %+v", is, was)
		}
	}
}

func testReopenIDs(t T, k Kind) {
	e := open(t, k)
	var message, last bridge.MessageID
	var delivery, lastDelivery bridge.DeliveryID
	var rev, lastRev uint64
	for i := range 5 {
		id, d := e.say(1, bridge.MsgID(fmt.Sprint("s", i)), "x")
		message, delivery = id, d.ID
		e.settle(d, bridge.StateSent) // nothing is left whose id the next could be counted from
		var err error
		rev, err = e.s.KV("a").Put(e.ctx, "k", nil, 0)
		e.must("put", err)
		e.must("delete", e.s.KV("a").Delete(e.ctx, "k"))
		if message <= last || delivery <= lastDelivery || rev == lastRev {
			e.Errorf("ids %d, %d, %d after %d, %d, %d", message, delivery, rev, last, lastDelivery, lastRev)
		}
		last, lastDelivery, lastRev = message, delivery, rev
		e.reopen()
	}
	rs, err := e.s.History(e.ctx, 1, 0, 10)
	e.must("history", err)
	e.equal("history", len(rs), 5)
	if _, err := e.s.Erase(e.ctx, 1, audit("x")); !errors.Is(err, bridge.ErrNotFound) {
		e.Errorf("erase: %v", err)
	}
}

// restored is a store made of a backup.
func (e *env) restored(backup io.Reader) *env {
	e.Helper()
	dir := e.TempDir()
	e.kind.Restore(e.T, backup, dir)
	r := *e
	r.dir, r.s = dir, e.kind.Open(e.T, dir)
	e.Cleanup(func() { _ = r.s.Close() })
	return &r
}

func testBackup(t T, k Kind) {
	e := open(t, k)
	e.scene()
	var b bytes.Buffer
	e.must("backup", e.s.Backup(e.ctx, &b))
	want := dump(e, e.s)
	e.say(10, "after the backup", "x")
	r := e.restored(&b)
	if got := dump(r, r.s); got != want {
		r.Errorf("restored: %s", diff(got, want))
	}
	r.remembers()
	r.finds(chat("w10"), "after the backup", 0)
	r.say(10, "goes on", "x")
	broken := errors.New("disk on fire")
	e.fails("backup to a broken writer", e.s.Backup(e.ctx, brokenWriter{broken}), broken)
	e.say(10, "unharmed", "x")
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func testHotBackup(t T, k Kind) {
	e := open(t, k)
	for i := range 50 {
		e.say(1, bridge.MsgID(fmt.Sprint("before", i)), "x")
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				_, err := e.s.Commit(e.ctx, bridge.Step{
					At: start, Message: message(1, bridge.MsgID(fmt.Sprint(w, "-", i)), "x"), Deliveries: []bridge.Delivery{delivery(1)},
				})
				if err != nil {
					e.Errorf("commit: %v", err)
					return
				}
			}
		})
	}
	backups := make([]bytes.Buffer, 3)
	for i := range backups {
		e.must("backup", e.s.Backup(e.ctx, &backups[i]))
	}
	close(stop)
	wg.Wait()
	last := 0
	for i := range backups {
		r := e.restored(&backups[i])
		rs, err := r.s.History(r.ctx, 1, 0, 1<<20)
		r.must("history", err)
		ds, err := r.s.Waiting(r.ctx, lane(1), 0, 1<<20)
		r.must("waiting", err)
		if len(rs) != len(ds) || len(rs) < 50 || len(rs) < last {
			r.Errorf("backup %d: %d messages, %d deliveries", i, len(rs), len(ds))
		}
		last = len(rs)
		r.must("close", r.s.Close())
	}
}
