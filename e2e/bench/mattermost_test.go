package bench

import (
	"context"
	"fmt"
	"net/http"
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
	rounds   = 3
	messages = 960
	pace     = 50 // messages a second
	pacedFor = 8 * time.Second
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
	in := way{
		what: "web chat to Mattermost", hearBare: c.both(listenAs(c, c.employee)), hear: listenAs(c, c.employee),
		bare: c.asBridge(c.bare), through: c.fromPage(),
	}
	out := way{
		what: "Mattermost to web chat", hearBare: listenAs(c, c.bot), hear: c.attend,
		bare: c.marked(c.employee, c.bare), through: c.toChannel(c.employee, c.channels),
	}
	for _, w := range []way{in, out} {
		if err := apart(); err != nil {
			b.Fatal(err)
		}
		c.rates(w, "0.90 of the limit", 0.9)
		c.paced(w)
		c.must(together())
		w.what += ", all on the same cores"
		c.rates(w, "", 0)
	}
}

// way is one direction: how a message is said and heard with and without the gateway between.
type way struct {
	what           string
	hearBare, hear func() *ears
	bare, through  speak
}

// speak says the n-th message, of those with the mark.
type speak func(ctx context.Context, n int, text string) error

func listenAs(c *company, who *server.Client) func() *ears {
	return func() *ears { return listen(c.b, c.mm.URL, c.ears[who]) }
}

// both lets the bot listen too, as a bridge does.
func (c *company) both(by func() *ears) func() *ears {
	return func() *ears {
		e, bot := by(), listen(c.b, c.mm.URL, c.ears[c.bot])
		stop := e.stop
		e.stop = func() { bot.close(); stop() }
		return e
	}
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

// asBridge says what any bridge has to: in the name of the customer, with a key to find it by.
func (c *company) asBridge(channels []string) speak {
	return func(ctx context.Context, n int, text string) error {
		return c.bot.Do(ctx, http.MethodPost, "/posts", map[string]any{
			"channel_id": channels[n%len(channels)], "message": text, "pending_post_id": c.bot.ID + ":" + text,
			"props": map[string]any{"from_webhook": "true", "override_username": fmt.Sprintf("customer %d · web contact", n%len(channels)), "key": text},
		}, nil)
	}
}

// marked says a message and lets the bot put its tick on it, which is what any bridge has to do. The ticks
// wait for nobody.
func (c *company) marked(as *server.Client, channels []string) speak {
	var ticks sync.WaitGroup
	c.b.Cleanup(ticks.Wait)
	places := make(chan struct{}, inFlight)
	return func(ctx context.Context, n int, text string) error {
		id, err := as.Say(ctx, channels[n%len(channels)], text)
		if err != nil {
			return err
		}
		places <- struct{}{}
		ticks.Go(func() {
			defer func() { <-places }()
			tick := map[string]string{"user_id": c.bot.ID, "post_id": id, "emoji_name": "white_check_mark"}
			if err := c.bot.Do(ctx, http.MethodPost, "/reactions", tick, nil); err != nil {
				c.b.Error(err)
			}
		})
		return nil
	}
}

// rates measures the bare way and the way through the gateway in turn, so that both meet the same machine.
func (c *company) rates(w way, goal string, share float64) {
	c.b.Helper()
	var ratios, limits, rates []float64
	for round := range rounds {
		limit := c.rate(fmt.Sprintf("%s bare %d", w.what, round), w.hearBare, w.bare)
		rate := c.rate(fmt.Sprintf("%s %d", w.what, round), w.hear, w.through)
		limits, rates, ratios = append(limits, limit), append(rates, rate), append(ratios, rate/limit)
		<-time.After(messages / customers / 4 * time.Second) // the pages' own limit fills up again
	}
	row(w.what+", rate", fmt.Sprintf("%.0f/s, %.2f of %.0f/s", median(rates), median(ratios), median(limits)), goal, median(ratios) >= share)
}

// paced measures both ways at a steady pace.
func (c *company) paced(w way) {
	c.b.Helper()
	bare := c.latency(w.what+" paced bare", w.hearBare, w.bare)
	through := c.latency(w.what+" paced", w.hear, w.through)
	more := quantile(through, 0.5) - quantile(bare, 0.5)
	row(fmt.Sprintf("%s, p50 at %d/s", w.what, pace), fmt.Sprintf("%s, bare %s: %s more", short(quantile(through, 0.5)), short(quantile(bare, 0.5)), short(more)),
		"at most 5 ms more", more <= 5*time.Millisecond)
	row(fmt.Sprintf("%s, p99 at %d/s", w.what, pace), fmt.Sprintf("%s, bare %s", short(quantile(through, 0.99)), short(quantile(bare, 0.99))), "", true)
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
		fmt.Printf("  %-52s %s\n", what, got)
		return
	}
	fmt.Printf("  %-52s %-42s goal %-20s %s\n", what, got, goal, verdict)
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
	n := int(pacedFor/time.Second) * pace
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
