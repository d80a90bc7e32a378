package bolt

import (
	"bytes"
	"context"
	"iter"

	bbolt "go.etcd.io/bbolt"

	"github.com/hutong-im/hutong/bridge"
)

// list walks a bucket upwards, a page in each transaction; none is open while the loop's body runs.
func list[V any](ctx context.Context, s *Store, bucket string, decode func(k, v []byte) (V, error)) iter.Seq2[V, error] {
	return paged(ctx, s, func(tx *bbolt.Tx, after []byte) (vs []V, last []byte, err error) {
		c := top(tx, bucket).Cursor()
		k, v := c.First()
		if after != nil {
			if k, v = c.Seek(after); bytes.Equal(k, after) {
				k, v = c.Next()
			}
		}
		for ; k != nil && len(vs) < pageSize; k, v = c.Next() {
			x, err := decode(k, v)
			if err != nil {
				return nil, nil, err
			}
			vs, last = append(vs, x), append(last[:0], k...)
		}
		return vs, last, nil
	})
}

// paged yields what page reads, until it reads nothing.
func paged[V any](ctx context.Context, s *Store, page func(tx *bbolt.Tx, after []byte) ([]V, []byte, error)) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		var after []byte
		for {
			var vs []V
			err := s.read(ctx, func(tx *bbolt.Tx) (err error) {
				vs, after, err = page(tx, after)
				return err
			})
			if err != nil {
				var none V
				yield(none, err)
				return
			}
			for _, v := range vs {
				if !yield(v, nil) {
					return
				}
			}
			if len(vs) == 0 {
				return
			}
		}
	}
}

// Links lists all links, oldest first.
func (s *Store) Links(ctx context.Context) iter.Seq2[bridge.Link, error] {
	return list(ctx, s, bucketLinks, func(k, v []byte) (bridge.Link, error) { return decodeLink(bridge.LinkID(number(k)), v) })
}

// Contacts lists all contacts, oldest first.
func (s *Store) Contacts(ctx context.Context) iter.Seq2[bridge.Contact, error] {
	return list(ctx, s, bucketContacts, func(k, v []byte) (bridge.Contact, error) {
		return decodeContact(bridge.ContactID(number(k)), v)
	})
}

// Cards lists all cards, in the order of their ids.
func (s *Store) Cards(ctx context.Context) iter.Seq2[bridge.Card, error] {
	return list(ctx, s, bucketCards, func(k, v []byte) (bridge.Card, error) { return decodeCard(bridge.CardID(k[1:]), v) })
}

// Trail lists the audit log, oldest first.
func (s *Store) Trail(ctx context.Context) iter.Seq2[bridge.AuditEntry, error] {
	return list(ctx, s, bucketAudit, func(_, v []byte) (bridge.AuditEntry, error) { return decodeAudit(v) })
}

// LinksOf lists the links of one contact, oldest first.
func (s *Store) LinksOf(ctx context.Context, c bridge.ContactID) ([]bridge.Link, error) {
	var out []bridge.Link
	err := s.read(ctx, func(tx *bbolt.Tx) error {
		prefix, links := key(uint64(c)), top(tx, bucketLinks)
		cur := top(tx, bucketPairs).Cursor()
		for k, _ := cur.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = cur.Next() {
			l, err := decodeLink(bridge.LinkID(number(k)), links.Get(k[8:]))
			if err != nil {
				return err
			}
			out = append(out, l)
		}
		return nil
	})
	return out, err
}

// LinksBy lists a member's links, newest first.
func (s *Store) LinksBy(ctx context.Context, m bridge.MemberID) iter.Seq2[bridge.Link, error] {
	prefix := named(m)
	return paged(ctx, s, func(tx *bbolt.Tx, after []byte) (ls []bridge.Link, last []byte, err error) {
		links, c := top(tx, bucketLinks), top(tx, bucketMembers).Cursor()
		if after == nil {
			after = bytes.Repeat([]byte{0xff}, 9) // above every link
		}
		k, _ := c.Seek(append(bytes.Clone(prefix), after...))
		if k == nil {
			k, _ = c.Last()
		} else {
			k, _ = c.Prev()
		}
		for ; bytes.HasPrefix(k, prefix) && len(k) == len(prefix)+8 && len(ls) < pageSize; k, _ = c.Prev() {
			id := k[len(prefix):]
			l, err := decodeLink(bridge.LinkID(number(id)), links.Get(id))
			if err != nil {
				return nil, nil, err
			}
			ls, last = append(ls, l), append(last[:0], id...)
		}
		return ls, last, nil
	})
}
