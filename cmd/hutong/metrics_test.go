package main

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hutong-im/hutong/adapters"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/config"
	"github.com/hutong-im/hutong/store/mem"
)

const smallConfig = `
company: { name: ACME }
adapters:
  desk: { kind: desk }
  web: { kind: webchat }
members:
  - { id: lilei, name: 李雷, serves: true, accounts: { desk: lilei } }
`

// smallOffice is a gateway in memory that does not run.
func smallOffice(t *testing.T, meter bridge.Meter) *office {
	t.Helper()
	c, err := config.Parse("config.yaml", []byte(smallConfig), adapters.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	store := mem.New()
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	o, err := openOffice(c, &data{dir: t.TempDir(), store: store}, slog.New(slog.DiscardHandler), meter, nil)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// metricNames are those of this program, after something of each kind has happened.
func metricNames(t *testing.T) []string {
	t.Helper()
	m := newMeter()
	m.registry.MustRegister(newGauges(smallOffice(t, m)))
	m.Event("web", "message", "accepted")
	m.Discard("web", "seen")
	m.Settled("web", bridge.StateSent, "say")
	m.Latency("web", .01)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "hutong_") {
			names = append(names, f.GetName())
		}
	}
	if len(names) < 15 {
		t.Fatalf("only %q", names)
	}
	return names
}

func TestLabelsAreBounded(t *testing.T) {
	m := newMeter()
	for i := range 1000 {
		m.Settled("web", bridge.StateFailed, fmt.Sprintf("reason %d", i))
		m.Discard("web", strings.Repeat("x", i))
	}
	m.Settled("web", bridge.StateFailed, "reason 1")
	if n := testutil.CollectAndCount(m.deliveries) + testutil.CollectAndCount(m.discards); n > m.reasons.most+2 {
		t.Errorf("%d series from free words", n)
	}
	if got := testutil.ToFloat64(m.deliveries.WithLabelValues("web", "failed", "reason 1")); got != 2 {
		t.Errorf("reason 1 counted %v times, want 2", got)
	}
	if got := testutil.ToFloat64(m.deliveries.WithLabelValues("web", "failed", "other")); got < 900 {
		t.Errorf("other counted %v times", got)
	}
}
