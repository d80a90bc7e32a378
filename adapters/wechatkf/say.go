package wechatkf

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/tencent"
)

// part is one message of the network: its type and what stands under that name.
type part struct {
	kind string
	body map[string]any
}

// Send says a draft: a text, a file, or a text and then its file.
func (a *adapter) Send(ctx context.Context, to bridge.RoomID, d bridge.Draft) ([]bridge.MsgID, error) {
	if _, _, err := split(to); err != nil {
		return nil, err
	}
	if len(d.Text) > maxText {
		return nil, bridge.Permanent(fmt.Errorf("text of %d bytes, more than %d", len(d.Text), maxText))
	}
	var parts []part
	if d.Text != "" {
		parts = append(parts, wordsOrPlace(d.Text))
	}
	for _, f := range d.Files { // before anything is said: most of what fails fails here
		p, err := a.upload(ctx, f)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	if len(parts) == 0 {
		return nil, bridge.Permanent(errors.New("nothing to say"))
	}
	if len(parts) == 1 {
		id, err := a.say(ctx, to, msgID(to, d.Key, 0), parts[0])
		return ids(id, err)
	}
	return a.sayAll(ctx, to, d.Key, parts)
}

// aPlace is a text that is nothing but a place, as mapLink and the text of a customer's place have it.
var aPlace = regexp.MustCompile(`^(?:📍 ([^\n]+)\n(?:([^\n]+)\n)?)?https://apis\.map\.qq\.com/uri/v1/marker\?marker=coord:(-?\d{1,3}(?:\.\d+)?),(-?\d{1,3}(?:\.\d+)?)$`)

// wordsOrPlace is a text, or the place that it leads to: customers can open that in their map.
func wordsOrPlace(text string) part {
	m := aPlace.FindStringSubmatch(text)
	if m == nil {
		return part{"text", map[string]any{"content": text}}
	}
	body := map[string]any{"latitude": json.Number(m[3]), "longitude": json.Number(m[4])}
	if m[1] != "" {
		body["name"] = m[1]
	}
	if m[2] != "" {
		body["address"] = m[2]
	}
	return part{"location", body}
}

func ids(id bridge.MsgID, err error) ([]bridge.MsgID, error) {
	if err != nil {
		return nil, err
	}
	return []bridge.MsgID{id}, nil
}

// sayAll says several parts. What has arrived of them before one failed is kept, so that a retry does not repeat it.
func (a *adapter) sayAll(ctx context.Context, to bridge.RoomID, key string, parts []part) ([]bridge.MsgID, error) {
	note := partPrefix + string(to) + "/" + msgID(to, key, 0)
	var done []bridge.MsgID
	kept, err := bridge.Load(ctx, a.env.State, note, &done)
	if err != nil {
		return nil, err
	}
	for i := len(done); i < len(parts); i++ {
		id, err := a.say(ctx, to, msgID(to, key, i), parts[i])
		if err == nil {
			done = append(done, id)
			continue
		}
		if len(done) > 0 {
			// The deadline may be what stopped it.
			if kerr := bridge.Keep(context.WithoutCancel(ctx), a.env.State, note, done); kerr != nil {
				return nil, bridge.Unsure(fmt.Errorf("a part has arrived, which cannot be kept: %w", errors.Join(kerr, err)))
			}
		}
		return nil, err
	}
	if kept {
		if err := a.env.State.Delete(ctx, note); err != nil {
			a.env.Log.WarnContext(ctx, "a note about a message cannot be removed", "err", err)
		}
	}
	return done, nil
}

// msgID makes the id of one message out of a key: the same on every retry, at most 32 characters of
// 0-9 a-z A-Z _ -, as https://developer.work.weixin.qq.com/document/path/94677 wants it.
func msgID(to bridge.RoomID, key string, n int) string {
	sum := sha256.Sum256([]byte(string(to) + "\x00" + key + "\x00" + strconv.Itoa(n)))
	return base64.RawURLEncoding.EncodeToString(sum[:24])
}

// repeated is how an errmsg says that a msgid was used before. The documents do not tell the code.
var repeated = regexp.MustCompile(`(?i)msgid.*(dup|exist|repeat|used)|(dup|repeat)\w* msgid`)

// say says one part.
func (a *adapter) say(ctx context.Context, to bridge.RoomID, id string, p part) (bridge.MsgID, error) {
	if p.kind == "text" || p.kind == "msgmenu" {
		if got, err, said := a.sayFirst(ctx, to, id, p); said {
			return got, err
		}
	}
	account, customer, err := split(to)
	if err != nil {
		return "", err
	}
	in := map[string]any{"touser": customer, "open_kfid": account}
	got, err := a.call(ctx, "/cgi-bin/kf/send_msg", in, id, p)
	if c := codeOf(err); c == 95018 || c == 95013 {
		if err = a.barred(ctx, to, err); err == nil {
			got, err = a.call(ctx, "/cgi-bin/kf/send_msg", in, id, p)
		}
	}
	if err == nil {
		a.seat(ctx, to, nil)
	}
	return got, err
}

// sayFirst says the first words to who has just opened the chat, with the code that allows them. said is false when
// there is none, or it is not taken: there may be a window all the same.
func (a *adapter) sayFirst(ctx context.Context, to bridge.RoomID, id string, p part) (got bridge.MsgID, err error, said bool) {
	c, ok := a.takeCode(to)
	if !ok {
		return "", nil, false
	}
	got, err = a.onEvent(ctx, c.text, id, p)
	switch bridge.Judge(err).Verdict {
	case bridge.VerdictSent, bridge.VerdictUnsure:
		return got, err, true
	case bridge.VerdictPermanent, bridge.VerdictClosed:
		a.env.Log.InfoContext(ctx, "a welcome code was not taken", "err", err)
		return "", nil, false
	default:
		a.giveCode(to, c)
		return "", err, true
	}
}

// onEvent says something in answer to an event that came with a code. It does not count as one of the five.
func (a *adapter) onEvent(ctx context.Context, c, id string, p part) (bridge.MsgID, error) {
	return a.call(ctx, "/cgi-bin/kf/send_msg_on_event", map[string]any{"code": c}, id, p)
}

func (a *adapter) call(ctx context.Context, path string, in map[string]any, id string, p part) (bridge.MsgID, error) {
	in = maps.Clone(in)
	in["msgid"], in["msgtype"], in[p.kind] = id, p.kind, p.body
	var out struct {
		ID string `json:"msgid"`
	}
	err := a.api.Call(ctx, http.MethodPost, path, nil, in, &out)
	var e *tencent.Error
	if errors.As(err, &e) && repeated.MatchString(e.Msg) {
		return bridge.MsgID(id), nil // it has arrived before
	}
	if err != nil {
		return "", err
	}
	if out.ID == "" {
		out.ID = id
	}
	return bridge.MsgID(out.ID), nil
}

// sayOnce says a text of the config in answer to an event. Nobody waits for it: what fails is left out.
func (a *adapter) sayOnce(ctx context.Context, room bridge.RoomID, c, text, key string) {
	if c == "" || text == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	if _, err := a.onEvent(ctx, c, msgID(room, key, 0), part{"text", map[string]any{"content": text}}); err != nil {
		a.env.Log.WarnContext(ctx, "the config's words to a customer could not be said", "err", err)
	}
}

// Ask shows a question as a menu. What the customer clicks comes back as a text with the entry's id.
func (a *adapter) Ask(ctx context.Context, room bridge.RoomID, key string, q bridge.Ask) ([]bridge.MsgID, error) {
	if _, _, err := split(room); err != nil {
		return nil, err
	}
	text := joined("\n", []string{q.Text, q.Picture})
	if len(q.Choices) == 0 {
		return a.Send(ctx, room, bridge.Draft{Key: key, Text: text})
	}
	if len(q.Choices) > maxItems {
		return nil, bridge.Permanent(fmt.Errorf("a question with %d answers, more than %d", len(q.Choices), maxItems))
	}
	var list []map[string]any
	for _, c := range q.Choices {
		id := a.menuID(room, q.ID, c.ID)
		if len(id) > maxItem {
			return nil, bridge.Permanent(fmt.Errorf("a question whose answer %q has too long an id", c.ID))
		}
		label := bridge.Split(c.Label, maxItem, bridge.Bytes)[0]
		list = append(list, map[string]any{"type": "click", "click": map[string]any{"id": id, "content": label}})
	}
	parts := []part{{"msgmenu", map[string]any{"head_content": text, "list": list}}}
	if len(text) > maxHead { // all of it, then a short menu
		if len(text) > maxText {
			return nil, bridge.Permanent(fmt.Errorf("text of %d bytes, more than %d", len(text), maxText))
		}
		parts[0].body["head_content"] = a.words().menu
		parts = []part{{"text", map[string]any{"content": text}}, parts[0]}
	}
	return a.sayAll(ctx, room, key, parts)
}

// menuID is what stands for an answer in a menu: bound to the chat, and not to be made up.
func (a *adapter) menuID(room bridge.RoomID, ask, choice string) string {
	rest := choice + "." + ask
	return a.menuMAC(room, rest) + "." + rest
}

func (a *adapter) menuMAC(room bridge.RoomID, rest string) string {
	h := hmac.New(sha256.New, []byte("menu\x00"+a.cfg.Secret.Reveal()))
	h.Write([]byte(string(room) + "\x00" + rest))
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// openMenuID reads what menuID made; entries of other menus are not ours.
func (a *adapter) openMenuID(room bridge.RoomID, id string) (ask, choice string, ok bool) {
	mac, rest, _ := strings.Cut(id, ".")
	if !hmac.Equal([]byte(mac), []byte(a.menuMAC(room, rest))) {
		return "", "", false
	}
	choice, ask, ok = strings.Cut(rest, ".")
	return ask, choice, ok
}
