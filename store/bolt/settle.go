package bolt

import (
	"encoding/binary"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// enqueue appends the step's i-th delivery to its lane.
func (b *batch) enqueue(p *prepared, i int) error {
	d, val := &p.out.Deliveries[i], p.outs[i]
	b.delivery++
	d.ID = b.delivery
	if p.step.Deliveries[i].Message == 0 && d.Kind == bridge.KindSay { // asked of the step: this may be a second try
		d.Message = p.out.Message
		binary.BigEndian.PutUint64(val[atMessage:], uint64(d.Message))
	}
	// A message that is stored with a delivery which waits is told to wait.
	if d.Kind == bridge.KindSay && p.out.Message != 0 && d.Message == p.out.Message && d.State != bridge.StatePending {
		_, what := b.record(d.Message)
		f, err := decodeFate(what)
		if err != nil {
			return err
		}
		if f.raise(d.State, d.Reason) {
			if err := b.putFate(d.Message, &f); err != nil {
				return err
			}
		}
	}
	return b.keep(d.ID, 0, val)
}

// keep stores a delivery where its state belongs: in its lane, parked, or nowhere. was is the letter
// of the state that it had before, 0 if it is new.
func (b *batch) keep(id bridge.DeliveryID, was byte, val []byte) error {
	is, lane := val[atState], key2(uint64(laneOf(val)), uint64(id))
	b.count(was, -1)
	b.count(is, 1)
	if waits(was) && !waits(is) {
		if err := b.bucket(bucketLanes).Delete(lane); err != nil {
			return err
		}
	}
	if !waits(was) && waits(is) {
		if err := b.bucket(bucketLanes).Put(lane, nil); err != nil {
			return err
		}
	}
	if is == 0 {
		return b.bucket(bucketOut).Delete(key(uint64(id)))
	}
	return b.bucket(bucketOut).Put(key(uint64(id)), val)
}

func (b *batch) count(letter byte, n int) {
	switch {
	case waits(letter):
		b.counts.waiting += n
	case letter != 0:
		b.counts.parked += n
	}
}

// settle does one settlement.
func (b *batch) settle(x *bridge.Settlement, at time.Time, names []hash) error {
	old := b.bucket(bucketOut).Get(key(uint64(x.Delivery)))
	if len(old) < deliveryHead || laneOf(old) != x.Lane {
		return nil
	}
	was, says, message := old[atState], says(old), messageOf(old)
	if stateLetter(x.State) == 0 {
		gone := make([]byte, deliveryHead)
		copy(gone, old)
		gone[atState] = 0
		if err := b.keep(x.Delivery, was, gone); err != nil {
			return err
		}
	} else {
		d, err := decodeDelivery(x.Delivery, old)
		if err != nil {
			return err
		}
		d.Apply(*x, at)
		if err := b.keep(x.Delivery, was, encodeDelivery(&d)); err != nil {
			return err
		}
	}
	if message == 0 || !says && x.Copy == nil {
		return nil
	}
	raw, what := b.record(message)
	if raw == nil {
		return nil
	}
	f, err := decodeFate(what)
	if err != nil {
		return err
	}
	news := says && f.raise(x.State, x.Reason)
	if x.Copy != nil {
		f.copied(x.Copy)
		for _, h := range names {
			b.stage(entry{kind: kindRef, hash: h, id: message})
		}
	}
	if !news && x.Copy == nil {
		return nil
	}
	return b.putFate(message, &f)
}
