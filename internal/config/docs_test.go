package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func documented(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestEveryKeyIsDocumented holds the documentation against the schema.
func TestEveryKeyIsDocumented(t *testing.T) {
	text := documented(t)
	for name, section := range readSchema(t).Properties {
		if !strings.Contains(text, "## "+name) && !strings.Contains(text, ", "+name+"\n") && !strings.Contains(text, "## "+name+",") {
			t.Errorf("docs/configuration.md has no section %s", name)
		}
		keys := section.Properties
		if section.Items != nil {
			keys = section.Items.Properties
		}
		for key := range keys {
			if !strings.Contains(text, " "+key+":") {
				t.Errorf("docs/configuration.md does not show %s.%s", name, key)
			}
		}
	}
}
