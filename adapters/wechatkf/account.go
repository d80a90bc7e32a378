package wechatkf

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/hutong-im/hutong/bridge"
)

// listSize is the most accounts that are told at once. https://developer.work.weixin.qq.com/document/path/94661
const listSize = 100

// list asks for the accounts that the app may read, and which of them it may manage.
func (a *adapter) list(ctx context.Context) (manages map[string]bool, order []string, err error) {
	manages = map[string]bool{}
	for {
		var got struct {
			List []struct {
				ID      string `json:"open_kfid"`
				Manages bool   `json:"manage_privilege"`
			} `json:"account_list"`
		}
		in := map[string]any{"offset": len(order), "limit": listSize}
		if err := a.api.Query(ctx, http.MethodPost, "/cgi-bin/kf/account/list", nil, in, &got); err != nil {
			return nil, nil, err
		}
		for _, one := range got.List {
			manages[one.ID] = one.Manages
			order = append(order, one.ID)
		}
		if len(got.List) < listSize {
			return manages, order, nil
		}
	}
}

// accounts are the ones to serve: those of the config, else all that the app manages.
func (a *adapter) accounts(ctx context.Context) ([]string, error) {
	if len(a.cfg.Accounts) > 0 {
		return a.cfg.Accounts, nil
	}
	manages, order, err := a.list(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the customer service accounts: %w", err)
	}
	out := slices.DeleteFunc(order, func(id string) bool { return !manages[id] || !isID(id) })
	if len(out) == 0 {
		return nil, bridge.Login(errors.New(a.words().noAccount))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.listed = out
	return out, nil
}

// Probe asks WeCom whether the app may serve the accounts. What the errcodes mean says where to click.
func (a *adapter) Probe(ctx context.Context) error {
	if len(a.cfg.Accounts) == 0 {
		_, err := a.accounts(ctx)
		return err
	}
	manages, _, err := a.list(ctx)
	if err != nil {
		return fmt.Errorf("list the customer service accounts: %w", err)
	}
	var bad []error
	for _, id := range a.cfg.Accounts {
		managed, known := manages[id]
		switch {
		case !known:
			bad = append(bad, fmt.Errorf(a.words().unknownAccount, id))
		case !managed:
			bad = append(bad, fmt.Errorf(a.words().unmanaged, id))
		}
	}
	return errors.Join(bad...)
}

// maxSceneParam is how long the parameter of a link may be, in bytes, escaped.
// https://developer.work.weixin.qq.com/document/path/94665
const maxSceneParam = 128

// Invite makes the link to the first account that tells us the card when it is opened.
func (a *adapter) Invite(ctx context.Context, c bridge.CardID) (string, error) {
	param := url.QueryEscape(string(c))
	if param == "" || len(param) > maxSceneParam {
		return "", bridge.Permanent(errors.New("the card's id does not fit into a link of 微信客服"))
	}
	a.mu.Lock()
	ids := a.listed
	a.mu.Unlock()
	if len(ids) == 0 {
		var err error
		if ids, err = a.accounts(ctx); err != nil {
			return "", err
		}
	}
	way, err := a.way(ctx, ids[0])
	if err != nil {
		return "", err
	}
	sign := "&"
	if !strings.Contains(way, "?") {
		sign = "?"
	}
	return way + sign + "scene_param=" + param, nil
}

// way is an account's link, which stays good: it is asked for once.
func (a *adapter) way(ctx context.Context, account string) (string, error) {
	key := "way/" + account + "/" + a.cfg.Scene
	raw, _, err := a.env.State.Get(ctx, key)
	if err == nil {
		return string(raw), nil
	}
	if !errors.Is(err, bridge.ErrNotFound) {
		return "", fmt.Errorf("read the link of %s: %w", account, err)
	}
	var got struct {
		URL string `json:"url"`
	}
	in := map[string]any{"open_kfid": account, "scene": a.cfg.Scene}
	if err := a.api.Query(ctx, http.MethodPost, "/cgi-bin/kf/add_contact_way", nil, in, &got); err != nil {
		return "", fmt.Errorf("ask for the link of %s: %w", account, err)
	}
	if u, err := url.Parse(got.URL); err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return "", bridge.Permanent(errors.New("WeCom gave no link that can be opened"))
	}
	if _, err := a.env.State.Put(ctx, key, []byte(got.URL), bridge.AnyRev); err != nil {
		return "", fmt.Errorf("keep the link of %s: %w", account, err)
	}
	return got.URL, nil
}
