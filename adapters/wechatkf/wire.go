package wechatkf

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/hutong-im/hutong/bridge"
)

// item is one message of kf/sync_msg. https://developer.work.weixin.qq.com/document/path/94670
type item struct {
	ID       string `json:"msgid"`
	Account  string `json:"open_kfid"`
	Customer string `json:"external_userid"`
	At       int64  `json:"send_time"` // Unix seconds
	Origin   int    `json:"origin"`
	Servicer string `json:"servicer_userid"`
	Type     string `json:"msgtype"`

	body  json.RawMessage
	event event
}

// Who a message is from. What the gateway sends itself is not told.
const (
	fromCustomer = 3
	fromSystem   = 4
	fromServicer = 5 // a person in WeCom's own client
)

// event is the body of an item of type event.
type event struct {
	Type     string `json:"event_type"`
	Account  string `json:"open_kfid"`
	Customer string `json:"external_userid"`

	Scene       string `json:"scene"`
	SceneParam  string `json:"scene_param"`
	WelcomeCode string `json:"welcome_code"`
	FailID      string `json:"fail_msgid"`
	FailType    int    `json:"fail_type"`
	Change      int    `json:"change_type"`
	NewServicer string `json:"new_servicer_userid"`
	Servicer    string `json:"servicer_userid"`
	Code        string `json:"msg_code"`
	Recalled    string `json:"recall_msgid"`
	Reject      int    `json:"reject_switch"`
	Status      int    `json:"status"` // of a servicer: 1 on duty, 2 not; in kf/servicer/list the numbers are others
}

// readItem takes an item apart. An event's account and customer stand inside it.
func readItem(raw json.RawMessage) (item, error) {
	var it item
	var all map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(raw, &it), json.Unmarshal(raw, &all)); err != nil {
		return it, fmt.Errorf("a message that is not as documented: %w", err)
	}
	it.body = all[it.Type]
	if it.Type != "event" {
		return it, nil
	}
	if err := json.Unmarshal(it.body, &it.event); err != nil {
		return it, fmt.Errorf("an event that is not as documented: %w", err)
	}
	if it.event.Account != "" {
		it.Account = it.event.Account
	}
	if it.event.Customer != "" {
		it.Customer = it.event.Customer
	}
	return it, nil
}

// body has the fields of all types of messages; each type uses its own.
type body struct {
	Content string `json:"content"` // text
	MenuID  string `json:"menu_id"`
	MediaID string `json:"media_id"` // image, voice, video, file

	Latitude  json.Number `json:"latitude"` // location
	Longitude json.Number `json:"longitude"`
	Name      string      `json:"name"`
	Address   string      `json:"address"`

	Title    string `json:"title"` // link, miniprogram, channels…, merged_msg
	Desc     string `json:"desc"`
	URL      string `json:"url"`
	UserID   string `json:"userid"` // business_card
	AppID    string `json:"appid"`
	PagePath string `json:"pagepath"`
	Nickname string `json:"nickname"` // channels

	Price    string `json:"sales_price"` // channels_shop_product
	Shop     string `json:"shop_nickname"`
	OrderID  string `json:"order_id"` // channels_shop_order
	Products string `json:"product_titles"`
	Wording  string `json:"price_wording"`
	State    string `json:"state"`

	Head string      `json:"head_content"` // msgmenu
	Tail string      `json:"tail_content"`
	List []menuItem  `json:"list"`
	Item []mergedOne `json:"item"` // merged_msg
}

type menuItem struct {
	Click struct{ Content string } `json:"click"`
	View  struct{ URL, Content string }
	Mini  struct{ Content string } `json:"miniprogram"`
	Text  struct{ Content string } `json:"text"`
}

type mergedOne struct {
	Type   string `json:"msgtype"`
	Sender string `json:"sender_name"`
	Said   string `json:"msg_content"` // JSON in a string
}

// said is what a message says, as CommonMark, and its files. Every type says something, those of the future too.
func (a *adapter) said(kind string, raw json.RawMessage, depth int) (string, []bridge.File) {
	var b body
	kinds := a.words().kinds
	if len(raw) > 0 && json.Unmarshal(raw, &b) != nil {
		return bridge.EscapeMarkdown("[" + kinds[""] + "]"), nil
	}
	switch kind {
	case "text":
		return bridge.EscapeMarkdown(b.Content), nil
	case "image", "voice", "video", "file":
		if b.MediaID != "" {
			return "", []bridge.File{a.mediaFile(kind, b.MediaID)}
		}
	case "location":
		return "📍 " + bridge.EscapeMarkdown(lines(b.Name, b.Address)) + mapLink(b.Latitude, b.Longitude), nil
	case "link":
		return bridge.EscapeMarkdown(lines("["+kinds[kind]+"] "+b.Title, b.Desc, b.URL)), nil
	case "business_card":
		return bridge.EscapeMarkdown("[" + kinds[kind] + "] " + b.UserID), nil
	case "miniprogram":
		return bridge.EscapeMarkdown(lines("["+kinds[kind]+"] "+b.Title, join(b.AppID, b.PagePath))), nil
	case "channels":
		return bridge.EscapeMarkdown("[" + kinds[kind] + "] " + join(b.Nickname, b.Title)), nil
	case "channels_shop_product":
		return bridge.EscapeMarkdown("[" + kinds[kind] + "] " + join(b.Title, b.Price, b.Shop)), nil
	case "channels_shop_order":
		return bridge.EscapeMarkdown("[" + kinds[kind] + "] " + join(b.OrderID, b.Products, b.Wording, b.State, b.Shop)), nil
	case "msgmenu":
		if menu := b.menu(); menu != "" {
			return bridge.EscapeMarkdown(menu), nil
		}
	case "merged_msg":
		return a.merged(b, depth)
	}
	name := kinds[kind]
	if name == "" {
		name = kinds[""] + " (" + kind + ")"
	}
	return bridge.EscapeMarkdown("[" + name + "]"), nil
}

// menu is a menu in words.
func (b body) menu() string {
	text := []string{b.Head}
	for _, m := range b.List {
		text = append(text, "• "+join(m.Click.Content, m.View.Content, m.View.URL, m.Mini.Content, m.Text.Content))
	}
	return lines(append(text, b.Tail)...)
}

// maxMerged is how many messages of a forwarded history are shown, and maxMergedFiles how many of its files;
// the gateway takes 32 with a message.
const (
	maxMerged      = 100
	maxMergedFiles = 20
)

// merged shows a forwarded history: each message's content is JSON of its own, with or without its type around it.
func (a *adapter) merged(b body, depth int) (string, []bridge.File) {
	out := []string{bridge.EscapeMarkdown("[" + a.words().kinds["merged_msg"] + "] " + b.Title)}
	var files []bridge.File
	for i, one := range b.Item {
		if i == maxMerged || depth > 2 {
			out = append(out, "…")
			break
		}
		raw := json.RawMessage(one.Said)
		var around map[string]json.RawMessage
		if json.Unmarshal(raw, &around) == nil && len(around[one.Type]) > 0 && around[one.Type][0] == '{' {
			raw = around[one.Type]
		}
		text, more := a.said(one.Type, raw, depth+1)
		if len(more) > 0 && len(files) < maxMergedFiles {
			files = append(files, more...)
		}
		if text == "" {
			kinds := a.words().kinds
			text = bridge.EscapeMarkdown("[" + cmp.Or(kinds[one.Type], kinds[""]) + "]")
		}
		out = append(out, bridge.EscapeMarkdown(one.Sender)+": "+text)
	}
	return strings.Join(out, "\n"), files
}

// mapLink leads to a map that reads WeChat's coordinates (GCJ-02), whose signs need no escape.
// https://lbs.qq.com/webApi/uriV1/uriGuide/uriWebMarker
func mapLink(lat, long json.Number) string {
	la, err1 := lat.Float64()
	lo, err2 := long.Float64()
	if err1 != nil || err2 != nil || la < -90 || la > 90 || lo < -180 || lo > 180 {
		return ""
	}
	return fmt.Sprintf("\nhttps://apis.map.qq.com/uri/v1/marker?marker=coord:%g,%g", la, lo)
}

// lines puts what is not empty under one another, join beside one another.
func lines(parts ...string) string { return joined("\n", parts) }
func join(parts ...string) string  { return joined(" · ", parts) }

func joined(by string, parts []string) string {
	var out []string
	for _, p := range parts {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, by)
}
