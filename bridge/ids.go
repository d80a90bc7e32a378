package bridge

import (
	"crypto/rand"
	"encoding/binary"
	"strconv"
	"time"
)

// UserID is what a network calls one of its users. Only the adapter that made it may take it apart.
type UserID string

// RoomID is what a network calls one of its chats. Only the adapter that made it may take it apart.
type RoomID string

// MsgID is what a network calls one of its messages. It need only be unique within its room.
type MsgID string

// UserRef is an account: one user on one adapter, the only identity that a network vouches for.
type UserRef struct {
	Adapter string `json:"adapter"`
	User    UserID `json:"user"`
}

// RoomRef is a chat on one adapter.
type RoomRef struct {
	Adapter string `json:"adapter,omitempty"`
	Room    RoomID `json:"room,omitempty"`
}

// IsZero reports whether the room is not known yet.
func (r RoomRef) IsZero() bool { return r == RoomRef{} }

// MsgRef is one network message in one room.
type MsgRef struct {
	RoomRef
	Msg MsgID `json:"msg"`
}

// MemberID names an employee; it is chosen by the company in its config.
type MemberID string

// ContactID names a customer. See NewID.
type ContactID uint64

// LinkID names the relation of one member and one contact. See NewID.
type LinkID uint64

// CardID names a card. It is part of an address that customers open, so it is unguessable. See NewCardID.
type CardID string

// MessageID names one accepted message. The store gives it in commit order; its upper bits are the
// time of acceptance, so that history is in order of its keys. See MessageID.Time.
type MessageID uint64

// DeliveryID names one delivery. The store gives it in commit order, across all lanes.
type DeliveryID uint64

// idBits is how many low bits of a time-ordered id count within one millisecond.
const idBits = 20

// FirstID is the smallest time-ordered id of the given moment.
func FirstID(t time.Time) uint64 { return uint64(max(t.UnixMilli(), 0)) << idBits }

// IDTime is the moment, in milliseconds, that a time-ordered id was made.
func IDTime(id uint64) time.Time { return time.UnixMilli(int64(id >> idBits)) }

// Time is the moment of acceptance.
func (id MessageID) Time() time.Time { return IDTime(uint64(id)) }

// NewID makes a time-ordered id for a contact or a link: milliseconds, then 20 random bits. Two of
// the same millisecond may collide; the commit that creates the thing then finds it taken (ErrStale)
// and the plan is made again with a new id.
func NewID(now time.Time) uint64 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand.Read aborts the program instead
	return FirstID(now) | uint64(binary.BigEndian.Uint32(b[:])>>(32-idBits))
}

// NewCardID makes an unguessable card id of 80 random bits (rand.Text is base32, 5 bits a letter).
func NewCardID() CardID { return CardID(rand.Text()[:16]) }

// String is the id as people see it in commands.
func (id ContactID) String() string { return "c" + strconv.FormatUint(uint64(id), 36) }

// String is the id as people see it in commands.
func (id LinkID) String() string { return "l" + strconv.FormatUint(uint64(id), 36) }

// String is the id as people see it in commands.
func (id MessageID) String() string { return "m" + strconv.FormatUint(uint64(id), 36) }

// String is the id as people see it in commands.
func (id DeliveryID) String() string { return "d" + strconv.FormatUint(uint64(id), 36) }

// ParseID reads an id as String prints it: its letter, then its number in base 36.
func ParseID(letter byte, s string) (uint64, bool) {
	if len(s) < 2 || s[0] != letter {
		return 0, false
	}
	n, err := strconv.ParseUint(s[1:], 36, 64)
	return n, err == nil
}
