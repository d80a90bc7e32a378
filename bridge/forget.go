package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Forget makes the adapters forget a contact who is about to be erased. What cannot be done now is an error, and
// nothing is lost by calling it again.
func (b *Bridge) Forget(ctx context.Context, id ContactID) error {
	gone, err := b.traces(ctx, id)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range b.names() {
		a, _, _ := b.adapter(name)
		f, can := a.(Forgetter)
		if t := gone[name]; can && t != nil {
			if err := f.Forget(ctx, *t); err != nil {
				errs = append(errs, fmt.Errorf("make %s forget contact %s: %w", name, id, err))
			}
		}
	}
	return errors.Join(errs...)
}

// traces are what the adapters know a contact by, for each.
func (b *Bridge) traces(ctx context.Context, id ContactID) (map[string]*Traces, error) {
	c, err := b.store.Contact(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("contact %s: %w", id, err)
	}
	links, err := b.store.LinksOf(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("links of contact %s: %w", id, err)
	}
	gone := map[string]*Traces{}
	of := func(adapter string) *Traces {
		if gone[adapter] == nil {
			gone[adapter] = &Traces{}
		}
		return gone[adapter]
	}
	for _, account := range c.Accounts {
		of(account.Adapter).Users = append(of(account.Adapter).Users, account.User)
	}
	others := func(l LinkID) bool {
		return !slices.ContainsFunc(links, func(mine Link) bool { return mine.ID == l })
	}
	for i := range links {
		for _, ref := range links[i].Rooms {
			if ref.IsZero() {
				continue
			}
			of(ref.Adapter).Keys = append(of(ref.Adapter).Keys, links[i].ID.String())
			r, err := b.store.Room(ctx, ref)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return nil, fmt.Errorf("room %s: %w", ref, err)
			}
			if err == nil && !slices.ContainsFunc(r.Links, others) && !slices.Contains(of(ref.Adapter).Rooms, ref.Room) {
				of(ref.Adapter).Rooms = append(of(ref.Adapter).Rooms, ref.Room)
			}
		}
	}
	return gone, nil
}
