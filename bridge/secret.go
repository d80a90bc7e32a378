package bridge

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
)

// Secret is a token or key from config. It prints as *** everywhere; Reveal gives the value.
type Secret struct {
	value   string
	literal bool
}

// MakeSecret holds a value that did not come from config, such as one of a test.
func MakeSecret(value string) Secret { return Secret{value: value} }

// UnmarshalText reads env:NAME, file:/path (without its trailing newline) or the value itself.
func (s *Secret) UnmarshalText(text []byte) error {
	raw := string(text)
	switch {
	case strings.HasPrefix(raw, "env:"):
		name := strings.TrimPrefix(raw, "env:")
		v, ok := os.LookupEnv(name)
		if !ok || v == "" {
			return fmt.Errorf("the environment variable %s is not set", name)
		}
		*s = Secret{value: v}
	case strings.HasPrefix(raw, "file:"):
		name := strings.TrimPrefix(raw, "file:")
		b, err := os.ReadFile(name) //nolint:gosec // the administrator names the file
		if err != nil {
			return fmt.Errorf("read the secret: %w", err)
		}
		*s = Secret{value: strings.TrimRight(string(b), "\r\n")}
	default:
		*s = Secret{value: raw, literal: raw != ""}
	}
	return nil
}

// Reveal is the value. Never log it and never put it into an error or an address.
func (s Secret) Reveal() string { return s.value }

// IsZero reports whether there is no value.
func (s Secret) IsZero() bool { return s.value == "" }

// Literal reports whether the value stood in the config itself, where others may read it.
func (s Secret) Literal() bool { return s.literal }

// String keeps the value out of texts.
func (s Secret) String() string { return "***" }

// GoString keeps the value out of dumps.
func (s Secret) GoString() string { return "***" }

// MarshalText keeps the value out of files and answers.
func (s Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// LogValue keeps the value out of logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue("***") }
