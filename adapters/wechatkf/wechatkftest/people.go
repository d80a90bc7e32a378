package wechatkftest

import (
	"slices"
	"time"
)

// chatOf is a chat, new if need be; n.mu is held.
func (n *Network) chatOf(account, customer string) *chat {
	key := account + "/" + customer
	c, ok := n.chats[key]
	if !ok {
		c = &chat{account: account, customer: customer, state: 4, used: map[string]bool{}}
		n.chats[key] = c
	}
	return c
}

// tell adds an item to an account's log; n.mu is held.
func (n *Network) tell(c *chat, origin int, kind string, body map[string]any) string {
	id := n.id("")
	item := map[string]any{"msgid": id, "send_time": n.now().Unix(), "origin": origin, "msgtype": kind, kind: asJSON(body)}
	if kind != "event" {
		item["open_kfid"], item["external_userid"] = c.account, c.customer
	}
	if origin == 5 {
		item["servicer_userid"] = c.servicer
	}
	if a := n.account(c.account); a != nil {
		a.log = append(a.log, entry{n.now(), item})
		n.changed(c.account)
	}
	return id
}

// Put adds an item to an account's log as it is, for what no customer can do.
func (n *Network) Put(account string, item map[string]any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if a := n.account(account); a != nil {
		a.log = append(a.log, entry{n.now(), item})
		n.changed(account)
	}
}

// Know sets what is told of a customer.
func (n *Network) Know(customer string, c Customer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.customers[customer] = c
}

// Unknow ends that something is told of a customer, as 48 hours after they wrote.
func (n *Network) Unknow(customer string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.customers, customer)
}

// Say lets a customer write, and returns the msgid.
func (n *Network) Say(account, customer, text string) string {
	return n.Send(account, customer, "text", map[string]any{"content": text})
}

// Send lets a customer send a message of any type.
func (n *Network) Send(account, customer, kind string, body map[string]any) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.chatOf(account, customer)
	c.lastIn, c.sent = n.now(), 0
	if c.state == 4 {
		c.state = 0
	}
	id := n.tell(c, 3, kind, body)
	text, _ := body["content"].(string)
	c.lines = append(c.lines, Line{ID: id, Kind: kind, Text: text})
	return id
}

// Upload keeps a customer's file and returns its media_id.
func (n *Network) Upload(f File) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.keep(f)
}

// Click lets a customer choose from a menu by the text of the entry; false: there is none.
func (n *Network) Click(account, customer, content string) bool {
	n.mu.Lock()
	id := ""
	for _, l := range n.chatOf(account, customer).lines {
		for _, e := range l.Menu {
			if e.Content == content {
				id = e.ID
			}
		}
	}
	n.mu.Unlock()
	if id == "" {
		return false
	}
	n.Send(account, customer, "text", map[string]any{"content": content, "menu_id": id})
	return true
}

// Enter lets a customer open the chat through a link with the parameter, or "". A customer who was not greeted
// within 48 hours and has not written may be greeted: then there is a welcome_code, which is returned.
func (n *Network) Enter(account, customer, param string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.chatOf(account, customer)
	e := map[string]any{
		"event_type": "enter_session", "open_kfid": account, "external_userid": customer, "scene": "hutong", "scene_param": param,
	}
	code := ""
	if c.lastIn.IsZero() && n.now().Sub(c.welcomed) > 48*time.Hour {
		code = n.code(c, 20*time.Second, "text msgmenu")
		e["welcome_code"] = code
	}
	n.tell(c, 4, "event", e)
	return code
}

// code makes a code for one message; n.mu is held.
func (n *Network) code(c *chat, life time.Duration, kinds string) string {
	code := n.id("CODE")
	n.codes[code] = &eventCode{chat: c, end: n.now().Add(life), kinds: kinds}
	return code
}

// Recall lets a customer take a message back.
func (n *Network) Recall(account, customer, msg string) {
	n.event(account, customer, map[string]any{"event_type": "user_recall_msg", "recall_msgid": msg})
}

// GiveBack lets a message that was accepted not arrive after all.
func (n *Network) GiveBack(account, customer, msg string, failType int) {
	n.event(account, customer, map[string]any{"event_type": "msg_send_fail", "fail_msgid": msg, "fail_type": failType})
}

// Reject lets a servicer refuse a customer's messages, or not.
func (n *Network) Reject(account, customer, servicer string, on int) {
	n.event(account, customer, map[string]any{"event_type": "reject_customer_msg_switch_change", "servicer_userid": servicer, "reject_switch": on})
}

func (n *Network) event(account, customer string, e map[string]any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e["open_kfid"], e["external_userid"] = account, customer
	n.tell(n.chatOf(account, customer), 4, "event", e)
}

// Take lets a servicer take a session from the pool, with a code for one message.
func (n *Network) Take(account, customer, servicer string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.chatOf(account, customer)
	c.state, c.servicer = 3, servicer
	n.tell(c, 4, "event", map[string]any{
		"event_type": "session_status_change", "open_kfid": account, "external_userid": customer, "change_type": 1,
		"new_servicer_userid": servicer, "msg_code": n.code(c, 48*time.Hour, "text"),
	})
}

// End lets the servicer end a session, with a code for one message.
func (n *Network) End(account, customer string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.chatOf(account, customer)
	old := c.servicer
	c.state, c.servicer = 4, ""
	n.tell(c, 4, "event", map[string]any{
		"event_type": "session_status_change", "open_kfid": account, "external_userid": customer, "change_type": 3,
		"old_servicer_userid": old, "msg_code": n.code(c, 20*time.Second, "text msgmenu"),
	})
}

// SetState changes a session without an event, as the console's rules do.
func (n *Network) SetState(account, customer string, state int, servicer string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.chatOf(account, customer)
	c.state, c.servicer = state, servicer
}

// State is the state of a session.
func (n *Network) State(account, customer string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.chatOf(account, customer).state
}

// ServicerSays lets the person who has the session write in WeCom.
func (n *Network) ServicerSays(account, customer, servicer, text string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.chatOf(account, customer)
	c.state, c.servicer = 3, servicer
	id := n.tell(c, 5, "text", map[string]any{"content": text})
	c.lines = append(c.lines, Line{ID: id, Kind: "text", Text: text})
	return id
}

// Lines are what the customer sees, oldest first.
func (n *Network) Lines(account, customer string) []Line {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.chatOf(account, customer).lines)
}
