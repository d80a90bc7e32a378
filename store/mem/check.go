package mem

import (
	"fmt"
	"slices"

	"github.com/hutong-im/hutong/bridge"
)

// check finds out whether all of the step can be done, before any of it is.
func (s *Store) check(st *bridge.Step) error {
	for _, e := range st.Expect {
		what, rev := fmt.Sprint("link ", e.Link), s.data.Links[e.Link].Rev
		if e.Link == 0 {
			what, rev = "room", s.data.Rooms[e.Room].Rev
		}
		if rev != e.Rev {
			return fmt.Errorf("%s: %w", what, bridge.ErrStale)
		}
	}
	if err := s.checkContacts(st.Contacts); err != nil {
		return err
	}
	if err := s.checkLinks(st.Links); err != nil {
		return err
	}
	for i, r := range st.Rooms {
		if s.data.Rooms[r.Ref].Rev != r.Rev || twice(st.Rooms[:i], func(o bridge.Room) bool { return o.Ref == r.Ref }) {
			return fmt.Errorf("room: %w", bridge.ErrStale)
		}
	}
	for i, c := range st.Cards {
		if s.data.Cards[c.ID].Rev != c.Rev || twice(st.Cards[:i], func(o bridge.Card) bool { return o.ID == c.ID }) {
			return fmt.Errorf("card: %w", bridge.ErrStale)
		}
	}
	if c := st.Change; c != nil && s.data.Records[c.ID] == nil {
		return fmt.Errorf("message %s: %w", c.ID, bridge.ErrNotFound)
	}
	return nil
}

// twice reports whether an earlier entity of the same step is the same thing.
func twice[E any](earlier []E, same func(E) bool) bool {
	return slices.ContainsFunc(earlier, same)
}

// checkContacts looks at revisions, and that no account has two owners once all of them are written:
// an account may go from one contact to another in one step.
func (s *Store) checkContacts(cs []bridge.Contact) error {
	owner := make(map[bridge.UserRef]bridge.ContactID)
	mine := make(map[bridge.ContactID]bool)
	for _, c := range cs {
		if s.data.Contacts[c.ID].Rev != c.Rev || mine[c.ID] {
			return fmt.Errorf("contact %s: %w", c.ID, bridge.ErrStale)
		}
		mine[c.ID] = true
		for _, a := range c.Accounts {
			if o, ok := owner[a]; ok && o != c.ID {
				return fmt.Errorf("account of contact %s: %w", c.ID, bridge.ErrStale)
			}
			owner[a] = c.ID
		}
	}
	for a, id := range owner {
		if o, ok := s.data.Accounts[a]; ok && o != id && !mine[o] {
			return fmt.Errorf("account of contact %s: %w", id, bridge.ErrStale)
		}
	}
	return nil
}

// pair is what at most one link joins.
type pair struct {
	member  bridge.MemberID
	contact bridge.ContactID
}

func (s *Store) checkLinks(ls []bridge.Link) error {
	joined := make(map[pair]bool)
	mine := make(map[bridge.LinkID]bool)
	for _, l := range ls {
		p := pair{l.Member, l.Contact}
		if s.data.Links[l.ID].Rev != l.Rev || mine[l.ID] || joined[p] {
			return fmt.Errorf("link %s: %w", l.ID, bridge.ErrStale)
		}
		mine[l.ID], joined[p] = true, true
	}
	for _, l := range ls {
		for _, id := range s.data.ByContact[l.Contact] {
			if !mine[id] && s.data.Links[id].Member == l.Member {
				return fmt.Errorf("link %s joins what %s joins: %w", l.ID, id, bridge.ErrStale)
			}
		}
	}
	return nil
}

// writeContact replaces the contact and who owns its accounts.
func (s *Store) writeContact(c bridge.Contact) {
	old := s.data.Contacts[c.ID]
	c = cloneContact(c)
	c.Rev++
	s.data.Contacts[c.ID] = c
	s.data.ContactIDs = s.data.ContactIDs.with(c.ID)
	for _, a := range old.Accounts {
		if s.data.Accounts[a] == c.ID {
			delete(s.data.Accounts, a)
		}
	}
	for _, a := range c.Accounts {
		s.data.Accounts[a] = c.ID
	}
	s.hold(avatar(c))
	s.release(avatar(old), s.data.Loose)
}

// writeLink replaces the link and where it is listed.
func (s *Store) writeLink(l bridge.Link) {
	if old, ok := s.data.Links[l.ID]; ok {
		drop(s.data.ByMember, old.Member, l.ID)
		drop(s.data.ByContact, old.Contact, l.ID)
	}
	l = cloneLink(l)
	l.Rev++
	s.data.Links[l.ID] = l
	s.data.LinkIDs = s.data.LinkIDs.with(l.ID)
	put(s.data.ByMember, l.Member, l.ID)
	put(s.data.ByContact, l.Contact, l.ID)
}

// avatar is the contact's picture as a file.
func avatar(c bridge.Contact) []bridge.File { return []bridge.File{{Blob: c.Avatar}} }

// hold counts one more reference to each blob.
func (s *Store) hold(fs []bridge.File) {
	for _, f := range fs {
		if f.Blob != "" {
			s.data.Blobs[f.Blob]++
			delete(s.data.Loose, f.Blob)
		}
	}
}

// release counts one less, and puts into free what nothing refers to any more.
func (s *Store) release(fs []bridge.File, free map[string]bool) {
	for _, f := range fs {
		if f.Blob == "" {
			continue
		}
		if s.data.Blobs[f.Blob]--; s.data.Blobs[f.Blob] <= 0 {
			delete(s.data.Blobs, f.Blob)
			free[f.Blob] = true
		}
	}
}
