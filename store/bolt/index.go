package bolt

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"sync"

	bbolt "go.etcd.io/bbolt"

	"github.com/hutong-im/hutong/bridge"
)

// generation is a set of index entries that are on disk in the late bucket only.
type generation struct {
	seen  map[hash]seenAt
	refs  map[hash]bridge.MessageID   // 0: the name leads nowhere any more
	heads map[uint64]bridge.MessageID // 0: the conversation is gone
	late  uint64                      // the last number of the late bucket that it is from
}

// seenAt is what a dedupe key led to, and when.
type seenAt struct {
	day day
	id  bridge.MessageID
}

func newGeneration() *generation {
	return &generation{
		seen: make(map[hash]seenAt), refs: make(map[hash]bridge.MessageID), heads: make(map[uint64]bridge.MessageID),
	}
}

func (g *generation) size() int { return len(g.seen) + len(g.refs) + len(g.heads) }

func (g *generation) clear() {
	clear(g.seen)
	clear(g.refs)
	clear(g.heads)
}

// add puts in an entry that is newer than all there are.
func (g *generation) add(e entry) {
	switch e.kind {
	case kindSeen:
		g.seen[e.hash] = seenAt{e.day, e.id}
	case kindRef:
		g.refs[e.hash] = e.id
	case kindHead:
		g.heads[e.chain] = e.id
	}
}

// index is what of the index is in memory: the generation that grows, and the one that is being
// merged. Only the committer changes it, under the lock; it reads without.
type index struct {
	mu       sync.RWMutex
	active   *generation
	frozen   *generation // nil if there is none
	seenDays []day       // those that have buckets, oldest first; replaced, never changed in place
	refDays  []day
	epoch    uint64 // counts the generations that were merged and dropped
}

// ref looks a name up in memory.
func (x *index) ref(h hash) (bridge.MessageID, bool) {
	if id, ok := x.active.refs[h]; ok {
		return id, true
	}
	if x.frozen != nil {
		id, ok := x.frozen.refs[h]
		return id, ok
	}
	return 0, false
}

// saw looks a dedupe key up in memory.
func (x *index) saw(h hash) (bridge.MessageID, bool) {
	v, ok := x.active.seen[h]
	if !ok && x.frozen != nil {
		v, ok = x.frozen.seen[h]
	}
	return v.id, ok
}

// head looks the newest message of a conversation up in memory.
func (x *index) head(chain uint64) (bridge.MessageID, bool) {
	if id, ok := x.active.heads[chain]; ok {
		return id, true
	}
	if x.frozen != nil {
		id, ok := x.frozen.heads[chain]
		return id, ok
	}
	return 0, false
}

// inDays looks a hash up in the buckets of days, newest first, not before the given one.
func inDays(parent *bbolt.Bucket, days []day, from day, h hash) (bridge.MessageID, bool) {
	for _, d := range slices.Backward(days) {
		if d < from {
			break
		}
		b := parent.Bucket(shard(d, h))
		if b == nil {
			continue
		}
		if v := b.Get(h[:]); len(v) == 8 {
			return bridge.MessageID(binary.BigEndian.Uint64(v)), true
		}
	}
	return 0, false
}

// withDay is the list with d in its place.
func withDay(days []day, d day) []day {
	i, found := slices.BinarySearch(days, d)
	if found {
		return days
	}
	return slices.Insert(slices.Clone(days), i, d)
}

// The kinds of index entries.
const (
	kindHead = 'h'
	kindRef  = 'r'
	kindSeen = 's'
)

// entry is one entry of an index.
type entry struct {
	kind  byte
	day   day    // of kindSeen; of kindRef it is that of id
	hash  hash   // of kindSeen and kindRef
	chain uint64 // of kindHead
	id    bridge.MessageID
}

// append encodes the entry for the late bucket.
func (e entry) append(b []byte) []byte {
	b = append(b, e.kind)
	switch e.kind {
	case kindSeen:
		b = binary.BigEndian.AppendUint32(b, uint32(e.day))
		b = append(b, e.hash[:]...)
	case kindRef:
		b = append(b, e.hash[:]...)
	case kindHead:
		b = binary.BigEndian.AppendUint64(b, e.chain)
	}
	return binary.BigEndian.AppendUint64(b, uint64(e.id))
}

// decodeEntries reads what append wrote.
func decodeEntries(b []byte, each func(entry)) error {
	for len(b) > 0 {
		e := entry{kind: b[0]}
		b = b[1:]
		n := map[byte]int{kindSeen: 4 + 16, kindRef: 16, kindHead: 8}[e.kind]
		if n == 0 || len(b) < n+8 {
			return errCorrupt
		}
		switch e.kind {
		case kindSeen:
			e.day = day(binary.BigEndian.Uint32(b))
			copy(e.hash[:], b[4:])
		case kindRef:
			copy(e.hash[:], b)
		case kindHead:
			e.chain = binary.BigEndian.Uint64(b)
		}
		e.id = bridge.MessageID(binary.BigEndian.Uint64(b[n:]))
		if e.kind == kindRef {
			e.day = dayOfID(e.id)
		}
		b = b[n+8:]
		each(e)
	}
	return nil
}

// plan lists a generation's entries in the order of their buckets and keys, so that merging them
// touches each page once.
func (g *generation) plan() []entry {
	out := make([]entry, 0, g.size())
	for chain, id := range g.heads {
		out = append(out, entry{kind: kindHead, chain: chain, id: id})
	}
	for h, id := range g.refs {
		if id != 0 {
			out = append(out, entry{kind: kindRef, day: dayOfID(id), hash: h, id: id})
		}
	}
	for h, v := range g.seen {
		out = append(out, entry{kind: kindSeen, day: v.day, hash: h, id: v.id})
	}
	slices.SortFunc(out, func(a, b entry) int {
		return cmp.Or(
			cmp.Compare(a.kind, b.kind), cmp.Compare(a.day, b.day), cmp.Compare(a.chain, b.chain),
			bytes.Compare(a.hash[:], b.hash[:]),
		)
	})
	return out
}
