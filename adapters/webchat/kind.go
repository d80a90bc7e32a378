// Package webchat is the messenger in the browser: a customer opens a card at /c/CARD, says who they
// are and chats at /chat, on the gateway's own pages or in a frame on the company's site (/widget.js).
package webchat

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// Kind is the web chat for the list of adapters.
func Kind() bridge.Kind {
	return bridge.Kind{Name: "webchat", New: func() bridge.Config {
		return &Config{Session: 365 * 24 * time.Hour, MaxText: 4000, MaxFile: bridge.DefaultMaxFile, Requests: 60}
	}}
}

// Config is the settings of a web chat.
type Config struct {
	// Origins are the sites, such as "https://www.acme.example", that may show the chat in a frame
	// through /widget.js. None is no site.
	Origins []string `yaml:"origins"`
	// Session is how long a customer's browser is known without being used. 8760h is the default.
	Session time.Duration `yaml:"session"`
	// MaxText is how many characters a customer may type into one message. 4000 is the default.
	MaxText int `yaml:"max_text"`
	// MaxFile is how many bytes one file may have. 26214400 (25 MiB) is the default.
	MaxFile int64 `yaml:"max_file"`
	// Requests is how many new conversations one address may ask for in an hour: a whole office or a
	// trade fair may stand behind one. 60 is the default.
	Requests int `yaml:"requests_per_hour"`
}

// Check names every problem.
func (c *Config) Check() error {
	var list []error
	problem := func(bad bool, field, text string) {
		if bad {
			list = append(list, bridge.Problem(field, "%s", text))
		}
	}
	for i, o := range c.Origins {
		problem(!validOrigin(o), fmt.Sprintf("origins[%d]", i),
			"must be the address of a site without path, such as https://www.acme.example")
	}
	problem(c.Session < time.Hour || c.Session > 2*366*24*time.Hour, "session", "must be between 1h and 17568h (two years), such as 8760h")
	problem(c.MaxText < 1 || c.MaxText > 20000, "max_text", "must be between 1 and 20000 characters, such as 4000")
	problem(c.MaxFile < 1 || c.MaxFile > 1<<30, "max_file", "must be between 1 and 1073741824 bytes (1 GiB), such as 26214400")
	problem(c.Requests < 1 || c.Requests > 100000, "requests_per_hour", "must be between 1 and 100000, such as 60")
	return errors.Join(list...)
}

// validOrigin reports whether o is written as browsers write an origin, so that it can be compared and
// put into a header: scheme and host, maybe a port, nothing else and in lower case.
func validOrigin(o string) bool {
	u, err := url.Parse(o)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil {
		return false
	}
	for _, c := range []byte(u.Host) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == ':' || c == '[' || c == ']' {
			continue
		}
		return false
	}
	return o == u.Scheme+"://"+u.Host
}

// Open makes the adapter. Its pages are read here; nothing else happens before Run.
func (c *Config) Open(env bridge.Env) (bridge.Adapter, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	return open(*c, env)
}
