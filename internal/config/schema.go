package config

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/hutong-im/hutong/bridge"
)

// Schema is the JSON Schema of a config file with adapters of the given kinds, indented.
func Schema(kinds []bridge.Kind) ([]byte, error) {
	s := reflected(Config{})
	s.Title = "hutong configuration"
	adapters, _ := s.Properties.Get("adapters")
	adapters.Type = "object"
	adapters.MinProperties = new(uint64)
	*adapters.MinProperties = 1
	adapters.PropertyNames = &jsonschema.Schema{Pattern: "^[a-z][a-z0-9-]{0,31}$"}
	adapters.AdditionalProperties = &jsonschema.Schema{OneOf: kindSchemas(kinds)}
	addDefaults(s, reflect.ValueOf(defaults()).Elem())
	return json.MarshalIndent(s, "", "  ")
}

func kindSchemas(kinds []bridge.Kind) []*jsonschema.Schema {
	list := make([]*jsonschema.Schema, 0, len(kinds))
	for _, k := range kinds {
		conf := k.New()
		s := reflected(conf)
		s.Version = ""
		s.Title = k.Name
		if s.Properties == nil {
			s.Properties = jsonschema.NewProperties()
		}
		addDefaults(s, reflect.Indirect(reflect.ValueOf(conf)))
		s.Properties.Set("kind", &jsonschema.Schema{Const: k.Name})
		s.Required = append(s.Required, "kind")
		s.AdditionalProperties = jsonschema.FalseSchema
		list = append(list, s)
	}
	return list
}

func reflected(v any) *jsonschema.Schema {
	r := jsonschema.Reflector{
		Anonymous: true, DoNotReference: true, ExpandedStruct: true,
		FieldNameTag: "yaml", RequiredFromJSONSchemaTags: true, Mapper: valueSchema,
	}
	return r.Reflect(v)
}

// valueSchema describes the types that read themselves.
func valueSchema(t reflect.Type) *jsonschema.Schema {
	text := func(pattern, example string) *jsonschema.Schema {
		return &jsonschema.Schema{Type: "string", Pattern: pattern, Examples: []any{example}}
	}
	switch t {
	case reflect.TypeFor[bridge.Secret]():
		return text("", "env:NAME")
	case reflect.TypeFor[Size]():
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "integer"}}, Examples: []any{"20MiB"}}
	case reflect.TypeFor[Span]():
		return text("^(forever|[0-9].*)$", "365d")
	case reflect.TypeFor[time.Duration]():
		return text("^[0-9]", "24h")
	case reflect.TypeFor[Word]():
		return &jsonschema.Schema{Type: "string"}
	case reflect.TypeFor[Accounts]():
		return &jsonschema.Schema{Type: "object", AdditionalProperties: &jsonschema.Schema{Type: "string"}}
	case reflect.TypeFor[Later]():
		return &jsonschema.Schema{Enum: []any{nil, []any{}, map[string]any{}}}
	case reflect.TypeFor[Adapters]():
		return &jsonschema.Schema{Type: "object"}
	}
	return nil
}

// addDefaults writes the values that New set into the schema.
func addDefaults(s *jsonschema.Schema, v reflect.Value) {
	for _, f := range fieldsOf(v) {
		p, ok := s.Properties.Get(f.name)
		if !ok || f.value.IsZero() {
			continue
		}
		switch x := f.value.Interface().(type) {
		case time.Duration:
			p.Default = strings.TrimSuffix(strings.TrimSuffix(x.String(), "0s"), "0m")
		case Size, string, Word, bool, int, int64, float64:
			p.Default = x
		default:
			if f.value.Kind() == reflect.Struct && p.Properties != nil {
				addDefaults(p, f.value)
			}
		}
	}
}
