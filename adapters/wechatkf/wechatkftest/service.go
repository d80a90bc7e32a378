package wechatkftest

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

func listAccounts(n *Network, r *http.Request, body []byte) (answer, *refusal) {
	in, bad := read[struct {
		Offset int `json:"offset"`
		Limit  int `json:"limit"`
	}](n, r, body)
	if bad != nil {
		return answer{}, bad
	}
	if in.Limit < 1 || in.Limit > 100 || in.Offset < 0 {
		return answer{}, no(40058, "invalid Request Parameter, limit")
	}
	list := []map[string]any{}
	for i, a := range n.accounts {
		if i >= in.Offset && len(list) < in.Limit {
			list = append(list, map[string]any{
				"open_kfid": a.id, "name": a.name, "avatar": "https://wework.qpic.cn/wwpic/x/0", "manage_privilege": a.managed,
			})
		}
	}
	return answer{fields: map[string]any{"account_list": list}}, nil
}

var word = regexp.MustCompile(`^[0-9a-zA-Z_-]*$`)

func addContactWay(n *Network, r *http.Request, body []byte) (answer, *refusal) {
	in, bad := read[struct {
		Account string `json:"open_kfid"`
		Scene   string `json:"scene"`
	}](n, r, body)
	if bad == nil {
		_, bad = n.managed(in.Account)
	}
	if bad != nil {
		return answer{}, bad
	}
	if len(in.Scene) > 32 || !word.MatchString(in.Scene) {
		return answer{}, no(40058, "invalid Request Parameter, scene")
	}
	return answer{fields: map[string]any{"url": "https://work.weixin.qq.com/kfid/" + in.Account + "?enc_scene=ENC" + in.Scene}}, nil
}

// managed finds an account that the app may use.
func (n *Network) managed(id string) (*account, *refusal) {
	a := n.account(id)
	switch {
	case id == "":
		return nil, no(95000, "invalid open_kfid")
	case a == nil:
		return nil, no(95004, "open_kfid not exist")
	case !a.managed:
		return nil, no(95017, "api not allowed")
	}
	return a, nil
}

// cursorOf hides a place in a log, as WeCom does.
func cursorOf(i int) string {
	return "4gw7MepFLfgF2VC5n" + base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(i)))
}

func placeOf(cursor string) (int, bool) {
	if cursor == "" {
		return 0, true
	}
	raw, ok := strings.CutPrefix(cursor, "4gw7MepFLfgF2VC5n")
	b, err := base64.RawURLEncoding.DecodeString(raw)
	i, err2 := strconv.Atoi(string(b))
	return i, ok && err == nil && err2 == nil
}

// retention is how long messages are kept.
const retention = 72 * time.Hour

func syncMsg(n *Network, r *http.Request, body []byte) (answer, *refusal) {
	in, bad := read[struct {
		Cursor  string `json:"cursor"`
		Token   string `json:"token"`
		Limit   int    `json:"limit"`
		Voice   int    `json:"voice_format"`
		Account string `json:"open_kfid"`
	}](n, r, body)
	if bad != nil {
		return answer{}, bad
	}
	a, bad := n.managed(in.Account)
	if bad != nil {
		return answer{}, bad
	}
	at, ok := placeOf(in.Cursor)
	if !ok || len(in.Cursor) > 64 || len(in.Token) > 128 || in.Limit > 1000 || in.Limit < 0 || in.Voice < 0 || in.Voice > 1 {
		return answer{}, no(40058, "invalid Request Parameter")
	}
	if bad := n.mayAsk(in.Token, in.Account); bad != nil {
		return answer{}, bad
	}
	for at < len(a.log) && n.now().Sub(a.log[at].at) > retention {
		at++
	}
	size := min(n.opts.Page, 1000)
	if in.Limit > 0 {
		size = min(size, in.Limit)
	}
	end := min(at+size, len(a.log))
	list := []map[string]any{}
	for _, e := range a.log[at:end] {
		list = append(list, e.item)
	}
	more := 0
	if end < len(a.log) {
		more = 1
	}
	return answer{fields: map[string]any{"next_cursor": cursorOf(end), "has_more": more, "msg_list": list}}, nil
}

// mayAsk checks a callback's token, or counts calls without one.
func (n *Network) mayAsk(token, account string) *refusal {
	if token != "" {
		p, ok := n.tokens[token]
		if !ok || p.account != account || n.now().After(p.end) {
			return no(95007, "invalid msg token")
		}
		return nil
	}
	var last []time.Time
	for _, t := range n.asked {
		if n.now().Sub(t) < time.Minute {
			last = append(last, t)
		}
	}
	n.asked = append(last, n.now())
	if len(n.asked) > n.opts.Untokened {
		return no(45009, "api freq out of limit")
	}
	return nil
}

// stateIn names a session.
type stateIn struct {
	Account  string  `json:"open_kfid"`
	Customer string  `json:"external_userid"`
	State    *int    `json:"service_state"`
	Servicer *string `json:"servicer_userid"`
}

func (n *Network) session(r *http.Request, body []byte) (stateIn, *chat, *refusal) {
	in, bad := read[stateIn](n, r, body)
	if bad == nil {
		_, bad = n.managed(in.Account)
	}
	if bad != nil {
		return in, nil, bad
	}
	c, ok := n.chats[in.Account+"/"+in.Customer]
	if !ok {
		return in, nil, no(40096, "invalid external userid")
	}
	return in, c, nil
}

func getState(n *Network, r *http.Request, body []byte) (answer, *refusal) {
	in, c, bad := n.session(r, body)
	if bad != nil {
		return answer{}, bad
	}
	if in.State != nil || in.Servicer != nil {
		n.complain("service_state/get takes no state")
	}
	out := map[string]any{"service_state": c.state}
	if c.state == 3 {
		out["servicer_userid"] = c.servicer
	}
	return answer{fields: out}, nil
}

func transState(n *Network, r *http.Request, body []byte) (answer, *refusal) {
	in, c, bad := n.session(r, body)
	if bad != nil {
		return answer{}, bad
	}
	if in.State == nil || *in.State < 0 || *in.State > 4 || *in.State == 3 && in.Servicer == nil {
		return answer{}, no(40058, "invalid Request Parameter")
	}
	allowed := map[int]string{0: "1234", 1: "234", 2: "34", 3: "34"}[c.state]
	if c.state == 4 {
		return answer{}, no(95013, "session ended")
	}
	if !strings.Contains(allowed, strconv.Itoa(*in.State)) {
		return answer{}, no(95016, "state transition not allowed")
	}
	c.state = *in.State
	if in.Servicer != nil {
		c.servicer = *in.Servicer
	}
	return answer{}, nil
}

func batchGet(n *Network, r *http.Request, body []byte) (answer, *refusal) {
	in, bad := read[struct {
		List    []string `json:"external_userid_list"`
		Context int      `json:"need_enter_session_context"`
	}](n, r, body)
	if bad != nil {
		return answer{}, bad
	}
	if len(in.List) == 0 || len(in.List) > 100 {
		return answer{}, no(40058, "invalid Request Parameter, external_userid_list")
	}
	list, invalid := []map[string]any{}, []string{}
	for _, id := range in.List {
		c, ok := n.customers[id]
		if !ok {
			invalid = append(invalid, id)
			continue
		}
		one := map[string]any{"external_userid": id, "nickname": c.Nickname, "avatar": c.Avatar, "gender": 1}
		if c.UnionID != "" {
			one["unionid"] = c.UnionID
		}
		list = append(list, one)
	}
	return answer{fields: map[string]any{"customer_list": list, "invalid_external_userid": invalid}}, nil
}
