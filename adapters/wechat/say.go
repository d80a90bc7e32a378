package wechat

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/tencent"
)

// message is a customer-service message; one of the contents is set.
// https://developers.weixin.qq.com/doc/service/api/customer/message/api_sendcustommessage.html
type message struct {
	To      bridge.RoomID `json:"touser"`
	Type    string        `json:"msgtype"`
	Text    *text         `json:"text,omitempty"`
	Image   *media        `json:"image,omitempty"`
	Voice   *media        `json:"voice,omitempty"`
	Video   *video        `json:"video,omitempty"`
	News    *news         `json:"news,omitempty"`
	Menu    *menu         `json:"msgmenu,omitempty"`
	Service *service      `json:"customservice,omitempty"`
}

type text struct {
	Content string `json:"content"`
}

type media struct {
	ID string `json:"media_id"`
}

type video struct {
	ID          string `json:"media_id"`
	Thumb       string `json:"thumb_media_id"`
	Title       string `json:"title"`
	Description string `json:"description"`
}

// news is a card that leads to an address; there may be one article only.
type news struct {
	Articles []article `json:"articles"`
}

type article struct {
	Title       string `json:"title"`
	Description string `json:"description"`
	URL         string `json:"url"`
}

type menu struct {
	Head string   `json:"head_content"`
	List []option `json:"list"`
	Tail string   `json:"tail_content"`
}

type option struct {
	ID      string `json:"id"`
	Content string `json:"content"`
}

type service struct {
	Account string `json:"kf_account"`
}

const sendPath = "/cgi-bin/message/custom/send"

func partKey(room bridge.RoomID, key string) string { return "part/" + string(room) + "/" + key }

// Send says the text, then the files. WeChat gives messages no ids, so that their keys serve.
func (a *adapter) Send(ctx context.Context, to bridge.RoomID, d bridge.Draft) ([]bridge.MsgID, error) {
	if len(d.Text) > a.cfg.MaxText {
		return nil, bridge.Permanent(a.meant(45002))
	}
	var texts []string
	if d.Text != "" { // what makes it harmless makes it longer
		texts = bridge.Split(harmless(d.Text), a.cfg.MaxText, bridge.Bytes)
	}
	done := 0
	if len(texts)+len(d.Files) > 1 {
		if _, err := bridge.Load(ctx, a.env.State, partKey(to, d.Key), &done); err != nil {
			return nil, err
		}
	}
	parts, err := a.compose(ctx, to, texts, d.Files, done)
	if err != nil {
		return nil, err
	}
	var ids []bridge.MsgID
	for i, m := range parts {
		if i >= done {
			if m.Service = a.speaker(d.As); m.Service != nil {
				a.env.Log.DebugContext(ctx, "an agent of the account speaks", "kf_account", m.Service.Account)
			}
			if err := a.client.Call(ctx, http.MethodPost, sendPath, nil, m, nil); err != nil {
				return nil, a.stopped(ctx, partKey(to, d.Key), i, err)
			}
		}
		id := bridge.MsgID(d.Key)
		if i > 0 {
			id += bridge.MsgID("+" + strconv.Itoa(i))
		}
		ids = append(ids, id)
	}
	if done > 0 {
		if err := a.env.State.Delete(ctx, partKey(to, d.Key)); err != nil {
			a.env.Log.WarnContext(ctx, "could not forget how far a message was sent", "err", err)
		}
	}
	return ids, nil
}

// compose makes the messages of a draft, with their files uploaded, before anything is shown. Files that were sent
// before are nil.
func (a *adapter) compose(ctx context.Context, to bridge.RoomID, texts []string, files []bridge.Attachment, done int) ([]*message, error) {
	var parts []*message
	for _, content := range texts {
		parts = append(parts, &message{To: to, Type: "text", Text: &text{content}})
	}
	for _, f := range files {
		if len(parts) < done {
			parts = append(parts, nil)
			continue
		}
		m, err := a.attach(ctx, to, f)
		if err != nil {
			return nil, err
		}
		parts = append(parts, m)
	}
	if len(parts) == 0 {
		return nil, bridge.Permanent(a.meant(44004))
	}
	return parts, nil
}

// anchor begins what WeChat takes for a link, such as one that speaks for the customer when it is tapped.
var anchor = regexp.MustCompile(`(?i)<(/?a[\s>])`)

// harmless makes such a beginning text again: an invisible word joiner stands behind the bracket.
func harmless(s string) string { return anchor.ReplaceAllString(s, "<\u2060$1") }

// speaker is the account's own agent who stands for an employee, if config names one.
func (a *adapter) speaker(as bridge.Label) *service {
	if account := a.cfg.KF[as.Name]; account != "" {
		return &service{account}
	}
	return nil
}

// stopped is a message of which i parts are shown. The next try must not show them again.
func (a *adapter) stopped(ctx context.Context, key string, i int, err error) error {
	if i > 0 {
		// The deadline may be what stopped it.
		if kept := bridge.Keep(context.WithoutCancel(ctx), a.env.State, key, i); kept != nil {
			return bridge.Unsure(errors.Join(err, kept))
		}
	}
	return err
}

// Ask shows a question with buttons. A press comes back as a text with the button's id, which is sealed, so
// that nobody answers what was not asked.
func (a *adapter) Ask(ctx context.Context, room bridge.RoomID, key string, q bridge.Ask) ([]bridge.MsgID, error) {
	head := lines(harmless(q.Text), q.Picture)
	m := &message{To: room, Type: "msgmenu", Menu: &menu{Head: head, Tail: a.words().tapOne}}
	words := []string{head}
	for _, c := range q.Choices {
		id, err := a.links.seal(ctx, forMenu, strings.Join([]string{string(room), q.ID, c.ID}, "\x00"))
		if err != nil {
			return nil, err
		}
		m.Menu.List = append(m.Menu.List, option{ID: id, Content: c.Label})
		words = append(words, "· "+c.Label)
	}
	ids := []bridge.MsgID{bridge.MsgID(key)}
	err := a.client.Call(ctx, http.MethodPost, sendPath, nil, m, nil)
	if e, refused := errors.AsType[*tencent.Error](err); refused && e.Code == 40200 { // this type of account has no menus
		m = &message{To: room, Type: "text", Text: &text{harmless(strings.Join(words, "\n"))}}
		err = a.client.Call(ctx, http.MethodPost, sendPath, nil, m, nil)
	}
	if err != nil {
		return nil, err
	}
	return ids, nil
}

// chosen opens what a press brought back.
func (a *adapter) chosen(ctx context.Context, room bridge.RoomID, id string) (ask, choice string, ok bool) {
	raw, err := a.links.open(ctx, forMenu, id)
	parts := strings.Split(raw, "\x00")
	if err != nil || len(parts) != 3 || parts[0] != string(room) {
		return "", "", false
	}
	return parts[1], parts[2], true
}

// Type shows that somebody writes, for 15 seconds at most. WeChat allows it within 30 seconds of what the
// customer did last, and once at a time; that it may not be shown is no error.
func (a *adapter) Type(ctx context.Context, room bridge.RoomID) error {
	in := map[string]string{"touser": string(room), "command": "Typing"}
	err := a.client.Query(ctx, http.MethodPost, "/cgi-bin/message/custom/typing", nil, in, nil)
	if e, refused := errors.AsType[*tencent.Error](err); refused {
		switch e.Code {
		case 40200, 45080, 45081:
			return nil
		}
	}
	return err
}

// notice is a template message or a subscription notice.
// https://developers.weixin.qq.com/doc/service/api/notify/template/api_sendtemplatemessage.html and
// https://developers.weixin.qq.com/doc/service/api/notify/notify/api_sendnewsubscribemsg.html
type notice struct {
	To       bridge.RoomID    `json:"touser"`
	Template string           `json:"template_id"`
	URL      string           `json:"url,omitempty"`  // of a template
	Page     string           `json:"page,omitempty"` // of a subscription
	Data     map[string]value `json:"data"`
}

type value struct {
	Value string `json:"value"`
}

// Notice asks the customer to write, where config says how.
func (a *adapter) Notice(ctx context.Context, to bridge.RoomID, as bridge.Label) error {
	if a.cfg.Notice.Template == "" {
		return nil
	}
	c := a.env.Lobby.Company()
	now := a.env.Now()
	if c.Zone != nil {
		now = now.In(c.Zone)
	}
	fill := strings.NewReplacer("{name}", as.Name, "{company}", c.Short, "{time}", now.Format("2006-01-02 15:04"))
	n := notice{To: to, Template: a.cfg.Notice.Template, URL: a.cfg.Notice.URL, Data: map[string]value{}}
	for field, text := range a.cfg.Notice.Data {
		n.Data[field] = value{fitted(field, fill.Replace(text))}
	}
	path := "/cgi-bin/message/template/send"
	if a.cfg.Notice.Kind == noticeSubscription {
		path, n.URL, n.Page = "/cgi-bin/message/subscribe/bizsend", "", n.URL
	}
	err := a.client.Call(ctx, http.MethodPost, path, nil, n, nil)
	a.note("notice", err)
	if v := bridge.Judge(err).Verdict; v == bridge.VerdictPermanent || v == bridge.VerdictUnsure {
		a.env.Log.WarnContext(ctx, "the notice to a customer was not sent, or it is not known", "err", err)
		return nil // trying again would not help, or would call twice
	}
	return err
}

// fitted cuts a value to its field's kind. Names of fields say the kind, and a longer value refuses the whole
// notice (47003). https://developers.weixin.qq.com/doc/service/guide/product/template_message/Template_Message_Interface.html
func fitted(field, text string) string {
	limit := 0
	for kind, n := range map[string]int{"thing": 20, "character_string": 32, "phrase": 5, "name": 10} {
		if strings.HasPrefix(field, kind) {
			limit = n
		}
	}
	if runes := []rune(text); limit > 0 && len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return text
}
