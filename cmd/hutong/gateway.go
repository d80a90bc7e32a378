package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/config"
)

// gateway is everything that runs.
type gateway struct {
	*office
	kinds []bridge.Kind
	log   *slog.Logger
	level *slog.LevelVar
	meter *meter
	out   io.Writer
	stop  func() // lets the next signal end the process

	public, control net.Listener
}

// newGateway opens adapters and addresses; nothing runs yet.
func newGateway(ctx context.Context, a *app, c *config.Config, d *data, log *slog.Logger, level *slog.LevelVar, fail func(string)) (_ *gateway, err error) {
	g := &gateway{kinds: a.kinds, log: log, level: level, meter: newMeter(), out: a.out, stop: a.stop}
	var taken error
	if g.public, taken = listenAt(ctx, c); taken == nil {
		defer func() {
			if err != nil {
				err = errors.Join(err, g.public.Close())
			}
		}()
	}
	// Mistakes of the config are told first: they are more to mend than an address that is taken.
	if g.office, err = openOffice(c, d, log, g.meter, fail); err != nil || taken != nil {
		return nil, cmp.Or(err, taken)
	}
	if g.control, err = listenControl(ctx, c); err != nil {
		g.log.Error("commands do not reach this gateway while it runs; everything else works", "err", err)
		err = nil
	}
	g.meter.registry.MustRegister(newGauges(g.office))
	return g, nil
}

// work runs all parts until ctx ends or one of them cannot go on, then stops the others and closes the data.
func (g *gateway) work(ctx context.Context, o runOptions) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	defer context.AfterFunc(ctx, func() {
		g.log.Info("stopping", "grace", o.grace)
		g.stop()
	})()
	var crew sync.WaitGroup
	part := func(name string, run func(context.Context) error) {
		crew.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				fail(fmt.Errorf("%s: %w", name, err))
			} else if err != nil && !errors.Is(err, context.Canceled) {
				g.log.Warn("did not stop in good order", "part", name, "err", err)
			}
		})
	}
	web := newServer(g.web(g.meter.registry, g.log), g.log)
	commands := &http.Server{Handler: control{g.office}.handler(), ReadHeaderTimeout: headerWait}
	part("road", g.bridge.Run)
	part("web server", func(ctx context.Context) error { return serve(ctx, web, g.public, o.grace) })
	if g.control != nil {
		part("control socket", func(ctx context.Context) error { return serve(ctx, commands, g.control, o.grace) })
	}
	part("config", g.watch)
	part("upkeep", g.upkeep)
	if o.pprof != "" {
		part("profiles", func(ctx context.Context) error { return serveProfiles(ctx, o.pprof) })
	}
	if err := g.welcome(ctx); err != nil && ctx.Err() == nil {
		g.log.Warn("could not say where to go", "err", err)
	}
	g.log.Info("started", "address", g.public.Addr().String(), "url", g.url(), "data", g.data.dir, "adapters", len(g.conf.Load().Adapters))
	<-ctx.Done()
	return errors.Join(cause(ctx), g.finish(&crew, o.grace))
}

// cause is why the gateway stops; being told to is no error.
func cause(ctx context.Context) error {
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// finish waits for all parts, for as long as grace allows, and closes the data. Parts that do not stop
// may still use the store: then it is left as after a crash, which loses nothing either.
func (g *gateway) finish(crew *sync.WaitGroup, grace time.Duration) error {
	done := make(chan struct{})
	go func() {
		crew.Wait()
		close(done)
	}()
	select {
	case <-done:
		return g.data.close()
	case <-time.After(grace):
		return fmt.Errorf("not everything stopped within %s; what was accepted is on disk, the next start looks through the store first", grace)
	}
}

func serveProfiles(ctx context.Context, address string) error {
	l, err := listen(ctx, address)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return serve(ctx, &http.Server{Handler: mux, ReadHeaderTimeout: headerWait}, l, time.Second)
}
