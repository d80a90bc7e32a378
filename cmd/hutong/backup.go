package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// The entries of a backup, in their order. The store comes before the files: a file that is added
// meanwhile is only too much, and a message never lacks its file.
const (
	backupHead  = "hutong-backup.json"
	backupStore = "store"
	backupBlobs = "blobs/"
)

// backupInfo is the first entry of a backup.
type backupInfo struct {
	Format  int       `json:"format"`
	Version string    `json:"version"`
	Store   string    `json:"store"` // its kind
	At      time.Time `json:"at"`
}

// backupFormat is raised when older programs could not restore what newer ones write.
const backupFormat = 1

func (a *app) backupCommand() *cobra.Command {
	return &cobra.Command{
		Use: "backup FILE", Short: "write all data into one file, while everything goes on", Args: exactly("FILE"),
		Long: `Write the store and all files of customers into one tar file. The gateway may run
meanwhile. The config and its secrets are not in it; keep them apart.`,
		Example: "  hutong backup hutong-$(date +%F).tar",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(gw *client) error { return a.backup(cmd, gw, args[0]) })
		},
	}
}

func (a *app) backup(cmd *cobra.Command, gw *client, name string) (err error) {
	if _, err := os.Lstat(name); err == nil {
		return usage("%s is there already; name a new file", name)
	}
	part, err := os.OpenFile(name+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // whoever types the command chooses the file
	if err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	defer func() { err = errors.Join(err, removed(part.Name())) }()
	bar := a.bar("backing up", 0)
	err = gw.stream(cmd.Context(), http.MethodPost, "/backup", io.MultiWriter(part, bar))
	if err == nil {
		err = part.Sync()
	}
	if err = errors.Join(err, part.Close(), bar.Finish()); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	if err := os.Rename(part.Name(), name); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	info, err := os.Stat(name)
	if err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	_, err = fmt.Fprintf(a.out, "%s: %d bytes\n", name, info.Size())
	return err
}

// backup streams a tar file. The store's copy goes to the local disk first: reading it at the speed of
// whoever listens would keep old pages alive and the store growing.
func (c control) backup(w http.ResponseWriter, r *http.Request) error {
	snapshot, err := os.CreateTemp(c.data.dir, "backup-*.tmp")
	if err != nil {
		return fmt.Errorf("copy the store: %w", err)
	}
	defer func() { _ = errors.Join(snapshot.Close(), os.Remove(snapshot.Name())) }()
	if err := c.store.Backup(r.Context(), snapshot); err != nil {
		return fmt.Errorf("copy the store: %w", err)
	}
	out := tar.NewWriter(begin(w))
	head, err := json.Marshal(backupInfo{backupFormat, readBuild().Version, string(c.conf.Load().Store.Kind), c.now()})
	if err != nil {
		return err
	}
	if err := pack(out, backupHead, int64(len(head)), strings.NewReader(string(head))); err != nil {
		return err
	}
	size, err := snapshot.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = snapshot.Seek(0, io.SeekStart)
	}
	if err == nil {
		err = pack(out, backupStore, size, snapshot)
	}
	if err == nil {
		err = packBlobs(out, filepath.Join(c.data.dir, "blobs"))
	}
	if err != nil {
		return err
	}
	return out.Close()
}

func packBlobs(out *tar.Writer, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("copy files: %w", err)
	}
	defer func() { _ = root.Close() }()
	return fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || strings.HasPrefix(path.Base(name), "tmp-") {
			return err
		}
		f, err := root.Open(name)
		if errors.Is(err, fs.ErrNotExist) { // erased since the folder was read
			return nil
		}
		if err != nil {
			return fmt.Errorf("copy files: %w", err)
		}
		defer func() { _ = f.Close() }()
		info, err := f.Stat()
		if err != nil {
			return fmt.Errorf("copy files: %w", err)
		}
		return pack(out, backupBlobs+path.Base(name), info.Size(), f)
	})
}

func pack(out *tar.Writer, name string, size int64, r io.Reader) error {
	if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, Format: tar.FormatPAX}); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if _, err := io.Copy(out, r); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
