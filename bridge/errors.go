package bridge

import (
	"errors"
	"fmt"
	"time"
)

// Errors of stores, blobs and plans. Adapters answer with the verdicts below.
var (
	ErrNotFound = errors.New("not found")
	// ErrStale is a commit that found something changed since it was planned: plan again.
	ErrStale = errors.New("changed meanwhile")
	// ErrTooLarge is more bytes than a limit allows.
	ErrTooLarge = errors.New("too large")
	// ErrFull is a disk, a quota or a queue without room: nothing was stored, ask again later.
	ErrFull = errors.New("no room")
	// ErrClosed is a store or a gateway that is shutting down.
	ErrClosed = errors.New("closed")
	// ErrRefused is input that will never be accepted: answer the network so that it does not repeat it.
	ErrRefused = errors.New("refused")
)

// Verdict is what an adapter's error says about the message.
type Verdict uint8

// The verdicts. A plain error is VerdictRetry: it did not arrive, try again later.
const (
	VerdictSent      Verdict = iota // no error
	VerdictRetry                    // it did not arrive; try again later
	VerdictWait                     // it did not arrive; not before Wait has passed
	VerdictPermanent                // it did not arrive and never will
	VerdictUnsure                   // it may have arrived
	VerdictClosed                   // the network's window is closed until Until, or until the customer writes
	VerdictLogin                    // the account is logged out or forbidden: everything of it waits for a person
)

// verdictError carries a verdict through any wrapping.
type verdictError struct {
	err     error
	verdict Verdict
	wait    time.Duration
	account bool
	until   time.Time
}

func (e *verdictError) Error() string { return e.err.Error() }
func (e *verdictError) Unwrap() error { return e.err }

// Permanent says that the message did not arrive and never will.
func Permanent(err error) error { return withVerdict(err, VerdictPermanent) }

// Unsure says that the message may have arrived: the answer was lost.
func Unsure(err error) error { return withVerdict(err, VerdictUnsure) }

// Login says that the account needs a person (revoked token, logged out): the adapter's deliveries
// wait, and the operator is told.
func Login(err error) error { return withVerdict(err, VerdictLogin) }

// RetryAfter says that this room must wait for d before the next try.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &verdictError{err: err, verdict: VerdictWait, wait: d}
}

// RetryAccountAfter is RetryAfter for the whole account: the network limits the sender, not the room.
func RetryAccountAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &verdictError{err: err, verdict: VerdictWait, wait: d, account: true}
}

// WindowClosed says that the network allows nothing more until the customer writes again, or until
// the given moment if it is not zero.
func WindowClosed(err error, until time.Time) error {
	if err == nil {
		return nil
	}
	return &verdictError{err: err, verdict: VerdictClosed, until: until}
}

func withVerdict(err error, v Verdict) error {
	if err == nil {
		return nil
	}
	return &verdictError{err: err, verdict: v}
}

// Judgement is an error read as an answer.
type Judgement struct {
	Verdict Verdict
	Wait    time.Duration // with VerdictWait
	Account bool          // Wait is for the whole account, not for the room
	Until   time.Time     // with VerdictClosed, if known
}

// Judge reads the verdict of an adapter's error. The outermost verdict counts.
func Judge(err error) Judgement {
	if err == nil {
		return Judgement{Verdict: VerdictSent}
	}
	var v *verdictError
	if !errors.As(err, &v) {
		return Judgement{Verdict: VerdictRetry}
	}
	return Judgement{Verdict: v.verdict, Wait: v.wait, Account: v.account, Until: v.until}
}

// FieldError is one mistake in a config: the key below the thing that was checked, and what to do.
type FieldError struct {
	Field string // as written in YAML; dots lead deeper, [n] into lists; "" is the thing itself
	Text  string
}

func (e *FieldError) Error() string {
	if e.Field == "" {
		return e.Text
	}
	return e.Field + ": " + e.Text
}

// Problem makes a FieldError. Config.Check joins all that it finds with errors.Join.
func Problem(field, format string, args ...any) error {
	return &FieldError{Field: field, Text: fmt.Sprintf(format, args...)}
}
