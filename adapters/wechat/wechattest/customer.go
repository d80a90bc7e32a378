package wechattest

import (
	"crypto/rand"
	"slices"
	"strconv"
	"time"
)

// customer is somebody with WeChat.
type customer struct {
	openid   string
	union    string
	remark   string
	follows  bool
	grants   []grant
	last     time.Time // what they did last
	typing   time.Time // until then writing is shown
	typed    int
	consents int
	shown    []Shown
	pushed   chan struct{} // closed when the last push was tried once
}

// grant is what an act of the customer allows.
type grant struct {
	until time.Time
	left  int
}

// spend takes one message of what is allowed, from what ends first.
func (c *customer) spend(now time.Time) int {
	c.grants = slices.DeleteFunc(c.grants, func(g grant) bool { return !now.Before(g.until) })
	if !c.follows || len(c.grants) == 0 {
		return 45015
	}
	slices.SortStableFunc(c.grants, func(a, b grant) int { return a.until.Compare(b.until) })
	for i := range c.grants {
		if c.grants[i].left > 0 {
			c.grants[i].left--
			return 0
		}
	}
	return 45047
}

// The grants of a message, and of a click, a scan or a follow.
const (
	longOpen      = 48 * time.Hour
	shortOpen     = time.Minute
	shortMessages = 3
)

func (s *Server) acted(c *customer, long bool) {
	c.last = s.now()
	if long { // a new message opens a new allowance
		c.grants = slices.DeleteFunc(c.grants, func(g grant) bool { return g.until.Sub(c.last) > shortOpen })
		c.grants = append(c.grants, grant{c.last.Add(longOpen), s.opts.Messages})
		return
	}
	c.grants = append(c.grants, grant{c.last.Add(shortOpen), shortMessages})
}

// Customer makes somebody who follows the account and has not written. A union id is that of the human in all
// accounts of the company; "" is none.
func (s *Server) Customer(union string) (openid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	openid = "o6_bmjrPTlm6_2sgVt7hMZ" + rand.Text()[:6]
	s.customers[openid] = &customer{openid: openid, union: union, follows: true}
	return openid
}

// Remark is what the company's staff have noted in WeChat's console.
func (s *Server) Remark(openid, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.customers[openid].remark = text
}

// Shown is what a customer sees of the account, oldest first.
func (s *Server) Shown(openid string) []Shown {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.customers[openid]; c != nil {
		return slices.Clone(c.shown)
	}
	return nil
}

// Typed is how often the account was seen writing.
func (s *Server) Typed(openid string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.customers[openid]; c != nil {
		return c.typed
	}
	return 0
}

// Lost is how many pushes were given up.
func (s *Server) Lost() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// number is a new id; s.mu is held.
func (s *Server) number() uint64 {
	s.next++
	return s.next
}

func (s *Server) id(prefix string) string {
	return prefix + strconv.FormatUint(s.number(), 10) + rand.Text()[:8]
}

// Field is an element of a push.
type Field struct{ Name, Value string }

// Say lets a customer write.
func (s *Server) Say(openid, text string) (msg string) {
	return s.Message(openid, "text", Field{"Content", text})
}

// Message lets a customer send a message of any type, and returns its MsgId.
func (s *Server) Message(openid, typ string, fields ...Field) (msg string) {
	s.mu.Lock()
	c := s.customers[openid]
	s.acted(c, true)
	msg = strconv.FormatUint(s.number(), 10)
	line := Shown{Type: "said", ID: msg}
	for _, f := range fields {
		if f.Name == "Content" {
			line.Text = f.Value
		}
	}
	c.shown = append(c.shown, line)
	s.mu.Unlock()
	s.push(c, append(append(slices.Clip(fields), Field{"MsgType", typ}), Field{"MsgId", msg}))
	return msg
}

// Event lets something happen to a customer that opens no window.
func (s *Server) Event(openid, name string, fields ...Field) {
	s.mu.Lock()
	c := s.customers[openid]
	s.mu.Unlock()
	s.push(c, append(slices.Clip(fields), Field{"MsgType", "event"}, Field{"Event", name}))
}

// Follow lets a customer follow the account, through a QR code with a scene unless that is "".
func (s *Server) Follow(openid, scene string) {
	s.mu.Lock()
	c := s.customers[openid]
	c.follows = true
	s.acted(c, false)
	s.mu.Unlock()
	if scene == "" {
		s.Event(openid, "subscribe", Field{"EventKey", ""})
		return
	}
	s.Event(openid, "subscribe", Field{"EventKey", "qrscene_" + scene}, Field{"Ticket", "gQH47joAAAAAAAAAASxodHRw"})
}

// Unfollow lets a customer go.
func (s *Server) Unfollow(openid string) {
	s.mu.Lock()
	c := s.customers[openid]
	c.follows, c.grants = false, nil
	s.mu.Unlock()
	s.Event(openid, "unsubscribe", Field{"EventKey", ""})
}

// Scan lets a customer scan a QR code; one who does not follow does so then.
func (s *Server) Scan(openid, scene string) {
	s.mu.Lock()
	c := s.customers[openid]
	follows := c.follows
	if follows {
		s.acted(c, false)
	}
	s.mu.Unlock()
	if !follows {
		s.Follow(openid, scene)
		return
	}
	s.Event(openid, "SCAN", Field{"EventKey", scene}, Field{"Ticket", "gQH47joAAAAAAAAAASxodHRw"})
}

// Click lets a customer press a button of the menu.
func (s *Server) Click(openid, key string) {
	s.mu.Lock()
	s.acted(s.customers[openid], false)
	s.mu.Unlock()
	s.Event(openid, "CLICK", Field{"EventKey", key})
}

// Press lets a customer tap an option of a question that they see; false: they see none such.
func (s *Server) Press(openid, option string) bool {
	for _, m := range s.Shown(openid) {
		for _, o := range m.Options {
			if o.ID == option {
				s.Message(openid, "text", Field{"Content", o.Content}, Field{"bizmsgmenuid", o.ID})
				return true
			}
		}
	}
	return false
}
