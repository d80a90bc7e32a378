package bolt

import (
	bbolt "go.etcd.io/bbolt"
)

// Measured on the reference machine; see the benchmark.
const (
	mergeAbove = 64 << 10 // entries in memory that make a generation: a few MiB
	mergeIdle  = 4 << 10  // entries that are worth merging when nothing else is to do
	mergeLeast = 64       // entries merged with a commit at least, while there are any
	mergeMost  = 2 << 10  // and at most: a commit must stay short
	trimMost   = 256      // records of the late bucket deleted with a commit
)

// merger is the committer's work on the index between, and within, commits.
type merger struct {
	plans  chan []entry // the frozen generation's plan, from the goroutine that sorts it
	plan   []entry      // what is left of it
	sorted bool         // plan has come
	trim   uint64       // records of the late bucket up to here are merged
}

// freeze makes the active generation the one to merge, if it is large enough and none is being merged.
func (s *Store) freeze(above int) {
	x := &s.index
	if x.frozen != nil || x.active.size() < above {
		return
	}
	x.mu.Lock()
	x.frozen, x.active = x.active, newGeneration()
	x.mu.Unlock()
	s.merger.sorted = false
	g := x.frozen
	go func() { s.merger.plans <- g.plan() }() // awaited by whoever merges, at the latest by Close
}

// ready takes the plan over once it is sorted, and reports whether there is something to merge or trim.
func (s *Store) ready(wait bool) bool {
	m := &s.merger
	if s.index.frozen != nil && !m.sorted {
		if wait {
			m.plan, m.sorted = <-m.plans, true
		} else {
			select {
			case m.plan = <-m.plans:
				m.sorted = true
			default:
			}
		}
	}
	return s.index.frozen != nil && m.sorted || m.trim > 0
}

// merge writes up to n entries of the plan into their buckets, and deletes merged records.
func (b *batch) merge(n int) error {
	s := b.s
	if !s.ready(false) {
		return nil
	}
	s.fail("merge")
	if s.index.frozen != nil && s.merger.sorted {
		n = min(n, len(s.merger.plan))
		for _, e := range s.merger.plan[:n] {
			if err := b.mergeEntry(e); err != nil {
				return err
			}
		}
		b.merged, b.finished = n, n == len(s.merger.plan)
	}
	if s.merger.trim == 0 {
		return nil
	}
	return b.trim()
}

// trim deletes records of the late bucket whose entries are merged.
func (b *batch) trim() error {
	late := b.bucket(bucketLate)
	var done []uint64
	c := late.Cursor()
	for k, _ := c.First(); k != nil && number(k) <= b.s.merger.trim && len(done) < trimMost; k, _ = c.Next() {
		done = append(done, number(k))
	}
	for _, n := range done {
		if err := late.Delete(key(n)); err != nil {
			return err
		}
	}
	b.trimmed = len(done) < trimMost
	return nil
}

func (b *batch) mergeEntry(e entry) error {
	x := &b.s.index
	switch e.kind {
	case kindHead:
		heads := b.bucket(bucketHeads)
		if e.id == 0 {
			return heads.Delete(key(e.chain))
		}
		return heads.Put(key(e.chain), key(uint64(e.id)))
	case kindSeen:
		if e.day < b.s.seenFrom {
			return nil
		}
		return b.mergeHash(bucketSeen, &b.seenDays, e)
	default:
		// A name that an erasure has taken back meanwhile must not come into its bucket any more.
		id, ok := b.staged.refs[e.hash]
		if !ok {
			id, ok = x.active.refs[e.hash]
		}
		if ok && id == 0 || e.day < b.s.refsFrom {
			return nil
		}
		return b.mergeHash(bucketRefs, &b.refDays, e)
	}
}

func (b *batch) mergeHash(name string, days *[]day, e entry) error {
	id := shard(e.day, e.hash)
	if b.shard == nil || string(b.shardOf) != name+string(id) {
		sub, err := b.bucket(name).CreateBucketIfNotExists(id)
		if err != nil {
			return err
		}
		b.shard, b.shardOf = sub, append(append(b.shardOf[:0], name...), id...)
		*days = withDay(*days, e.day)
	}
	return b.shard.Put(e.hash[:], key(uint64(e.id)))
}

// publishMerge takes over what a committed batch has merged. The index is locked.
func (s *Store) publishMerge(b *batch) {
	m := &s.merger
	if b.trimmed {
		m.trim = 0
	}
	m.plan = m.plan[b.merged:]
	if b.finished {
		m.trim, m.plan, m.sorted = s.index.frozen.late, nil, false
		s.index.frozen = nil
		s.index.epoch++
	}
	s.index.seenDays, s.index.refDays = b.seenDays, b.refDays
}

// mergeAll merges everything, at a clean shutdown.
func (s *Store) mergeAll() error {
	for range 2 { // what is being merged, and what came after it
		s.freeze(1)
		for s.ready(true) {
			if err := s.transact(nil, mergeMost); err != nil {
				return err
			}
		}
	}
	return nil
}

// rebuild reads the late bucket into memory.
func (s *Store) rebuild(tx *bbolt.Tx) error {
	x := &s.index
	x.active = newGeneration()
	err := top(tx, bucketLate).ForEach(func(k, v []byte) error {
		x.active.late = number(k)
		return decodeEntries(v, func(e entry) {
			if e.kind == kindSeen && e.day < s.seenFrom || e.kind == kindRef && e.id != 0 && e.day < s.refsFrom {
				return
			}
			x.active.add(e)
		})
	})
	if err != nil {
		return err
	}
	for _, p := range []struct {
		bucket string
		days   *[]day
	}{{bucketSeen, &x.seenDays}, {bucketRefs, &x.refDays}} {
		err := top(tx, p.bucket).ForEachBucket(func(k []byte) error {
			*p.days = withDay(*p.days, day(number32(k)))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
