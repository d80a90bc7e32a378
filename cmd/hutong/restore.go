package main

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hutong-im/hutong/internal/config"
	"github.com/hutong-im/hutong/store/blob"
)

func (a *app) restoreCommand() *cobra.Command {
	return &cobra.Command{
		Use: "restore FILE", Short: "bring a backup back into an empty data folder", Args: exactly("FILE"),
		Long: `Bring a backup back. The data folder (gateway.data) must be empty or not be there: move an
old one away first. Messages that were accepted after the backup are not in it; networks that can be
asked again (history, cursors) bring theirs once more, and what was delivered already is not sent twice
within the time that the gateway remembers it.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Load(a.config, a.kinds)
			if err != nil {
				return err
			}
			return a.restore(cmd.Context(), c, args[0])
		},
	}
}

func (a *app) restore(ctx context.Context, c *config.Config, name string) (err error) {
	f, err := os.Open(name) //nolint:gosec // whoever types the command chooses the file
	if err != nil {
		return fmt.Errorf("read the backup: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read the backup: %w", err)
	}
	dir := c.Gateway.Data
	if err := makeFolder(dir); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	lock, err := lockFolder(ctx, dir, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := mustBeEmpty(dir); err != nil {
		return err
	}
	bar := a.bar("restoring", info.Size())
	n, err := restoreInto(ctx, c, dir, tar.NewReader(io.TeeReader(f, bar)))
	if err = errors.Join(err, bar.Finish()); err != nil {
		return errors.Join(fmt.Errorf("restore %s: %w", name, err), clear(dir))
	}
	_, err = fmt.Fprintf(a.out, "restored into %s, with %d files\n", dir, n)
	return err
}

// mustBeEmpty refuses a folder that has anything but the lock.
func mustBeEmpty(dir string) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look into the data folder: %w", err)
	}
	if slices.ContainsFunc(list, func(e os.DirEntry) bool { return e.Name() != "lock" }) {
		return fmt.Errorf("%s is not empty; nothing was changed (move it away, so that it can be brought back)", dir)
	}
	return nil
}

// clear removes what a restore that failed has written into the folder, which was empty before.
func clear(dir string) error {
	list, err := os.ReadDir(dir)
	for _, e := range list {
		if e.Name() != "lock" {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// restoreInto writes the entries of a backup where they belong and counts the files.
func restoreInto(ctx context.Context, c *config.Config, dir string, in *tar.Reader) (files int, err error) {
	if err := readHead(in, string(c.Store.Kind)); err != nil {
		return 0, err
	}
	if h, err := in.Next(); err != nil || h.Name != backupStore {
		return 0, fmt.Errorf("no store in it; is it whole? (%w)", orEOF(err))
	}
	if err := restoreStore(string(c.Store.Kind), dir, in); err != nil {
		return 0, err
	}
	if err := verifyInChild(ctx, string(c.Store.Kind), dir); err != nil {
		return 0, err
	}
	blobs, err := blob.Open(filepath.Join(dir, "blobs"))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, blobs.Close()) }()
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return files, fmt.Errorf("it is not whole: %w", err)
		}
		want, ok := strings.CutPrefix(h.Name, backupBlobs)
		if !ok {
			return files, fmt.Errorf("it has something that does not belong there: %q", h.Name)
		}
		got, _, err := blobs.Put(in, math.MaxInt64-1)
		if err != nil {
			return files, err
		}
		if got != want {
			return files, fmt.Errorf("the file %s is not what was written; the backup is damaged", path.Base(want))
		}
		files++
	}
}

func readHead(in *tar.Reader, kind string) error {
	h, err := in.Next()
	if err != nil || h.Name != backupHead {
		return fmt.Errorf("not a backup of hutong (%w)", orEOF(err))
	}
	var info backupInfo
	if err := json.NewDecoder(io.LimitReader(in, maxCommand)).Decode(&info); err != nil {
		return fmt.Errorf("not a backup of hutong: %w", err)
	}
	if info.Format > backupFormat {
		return fmt.Errorf("made by a newer version (%s); use that version to restore it", info.Version)
	}
	if info.Store != kind {
		return fmt.Errorf("it holds a store of kind %s, but store.kind is %s", info.Store, kind)
	}
	return nil
}

// orEOF is why an entry is not what it should be, when reading it was no error.
func orEOF(err error) error {
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}
