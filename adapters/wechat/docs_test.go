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
		for i := range reflect.TypeFor[Config]().NumField() {
			name := reflect.TypeFor[Config]().Field(i).Tag.Get("yaml")
			if !strings.Contains(strings.Join(table, "\n"), "`"+name+"`") {
				t.Errorf("%s does not name %s", page, name)
			}
		}
	}
}
