package main

import (
	"context"
	"time"
)

// Upkeep comes soon after the start, when the first messages are through, and then every hour.
const (
	firstUpkeep = time.Minute
	upkeepEvery = time.Hour
)

// upkeep forgets what is older than the company wants to keep.
func (g *gateway) upkeep(ctx context.Context) error {
	for wait := firstUpkeep; ; wait = upkeepEvery {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		g.forget(ctx)
	}
}

// forget does one round. What fails is told and tried again in the next.
func (g *gateway) forget(ctx context.Context) {
	now, history := g.now(), time.Time{}
	if keep := time.Duration(g.conf.Load().History.Keep); keep > 0 {
		history = now.Add(-keep)
	}
	blobs, err := g.store.Expire(ctx, now, history)
	if err != nil {
		if ctx.Err() == nil {
			g.log.Error("old messages were not forgotten; the next try is in an hour", "err", err)
		}
		return
	}
	if err := g.people.Discard(blobs); err != nil {
		g.log.Error("old files were not removed", "err", err)
	}
	swept, err := g.people.Sweep(ctx)
	if err != nil && ctx.Err() == nil {
		g.log.Error("files that were never sent were not removed", "err", err)
	}
	g.log.Debug("upkeep done", "files", len(blobs)+swept)
}
