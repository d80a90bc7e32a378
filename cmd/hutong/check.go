package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/config"
	"github.com/hutong-im/hutong/store/mem"
)

// probeLimit is how long a network may take to answer check --live.
const probeLimit = 30 * time.Second

func (a *app) checkCommand() *cobra.Command {
	var live bool
	c := &cobra.Command{
		Use: "check", Short: "check the config, and with --live the accounts in it", Args: exactly(),
		Long: `Check the config: every mistake is listed at once with its place, and the exit code is 3.
With --live each network is asked whether the account works; if one needs a person the exit code is 5.
Nothing is sent to anybody, and the data folder is not touched.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.check(cmd.Context(), live) },
	}
	c.Flags().BoolVar(&live, "live", false, "ask each network whether the account works")
	return c
}

func (a *app) check(ctx context.Context, live bool) (err error) {
	c, err := config.Load(a.config, a.kinds)
	if err != nil {
		return err
	}
	for _, w := range c.Warnings {
		if _, err := fmt.Fprintf(a.err, "warning: %s\n", w); err != nil {
			return err
		}
	}
	store := mem.New()
	defer func() { err = errors.Join(err, store.Close()) }()
	quiet := slog.New(slog.DiscardHandler)
	o, err := openOffice(c, &data{dir: c.Gateway.Data, store: store}, quiet, nil, nil)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(a.out, "%s: fine; %d adapters, %d members\n", c.Path, len(c.Adapters), len(c.Members)); err != nil {
		return err
	}
	if !live {
		return nil
	}
	return a.probe(ctx, c, o.posts.Load().adapters)
}

// probe asks all networks at once and tells their answers in the order of the file.
func (a *app) probe(ctx context.Context, c *config.Config, list map[string]bridge.Adapter) error {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	answers := make([]error, len(c.Adapters))
	var asked sync.WaitGroup
	for i, one := range c.Adapters {
		if p, ok := list[one.Name].(bridge.Prober); ok {
			asked.Go(func() { answers[i] = p.Probe(ctx) })
		}
	}
	asked.Wait()
	for i, one := range c.Adapters {
		word := "works"
		if answers[i] != nil {
			word = answers[i].Error()
		} else if _, ok := list[one.Name].(bridge.Prober); !ok {
			word = "needs no network"
		}
		if _, err := fmt.Fprintf(a.out, "%s (%s): %s\n", one.Name, one.Kind, word); err != nil {
			return err
		}
		if err := a.notes(list[one.Name]); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(answers, func(err error) bool { return err != nil }) {
		return fmt.Errorf("%w before all accounts work", errPerson)
	}
	return nil
}

// notes tells what is missing but can be done without.
func (a *app) notes(adapter bridge.Adapter) error {
	w, ok := adapter.(bridge.Warner)
	if !ok {
		return nil
	}
	for _, text := range w.Warnings() {
		if _, err := fmt.Fprintf(a.out, "  note: %s\n", text); err != nil {
			return err
		}
	}
	return nil
}
