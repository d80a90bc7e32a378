package fake

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// Kind is the entry for the list of adapters.
func Kind() bridge.Kind {
	return bridge.Kind{Name: "fake", New: func() bridge.Config { return &Config{Profile: Full} }}
}

// Config are the settings of one account on a fake network.
type Config struct {
	URL     string        `yaml:"url"`     // of Network.Handler
	Secret  bridge.Secret `yaml:"secret"`  // Options.Secret
	Profile string        `yaml:"profile"` // one of Profiles
	Limits  Limits        `yaml:"limits"`  // where they differ from the profile's

	// Network, if set, is reached in process, and URL and Secret are not used.
	Network *Network `yaml:"-"`
}

// Limits change a profile's Caps. What is not set stays as it is.
type Limits struct {
	MaxText        int           `yaml:"max_text"`
	Count          string        `yaml:"count"` // runes, bytes or utf16
	MaxFile        int64         `yaml:"max_file"`
	MaxFiles       int           `yaml:"max_files"`
	Markup         string        `yaml:"markup"` // plain or commonmark
	Window         time.Duration `yaml:"window"`
	WindowMessages int           `yaml:"window_messages"`
	Names          *bool         `yaml:"names"`
	Dedupes        *bool         `yaml:"dedupes"`
}

// Config makes the settings that reach the network in process.
func (n *Network) Config() *Config {
	return &Config{Profile: n.opts.Profile, Network: n, Limits: limitsOf(n.caps)}
}

// HTTPConfig makes the settings that reach the network at the address where Handler is served.
func (n *Network) HTTPConfig(url string) *Config {
	return &Config{URL: url, Secret: bridge.MakeSecret(n.opts.Secret), Profile: n.opts.Profile, Limits: limitsOf(n.caps)}
}

func units() []string   { return []string{"runes", "bytes", "utf16"} }
func markups() []string { return []string{"plain", "commonmark"} }

func limitsOf(c bridge.Caps) Limits {
	return Limits{
		MaxText: c.MaxText, Count: units()[c.Count], MaxFile: c.MaxFile, MaxFiles: c.MaxFiles, Markup: markups()[c.Markup],
		Window: c.Window.Open, WindowMessages: c.Window.Messages, Names: &c.Names, Dedupes: &c.Dedupes,
	}
}

// Check names every problem.
func (c *Config) Check() error {
	var bad []error
	if c.Network == nil {
		u, err := url.Parse(c.URL)
		switch {
		case c.URL == "":
			bad = append(bad, bridge.Problem("url", "missing: the address of the fake network's API"))
		case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.User != nil:
			bad = append(bad, bridge.Problem("url", "must be like http://127.0.0.1:9000, without a query or a password"))
		}
		if c.Secret.IsZero() {
			bad = append(bad, bridge.Problem("secret", "missing: what the network was made with"))
		} else if strings.ContainsAny(c.Secret.Reveal(), "\r\n\x00") {
			bad = append(bad, bridge.Problem("secret", "has a line break in it"))
		}
	}
	if !slices.Contains(Profiles(), c.Profile) {
		bad = append(bad, bridge.Problem("profile", "must be one of %s", strings.Join(Profiles(), ", ")))
	}
	return errors.Join(append(bad, c.Limits.check())...)
}

func (l *Limits) check() error {
	var bad []error
	for field, v := range map[string]int64{
		"max_text": int64(l.MaxText), "max_file": l.MaxFile, "max_files": int64(l.MaxFiles),
		"window": int64(l.Window), "window_messages": int64(l.WindowMessages),
	} {
		if v < 0 {
			bad = append(bad, bridge.Problem("limits."+field, "must not be negative"))
		}
	}
	if l.Count != "" && !slices.Contains(units(), l.Count) {
		bad = append(bad, bridge.Problem("limits.count", "must be one of %s", strings.Join(units(), ", ")))
	}
	if l.Markup != "" && !slices.Contains(markups(), l.Markup) {
		bad = append(bad, bridge.Problem("limits.markup", "must be one of %s", strings.Join(markups(), ", ")))
	}
	return errors.Join(bad...)
}

// caps are the profile's with the limits put over them.
func (c *Config) caps() bridge.Caps {
	caps, _ := ProfileCaps(c.Profile) // Check has looked
	l := c.Limits
	put(&caps.MaxText, l.MaxText)
	put(&caps.MaxFile, l.MaxFile)
	put(&caps.MaxFiles, l.MaxFiles)
	put(&caps.Window.Open, l.Window)
	put(&caps.Window.Messages, l.WindowMessages)
	if i := slices.Index(units(), l.Count); i >= 0 {
		caps.Count = bridge.TextUnit(i) //nolint:gosec // an index of three
	}
	if i := slices.Index(markups(), l.Markup); i >= 0 {
		caps.Markup = bridge.Markup(i) //nolint:gosec // an index of two
	}
	if l.Names != nil {
		caps.Names = *l.Names
	}
	if l.Dedupes != nil {
		caps.Dedupes = *l.Dedupes
	}
	return caps
}

func put[T comparable](to *T, v T) {
	var zero T
	if v != zero {
		*to = v
	}
}

// Open makes the adapter of the profile.
func (c *Config) Open(env bridge.Env) (bridge.Adapter, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	a := &core{env: env, caps: c.caps(), secret: c.Secret, network: c.Network, poll: c.Profile == Plain}
	if c.Network != nil {
		a.caps, a.link, a.secret = c.Network.caps, direct{c.Network}, bridge.MakeSecret(c.Network.opts.Secret)
	} else {
		client := env.HTTP
		if client == nil {
			client = &http.Client{Timeout: time.Minute}
		}
		a.link = &wire{base: strings.TrimSuffix(c.URL, "/") + "/", secret: c.Secret, client: client}
	}
	return a.as(c.Profile), nil
}
