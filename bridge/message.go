package bridge

import (
	"io"
	"slices"
	"time"
)

// Side is one of the two parties of a link.
type Side uint8

// The two sides. Other turns one into the other.
const (
	MemberSide Side = iota
	ContactSide
)

// Other is the opposite side.
func (s Side) Other() Side { return 1 - s }

// String is "member" or "contact".
func (s Side) String() string {
	if s == MemberSide {
		return "member"
	}
	return "contact"
}

// Message is one thing said, as the gateway keeps it: once, whatever number of copies it has.
type Message struct {
	ID      MessageID `json:"-"` // given by the commit; it is the key
	Link    LinkID    `json:"link,omitempty"`
	Side    Side      `json:"side"`           // who said it
	From    UserRef   `json:"from"`           // the account that said it
	Room    RoomRef   `json:"room"`           // where it was said
	Src     MsgID     `json:"src"`            // what that network calls it
	At      time.Time `json:"at"`             // when the network says it was said
	Text    string    `json:"text,omitempty"` // CommonMark; untrusted
	Out     *string   `json:"out,omitempty"`  // what the other side is shown instead, when a rule changed it
	Files   []File    `json:"files,omitempty"`
	ReplyTo MessageID `json:"reply_to,omitempty"`

	// Note marks an internal note: kept, shown to members, never sent to the contact.
	Note bool `json:"note,omitempty"`
	// Edits are the texts that were replaced, oldest first; Text is the newest. Its length is the version.
	Edits     []Edit     `json:"edits,omitempty"`
	Recalled  bool       `json:"recalled,omitempty"`
	Reactions []Reaction `json:"reactions,omitempty"`
}

// Version counts the edits; a copy that was sent with this version shows the newest text.
func (m *Message) Version() int { return len(m.Edits) }

// Shown is the text that the other side is to see.
func (m *Message) Shown() string {
	if m.Out != nil {
		return *m.Out
	}
	return m.Text
}

// Apply makes a change to the message. Every store uses it, so that they agree.
func (m *Message) Apply(c Change) {
	if c.Edit != nil {
		m.Edits = append(m.Edits, Edit{At: c.Edit.At, Text: m.Text, Out: m.Out})
		m.Text, m.Out = c.Edit.Text, c.Edit.Out
	}
	if c.Recall {
		m.Recalled = true
	}
	if c.Reaction != nil {
		m.Reactions = slices.DeleteFunc(m.Reactions, func(r Reaction) bool { return r == *c.Reaction })
		if !c.Off {
			m.Reactions = append(m.Reactions, *c.Reaction)
		}
	}
	if c.Publish {
		m.Note = false
	}
	if c.Files != nil {
		m.Files = c.Files
	}
}

// Edit is a text and when it came. In Message.Edits it is one that was replaced; in Change.Edit it is the new one.
type Edit struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
	Out  *string   `json:"out,omitempty"` // as Message.Out
}

// Reaction is one emoji of one party on a message.
type Reaction struct {
	Side  Side   `json:"side"`
	Emoji string `json:"emoji"`
}

// File is a picture, voice, video or document. From an adapter it comes by reference (Ref); once the
// gateway has its bytes it has a Blob.
type File struct {
	Name string `json:"name"`           // untrusted; never a path
	Type string `json:"type"`           // MIME type as the network says; untrusted
	Size int64  `json:"size,omitempty"` // bytes; 0 when the network does not say
	Blob string `json:"blob,omitempty"` // hex SHA-256 of the content, see Blobs
	Ref  string `json:"ref,omitempty"`  // what the adapter's Fetcher needs; opaque to everyone else
}

// Attachment is a file on its way out: Open may be called several times, by the sending goroutine.
type Attachment struct {
	File
	Open func() (io.ReadCloser, error) `json:"-"`
}

// Copy is one appearance of a message in a room of the other side: an album or a split text has several ids.
type Copy struct {
	Room    RoomRef `json:"room"`
	IDs     []MsgID `json:"ids"`
	Version int     `json:"v,omitempty"` // the Message.Version that it shows
}

// Record is a message with what became of it.
type Record struct {
	Message
	Copies []Copy `json:"copies,omitempty"`
	State  State  `json:"state,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Blobs keeps files by content. Implementations stream; none holds a whole file in memory.
type Blobs interface {
	// Put stores r until EOF and returns its name (hex SHA-256) and size. More than limit bytes is
	// ErrTooLarge, and nothing is kept. It is durable when it returns nil.
	Put(r io.Reader, limit int64) (blob string, size int64, err error)
	// Open reads a blob. A name that is not there is ErrNotFound.
	Open(blob string) (io.ReadCloser, error)
	// Remove forgets a blob; one that is not there is no error.
	Remove(blob string) error
	// Sweep removes blobs that were last put before the given moment and that unused, which is asked for
	// some at a time, says nobody needs: uploads that were never sent. It returns how many.
	Sweep(before time.Time, unused func(blobs []string) ([]string, error)) (int, error)
}
