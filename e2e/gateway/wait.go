package gateway

import (
	"testing"
	"time"
)

// Patience is how long something may take that must happen.
const Patience = 30 * time.Second

// Eventually waits until f says that it is so. If it is not within the time, the test ends with what f said instead.
func Eventually(t testing.TB, within time.Duration, what string, f func() (is string, ok bool)) {
	t.Helper()
	for end := time.Now().Add(within); ; {
		is, ok := f()
		if ok {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s; it is: %s", what, within, is)
		}
		<-time.After(30 * time.Millisecond)
	}
}
