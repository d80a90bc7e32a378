package people

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// Stock counts what the gateway keeps of one contact.
type Stock struct {
	Contact  bridge.ContactID
	Name     string
	Links    int
	Messages int
	Files    int
	Bytes    int64 // of the files
	Waiting  int   // deliveries that have not been sent, or failed
}

// Stock says what Export would give and Erase would remove.
func (p *People) Stock(ctx context.Context, by Actor, id bridge.ContactID) (Stock, error) {
	c, links, err := p.whole(ctx, by, id)
	if err != nil {
		return Stock{}, err
	}
	s := Stock{Contact: id, Name: c.Name, Links: len(links)}
	for _, l := range links {
		if err := p.countLink(ctx, l, &s); err != nil {
			return Stock{}, err
		}
	}
	return s, nil
}

func (p *People) countLink(ctx context.Context, l bridge.Link, s *Stock) error {
	for r, err := range p.said(ctx, l.ID) {
		if err != nil {
			return err
		}
		s.Messages++
		for _, f := range r.Files {
			s.Files++
			s.Bytes += f.Size
		}
	}
	for _, side := range []bridge.Side{bridge.MemberSide, bridge.ContactSide} {
		n, err := p.countLane(ctx, bridge.LinkLane(l.ID, side))
		if err != nil {
			return err
		}
		s.Waiting += n
	}
	return nil
}

func (p *People) countLane(ctx context.Context, lane bridge.LaneID) (int, error) {
	n, after := 0, bridge.DeliveryID(0)
	for {
		list, err := p.store.Waiting(ctx, lane, after, page)
		if err != nil {
			return 0, fmt.Errorf("count what waits: %w", err)
		}
		n += len(list)
		if len(list) < page {
			return n, nil
		}
		after = list[len(list)-1].ID
	}
}

// Erase removes a contact with everything that was said and sent, and the files that nobody else has.
// It returns what there was. Only the audit entry stays, with numbers and no words. forget makes the adapters
// forget; it goes first, so that a contact whom they cannot forget now is still there to be erased again.
func (p *People) Erase(ctx context.Context, by Actor, id bridge.ContactID, forget func(context.Context, bridge.ContactID) error) (Stock, error) {
	s, err := p.Stock(ctx, by, id)
	if err != nil {
		return Stock{}, err
	}
	if err := forget(ctx, id); err != nil {
		return Stock{}, fmt.Errorf("nothing was erased: %w", err)
	}
	detail := fmt.Sprintf("%d links, %d messages, %d files", s.Links, s.Messages, s.Files)
	blobs, err := p.store.Erase(ctx, id, p.audit(by, "contact.erase", id.String(), detail))
	if err != nil {
		return Stock{}, fmt.Errorf("erase contact %s: %w", id, err)
	}
	return s, p.Discard(blobs)
}

// Discard removes blobs that nothing refers to any more.
func (p *People) Discard(blobs []string) error {
	var errs []error
	for _, b := range blobs {
		if err := p.blobs.Remove(b); err != nil {
			errs = append(errs, fmt.Errorf("remove the file %s, which nothing needs any more (do it by hand): %w", b, err))
		}
	}
	return errors.Join(errs...)
}

// whole is a contact with all its links, for somebody who may have everything.
func (p *People) whole(ctx context.Context, by Actor, id bridge.ContactID) (bridge.Contact, []bridge.Link, error) {
	if !by.operates() {
		return bridge.Contact{}, nil, fmt.Errorf("all of contact %s: %w; ask whoever operates the gateway", id, ErrForbidden)
	}
	c, err := p.store.Contact(ctx, id)
	if err != nil {
		return c, nil, fmt.Errorf("contact %s: %w (hutong links list shows those there are)", id, err)
	}
	links, err := p.store.LinksOf(ctx, id)
	if err != nil {
		return c, nil, fmt.Errorf("links of contact %s: %w", id, err)
	}
	return c, links, nil
}

// unsent is how long an upload may wait to be sent.
const unsent = 24 * time.Hour

// Sweep removes files that were uploaded and never sent, or whose removal was cut short, and returns how many.
func (p *People) Sweep(ctx context.Context) (int, error) {
	n, err := p.blobs.Sweep(p.now().Add(-unsent), func(blobs []string) ([]string, error) {
		return p.store.Unused(ctx, blobs)
	})
	if err != nil {
		return n, fmt.Errorf("sweep files: %w", err)
	}
	return n, nil
}
