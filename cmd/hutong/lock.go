package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lockEvery is how often a standby asks whether the folder is free. The kernel frees the lock of a
// process that died at once, so this is how long a takeover takes.
const lockEvery = 200 * time.Millisecond

// errHeld is a data folder that another process has.
var errHeld = errors.New("another process holds it")

// lockFolder takes the data folder for this process. It is the election among gateways of one machine:
// whoever has the lock may open the store. While another process has it, waiting is called once with
// who that is, and lockFolder waits; without waiting it returns errHeld.
func lockFolder(ctx context.Context, dir string, waiting func(holder string)) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator chooses the folder
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	for told := false; ; told = true {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			sign(f)
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock the data folder %s: %w", dir, err), f.Close())
		}
		holder := holderOf(f)
		if waiting == nil {
			return nil, errors.Join(fmt.Errorf("the data folder %s: %w (%s)", dir, errHeld, holder), f.Close())
		}
		if !told {
			waiting(holder)
		}
		select {
		case <-time.After(lockEvery):
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		}
	}
}

// sign writes who holds the lock, for those who wait. On a full disk they are not told.
func sign(f *os.File) {
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt(fmt.Appendf(nil, "process %d\n", os.Getpid()), 0)
	}
}

func holderOf(f *os.File) string {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 100))
	if who := strings.TrimSpace(string(text)); err == nil && who != "" {
		return who
	}
	return "it does not say which"
}
