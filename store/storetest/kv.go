package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/hutong-im/hutong/bridge"
)

func testKV(t T, k Kind) {
	e := open(t, k)
	a, b := e.s.KV("a"), e.s.KV("b")
	put := func(kv bridge.KV, key, val string, rev uint64) uint64 {
		e.Helper()
		rev, err := kv.Put(e.ctx, key, []byte(val), rev)
		e.must("put", err)
		return rev
	}
	holds := func(kv bridge.KV, key, val string, rev uint64) {
		e.Helper()
		v, r, err := kv.Get(e.ctx, key)
		e.must("get", err)
		if string(v) != val || r != rev {
			e.Errorf("%s holds %q at %d, want %q at %d", key, v, r, val, rev)
		}
	}
	r1 := put(a, "k", "one", 0)
	holds(a, "k", "one", r1)
	_, _, err := b.Get(e.ctx, "k")
	e.fails("another scope", err, bridge.ErrNotFound)
	rb := put(b, "k", "other", 0)
	r2 := put(a, "k", "two", r1)
	if r2 == r1 || r2 == 0 {
		e.Errorf("revision %d after %d", r2, r1)
	}
	for _, rev := range []uint64{0, r1, r2 + 1000} {
		_, err = a.Put(e.ctx, "k", []byte("no"), rev)
		e.fails(fmt.Sprint("put at ", rev), err, bridge.ErrStale)
	}
	_, err = a.Put(e.ctx, "none", []byte("no"), 7)
	e.fails("put where nothing is", err, bridge.ErrStale)
	holds(a, "k", "two", r2)
	holds(b, "k", "other", rb)
	r3 := put(a, "k", "three", bridge.AnyRev)
	holds(a, "k", "three", r3)
	put(a, "fresh", "", bridge.AnyRev)
	e.must("delete", a.Delete(e.ctx, "k"))
	e.must("delete again", a.Delete(e.ctx, "k"))
	_, _, err = a.Get(e.ctx, "k")
	e.fails("deleted", err, bridge.ErrNotFound)
	holds(b, "k", "other", rb)
	_, err = a.Put(e.ctx, "k", []byte("no"), r3)
	e.fails("put at the revision of a deleted key", err, bridge.ErrStale)
	put(a, "k", "again", 0)
	if _, err = a.Put(e.ctx, "k", []byte("no"), r1); !errors.Is(err, bridge.ErrStale) {
		e.Errorf("a key written anew took the revision of the one before: %v", err)
	}

	key, val := strings.Repeat("键", 341)+"k", string(bytes.Repeat([]byte{0, 255}, 1<<19))
	holds(a, key, val, put(a, key, val, 0))
	_, err = a.Put(e.ctx, key+"x", nil, 0)
	e.fails("a key too long", err, bridge.ErrTooLarge)
	_, err = a.Put(e.ctx, "big", []byte(val+"x"), 0)
	e.fails("a value too long", err, bridge.ErrTooLarge)
}

func testKVList(t T, k Kind) {
	e := open(t, k)
	a := e.s.KV("a")
	for _, key := range []string{"b/2", "b/1", "a", "b", "c", "b/10", "b0", "b\xff", "b/é"} {
		_, err := a.Put(e.ctx, key, nil, 0)
		e.must("put", err)
		_, err = e.s.KV("a/b").Put(e.ctx, "other "+key, nil, 0)
		e.must("put", err)
	}
	for _, c := range []struct {
		prefix, after string
		n             int
		want          string
	}{
		{"b/", "", 10, "b/1 b/10 b/2 b/é"},
		{"b/", "", 2, "b/1 b/10"},
		{"b/", "b/10", 2, "b/2 b/é"},
		{"b/", "b/11", 1, "b/2"},
		{"b/", "a", 1, "b/1"},
		{"b/", "b/é", 5, ""},
		{"b/", "z", 5, ""},
		{"b\xff", "", 5, "b\xff"},
		{"", "", 3, "a b b/1"},
		{"", "b\xff", 3, "c"},
		{"x", "", 3, ""},
	} {
		got, err := a.List(e.ctx, c.prefix, c.after, c.n)
		e.must("list", err)
		e.equal(fmt.Sprintf("list %q after %q", c.prefix, c.after), strings.Join(got, " "), c.want)
	}
	got, err := e.s.KV("nothing").List(e.ctx, "", "", 10)
	e.must("list", err)
	e.equal("empty scope", len(got), 0)
}

func testKVRace(t T, k Kind) {
	e := open(t, k)
	kv := e.s.KV("lock")
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for w := range 8 {
		wg.Go(func() {
			for range 20 {
				_, rev, err := kv.Get(e.ctx, "k")
				if err != nil && !errors.Is(err, bridge.ErrNotFound) {
					e.Errorf("get: %v", err)
				}
				_, err = kv.Put(e.ctx, "k", []byte{byte(w)}, rev)
				switch {
				case err == nil:
					mu.Lock()
					won++
					mu.Unlock()
				case !errors.Is(err, bridge.ErrStale):
					e.Errorf("put: %v", err)
				}
			}
		})
	}
	wg.Wait()
	// Count by another way: each success is a revision that nobody else got.
	revs := map[uint64]bool{}
	var twice sync.WaitGroup
	_, rev, err := kv.Get(e.ctx, "k")
	e.must("get", err)
	for range 8 {
		twice.Go(func() {
			if r, err := kv.Put(e.ctx, "k", nil, rev); err == nil {
				mu.Lock()
				revs[r] = true
				mu.Unlock()
			}
		})
	}
	twice.Wait()
	e.equal("writers that won at one revision", len(revs), 1)
	if won == 0 {
		e.Errorf("nobody ever won")
	}
}
