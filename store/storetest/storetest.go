// Package storetest is the contract of bridge.Store as tests: whatever passes it may stand behind the
// bridge. A store's own test hands it a constructor and calls Run, or RunKind when the store keeps
// what it holds in a directory.
//
// The tests are a plain list, and speak to a small T instead of *testing.T, so that they can be run
// against broken stores too, to see that they notice.
package storetest

import (
	"context"
	"io"
	"testing"

	"github.com/hutong-im/hutong/bridge"
)

// T is what a test of the suite needs of *testing.T.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(func())
	Context() context.Context
	TempDir() string
}

// Kind is a kind of store.
type Kind struct {
	// Open opens the store that is in dir, or makes it there. The suite closes it.
	Open func(t T, dir string) bridge.Store
	// Durable says that what was committed is there again after Close and Open of the same directory.
	Durable bool
	// Restore makes a store in the empty dir of what Backup wrote. Without it backups are not tested.
	Restore func(t T, backup io.Reader, dir string)
}

// Test is one promise, tested.
type Test struct {
	Name string
	Run  func(t T, k Kind)
}

// Tests are the tests that a kind of store must pass, in the order in which they are best read.
func Tests(k Kind) []Test {
	all := []Test{
		{"ids rise with the time of acceptance", testIDs},
		{"a commit fills in what the step leaves out", testDefaults},
		{"an event seen before changes nothing", testSeen},
		{"a message known by its source or a copy changes nothing", testKnownMessage},
		{"of concurrent twins exactly one is done", testTwins},
		{"entities are written at their revision", testRevisions},
		{"an account has one owner", testAccounts},
		{"a link per member and contact", testPairs},
		{"expectations must hold", testExpect},
		{"a stale step does nothing at all", testAtomic},
		{"a message changes in every way", testChange},
		{"nothing is shared with the caller", testAliasing},
		{"then is called in commit order", testThen},
		{"a context that has ended does nothing", testContext},
		{"nothing is accepted after close", testClosed},

		{"a delivery waits in its lane until it is settled", testSettle},
		{"a parked delivery is tried again or cancelled", testParked},
		{"a settlement of nothing is skipped", testSettleMissing},
		{"a message's state only goes forward", testStates},
		{"copies lead back to their message", testCopies},
		{"lanes are claimed by their heads", testClaim},
		{"deliveries are listed in pages", testDeliveries},
		{"a lane's order is the order of its commits", testLaneOrder},

		{"what is not there is not found", testNotFound},
		{"the book is listed", testBook},
		{"a listing lets commits through", testListing},
		{"history is paged, newest first", testHistory},
		{"the audit trail is kept in order", testTrail},

		{"a key has one value and a revision", testKV},
		{"keys are listed in pages", testKVList},
		{"of concurrent writers of a key one wins", testKVRace},

		{"a contact is erased with everything", testErase},
		{"a shared room outlives one of its contacts", testEraseShared},
		{"whole days are forgotten", testExpire},
		{"the figures are right", testStats},
		{"any sequence of steps does what the model does", testModel},
	}
	if k.Durable {
		all = append(all,
			Test{"everything is there after reopening", testReopen},
			Test{"ids go on after reopening", testReopenIDs},
		)
	}
	if k.Restore != nil {
		all = append(all,
			Test{"a backup restores the same", testBackup},
			Test{"a backup is taken while everything goes on", testHotBackup},
		)
	}
	return all
}

// Run tests a store that a constructor makes empty each time.
func Run(t *testing.T, open func(t *testing.T) bridge.Store) {
	t.Helper()
	for _, x := range Tests(Kind{}) {
		t.Run(x.Name, func(t *testing.T) {
			x.Run(t, Kind{Open: func(T, string) bridge.Store { return open(t) }})
		})
	}
}

// RunKind tests a kind of store that lives in a directory.
func RunKind(t *testing.T, k Kind) {
	t.Helper()
	for _, x := range Tests(k) {
		t.Run(x.Name, func(t *testing.T) { x.Run(t, k) })
	}
}
