package bolt

import (
	"bytes"
	"context"
	"fmt"

	bbolt "go.etcd.io/bbolt"

	"github.com/hutong-im/hutong/bridge"
)

// The limits of a KV, as bridge.KV states them.
const (
	maxKey   = 1 << 10
	maxValue = 1 << 20
)

// KV is the key-value store of the scope. Scopes do not see each other.
func (s *Store) KV(scope string) bridge.KV { return &kv{s, append([]byte{'s'}, scope...)} }

// kv keeps a scope's keys in a bucket, each with a letter before it, since the empty key is one too.
type kv struct {
	store *Store
	scope []byte
}

func kvKey(k string) []byte { return append([]byte{'k'}, k...) }

// Get returns a copy of the value and its revision.
func (k *kv) Get(ctx context.Context, name string) (val []byte, r uint64, err error) {
	err = k.store.read(ctx, func(tx *bbolt.Tx) error {
		b := top(tx, bucketKV).Bucket(k.scope)
		if b == nil || len(name) > maxKey {
			return bridge.ErrNotFound
		}
		v := b.Get(kvKey(name))
		if len(v) < 8 {
			return bridge.ErrNotFound
		}
		val, r = bytes.Clone(v[8:]), rev(v)
		return nil
	})
	return val, r, err
}

// Put writes if the revision is the stored one. Revisions rise across all keys, so that one which was
// deleted and written again is never taken for what it was.
func (k *kv) Put(ctx context.Context, name string, val []byte, want uint64) (uint64, error) {
	if len(name) > maxKey || len(val) > maxValue {
		return 0, fmt.Errorf("key of %d bytes, value of %d: %w", len(name), len(val), bridge.ErrTooLarge)
	}
	stored := append(make([]byte, 8, 8+len(val)), val...)
	var given uint64
	o := &op{bytes: len(stored) + 100, run: func(b *batch) error {
		scope := b.bucket(bucketKV).Bucket(k.scope)
		if want != bridge.AnyRev {
			var is uint64
			if scope != nil {
				is = rev(scope.Get(kvKey(name)))
			}
			if is != want {
				return fmt.Errorf("key: %w", bridge.ErrStale)
			}
		}
		var err error
		if scope == nil {
			if scope, err = b.bucket(bucketKV).CreateBucket(k.scope); err != nil {
				return spoil(err)
			}
		}
		if given, err = b.bucket(bucketKV).NextSequence(); err != nil {
			return spoil(err)
		}
		copy(stored, key(given))
		return spoil(scope.Put(kvKey(name), stored))
	}}
	if err := k.store.submit(ctx, o); err != nil {
		return 0, err
	}
	return given, nil
}

// Delete removes the key.
func (k *kv) Delete(ctx context.Context, name string) error {
	return k.store.submit(ctx, &op{shrinks: true, run: func(b *batch) error {
		if scope := b.bucket(bucketKV).Bucket(k.scope); scope != nil {
			return spoil(scope.Delete(kvKey(name)))
		}
		return nil
	}})
}

// List returns keys in order.
func (k *kv) List(ctx context.Context, prefix, after string, n int) ([]string, error) {
	var out []string
	for more := true; more && len(out) < n; {
		err := k.store.read(ctx, func(tx *bbolt.Tx) error {
			b := top(tx, bucketKV).Bucket(k.scope)
			more = false
			if b == nil {
				return nil
			}
			c, p := b.Cursor(), kvKey(prefix)
			x, _ := c.Seek(kvKey(max(prefix, after)))
			for i := 0; bytes.HasPrefix(x, p) && len(out) < n; i++ {
				if i == pageSize {
					more = true
					break
				}
				if name := string(x[1:]); name > after {
					out, after = append(out, name), name
				}
				x, _ = c.Next()
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
