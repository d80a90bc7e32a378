package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/hutong-im/hutong/bridge"
)

// decoder fills Go values from a syntax tree. It never stops at a mistake: what can be read is read.
type decoder struct {
	*report
	kinds []bridge.Kind
}

// selfDecoder is a type whose form in the file is not that of its Go fields.
type selfDecoder interface {
	decode(d *decoder, n ast.Node, key string)
}

// decode fills v from n. A value that is not there, or of the wrong type, leaves v as it is.
func (d *decoder) decode(n ast.Node, key string, v reflect.Value) {
	if !d.plain(n, key) {
		return
	}
	if s, ok := reflect.TypeAssert[selfDecoder](v.Addr()); ok {
		s.decode(d, n, key)
		return
	}
	if t, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); ok {
		d.text(n, key, t)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, key, v)
	case reflect.Map:
		d.dictionary(n, key, v)
	case reflect.Slice:
		d.list(n, key, v)
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		d.decode(n, key, p.Elem())
		v.Set(p)
	default:
		d.scalar(n, key, v)
	}
}

// plain refuses YAML's less known features, which make a file mean something else than it seems to say.
func (d *decoder) plain(n ast.Node, key string) bool {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode:
		d.wrong(n, key, "anchors and aliases (& and *) are not read here; write the value itself, in quotes if the sign belongs to it")
	case *ast.TagNode:
		d.wrong(n, key, "tags (!) are not read here; write the value itself, in quotes if the sign belongs to it")
	default:
		return true
	}
	return false
}

// structure reads a mapping into the fields of v.
func (d *decoder) structure(n ast.Node, key string, v reflect.Value) {
	d.settle(d.entries(n, key), fieldsOf(v))
}

// fill reads an adapter's entries, but for kind, into its settings.
func (d *decoder) fill(conf bridge.Config, entries []entry) {
	fields := fieldsOf(reflect.Indirect(reflect.ValueOf(conf)))
	d.settle(entries, append(fields, field{name: "kind"}))
}

// settle gives each entry to the field of its name.
func (d *decoder) settle(entries []entry, fields []field) {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	for _, e := range entries {
		i := indexOf(names, e.name)
		switch {
		case i < 0:
			d.mistakeAt(e.place, e.key, "unknown key%s", suggest(e.name, names))
		case fields[i].value.IsValid():
			d.decode(e.value, e.key, fields[i].value)
		}
	}
}

// dictionary reads a mapping into a map with string keys.
func (d *decoder) dictionary(n ast.Node, key string, v reflect.Value) {
	m := reflect.MakeMap(v.Type())
	for _, e := range d.entries(n, key) {
		elem := reflect.New(v.Type().Elem()).Elem()
		d.decode(e.value, e.key, elem)
		m.SetMapIndex(reflect.ValueOf(e.name).Convert(v.Type().Key()), elem)
	}
	v.Set(m)
}

func (d *decoder) list(n ast.Node, key string, v reflect.Value) {
	items := d.items(n, key)
	s := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		if _, null := item.(*ast.NullNode); null {
			d.wrong(item, index(key, i), "empty entry: fill it in or remove its line")
			continue
		}
		d.decode(item, index(key, i), s.Index(i))
	}
	v.Set(s)
}

// text reads any scalar into a type that reads itself.
func (d *decoder) text(n ast.Node, key string, t encoding.TextUnmarshaler) {
	s, ok := d.scalarText(n, key)
	if !ok {
		return
	}
	if err := t.UnmarshalText([]byte(s)); err != nil {
		d.wrong(n, key, "%v", err)
		return
	}
	if secret, ok := t.(*bridge.Secret); ok && secret.Literal() {
		d.warn(key, "the secret stands in the file itself, where others may read it; env:NAME or file:/path keep it elsewhere")
	}
}

// scalar reads numbers, truth values, durations and text.
func (d *decoder) scalar(n ast.Node, key string, v reflect.Value) {
	s, ok := d.scalarText(n, key)
	if !ok {
		return
	}
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		d.duration(n, key, s, v)
	case v.Kind() == reflect.String:
		if _, isText := n.(*ast.StringNode); !isText && n.Type() != ast.LiteralType {
			d.wrong(n, key, "must be text: put %s in quotes", s)
			return
		}
		v.SetString(s)
	case v.Kind() == reflect.Bool:
		b, isBool := n.(*ast.BoolNode)
		if !isBool {
			d.wrong(n, key, "must be true or false, not %s", quote(s))
			return
		}
		v.SetBool(b.Value)
	case v.CanInt(), v.CanUint(), v.CanFloat():
		d.number(n, key, s, v)
	default:
		d.wrong(n, key, "a setting of type %s cannot be read from a file; this is a fault of the program", v.Type())
	}
}

func (d *decoder) duration(n ast.Node, key, s string, v reflect.Value) {
	span, err := parseSpan(s)
	if err != nil {
		d.wrong(n, key, "%v", err)
		return
	}
	v.SetInt(int64(span))
}

func (d *decoder) number(n ast.Node, key, s string, v reflect.Value) {
	var err error
	digits := strings.ReplaceAll(s, "_", "")
	switch {
	case v.CanInt():
		var i int64
		if i, err = strconv.ParseInt(digits, 0, v.Type().Bits()); err == nil {
			v.SetInt(i)
		}
	case v.CanUint():
		var u uint64
		if u, err = strconv.ParseUint(digits, 0, v.Type().Bits()); err == nil {
			v.SetUint(u)
		}
	default:
		var f float64
		if f, err = strconv.ParseFloat(digits, v.Type().Bits()); err == nil {
			v.SetFloat(f)
		}
	}
	if err != nil {
		word := "a whole number"
		if v.CanFloat() {
			word = "a number"
		}
		if errors.Is(err, strconv.ErrRange) {
			word += " of a sensible size"
		}
		d.wrong(n, key, "must be %s, not %s", word, quote(s))
	}
}

// wrong is a mistake in the value itself.
func (d *decoder) wrong(n ast.Node, key, format string, args ...any) {
	d.mistakeAt(d.placeOf(n, key), key, format, args...)
}

func quote(s string) string {
	if r := []rune(s); len(r) > 40 {
		s = string(r[:40]) + "…"
	}
	return strconv.Quote(s)
}

func index(key string, i int) string { return fmt.Sprintf("%s[%d]", key, i) }
