package bolt

import (
	"encoding/binary"
	"errors"
	"time"
)

// errCorrupt is stored bytes that no version of this package has written.
var errCorrupt = errors.New("corrupt data: restore the last backup")

// encoder appends values in a compact form: numbers as varints, texts with their length before them.
type encoder struct{ b []byte }

func (e *encoder) uint(v uint64)      { e.b = binary.AppendUvarint(e.b, v) }
func (e *encoder) int(v int64)        { e.b = binary.AppendVarint(e.b, v) }
func (e *encoder) fixed(v uint64)     { e.b = binary.BigEndian.AppendUint64(e.b, v) }
func (e *encoder) byte(v byte)        { e.b = append(e.b, v) }
func (e *encoder) time(t time.Time)   { e.int(t.Unix()); e.uint(uint64(t.Nanosecond())) }
func text[S ~string](e *encoder, s S) { e.uint(uint64(len(s))); e.b = append(e.b, s...) }

func (e *encoder) bools(bs ...bool) {
	var v byte
	for i, b := range bs {
		if b {
			v |= 1 << i
		}
	}
	e.byte(v)
}

func texts[S ~string](e *encoder, ss []S) {
	e.uint(uint64(len(ss)))
	for _, s := range ss {
		text(e, s)
	}
}

// decoder reads what encoder wrote. After the first mistake it gives zeroes, and err says so.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail() {
	d.b, d.err = nil, errCorrupt
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) fixed() uint64 {
	if len(d.b) < 8 {
		d.fail()
		return 0
	}
	v := binary.BigEndian.Uint64(d.b)
	d.b = d.b[8:]
	return v
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail()
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) time() time.Time {
	sec, nsec := d.int(), d.uint()
	if nsec >= uint64(time.Second) {
		d.fail()
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec)).UTC()
}

// bytes is the next text, still in the buffer.
func (d *decoder) bytes() []byte {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail()
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

func readText[S ~string](d *decoder) S { return S(d.bytes()) }

func (d *decoder) bools(bs ...*bool) {
	v := d.byte()
	if v>>len(bs) != 0 {
		d.fail()
	}
	for i, b := range bs {
		*b = v&(1<<i) != 0
	}
}

// count is the length of a list whose items take a byte each at least, so that a corrupt one cannot
// ask for more memory than its own size.
func (d *decoder) count() int {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail()
		return 0
	}
	return int(n)
}

func readList[E any](d *decoder, item func(*decoder) E) []E {
	n := d.count()
	if n == 0 {
		return nil
	}
	out := make([]E, 0, min(n, 64))
	for range n {
		out = append(out, item(d))
		if d.err != nil {
			return nil
		}
	}
	return out
}

func readTexts[S ~string](d *decoder) []S { return readList(d, readText[S]) }

// version begins every record: what comes after it is known by it.
const version = 1

func (d *decoder) version() {
	if d.byte() != version {
		d.fail()
	}
}

// end checks that nothing is left.
func (d *decoder) end() error {
	if d.err == nil && len(d.b) > 0 {
		d.fail()
	}
	return d.err
}
