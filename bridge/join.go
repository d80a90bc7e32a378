package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What questions are about, and what can be answered.
const (
	askLink       = "link:" // a customer asks; then the link's id
	choiceAccept  = "accept"
	choiceDecline = "decline"
)

// Request is the Opening.Key of the link that the question asks to accept; "" for other questions.
func (a *Ask) Request() string {
	link, ok := strings.CutPrefix(a.ID, askLink)
	if !ok {
		return ""
	}
	return link
}

// joined plans a customer who came through a card.
func (v *visit) joined(ctx context.Context, e Joined) (*plan, error) {
	hello, err := cleanText(e.Text)
	if err != nil {
		return nil, err
	}
	if err := v.enter(ctx, e.Room, e.User); err != nil {
		return nil, err
	}
	if v.side != ContactSide {
		return nil, ignore("a member with a card")
	}
	if e.Card == "" {
		return nil, ignore("joined without a card")
	}
	card, err := v.b.store.Card(ctx, e.Card)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("read card: %w", err)
	}
	m, ok := v.set.serving(card.Member)
	if err != nil || !ok || !card.Open(v.now) {
		return v.once(e.Event, v.answer(v.set.words.cardClosed)), nil
	}
	v.guest = guest{e.Name, e.Union, e.Avatar}
	c, err := v.contact(ctx)
	if err != nil {
		return nil, err
	}
	if err := v.linkTo(ctx, c, m.ID, LinkActive); err != nil {
		return nil, err
	}
	return v.through(ctx, e, &card, c, Tidy(hello, maxHello))
}

// maxHello bounds what a customer says with a request, in graphemes: WeChat allows 50 characters, we
// are more generous.
const maxHello = 200

// through plans the way through an open card.
func (v *visit) through(ctx context.Context, e Joined, card *Card, c *Contact, hello string) (*plan, error) {
	p := v.once(e.Event)
	fresh := v.link.Rev == 0 || v.link.State == LinkEnded
	if fresh {
		if full, err := v.full(ctx); err != nil {
			return nil, err
		} else if full {
			return v.once(e.Event, v.answer(v.set.words.memberFull)), nil
		}
		v.link.State = LinkActive
		if card.Acceptance {
			v.link.State = LinkAsked
		}
		v.link.Card, v.link.Hello = card.ID, hello
		if card.Source != "" && !slices.Contains(v.link.Tags, card.Source) {
			v.link.Tags = append(v.link.Tags, card.Source)
		}
	}
	v.enterLink()
	p.step.Contacts, p.step.Links, p.step.Rooms = []Contact{*c}, []Link{*v.link}, []Room{*v.room}
	v.openWindow(p, e.Window)
	if d := v.fetchAvatar(c); d != nil {
		p.step.Deliveries = append(p.step.Deliveries, *d)
	}
	if !fresh {
		label, err := v.other(ctx)
		if err != nil {
			return nil, err
		}
		if v.room.Shared() {
			p.step.Deliveries = append(p.step.Deliveries, v.answer(fmt.Sprintf(v.set.words.nowTalking, label.Text)))
		}
		return p, nil
	}
	if v.link.State == LinkAsked {
		p.step.Deliveries = append(p.step.Deliveries, v.ask(c), v.answer(v.set.words.requestSent))
		return p, nil
	}
	n := v.delivery(KindNotice, MemberSide)
	n.Text = fmt.Sprintf(v.set.words.newCustomer, v.set.contactLabel(c, v.link, v.b.networkOf(v.ref)).Text)
	if hello != "" {
		n.Text += "\n" + hello
	}
	p.step.Deliveries = append(p.step.Deliveries, n)
	v.greet(p, card)
	return p, nil
}

// full reports whether the member has as many customers as they may.
func (v *visit) full(ctx context.Context) (bool, error) {
	m := v.set.members[v.link.Member]
	if m == nil || m.Quota == 0 {
		return false, nil
	}
	n := 0
	for l, err := range v.b.store.LinksBy(ctx, m.ID) {
		if err != nil {
			return false, fmt.Errorf("count links: %w", err)
		}
		if l.State == LinkActive || l.State == LinkAsked {
			n++
		}
		if n >= m.Quota {
			return true, nil
		}
	}
	return false, nil
}

// greet says the card's greeting in the member's name, and tells the member.
func (v *visit) greet(p *plan, card *Card) {
	if card.Greeting == "" || p.step.Message != nil {
		return
	}
	m := v.set.members[v.link.Member]
	from := UserRef{}
	if m != nil && len(m.Accounts) > 0 {
		from = m.Accounts[0]
	}
	p.step.Message = &Message{Link: v.link.ID, Side: MemberSide, From: from, At: v.now, Text: card.Greeting}
	n := v.delivery(KindNotice, MemberSide)
	n.Text = fmt.Sprintf(v.set.words.greetingSent, card.Greeting)
	p.step.Deliveries = append(p.step.Deliveries, v.delivery(KindSay, ContactSide), n)
}

// once plans deliveries for an event that may come twice.
func (v *visit) once(event string, ds ...Delivery) *plan {
	p := &plan{step: Step{At: v.now, Deliveries: ds}}
	if event != "" {
		p.step.Seen = v.seen("event", event)
	}
	return p
}

// left plans a customer who went away: every link of the room ends.
func (v *visit) left(ctx context.Context, e Left) (*plan, error) {
	if err := v.enter(ctx, e.Room, e.User); err != nil {
		return nil, err
	}
	if v.room == nil || v.side != ContactSide {
		return nil, ignore("left a room without links")
	}
	p := v.once(e.Event)
	for _, id := range v.room.Links {
		if err := v.use(ctx, id); errors.Is(err, errNobody) {
			continue
		} else if err != nil {
			return nil, err
		}
		if why, err := v.mayWrite(ctx); err != nil {
			return nil, err
		} else if why != "" {
			return nil, ignore("not bound")
		}
		if v.link.State == LinkEnded {
			continue
		}
		if err := v.end(ctx, p); err != nil {
			return nil, err
		}
	}
	if len(p.step.Links) == 0 {
		return nil, ignore("nothing changed")
	}
	return p, nil
}

// end plans the end of the link by the customer, and tells the member.
func (v *visit) end(ctx context.Context, p *plan) error {
	v.link.State = LinkEnded
	p.step.Links = append(p.step.Links, *v.link)
	p.wake = append(p.wake, LinkLane(v.link.ID, ContactSide), LinkLane(v.link.ID, MemberSide))
	c, err := v.b.store.Contact(ctx, v.link.Contact)
	if err != nil {
		return fmt.Errorf("read contact: %w", err)
	}
	label := v.set.contactLabel(&c, v.link, v.b.networkOf(v.ref))
	n := v.delivery(KindNotice, MemberSide)
	n.Text = fmt.Sprintf(v.set.words.endedByOther, label.Text)
	if v.link.Member != "" {
		p.step.Deliveries = append(p.step.Deliveries, n)
	}
	return nil
}

// answeredLink plans the acceptance, or not, of a customer.
func (v *visit) answeredLink(ctx context.Context, id LinkID, e Answered) (*plan, error) {
	if err := v.use(ctx, id); errors.Is(err, errNobody) {
		return nil, ignore("unknown link")
	} else if err != nil {
		return nil, err
	}
	if v.who == nil || v.who.ID != v.link.Member {
		return nil, refuse("not the member who was asked")
	}
	v.side = MemberSide
	if v.link.State != LinkAsked {
		return v.once(e.Event, v.answer(fmt.Sprintf(v.set.words.alreadyDone, v.set.words.states[v.link.State]))), nil
	}
	p := v.once(e.Event)
	p.wake = []LaneID{LinkLane(id, MemberSide), LinkLane(id, ContactSide)}
	told := v.delivery(KindNotice, ContactSide)
	switch e.Choice {
	case choiceAccept:
		v.link.State, v.link.Since = LinkActive, v.now
		told.Text = fmt.Sprintf(v.set.words.accepted, v.set.memberLabel(v.who).Text)
		p.step.Deliveries = append(p.step.Deliveries, told)
		card, err := v.b.store.Card(ctx, v.link.Card)
		if err == nil {
			v.greet(p, &card)
		} else if !errors.Is(err, ErrNotFound) {
			return nil, fmt.Errorf("read card: %w", err)
		}
	case choiceDecline:
		v.link.State = LinkEnded
		told.Text = v.set.words.declined
		p.step.Deliveries = append(p.step.Deliveries, told)
	default:
		return nil, refuse("unknown choice")
	}
	p.step.Links = []Link{*v.link}
	return p, nil
}
