package bolt

import (
	"context"

	"github.com/hutong-im/hutong/bridge"
)

// Commit makes the step durable.
func (s *Store) Commit(ctx context.Context, st bridge.Step) (bridge.Outcome, error) {
	if err := s.usable(ctx); err != nil {
		return bridge.Outcome{}, err
	}
	p, err := s.prepare(&st)
	if err != nil {
		return bridge.Outcome{}, err
	}
	o := &op{bytes: p.bytes, shrinks: p.shrinks()}
	first := p.out
	o.run = func(b *batch) error {
		p.out = first // a transaction may be tried again
		return b.step(p)
	}
	if st.Then != nil {
		o.then = func() {
			if !p.out.Duplicate {
				st.Then(p.out)
			}
		}
	}
	if err := s.submit(ctx, o); err != nil {
		return bridge.Outcome{}, err
	}
	return p.out, nil
}

// shrinks reports whether the step only takes things out of lanes.
func (p *prepared) shrinks() bool {
	st := p.step
	if st.Message != nil || st.Change != nil || len(p.outs)+len(p.contacts)+len(p.links)+len(p.rooms)+len(p.cards) > 0 {
		return false
	}
	for _, x := range st.Settle {
		if !x.State.Final() {
			return false
		}
	}
	return len(st.Settle) > 0
}
