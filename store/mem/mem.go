package mem

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// day is the unit of forgetting: days of UTC, as whole milliseconds divide into them.
const day = 24 * time.Hour

// pageSize is how many things a listing takes under the lock at a time.
const pageSize = 256

// Store is a bridge.Store in memory. Make one with New or Restore.
type Store struct {
	mu      sync.RWMutex
	closed  bool
	data    state
	commits bridge.CommitStats
}

// state is what a backup holds. Its fields are exported for encoding/gob.
type state struct {
	Message  uint64 // the last id given
	Delivery uint64 // the last id given
	KVRev    uint64 // the last revision given to a key

	Contacts   map[bridge.ContactID]bridge.Contact
	Accounts   map[bridge.UserRef]bridge.ContactID
	Links      map[bridge.LinkID]bridge.Link
	Rooms      map[bridge.RoomRef]bridge.Room
	Cards      map[bridge.CardID]bridge.Card
	Records    map[bridge.MessageID]*bridge.Record
	Refs       map[bridge.MsgRef]bridge.MessageID
	Seen       map[string]seen
	Deliveries map[bridge.DeliveryID]*bridge.Delivery
	Audit      []bridge.AuditEntry
	KV         map[string]map[string]entry
	Loose      map[string]bool // blobs whose last reference went away in a commit

	// Blank are texts that are shown as nothing at all, by message: -1 is the message's own, others are
	// of its edits. Only a backup has them, since gob takes a pointer to "" for none.
	Blank map[bridge.MessageID][]int

	// Orders of the above.
	ContactIDs sorted[bridge.ContactID]
	LinkIDs    sorted[bridge.LinkID]
	CardIDs    sorted[bridge.CardID]
	ByMember   map[bridge.MemberID]sorted[bridge.LinkID]
	ByContact  map[bridge.ContactID]sorted[bridge.LinkID]
	History    map[bridge.LinkID]sorted[bridge.MessageID]
	Lanes      map[bridge.LaneID]sorted[bridge.DeliveryID]
	Blobs      map[string]int // how many things refer to each
}

// seen is what a dedupe key led to, and when.
type seen struct {
	At      time.Time
	Message bridge.MessageID
}

// entry is a value of a KV.
type entry struct {
	Val []byte
	Rev uint64
}

// New makes an empty store.
func New() *Store {
	s := &Store{}
	s.data.fill()
	return s
}

// fill makes the maps that a new store needs, and that a backup left out because they were empty.
func (s *state) fill() {
	fill(&s.Contacts)
	fill(&s.Accounts)
	fill(&s.Links)
	fill(&s.Rooms)
	fill(&s.Cards)
	fill(&s.Records)
	fill(&s.Refs)
	fill(&s.Seen)
	fill(&s.Deliveries)
	fill(&s.KV)
	fill(&s.Loose)
	fill(&s.ByMember)
	fill(&s.ByContact)
	fill(&s.History)
	fill(&s.Lanes)
	fill(&s.Blobs)
}

func fill[K comparable, V any](m *map[K]V) {
	if *m == nil {
		*m = make(map[K]V)
	}
}

// Restore makes a store of what Backup wrote.
func Restore(r io.Reader) (*Store, error) {
	s := &Store{}
	if err := gob.NewDecoder(r).Decode(&s.data); err != nil {
		return nil, fmt.Errorf("read backup of a memory store: %w", err)
	}
	s.data.fill()
	for id, at := range s.data.Blank {
		r := s.data.Records[id]
		for _, i := range at {
			switch {
			case r == nil || i >= len(r.Edits):
				return nil, errors.New("read backup of a memory store: it does not fit together")
			case i < 0:
				r.Out = new(string)
			default:
				r.Edits[i].Out = new(string)
			}
		}
	}
	return s, nil
}

// blank lists what Blank holds.
func (s *state) blank() map[bridge.MessageID][]int {
	out := make(map[bridge.MessageID][]int)
	for id, r := range s.Records {
		if r.Out != nil && *r.Out == "" {
			out[id] = append(out[id], -1)
		}
		for i, e := range r.Edits {
			if e.Out != nil && *e.Out == "" {
				out[id] = append(out[id], i)
			}
		}
	}
	return out
}

// Backup writes everything, as of one moment. The store is locked against commits meanwhile.
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	data := s.data
	data.Blank = data.blank()
	if err := gob.NewEncoder(w).Encode(&data); err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	return nil
}

// Stats counts what is held. Size and Free are 0: nothing is on disk.
func (s *Store) Stats(ctx context.Context) (bridge.Stats, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return bridge.Stats{}, err
	}
	st := bridge.Stats{Commits: s.commits}
	for _, d := range s.data.Deliveries {
		if d.State.Final() {
			st.Parked++
			continue
		}
		st.Waiting++
		if st.Oldest.IsZero() || d.At.Before(st.Oldest) {
			st.Oldest = d.At
		}
	}
	return st, nil
}

// Close makes every later call ErrClosed. What is held stays in memory until the store is dropped.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// usable is the reason why a call must not go on, if there is one. The lock is held.
func (s *Store) usable(ctx context.Context) error {
	if s.closed {
		return bridge.ErrClosed
	}
	return ctx.Err()
}
