package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// postgres is a PostgreSQL that listens on a socket in a folder of its own, and does not care for power
// cuts.
type postgres struct {
	dir string
	bin string
	as  *syscall.Credential // nil: as this process
	cmd *exec.Cmd
}

// programs finds PostgreSQL; as root on Debian it is installed if it is not there.
func programs(ctx context.Context) (string, error) {
	find := func() string {
		all, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
		if len(all) == 0 {
			return ""
		}
		slices.Sort(all)
		return filepath.Dir(all[len(all)-1])
	}
	if bin := find(); bin != "" {
		return bin, nil
	}
	if _, err := exec.LookPath("apt-get"); err == nil && os.Geteuid() == 0 {
		for _, args := range [][]string{{"update", "-qq"}, {"install", "-y", "-qq", "--no-install-recommends", "postgresql"}} {
			if out, err := exec.CommandContext(ctx, "apt-get", args...).CombinedOutput(); err != nil { //nolint:gosec // fixed commands
				return "", fmt.Errorf("install PostgreSQL: %w\n%s", err, out)
			}
		}
	}
	if bin := find(); bin != "" {
		return bin, nil
	}
	return "", errors.New("no PostgreSQL: install Debian's package postgresql")
}

// newPostgres makes an empty database.
func newPostgres(ctx context.Context) (_ *postgres, err error) {
	p := &postgres{}
	if p.bin, err = programs(ctx); err != nil {
		return nil, err
	}
	// A socket's path has 107 bytes at most, so that the folder's is short.
	if p.dir, err = os.MkdirTemp("", "mmpg"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			p.stop()
		}
	}()
	if os.Geteuid() == 0 { // which PostgreSQL refuses
		u, err := user.Lookup("postgres")
		if err != nil {
			return nil, fmt.Errorf("a user for PostgreSQL: %w", err)
		}
		uid, _ := strconv.ParseUint(u.Uid, 10, 32)
		gid, _ := strconv.ParseUint(u.Gid, 10, 32)
		p.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(p.dir, int(uid), int(gid)); err != nil {
			return nil, err
		}
	}
	data := filepath.Join(p.dir, "data")
	if out, err := p.command(ctx, "initdb", "-D", data, "-U", "mmuser", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make a database: %w\n%s", err, out)
	}
	p.cmd = p.command(context.WithoutCancel(ctx), "postgres", "-D", data, "-c", "listen_addresses=", "-c", "unix_socket_directories="+p.dir,
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "shared_buffers=128MB", "-c", "max_connections=120")
	p.cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	return p, p.create(ctx)
}

// create waits for the server and makes Mattermost's database.
func (p *postgres) create(ctx context.Context) error {
	var out []byte
	err := errors.New("not tried")
	for range 100 {
		if out, err = p.command(ctx, "createdb", "-h", p.dir, "-U", "mmuser", "mattermost").CombinedOutput(); err == nil {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("make the database: %w\n%s", err, out)
}

func (p *postgres) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, name), args...) //nolint:gosec // fixed commands
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.as}
	return cmd
}

// source is what Mattermost connects with. The host is empty, or it would dial TCP.
func (p *postgres) source() string {
	return "postgres://mmuser:x@/mattermost?host=" + p.dir + "&sslmode=disable&connect_timeout=10&binary_parameters=yes"
}

func (p *postgres) stop() {
	if p.cmd != nil && p.cmd.Process != nil {
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // at once: nothing of it is needed any more
		_ = p.cmd.Wait()
	}
	_ = os.RemoveAll(p.dir)
}
