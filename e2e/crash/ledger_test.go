package crash

import (
	"fmt"
	"regexp"
	"strconv"
	"sync"

	"github.com/hutong-im/hutong/bridge"
)

// lane is one direction of one chat.
type lane struct {
	customer string
	from     bridge.Side
}

// said is one message where it was written.
type said struct {
	network string
	room    bridge.RoomID
	id      bridge.MsgID
}

// ledger knows who has said what, and what has arrived where: the networks' own records, which no
// death of the gateway can touch.
type ledger struct {
	mu      sync.Mutex
	said    map[lane][]said // the n-th message of a lane
	arrived map[lane][]int  // the numbers of its messages, in the order of their arrival
	rooms   map[string]bridge.RoomID
}

func newLedger() *ledger {
	return &ledger{said: map[lane][]said{}, arrived: map[lane][]int{}, rooms: map[string]bridge.RoomID{}}
}

// token marks a message: whose chat, which side, which number.
var token = regexp.MustCompile(`\[(\w+) (member|contact) (\d+)\]`)

// say writes the next message of a lane. A lane is written by one goroutine.
func (g *ledger) say(l lane, write func(text string) (network string, room bridge.RoomID, id bridge.MsgID)) {
	g.mu.Lock()
	n := len(g.said[l])
	g.said[l] = append(g.said[l], said{})
	g.mu.Unlock()
	network, room, id := write(fmt.Sprintf("[%s %s %d]", l.customer, l.from, n))
	g.mu.Lock()
	g.said[l][n] = said{network, room, id}
	g.mu.Unlock()
}

// arrive notes what a network shows. What goes back to the side that wrote it is the gateway speaking
// about the message, not the message.
func (g *ledger) arrive(network string, room bridge.RoomID, text string) {
	m := token.FindStringSubmatch(text)
	if m == nil || (m[2] == bridge.ContactSide.String()) != (network == team) {
		return
	}
	l := lane{m[1], bridge.MemberSide}
	if network == team {
		l.from = bridge.ContactSide
	}
	n, err := strconv.Atoi(m[3])
	if err != nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.arrived[l] = append(g.arrived[l], n)
	if network == team {
		g.rooms[l.customer] = room
	}
}

// room is where the member talks with the customer; "" while nothing has arrived.
func (g *ledger) room(customer string) bridge.RoomID {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.rooms[customer]
}

// tally sums a ledger up.
type tally struct {
	said, arrived               int
	missing, repeated, backward []string // what has not arrived, arrived more than once, arrived after a later one
}

func (g *ledger) tally() tally {
	g.mu.Lock()
	defer g.mu.Unlock()
	var t tally
	for l, list := range g.said {
		t.said += len(list)
		times := make([]int, len(list))
		last := -1
		for _, n := range g.arrived[l] {
			name := fmt.Sprintf("%s %s %d", l.customer, l.from, n)
			if times[n]++; times[n] > 1 {
				t.repeated = append(t.repeated, name)
			} else if n < last {
				t.backward = append(t.backward, name)
			}
			last = max(last, n)
		}
		for n, count := range times {
			if count == 0 {
				t.missing = append(t.missing, fmt.Sprintf("%s %s %d", l.customer, l.from, n))
			} else {
				t.arrived++
			}
		}
	}
	return t
}

// where finds a message by its name in a tally.
func (g *ledger) where(name string) (lane, said) {
	var customer, side string
	var n int
	if _, err := fmt.Sscanf(name, "%s %s %d", &customer, &side, &n); err != nil {
		return lane{}, said{}
	}
	l := lane{customer, bridge.MemberSide}
	if side == bridge.ContactSide.String() {
		l.from = bridge.ContactSide
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return l, g.said[l][n]
}
