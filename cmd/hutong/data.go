package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/config"
	"github.com/hutong-im/hutong/store/blob"
)

// data is the data folder, held by this process:
//
//	lock          held while the store is open
//	unclean       there while the store is open; left behind by a crash
//	control.sock  where commands reach the gateway
//	blobs/        files by content
//	…             the store's own
type data struct {
	dir   string
	store bridge.Store
	blobs *blob.Dir
	lock  *os.File
}

type dataOptions struct {
	log     *slog.Logger
	fail    func(name string)   // of crash tests
	waiting func(holder string) // wait as standby; nil does not wait
}

// openData takes the data folder and opens what is in it. A store that was not closed cleanly is
// looked through by another process first: a torn file can end the process that reads it.
func openData(ctx context.Context, c *config.Config, o dataOptions) (_ *data, err error) {
	d := &data{dir: c.Gateway.Data}
	if err := makeFolder(d.dir); err != nil {
		return nil, fmt.Errorf("make the data folder: %w (choose another one at gateway.data)", err)
	}
	if d.lock, err = lockFolder(ctx, d.dir, o.waiting); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.lock.Close())
		}
	}()
	if _, err := os.Stat(d.mark()); err == nil {
		o.log.Warn("the last process did not close the store; looking through it", "data", d.dir)
		if err := verifyInChild(ctx, string(c.Store.Kind), d.dir); err != nil {
			return nil, err
		}
	}
	if err := d.setMark(); err != nil {
		return nil, fmt.Errorf("write into the data folder: %w (may this user write there, and has the disk room?)", err)
	}
	if d.blobs, err = blob.Open(filepath.Join(d.dir, "blobs")); err != nil {
		return nil, err
	}
	if d.store, err = openStore(ctx, string(c.Store.Kind), d.dir, o); err != nil {
		return nil, errors.Join(err, d.blobs.Close())
	}
	return d, nil
}

func (d *data) mark() string { return filepath.Join(d.dir, "unclean") }

// setMark is durable: after the power went, the mark is what says that the store must be looked through.
func (d *data) setMark() error {
	if err := os.WriteFile(d.mark(), nil, 0o600); err != nil {
		return err
	}
	return syncFolder(d.dir)
}

// makeFolder makes a folder and those above it, so that they are still there when the power goes: the
// store cares for what is in its folder, not for the folder's own name.
func makeFolder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	above := filepath.Dir(dir)
	if above != dir {
		if err := makeFolder(above); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return syncFolder(above)
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	f, err := os.Open(dir) //nolint:gosec // the operator chooses the folder
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// close closes the store cleanly and gives the folder back.
func (d *data) close() error {
	err := errors.Join(d.store.Close(), d.blobs.Close())
	if err == nil {
		err = removed(d.mark())
	}
	if err = errors.Join(err, d.lock.Close()); err != nil {
		return fmt.Errorf("close the data: %w", err)
	}
	return nil
}
