package wecom

import (
	"context"
	"regexp"
	"strings"

	"github.com/hutong-im/hutong/bridge"
)

// quote is how the clients put a quoted message before its answer: 「name：text」, a line of dashes, the answer.
var quote = regexp.MustCompile(`(?s)^「(.*?)」\n(?:- ?){6,}\n(.*)$`)

// text takes words. A quote chooses the customer; one that cannot be found must not go to somebody else.
func (a *adapter) text(ctx context.Context, in bridge.Inbox, said string, m bridge.MessageEvent) error {
	said = strings.ReplaceAll(said, "\r\n", "\n")
	if parts := quote.FindStringSubmatch(said); parts != nil && a.cfg.Quotes {
		id, err := a.quoted(ctx, m.Room, parts[1])
		if err != nil {
			return err
		}
		if id == "" {
			list, _, more, err := a.contacts(ctx, m.Room, m.User)
			if err != nil {
				return err
			}
			if len(list) > 0 || more {
				return a.lostQuote(ctx, m)
			}
		}
		said, m.ReplyTo = parts[2], id
	}
	if strings.TrimSpace(said) == choose && a.choose(ctx, m.Room, m.User, string(m.Msg)) {
		return nil
	}
	if err := a.ledger.heard(ctx, m.Room, said, m.Msg); err != nil {
		return err
	}
	m.Text = bridge.EscapeMarkdown(said)
	return in.Receive(ctx, m)
}

// choose is the command that shows a card of the customers.
const choose = "/to"

// quoted finds the message that is quoted; before it stands who said it.
func (a *adapter) quoted(ctx context.Context, room bridge.RoomID, text string) (bridge.MsgID, error) {
	for rest, more := text, true; more; _, rest, more = strings.Cut(rest, "：") {
		if id, err := a.ledger.find(ctx, room, rest); id != "" || err != nil {
			return id, err
		}
	}
	return "", nil
}

// lostQuote tells the member that it is not known whom the answer is for, and lets them choose.
func (a *adapter) lostQuote(ctx context.Context, m bridge.MessageEvent) error {
	if _, err := a.sendText(ctx, m.Room, bridge.Draft{Key: "quote-" + string(m.Msg), Text: a.words().lostQuote}); err != nil {
		return err
	}
	a.choose(ctx, m.Room, m.User, string(m.Msg))
	return nil
}
