// Package slack speaks to Slack through a company's own internal app, over Socket Mode or over HTTP.
package slack

import (
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"strings"

	slackapi "github.com/slack-go/slack"

	"github.com/hutong-im/hutong/bridge"
)

// Ways to show a customer to a member.
const (
	roomsChannel = "channel" // a private channel for each
	roomsThread  = "thread"  // a thread for each, in the member's chat with the app
)

// Kind is the entry for the list of adapters.
func Kind() bridge.Kind {
	return bridge.Kind{Name: "slack", New: func() bridge.Config {
		return &Config{Rooms: roomsChannel, APIURL: slackapi.APIURL}
	}}
}

// Config is what stands in config.yaml. AppToken chooses Socket Mode, SigningSecret the Events API over HTTP.
type Config struct {
	BotToken      bridge.Secret `yaml:"bot_token"`
	AppToken      bridge.Secret `yaml:"app_token"`
	SigningSecret bridge.Secret `yaml:"signing_secret"`
	Rooms         string        `yaml:"rooms"`
	APIURL        string        `yaml:"api_url"`
}

// Check names every problem.
func (c *Config) Check() error {
	var bad []error
	if !strings.HasPrefix(c.BotToken.Reveal(), "xoxb-") {
		bad = append(bad, bridge.Problem("bot_token", "must be the Bot User OAuth Token, which begins with xoxb- (see docs/slack.md)"))
	}
	switch {
	case c.AppToken.IsZero() && c.SigningSecret.IsZero():
		const text = "give app_token for Socket Mode, or signing_secret for events over HTTP (see docs/slack.md)"
		bad = append(bad, bridge.Problem("app_token", text), bridge.Problem("signing_secret", text))
	case !c.AppToken.IsZero() && !c.SigningSecret.IsZero():
		bad = append(bad, bridge.Problem("signing_secret", "give app_token or signing_secret, not both"))
	case !c.AppToken.IsZero() && !strings.HasPrefix(c.AppToken.Reveal(), "xapp-"):
		bad = append(bad, bridge.Problem("app_token", "must be an App-Level Token, which begins with xapp- (see docs/slack.md)"))
	}
	if c.Rooms != roomsChannel && c.Rooms != roomsThread {
		bad = append(bad, bridge.Problem("rooms", "%q is not known; there are channel and thread", c.Rooms))
	}
	u, err := url.Parse(c.APIURL)
	switch {
	case err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "":
		bad = append(bad, bridge.Problem("api_url", "must be like https://slack.com/api/"))
	case u.Scheme == "http" && !loopback(u.Hostname()):
		bad = append(bad, bridge.Problem("api_url", "plain http is for this machine only: tokens would be readable on the way"))
	}
	return errors.Join(bad...)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Open makes the adapter. It does not speak to Slack yet.
func (c *Config) Open(env bridge.Env) (bridge.Adapter, error) {
	a, err := newAdapter(c, env)
	if err != nil {
		return nil, err
	}
	if c.AppToken.IsZero() {
		return &hooked{a}, nil
	}
	return a, nil
}

// scopes are what the app asks for, and docs/slack.md says why.
func scopes() []string {
	return []string{
		"chat:write", "chat:write.customize", "commands", "files:read", "files:write",
		"groups:history", "groups:write", "im:history", "im:write",
		"metadata.message:read", "pins:write", "reactions:read", "reactions:write", "users:read",
	}
}

// comforts are the scopes that can be done without, and what is missed then.
func comforts() map[string]string {
	return map[string]string{
		"commands":   "there is no /hutong, and there are no shortcuts",
		"pins:write": "contacts' cards are not pinned",
		"users:read": "mentions reach customers without names, and deactivated accounts are not noticed",
	}
}

func lacking(scopes string) string {
	return "the app lacks " + scopes + ": add it under OAuth & Permissions, Bot Token Scopes, at https://api.slack.com/apps, then install the app again"
}

// ManifestOptions are what differs between companies.
type ManifestOptions struct {
	Name string // of the app; "" is hutong
	// URL is https://GATEWAY/hook/NAME for events over HTTP; "" is Socket Mode.
	URL string
}

// Callbacks of the shortcuts that are no words of the gateway's.
const (
	sendNote  = "send"
	sendAgain = "retry"
)

// Manifest is the app manifest, in JSON, with which a company makes its own app at
// https://api.slack.com/apps (fields: https://docs.slack.dev/reference/app-manifest).
func Manifest(o ManifestOptions) ([]byte, error) {
	if o.Name == "" {
		o.Name = "hutong"
	}
	socket := o.URL == ""
	command := fields{
		"command": "/hutong", "description": "Customers: /hutong help", "should_escape": false,
		"usage_hint": "card | to NAME | who | contacts | note | pin | mute | remark | tag | help",
	}
	events := fields{"bot_events": []string{
		"app_home_opened", "app_uninstalled", "message.groups", "message.im", "reaction_added", "reaction_removed", "tokens_revoked", "user_change",
	}}
	interactivity := fields{"is_enabled": true}
	if !socket {
		command["url"], events["request_url"], interactivity["request_url"] = o.URL, o.URL, o.URL
	}
	shortcut := func(kind, word, name, description string) fields {
		return fields{"name": name, "type": kind, "callback_id": word, "description": description}
	}
	return json.MarshalIndent(fields{
		"display_information": fields{
			"name": o.Name, "description": "Customers from WeChat and other messengers, in your workspace",
			"background_color": "#1f4e5f",
		},
		"features": fields{
			"app_home":       fields{"home_tab_enabled": true, "messages_tab_enabled": true, "messages_tab_read_only_enabled": false},
			"bot_user":       fields{"display_name": o.Name, "always_online": true},
			"slash_commands": []fields{command},
			"shortcuts": []fields{ // Slack takes five of each type
				shortcut("message", sendNote, "Send to customer", "Sends your own internal note to the customer after all"),
				shortcut("message", sendAgain, "Retry", "Sends your message that did not arrive once more"),
				shortcut("message", "note", "Internal note", "Keeps a note that the customer does not see"),
				shortcut("message", "who", "Who is this customer?", "Says who is at the other end"),
				shortcut("message", "accept", "Accept customer", "Accepts the request of this customer"),
				shortcut("global", "note", "Note on a customer", "Keeps a note that the customer does not see"),
				shortcut("global", "remark", "Remark of a customer", "Your own words for who a customer is"),
				shortcut("global", "tag", "Tags of a customer", "Adds tags to a customer, or takes them away"),
			},
		},
		"oauth_config": fields{"scopes": fields{"bot": scopes()}},
		"settings": fields{
			"event_subscriptions": events, "interactivity": interactivity, "socket_mode_enabled": socket,
			"org_deploy_enabled": false, "token_rotation_enabled": false,
		},
	}, "", "  ")
}
