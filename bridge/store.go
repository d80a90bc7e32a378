package bridge

import (
	"context"
	"io"
	"iter"
	"time"
)

// Store keeps everything that must not be lost. It is the only seam for scale-out. All methods may be
// called concurrently. A returned error other than ErrStale, ErrNotFound, ErrFull and ErrClosed means
// that the outcome is unknown: ask again, with the same dedupe key.
type Store interface {
	Journal
	Lanes
	Book
	Archive
	Upkeep
	// KV is a scoped key-value store for adapters and apps.
	KV(scope string) KV
}

// Journal is the one way to change anything.
type Journal interface {
	// Commit makes the step durable, whole or not at all, and returns what was given: nil error = it is
	// on disk. Steps of one lane take effect in the order in which their commits return.
	Commit(ctx context.Context, s Step) (Outcome, error)
}

// Step is one atomic, durable change. Only what is set is done.
type Step struct {
	At time.Time // the gateway's clock; ids, days and ages are counted from it

	// Seen is what the network calls the event, scoped by the caller. If it was seen before (within
	// SeenFor), nothing of the step is done and Outcome.Duplicate is set. "" never deduplicates.
	Seen string

	// Entities are written whole if the stored Rev equals theirs (0: must not exist yet), and get
	// Rev+1; otherwise nothing of the step is done and the error is ErrStale. It is ErrStale too when
	// another contact has one of the accounts, or another link joins the same member and contact.
	Contacts []Contact
	Links    []Link
	Rooms    []Room
	Cards    []Card

	// Expect are revisions that must still hold, else ErrStale.
	Expect []Expect

	// Message is new; it gets the next MessageID. Its Room and Src, if Src is set, lead back to it
	// (Find); if they are known already, as a source or as a copy, the step is a duplicate as with Seen.
	Message *Message
	// Change alters a stored message.
	Change *Change

	// Deliveries are appended to their lanes; each gets the next DeliveryID. One whose Message is 0
	// and whose kind is KindSay gets the id of the step's Message.
	Deliveries []Delivery
	// Settle says what became of deliveries. One that is not there (settled before) is skipped.
	Settle []Settlement

	Audit []AuditEntry

	// Then, if set, is called once the step is durable and before Commit returns, also when the
	// caller has gone away meanwhile; not when nothing was done. Calls come one at a time and in commit
	// order: it is how lanes are fed in the order of acceptance. It must be quick and must not use the store.
	Then func(Outcome)
}

// SeenFor is how long a Step.Seen is remembered at least: a network repeats a call for hours, a
// cursor that was restored from a backup replays days.
const SeenFor = 7 * 24 * time.Hour

// Expect is a revision that a plan was based on.
type Expect struct {
	Link LinkID  // or
	Room RoomRef // one of the two
	Rev  uint64
}

// Change alters the stored message ID, as Message.Apply does; State and Reason alter its Record. A
// message that is not there makes the step ErrNotFound.
type Change struct {
	ID       MessageID
	Edit     *Edit     // the new text, and when: the old text goes to Edits
	Recall   bool      // Recalled is set; text, edits and files stay for the record until erased
	Reaction *Reaction // put on
	Off      bool      // the Reaction is taken off
	Files    []File    // replaces Files (after fetching)
	Publish  bool      // a note becomes a message
	State    State     // raises the record's state if it Beats the present one
	Reason   string
}

// Outcome is what a commit gave.
type Outcome struct {
	Duplicate  bool
	Message    MessageID  // the new message; on Duplicate the one that was stored before, if it was one
	Deliveries []Delivery // as stored, in the step's order, with their ids
	// Mine says, for each delivery, that this gateway holds its lane and must deliver it.
	Mine []bool
}

// Lanes are what waits to be delivered. A gateway may deliver from a lane while it holds it; with an
// embedded store it holds them all.
type Lanes interface {
	// Claim takes lanes that have waiting deliveries and that no other gateway holds: at most n, with
	// ids above after. It returns their heads, in lane order.
	Claim(ctx context.Context, after LaneID, n int) ([]Delivery, error)
	// Waiting lists the deliveries of one lane with ids above after, oldest first, at most n.
	Waiting(ctx context.Context, lane LaneID, after DeliveryID, n int) ([]Delivery, error)
	// Delivery is one of any state but sent and cancelled; ErrNotFound otherwise.
	Delivery(ctx context.Context, id DeliveryID) (Delivery, error)
	// Deliveries lists those with one of the states (pending, held, failed, unknown), oldest first, at most n.
	Deliveries(ctx context.Context, after DeliveryID, n int, states ...State) ([]Delivery, error)
}

// Book is who is who. Everything not there is ErrNotFound.
type Book interface {
	Contact(ctx context.Context, id ContactID) (Contact, error)
	ContactOf(ctx context.Context, account UserRef) (Contact, error)
	Link(ctx context.Context, id LinkID) (Link, error)
	Room(ctx context.Context, r RoomRef) (Room, error)
	Card(ctx context.Context, id CardID) (Card, error)
	Index
}

// Index lists the book. A listing is no snapshot: it sees what is there when it comes by, and holds no
// transaction open while the loop's body runs. An error ends it.
type Index interface {
	LinksOf(ctx context.Context, c ContactID) ([]Link, error)
	LinksBy(ctx context.Context, m MemberID) iter.Seq2[Link, error] // newest first
	Links(ctx context.Context) iter.Seq2[Link, error]               // oldest first
	Contacts(ctx context.Context) iter.Seq2[Contact, error]         // oldest first
	Cards(ctx context.Context) iter.Seq2[Card, error]
}

// Archive is what was said.
type Archive interface {
	Message(ctx context.Context, id MessageID) (Record, error)
	// Find is the message that the network calls so: its source, or a copy of it.
	Find(ctx context.Context, r MsgRef) (MessageID, error)
	// History lists a link's messages with ids below before (0: all), newest first, at most n.
	History(ctx context.Context, l LinkID, before MessageID, n int) ([]Record, error)
	// Trail lists the audit log, oldest first.
	Trail(ctx context.Context) iter.Seq2[AuditEntry, error]
}

// Upkeep is for operators.
type Upkeep interface {
	// Erase removes a contact with its links, rooms, messages, copies and waiting deliveries, and
	// writes the audit entry in the same commit. It returns the blobs that nothing refers to any more.
	Erase(ctx context.Context, c ContactID, audit AuditEntry) (blobs []string, err error)
	// Expire forgets messages and copies from before the given moments, whole days at a time: dedupe
	// keys older than SeenFor, and history older than history (zero: none). It returns the blobs that
	// nothing refers to any more.
	Expire(ctx context.Context, now, history time.Time) (blobs []string, err error)
	// Unused returns those of the blobs that nothing refers to.
	Unused(ctx context.Context, blobs []string) ([]string, error)
	// Backup writes a copy that Restore of the same kind of store reads, while everything goes on.
	Backup(ctx context.Context, w io.Writer) error
	Stats(ctx context.Context) (Stats, error)
	// Close finishes what was begun and releases everything. Commit after it is ErrClosed.
	Close() error
}

// Stats are a store's figures.
type Stats struct {
	Waiting int       // deliveries in lanes
	Parked  int       // failed or unknown
	Oldest  time.Time // when the oldest waiting delivery was accepted; zero if none
	Size    int64     // bytes on disk
	Free    int64     // bytes of Size that are free to be used again
	Commits CommitStats
}

// CommitStats sums up commits since the store was opened.
type CommitStats struct {
	Commits uint64        // transactions
	Steps   uint64        // steps in them
	Time    time.Duration // spent in them
}

// KV is a scoped key-value store. Keys are at most 1 KiB, values 1 MiB.
type KV interface {
	// Get returns the value and its revision; ErrNotFound if there is none.
	Get(ctx context.Context, key string) (val []byte, rev uint64, err error)
	// Put writes if the stored revision equals rev (0: must not exist; AnyRev: whatever is there) and
	// returns the new one; otherwise ErrStale.
	Put(ctx context.Context, key string, val []byte, rev uint64) (uint64, error)
	// Delete removes; a key that is not there is no error.
	Delete(ctx context.Context, key string) error
	// List returns keys that begin with prefix and come after the key after, in order, at most n.
	List(ctx context.Context, prefix, after string, n int) ([]string, error)
}

// AnyRev makes KV.Put overwrite whatever is there.
const AnyRev = ^uint64(0)
