package mem

import (
	"context"
	"slices"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// Commit does the step at once, under the lock: the order of the lock is the order of everything.
func (s *Store) Commit(ctx context.Context, st bridge.Step) (bridge.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return bridge.Outcome{}, err
	}
	begun := time.Now()
	if id, dup := s.known(&st); dup {
		return bridge.Outcome{Duplicate: true, Message: id}, nil
	}
	if err := s.check(&st); err != nil {
		return bridge.Outcome{}, err
	}
	out := s.apply(&st)
	s.commits.Commits++
	s.commits.Steps++
	s.commits.Time += time.Since(begun)
	if st.Then != nil {
		st.Then(out) // under the lock, which is what keeps these calls in order
	}
	return out, nil
}

// known reports whether the step was done before, and which message it stored then.
func (s *Store) known(st *bridge.Step) (bridge.MessageID, bool) {
	if st.Seen != "" {
		if k, ok := s.data.Seen[st.Seen]; ok {
			return k.Message, true
		}
	}
	if m := st.Message; m != nil && m.Src != "" {
		if id, ok := s.data.Refs[bridge.MsgRef{RoomRef: m.Room, Msg: m.Src}]; ok {
			return id, true
		}
	}
	return 0, false
}

// apply does a step that check has let through.
func (s *Store) apply(st *bridge.Step) bridge.Outcome {
	for _, c := range st.Contacts {
		s.writeContact(c)
	}
	for _, l := range st.Links {
		s.writeLink(l)
	}
	for _, r := range st.Rooms {
		r = cloneRoom(r)
		r.Rev++
		s.data.Rooms[r.Ref] = r
	}
	for _, c := range st.Cards {
		c.Rev++
		s.data.Cards[c.ID] = c
		s.data.CardIDs = s.data.CardIDs.with(c.ID)
	}
	var out bridge.Outcome
	if st.Message != nil {
		out.Message = s.append(st)
	}
	if st.Seen != "" {
		s.data.Seen[st.Seen] = seen{At: st.At, Message: out.Message}
	}
	if st.Change != nil {
		s.change(st.Change)
	}
	s.enqueue(st, &out)
	for _, x := range st.Settle {
		s.settle(x, st.At)
	}
	s.data.Audit = append(s.data.Audit, st.Audit...)
	return out
}

// append stores the step's message under the next id: the step's time, or one more than the last.
func (s *Store) append(st *bridge.Step) bridge.MessageID {
	s.data.Message = max(s.data.Message+1, bridge.FirstID(st.At))
	r := &bridge.Record{Message: cloneMessage(*st.Message)}
	r.ID = bridge.MessageID(s.data.Message)
	s.data.Records[r.ID] = r
	if r.Link != 0 {
		put(s.data.History, r.Link, r.ID)
	}
	if r.Src != "" {
		s.data.Refs[bridge.MsgRef{RoomRef: r.Room, Msg: r.Src}] = r.ID
	}
	s.hold(r.Files)
	return r.ID
}

// enqueue appends the step's deliveries to their lanes.
func (s *Store) enqueue(st *bridge.Step, out *bridge.Outcome) {
	for _, d := range st.Deliveries {
		s.data.Delivery++
		d = cloneDelivery(d)
		d.ID = bridge.DeliveryID(s.data.Delivery)
		if d.Message == 0 && d.Kind == bridge.KindSay {
			d.Message = out.Message
		}
		if d.State == "" {
			d.State = bridge.StatePending
		}
		if d.At.IsZero() {
			d.At = st.At
		}
		// A message that is stored with a delivery which waits is told to wait.
		if r := s.data.Records[d.Message]; r != nil && d.Kind == bridge.KindSay && d.Message == out.Message {
			raise(r, d.State, d.Reason)
		}
		kept := d
		s.place(&kept)
		out.Deliveries = append(out.Deliveries, cloneDelivery(d))
		out.Mine = append(out.Mine, true)
	}
}

// place keeps d where its state belongs: in its lane, parked, or nowhere.
func (s *Store) place(d *bridge.Delivery) {
	switch d.State {
	case bridge.StatePending, bridge.StateHeld:
		s.data.Deliveries[d.ID] = d
		put(s.data.Lanes, d.Lane, d.ID)
	case bridge.StateFailed, bridge.StateUnknown:
		s.data.Deliveries[d.ID] = d
		drop(s.data.Lanes, d.Lane, d.ID)
	default:
		delete(s.data.Deliveries, d.ID)
		drop(s.data.Lanes, d.Lane, d.ID)
	}
}

// settle does one settlement.
func (s *Store) settle(x bridge.Settlement, at time.Time) {
	d := s.data.Deliveries[x.Delivery]
	if d == nil || d.Lane != x.Lane {
		return
	}
	d.Apply(x, at)
	d.Sent = slices.Clone(d.Sent)
	s.place(d)
	r := s.data.Records[d.Message]
	if r == nil {
		return
	}
	if d.Kind == bridge.KindSay {
		raise(r, x.State, x.Reason)
	}
	if x.Copy == nil {
		return
	}
	c := cloneCopy(*x.Copy)
	for _, id := range c.IDs {
		s.data.Refs[bridge.MsgRef{RoomRef: c.Room, Msg: id}] = r.ID
	}
	if i := slices.IndexFunc(r.Copies, func(o bridge.Copy) bool { return o.Room == c.Room }); i >= 0 {
		r.Copies[i] = c
	} else {
		r.Copies = append(r.Copies, c)
	}
}

// raise gives the record a state that is news.
func raise(r *bridge.Record, state bridge.State, reason string) {
	if state.Beats(r.State) {
		r.State, r.Reason = state, reason
	}
}

// change alters a stored message.
func (s *Store) change(c *bridge.Change) {
	r := s.data.Records[c.ID]
	old := r.Files
	r.Apply(*c)
	r.Message = cloneMessage(r.Message)
	if c.Files != nil {
		s.hold(r.Files)
		s.release(old, s.data.Loose)
	}
	if c.State != "" {
		raise(r, c.State, c.Reason)
	}
}
