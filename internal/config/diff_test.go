package config

import (
	"reflect"
	"testing"
)

func TestDiff(t *testing.T) {
	t.Setenv("TOY_TOKEN", "s3cret")
	parse := func(rest string) *Config {
		t.Helper()
		c, err := Parse("config.yaml", []byte("company: { name: ACME }\n"+rest), toyKinds())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	old := parse(`
adapters:
  desk: { kind: desk }
  web: { kind: webchat }
  one: { kind: toy, token: env:TOY_TOKEN, names: [a, b] }
  two: { kind: toy, token: env:TOY_TOKEN }
  three: { kind: desk }
`)
	t.Setenv("TOY_TOKEN", "another")
	rotated := parse(`
adapters:
  two: { kind: toy, token: env:TOY_TOKEN }
`)
	if d := Diff(old, rotated); len(d.Changed) != 1 || d.Changed[0].Name != "two" {
		t.Errorf("a secret that was changed outside the file: %+v", d)
	}
	t.Setenv("TOY_TOKEN", "s3cret")
	next := parse(`
gateway: { listen: ":9000", data: /var/lib/hutong }
store: { kind: mem }
members: [{ id: a, name: A }]
adapters:
  desk: { kind: desk }
  one: { kind: toy, token: env:TOY_TOKEN, names: [a, b] }
  two: { kind: toy, token: env:TOY_TOKEN, limit: 1 }
  three: { kind: webchat }
  four: { kind: desk }
`)
	d := Diff(old, next)
	names := func(list []Adapter) (n []string) {
		for _, a := range list {
			n = append(n, a.Name)
		}
		return n
	}
	for _, c := range []struct {
		what      string
		got, want []string
	}{
		{"new", names(d.New), []string{"four"}},
		{"gone", d.Gone, []string{"web"}},
		{"changed", names(d.Changed), []string{"two", "three"}},
		{"same", d.Same, []string{"desk", "one"}},
		{"restart", d.Restart, []string{"gateway.listen", "gateway.data", "store"}},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s = %v, want %v", c.what, c.got, c.want)
		}
	}
	next.KeepStarted(old)
	if d := Diff(old, next); len(d.Restart) > 0 || next.Gateway.URL != "http://localhost:8420" {
		t.Errorf("after keeping what is started: %v, %s", d.Restart, next.Gateway.URL)
	}
	if d := Diff(old, old); len(d.Same) != 5 || len(d.New)+len(d.Gone)+len(d.Changed)+len(d.Restart) != 0 {
		t.Errorf("a file against itself: %+v", d)
	}
}
