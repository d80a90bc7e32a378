package telegram

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/hutong-im/hutong/bridge"
)

// Telegram's limits, in UTF-16 units (https://core.telegram.org/bots/api#sendmessage, #sendphoto) and files of an album.
const (
	maxText    = 4096
	maxCaption = 1024
	maxFiles   = 10
)

// Caps are Telegram's limits. It knows no key that keeps a message from appearing twice, and lets no bot look back.
func (a *adapter) Caps() bridge.Caps {
	return bridge.Caps{MaxText: maxText, Count: bridge.UTF16, MaxFile: a.cfg.MaxFile, MaxFiles: maxFiles, Markup: bridge.CommonMark}
}

// chat is a room as calls name it.
func (a *adapter) chat(ctx context.Context, room bridge.RoomID) (obj, error) {
	owner, chat, ok := splitRoom(room)
	if !ok {
		return nil, bridge.Permanent(errors.New(a.words.gone))
	}
	params := obj{"chat_id": chat}
	if owner != 0 {
		id, _, err := a.env.State.Get(ctx, connectionKey(owner))
		if errors.Is(err, bridge.ErrNotFound) {
			return nil, bridge.Permanent(errors.New(a.words.gone))
		}
		if err != nil {
			return nil, fmt.Errorf("read the business connection: %w", err)
		}
		params["business_connection_id"] = string(id)
	}
	return params, nil
}

func with(params obj, more obj) obj {
	out := maps.Clone(params)
	maps.Copy(out, more)
	return out
}

// number reads a message's id; false: it is none of Telegram's.
func number(msg bridge.MsgID) (int64, bool) {
	n, err := strconv.ParseInt(string(msg), 10, 64)
	return n, err == nil && n > 0
}

// sent is what Telegram tells of a message.
type sent struct {
	ID int64 `json:"message_id"`
}

// Send says d. Text and files may need several calls; which of them are done is kept, so that a second try goes on
// where the first one ended.
func (a *adapter) Send(ctx context.Context, to bridge.RoomID, d bridge.Draft) ([]bridge.MsgID, error) {
	params, err := a.chat(ctx, to)
	if err != nil {
		return nil, err
	}
	text, entities := fromMarkdown(d.Text)
	if units(text) > maxText {
		return nil, bridge.Permanent(fmt.Errorf(a.words.longText, maxText))
	}
	if err := a.tooLarge(d.Files); err != nil {
		return nil, err
	}
	if n, ok := number(d.ReplyTo); ok {
		params["reply_parameters"] = obj{"message_id": n, "allow_sending_without_reply": true}
	}
	if d.Quiet {
		params["disable_notification"] = true
	}
	steps := a.steps(params, text, entities, d.Files)
	if len(steps) == 1 {
		return steps[0](ctx)
	}
	return a.several(ctx, halfPrefix(to)+d.Key, steps)
}

// step is one call that shows something.
type step func(ctx context.Context) ([]bridge.MsgID, error)

// steps are the calls that a draft needs: a text that is too long to stand beside a file goes before it.
func (a *adapter) steps(params obj, text string, entities []entity, files []bridge.Attachment) []step {
	var out []step
	caption := units(text) <= maxCaption
	if len(files) == 0 || !caption {
		out = append(out, func(ctx context.Context) ([]bridge.MsgID, error) { return a.say(ctx, params, text, entities) })
	}
	for i, group := range groups(files) {
		p := params
		if i == 0 && caption && text != "" {
			p = with(p, obj{"caption": text})
			if len(entities) > 0 {
				p["caption_entities"] = entities
			}
		} else if len(out) > 0 {
			p = with(p, nil)
			delete(p, "reply_parameters")
		}
		out = append(out, func(ctx context.Context) ([]bridge.MsgID, error) { return a.upload(ctx, p, group) })
	}
	return out
}

// several takes steps one after another.
func (a *adapter) several(ctx context.Context, key string, steps []step) ([]bridge.MsgID, error) {
	var done struct {
		Steps int            `json:"steps"`
		IDs   []bridge.MsgID `json:"ids"`
	}
	if _, err := bridge.Load(ctx, a.env.State, key, &done); err != nil {
		return nil, err
	}
	for i := done.Steps; i < len(steps); i++ {
		ids, err := steps[i](ctx)
		if err != nil {
			return nil, err
		}
		done.Steps, done.IDs = i+1, append(done.IDs, ids...)
		if i+1 == len(steps) {
			break
		}
		if err := bridge.Keep(context.WithoutCancel(ctx), a.env.State, key, done); err != nil {
			return nil, bridge.Unsure(err)
		}
	}
	if err := a.env.State.Delete(context.WithoutCancel(ctx), key); err != nil {
		a.env.Log.Warn("a note of what was sent stays", "err", err)
	}
	return done.IDs, nil
}

// say sends a text. If Telegram does not like its styles, it goes without.
func (a *adapter) say(ctx context.Context, params obj, text string, entities []entity) ([]bridge.MsgID, error) {
	params = with(params, obj{"text": text})
	if len(entities) > 0 {
		params["entities"] = entities
	}
	var got sent
	err := a.call(ctx, "sendMessage", params, &got)
	if misstyled(err) && len(entities) > 0 {
		delete(params, "entities")
		err = a.call(ctx, "sendMessage", params, &got)
	}
	return ids(err, got)
}

// misstyled reports whether a text was refused for its styles alone.
func misstyled(err error) bool {
	return says(err, "can't parse entities", "ENTITY_", "ENTITIES_", "entities too long")
}

func ids(err error, all ...sent) ([]bridge.MsgID, error) {
	if err != nil {
		return nil, err
	}
	var out []bridge.MsgID
	for _, s := range all {
		if s.ID == 0 {
			return nil, bridge.Unsure(errors.New("the answer of Telegram names no message"))
		}
		out = append(out, msgOf(s.ID))
	}
	return out, nil
}

// Edit changes a message's text, or the text beside its files.
func (a *adapter) Edit(ctx context.Context, room bridge.RoomID, msg bridge.MsgID, d bridge.Draft) error {
	params, err := a.chat(ctx, room)
	if err != nil {
		return err
	}
	n, ok := number(msg)
	if !ok {
		return bridge.Permanent(errors.New(a.words.gone))
	}
	params["message_id"] = n
	text, entities := fromMarkdown(d.Text)
	asText := func() error {
		return a.edit(ctx, "editMessageText", with(params, obj{"text": text}), "entities", entities)
	}
	asCaption := func() error {
		if units(text) > maxCaption {
			return bridge.Permanent(fmt.Errorf(a.words.longCaption, maxCaption))
		}
		return a.edit(ctx, "editMessageCaption", with(params, obj{"caption": text}), "caption_entities", entities)
	}
	if len(d.Files) > 0 && units(text) <= maxCaption {
		if err = asCaption(); says(err, "there is no caption", "message can't be edited") {
			err = asText() // the text was too long to stand beside the file
		}
	} else if err = asText(); says(err, "there is no text in the message") {
		err = asCaption()
	}
	switch {
	case says(err, "message is not modified"):
		return nil
	case says(err, "message can't be edited", "MESSAGE_EDIT_TIME_EXPIRED"):
		return bridge.Permanent(&told{a.words.tooOldEdit, err})
	}
	return err
}

func (a *adapter) edit(ctx context.Context, method string, params obj, key string, entities []entity) error {
	if len(entities) == 0 {
		return a.ask(ctx, method, params, nil)
	}
	err := a.ask(ctx, method, with(params, obj{key: entities}), nil)
	if misstyled(err) {
		err = a.ask(ctx, method, params, nil)
	}
	return err
}

// Delete takes a message back.
func (a *adapter) Delete(ctx context.Context, room bridge.RoomID, msg bridge.MsgID) error {
	params, err := a.chat(ctx, room)
	if err != nil {
		return err
	}
	n, ok := number(msg)
	if !ok {
		return nil // it was never there
	}
	if id := params["business_connection_id"]; id != nil {
		err = a.ask(ctx, "deleteBusinessMessages", obj{"business_connection_id": id, "message_ids": []int64{n}}, nil)
	} else {
		params["message_id"] = n
		err = a.ask(ctx, "deleteMessage", params, nil)
	}
	switch {
	case says(err, "message to delete not found", "message not found"):
		return nil
	case says(err, "message can't be deleted"):
		return bridge.Permanent(&told{a.words.tooOldDelete, err})
	}
	return err
}

// React puts an emoji on a message, or takes it away. A bot has one reaction on a message, the newest.
func (a *adapter) React(ctx context.Context, room bridge.RoomID, msg bridge.MsgID, emoji string, on bool) error {
	params, err := a.chat(ctx, room)
	if err != nil {
		return err
	}
	bare := strings.ReplaceAll(emoji, "\ufe0f", "")
	n, ok := number(msg)
	known := bare != "" && !strings.Contains(bare, " ") && strings.Contains(reactions, " "+bare+" ")
	if !ok || !known || params["business_connection_id"] != nil {
		return bridge.Permanent(fmt.Errorf(a.words.noReaction, emoji))
	}
	params["message_id"], params["reaction"] = n, []obj{}
	if on {
		params["reaction"] = []obj{{"type": "emoji", "emoji": bare}}
	}
	err = a.ask(ctx, "setMessageReaction", params, nil)
	if says(err, "REACTION_INVALID") {
		return bridge.Permanent(&told{fmt.Sprintf(a.words.noReaction, emoji), err})
	}
	return err
}

// Type shows that somebody writes, for five seconds.
func (a *adapter) Type(ctx context.Context, room bridge.RoomID) error {
	params, err := a.chat(ctx, room)
	if err != nil {
		return err
	}
	return a.ask(ctx, "sendChatAction", with(params, obj{"action": "typing"}), nil)
}

// Open is the chat of an employee with the bot, in which all their customers are: the gateway names and chooses them.
func (a *adapter) Open(_ context.Context, o bridge.Opening) (bridge.RoomID, error) {
	for _, m := range o.Members {
		if owner, _, ok := splitRoom(bridge.RoomID(m)); ok && owner == 0 {
			return bridge.RoomID(m), nil
		}
	}
	return "", bridge.Permanent(fmt.Errorf("accounts.%s must be the employee's number on Telegram, not a name", a.env.Name))
}
