package blob_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/store/blob"
)

func open(t *testing.T, dir string) *blob.Dir {
	t.Helper()
	d, err := blob.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func read(t *testing.T, d *blob.Dir, name string) string {
	t.Helper()
	r, err := d.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// files are the regular files below dir.
func files(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			out = append(out, filepath.Base(p))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPut(t *testing.T) {
	const limit = 1000
	broken := errors.New("connection reset")
	for _, c := range []struct {
		name string
		r    io.Reader
		size int64
		want error
	}{
		{"empty", strings.NewReader(""), 0, nil},
		{"small", strings.NewReader("你好"), 6, nil},
		{"as large as allowed", strings.NewReader(strings.Repeat("x", limit)), limit, nil},
		{"too large", strings.NewReader(strings.Repeat("x", limit+1)), 0, bridge.ErrTooLarge},
		{"broken", io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken)), 0, broken},
		{"a byte at a time", iotest.OneByteReader(strings.NewReader("slow")), 4, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			d := open(t, dir)
			var copied bytes.Buffer
			name, size, err := d.Put(io.TeeReader(c.r, &copied), limit)
			if !errors.Is(err, c.want) || size != c.size {
				t.Fatalf("%d bytes, %v; want %d, %v", size, err, c.size, c.want)
			}
			if err != nil {
				if left := files(t, dir); len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
				return
			}
			sum := sha256.Sum256(copied.Bytes())
			if name != hex.EncodeToString(sum[:]) {
				t.Errorf("named %s", name)
			}
			if got := read(t, open(t, dir), name); got != copied.String() {
				t.Errorf("read %q", got)
			}
		})
	}
}

func TestConcurrentPutsOfOneContent(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	want := strings.Repeat("same", 10_000)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			name, _, err := d.Put(strings.NewReader(want), 1<<20)
			if err != nil {
				t.Error(err)
				return
			}
			r, err := d.Open(name)
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			if b, err := io.ReadAll(r); err != nil || string(b) != want {
				t.Errorf("read %d bytes, %v", len(b), err)
			}
		})
	}
	wg.Wait()
	if n := len(files(t, dir)); n != 1 {
		t.Errorf("%d files, want 1", n)
	}
}

func TestRemove(t *testing.T) {
	d := open(t, t.TempDir())
	name, _, err := d.Put(strings.NewReader("x"), 10)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.Remove(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := d.Open(name); !errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("open a removed one: %v", err)
	}
}

func TestLeftoversOfACrashAreRemoved(t *testing.T) {
	dir := t.TempDir()
	name, _, err := open(t, dir).Put(strings.NewReader("whole"), 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tmp-HALF"), []byte("ha"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := open(t, dir)
	if got := files(t, dir); len(got) != 1 || got[0] != name {
		t.Errorf("there are %v", got)
	}
	if got := read(t, d, name); got != "whole" {
		t.Errorf("read %q", got)
	}
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"", "..", "../../etc/passwd", "tmp-X", strings.Repeat("a", 64), strings.Repeat("A", 64), strings.Repeat("/", 64), "ab/" + strings.Repeat("c", 61)} {
		f.Add(s)
	}
	dir := f.TempDir()
	outside := filepath.Join(dir, "secret")
	if err := os.WriteFile(outside, []byte("s"), 0o600); err != nil {
		f.Fatal(err)
	}
	d, err := blob.Open(filepath.Join(dir, "blobs"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if _, err := d.Open(name); !errors.Is(err, bridge.ErrNotFound) {
			t.Errorf("open %q: %v", name, err)
		}
		if err := d.Remove(name); err != nil {
			t.Errorf("remove %q: %v", name, err)
		}
		if _, err := os.Stat(outside); err != nil {
			t.Fatal(err)
		}
	})
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	d, err := blob.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	put := func(s string) string {
		b, _, err := d.Put(strings.NewReader(s), 100)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	needed, orphan, young, again := put("needed"), put("orphan"), put("young"), put("again")
	yesterday := time.Now().Add(-48 * time.Hour)
	for _, b := range []string{needed, orphan, again} {
		if err := os.Chtimes(filepath.Join(dir, b[:2], b), yesterday, yesterday); err != nil {
			t.Fatal(err)
		}
	}
	put("again") // somebody uploads the same file once more
	n, err := d.Sweep(time.Now().Add(-24*time.Hour), func(blobs []string) ([]string, error) {
		return slices.DeleteFunc(slices.Clone(blobs), func(b string) bool { return b == needed }), nil
	})
	if n != 1 || err != nil {
		t.Errorf("Sweep = %d, %v, want the orphan alone", n, err)
	}
	for b, there := range map[string]bool{needed: true, orphan: false, young: true, again: true} {
		r, err := d.Open(b)
		if (err == nil) != there {
			t.Errorf("Open(%s) = %v, want there: %v", b, err, there)
		}
		if err == nil {
			_ = r.Close()
		}
	}
	if _, err := d.Sweep(time.Now().Add(time.Hour), func([]string) ([]string, error) { return nil, bridge.ErrClosed }); !errors.Is(err, bridge.ErrClosed) {
		t.Errorf("a store that does not answer: %v", err)
	}
}
