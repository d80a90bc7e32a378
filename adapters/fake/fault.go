package fake

import (
	"net/http"
	"time"
)

// Trouble is a way in which the network misbehaves.
type Trouble string

// The troubles.
const (
	// Drop is a call that never arrives. In process it fails as a dial does; over HTTP the connection
	// breaks before anything was done, which the caller cannot tell from Lost.
	Drop Trouble = "drop"
	// Lost is a call that is done, but whose answer is lost.
	Lost Trouble = "lost"
	// Busy is a 429; Fault.Wait is its Retry-After.
	Busy Trouble = "busy"
	// Broken is a 500.
	Broken Trouble = "broken"
	// Revoked is a 401.
	Revoked Trouble = "revoked"
	// Closed is a closed window.
	Closed Trouble = "closed"
	// Slow is a call that is done at once and answered after Fault.Wait.
	Slow Trouble = "slow"
	// Deaf is an event that does not reach the adapter, for now: the network tries again.
	Deaf Trouble = "deaf"
	// Twice is an event that is brought twice, though it was acknowledged.
	Twice Trouble = "twice"
)

// Troubles lists the troubles.
func Troubles() []Trouble {
	return []Trouble{Drop, Lost, Busy, Broken, Revoked, Closed, Slow, Deaf, Twice}
}

// Fault is trouble on demand.
type Fault struct {
	Trouble Trouble
	Times   int           // calls that it meets; 0 is every one until Heal
	Wait    time.Duration // of Busy and Slow
	Op      string        // only calls of this kind ("send", "edit", …); "" is any but polling
}

// Fail makes the network misbehave. Faults are met in the order in which they were given.
func (n *Network) Fail(f Fault) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = append(n.faults, f)
	n.change()
}

// Heal ends all trouble.
func (n *Network) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = nil
	n.change()
}

// meet finds the fault that a call, or (op "") an event, runs into, and counts it down; n.mu is held.
func (n *Network) meet(op string) (Fault, bool) {
	for i := range n.faults {
		f := &n.faults[i]
		event := f.Trouble == Deaf || f.Trouble == Twice
		if event != (op == "") || (f.Op != "" && f.Op != op) || (f.Op == "" && op == opPoll) {
			continue
		}
		met := *f
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				n.faults = append(n.faults[:i:i], n.faults[i+1:]...)
			}
		}
		return met, true
	}
	return Fault{}, false
}

// refuse is the network's answer to a call that met trouble; nil lets it through.
func (f Fault) refuse() *refusal {
	switch f.Trouble {
	case Drop:
		return &refusal{cut: true}
	case Busy:
		return &refusal{Status: http.StatusTooManyRequests, After: f.Wait, Code: "slow_down"}
	case Broken:
		return &refusal{Status: http.StatusInternalServerError, Code: "broken"}
	case Revoked:
		return &refusal{Status: http.StatusUnauthorized, Code: "token_revoked"}
	case Closed:
		return &refusal{Status: http.StatusForbidden, Code: codeWindow}
	case Lost, Slow, Deaf, Twice:
		return nil
	default:
		return nil
	}
}
