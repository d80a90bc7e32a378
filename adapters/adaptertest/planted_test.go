package adaptertest_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/adaptertest"
	"github.com/hutong-im/hutong/adapters/fake"
	"github.com/hutong-im/hutong/bridge"
)

// recorder is a T that keeps what the suite finds.
type recorder struct {
	ctx context.Context

	mu       sync.Mutex
	problems []string
	skipped  string
	cleanups []func()
}

func (r *recorder) Helper()                  {}
func (r *recorder) Logf(string, ...any)      {}
func (r *recorder) Context() context.Context { return r.ctx }

func (r *recorder) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Skipf(format string, args ...any) {
	r.mu.Lock()
	r.skipped = fmt.Sprintf(format, args...)
	r.mu.Unlock()
	runtime.Goexit()
}

// run does one check in a goroutine of its own, which Fatalf may end, and then the clean-up.
func (r *recorder) run(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
	for _, f := range slices.Backward(r.cleanups) {
		f()
	}
}

// toyNetwork is the fake's polled network, with the toy's config and little patience.
type toyNetwork struct {
	*network
	bug bug
}

func (n *toyNetwork) Config() bridge.Config {
	return &toyConfig{URL: n.url, Secret: bridge.MakeSecret(secret), bug: n.bug}
}

func (n *toyNetwork) Facts() adaptertest.Facts {
	f := n.network.Facts()
	f.Patience = 500 * time.Millisecond
	return f
}

func (n *toyNetwork) Do(a adaptertest.Act) (bridge.MsgID, bool) {
	if a.Verb != adaptertest.Say { // the toy hears nothing else
		return "", false
	}
	return n.network.Do(a)
}

func check(t *testing.T, name string) adaptertest.Check {
	t.Helper()
	all := adaptertest.Checks()
	i := slices.IndexFunc(all, func(c adaptertest.Check) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("no check is called %q", name)
	}
	return all[i]
}

// The toy without a bug passes: otherwise catching the others would prove nothing.
func TestToyPasses(t *testing.T) {
	net := &toyNetwork{newNetwork(t, fake.Plain, true), none}
	adaptertest.Run(t, toyKind(none), net)
}

func TestPlantedBugsAreCaught(t *testing.T) {
	for _, c := range []struct {
		bug   bug
		check string
		says  string // part of what the suite says
	}{
		{tokenInError, "verdict/unreachable is retry", "a secret is in an error"},
		{tokenInLog, "say/ids", "a secret is in a log line"},
		{textInLog, "hear/message", "in a log line above debug"},
		{earlyOffset, "hear/again after an error", "did not come"},
		{lateRefused, "hear/refused is not repeated", "did not come"},
		{ownUnmarked, "hear/own messages are marked", "hears its own message"},
		{timeoutIsRetry, "verdict/time-out is unsure", "verdict retry"},
		{revokedIsRetry, "verdict/revoked is login", "verdict retry"},
		{busyWithoutWait, "verdict/busy is wait", "verdict retry"},
		{bytesNotUTF16, "caps", "Caps limit text"},
		{noLimit, "say/at the limit", "are refused"},
		{noLimit, "caps", "Caps limit text"},
		{cutText, "say/over the limit", "verdict sent"},
		{ignoresCtx, "run/stops", "Run did not return"},
		{escapedText, "say/texts", "&lt;"},
		{emptyID, "say/ids", "an empty id"},
		{otherID, "say/ids", "the network"},
		{deleteNothing, "deleter", "must be gone"},
		{deleteTwice, "deleter", "already deleted"},
		{goroutineStays, "run/stops", "outlives"},
		{checkAll, "config/refuses nonsense", "is accepted"},
		{checkAll, "config/names every problem", "without any setting"},
		{checkFirst, "config/names every problem", "named at once"},
		{openCalls, "config/open is silent", "Open speaks"},
		{permanentDown, "verdict/unreachable is retry", "verdict permanent"},
		{runReturnsNil, "run/reconnects", "returned nil"},
		{sharedCursor, "hear/reply", "replies to"},
	} {
		t.Run(string(c.bug)+"/"+c.check, func(t *testing.T) {
			rec := &recorder{ctx: t.Context()}
			net := &toyNetwork{newNetwork(t, fake.Plain, true), c.bug}
			rec.run(func() { check(t, c.check).Run(rec, toyKind(c.bug), net) })
			if rec.skipped != "" {
				t.Fatalf("the check was skipped: %s", rec.skipped)
			}
			if !strings.Contains(strings.Join(rec.problems, "\n"), c.says) {
				t.Errorf("not caught; the suite says %q, want %q", rec.problems, c.says)
			}
		})
	}
}
