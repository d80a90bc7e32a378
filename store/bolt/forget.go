package bolt

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// Expire forgets, by whole days of UTC, dedupe keys older than SeenFor and messages from before
// history (zero: none). A message's name is a dedupe key too, and is kept as long. Each of the
// transactions drops one bucket, so that commits in between stay short.
func (s *Store) Expire(ctx context.Context, now, history time.Time) ([]string, error) {
	seen, first := dayOf(now.Add(-bridge.SeenFor)), day(0)
	if !history.IsZero() {
		first = dayOf(history)
	}
	refs := min(seen, first)
	mark := func(b *batch) error {
		meta := b.bucket(bucketMeta)
		if err := meta.Put([]byte(metaSeen), key(uint64(max(seen, s.seenFrom)))); err != nil {
			return spoil(err)
		}
		b.after = append(b.after, func() { s.forgetBefore(seen, refs) })
		return spoil(meta.Put([]byte(metaRefs), key(uint64(max(refs, s.refsFrom)))))
	}
	if err := s.submit(ctx, &op{run: mark, shrinks: true}); err != nil {
		return nil, fmt.Errorf("expire: %w", err)
	}
	for done := false; !done; {
		drop := func(b *batch) (err error) {
			s.fail("expire")
			done, err = b.drop(seen, refs, first)
			return spoil(err)
		}
		if err := s.submit(ctx, &op{run: drop, shrinks: true}); err != nil {
			return nil, fmt.Errorf("expire: %w", err)
		}
	}
	var blobs []string
	take := func(b *batch) error {
		blobs = nil
		loose := b.bucket(bucketLoose)
		err := loose.ForEach(func(k, _ []byte) error {
			blobs = append(blobs, string(k))
			return nil
		})
		for _, k := range blobs {
			if err == nil {
				err = loose.Delete([]byte(k))
			}
		}
		return spoil(err)
	}
	if err := s.submit(ctx, &op{run: take, shrinks: true}); err != nil {
		return nil, fmt.Errorf("expire: %w", err)
	}
	return blobs, nil
}

// forgetBefore drops old entries from memory. The index is locked.
func (s *Store) forgetBefore(seen, refs day) {
	s.seenFrom, s.refsFrom = max(s.seenFrom, seen), max(s.refsFrom, refs)
	x := &s.index
	for h, v := range x.active.seen {
		if v.day < s.seenFrom {
			delete(x.active.seen, h)
		}
	}
	for h, id := range x.active.refs {
		if id != 0 && dayOfID(id) < s.refsFrom {
			delete(x.active.refs, h)
		}
	}
}

// drop drops one bucket that is too old, and reports whether there was none.
func (b *batch) drop(seen, refs, first day) (done bool, err error) {
	for _, x := range []struct {
		name string
		from day
		days *[]day
	}{{bucketSeen, seen, &b.seenDays}, {bucketRefs, refs, &b.refDays}} {
		parent := b.bucket(x.name)
		if k, _ := parent.Cursor().First(); k != nil && day(number32(k)) < x.from {
			k = bytes.Clone(k)
			b.shard, b.shardOf = nil, nil
			if err := parent.DeleteBucket(k); err != nil {
				return false, err
			}
			if next, _ := parent.Cursor().First(); next == nil || number32(next) != number32(k) {
				*x.days = slices.DeleteFunc(slices.Clone(*x.days), func(d day) bool { return d == day(number32(k)) })
			}
			return false, nil
		}
	}
	messages := b.bucket(bucketMessages)
	c := messages.Cursor()
	k, _ := c.First()
	if k == nil || dayOfID(bridge.MessageID(number(k))) >= first {
		return true, nil
	}
	k = bytes.Clone(k)
	last := ^bridge.MessageID(0)
	if next, _ := c.Next(); next != nil {
		last = bridge.MessageID(number(next) - 1)
	}
	if err := b.takeBlobs(bridge.MessageID(number(k)), last, b.loosen); err != nil {
		return false, err
	}
	if number(k) == uint64(b.seg.first) {
		b.seg = segment{}
	}
	if err := messages.DeleteBucket(k); err != nil {
		return false, err
	}
	return false, b.bucket(bucketFates).DeleteBucket(k)
}
