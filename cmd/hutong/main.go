// Command hutong is the gateway and everything that is done with it from a terminal.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	_ "time/tzdata" // zones work on machines and in containers that have none

	"github.com/hutong-im/hutong/adapters"
	"github.com/hutong-im/hutong/bridge"
)

func main() { os.Exit(hutong()) }

// hutong is main with a result, so that tests can be this program too.
func hutong() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, kinds: adapters.Kinds(), stop: stop}
	return a.execute(ctx, os.Args[1:])
}

// app is what all commands share: where they read and write, and what they were told.
type app struct {
	in       io.Reader
	out, err io.Writer
	kinds    []bridge.Kind
	stop     func() // gives signals back: the next one ends the process at once

	config string // --config
	json   bool   // --json, where a command has it
}
