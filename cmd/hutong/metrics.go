package main

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/hutong-im/hutong/bridge"
)

// meter counts what happens on the road.
type meter struct {
	registry   *prometheus.Registry
	events     *prometheus.CounterVec
	discards   *prometheus.CounterVec
	deliveries *prometheus.CounterVec
	latency    *prometheus.HistogramVec
	reasons    *bounded
}

var _ bridge.Meter = (*meter)(nil)

func newMeter() *meter {
	m := &meter{registry: prometheus.NewRegistry(), reasons: &bounded{most: 64, seen: map[string]bool{}}}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "hutong", Name: name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	m.events = counter("events_total", "Events heard, by what became of them.", "adapter", "kind", "result")
	m.discards = counter("discards_total", "Events that were not kept, by reason.", "adapter", "reason")
	m.deliveries = counter("deliveries_total", "Deliveries settled, by state and reason.", "adapter", "state", "reason")
	// From half a millisecond, which a commit alone takes on a fast disk, to the day after which a delivery fails.
	m.latency = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "hutong", Name: "latency_seconds",
		Help:    "Time from a message's acceptance to the network's answer.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30, 300, 3600, 86400},
	}, []string{"adapter"})
	m.registry.MustRegister(m.latency, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *meter) Event(adapter, kind, result string) {
	m.events.WithLabelValues(adapter, kind, result).Inc()
}

func (m *meter) Discard(adapter, reason string) {
	m.discards.WithLabelValues(adapter, m.reasons.value(reason)).Inc()
}

func (m *meter) Settled(adapter string, state bridge.State, reason string) {
	m.deliveries.WithLabelValues(adapter, string(state), m.reasons.value(reason)).Inc()
}

func (m *meter) Latency(adapter string, seconds float64) {
	m.latency.WithLabelValues(adapter).Observe(seconds)
}

// bounded keeps free words from filling the memory of whoever collects the figures: after so many
// different ones, the next new one is "other".
type bounded struct {
	mu   sync.Mutex
	most int
	seen map[string]bool
}

// maxLabel is the longest label value; what is longer is a sentence, not a reason.
const maxLabel = 60

func (b *bounded) value(s string) string {
	if len(s) > maxLabel {
		return "other"
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.seen[s] {
		if len(b.seen) >= b.most {
			return "other"
		}
		b.seen[s] = true
	}
	return s
}

// gauges reads what the gateway and its store know at the moment when somebody asks.
type gauges struct {
	office *office
	lanes, oldest, running, waiting,
	stored, parked, size, free,
	commits, steps, commitTime, asked *prometheus.Desc
}

func newGauges(o *office) *gauges {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("hutong_"+name, help, labels, nil)
	}
	return &gauges{
		office:     o,
		lanes:      desc("lanes", "Lanes with something to deliver, by what they do.", "state"),
		oldest:     desc("oldest_waiting_seconds", "Age of the oldest delivery that waits and is not held."),
		running:    desc("adapter_up", "1 while the adapter runs and needs nobody.", "adapter", "kind"),
		waiting:    desc("adapter_waiting", "Deliveries in memory that wait for the adapter.", "adapter"),
		stored:     desc("store_waiting", "Deliveries in lanes, as stored."),
		parked:     desc("store_parked", "Deliveries that failed or whose outcome is not known."),
		size:       desc("store_size_bytes", "Size of the store on disk."),
		free:       desc("store_free_bytes", "Part of the size that is free to be used again."),
		commits:    desc("store_commits_total", "Transactions since the start."),
		steps:      desc("store_steps_total", "Steps in them; divided by commits, the size of a commit."),
		commitTime: desc("store_commit_seconds_total", "Time spent in transactions; divided by commits, the time of a commit."),
		asked:      desc("store_up", "1 while the store can be asked."),
	}
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(g, ch) }

// Collect implements prometheus.Collector.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v)
	}
	depth := g.office.bridge.Depth()
	gauge(g.lanes, float64(depth.Ready), "ready")
	gauge(g.lanes, float64(depth.Sending), "sending")
	gauge(g.lanes, float64(depth.Waiting), "waiting")
	gauge(g.lanes, float64(depth.Held), "held")
	gauge(g.oldest, depth.Oldest.Seconds())
	for _, h := range g.office.bridge.Health() {
		up := 0.0
		if h.State == "running" && h.Err == "" {
			up = 1
		}
		gauge(g.running, up, h.Name, h.Kind)
		gauge(g.waiting, float64(h.Waiting), h.Name)
	}
	ctx, cancel := context.WithTimeout(context.Background(), statsWait)
	defer cancel()
	s, err := g.office.store.Stats(ctx)
	if err != nil {
		gauge(g.asked, 0)
		return
	}
	gauge(g.asked, 1)
	gauge(g.stored, float64(s.Waiting))
	gauge(g.parked, float64(s.Parked))
	gauge(g.size, float64(s.Size))
	gauge(g.free, float64(s.Free))
	counter(g.commits, float64(s.Commits.Commits))
	counter(g.steps, float64(s.Commits.Steps))
	counter(g.commitTime, s.Commits.Time.Seconds())
}

// statsWait is how long a collection may wait for the store; collectors give up after ten seconds.
const statsWait = 5 * time.Second
