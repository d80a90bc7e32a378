// Package gateway builds and runs the real binary for tests, the way an operator does: a config file, a
// data folder, signals.
package gateway

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Binary is the program under test. Build it once in a package's TestMain.
type Binary struct {
	path string
}

// Main builds the binary, runs the tests of a package with it, and is the exit code. set is called
// before the tests run.
func Main(m *testing.M, set func(*Binary)) int {
	dir, err := os.MkdirTemp("", "hutong-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := &Binary{path: filepath.Join(dir, "hutong")}
	build := exec.Command("go", "build", "-o", b.path, "./cmd/hutong") //nolint:gosec,noctx // its arguments are this test's; go test's own time-out ends it
	build.Dir = Root()
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the binary: %v\n%s", err, out)
		return 1
	}
	set(b)
	return m.Run()
}

// Root is the project's folder, seen from a package of the end-to-end module.
func Root() string {
	root, err := filepath.Abs("../..")
	if err != nil {
		return "../.."
	}
	return root
}

// tail keeps the last bytes of what a process writes.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// tailSize is how much of a process's output is kept, in bytes: enough for the trace of a panic.
const tailSize = 64 << 10

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if extra := len(t.text) - tailSize; extra > 0 {
		t.text = append(t.text[:0], t.text[extra:]...)
	}
	return len(p), nil
}

// String is what is kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
