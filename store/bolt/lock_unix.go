//go:build unix

package bolt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockFile is locked for as long as a process has the store open. The lock goes with the process,
// however it ends.
const lockFile = "hutong.lock"

// retryLock is how often a standby looks whether it may take over.
const retryLock = 200 * time.Millisecond

// lockDir takes the lock, or waits for it if the options say so.
func lockDir(ctx context.Context, dir string, o Options) (io.Closer, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the administrator chose the folder
	if err != nil {
		return nil, explain(filepath.Join(dir, lockFile), err)
	}
	tick := time.NewTicker(retryLock)
	defer tick.Stop()
	for told := false; ; {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", f.Name(), err), f.Close())
		}
		if !o.Wait {
			return nil, errors.Join(fmt.Errorf("%s: %w", dir, ErrLocked), f.Close())
		}
		if !told && o.OnWait != nil {
			o.OnWait()
		}
		told = true
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		}
	}
}
