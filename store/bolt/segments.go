package bolt

import (
	bbolt "go.etcd.io/bbolt"

	"github.com/hutong-im/hutong/bridge"
)

// segment is a run of messages of one day, in a bucket of their own, with another of their fates. It
// is named after its first message.
type segment struct {
	first bridge.MessageID // 0: there is none
	count int
}

// segmentSize is how many messages a segment holds at most: as many as can be dropped in one
// transaction of a few milliseconds (about 5,000 pages of 1 KiB messages).
const segmentSize = 16 << 10

// segmentName finds the name of the segment that a message would be in; nil if there is none.
func segmentName(messages *bbolt.Bucket, id bridge.MessageID) []byte {
	c := messages.Cursor()
	want := key(uint64(id))
	k, _ := c.Seek(want)
	switch {
	case k == nil:
		k, _ = c.Last()
	case number(k) != uint64(id):
		k, _ = c.Prev()
	}
	if k == nil || number(k) > uint64(id) {
		return nil
	}
	return k
}

// segmentIn opens the segment that a message would be in; nil, nil if there is none.
func segmentIn(tx *bbolt.Tx, id bridge.MessageID) (messages, fates *bbolt.Bucket) {
	parent := top(tx, bucketMessages)
	name := segmentName(parent, id)
	if name == nil {
		return nil, nil
	}
	return parent.Bucket(name), top(tx, bucketFates).Bucket(name)
}

// segmentOf opens the segment that a message would be in; nil, nil if there is none.
func (b *batch) segmentOf(id bridge.MessageID) (messages, fates *bbolt.Bucket) {
	var name []byte
	if b.seg.first != 0 && id >= b.seg.first {
		name = key(uint64(b.seg.first))
	} else if name = segmentName(b.bucket(bucketMessages), id); name == nil {
		return nil, nil
	}
	messages, fates = b.bucket(bucketMessages).Bucket(name), b.bucket(bucketFates).Bucket(name)
	if messages == nil || fates == nil {
		return nil, nil
	}
	messages.FillPercent, fates.FillPercent = appended, appended
	return messages, fates
}

// place opens the segment for a new message, and makes one if the last is of another day, or full.
func (b *batch) place(id bridge.MessageID) (*bbolt.Bucket, error) {
	if b.seg.first == 0 || b.seg.count >= segmentSize || dayOfID(b.seg.first) != dayOfID(id) {
		for _, parent := range []string{bucketMessages, bucketFates} {
			if _, err := b.bucket(parent).CreateBucket(key(uint64(id))); err != nil {
				return nil, err
			}
		}
		b.seg = segment{first: id}
	}
	b.seg.count++
	messages, _ := b.segmentOf(id)
	return messages, nil
}

// record reads a message and its fate; nil if it is not there.
func (b *batch) record(id bridge.MessageID) (message, what []byte) {
	messages, fates := b.segmentOf(id)
	if messages == nil {
		return nil, nil
	}
	if message = messages.Get(key(uint64(id))); message == nil {
		return nil, nil
	}
	return message, fates.Get(key(uint64(id)))
}

// putFate stores what became of a message.
func (b *batch) putFate(id bridge.MessageID, f *fate) error {
	_, fates := b.segmentOf(id)
	return fates.Put(key(uint64(id)), f.encode())
}
