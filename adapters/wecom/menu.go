package wecom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/tencent"
)

// Button is a button of the app's menu: it says a command in the member's name, opens a page, or opens up.
type Button struct {
	Name    string      `yaml:"name"`
	Say     string      `yaml:"say"` // such as /who; /to shows a card of the customers
	URL     string      `yaml:"url"`
	Buttons []SubButton `yaml:"buttons"`
}

// SubButton is a Button of the second level.
type SubButton struct {
	Name string `yaml:"name"`
	Say  string `yaml:"say"`
	URL  string `yaml:"url"`
}

// Limits of menus, lengths in bytes: https://developer.work.weixin.qq.com/document/path/90231
const (
	maxMenu    = 3
	maxSub     = 5
	maxName    = 16
	maxSubName = 40
	maxSay     = 128
)

// checkButtons names every problem of a menu.
func checkButtons(list []Button) []error {
	var bad []error
	if len(list) > maxMenu {
		bad = append(bad, bridge.Problem("buttons", "a menu has at most %d buttons", maxMenu))
	}
	for i, b := range list {
		at := fmt.Sprintf("buttons[%d]", i)
		if len(b.Buttons) > maxSub {
			bad = append(bad, bridge.Problem(at+".buttons", "at most %d", maxSub))
		}
		if len(b.Buttons) == 0 || b.Say != "" || b.URL != "" {
			bad = append(bad, checkButton(at, SubButton{b.Name, b.Say, b.URL}, maxName)...)
		} else if b.Name == "" || len(b.Name) > maxName {
			bad = append(bad, bridge.Problem(at+".name", "1 to %d bytes", maxName))
		}
		for k, s := range b.Buttons {
			bad = append(bad, checkButton(fmt.Sprintf("%s.buttons[%d]", at, k), s, maxSubName)...)
		}
	}
	return bad
}

func checkButton(at string, b SubButton, limit int) []error {
	var bad []error
	if b.Name == "" || len(b.Name) > limit {
		bad = append(bad, bridge.Problem(at+".name", "1 to %d bytes", limit))
	}
	u, err := url.Parse(b.URL)
	switch {
	case (b.Say == "") == (b.URL == ""):
		bad = append(bad, bridge.Problem(at, "give say, url or buttons, one of them"))
	case b.Say != "" && (!strings.HasPrefix(b.Say, "/") || len(b.Say) > maxSay):
		bad = append(bad, bridge.Problem(at+".say", "must be a command, such as /who, of at most %d bytes: anything else would go to a customer", maxSay))
	case b.URL != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == ""):
		bad = append(bad, bridge.Problem(at+".url", "must be like https://acme.example/"))
	}
	return bad
}

// wireButton is a button as WeCom has it.
type wireButton struct {
	Type string       `json:"type,omitempty"`
	Name string       `json:"name"`
	Key  string       `json:"key,omitempty"`
	URL  string       `json:"url,omitempty"`
	Sub  []wireButton `json:"sub_button,omitempty"`
}

func (b SubButton) wire() wireButton {
	w := wireButton{Type: "click", Name: b.Name, Key: b.Say}
	if b.URL != "" {
		w.Type, w.URL = "view", b.URL
	}
	return w
}

type wireMenu struct {
	Buttons []wireButton `json:"button"`
}

// wanted is the menu of the config.
func (a *adapter) wanted() wireMenu {
	list := a.cfg.Buttons
	if len(list) == 0 {
		list = a.usualMenu()
	}
	var m wireMenu
	for _, b := range list {
		w := SubButton{b.Name, b.Say, b.URL}.wire()
		if len(b.Buttons) > 0 {
			w = wireButton{Name: b.Name}
			for _, s := range b.Buttons {
				w.Sub = append(w.Sub, s.wire())
			}
		}
		m.Buttons = append(m.Buttons, w)
	}
	return m
}

// makeMenu makes the app's menu if it is another one.
func (a *adapter) makeMenu(ctx context.Context) error {
	if a.cfg.Menu == menuKeep {
		return nil
	}
	agent := url.Values{"agentid": {strconv.Itoa(a.cfg.AgentID)}}
	var have wireMenu
	err := a.api.Query(ctx, http.MethodGet, "/cgi-bin/menu/get", agent, nil, &have)
	var code *tencent.Error
	if err != nil && (!errors.As(err, &code) || code.Code != noMenu) {
		return fmt.Errorf("read the menu: %w", err)
	}
	want := a.wanted()
	if equal(have, want) {
		return nil
	}
	if err := a.api.Query(ctx, http.MethodPost, "/cgi-bin/menu/create", agent, want, nil); err != nil {
		return fmt.Errorf("make the menu: %w", err)
	}
	return nil
}

func equal(a, b wireMenu) bool {
	x, err := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err == nil && err2 == nil && string(x) == string(y)
}
