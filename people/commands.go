package people

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hutong-im/hutong/bridge"
)

// Limits of what a member notes of a contact: a remark is one line as long as WeChat's 30 characters twice,
// a tag half of that, and as many of them as a card shows.
const (
	maxRemark = 60
	maxTag    = 30
	maxTags   = 20
)

// Road is what the commands need of the gateway.
type Road interface {
	// Relink changes a link and shows the change.
	Relink(ctx context.Context, id bridge.LinkID, change func(*bridge.Link) error, audit ...bridge.AuditEntry) error
	// Lobby is what an adapter may ask of the gateway.
	Lobby(adapter, kind string) bridge.Lobby
}

// Commands are what a member can do about customers in words, in any workspace: /card, /remark, /tag, /pin,
// /mute and their opposites. It is a bridge.App: a command may come twice, so that none of them turns
// something over.
type Commands struct {
	people  *People
	road    func() Road
	company func() bridge.Company
}

// NewCommands makes the commands; road and company are asked each time.
func NewCommands(p *People, road func() Road, company func() bridge.Company) *Commands {
	return &Commands{p, road, company}
}

// Commands are the words.
func (c *Commands) Commands() []string {
	return []string{"card", "remark", "tag", "pin", "unpin", "mute", "unmute"}
}

// Help is one line.
func (c *Commands) Help(language string) string { return wordsOf(language).help }

// Command answers one.
func (c *Commands) Command(ctx context.Context, cmd bridge.Command) (bridge.Ask, error) {
	w := wordsOf(c.company().Language)
	if cmd.Name == "card" {
		return c.card(ctx, w, cmd)
	}
	if cmd.Link == nil || cmd.Link.Member != cmd.Member.ID {
		return bridge.Ask{}, errors.New(w.nobody)
	}
	switch cmd.Name {
	case "remark":
		return c.remark(ctx, w, cmd)
	case "tag":
		return c.tag(ctx, w, cmd)
	case "pin", "unpin":
		on := cmd.Name == "pin"
		err := c.change(ctx, cmd, "link."+cmd.Name, func(l *bridge.Link) error { l.Pinned = on; return nil })
		return bridge.Ask{Text: w.pinned[on]}, err
	case "mute", "unmute":
		on := cmd.Name == "mute"
		err := c.change(ctx, cmd, "link."+cmd.Name, func(l *bridge.Link) error { l.Muted = on; return nil })
		return bridge.Ask{Text: w.muted[on]}, err
	default:
		return bridge.Ask{}, fmt.Errorf("no command is called %s", cmd.Name)
	}
}

// card shows the member's own card: the newest open one, made if there is none.
func (c *Commands) card(ctx context.Context, w *words, cmd bridge.Command) (bridge.Ask, error) {
	by := AsMember(cmd.Member.ID)
	var card bridge.Card
	for x, err := range c.people.Cards(ctx, by, cmd.Member.ID, false) {
		if err != nil {
			return bridge.Ask{}, err
		}
		if x.Expires.IsZero() && !x.Created.Before(card.Created) {
			card = x
		}
	}
	if card.ID == "" {
		var err error
		if card, err = c.people.NewCard(ctx, by, CardWish{Member: cmd.Member.ID, Source: "/card"}); err != nil {
			return bridge.Ask{}, errors.New(w.noCard)
		}
	}
	view, err := c.road().Lobby("", "").Card(ctx, card.ID)
	if err != nil {
		return bridge.Ask{}, errors.New(w.noCard)
	}
	if len(view.Ways) == 0 {
		return bridge.Ask{}, errors.New(w.noWay)
	}
	lines := []string{view.Label.Text}
	for _, way := range view.Ways {
		lines = append(lines, way.URL)
	}
	return bridge.Ask{Text: strings.Join(lines, "\n"), Picture: c.company().URL + "/qr/" + string(card.ID) + ".png"}, nil
}

// remark notes the member's own words; without any it says what they are, and - takes them away.
func (c *Commands) remark(ctx context.Context, w *words, cmd bridge.Command) (bridge.Ask, error) {
	text := bridge.Tidy(cmd.Args, maxRemark)
	if text == "" {
		return say(w.remark, orNone(w, cmd.Link.Remark)), nil
	}
	if text == "-" {
		text = ""
	}
	err := c.change(ctx, cmd, "link.remark", func(l *bridge.Link) error { l.Remark = text; return nil })
	return say(w.remark, orNone(w, text)), err
}

// tag adds tags, and takes those away that begin with -.
func (c *Commands) tag(ctx context.Context, w *words, cmd bridge.Command) (bridge.Ask, error) {
	tags := cmd.Link.Tags
	wish := strings.Fields(cmd.Args)
	if t, off := strings.CutPrefix(cmd.Args, "-"); off && slices.Contains(tags, t) {
		wish = []string{cmd.Args} // the source of a card may have spaces
	}
	if len(wish) == 0 {
		return say(w.tags, orNone(w, strings.Join(tags, ", "))), nil
	}
	err := c.change(ctx, cmd, "link.tag", func(l *bridge.Link) error {
		tags = slices.Clone(l.Tags)
		for _, t := range wish {
			off := strings.HasPrefix(t, "-")
			t = bridge.Tidy(strings.TrimLeft(t, "-#"), maxTag)
			tags = slices.DeleteFunc(tags, func(old string) bool { return old == t })
			if !off && t != "" {
				tags = append(tags, t)
			}
		}
		if len(tags) > maxTags {
			return fmt.Errorf(w.tooMany, maxTags)
		}
		l.Tags = tags
		return nil
	})
	return say(w.tags, orNone(w, strings.Join(tags, ", "))), err
}

func (c *Commands) change(ctx context.Context, cmd bridge.Command, action string, f func(*bridge.Link) error) error {
	entry := c.people.audit(AsMember(cmd.Member.ID), action, cmd.Link.ID.String(), "")
	return c.road().Relink(ctx, cmd.Link.ID, f, entry)
}

func say(format, value string) bridge.Ask { return bridge.Ask{Text: fmt.Sprintf(format, value)} }

func orNone(w *words, s string) string {
	if s == "" {
		return w.none
	}
	return s
}

// words are what the commands say.
type words struct {
	help, nobody, noCard, noWay, remark, tags, none, tooMany string
	pinned, muted                                            map[bool]string
}

func wordsOf(language string) *words {
	if language == "zh" {
		return &words{
			help:   "/card：我的名片 · /remark 备注 · /tag 标签 -删除的标签 · /pin、/unpin：置顶 · /mute、/unmute：免打扰",
			nobody: "这里没有您的客户。", noCard: "无法生成名片：请管理员在配置中为您设置 serves: true。",
			noWay: "尚未接入任何客户端网络（例如 webchat），名片没有可用的地址。", remark: "备注：%s", tags: "标签：%s", none: "（无）",
			tooMany: "标签最多 %d 个", pinned: map[bool]string{true: "已置顶。", false: "已取消置顶。"}, muted: map[bool]string{true: "已开启免打扰。", false: "已关闭免打扰。"},
		}
	}
	return &words{
		help:   "/card shows your card · /remark TEXT · /tag TAG -TAG · /pin, /unpin · /mute, /unmute",
		nobody: "No customer of yours is here.", noCard: "There is no card for you: ask your administrator to say serves: true of you in the config.",
		noWay: "A card needs a network of customers, such as webchat, and none is connected.", remark: "Remark: %s", tags: "Tags: %s", none: "(none)",
		tooMany: "there can be %d tags at most", pinned: map[bool]string{true: "Pinned.", false: "Not pinned any more."},
		muted: map[bool]string{true: "Muted: new messages come without a notification.", false: "Not muted any more."},
	}
}
