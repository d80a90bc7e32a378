// Package desk is the workspace in the browser: a member signs in at /desk and talks to customers in
// one conversation each. The page has no logic of its own; what it shows is the gateway's history.
package desk

import (
	"errors"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// Kind is the desk for the list of adapters.
func Kind() bridge.Kind {
	return bridge.Kind{Name: "desk", New: func() bridge.Config {
		return &Config{Session: 30 * 24 * time.Hour, Enter: 24 * time.Hour, MaxText: 4000, MaxFile: bridge.DefaultMaxFile}
	}}
}

// Config is the settings of a desk.
type Config struct {
	// Session is how long a browser stays signed in without being used. 720h is the default.
	Session time.Duration `yaml:"session"`
	// Enter is how long a one-time sign-in link may be used. 24h is the default.
	Enter time.Duration `yaml:"enter"`
	// MaxText is how many characters a member may type into one message. 4000 is the default.
	MaxText int `yaml:"max_text"`
	// MaxFile is how many bytes one file may have. 26214400 (25 MiB) is the default.
	MaxFile int64 `yaml:"max_file"`
}

// Check names every problem.
func (c *Config) Check() error {
	var list []error
	problem := func(bad bool, field, text string) {
		if bad {
			list = append(list, bridge.Problem(field, "%s", text))
		}
	}
	problem(c.Session < time.Minute || c.Session > 366*24*time.Hour, "session", "must be between 1m and 8784h (a year), such as 720h")
	problem(c.Enter < time.Minute || c.Enter > 7*24*time.Hour, "enter", "must be between 1m and 168h (a week), such as 24h")
	problem(c.MaxText < 1 || c.MaxText > 20000, "max_text", "must be between 1 and 20000 characters, such as 4000")
	problem(c.MaxFile < 1 || c.MaxFile > 1<<30, "max_file", "must be between 1 and 1073741824 bytes (1 GiB), such as 26214400")
	return errors.Join(list...)
}

// Open makes the adapter. Its pages are read here; nothing else happens before Run.
func (c *Config) Open(env bridge.Env) (bridge.Adapter, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	return open(*c, env)
}
