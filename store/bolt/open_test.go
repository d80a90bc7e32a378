package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	bbolt "go.etcd.io/bbolt"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/store/bolt"
)

func open(t *testing.T, dir string) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(t.Context(), dir, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(path string) error
		want error
	}{
		{"text", func(p string) error { return os.WriteFile(p, []byte("hello"), 0o600) }, bolt.ErrNotStore},
		{"another database", func(p string) error {
			return os.WriteFile(p, append([]byte("SQLite format 3\x00"), make([]byte, 1<<16)...), 0o600)
		}, bolt.ErrNotStore},
		{"a bbolt file of somebody else", func(p string) error { return update(p, "theirs", 0) }, bolt.ErrNotStore},
		{"a newer version", func(p string) error { return update(p, "meta", 99) }, bolt.ErrNewer},
		{"a folder", func(p string) error { return os.Mkdir(p, 0o700) }, syscall.EISDIR},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, bolt.File)
			if err := c.make(path); err != nil {
				t.Fatal(err)
			}
			if _, err := bolt.Open(t.Context(), dir, bolt.Options{}); !errors.Is(err, c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("open: %v, want %v", err, c.want)
			}
			if err := bolt.Verify(path); !errors.Is(err, c.want) {
				t.Errorf("verify: %v, want %v", err, c.want)
			}
		})
	}
}

// update makes a bbolt file with a bucket that holds a format version.
func update(path, bucket string, format byte) error {
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte(bucket))
		if err != nil {
			return err
		}
		return b.Put([]byte("format"), []byte{0, 0, 0, 0, 0, 0, 0, format})
	})
	return errors.Join(err, db.Close())
}

func TestVerify(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for i := range 50 {
		if err := whole(t.Context(), s, int64(i), fmt.Sprint(i), fmt.Sprint(i), "x"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, bolt.File)
	if err := bolt.Verify(path); err != nil {
		t.Errorf("a whole file: %v", err)
	}
	if err := bolt.Verify(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestSecondOpener(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir)
	if _, err := bolt.Open(t.Context(), dir, bolt.Options{}); !errors.Is(err, bolt.ErrLocked) {
		t.Errorf("a second opener: %v", err)
	}
	if err := bolt.Restore(strings.NewReader(""), dir); !errors.Is(err, bolt.ErrLocked) {
		t.Errorf("restore over an open store: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := bolt.Open(ctx, dir, bolt.Options{Wait: true, OnWait: cancel})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a standby that is stopped: %v", err)
	}
	waits, opened := make(chan struct{}), make(chan error, 1)
	go func() {
		s, err := bolt.Open(t.Context(), dir, bolt.Options{Wait: true, OnWait: func() { close(waits) }})
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	<-waits
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Errorf("the standby: %v", err)
	}
}

func TestRestoreRefuses(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	var b bytes.Buffer
	if err := s.Backup(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := bolt.Restore(&b, dir); !errors.Is(err, bolt.ErrExists) {
		t.Errorf("restore over a store: %v", err)
	}
	fresh := t.TempDir()
	for _, garbage := range []string{"", "not a backup", string(b.Bytes()[:min(b.Len(), 100)])} {
		if err := bolt.Restore(strings.NewReader(garbage), fresh); err == nil {
			t.Errorf("restored %q", garbage)
		}
	}
	left, err := os.ReadDir(fresh)
	if err != nil || len(left) != 1 || left[0].Name() != "hutong.lock" {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestLeftoversAreRemoved(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"backup-1.tmp", "restore-2.tmp"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open(t, dir)
	if left, err := filepath.Glob(filepath.Join(dir, "*.tmp")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestFullDisk fills a disk of 24 MiB and looks what still works, and that the rest does when there is
// room again.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("mount a small disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	s := open(t, dir)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("x", 8<<10)
	var accepted []bridge.Outcome
	accept := func() (bridge.Outcome, error) {
		n := len(accepted)
		return s.Commit(t.Context(), bridge.Step{
			At: time.Now(), Seen: fmt.Sprint(n), Message: &bridge.Message{Link: 1, Src: bridge.MsgID(fmt.Sprint(n)), Text: text},
			Deliveries: []bridge.Delivery{{Lane: 1, Kind: bridge.KindSay, Link: 1}},
		})
	}
	for {
		out, err := accept()
		if errors.Is(err, bridge.ErrFull) {
			break
		}
		if err != nil || len(accepted) > 10_000 {
			t.Fatalf("after %d: %v", len(accepted), err)
		}
		accepted = append(accepted, out)
	}
	t.Logf("%d messages of 8 KiB fit", len(accepted))
	for i, out := range accepted {
		if r, err := s.Message(t.Context(), out.Message); err != nil || r.Text != text {
			t.Fatalf("message %d cannot be read: %v", i, err)
		}
		if i >= 20 {
			continue
		}
		x := bridge.Settlement{Lane: 1, Delivery: out.Deliveries[0].ID, State: bridge.StateSent}
		if _, err := s.Commit(t.Context(), bridge.Step{At: time.Now(), Settle: []bridge.Settlement{x}}); err != nil {
			t.Errorf("settle on a full disk: %v", err)
		}
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(10 * time.Second); ; {
		out, err := accept()
		if err == nil && !out.Duplicate {
			break
		}
		if !errors.Is(err, bridge.ErrFull) || time.Now().After(limit) {
			t.Fatalf("with room again: %+v, %v", out, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := bolt.Verify(filepath.Join(dir, bolt.File)); err != nil {
		t.Error(err)
	}
	s = open(t, dir)
	ds, err := s.Waiting(t.Context(), 1, 0, 1<<20)
	if err != nil || len(ds) != len(accepted)-20+1 {
		t.Errorf("%d wait, %v; want %d", len(ds), err, len(accepted)-20+1)
	}
}
