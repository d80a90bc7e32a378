// Package mem is a store in memory: every promise of bridge.Store but the one that needs a disk. What
// it holds is gone with the process, unless Backup wrote it out and Restore reads it again.
//
// It is a product, not a test helper: it serves demonstrations, rehearsals of rules, and measurements
// of what durability costs. All of it is guarded by one lock, and nothing that it hands out shares
// memory with what it keeps.
package mem
