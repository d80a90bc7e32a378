package mem

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hutong-im/hutong/bridge"
)

// The limits of a KV, as bridge.KV states them.
const (
	maxKey   = 1 << 10
	maxValue = 1 << 20
)

// KV is the key-value store of the scope. Scopes do not see each other.
func (s *Store) KV(scope string) bridge.KV { return &kv{store: s, scope: scope} }

type kv struct {
	store *Store
	scope string
}

// Get returns a copy of the value and its revision.
func (k *kv) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	s := k.store
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return nil, 0, err
	}
	e, ok := s.data.KV[k.scope][key]
	if !ok {
		return nil, 0, bridge.ErrNotFound
	}
	return bytes.Clone(e.Val), e.Rev, nil
}

// Put writes if the revision is the stored one. Revisions rise across all keys, so that one which was
// deleted and written again is never taken for what it was.
func (k *kv) Put(ctx context.Context, key string, val []byte, rev uint64) (uint64, error) {
	if len(key) > maxKey || len(val) > maxValue {
		return 0, fmt.Errorf("key of %d bytes, value of %d: %w", len(key), len(val), bridge.ErrTooLarge)
	}
	s := k.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	if rev != bridge.AnyRev && rev != s.data.KV[k.scope][key].Rev {
		return 0, fmt.Errorf("key: %w", bridge.ErrStale)
	}
	if s.data.KV[k.scope] == nil {
		s.data.KV[k.scope] = make(map[string]entry)
	}
	s.data.KVRev++
	s.data.KV[k.scope][key] = entry{Val: bytes.Clone(val), Rev: s.data.KVRev}
	return s.data.KVRev, nil
}

// Delete removes the key.
func (k *kv) Delete(ctx context.Context, key string) error {
	s := k.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	delete(s.data.KV[k.scope], key)
	return nil
}

// List returns keys in order.
func (k *kv) List(ctx context.Context, prefix, after string, n int) ([]string, error) {
	s := k.store
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	var keys []string
	for key := range s.data.KV[k.scope] {
		if strings.HasPrefix(key, prefix) && key > after {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys[:min(len(keys), max(n, 0))], nil
}
