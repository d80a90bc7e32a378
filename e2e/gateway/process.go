package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Site is an installation: an address, a config file and a data folder, whatever process runs there.
type Site struct {
	Binary *Binary
	Config string // path of the config file
	Port   int
}

// Port finds a free port of this machine. It stays the site's own through restarts.
func Port(t testing.TB) int {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// URL is the address of a path of the gateway.
func (s *Site) URL(path string) string { return "http://127.0.0.1:" + strconv.Itoa(s.Port) + path }

// Process is a gateway that runs, or has run.
type Process struct {
	site *Site
	cmd  *exec.Cmd
	log  *tail
	out  *tail
	gone chan struct{} // closed when it has ended
	err  error         // of Wait; read after gone
}

// Start starts the gateway. It may not be ready yet, and may end at any time: see Ready and Gone.
func (s *Site) Start(t testing.TB, env ...string) *Process {
	t.Helper()
	p := &Process{site: s, log: &tail{}, out: &tail{}, gone: make(chan struct{})}
	p.cmd = exec.Command(s.Binary.path, "run", "--config", s.Config) //nolint:gosec,noctx // the program under test; Kill ends it
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.gone)
	}()
	t.Cleanup(p.Kill)
	return p
}

// readyWait is how long a gateway may take until it answers, on a machine that does much else.
const readyWait = time.Minute

// Run is Start for a gateway that has to run: it waits until it answers. What it logged is told if the test fails.
func (s *Site) Run(t testing.TB, env ...string) *Process {
	t.Helper()
	p := s.Start(t, env...)
	ctx, cancel := context.WithTimeout(t.Context(), readyWait)
	defer cancel()
	if !p.Ready(ctx) {
		t.Fatalf("the gateway does not start:\n%s", p.Log())
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the gateway said:\n%s", p.Log())
		}
	})
	return p
}

// Ready waits until the gateway answers; false means that it ended before.
func (p *Process) Ready(ctx context.Context) bool {
	client := &http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.site.URL("/healthz"), nil)
		if err != nil {
			return false
		}
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return true
			}
		}
		select {
		case <-p.gone:
			return false
		case <-ctx.Done():
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Gone is closed when the process has ended.
func (p *Process) Gone() <-chan struct{} { return p.gone }

// Kill ends the process, and what it started, as kill -9 does, and waits until it is gone.
func (p *Process) Kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.gone
}

// Signal sends a signal.
func (p *Process) Signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// Stop ends the process as an operator does and reports how it went.
func (p *Process) Stop(ctx context.Context) error {
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.gone:
		return p.err
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("did not stop: %w", ctx.Err())
	}
}

// ExitCode is the code of a process that is gone; -1 is one that was killed.
func (p *Process) ExitCode() int {
	<-p.gone
	return p.cmd.ProcessState.ExitCode()
}

// Killed reports whether the process, which is gone, was ended by SIGKILL.
func (p *Process) Killed() bool {
	<-p.gone
	var exit *exec.ExitError
	if !errors.As(p.err, &exit) {
		return false
	}
	status, is := exit.Sys().(syscall.WaitStatus)
	return is && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// Log is the end of what the process wrote to its standard error.
func (p *Process) Log() string { return p.log.String() }

// Out is the end of what the process wrote to its standard output.
func (p *Process) Out() string { return p.out.String() }

// trace is how the runtime begins each goroutine's part of a trace.
var trace = regexp.MustCompile(`(?m)^\s*goroutine \d+ `)

// Trace is the trace of a panic or of a fatal error in the log; "" when there is none.
func (p *Process) Trace() string {
	log := p.Log()
	if at := trace.FindStringIndex(log); at != nil {
		return log[max(0, at[0]-1000):]
	}
	return ""
}

// peak finds the largest resident memory in what the kernel says of a process, in KiB.
var peak = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// Peak is the most memory that the process, which runs, has had resident so far, in bytes.
func (p *Process) Peak(t testing.TB) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	m := peak.FindSubmatch(text)
	if m == nil {
		t.Fatalf("the kernel does not say how much memory the gateway has had:\n%s", text)
	}
	kib, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// Command runs another command of the binary on the site and returns what it prints.
func (s *Site) Command(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.Binary.path, append(args, "--config", s.Config)...) //nolint:gosec // the program under test
	var out, bad tail
	cmd.Stdout, cmd.Stderr = &out, &bad
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("hutong %s: %w: %s", strings.Join(args, " "), err, bad.String())
	}
	return out.String(), nil
}
