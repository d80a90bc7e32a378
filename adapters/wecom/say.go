package wecom

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/tencent"
)

type obj = map[string]any

// unreachableFor is how long the messages of a member rest whom the app cannot reach. They wait for as long as that
// takes: somebody widens the app's visible range, or gives the customers to a colleague.
const unreachableFor = 10 * time.Minute

// sent is what message/send answers. Some of it is a failure although the errcode is 0.
type sent struct {
	ID         string `json:"msgid"`
	Invalid    string `json:"invaliduser"`
	Unlicensed string `json:"unlicenseduser"`
	Code       string `json:"response_code"` // of a card
}

// Send says a message; its text and its file are two.
func (a *adapter) Send(ctx context.Context, to bridge.RoomID, d bridge.Draft) ([]bridge.MsgID, error) {
	w := a.words()
	switch {
	case len(d.Text) > maxText:
		return nil, bridge.Permanent(fmt.Errorf("text of %d bytes, more than %d", len(d.Text), maxText))
	case d.Text == "" && len(d.Files) == 0:
		return nil, bridge.Permanent(errors.New(w.empty))
	}
	for _, f := range d.Files {
		if f.Size > maxFile || f.Size <= minFile {
			return nil, bridge.Permanent(fmt.Errorf(w.fileSize, f.Name))
		}
	}
	var ids []bridge.MsgID
	if d.Text != "" {
		var err error
		if ids, err = a.write(ctx, to, d); err != nil {
			return nil, err
		}
	}
	for i, f := range d.Files {
		id, err := a.sendFile(ctx, to, fmt.Sprintf("%s/%d", d.Key, i), f)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// taken is what became of a message that WeCom took with errcode 0, and did not show.
type taken struct{ text string }

func (e *taken) Error() string { return e.text }

// content makes the part of a body that depends on its type.
type content func(e entry) (kind string, body any, err error)

// deliver sends one message, unless it was sent before. Text is what the member will read; by that the message is
// found when it is quoted, or by what clients may quote of it instead.
func (a *adapter) deliver(ctx context.Context, room bridge.RoomID, key, text string, make content, instead ...string) (bridge.MsgID, error) {
	user, err := a.book.user(ctx, string(room))
	if err != nil {
		return "", err
	}
	wait, err := a.ledger.afford(ctx, room)
	if err != nil {
		return "", err
	}
	if wait > 0 {
		return "", bridge.RetryAfter(errors.New("the member has had as many messages as WeCom shows"), max(wait, time.Second))
	}
	e, err := a.ledger.enter(ctx, room, key, text)
	if err != nil || e.ID != "" {
		return e.ID, err
	}
	out, err := a.post(ctx, room, user, &e, make)
	keep := context.WithoutCancel(ctx)
	if err != nil {
		if bridge.Judge(err).Verdict == bridge.VerdictUnsure {
			a.ledger.spend(room)
			return "", err
		}
		forget := a.ledger.drop
		if _, is := errors.AsType[*taken](err); is {
			forget = a.ledger.spoil
		}
		if err := forget(keep, e); err != nil {
			a.env.Log.WarnContext(ctx, "a message that was not sent stays in the ledger", "err", err)
		}
		return "", err
	}
	a.ledger.spend(room)
	a.mu.Lock()
	link := a.asking[key]
	a.mu.Unlock()
	a.noteRequest(ctx, link, user, out.Code)
	e.ID = bridge.MsgID(out.ID)
	if out.ID == "" { // swallowed: it arrived at an earlier try
		e.ID = unnamed + bridge.MsgID(digest(key))
	}
	err = a.ledger.change(keep, e)
	for _, quoted := range instead {
		err = errors.Join(err, a.ledger.heard(keep, room, quoted, e.ID))
	}
	if err != nil {
		a.env.Log.WarnContext(ctx, "what a message is called was not kept; it cannot be quoted", "err", err)
	}
	return e.ID, nil
}

// confidential are the kinds that WeCom can keep from being forwarded, and show with a watermark.
func confidential() []string { return []string{"text", "image", "video", "file", articleKind} }

// unnamed is how messages are called whose id WeCom did not tell; they cannot be taken back.
const unnamed = "key:"

func (a *adapter) post(ctx context.Context, room bridge.RoomID, user string, e *entry, make content) (sent, error) {
	var out sent
	kind, body, err := make(*e)
	if err != nil {
		return out, err
	}
	in := obj{"touser": user, "msgtype": kind, "agentid": a.cfg.AgentID, kind: body}
	if a.cfg.Confidential && slices.Contains(confidential(), kind) {
		in["safe"] = 1
	}
	if a.cfg.DuplicateCheck {
		in["enable_duplicate_check"], in["duplicate_check_interval"] = 1, checkSeconds
	}
	err = a.api.Call(ctx, http.MethodPost, "/cgi-bin/message/send", nil, in, &out)
	var code *tencent.Error
	switch {
	case errors.As(err, &code) && code.Code == taskKnown && kind == cardKind:
		return out, nil // the card arrived at an earlier try
	case errors.As(err, &code) && slices.Contains(unreachable(), code.Code):
		a.nudge()
		return out, bridge.RetryAfter(err, unreachableFor)
	case errors.As(err, &code) && code.Code == noCallback:
		a.ill(true)
		return out, err
	case err != nil:
		return out, err
	}
	w := a.words()
	switch {
	case out.Unlicensed != "":
		return out, bridge.RetryAfter(&taken{fmt.Sprintf(w.unlicensed, room)}, unreachableFor)
	case out.Invalid != "":
		a.nudge()
		return out, bridge.RetryAfter(&taken{fmt.Sprintf(w.invisible, room)}, unreachableFor)
	}
	return out, nil
}

// Errcodes that say more here than in the common table: https://developer.work.weixin.qq.com/document/path/90313
const (
	taskKnown  = 42014 // the card's task_id was used before
	noCallback = 43012 // the app has no callback
	noSuchUser = 60111
	hiddenUser = 60011
	badUser    = 40003
	nobody     = 81013
	noUserByID = 46004 // of a mobile number or an e-mail address
	noMenu     = 46003
)

// unreachable are the codes of a member whom the app cannot reach.
func unreachable() []int { return []int{noSuchUser, hiddenUser, badUser, nobody} }

// minFile is what a file must have more than: https://developer.work.weixin.qq.com/document/path/90253
const minFile = 5

// kindOf chooses how a file is shown: https://developer.work.weixin.qq.com/document/path/90253
func kindOf(f bridge.File) string {
	switch t, _, _ := strings.Cut(strings.ToLower(f.Type), ";"); {
	case (t == "image/jpeg" || t == "image/png") && f.Size <= 10<<20:
		return "image"
	case t == "audio/amr" && f.Size <= 2<<20:
		return "voice"
	case t == "video/mp4" && f.Size <= 10<<20:
		return "video"
	default:
		return "file"
	}
}

func (a *adapter) sendFile(ctx context.Context, room bridge.RoomID, key string, f bridge.Attachment) (bridge.MsgID, error) {
	return a.deliver(ctx, room, key, "file "+key, func(e entry) (string, any, error) {
		kind, id, found := strings.Cut(e.Media, "/")
		if !found {
			var err error
			if kind, id, err = a.upload(ctx, kindOf(f.File), f); err != nil {
				return "", nil, err
			}
			e.Media = kind + "/" + id
			if err := a.ledger.change(ctx, e); err != nil {
				return "", nil, err
			}
		}
		body := obj{"media_id": id}
		if kind == "video" {
			body["title"] = clip(f.Name, 40) // 128 bytes
		}
		return kind, body, nil
	})
}

// upload brings a file to WeCom. What is no picture, voice or video to WeCom (too long, another encoding) is a file.
func (a *adapter) upload(ctx context.Context, kind string, f bridge.Attachment) (string, string, error) {
	id, err := a.uploadAs(ctx, kind, f)
	if kind != "file" && bridge.Judge(err).Verdict == bridge.VerdictPermanent {
		kind = "file"
		id, err = a.uploadAs(ctx, kind, f)
	}
	return kind, id, err
}

func (a *adapter) uploadAs(ctx context.Context, kind string, f bridge.Attachment) (string, error) {
	var out struct {
		ID string `json:"media_id"`
	}
	part := tencent.Part{Field: "media", Name: f.Name, Type: f.Type, Size: f.Size, Open: f.Open}
	err := a.api.Upload(ctx, "/cgi-bin/media/upload", url.Values{"type": {kind}}, part, &out)
	return out.ID, err
}

// Delete takes a message back, which WeCom allows for 24 hours: https://developer.work.weixin.qq.com/document/path/94867
func (a *adapter) Delete(ctx context.Context, _ bridge.RoomID, msg bridge.MsgID) error {
	if strings.HasPrefix(string(msg), unnamed) {
		return bridge.Permanent(errors.New(a.words().tooLate))
	}
	err := a.api.Query(ctx, http.MethodPost, "/cgi-bin/message/recall", nil, obj{"msgid": string(msg)}, nil)
	if bridge.Judge(err).Verdict == bridge.VerdictPermanent {
		return bridge.Permanent(fmt.Errorf("%s: %w", a.words().tooLate, err))
	}
	return err
}

// Fetch reads what a member sent; WeCom keeps it for three days.
func (a *adapter) Fetch(ctx context.Context, f bridge.File) (io.ReadCloser, error) {
	d, err := a.api.Download(ctx, "/cgi-bin/media/get", url.Values{"media_id": {f.Ref}})
	if err != nil {
		var code *tencent.Error
		if errors.As(err, &code) && code.Code == mediaGone { // three days are over; it will not come again
			return nil, bridge.Permanent(err)
		}
		return nil, err
	}
	return d.Body, nil
}

// clip cuts after n characters.
func clip(s string, n int) string {
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return s
}
