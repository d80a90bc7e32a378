package fake

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// Stage is where scripts are played.
type Stage struct {
	Networks map[string]*Network
	// Commands are what "!NAME" lines do beside trouble for the networks.
	Commands map[string]func(ctx context.Context, args []string) error
	Patience time.Duration // how long to wait for what is expected; 0 is 10 s
}

// actor is a user of a network, and what has come to their eyes.
type actor struct {
	net  *Network
	user bridge.UserID
	name string
	room bridge.RoomID // where they are
	seen map[bridge.MsgID]bool
	last Message // seen last
	own  Message // said last
}

// Play plays a script to its end. The error names the line that went wrong.
func (s *Stage) Play(ctx context.Context, script Script) error {
	actors := map[string]*actor{}
	for _, step := range script {
		if err := s.step(ctx, actors, step); err != nil {
			return fmt.Errorf("line %d: %s: %w", step.Line, step, err)
		}
	}
	return nil
}

func (s *Stage) step(ctx context.Context, actors map[string]*actor, step Step) error {
	switch step.Verb {
	case "@":
		n := s.Networks[step.Who]
		if n == nil {
			return fmt.Errorf("no network is called %s", step.Who)
		}
		user, name, _ := strings.Cut(step.Text, " ")
		id := bridge.UserID(user)
		if name = strings.TrimSpace(name); name == "" {
			name = user
		}
		actors[user] = &actor{net: n, user: id, name: name, room: DM(id), seen: map[bridge.MsgID]bool{}}
		return nil
	case "!":
		return s.command(ctx, step)
	}
	a := actors[step.Who]
	if a == nil {
		return fmt.Errorf("nobody is called %s; say @NETWORK %s first", step.Who, step.Who)
	}
	patience := s.Patience
	if patience <= 0 {
		patience = 10 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if step.Room != "" {
		if err := a.enter(ctx, step.Room); err != nil {
			return err
		}
	}
	if done, err := a.act(step); done {
		return err
	}
	return a.expect(ctx, step)
}

// command makes trouble, "!NETWORK TROUBLE [TIMES [WAIT [OP]]]", ends it, "!NETWORK heal", or does what
// the test knows.
func (s *Stage) command(ctx context.Context, step Step) error {
	args := strings.Fields(step.Text)
	if f := s.Commands[step.Who]; f != nil {
		return f(ctx, args)
	}
	n := s.Networks[step.Who]
	if n == nil || len(args) == 0 {
		return fmt.Errorf("no command or network is called %s", step.Who)
	}
	if args[0] == "heal" {
		n.Heal()
		return nil
	}
	f := Fault{Trouble: Trouble(args[0])}
	if !slices.Contains(Troubles(), f.Trouble) {
		return fmt.Errorf("%q is no trouble; there are %v and heal", args[0], Troubles())
	}
	var err error
	if len(args) > 1 {
		if f.Times, err = strconv.Atoi(args[1]); err != nil {
			return fmt.Errorf("how often: %w", err)
		}
	}
	if len(args) > 2 {
		if f.Wait, err = time.ParseDuration(args[2]); err != nil {
			return fmt.Errorf("how long: %w", err)
		}
	}
	if len(args) > 3 {
		f.Op = args[3]
	}
	n.Fail(f)
	return nil
}

// enter goes to a room, once it is there.
func (a *actor) enter(ctx context.Context, title string) error {
	err := a.net.Wait(ctx, func() bool {
		id, ok := a.net.RoomTitled(a.user, title)
		if ok {
			a.room = id
		}
		return ok
	})
	if err != nil {
		return fmt.Errorf("no room of %s is titled %s; there are %v", a.user, title, a.net.RoomsOf(a.user))
	}
	return nil
}

// act does what a verb says; done is false for one that expects.
func (a *actor) act(step Step) (done bool, err error) {
	switch step.Verb {
	case ">", ">>", "file":
		a.say(step)
	case "edit":
		err = a.net.Edit(a.own.Room, a.user, a.own.ID, step.Text)
	case "recall":
		err = a.net.Recall(a.own.Room, a.user, a.own.ID)
	case "react", "unreact":
		err = a.net.React(a.last.Room, a.user, a.last.ID, step.Text, step.Verb == "react")
	case "read":
		err = a.net.Read(a.last.Room, a.user, a.last.ID)
	case "press":
		err = a.net.Press(a.last.Room, a.user, a.last.ID, step.Text)
	case "type":
		a.net.Typing(a.room, a.user)
	case "join":
		card, text, _ := strings.Cut(step.Text, " ")
		a.net.Join(a.user, bridge.CardID(card), a.name, text)
	case "leave":
		a.net.Leave(a.user)
	default:
		return false, nil
	}
	return true, err
}

func (a *actor) say(step Step) {
	said := Said{User: a.user, Room: a.room, Name: a.name, Text: step.Text}
	switch step.Verb {
	case ">>":
		said.Room, said.ReplyTo = a.last.Room, a.last.ID
	case "file":
		said.Text = ""
		said.Files = []File{{Name: step.Text, Type: "text/plain", Data: []byte("content of " + step.Text)}}
	}
	a.own = Message{Room: said.Room, ID: a.net.Say(said)}
}
