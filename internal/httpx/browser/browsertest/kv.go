// Package browsertest is a gateway small enough to hold in the hand: a desk and a web chat can be tried
// against it, alone or with each other, without a store. It is strict: what an adapter must not ask or
// tell is an error that the test sees.
package browsertest

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/hutong-im/hutong/bridge"
)

// KV is a bridge.KV in memory.
type KV struct {
	mu   sync.Mutex
	vals map[string]entry
	// Fail, if set, is what every call answers.
	Fail error
}

type entry struct {
	val []byte
	rev uint64
}

var _ bridge.KV = (*KV)(nil)

// Get reads.
func (k *KV) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.broken(ctx); err != nil {
		return nil, 0, err
	}
	e, ok := k.vals[key]
	if !ok {
		return nil, 0, bridge.ErrNotFound
	}
	return slices.Clone(e.val), e.rev, nil
}

// Put writes.
func (k *KV) Put(ctx context.Context, key string, val []byte, rev uint64) (uint64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.broken(ctx); err != nil {
		return 0, err
	}
	old := k.vals[key]
	if rev != bridge.AnyRev && rev != old.rev {
		return 0, bridge.ErrStale
	}
	if k.vals == nil {
		k.vals = map[string]entry{}
	}
	k.vals[key] = entry{slices.Clone(val), old.rev + 1}
	return old.rev + 1, nil
}

// Delete removes.
func (k *KV) Delete(ctx context.Context, key string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.vals, key)
	return k.broken(ctx)
}

// List lists.
func (k *KV) List(ctx context.Context, prefix, after string, n int) ([]string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []string
	for key := range k.vals {
		if strings.HasPrefix(key, prefix) && key > after {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out[:min(n, len(out))], k.broken(ctx)
}

func (k *KV) broken(ctx context.Context) error {
	if k.Fail != nil {
		return k.Fail
	}
	return ctx.Err()
}

// Contains reports whether any value or key holds the text: a secret must not.
func (k *KV) Contains(text string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for key, e := range k.vals {
		if strings.Contains(key, text) || strings.Contains(string(e.val), text) {
			return true
		}
	}
	return false
}
