package bolt

import (
	"encoding/binary"

	"github.com/hutong-im/hutong/bridge"
)

// A message begins with the id of the one before it in its conversation, and with the conversation:
// history is read by going from one to the one before. The committer fills in the first.
const messageHead = 16

// chainOf is the conversation that a message belongs to: its link, or its room while there is none.
func chainOf(m *bridge.Message) uint64 {
	if m.Link != 0 {
		return uint64(m.Link)
	}
	return uint64(bridge.RoomLane(m.Room)) // its top bit tells it from a link
}

func encodeMessage(m *bridge.Message) []byte {
	e := &encoder{make([]byte, 0, messageHead+128+len(m.Text))}
	e.fixed(0)
	e.fixed(chainOf(m))
	e.byte(version)
	e.uint(uint64(m.Link))
	e.byte(byte(m.Side))
	encodeUser(e, m.From)
	encodeRef(e, m.Room)
	text(e, m.Src)
	e.time(m.At)
	text(e, m.Text)
	e.bools(m.Note, m.Recalled)
	encodeShown(e, m.Out)
	e.uint(uint64(m.ReplyTo))
	e.uint(uint64(len(m.Files)))
	for _, f := range m.Files {
		text(e, f.Name)
		text(e, f.Type)
		e.int(f.Size)
		text(e, f.Blob)
		text(e, f.Ref)
	}
	e.uint(uint64(len(m.Edits)))
	for _, x := range m.Edits {
		e.time(x.At)
		text(e, x.Text)
		encodeShown(e, x.Out)
	}
	e.uint(uint64(len(m.Reactions)))
	for _, r := range m.Reactions {
		e.byte(byte(r.Side))
		text(e, r.Emoji)
	}
	return e.b
}

// encodeShown writes the text that the other side is shown, if it is another.
func encodeShown(e *encoder, s *string) {
	e.bools(s != nil)
	if s != nil {
		text(e, *s)
	}
}

func decodeShown(d *decoder) *string {
	var has bool
	if d.bools(&has); !has {
		return nil
	}
	s := readText[string](d)
	return &s
}

func decodeMessage(id bridge.MessageID, b []byte) (bridge.Message, error) {
	d := &decoder{b: b}
	d.fixed()
	d.fixed()
	d.version()
	m := bridge.Message{ID: id, Link: bridge.LinkID(d.uint()), Side: bridge.Side(d.byte())}
	m.From, m.Room, m.Src = decodeUser(d), decodeRef(d), readText[bridge.MsgID](d)
	m.At, m.Text = d.time(), readText[string](d)
	d.bools(&m.Note, &m.Recalled)
	m.Out = decodeShown(d)
	m.ReplyTo = bridge.MessageID(d.uint())
	m.Files = readList(d, func(d *decoder) bridge.File {
		return bridge.File{
			Name: readText[string](d), Type: readText[string](d), Size: d.int(),
			Blob: readText[string](d), Ref: readText[string](d),
		}
	})
	m.Edits = readList(d, func(d *decoder) bridge.Edit {
		return bridge.Edit{At: d.time(), Text: readText[string](d), Out: decodeShown(d)}
	})
	m.Reactions = readList(d, func(d *decoder) bridge.Reaction {
		return bridge.Reaction{Side: bridge.Side(d.byte()), Emoji: readText[string](d)}
	})
	return m, d.end()
}

// before is the id of the message before the encoded one, and chain its conversation.
func before(b []byte) (bridge.MessageID, uint64) {
	if len(b) < messageHead {
		return 0, 0
	}
	return bridge.MessageID(binary.BigEndian.Uint64(b)), binary.BigEndian.Uint64(b[8:])
}

// fate is what became of a message: the part of a Record that settlements write.
type fate struct {
	state  bridge.State
	reason string
	copies []bridge.Copy
}

// raise takes the state if it is news, and reports whether it was.
func (f *fate) raise(s bridge.State, reason string) bool {
	if !s.Beats(f.state) {
		return false
	}
	f.state, f.reason = s, reason
	return true
}

// copied puts c in place of the copy in the same room.
func (f *fate) copied(c *bridge.Copy) {
	for i := range f.copies {
		if f.copies[i].Room == c.Room {
			f.copies[i] = *c
			return
		}
	}
	f.copies = append(f.copies, *c)
}

func (f *fate) encode() []byte {
	e := &encoder{make([]byte, 0, 64)}
	e.byte(version)
	text(e, f.state)
	text(e, f.reason)
	e.uint(uint64(len(f.copies)))
	for _, c := range f.copies {
		encodeRef(e, c.Room)
		texts(e, c.IDs)
		e.int(int64(c.Version))
	}
	return e.b
}

// decodeFate reads a fate; nothing stored is a fate in which nothing has happened yet.
func decodeFate(b []byte) (fate, error) {
	if b == nil {
		return fate{}, nil
	}
	d := &decoder{b: b}
	d.version()
	f := fate{state: readText[bridge.State](d), reason: readText[string](d)}
	f.copies = readList(d, func(d *decoder) bridge.Copy {
		return bridge.Copy{Room: decodeRef(d), IDs: readTexts[bridge.MsgID](d), Version: int(d.int())}
	})
	return f, d.end()
}

// decodeRecord puts a message and its fate together.
func decodeRecord(id bridge.MessageID, message, what []byte) (bridge.Record, error) {
	m, err := decodeMessage(id, message)
	if err != nil {
		return bridge.Record{}, err
	}
	f, err := decodeFate(what)
	return bridge.Record{Message: m, Copies: f.copies, State: f.state, Reason: f.reason}, err
}
