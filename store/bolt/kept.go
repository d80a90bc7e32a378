package bolt

import "sync"

// keptMost bounds the entities kept ready: those of some thousand conversations, about 2 MiB.
const keptMost = 8192

// kept holds encoded entities that were read lately, so that a message need not search the file for
// the link and room that the one before it found. It never holds what the file does not: a commit
// takes out what it writes before anybody hears of it, and what was read before a commit is not
// taken in after it.
type kept struct {
	mu    sync.RWMutex
	epoch uint64 // of commits that wrote entities
	vals  map[string][]byte
}

// get is the entity under bucket and key; nil if it is not kept. The epoch is for put.
func (k *kept) get(name string) (val []byte, epoch uint64) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.vals[name], k.epoch
}

// put keeps a copy of what was read, unless something was written since the epoch.
func (k *kept) put(name string, val []byte, epoch uint64) {
	c := append([]byte(nil), val...)
	k.mu.Lock()
	defer k.mu.Unlock()
	if epoch != k.epoch {
		return
	}
	if k.vals == nil || len(k.vals) >= keptMost {
		k.vals = make(map[string][]byte)
	}
	k.vals[name] = c
}

// drop takes out what a commit has written.
func (k *kept) drop(names []string) {
	if len(names) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.epoch++
	for _, n := range names {
		delete(k.vals, n)
	}
}
