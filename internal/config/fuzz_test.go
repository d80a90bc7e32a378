package config

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzParse holds that any text is either a config or a list of mistakes that each have a place and words.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(ar.Files[0].Data)
	}
	f.Add([]byte(small))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := Parse("config.yaml", src, toyKinds())
		if err == nil {
			if c.Company.Name == "" || len(c.Adapters) == 0 || c.BridgeCompany().Zone == nil || c.BridgeMembers() == nil {
				t.Errorf("accepted, but not whole: %+v", c)
			}
			return
		}
		mistakes, ok := errors.AsType[Mistakes](err)
		if !ok || len(mistakes) == 0 {
			t.Fatalf("no mistakes, but %T %v", err, err)
		}
		for _, m := range mistakes {
			if m.Line < 1 || m.Col < 1 || m.Text == "" {
				t.Errorf("a mistake without a place or words: %+v", m)
			}
		}
	})
}
