package bolt_test

import (
	"io"
	"testing"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/store/bolt"
	"github.com/hutong-im/hutong/store/storetest"
)

// TestStore runs the whole contract, each test on files of its own. They are not synced: what syncing
// is for, no test in a living process can see.
func TestStore(t *testing.T) {
	t.Parallel()
	storetest.RunKind(t, kind(bolt.Options{NoSync: true}))
}

// TestStoreThatMerges runs it again with an index that is merged at every opportunity.
func TestStoreThatMerges(t *testing.T) {
	t.Parallel()
	storetest.RunKind(t, kind(bolt.MergeAbove(bolt.Options{NoSync: true}, 1)))
}

func kind(o bolt.Options) storetest.Kind {
	return storetest.Kind{
		Durable: true,
		Open: func(t storetest.T, dir string) bridge.Store {
			s, err := bolt.Open(t.Context(), dir, o)
			if err != nil {
				t.Fatalf("open: %v", err)
			}
			return s
		},
		Restore: func(t storetest.T, r io.Reader, dir string) {
			if err := bolt.Restore(r, dir); err != nil {
				t.Fatalf("restore: %v", err)
			}
		},
	}
}
