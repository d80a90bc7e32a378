package config

import (
	"encoding/json"
	"strings"
	"testing"
)

type schemaNode struct {
	Type                 string                `json:"type"`
	Description          string                `json:"description"`
	Default              any                   `json:"default"`
	Const                string                `json:"const"`
	Enum                 []any                 `json:"enum"`
	Required             []string              `json:"required"`
	Properties           map[string]schemaNode `json:"properties"`
	Items                *schemaNode           `json:"items"`
	AdditionalProperties json.RawMessage       `json:"additionalProperties"`
	OneOf                []schemaNode          `json:"oneOf"`
}

func readSchema(t *testing.T) schemaNode {
	t.Helper()
	text, err := Schema(toyKinds())
	if err != nil {
		t.Fatal(err)
	}
	var s schemaNode
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSchemaDescribesEveryKey(t *testing.T) {
	var walk func(key string, s schemaNode)
	walk = func(key string, s schemaNode) {
		for name, p := range s.Properties {
			if p.Description == "" {
				t.Errorf("%s has no description", join(key, name))
			}
			walk(join(key, name), p)
		}
		if s.Items != nil {
			walk(key+"[]", *s.Items)
		}
		if len(s.Properties) > 0 && string(s.AdditionalProperties) != "false" {
			t.Errorf("%q allows keys that nobody knows", key)
		}
	}
	s := readSchema(t)
	walk("", s)
	if len(s.Properties) < 13 || strings.Join(s.Required, " ") != "company adapters" {
		t.Errorf("%d keys, required %v", len(s.Properties), s.Required)
	}
	if got := s.Properties["gateway"].Properties["listen"].Default; got != "127.0.0.1:8420" {
		t.Errorf("default of gateway.listen = %v", got)
	}
	if got := s.Properties["limits"].Properties["age"].Default; got != "24h" {
		t.Errorf("default of limits.age = %v", got)
	}
	if got := s.Properties["company"].Properties["language"].Enum; len(got) != 2 {
		t.Errorf("languages = %v", got)
	}
}

func TestSchemaHasEachKind(t *testing.T) {
	var entries schemaNode
	if err := json.Unmarshal(readSchema(t).Properties["adapters"].AdditionalProperties, &entries); err != nil {
		t.Fatal(err)
	}
	if len(entries.OneOf) != 3 {
		t.Fatalf("%d kinds, want 3", len(entries.OneOf))
	}
	toy := entries.OneOf[1]
	if toy.Properties["kind"].Const != "toy" || strings.Join(toy.Required, " ") != "kind" {
		t.Errorf("toy = %+v", toy)
	}
	for _, key := range []string{"url", "token", "poll", "limit", "ratio", "deep", "maybe", "routes", "names", "extra", "rooms"} {
		if _, ok := toy.Properties[key]; !ok {
			t.Errorf("toy has no %s", key)
		}
	}
	if toy.Properties["poll"].Default != "5s" || toy.Properties["url"].Default != "https://toy.example" {
		t.Errorf("defaults: poll %v, url %v", toy.Properties["poll"].Default, toy.Properties["url"].Default)
	}
	if string(toy.AdditionalProperties) != "false" {
		t.Error("toy allows keys that nobody knows")
	}
}
