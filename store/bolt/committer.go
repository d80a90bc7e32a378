package bolt

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"syscall"
	"time"

	bbolt "go.etcd.io/bbolt"

	"github.com/hutong-im/hutong/bridge"
)

// A transaction takes what has queued, up to these. Batching is free up to some 64-256 KiB: a commit
// of that size costs the disk what one of 4 KiB does.
const (
	batchSteps = 512
	batchBytes = 1 << 20
	queueSize  = 4 * batchSteps
)

// idle is how long nothing must have come before the committer works on its index alone.
const idle = 200 * time.Millisecond

// recover is how long a full disk is left alone by steps that need room: each try costs bbolt a walk
// through the file.
const recoverAfter = 250 * time.Millisecond

// op is something for the committer to do in a transaction.
type op struct {
	run     func(b *batch) error // an error that is not spoiled has written nothing
	then    func()               // after it is durable, before it is answered; or nil
	bytes   int
	shrinks bool // it removes and hardly adds: worth a try on a full disk
	err     error
	done    chan struct{}
}

// submit has an op done and waits for its end. When ctx ends first the outcome is unknown.
func (s *Store) submit(ctx context.Context, o *op) error {
	if err := s.enqueue(ctx, o); err != nil {
		return err
	}
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
	}
	select {
	case <-o.done: // it was quicker: the caller may know
		return o.err
	default:
		return ctx.Err()
	}
}

func (s *Store) enqueue(ctx context.Context, o *op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o.done = make(chan struct{})
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return bridge.ErrClosed
	}
	select {
	case s.queue <- o:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run is the committer. It ends when the queue is closed and empty.
func (s *Store) run() {
	defer close(s.stopped)
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for {
		s.freeze(s.options.mergeAbove)
		var first *op
		var open bool
		select {
		case first, open = <-s.queue:
		case <-timer.C:
			if s.quiet() {
				timer.Reset(0) // at once again, unless something comes
			} else {
				timer.Reset(idle)
			}
			continue
		}
		if !open {
			return
		}
		s.write(s.gather(first), true)
		timer.Reset(idle)
	}
}

// quiet works on the index while nothing else is to do, and reports whether there is more of it.
func (s *Store) quiet() bool {
	s.freeze(min(mergeIdle, s.options.mergeAbove))
	if !s.ready(false) {
		return false
	}
	return s.transact(nil, mergeMost) == nil
}

// patience is how often in a row the committer lets others run without anything new being queued before
// it goes ahead. On a machine that has time this costs microseconds; on a busy one those who are about
// to queue come first, and a transaction carries several times as many steps.
const patience = 4

// When steps come at busyRate or more, and the processors are all busy, which shows in how long letting
// others run takes, small transactions would take half of them. Then the committer waits for busyWait:
// little beside what everything takes in such a moment.
const (
	busyRate   = 3000 // steps a second: 1,500 messages
	busyWindow = 100 * time.Millisecond
	busyAfter  = 150 * time.Microsecond
	busyBatch  = 32 // steps; more are worth a transaction at once
	busyWait   = time.Millisecond
)

// pace counts how fast steps come.
type pace struct {
	since time.Time
	steps int
	busy  bool
}

func (p *pace) count(steps int, now time.Time) {
	p.steps += steps
	if d := now.Sub(p.since); d >= busyWindow {
		p.busy = float64(p.steps) >= busyRate*d.Seconds()
		p.since, p.steps = now, 0
	}
}

// yield lets those queue who are about to.
func (s *Store) yield() {
	begun := time.Now()
	for still, n := 0, len(s.queue); still < patience && n < batchSteps; {
		runtime.Gosched()
		if now := len(s.queue); now > n {
			still, n = 0, now
		} else {
			still++
		}
	}
	now := time.Now()
	s.pace.count(len(s.queue)+1, now)
	if s.pace.busy && len(s.queue) < busyBatch && now.Sub(begun) > busyAfter {
		<-time.After(busyWait)
	}
}

// gather takes what has queued.
func (s *Store) gather(first *op) []*op {
	ops := append(s.ops[:0], first)
	s.yield()
	for size := first.bytes; len(ops) < batchSteps && size < batchBytes; {
		select {
		case o, open := <-s.queue:
			if !open {
				s.ops = ops
				return ops
			}
			ops = append(ops, o)
			size += o.bytes
		default:
			s.ops = ops
			return ops
		}
	}
	s.ops = ops
	return ops
}

// write commits the ops and answers them. With apart set, a disk without room is met by trying what
// removes apart from what adds.
func (s *Store) write(ops []*op, apart bool) {
	waiting := time.Now().Before(s.fullUntil)
	if apart && waiting {
		s.writeApart(ops, fmt.Errorf("the disk was full a moment ago: %w", bridge.ErrFull))
		return
	}
	merge := max(mergeLeast, min(mergeMost, 6*len(ops))) // a step brings three entries at most, mostly
	if waiting {
		merge = 0
	}
	err := s.transact(ops, merge)
	if err == nil {
		return
	}
	if errors.Is(err, bridge.ErrFull) {
		s.fullUntil = time.Now().Add(recoverAfter)
		if apart {
			s.writeApart(ops, err)
			return
		}
	}
	answer(ops, err)
}

// writeApart tries what removes, and refuses what adds.
func (s *Store) writeApart(ops []*op, err error) {
	var removes, adds []*op
	for _, o := range ops {
		if o.shrinks {
			removes = append(removes, o)
		} else {
			adds = append(adds, o)
		}
	}
	answer(adds, err)
	if len(removes) > 0 {
		s.write(removes, false)
	}
}

func answer(ops []*op, err error) {
	for _, o := range ops {
		o.err = err
		close(o.done)
	}
}

// transact does the ops in one transaction, and answers them if it was committed. Those that fail
// their checks are answered with their own errors and harm nobody. An error is for all of the rest.
func (s *Store) transact(ops []*op, merge int) error {
	begun := time.Now()
	for {
		b, bad, err := s.attempt(ops, merge)
		if err == nil {
			s.settled(ops, b, begun)
			return nil
		}
		if bad == nil {
			return err
		}
		// An op broke down half-way. Without it the rest is done again from the start.
		bad.run = func(*batch) error { return err }
	}
}

// attempt does the ops in one transaction. bad is the op that spoiled it.
func (s *Store) attempt(ops []*op, merge int) (b *batch, bad *op, err error) {
	tx, err := s.db.Begin(true)
	if err != nil {
		return nil, nil, fmt.Errorf("begin a transaction: %w", err)
	}
	b = s.newBatch(tx)
	for _, o := range ops {
		o.err = o.run(b)
		if sp := (spoiled{}); errors.As(o.err, &sp) {
			return nil, o, errors.Join(sp.err, tx.Rollback())
		}
		s.fail("step")
	}
	if err := b.finish(merge); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("write the index: %w", err), tx.Rollback())
	}
	s.fail("commit")
	id := tx.ID()
	if err := tx.Commit(); err != nil {
		return nil, nil, s.torn(b, id, err)
	}
	return b, nil, nil
}

// torn makes an error of a commit that failed. If the transaction can be seen all the same, what the
// store has in memory must follow it, and the outcome is unknown: it may not be on disk.
func (s *Store) torn(b *batch, id int, err error) error {
	visible := false
	if tx, e := s.db.Begin(false); e == nil {
		visible = tx.ID() >= id
		_ = tx.Rollback() // of a read transaction: nothing can go wrong
	}
	if visible {
		s.publish(b)
		return fmt.Errorf("commit: the outcome is unknown: %w", err)
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("%w on the disk: make some, or move the data: %w", bridge.ErrFull, err)
	}
	return fmt.Errorf("commit: %w", err)
}

// settled publishes a committed batch and answers its ops, in their order.
func (s *Store) settled(ops []*op, b *batch, begun time.Time) {
	s.publish(b)
	s.figures.Lock()
	s.commits.Commits++
	s.commits.Steps += uint64(len(ops))
	s.commits.Time += time.Since(begun)
	s.figures.Unlock()
	s.fullUntil = time.Time{}
	s.fail("committed")
	for _, o := range ops {
		if o.err == nil && o.then != nil {
			o.then()
		}
		close(o.done)
	}
}

func (s *Store) newBatch(tx *bbolt.Tx) *batch {
	s.staged.clear()
	return &batch{
		s: s, tx: tx, opened: make(map[string]*bbolt.Bucket, 24), staged: s.staged, late: s.lateBuffer[:0],
		seg: s.seg, message: s.message, delivery: s.delivery,
		seenDays: s.index.seenDays, refDays: s.index.refDays,
	}
}

// finish writes what a batch does once: the ids given, the index, some merging.
func (b *batch) finish(merge int) error {
	s := b.s
	if b.message != s.message {
		if err := b.bucket(bucketMessages).SetSequence(uint64(b.message)); err != nil {
			return err
		}
	}
	if b.delivery != s.delivery {
		if err := b.bucket(bucketOut).SetSequence(uint64(b.delivery)); err != nil {
			return err
		}
	}
	s.lateBuffer = b.late
	if len(b.late) > 0 {
		if err := b.bucket(bucketLate).Put(key(s.lateNumber+1), b.late); err != nil {
			return err
		}
	}
	if merge == 0 {
		return nil
	}
	return b.merge(merge)
}

// publish takes over in memory what a batch has made durable.
func (s *Store) publish(b *batch) {
	s.seg, s.message, s.delivery = b.seg, b.message, b.delivery
	s.kept.drop(b.written)
	x := &s.index
	x.mu.Lock()
	if len(b.late) > 0 {
		s.lateNumber++
		x.active.late = s.lateNumber
	}
	maps.Copy(x.active.seen, b.staged.seen)
	maps.Copy(x.active.refs, b.staged.refs)
	maps.Copy(x.active.heads, b.staged.heads)
	s.publishMerge(b)
	for _, f := range b.after {
		f()
	}
	x.mu.Unlock()
	s.figures.Lock()
	s.counts.waiting += b.counts.waiting
	s.counts.parked += b.counts.parked
	s.figures.Unlock()
}
