package crash

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hutong-im/hutong/e2e/gateway"
	"github.com/hutong-im/hutong/e2e/needs"
)

// complaint is the last line, or lines, that a command writes when it gives up.
var complaint = regexp.MustCompile(`(?m)^hutong: .+`)

// complains checks how a gateway gave up: with a code, and with words for a person.
func complains(t *testing.T, p *gateway.Process) {
	t.Helper()
	if code := p.ExitCode(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if trace := p.Trace(); trace != "" {
		t.Errorf("a person is shown a trace:\n%s", trace)
	}
	words := complaint.FindString(p.Log())
	if words == "" {
		t.Errorf("it does not say why it ends:\n%s", p.Log())
	}
	t.Logf("says: %s", words)
}

// tmpfs mounts a small disk.
func tmpfs(t *testing.T, size string) string {
	t.Helper()
	needs.Mounts(t)
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size="+size); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, 0); err != nil {
			t.Error(err)
		}
	})
	return folder
}

// fill takes all the room that is left on the disk.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for size := 1 << 20; size >= 512; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestDiskFull(t *testing.T) {
	folder := tmpfs(t, "96m")
	w := newWorld(t, filepath.Join(folder, "data"))
	w.pad = strings.Repeat("很长", 500)
	p := w.running()
	stop := w.talk(context.Background())
	defer stop()
	w.flow(p, 200)
	filler := filepath.Join(folder, "filler")
	fill(t, filler)
	w.stuck(p)
	w.says(p, "no room")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	w.flow(p, 200) // by itself, without a restart
	fill(t, filler)
	w.stuck(p)
	p.Kill()
	// A gateway that starts on a full disk either works as far as it can, or says what is wrong.
	if p = w.start(); p.Trace() != "" {
		t.Errorf("a start on a full disk:\n%s", p.Trace())
	}
	p.Kill()
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	p = w.running()
	w.flow(p, 200)
	stop()
	w.pass(t, p, "a full disk, twice")
	p.Kill()
}

// flow waits until so many more messages have arrived.
func (w *world) flow(p *gateway.Process, more int) {
	w.t.Helper()
	from, until := w.ledger.tally().arrived, time.Now().Add(settleTime)
	for w.ledger.tally().arrived < from+more {
		after(50*time.Millisecond, p)
		if time.Now().After(until) {
			w.t.Fatalf("%d of %d messages arrived in %s\n%s", w.ledger.tally().arrived-from, more, settleTime, p.Log())
		}
		w.alive(p)
	}
}

// stuck waits until nothing is accepted any more: every network keeps its events.
func (w *world) stuck(p *gateway.Process) {
	w.t.Helper()
	until := time.Now().Add(settleTime)
	for w.nets["keyed"].Unheard() < backlog || w.nets[team].Unheard() < backlog {
		after(50*time.Millisecond, p)
		if time.Now().After(until) {
			w.t.Fatalf("the disk is full, and still messages are accepted\n%s", p.Log())
		}
		w.alive(p)
	}
}

func (w *world) alive(p *gateway.Process) {
	w.t.Helper()
	select {
	case <-p.Gone():
		w.t.Fatalf("the gateway has ended, with code %d\n%s", p.ExitCode(), p.Log())
	default:
	}
}

// says waits until operators are told so at /readyz.
func (w *world) says(p *gateway.Process, words string) {
	w.t.Helper()
	until := time.Now().Add(20 * time.Second)
	for {
		status, body := w.get("/readyz")
		if status == 503 && strings.Contains(body, words) {
			return
		}
		if time.Now().After(until) {
			w.t.Fatalf("/readyz: %d %s, want 503 and %q", status, body, words)
		}
		after(200*time.Millisecond, p)
	}
}

func TestReadOnlyData(t *testing.T) {
	folder := tmpfs(t, "96m")
	data := filepath.Join(folder, "data")
	w := newWorld(t, data)
	stop := w.talk(context.Background())
	p := w.running()
	w.flow(p, 100)
	p.Kill()
	remount := func(flags uintptr) {
		if err := syscall.Mount("tmpfs", folder, "tmpfs", syscall.MS_REMOUNT|flags, "size=96m"); err != nil {
			t.Fatal(err)
		}
	}
	remount(syscall.MS_RDONLY)
	p = w.start()
	select {
	case <-p.Gone():
		complains(t, p)
		if log := p.Log(); !strings.Contains(log, data) || !strings.Contains(log, "read-only") {
			t.Errorf("it does not say that %s is read-only:\n%s", data, log)
		}
	default:
		t.Error("the gateway runs on a read-only folder")
		p.Kill()
	}
	remount(0)
	p = w.running()
	w.flow(p, 100)
	stop()
	w.pass(t, p, "a read-only folder")
	p.Kill()
}

func TestFolderThatIsAFile(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(data, []byte("not a folder"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := newWorld(t, data).start()
	complains(t, p)
}

// damage is what can happen to a store's file while nobody looks.
func damage() map[string]struct {
	do   func([]byte) []byte
	must bool // nothing can work after it
} {
	noise := func(b []byte, from, to int) []byte {
		random := rand.New(rand.NewPCG(9, 9))
		b = bytes.Clone(b)
		for i := from; i < min(to, len(b)); i++ {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	return map[string]struct {
		do   func([]byte) []byte
		must bool
	}{
		"cut in half":         {func(b []byte) []byte { return b[:len(b)/2] }, false},
		"cut to three pages":  {func(b []byte) []byte { return b[:3*4096] }, true},
		"cut within a page":   {func(b []byte) []byte { return b[:5000] }, true},
		"another program's":   {func([]byte) []byte { return []byte("SQLite format 3\x00 and so on") }, true},
		"noise":               {func(b []byte) []byte { return noise(b, 0, len(b)) }, true},
		"noise at its head":   {func(b []byte) []byte { return noise(b, 0, 8192) }, true},
		"noise in the middle": {func(b []byte) []byte { return noise(b, 8192, 8192+40*4096) }, false},
		"zeros":               {func(b []byte) []byte { return make([]byte, len(b)) }, true},
	}
}

func TestDamagedFile(t *testing.T) {
	data := t.TempDir()
	w := newWorld(t, data)
	stop := w.talk(context.Background())
	p := w.running()
	w.flow(p, 1500)
	p.Kill()
	killed := contents(t, data)
	p = w.running()
	w.flow(p, 100)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	closed := contents(t, data)
	stop()
	for name, d := range damage() {
		t.Run(name, func(t *testing.T) {
			w.survive(t, data, killed, d.do, d.must)
		})
		t.Run(name+", after it was closed in order", func(t *testing.T) {
			w.survive(t, data, closed, d.do, d.must)
		})
	}
	// The file brought back, all goes on. Nothing is counted: a damaged file that could be opened has
	// been worked on, and that is gone now.
	restore(t, data, closed)
	p = w.running()
	stop = w.talk(context.Background())
	w.flow(p, 200)
	stop()
	p.Kill()
}

// storeFile is where the store keeps everything, in the data folder.
const storeFile = "hutong.db"

// contents are the files that lie in a data folder.
func contents(t *testing.T, data string) map[string][]byte {
	t.Helper()
	list, err := os.ReadDir(data)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range list {
		if f.Type().IsRegular() {
			if files[f.Name()], err = os.ReadFile(filepath.Join(data, f.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
	if files[storeFile] == nil {
		t.Fatalf("no %s in the data folder: %v", storeFile, list)
	}
	return files
}

// restore puts files into a data folder, in place of those that are there.
func restore(t *testing.T, data string, files map[string][]byte) {
	t.Helper()
	for name := range contents(t, data) {
		if err := os.Remove(filepath.Join(data, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(data, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// survive starts the gateway on a damaged file: it gives up with words, or works.
func (w *world) survive(t *testing.T, data string, files map[string][]byte, damage func([]byte) []byte, must bool) {
	t.Helper()
	files = maps.Clone(files)
	files[storeFile] = damage(files[storeFile])
	restore(t, data, files)
	defer func(old *testing.T) { w.t = old }(w.t)
	w.t = t
	p := w.start()
	defer p.Kill()
	after(300*time.Millisecond, p)
	select {
	case <-p.Gone():
		complains(t, p)
	default:
		if must {
			t.Error("the gateway runs on it")
		}
		if trace := p.Trace(); trace != "" {
			t.Errorf("a person is shown a trace:\n%s", trace)
		}
	}
}
