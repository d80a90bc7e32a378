// Package bolt is the default store: one file, hutong.db, and nothing else to run.
//
// # How it is quick
//
// One goroutine commits. It takes the steps that have queued, checks each against the state that the
// ones before it leave, writes them in one transaction, syncs, answers all of them, and begins again:
// the more that comes in while the disk works, the more goes into the next transaction. There is no
// timer. What can be done before queueing (encoding, hashing, looking for old dedupe keys) is done by
// the caller's goroutine, because the committer is the narrow place.
//
// All that is written often is written at the end of a bucket. Messages are kept under their
// time-ordered ids in segments of a day or less, and what became of them beside them. Names of
// messages (what networks call them), dedupe keys and the heads of conversations would be scattered
// writes, so they are first appended to a log (the late bucket) and kept in memory; from there they
// are merged in sorted batches into buckets of a day each. Opening reads the log again.
//
// Forgetting is dropping buckets, a bounded one in each transaction.
//
// # How it is safe
//
// A commit is answered after its transaction is synced. A step that fails its checks is left out
// of the transaction before it has written anything. On a full disk steps that only remove things are
// tried apart from those that add. A torn or foreign file is better looked at in another process
// first, by Verify: bbolt panics on some of them.
package bolt
