package telegram

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// A room is a private chat with the bot, named by the chat's id, which is the user's too. A chat of a business account
// that the bot serves is named by the account's owner and the chat: its connection may change, its owner does not.
func roomOf(owner, chat int64) bridge.RoomID {
	if owner == 0 {
		return bridge.RoomID(strconv.FormatInt(chat, 10))
	}
	return bridge.RoomID(fmt.Sprintf("b%d.%d", owner, chat))
}

func userOf(id int64) bridge.UserID { return bridge.UserID(strconv.FormatInt(id, 10)) }

func msgOf(id int64) bridge.MsgID { return bridge.MsgID(strconv.FormatInt(id, 10)) }

// splitRoom takes a room's id apart; ok is false if it is none of this adapter's.
func splitRoom(r bridge.RoomID) (owner, chat int64, ok bool) {
	rest := string(r)
	if b, business := strings.CutPrefix(rest, "b"); business {
		before, after, _ := strings.Cut(b, ".")
		var err error
		if owner, err = strconv.ParseInt(before, 10, 64); err != nil || owner == 0 {
			return 0, 0, false
		}
		rest = after
	}
	chat, err := strconv.ParseInt(rest, 10, 64)
	return owner, chat, err == nil && chat != 0
}

// cardID is how a card's id looks, so that a word after /start that somebody typed is not taken for one.
var cardID = regexp.MustCompile(`^[A-Z2-7]{8,64}$`)

// spoken is what somebody said, as an event: through a card, or a message. Met is who is to be noted as no newcomer
// any more, once the event is stored; 0 is nobody.
func (s *session) spoken(ctx context.Context, u update, m *message, owner int64) (e bridge.Event, met int64) {
	if m.From == nil || m.Chat.Type != private {
		return nil, 0
	}
	room, who, at := roomOf(owner, m.Chat.ID), userOf(m.From.ID), time.Unix(m.Date, 0)
	if card, ok := strings.CutPrefix(s.bare(m.Text), "/start "); ok && owner == 0 && cardID.MatchString(card) {
		picture, met := s.avatar(ctx, m.From.ID)
		return bridge.Joined{
			Room: room, User: who, Card: bridge.CardID(card), Name: m.From.name(), Avatar: picture,
			Event: strconv.FormatInt(u.ID, 10), At: at,
		}, met
	}
	said := bridge.MessageEvent{
		Room: room, User: who, Msg: msgOf(m.ID), At: at, Name: m.From.name(), Text: s.text(m), Files: s.files(m),
		Own: owner != 0 && (m.SentByBot != nil || m.From.ID == owner),
	}
	if said.Text == "/start" && s.a.member(who) {
		said.Text = "/help" // what an employee needs who has just begun
	}
	if m.ReplyTo != nil {
		said.ReplyTo = msgOf(m.ReplyTo.ID)
	}
	if said.Text == "" && len(said.Files) == 0 {
		return nil, 0 // something of the chat's own, such as a message that was pinned
	}
	if !said.Own {
		said.Avatar, met = s.avatar(ctx, m.From.ID)
	}
	return said, met
}

// member reports whether a user is an employee, who works with the bot.
func (a *adapter) member(u bridge.UserID) bool {
	return slices.ContainsFunc(a.env.Lobby.Members(), func(m bridge.Member) bool {
		own, ok := m.Account(a.env.Name)
		return ok && own == u
	})
}

// bare takes "@bot" from a command: /who@acme_bot is /who.
func (s *session) bare(text string) string {
	if !strings.HasPrefix(text, "/") {
		return text
	}
	end := strings.IndexAny(text, " \n")
	if end < 0 {
		end = len(text)
	}
	if name, to, ok := strings.Cut(text[:end], "@"); ok && strings.EqualFold(to, strings.TrimPrefix(s.me.Username, "@")) {
		return name + text[end:]
	}
	return text
}

// avatar is a newcomer's picture: the smallest that is at least as wide as a list shows it. It is asked for once, and not
// for long: nobody waits for it. Met is the newcomer, when Telegram has answered.
func (s *session) avatar(ctx context.Context, id int64) (picture bridge.File, met int64) {
	const (
		wide  = 160
		brief = 3 * time.Second
	)
	if _, _, err := s.a.env.State.Get(ctx, metKey(id)); err == nil {
		return bridge.File{}, 0
	}
	ctx, cancel := context.WithTimeout(ctx, brief)
	defer cancel()
	var got struct {
		Photos [][]file `json:"photos"`
	}
	err := s.a.ask(ctx, "getUserProfilePhotos", obj{"user_id": id, "limit": 1}, &got)
	if err != nil && bridge.Judge(err).Verdict != bridge.VerdictPermanent {
		return bridge.File{}, 0 // the next message asks again
	}
	if len(got.Photos) == 0 {
		return bridge.File{}, id
	}
	sizes := got.Photos[0]
	slices.SortFunc(sizes, func(a, b file) int { return a.Width - b.Width })
	for i, f := range sizes {
		if f.Width >= wide || i == len(sizes)-1 {
			return bridge.File{Name: "avatar.jpg", Type: "image/jpeg", Size: f.Size, Ref: f.ID}, id
		}
	}
	return bridge.File{}, id
}

// meet notes that somebody is no newcomer any more; 0 is nobody.
func (s *session) meet(ctx context.Context, id int64) {
	if id == 0 {
		return
	}
	if _, err := s.a.env.State.Put(ctx, metKey(id), nil, bridge.AnyRev); err != nil {
		s.a.env.Log.Warn("a newcomer's picture will be asked for again", "err", err)
	}
}

// text is everything of a message that can be said in words.
func (s *session) text(m *message) string {
	var parts []string
	w := s.a.words
	if from := m.from(); from != "" {
		parts = append(parts, fmt.Sprintf(w.forwarded, bridge.EscapeMarkdown(bridge.Tidy(from, 64))))
	}
	if m.Quote != nil && (m.Quote.Manual || len(m.External) > 0) {
		parts = append(parts, "> "+strings.ReplaceAll(toMarkdown(m.Quote.Text, m.Quote.Entities), "\n", "\n> "))
	}
	if m.Text != "" {
		if text := s.bare(m.Text); text == m.Text {
			parts = append(parts, toMarkdown(text, m.Entities))
		} else { // a command, whose entities are not where they were
			parts = append(parts, bridge.EscapeMarkdown(text))
		}
	}
	if m.Sticker != nil && m.Sticker.Emoji != "" {
		parts = append(parts, m.Sticker.Emoji)
	}
	if m.Caption != "" {
		parts = append(parts, toMarkdown(m.Caption, m.CaptionEntities))
	}
	for _, f := range m.attached() {
		if f.Size > maxDown {
			parts = append(parts, fmt.Sprintf(w.tooLarge, bridge.EscapeMarkdown(f.Name), f.Size>>20, maxDown>>20))
		}
	}
	if l := s.otherwise(m); l != "" {
		parts = append(parts, l)
	}
	return strings.Join(parts, "\n")
}

// otherwise says what is neither text nor file.
func (s *session) otherwise(m *message) string {
	place := func(l location) string {
		return fmt.Sprintf(s.a.words.mapLink, strconv.FormatFloat(l.Latitude, 'f', 6, 64), strconv.FormatFloat(l.Longitude, 'f', 6, 64))
	}
	switch {
	case m.Venue != nil:
		return escaped("📍 "+m.Venue.Title, m.Venue.Address) + "\n" + place(m.Venue.Location)
	case m.Location != nil:
		return "📍 " + place(*m.Location)
	case m.Contact != nil:
		u := user{FirstName: m.Contact.FirstName, LastName: m.Contact.LastName}
		return escaped("👤 "+u.name(), m.Contact.Phone)
	case m.Poll != nil:
		lines := []string{"📊 " + m.Poll.Question}
		for _, o := range m.Poll.Options {
			lines = append(lines, "- "+o.Text)
		}
		return escaped(lines...)
	case m.Dice != nil:
		return fmt.Sprintf("%s %d", m.Dice.Emoji, m.Dice.Value)
	}
	for _, raw := range []json.RawMessage{m.Story, m.Game, m.Invoice, m.PaidMedia, m.Checklist, m.Gift} {
		if len(raw) > 0 && string(raw) != "null" {
			return s.a.words.unsupported
		}
	}
	return ""
}

func escaped(lines ...string) string { return bridge.EscapeMarkdown(strings.Join(lines, "\n")) }

// from is who wrote a message that was forwarded.
func (m *message) from() string {
	f := m.Forward
	switch {
	case f == nil:
		return ""
	case f.SenderUser != nil:
		return f.SenderUser.name()
	case f.SenderChat != nil:
		return f.SenderChat.Title
	case f.Chat != nil:
		return f.Chat.Title
	}
	return f.SenderName
}

// attached are the files of a message, with the names and types that Telegram leaves out.
func (m *message) attached() []file {
	var out []file
	add := func(f *file, name, typ string) {
		if f == nil || f.ID == "" {
			return
		}
		c := *f
		if c.Name == "" {
			ending := strings.NewReplacer("x-tgsticker", "tgs", "octet-stream", "bin", "jpeg", "jpg", "mpeg", "mp3").Replace(typ[strings.LastIndexByte(typ, '/')+1:])
			c.Name = fmt.Sprintf("%s-%d.%s", name, m.ID, ending)
		}
		if c.Type == "" {
			c.Type = typ
		}
		out = append(out, c)
	}
	if len(m.Photo) > 0 {
		best := slices.MaxFunc(m.Photo, func(a, b file) int { return a.Width*a.Height - b.Width*b.Height })
		add(&best, "photo", "image/jpeg")
	}
	if m.Animation != nil {
		add(m.Animation, "animation", "video/mp4") // Document repeats it
	} else {
		add(m.Document, "file", "application/octet-stream")
	}
	add(m.Audio, "audio", "audio/mpeg")
	add(m.Video, "video", "video/mp4")
	add(m.VideoNote, "video", "video/mp4")
	add(m.Voice, "voice", "audio/ogg")
	if s := m.Sticker; s != nil {
		typ := "image/webp"
		if s.Animated {
			typ = "application/x-tgsticker"
		} else if s.Video {
			typ = "video/webm"
		}
		add(s, "sticker", typ)
	}
	return out
}

// files are those that a bot may fetch; of the others text tells.
func (s *session) files(m *message) []bridge.File {
	var out []bridge.File
	for _, f := range m.attached() {
		if f.Size <= maxDown {
			out = append(out, bridge.File{Name: f.Name, Type: f.Type, Size: f.Size, Ref: f.ID})
		}
	}
	return out
}

// changed are the events of a message whose text is another now. A live location changes all the time, and is told once.
func (s *session) changed(m *message, owner int64) bridge.Event {
	if m.From == nil || m.Chat.Type != private || m.Location != nil {
		return nil
	}
	if owner != 0 && (m.SentByBot != nil || m.From.ID == owner) {
		return nil
	}
	return bridge.Edited{
		Room: roomOf(owner, m.Chat.ID), User: userOf(m.From.ID), Msg: msgOf(m.ID), At: time.Unix(max(m.EditDate, m.Date), 0), Text: s.text(m),
	}
}

// reactions are what was put on a message, and taken off.
func (r *reacted) events() []bridge.Event {
	if r.User == nil || r.Chat.Type != private {
		return nil
	}
	var out []bridge.Event
	tell := func(list, other []reaction, removed bool) {
		for _, x := range list {
			if x.Type == "emoji" && x.Emoji != "" && !slices.Contains(other, x) {
				out = append(out, bridge.Reacted{
					Room: roomOf(0, r.Chat.ID), User: userOf(r.User.ID), Msg: msgOf(r.ID), Emoji: x.Emoji, Removed: removed, At: time.Unix(r.Date, 0),
				})
			}
		}
	}
	tell(r.Old, r.New, true)
	tell(r.New, r.Old, false)
	return out
}
