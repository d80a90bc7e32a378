package mattermost

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/bridge"
)

// Props that this adapter puts on posts, beside those that Mattermost knows.
const (
	propKey   = "hutong_key"   // Draft.Key
	propReply = "hutong_reply" // the post that is answered
	propCard  = "hutong_card"  // the pinned card of a link: what names it
)

// frame is what comes over the WebSocket: an event, or the answer to a call.
type frame struct {
	Event model.WebsocketEventType `json:"event"`
	Data  struct {
		ConnectionID string `json:"connection_id"`
		Post         string `json:"post"`     // JSON in JSON
		Reaction     string `json:"reaction"` // JSON in JSON
		UserID       string `json:"user_id"`
		ParentID     string `json:"parent_id"`
		User         *struct {
			ID string `json:"id"`
		} `json:"user"`
	} `json:"data"`
	Broadcast struct {
		ChannelID string `json:"channel_id"`
	} `json:"broadcast"`
	Seq      int64  `json:"seq"`
	SeqReply int64  `json:"seq_reply"`
	Status   string `json:"status"`
}

// readFrame reads one message of the WebSocket.
func readFrame(b []byte) (f frame, err error) {
	err = json.Unmarshal(b, &f)
	return f, err
}

// readPost reads the post of an event.
func (f *frame) readPost() (*model.Post, bool) {
	var p model.Post
	if json.Unmarshal([]byte(f.Data.Post), &p) != nil || p.Id == "" || p.ChannelId == "" {
		return nil, false
	}
	return &p, true
}

// readReaction reads the reaction of an event, which lacks its channel in one of two.
func (f *frame) readReaction() (*model.Reaction, bool) {
	var r model.Reaction
	if json.Unmarshal([]byte(f.Data.Reaction), &r) != nil || r.PostId == "" {
		return nil, false
	}
	if r.ChannelId == "" {
		r.ChannelId = f.Broadcast.ChannelID
	}
	return &r, r.ChannelId != ""
}

// said reports whether a person wrote the post: what the server writes has a type, rows of the history of
// edits have an original, and an integration's post is not meant for the customer though it is in the
// name of who made the integration.
func said(p *model.Post) bool {
	for _, by := range []string{model.PostPropsFromWebhook, model.PostPropsFromBot, model.PostPropsFromPlugin, model.PostPropsFromOAuthApp} {
		if p.GetProp(by) == "true" {
			return false
		}
	}
	return (p.Type == "" || p.Type == model.PostTypeMe) && p.OriginalId == ""
}

func at(ms int64) time.Time { return time.UnixMilli(ms) }

// message is a post as the core hears it.
func (a *adapter) message(s *site, p *model.Post, user bridge.UserID) bridge.MessageEvent {
	e := bridge.MessageEvent{
		Room: bridge.RoomID(p.ChannelId), User: user, Msg: bridge.MsgID(p.Id), At: at(p.CreateAt),
		Thread: bridge.MsgID(p.RootId), ReplyTo: bridge.MsgID(p.RootId), Files: files(p),
	}
	e.Key, _ = p.GetProp(propKey).(string)
	text, quoted := quoted(p.Message, a.host, s.host)
	if quoted != "" {
		e.ReplyTo = quoted
	}
	e.Text = emojize(text)
	return e
}

// quoted takes a leading line away that is nothing but the address of a post: that is how one answers a
// post outside its thread.
func quoted(text string, hosts ...string) (string, bridge.MsgID) {
	line, rest, _ := strings.Cut(text, "\n")
	u, err := url.Parse(strings.TrimSpace(line))
	if err != nil || u.Host == "" || !slices.Contains(hosts, u.Host) || strings.TrimSpace(rest) == "" {
		return text, ""
	}
	i := strings.LastIndex(u.Path, "/pl/")
	if i < 0 || strings.Count(strings.TrimPrefix(u.Path[:i], "/"), "/") > 1 || !model.IsValidId(u.Path[i+4:]) {
		return text, ""
	}
	id := u.Path[i+4:]
	return strings.TrimLeft(rest, "\n"), bridge.MsgID(id)
}

// files are a post's files in the order in which they were added: file_ids are sorted by some servers.
func files(p *model.Post) []bridge.File {
	var out []bridge.File
	if p.Metadata != nil && len(p.Metadata.Files) > 0 {
		for _, f := range p.Metadata.Files {
			out = append(out, bridge.File{Name: f.Name, Type: f.MimeType, Size: f.Size, Ref: f.Id})
		}
		return out
	}
	for _, id := range p.FileIds {
		out = append(out, bridge.File{Name: "file", Ref: id})
	}
	return out
}

// harmless makes every mention in a text of others stay text. The server takes no notice of a backslash,
// so an invisible space goes between; where that would make the text too long, another @. What is preceded
// by a Latin letter or digit is part of an address and mentions nobody.
func harmless(s string) string {
	if !strings.Contains(s, "@") {
		return s
	}
	at := "@\u200b"
	if utf8.RuneCountInString(s)+strings.Count(s, "@") > maxText+1000 {
		at = "\uff20"
	}
	var b strings.Builder
	for i := range len(s) {
		if s[i] == '@' && (i == 0 || !latin(s[i-1])) {
			b.WriteString(at)
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func latin(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' }

// clip cuts a text after n runes.
func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// excerpt is the beginning of a text on one line, which mentions nobody.
func excerpt(s string) string { return harmless(bridge.Tidy(s, 80)) }

// character is an emoji by its name; "" for one of the company's own.
func character(name string) string {
	code, ok := model.SystemEmojis[name]
	if !ok {
		return ""
	}
	var b strings.Builder
	for hex := range strings.SplitSeq(code, "-") {
		n, err := strconv.ParseInt(hex, 16, 32)
		if err != nil {
			return ""
		}
		b.WriteRune(rune(n))
	}
	return b.String()
}

// bare is an emoji without the sign that asks for colour, which some networks send and some do not.
func bare(emoji string) string { return strings.ReplaceAll(emoji, "\ufe0f", "") }

// icons are the names of emoji by character; of several names the shortest, then the first.
func icons() map[string]string {
	out := make(map[string]string, len(model.SystemEmojis))
	for name := range model.SystemEmojis {
		c := bare(character(name))
		old, known := out[c]
		if c != "" && (!known || len(name) < len(old) || len(name) == len(old) && name < old) {
			out[c] = name
		}
	}
	return out
}

var shortcode = regexp.MustCompile(`\B:[a-z0-9_+-]+:\B|` + "`[^`]*`")

// emojize writes :smile: as a character, but not in code.
func emojize(s string) string {
	if !strings.Contains(s, ":") {
		return s
	}
	return shortcode.ReplaceAllStringFunc(s, func(m string) string {
		if c := character(strings.Trim(m, ":")); m[0] == ':' && c != "" {
			return c
		}
		return m
	})
}

// spoken makes a command out of words said to the bot, or to its slash command: "to 李雷" is "/to 李雷".
// Anything else asks for help, since nothing said here goes to a customer; so does whatever somebody says who is
// no member, and whom the core might take for a customer.
func (a *adapter) spoken(text string, by *person) string {
	name, args, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), "/")), " ")
	name = strings.ToLower(name)
	if !by.member || !slices.Contains(a.env.Lobby.Commands(), name) {
		return "/help"
	}
	return strings.TrimSpace("/" + name + " " + args)
}

// addressed is what follows the bot's name at the beginning of a text.
func addressed(text, bot string) (string, bool) {
	rest, ok := strings.CutPrefix(text, "@"+bot)
	if !ok || rest != "" && !strings.ContainsAny(rest[:1], " :,\n") {
		return "", false
	}
	return strings.TrimLeft(rest, " :,\n"), true
}
