package config

import (
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// entry is one line of a mapping.
type entry struct {
	name  string
	key   string // the whole way to it
	place place
	value ast.Node
}

// field is one setting of a struct.
type field struct {
	name  string
	value reflect.Value
}

// fieldsOf are the settings of a struct, by their yaml tags; those of inlined structs with them.
func fieldsOf(v reflect.Value) []field {
	var fields []field
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case options == "inline" && v.Field(i).Kind() == reflect.Struct:
			fields = append(fields, fieldsOf(v.Field(i))...)
		case f.IsExported() && name != "" && name != "-":
			fields = append(fields, field{name, v.Field(i)})
		}
	}
	return fields
}

// entries are the lines of a mapping, without those that say a key a second time. An empty value
// (rules: with everything below it commented out) is an empty mapping.
func (d *decoder) entries(n ast.Node, key string) []entry {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		if _, null := n.(*ast.NullNode); !null {
			d.wrong(n, key, "must be keys and values, not %s", describe(n))
		}
		return nil
	}
	var list []entry
	first := map[string]place{}
	for _, v := range m.Values {
		e, ok := d.entry(v, key)
		if !ok {
			continue
		}
		if p, twice := first[e.name]; twice {
			d.mistakeAt(e.place, e.key, "said twice (before in line %d); remove one", p.line)
			continue
		}
		first[e.name] = e.place
		d.at[e.key] = e.place
		list = append(list, e)
	}
	return list
}

func (d *decoder) entry(v *ast.MappingValueNode, key string) (entry, bool) {
	tk := v.Key.GetToken()
	e := entry{name: tk.Value, value: v.Value, place: place{tk.Position.Line, max(tk.Position.Column, 1)}}
	switch v.Key.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
	default:
		d.mistakeAt(e.place, key, "a key must be one plain word (no <<, ?, & or !)")
		return e, false
	}
	e.key = join(key, e.name)
	return e, true
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// items are the entries of a list; an empty value is an empty list.
func (d *decoder) items(n ast.Node, key string) []ast.Node {
	switch s := n.(type) {
	case *ast.NullNode:
		return nil
	case *ast.SequenceNode:
		for i, item := range s.Values {
			d.at[index(key, i)] = d.placeOf(item, key)
			if _, null := item.(*ast.NullNode); null && i < len(s.Entries) {
				p := s.Entries[i].Start.Position
				d.at[index(key, i)] = place{p.Line, max(p.Column, 1)}
			}
		}
		return s.Values
	}
	d.wrong(n, key, "must be a list, not %s", describe(n))
	return nil
}

// scalarText is the value as it is written, without its quotes.
func (d *decoder) scalarText(n ast.Node, key string) (string, bool) {
	switch s := n.(type) {
	case *ast.StringNode:
		return s.Value, true
	case *ast.LiteralNode:
		return s.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	case *ast.NullNode:
		d.wrong(n, key, "has no value: write one, or remove the key")
		return "", false
	}
	d.wrong(n, key, "must be one value, not %s", describe(n))
	return "", false
}

// placeOf is where a value begins. A mapping's own token is its first colon; its first key says it better.
func (d *decoder) placeOf(n ast.Node, key string) place {
	switch v := n.(type) {
	case *ast.MappingNode:
		if !v.IsFlowStyle && len(v.Values) > 0 {
			return d.placeOf(v.Values[0].Key, key)
		}
	case *ast.NullNode:
		return d.locate(key)
	}
	tk := n.GetToken()
	if tk == nil || tk.Position == nil || tk.Position.Line < 1 {
		return d.locate(key)
	}
	return place{tk.Position.Line, max(tk.Position.Column, 1)}
}

func describe(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode:
		return "keys and values"
	case *ast.SequenceNode:
		return "a list"
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.NullNode:
		return "nothing"
	}
	return "this"
}

func indexOf(list []string, s string) int { return slices.Index(list, s) }
