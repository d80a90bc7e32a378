package wechat

import (
	"strings"
	"testing"

	"github.com/hutong-im/hutong/adapters/wechat/wechattest"
	"github.com/hutong-im/hutong/bridge"
)

func TestCheck(t *testing.T) {
	s := wechattest.New(wechattest.Options{})
	defer s.Close()
	long := strings.Repeat("长", 6)
	for name, c := range map[string]struct {
		change func(c *Config)
		want   string // begins the problem; "" is none
	}{
		"as it is":                  {func(*Config) {}, ""},
		"plaintext":                 {func(c *Config) { c.AESKey = bridge.Secret{} }, ""},
		"the key of the sample":     {func(c *Config) { c.AESKey = bridge.MakeSecret("jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C") }, ""},
		"a WeCom id":                {func(c *Config) { c.AppID = "ww5823bf96d3bd56c7" }, "app_id: "},
		"no AppID":                  {func(c *Config) { c.AppID = "" }, "app_id: must be the AppID"},
		"short key":                 {func(c *Config) { c.AESKey = bridge.MakeSecret("abc") }, "aes_key: "},
		"http far away":             {func(c *Config) { c.API = "http://proxy.example" }, "api: plain http"},
		"qr":                        {func(c *Config) { c.QR = "forever" }, "qr: "},
		"no text":                   {func(c *Config) { c.MaxText = 10 }, "max_text: "},
		"agent":                     {func(c *Config) { c.KF = map[string]string{"李雷": "kf1"} }, "kf_accounts.李雷: "},
		"four entries":              {func(c *Config) { c.Menu = make([]Button, 4) }, "menu: has 4"},
		"a menu":                    {func(c *Config) { c.Menu = menuOfTests() }, ""},
		"a long name":               {func(c *Config) { c.Menu = []Button{{Name: long, Key: keyHuman}} }, "menu[0].name: "},
		"a long name below":         {func(c *Config) { c.Menu = []Button{{Name: "a", Buttons: []Item{{Name: long, Key: keyHuman}}}} }, ""},
		"both":                      {func(c *Config) { c.Menu = []Button{{Name: "a", Key: keyHuman, URL: "https://a.example"}} }, "menu[0]: give one"},
		"a key of nobody":           {func(c *Config) { c.Menu = []Button{{Name: "a", Key: "x"}} }, `menu[0].key: "x"`},
		"no address":                {func(c *Config) { c.Menu = []Button{{Name: "a", URL: "acme"}} }, "menu[0].url: "},
		"nothing below":             {func(c *Config) { c.Menu = []Button{{Name: "a", Buttons: []Item{{Name: "b"}}}} }, "menu[0].buttons[0]: give one"},
		"a notice without data":     {func(c *Config) { c.Notice.Template = "T" }, "notice.data: "},
		"a notice without template": {func(c *Config) { c.Notice.Data = map[string]string{"thing1": "x"} }, "notice.template: "},
		"a notice to nowhere": {func(c *Config) {
			c.Notice = Notice{Kind: noticeTemplate, Template: "T", URL: "x", Data: map[string]string{"thing1": "x"}}
		}, "notice.link: "},
		"a notice by pigeon": {func(c *Config) { c.Notice.Kind = "pigeon" }, "notice.kind: "},
	} {
		cfg := configOf(s, "http://127.0.0.1:1")
		c.change(cfg)
		err := cfg.Check()
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)):
			t.Errorf("%s: %v, want %s…", name, err, c.want)
		case strings.Count(errorText(err), "app_id") > 1:
			t.Errorf("%s: told twice: %v", name, err)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
