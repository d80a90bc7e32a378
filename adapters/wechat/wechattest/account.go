package wechattest

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// Button is an entry of the account's menu.
type Button struct {
	Type string   `json:"type,omitempty"`
	Name string   `json:"name"`
	Key  string   `json:"key,omitempty"`
	URL  string   `json:"url,omitempty"`
	Sub  []Button `json:"sub_button"`
}

// Notice is a template message or a subscription notice that was sent.
type Notice struct {
	To           string
	Template     string
	URL          string
	Data         map[string]string
	Subscription bool
}

// Menu is the account's menu.
func (s *Server) Menu() []Button {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.menu)
}

// Notices are those that were sent.
func (s *Server) Notices() []Notice {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.notices)
}

// Scene is what a QR code's address stands for; "" is nothing.
func (s *Server) Scene(address string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cards[address]
}

func (s *Server) callbackIP(url.Values, []byte) (any, int) {
	return map[string]any{"ip_list": []string{"101.226.103.0/25"}}, 0
}

func (s *Server) callbackCheck(_ url.Values, body []byte) (any, int) {
	var in struct {
		Action   string `json:"action"`
		Operator string `json:"check_operator"`
	}
	switch {
	case !s.decode(body, &in):
		return nil, 47001
	case !slices.Contains([]string{"dns", "ping", "all"}, in.Action):
		return nil, 40202
	case !slices.Contains([]string{"CHINANET", "UNICOM", "CAP", "DEFAULT"}, in.Operator):
		return nil, 40203
	case !s.callback:
		return nil, 40201
	}
	return map[string]any{"dns": []any{}}, 0
}

func (s *Server) userInfo(q url.Values, _ []byte) (any, int) {
	s.onlyQuery("user/info", q, "openid", "lang")
	c := s.customers[q.Get("openid")]
	switch {
	case c == nil:
		return nil, 40003
	case !c.follows:
		return map[string]any{"subscribe": 0, "openid": c.openid}, 0
	}
	out := map[string]any{
		"subscribe": 1, "openid": c.openid, "nickname": "", "sex": 0, "language": "zh_CN", "city": "", "province": "", "country": "",
		"headimgurl": "", "subscribe_time": 1434093047, "remark": c.remark, "groupid": 0, "tagid_list": []int{},
		"subscribe_scene": "ADD_SCENE_QR_CODE", "qr_scene": 0, "qr_scene_str": "",
	}
	if c.union != "" {
		out["unionid"] = c.union
	}
	return out, 0
}

func (s *Server) onlyQuery(path string, q url.Values, names ...string) {
	for k := range q {
		if !slices.Contains(names, k) {
			s.complain("%s: unknown parameter %s", path, k)
		}
	}
}

// Limits of QR codes, https://developers.weixin.qq.com/doc/service/api/qrcode/qrcodes/api_createqrcode.html
const (
	maxExpire = 2592000 // seconds
	maxScene  = 64      // characters
)

func (s *Server) qrCode(_ url.Values, body []byte) (any, int) {
	var in struct {
		Expire int    `json:"expire_seconds"`
		Action string `json:"action_name"`
		Info   struct {
			Scene struct {
				ID  int    `json:"scene_id"`
				Str string `json:"scene_str"`
			} `json:"scene"`
		} `json:"action_info"`
	}
	if !s.decode(body, &in) {
		return nil, 47001
	}
	str := in.Info.Scene.Str
	if str == "" || len(str) > maxScene {
		return nil, 40051
	}
	id := s.id("02")
	out := map[string]any{"ticket": "gQH47joAAAAAAAAAASxodHRw" + id, "url": "http://weixin.qq.com/q/" + id}
	switch in.Action {
	case "QR_STR_SCENE":
		if in.Expire < 1 || in.Expire > maxExpire {
			return nil, 40052
		}
		out["expire_seconds"] = in.Expire
	case "QR_LIMIT_STR_SCENE":
		if in.Expire != 0 {
			s.complain("qrcode/create: a permanent code with expire_seconds")
		}
	default:
		return nil, 40053
	}
	s.cards["http://weixin.qq.com/q/"+id] = str
	return out, 0
}

func (s *Server) menuGet(url.Values, []byte) (any, int) {
	if len(s.menu) == 0 {
		return nil, 46003
	}
	return map[string]any{"menu": map[string]any{"button": s.menu}}, 0
}

func (s *Server) menuCreate(_ url.Values, body []byte) (any, int) {
	var in struct {
		Button []Button `json:"button"`
	}
	if !s.decode(body, &in) {
		return nil, 47001
	}
	if len(in.Button) < 1 || len(in.Button) > 3 {
		return nil, 40016
	}
	for _, b := range in.Button {
		if code := b.check(16); code != 0 {
			return nil, code
		}
		if len(b.Sub) > 5 {
			return nil, 40023
		}
		for _, sub := range b.Sub {
			if code := sub.check(60); code != 0 || len(sub.Sub) > 0 {
				return nil, 40025
			}
		}
	}
	s.menu = in.Button
	return nil, 0
}

func (b Button) check(longest int) int {
	switch {
	case b.Name == "" || len(b.Name) > longest:
		return 40018
	case len(b.Sub) > 0 && b.Type == "":
		return 0
	case b.Type == "click" && b.Key != "" && len(b.Key) <= 128 && b.URL == "":
		return 0
	case b.Type == "view" && strings.HasPrefix(b.URL, "http") && len(b.URL) <= 1024 && b.Key == "":
		return 0
	default:
		return 40017
	}
}

type field struct {
	Value string `json:"value"`
}

func (s *Server) template(_ url.Values, body []byte) (any, int) {
	var in struct {
		To       string           `json:"touser"`
		Template string           `json:"template_id"`
		URL      string           `json:"url"`
		Data     map[string]field `json:"data"`
	}
	if !s.decode(body, &in) {
		return nil, 47001
	}
	if code := s.notify(Notice{To: in.To, Template: in.Template, URL: in.URL}, in.Data); code != 0 {
		return nil, code
	}
	return map[string]any{"errcode": 0, "errmsg": "ok", "msgid": s.number()}, 0
}

func (s *Server) subscription(_ url.Values, body []byte) (any, int) {
	var in struct {
		To       string           `json:"touser"`
		Template string           `json:"template_id"`
		Page     string           `json:"page"`
		Data     map[string]field `json:"data"`
	}
	if !s.decode(body, &in) {
		return nil, 47001
	}
	c := s.customers[in.To]
	if c != nil && c.consents == 0 {
		return nil, 43101
	}
	code := s.notify(Notice{To: in.To, Template: in.Template, URL: in.Page, Subscription: true}, in.Data)
	if code == 0 {
		c.consents--
	}
	return nil, code
}

// notify checks values as their names say: thing 20 characters, character_string 32, phrase 5, name 10.
func (s *Server) notify(n Notice, data map[string]field) int {
	c := s.customers[n.To]
	switch {
	case c == nil:
		return 40003
	case !c.follows:
		return 43004
	case len(n.Template) < 20:
		return 40037
	case len(data) == 0:
		return 47003
	}
	n.Data = map[string]string{}
	for k, v := range data {
		for kind, limit := range map[string]int{"thing": 20, "character_string": 32, "phrase": 5, "name": 10} {
			if strings.HasPrefix(k, kind) && len([]rune(v.Value)) > limit {
				return 47003
			}
		}
		if v.Value == "" {
			return 47003
		}
		n.Data[k] = v.Value
	}
	s.notices = append(s.notices, n)
	return 0
}

// Consent lets a customer allow one more subscription notice.
func (s *Server) Consent(openid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.customers[openid].consents++
}

// typingWithin is how long after the customer's last act writing may be shown.
const typingWithin = 30 * time.Second

func (s *Server) typing(_ url.Values, body []byte) (any, int) {
	var in struct {
		To      string `json:"touser"`
		Command string `json:"command"`
	}
	if !s.decode(body, &in) {
		return nil, 47001
	}
	c := s.customers[in.To]
	switch {
	case c == nil:
		return nil, 40003
	case in.Command != "Typing" && in.Command != "CancelTyping":
		return nil, 45072
	case s.now().Sub(c.last) > typingWithin:
		return nil, 45080
	case in.Command == "Typing" && s.now().Before(c.typing):
		return nil, 45081
	}
	c.typed++
	c.typing = s.now().Add(15 * time.Second)
	return nil, 0
}
