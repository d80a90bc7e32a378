package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// say sends the message as it reads now.
func (j *job) say(ctx context.Context) result {
	version := j.record.Version()
	drafts, r, ok := j.compose(ctx)
	if !ok {
		return r
	}
	if len(drafts) == 0 {
		return cancelled()
	}
	out := j.send(ctx, drafts)
	if out.state != StateSent {
		return out
	}
	out.copy = &Copy{Room: j.room, IDs: out.sent, Version: version}
	out.touch = j.spoke(len(out.sent))
	return out
}

// compose fits the message to the network: who speaks, the text, the files, what it answers.
func (j *job) compose(ctx context.Context) ([]Draft, result, bool) {
	as, prefix, err := j.voice(ctx)
	if err != nil {
		return nil, pending(err), false
	}
	files, lines, r, ok := j.attach(ctx)
	if !ok {
		return nil, r, false
	}
	text := j.record.Shown()
	for _, l := range lines {
		text = strings.TrimPrefix(text+"\n"+EscapeMarkdown(l), "\n")
	}
	reply, err := j.replyTo(ctx)
	if err != nil {
		return nil, pending(err), false
	}
	drafts := render(j.key(), as, prefix, text, files, reply, j.caps).drafts
	for i := range drafts {
		drafts[i].Quiet = j.item.d.To == MemberSide && j.link != nil && j.link.Muted
	}
	return drafts, result{}, true
}

// voice is how the writer is named in the room, and what of it must stand in the text. A name that stood there at
// the first try stands there at every other: some networks know a repeated message by its words alone.
func (j *job) voice(ctx context.Context) (Label, string, error) {
	as, prefix, err := j.introduce(ctx)
	if err == nil && j.lane.named == "" {
		j.lane.named = prefix
	}
	return as, j.lane.named, err
}

// introduce names the writer: whole when the room has not heard of them or has just heard another, by name
// when several speak in the room, not at all where the network shows it or the room is theirs alone.
func (j *job) introduce(ctx context.Context) (Label, string, error) {
	var as Label
	switch j.item.d.To {
	case ContactSide:
		m, ok := j.set.members[j.link.Member]
		if !ok {
			return j.set.house(), "", nil
		}
		as = j.set.memberLabel(m)
	case MemberSide:
		c, err := j.b.store.Contact(ctx, j.link.Contact)
		if err != nil {
			return as, "", fmt.Errorf("read contact: %w", err)
		}
		as = j.set.contactLabel(&c, j.link, j.b.networkOf(j.record.Room))
	}
	if j.caps.Names || j.ledger == nil {
		return as, "", nil
	}
	shown := as
	if j.caps.Markup == CommonMark {
		shown.Name, shown.Text = EscapeMarkdown(as.Name), EscapeMarkdown(as.Text)
	}
	switch {
	case j.ledger.Said != j.link.ID:
		return as, shown.Text + "\n", nil
	case j.ledger.Shared(), j.ledger.Side == MemberSide: // beside the customer's the gateway's own words stand there
		return as, shown.Name + ": ", nil
	default:
		return as, "", nil
	}
}

// spoke changes the room's ledger after messages of the link were shown there.
func (j *job) spoke(messages int) func(*Room) {
	counts := j.caps.Window.Open > 0
	named := !j.caps.Names && j.ledger != nil && j.link != nil && j.ledger.Said != j.link.ID && j.item.d.Kind == KindSay
	if !counts && !named {
		return nil
	}
	return func(r *Room) {
		if counts {
			r.Sent += messages
		}
		if named {
			r.Said = j.link.ID
		}
	}
}

// replyTo is what the network calls the message that this one answers, in this room; "" if it has none there.
func (j *job) replyTo(ctx context.Context) (MsgID, error) {
	if j.record.ReplyTo == 0 {
		return "", nil
	}
	r, err := j.b.store.Message(ctx, j.record.ReplyTo)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the answered message: %w", err)
	}
	return r.idIn(j.room), nil
}

// idIn is what the network of the room calls the message there: its own id, or the first of its copy.
func (r *Record) idIn(room RoomRef) MsgID {
	if r.Room == room {
		return r.Src
	}
	for _, c := range r.Copies {
		if c.Room == room && len(c.IDs) > 0 {
			return c.IDs[0]
		}
	}
	return ""
}

// amend brings the copy in the room to the newest text. A network that cannot edit is told the correction.
func (j *job) amend(ctx context.Context) result {
	c := j.copyHere()
	version := j.record.Version()
	if c == nil || c.Version >= version || j.record.Recalled {
		return result{state: StateSent} // it was sent with this text, or not at all
	}
	drafts, r, ok := j.compose(ctx)
	if !ok {
		return r
	}
	editor, can := j.adapter.(Editor)
	if !can {
		return j.correct(ctx, c, version)
	}
	ids := append([]MsgID(nil), c.IDs...)
	for i, d := range drafts {
		if i >= len(ids) {
			got, err := j.adapter.Send(ctx, j.room.Room, d)
			if err != nil {
				return j.judge(err, nil, 0)
			}
			ids = append(ids, got...)
			continue
		}
		if err := editor.Edit(ctx, j.room.Room, ids[i], d); err != nil {
			return j.judge(err, nil, 0)
		}
	}
	if del, ok := j.adapter.(Deleter); ok && len(j.record.Files) == 0 {
		for len(ids) > len(drafts) && len(drafts) > 0 {
			if err := del.Delete(ctx, j.room.Room, ids[len(ids)-1]); err != nil {
				return j.judge(err, nil, 0)
			}
			ids = ids[:len(ids)-1]
		}
	}
	return result{state: StateSent, copy: &Copy{Room: j.room, IDs: ids, Version: version}}
}

// correct says the new text as an answer to the old.
func (j *job) correct(ctx context.Context, c *Copy, version int) result {
	as, prefix, err := j.voice(ctx)
	if err != nil {
		return pending(err)
	}
	text := fmt.Sprintf(j.words().corrected, j.record.Shown())
	reply := MsgID("")
	if len(c.IDs) > 0 {
		reply = c.IDs[0]
	}
	out := j.send(ctx, render(j.key(), as, prefix, text, nil, reply, j.caps).drafts)
	if out.state == StateSent {
		out.copy = &Copy{Room: j.room, IDs: append(append([]MsgID(nil), c.IDs...), out.sent...), Version: version}
		out.touch = j.spoke(len(out.sent))
	}
	return out
}

// copyHere is the message's copy in the room, nil if it has none.
func (j *job) copyHere() *Copy {
	for i := range j.record.Copies {
		if j.record.Copies[i].Room == j.room {
			return &j.record.Copies[i]
		}
	}
	return nil
}

// recall takes back every part of the copy. Where the network cannot, the writer is told.
func (j *job) recall(ctx context.Context) result {
	c := j.copyHere()
	if c == nil {
		return result{state: StateSent}
	}
	del, can := j.adapter.(Deleter)
	if !can {
		text := fmt.Sprintf(j.words().cannotRecall, excerpt(j.record.Text, j.record.Files))
		return result{state: StateSent, extra: []Delivery{j.b.notice(j.link, j.item.d.To.Other(), j.record.Room, text)}}
	}
	for _, id := range c.IDs {
		if err := del.Delete(ctx, j.room.Room, id); err != nil {
			return j.judge(err, nil, 0)
		}
	}
	return result{state: StateSent}
}

// react puts an emoji on the message as it appears in the room, or says it in words.
func (j *job) react(ctx context.Context) result {
	id := j.record.idIn(j.room)
	reactor, can := j.adapter.(Reactor)
	if can {
		if id == "" {
			return result{state: StateSent}
		}
		if err := reactor.React(ctx, j.room.Room, id, j.item.d.Text, !j.item.d.Off); err != nil {
			return j.judge(err, nil, 0)
		}
		return result{state: StateSent}
	}
	form := j.words().reacted
	if j.item.d.Off {
		form = j.words().unreacted
	}
	as, prefix, err := j.voice(ctx)
	if err != nil {
		return pending(err)
	}
	text := fmt.Sprintf(form, j.item.d.Text, excerpt(j.record.Shown(), j.record.Files))
	out := j.send(ctx, render(j.key(), as, prefix, text, nil, id, j.caps).drafts)
	if out.state == StateSent {
		out.touch = j.spoke(len(out.sent))
	}
	return out
}

// mark shows the writer what became of the message.
func (j *job) mark(ctx context.Context) result {
	d := &j.item.d
	var err error
	if m, ok := j.adapter.(Marker); ok {
		err = m.Mark(ctx, j.room.Room, j.record.Src, Fate{State: d.Fate, User: d.User, Reason: d.Text, Ask: d.Ask})
	} else if r, ok := j.adapter.(Reader); ok && d.Fate == StateRead {
		err = r.MarkRead(ctx, j.room.Room, j.record.Src)
	}
	if err != nil {
		return j.judge(err, nil, 0)
	}
	return result{state: StateSent}
}

// notice is said by the gateway itself.
func (j *job) notice(ctx context.Context, text string) result {
	if j.caps.Markup == CommonMark {
		text = EscapeMarkdown(text) // names and excerpts in it are not the gateway's own
	}
	out := j.send(ctx, render(j.key(), j.set.house(), "", text, nil, "", j.caps).drafts)
	if out.state == StateSent {
		out.touch = j.spoke(len(out.sent))
	}
	return out
}

// hint is said to one user alone, where the network can; elsewhere the room is theirs.
func (j *job) hint(ctx context.Context) result {
	a := Ask{Text: j.item.d.Text}
	if j.item.d.Ask != nil {
		a = *j.item.d.Ask
	}
	h, ok := j.adapter.(Hinter)
	if _, asks := j.adapter.(Asker); !ok && asks && len(a.Choices) > 0 {
		return j.ask(ctx)
	}
	if !ok && a.Picture != "" {
		a.Text += "\n" + a.Picture
	}
	if !ok {
		return j.notice(ctx, a.Text)
	}
	if err := h.Hint(ctx, j.room.Room, j.item.d.User, a); err != nil {
		return j.judge(err, nil, 0)
	}
	return result{state: StateSent}
}

// ask shows a question with buttons, or asks in words.
func (j *job) ask(ctx context.Context) result {
	a := *j.item.d.Ask
	if strings.HasPrefix(a.ID, askLink) && j.link != nil && j.link.State != LinkAsked {
		return result{state: StateSent} // answered before it was shown
	}
	asker, ok := j.adapter.(Asker)
	if !ok {
		text := a.Text
		if strings.HasPrefix(a.ID, askLink) {
			text += "\n" + j.words().askInWords
		}
		return j.notice(ctx, text)
	}
	ids, err := asker.Ask(ctx, j.room.Room, j.key(), a)
	if err != nil {
		return j.judge(err, nil, 0)
	}
	return result{state: StateSent, touch: j.spoke(len(ids))}
}
