package wecom

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/tencent"
)

// write says the text of a message, as what shows it best: markdown, a card for what leads to one place, or text.
func (a *adapter) write(ctx context.Context, room bridge.RoomID, d bridge.Draft) ([]bridge.MsgID, error) {
	formatted := ""
	if a.cfg.Markdown {
		said := read(d)
		d.Text, formatted = cmp.Or(said.plain(), d.Text), said.markdown()
	}
	card, only := a.linkCard(d)
	var id bridge.MsgID
	var err error
	switch {
	case formatted != "":
		id, err = a.deliver(ctx, room, d.Key, d.Text, func(e entry) (string, any, error) {
			return "markdown", obj{"content": marked(formatted, e.Marks)}, nil
		}, formatted)
	case only && !a.cfg.Confidential:
		id, err = a.sendLinkCard(ctx, room, d.Key, card)
	default:
		return a.sendText(ctx, room, d)
	}
	if refused(err) {
		return a.sendText(ctx, room, d)
	}
	return ids(id, err)
}

// refused reports whether WeCom does not want a message of this kind, so that it is to be sent as text.
func refused(err error) bool {
	var code *tencent.Error
	return errors.As(err, &code) && bridge.Judge(err).Verdict == bridge.VerdictPermanent
}

func ids(id bridge.MsgID, err error) ([]bridge.MsgID, error) {
	if err != nil {
		return nil, err
	}
	return []bridge.MsgID{id}, nil
}

// sendText says a text in up to three pieces, or as an article.
func (a *adapter) sendText(ctx context.Context, room bridge.RoomID, d bridge.Draft) ([]bridge.MsgID, error) {
	pieces := bridge.Split(d.Text, maxPiece, bridge.Bytes)
	if len(pieces) > maxPieces {
		if id, err := a.sendArticle(ctx, room, d); !refused(err) {
			return ids(id, err)
		}
	}
	var out []bridge.MsgID
	for i, piece := range pieces {
		key := d.Key
		if i > 0 {
			key = fmt.Sprintf("%s+%d", d.Key, i)
		}
		id, err := a.deliver(ctx, room, key, piece, func(e entry) (string, any, error) {
			return "text", obj{"content": marked(harmless(piece), e.Marks)}, nil
		})
		if err != nil {
			return nil, err
		}
		out = append(out, id)
	}
	return out, nil
}

// anchor is what WeCom reads as a link with a text of its own; it reads no other tag in a text.
var anchor = regexp.MustCompile(`(?i)<(/?a[\s>])`)

// harmless keeps a customer from making links that say one thing and open another.
func harmless(text string) string {
	out := anchor.ReplaceAllString(text, "<"+markOne+"$1")
	if len(out) > maxPiece {
		out = anchor.ReplaceAllString(text, "($1")
	}
	return out
}

// sign begins what a reader of HTML might take for a tag or a letter's name.
var sign = regexp.MustCompile(`<([/!?A-Za-z])|&([#A-Za-z])`)

// inert is harmless for where WeCom reads HTML, without saying what it does with names of letters (&lt;).
func inert(text string) string {
	return sign.ReplaceAllStringFunc(text, func(s string) string { return s[:1] + markOne + s[1:] })
}

// speaker takes off a text what the core puts before it to say who speaks: a line, or a name.
func speaker(text string, as bridge.Label) (string, string) {
	for _, name := range []string{as.Text + "\n", as.Name + ": "} {
		if rest, ok := strings.CutPrefix(text, name); ok {
			return name, rest
		}
	}
	return "", text
}
