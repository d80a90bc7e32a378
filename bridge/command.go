package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// command reads "/word the rest" from a text.
func command(text string) (name, args string, ok bool) {
	rest, ok := strings.CutPrefix(text, "/")
	if !ok {
		return "", "", false
	}
	name, args, _ = strings.Cut(rest, " ")
	if name == "" || len(name) > 24 {
		return "", "", false
	}
	for _, r := range name {
		if (r < 'a' || r > 'z') && r != '-' {
			return "", "", false
		}
	}
	return name, strings.TrimSpace(args), true
}

// ownCommands are the words that the gateway answers itself when a member says them.
func ownCommands() []string {
	return []string{"to", "who", "contacts", "note", choiceAccept, choiceDecline, "help"}
}

// command plans a command. No plan and no error: it is none, and goes on as a message.
func (v *visit) command(ctx context.Context, said *Message, name, args string) (*plan, error) {
	msg := said.Src
	if v.room != nil && v.room.Current != 0 {
		if err := v.use(ctx, v.room.Current); err != nil && !errors.Is(err, errNobody) {
			return nil, err
		}
	}
	if v.link != nil {
		if why, err := v.mayWrite(ctx); err != nil {
			return nil, err
		} else if why != "" {
			return v.hintOnly(msg, why), nil
		}
	}
	if name != "note" { // which is a message; the others are words for the gateway, whatever markup an adapter made of them
		args = plain(args)
	}
	switch name {
	case "to":
		return v.commandTo(ctx, msg, args)
	case "who":
		return v.commandWho(ctx, msg)
	case "help":
		return v.hintOnly(msg, v.help()), nil
	case "stop":
		return v.commandStop(ctx, msg)
	case "contacts":
		return v.commandContacts(ctx, msg)
	case "note":
		return v.commandNote(said, args), nil
	case choiceAccept, choiceDecline:
		return v.commandAnswer(ctx, msg, name)
	}
	if v.side != MemberSide {
		return nil, nil
	}
	if app, ok := v.set.commands[name]; ok && v.who != nil {
		reply, err := app.Command(ctx, Command{Member: *v.who, Room: v.ref, Link: v.link, Name: name, Args: args})
		if err != nil {
			reply = Ask{Text: err.Error()}
		}
		p := v.hintOnly(msg, reply.Text)
		p.step.Deliveries[0].Ask = &reply
		return p, nil
	}
	return v.hintOnly(msg, fmt.Sprintf(v.set.words.unknownCommand, "/"+name)), nil
}

// help is what the writer can say, the apps' words included.
func (v *visit) help() string {
	if v.side != MemberSide {
		return v.set.words.help
	}
	text := []string{v.set.words.helpMember}
	for _, a := range v.set.Apps {
		if h := a.Help(v.set.Company.Language); h != "" {
			text = append(text, h)
		}
	}
	return strings.Join(text, " · ")
}

// commandTo chooses whom the room's next messages are for, by name or remark.
func (v *visit) commandTo(ctx context.Context, msg MsgID, name string) (*plan, error) {
	if v.room == nil {
		return v.hintOnly(msg, v.set.words.noParty), nil
	}
	current := v.link
	var hits []Link
	var names []string
	for _, id := range v.room.Links {
		if err := v.use(ctx, id); errors.Is(err, errNobody) {
			continue
		} else if err != nil {
			return nil, err
		}
		if v.link.State == LinkEnded {
			continue
		}
		label, err := v.other(ctx)
		if err != nil {
			return nil, err
		}
		names = append(names, label.Name)
		if name != "" && (strings.EqualFold(label.Name, name) || strings.EqualFold(v.link.Remark, name) || v.link.ID.String() == name) {
			hits = []Link{*v.link} // an exact name beats all beginnings
			break
		}
		if name != "" && (hasFold(label.Name, name) || hasFold(v.link.Remark, name)) {
			hits = append(hits, *v.link)
		}
	}
	v.link = current
	switch {
	case len(hits) == 1:
		v.link = &hits[0]
	case name == "" || len(hits) > 1:
		return v.hintOnly(msg, fmt.Sprintf(v.set.words.chooseFrom, strings.Join(names, ", "))), nil
	default:
		return v.hintOnly(msg, fmt.Sprintf(v.set.words.noSuchParty, Tidy(name, maxName))), nil
	}
	label, err := v.other(ctx)
	if err != nil {
		return nil, err
	}
	v.room.Current = v.link.ID
	p := v.hintOnly(msg, fmt.Sprintf(v.set.words.nowTalking, label.Text))
	p.step.Rooms = []Room{*v.room}
	return p, nil
}

func hasFold(s, part string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(part)) }

// commandWho says who is at the other end.
func (v *visit) commandWho(ctx context.Context, msg MsgID) (*plan, error) {
	if v.link == nil {
		return v.hintOnly(msg, v.set.words.noParty), nil
	}
	label, err := v.other(ctx)
	if err != nil {
		return nil, err
	}
	if v.side == MemberSide {
		since := v.link.Since.In(v.set.Company.Zone).Format("2006-01-02")
		return v.hintOnly(msg, fmt.Sprintf(v.set.words.whoContact, label.Text, since)), nil
	}
	address := v.set.Company.URL + "/verify/" + v.b.verifyToken(v.link.Member)
	return v.hintOnly(msg, fmt.Sprintf(v.set.words.whoMember, label.Text, address)), nil
}

// commandStop ends the customer's current link.
func (v *visit) commandStop(ctx context.Context, msg MsgID) (*plan, error) {
	if v.side != ContactSide || v.link == nil || v.link.State == LinkEnded {
		return v.hintOnly(msg, v.set.words.noParty), nil
	}
	label, err := v.other(ctx)
	if err != nil {
		return nil, err
	}
	p := v.hintOnly(msg, fmt.Sprintf(v.set.words.stopped, label.Text))
	return p, v.end(ctx, p)
}

// commandAnswer answers the request of the current link in words.
func (v *visit) commandAnswer(ctx context.Context, msg MsgID, choice string) (*plan, error) {
	if v.side != MemberSide || v.link == nil {
		return v.hintOnly(msg, v.set.words.noParty), nil
	}
	return v.answeredLink(ctx, v.link.ID, Answered{
		Room: v.ref.Room, User: v.from.User, Choice: choice, Event: string(v.ref.Room) + "\x00" + string(msg),
	})
}
