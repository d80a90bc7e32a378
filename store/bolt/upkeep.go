package bolt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	bbolt "go.etcd.io/bbolt"

	"github.com/hutong-im/hutong/bridge"
)

// Stats are the store's figures.
func (s *Store) Stats(ctx context.Context) (bridge.Stats, error) {
	s.figures.Lock()
	st := bridge.Stats{Waiting: s.counts.waiting, Parked: s.counts.parked, Commits: s.commits}
	s.figures.Unlock()
	if st.Waiting > 0 {
		ds, err := s.Deliveries(ctx, 0, 1, bridge.StatePending, bridge.StateHeld)
		if err != nil {
			return bridge.Stats{}, err
		}
		for _, d := range ds {
			st.Oldest = d.At
		}
	}
	err := s.read(ctx, func(tx *bbolt.Tx) error {
		st.Size = tx.Size()
		return nil
	})
	if err != nil {
		return bridge.Stats{}, err
	}
	free := s.db.Stats()
	st.Free = min(int64(free.FreePageN+free.PendingPageN)*int64(s.db.Info().PageSize), st.Size)
	return st, nil
}

// Backup writes the file as of one moment. It is copied to the store's own disk first: a transaction
// that were open for as long as w takes would make the file grow.
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	f, err := os.CreateTemp(filepath.Dir(s.path), "backup-*.tmp")
	if err != nil {
		return explain("a copy for the backup", err)
	}
	defer os.Remove(f.Name()) //nolint:errcheck // a leftover harms nothing
	defer f.Close()           //nolint:errcheck // written and read, of no use after
	s.fail("backup")
	err = s.read(ctx, func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(f)
		return err
	})
	if err != nil {
		return fmt.Errorf("backup: copy the file: %w", full(err))
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if _, err := io.Copy(w, reader{ctx, f}); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// reader ends with its context.
type reader struct {
	ctx context.Context //nolint:containedctx // lives for one copy
	r   io.Reader
}

func (r reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}

// full turns a disk without room into ErrFull.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w on the disk: make some: %w", bridge.ErrFull, err)
	}
	return err
}

// Restore makes a store in dir of what Backup wrote. It never overwrites one that is there (ErrExists),
// and what is not a backup leaves nothing behind.
func Restore(r io.Reader, dir string) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	lock, err := lockDir(context.Background(), dir, Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	path := filepath.Join(dir, File)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s %w", path, ErrExists)
	}
	f, err := os.CreateTemp(dir, "restore-*.tmp")
	if err != nil {
		return explain(path, err)
	}
	defer os.Remove(f.Name()) //nolint:errcheck // renamed by then, if all went well
	_, err = io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		_, err = readHeader(f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("restore: %w", full(err))
	}
	if err := whole(f.Name()); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return syncDir(dir)
}

// whole reports whether the file opens and is a store; Verify reads all of it.
func whole(path string) error {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return explain(path, err)
	}
	return errors.Join(db.View(checkFormat), db.Close())
}
