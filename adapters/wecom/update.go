package wecom

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/tencent"
)

// request is a card that asks a member to take a customer, with the code by which WeCom lets it be changed once:
// https://developer.work.weixin.qq.com/document/path/94888
type request struct {
	User string `json:"user"`
	Code string `json:"code"`
}

func requestKey(link string) string { return "request/" + link }

// badCode is the errcode of a response_code that was used before or is too old; the card was changed by a press then,
// or cannot be changed any more.
const badCode = 41063

// noteRequest keeps how a request's card can be changed. Without it the card changes only when it is pressed.
func (a *adapter) noteRequest(ctx context.Context, link, user, code string) {
	if link == "" || code == "" {
		return
	}
	if err := bridge.Keep(context.WithoutCancel(ctx), a.env.State, requestKey(link), request{User: user, Code: code}); err != nil {
		a.env.Log.WarnContext(ctx, "how a card can be changed was not kept; it will not change until it is pressed", "err", err)
	}
}

// Update takes the buttons off a request that was answered in another way than by them: in words, or elsewhere.
func (a *adapter) Update(ctx context.Context, _ bridge.RoomID, o bridge.Opening) error {
	if o.State == bridge.LinkAsked {
		return nil
	}
	var r request
	if known, err := bridge.Load(ctx, a.env.State, requestKey(o.Key), &r); err != nil || !known {
		return err
	}
	in := obj{
		"userids": []string{r.User}, "agentid": a.cfg.AgentID, "response_code": r.Code,
		"button": obj{"replace_name": narrow(a.words().settled, maxOption)},
	}
	err := a.api.Query(ctx, http.MethodPost, "/cgi-bin/message/update_template_card", nil, in, nil)
	if code, ok := errors.AsType[*tencent.Error](err); err != nil && (!ok || code.Code != badCode) {
		return err
	}
	return a.forgetRequest(ctx, o.Key)
}

// forgetRequest leaves a card to the press that changes it.
func (a *adapter) forgetRequest(ctx context.Context, link string) error {
	if err := a.env.State.Delete(ctx, requestKey(link)); err != nil {
		return fmt.Errorf("forget a card: %w", err)
	}
	return nil
}

// Forget drops the requests' cards. The ledger holds digests only, which name nobody, and those for a week.
func (a *adapter) Forget(ctx context.Context, t bridge.Traces) error {
	for _, link := range t.Keys {
		if err := a.forgetRequest(ctx, link); err != nil {
			return err
		}
	}
	return nil
}
