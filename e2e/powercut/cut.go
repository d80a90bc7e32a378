package powercut

// Mode is what happens in a cut to what was not synced.
type Mode int

// The modes, each as a disk may behave.
const (
	// Drop loses everything that was not synced.
	Drop Mode = iota
	// Reorder keeps a random part of the writes and of the changes of names: a disk writes its cache in
	// an order of its own.
	Reorder
	// Tear keeps a random part of the 512-byte sectors of each write: a write of a page is not atomic.
	Tear
)

// Modes are all modes.
func Modes() []Mode { return []Mode{Drop, Reorder, Tear} }

// String is the mode's name.
func (m Mode) String() string { return [...]string{"drop", "reorder", "tear"}[m] }

// sector is what a disk writes whole, in bytes.
const sector = 512

// Cut cuts the power now. From here on, whatever would change the disk fails with EIO, and what a
// program was told to be synced before is what it finds after the next Mount.
func (d *Disk) Cut(m Mode) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.off {
		d.cutNow(m)
	}
}

// CutAfter plans a cut after n more steps; a step is a write, a sync or a change of a name. The channel
// is closed when it happens.
func (d *Disk) CutAfter(n int, m Mode) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left, d.mode, d.cut = max(n, 1), m, make(chan struct{})
	return d.cut
}

func (d *Disk) cutNow(m Mode) {
	d.off = true
	d.stats.Lost += len(d.names)
	for _, c := range d.names {
		if m != Drop && d.random.IntN(2) == 0 {
			c.apply()
		}
	}
	d.root.settle(d, m, map[*node]bool{})
	if d.cut != nil {
		close(d.cut)
		d.cut = nil
	}
}

// settle decides what survives of each file below n.
func (n *node) settle(d *Disk, m Mode, seen map[*node]bool) {
	if seen[n] {
		return
	}
	seen[n] = true
	for _, below := range n.syncedEntries {
		below.settle(d, m, seen)
	}
	d.stats.Lost += len(n.writes)
	for _, w := range n.writes {
		switch {
		case m == Reorder && d.random.IntN(2) == 0, m == Tear && w.data == nil && d.random.IntN(2) == 0:
			n.synced = w.apply(n.synced)
		case m == Tear:
			for at := 0; at < len(w.data); at += sector {
				if d.random.IntN(2) == 0 {
					part := w.data[at:min(at+sector, len(w.data))]
					n.synced = write{off: w.off + int64(at), data: part}.apply(n.synced)
				}
			}
		}
	}
	n.writes = nil
}
