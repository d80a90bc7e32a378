// Package telegram speaks to Telegram's Bot API, by asking it or by being called (https://core.telegram.org/bots/api).
package telegram

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/hutong-im/hutong/bridge"
)

// How the adapter hears.
const (
	modePoll    = "poll"    // it asks Telegram
	modeWebhook = "webhook" // Telegram calls it
)

// Telegram's own server, and what it takes and gives: files of 50 MB up and 20 MB down
// (https://core.telegram.org/bots/faq#how-do-i-upload-a-large-file). A server of one's own takes 2,000 MB
// (https://core.telegram.org/bots/api#using-a-local-bot-api-server).
const (
	cloud    = "https://api.telegram.org"
	maxUp    = 50 << 20
	maxDown  = 20 << 20
	maxOwnUp = 2000 << 20
)

// Kind is the entry for the list of adapters.
func Kind() bridge.Kind {
	return bridge.Kind{Name: "telegram", New: func() bridge.Config {
		return &Config{API: cloud, Mode: modePoll, MaxFile: maxUp}
	}}
}

// Config is what stands in config.yaml.
type Config struct {
	Token   bridge.Secret `yaml:"token"`    // from @BotFather
	API     string        `yaml:"api"`      // of the Bot API server
	Mode    string        `yaml:"mode"`     // poll or webhook
	Secret  bridge.Secret `yaml:"secret"`   // that Telegram shows when it calls; made from the token if absent
	MaxFile int64         `yaml:"max_file"` // bytes of a file that is sent
}

// Check names every problem.
func (c *Config) Check() error {
	var bad []error
	if !regexp.MustCompile(`^\d+:[A-Za-z0-9_-]{20,}$`).MatchString(c.Token.Reveal()) {
		bad = append(bad, bridge.Problem("token", "must be the token that @BotFather gave, like 123456789:AAF… (see docs/telegram.md)"))
	}
	u, err := url.Parse(c.API)
	switch {
	case err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.RawQuery != "":
		bad = append(bad, bridge.Problem("api", "must be like %s", cloud))
	case u.Scheme == "http" && !loopback(u.Hostname()):
		bad = append(bad, bridge.Problem("api", "plain http is for this machine only: the token would be readable on the way"))
	}
	if c.Mode != modePoll && c.Mode != modeWebhook {
		bad = append(bad, bridge.Problem("mode", "%q is not known; there are poll and webhook", c.Mode))
	}
	if s := c.Secret.Reveal(); s != "" && !regexp.MustCompile(`^[A-Za-z0-9_-]{16,256}$`).MatchString(s) {
		bad = append(bad, bridge.Problem("secret", "must be 16 to 256 letters, digits, _ or -; without it one is made from the token"))
	}
	if limit := c.limit(); c.MaxFile <= 0 || c.MaxFile > limit {
		bad = append(bad, bridge.Problem("max_file", "must be from 1 to %d bytes, which is what the server takes", limit))
	}
	return errors.Join(bad...)
}

func (c *Config) limit() int64 {
	if strings.TrimSuffix(c.API, "/") == cloud {
		return maxUp
	}
	return maxOwnUp
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// secret is what Telegram shows when it calls.
func (c *Config) secret() string {
	if !c.Secret.IsZero() {
		return c.Secret.Reveal()
	}
	mac := hmac.New(sha256.New, []byte(c.Token.Reveal()))
	mac.Write([]byte("webhook"))
	return hex.EncodeToString(mac.Sum(nil))
}

// Open makes the adapter. It does not speak to Telegram yet.
func (c *Config) Open(env bridge.Env) (bridge.Adapter, error) {
	a := &adapter{cfg: *c, env: env, words: wordsOf(env.Lobby.Company().Language)}
	a.cfg.API = strings.TrimSuffix(c.API, "/")
	a.bot, _, _ = strings.Cut(c.Token.Reveal(), ":")
	if c.Mode == modeWebhook {
		return &hooked{a}, nil
	}
	return a, nil
}
