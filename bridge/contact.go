package bridge

import "time"

// Member is an employee. Members come from config (and later from workspaces' directories); a Member
// is never changed in place.
type Member struct {
	ID         MemberID    `json:"id"`
	Name       string      `json:"name"`
	Title      string      `json:"title,omitempty"`
	Department string      `json:"department,omitempty"`
	Accounts   []UserRef   `json:"accounts"`        // in order of preference; the first is where customers appear
	Serves     bool        `json:"serves"`          // may talk to customers
	Quota      int         `json:"quota,omitempty"` // most links at once; 0 is no limit
	State      MemberState `json:"state,omitempty"`
}

// MemberState says whether an employee works here now.
type MemberState string

// The states of a member; "" is active.
const (
	MemberActive MemberState = ""
	MemberAway   MemberState = "away"
	MemberLeft   MemberState = "left"
)

// Account is the member's user on the adapter, if there is one.
func (m *Member) Account(adapter string) (UserID, bool) {
	for _, a := range m.Accounts {
		if a.Adapter == adapter {
			return a.User, true
		}
	}
	return "", false
}

// Contact is a customer, one human: a set of messenger accounts. Accounts are joined and split again
// at will; nothing is melted.
type Contact struct {
	ID       ContactID `json:"-"`
	Rev      uint64    `json:"-"`
	Name     string    `json:"name"`             // as the customer or the network gave it; untrusted
	Avatar   string    `json:"avatar,omitempty"` // a blob
	Accounts []UserRef `json:"accounts"`         // on adapters, and the union ids, whose adapter is UnionAdapter
	Tags     []string  `json:"tags,omitempty"`
	Since    time.Time `json:"since"`
}

// UnionAdapter stands for an adapter in the account of a contact that is not an account but an id which
// several networks give to the same human.
const UnionAdapter = "~union"

// Link is the relation of one member and one contact. There is at most one per pair.
type Link struct {
	ID      LinkID    `json:"-"`
	Rev     uint64    `json:"-"`
	Member  MemberID  `json:"member,omitempty"` // "" while the customer waits for somebody
	Contact ContactID `json:"contact"`
	State   LinkState `json:"state"`
	Since   time.Time `json:"since"`
	Card    CardID    `json:"card,omitempty"`
	Hello   string    `json:"hello,omitempty"`  // what the customer said with the request; untrusted
	Remark  string    `json:"remark,omitempty"` // the member's own words about the contact
	Tags    []string  `json:"tags,omitempty"`
	Pinned  bool      `json:"pinned,omitempty"`
	Muted   bool      `json:"muted,omitempty"`

	// Rooms is where each side of the link is spoken to; zero until it is known or opened.
	Rooms [2]RoomRef `json:"rooms"`
}

// LinkState is where a relation stands.
type LinkState string

// The states of a link. Asked waits for the member's acceptance (or for a member at all, when Member
// is ""); what the contact writes meanwhile is held.
const (
	LinkAsked      LinkState = "asked"
	LinkActive     LinkState = "active"
	LinkEnded      LinkState = "ended"
	LinkHandedOver LinkState = "handed over"
)

// Room is what the gateway knows of a chat: the links that it carries. It is own when it carries one
// and shared when it carries several.
type Room struct {
	Ref     RoomRef  `json:"-"`
	Rev     uint64   `json:"-"`
	Side    Side     `json:"side"` // whose room this is
	Links   []LinkID `json:"links"`
	Current LinkID   `json:"current"` // whom a message without an addressee is for

	// Said is the link whose party was last named in this room, so that a change is labelled.
	Said LinkID `json:"said,omitempty"`
	// LastIn and Sent are the window's ledger: when the customer last wrote, and how many messages
	// went out since. Kept only where Caps.Window is set.
	LastIn time.Time `json:"last_in,omitzero"`
	Sent   int       `json:"sent,omitempty"`
	// Window is what LastIn opened, where it was less than the network's usual.
	Window Window `json:"window,omitzero"`
	// Noticed says that the customer was asked to write since LastIn.
	Noticed bool `json:"noticed,omitempty"`
	// Noted is the thread in which the writer was last told that threads are internal.
	Noted MsgID `json:"noted,omitempty"`
}

// Shared reports whether the room carries several links.
func (r *Room) Shared() bool { return len(r.Links) > 1 }

// Card (名片) is an entry: a QR code or link for a member.
type Card struct {
	ID         CardID    `json:"-"`
	Rev        uint64    `json:"-"`
	Member     MemberID  `json:"member"`
	Greeting   string    `json:"greeting,omitempty"` // said to the customer once the link is active
	Source     string    `json:"source,omitempty"`   // a tag for statistics; becomes a tag of the link
	Acceptance bool      `json:"acceptance"`         // the member must accept
	Created    time.Time `json:"created"`
	Expires    time.Time `json:"expires,omitzero"` // zero is never
	Revoked    bool      `json:"revoked,omitempty"`
}

// Open reports whether the card may be used at the given moment.
func (c *Card) Open(now time.Time) bool {
	return !c.Revoked && (c.Expires.IsZero() || now.Before(c.Expires))
}

// Company is who the employees work for, as customers see it.
type Company struct {
	Name     string
	Short    string
	Zone     *time.Location
	Language string // "en" or "zh"
	URL      string // the gateway's own address, without a trailing slash
}

// AuditEntry is who did what, kept for ever.
type AuditEntry struct {
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`  // member id, "system", or "command line (user)"
	Action string    `json:"action"` // verb and noun: "card.new", "contact.erase"
	Object string    `json:"object"`
	Detail string    `json:"detail,omitempty"`
}
