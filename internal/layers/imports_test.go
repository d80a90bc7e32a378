package layers

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/hutong-im/hutong"

// breaches names each import that points the wrong way, with the sentence of what is allowed.
func breaches(files []source) []string {
	var out []string
	for _, f := range files {
		r, known := ruleFor(f.folder())
		if !known {
			out = append(out, fmt.Sprintf("%s: no rule says what %s may import: add one to internal/layers/rules_test.go", f.path, f.folder()))
			continue
		}
		for _, s := range f.syntax.Imports {
			path := strings.Trim(s.Path.Value, `"`)
			if !mayImport(r, f, path) {
				out = append(out, fmt.Sprintf("%s imports %s: %s", f.path, path, r.because))
			}
		}
	}
	return out
}

func mayImport(r rule, f source, path string) bool {
	inner, ours := strings.CutPrefix(path, module+"/")
	if !ours {
		return standard(path) || path == "go.uber.org/goleak" && f.test() || fits(r.modules, path)
	}
	return within(unit(r, f.folder()), inner) || fits(r.allowed, inner) || f.test() && fits(testsMay, inner)
}

func fits(patterns []string, folder string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return within(p, folder) })
}

// standard reports whether an import path is of the standard library: only those have no dot in
// their first element.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

func TestImports(t *testing.T) {
	for _, b := range breaches(goFiles(t, tree)) {
		t.Error(b)
	}
}

func TestImportsAreJudged(t *testing.T) {
	cases := []struct {
		name, file, imports string
		breach              bool
	}{
		{"bridge and uniseg", "bridge/a.go", "github.com/rivo/uniseg", false},
		{"bridge and another module", "bridge/a.go", "github.com/google/uuid", true},
		{"bridge and a store", "bridge/a.go", module + "/store/bolt", true},
		{"bridge's test and a store", "bridge/a_test.go", module + "/store/mem", false},
		{"adapter and bridge", "adapters/slack/a.go", module + "/bridge", false},
		{"adapter and adapter", "adapters/slack/a.go", module + "/adapters/fake", true},
		{"adapter and the list of adapters", "adapters/slack/a.go", module + "/adapters", true},
		{"adapter and its own sub-folder", "adapters/slack/a.go", module + "/adapters/slack/wire", false},
		{"adapter whose name begins alike", "adapters/wechat/a.go", module + "/adapters/wechatkf", true},
		{"adapter's test and the suite", "adapters/slack/a_test.go", module + "/adapters/adaptertest", false},
		{"adapter's test and another adapter", "adapters/slack/a_test.go", module + "/adapters/telegram", true},
		{"list and adapter", "adapters/adapters.go", module + "/adapters/slack", false},
		{"list and store", "adapters/adapters.go", module + "/store/bolt", true},
		{"app and network", "apps/task/a.go", module + "/adapters/slack", true},
		{"app and calendar", "apps/task/a.go", module + "/apps/calendar", false},
		{"app and app", "apps/task/a.go", module + "/apps/report", true},
		{"config and adapters", "internal/config/a.go", module + "/adapters", true},
		{"web and bridge", "web/a.go", module + "/bridge", true},
		{"command and all", "cmd/hutong/a.go", module + "/store/bolt", false},
		{"a folder nobody knows", "misc/a.go", "strings", true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := parse(t, c.file, []byte("package x\nimport _ \""+c.imports+"\"\n"))
			if got := breaches([]source{f}); (len(got) > 0) != c.breach {
				t.Errorf("%s importing %s: breaches %q, want one: %v", c.file, c.imports, got, c.breach)
			}
		})
	}
}
