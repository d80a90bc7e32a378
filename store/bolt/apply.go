package bolt

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/hutong-im/hutong/bridge"
)

// apply does a step that check has let through.
func (b *batch) apply(p *prepared) error {
	if err := b.applyBook(p); err != nil {
		return err
	}
	st := p.step
	if st.Message != nil {
		if err := b.applyMessage(p); err != nil {
			return err
		}
	}
	if p.hasSeen {
		b.stage(entry{kind: kindSeen, day: dayOf(st.At), hash: p.seen, id: p.out.Message})
	}
	if st.Change != nil {
		if err := b.change(st.Change); err != nil {
			return err
		}
	}
	for i := range p.outs {
		if err := b.enqueue(p, i); err != nil {
			return err
		}
	}
	for i := range st.Settle {
		if err := b.settle(&st.Settle[i], st.At, p.names[i]); err != nil {
			return err
		}
	}
	return b.audit(p.audit)
}

// stage adds an entry to the index.
func (b *batch) stage(e entry) {
	b.late = e.append(b.late)
	b.staged.add(e)
}

func (b *batch) audit(entries [][]byte) error {
	for _, v := range entries {
		a := b.bucket(bucketAudit)
		n, err := a.NextSequence()
		if err != nil {
			return err
		}
		if err := a.Put(key(n), v); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) applyBook(p *prepared) error {
	// Accounts that go are given up by all before any takes one, since they may change hands.
	for i := range p.contacts {
		if err := b.leave(p, i); err != nil {
			return err
		}
	}
	for i, e := range p.contacts {
		c := &p.step.Contacts[i]
		for _, a := range c.Accounts {
			if err := b.bucket(bucketAccounts).Put(accountKey(a), e.key); err != nil {
				return err
			}
		}
		if err := b.putEntity(bucketContacts, e); err != nil {
			return err
		}
	}
	for i, e := range p.links {
		if err := b.putLink(&p.step.Links[i], e); err != nil {
			return err
		}
	}
	for i, e := range p.rooms {
		if err := b.putRoom(e, p.step.Rooms[i].Links, p.carried[i]); err != nil {
			return err
		}
	}
	for _, e := range p.cards {
		if err := b.bucket(bucketCards).Put(e.key, e.val); err != nil {
			return err
		}
	}
	return nil
}

// putEntity stores an entity that may be kept ready in an older version.
func (b *batch) putEntity(bucket string, e entity) error {
	b.written = append(b.written, bucket+string(e.key))
	return b.bucket(bucket).Put(e.key, e.val)
}

// deleteEntity removes one.
func (b *batch) deleteEntity(bucket string, k []byte) error {
	b.written = append(b.written, bucket+string(k))
	return b.bucket(bucket).Delete(k)
}

// leave takes back what the stored version of a contact holds and the new one does not.
func (b *batch) leave(p *prepared, i int) error {
	c, e := &p.step.Contacts[i], p.contacts[i]
	var old bridge.Contact
	if v := b.bucket(bucketContacts).Get(e.key); v != nil {
		var err error
		if old, err = decodeContact(c.ID, v); err != nil {
			return err
		}
	}
	for _, a := range old.Accounts {
		if !slices.Contains(c.Accounts, a) {
			if err := b.bucket(bucketAccounts).Delete(accountKey(a)); err != nil {
				return err
			}
		}
	}
	if old.Avatar == c.Avatar {
		return nil
	}
	if err := b.hold(c.Avatar, 'c', uint64(c.ID)); err != nil {
		return err
	}
	return b.release(old.Avatar, 'c', uint64(c.ID), b.loosen)
}

func (b *batch) putLink(l *bridge.Link, e entity) error {
	if v := b.bucket(bucketLinks).Get(e.key); v != nil {
		old, err := decodeLink(l.ID, v)
		if err != nil {
			return err
		}
		if old.Member == l.Member && old.Contact == l.Contact {
			return b.putEntity(bucketLinks, e)
		}
		if err := b.unlist(&old); err != nil {
			return err
		}
	}
	if err := b.putEntity(bucketLinks, e); err != nil {
		return err
	}
	if err := b.bucket(bucketMembers).Put(named(l.Member, e.key...), nil); err != nil {
		return err
	}
	return b.bucket(bucketPairs).Put(key2(uint64(l.Contact), uint64(l.ID)), []byte(l.Member))
}

// unlist takes a link out of the lists of its member and its contact.
func (b *batch) unlist(l *bridge.Link) error {
	if err := b.bucket(bucketMembers).Delete(named(l.Member, key(uint64(l.ID))...)); err != nil {
		return err
	}
	return b.bucket(bucketPairs).Delete(key2(uint64(l.Contact), uint64(l.ID)))
}

// putRoom stores a room, and which links it carries if that has changed: a room is written with
// nearly every message, its links hardly ever.
func (b *batch) putRoom(e entity, links []bridge.LinkID, carried []byte) error {
	rooms := b.bucket(bucketRooms)
	old := rooms.Get(e.key)
	same := len(old) > roomHead && bytes.HasPrefix(old[roomHead:], carried)
	if !same {
		if len(old) > roomHead {
			d := &decoder{b: old[roomHead:]}
			for _, l := range decodeLinks(d) {
				if err := b.bucket(bucketCarriers).Delete(append(key(uint64(l)), e.key...)); err != nil {
					return err
				}
			}
		}
		for _, l := range links {
			if err := b.bucket(bucketCarriers).Put(append(key(uint64(l)), e.key...), nil); err != nil {
				return err
			}
		}
	}
	return b.putEntity(bucketRooms, e)
}

// applyMessage stores the step's message under the next id: the step's time, or one more than the last.
func (b *batch) applyMessage(p *prepared) error {
	m := p.step.Message
	b.message = max(b.message+1, bridge.MessageID(bridge.FirstID(p.step.At)))
	id := b.message
	p.out.Message = id
	chain := binary.BigEndian.Uint64(p.message[8:])
	binary.BigEndian.PutUint64(p.message, uint64(b.head(chain)))
	messages, err := b.place(id)
	if err != nil {
		return err
	}
	if err := messages.Put(key(uint64(id)), p.message); err != nil {
		return err
	}
	b.stage(entry{kind: kindHead, chain: chain, id: id})
	if p.hasSrc {
		b.stage(entry{kind: kindRef, hash: p.src, id: id})
	}
	return b.file(id, m.Files)
}

// head is the newest message of a conversation, 0 if there is none.
func (b *batch) head(chain uint64) bridge.MessageID {
	if id, ok := b.staged.heads[chain]; ok {
		return id
	}
	if id, ok := b.s.index.head(chain); ok {
		return id
	}
	return bridge.MessageID(number(b.bucket(bucketHeads).Get(key(chain))))
}

// change alters a stored message.
func (b *batch) change(c *bridge.Change) error {
	raw, what := b.record(c.ID)
	r, err := decodeRecord(c.ID, raw, what)
	if err != nil {
		return err
	}
	if c.State != "" {
		f := fate{r.State, r.Reason, r.Copies}
		if f.raise(c.State, c.Reason) {
			if err := b.putFate(c.ID, &f); err != nil {
				return err
			}
		}
	}
	if c.Edit == nil && !c.Recall && c.Reaction == nil && c.Files == nil {
		return nil
	}
	old := r.Files
	r.Apply(*c)
	val := encodeMessage(&r.Message)
	copy(val, raw[:8]) // the message before it stays the same
	messages, _ := b.segmentOf(c.ID)
	if err := messages.Put(key(uint64(c.ID)), val); err != nil {
		return err
	}
	if c.Files == nil {
		return nil
	}
	if err := b.unfile(c.ID, old, r.Files); err != nil {
		return err
	}
	return b.file(c.ID, r.Files)
}
