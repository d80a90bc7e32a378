package bench

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hutong-im/hutong/e2e/gateway"
	"github.com/hutong-im/hutong/e2e/mattermost/server"
)

var (
	binary *gateway.Binary
	mm     *server.Server
)

func TestMain(m *testing.M) {
	os.Exit(gateway.Main(m, func(b *gateway.Binary) { binary = b }))
}

// What is measured: rounds of which the median counts, messages of a round, and how long each pace is kept.
const (
	rounds   = 5
	messages = 1200
	pace     = 50 // messages a second
	paced    = 8 * time.Second
)

// BenchmarkMattermost prints a table. It is a benchmark only to be left out of the tests.
func BenchmarkMattermost(b *testing.B) {
	var err error
	if mm, err = server.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(mm.Close)
	c := newCompany(b, binary, mm)
	c.open()
	fmt.Printf("\nmattermost: web chat and a real Mattermost, %d customers, %d in flight, beside a program that only calls Mattermost's API\n", customers, inFlight)
	c.compare("web chat to Mattermost", listenAs(c, c.employee), c.toChannel(c.bot, c.bare), c.fromPage())
	bare := listenAs(c, c.bot)
	c.compareWith("Mattermost to web chat", bare, c.attend, c.toChannel(c.employee, c.bare), c.toChannel(c.employee, c.channels))
}

// speak says the n-th message, of those with the mark.
type speak func(ctx context.Context, n int, text string) error

func listenAs(c *company, who *server.Client) func() *ears {
	return func() *ears { return listen(c.b, c.mm.URL, c.ears[who]) }
}

func (c *company) toChannel(as *server.Client, channels []string) speak {
	return func(ctx context.Context, n int, text string) error {
		_, err := as.Say(ctx, channels[n%len(channels)], text)
		return err
	}
}

func (c *company) fromPage() speak {
	return func(ctx context.Context, n int, text string) error { return c.pages[n%len(c.pages)].say(ctx, text) }
}

func (c *company) compare(what string, by func() *ears, bare, through speak) {
	c.compareWith(what, by, by, bare, through)
}

// compareWith measures the bare way and the way through the gateway in turn, so that both meet the same machine.
func (c *company) compareWith(what string, hearBare, hearThrough func() *ears, bare, through speak) {
	c.b.Helper()
	var ratios, limits, rates []float64
	for round := range rounds {
		limit := c.rate(fmt.Sprintf("%s bare %d", what, round), hearBare, bare)
		rate := c.rate(fmt.Sprintf("%s %d", what, round), hearThrough, through)
		limits, rates, ratios = append(limits, limit), append(rates, rate), append(ratios, rate/limit)
		<-time.After(messages / customers / 4 * time.Second) // the pages' own limit fills up again
	}
	row(what+", rate", fmt.Sprintf("%.0f/s, %.2f of %.0f/s", median(rates), median(ratios), median(limits)), "0.90 of the limit", median(ratios) >= 0.9)
	lb := c.latency(what+" paced bare", hearBare, bare)
	lt := c.latency(what+" paced", hearThrough, through)
	more := quantile(lt, 0.5) - quantile(lb, 0.5)
	row(what+fmt.Sprintf(", at %d/s", pace), fmt.Sprintf("p50 %s, bare %s: %s more", short(quantile(lt, 0.5)), short(quantile(lb, 0.5)), short(more)), "at most 5 ms more", more <= 5*time.Millisecond)
	row(what+", p99", fmt.Sprintf("%s, bare %s", short(quantile(lt, 0.99)), short(quantile(lb, 0.99))), "", true)
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

func short(d time.Duration) string { return d.Round(100 * time.Microsecond).String() }

func row(what, got, goal string, met bool) {
	verdict := "met"
	if !met {
		verdict = "MISSED"
	}
	if goal == "" {
		verdict = ""
	}
	fmt.Printf("  %-36s %-44s goal %-20s %s\n", what, got, goal, verdict)
}

// rate is how many messages a second come through from the first word to the last that is heard.
func (c *company) rate(mark string, by func() *ears, say speak) float64 {
	c.b.Helper()
	e := by()
	defer e.close()
	texts := make([]string, messages)
	for i := range texts {
		texts[i] = fmt.Sprintf("%s number %d.", mark, i)
		e.expect(texts[i])
	}
	next := make(chan int)
	var all sync.WaitGroup
	began := time.Now()
	for range inFlight {
		all.Go(func() {
			for i := range next {
				if err := say(c.b.Context(), i, texts[i]); err != nil {
					c.b.Error(err)
				}
			}
		})
	}
	for i := range texts {
		next <- i
	}
	close(next)
	all.Wait()
	var last time.Time
	for _, t := range texts {
		if at := e.wait(c.b, t).at; at.After(last) {
			last = at
		}
	}
	return messages / last.Sub(began).Seconds()
}

// latency is how long each message takes at a steady pace, from the call to the ear.
func (c *company) latency(mark string, by func() *ears, say speak) []time.Duration {
	c.b.Helper()
	e := by()
	defer e.close()
	n := int(paced/time.Second) * pace
	began := make([]time.Time, n)
	var all sync.WaitGroup
	tick := time.NewTicker(time.Second / pace)
	defer tick.Stop()
	text := func(i int) string { return fmt.Sprintf("%s number %d.", mark, i) }
	for i := range n {
		e.expect(text(i))
		<-tick.C
		began[i] = time.Now()
		all.Go(func() {
			if err := say(c.b.Context(), i, text(i)); err != nil {
				c.b.Error(err)
			}
		})
	}
	all.Wait()
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = e.wait(c.b, text(i)).at.Sub(began[i])
	}
	return out
}
