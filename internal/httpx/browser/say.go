package browser

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// maxPost bounds the JSON that a page posts: the longest text in its longest encoding, and file tokens.
const maxPost = 128 << 10

// What pages post. Every message carries an id that the page made, so that posting it again after a
// lost answer is the same message.
type (
	sayForm struct {
		Room    bridge.RoomID `json:"room"`
		ID      bridge.MsgID  `json:"id"`
		Text    string        `json:"text"`
		Files   []string      `json:"files"` // tokens of uploads
		ReplyTo bridge.MsgID  `json:"reply_to"`
	}
	msgForm struct {
		Room  bridge.RoomID `json:"room"`
		Msg   bridge.MsgID  `json:"msg"`
		Text  string        `json:"text"`  // edit
		Emoji string        `json:"emoji"` // react
		Off   bool          `json:"off"`   // react: take it away
		State bridge.State  `json:"state"` // seen: delivered or read
	}
	roomForm struct {
		Room   bridge.RoomID `json:"room"`
		ID     string        `json:"id"`     // leave, command: the page's name for this wish
		Ask    string        `json:"ask"`    // answer
		Choice string        `json:"choice"` // answer
		Text   string        `json:"text"`   // command
	}
)

func refuse(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, bridge.ErrRefused)...)
}

// validID reports whether a page made the id: a ULID, 26 upper-case characters of Crockford's base 32.
func validID(id string) bool {
	if len(id) != 26 {
		return false
	}
	for _, c := range []byte(id) {
		if !strings.ContainsRune("0123456789ABCDEFGHJKMNPQRSTVWXYZ", rune(c)) {
			return false
		}
	}
	return true
}

// cleanText makes a typed text fit to be kept: valid UTF-8, at most limit runes, line ends as \n, no
// other control characters. What is left may be empty.
func cleanText(s string, limit int) (string, error) {
	if !utf8.ValidString(s) {
		return "", refuse("the text is not valid UTF-8")
	}
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r':
			return '\n'
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, s)
	s = strings.TrimRight(s, " \n\t")
	s = strings.TrimLeft(s, "\n")
	if n := utf8.RuneCountInString(s); n > limit {
		return "", refuse("the text has %d characters and may have %d", n, limit)
	}
	return s, nil
}

// validEmoji lets through what may be one emoji: short, and neither letters nor spaces nor controls.
func validEmoji(s string) bool {
	if s == "" || len(s) > 40 || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r < 0x80 && !strings.ContainsRune("0123456789#*", r) || unicode.IsLetter(r) || unicode.IsSpace(r) || unicode.IsControl(r) {
			return false
		}
	}
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) >= 0
}

// say takes a message.
func (c *Chat) say(w http.ResponseWriter, r *http.Request, u bridge.UserID) error {
	var f sayForm
	if err := httpx.ReadJSON(w, r, maxPost, &f); err != nil {
		return err
	}
	e, err := c.readSay(f, u)
	if err != nil {
		return err
	}
	if err := c.permit(c.said, u); err != nil {
		return err
	}
	if _, err := c.lobby.Room(r.Context(), u, f.Room); err != nil {
		return err
	}
	return c.tell(w, r, e, "line", lineEvent{Room: f.Room, Msg: f.ID})
}

func (c *Chat) readSay(f sayForm, u bridge.UserID) (bridge.MessageEvent, error) {
	e := bridge.MessageEvent{Room: f.Room, User: u, Msg: f.ID, At: c.now(), ReplyTo: f.ReplyTo}
	if !validID(string(f.ID)) {
		return e, refuse("the message's id is malformed")
	}
	if len(f.ReplyTo) > 64 {
		return e, refuse("the id of the message that is answered is malformed")
	}
	text, err := cleanText(f.Text, c.opts.MaxText)
	if err != nil {
		return e, err
	}
	if len(f.Files) > maxFiles {
		return e, refuse("there are %d files and may be %d", len(f.Files), maxFiles)
	}
	for _, token := range f.Files {
		file, err := c.openToken(token, u)
		if err != nil {
			return e, err
		}
		e.Files = append(e.Files, file)
	}
	if text == "" && len(e.Files) == 0 {
		return e, refuse("there is nothing to send")
	}
	e.Text = text
	return e, nil
}

// mine reads a form that speaks of one message, and the message as its user sees it.
func (c *Chat) mine(w http.ResponseWriter, r *http.Request, u bridge.UserID) (f msgForm, l bridge.Line, err error) {
	if err = httpx.ReadJSON(w, r, maxPost, &f); err != nil {
		return f, l, err
	}
	if f.Msg == "" || len(f.Msg) > 64 {
		return f, l, refuse("the message's id is malformed")
	}
	if err = c.permit(c.said, u); err != nil {
		return f, l, err
	}
	l, err = c.lobby.Line(r.Context(), u, f.Room, f.Msg)
	return f, l, err
}

// tell brings an event to the road and answers with nothing but "stored". The user's other pages get
// the live event of that name; the history has the news by then. "" is none.
func (c *Chat) tell(w http.ResponseWriter, r *http.Request, e bridge.Event, name string, live lineEvent) error {
	if err := c.Receive(r.Context(), e); err != nil {
		return err
	}
	if name != "" {
		live.Own = true
		if err := c.publish(r.Context(), live.Room, name, live); err != nil {
			return err
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *Chat) edit(w http.ResponseWriter, r *http.Request, u bridge.UserID) error {
	f, l, err := c.mine(w, r, u)
	if err != nil {
		return err
	}
	text, err := cleanText(f.Text, c.opts.MaxText)
	if err != nil {
		return err
	}
	if !l.Mine || l.Recalled || text == "" && len(l.Files) == 0 {
		return refuse("only your own messages can be changed, and not to nothing")
	}
	e := bridge.Edited{Room: f.Room, User: u, Msg: f.Msg, At: c.now(), Text: text}
	return c.tell(w, r, e, "edited", lineEvent{Room: f.Room, Msg: f.Msg})
}

func (c *Chat) recall(w http.ResponseWriter, r *http.Request, u bridge.UserID) error {
	f, l, err := c.mine(w, r, u)
	if err != nil {
		return err
	}
	if !l.Mine {
		return refuse("only your own messages can be recalled")
	}
	e := bridge.Deleted{Room: f.Room, User: u, Msg: f.Msg, At: c.now()}
	return c.tell(w, r, e, "deleted", lineEvent{Room: f.Room, Msg: f.Msg})
}

func (c *Chat) react(w http.ResponseWriter, r *http.Request, u bridge.UserID) error {
	f, l, err := c.mine(w, r, u)
	if err != nil {
		return err
	}
	if !validEmoji(f.Emoji) || l.Recalled {
		return refuse("a reaction is one emoji")
	}
	e := bridge.Reacted{Room: f.Room, User: u, Msg: f.Msg, Emoji: f.Emoji, Removed: f.Off, At: c.now()}
	return c.tell(w, r, e, "reacted", lineEvent{Room: f.Room, Msg: f.Msg})
}

// seen takes a receipt, and notes how far the user has read.
func (c *Chat) seen(w http.ResponseWriter, r *http.Request, u bridge.UserID) error {
	f, l, err := c.mine(w, r, u)
	if err != nil {
		return err
	}
	if f.State != bridge.StateDelivered && f.State != bridge.StateRead || l.Mine {
		return refuse("a receipt says delivered or read of somebody else's message")
	}
	if f.State == bridge.StateRead {
		line := l.ID.String()
		if err := c.marks.update(r.Context(), string(u), func(m *marks) bool { return m.read(f.Room, line) }); err != nil {
			return err
		}
	}
	e := bridge.Receipt{Room: f.Room, User: u, Msg: f.Msg, State: f.State, At: c.now()}
	return c.tell(w, r, e, "", lineEvent{})
}

// ofRoom reads a form that speaks of a room of the user.
func (c *Chat) ofRoom(w http.ResponseWriter, r *http.Request, u bridge.UserID) (f roomForm, v bridge.RoomView, err error) {
	if err = httpx.ReadJSON(w, r, maxPost, &f); err != nil {
		return f, v, err
	}
	if err = c.permit(c.said, u); err != nil {
		return f, v, err
	}
	v, err = c.lobby.Room(r.Context(), u, f.Room)
	return f, v, err
}

func (c *Chat) typing(w http.ResponseWriter, r *http.Request, u bridge.UserID) error {
	f, _, err := c.ofRoom(w, r, u)
	if err != nil {
		return err
	}
	return c.tell(w, r, bridge.Typing{Room: f.Room, User: u}, "", lineEvent{})
}

// leave ends a conversation for the customer. The page's name for the wish keeps a repeated post one wish.
func (c *Chat) leave(w http.ResponseWriter, r *http.Request, u bridge.UserID) error {
	f, _, err := c.ofRoom(w, r, u)
	if err != nil {
		return err
	}
	if !validID(f.ID) {
		return refuse("the id is malformed")
	}
	e := bridge.Left{Room: f.Room, User: u, Event: f.ID, At: c.now()}
	return c.tell(w, r, e, "room", lineEvent{Room: f.Room})
}

// answer takes the press of a button that was really shown.
func (c *Chat) answer(w http.ResponseWriter, r *http.Request, u bridge.UserID) error {
	f, v, err := c.ofRoom(w, r, u)
	if err != nil {
		return err
	}
	stored, _, err := c.asks.get(r.Context(), string(f.Room))
	if err != nil {
		return err
	}
	open := false
	for _, a := range viewAsks(v, stored) {
		for _, choice := range a.Choices {
			open = open || a.ID == f.Ask && choice.ID == f.Choice
		}
	}
	if !open {
		return refuse("this question is not open any more")
	}
	e := bridge.Answered{Room: f.Room, User: u, Ask: f.Ask, Choice: f.Choice, At: c.now()}
	received := c.Receive(r.Context(), e)
	if received != nil && !errors.Is(received, bridge.ErrRefused) {
		return received
	}
	if err := c.dropAsk(r.Context(), f.Room, func(a asked) bool { return a.Ask.ID == f.Ask }); err != nil {
		return err
	}
	if err := c.Refresh(r.Context(), f.Room); err != nil || received != nil {
		return errors.Join(received, err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// maxCommand is how many characters a command may have that the page makes: a remark, or a few tags.
const maxCommand = 500

// command takes what a button or a field of the page says for its user, such as "/pin". It is answered with a hint.
func (c *Chat) command(w http.ResponseWriter, r *http.Request, u bridge.UserID) error {
	f, _, err := c.ofRoom(w, r, u)
	if err != nil {
		return err
	}
	text, err := cleanText(f.Text, maxCommand)
	if err != nil {
		return err
	}
	words, slash := strings.CutPrefix(text, "/")
	word, args, _ := strings.Cut(words, " ")
	if !validID(f.ID) || !slash || !slices.Contains(c.lobby.Commands(), word) {
		return refuse("this is no command, or its id is malformed")
	}
	e := bridge.MessageEvent{Room: f.Room, User: u, Msg: bridge.MsgID(f.ID), At: c.now(), Text: "/" + word}
	if args != "" { // a field has no markup
		e.Text += " " + bridge.EscapeMarkdown(args)
	}
	return c.tell(w, r, e, "", lineEvent{})
}
