package layers

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// tree is the root of the project.
var tree = os.DirFS("../..")

// source is one parsed Go file.
type source struct {
	path   string // from the root, with slashes
	lines  int
	set    *token.FileSet
	syntax *ast.File
}

func (f source) folder() string { return path.Dir(f.path) }
func (f source) test() bool     { return strings.HasSuffix(f.path, "_test.go") }

func parse(t *testing.T, name string, text []byte) source {
	t.Helper()
	set := token.NewFileSet()
	syntax, err := parser.ParseFile(set, name, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return source{path: name, lines: bytes.Count(text, []byte("\n")), set: set, syntax: syntax}
}

// goFiles parses the Go files of the root module.
func goFiles(t *testing.T, root fs.FS) []source {
	t.Helper()
	var out []source
	for _, name := range filesOf(t, root, false) {
		if strings.HasSuffix(name, ".go") {
			out = append(out, parse(t, name, read(t, root, name)))
		}
	}
	if len(out) == 0 {
		t.Fatal("no Go files found: is the test run from its own folder?")
	}
	return out
}

// skipped are folders that hold no source: what is built, stored and tried out.
var skipped = []string{"testdata", "data", "bin", "dist", "artefacts", "node_modules"}

// filesOf lists the source files below root. Modules of their own are left out unless nested is set.
func filesOf(t *testing.T, root fs.FS, nested bool) []string {
	t.Helper()
	var out []string
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() {
			out = append(out, name)
			return nil
		}
		if name == "." {
			return nil
		}
		if strings.HasPrefix(d.Name(), ".") && d.Name() != ".ci" || slices.Contains(skipped, d.Name()) {
			return fs.SkipDir
		}
		if _, err := fs.Stat(root, path.Join(name, "go.mod")); err == nil && !nested {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func read(t *testing.T, root fs.FS, name string) []byte {
	t.Helper()
	text, err := fs.ReadFile(root, name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
