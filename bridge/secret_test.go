package bridge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecretIsReadFromWhereItIs(t *testing.T) {
	t.Setenv("HUTONG_TEST_TOKEN", "from-env")
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"env:HUTONG_TEST_TOKEN": "from-env", "file:" + file: "from-file", "literal": "literal"} {
		var s Secret
		if err := s.UnmarshalText([]byte(text)); err != nil || s.Reveal() != want || s.Literal() != (text == "literal") {
			t.Errorf("%s = %q, literal %v, %v", text, s.Reveal(), s.Literal(), err)
		}
	}
	for text, want := range map[string]string{"env:HUTONG_NOT_SET": "HUTONG_NOT_SET is not set", "file:/not/there": "read the secret"} {
		var s Secret
		if err := s.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	type config struct{ Token Secret }
	c := config{MakeSecret("hunter2")}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "config", c, "token", c.Token, "pointer", &c)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "config", c, "token", c.Token, "pointer", &c)
	js, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{
		fmt.Sprint(c), fmt.Sprintf("%v %+v %#v %s %q", c, c, c, c.Token, c.Token), string(js), log.String(), fmt.Errorf("bad %v", c.Token).Error(),
	} {
		if strings.Contains(s, "hunter2") {
			t.Errorf("the secret stands in %s", s)
		}
	}
}
