package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hutong-im/hutong/internal/config"
)

type runOptions struct {
	grace time.Duration
	pprof string
}

func (a *app) runCommand() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use: "run", Short: "start the gateway", Args: exactly(),
		Long: `Start the gateway. On its first run it makes the data folder and an example card, and prints
where members sign in and where customers come in.

A changed config file is taken over at once, or on SIGHUP (kill -HUP), without stopping the adapters
that did not change; a file with mistakes is reported and never replaces the running one. SIGTERM and
Ctrl-C stop gracefully: what is being sent is finished, all else waits on disk. A second one stops at once.

A second process on the same data folder waits as standby and takes over when the first one ends.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.run(cmd.Context(), o) },
	}
	c.Flags().DurationVar(&o.grace, "grace", 20*time.Second, "how long stopping may take")
	c.Flags().StringVar(&o.pprof, "pprof", "", "serve profiles at this `ADDRESS` of this machine, such as 127.0.0.1:6060")
	return c
}

// run is the life of a gateway: take the data, open everything, work until ctx ends, close everything.
func (a *app) run(ctx context.Context, o runOptions) (err error) {
	c, err := config.Load(a.config, a.kinds)
	if err != nil {
		return err
	}
	if err := loopbackOnly(o.pprof); err != nil {
		return err
	}
	level := &slog.LevelVar{}
	log := newLog(c, a.err, level)
	for _, w := range c.Warnings {
		log.Warn("unwise setting", "at", w.String())
	}
	fail, err := failpoint()
	if err != nil {
		return err
	}
	waited := false
	d, err := openData(ctx, c, dataOptions{log: log, fail: fail, waiting: func(holder string) {
		waited = true
		log.Info("standby: another process has the data; waiting to take over", "data", c.Gateway.Data, "holder", holder)
	}})
	if err != nil {
		if ctx.Err() != nil {
			return nil // a standby that was told to stop
		}
		return err
	}
	if waited {
		c = a.reread(c, log)
	}
	g, err := newGateway(ctx, a, c, d, log, level, fail)
	if err != nil {
		return errors.Join(err, d.close())
	}
	if err := g.work(ctx, o); err != nil {
		return err
	}
	log.Info("stopped; everything that was accepted is on disk")
	return nil
}

// reread is the config of a standby that takes over: it may have changed since the standby began to wait.
func (a *app) reread(c *config.Config, log *slog.Logger) *config.Config {
	next, err := config.Load(a.config, a.kinds)
	if err != nil {
		log.Error("the config cannot be read any more; going on with what it was when this process started", "err", err)
		return c
	}
	next.Gateway.Data, next.Store = c.Gateway.Data, c.Store
	return next
}

// newLog writes what the gateway says about itself, never what people say to each other.
func newLog(c *config.Config, w io.Writer, level *slog.LevelVar) *slog.Logger {
	setLevel(c, level)
	options := &slog.HandlerOptions{Level: level}
	if c.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

func setLevel(c *config.Config, level *slog.LevelVar) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(c.Log.Level)); err == nil {
		level.Set(l)
	}
}

// loopbackOnly keeps profiles, which show memory, from being served to others.
func loopbackOnly(address string) error {
	if address == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return usage("--pprof %s: must be an address of this machine only, such as 127.0.0.1:6060", address)
	}
	return nil
}

// listenAt opens the gateway's address. When the config leaves the port to the system (port 0) the
// address that people open is the one that was given.
func listenAt(ctx context.Context, c *config.Config) (net.Listener, error) {
	l, err := listen(ctx, c.Gateway.Listen)
	if err != nil {
		return nil, err
	}
	if base, ok := strings.CutSuffix(c.Gateway.URL, ":0"); ok {
		c.Gateway.URL = fmt.Sprintf("%s:%d", base, l.Addr().(*net.TCPAddr).Port)
	}
	return l, nil
}

// listenControl opens the socket on which commands reach the gateway. Whoever holds the data folder's
// lock owns the socket's name: one that is there was left by a crash.
func listenControl(ctx context.Context, c *config.Config) (net.Listener, error) {
	name := socketPath(c)
	if err := removed(name); err != nil {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", name)
	if err != nil {
		return nil, fmt.Errorf("open the control socket: %w (a socket's path has at most 104 characters: choose a shorter gateway.data)", err)
	}
	if err := os.Chmod(name, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("open the control socket: %w", err), l.Close())
	}
	return l, nil
}
