package wechatkftest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"time"
)

// chat is a customer's chat with an account.
type chat struct {
	account, customer string
	state             int
	servicer          string
	lastIn            time.Time // zero: never wrote
	sent              int       // of the five
	welcomed          time.Time
	lines             []Line
	used              map[string]bool // msgids
}

// Line is one message as the customer sees it.
type Line struct {
	ID      string
	Mine    bool // the gateway said it
	Kind    string
	Text    string
	File    File
	Menu    []Entry
	Event   bool // said with a code
	Deleted bool
}

// Entry is a line of a menu.
type Entry struct{ ID, Content string }

// File is a file with its content.
type File struct {
	Kind, Name, Type string
	Data             []byte

	at time.Time
}

// eventCode lets one message through.
type eventCode struct {
	chat  *chat
	end   time.Time
	kinds string
	used  bool
}

// outgoing is the body of kf/send_msg and kf/send_msg_on_event.
type outgoing struct {
	To      *string `json:"touser"`
	Account *string `json:"open_kfid"`
	Code    *string `json:"code"`
	MsgID   *string `json:"msgid"`
	Type    string  `json:"msgtype"`
	Text    *struct {
		Content string `json:"content"`
	} `json:"text"`
	Image *media `json:"image"`
	Voice *media `json:"voice"`
	Video *media `json:"video"`
	File  *media `json:"file"`
	Menu  *menu  `json:"msgmenu"`
	Place *struct {
		Name      string   `json:"name"`
		Address   string   `json:"address"`
		Latitude  *float64 `json:"latitude"`
		Longitude *float64 `json:"longitude"`
	} `json:"location"`
}

type media struct {
	ID string `json:"media_id"`
}

type menu struct {
	Head string     `json:"head_content"`
	List []menuItem `json:"list"`
	Tail string     `json:"tail_content"`
}

type menuItem struct {
	Type  string `json:"type"`
	Click struct {
		ID      string `json:"id"`
		Content string `json:"content"`
	} `json:"click"`
}

// line checks what is said and makes it a line.
func (n *Network) line(out outgoing) (Line, *refusal) {
	l := Line{Mine: true, Kind: out.Type}
	bodies := map[string]*media{"image": out.Image, "voice": out.Voice, "video": out.Video, "file": out.File}
	switch {
	case out.MsgID != nil && (*out.MsgID == "" || len(*out.MsgID) > 32 || !word.MatchString(*out.MsgID)):
		return l, no(40058, "invalid Request Parameter, msgid")
	case out.Type == "text" && out.Text != nil:
		l.Text = out.Text.Content
		switch {
		case l.Text == "":
			return l, no(44004, "empty content")
		case len(l.Text) > 2048:
			return l, no(45002, "content size out of limit")
		}
	case bodies[out.Type] != nil:
		f, ok := n.files[bodies[out.Type].ID]
		if !ok || f.Kind != out.Type || n.now().Sub(f.at) > retention {
			return l, no(40007, "invalid media_id")
		}
		l.File = f
	case out.Type == "msgmenu" && out.Menu != nil:
		return l.menu(*out.Menu)
	case out.Type == "location" && out.Place != nil:
		p := out.Place
		if p.Latitude == nil || p.Longitude == nil || math.Abs(*p.Latitude) > 90 || math.Abs(*p.Longitude) > 180 {
			return l, no(95022, "invalid location")
		}
		l.Text = fmt.Sprintf("%s|%s|%g,%g", p.Name, p.Address, *p.Latitude, *p.Longitude)
	default:
		n.complain("send_msg: type %q without its body", out.Type)
		return l, no(40008, "invalid message type")
	}
	return l, nil
}

func (l Line) menu(m menu) (Line, *refusal) {
	l.Text = m.Head
	if len(m.Head) > 1024 || len(m.Tail) > 1024 {
		return l, no(40058, "invalid Request Parameter, head_content")
	}
	if len(m.List) > 10 {
		return l, no(95008, "menu item count out of limit")
	}
	for _, e := range m.List {
		if e.Type != "click" {
			return l, no(95009, "invalid menu type")
		}
		if e.Click.Content == "" || len(e.Click.Content) > 128 || len(e.Click.ID) > 128 {
			return l, no(40058, "invalid Request Parameter, click")
		}
		l.Menu = append(l.Menu, Entry{e.Click.ID, e.Click.Content})
	}
	return l, nil
}

func sendMsg(n *Network, r *http.Request, body []byte) (answer, *refusal) {
	out, bad := read[outgoing](n, r, body)
	if bad != nil {
		return answer{}, bad
	}
	if out.To == nil || out.Account == nil || out.Code != nil {
		n.complain("send_msg wants touser and open_kfid, and no code")
		return answer{}, no(40058, "invalid Request Parameter, touser")
	}
	if _, bad := n.managed(*out.Account); bad != nil {
		return answer{}, bad
	}
	c, ok := n.chats[*out.Account+"/"+*out.To]
	if !ok {
		return answer{}, no(40096, "invalid external userid")
	}
	l, bad := n.line(out)
	if bad != nil {
		return answer{}, bad
	}
	if out.MsgID != nil && c.used[*out.MsgID] {
		if n.opts.Once {
			return answer{fields: map[string]any{"msgid": *out.MsgID}}, nil
		}
		return answer{}, no(40058, "invalid Request Parameter, duplicated msgid")
	}
	switch {
	case c.state != 0 && c.state != 1:
		return answer{}, no(95018, "send msg session status invalid")
	case n.now().Sub(c.lastIn) > 48*time.Hour:
		return answer{}, no(95002, "send msg time limit")
	case c.sent >= 5:
		return answer{}, no(95001, "send msg count limit")
	}
	c.sent++
	return n.show(c, l, out.MsgID), nil
}

func sendOnEvent(n *Network, r *http.Request, body []byte) (answer, *refusal) {
	out, bad := read[outgoing](n, r, body)
	if bad != nil {
		return answer{}, bad
	}
	if out.Code == nil || out.To != nil || out.Account != nil {
		n.complain("send_msg_on_event wants a code, and no receiver")
		return answer{}, no(40058, "invalid Request Parameter, code")
	}
	code, ok := n.codes[*out.Code]
	switch {
	case !ok || code.used || n.now().After(code.end):
		return answer{}, no(40029, "invalid code")
	case !strings.Contains(code.kinds, out.Type):
		return answer{}, no(40008, "invalid message type")
	}
	l, bad := n.line(out)
	if bad != nil {
		return answer{}, bad
	}
	code.used, l.Event = true, true
	code.chat.welcomed = n.now()
	return n.show(code.chat, l, out.MsgID), nil
}

func (n *Network) show(c *chat, l Line, id *string) answer {
	l.ID = n.id("sys")
	if id != nil {
		l.ID = *id
		c.used[l.ID] = true
	}
	c.lines = append(c.lines, l)
	return answer{fields: map[string]any{"msgid": l.ID}}
}

// limit is the most bytes of a kind of file, and its formats.
type limit struct {
	bytes int
	types []string
}

func limits() map[string]limit {
	return map[string]limit{
		"image": {10 << 20, []string{"image/jpeg", "image/png"}},
		"voice": {2 << 20, []string{"audio/amr"}},
		"video": {10 << 20, []string{"video/mp4"}},
		"file":  {20 << 20, nil},
	}
}

func upload(n *Network, r *http.Request, body []byte) (answer, *refusal) {
	kind := r.URL.Query().Get("type")
	limit, ok := limits()[kind]
	if !ok {
		return answer{}, no(40004, "invalid media file type")
	}
	f, bad := n.form(r, body)
	if bad != nil {
		return answer{}, bad
	}
	switch {
	case len(f.Data) <= 5:
		return answer{}, no(40006, "invalid media size")
	case len(f.Data) > limit.bytes:
		return answer{}, no(45001, "media file size out of limit")
	case limit.types != nil && !slices.Contains(limit.types, f.Type):
		return answer{}, no(40005, "invalid file type")
	}
	f.Kind = kind
	id := n.keep(f)
	return answer{fields: map[string]any{"type": kind, "media_id": id, "created_at": "1380000000"}}, nil
}

// form reads the one part of an upload. Tencent takes no body of unknown length.
func (n *Network) form(r *http.Request, body []byte) (File, *refusal) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || r.ContentLength < 0 {
		n.complain("media/upload: %q, length %d", r.Header.Get("Content-Type"), r.ContentLength)
		return File{}, no(41005, "media data missing")
	}
	form := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	p, err := form.NextPart()
	if err != nil || p.FormName() != "media" || p.FileName() == "" {
		n.complain("media/upload: no part called media with a file name")
		return File{}, no(41005, "media data missing")
	}
	data, err := io.ReadAll(p)
	if err != nil {
		return File{}, no(41005, "media data missing")
	}
	if _, err := form.NextPart(); err == nil {
		n.complain("media/upload: more than one part")
	}
	return File{Name: p.FileName(), Type: p.Header.Get("Content-Type"), Data: data}, nil
}

// keep stores a file for three days.
func (n *Network) keep(f File) string {
	f.at = n.now()
	id := n.id("MEDIA_")
	n.files[id] = f
	return id
}

func getMedia(n *Network, r *http.Request, _ []byte) (answer, *refusal) {
	f, ok := n.files[r.URL.Query().Get("media_id")]
	if !ok || n.now().Sub(f.at) > retention {
		return answer{}, no(40007, "invalid media_id")
	}
	return answer{file: &f}, nil
}

// asJSON makes a body of any kind what a decoder makes of it.
func asJSON(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		panic(err)
	}
	return out
}
