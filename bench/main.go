// Command bench measures the gateway on this machine, in one run, as ratios: F is what the same disk
// does of 4 KiB append + fdatasync a second in the same run. `make bench` runs it all; a name runs one part.
package main

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"
)

// part is one measurement.
type part struct {
	name string
	what string
	run  func(*bench) error
}

func parts() []part {
	return []part{
		{"road", "road between two networks in process, fsync on, 1 KiB, 1,000 conversations, 256 in flight", road},
		{"http", "the same over HTTP on both sides, generator and destination on the same cores", overHTTP},
		{"latency", "added latency at 200/s and 1,000/s, beside one db.Update", latency},
		{"isolation", "one destination dead, one slow, one refusing with 429: the others", isolation},
		{"memory", "memory at rest, and for contacts", memory},
		{"start", "start with 1,000,000 contacts and 100,000 waiting deliveries", start},
		{"churn", "messages through over 30 simulated days: size of the file", churn},
	}
}

// bench is one run: its settings and what came out.
type bench struct {
	dir    string // on the disk that is measured
	time   time.Duration
	rounds int
	churn  int
	missed int
}

func main() {
	b := &bench{}
	flag.StringVar(&b.dir, "dir", "", "folder to measure in (default: a new one in the present folder, so that it is a real disk)")
	flag.DurationVar(&b.time, "time", 5*time.Second, "how long each rate is measured")
	flag.IntVar(&b.rounds, "rounds", 3, "rounds of which the median counts")
	flag.IntVar(&b.churn, "churn", 10_000_000, "messages that go through in the part churn")
	flag.Parse()
	if err := b.main(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) main(only []string) error {
	if b.dir == "" {
		d, err := os.MkdirTemp(".", "bench-data-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(d) }()
		b.dir = d
	}
	known := parts()
	for _, n := range only {
		if !slices.ContainsFunc(known, func(p part) bool { return p.name == n }) {
			return fmt.Errorf("no part is called %q", n)
		}
	}
	for _, p := range known {
		if len(only) > 0 && !slices.Contains(only, p.name) {
			continue
		}
		fmt.Printf("\n%s: %s\n", p.name, p.what)
		if err := p.run(b); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	if b.missed > 0 {
		fmt.Printf("\n%d figures missed; docs/performance.md says why\n", b.missed)
	}
	return nil
}

// row prints one figure beside its goal.
func (b *bench) row(what, got, goal string, met bool) {
	verdict := "met"
	if !met {
		verdict = "MISSED"
		b.missed++
	}
	fmt.Printf("  %-52s %-28s goal %-22s %s\n", what, got, goal, verdict)
}

// fact prints a figure without a goal.
func (b *bench) fact(what, got string) { fmt.Printf("  %-52s %s\n", what, got) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
