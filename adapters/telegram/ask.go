package telegram

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// asked is a question whose buttons have not been pressed yet. A button brings back the question's key and its own
// number: a client can make that up, so that what it stands for, and in which chat, is kept here.
type asked struct {
	Chat    int64    `json:"chat"`
	Ask     string   `json:"ask"`
	Choices []string `json:"choices"` // ids
	Labels  []string `json:"labels"`
	Text    string   `json:"text"`
}

func askedKey(key string) string { return "asked/" + key }

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
	_, chat, _ := splitRoom(room)
	keep := asked{Chat: chat, Ask: q.ID, Text: text}
	const longest = 48 // of a key: a button brings back 64 bytes at most
	if len(key) > longest {
		sum := sha256.Sum256([]byte(key))
		key = hex.EncodeToString(sum[:16])
	}
	rows := []any{}
	for i, c := range q.Choices {
		keep.Choices, keep.Labels = append(keep.Choices, c.ID), append(keep.Labels, c.Label)
		rows = append(rows, []obj{{"text": c.Label, "callback_data": key + "/" + strconv.Itoa(i)}})
	}
	if err := bridge.Keep(ctx, a.env.State, askedKey(key), keep); err != nil {
		return nil, err
	}
	var got sent
	err = a.call(ctx, "sendMessage", with(params, obj{"text": text, "reply_markup": obj{"inline_keyboard": rows}}), &got)
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
	chat, msg := p.Message.Chat.ID, p.Message.ID
	key, number, _ := strings.Cut(p.Data, "/")
	b, _, err := s.a.env.State.Get(ctx, askedKey(key))
	if err != nil && !errors.Is(err, bridge.ErrNotFound) {
		return fmt.Errorf("read a question: %w", err)
	}
	var q asked
	if err == nil {
		err = json.Unmarshal(b, &q)
	}
	n, nan := strconv.Atoi(number)
	if err != nil || nan != nil || q.Chat != chat || n < 0 || n >= len(q.Choices) {
		s.a.acknowledge(ctx, p.ID, s.a.words.answered)
		return nil
	}
	err = s.in.Receive(ctx, bridge.Answered{
		Room: roomOf(0, chat), User: userOf(p.From.ID), Ask: q.Ask, Choice: q.Choices[n],
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
	s.a.chosen(ctx, msg, key, &q, n)
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

// chosen shows in place of the buttons what was chosen. It is a comfort: the answer counts without it.
func (a *adapter) chosen(ctx context.Context, msg int64, key string, q *asked, n int) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err := a.ask(ctx, "editMessageText", obj{
		"chat_id": q.Chat, "message_id": msg, "text": q.Text + "\n✔ " + q.Labels[n], "reply_markup": obj{"inline_keyboard": []any{}},
	}, nil)
	if err == nil {
		err = a.env.State.Delete(ctx, askedKey(key))
	}
	if err != nil && ctx.Err() == nil {
		a.env.Log.Debug("an answered question keeps its buttons", "err", err)
	}
}
