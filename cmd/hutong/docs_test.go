package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hutong-im/hutong/adapters"
	"github.com/hutong-im/hutong/internal/config"
)

// TestShippedConfig holds that the config at the root is without mistakes and without warnings.
func TestShippedConfig(t *testing.T) {
	c, err := config.Load(filepath.Join("..", "..", "config.yaml"), adapters.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 {
		t.Error(c.Warnings)
	}
}

// TestDocumentedExamplesLoad loads each YAML block of the documentation; the keys that a block leaves
// out come from the first one, which is a whole file.
func TestDocumentedExamplesLoad(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 10 {
		t.Fatalf("%d blocks", len(blocks))
	}
	for name, value := range map[string]string{
		"MATTERMOST_TOKEN": "abcdefghijklmnopqrstuvwxyz", "MATTERMOST_ADMIN": "bcdefghijklmnopqrstuvwxyza",
		"SLACK_BOT_TOKEN": "xoxb-1-2-abc", "SLACK_APP_TOKEN": "xapp-1-A-2-abc", "TELEGRAM_TOKEN": "123456789:AAFabcdefghijklmnopqrstuvwxyz0123456",
		"WECOM_SECRET": "secret", "WECOM_TOKEN": "token", "WECOM_AES_KEY": strings.Repeat("a", 42) + "A",
		"WECHAT_SECRET": "secret", "WECHAT_TOKEN": "token", "WECHAT_AES_KEY": strings.Repeat("a", 42) + "A",
	} {
		t.Setenv(name, value)
	}
	top := regexp.MustCompile(`(?m)^[a-z]+:`)
	sections := func(text string) map[string]string {
		m := map[string]string{}
		marks := top.FindAllStringIndex(text, -1)
		for i, at := range marks {
			end := len(text)
			if i+1 < len(marks) {
				end = marks[i+1][0]
			}
			m[text[at[0]:at[1]]] = text[at[0]:end]
		}
		return m
	}
	for _, b := range blocks {
		all := sections(blocks[0][1])
		maps.Copy(all, sections(b[1]))
		var file strings.Builder
		for _, text := range all {
			file.WriteString(text)
		}
		c, err := config.Parse("configuration.md", []byte(file.String()), adapters.Kinds())
		if err != nil {
			t.Errorf("%v\n%s", err, file.String())
			continue
		}
		if len(c.Warnings) > 0 {
			t.Errorf("an example with warnings: %v", c.Warnings)
		}
	}
}

// TestEveryCommandIsDocumented holds that the operator's page names each command.
func TestEveryCommandIsDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range (&app{}).root().Commands() {
		if !c.Hidden && c.Name() != "help" && !strings.Contains(string(text), "`hutong "+c.Name()) {
			t.Errorf("docs/operations.md does not name hutong %s", c.Name())
		}
	}
	for _, name := range metricNames(t) {
		if !strings.Contains(string(text), "`"+name) {
			t.Errorf("docs/operations.md does not name %s", name)
		}
	}
}
