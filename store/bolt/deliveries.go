package bolt

import (
	"encoding/binary"

	"github.com/hutong-im/hutong/bridge"
)

// A delivery begins with what is looked for without decoding it:
// its state in a letter, whether it says its message, lane, link and message.
const (
	atState      = 0
	atSays       = 1
	atLane       = 2
	atLink       = 10
	atMessage    = 18
	deliveryHead = 26
)

// stateLetter is how a delivery's state is stored; 0 is one that is not kept.
func stateLetter(s bridge.State) byte {
	switch s {
	case bridge.StatePending:
		return 'p'
	case bridge.StateHeld:
		return 'h'
	case bridge.StateFailed:
		return 'f'
	case bridge.StateUnknown:
		return 'u'
	default:
		return 0
	}
}

func letterState(b byte) bridge.State {
	switch b {
	case 'p':
		return bridge.StatePending
	case 'h':
		return bridge.StateHeld
	case 'f':
		return bridge.StateFailed
	case 'u':
		return bridge.StateUnknown
	default:
		return ""
	}
}

// waits reports whether a delivery with the letter is in its lane.
func waits(letter byte) bool { return letter == 'p' || letter == 'h' }

func says(b []byte) bool            { return b[atSays] == 1 }
func laneOf(b []byte) bridge.LaneID { return bridge.LaneID(binary.BigEndian.Uint64(b[atLane:])) }
func linkOf(b []byte) bridge.LinkID { return bridge.LinkID(binary.BigEndian.Uint64(b[atLink:])) }
func messageOf(b []byte) bridge.MessageID {
	return bridge.MessageID(binary.BigEndian.Uint64(b[atMessage:]))
}

func encodeDelivery(d *bridge.Delivery) []byte {
	e := &encoder{make([]byte, 0, deliveryHead+96+len(d.Text))}
	e.byte(stateLetter(d.State))
	e.bools(d.Kind == bridge.KindSay)
	e.fixed(uint64(d.Lane))
	e.fixed(uint64(d.Link))
	e.fixed(uint64(d.Message))
	e.byte(version)
	text(e, d.Kind)
	encodeRef(e, d.Room)
	text(e, d.Text)
	text(e, d.User)
	text(e, d.Fate)
	e.byte(byte(d.To))
	e.bools(d.Off, d.Begun, d.Ask != nil, d.Hold, d.Ask != nil && d.Ask.Picture != "")
	e.time(d.At)
	text(e, d.Reason)
	e.int(int64(d.Attempts))
	texts(e, d.Sent)
	e.int(int64(d.Parts))
	e.time(d.Settled)
	text(e, d.Adapter)
	if a := d.Ask; a != nil {
		text(e, a.ID)
		text(e, a.Text)
		e.uint(uint64(len(a.Choices)))
		for _, c := range a.Choices {
			text(e, c.ID)
			text(e, c.Label)
			text(e, c.Style)
		}
		if a.Picture != "" {
			text(e, a.Picture)
		}
	}
	return e.b
}

func decodeDelivery(id bridge.DeliveryID, b []byte) (bridge.Delivery, error) {
	if len(b) < deliveryHead || letterState(b[atState]) == "" {
		return bridge.Delivery{}, errCorrupt
	}
	d := &decoder{b: b[deliveryHead:]}
	d.version()
	x := bridge.Delivery{
		ID: id, Lane: laneOf(b), Link: linkOf(b), Message: messageOf(b), State: letterState(b[atState]),
		Kind: readText[bridge.DeliveryKind](d), Room: decodeRef(d), Text: readText[string](d),
		User: readText[bridge.UserID](d), Fate: readText[bridge.State](d), To: bridge.Side(d.byte()),
	}
	var asks, pictured bool
	d.bools(&x.Off, &x.Begun, &asks, &x.Hold, &pictured)
	x.At, x.Reason, x.Attempts = d.time(), readText[string](d), int(d.int())
	x.Sent, x.Parts, x.Settled = readTexts[bridge.MsgID](d), int(d.int()), d.time()
	x.Adapter = readText[string](d)
	if asks {
		x.Ask = &bridge.Ask{ID: readText[string](d), Text: readText[string](d)}
		x.Ask.Choices = readList(d, func(d *decoder) bridge.Choice {
			return bridge.Choice{ID: readText[string](d), Label: readText[string](d), Style: readText[string](d)}
		})
		if pictured {
			x.Ask.Picture = readText[string](d)
		}
	}
	return x, d.end()
}
