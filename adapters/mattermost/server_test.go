package mattermost

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/adapters/adaptertest"
)

const (
	botToken  = "bot-t0ken-4m8x"
	bossToken = "boss-t0ken-9x2k" // of a person who may make bots, if the test says so
	botName   = "hutong.bot"
	teamName  = "acme"
)

// server is a Mattermost in memory. It refuses what a real 9.10 was seen to refuse, in the same words.
type server struct {
	url string

	mu       sync.Mutex
	clock    int64
	lastID   int
	bot      *model.User
	team     *model.Team
	boss     *model.User
	as       string            // who calls
	tokens   map[string]string // whose they are
	pictures map[string]int    // bytes, by user
	users    map[string]*model.User
	inTeam   map[string]bool
	channels map[string]*channel
	posts    map[string]*model.Post
	pending  map[string]string
	uploads  map[string]*upload
	commands []*model.Command
	actions  map[string]map[string]*model.PostActionIntegration // by post and action
	hints    []hint
	typed    map[string]int
	viewed   map[string]int64 // when the other members last saw a channel
	conns    map[string]*wsConn
	trouble  adaptertest.Trouble
	calls    map[string]int // by method and pattern

	lacks    []string // permissions that the bot has not, though every member has
	extra    []string // permissions of the bot beyond a member's
	bossMay  []string // permissions of the person whose token makes bots
	noNames  bool     // EnablePostUsernameOverride is false
	restores bool
	maxFile  int64
	drop     func(event string, post *model.Post) bool // an event that is lost though its number is used
	gap      func()                                    // what happens while the next connection is resumed
	between  bool                                      // it happens now
}

type channel struct {
	*model.Channel
	members []string
	order   []string // posts, oldest first
}

type upload struct {
	info *model.FileInfo
	data []byte
	post string
}

type hint struct {
	user string
	post *model.Post
}

func newServer(t testing.TB) *server {
	t.Helper()
	s := &server{
		clock: time.Now().UnixMilli(), users: map[string]*model.User{}, inTeam: map[string]bool{}, channels: map[string]*channel{},
		posts: map[string]*model.Post{}, pending: map[string]string{}, uploads: map[string]*upload{}, typed: map[string]int{}, viewed: map[string]int64{},
		actions: map[string]map[string]*model.PostActionIntegration{}, conns: map[string]*wsConn{}, calls: map[string]int{},
		maxFile: 100 << 20, tokens: map[string]string{}, pictures: map[string]int{},
	}
	s.team = &model.Team{Id: s.id(), Name: teamName, Type: "O"}
	s.bot = s.user(botName)
	s.bot.IsBot = true
	s.boss = s.user("boss.of.bots")
	s.boss.Roles = "system_user boss"
	s.tokens[botToken], s.tokens[bossToken] = s.bot.Id, s.boss.Id
	srv := httptest.NewServer(s.routes())
	t.Cleanup(srv.Close)
	t.Cleanup(s.cut)
	s.url = srv.URL
	return s
}

// id makes what the server calls things: 26 letters and digits.
func (s *server) id() string {
	s.lastID++
	return fmt.Sprintf("%s%06d", "abcdefghijkmnopqrstu", s.lastID)[:26]
}

// now is the server's clock: no two things happen at the same time.
func (s *server) now() int64 {
	s.clock = max(s.clock+1, time.Now().UnixMilli())
	return s.clock
}

func (s *server) user(name string) *model.User {
	u := &model.User{Id: s.id(), Username: name, Email: name + "@acme.example", Roles: "system_user"}
	s.users[u.Id] = u
	s.inTeam[u.Id] = true
	return u
}

// newChannel makes a channel; s.mu is held.
func (s *server) newChannel(name, title, typ, creator string, members ...string) *channel {
	c := &channel{Channel: &model.Channel{
		Id: s.id(), TeamId: s.team.Id, Name: name, DisplayName: title, Type: model.ChannelType(typ), CreatorId: creator, CreateAt: s.now(),
	}, members: members}
	s.channels[c.Id] = c
	return c
}

// refuse answers as the server does when it does not do something.
func refuse(status int, id, message string) *model.AppError {
	return &model.AppError{Id: id, Message: message, StatusCode: status}
}

func forbidden() *model.AppError {
	return refuse(403, "api.context.permissions.app_error", "You do not have the appropriate permissions.")
}

func notFound() *model.AppError {
	return refuse(404, "app.post.get.app_error", "Unable to get the post.")
}

// handler does a call; s.mu is held.
type handler func(r *http.Request, body []byte) (any, *model.AppError)

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	add := func(pattern string, h handler) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" /api/v4"+path, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, pattern, h) })
	}
	for pattern, h := range s.reads() {
		add(pattern, h)
	}
	for pattern, h := range s.writes() {
		add(pattern, h)
	}
	mux.HandleFunc("GET /api/v4/websocket", s.websocket)
	mux.HandleFunc("GET /api/v4/files/{id}", s.download)
	return mux
}

// asks are calls by POST that change nothing.
func asks(pattern string) bool {
	return strings.HasPrefix(pattern, "GET ") || pattern == "POST /roles/names" || pattern == "POST /posts/ids"
}

func (s *server) serve(w http.ResponseWriter, r *http.Request, pattern string, h handler) {
	limit := int64(300_000)
	if pattern == "POST /files" {
		limit = 200 << 20
	}
	body := readAll(http.MaxBytesReader(w, r.Body, limit))
	s.mu.Lock()
	trouble := s.trouble
	if asks(pattern) && trouble != adaptertest.Revoked {
		trouble = adaptertest.Calm
	}
	s.calls[pattern]++
	s.as = s.caller(r)
	if trouble == adaptertest.Revoked || s.as == "" {
		s.mu.Unlock()
		reply(w, nil, refuse(401, "api.context.session_expired.app_error", "Invalid or expired session, please login again."))
		return
	}
	switch trouble { //nolint:exhaustive // the others are no trouble here
	case adaptertest.Busy:
		s.mu.Unlock()
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte("limit exceeded"))
		return
	case adaptertest.Broken:
		s.mu.Unlock()
		reply(w, nil, refuse(500, "app.post.save.app_error", "Unable to save the Post."))
		return
	}
	var v any
	no := refuse(400, "api.context.invalid_body_param.app_error", "Invalid or missing body.")
	if body != nil {
		v, no = h(r, body)
	}
	if no == nil {
		v = json.RawMessage(encode(v)) // before it changes
	}
	s.mu.Unlock()
	switch trouble { //nolint:exhaustive // the others are no trouble here
	case adaptertest.Lost:
		panic(http.ErrAbortHandler)
	case adaptertest.Slow:
		<-r.Context().Done()
	}
	reply(w, v, no)
}

func reply(w http.ResponseWriter, v any, no *model.AppError) {
	w.Header().Set("Content-Type", "application/json")
	if no != nil {
		w.WriteHeader(no.StatusCode)
		v = map[string]any{"id": no.Id, "message": no.Message, "status_code": no.StatusCode}
	}
	_ = json.NewEncoder(w).Encode(v)
}

func (s *server) me(id string) string {
	if id == "me" {
		return s.as
	}
	return id
}

// mine is a channel of which the caller is a member.
func (s *server) mine(id string) (*channel, *model.AppError) {
	c := s.channels[id]
	if c == nil || !slices.Contains(c.members, s.as) {
		return nil, forbidden()
	}
	return c, nil
}

func (s *server) found(match func(u *model.User) bool) (any, *model.AppError) {
	for _, u := range s.users {
		if match(u) {
			return u, nil
		}
	}
	return nil, refuse(404, "app.user.missing_account.const", "Unable to find the user.")
}

func (s *server) permissions() []string {
	if s.as == s.boss.Id {
		return s.bossMay
	}
	return slices.DeleteFunc(append([]string{
		"create_private_channel", "manage_private_channel_properties", "manage_private_channel_members", "create_post",
		"edit_post", "delete_post", "upload_file", "add_reaction", "remove_reaction", "create_direct_channel",
	}, s.extra...), func(p string) bool { return slices.Contains(s.lacks, p) })
}

func (s *server) may(p string) bool { return slices.Contains(s.permissions(), p) }

func (s *server) reads() map[string]handler {
	return map[string]handler{
		"GET /users/{id}": func(r *http.Request, _ []byte) (any, *model.AppError) {
			return s.found(func(u *model.User) bool { return u.Id == s.me(r.PathValue("id")) })
		},
		"GET /users/{id}/{of}": s.ofUser,
		"GET /teams/{team}/members/{user}": func(r *http.Request, _ []byte) (any, *model.AppError) {
			if id := s.me(r.PathValue("user")); s.inTeam[id] {
				return &model.TeamMember{TeamId: s.team.Id, UserId: id, Roles: "team_user"}, nil
			}
			return nil, refuse(404, "app.team.get_member.missing.app_error", "No team member found for that user ID and team ID.")
		},
		"POST /roles/names": func(*http.Request, []byte) (any, *model.AppError) {
			return []*model.Role{{Name: "channel_user", Permissions: s.permissions()}}, nil
		},
		"GET /config/client": func(r *http.Request, _ []byte) (any, *model.AppError) {
			if r.FormValue("format") != "old" {
				return nil, refuse(400, "api.config.client.old_format.app_error", "New format for the client configuration is not supported yet.")
			}
			return map[string]string{
				"EnablePostUsernameOverride": fmt.Sprint(!s.noNames), "EnablePostIconOverride": "true",
				"EnableBotAccountCreation": "true", "TeammateNameDisplay": "full_name", "MaxFileSize": fmt.Sprint(s.maxFile), "SiteURL": s.url,
			}, nil
		},
		"GET /channels/{id}": func(r *http.Request, _ []byte) (any, *model.AppError) {
			c, no := s.mine(r.PathValue("id"))
			if no != nil {
				return nil, no
			}
			return c.Channel, nil
		},
		"GET /teams/{team}/channels/name/{name}": func(r *http.Request, _ []byte) (any, *model.AppError) {
			for _, c := range s.channels {
				if c.Name == r.PathValue("name") && slices.Contains(c.members, s.bot.Id) && (c.DeleteAt == 0 || r.FormValue("include_deleted") == "true") {
					return c.Channel, nil
				}
			}
			return nil, refuse(404, "app.channel.get_by_name.missing.app_error", "Channel does not exist.")
		},
		"GET /channels/{id}/members/{user}": func(r *http.Request, _ []byte) (any, *model.AppError) {
			c, no := s.mine(r.PathValue("id"))
			if no != nil {
				return nil, no
			}
			return &model.ChannelMember{ChannelId: c.Id, UserId: r.PathValue("user"), LastViewedAt: s.viewed[c.Id]}, nil
		},
		"POST /posts/ids": s.byIDs,
		"GET /channels/{id}/pinned": func(r *http.Request, _ []byte) (any, *model.AppError) {
			return s.list(r, func(p *model.Post) bool { return p.IsPinned && p.DeleteAt == 0 })
		},
		"GET /channels/{id}/posts": s.listPosts,
		"GET /posts/{id}": func(r *http.Request, _ []byte) (any, *model.AppError) {
			p := s.posts[r.PathValue("id")]
			if p == nil || p.DeleteAt != 0 {
				return nil, notFound()
			}
			if _, no := s.mine(p.ChannelId); no != nil {
				return nil, no
			}
			return s.shown(p), nil
		},
		"GET /posts/{id}/reactions": func(r *http.Request, _ []byte) (any, *model.AppError) {
			p := s.posts[r.PathValue("id")]
			if p == nil {
				return nil, forbidden()
			}
			return p.Metadata.Reactions, nil
		},
		"GET /commands": func(*http.Request, []byte) (any, *model.AppError) {
			if !s.may("manage_slash_commands") {
				return nil, forbidden()
			}
			return s.commands, nil
		},
	}
}

// ofUser answers what ServeMux cannot tell apart: /users/username/NAME and /users/ID/teams.
func (s *server) ofUser(r *http.Request, _ []byte) (any, *model.AppError) {
	id, of := r.PathValue("id"), r.PathValue("of")
	switch {
	case id == "username":
		return s.found(func(u *model.User) bool { return u.Username == of })
	case id == "email":
		return s.found(func(u *model.User) bool { return u.Email == of })
	case of == "teams" && s.inTeam[s.bot.Id]:
		return []*model.Team{s.team}, nil
	case of == "teams":
		return []*model.Team{}, nil
	case of != "channels":
		return nil, refuse(404, "api.context.404.app_error", "Sorry, we could not find the page.")
	}
	var out []*model.Channel
	for _, c := range s.channels {
		if slices.Contains(c.members, s.bot.Id) && c.DeleteAt == 0 {
			out = append(out, c.Channel)
		}
	}
	return out, nil
}

func (s *server) byIDs(_ *http.Request, body []byte) (any, *model.AppError) {
	var ids []string
	_ = json.Unmarshal(body, &ids)
	var out []*model.Post
	for _, id := range ids {
		if p := s.posts[id]; p != nil {
			out = append(out, s.shown(p))
		}
	}
	return out, nil
}

// listPosts pages, or lists what is new or changed since, without order and a thousand at most.
func (s *server) listPosts(r *http.Request, _ []byte) (any, *model.AppError) {
	if since := r.FormValue("since"); since != "" {
		var ms int64
		_, _ = fmt.Sscan(since, &ms)
		out, no := s.list(r, func(p *model.Post) bool { return p.UpdateAt > ms })
		if l, ok := out.(*model.PostList); ok && len(l.Order) > sinceCap {
			l.Order = l.Order[len(l.Order)-sinceCap:] // the real one may leave out any: here the newest
		}
		return out, no
	}
	out, no := s.list(r, func(p *model.Post) bool { return p.DeleteAt == 0 })
	if no != nil {
		return nil, no
	}
	l := out.(*model.PostList)
	if before := r.FormValue("before"); before != "" {
		i := slices.Index(l.Order, before)
		l.Order = l.Order[i+1:]
	}
	n, page := 60, 0
	_, _ = fmt.Sscan(r.FormValue("per_page"), &n)
	_, _ = fmt.Sscan(r.FormValue("page"), &page)
	l.Order = l.Order[min(page*n, len(l.Order)):min((page+1)*n, len(l.Order))]
	return l, nil
}

// list lists posts of a channel, newest first.
func (s *server) list(r *http.Request, fits func(p *model.Post) bool) (any, *model.AppError) {
	c, no := s.mine(r.PathValue("id"))
	if no != nil {
		return nil, no
	}
	l := model.NewPostList()
	for _, id := range slices.Backward(c.order) {
		if p := s.posts[id]; fits(p) {
			l.Order = append(l.Order, id)
			l.Posts[id] = s.shown(p)
		}
	}
	return l, nil
}

// shown is a post as clients get it: what buttons call is taken away; a deleted one is empty.
func (s *server) shown(p *model.Post) *model.Post {
	out := p.Clone()
	props := maps.Clone(p.GetProps())
	out.SetProps(props)
	if p.DeleteAt != 0 {
		out.Message = ""
	}
	meta := *p.Metadata
	meta.Reactions = slices.Clone(meta.Reactions)
	out.Metadata = &meta
	slices.Sort(out.FileIds) // the order is lost; that of the metadata is not
	return out
}

// caller is who calls; "" is nobody.
func (s *server) caller(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return s.tokens[token]
}
