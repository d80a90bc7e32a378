package bridge

import (
	"context"
	"io"
	"time"
)

// Lobby is what an adapter that has pages of its own may ask of the gateway. It speaks of the
// adapter's own users and rooms only; the adapter has made sure who is asking.
type Lobby interface {
	Front
	Talk
	Deposit
}

// Front is what a visitor may see.
type Front interface {
	Company() Company
	// Card is what the holder of a card's address may know. A card that is not there, closed or whose
	// member may not serve is ErrNotFound.
	Card(ctx context.Context, id CardID) (CardView, error)
	// Verify answers "is this a real employee?" for a token of CardView.Verify or a /who answer.
	Verify(ctx context.Context, token string) (CardView, error)
	// Members are the employees with an account on this adapter.
	Members() []Member
	// Commands are the words that members may say to the gateway, without the slash.
	Commands() []string
}

// Talk is what a signed-in user may see.
type Talk interface {
	// Rooms are the conversations of one user of this adapter, newest first.
	Rooms(ctx context.Context, u UserID) ([]RoomView, error)
	// Room is one of them; a room that is not the user's is ErrNotFound.
	Room(ctx context.Context, u UserID, r RoomID) (RoomView, error)
	// History is what was said in a room, oldest first: the n lines before the one given (0: the newest).
	History(ctx context.Context, u UserID, r RoomID, before MessageID, n int) ([]Line, error)
	// Line is one message by what this adapter calls it.
	Line(ctx context.Context, u UserID, r RoomID, m MsgID) (Line, error)
}

// Deposit keeps files.
type Deposit interface {
	// Keep stores an upload for a message that is about to be sent. Too large, or a type that is not
	// allowed, is an error in words for the person.
	Keep(ctx context.Context, name, typ string, r io.Reader) (File, error)
	// OpenFile reads the i-th file of a message in a room of the user.
	OpenFile(ctx context.Context, u UserID, r RoomID, m MessageID, i int) (File, io.ReadCloser, error)
}

// CardView is a card as its holder sees it.
type CardView struct {
	ID         CardID
	Member     string // name
	Title      string
	Label      Label // 李雷 · ACME 销售经理
	Greeting   string
	Acceptance bool
	Verify     string // token for /verify/TOKEN
	Ways       []Way  // the messengers on which the card can be opened, but for this adapter
}

// Way is one messenger on which a card can be opened.
type Way struct {
	Adapter string
	Kind    string
	URL     string
}

// RoomView is one conversation as one of its users sees it.
type RoomView struct {
	Room    RoomID
	Link    LinkID
	State   LinkState
	Other   Label  // who is at the other end
	Network string // the kind of adapter at the other end: "webchat", "wechat", …
	Hello   string // what the customer said with the request
	Remark  string
	Tags    []string
	Pinned  bool
	Muted   bool
	Window  string // what the other side's network allows now, in words; "" is no limit
	Since   time.Time
	Last    *Line // the newest line, if there is one
	Verify  string
	AskID   string // for Answered, while State is LinkAsked and the user may answer
}

// Line is one message as one side sees it.
type Line struct {
	ID        MessageID
	Msg       MsgID // what this adapter calls it; "" when it has no copy here yet
	Mine      bool  // said by this side
	Note      bool  // an internal note
	As        Label
	At        time.Time
	Text      string
	Files     []File
	ReplyTo   MessageID
	Edited    bool
	Recalled  bool
	Reactions []Reaction
	State     State // what became of it, for the writer
	Reason    string
}
