package bolt

import (
	"bytes"
	"context"
	"slices"

	bbolt "go.etcd.io/bbolt"

	"github.com/hutong-im/hutong/bridge"
)

// References to blobs are counted by listing them: a key of the blob and of what refers to it. A
// message's blobs are listed under the message too, so that forgetting it needs no decoding.

// hold records that something refers to the blob.
func (b *batch) hold(blob string, kind byte, id uint64) error {
	if blob == "" {
		return nil
	}
	if err := b.bucket(bucketLoose).Delete([]byte(blob)); err != nil {
		return err
	}
	return b.bucket(bucketBlobs).Put(named(blob, append([]byte{kind}, key(id)...)...), nil)
}

// release takes the record back, and calls free if it was the last.
func (b *batch) release(blob string, kind byte, id uint64, free func(blob string) error) error {
	if blob == "" {
		return nil
	}
	blobs := b.bucket(bucketBlobs)
	if err := blobs.Delete(named(blob, append([]byte{kind}, key(id)...)...)); err != nil {
		return err
	}
	prefix := named(blob)
	if k, _ := blobs.Cursor().Seek(prefix); k != nil && bytes.HasPrefix(k, prefix) {
		return nil
	}
	return free(blob)
}

// loosen keeps a blob that nothing refers to any more for the next Expire to tell.
func (b *batch) loosen(blob string) error { return b.bucket(bucketLoose).Put([]byte(blob), nil) }

// file records the blobs of a message.
func (b *batch) file(id bridge.MessageID, fs []bridge.File) error {
	for _, f := range fs {
		if f.Blob == "" {
			continue
		}
		if err := b.hold(f.Blob, 'm', uint64(id)); err != nil {
			return err
		}
		if err := b.bucket(bucketFiled).Put(append(key(uint64(id)), f.Blob...), nil); err != nil {
			return err
		}
	}
	return nil
}

// unfile takes back the blobs of a message that are not among those that stay.
func (b *batch) unfile(id bridge.MessageID, fs, stay []bridge.File) error {
	for _, f := range fs {
		if f.Blob == "" || slices.ContainsFunc(stay, func(o bridge.File) bool { return o.Blob == f.Blob }) {
			continue
		}
		if err := b.bucket(bucketFiled).Delete(append(key(uint64(id)), f.Blob...)); err != nil {
			return err
		}
		if err := b.release(f.Blob, 'm', uint64(id), b.loosen); err != nil {
			return err
		}
	}
	return nil
}

// takeBlobs takes back all blobs of the messages from first to last.
func (b *batch) takeBlobs(first, last bridge.MessageID, free func(string) error) error {
	filed := b.bucket(bucketFiled)
	var keys [][]byte
	c := filed.Cursor()
	for k, _ := c.Seek(key(uint64(first))); len(k) >= 8 && number(k[:8]) <= uint64(last); k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	for _, k := range keys {
		if err := filed.Delete(k); err != nil {
			return err
		}
		if err := b.release(string(k[8:]), 'm', number(k[:8]), free); err != nil {
			return err
		}
	}
	return nil
}

// Unused returns those of the blobs that nothing refers to.
func (s *Store) Unused(ctx context.Context, blobs []string) ([]string, error) {
	var out []string
	err := s.read(ctx, func(tx *bbolt.Tx) error {
		c := top(tx, bucketBlobs).Cursor()
		for _, b := range blobs {
			prefix := named(b)
			if k, _ := c.Seek(prefix); k == nil || !bytes.HasPrefix(k, prefix) {
				out = append(out, b)
			}
		}
		return nil
	})
	return out, err
}
