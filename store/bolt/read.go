package bolt

import (
	"bytes"
	"context"
	"fmt"

	bbolt "go.etcd.io/bbolt"

	"github.com/hutong-im/hutong/bridge"
)

// pageSize is how many things a listing reads in one transaction: an open one keeps the file from
// using its free pages again.
const pageSize = 500

// get reads and decodes one thing.
func get[V any](ctx context.Context, s *Store, bucket string, k []byte, decode func([]byte) (V, error)) (V, error) {
	var v V
	err := s.read(ctx, func(tx *bbolt.Tx) (err error) {
		b := top(tx, bucket).Get(k)
		if b == nil {
			return bridge.ErrNotFound
		}
		v, err = decode(b)
		return err
	})
	return v, err
}

// entityOf is get for what is asked for with every message: it is kept ready.
func entityOf[V any](ctx context.Context, s *Store, bucket string, k []byte, decode func([]byte) (V, error)) (V, error) {
	name := bucket + string(k)
	val, epoch := s.kept.get(name)
	if val != nil {
		if err := s.usable(ctx); err != nil {
			var none V
			return none, err
		}
		return decode(val)
	}
	return get(ctx, s, bucket, k, func(b []byte) (V, error) {
		s.kept.put(name, b, epoch)
		return decode(b)
	})
}

// Contact is the contact with the id, or ErrNotFound.
func (s *Store) Contact(ctx context.Context, id bridge.ContactID) (bridge.Contact, error) {
	return entityOf(ctx, s, bucketContacts, key(uint64(id)), func(b []byte) (bridge.Contact, error) { return decodeContact(id, b) })
}

// ContactOf is the contact that has the account, or ErrNotFound.
func (s *Store) ContactOf(ctx context.Context, account bridge.UserRef) (bridge.Contact, error) {
	var c bridge.Contact
	err := s.read(ctx, func(tx *bbolt.Tx) (err error) {
		k := top(tx, bucketAccounts).Get(accountKey(account))
		if k == nil {
			return bridge.ErrNotFound
		}
		b := top(tx, bucketContacts).Get(k)
		if b == nil {
			return fmt.Errorf("contact of an account: %w", errCorrupt)
		}
		c, err = decodeContact(bridge.ContactID(number(k)), b)
		return err
	})
	return c, err
}

// Link is the link with the id, or ErrNotFound.
func (s *Store) Link(ctx context.Context, id bridge.LinkID) (bridge.Link, error) {
	return entityOf(ctx, s, bucketLinks, key(uint64(id)), func(b []byte) (bridge.Link, error) { return decodeLink(id, b) })
}

// Room is what is known of the room, or ErrNotFound.
func (s *Store) Room(ctx context.Context, r bridge.RoomRef) (bridge.Room, error) {
	return entityOf(ctx, s, bucketRooms, roomKey(r), func(b []byte) (bridge.Room, error) { return decodeRoom(r, b) })
}

// Card is the card with the id, or ErrNotFound.
func (s *Store) Card(ctx context.Context, id bridge.CardID) (bridge.Card, error) {
	return get(ctx, s, bucketCards, append([]byte{'c'}, id...), func(b []byte) (bridge.Card, error) { return decodeCard(id, b) })
}

// Message is the record of a message, or ErrNotFound.
func (s *Store) Message(ctx context.Context, id bridge.MessageID) (bridge.Record, error) {
	var r bridge.Record
	err := s.read(ctx, func(tx *bbolt.Tx) (err error) {
		message, what := stored(tx, id)
		if message == nil {
			return bridge.ErrNotFound
		}
		r, err = decodeRecord(id, message, what)
		return err
	})
	return r, err
}

// stored reads a message and its fate as they are stored; nil if it is not there.
func stored(tx *bbolt.Tx, id bridge.MessageID) (message, what []byte) {
	messages, fates := segmentIn(tx, id)
	if messages == nil || fates == nil {
		return nil, nil
	}
	if message = messages.Get(key(uint64(id))); len(message) < messageHead {
		return nil, nil
	}
	return message, fates.Get(key(uint64(id)))
}

// Find is the message that the network calls so, or ErrNotFound.
func (s *Store) Find(ctx context.Context, r bridge.MsgRef) (bridge.MessageID, error) {
	h, x := hashRef(r.RoomRef, r.Msg), &s.index
	x.mu.RLock()
	id, known := x.ref(h)
	days := x.refDays
	x.mu.RUnlock()
	err := s.read(ctx, func(tx *bbolt.Tx) error {
		if !known {
			id, known = inDays(top(tx, bucketRefs), days, 0, h)
		}
		// A name may outlive its message, so that a repeat stays known.
		if message, _ := stored(tx, id); !known || id == 0 || message == nil {
			return bridge.ErrNotFound
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

// History lists a link's messages before the given one (0: all), newest first, at most n.
func (s *Store) History(ctx context.Context, l bridge.LinkID, before bridge.MessageID, n int) ([]bridge.Record, error) {
	if l == 0 {
		return nil, s.usable(ctx)
	}
	x := &s.index
	x.mu.RLock()
	head, known := x.head(uint64(l))
	x.mu.RUnlock()
	w := walk{chain: uint64(l), next: head, below: before, started: known}
	for len(w.out) < n && !w.ended {
		err := s.read(ctx, func(tx *bbolt.Tx) error { return w.page(tx, n) })
		if err != nil {
			return nil, err
		}
	}
	return w.out, nil
}

// walk goes back through a conversation.
type walk struct {
	chain   uint64
	next    bridge.MessageID
	below   bridge.MessageID // 0: from the newest
	started bool             // next is known
	ended   bool
	out     []bridge.Record
}

// page reads on until there are n records, or a page is full.
func (w *walk) page(tx *bbolt.Tx, n int) error {
	if !w.started {
		w.next, w.started = bridge.MessageID(number(top(tx, bucketHeads).Get(key(w.chain)))), true
	}
	if message, _ := stored(tx, w.below); w.below != 0 && message != nil {
		if prev, chain := before(message); chain == w.chain { // a place that an earlier page gave: go on from there
			w.next, w.below = prev, 0
		}
	}
	for range pageSize {
		message, what := stored(tx, w.next)
		if message == nil || len(w.out) == n {
			w.ended = message == nil
			return nil
		}
		if w.below == 0 || w.next < w.below {
			r, err := decodeRecord(w.next, message, what)
			if err != nil {
				return err
			}
			w.out = append(w.out, r)
		}
		w.next, _ = before(message)
	}
	return nil
}

// Claim lists the heads of at most n lanes with ids above after. All lanes are this gateway's own.
func (s *Store) Claim(ctx context.Context, after bridge.LaneID, n int) ([]bridge.Delivery, error) {
	var out []bridge.Delivery
	for last := ^bridge.LaneID(0); len(out) < n && after != last; {
		page := len(out) + pageSize
		err := s.read(ctx, func(tx *bbolt.Tx) error {
			c := top(tx, bucketLanes).Cursor()
			for after != last && len(out) < min(n, page) {
				k, _ := c.Seek(key(uint64(after) + 1))
				if k == nil {
					after = last
					return nil
				}
				d, err := waiting(tx, k)
				if err != nil {
					return err
				}
				out, after = append(out, d), d.Lane
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// waiting reads the delivery of a key of the lanes.
func waiting(tx *bbolt.Tx, k []byte) (bridge.Delivery, error) {
	return decodeDelivery(bridge.DeliveryID(number(k)), top(tx, bucketOut).Get(k[8:]))
}

// Waiting lists at most n of one lane's deliveries with ids above after, oldest first.
func (s *Store) Waiting(ctx context.Context, lane bridge.LaneID, after bridge.DeliveryID, n int) ([]bridge.Delivery, error) {
	var out []bridge.Delivery
	for more := true; more && len(out) < n; {
		page := len(out) + pageSize
		err := s.read(ctx, func(tx *bbolt.Tx) error {
			c, prefix := top(tx, bucketLanes).Cursor(), key(uint64(lane))
			k, _ := c.Seek(key2(uint64(lane), uint64(after)+1))
			for ; bytes.HasPrefix(k, prefix) && len(out) < min(n, page); k, _ = c.Next() {
				d, err := waiting(tx, k)
				if err != nil {
					return err
				}
				out, after = append(out, d), d.ID
			}
			more = bytes.HasPrefix(k, prefix)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Delivery is one that waits or is parked, or ErrNotFound.
func (s *Store) Delivery(ctx context.Context, id bridge.DeliveryID) (bridge.Delivery, error) {
	return get(ctx, s, bucketOut, key(uint64(id)), func(b []byte) (bridge.Delivery, error) { return decodeDelivery(id, b) })
}

// Deliveries lists at most n with ids above after that are in one of the states, oldest first.
func (s *Store) Deliveries(ctx context.Context, after bridge.DeliveryID, n int, states ...bridge.State) ([]bridge.Delivery, error) {
	var letters []byte
	for _, state := range states {
		if l := stateLetter(state); l != 0 {
			letters = append(letters, l)
		}
	}
	var out []bridge.Delivery
	for more := true; more && len(out) < n; {
		err := s.read(ctx, func(tx *bbolt.Tx) error {
			c := top(tx, bucketOut).Cursor()
			k, v := c.Seek(key(uint64(after) + 1))
			for i := 0; k != nil && len(out) < n && i < pageSize; i++ {
				after = bridge.DeliveryID(number(k))
				if len(v) > 0 && bytes.IndexByte(letters, v[atState]) >= 0 {
					d, err := decodeDelivery(after, v)
					if err != nil {
						return err
					}
					out = append(out, d)
				}
				k, v = c.Next()
			}
			more = k != nil
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
