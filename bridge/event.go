package bridge

import "time"

// Event is what an adapter hears: one of the structs of this file, nothing else.
type Event interface{ isEvent() }

// MessageEvent is something said in a room.
type MessageEvent struct {
	Room    RoomID
	User    UserID
	Msg     MsgID
	At      time.Time
	Name    string // what the network calls the writer, if it says; untrusted
	Union   string // an id of the same human on other adapters, such as "weixin:UNIONID"; "" where there is none
	Avatar  File   // the writer's picture by reference; fetched while the contact has none
	Text    string // CommonMark
	Files   []File // by reference
	ReplyTo MsgID  // a message of the same room, or ""

	// Thread is the root that the message hangs under on a workspace where threads are internal notes.
	Thread MsgID
	// Key is the Draft.Key found on the message: it is our own echo, and is not relayed.
	Key string
	// Window, if set, is what this event opens instead of the network's usual one.
	Window Window
	// Own says that the gateway's own account wrote it, though no key was found. Not relayed.
	Own bool
}

// Edited is a message whose text has changed.
type Edited struct {
	Room RoomID
	User UserID
	Msg  MsgID
	At   time.Time
	Text string
}

// Deleted is a message that was recalled.
type Deleted struct {
	Room RoomID
	User UserID // "" when the network does not say; then it is taken as the author
	Msg  MsgID
	At   time.Time
}

// Reacted is an emoji put on a message or taken away.
type Reacted struct {
	Room    RoomID
	User    UserID
	Msg     MsgID
	Emoji   string // the character itself, not a name
	Removed bool
	At      time.Time
}

// Receipt is what the network proves of a message that the gateway sent: State is StateDelivered,
// StateRead or StateFailed. Delivered and read count for all that was sent before it in the room.
type Receipt struct {
	Room   RoomID
	User   UserID
	Msg    MsgID
	State  State
	Reason string // for StateFailed, in words
	At     time.Time
}

// Typing is somebody writing. It is passed on at once or not at all, never stored.
type Typing struct {
	Room RoomID
	User UserID
}

// Joined is a customer who came through a card, or came without one (Card is "").
type Joined struct {
	Room RoomID
	User UserID
	Card CardID
	Name string // untrusted
	Text string // what the customer says with the request
	// Union, Avatar and Window are as in MessageEvent.
	Union  string
	Avatar File
	Window Window
	Event  string // what the network calls this event; "" when scanning twice is the same wish
	At     time.Time
}

// Left is a customer who blocked, unfollowed or ended the link of this room.
type Left struct {
	Room  RoomID
	User  UserID
	Event string
	At    time.Time
}

// Answered is a button or a form. Ask is Ask.ID as it was given; the adapter has made sure that it
// was not forged.
type Answered struct {
	Room   RoomID
	User   UserID
	Ask    string
	Choice string
	Event  string // what the network calls this event; "" when a second press is the same wish
	At     time.Time
}

// AccountState is a member's account that was deactivated in the workspace, or works again.
type AccountState struct {
	User   UserID
	Active bool
	At     time.Time
}

func (AccountState) isEvent() {}
func (MessageEvent) isEvent() {}
func (Edited) isEvent()       {}
func (Deleted) isEvent()      {}
func (Reacted) isEvent()      {}
func (Receipt) isEvent()      {}
func (Typing) isEvent()       {}
func (Joined) isEvent()       {}
func (Left) isEvent()         {}
func (Answered) isEvent()     {}
