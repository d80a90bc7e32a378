package bolt

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	bbolt "go.etcd.io/bbolt"

	"github.com/hutong-im/hutong/bridge"
)

// The buckets of the file. Names are short because they are looked up in every transaction.
const (
	bucketMeta     = "meta"     // what the file is: see meta.go
	bucketContacts = "contacts" // contact → entity
	bucketAccounts = "accounts" // adapter, user → contact
	bucketLinks    = "links"    // link → entity
	bucketMembers  = "members"  // member, link → nothing
	bucketPairs    = "pairs"    // contact, link → member
	bucketRooms    = "rooms"    // adapter, room → entity
	bucketCarriers = "carriers" // link, adapter, room → nothing: the rooms that carry it
	bucketCards    = "cards"    // card → entity
	bucketOut      = "out"      // delivery → delivery, waiting or parked; its sequence is the last id
	bucketLanes    = "lanes"    // lane, delivery → nothing: those that wait
	bucketMessages = "messages" // segment → message → message; its sequence is the last id
	bucketFates    = "fates"    // segment → message → fate
	bucketHeads    = "heads"    // conversation → its newest message
	bucketSeen     = "seen"     // day and first digit → dedupe key → message
	bucketRefs     = "refs"     // day and first digit → network's name → message
	bucketLate     = "late"     // number → entries that are not in the three above yet
	bucketBlobs    = "blobs"    // blob, what refers to it → nothing
	bucketFiled    = "filed"    // message, blob → nothing
	bucketLoose    = "loose"    // blob → nothing: its last reference went away in a commit
	bucketAudit    = "audit"    // number → entry
	bucketKV       = "kv"       // scope → key → revision, value; its sequence is the last revision
)

// buckets are all of them, in the order in which they are made.
func buckets() []string {
	return []string{
		bucketMeta, bucketContacts, bucketAccounts, bucketLinks, bucketMembers, bucketPairs, bucketRooms,
		bucketCarriers, bucketCards, bucketOut, bucketLanes, bucketMessages, bucketFates, bucketHeads,
		bucketSeen, bucketRefs, bucketLate, bucketBlobs, bucketFiled, bucketLoose, bucketAudit, bucketKV,
	}
}

// top is a bucket of the file.
func top(tx *bbolt.Tx, name string) *bbolt.Bucket { return tx.Bucket([]byte(name)) }

// maxName is how long what a network calls something may be: far above any, far below bbolt's 32 KiB.
const maxName = 8 << 10

func key(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

func key2(a, b uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(make([]byte, 0, 16), a), b)
}

// number is the number that a key ends with.
func number(k []byte) uint64 {
	if len(k) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(k[len(k)-8:])
}

// named is a key of a text that is followed by something: the length before it keeps texts apart.
func named[S ~string](s S, rest ...byte) []byte {
	return append(append(binary.AppendUvarint(make([]byte, 0, len(s)+len(rest)+2), uint64(len(s))), s...), rest...)
}

func accountKey(u bridge.UserRef) []byte { return named(u.Adapter, []byte(u.User)...) }
func roomKey(r bridge.RoomRef) []byte    { return named(r.Adapter, []byte(r.Room)...) }

// roomOf reads a room's key.
func roomOf(k []byte) (bridge.RoomRef, error) {
	d := &decoder{b: k}
	r := bridge.RoomRef{Adapter: readText[string](d)}
	r.Room = bridge.RoomID(d.b)
	return r, d.err
}

// checkName refuses what is too long for a key.
func checkName(what string, n int) error {
	if n > maxName {
		return fmt.Errorf("%s of %d bytes: %w", what, n, bridge.ErrTooLarge)
	}
	return nil
}

// hash stands for a dedupe key or a network's name of a message. 16 bytes of SHA-256: nobody can
// make two names meet, and 2^64 of them would have to be kept before two did by chance.
type hash [16]byte

func hashSeen(s string) hash {
	sum := sha256.Sum256([]byte(s))
	return hash(sum[:16])
}

func hashRef(room bridge.RoomRef, msg bridge.MsgID) hash {
	b := make([]byte, 0, len(room.Adapter)+len(room.Room)+len(msg)+6)
	b = append(binary.AppendUvarint(b, uint64(len(room.Adapter))), room.Adapter...)
	b = append(binary.AppendUvarint(b, uint64(len(room.Room))), room.Room...)
	sum := sha256.Sum256(append(b, msg...))
	return hash(sum[:16])
}

// day is a day of UTC, counted from 1970.
type day uint32

// dayOf is the day of a moment; those before 1970 are of the first day.
func dayOf(t time.Time) day { return day(max(t.Unix(), 0) / 86_400) }

// dayOfID is the day on which a message was accepted.
func dayOfID(id bridge.MessageID) day { return dayOf(id.Time()) }

// shard names the bucket of a day that holds the hash. The first digit of the hash keeps each of them
// small enough to be dropped in one transaction.
func shard(d day, h hash) []byte { return shardAt(d, h[0]>>4) }

func shardAt(d day, digit byte) []byte {
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, 5), uint32(d)), digit)
}
