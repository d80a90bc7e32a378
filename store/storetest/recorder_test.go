package storetest_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/hutong-im/hutong/store/storetest"
)

// recorder stands in for *testing.T and remembers what a test found wrong.
type recorder struct {
	t        *testing.T
	ctx      context.Context
	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) TempDir() string          { return r.t.TempDir() }

func (r *recorder) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// caught runs the suite against the kind, and returns the first test that failed and why.
func caught(t *testing.T, k storetest.Kind) (test, why string) {
	t.Helper()
	for _, x := range storetest.Tests(k) {
		ctx, cancel := context.WithCancel(t.Context())
		r := &recorder{t: t, ctx: ctx}
		done := make(chan struct{})
		go func() { // Fatalf ends the goroutine, as it does in a test
			defer close(done)
			x.Run(r, k)
		}()
		<-done
		for _, v := range slices.Backward(r.cleanups) {
			v()
		}
		cancel()
		if len(r.failures) > 0 {
			return x.Name, r.failures[0]
		}
	}
	return "", ""
}
