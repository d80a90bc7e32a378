package browser

import (
	"github.com/hutong-im/hutong/bridge"
)

// maxInline is how many bytes of a text a live event carries: enough for a preview and for nearly every
// message; the page reads longer ones from the history. It keeps a user's ring of events small.
const maxInline = 8 << 10

// maxFiles is how many files one message may carry.
const maxFiles = 10

// What pages are told, in JSON. Ids of messages are strings: they do not fit into a JavaScript number.
type (
	roomEvent struct {
		Room bridge.RoomID `json:"room"`
	}

	lineEvent struct {
		Room    bridge.RoomID `json:"room"`
		Msg     bridge.MsgID  `json:"msg,omitempty"`
		As      string        `json:"as,omitempty"`
		Notice  bool          `json:"notice,omitempty"` // the gateway itself says it: no part of the history
		Label   string        `json:"label,omitempty"`
		Text    string        `json:"text,omitempty"`
		More    bool          `json:"more,omitempty"` // the text was cut
		Files   []fileView    `json:"files,omitempty"`
		ReplyTo bridge.MsgID  `json:"reply_to,omitempty"`
		At      int64         `json:"at,omitempty"` // Unix milliseconds
		Own     bool          `json:"own,omitempty"`
	}

	fileView struct {
		Name string `json:"name"`
		Type string `json:"type"`
		Size int64  `json:"size"`
	}

	reactionView struct {
		Mine  bool   `json:"mine"`
		Emoji string `json:"emoji"`
	}

	lineView struct {
		ID        string         `json:"id"`
		Msg       bridge.MsgID   `json:"msg,omitempty"`
		Mine      bool           `json:"mine"`
		As        string         `json:"as"`
		At        int64          `json:"at"` // Unix milliseconds
		Text      string         `json:"text"`
		Files     []fileView     `json:"files,omitempty"`
		ReplyTo   string         `json:"reply_to,omitempty"`
		Edited    bool           `json:"edited,omitempty"`
		Recalled  bool           `json:"recalled,omitempty"`
		Note      bool           `json:"note,omitempty"` // the customer does not see it
		Reactions []reactionView `json:"reactions,omitempty"`
		State     bridge.State   `json:"state,omitempty"`
		Reason    string         `json:"reason,omitempty"`
	}

	askView struct {
		ID      string          `json:"id"`
		Msg     bridge.MsgID    `json:"msg,omitempty"`
		Text    string          `json:"text,omitempty"`
		Choices []bridge.Choice `json:"choices"`
		Request bool            `json:"request,omitempty"` // it is the customer's request to be accepted
	}

	roomView struct {
		Room    bridge.RoomID    `json:"room"`
		State   bridge.LinkState `json:"state"`
		Name    string           `json:"name"`
		Label   string           `json:"label"`
		Network string           `json:"network"`
		Hello   string           `json:"hello,omitempty"`
		Remark  string           `json:"remark,omitempty"`
		Tags    []string         `json:"tags,omitempty"`
		Window  string           `json:"window,omitempty"` // what the customer's network allows now
		Since   int64            `json:"since"`            // Unix milliseconds
		Last    *lineView        `json:"last,omitempty"`
		Verify  string           `json:"verify,omitempty"`
		Asks    []askView        `json:"asks,omitempty"`
		Unread  bool             `json:"unread,omitempty"`
		Read    string           `json:"read,omitempty"` // the newest line that this user has seen
		Pinned  bool             `json:"pinned,omitempty"`
	}
)

func viewLine(l bridge.Line, side bridge.Side) lineView {
	v := lineView{
		ID: l.ID.String(), Msg: l.Msg, Mine: l.Mine, As: l.As.Name, At: l.At.UnixMilli(), Text: l.Text,
		Edited: l.Edited, Recalled: l.Recalled, Note: l.Note, State: l.State, Reason: l.Reason,
	}
	if l.ReplyTo != 0 {
		v.ReplyTo = l.ReplyTo.String()
	}
	if l.Recalled {
		v.Text = ""
		return v
	}
	for _, f := range l.Files {
		v.Files = append(v.Files, fileView{Name: f.Name, Type: f.Type, Size: f.Size})
	}
	for _, r := range l.Reactions {
		v.Reactions = append(v.Reactions, reactionView{Mine: r.Side == side, Emoji: r.Emoji})
	}
	return v
}

func viewRoom(r bridge.RoomView, side bridge.Side, m marks) roomView {
	v := roomView{
		Room: r.Room, State: r.State, Name: r.Other.Name, Label: r.Other.Text, Network: r.Network,
		Hello: r.Hello, Remark: r.Remark, Tags: r.Tags, Window: r.Window, Since: r.Since.UnixMilli(), Verify: r.Verify,
		Pinned: r.Pinned, Read: m.Read[r.Room],
	}
	v.Unread = r.AskID != "" // until it is answered
	if r.Last != nil {
		last := viewLine(*r.Last, side)
		v.Last = &last
		v.Unread = v.Unread || !last.Mine && laterID(last.ID, v.Read)
	}
	return v
}

// laterID reports whether the message id a was given after b; "" is before all.
func laterID(a, b string) bool {
	x, _ := bridge.ParseID('m', a)
	y, _ := bridge.ParseID('m', b)
	return x > y
}

// cutText keeps a text that fits into a live event, cut between runes.
func cutText(s string) (text string, more bool) {
	if len(s) <= maxInline {
		return s, false
	}
	end := maxInline
	for end > 0 && s[end]&0xC0 == 0x80 { // inside a UTF-8 sequence
		end--
	}
	return s[:end], true
}
