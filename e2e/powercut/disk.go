// Package powercut is a disk that can lose its power. It is mounted as a file system and keeps
// everything twice: as programs see it, and as it would be found after a power cut. Data moves from the
// first to the second when a file is synced, names when their directory is synced, and not before:
// stricter than most disks and than most file systems, so that a program which is right here is right
// on any of them. Killing a process proves nothing about syncing, because the kernel still writes what
// the dead process wrote; this disk does.
package powercut

import (
	"maps"
	"math/rand/v2"
	"sync"
	"syscall"
)

// Disk is a tree of directories and files. It stays what it is between mounts.
type Disk struct {
	mu     sync.Mutex
	random *rand.Rand
	root   *node
	lastID uint64
	// names are the changes of names that no sync has made durable, in their order, of all directories.
	names []change

	lies bool // syncs do nothing
	off  bool // the power is cut: nothing changes any more
	left int  // steps until the planned cut; 0 is none planned
	mode Mode
	cut  chan struct{}

	stats Stats
}

// Stats counts what programs did to a disk since it was made.
type Stats struct {
	Writes int // writes and truncations
	Names  int // changes of names
	Syncs  int // of files and directories
	Lost   int // writes and changes of names that were not synced when the power was cut, survivors included
}

// node is a file or a directory.
type node struct {
	id   uint64 // the inode's number
	mode uint32 // type and permissions, as in stat

	// Of a file: what programs see, what is durable, and the way from the latter to the former.
	data, synced []byte
	writes       []write

	// Of a directory.
	entries, syncedEntries map[string]*node
}

// write is one change of a file that is not durable yet.
type write struct {
	off  int64
	data []byte
	size int64 // the new size if data is nil
}

// change is one atomic change of names; a rename sets two.
type change []entry

// entry gives a name in a directory to a node, or to nothing.
type entry struct {
	dir  *node
	name string
	to   *node
}

// New makes an empty disk. The seed decides which unsynced writes survive a cut.
func New(seed uint64) *Disk {
	d := &Disk{random: rand.New(rand.NewPCG(seed, seed))} //nolint:gosec // a test repeats by its seed
	d.root = d.newNode(syscall.S_IFDIR | 0o755)
	return d
}

// Stats are the disk's counts so far.
func (d *Disk) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stats
}

// Lie makes the disk answer from now on that it has synced what it has not, as some do, or as if a
// program did not sync at all: a test that still finds nothing lost has not looked.
func (d *Disk) Lie() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lies = true
}

func (d *Disk) newNode(mode uint32) *node {
	d.lastID++
	n := &node{id: d.lastID, mode: mode}
	if n.dir() {
		n.entries, n.syncedEntries = map[string]*node{}, map[string]*node{}
	}
	return n
}

func (n *node) dir() bool { return n.mode&syscall.S_IFMT == syscall.S_IFDIR }

// step is the beginning of everything that changes the disk: here a planned cut happens.
func (d *Disk) step() syscall.Errno {
	if d.left > 0 && !d.off {
		if d.left--; d.left == 0 {
			d.cutNow(d.mode)
		}
	}
	if d.off {
		return syscall.EIO
	}
	return 0
}

func (d *Disk) write(n *node, w write) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if errno := d.step(); errno != 0 {
		return errno
	}
	d.stats.Writes++
	n.data = w.apply(n.data)
	n.writes = append(n.writes, w)
	return 0
}

func (w write) apply(image []byte) []byte {
	if w.data == nil {
		return resized(image, w.size)
	}
	image = resized(image, max(int64(len(image)), w.off+int64(len(w.data))))
	copy(image[w.off:], w.data)
	return image
}

// resized cuts an image, or fills it up with zeros.
func resized(image []byte, size int64) []byte {
	if size <= int64(len(image)) {
		return image[:size:size]
	}
	return append(image, make([]byte, size-int64(len(image)))...)
}

// sync makes a file's data, or a directory's names, durable.
func (d *Disk) sync(n *node) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if errno := d.step(); errno != 0 {
		return errno
	}
	d.stats.Syncs++
	if d.lies {
		return 0
	}
	if n.dir() {
		d.syncNames(n)
		return 0
	}
	for _, w := range n.writes {
		n.synced = w.apply(n.synced)
	}
	n.writes = nil
	return 0
}

// syncNames makes durable what was done to the names in dir. A rename between directories is one
// change, so it takes with it what was done before in the other directory.
func (d *Disk) syncNames(dir *node) {
	dirs := map[*node]bool{dir: true}
	durable := make([]bool, len(d.names))
	for i := len(d.names) - 1; i >= 0; i-- {
		for _, e := range d.names[i] {
			durable[i] = durable[i] || dirs[e.dir]
		}
		if durable[i] {
			for _, e := range d.names[i] {
				dirs[e.dir] = true
			}
		}
	}
	var rest []change
	for i, c := range d.names {
		if durable[i] {
			c.apply()
		} else {
			rest = append(rest, c)
		}
	}
	d.names = rest
}

// apply makes the change durable.
func (c change) apply() {
	for _, e := range c {
		if e.to == nil {
			delete(e.dir.syncedEntries, e.name)
		} else {
			e.dir.syncedEntries[e.name] = e.to
		}
	}
}

// rename changes names if check, which runs under the same lock, finds nothing against it.
func (d *Disk) rename(check func() (change, syscall.Errno)) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if errno := d.step(); errno != 0 {
		return errno
	}
	c, errno := check()
	if errno != 0 {
		return errno
	}
	d.stats.Names++
	for _, e := range c {
		if e.to == nil {
			delete(e.dir.entries, e.name)
		} else {
			e.dir.entries[e.name] = e.to
		}
	}
	d.names = append(d.names, c)
	return 0
}

// powerOn makes what survived the cut the truth.
func (d *Disk) powerOn() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.off {
		return
	}
	d.off, d.left, d.names = false, 0, nil
	d.root.revive(map[*node]bool{})
}

// revive turns a node, and all below it, into its durable self.
func (n *node) revive(seen map[*node]bool) {
	if seen[n] {
		return
	}
	seen[n] = true
	n.data, n.writes = append([]byte(nil), n.synced...), nil
	n.entries = maps.Clone(n.syncedEntries)
	for _, below := range n.entries {
		below.revive(seen)
	}
}
