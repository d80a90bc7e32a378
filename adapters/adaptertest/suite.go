package adaptertest

import (
	"context"
	"slices"
	"testing"

	"github.com/hutong-im/hutong/bridge"
)

// T is what the suite needs of *testing.T, small enough for a recorder that tests the suite itself.
// Fatalf and Skipf must not return.
type T interface {
	Helper()
	Context() context.Context
	Cleanup(f func())
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
}

// Check is one sentence of the contract.
type Check struct {
	Name string
	f    func(r *rig)
}

// Run does the check on an adapter of its own.
func (c Check) Run(t T, kind bridge.Kind, net Network) {
	t.Helper()
	r := newRig(t, kind, net)
	c.f(r)
}

// Run runs every check as a subtest, one after the other.
func Run(t *testing.T, kind bridge.Kind, net Network) {
	t.Helper()
	for _, c := range Checks() {
		t.Run(c.Name, func(t *testing.T) { c.Run(t, kind, net) })
	}
}

// Checks lists the checks.
func Checks() []Check {
	return slices.Concat(configChecks(), hearChecks(), hookChecks(), sayChecks(), fileChecks(), verdictChecks(), addonChecks(), runChecks())
}
