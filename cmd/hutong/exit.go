package main

import (
	"errors"
	"fmt"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/config"
	"github.com/hutong-im/hutong/people"
)

// The exit codes; root.go tells people what they mean.
const (
	exitDone = iota
	exitFailed
	exitUsage
	exitConfig
	exitNotFound
	exitPerson
)

// errPerson is a network that wants a person before it works.
var errPerson = errors.New("a person must act")

// usageError is a wrong command line.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// exitCode is what scripts see of an error.
func exitCode(err error) int {
	switch {
	case err == nil:
		return exitDone
	case is[*usageError](err), errors.Is(err, people.ErrInvalid):
		return exitUsage
	case is[config.Mistakes](err):
		return exitConfig
	case errors.Is(err, bridge.ErrNotFound):
		return exitNotFound
	case errors.Is(err, errPerson):
		return exitPerson
	}
	return exitFailed
}

// complaint is an error as it is printed. Mistakes of a config stand for themselves, one a line, as
// editors and compilers' readers expect them.
func complaint(err error) string {
	if mistakes, ok := errors.AsType[config.Mistakes](err); ok {
		noun := "mistakes"
		if len(mistakes) == 1 {
			noun = "mistake"
		}
		return fmt.Sprintf("%s\n%d %s", mistakes.Error(), len(mistakes), noun)
	}
	return "hutong: " + err.Error()
}

// is reports whether an error of that type is in the chain.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
