package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/hutong-im/hutong/bridge"
)

// press is what a button carries, after a signature that keeps it from being made up.
type press struct {
	Ask, Choice string
	Room        bridge.RoomID
}

// Limits of a button's text and of a block's (https://docs.slack.dev/reference/block-kit/blocks/section-block), and of
// a list to choose from (https://docs.slack.dev/reference/block-kit/block-elements/select-menu-element).
const (
	maxLabel   = 75
	maxSection = 3000
	maxOptions = 100
)

func plainText(s string, n int) fields {
	return fields{"type": "plain_text", "text": cut(s, n), "emoji": true}
}

func section(text fields) fields { return fields{"type": "section", "text": text} }

func mrkdwn(s string) fields {
	return section(fields{"type": "mrkdwn", "text": cut(s, maxSection), "verbatim": true})
}

// buttons makes a row of signed buttons.
func (a *adapter) buttons(ctx context.Context, room bridge.RoomID, ask string, choices []bridge.Choice) (fields, error) {
	signer, err := a.signer(ctx)
	if err != nil {
		return nil, err
	}
	row := []fields{}
	for i, c := range choices {
		body, err := json.Marshal(press{ask, c.ID, room})
		if err != nil {
			return nil, fmt.Errorf("make a button: %w", err)
		}
		b := fields{
			"type": "button", "action_id": "hutong-" + strconv.Itoa(i), "text": plainText(c.Label, maxLabel),
			"value": signer.Sign(a.env.Now(), body) + " " + string(body),
		}
		if c.Style != "" {
			b["style"] = c.Style
		}
		row = append(row, b)
	}
	return fields{"type": "actions", "elements": row}, nil
}

// question is a message with buttons, a picture, or both; with neither it is a text alone.
func (a *adapter) question(ctx context.Context, room bridge.RoomID, q bridge.Ask) (fields, error) {
	text := q.Text
	blocks := []fields{section(plainText(text, maxSection))}
	if q.Picture != "" {
		text += "\n" + q.Picture
		blocks = append(blocks, fields{"type": "image", "image_url": q.Picture, "alt_text": cut(q.Text, maxLabel)})
	}
	if len(q.Choices) > 0 {
		row, err := a.buttons(ctx, room, q.ID, q.Choices)
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, row)
	}
	f := fields{"text": escape(text)}
	if len(blocks) > 1 {
		f["blocks"] = blocks
	}
	return f, nil
}

// Ask shows a question with buttons.
func (a *adapter) Ask(ctx context.Context, room bridge.RoomID, key string, q bridge.Ask) ([]bridge.MsgID, error) {
	f, err := a.question(ctx, room, q)
	if err != nil {
		return nil, err
	}
	text, _ := f["text"].(string)
	f["metadata"] = stamp(key)
	return a.post(ctx, room, text, false, f)
}

// Hint says something to one user alone; in the app's own chat with them where they are not in the room, under the
// name of whom it is about.
func (a *adapter) Hint(ctx context.Context, room bridge.RoomID, user bridge.UserID, q bridge.Ask) error {
	r, channel, thread, err := a.where(ctx, room)
	if err != nil {
		return err
	}
	here := fields{"channel": channel, "thread_ts": thread, "user": string(user)}
	err = a.hint(ctx, "chat.postEphemeral", here, room, q)
	if !is(err, "user_not_in_channel", "channel_not_found", "not_in_channel", "is_archived") {
		return err
	}
	chat, err := a.direct(ctx, []bridge.UserID{user})
	if err != nil {
		return err
	}
	if r.Key != "" {
		q.Text = r.Label.Text + "\n" + q.Text
	}
	return a.hint(ctx, "chat.postMessage", fields{"channel": chat, "metadata": stamp("hint")}, room, q)
}

func (a *adapter) hint(ctx context.Context, method string, to fields, room bridge.RoomID, q bridge.Ask) error {
	f, err := a.question(ctx, room, q)
	if err != nil {
		return err
	}
	maps.Copy(f, to)
	err = a.call(ctx, method, f, nil)
	if is(err, "invalid_blocks") && q.Picture != "" { // Slack could not load it: its address must do
		q.Text, q.Picture = q.Text+"\n"+q.Picture, ""
		return a.hint(ctx, method, to, room, q)
	}
	return err
}

// showHome publishes a member's App Home, and again when something changes.
func (a *adapter) showHome(ctx context.Context, user bridge.UserID) {
	a.mu.Lock()
	a.homes[user] = true
	a.mu.Unlock()
	blocks, err := a.home(ctx, user)
	if err == nil {
		err = a.call(ctx, "views.publish", fields{"user_id": string(user), "view": fields{"type": "home", "blocks": blocks}}, nil)
	}
	if err != nil && ctx.Err() == nil {
		a.env.Log.Warn("the App Home could not be shown", "user", user, "err", err)
	}
}

// homeRooms bounds the App Home: a view has at most 100 blocks (https://docs.slack.dev/reference/views/home-tab-views).
const homeRooms = 40

// home is a member's App Home: who waits, and the contacts.
func (a *adapter) home(ctx context.Context, user bridge.UserID) ([]fields, error) {
	rooms, err := a.env.Lobby.Rooms(ctx, user)
	if err != nil {
		return nil, fmt.Errorf("list the rooms: %w", err)
	}
	w := a.words()
	header := func(text string) fields { return fields{"type": "header", "text": plainText(text, maxLabel)} }
	waiting, contacts := []fields{header(w.waiting)}, []fields{header(w.contacts)}
	for _, r := range rooms[:min(len(rooms), homeRooms)] {
		line, err := a.homeLine(ctx, &r)
		if err != nil {
			return nil, err
		}
		if r.State != bridge.LinkAsked || r.AskID == "" {
			contacts = append(contacts, line)
			continue
		}
		row, err := a.buttons(ctx, r.Room, r.AskID, []bridge.Choice{
			{ID: "accept", Label: w.accept, Style: "primary"}, {ID: "decline", Label: w.decline, Style: "danger"},
		})
		if err != nil {
			return nil, err
		}
		waiting = append(waiting, line, row)
	}
	if len(rooms) == 0 {
		contacts = append(contacts, section(plainText(w.nobody, maxSection)))
	}
	if len(waiting) > 1 {
		return append(waiting, contacts...), nil
	}
	return contacts, nil
}

// homeLine is one contact: who it is, where, what was said last and what may be said now.
func (a *adapter) homeLine(ctx context.Context, r *bridge.RoomView) (fields, error) {
	text := "*" + escape(r.Other.Text) + "*"
	if r.Remark != "" {
		text += " (" + escape(r.Remark) + ")"
	}
	_, channel, thread, err := a.where(ctx, r.Room)
	if err != nil {
		return nil, err
	}
	if s := a.session.Load(); thread == "" {
		text += " <#" + channel + ">"
	} else if s != nil {
		text += " <" + strings.TrimSuffix(s.me.URL, "/") + "/archives/" + channel + "/p" + strings.ReplaceAll(thread, ".", "") + "|→>"
	}
	if r.Last != nil {
		text += "\n" + escape(cut(r.Last.Text, maxLabel))
	}
	if r.Window != "" {
		text += "\n_" + escape(r.Window) + "_"
	}
	return mrkdwn(text), nil
}

// words is what the adapter itself says.
type words struct {
	card, forms                                map[string]string // by Config.Rooms; by word
	remark, tags, hello, since                 string            // on the card, before what they are
	successor, answered, notYours              string
	waiting, contacts, nobody, accept, decline string // of the App Home
	customer, submit, cancel                   string // of forms
}

func (a *adapter) words() words {
	if a.env.Lobby.Company().Language == "zh" {
		return words{
			card: map[string]string{
				roomsChannel: "在这里直接发言，客户会收到。消息列（thread）中的回复是内部备注，客户看不到。",
				roomsThread:  "在此消息列（thread）中回复，客户会收到。",
			},
			forms:  map[string]string{"note": "内部备注（客户看不到）", "remark": "备注名（- 为清除）", "tag": "标签，用空格分开（-标签 为去掉）"},
			remark: "备注：", tags: "标签：", hello: "申请附言：", since: "认识于：",
			successor: "接续已归档的频道 <#%s>。", answered: "%s · <@%s>", notYours: "这不是发给客户的消息。",
			waiting: "等待接受", contacts: "我的联系人", nobody: "还没有联系人。", accept: "接受", decline: "拒绝",
			customer: "客户", submit: "保存", cancel: "取消",
		}
	}
	return words{
		card: map[string]string{
			roomsChannel: "Write here to talk to the customer. Replies in threads are internal notes: the customer does not see them.",
			roomsThread:  "Reply in this thread to talk to the customer.",
		},
		forms: map[string]string{
			"note": "Internal note, which the customer does not see", "remark": "Your own words for the customer (- for none)",
			"tag": "Tags with spaces between (-tag takes one away)",
		},
		remark: "Remark: ", tags: "Tags: ", hello: "Said with the request: ", since: "Since: ",
		successor: "This continues the archived channel <#%s>.", answered: "%s · <@%s>", notYours: "This is no message of yours to a customer.",
		waiting: "Waiting for you", contacts: "My contacts", nobody: "No contacts yet.", accept: "Accept", decline: "Decline",
		customer: "Customer", submit: "Save", cancel: "Cancel",
	}
}
