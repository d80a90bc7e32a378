package wecomtest

import (
	"encoding/json"
	"strings"
)

// User is a member of the corp.
type User struct {
	ID, Name, Mobile, Email string
	Status                  int  // 1 active, 2 disabled, 4 not activated, 5 left; 0 is 1
	Hidden                  bool // the app may not see or reach them
	Unlicensed              bool // no licence for the API
}

// AddUser adds or replaces a member.
func (s *Server) AddUser(u User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.Status == 0 {
		u.Status = 1
	}
	s.users[strings.ToLower(u.ID)] = &u
}

// RemoveUser deletes a member, or gives them another userid if renamed is not "".
func (s *Server) RemoveUser(id, renamed string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.users[strings.ToLower(id)]
	delete(s.users, strings.ToLower(id))
	if u != nil && renamed != "" {
		u.ID = renamed
		s.users[strings.ToLower(renamed)] = u
		s.inboxes[strings.ToLower(renamed)] = s.inboxes[strings.ToLower(id)]
	}
}

func (s *Server) agentGet(c *call) (obj, *refusal) {
	if c.q.Get("agentid") != itoa(s.opts.AgentID) {
		return nil, refuse(301002, "not allow to operate another agent with this accesstoken")
	}
	var seen []obj
	for _, u := range s.users {
		if !u.Hidden {
			seen = append(seen, obj{"userid": u.ID})
		}
	}
	return obj{"agentid": s.opts.AgentID, "name": s.opts.AppName, "allow_userinfos": obj{"user": seen}, "close": 0}, nil
}

func (s *Server) userGet(c *call) (obj, *refusal) {
	u := s.users[strings.ToLower(c.q.Get("userid"))]
	switch {
	case u == nil:
		return nil, refuse(60111, "userid not found")
	case u.Hidden:
		return nil, refuse(60011, "no privilege to access/modify contact/party/agent")
	}
	return obj{"userid": u.ID, "name": u.Name, "department": []int{1}, "gender": "0", "status": u.Status, "extattr": obj{"attrs": []obj{}}}, nil
}

func (s *Server) userByMobile(c *call) (obj, *refusal) {
	var in struct{ Mobile string }
	if no := s.read("user/getuserid", c.body, &in); no != nil {
		return nil, no
	}
	return s.userBy(func(u *User) bool { return in.Mobile != "" && u.Mobile == in.Mobile })
}

func (s *Server) userByEmail(c *call) (obj, *refusal) {
	var in struct {
		Email string `json:"email"`
		Type  int    `json:"email_type"`
	}
	if no := s.read("user/get_userid_by_email", c.body, &in); no != nil {
		return nil, no
	}
	return s.userBy(func(u *User) bool { return in.Email != "" && u.Email == in.Email && in.Type == 1 })
}

func (s *Server) userBy(fits func(*User) bool) (obj, *refusal) {
	for _, u := range s.users {
		if fits(u) {
			return obj{"userid": u.ID}, nil
		}
	}
	return nil, refuse(46004, "user no exist")
}

// Limits of menus: https://developer.work.weixin.qq.com/document/path/90231
type menuButton struct {
	Type string       `json:"type"`
	Name string       `json:"name"`
	Key  string       `json:"key"`
	URL  string       `json:"url"`
	Sub  []menuButton `json:"sub_button"`
}

func (s *Server) menuGet(*call) (obj, *refusal) {
	if s.menu == nil {
		return nil, refuse(46003, "menu no exist")
	}
	var m struct {
		Button []obj `json:"button"`
	}
	_ = json.Unmarshal(s.menu, &m)
	return obj{"button": m.Button}, nil
}

func (s *Server) menuCreate(c *call) (obj, *refusal) {
	var in struct {
		Button []menuButton `json:"button"`
	}
	if no := s.read("menu/create", c.body, &in); no != nil {
		return nil, no
	}
	if c.q.Get("agentid") != itoa(s.opts.AgentID) {
		return nil, refuse(40056, "invalid agentid")
	}
	if len(in.Button) < 1 || len(in.Button) > 3 {
		return nil, refuse(40017, "invalid button size")
	}
	for _, b := range in.Button {
		if no := b.check(16); no != nil {
			return nil, no
		}
		if len(b.Sub) > 5 {
			return nil, refuse(40023, "invalid sub button size")
		}
		for _, sub := range b.Sub {
			if no := sub.check(40); no != nil {
				return nil, no
			}
		}
	}
	s.menu = c.body
	return nil, nil
}

func (b menuButton) check(limit int) *refusal {
	switch {
	case b.Name == "" || len(b.Name) > limit:
		return refuse(40018, "invalid button name size")
	case len(b.Sub) > 0:
		return nil
	case b.Type == "click" && (b.Key == "" || len(b.Key) > 128):
		return refuse(40019, "invalid button key size")
	case b.Type == "view" && (b.URL == "" || len(b.URL) > 1024):
		return refuse(40020, "invalid button url size")
	case b.Type != "click" && b.Type != "view":
		return refuse(40016, "invalid button type")
	}
	return nil
}

// Menu is the app's menu as it was last made, in JSON; "" is none.
func (s *Server) Menu() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.menu)
}
