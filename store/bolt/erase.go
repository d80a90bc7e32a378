package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/hutong-im/hutong/bridge"
)

// erasure is one contact being removed, in one transaction: nobody sees it half gone.
type erasure struct {
	*batch
	contact bridge.Contact
	links   map[bridge.LinkID]bool
	rooms   map[bridge.RoomRef]bool // that carried any of the links; true: removed
	free    map[string]bool
}

// Erase removes the contact and all that is known through it.
func (s *Store) Erase(ctx context.Context, c bridge.ContactID, audit bridge.AuditEntry) ([]string, error) {
	entry := encodeAudit(&audit)
	var blobs []string
	run := func(b *batch) error {
		v := b.bucket(bucketContacts).Get(key(uint64(c)))
		if v == nil {
			return fmt.Errorf("contact %s: %w", c, bridge.ErrNotFound)
		}
		contact, err := decodeContact(c, v)
		if err != nil {
			return err
		}
		e := &erasure{b, contact, make(map[bridge.LinkID]bool), make(map[bridge.RoomRef]bool), make(map[string]bool)}
		if err := e.run(); err != nil {
			return spoil(err)
		}
		blobs = slices.Sorted(maps.Keys(e.free))
		return spoil(b.audit([][]byte{entry}))
	}
	err := s.submit(ctx, &op{run: run, shrinks: true})
	if err != nil {
		return nil, fmt.Errorf("erase: %w", err)
	}
	return blobs, nil
}

func (e *erasure) loose(blob string) error {
	e.free[blob] = true
	return nil
}

func (e *erasure) run() error {
	for _, step := range []func() error{e.eraseLinks, e.eraseRooms, e.eraseMessages, e.eraseDeliveries, e.eraseContact} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// keysWith are the keys of a bucket that begin with the prefix.
func (b *batch) keysWith(bucket string, prefix []byte) (out [][]byte) {
	c := b.bucket(bucket).Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix) && k != nil; k, _ = c.Next() {
		out = append(out, bytes.Clone(k))
	}
	return out
}

func (e *erasure) eraseLinks() error {
	for _, k := range e.keysWith(bucketPairs, key(uint64(e.contact.ID))) {
		id := bridge.LinkID(number(k))
		e.links[id] = true
		l, err := decodeLink(id, e.bucket(bucketLinks).Get(key(uint64(id))))
		if err != nil {
			return err
		}
		if err := e.unlist(&l); err != nil {
			return err
		}
		if err := e.deleteEntity(bucketLinks, key(uint64(id))); err != nil {
			return err
		}
	}
	return nil
}

// eraseRooms removes rooms that carry only these links, and these links from those that carry others.
func (e *erasure) eraseRooms() error {
	for _, id := range slices.Sorted(maps.Keys(e.links)) {
		for _, k := range e.keysWith(bucketCarriers, key(uint64(id))) {
			ref, err := roomOf(k[8:])
			if err != nil {
				return err
			}
			e.rooms[ref] = false
		}
	}
	for ref := range e.rooms {
		k := roomKey(ref)
		r, err := decodeRoom(ref, e.bucket(bucketRooms).Get(k))
		if err != nil {
			return err
		}
		r.Links = slices.DeleteFunc(r.Links, func(l bridge.LinkID) bool { return e.links[l] })
		e.rooms[ref] = len(r.Links) == 0
		if e.links[r.Current] {
			r.Current = 0
		}
		if e.links[r.Said] {
			r.Said = 0
		}
		carried := &encoder{}
		encodeLinks(carried, r.Links)
		if err := e.putRoom(entity{key: k, val: encodeRoom(&r, r.Rev+1)}, r.Links, carried.b); err != nil {
			return err
		}
		if len(r.Links) > 0 {
			continue
		}
		if err := e.deleteEntity(bucketRooms, k); err != nil {
			return err
		}
	}
	return nil
}

// eraseMessages goes back through the conversations of the links, and through those that the rooms
// had before there was a link.
func (e *erasure) eraseMessages() error {
	for id := range e.links {
		if err := e.eraseChain(uint64(id), func(*bridge.Message) bool { return true }); err != nil {
			return err
		}
	}
	for ref, gone := range e.rooms {
		err := e.eraseChain(uint64(bridge.RoomLane(ref)), func(m *bridge.Message) bool {
			return m.Room == ref && (gone || slices.Contains(e.contact.Accounts, m.From))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// eraseChain removes those of a conversation's messages that match, and joins what is left.
func (e *erasure) eraseChain(chain uint64, match func(*bridge.Message) bool) error {
	var newer bridge.MessageID // the last that stayed; 0: none yet
	for id := e.head(chain); id != 0; {
		raw, what := e.record(id)
		if raw == nil {
			return nil // forgotten from here on
		}
		prev, _ := before(raw)
		r, err := decodeRecord(id, raw, what)
		if err != nil {
			return err
		}
		if match(&r.Message) {
			if err := e.eraseMessage(&r); err != nil {
				return err
			}
			if err := e.join(chain, newer, prev); err != nil {
				return err
			}
		} else {
			newer = id
		}
		id = prev
	}
	return nil
}

// join makes prev what comes before the newer message, or the newest of the conversation.
func (e *erasure) join(chain uint64, newer, prev bridge.MessageID) error {
	if newer == 0 {
		e.stage(entry{kind: kindHead, chain: chain, id: prev})
		return nil
	}
	messages, _ := e.segmentOf(newer)
	val := bytes.Clone(messages.Get(key(uint64(newer))))
	binary.BigEndian.PutUint64(val, uint64(prev))
	return messages.Put(key(uint64(newer)), val)
}

func (e *erasure) eraseMessage(r *bridge.Record) error {
	messages, fates := e.segmentOf(r.ID)
	if err := messages.Delete(key(uint64(r.ID))); err != nil {
		return err
	}
	if err := fates.Delete(key(uint64(r.ID))); err != nil {
		return err
	}
	if err := e.takeBlobs(r.ID, r.ID, e.loose); err != nil {
		return err
	}
	names := []hash{hashRef(r.Room, r.Src)}
	for _, c := range r.Copies {
		for _, id := range c.IDs {
			names = append(names, hashRef(c.Room, id))
		}
	}
	for _, h := range names {
		e.stage(entry{kind: kindRef, hash: h})
		sub := e.bucket(bucketRefs).Bucket(shard(dayOfID(r.ID), h))
		if sub == nil {
			continue
		}
		if err := sub.Delete(h[:]); err != nil {
			return err
		}
	}
	return nil
}

// eraseDeliveries removes what waits or is parked for the links and the removed rooms.
func (e *erasure) eraseDeliveries() error {
	gone := make(map[bridge.DeliveryID][]byte)
	c := e.bucket(bucketOut).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if len(v) < deliveryHead {
			return errCorrupt
		}
		id, mine := bridge.DeliveryID(number(k)), e.links[linkOf(v)]
		if !mine && linkOf(v) == 0 {
			d, err := decodeDelivery(id, v)
			if err != nil {
				return err
			}
			mine = e.rooms[d.Room]
		}
		if mine {
			gone[id] = bytes.Clone(v[:deliveryHead])
		}
	}
	for id, head := range gone {
		was := head[atState]
		head[atState] = 0
		if err := e.keep(id, was, head); err != nil {
			return err
		}
	}
	return nil
}

func (e *erasure) eraseContact() error {
	for _, a := range e.contact.Accounts {
		if err := e.bucket(bucketAccounts).Delete(accountKey(a)); err != nil {
			return err
		}
	}
	if err := e.release(e.contact.Avatar, 'c', uint64(e.contact.ID), e.loose); err != nil {
		return err
	}
	return e.deleteEntity(bucketContacts, key(uint64(e.contact.ID)))
}
