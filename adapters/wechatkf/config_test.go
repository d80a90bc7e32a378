package wechatkf

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/wechatkf/wechatkftest"
	"github.com/hutong-im/hutong/bridge"
)

func limitIn(body []byte) int {
	var in syncRequest
	_ = json.Unmarshal(body, &in)
	return in.Limit
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		field  string // that is named; "" is none
	}{
		"as it should be":          {func(*Config) {}, ""},
		"two accounts":             {func(c *Config) { c.Accounts = []string{"wk1", "wk2"} }, ""},
		"the same account twice":   {func(c *Config) { c.Accounts = []string{"wk1", "wk1"} }, "accounts"},
		"an account that is no id": {func(c *Config) { c.Accounts = []string{"wk1/x"} }, "accounts"},
		"no corp":                  {func(c *Config) { c.CorpID = "" }, "corp_id"},
		"a short key":              {func(c *Config) { c.AESKey = bridge.MakeSecret("short") }, "aes_key"},
		"no token":                 {func(c *Config) { c.Token = bridge.Secret{} }, "token"},
		"no secret":                {func(c *Config) { c.Secret = bridge.Secret{} }, "secret"},
		"http to elsewhere":        {func(c *Config) { c.API = "http://proxy.acme.example" }, "api"},
		"no address":               {func(c *Config) { c.API = "qyapi" }, "api"},
		"asking too often":         {func(c *Config) { c.Poll = time.Second }, "poll"},
		"more than is kept":        {func(c *Config) { c.Backlog = 73 * time.Hour }, "backlog"},
		"a scene with spaces":      {func(c *Config) { c.Scene = "a b" }, "scene"},
		"a long welcome":           {func(c *Config) { c.Welcome = strings.Repeat("汉", 683) }, "welcome"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, wechatkftest.Options{})
			conf, _ := n.Config().(*Config)
			c.change(conf)
			err := conf.Check()
			if (err == nil) != (c.field == "") {
				t.Fatalf("Check says %v", err)
			}
			if err != nil && !strings.HasPrefix(err.Error(), c.field+": ") {
				t.Errorf("Check says %v, want it about %s", err, c.field)
			}
		})
	}
}

// Both languages say the same things.
func TestWords(t *testing.T) {
	en, zh := english(), chinese()
	for k := range en.kinds {
		if en.kinds[k] == "" || zh.kinds[k] == "" {
			t.Errorf("%q has no words", k)
		}
	}
	texts := func(p *phrases) []string {
		return []string{p.small, p.large, p.human, p.pool, p.somebody, p.failed, p.menu, p.noVoice, p.unreached, p.seats, p.refuses, p.unmanaged, p.gone, p.noAccount, p.unknownAccount}
	}
	a, b := texts(en), texts(zh)
	for i := range a {
		if a[i] == "" || b[i] == "" || strings.Count(a[i], "%s") != strings.Count(b[i], "%s") || strings.Count(a[i], "%d") != strings.Count(b[i], "%d") {
			t.Errorf("%q and %q", a[i], b[i])
		}
	}
	if len(en.fails) != len(zh.fails) || len(en.kinds) != len(zh.kinds) {
		t.Error("one language has more words")
	}
}
