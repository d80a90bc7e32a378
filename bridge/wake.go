package bridge

import "errors"

// wake readies lanes that are held, since what they waited for may have happened.
func (e *engine) wake(ids ...LaneID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, id := range ids {
		if l := e.lanes[id]; l != nil {
			e.rouse(l)
		}
	}
}

func (e *engine) rouse(l *lane) {
	switch l.state {
	case laneHeld:
		e.ready(l)
	case laneSending:
		l.woken = true
	case laneReady, laneWaiting:
	}
}

// wakeHeld readies every held lane: an adapter came or the settings changed.
func (e *engine) wakeHeld() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, d := range e.dests {
		d.login = ""
	}
	for _, l := range e.lanes {
		e.rouse(l)
	}
}

// forget drops the text kept ready for a message that has changed.
func (e *engine) forget(id LaneID, m MessageID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.lanes[id]
	if l == nil {
		return
	}
	for i := range l.items {
		if l.items[i].d.Message == m && l.items[i].msg != nil {
			e.cached -= l.items[i].bytes()
			l.items[i].msg = nil
		}
	}
}

// errSending is a delivery that is on the wire right now.
var errSending = errors.New("it is being sent right now; look again in a moment")
