package telegram

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// asked is a question whose buttons have not been pressed yet. A button brings back the question's key and its own
// number: a client can make that up, so that what it stands for is kept here, under its chat. What people read of it
// is kept by Telegram, which tells it with a press.
type asked struct {
	Ask     string   `json:"ask"`
	Choices []string `json:"choices"` // ids
}

func askedKey(room bridge.RoomID, key string) string { return "asked/" + string(room) + "/" + key }

// Ask shows a question with buttons.
func (a *adapter) Ask(ctx context.Context, room bridge.RoomID, key string, q bridge.Ask) ([]bridge.MsgID, error) {
	params, err := a.chat(ctx, room)
	if err != nil {
		return nil, err
	}
	text := q.Text
	if q.Picture != "" {
		text = strings.TrimPrefix(text+"\n"+q.Picture, "\n")
	}
	keep := asked{Ask: q.ID}
	const longest = 48 // of a key: a button brings back 64 bytes at most
	if len(key) > longest {
		sum := sha256.Sum256([]byte(key))
		key = hex.EncodeToString(sum[:16])
	}
	rows := []any{}
	for i, c := range q.Choices {
		keep.Choices = append(keep.Choices, c.ID)
		rows = append(rows, []obj{{"text": c.Label, "callback_data": key + "/" + strconv.Itoa(i)}})
	}
	if err := bridge.Keep(ctx, a.env.State, askedKey(room, key), keep); err != nil {
		return nil, err
	}
	var got sent
	err = a.call(ctx, "sendMessage", with(params, obj{"text": text, "reply_markup": obj{"inline_keyboard": rows}}), &got)
	if bridge.Judge(err).Verdict == bridge.VerdictPermanent {
		err = errors.Join(err, a.env.State.Delete(ctx, askedKey(room, key)))
	}
	return ids(err, got)
}

// pressed is a button that was pressed (https://core.telegram.org/bots/api#callbackquery).
type pressed struct {
	ID      string   `json:"id"`
	From    user     `json:"from"`
	Message *message `json:"message"` // its date is 0 when it is too old to be had
	Data    string   `json:"data"`
}

// press takes a pressed button: the answer is brought, and the question then shows what was chosen. Whoever pressed is
// answered at once, since their client shows that it waits.
func (s *session) press(ctx context.Context, u update) error {
	p := u.Press
	if p.Message == nil || p.Message.Chat.Type != private {
		return nil
	}
	room, err := s.a.roomOf(ctx, p.Message)
	if err != nil {
		return err
	}
	key, number, _ := strings.Cut(p.Data, "/")
	var q asked
	if _, err := bridge.Load(ctx, s.a.env.State, askedKey(room, key), &q); err != nil {
		return err
	}
	n, nan := strconv.Atoi(number)
	if nan != nil || n < 0 || n >= len(q.Choices) {
		s.a.acknowledge(ctx, p.ID, s.a.words.answered)
		return nil
	}
	err = s.in.Receive(ctx, bridge.Answered{
		Room: room, User: userOf(p.From.ID), Ask: q.Ask, Choice: q.Choices[n],
		Event: strconv.FormatInt(u.ID, 10), At: s.a.env.Now(),
	})
	if errors.Is(err, bridge.ErrRefused) {
		s.a.acknowledge(ctx, p.ID, s.a.words.notYours)
		return nil
	}
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	s.a.acknowledge(ctx, p.ID, "")
	err = errors.Join(s.a.chosen(ctx, room, p), s.a.env.State.Delete(ctx, askedKey(room, key)))
	if err != nil && ctx.Err() == nil {
		s.a.env.Log.Debug("an answered question keeps its buttons", "err", err)
	}
	return nil
}

// acknowledge ends the waiting of a client, with a word or without.
func (a *adapter) acknowledge(ctx context.Context, id, text string) {
	params := obj{"callback_query_id": id}
	if text != "" {
		params["text"] = text
	}
	if err := a.ask(ctx, "answerCallbackQuery", params, nil); err != nil && ctx.Err() == nil {
		a.env.Log.Debug("a pressed button was not acknowledged", "err", err) // it may be too old
	}
}

// comfort is how long the gateway waits for what can be done without: news wait behind it.
const comfort = 10 * time.Second

// chosen shows in place of the buttons what was chosen. It is a comfort: the answer counts without it.
func (a *adapter) chosen(ctx context.Context, room bridge.RoomID, p *pressed) error {
	ctx, cancel := context.WithTimeout(ctx, comfort)
	defer cancel()
	params, err := a.chat(ctx, room)
	if err != nil {
		return err
	}
	params["message_id"], params["reply_markup"] = p.Message.ID, obj{"inline_keyboard": []any{}}
	if p.Message.Text == "" { // too old to be had
		return a.ask(ctx, "editMessageReplyMarkup", params, nil)
	}
	label := ""
	for _, row := range p.Message.Markup.Rows {
		for _, b := range row {
			if b.Data == p.Data {
				label = b.Text
			}
		}
	}
	return a.ask(ctx, "editMessageText", with(params, obj{"text": p.Message.Text + "\n✔ " + label}), nil)
}
