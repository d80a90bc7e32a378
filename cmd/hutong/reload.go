package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/config"
)

// settleTime is how long a file must be left alone before it is read: editors write in several steps.
const settleTime = 300 * time.Millisecond

// stopWait is how long an adapter may take to stop before its successor starts.
const stopWait = 30 * time.Second

// watch takes over a config file that changes, or that it is told to read by SIGHUP. It watches the
// folder: editors and mounted configs replace the file rather than write into it.
func (g *gateway) watch(ctx context.Context) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	path := g.conf.Load().Path
	last := g.conf.Load().Text
	var events chan fsnotify.Event
	var errs chan error
	if w, err := fsnotify.NewWatcher(); err != nil {
		g.log.Warn("cannot watch the config file; reload it with SIGHUP", "err", err)
	} else {
		defer func() { _ = w.Close() }()
		if err := w.Add(filepath.Dir(path)); err != nil {
			g.log.Warn("cannot watch the config file; reload it with SIGHUP", "err", err)
		}
		events, errs = w.Events, w.Errors
	}
	settled := time.NewTimer(settleTime) // it may have changed since it was read
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-events:
			if concerns(e.Name, path) {
				settled.Reset(settleTime)
			}
		case err := <-errs:
			g.log.Warn("watching the config file", "err", err)
			settled.Reset(settleTime)
		case <-hup:
			last, _ = os.ReadFile(path) //nolint:gosec // the file that the gateway was started with; reload tells the error
			g.reload(ctx)
		case <-settled.C:
			text, err := os.ReadFile(path) //nolint:gosec // as above
			if err != nil || bytes.Equal(text, last) {
				continue // between two steps of an editor, or another file of the folder
			}
			last = text
			g.reload(ctx)
		}
	}
}

// concerns reports whether a name in the folder is that of the config, or of the link through which
// Kubernetes replaces mounted files ("..data"). A store in the same folder writes all the time.
func concerns(name, path string) bool {
	base := filepath.Base(name)
	return base == filepath.Base(path) || strings.HasPrefix(base, "..")
}

// reload reads the config and takes over what is different. Whatever is wrong with it is told, and
// everything stays as it was.
func (g *gateway) reload(ctx context.Context) {
	next, err := config.Load(g.conf.Load().Path, g.kinds)
	if err == nil {
		err = g.apply(ctx, next)
	}
	if err == nil {
		g.rejected.Store(nil)
		return
	}
	mistakes, ok := errors.AsType[config.Mistakes](err)
	if !ok {
		g.log.Error("the config was not taken over; the old one stays", "err", err)
		g.rejected.Store(new(err.Error()))
		return
	}
	for _, m := range mistakes {
		g.log.Error("the config was not taken over; the old one stays", "mistake", m.String())
	}
	g.rejected.Store(new(fmt.Sprintf("%d mistakes, hutong check lists them", len(mistakes))))
}

func (g *gateway) apply(ctx context.Context, next *config.Config) error {
	old := g.conf.Load()
	diff := config.Diff(old, next)
	next.KeepStarted(old)
	keep := map[string]bridge.Adapter{}
	for _, name := range diff.Same {
		keep[name] = g.posts.Load().adapters[name]
	}
	fresh := append(diff.New, diff.Changed...)
	posts, err := g.open(next, fresh, keep, g.log)
	if err != nil {
		return err
	}
	if err := g.bridge.Configure(g.settings(next)); err != nil {
		return next.Adopt("", err)
	}
	g.conf.Store(next)
	g.swap(ctx, diff, posts)
	setLevel(next, g.level)
	for _, w := range next.Warnings {
		g.log.Warn("unwise setting", "at", w.String())
	}
	for _, key := range diff.Restart {
		g.log.Warn("this setting counts only after a restart", "key", key)
	}
	g.log.Info("config taken over", "new", len(diff.New), "gone", len(diff.Gone), "changed", len(diff.Changed), "same", len(diff.Same))
	return nil
}

// swap stops the adapters that are gone or changed, and starts those that are new or changed.
func (g *gateway) swap(ctx context.Context, diff config.Difference, next *posts) {
	out := diff.Gone
	for _, a := range diff.Changed {
		out = append(out, a.Name)
	}
	for _, name := range out {
		wait, cancel := context.WithTimeout(ctx, stopWait)
		if err := g.bridge.Remove(wait, name); err != nil {
			g.log.Error("an adapter does not stop", "adapter", name, "err", err)
		}
		cancel()
	}
	g.posts.Store(next)
	for _, a := range append(diff.New, diff.Changed...) {
		if err := g.bridge.Add(a.Name, a.Kind, next.adapters[a.Name]); err != nil {
			g.log.Error("an adapter does not start", "adapter", a.Name, "err", err)
		}
	}
}
