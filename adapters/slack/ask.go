package slack

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	slackapi "github.com/slack-go/slack"

	"github.com/hutong-im/hutong/bridge"
)

// press is what a button carries. Sum keeps it from being made up.
type press struct {
	Ask, Choice string
	Room        bridge.RoomID
	Sum         string `json:",omitempty"`
}

func (p press) sign(key []byte) string {
	p.Sum = ""
	b, _ := json.Marshal(p) // strings always can be
	h := hmac.New(sha256.New, key)
	h.Write(b)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (p press) genuine(key []byte) bool { return hmac.Equal([]byte(p.Sum), []byte(p.sign(key))) }

// maxLabel and maxSection are the limits of a button's text and of a block's
// (https://docs.slack.dev/reference/block-kit/blocks/section-block).
const (
	maxLabel   = 75
	maxSection = 3000
)

// buttons makes a row of signed buttons.
func (a *adapter) buttons(ctx context.Context, room bridge.RoomID, ask string, choices []bridge.Choice) (*slackapi.ActionBlock, error) {
	key, err := a.signKey(ctx)
	if err != nil {
		return nil, err
	}
	var row []slackapi.BlockElement
	for i, c := range choices {
		p := press{Ask: ask, Choice: c.ID, Room: room}
		p.Sum = p.sign(key)
		value, err := json.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("make a button: %w", err)
		}
		button := slackapi.NewButtonBlockElement("hutong-"+strconv.Itoa(i), string(value),
			slackapi.NewTextBlockObject(slackapi.PlainTextType, cut(c.Label, maxLabel), true, false))
		button.Style = slackapi.Style(c.Style)
		row = append(row, button)
	}
	return slackapi.NewActionBlock("", row...), nil
}

func section(text string) *slackapi.SectionBlock {
	return slackapi.NewSectionBlock(slackapi.NewTextBlockObject(slackapi.PlainTextType, cut(text, maxSection), true, false), nil, nil)
}

// Ask shows a question with buttons.
func (a *adapter) Ask(ctx context.Context, room bridge.RoomID, key string, q bridge.Ask) ([]bridge.MsgID, error) {
	row, err := a.buttons(ctx, room, q.ID, q.Choices)
	if err != nil {
		return nil, err
	}
	return a.post(ctx, room, escape(q.Text), stamp(key), slackapi.MsgOptionBlocks(section(q.Text), row))
}

// answered takes the buttons off a question, and says who pressed which.
func (a *adapter) answered(ctx context.Context, channel string, m *message, user, label string) {
	text := escape(unescape(m.Text)) + "\n" + fmt.Sprintf(a.words().answered, escape(label), user)
	_, _, _, err := a.api.UpdateMessageContext(ctx, channel, m.TS, slackapi.MsgOptionText(text, false),
		slackapi.MsgOptionBlocks(slackapi.NewSectionBlock(slackapi.NewTextBlockObject(slackapi.MarkdownType, cut(text, maxSection), false, false), nil, nil)))
	if err != nil {
		a.env.Log.Warn("the buttons of an answered question stay", "room", channel, "err", a.asked("chat.update", err))
	}
}

// homeRooms bounds the App Home: a view has at most 100 blocks (https://docs.slack.dev/reference/views/home-tab-views).
const homeRooms = 40

// home publishes a member's App Home: who waits, and the contacts.
func (a *adapter) home(ctx context.Context, user bridge.UserID, workspace string) error {
	rooms, err := a.env.Lobby.Rooms(ctx, user)
	if err != nil {
		return fmt.Errorf("list the rooms: %w", err)
	}
	w := a.words()
	header := func(text string) slackapi.Block {
		return slackapi.NewHeaderBlock(slackapi.NewTextBlockObject(slackapi.PlainTextType, text, false, false))
	}
	waiting, contacts := []slackapi.Block{header(w.waiting)}, []slackapi.Block{header(w.contacts)}
	for _, r := range rooms[:min(len(rooms), homeRooms)] {
		text := "*" + escape(r.Other.Text) + "*"
		if r.Remark != "" {
			text += " (" + escape(r.Remark) + ")"
		}
		place, _, err := a.whereabouts(ctx, r.Room)
		if err != nil {
			return err
		}
		channel, thread := split(place)
		if address := strings.TrimSuffix(workspace, "/") + "/archives/" + channel; thread == "" {
			text += " <#" + channel + ">"
		} else {
			text += " <" + address + "/p" + strings.ReplaceAll(thread, ".", "") + "|→>"
		}
		if r.Last != nil {
			text += "\n" + escape(cut(r.Last.Text, 80))
		}
		line := slackapi.NewSectionBlock(slackapi.NewTextBlockObject(slackapi.MarkdownType, cut(text, maxSection), false, false), nil, nil)
		if r.State != bridge.LinkAsked || r.AskID == "" {
			contacts = append(contacts, line)
			continue
		}
		row, err := a.buttons(ctx, r.Room, r.AskID, []bridge.Choice{
			{ID: "accept", Label: w.accept, Style: "primary"}, {ID: "decline", Label: w.decline, Style: "danger"},
		})
		if err != nil {
			return err
		}
		waiting = append(waiting, line, row)
	}
	if len(rooms) == 0 {
		contacts = append(contacts, section(w.nobody))
	}
	blocks := contacts
	if len(waiting) > 1 {
		blocks = append(waiting, contacts...)
	}
	_, err = a.api.PublishViewContext(ctx, slackapi.PublishViewContextRequest{
		UserID: string(user),
		View:   slackapi.HomeTabViewRequest{Type: slackapi.VTHomeTab, Blocks: slackapi.Blocks{BlockSet: blocks}},
	})
	return a.asked("views.publish", err)
}

// words is what the adapter itself says.
func (a *adapter) words() words {
	if a.env.Lobby != nil && a.env.Lobby.Company().Language == "zh" {
		return words{
			card: map[string]string{
				roomsChannel: "在这里直接发言，客户会收到。消息列（thread）中的回复是内部备注，客户看不到。",
				roomsThread:  "在此消息列（thread）中回复，客户会收到。",
			},
			successor: "接续已归档的频道 <#%s>。", answered: "%s · <@%s>",
			waiting: "等待接受", contacts: "我的联系人", nobody: "还没有联系人。", accept: "接受", decline: "拒绝",
		}
	}
	return words{
		card: map[string]string{
			roomsChannel: "Write here to talk to the customer. Replies in threads are internal notes: the customer does not see them.",
			roomsThread:  "Reply in this thread to talk to the customer.",
		},
		successor: "This continues the archived channel <#%s>.", answered: "%s · <@%s>",
		waiting: "Waiting for you", contacts: "My contacts", nobody: "No contacts yet.", accept: "Accept", decline: "Decline",
	}
}

type words struct {
	card                                                            map[string]string // by Config.Rooms
	successor, answered, waiting, contacts, nobody, accept, decline string
}
