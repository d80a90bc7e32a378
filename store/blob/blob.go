// Package blob keeps files by content in a directory: a file's name is the SHA-256 of what is in it,
// so the same file is kept once however often it comes, and a name from outside is never a path.
package blob

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// tmp begins the names of files that are being written. What is left of them at Open was being
// written when the process died, and nobody was told that it is there.
const tmp = "tmp-"

// Dir is a directory of blobs. Its methods may be called concurrently, by several processes too.
type Dir struct{ root *os.Root }

var _ bridge.Blobs = (*Dir)(nil)

// Open opens the directory, makes it if need be, and removes what a crash left half written.
func Open(dir string) (*Dir, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder for files: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open folder for files: %w", err)
	}
	left, err := fs.Glob(root.FS(), tmp+"*")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("look for half-written files: %w", err), root.Close())
	}
	for _, name := range left {
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(fmt.Errorf("remove a half-written file: %w", err), root.Close())
		}
	}
	return &Dir{root: root}, nil
}

// Close gives the directory back. Readers that are open stay so.
func (d *Dir) Close() error { return d.root.Close() }

// Put stores what r holds. It is synced, and so is its name, when Put returns nil.
func (d *Dir) Put(r io.Reader, limit int64) (blob string, size int64, err error) {
	name := tmp + rand.Text()
	f, err := d.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", 0, fmt.Errorf("store file: %w", full(err))
	}
	defer func() {
		if err != nil {
			_ = d.root.Remove(name) // the first error is the one to tell
		}
	}()
	hash := sha256.New()
	// One byte more than the limit tells a file that fits from one that does not.
	size, err = io.Copy(io.MultiWriter(f, hash), io.LimitReader(r, limit+1))
	if err == nil && size > limit {
		err = fmt.Errorf("more than %d bytes: %w", limit, bridge.ErrTooLarge)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", 0, fmt.Errorf("store file: %w", full(err))
	}
	blob = hex.EncodeToString(hash.Sum(nil))
	if err = d.publish(name, blob); err != nil {
		return "", 0, fmt.Errorf("store file: %w", full(err))
	}
	return blob, size, nil
}

// publish gives a written file its name. Of two that come at once the second replaces the first by
// the same content. The folders are synced even when the name was there, since whoever wrote it
// first may have died before it was durable.
func (d *Dir) publish(name, blob string) error {
	dir := blob[:2]
	if err := d.root.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := d.root.Rename(name, path(blob)); err != nil {
		return err
	}
	return errors.Join(d.sync(dir), d.sync("."))
}

// sync makes the names in a folder durable.
func (d *Dir) sync(dir string) error {
	f, err := d.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Open reads a blob. Whatever is not the name of one is not found.
func (d *Dir) Open(blob string) (io.ReadCloser, error) {
	if !Valid(blob) {
		return nil, fmt.Errorf("file: %w", bridge.ErrNotFound)
	}
	f, err := d.root.Open(path(blob))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("file %s: %w", blob, bridge.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("open file: %w", err)
	}
	return f, nil
}

// Remove forgets a blob.
func (d *Dir) Remove(blob string) error {
	if !Valid(blob) {
		return nil
	}
	if err := d.root.Remove(path(blob)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove file: %w", err)
	}
	return nil
}

// Valid reports whether the name can be that of a blob: a SHA-256 in small hex digits.
func Valid(blob string) bool {
	return len(blob) == 2*sha256.Size && strings.Trim(blob, "0123456789abcdef") == ""
}

// path is where a blob lies: 256 folders keep each of them small.
func path(blob string) string { return filepath.Join(blob[:2], blob) }

// full turns a disk or a quota without room into ErrFull.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: free some space on the disk: %w", bridge.ErrFull, err)
	}
	return err
}

// Sweep removes old blobs that nobody needs, some at a time. One that is put again meanwhile is young, and stays.
func (d *Dir) Sweep(before time.Time, unused func(blobs []string) ([]string, error)) (int, error) {
	removed := 0
	for i := range 256 {
		old, err := d.old(fmt.Sprintf("%02x", i), before)
		if err != nil {
			return removed, err
		}
		for batch := range slices.Chunk(old, sweepBatch) {
			gone, err := unused(batch)
			if err != nil {
				return removed, fmt.Errorf("look which files are needed: %w", err)
			}
			for _, b := range gone {
				if !d.isOld(b, before) {
					continue
				}
				if err := d.Remove(b); err != nil {
					return removed, err
				}
				removed++
			}
		}
	}
	return removed, nil
}

// sweepBatch is how many blobs are asked about at once.
const sweepBatch = 256

// old lists the blobs of one folder that were last put before the moment.
func (d *Dir) old(dir string, before time.Time) ([]string, error) {
	list, err := fs.ReadDir(d.root.FS(), dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	var out []string
	for _, e := range list {
		if Valid(e.Name()) && d.isOld(e.Name(), before) {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

func (d *Dir) isOld(blob string, before time.Time) bool {
	info, err := d.root.Stat(path(blob))
	return err == nil && info.ModTime().Before(before)
}
