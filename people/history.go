package people

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/hutong-im/hutong/bridge"
)

// page is how much is read from the store at a time.
const page = 200

// said is what was said in a link up to now, oldest first. The store lists newest first, so the first
// pass only notes where each page begins; memory is bounded by one page and a number for each other.
func (p *People) said(ctx context.Context, l bridge.LinkID) iter.Seq2[bridge.Record, error] {
	return func(yield func(bridge.Record, error) bool) {
		starts, err := p.pages(ctx, l)
		if err != nil {
			yield(bridge.Record{}, err)
			return
		}
		for _, before := range slices.Backward(starts) {
			list, err := p.history(ctx, l, before)
			if err != nil {
				yield(bridge.Record{}, err)
				return
			}
			for _, r := range slices.Backward(list) {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// pages are the ids before which each page of a history ends, newest first.
func (p *People) pages(ctx context.Context, l bridge.LinkID) ([]bridge.MessageID, error) {
	newest, err := p.store.History(ctx, l, 0, 1)
	if err != nil || len(newest) == 0 {
		return nil, err
	}
	starts := []bridge.MessageID{newest[0].ID + 1}
	for {
		list, err := p.history(ctx, l, starts[len(starts)-1])
		if err != nil {
			return nil, err
		}
		if len(list) < page {
			return starts, nil
		}
		starts = append(starts, list[len(list)-1].ID)
	}
}

func (p *People) history(ctx context.Context, l bridge.LinkID, before bridge.MessageID) ([]bridge.Record, error) {
	list, err := p.store.History(ctx, l, before, page)
	if err != nil {
		return nil, fmt.Errorf("history of link %s: %w", l, err)
	}
	return list, nil
}
