package adaptertest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The page about adapters is a program: its code is taken out, put into a module of its own outside the
// tree, built, and run against the suite, without a network.
func TestPageAboutAdapters(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "adapters.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := regexp.MustCompile("(?ms)^```go\n// adapters/pigeon/([a-z_]+\\.go)\n+(.*?)^```").FindAllStringSubmatch(string(page), -1)
	if len(files) != 3 {
		t.Fatalf("the page has %d files of the example, want config.go, pigeon.go and pigeon_test.go", len(files))
	}
	for _, f := range files {
		write(t, filepath.Join(dir, f[1]), f[2])
	}
	outside(t, dir, root)

	out := run(t, dir, "gofmt", "-l", ".")
	if out != "" {
		t.Errorf("gofmt would change %s", out)
	}
	run(t, dir, "go", "vet", "./...")
	out = run(t, dir, "go", "test", "-v", "-count=1", "./...")
	passed, skipped := strings.Count(out, "--- PASS: TestPigeon/"), strings.Count(out, "--- SKIP: TestPigeon/")
	t.Logf("%d checks passed, %d skipped", passed, skipped)
	if passed < 35 {
		t.Errorf("%d checks passed and %d were skipped; the example shows too little\n%s", passed, skipped, out)
	}
}

// outside makes a module that uses the tree's packages and the versions that the tree uses.
func outside(t *testing.T, dir, root string) {
	t.Helper()
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(mod), "\n")
	write(t, filepath.Join(dir, "go.mod"), "module github.com/hutong-im/hutong/adapters/pigeon\n"+rest+
		"\nrequire github.com/hutong-im/hutong v0.0.0\n\nreplace github.com/hutong-im/hutong => "+root+"\n")
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "go.sum"), string(sum))
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=mod", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
