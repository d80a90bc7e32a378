package layers

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

var (
	fenced   = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	inCode   = regexp.MustCompile("`([^`\n]+)`")
	linked   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	pathLike = regexp.MustCompile(`^\.{0,2}[a-zA-Z0-9_-][a-zA-Z0-9_./-]*$`)
	fileLike = regexp.MustCompile(`^[a-z0-9_.-]+\.(go|md|yaml|yml|html|css|js)$`)
)

// missing names each file that a document speaks of and that is not there. Links must lead
// somewhere. A word in back-quotes is taken as a file when it begins with a folder of the root, or
// when it is a bare name with a source's ending; such a name may stand anywhere in the tree. Blocks of
// code are left out: they show what a reader will write.
func missing(t *testing.T, root fs.FS) []string {
	t.Helper()
	folders, names := map[string]bool{}, map[string]bool{}
	var docs []string
	for _, f := range filesOf(t, root, true) {
		if first, _, deep := strings.Cut(f, "/"); deep {
			folders[first] = true
		}
		names[path.Base(f)] = true
		if path.Ext(f) == ".md" {
			docs = append(docs, f)
		}
	}
	var out []string
	for _, doc := range docs {
		text := fenced.ReplaceAllString(string(read(t, root, doc)), "")
		for _, m := range linked.FindAllStringSubmatch(text, -1) {
			to, _, _ := strings.Cut(m[1], "#")
			if to == "" || strings.Contains(to, ":") || exists(root, path.Join(path.Dir(doc), to)) {
				continue
			}
			out = append(out, fmt.Sprintf("%s links to %s, which is not there", doc, to))
		}
		for _, m := range inCode.FindAllStringSubmatch(text, -1) {
			named, _, _ := strings.Cut(m[1], ":")
			if !strings.HasPrefix(named, "http") && !there(root, folders, names, named) {
				out = append(out, fmt.Sprintf("%s names %s, which is not there", doc, named))
			}
		}
	}
	return out
}

// there reports whether what a document names exists, or is no file's name at all.
func there(root fs.FS, folders, names map[string]bool, named string) bool {
	if fileLike.MatchString(named) {
		return names[named]
	}
	first, rest, deep := strings.Cut(strings.TrimPrefix(named, "./"), "/")
	if !deep || rest == "" || !folders[first] || !pathLike.MatchString(named) || strings.ToLower(named) != named {
		return true // no path, or one with a placeholder such as adapters/NAME
	}
	return exists(root, path.Clean(named))
}

func exists(root fs.FS, name string) bool {
	_, err := fs.Stat(root, strings.TrimSuffix(name, "/"))
	return err == nil
}

func TestDocumentsNameFilesThatExist(t *testing.T) {
	for _, m := range missing(t, tree) {
		t.Error(m)
	}
}

func TestDocumentsAreJudged(t *testing.T) {
	cases := map[string]struct{ text, want string }{
		"a file":                 {"see `bridge/route.go`", ""},
		"a file and its line":    {"see `bridge/route.go:12`", ""},
		"a folder":               {"in `bridge/`", ""},
		"a file that has moved":  {"see `bridge/road.go`", "docs/a.md names bridge/road.go"},
		"a bare name":            {"in `route.go`", ""},
		"a bare name of nothing": {"in `road.go`", "docs/a.md names road.go"},
		"a placeholder":          {"in `bridge/NAME`", ""},
		"no file at all":         {"say `/to 李雷` and `and/or`", ""},
		"a link":                 {"[here](../bridge/route.go#L2)", ""},
		"a dead link":            {"[here](b.md)", "docs/a.md links to b.md"},
		"a link outside":         {"[there](https://example.com/x.md)", ""},
		"what a reader writes":   {"```\n`bridge/mine.go`\n```\n", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := missing(t, fstest.MapFS{"docs/a.md": {Data: []byte(c.text)}, "bridge/route.go": {}})
			if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], c.want)) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
