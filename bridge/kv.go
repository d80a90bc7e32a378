package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
)

// Load reads the value that Keep stored under the key into v; false: there is none.
func Load(ctx context.Context, kv KV, key string, v any) (bool, error) {
	b, _, err := kv.Get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		return false, fmt.Errorf("read the state %s: %w", topic(key), err)
	}
	return true, nil
}

// Keep stores v, as JSON, under the key, whatever is there.
func Keep(ctx context.Context, kv KV, key string, v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		_, err = kv.Put(ctx, key, b, AnyRev)
	}
	if err != nil {
		return fmt.Errorf("keep the state %s: %w", topic(key), err)
	}
	return nil
}

// keysPage is how many keys are listed at once.
const keysPage = 500

// Keys lists the keys that begin with prefix, in order; those that have been seen may be deleted meanwhile. An error ends it.
func Keys(ctx context.Context, kv KV, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for after := ""; ; {
			keys, err := kv.List(ctx, prefix, after, keysPage)
			if err != nil {
				yield("", fmt.Errorf("list the state %s: %w", topic(prefix), err))
				return
			}
			for _, after = range keys {
				if !yield(after, nil) {
					return
				}
			}
			if len(keys) < keysPage {
				return
			}
		}
	}
}

// topic is what a key is about, without whom: errors are logged.
func topic(key string) string {
	t, _, _ := strings.Cut(key, "/")
	return t
}
