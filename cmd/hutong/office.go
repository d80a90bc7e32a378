package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/config"
	"github.com/hutong-im/hutong/people"
)

// office is the gateway as its operators see it: the open data and what may be done with it.
type office struct {
	data     *data
	store    bridge.Store
	bridge   *bridge.Bridge
	people   *people.People
	commands *people.Commands
	conf     atomic.Pointer[config.Config]
	posts    atomic.Pointer[posts]
	since    time.Time
	probe    storeProbe
	now      func() time.Time
	fail     func(name string) // of crash tests

	rejected atomic.Pointer[string] // why the file as it is now was not taken over
}

// openOffice makes the gateway over open data, with its adapters opened but not running.
func openOffice(c *config.Config, d *data, log *slog.Logger, meter bridge.Meter, fail func(string)) (*office, error) {
	o := &office{data: d, store: d.store, since: clock(), now: clock, fail: fail}
	o.conf.Store(c)
	o.people = people.New(d.store, d.blobs, func() []bridge.Member { return o.conf.Load().BridgeMembers() }, o.now)
	o.commands = people.NewCommands(o.people, func() people.Road { return o.bridge }, func() bridge.Company { return o.conf.Load().BridgeCompany() })
	b, err := bridge.New(d.store, d.blobs, o.settings(c), log, meter)
	if err != nil {
		return nil, c.Adopt("", err)
	}
	o.bridge = b
	p, err := o.open(c, c.Adapters, nil, log)
	if err != nil {
		return nil, err
	}
	for _, a := range c.Adapters {
		if err := b.Add(a.Name, a.Kind, p.adapters[a.Name]); err != nil {
			return nil, err
		}
	}
	o.posts.Store(p)
	return o, nil
}

// settings are what the core takes from the config.
func (o *office) settings(c *config.Config) bridge.Settings {
	return bridge.Settings{
		Company: c.BridgeCompany(), Members: c.BridgeMembers(), Fallback: bridge.MemberID(c.Fallback),
		MemberLabel: c.Labels.Member, ContactLabel: c.Labels.Contact,
		MaxFile: int64(c.Files.Max), FileTypes: c.Files.Types,
		MaxAge: c.Limits.Age, Workers: c.Limits.Workers, Now: clock, Failpoint: o.fail, Apps: []bridge.App{o.commands},
	}
}

func (o *office) url() string { return o.conf.Load().Gateway.URL }

// signIn makes a one-time link for each place where the member may sign in.
func (o *office) signIn(ctx context.Context, id bridge.MemberID) ([]signInView, error) {
	for _, m := range o.conf.Load().BridgeMembers() {
		if m.ID != id {
			continue
		}
		views, err := o.signInLinks(ctx, m)
		if err == nil && len(views) == 0 {
			return nil, fmt.Errorf("%w: %s has no account on an adapter with pages of its own (add one under accounts: in the config)", people.ErrInvalid, id)
		}
		return views, err
	}
	return nil, fmt.Errorf("member %s: %w (see members: in the config)", id, bridge.ErrNotFound)
}

func (o *office) signInLinks(ctx context.Context, m bridge.Member) ([]signInView, error) {
	var views []signInView
	for _, account := range m.Accounts {
		in, ok := o.posts.Load().adapters[account.Adapter].(bridge.Entrance)
		if !ok {
			continue
		}
		link, err := in.SignIn(ctx, account.User)
		if err != nil {
			return nil, fmt.Errorf("a sign-in link for %s: %w", m.ID, err)
		}
		views = append(views, signInView{m.ID, m.Name, account.Adapter, link})
	}
	return views, nil
}

// status says how everything does and what a person must do.
func (o *office) status(ctx context.Context) statusView {
	v := statusView{
		Ready: true, Version: readBuild().Version, Since: o.since, URL: o.url(), Config: o.conf.Load().Path,
		Adapters: viewHealth(o.bridge.Health()), Lanes: viewDepth(o.bridge.Depth()),
	}
	if err := o.probe.check(ctx, o.store, o.now()); err != nil {
		v.Ready = false
		v.Store = storeTodo(err, o.data.dir)
	}
	if why := o.rejected.Load(); why != nil {
		v.Rejected = *why
	}
	for _, a := range v.Adapters {
		if a.Todo != "" || a.State == "failed" {
			v.Ready = false
		}
	}
	return v
}

// storeTodo is what a person must do about a store that does not take anything.
func storeTodo(err error, dir string) string {
	if errors.Is(err, bridge.ErrFull) {
		return fmt.Sprintf("no room: free disk space in %s; nothing new is accepted until then, nothing is lost", dir)
	}
	return fmt.Sprintf("cannot write into %s: %v", dir, err)
}
