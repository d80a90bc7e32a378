package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	bbolt "go.etcd.io/bbolt"

	"github.com/hutong-im/hutong/bridge"
)

// batch is one transaction of the committer. Whatever it changes in memory is published once the
// transaction is on disk.
type batch struct {
	s      *Store
	tx     *bbolt.Tx
	opened map[string]*bbolt.Bucket
	staged *generation
	late   []byte // the entries of staged, encoded
	counts counts
	seg    segment

	message  bridge.MessageID // the last id given; 0: none yet
	delivery bridge.DeliveryID

	// Of merging: see merge.go.
	merged            int
	finished, trimmed bool
	seenDays, refDays []day
	shard             *bbolt.Bucket
	shardOf           []byte
	written           []string // entities, as kept names them
	after             []func() // what to do once it is on disk, under the index's lock
}

// counts are what is in the lanes, and parked.
type counts struct{ waiting, parked int }

// spoiled is an error that came after something was written: the transaction must not be committed.
type spoiled struct{ err error }

func (e spoiled) Error() string { return e.err.Error() }
func (e spoiled) Unwrap() error { return e.err }

func spoil(err error) error {
	if err == nil {
		return nil
	}
	return spoiled{err}
}

// bucket is a bucket of the file.
func (b *batch) bucket(name string) *bbolt.Bucket {
	if x, ok := b.opened[name]; ok {
		return x
	}
	x := top(b.tx, name)
	if name == bucketLate || name == bucketAudit {
		x.FillPercent = appended
	}
	b.opened[name] = x
	return x
}

// appended fills pages that nothing is ever put between.
const appended = 0.9

// step does a step, or nothing of it.
func (b *batch) step(p *prepared) error {
	if id, dup := b.known(p); dup {
		p.out = bridge.Outcome{Duplicate: true, Message: id}
		return nil
	}
	if err := b.check(p); err != nil {
		return err
	}
	return spoil(b.apply(p))
}

// known reports whether the step was done before, and which message it stored then.
func (b *batch) known(p *prepared) (bridge.MessageID, bool) {
	x := &b.s.index
	from := dayOf(p.step.At.Add(-bridge.SeenFor))
	buckets := p.known || p.epoch != x.epoch
	if p.hasSeen {
		v, ok := b.staged.seen[p.seen]
		id := v.id
		if !ok {
			id, ok = x.saw(p.seen)
		}
		if !ok && buckets {
			id, ok = inDays(b.bucket(bucketSeen), x.seenDays, from, p.seen)
		}
		if ok {
			return id, true
		}
	}
	if !p.hasSrc {
		return 0, false
	}
	id, ok := b.staged.refs[p.src]
	if !ok {
		id, ok = x.ref(p.src)
	}
	if !ok && buckets {
		id, ok = inDays(b.bucket(bucketRefs), x.refDays, from, p.src)
	}
	return id, ok && id != 0
}

// rev is the revision of a stored entity, 0 if there is none.
func rev(b []byte) uint64 {
	if len(b) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// check finds out whether all of the step can be done, before any of it is.
func (b *batch) check(p *prepared) error {
	st := p.step
	for _, e := range st.Expect {
		name, k := bucketLinks, key(uint64(e.Link))
		if e.Link == 0 {
			name, k = bucketRooms, roomKey(e.Room)
		}
		if rev(b.bucket(name).Get(k)) != e.Rev {
			return fmt.Errorf("expected %s: %w", name, bridge.ErrStale)
		}
	}
	for _, x := range []struct {
		name string
		es   []entity
	}{
		{bucketContacts, p.contacts}, {bucketLinks, p.links}, {bucketRooms, p.rooms}, {bucketCards, p.cards},
	} {
		for i, e := range x.es {
			twice := slices.ContainsFunc(x.es[:i], func(o entity) bool { return bytes.Equal(o.key, e.key) })
			if twice || rev(b.bucket(x.name).Get(e.key)) != e.rev {
				return fmt.Errorf("%s: %w", x.name, bridge.ErrStale)
			}
		}
	}
	if err := b.checkAccounts(st.Contacts); err != nil {
		return err
	}
	if err := b.checkPairs(st.Links); err != nil {
		return err
	}
	if c := st.Change; c != nil {
		if messages, _ := b.segmentOf(c.ID); messages == nil || messages.Get(key(uint64(c.ID))) == nil {
			return fmt.Errorf("message %s: %w", c.ID, bridge.ErrNotFound)
		}
	}
	return nil
}

// checkAccounts makes sure that no account has two owners once all of the contacts are written. An
// account may go from one to another in one step.
func (b *batch) checkAccounts(cs []bridge.Contact) error {
	if len(cs) == 0 {
		return nil
	}
	owner := make(map[bridge.UserRef]bridge.ContactID)
	for _, c := range cs {
		for _, a := range c.Accounts {
			if o, ok := owner[a]; ok && o != c.ID {
				return fmt.Errorf("account of contact %s: %w", c.ID, bridge.ErrStale)
			}
			owner[a] = c.ID
		}
	}
	for a, id := range owner {
		v := b.bucket(bucketAccounts).Get(accountKey(a))
		if v == nil {
			continue
		}
		o := bridge.ContactID(number(v))
		if o != id && !slices.ContainsFunc(cs, func(c bridge.Contact) bool { return c.ID == o }) {
			return fmt.Errorf("account of contact %s: %w", id, bridge.ErrStale)
		}
	}
	return nil
}

// checkPairs makes sure that no two links join the same member and contact.
func (b *batch) checkPairs(ls []bridge.Link) error {
	for i, l := range ls {
		for _, o := range ls[:i] {
			if o.Member == l.Member && o.Contact == l.Contact {
				return fmt.Errorf("link %s: %w", l.ID, bridge.ErrStale)
			}
		}
		contact := key(uint64(l.Contact))
		c := b.bucket(bucketPairs).Cursor()
		for k, v := c.Seek(contact); k != nil && bytes.HasPrefix(k, contact); k, v = c.Next() {
			id := bridge.LinkID(number(k))
			rewritten := slices.ContainsFunc(ls, func(o bridge.Link) bool { return o.ID == id })
			if !rewritten && string(v) == string(l.Member) {
				return fmt.Errorf("link %s joins what %s joins: %w", l.ID, id, bridge.ErrStale)
			}
		}
	}
	return nil
}
