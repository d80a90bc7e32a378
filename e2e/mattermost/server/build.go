// Package server builds and runs a real Mattermost with its PostgreSQL, for tests: on loopback, thrown
// away afterwards. The built server is kept in the user's cache folder.
package server

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// The newest server that the module proxy gives, which calls itself 9.10.0, and what it is built with.
const (
	serverModule  = "github.com/mattermost/mattermost/server/v8"
	serverVersion = "v8.0.0-20240520151130-4bdd8bb18e47"
	publicModule  = "github.com/mattermost/mattermost/server/public"
	publicVersion = "v0.1.4"
)

// build makes the server, unless it is in the cache: some 4 minutes with nothing cached, 40 s when the
// modules are there and compiled. It returns the folder that the server runs in.
func build(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w", err)
	}
	cache = filepath.Join(cache, "hutong-e2e", "mattermost")
	if err := os.MkdirAll(cache, 0o750); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(cache, "lock")) // two packages may come here at once
	if err != nil {
		return "", err
	}
	defer unlock()
	home := filepath.Join(cache, serverVersion)
	if _, err := os.Stat(filepath.Join(home, "complete")); err == nil {
		return home, nil
	}
	work, err := os.MkdirTemp(cache, "build-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(work) }()
	if err := compile(ctx, work); err != nil {
		return "", err
	}
	_ = os.RemoveAll(home)
	return home, os.Rename(work, home)
}

func compile(ctx context.Context, dir string) error {
	mod := fmt.Sprintf("module mmserver\n\ngo 1.22\n\nrequire (\n\t%s %s\n\t%s %s\n)\n", serverModule, serverVersion, publicModule, publicVersion)
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o600); err != nil {
		return err
	}
	if _, err := run(ctx, dir, "go", "build", "-mod=mod", "-ldflags=-s -w", "-o", "bin/mattermost", serverModule+"/cmd/mattermost"); err != nil {
		return fmt.Errorf("build Mattermost: %w", err)
	}
	source, err := run(ctx, dir, "go", "list", "-mod=mod", "-m", "-f", "{{.Dir}}", serverModule)
	if err != nil {
		return fmt.Errorf("find the source of Mattermost: %w", err)
	}
	for _, assets := range []string{"i18n", "templates", "fonts"} {
		if err := os.CopyFS(filepath.Join(dir, assets), os.DirFS(filepath.Join(strings.TrimSpace(source), assets))); err != nil {
			return fmt.Errorf("copy %s: %w", assets, err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "client"), 0o750); err != nil { // no web app; the API is content with an empty folder
		return err
	}
	return os.WriteFile(filepath.Join(dir, "complete"), nil, 0o600)
}

// run runs a command of the Go tool apart from the caller's own module and flags.
func run(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // fixed commands
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false", "GOWORK=off", "CGO_ENABLED=0")
	var bad strings.Builder
	cmd.Stderr = &bad
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, bad.String())
	}
	return string(out), nil
}

// lock takes a lock that ends with the process.
func lock(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // in the user's own cache
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}
