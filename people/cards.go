package people

import (
	"context"
	"fmt"
	"iter"
	"time"
	"unicode/utf8"

	"github.com/hutong-im/hutong/bridge"
)

// Limits of a card's own texts: a greeting is one message on any network (the shortest limit of those
// planned is 2,048 bytes, at most 682 Chinese characters); a source is a tag.
const (
	maxGreeting = 600
	maxSource   = 40
)

// CardWish is a card as somebody wants it.
type CardWish struct {
	Member     bridge.MemberID
	Greeting   string    // said to the customer once the link is active; "" says nothing
	Source     string    // becomes a tag of the link
	Acceptance bool      // the member must accept the customer
	Expires    time.Time // zero is never
}

// NewCard makes a card for a member who serves customers.
func (p *People) NewCard(ctx context.Context, by Actor, w CardWish) (bridge.Card, error) {
	if !by.owns(w.Member) {
		return bridge.Card{}, fmt.Errorf("a card for %s: %w; members make cards for themselves", w.Member, ErrForbidden)
	}
	if err := p.checkCard(w); err != nil {
		return bridge.Card{}, err
	}
	card := bridge.Card{
		Member: w.Member, Greeting: w.Greeting, Source: w.Source,
		Acceptance: w.Acceptance, Created: p.now(), Expires: w.Expires,
	}
	err := p.change(ctx, func() (bridge.Step, error) {
		card.ID = bridge.NewCardID()
		return bridge.Step{
			Cards: []bridge.Card{card},
			Audit: []bridge.AuditEntry{p.audit(by, "card.new", string(card.ID), "for "+string(w.Member))},
		}, nil
	})
	if err != nil {
		return bridge.Card{}, fmt.Errorf("make a card: %w", err)
	}
	return p.store.Card(ctx, card.ID)
}

func (p *People) checkCard(w CardWish) error {
	if _, err := p.serving(w.Member); err != nil {
		return err
	}
	switch {
	case utf8.RuneCountInString(w.Greeting) > maxGreeting:
		return fmt.Errorf("%w: the greeting is longer than %d characters", ErrInvalid, maxGreeting)
	case utf8.RuneCountInString(w.Source) > maxSource || bridge.Tidy(w.Source, maxSource) != w.Source:
		return fmt.Errorf("%w: a source is one line of at most %d characters", ErrInvalid, maxSource)
	case !w.Expires.IsZero() && !w.Expires.After(p.now()):
		return fmt.Errorf("%w: the card would have expired already (%s)", ErrInvalid, w.Expires.Format(time.RFC3339))
	}
	return nil
}

// Cards lists the cards that the actor may see: a member's own, an operator's choice of one member's
// ("" is all). Those that are closed come only if closed is set.
func (p *People) Cards(ctx context.Context, by Actor, member bridge.MemberID, closed bool) iter.Seq2[bridge.Card, error] {
	return func(yield func(bridge.Card, error) bool) {
		for c, err := range p.store.Cards(ctx) {
			if err != nil {
				yield(c, err)
				return
			}
			if !by.owns(c.Member) || member != "" && c.Member != member || !closed && !c.Open(p.now()) {
				continue
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

// Card is one card that the actor may see.
func (p *People) Card(ctx context.Context, by Actor, id bridge.CardID) (bridge.Card, error) {
	c, err := p.store.Card(ctx, id)
	if err != nil {
		return bridge.Card{}, fmt.Errorf("card %s: %w", id, err)
	}
	if !by.owns(c.Member) {
		return bridge.Card{}, fmt.Errorf("card %s: %w", id, bridge.ErrNotFound)
	}
	return c, nil
}

// RevokeCard closes a card for ever: its address opens no more. Those who came through it stay. A card
// that is revoked already is no error.
func (p *People) RevokeCard(ctx context.Context, by Actor, id bridge.CardID) (bridge.Card, error) {
	var card bridge.Card
	err := p.change(ctx, func() (bridge.Step, error) {
		var err error
		if card, err = p.Card(ctx, by, id); err != nil || card.Revoked {
			return bridge.Step{}, err
		}
		card.Revoked = true
		return bridge.Step{
			Cards: []bridge.Card{card},
			Audit: []bridge.AuditEntry{p.audit(by, "card.revoke", string(id), "of "+string(card.Member))},
		}, nil
	})
	if err != nil {
		return bridge.Card{}, fmt.Errorf("revoke: %w", err)
	}
	return card, nil
}

// FirstCard is an open card of whoever shall get customers first: the fallback, else the first member
// who serves. If there is no card at all it makes one that needs acceptance, and fresh is true. Without
// anybody who serves it is ErrInvalid.
func (p *People) FirstCard(ctx context.Context, fallback bridge.MemberID) (card bridge.Card, fresh bool, err error) {
	none := true
	for c, err := range p.Cards(ctx, System(), "", true) {
		if err != nil {
			return bridge.Card{}, false, err
		}
		none = false
		if _, err := p.serving(c.Member); err == nil && c.Open(p.now()) {
			return c, false, nil
		}
	}
	if !none {
		return bridge.Card{}, false, fmt.Errorf("an open card: %w", bridge.ErrNotFound)
	}
	for _, m := range append([]bridge.Member{{ID: fallback}}, p.members()...) {
		if _, err := p.serving(m.ID); err != nil {
			continue
		}
		card, err = p.NewCard(ctx, System(), CardWish{Member: m.ID, Source: "first run", Acceptance: true})
		return card, err == nil, err
	}
	return bridge.Card{}, false, fmt.Errorf("%w: nobody serves customers (say serves: true of a member in the config)", ErrInvalid)
}
