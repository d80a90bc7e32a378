package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/store/mem"
	"github.com/hutong-im/hutong/store/storetest"
)

// bugs are what can be wrong with a toy. Each field that is set replaces one promise by a broken one.
type bugs struct {
	step   func(y *toy, st *bridge.Step)                           // what the store makes of a step
	retry  func(st *bridge.Step)                                   // what it does all the same of a stale one
	commit func(y *toy, st bridge.Step) (bridge.Outcome, error)    // the whole commit
	out    func(o *bridge.Outcome)                                 // what it answers
	lane   func(ds []bridge.Delivery)                              // what it says of a lane
	find   func(y *toy, r bridge.MsgRef, id bridge.MessageID) bool // whether it finds it
	kv     func(kv bridge.KV) bridge.KV
	locked bool // listings hold a lock that commits need
	ghosts bool // erased history is still told
	torn   bool // a backup is empty
	alias  bool // messages are handed out, not copies of them
	all    bool // everything from before now is expired
	zombie bool // commits after Close
	reopen func(y *toy)
}

// toy is a store in memory that lives in a directory by way of a backup, and is broken as told.
type toy struct {
	*mem.Store
	b     bugs
	dir   string
	life  int // how many times the directory was opened before
	list  sync.RWMutex
	mu    sync.Mutex
	known map[string]bool
	ghost map[bridge.MessageID]bridge.Record
	kept  map[bridge.MessageID]*bridge.Record
	dead  bool
}

func kind(b bugs) storetest.Kind {
	return storetest.Kind{
		Durable: true,
		Open: func(t storetest.T, dir string) bridge.Store {
			y := &toy{
				Store: mem.New(), b: b, dir: dir, known: map[string]bool{},
				ghost: map[bridge.MessageID]bridge.Record{}, kept: map[bridge.MessageID]*bridge.Record{},
			}
			lives, _ := filepath.Glob(filepath.Join(dir, "*.life"))
			y.life = len(lives)
			if f, err := os.Open(filepath.Join(dir, "backup")); err == nil {
				defer f.Close()
				if y.Store, err = mem.Restore(f); err != nil {
					t.Fatalf("restore: %v", err)
				}
			}
			if b.reopen != nil && y.life > 0 {
				b.reopen(y)
			}
			return y
		},
		Restore: func(t storetest.T, r io.Reader, dir string) {
			data, err := io.ReadAll(r)
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, "backup"), data, 0o600)
			}
			if err != nil {
				t.Fatalf("restore: %v", err)
			}
		},
	}
}

func (y *toy) Commit(ctx context.Context, st bridge.Step) (bridge.Outcome, error) {
	if y.b.locked {
		y.list.Lock()
		defer y.list.Unlock()
	}
	if y.b.zombie && y.dead {
		return bridge.Outcome{}, nil
	}
	if y.b.commit != nil {
		return y.b.commit(y, st)
	}
	if y.b.step != nil {
		st.Settle = slices.Clone(st.Settle)
		y.b.step(y, &st)
	}
	out, err := y.Store.Commit(ctx, st)
	if errors.Is(err, bridge.ErrStale) && y.b.retry != nil {
		y.b.retry(&st)
		return y.Store.Commit(ctx, st)
	}
	if y.b.out != nil {
		y.b.out(&out)
	}
	return out, err
}

func (y *toy) Waiting(ctx context.Context, l bridge.LaneID, after bridge.DeliveryID, n int) ([]bridge.Delivery, error) {
	ds, err := y.Store.Waiting(ctx, l, after, n)
	if y.b.lane != nil {
		y.b.lane(ds)
	}
	return ds, err
}

func (y *toy) Find(ctx context.Context, r bridge.MsgRef) (bridge.MessageID, error) {
	id, err := y.Store.Find(ctx, r)
	if err == nil && y.b.find != nil && !y.b.find(y, r, id) {
		return 0, bridge.ErrNotFound
	}
	return id, err
}

func (y *toy) KV(scope string) bridge.KV {
	if y.b.kv != nil {
		return y.b.kv(y.Store.KV(scope))
	}
	return y.Store.KV(scope)
}

func (y *toy) Links(ctx context.Context) iter.Seq2[bridge.Link, error] {
	return func(yield func(bridge.Link, error) bool) {
		y.list.RLock()
		defer y.list.RUnlock()
		for l, err := range y.Store.Links(ctx) {
			if !yield(l, err) {
				return
			}
		}
	}
}

func (y *toy) Message(ctx context.Context, id bridge.MessageID) (bridge.Record, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if r, ok := y.ghost[id]; ok {
		return r, nil
	}
	r, err := y.Store.Message(ctx, id)
	if y.b.alias && err == nil {
		if y.kept[id] == nil {
			y.kept[id] = &r
		}
		return *y.kept[id], nil
	}
	return r, err
}

func (y *toy) Erase(ctx context.Context, c bridge.ContactID, a bridge.AuditEntry) ([]string, error) {
	if ls, err := y.LinksOf(ctx, c); err == nil && y.b.ghosts {
		for _, l := range ls {
			rs, _ := y.History(ctx, l.ID, 0, 1000)
			y.mu.Lock()
			for _, r := range rs {
				y.ghost[r.ID] = r
			}
			y.mu.Unlock()
		}
	}
	return y.Store.Erase(ctx, c, a)
}

func (y *toy) Expire(ctx context.Context, now, history time.Time) ([]string, error) {
	if y.b.all && !history.IsZero() {
		history = now
	}
	return y.Store.Expire(ctx, now, history)
}

func (y *toy) Backup(ctx context.Context, w io.Writer) error {
	if y.b.torn {
		return mem.New().Backup(ctx, w)
	}
	return y.Store.Backup(ctx, w)
}

func (y *toy) Close() error {
	y.dead = true
	f, err := os.Create(filepath.Join(y.dir, "backup.new"))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := y.Store.Backup(context.Background(), f); err != nil {
		return nil //nolint:nilerr // closed before: what there is to keep was kept then
	}
	life := filepath.Join(y.dir, fmt.Sprint(y.life, ".life"))
	return errors.Join(os.Rename(f.Name(), filepath.Join(y.dir, "backup")), os.WriteFile(life, nil, 0o600), y.Store.Close())
}

// anyRev is a KV without compare-and-swap; unlimited has no limits.
type anyRev struct{ bridge.KV }

func (k anyRev) Put(ctx context.Context, key string, val []byte, _ uint64) (uint64, error) {
	return k.KV.Put(ctx, key, val, bridge.AnyRev)
}

// eachSettlement makes a bug of one that spoils settlements.
func eachSettlement(spoil func(y *toy, x *bridge.Settlement)) func(*toy, *bridge.Step) {
	return func(y *toy, st *bridge.Step) {
		for i := range st.Settle {
			spoil(y, &st.Settle[i])
		}
	}
}

// lateDedupe looks for the key, and only then commits: twins that come together both pass.
func lateDedupe(y *toy, st bridge.Step) (bridge.Outcome, error) {
	key := st.Seen
	y.mu.Lock()
	known := y.known[key]
	y.mu.Unlock()
	if known && key != "" {
		return y.Store.Commit(context.Background(), st)
	}
	for range 100 {
		runtime.Gosched()
	}
	st.Seen = ""
	out, err := y.Store.Commit(context.Background(), st)
	if err == nil && !out.Duplicate && key != "" {
		y.mu.Lock()
		y.known[key] = true
		y.mu.Unlock()
		_, err = y.Store.Commit(context.Background(), bridge.Step{At: st.At, Seen: key})
	}
	return out, err
}

// planted are the bugs, each a promise of the contract broken.
func planted() map[string]bugs {
	return map[string]bugs{
		"forgets dedupe keys when reopened": {step: func(y *toy, st *bridge.Step) {
			if st.Seen != "" {
				st.Seen = fmt.Sprint(y.life, st.Seen)
			}
		}},
		"dedupes only what comes in sequence": {commit: lateDedupe},
		"dedupes events but not messages": {step: func(_ *toy, st *bridge.Step) {
			if st.Message != nil && st.Seen != "" {
				m := *st.Message
				m.Src = ""
				st.Message = &m
			}
		}},
		"does half of a stale step": {retry: func(st *bridge.Step) { *st = bridge.Step{At: st.At, Audit: st.Audit} }},
		"ignores expectations":      {step: func(_ *toy, st *bridge.Step) { st.Expect = nil }},
		"gives ids without the time": {step: func(_ *toy, st *bridge.Step) {
			if st.Message != nil && st.Seen == "" {
				st.At = time.Time{}
			}
		}},
		"swaps a lane": {lane: func(ds []bridge.Delivery) {
			if len(ds) > 1 {
				ds[0], ds[1] = ds[1], ds[0]
			}
		}},
		"forgets copies": {step: eachSettlement(func(_ *toy, x *bridge.Settlement) { x.Copy = nil })},
		"finds only the first of several ids": {find: func(y *toy, r bridge.MsgRef, id bridge.MessageID) bool {
			rec, _ := y.Store.Message(context.Background(), id)
			i := slices.IndexFunc(rec.Copies, func(c bridge.Copy) bool { return c.Room == r.RoomRef })
			return i < 0 || slices.Index(rec.Copies[i].IDs, r.Msg) <= 0
		}},
		"forgets the names of an amended copy": {find: func(y *toy, r bridge.MsgRef, id bridge.MessageID) bool {
			rec, _ := y.Store.Message(context.Background(), id)
			i := slices.IndexFunc(rec.Copies, func(c bridge.Copy) bool { return c.Room == r.RoomRef })
			return i < 0 || slices.Contains(rec.Copies[i].IDs, r.Msg)
		}},
		"loses a parked delivery that is tried again": {step: eachSettlement(func(y *toy, x *bridge.Settlement) {
			d, err := y.Delivery(context.Background(), x.Delivery)
			if err == nil && d.State.Final() && x.State == bridge.StatePending {
				x.State = bridge.StateCancelled
			}
		})},
		"forgets that a send was begun": {step: eachSettlement(func(_ *toy, x *bridge.Settlement) { x.Begun = false })},
		"has no compare-and-swap":       {kv: func(kv bridge.KV) bridge.KV { return anyRev{kv} }},
		"erases but still tells":        {ghosts: true},
		"gives an account two owners": {retry: func(st *bridge.Step) {
			for i, c := range st.Contacts {
				c.Accounts = nil
				st.Contacts[i] = c
			}
		}},
		"does not say what a duplicate became": {out: func(o *bridge.Outcome) {
			if o.Duplicate {
				o.Message = 0
			}
		}},
		"lists under a lock":               {locked: true},
		"expires what is still wanted":     {all: true},
		"backs up nothing":                 {torn: true},
		"hands out what it holds":          {alias: true},
		"accepts after close":              {zombie: true},
		"calls nobody when a step is done": {step: func(_ *toy, st *bridge.Step) { st.Then = nil }},
		"loses the audit":                  {step: func(_ *toy, st *bridge.Step) { st.Audit = nil }},
		"forgets keys when reopened": {reopen: func(y *toy) {
			_ = y.Store.KV("adapter").Delete(context.Background(), "cursor")
		}},
	}
}

func TestSuiteCatchesPlantedBugs(t *testing.T) {
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		if test, why := caught(t, kind(bugs{})); test != "" {
			t.Errorf("the toy without a bug fails: %s: %s", test, why)
		}
	})
	for name, b := range planted() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test, why := caught(t, kind(b))
			if test == "" {
				t.Error("the suite noticed nothing")
			}
			t.Logf("%s: %s", test, why)
		})
	}
}
