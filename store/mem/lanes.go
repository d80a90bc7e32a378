package mem

import (
	"cmp"
	"context"
	"slices"

	"github.com/hutong-im/hutong/bridge"
)

// Claim lists the heads of at most n lanes with ids above after. All lanes are this gateway's own.
func (s *Store) Claim(ctx context.Context, after bridge.LaneID, n int) ([]bridge.Delivery, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	var heads []bridge.Delivery
	for lane, ids := range s.data.Lanes {
		if lane > after {
			heads = append(heads, *s.data.Deliveries[ids[0]])
		}
	}
	slices.SortFunc(heads, func(a, b bridge.Delivery) int { return cmp.Compare(a.Lane, b.Lane) })
	return cloneSome(heads, n), nil
}

// Waiting lists at most n of one lane's deliveries with ids above after, oldest first.
func (s *Store) Waiting(ctx context.Context, lane bridge.LaneID, after bridge.DeliveryID, n int) ([]bridge.Delivery, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	var out []bridge.Delivery
	for _, id := range s.data.Lanes[lane].above(after, n) {
		out = append(out, cloneDelivery(*s.data.Deliveries[id]))
	}
	return out, nil
}

// Delivery is one that waits or is parked, or ErrNotFound.
func (s *Store) Delivery(ctx context.Context, id bridge.DeliveryID) (bridge.Delivery, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return bridge.Delivery{}, err
	}
	d := s.data.Deliveries[id]
	if d == nil {
		return bridge.Delivery{}, bridge.ErrNotFound
	}
	return cloneDelivery(*d), nil
}

// Deliveries lists at most n with ids above after that are in one of the states, oldest first.
func (s *Store) Deliveries(ctx context.Context, after bridge.DeliveryID, n int, states ...bridge.State) ([]bridge.Delivery, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	var out []bridge.Delivery
	for id, d := range s.data.Deliveries {
		if id > after && slices.Contains(states, d.State) {
			out = append(out, *d)
		}
	}
	slices.SortFunc(out, func(a, b bridge.Delivery) int { return cmp.Compare(a.ID, b.ID) })
	return cloneSome(out, n), nil
}

// cloneSome is the first n of ds.
func cloneSome(ds []bridge.Delivery, n int) []bridge.Delivery {
	ds = ds[:min(len(ds), max(n, 0))]
	for i, d := range ds {
		ds[i] = cloneDelivery(d)
	}
	return ds
}
