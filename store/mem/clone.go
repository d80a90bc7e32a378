package mem

import (
	"slices"

	"github.com/hutong-im/hutong/bridge"
)

// What comes in and what goes out is cloned, so that nobody changes the store by changing a slice.

func cloneContact(c bridge.Contact) bridge.Contact {
	c.Accounts, c.Tags = slices.Clone(c.Accounts), slices.Clone(c.Tags)
	return c
}

func cloneLink(l bridge.Link) bridge.Link {
	l.Tags = slices.Clone(l.Tags)
	return l
}

func cloneRoom(r bridge.Room) bridge.Room {
	r.Links = slices.Clone(r.Links)
	return r
}

func cloneCard(c bridge.Card) bridge.Card { return c }

func cloneMessage(m bridge.Message) bridge.Message {
	m.Files, m.Edits, m.Reactions = slices.Clone(m.Files), slices.Clone(m.Edits), slices.Clone(m.Reactions)
	m.Out = cloneText(m.Out)
	for i := range m.Edits {
		m.Edits[i].Out = cloneText(m.Edits[i].Out)
	}
	return m
}

func cloneText(s *string) *string {
	if s == nil {
		return nil
	}
	c := *s
	return &c
}

func cloneCopy(c bridge.Copy) bridge.Copy {
	c.IDs = slices.Clone(c.IDs)
	return c
}

func cloneRecord(r bridge.Record) bridge.Record {
	r.Message = cloneMessage(r.Message)
	r.Copies = slices.Clone(r.Copies)
	for i, c := range r.Copies {
		r.Copies[i] = cloneCopy(c)
	}
	return r
}

func cloneDelivery(d bridge.Delivery) bridge.Delivery {
	d.Sent = slices.Clone(d.Sent)
	if d.Ask != nil {
		a := *d.Ask
		a.Choices = slices.Clone(a.Choices)
		d.Ask = &a
	}
	return d
}
