package bolt

import (
	"slices"

	bbolt "go.etcd.io/bbolt"

	"github.com/hutong-im/hutong/bridge"
)

// prepared is a step, with all done that the committer need not do.
type prepared struct {
	step  *bridge.Step
	out   bridge.Outcome
	bytes int // about what it will write

	contacts, links, rooms, cards []entity
	carried                       [][]byte // of each room, its links as encoded

	seen, src       hash
	hasSeen, hasSrc bool
	known           bool   // an old bucket knows one of the two
	epoch           uint64 // of the index, when the old buckets were asked

	message []byte
	outs    [][]byte
	names   [][]hash // of each settlement's copy
	audit   [][]byte
}

// entity is one, encoded, with its key and the revision that it must have.
type entity struct {
	key, val []byte
	rev      uint64
}

// prepare encodes and hashes what the step brings, and asks the old buckets for its dedupe keys.
func (s *Store) prepare(st *bridge.Step) (*prepared, error) {
	p := &prepared{step: st}
	if err := p.entities(); err != nil {
		return nil, err
	}
	if st.Seen != "" {
		p.seen, p.hasSeen = hashSeen(st.Seen), true
	}
	if m := st.Message; m != nil {
		p.message = encodeMessage(m)
		p.bytes += len(p.message)
		if m.Src != "" {
			p.src, p.hasSrc = hashRef(m.Room, m.Src), true
		}
		for _, f := range m.Files {
			if err := checkName("name of a file's content", len(f.Blob)); err != nil {
				return nil, err
			}
		}
	}
	p.deliveries()
	for i := range st.Settle {
		var names []hash
		if c := st.Settle[i].Copy; c != nil {
			for _, id := range c.IDs {
				names = append(names, hashRef(c.Room, id))
			}
		}
		p.names = append(p.names, names)
		p.bytes += 200
	}
	for i := range st.Audit {
		b := encodeAudit(&st.Audit[i])
		p.audit = append(p.audit, b)
		p.bytes += len(b)
	}
	return p, s.ask(p)
}

func (p *prepared) entities() error {
	st := p.step
	for i := range st.Contacts {
		c := &st.Contacts[i]
		p.contacts = append(p.contacts, entity{key(uint64(c.ID)), encodeContact(c, c.Rev+1), c.Rev})
		if err := checkName("name of an avatar", len(c.Avatar)); err != nil {
			return err
		}
		for _, a := range c.Accounts {
			if err := checkName("account", len(a.Adapter)+len(a.User)); err != nil {
				return err
			}
		}
	}
	for i := range st.Links {
		l := &st.Links[i]
		p.links = append(p.links, entity{key(uint64(l.ID)), encodeLink(l, l.Rev+1), l.Rev})
		if err := checkName("member", len(l.Member)); err != nil {
			return err
		}
	}
	for i := range st.Rooms {
		r := &st.Rooms[i]
		p.rooms = append(p.rooms, entity{roomKey(r.Ref), encodeRoom(r, r.Rev+1), r.Rev})
		e := &encoder{}
		encodeLinks(e, r.Links)
		p.carried = append(p.carried, e.b)
		if err := checkName("room", len(r.Ref.Adapter)+len(r.Ref.Room)); err != nil {
			return err
		}
	}
	for i := range st.Cards {
		c := &st.Cards[i]
		p.cards = append(p.cards, entity{append([]byte{'c'}, c.ID...), encodeCard(c, c.Rev+1), c.Rev})
		if err := checkName("card", len(c.ID)); err != nil {
			return err
		}
	}
	for _, es := range [][]entity{p.contacts, p.links, p.rooms, p.cards} {
		for _, e := range es {
			p.bytes += len(e.key) + len(e.val)
		}
	}
	return nil
}

// deliveries fills in what steps leave out. Ids are the committer's to give.
func (p *prepared) deliveries() {
	if len(p.step.Deliveries) == 0 {
		return
	}
	p.out.Deliveries = slices.Clone(p.step.Deliveries)
	p.out.Mine = make([]bool, len(p.out.Deliveries))
	for i := range p.out.Deliveries {
		d := &p.out.Deliveries[i]
		if d.State == "" {
			d.State = bridge.StatePending
		}
		if d.At.IsZero() {
			d.At = p.step.At
		}
		p.out.Mine[i] = true
		b := encodeDelivery(d)
		p.outs = append(p.outs, b)
		p.bytes += len(b) + 64
	}
}

// ask looks the dedupe keys up in the buckets of days. What is not there now can only come into them
// by way of the generations in memory, where the committer looks.
func (s *Store) ask(p *prepared) error {
	if !p.hasSeen && !p.hasSrc {
		return nil
	}
	from := dayOf(p.step.At.Add(-bridge.SeenFor))
	x := &s.index
	x.mu.RLock()
	p.epoch = x.epoch
	seenDays, refDays := since(x.seenDays, from), since(x.refDays, from)
	x.mu.RUnlock()
	if !p.hasSeen {
		seenDays = nil
	}
	if !p.hasSrc {
		refDays = nil
	}
	if len(seenDays)+len(refDays) == 0 {
		return nil
	}
	return s.view(func(tx *bbolt.Tx) error {
		if len(seenDays) > 0 {
			_, p.known = inDays(top(tx, bucketSeen), seenDays, from, p.seen)
		}
		if len(refDays) > 0 && !p.known {
			_, p.known = inDays(top(tx, bucketRefs), refDays, from, p.src)
		}
		return nil
	})
}

// since is the part of the list from the given day on.
func since(days []day, from day) []day {
	i, _ := slices.BinarySearch(days, from)
	return days[i:]
}
