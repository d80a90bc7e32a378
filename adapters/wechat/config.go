// Package wechat speaks to customers in WeChat through a company's Official Account (公众号, 服务号).
package wechat

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/tencent"
)

// Limits of the network.
const (
	// usualOpen is how long after a customer's message they may be answered, and usualMessages how often
	// (20 in documents from before 2023, so a setting).
	// https://developers.weixin.qq.com/doc/service/api/customer/message/api_sendcustommessage.html
	usualOpen     = 48 * time.Hour
	usualMessages = 5
	// usualText is in bytes. The documents name the error, 45002, and no number; this is that of passive
	// answers and of WeCom, so a setting.
	usualText = 2048
)

// The lives of a card's QR code.
const (
	permanent = "permanent" // 100,000 of an account
	temporary = "temporary" // 30 days
)

// The ways of telling a customer that something waits for them.
const (
	noticeTemplate     = "template"     // 模板消息
	noticeSubscription = "subscription" // 订阅通知
)

// Kind is the entry for the list of adapters.
func Kind() bridge.Kind {
	return bridge.Kind{Name: "wechat", New: func() bridge.Config {
		return &Config{
			API: tencent.OfficialAccountURL, QR: permanent, AskName: true, MaxText: usualText, Messages: usualMessages,
			Notice: Notice{Kind: noticeTemplate},
		}
	}}
}

// Config is what stands in config.yaml.
type Config struct {
	AppID  string        `yaml:"app_id"`
	Secret bridge.Secret `yaml:"secret"`
	Token  bridge.Secret `yaml:"token"`
	// AESKey is the EncodingAESKey. Without it the callback must be in plaintext mode.
	AESKey   bridge.Secret `yaml:"aes_key"`
	API      string        `yaml:"api"`
	QR       string        `yaml:"qr"`
	AskName  bool          `yaml:"ask_name"`
	MaxText  int           `yaml:"max_text"` // bytes of one message
	Messages int           `yaml:"messages"` // after each of the customer's
	// KF are the Official Account's own agents: an employee's name, as customers see it, and the kf_account.
	KF     map[string]string `yaml:"kf_accounts"`
	Menu   []Button          `yaml:"menu"`
	Notice Notice            `yaml:"notice"`
}

// Button is an entry of the account's menu. It has one of Key, URL and Buttons.
type Button struct {
	Name    string `yaml:"name"`
	Key     string `yaml:"key"` // what a press does: keyContacts or keyHuman
	URL     string `yaml:"url"`
	Buttons []Item `yaml:"buttons"`
}

// Item is an entry below an entry. It has one of Key and URL.
type Item struct {
	Name string `yaml:"name"`
	Key  string `yaml:"key"`
	URL  string `yaml:"url"`
}

// What a press of the menu does.
const (
	keyContacts = "contacts" // lists whom the customer can talk to
	keyHuman    = "human"    // asks for a person
)

// Notice is sent once when a message waits for the customer to write. Without a Template there is none.
type Notice struct {
	Kind     string `yaml:"kind"`
	Template string `yaml:"template"` // its id
	URL      string `yaml:"link"`     // where a tap leads; "" is nowhere
	// Data are the template's fields; {name} is the employee, {company} the company and {time} the hour.
	Data map[string]string `yaml:"data"`
}

var appID = regexp.MustCompile(`^wx[0-9a-zA-Z]{16}$`)

// Check names every problem.
func (c *Config) Check() error {
	var bad []error
	wrong := func(field, format string, args ...any) { bad = append(bad, bridge.Problem(field, format, args...)) }
	if !appID.MatchString(c.AppID) {
		wrong("app_id", "must be the AppID, wx and 16 more letters and digits: 设置与开发 → 基本配置 in 公众平台 (see docs/wechat.md)")
	}
	if c.Secret.IsZero() {
		wrong("secret", "missing: the AppSecret, which stands below the AppID in 公众平台 (see docs/wechat.md)")
	}
	if _, err := c.envelope(nil); err != nil {
		bad = append(bad, err)
	}
	switch u, err := url.Parse(c.API); {
	case err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "":
		wrong("api", "must be like %s", tencent.OfficialAccountURL)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		wrong("api", "plain http is for this machine only: the secret would be readable on the way")
	}
	if c.QR != permanent && c.QR != temporary {
		wrong("qr", "%q is not known; there are permanent and temporary", c.QR)
	}
	if c.MaxText < 100 || c.MaxText > 1<<20 {
		wrong("max_text", "must be from 100 to 1048576 bytes")
	}
	if c.Messages < 1 {
		wrong("messages", "must be at least 1")
	}
	for name, account := range c.KF {
		if !strings.Contains(account, "@") {
			wrong("kf_accounts."+name, "must be like kf2001@gh_acme (客服功能 → 客服账号)")
		}
	}
	bad = append(bad, checkMenu(c.Menu)...)
	bad = append(bad, c.Notice.check()...)
	return errors.Join(bad...)
}

func (n *Notice) check() []error {
	var bad []error
	if n.Kind != noticeTemplate && n.Kind != noticeSubscription {
		bad = append(bad, bridge.Problem("notice.kind", "%q is not known; there are template and subscription", n.Kind))
	}
	if n.Template == "" && len(n.Data) > 0 {
		bad = append(bad, bridge.Problem("notice.template", "missing: the template's id"))
	}
	if n.Template != "" && len(n.Data) == 0 {
		bad = append(bad, bridge.Problem("notice.data", "missing: the template's fields, such as thing1: 您有新的回复"))
	}
	if n.URL != "" && !webAddress(n.URL) {
		bad = append(bad, bridge.Problem("notice.link", "must begin with https://"))
	}
	return bad
}

// checkMenu knows the limits of a menu: three entries, five below each; names of 16 bytes and 60, addresses of
// 1024. https://developers.weixin.qq.com/doc/service/api/custommenu/api_createcustommenu.html
func checkMenu(menu []Button) []error {
	var bad []error
	if len(menu) > 3 {
		bad = append(bad, bridge.Problem("menu", "has %d entries, more than 3", len(menu)))
	}
	for i, b := range menu {
		at := fmt.Sprintf("menu[%d]", i)
		bad = append(bad, b.check(at, 16)...)
		if len(b.Buttons) > 5 {
			bad = append(bad, bridge.Problem(at+".buttons", "has %d entries, more than 5", len(b.Buttons)))
		}
		for k, sub := range b.Buttons {
			flat := Button{Name: sub.Name, Key: sub.Key, URL: sub.URL}
			bad = append(bad, flat.check(fmt.Sprintf("%s.buttons[%d]", at, k), 60)...)
		}
	}
	return bad
}

func (b *Button) check(at string, longest int) []error {
	var bad []error
	if b.Name == "" || len(b.Name) > longest {
		bad = append(bad, bridge.Problem(at+".name", "must have 1 to %d bytes; a Chinese character has 3", longest))
	}
	ways := 0
	for _, has := range []bool{b.Key != "", b.URL != "", len(b.Buttons) > 0} {
		if has {
			ways++
		}
	}
	switch {
	case ways != 1:
		bad = append(bad, bridge.Problem(at, "give one of key, url and buttons"))
	case b.Key != "" && b.Key != keyContacts && b.Key != keyHuman:
		bad = append(bad, bridge.Problem(at+".key", "%q is not known; there are contacts and human", b.Key))
	case b.URL != "" && (!webAddress(b.URL) || len(b.URL) > 1024):
		bad = append(bad, bridge.Problem(at+".url", "must begin with https:// and have at most 1024 bytes"))
	}
	return bad
}

func webAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// envelope is what pushes come in.
func (c *Config) envelope(now func() time.Time) (*tencent.Envelope, error) {
	return tencent.NewEnvelope(tencent.EnvelopeOptions{
		Network: tencent.OfficialAccountNetwork, Token: c.Token, AESKey: c.AESKey,
		Receiver: cmp.Or(c.AppID, "none"), Now: now, // a missing app_id has been told
	}, "app_id")
}
