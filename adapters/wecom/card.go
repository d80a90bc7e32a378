package wecom

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// Limits of template cards, in characters but for keys and ids, which are in bytes:
// https://developer.work.weixin.qq.com/document/path/90236#模板卡片消息
const (
	cardKind     = "template_card"
	maxTitle     = 36
	maxDesc      = 44
	maxSubtitle  = 160
	maxButton    = 10
	maxOption    = 17
	maxKey       = 1024
	maxOptionID  = 128
	maxButtons   = 6
	maxOptions   = 20
	questionName = "choice" // question_key of a vote
	maxArticle   = 24       // of an article's 128 bytes; the rest is for marks
)

// press is what a button brings back. With Ask "" it chooses a customer: Choice is the link.
type press struct {
	Ask    string        `json:"a,omitempty"`
	Choice string        `json:"c,omitempty"`
	Label  string        `json:"l,omitempty"`
	Room   bridge.RoomID `json:"r"`
	Sum    string        `json:"s"`
}

// sum signs a button. WeCom signs its pushes; this ties a button to its chat and its question besides.
func (a *adapter) sum(p press) string {
	h := hmac.New(sha256.New, []byte("hutong button\x00"+a.cfg.Secret.Reveal()))
	h.Write([]byte(p.Ask + "\x00" + p.Choice + "\x00" + string(p.Room)))
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func (a *adapter) buttonKey(p press) (string, error) {
	p.Sum = a.sum(p)
	b, err := httpx.EncodeJSON(p)
	if err == nil && len(b) > maxKey {
		err = fmt.Errorf("a button's key of %d bytes, more than %d", len(b), maxKey)
	}
	return strings.TrimSpace(string(b)), bridge.Permanent(err)
}

// width counts as the documents' limits: a Chinese character is one, a Latin one half.
func width(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0x2E7F { // from here on characters are wide
			n++
		}
	}
	return (n + 1) / 2
}

// narrow cuts to a width.
func narrow(s string, limit int) string {
	if width(s) <= limit {
		return s
	}
	for width(s) > limit-1 {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s + "…"
}

// question is a card to be made.
type question struct {
	room    bridge.RoomID
	ask     string
	text    string
	choices []bridge.Choice
}

// numbered gives choices numbers if one does not fit its button, and lists them in the text.
func (q *question) numbered() {
	long := false
	for _, c := range q.choices {
		long = long || width(c.Label) > maxButton
	}
	if !long || len(q.choices) > maxButtons {
		return
	}
	list := make([]bridge.Choice, len(q.choices))
	for i, c := range q.choices {
		q.text += fmt.Sprintf("\n%d. %s", i+1, c.Label)
		c.Label = narrow(fmt.Sprintf("%d. %s", i+1, c.Label), maxButton)
		list[i] = c
	}
	q.choices = list
}

// fits reports whether the card shows the whole text.
func (q *question) fits() bool {
	title, rest, _ := strings.Cut(q.text, "\n")
	limit := maxSubtitle
	if len(q.choices) > maxButtons {
		limit = maxDesc
	}
	return utf8.RuneCountInString(title) <= maxTitle && utf8.RuneCountInString(rest) <= limit
}

// card makes the body: buttons for a few choices, a list for more.
func (a *adapter) card(q question, key string, marks int) (obj, error) {
	title, rest, _ := strings.Cut(q.text, "\n")
	head := obj{"title": clip(title, maxTitle)}
	out := obj{"task_id": fmt.Sprintf("hutong-%s-%d", digest(key), marks), "main_title": head}
	if len(q.choices) > maxButtons {
		if rest != "" {
			head["desc"] = clip(rest, maxDesc)
		}
		return out, a.vote(out, q)
	}
	if rest != "" {
		out["sub_title_text"] = clip(rest, maxSubtitle)
	}
	var row []obj
	for _, c := range q.choices {
		k, err := a.buttonKey(press{Ask: q.ask, Choice: c.ID, Label: c.Label, Room: q.room})
		if err != nil {
			return nil, err
		}
		style := map[string]int{"primary": 1, "danger": 3}[c.Style]
		row = append(row, obj{"text": narrow(c.Label, maxButton), "style": max(style, 1), "key": k})
	}
	out["card_type"], out["button_list"] = "button_interaction", row
	return out, nil
}

func (a *adapter) vote(out obj, q question) error {
	var list []obj
	for _, c := range q.choices[:min(len(q.choices), maxOptions)] {
		id := a.sum(press{Ask: q.ask, Choice: c.ID, Room: q.room}) + "." + c.ID
		if len(id) > maxOptionID {
			return bridge.Permanent(fmt.Errorf("an option's id of %d bytes, more than %d", len(id), maxOptionID))
		}
		list = append(list, obj{"id": id, "text": narrow(c.Label, maxOption), "is_checked": false})
	}
	k, err := a.buttonKey(press{Ask: q.ask, Room: q.room})
	if err != nil {
		return err
	}
	out["card_type"] = "vote_interaction"
	out["checkbox"] = obj{"question_key": questionName, "mode": 0, "option_list": list}
	submit := a.words().submit
	if q.ask == "" {
		submit = a.words().turn
	}
	out["submit_button"] = obj{"text": submit, "key": k}
	return nil
}

// sendCard says the whole text before the card if the card cannot show it.
func (a *adapter) sendCard(ctx context.Context, key string, q question) (bridge.MsgID, error) {
	q.numbered()
	if !q.fits() {
		if _, err := a.sendText(ctx, q.room, bridge.Draft{Key: key + "/text", Text: q.text}); err != nil {
			return "", err
		}
	}
	return a.deliver(ctx, q.room, key, q.text, func(e entry) (string, any, error) {
		c, err := a.card(q, key, e.Marks)
		return cardKind, c, err
	})
}

// Ask shows a question with buttons.
func (a *adapter) Ask(ctx context.Context, room bridge.RoomID, key string, q bridge.Ask) ([]bridge.MsgID, error) {
	text := q.Text
	if q.Picture != "" {
		text += "\n" + q.Picture
	}
	if len(q.Choices) == 0 || len(q.Choices) > maxOptions {
		return nil, bridge.Permanent(fmt.Errorf("a question with %d choices; WeCom shows 1 to %d", len(q.Choices), maxOptions))
	}
	if link := q.Request(); link != "" {
		a.mu.Lock()
		a.asking[key] = link
		a.mu.Unlock()
		defer func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			delete(a.asking, key)
		}()
	}
	id, err := a.sendCard(ctx, key, question{room: room, ask: q.ID, text: text, choices: q.Choices})
	if err != nil {
		return nil, err
	}
	return []bridge.MsgID{id}, nil
}

// Hint says something to the member alone, which the chat is anyway. The core gives hints no key, so that one is kept
// here until the hint has surely arrived.
func (a *adapter) Hint(ctx context.Context, room bridge.RoomID, _ bridge.UserID, q bridge.Ask) error {
	print := digest(strings.Join([]string{string(room), q.ID, q.Text, q.Picture}, "\x00"))
	a.mu.Lock()
	key := a.unsure[print]
	if key == "" {
		key = "hint-" + rand.Text()
	}
	a.mu.Unlock()
	err := a.hint(ctx, room, key, q)
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.unsure, print)
	if err != nil && len(a.unsure) < 1000 { // beyond that a hint may come twice
		a.unsure[print] = key
	}
	return err
}

func (a *adapter) hint(ctx context.Context, room bridge.RoomID, key string, q bridge.Ask) error {
	if len(q.Choices) > 0 {
		_, err := a.Ask(ctx, room, key, q)
		return err
	}
	if q.Text == "" {
		return bridge.Permanent(errors.New(a.words().empty))
	}
	if _, err := a.sendText(ctx, room, bridge.Draft{Key: key, Text: q.Text}); err != nil || q.Picture == "" {
		return err
	}
	title, _, _ := strings.Cut(q.Text, "\n")
	_, err := a.deliver(ctx, room, key+"/picture", q.Picture, func(e entry) (string, any, error) {
		return "news", obj{"articles": []obj{{"title": marked(clip(title, maxArticle), e.Marks), "url": q.Picture, "picurl": q.Picture}}}, nil
	})
	return err
}

// contacts are the customers of a member's chat, newest first, by how "/to" finds them; the current one is not among
// them. Those who share a name, and of whom no remark tells them apart, are left out: the wrong one might be taken.
func (a *adapter) contacts(ctx context.Context, room bridge.RoomID, user bridge.UserID) (list []bridge.Choice, current string, more bool, err error) {
	rooms, err := a.env.Lobby.Rooms(ctx, user)
	if err != nil {
		return nil, "", false, fmt.Errorf("list the customers: %w", err)
	}
	now, err := a.env.Lobby.Room(ctx, user, room)
	if err != nil && !errors.Is(err, bridge.ErrNotFound) {
		return nil, "", false, fmt.Errorf("read the current customer: %w", err)
	}
	names := map[string]int{}
	for _, v := range rooms {
		if v.Room == room && v.State != bridge.LinkEnded {
			names[strings.ToLower(v.Other.Name)]++
			if !strings.EqualFold(v.Remark, v.Other.Name) && v.Remark != "" {
				names[strings.ToLower(v.Remark)]++
			}
		}
	}
	for _, v := range rooms {
		handle := v.Remark
		if handle == "" || names[strings.ToLower(handle)] > 1 {
			handle = v.Other.Name
		}
		switch {
		case v.Room != room || v.State == bridge.LinkEnded || v.State == bridge.LinkHandedOver:
		case v.Link == now.Link:
			current = v.Other.Text
		case names[strings.ToLower(handle)] > 1 || strings.TrimSpace(handle) == "" || strings.ContainsAny(handle, "\r\n"):
			more = true
		default:
			list = append(list, bridge.Choice{ID: v.Link.String(), Label: handle})
		}
	}
	return list, current, more, nil
}

// choose shows a card of the customers to choose from; false: there is nothing to choose, or no way to show it.
func (a *adapter) choose(ctx context.Context, room bridge.RoomID, user bridge.UserID, key string) bool {
	list, current, more, err := a.contacts(ctx, room, user)
	if err != nil || len(list) == 0 {
		return false
	}
	w := a.words()
	text := w.choose
	if current != "" {
		text = fmt.Sprintf(w.current, current) + "\n" + text
	}
	if more || len(list) > maxOptions {
		text += w.others
	}
	q := question{room: room, text: text, choices: list[:min(len(list), maxOptions)]}
	_, err = a.sendCard(ctx, "choose-"+key, q)
	if err != nil {
		a.env.Log.DebugContext(ctx, "no card to choose from; it is said in words", "err", err)
	}
	return err == nil
}
