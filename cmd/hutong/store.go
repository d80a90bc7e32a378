package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/store/bolt"
	"github.com/hutong-im/hutong/store/mem"
)

// storeMem is the kind of store that forgets; every other kind that a config may name is bolt.
const storeMem = "mem"

// openStore opens the kind of store that the config names, in its folder, which this process holds.
func openStore(ctx context.Context, kind, dir string, o dataOptions) (bridge.Store, error) {
	if kind == storeMem {
		return mem.New(), nil
	}
	return bolt.Open(ctx, dir, bolt.Options{Failpoint: o.fail})
}

// verifyStore reads all of a store. A torn file may end the process.
func verifyStore(kind, dir string) error {
	path := filepath.Join(dir, bolt.File)
	if _, err := os.Stat(path); kind == storeMem || errors.Is(err, os.ErrNotExist) {
		return nil // ended before there was anything
	}
	return bolt.Verify(path)
}

// restoreStore makes a store in an empty folder from what its Backup wrote.
func restoreStore(kind, dir string, r io.Reader) error {
	if kind == storeMem {
		return errors.New("a store of kind mem keeps nothing; say store: { kind: bolt }")
	}
	return bolt.Restore(r, dir)
}
