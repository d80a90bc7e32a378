package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	bbolt "go.etcd.io/bbolt"
)

// Keys of the meta bucket.
const (
	metaFormat = "format" // formatVersion
	metaSeen   = "seen"   // the first day whose dedupe keys are kept
	metaRefs   = "refs"   // the first day whose messages' names are kept
)

// formatVersion is of the layout that keys.go lists. A file of a higher one is not opened.
const formatVersion = 1

func number32(k []byte) uint32 {
	if len(k) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(k)
}

// checkFormat makes sure that the file is a store that this version can read.
func checkFormat(tx *bbolt.Tx) error {
	meta := top(tx, bucketMeta)
	if meta == nil {
		return ErrNotStore
	}
	switch v := number(meta.Get([]byte(metaFormat))); {
	case v > formatVersion:
		return fmt.Errorf("format %d, this version reads %d: %w", v, formatVersion, ErrNewer)
	case v == 0:
		return ErrNotStore
	}
	for _, name := range buckets() {
		if top(tx, name) == nil {
			return fmt.Errorf("%s is missing: %w", name, ErrNotStore)
		}
	}
	return nil
}

// Verify reads the whole file and reports what is wrong with it. Call it in a process of its own for
// a file that may be torn: bbolt panics in a goroutine that nobody can recover, or reads where no
// memory is, and the end of the process is then the answer.
func Verify(path string) error {
	f, err := os.Open(path) //nolint:gosec // the administrator chose the folder
	if err != nil {
		return explain(path, err)
	}
	if info, err := f.Stat(); err == nil && info.Size() == 0 { // made, and then the power went: Open begins anew
		return f.Close()
	}
	_, err = readHeader(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return explain(path, err)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, PreLoadFreelist: true, FreelistType: bbolt.FreelistMapType, Timeout: 1})
	if err != nil {
		return explain(path, err)
	}
	err = db.View(func(tx *bbolt.Tx) error {
		if err := checkFormat(tx); err != nil {
			return err
		}
		var all error
		for err := range tx.Check() { // to the end: its goroutine waits for it
			if all == nil {
				all = err
			}
		}
		if all != nil {
			return all
		}
		return decodeAll(tx)
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("verify %s: %w", path, err)
	}
	return nil
}

// decodeAll reads every record.
func decodeAll(tx *bbolt.Tx) error {
	s := &Store{}
	if err := s.load(tx); err != nil {
		return err
	}
	messages, fates := top(tx, bucketMessages), top(tx, bucketFates)
	err := messages.ForEachBucket(func(name []byte) error {
		what := fates.Bucket(name)
		if what == nil {
			return errCorrupt
		}
		return messages.Bucket(name).ForEach(func(k, v []byte) error {
			_, err := decodeRecord(0, v, what.Get(k))
			return err
		})
	})
	return errors.Join(err,
		each(tx, bucketContacts, func(b []byte) error { _, err := decodeContact(0, b); return err }),
		each(tx, bucketLinks, func(b []byte) error { _, err := decodeLink(0, b); return err }),
		each(tx, bucketCards, func(b []byte) error { _, err := decodeCard("", b); return err }),
		each(tx, bucketOut, func(b []byte) error { _, err := decodeDelivery(0, b); return err }),
		each(tx, bucketAudit, func(b []byte) error { _, err := decodeAudit(b); return err }),
	)
}

func each(tx *bbolt.Tx, bucket string, decode func([]byte) error) error {
	return top(tx, bucket).ForEach(func(k, v []byte) error {
		if err := decode(v); err != nil {
			return fmt.Errorf("%s %x: %w", bucket, k, err)
		}
		return nil
	})
}

// read is view, unless ctx has ended.
func (s *Store) read(ctx context.Context, f func(tx *bbolt.Tx) error) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	return s.view(f)
}
