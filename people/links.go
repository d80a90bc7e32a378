package people

import (
	"context"
	"errors"
	"iter"

	"github.com/hutong-im/hutong/bridge"
)

// LinkView is a link with what people call its two parties.
type LinkView struct {
	bridge.Link
	ContactName string
	MemberName  string // "" while the customer waits for somebody
}

// LinkWish says which links are wanted; what is not set does not matter.
type LinkWish struct {
	Member  bridge.MemberID
	Contact bridge.ContactID
	State   bridge.LinkState
}

// Links lists the links that the actor may see, a member's own or all; those of one member newest first.
func (p *People) Links(ctx context.Context, by Actor, w LinkWish) iter.Seq2[LinkView, error] {
	return func(yield func(LinkView, error) bool) {
		for l, err := range p.linksOf(ctx, by, w) {
			if err != nil {
				yield(LinkView{}, err)
				return
			}
			if !by.owns(l.Member) || w.Member != "" && l.Member != w.Member || w.State != "" && l.State != w.State {
				continue
			}
			v, err := p.viewLink(ctx, l)
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// linksOf chooses the narrowest list that the store has.
func (p *People) linksOf(ctx context.Context, by Actor, w LinkWish) iter.Seq2[bridge.Link, error] {
	switch {
	case w.Contact != 0:
		return func(yield func(bridge.Link, error) bool) {
			list, err := p.store.LinksOf(ctx, w.Contact)
			if err != nil {
				yield(bridge.Link{}, err)
				return
			}
			for _, l := range list {
				if !yield(l, nil) {
					return
				}
			}
		}
	case w.Member != "":
		return p.store.LinksBy(ctx, w.Member)
	case by.member != "":
		return p.store.LinksBy(ctx, by.member)
	}
	return p.store.Links(ctx)
}

func (p *People) viewLink(ctx context.Context, l bridge.Link) (LinkView, error) {
	v := LinkView{Link: l}
	if l.Member != "" {
		v.MemberName = p.memberName(l.Member)
	}
	c, err := p.store.Contact(ctx, l.Contact)
	if errors.Is(err, bridge.ErrNotFound) { // erased since the link was listed
		return v, nil
	}
	v.ContactName = c.Name
	return v, err
}
