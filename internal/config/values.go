package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/hutong-im/hutong/bridge"
)

// Word is one of a few words; which ones is said by the field's jsonschema enum and checked after decoding.
type Word string

// Size is a number of bytes, written with or without a unit: 20MiB, 500kB, 1024.
type Size int64

// sizeUnits are what a size may be counted in, longest first so that "MiB" is not read as "B".
func sizeUnits() []sizeUnit {
	return []sizeUnit{
		{"KiB", 1 << 10},
		{"MiB", 1 << 20},
		{"GiB", 1 << 30},
		{"kB", 1e3},
		{"KB", 1e3},
		{"MB", 1e6},
		{"GB", 1e9},
		{"B", 1},
	}
}

type sizeUnit struct {
	name  string
	bytes int64
}

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	number, unit := strings.TrimSpace(string(text)), int64(1)
	for _, u := range sizeUnits() {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		return fmt.Errorf("must be a size such as 20MiB or 500kB, not %s", quote(string(text)))
	}
	*s = Size(n * unit)
	return nil
}

// Span is a length of time in which days may be counted: 365d, 36h. Zero, written "forever", has no end.
type Span time.Duration

// UnmarshalText reads a span.
func (s *Span) UnmarshalText(text []byte) error {
	if string(text) == "forever" {
		*s = 0
		return nil
	}
	d, err := parseSpan(string(text))
	if err != nil {
		return err
	}
	if d == 0 {
		return fmt.Errorf("must be longer than nothing; write forever to keep everything")
	}
	*s = Span(d)
	return nil
}

const day = 24 * time.Hour

// parseSpan reads what time.ParseDuration reads, and days.
func parseSpan(text string) (time.Duration, error) {
	if number, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseInt(number, 10, 32)
		if err == nil && n >= 0 && n <= int64(math.MaxInt64/day) {
			return time.Duration(n) * day, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("must be a length of time such as 90s, 24h or 30d, not %s", quote(text))
	}
	return d, nil
}

// Accounts are a member's users, in the order of the file: the first is where customers appear.
type Accounts []bridge.UserRef

func (a *Accounts) decode(d *decoder, n ast.Node, key string) {
	for _, e := range d.entries(n, key) {
		if !d.plain(e.value, e.key) {
			continue
		}
		user, ok := d.scalarText(e.value, e.key)
		if !ok {
			continue
		}
		*a = append(*a, bridge.UserRef{Adapter: e.name, User: bridge.UserID(user)})
	}
}

// Later is a part of the file that this version does not read: it may be there, but empty.
type Later struct{}

func (l *Later) decode(d *decoder, n ast.Node, key string) {
	empty := false
	switch v := n.(type) {
	case *ast.NullNode:
		empty = true
	case *ast.MappingNode:
		empty = len(v.Values) == 0
	case *ast.SequenceNode:
		empty = len(v.Values) == 0
	}
	if !empty {
		d.mistake(key, "not available in this version; leave it empty or remove it")
	}
}

// Adapters are the accounts on networks, in the order of the file.
type Adapters []Adapter

func (a *Adapters) decode(d *decoder, n ast.Node, key string) {
	for _, e := range d.entries(n, key) {
		if !d.plain(e.value, e.key) {
			continue
		}
		if !isName(e.name) {
			d.mistakeAt(e.place, e.key, "an adapter's name has 1 to %d small letters, digits and dashes, and begins with a letter; it becomes part of addresses", maxName)
			continue
		}
		if conf, kind := d.adapter(e); conf != nil {
			*a = append(*a, Adapter{Name: e.name, Kind: kind, Config: conf})
		}
	}
}

// adapter reads one entry into the settings of its kind; nil when the kind is not known.
func (d *decoder) adapter(e entry) (bridge.Config, string) {
	entries := d.entries(e.value, e.key)
	names := make([]string, len(d.kinds))
	for i, k := range d.kinds {
		names[i] = k.Name
	}
	kind, found := d.kindOf(entries, e.key)
	if !found {
		if !d.blamed(e.key) && !d.blamed(join(e.key, "kind")) {
			d.mistake(join(e.key, "kind"), "missing%s", suggest("", names))
		}
		return nil, ""
	}
	i := indexOf(names, kind)
	if i < 0 {
		d.mistake(join(e.key, "kind"), "there is no kind %s in this version%s", quote(kind), suggest(kind, names))
		return nil, ""
	}
	conf := d.kinds[i].New()
	d.fill(conf, entries)
	d.adopt(e.key, conf.Check())
	return conf, kind
}

func (d *decoder) kindOf(entries []entry, key string) (string, bool) {
	for _, e := range entries {
		if e.name == "kind" && d.plain(e.value, e.key) {
			return d.scalarText(e.value, e.key)
		}
	}
	return "", false
}

// maxName is how long names that become parts of addresses may be.
const maxName = 32

// isName reports whether s can be part of an address and of a command line without quoting.
func isName(s string) bool {
	if len(s) == 0 || len(s) > maxName || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
