// Package adapters lists the adapters that there are. Adding one is one folder and one line here.
package adapters

import (
	"github.com/hutong-im/hutong/adapters/desk"
	"github.com/hutong-im/hutong/adapters/fake"
	"github.com/hutong-im/hutong/adapters/mattermost"
	"github.com/hutong-im/hutong/adapters/slack"
	"github.com/hutong-im/hutong/adapters/telegram"
	"github.com/hutong-im/hutong/adapters/webchat"
	"github.com/hutong-im/hutong/adapters/wechat"
	"github.com/hutong-im/hutong/adapters/wechatkf"
	"github.com/hutong-im/hutong/adapters/wecom"
	"github.com/hutong-im/hutong/bridge"
)

// Kinds are the kinds of adapter that a config may name.
func Kinds() []bridge.Kind {
	return []bridge.Kind{
		desk.Kind(),
		webchat.Kind(),
		mattermost.Kind(),
		slack.Kind(),
		wecom.Kind(),
		telegram.Kind(),
		wechat.Kind(),
		wechatkf.Kind(),
		fake.Kind(),
	}
}
