package wechat

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hutong-im/hutong/internal/tencent"
)

var errNoMenu = errors.New("the menu in WeChat could not be compared")

// entry is a button as WeChat writes it.
type entry struct {
	Type string  `json:"type,omitempty"`
	Name string  `json:"name"`
	Key  string  `json:"key,omitempty"`
	URL  string  `json:"url,omitempty"`
	Sub  []entry `json:"sub_button,omitempty"`
}

func entries(list []Button) []entry {
	var out []entry
	for _, b := range list {
		e := entryOf(b.Name, b.Key, b.URL)
		for _, sub := range b.Buttons {
			e.Sub = append(e.Sub, entryOf(sub.Name, sub.Key, sub.URL))
		}
		out = append(out, e)
	}
	return out
}

func entryOf(name, key, address string) entry {
	e := entry{Name: name, Key: key, URL: address}
	switch {
	case key != "":
		e.Type = "click"
	case address != "":
		e.Type = "view"
	}
	return e
}

// bringMenu makes the account's menu as config wants it, if it wants one and it differs.
// https://developers.weixin.qq.com/doc/service/api/custommenu/api_createcustommenu.html
func (a *adapter) bringMenu(ctx context.Context) error {
	if len(a.cfg.Menu) == 0 {
		return nil
	}
	var is struct {
		Menu struct {
			Button []entry `json:"button"`
		} `json:"menu"`
	}
	err := a.client.Query(ctx, http.MethodGet, "/cgi-bin/menu/get", nil, nil, &is)
	if e, refused := errors.AsType[*tencent.Error](err); err != nil && (!refused || e.Code != noMenu) {
		return fmt.Errorf("%w: %w", errNoMenu, err)
	}
	want := entries(a.cfg.Menu)
	if same(is.Menu.Button, want) {
		return nil
	}
	return a.client.Query(ctx, http.MethodPost, "/cgi-bin/menu/create", nil, map[string][]entry{"button": want}, nil)
}

// noMenu is that there is none yet. https://developers.weixin.qq.com/doc/oplatform/developers/errCode/errCode.html
const noMenu = 46003

func same(a, b []entry) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Type != b[i].Type || a[i].Name != b[i].Name || a[i].Key != b[i].Key || a[i].URL != b[i].URL || !same(a[i].Sub, b[i].Sub) {
			return false
		}
	}
	return true
}
