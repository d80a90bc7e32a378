package layers

import (
	"bytes"
	"fmt"
	"go/ast"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// The budgets: what well-kept projects of this kind stay below in 99 of 100 files and functions.
const (
	maxFile = 500 // lines
	maxFunc = 80  // lines, from "func" to the closing brace
)

// written are the endings of files that people write here and read again.
var written = []string{".go", ".js", ".css", ".html"}

// overBudget names each file and function that is too long and each init function. Modules of their
// own are held to it as well.
func overBudget(t *testing.T, root fs.FS) []string {
	t.Helper()
	var out []string
	for _, name := range filesOf(t, root, true) {
		if !slices.Contains(written, path.Ext(name)) {
			continue
		}
		text := read(t, root, name)
		if n := bytes.Count(text, []byte("\n")); n > maxFile {
			out = append(out, fmt.Sprintf("%s has %d lines: a file holds one idea and at most %d lines", name, n, maxFile))
		}
		if path.Ext(name) == ".go" {
			f := parse(t, name, text)
			out = append(append(out, longFuncs(f)...), sleepers(f)...)
		}
	}
	return out
}

func longFuncs(f source) []string {
	var out []string
	for _, d := range f.syntax.Decls {
		fn, is := d.(*ast.FuncDecl)
		if !is {
			continue
		}
		from, to := f.set.Position(fn.Pos()).Line, f.set.Position(fn.End()).Line
		if n := to - from + 1; n > maxFunc {
			out = append(out, fmt.Sprintf("%s:%d: %s has %d lines: a function fits a screen, at most %d lines", f.path, from, fn.Name.Name, n, maxFunc))
		}
		if fn.Recv == nil && fn.Name.Name == "init" {
			out = append(out, fmt.Sprintf("%s:%d: init: nothing happens because a package is imported; call it from where it is needed", f.path, from))
		}
	}
	return out
}

// sleepers names a test file that sleeps though no bubble of testing/synctest makes time pass: it
// would be slow, and right only most of the time.
func sleepers(f source) []string {
	if !f.test() || slices.ContainsFunc(f.syntax.Imports, func(s *ast.ImportSpec) bool { return s.Path.Value == `"testing/synctest"` }) {
		return nil
	}
	var out []string
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if s, is := n.(*ast.SelectorExpr); is && s.Sel.Name == "Sleep" {
			if x, is := s.X.(*ast.Ident); is && x.Name == "time" {
				line := f.set.Position(n.Pos()).Line
				out = append(out, fmt.Sprintf("%s:%d: a test waits for what it waits for, or sleeps in a bubble of testing/synctest", f.path, line))
			}
		}
		return true
	})
	return out
}

func TestBudgets(t *testing.T) {
	for _, b := range overBudget(t, tree) {
		t.Error(b)
	}
}

func TestBudgetsAreJudged(t *testing.T) {
	lines := func(n int) string { return strings.Repeat("//\n", n) }
	cases := map[string]struct {
		file, text string
		want       string // "" for nothing
	}{
		"short":               {"a/a.go", "package a\n", ""},
		"file at the limit":   {"a/a.go", "package a\n" + lines(499), ""},
		"file too long":       {"a/a.go", "package a\n" + lines(500), "a/a.go has 501 lines"},
		"script too long":     {"web/a.js", lines(501), "web/a.js has 501 lines"},
		"in its own module":   {"e2e/a.go", "package a\n" + lines(500), "e2e/a.go has 501 lines"},
		"data may be long":    {"a/testdata/a.go", lines(501), ""},
		"prose may be long":   {"docs/a.md", lines(501), ""},
		"func at the limit":   {"a/a.go", "package a\nfunc f() {\n" + lines(78) + "}\n", ""},
		"func too long":       {"a/a.go", "package a\nfunc f() {\n" + lines(79) + "}\n", "a/a.go:2: f has 81 lines"},
		"init":                {"a/a.go", "package a\nfunc init() {}\n", "a/a.go:2: init"},
		"a method named init": {"a/a.go", "package a\ntype t int\nfunc (t) init() {}\n", ""},
		"a test that sleeps":  {"a/a_test.go", "package a\nfunc f() { time.Sleep(1) }\n", "a/a_test.go:2: a test waits"},
		"sleep in a bubble":   {"a/a_test.go", "package a\nimport \"testing/synctest\"\nfunc f() { time.Sleep(1) }\n", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := overBudget(t, fstest.MapFS{c.file: {Data: []byte(c.text)}, "e2e/go.mod": {}})
			if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], c.want)) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
