package main

import (
	"context"
	"sync"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// probeEvery bounds how often the question whether the store can write costs a write: load balancers
// ask every second or so, disks fill more slowly.
const probeEvery = 5 * time.Second

// probeWait is how long a store may take to write before it counts as broken.
const probeWait = 3 * time.Second

// storeProbe knows whether the store can write.
type storeProbe struct {
	mu    sync.Mutex
	asked time.Time
	err   error
}

func (p *storeProbe) check(ctx context.Context, s bridge.Store, now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.asked.IsZero() && now.Sub(p.asked) < probeEvery {
		return p.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeWait)
	defer cancel()
	_, p.err = s.KV("gateway").Put(ctx, "probe", []byte(now.UTC().Format(time.RFC3339)), bridge.AnyRev)
	p.asked = now
	return p.err
}
