package mem

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// Erase removes the contact and all that is known through it.
func (s *Store) Erase(ctx context.Context, c bridge.ContactID, audit bridge.AuditEntry) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	contact, ok := s.data.Contacts[c]
	if !ok {
		return nil, fmt.Errorf("contact %s: %w", c, bridge.ErrNotFound)
	}
	free := make(map[string]bool)
	links := make(map[bridge.LinkID]bool)
	for _, id := range slices.Clone(s.data.ByContact[c]) {
		links[id] = true
		s.eraseLink(id)
	}
	rooms := s.eraseRooms(links)
	for id, r := range s.data.Records {
		gone, touched := rooms[r.Room]
		if links[r.Link] || r.Link == 0 && touched && (gone || slices.Contains(contact.Accounts, r.From)) {
			s.eraseMessage(id, free)
		}
	}
	for id, d := range s.data.Deliveries {
		if links[d.Link] || d.Link == 0 && rooms[d.Room] {
			delete(s.data.Deliveries, id)
			drop(s.data.Lanes, d.Lane, id)
		}
	}
	for _, a := range contact.Accounts {
		delete(s.data.Accounts, a)
	}
	delete(s.data.Contacts, c)
	s.data.ContactIDs = s.data.ContactIDs.without(c)
	s.release(avatar(contact), free)
	s.data.Audit = append(s.data.Audit, audit)
	return slices.Sorted(maps.Keys(free)), nil
}

func (s *Store) eraseLink(id bridge.LinkID) {
	l := s.data.Links[id]
	drop(s.data.ByMember, l.Member, id)
	drop(s.data.ByContact, l.Contact, id)
	delete(s.data.Links, id)
	s.data.LinkIDs = s.data.LinkIDs.without(id)
}

// eraseRooms removes rooms that carry only these links, and these links from those that carry others.
// It returns the rooms that carried any of them; true is one that was removed.
func (s *Store) eraseRooms(links map[bridge.LinkID]bool) map[bridge.RoomRef]bool {
	touched := make(map[bridge.RoomRef]bool)
	for ref, r := range s.data.Rooms {
		if !slices.ContainsFunc(r.Links, func(l bridge.LinkID) bool { return links[l] }) {
			continue
		}
		r = cloneRoom(r)
		r.Links = slices.DeleteFunc(r.Links, func(l bridge.LinkID) bool { return links[l] })
		touched[ref] = len(r.Links) == 0
		if len(r.Links) == 0 {
			delete(s.data.Rooms, ref)
			continue
		}
		if links[r.Current] {
			r.Current = 0
		}
		if links[r.Said] {
			r.Said = 0
		}
		r.Rev++
		s.data.Rooms[ref] = r
	}
	return touched
}

// eraseMessage removes the message, and every name that leads to it.
func (s *Store) eraseMessage(id bridge.MessageID, free map[string]bool) {
	r := s.data.Records[id]
	s.forget(r, free)
	for ref, to := range s.data.Refs {
		if to == id {
			delete(s.data.Refs, ref)
		}
	}
}

// forget removes a message; its names stay.
func (s *Store) forget(r *bridge.Record, free map[string]bool) {
	delete(s.data.Records, r.ID)
	drop(s.data.History, r.Link, r.ID)
	s.release(r.Files, free)
}

// Expire forgets, by whole days of UTC, dedupe keys older than SeenFor and messages from before
// history (zero: none).
func (s *Store) Expire(ctx context.Context, now, history time.Time) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	free := s.data.Loose
	s.data.Loose = make(map[string]bool)
	known := now.Add(-bridge.SeenFor).Truncate(day)
	for k, v := range s.data.Seen {
		if v.At.Before(known) {
			delete(s.data.Seen, k)
		}
	}
	if history.IsZero() {
		return slices.Sorted(maps.Keys(free)), nil
	}
	first := history.Truncate(day)
	for id, r := range s.data.Records {
		if id.Time().Before(first) {
			s.forget(r, free)
		}
	}
	for ref, id := range s.data.Refs {
		if t := id.Time(); t.Before(first) && t.Before(known) {
			delete(s.data.Refs, ref)
		}
	}
	return slices.Sorted(maps.Keys(free)), nil
}

// Unused returns those of the blobs that nothing refers to.
func (s *Store) Unused(ctx context.Context, blobs []string) ([]string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	var out []string
	for _, b := range blobs {
		if s.data.Blobs[b] == 0 {
			out = append(out, b)
		}
	}
	return out, nil
}
