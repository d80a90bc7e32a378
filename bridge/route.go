package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// errNobody is a room without anybody to talk to.
var errNobody = errors.New("nobody to talk to")

// choose finds the link that a message in a known room is for: the one it answers, else the room's
// current one. A room's own link needs no choice.
func (v *visit) choose(ctx context.Context, reply MsgID) (replied MessageID, err error) {
	if reply != "" {
		id, err := v.find(ctx, reply)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return 0, fmt.Errorf("read the answered message: %w", err)
		}
		if err == nil {
			rec, err := v.b.store.Message(ctx, id)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return 0, fmt.Errorf("read the answered message: %w", err)
			}
			if err == nil && slices.Contains(v.room.Links, rec.Link) {
				return id, v.use(ctx, rec.Link)
			}
		}
	}
	if v.room.Current == 0 {
		return 0, errNobody
	}
	return 0, v.use(ctx, v.room.Current)
}

// use reads the chosen link.
func (v *visit) use(ctx context.Context, id LinkID) error {
	l, err := v.b.store.Link(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return errNobody
	}
	if err != nil {
		return fmt.Errorf("read link: %w", err)
	}
	v.link = &l
	return nil
}

// mayWrite says why the writer may not speak in the link; "" when they may.
func (v *visit) mayWrite(ctx context.Context) (string, error) {
	if v.side == MemberSide {
		switch {
		case v.who == nil:
			return v.set.words.unbound, nil
		case v.who.ID != v.link.Member || !v.who.Serves || v.who.State == MemberLeft:
			return v.set.words.notYours, nil
		}
		return "", nil
	}
	c, err := v.b.store.Contact(ctx, v.link.Contact)
	if err != nil {
		return "", fmt.Errorf("read contact: %w", err)
	}
	if !slices.Contains(c.Accounts, v.from) {
		return v.set.words.notYours, nil
	}
	v.writer = &c
	return "", nil
}

// newcomer plans a customer whom no card brought: the contact, and a link with whom the rules or the
// fallback name. Without either the customer waits, visibly, in a link with nobody.
func (v *visit) newcomer(ctx context.Context, assign MemberID) (*Contact, error) {
	contact, err := v.contact(ctx)
	if err != nil {
		return nil, err
	}
	id := assign
	if _, ok := v.set.serving(id); !ok {
		id = v.set.Fallback
	}
	if _, ok := v.set.serving(id); !ok {
		id = ""
	}
	return contact, v.linkTo(ctx, contact, id, LinkActive)
}

// contact finds the customer behind the account, or makes one. An account of a human who is known from
// another adapter by a union id is added to that contact.
func (v *visit) contact(ctx context.Context) (*Contact, error) {
	c, err := v.b.store.ContactOf(ctx, v.from)
	known := err == nil
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("read contact: %w", err)
	}
	if u := v.guest.union; u != "" && len(u) <= maxIDBytes {
		union := UserRef{UnionAdapter, UserID(u)}
		same, err := v.b.store.ContactOf(ctx, union)
		switch {
		case err != nil && !errors.Is(err, ErrNotFound):
			return nil, fmt.Errorf("read contact: %w", err)
		case err == nil && !known:
			c, known = same, true
			c.Accounts = append(slices.Clone(c.Accounts), v.from)
		case err != nil && known:
			c.Accounts = append(slices.Clone(c.Accounts), union)
		case err != nil:
			c.Accounts = []UserRef{v.from, union}
		}
	}
	if !known {
		c.ID, c.Since = ContactID(NewID(v.now)), v.now
		if len(c.Accounts) == 0 {
			c.Accounts = []UserRef{v.from}
		}
	}
	if n := Tidy(v.guest.name, maxName); n != "" {
		c.Name = n
	}
	return &c, nil
}

// linkTo finds the contact's link with the member, or makes one in the given state.
func (v *visit) linkTo(ctx context.Context, c *Contact, m MemberID, state LinkState) error {
	if c.Rev != 0 {
		links, err := v.b.store.LinksOf(ctx, c.ID)
		if err != nil {
			return fmt.Errorf("read links: %w", err)
		}
		for i := range links {
			if links[i].Member == m {
				v.link = &links[i]
				return nil
			}
		}
	}
	if m == "" {
		state = LinkAsked
	}
	v.link = &Link{ID: LinkID(NewID(v.now)), Member: m, Contact: c.ID, State: state, Since: v.now}
	return nil
}

// enterLink puts the link into the contact's room and makes it the current one.
func (v *visit) enterLink() {
	v.link.Rooms[ContactSide] = v.ref
	if v.room == nil {
		v.room = &Room{Ref: v.ref, Side: ContactSide}
	}
	v.room.add(v.link.ID)
	v.room.Current = v.link.ID
}

// delivery is a delivery of the visit's link to one side.
func (v *visit) delivery(kind DeliveryKind, to Side) Delivery {
	return Delivery{
		Lane: LinkLane(v.link.ID, to), Kind: kind, Link: v.link.ID, To: to, At: v.now, State: StatePending,
		Adapter: v.b.target(v.link, to, RoomRef{}),
	}
}

// answer is a text of the gateway to the writer, in the room where they are.
func (v *visit) answer(text string) Delivery {
	d := Delivery{
		Lane: RoomLane(v.ref), Kind: KindHint, Room: v.ref, User: v.from.User, Text: text, To: v.side,
		At: v.now, State: StatePending, Adapter: v.adapter,
	}
	if v.link != nil {
		d.Lane, d.Link = LinkLane(v.link.ID, v.side), v.link.ID
	}
	return d
}

// ask is the question whether the member takes the customer.
func (v *visit) ask(c *Contact) Delivery {
	d := v.delivery(KindAsk, MemberSide)
	label := v.set.contactLabel(c, v.link, v.b.networkOf(v.ref))
	text := fmt.Sprintf(v.set.words.asking, label.Text)
	if v.link.Hello != "" {
		text += "\n" + v.link.Hello
	}
	d.Ask = &Ask{
		ID: askLink + v.link.ID.String(), Text: text,
		Choices: []Choice{
			{ID: choiceAccept, Label: v.set.words.accept, Style: "primary"},
			{ID: choiceDecline, Label: v.set.words.decline, Style: "danger"},
		},
	}
	return d
}

// placeWaiting gives the customers who wait for anybody to the fallback, now that there is one.
func (b *Bridge) placeWaiting(ctx context.Context) error {
	set := b.set.Load()
	m, ok := set.serving(set.Fallback)
	if !ok {
		return nil
	}
	for l, err := range b.store.LinksBy(ctx, "") {
		if err != nil {
			return fmt.Errorf("read waiting customers: %w", err)
		}
		if l.State != LinkAsked {
			continue
		}
		l.Member, l.State = m.ID, LinkActive
		_, err := b.commit(ctx, Step{At: b.now(), Links: []Link{l}})
		if errors.Is(err, ErrStale) {
			continue // the customer found somebody meanwhile
		}
		if err != nil {
			return fmt.Errorf("place a waiting customer: %w", err)
		}
		b.engine.wake(LinkLane(l.ID, MemberSide), LinkLane(l.ID, ContactSide))
	}
	return nil
}
