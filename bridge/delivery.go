package bridge

import (
	"hash/fnv"
	"time"
)

// State is what has become of a delivery, and of the message that it carries.
type State string

// The states. Delivered and read follow sent where the network proves them.
const (
	StatePending   State = "pending"   // in its lane, or being retried
	StateHeld      State = "held"      // waits for a window, an acceptance or a person
	StateSent      State = "sent"      // the network has it
	StateDelivered State = "delivered" // the other side's device has it
	StateRead      State = "read"      // the other side has seen it
	StateUnknown   State = "unknown"   // may have arrived; the answer was lost
	StateFailed    State = "failed"    // did not arrive and will not
	StateCancelled State = "cancelled" // taken back before it was sent
)

// Final reports whether the delivery has left its lane.
func (s State) Final() bool { return s != StatePending && s != StateHeld }

// Beats reports whether s is news after old: a later step of the same way, or a failure that the
// network told of after it had taken the message.
func (s State) Beats(old State) bool {
	return stateRank(s) > stateRank(old) || s == StateFailed && old == StateSent
}

func stateRank(s State) int {
	switch s {
	case StateHeld:
		return 1
	case StateUnknown, StateFailed, StateCancelled:
		return 2
	case StateSent:
		return 3
	case StateDelivered:
		return 4
	case StateRead:
		return 5
	default:
		return 0
	}
}

// DeliveryKind says what a delivery does in its room.
type DeliveryKind string

// The kinds of delivery.
const (
	KindSay    DeliveryKind = "say"    // Message, as its newest version reads when it is sent
	KindAmend  DeliveryKind = "amend"  // bring the copies of Message to its newest version
	KindRecall DeliveryKind = "recall" // delete the copies of Message
	KindReact  DeliveryKind = "react"  // put Text (an emoji) on the copies of Message; Off takes it away
	KindMark   DeliveryKind = "mark"   // show Fate on Message where it was written
	KindNotice DeliveryKind = "notice" // Text, said by the gateway itself
	KindHint   DeliveryKind = "hint"   // Text, for User alone
	KindAsk    DeliveryKind = "ask"    // Ask, a card with buttons
	KindUpdate DeliveryKind = "update" // bring what the room shows of the link up to date
	KindAvatar DeliveryKind = "avatar" // fetch the picture Text of the contact with the account User
)

// LaneID names a lane: one per link and side, in order. Rooms that carry no link have a lane of their own.
type LaneID uint64

// LinkLane is the lane that carries what goes to one side of a link.
func LinkLane(l LinkID, to Side) LaneID { return LaneID(uint64(l)<<1 | uint64(to)) }

// holdLane is the lane of what a writer holds back until the other side writes again: it stops nothing else.
func holdLane(l LinkID) LaneID { return RoomLane(RoomRef{Room: "hold\x00" + RoomID(l.String())}) }

// RoomLane is the lane of a room that carries no link. The top bit tells it from a link's lane.
func RoomLane(r RoomRef) LaneID {
	h := fnv.New64a()
	_, _ = h.Write([]byte(r.Adapter + "\x00" + string(r.Room)))
	return LaneID(h.Sum64() | 1<<63)
}

// Delivery is one thing on its way to one room.
type Delivery struct {
	ID      DeliveryID   `json:"-"` // given by the commit; with Lane it is the key
	Lane    LaneID       `json:"-"`
	Kind    DeliveryKind `json:"kind"`
	Link    LinkID       `json:"link,omitempty"`
	To      Side         `json:"to"`
	Room    RoomRef      `json:"room,omitzero"` // zero: the link's room of that side, at the time of sending
	Message MessageID    `json:"message,omitempty"`
	Text    string       `json:"text,omitempty"`
	User    UserID       `json:"user,omitempty"`
	Off     bool         `json:"off,omitempty"`
	Fate    State        `json:"fate,omitempty"`
	Ask     *Ask         `json:"ask,omitempty"`
	At      time.Time    `json:"at"` // when it was accepted

	State    State     `json:"state"`
	Reason   string    `json:"reason,omitempty"` // why it waits or failed, in words for people; no secrets
	Attempts int       `json:"attempts,omitempty"`
	Hold     bool      `json:"hold,omitempty"`  // waits until the other side writes again, whatever the network allows
	Begun    bool      `json:"begun,omitempty"` // made durable before a send that cannot be repeated safely
	Sent     []MsgID   `json:"sent,omitempty"`  // ids of the parts that have arrived, of a message sent in several
	Parts    int       `json:"parts,omitempty"` // how many parts those are
	Settled  time.Time `json:"settled,omitzero"`
	Adapter  string    `json:"adapter,omitempty"` // where it was last tried
}

// Ask is a question with buttons.
type Ask struct {
	ID      string   `json:"id"` // comes back in Answered.Ask; the adapter must not let it be forged
	Text    string   `json:"text"`
	Choices []Choice `json:"choices"`
	Picture string   `json:"picture,omitempty"` // the address of a picture to show beneath
}

// Choice is one button.
type Choice struct {
	ID    string `json:"id"` // comes back in Answered.Choice
	Label string `json:"label"`
	Style string `json:"style,omitempty"` // "primary", "danger" or ""
}

// Settlement is what became of a delivery. A pending or held one stays in its lane with the new facts;
// a final one leaves it: sent and cancelled are forgotten but for the copies and the message's state,
// failed and unknown are parked, to be listed and tried again. Pending or cancelled takes a parked one
// out again: back into its lane under its old id, or away.
//
// When the delivery's kind is KindSay, the message's state and reason become those of the settlement if
// the state Beats the present one.
type Settlement struct {
	Lane     LaneID
	Delivery DeliveryID
	State    State
	Reason   string
	Adapter  string
	Attempts int
	Begun    bool
	Sent     []MsgID // so far; only while State is not final
	Parts    int     // how many parts Sent stands for
	// Copy, if set, is stored with the message in place of its copy in the same room; its ids lead
	// back to the message (Find), and those that led back before still do.
	Copy *Copy
}

// Apply writes the settlement's facts into the delivery. Every store uses it, so that they agree.
func (d *Delivery) Apply(s Settlement, now time.Time) {
	d.State, d.Reason, d.Adapter = s.State, s.Reason, s.Adapter
	d.Attempts, d.Begun, d.Sent, d.Parts = s.Attempts, s.Begun, s.Sent, s.Parts
	d.Settled = now
}
