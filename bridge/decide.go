package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// message plans something said.
func (v *visit) message(ctx context.Context, e MessageEvent) (*plan, error) {
	if e.Key != "" || e.Own {
		return nil, ignore("own echo")
	}
	if err := checkIDs(string(e.Msg)); err != nil {
		return nil, err
	}
	text, err := cleanText(e.Text)
	if err != nil {
		return nil, err
	}
	if len(e.Files) > maxFiles {
		return nil, refuse("too many files")
	}
	if text == "" && len(e.Files) == 0 {
		return nil, ignore("empty")
	}
	if err := v.enter(ctx, e.Room, e.User); err != nil {
		return nil, err
	}
	msg := &Message{Side: v.side, From: v.from, Room: v.ref, Src: e.Msg, At: e.At, Text: text, Files: e.Files}
	if e.At.IsZero() {
		msg.At = v.now
	}
	if name, args, ok := command(text); ok && e.Thread == "" {
		if p, err := v.command(ctx, msg, name, args); p != nil || err != nil {
			return p, err
		}
	}
	if strings.HasPrefix(text, "//") && v.side == MemberSide {
		msg.Text = text[1:]
	}
	if v.room == nil {
		v.guest = guest{e.Name, e.Union, e.Avatar}
		return v.firstWords(ctx, msg, e.Window)
	}
	return v.inRoom(ctx, msg, e)
}

// inRoom plans a message in a room that carries links.
func (v *visit) inRoom(ctx context.Context, msg *Message, e MessageEvent) (*plan, error) {
	reply, err := v.choose(ctx, e.ReplyTo)
	if errors.Is(err, errNobody) {
		return v.hintOnly(e.Msg, v.set.words.noParty), nil
	}
	if err != nil {
		return nil, err
	}
	msg.ReplyTo = reply
	why, err := v.mayWrite(ctx)
	if err != nil {
		return nil, err
	}
	if why != "" {
		v.b.meter.Discard(v.adapter, "not bound")
		return v.hintOnly(e.Msg, why), nil
	}
	if e.Thread != "" && v.side == MemberSide {
		return v.note(msg, e.Thread), nil
	}
	p := &plan{}
	v.guest = guest{e.Name, e.Union, e.Avatar}
	v.renamed(p)
	if v.link.State == LinkEnded {
		if done, err := v.reopen(ctx, p, e.Msg); done != nil || err != nil {
			return done, err
		}
	}
	if v.link.ID != v.room.Current {
		v.room.Current = v.link.ID
		p.step.Rooms = []Room{*v.room}
		label, err := v.other(ctx)
		if err != nil {
			return nil, err
		}
		p.step.Deliveries = append(p.step.Deliveries, v.answer(fmt.Sprintf(v.set.words.nowTalking, label.Text)))
	}
	v.openWindow(p, e.Window)
	return v.decided(ctx, p, msg)
}

// renamed plans that a customer is called otherwise than before, or shows a picture for the first time.
func (v *visit) renamed(p *plan) {
	if v.writer == nil {
		return
	}
	if v.guest.name != "" && v.guest.name != v.writer.Name {
		if n := Tidy(v.guest.name, maxName); n != "" && n != v.writer.Name {
			c := *v.writer
			c.Name = n
			p.step.Contacts = []Contact{c}
			p.refresh = append(p.refresh, v.room.Links...)
		}
	}
	if d := v.fetchAvatar(v.writer); d != nil {
		p.step.Deliveries = append(p.step.Deliveries, *d)
	}
}

// firstWords plans the first message of a room: a customer's makes a contact and a link; a member's has
// nobody to go to.
func (v *visit) firstWords(ctx context.Context, msg *Message, opens Window) (*plan, error) {
	if v.side == MemberSide {
		return v.hintOnly(msg.Src, v.set.words.noCustomerHere), nil
	}
	var d Decision
	if v.set.Decider != nil {
		d = v.set.Decider.Decide(Facts{Adapter: v.adapter, Side: v.side, Message: msg})
		if d.Drop != "" {
			return nil, ignore("dropped by a rule")
		}
	}
	c, err := v.newcomer(ctx, d.Assign)
	if err != nil {
		return nil, err
	}
	p := &plan{}
	fresh := v.link.Rev == 0
	if v.link.State == LinkEnded {
		v.link.State = LinkActive
		fresh = true
	}
	v.enterLink()
	v.openWindow(p, opens)
	p.step.Contacts, p.step.Links, p.step.Rooms = []Contact{*c}, []Link{*v.link}, []Room{*v.room}
	if d := v.fetchAvatar(c); d != nil {
		p.step.Deliveries = append(p.step.Deliveries, *d)
	}
	if fresh && v.link.Member == "" {
		p.step.Deliveries = append(p.step.Deliveries, v.answer(v.set.words.waitingForOne))
	}
	if fresh && v.link.Member != "" {
		n := v.delivery(KindNotice, MemberSide)
		n.Text = fmt.Sprintf(v.set.words.newCustomer, v.set.contactLabel(c, v.link, v.b.networkOf(v.ref)).Text)
		p.step.Deliveries = append(p.step.Deliveries, n)
	}
	return v.decided(ctx, p, msg)
}

// decided lets the rules look at the message and plans its way to the other side.
func (v *visit) decided(ctx context.Context, p *plan, msg *Message) (*plan, error) {
	msg.Link = v.link.ID
	block := ""
	if v.set.Decider != nil {
		d, err := v.judged(ctx, msg)
		if err != nil {
			return nil, err
		}
		if d.Drop != "" {
			return nil, ignore("dropped by a rule")
		}
		msg.Out, block = d.Text, d.Block
		if d.Reply != "" {
			p.step.Deliveries = append(p.step.Deliveries, v.answer(d.Reply))
		}
		v.tag(p, d.Tags)
	}
	p.step.At, p.step.Message = v.now, msg
	if v.link.Rev != 0 && len(p.step.Links) == 0 {
		p.step.Expect = append(p.step.Expect, Expect{Link: v.link.ID, Rev: v.link.Rev})
	}
	if block != "" {
		p.step.Deliveries = append(p.step.Deliveries, v.answer(fmt.Sprintf(v.set.words.blocked, block)))
		return p, nil
	}
	p.step.Deliveries = append(p.step.Deliveries, v.delivery(KindSay, v.side.Other()))
	return p, nil
}

// judged puts the facts before the rules.
func (v *visit) judged(ctx context.Context, msg *Message) (Decision, error) {
	f := Facts{Adapter: v.adapter, Side: v.side, Message: msg, Link: v.link, Member: v.set.members[v.link.Member]}
	c, err := v.b.store.Contact(ctx, v.link.Contact)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Decision{}, fmt.Errorf("read contact: %w", err)
	}
	if err == nil {
		f.Contact = &c
	}
	return v.set.Decider.Decide(f), nil
}

// tag adds tags to the link.
func (v *visit) tag(p *plan, tags []string) {
	changed := false
	for _, t := range tags {
		if !slices.Contains(v.link.Tags, t) {
			v.link.Tags = append(v.link.Tags, t)
			changed = true
		}
	}
	if changed {
		p.step.Links = []Link{*v.link}
	}
}

// hintOnly plans nothing but a word to the writer, once per message.
func (v *visit) hintOnly(msg MsgID, text string) *plan {
	return &plan{step: Step{
		At: v.now, Seen: v.seen("said", string(v.ref.Room), string(msg)), Deliveries: []Delivery{v.answer(text)},
	}}
}

// reopen deals with words in a link that has ended. A customer who writes again asks again; a member
// is told.
func (v *visit) reopen(ctx context.Context, p *plan, msg MsgID) (*plan, error) {
	if v.side == MemberSide {
		return v.hintOnly(msg, v.set.words.ended), nil
	}
	if _, ok := v.set.serving(v.link.Member); !ok {
		return v.hintOnly(msg, v.set.words.ended), nil
	}
	c, err := v.b.store.Contact(ctx, v.link.Contact)
	if err != nil {
		return nil, fmt.Errorf("read contact: %w", err)
	}
	v.link.State = LinkAsked
	p.step.Links = []Link{*v.link}
	p.step.Deliveries = append(p.step.Deliveries, v.ask(&c), v.answer(v.set.words.requestSent))
	return nil, nil
}

// other is how the party at the other end of the link is named.
func (v *visit) other(ctx context.Context) (Label, error) {
	if v.side == ContactSide {
		if m, ok := v.set.members[v.link.Member]; ok {
			return v.set.memberLabel(m), nil
		}
		return v.set.house(), nil
	}
	c, err := v.b.store.Contact(ctx, v.link.Contact)
	if err != nil {
		return Label{}, fmt.Errorf("read contact: %w", err)
	}
	return v.set.contactLabel(&c, v.link, v.b.networkOf(v.link.Rooms[ContactSide])), nil
}
