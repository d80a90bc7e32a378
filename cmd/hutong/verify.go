package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"
)

// verifyCommand looks through a store on behalf of another process of this program.
func (a *app) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "verify-store KIND DIR", Short: "look through a store that nobody has open", Hidden: true, Args: exactly("KIND", "DIR"),
		RunE: func(_ *cobra.Command, args []string) error { return verifyStore(args[0], args[1]) },
	}
}

// maxWords is how much of what the other process said is told.
const maxWords = 300

// verifyInChild runs verify-store in a process of its own.
func verifyInChild(ctx context.Context, kind, dir string) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("look through the store: %w", err)
	}
	var said bytes.Buffer
	child := exec.CommandContext(ctx, program, "verify-store", kind, dir) //nolint:gosec // it is this program
	child.Args[0] = os.Args[0]
	child.Stdout, child.Stderr = io.Discard, &said
	if err := child.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		words, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n") // after it comes the trace of a panic
		return fmt.Errorf("the store in %s is damaged (%w): %s\nmove the folder away and bring back the last backup with hutong restore FILE; "+
			"keep what you moved, more may be saved from it", dir, err, words[:min(maxWords, len(words))])
	}
	return nil
}
