package powercut

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/hutong-im/hutong/e2e/needs"
)

// bench is a disk on a folder.
type bench struct {
	t      *testing.T
	disk   *Disk
	mount  *Mount
	folder string
}

func mounted(t *testing.T, seed uint64) *bench {
	t.Helper()
	needs.Mounts(t)
	b := &bench{t: t, disk: New(seed), folder: t.TempDir()}
	b.power()
	t.Cleanup(func() { b.ok(b.mount.Unmount()) })
	return b
}

func (b *bench) ok(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) power() {
	b.t.Helper()
	var err error
	b.mount, err = b.disk.Mount(b.folder)
	b.ok(err)
}

// cut cuts the power and turns it on again.
func (b *bench) cut(m Mode) {
	b.t.Helper()
	b.disk.Cut(m)
	b.ok(b.mount.Unmount())
	b.power()
}

func (b *bench) path(name string) string { return filepath.Join(b.folder, name) }

// put writes a file and syncs it; its name is synced too if all is set.
func (b *bench) put(name, text string, all bool) {
	b.t.Helper()
	f, err := os.OpenFile(b.path(name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	b.ok(err)
	_, err = f.WriteString(text)
	b.ok(err)
	b.ok(f.Sync())
	b.ok(f.Close())
	if all {
		b.sync(filepath.Dir(name))
	}
}

func (b *bench) sync(name string) {
	b.t.Helper()
	f, err := os.Open(b.path(name))
	b.ok(err)
	b.ok(f.Sync())
	b.ok(f.Close())
}

// want compares a file; "" means that there must be none.
func (b *bench) want(name, text string) {
	b.t.Helper()
	got, err := os.ReadFile(b.path(name))
	switch {
	case text == "" && !errors.Is(err, fs.ErrNotExist):
		b.t.Errorf("%s is there: %q, %v", name, got, err)
	case text != "" && (err != nil || string(got) != text):
		b.t.Errorf("%s: %q, %v, want %q", name, got, err, text)
	}
}

func TestWhatIsSyncedSurvives(t *testing.T) {
	for _, m := range Modes() {
		t.Run(m.String(), func(t *testing.T) {
			b := mounted(t, 1)
			b.ok(os.Mkdir(b.path("blobs"), 0o755))
			b.sync(".")
			b.put("blobs/a", "hello", true)
			b.put("blobs/a.new", "world", false)
			b.ok(os.Rename(b.path("blobs/a.new"), b.path("blobs/a")))
			b.sync("blobs")
			b.put("gone", "x", true)
			b.ok(os.Remove(b.path("gone")))
			b.sync(".")
			b.cut(m)
			b.want("blobs/a", "world")
			b.want("blobs/a.new", "")
			b.want("gone", "")
			b.cut(m)
			b.want("blobs/a", "world")
		})
	}
}

func TestWhatIsNotSyncedIsDropped(t *testing.T) {
	b := mounted(t, 1)
	b.put("data", "old", true)
	b.put("kept", "old", true)
	b.put("kept.new", "new", false)
	b.put("name", "synced, but its name is not", false)
	b.ok(os.Rename(b.path("kept.new"), b.path("kept")))
	b.ok(os.WriteFile(b.path("data"), []byte("newer"), 0o600))
	b.ok(os.Mkdir(b.path("folder"), 0o755))
	b.want("data", "newer")
	b.want("kept", "new")
	b.cut(Drop)
	b.want("data", "old")
	b.want("name", "")
	b.want("kept", "old")
	if _, err := os.Stat(b.path("folder")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is there: %v", err)
	}
	if lost := b.disk.Stats().Lost; lost < 5 {
		t.Errorf("%d changes were not synced at the cut, want 5 at least", lost)
	}
}

func TestRenameBetweenFoldersIsOneChange(t *testing.T) {
	for seed := range uint64(20) {
		b := mounted(t, seed)
		b.ok(os.Mkdir(b.path("from"), 0o755))
		b.ok(os.Mkdir(b.path("to"), 0o755))
		b.sync(".")
		b.put("from/a", "a", true)
		b.put("to/b", "b", true)
		b.ok(os.Remove(b.path("to/b")))
		b.ok(os.Rename(b.path("from/a"), b.path("to/b")))
		if seed%2 == 0 {
			b.sync("from")
			b.cut(Drop)
			b.want("from/a", "")
			b.want("to/b", "a")
			continue
		}
		b.cut(Reorder)
		_, from := os.Stat(b.path("from/a"))
		to, _ := os.ReadFile(b.path("to/b"))
		if moved := string(to) == "a"; moved == (from == nil) {
			t.Errorf("seed %d: from/a: %v, to/b: %q: half a rename", seed, from, to)
		}
	}
}

func TestReorderKeepsSomeWrites(t *testing.T) {
	b := mounted(t, 7)
	old, fresh := bytes.Repeat([]byte{'o'}, 4096), bytes.Repeat([]byte{'n'}, 4096)
	b.put("f", string(bytes.Repeat(old, 64)), true)
	b.overwrite("f", fresh, 64)
	b.cut(Reorder)
	kept := 0
	for page := range slices.Chunk(b.get("f"), 4096) {
		switch {
		case bytes.Equal(page, fresh):
			kept++
		case !bytes.Equal(page, old):
			t.Fatal("a write is torn")
		}
	}
	if kept == 0 || kept == 64 {
		t.Errorf("%d of 64 writes survived", kept)
	}
}

func TestTearKeepsSomeSectors(t *testing.T) {
	b := mounted(t, 7)
	old, fresh := bytes.Repeat([]byte{'o'}, 4096), bytes.Repeat([]byte{'n'}, 4096)
	b.put("f", string(old), true)
	b.overwrite("f", fresh, 1)
	b.cut(Tear)
	kept := 0
	for s := range slices.Chunk(b.get("f"), sector) {
		switch {
		case bytes.Equal(s, fresh[:sector]):
			kept++
		case !bytes.Equal(s, old[:sector]):
			t.Fatal("a sector is torn")
		}
	}
	if kept == 0 || kept == 4096/sector {
		t.Errorf("%d of %d sectors survived: not torn", kept, 4096/sector)
	}
}

// overwrite writes n blocks over a file from its beginning, and does not sync.
func (b *bench) overwrite(name string, block []byte, n int) {
	b.t.Helper()
	f, err := os.OpenFile(b.path(name), os.O_WRONLY, 0)
	b.ok(err)
	for i := range n {
		_, err := f.WriteAt(block, int64(i*len(block)))
		b.ok(err)
	}
	b.ok(f.Close())
}

func (b *bench) get(name string) []byte {
	b.t.Helper()
	got, err := os.ReadFile(b.path(name))
	b.ok(err)
	return got
}

func TestTruncationWaitsForASync(t *testing.T) {
	b := mounted(t, 1)
	b.put("f", "0123456789", true)
	b.ok(os.Truncate(b.path("f"), 4))
	b.want("f", "0123")
	b.cut(Drop)
	b.want("f", "0123456789")
	b.ok(os.Truncate(b.path("f"), 4))
	b.ok(os.Truncate(b.path("f"), 6))
	b.sync("f")
	b.cut(Drop)
	b.want("f", "0123\x00\x00")
}

func TestPlannedCut(t *testing.T) {
	b := mounted(t, 1)
	b.put("f", "old", true)
	f, err := os.OpenFile(b.path("f"), os.O_WRONLY, 0)
	b.ok(err)
	cut := b.disk.CutAfter(3, Drop)
	_, err = f.WriteAt([]byte("1"), 0)
	b.ok(err)
	b.ok(f.Sync())
	_, err = f.WriteAt([]byte("2"), 1)
	if !errors.Is(err, syscall.EIO) {
		t.Errorf("the write at the cut: %v, want EIO", err)
	}
	<-cut
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Errorf("a sync after the cut: %v, want EIO", err)
	}
	if err := os.Mkdir(b.path("d"), 0o755); !errors.Is(err, syscall.EIO) {
		t.Errorf("a folder after the cut: %v, want EIO", err)
	}
	_ = f.Close()
	b.cut(Drop)
	b.want("f", "1ld")
}

func TestLyingDiskLosesWhatIsSynced(t *testing.T) {
	b := mounted(t, 1)
	b.put("f", "old", true)
	b.disk.Lie()
	b.put("f", "new", true)
	b.want("f", "new")
	b.cut(Drop)
	b.want("f", "old")
}

func TestSockets(t *testing.T) {
	b := mounted(t, 1)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", b.path("s"))
	b.ok(err)
	c, err := (&net.Dialer{}).DialContext(t.Context(), "unix", b.path("s"))
	b.ok(err)
	b.ok(c.Close())
	b.ok(l.Close())
	if _, err := os.Stat(b.path("s")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestUnmountLosesNothing(t *testing.T) {
	b := mounted(t, 1)
	b.ok(os.WriteFile(b.path("f"), []byte("not synced"), 0o600))
	b.ok(b.mount.Unmount())
	b.power()
	b.want("f", "not synced")
}

// mapped is set for the process that maps a file of a disk which another process serves: a process
// that faults on a page of its own disk waits for itself.
const mapped = "POWERCUT_TEST_MAPPED"

// A store maps its file for reading and writes with pwrite: the mapping has to show what was written.
func TestMappingSeesWrites(t *testing.T) {
	if name := os.Getenv(mapped); name != "" {
		writeAndLook(t, name)
		return
	}
	b := mounted(t, 1)
	b.put("f", string(make([]byte, 8192)), true)
	self := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMappingSeesWrites$", "-test.v")
	self.Env = append(os.Environ(), mapped+"="+b.path("f"))
	if out, err := self.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS")) {
		t.Errorf("%v:\n%s", err, out)
	}
}

func writeAndLook(t *testing.T, name string) {
	b := &bench{t: t}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	b.ok(err)
	m, err := syscall.Mmap(int(f.Fd()), 0, 1<<20, syscall.PROT_READ, syscall.MAP_SHARED)
	b.ok(err)
	for i := range 100 {
		at := i * 80
		_, err := f.WriteAt([]byte{byte(i + 1)}, int64(at))
		b.ok(err)
		if m[at] != byte(i+1) {
			t.Fatalf("byte %d of the mapping is %d, want %d", at, m[at], i+1)
		}
	}
	b.ok(f.Truncate(16384))
	_, err = f.WriteAt([]byte("grown"), 12288)
	b.ok(err)
	if got := string(m[12288:12293]); got != "grown" {
		t.Errorf("the mapping of what the file grew shows %q", got)
	}
	b.ok(syscall.Munmap(m))
	b.ok(f.Close())
}

func TestFoldersAndNames(t *testing.T) {
	b := mounted(t, 1)
	b.ok(os.MkdirAll(b.path("a/b/c"), 0o700))
	b.put("a/b/c/f", "x", false)
	b.ok(os.Link(b.path("a/b/c/f"), b.path("a/g")))
	b.want("a/g", "x")
	cases := map[string]struct{ got, want error }{
		"a folder that is not empty": {os.Remove(b.path("a/b")), syscall.ENOTEMPTY},
		"a file that is not there":   {os.Remove(b.path("nothing")), syscall.ENOENT},
		"a folder that is there":     {os.Mkdir(b.path("a"), 0o700), syscall.EEXIST},
		"a move of nothing":          {os.Rename(b.path("nothing"), b.path("b")), syscall.ENOENT},
	}
	for name, c := range cases {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
	list, err := os.ReadDir(b.path("a"))
	b.ok(err)
	if len(list) != 2 || list[0].Name() != "b" || !list[0].IsDir() || list[1].Name() != "g" {
		t.Errorf("the folder lists %v", list)
	}
	info, err := os.Stat(b.path("a/b/c/f"))
	b.ok(err)
	if info.Mode() != 0o600 || info.Size() != 1 {
		t.Errorf("the file is %v, %d bytes", info.Mode(), info.Size())
	}
}
