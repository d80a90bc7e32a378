package adaptertest

import (
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// Network is a network under the control of a test: usually a small server in memory that speaks as
// the real one does. It keeps its state over all checks. Its methods are called from several
// goroutines.
type Network interface {
	// Config makes settings that reach the network, and that Check accepts; a new value each time.
	Config() bridge.Config
	// Facts are what the suite must know. They never change.
	Facts() Facts
	// Attach tells the network which adapter hears now: its hook, if it has one, is to be called from
	// now on. nil is none: calls that are under way have ended when Attach returns.
	Attach(a bridge.Adapter)
	// Room makes a new chat between a new user and the adapter's account.
	Room() (bridge.RoomID, bridge.UserID)
	// Do lets a user do something and returns what the network calls it; ok is false when the network
	// has no such thing.
	Do(a Act) (id bridge.MsgID, ok bool)
	// View is what the users of a room see.
	View(room bridge.RoomID) View
	// Trouble makes the network misbehave until the next call; ok is false when it cannot do so.
	Trouble(t Trouble) (ok bool)
}

// Forger is a network that calls a hook.
type Forger interface {
	// Forge calls the hook with what must be refused, as if the user had said the text in the room,
	// and returns the HTTP status; ok is false when there is no such forgery.
	Forge(f Forgery, room bridge.RoomID, user bridge.UserID, text string) (status int, ok bool)
}

// Lobbied is a network whose adapter asks the gateway things: adapters with pages of their own. For
// the others the lobby knows nobody and nothing.
type Lobbied interface {
	Lobby() bridge.Lobby
}

// Facts are what the suite must know of a network.
type Facts struct {
	// Secrets must be in no error and no log line: tokens, keys, passwords, and what is made of them.
	Secrets []string
	// MaxText and Count are the limit as the network counts it; 0 is none.
	MaxText int
	Count   bridge.TextUnit
	// Retry is the wait that the network asks for under Busy. At least 2 s, so that it can be told
	// from a guess.
	Retry time.Duration
	// Forgets says that the network does not bring again what was not acknowledged, or what was said
	// while nobody heard.
	Forgets bool
	// Boardless says that rooms show nothing of their contact beside what was said.
	Boardless bool
	// Replies says that the network shows which message a message answers.
	Replies bool
	// Patience is how long the suite waits for what must come; 0 is 5 s.
	Patience time.Duration
}

// Verb is what a user does.
type Verb string

// The verbs. Their fields of Act beside Room and User: Say Text, Name, ReplyTo, Files; Edit Msg, Text;
// Recall, Read Msg; React, Unreact Msg, Emoji; Join Card, Name, Text; Press Msg (the question), Choice.
const (
	Say     Verb = "say"
	Edit    Verb = "edit"
	Recall  Verb = "recall"
	React   Verb = "react"
	Unreact Verb = "unreact"
	Read    Verb = "read"
	Type    Verb = "type"
	Join    Verb = "join"
	Leave   Verb = "leave"
	Press   Verb = "press"
)

// Act is something that a user does.
type Act struct {
	Verb    Verb
	Room    bridge.RoomID
	User    bridge.UserID
	Name    string // what the network calls the user
	Msg     bridge.MsgID
	Text    string
	ReplyTo bridge.MsgID
	Files   []Upload
	Emoji   string
	Card    bridge.CardID
	Choice  string // Choice.ID
}

// Upload is a file with its content.
type Upload struct {
	Name string
	Type string
	Data []byte
}

// View is what a room shows. Fields that the network does not have stay zero.
type View struct {
	Lines   []Line // oldest first
	Title   string
	Board   string // what the room shows of its contact beside what was said; "" is nothing
	Members []bridge.UserID
	Typed   int          // how often the account was seen writing
	Read    bridge.MsgID // the newest message that the account has read
}

// Line is one message as users see it.
type Line struct {
	Msg       bridge.MsgID
	Mine      bool // the adapter's account wrote it
	Name      string
	Text      string
	ReplyTo   bridge.MsgID
	Files     []Upload
	Deleted   bool          // or it is no longer in Lines
	Reactions []string      // of the account
	Mark      string        // how the fate of the message is shown; "" is not at all
	To        bridge.UserID // the only one who sees it
	Choices   []string      // the buttons' labels
}

// Trouble is a way in which a network misbehaves.
type Trouble string

// The troubles. All but Cut are about the calls of the adapter that say something or change something.
const (
	Calm    Trouble = "calm"    // none; always possible
	Broken  Trouble = "broken"  // an internal error, a 500
	Busy    Trouble = "busy"    // too many requests, a 429, come again after Facts.Retry
	Lost    Trouble = "lost"    // the call is done, then the connection breaks without an answer
	Slow    Trouble = "slow"    // the call is done, and answered only when the caller has given up
	Revoked Trouble = "revoked" // the token is not accepted any more, a 401; also for Probe
	Closed  Trouble = "closed"  // the window is closed
	Cut     Trouble = "cut"     // the connection on which the adapter hears breaks, once, now
)

// Forgery is a call of the hook that must be refused.
type Forgery string

// The forgeries.
const (
	Unsigned  Forgery = "unsigned"
	Forged    Forgery = "forged"    // signed with another key
	Replayed  Forgery = "replayed"  // signed rightly, but long ago
	Altered   Forgery = "altered"   // signed rightly, then changed
	Malformed Forgery = "malformed" // signed rightly, if that is possible, but not to be understood
	Oversized Forgery = "oversized" // larger than anything that the network sends
)

func forgeries() []Forgery {
	return []Forgery{Unsigned, Forged, Replayed, Altered, Malformed, Oversized}
}
