package fake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// Options are what a network is like. The zero Options are a Full network.
type Options struct {
	Profile string       // one of Profiles; "" is Full
	Caps    *bridge.Caps // the limits that the network enforces and its adapter tells; nil are the profile's
	// Shared says that every link is shown in the one room that a user has with the account, as in an
	// app's chat; otherwise Open makes a room for each link.
	Shared bool
	Echo   Echo          // whether the adapter hears what it said itself
	Secret string        // of the API and the hook; "" is DefaultSecret
	Repeat time.Duration // pause before an event that was not acknowledged comes again; 0 is 20 ms
	// Quiet keeps no messages and no keys, only counts: for benches. OnSend still sees the messages.
	Quiet  bool
	OnSend func(Message) // called for each message of the adapter, as it arrives; must not block
	Now    func() time.Time
}

// DefaultSecret is the secret of a network that was given none.
const DefaultSecret = "fake-s3cret-Zx81" //nolint:gosec // opens nothing but a network in memory

// Echo says whether and when the adapter hears its own messages.
type Echo uint8

// The echoes.
const (
	EchoNone  Echo = iota
	EchoAfter      // after the answer to Send
	EchoFirst      // before it
)

// Message is one message in a room, as its users see it.
type Message struct {
	ID        bridge.MsgID
	Room      bridge.RoomID
	User      bridge.UserID // who wrote it; "" is the adapter's account
	To        bridge.UserID // the only one who sees it, of a hint
	Name      string        // who speaks, as Draft.As.Name said
	Text      string
	Key       string
	ReplyTo   bridge.MsgID
	Files     []File
	At        time.Time
	Edits     int
	Deleted   bool
	Reactions []Reaction
	Mark      bridge.Fate
	Ask       *bridge.Ask
	Read      bool
}

// Reaction is one emoji of one user; "" is the adapter's account.
type Reaction struct {
	User  bridge.UserID
	Emoji string
}

// Counts sum up what happened.
type Counts struct {
	Calls     int // API calls that reached the network
	Sent      int // messages of the adapter that are shown
	Deduped   int // sends whose key was known, and which showed nothing
	Duplicate int // messages that are shown though one with the same key is shown already
	Refused   int // calls that the network did not do
	Events    int // events acknowledged by the adapter
	Tries     int // attempts to bring an event
	Dropped   int // events that the adapter refused for good
}

// Network is a messenger or a workspace in memory, with one account that belongs to an adapter. All
// its methods may be called concurrently. Close ends it.
type Network struct {
	opts Options
	caps bridge.Caps

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	pushes sync.WaitGroup

	mu      sync.Mutex
	rooms   map[bridge.RoomID]*room
	opened  map[string]bridge.RoomID // by Opening.Key
	files   map[string]File          // by reference
	lastMsg uint64
	lastEvt uint64
	counts  Counts
	faults  []Fault
	changed chan struct{} // closed at the next change; nil while nobody waits
	sink    sink          // where events go; nil while the adapter does not hear
}

// room is a chat. Rooms are never removed.
type room struct {
	id       bridge.RoomID
	title    string
	shows    bridge.Opening // of the contact, at the top
	members  []bridge.UserID
	messages []*Message
	index    map[bridge.MsgID]*Message
	keys     map[string]*Message
	queue    []queued // events that the adapter has not acknowledged, oldest first
	pushing  bool
	lastIn   time.Time // when a user last wrote, and how many messages went out since
	sent     int
	typed    int
}

// NewNetwork makes a network. An unknown profile is an error.
func NewNetwork(o Options) (*Network, error) {
	if o.Profile == "" {
		o.Profile = Full
	}
	caps, ok := ProfileCaps(o.Profile)
	if !ok {
		return nil, fmt.Errorf("profile %q is none of %v", o.Profile, Profiles())
	}
	if o.Caps != nil {
		caps = *o.Caps
	}
	if o.Secret == "" {
		o.Secret = DefaultSecret
	}
	if o.Repeat <= 0 {
		o.Repeat = 20 * time.Millisecond
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	n := &Network{
		opts: o, caps: caps,
		rooms: map[bridge.RoomID]*room{}, opened: map[string]bridge.RoomID{}, files: map[string]File{},
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n, nil
}

// Close ends the network: nothing is brought any more, and its goroutines have ended.
func (n *Network) Close() {
	n.cancel()
	n.pushes.Wait()
	n.listen(nil)
}

// Caps are the limits that the network enforces.
func (n *Network) Caps() bridge.Caps { return n.caps }

// Counts are the sums so far.
func (n *Network) Counts() Counts {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.counts
}

// DM is the room that a user has with the account.
func DM(user bridge.UserID) bridge.RoomID { return bridge.RoomID("dm-" + user) }

// Room makes a room with a name of your choice, or adds members to it.
func (n *Network) Room(id bridge.RoomID, title string, members ...bridge.UserID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.room(id)
	r.title = title
	r.add(members)
	n.change()
}

// RoomTitled finds the room of a member by its title.
func (n *Network) RoomTitled(member bridge.UserID, title string) (bridge.RoomID, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for id, r := range n.rooms {
		if r.title == title && slices.Contains(r.members, member) {
			return id, true
		}
	}
	return "", false
}

// RoomsOf lists the rooms that a user is in, in order of their ids.
func (n *Network) RoomsOf(user bridge.UserID) []bridge.RoomID {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []bridge.RoomID
	for id, r := range n.rooms {
		if slices.Contains(r.members, user) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// Title and members of a room.
func (n *Network) Title(id bridge.RoomID) (string, []bridge.UserID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if r := n.rooms[id]; r != nil {
		return r.title, slices.Clone(r.members)
	}
	return "", nil
}

// Shows is what a room of a link shows of its contact.
func (n *Network) Shows(id bridge.RoomID) bridge.Opening {
	n.mu.Lock()
	defer n.mu.Unlock()
	if r := n.rooms[id]; r != nil {
		return r.shows
	}
	return bridge.Opening{}
}

// Typed counts how often the account has shown that it is writing.
func (n *Network) Typed(id bridge.RoomID) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if r := n.rooms[id]; r != nil {
		return r.typed
	}
	return 0
}

// Messages are what a room holds, oldest first, deleted ones too.
func (n *Network) Messages(id bridge.RoomID) []Message {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.rooms[id]
	if r == nil {
		return nil
	}
	return r.snapshot()
}

// All are the messages of all rooms, in the order of their arrival.
func (n *Network) All() []Message {
	n.mu.Lock()
	var out []Message
	for _, r := range n.rooms {
		out = append(out, r.snapshot()...)
	}
	n.mu.Unlock()
	slices.SortFunc(out, func(a, b Message) int { return cmpIDs(a.ID, b.ID) })
	return out
}

// Wait calls done with the network's state, now and after every change, until it is true. It returns
// ctx's error if that ends first.
func (n *Network) Wait(ctx context.Context, done func() bool) error {
	for {
		n.mu.Lock()
		if n.changed == nil {
			n.changed = make(chan struct{})
		}
		changed := n.changed
		n.mu.Unlock()
		if done() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// change wakes those who wait; n.mu is held.
func (n *Network) change() {
	if n.changed != nil {
		close(n.changed)
		n.changed = nil
	}
}

// room finds or makes a room; n.mu is held.
func (n *Network) room(id bridge.RoomID) *room {
	r := n.rooms[id]
	if r == nil {
		r = &room{id: id, index: map[bridge.MsgID]*Message{}, keys: map[string]*Message{}}
		n.rooms[id] = r
	}
	return r
}

func (r *room) add(members []bridge.UserID) {
	for _, m := range members {
		if !slices.Contains(r.members, m) {
			r.members = append(r.members, m)
		}
	}
}

func (r *room) snapshot() []Message {
	out := make([]Message, len(r.messages))
	for i, m := range r.messages {
		out[i] = *m
		out[i].Reactions = slices.Clone(m.Reactions)
	}
	return out
}

// put enters a message; n.mu is held.
func (n *Network) put(r *room, m *Message) {
	n.lastMsg++
	m.ID = bridge.MsgID(fmt.Sprintf("m%d", n.lastMsg))
	m.Room, m.At = r.id, n.opts.Now()
	if n.opts.Quiet {
		return
	}
	r.messages = append(r.messages, m)
	r.index[m.ID] = m
}

func cmpIDs(a, b bridge.MsgID) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return slices.Compare([]byte(a), []byte(b))
}

// Users lists everybody who is in a room.
func (n *Network) Users() []bridge.UserID {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := map[bridge.UserID]bool{}
	for _, r := range n.rooms {
		for _, m := range r.members {
			all[m] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
