package bolt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	bbolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/hutong-im/hutong/bridge"
)

// File is the name of the store's file in its directory.
const File = "hutong.db"

// Errors of Open, Verify and Restore.
var (
	ErrLocked   = errors.New("in use by another process")
	ErrNewer    = errors.New("written by a newer version: use that one, or a later")
	ErrNotStore = errors.New("not a store of this program: restore a backup, or move the file away")
	ErrExists   = errors.New("is there already: move it away first")
)

// Options are how a store is opened. The zero value is right for a product.
type Options struct {
	// Wait makes Open wait until no other process has the store open; otherwise that is ErrLocked.
	Wait bool
	// OnWait, if set, is called once before Open begins to wait.
	OnWait func()
	// Failpoint, if set, is called at named places, by whichever goroutine gets there, so that a test
	// can end the process there: step, commit, committed, merge, expire, backup, close.
	Failpoint func(name string)
	// NoSync leaves out every sync. What was committed may then be lost, and the file with it, when
	// the power goes: it is for tests that must show that they would notice.
	NoSync bool

	// mergeAbove, if set, stands in for the constant, so that tests see much merging.
	mergeAbove int
}

// Store is a bridge.Store in one file. Make one with Open.
type Store struct {
	db      *bbolt.DB
	path    string
	lock    io.Closer
	options Options

	gate    sync.RWMutex // guards closed, and that nothing is queued after it
	closed  bool
	queue   chan *op
	stopped chan struct{} // closed by the committer

	figures sync.Mutex // guards the two below
	counts  counts
	commits bridge.CommitStats

	index index
	kept  kept

	// The committer's own.
	message    bridge.MessageID  // the last id given
	delivery   bridge.DeliveryID // the last id given
	seg        segment
	lateNumber uint64
	seenFrom   day // dedupe keys of days before are forgotten
	refsFrom   day // names of messages of days before are forgotten
	merger     merger
	staged     *generation
	lateBuffer []byte
	ops        []*op
	fullUntil  time.Time
	pace       pace
}

var _ bridge.Store = (*Store)(nil)

// Open opens the store in dir, and makes both if they are not there. Errors say what a person must
// do; a file torn by a broken disk may end the process instead (see Verify).
func Open(ctx context.Context, dir string, o Options) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	lock, err := lockDir(ctx, dir, o)
	if err != nil {
		return nil, err
	}
	s := &Store{
		path: filepath.Join(dir, File), lock: lock, options: o, queue: make(chan *op, queueSize), stopped: make(chan struct{}),
		staged: newGeneration(), merger: merger{plans: make(chan []entry, 1)},
	}
	if s.options.mergeAbove == 0 {
		s.options.mergeAbove = mergeAbove
	}
	if err := s.openSafely(); err != nil {
		if s.db != nil {
			err = errors.Join(err, s.db.Close())
		}
		return nil, errors.Join(explain(s.path, err), lock.Close())
	}
	go s.run()
	return s, nil
}

// openSafely turns what a damaged file does to bbolt, panics and reads where no memory is, into an error.
func (s *Store) openSafely() (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			s.db = nil // its locks are in no known state; the process is about to end
			err = fmt.Errorf("%w: it is damaged (%v): bring back the last backup", ErrNotStore, p)
		}
	}()
	return s.open()
}

// leastMap is how much address space is mapped at least. bbolt makes readers wait for writers when the
// map must grow, so it is made to last: addresses cost nothing.
const leastMap = 1 << 30

func (s *Store) open() error {
	if err := sweep(filepath.Dir(s.path)); err != nil {
		return err
	}
	if err := s.create(); err != nil {
		return err
	}
	size, err := preread(s.path)
	if err != nil {
		return err
	}
	if s.db, err = s.openFile(s.path, size); err != nil {
		return err
	}
	if err := s.db.View(checkFormat); err != nil {
		return err
	}
	if err := s.db.View(s.load); err != nil {
		return err
	}
	return s.syncDir()
}

// openFile opens a file of the given size.
func (s *Store) openFile(path string, size int64) (*bbolt.DB, error) {
	return bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:         time.Second, // the lock file has settled who may: this is for tools
		FreelistType:    bbolt.FreelistMapType,
		NoFreelistSync:  true, // or each commit writes the whole list, megabytes of it in a large file
		InitialMmapSize: int(min(max(leastMap, 4*size), maxMap)),
		NoSync:          s.options.NoSync,
		NoGrowSync:      s.options.NoSync,
	})
}

// fresh is a store that is being made.
const fresh = "new.tmp"

// create makes a store where there is none yet. It gets its name when it is whole and durable, so that a
// file of that name is never half made, whenever the power goes.
func (s *Store) create() error {
	info, err := os.Stat(s.path)
	if err == nil && info.Size() > 0 {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	path := filepath.Join(filepath.Dir(s.path), fresh)
	db, err := s.openFile(path, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(db.Update(format), db.Close()); err != nil {
		return err
	}
	if err := os.Rename(path, s.path); err != nil {
		return err
	}
	return s.syncDir()
}

// maxMap keeps 32-bit machines from being asked for more than they have.
const maxMap = int64(1) << (30 + 10*(^uint(0)>>63))

// format makes a new file a store.
func format(tx *bbolt.Tx) error {
	for _, name := range buckets() {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	return top(tx, bucketMeta).Put([]byte(metaFormat), key(formatVersion))
}

// load fills memory from the file.
func (s *Store) load(tx *bbolt.Tx) error {
	meta := top(tx, bucketMeta)
	s.seenFrom, s.refsFrom = day(number(meta.Get([]byte(metaSeen)))), day(number(meta.Get([]byte(metaRefs))))
	s.message = bridge.MessageID(top(tx, bucketMessages).Sequence())
	s.delivery = bridge.DeliveryID(top(tx, bucketOut).Sequence())
	if k, _ := top(tx, bucketLate).Cursor().Last(); k != nil {
		s.lateNumber = number(k)
	}
	messages := top(tx, bucketMessages)
	if k, _ := messages.Cursor().Last(); k != nil {
		s.seg.first = bridge.MessageID(number(k))
		c := messages.Bucket(k).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			s.seg.count++
		}
	}
	c := top(tx, bucketOut).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		switch {
		case len(v) < deliveryHead:
			return errCorrupt
		case waits(v[atState]):
			s.counts.waiting++
		default:
			s.counts.parked++
		}
	}
	return s.rebuild(tx)
}

// syncDir makes the file's name durable: a commit is worth nothing without it.
func (s *Store) syncDir() error {
	if s.options.NoSync {
		return nil
	}
	return syncDir(filepath.Dir(s.path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the administrator chose the folder
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// explain tells a person what to do about an error of opening.
func explain(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("open %s: give this user the right to write it: %w", path, err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("open %s: the disk is read-only; is it damaged, or mounted so? %w", path, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("open %s: %w on the disk: make some: %w", path, bridge.ErrFull, err)
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("open %s: %w", path, ErrLocked)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return fmt.Errorf("open %s: %w: %w", path, ErrNotStore, err)
	default:
		return fmt.Errorf("open %s: %w", path, err)
	}
}

// fail is a place where a test may end the process.
func (s *Store) fail(name string) {
	if s.options.Failpoint != nil {
		s.options.Failpoint(name)
	}
}

// usable is the reason why a call must not go on, if there is one.
func (s *Store) usable(ctx context.Context) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return bridge.ErrClosed
	}
	return ctx.Err()
}

// view reads, for a moment. After Close it is ErrClosed.
func (s *Store) view(f func(tx *bbolt.Tx) error) error {
	err := s.db.View(f)
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return bridge.ErrClosed
	}
	return err
}

// Close finishes what has queued, merges the index so that the next start is quick, and gives the
// file back.
func (s *Store) Close() error {
	s.gate.Lock()
	if s.closed {
		s.gate.Unlock()
		<-s.stopped
		return nil
	}
	s.closed = true
	close(s.queue)
	s.gate.Unlock()
	<-s.stopped
	s.fail("close")
	err := s.mergeAll()
	if err == nil {
		s.db.NoFreelistSync = false // with its free list in it, a large file opens in a millisecond
		err = s.db.Update(func(*bbolt.Tx) error { return nil })
	}
	if errors.Is(err, bridge.ErrFull) || errors.Is(err, syscall.ENOSPC) {
		err = nil // all that was only to make the next start quicker
	}
	if s.index.frozen != nil && !s.merger.sorted {
		<-s.merger.plans
	}
	return errors.Join(err, s.db.Close(), s.lock.Close())
}
