package bridge

import "context"

// Decider is what rules decide about an inbound message. It is pure: the same facts give the same
// decision, so a plan may be made again.
type Decider interface {
	Decide(f Facts) Decision
}

// Facts are what a rule may look at.
type Facts struct {
	Adapter string
	Side    Side
	Message *Message
	Member  *Member  // nil while nobody has the customer
	Contact *Contact // nil for a member without a chosen contact
	Link    *Link    // nil before there is one
}

// Decision is what to do. The zero Decision lets the message through.
type Decision struct {
	Drop   string   // do not keep it; the reason, for the count of discards
	Block  string   // keep it, do not send it; the reason, told to the writer
	Text   *string  // send this instead (redacted); the original is kept
	Assign MemberID // who shall have the customer
	Reply  string   // said to the writer by the gateway
	Tags   []string // added to the link
}

// App is one of the company's apps. It talks to members through commands, cards and forms, never to a network.
type App interface {
	// Commands are the words, without the slash, that the app answers.
	Commands() []string
	// Help says what the commands do, in one line of the language, as "/card shows your card"; "" is nothing.
	Help(language string) string
	// Command answers a member: with a text, and maybe a picture. An error is told in its own words. It may
	// be called twice for one command.
	Command(ctx context.Context, c Command) (Ask, error)
}

// Command is what a member typed after a slash.
type Command struct {
	Member Member
	Room   RoomRef
	Link   *Link // whom the room's next message is for; nil when that is nobody
	Name   string
	Args   string
}

// Meter counts what happens on the road. Methods must not block.
type Meter interface {
	Event(adapter, kind, result string)
	Discard(adapter, reason string)
	Settled(adapter string, state State, reason string)
	Latency(adapter string, seconds float64) // from acceptance to the network's answer
}
