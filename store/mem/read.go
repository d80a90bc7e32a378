package mem

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/hutong-im/hutong/bridge"
)

// get reads one thing under the lock.
func get[K comparable, V any](ctx context.Context, s *Store, m *map[K]V, k K, clone func(V) V) (V, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var none V
	if err := s.usable(ctx); err != nil {
		return none, err
	}
	v, ok := (*m)[k]
	if !ok {
		return none, bridge.ErrNotFound
	}
	return clone(v), nil
}

// Contact is the contact with the id, or ErrNotFound.
func (s *Store) Contact(ctx context.Context, id bridge.ContactID) (bridge.Contact, error) {
	return get(ctx, s, &s.data.Contacts, id, cloneContact)
}

// ContactOf is the contact that has the account, or ErrNotFound.
func (s *Store) ContactOf(ctx context.Context, account bridge.UserRef) (bridge.Contact, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return bridge.Contact{}, err
	}
	id, ok := s.data.Accounts[account]
	if !ok {
		return bridge.Contact{}, bridge.ErrNotFound
	}
	return cloneContact(s.data.Contacts[id]), nil
}

// Link is the link with the id, or ErrNotFound.
func (s *Store) Link(ctx context.Context, id bridge.LinkID) (bridge.Link, error) {
	return get(ctx, s, &s.data.Links, id, cloneLink)
}

// Room is what is known of the room, or ErrNotFound.
func (s *Store) Room(ctx context.Context, r bridge.RoomRef) (bridge.Room, error) {
	return get(ctx, s, &s.data.Rooms, r, cloneRoom)
}

// Card is the card with the id, or ErrNotFound.
func (s *Store) Card(ctx context.Context, id bridge.CardID) (bridge.Card, error) {
	return get(ctx, s, &s.data.Cards, id, cloneCard)
}

// Message is the record of a message, or ErrNotFound.
func (s *Store) Message(ctx context.Context, id bridge.MessageID) (bridge.Record, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return bridge.Record{}, err
	}
	r := s.data.Records[id]
	if r == nil {
		return bridge.Record{}, bridge.ErrNotFound
	}
	return cloneRecord(*r), nil
}

// LinksOf lists the links of one contact, oldest first.
func (s *Store) LinksOf(ctx context.Context, c bridge.ContactID) ([]bridge.Link, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	return pick(s.data.Links, s.data.ByContact[c], cloneLink), nil
}

// pick is the things with the ids, those that are there.
func pick[K comparable, V any](m map[K]V, ids []K, clone func(V) V) []V {
	var out []V
	for _, id := range ids {
		if v, ok := m[id]; ok {
			out = append(out, clone(v))
		}
	}
	return out
}

// list walks a list page by page, holding the lock only while a page is taken.
func list[K cmp.Ordered, V any](ctx context.Context, s *Store, page func(after *K) ([]K, []V)) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		var after *K
		for {
			s.mu.RLock()
			err := s.usable(ctx)
			var ids []K
			var vs []V
			if err == nil {
				ids, vs = page(after)
				ids = slices.Clone(ids)
			}
			s.mu.RUnlock()
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
			if len(ids) == 0 {
				return
			}
			after = &ids[len(ids)-1]
		}
	}
}

// upward walks all ids of a list.
func upward[K cmp.Ordered, V any](ctx context.Context, s *Store, ids *sorted[K], m *map[K]V, clone func(V) V) iter.Seq2[V, error] {
	return list(ctx, s, func(after *K) ([]K, []V) {
		page := (*ids)[:min(len(*ids), pageSize)]
		if after != nil {
			page = ids.above(*after, pageSize)
		}
		return page, pick(*m, page, clone)
	})
}

// Links lists all links, oldest first.
func (s *Store) Links(ctx context.Context) iter.Seq2[bridge.Link, error] {
	return upward(ctx, s, &s.data.LinkIDs, &s.data.Links, cloneLink)
}

// Contacts lists all contacts, oldest first.
func (s *Store) Contacts(ctx context.Context) iter.Seq2[bridge.Contact, error] {
	return upward(ctx, s, &s.data.ContactIDs, &s.data.Contacts, cloneContact)
}

// Cards lists all cards, in the order of their ids.
func (s *Store) Cards(ctx context.Context) iter.Seq2[bridge.Card, error] {
	return upward(ctx, s, &s.data.CardIDs, &s.data.Cards, cloneCard)
}

// LinksBy lists a member's links, newest first.
func (s *Store) LinksBy(ctx context.Context, m bridge.MemberID) iter.Seq2[bridge.Link, error] {
	return list(ctx, s, func(after *bridge.LinkID) ([]bridge.LinkID, []bridge.Link) {
		before := ^bridge.LinkID(0)
		if after != nil {
			before = *after
		}
		page := slices.Clone(s.data.ByMember[m].below(before, pageSize))
		slices.Reverse(page)
		return page, pick(s.data.Links, page, cloneLink)
	})
}

// Find is the message that the network calls so, or ErrNotFound.
func (s *Store) Find(ctx context.Context, r bridge.MsgRef) (bridge.MessageID, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	id, ok := s.data.Refs[r]
	if !ok || s.data.Records[id] == nil { // a key may outlive its message, so that a repeat stays known
		return 0, bridge.ErrNotFound
	}
	return id, nil
}

// History lists a link's messages before the given one (0: all), newest first, at most n.
func (s *Store) History(ctx context.Context, l bridge.LinkID, before bridge.MessageID, n int) ([]bridge.Record, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	if before == 0 {
		before = ^bridge.MessageID(0)
	}
	var out []bridge.Record
	for _, id := range slices.Backward(s.data.History[l].below(before, n)) {
		out = append(out, cloneRecord(*s.data.Records[id]))
	}
	return out, nil
}

// Trail lists the audit log, oldest first.
func (s *Store) Trail(ctx context.Context) iter.Seq2[bridge.AuditEntry, error] {
	return list(ctx, s, func(after *int) ([]int, []bridge.AuditEntry) {
		from := 0
		if after != nil {
			from = *after
		}
		to := min(from+pageSize, len(s.data.Audit))
		if from == to {
			return nil, nil
		}
		return []int{to}, slices.Clone(s.data.Audit[from:to])
	})
}
