package wechat

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// Both pages name every setting.
func TestDocumented(t *testing.T) {
	for _, page := range []string{"../../docs/wechat.md", "../../docs/wechat.zh.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		table := regexp.MustCompile("(?m)^\\| `.*$").FindAllString(string(text), -1)
		for f := range reflect.TypeFor[Config]().Fields() {
			name := f.Tag.Get("yaml")
			if !strings.Contains(strings.Join(table, "\n"), "`"+name+"`") {
				t.Errorf("%s does not name %s", page, name)
			}
		}
	}
}
