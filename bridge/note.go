package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// askNote offers to send an internal note to the customer after all; then what the network calls the note.
const askNote = "note:"

// note keeps an internal note: a member's words in a thread, or after /note, which the customer never sees.
// The first one of a thread is answered with what it is, and with a way to send it after all.
func (v *visit) note(msg *Message, thread MsgID) *plan {
	msg.Link, msg.Note = v.link.ID, true
	p := &plan{step: Step{At: v.now, Message: msg, Expect: []Expect{{Link: v.link.ID, Rev: v.link.Rev}}}}
	if v.room.Noted != thread {
		v.room.Noted = thread
		p.step.Rooms = []Room{*v.room}
		hint := v.answer(v.set.words.noteHint)
		hint.Ask = &Ask{ID: askNote + string(msg.Src), Text: hint.Text, Choices: []Choice{
			{ID: choiceSend, Label: v.set.words.sendNote, Style: "primary"},
		}}
		p.step.Deliveries = []Delivery{hint}
	}
	return p
}

// commandNote keeps what stands after /note.
func (v *visit) commandNote(msg *Message, text string) *plan {
	if v.side != MemberSide || v.link == nil {
		return v.hintOnly(msg.Src, v.set.words.noParty)
	}
	if text == "" {
		return v.hintOnly(msg.Src, v.set.words.noteEmpty)
	}
	msg.Text = text
	return v.note(msg, "/note")
}

// answeredNote plans a note to go to the customer after all.
func (v *visit) answeredNote(ctx context.Context, msg MsgID, e Answered) (*plan, error) {
	rec, err := v.about(ctx, msg)
	if err != nil {
		return nil, err
	}
	if why, err := v.mayWrite(ctx); err != nil {
		return nil, err
	} else if why != "" || rec.Side != v.side {
		return nil, refuse("not the writer")
	}
	if !rec.Note || rec.Recalled {
		return v.once(e.Event, v.answer(v.set.words.settledAlready)), nil
	}
	if v.link.State == LinkEnded {
		return v.once(e.Event, v.answer(v.set.words.ended)), nil
	}
	out := rec.Message
	out.Note = false
	change := Change{ID: rec.ID, Publish: true}
	if v.set.Decider != nil {
		d, err := v.judged(ctx, &out)
		if err != nil {
			return nil, err
		}
		if d.Drop != "" || d.Block != "" {
			return v.once(e.Event, v.answer(fmt.Sprintf(v.set.words.blocked, d.Block+d.Drop))), nil
		}
		if d.Text != nil {
			change.Edit = &Edit{At: v.now, Text: rec.Text, Out: d.Text}
		}
	}
	d := v.delivery(KindSay, ContactSide)
	d.Message = rec.ID
	return &plan{step: Step{
		At: v.now, Seen: v.seen("note", string(v.ref.Room), string(msg)), Change: &change, Deliveries: []Delivery{d},
		Expect: []Expect{{Link: v.link.ID, Rev: v.link.Rev}},
	}}, nil
}

// commandContacts lists whom the writer can talk to.
func (v *visit) commandContacts(ctx context.Context, msg MsgID) (*plan, error) {
	links, err := v.acquaintances(ctx)
	if err != nil {
		return nil, err
	}
	current := v.link
	var names []string
	for i := range links {
		v.link = &links[i]
		label, err := v.other(ctx)
		if errors.Is(err, ErrNotFound) {
			continue // erased meanwhile
		}
		if err != nil {
			return nil, err
		}
		line := label.Text
		if current != nil && current.ID == v.link.ID {
			line = "→ " + line
		}
		if v.link.State != LinkActive {
			line += " (" + v.set.words.states[v.link.State] + ")"
		}
		names = append(names, line)
	}
	v.link = current
	if len(names) == 0 {
		return v.hintOnly(msg, v.set.words.noParty), nil
	}
	return v.hintOnly(msg, strings.Join(names, "\n")), nil
}

// listed bounds a listing in a chat: more than that is what pages are for.
const listed = 30

// acquaintances are the links of the writer that have not ended: a customer's of this room, a member's own.
func (v *visit) acquaintances(ctx context.Context) ([]Link, error) {
	var out []Link
	if v.side == MemberSide && v.who != nil {
		for l, err := range v.b.store.LinksBy(ctx, v.who.ID) {
			if err != nil {
				return nil, fmt.Errorf("read links: %w", err)
			}
			if l.State == LinkActive || l.State == LinkAsked {
				out = append(out, l)
			}
			if len(out) == listed {
				break
			}
		}
		return out, nil
	}
	if v.room == nil {
		return nil, nil
	}
	for _, id := range v.room.Links {
		l, err := v.b.store.Link(ctx, id)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, fmt.Errorf("read link: %w", err)
		}
		if err == nil && l.State != LinkEnded && len(out) < listed {
			out = append(out, l)
		}
	}
	return out, nil
}
