package mem_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/store/mem"
	"github.com/hutong-im/hutong/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) bridge.Store { return mem.New() })
}

// TestBackup runs the tests of backups, with a directory that holds nothing but a backup.
func TestBackup(t *testing.T) {
	storetest.RunKind(t, storetest.Kind{
		Open: func(t storetest.T, dir string) bridge.Store {
			f, err := os.Open(filepath.Join(dir, "backup"))
			if err != nil {
				return mem.New()
			}
			defer f.Close()
			s, err := mem.Restore(f)
			if err != nil {
				t.Fatalf("restore: %v", err)
			}
			return s
		},
		Restore: func(t storetest.T, r io.Reader, dir string) {
			b, err := io.ReadAll(r)
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, "backup"), b, 0o600)
			}
			if err != nil {
				t.Fatalf("keep the backup: %v", err)
			}
		},
	})
}

func TestRestoreRefusesGarbage(t *testing.T) {
	if _, err := mem.Restore(bytes.NewReader([]byte("not a backup"))); err == nil {
		t.Error("garbage was restored")
	}
}
