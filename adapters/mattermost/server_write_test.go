package mattermost

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mattermost/mattermost/server/public/model"
)

func readAll(r io.Reader) []byte {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil
	}
	return append([]byte{}, b...)
}

var channelName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}[a-z0-9]$`)

func (s *server) writes() map[string]handler {
	return map[string]handler{
		"POST /channels":              s.createChannel,
		"POST /channels/{id}/members": s.addMember,
		"POST /channels/{id}/restore": s.restore,
		"POST /channels/direct":       s.direct,
		"PUT /channels/{id}/patch":    s.patchChannel,
		"POST /bots":                  s.createBot,
		"PUT /bots/{id}":              s.patchBot,
		"POST /users/{id}/tokens":     s.createToken,
		"POST /users/{id}/image":      s.portray,
		"POST /teams/{id}/members":    s.addToTeam,
		"POST /posts":                 s.createPost,
		"POST /posts/ephemeral":       s.whisper,
		"PUT /posts/{id}/patch":       s.patch,
		"DELETE /posts/{id}":          s.deletePost,
		"POST /reactions":             s.react,
		"POST /users/{id}/typing":     s.typing,
		"POST /files":                 s.upload,
		"POST /commands":              s.createCommand,
		"PUT /commands/{id}":          s.createCommand,
		"DELETE /users/{user}/posts/{post}/reactions/{emoji}": s.unreact,
	}
}

func (s *server) createChannel(_ *http.Request, body []byte) (any, *model.AppError) {
	var c model.Channel
	if json.Unmarshal(body, &c) != nil || !channelName.MatchString(c.Name) || c.DisplayName == "" ||
		utf8.RuneCountInString(c.DisplayName) > 64 || utf8.RuneCountInString(c.Header) > 1024 || c.TeamId != s.team.Id {
		return nil, refuse(400, "model.channel.is_valid.name.app_error", "Invalid channel.")
	}
	for _, old := range s.channels {
		if old.Name == c.Name {
			return nil, refuse(400, "store.sql_channel.save_channel.exists.app_error", "A channel with that name already exists on the same team.")
		}
	}
	made := s.newChannel(c.Name, c.DisplayName, string(c.Type), s.bot.Id, s.bot.Id)
	made.Header = c.Header
	return made.Channel, nil
}

func (s *server) addMember(r *http.Request, body []byte) (any, *model.AppError) {
	c, no := s.mine(r.PathValue("id"))
	if no != nil {
		return nil, no
	}
	var in struct {
		UserID string `json:"user_id"`
	}
	_ = json.Unmarshal(body, &in)
	u := s.users[in.UserID]
	switch {
	case u == nil || !s.inTeam[u.Id]:
		return nil, refuse(404, "app.team.get_member.missing.app_error", "No team member found for that user ID and team ID.")
	case u.DeleteAt != 0:
		return nil, refuse(403, "app.channel.add_member.deleted_user.app_error", "Unable to add the user as a member of the channel.")
	case !slices.Contains(c.members, u.Id):
		c.members = append(c.members, u.Id)
		s.put(&model.Post{ChannelId: c.Id, UserId: s.bot.Id, Type: model.PostTypeAddToChannel, Message: u.Username + " added to the channel."})
	}
	return &model.ChannelMember{ChannelId: c.Id, UserId: u.Id}, nil
}

func (s *server) restore(r *http.Request, _ []byte) (any, *model.AppError) {
	c, no := s.mine(r.PathValue("id"))
	if no != nil || !s.restores {
		return nil, forbidden()
	}
	c.DeleteAt = 0
	return c.Channel, nil
}

func (s *server) direct(_ *http.Request, body []byte) (any, *model.AppError) {
	var two []string
	if json.Unmarshal(body, &two) != nil || len(two) != 2 || two[0] != s.bot.Id || s.users[two[1]] == nil || !s.may("create_direct_channel") {
		return nil, forbidden()
	}
	name := model.GetDMNameFromIds(two[0], two[1])
	for _, c := range s.channels {
		if c.Name == name {
			return c.Channel, nil
		}
	}
	return s.newChannel(name, "", "D", s.bot.Id, two...).Channel, nil
}

// createPost is strict about everything that the real server is.
func (s *server) createPost(_ *http.Request, body []byte) (any, *model.AppError) {
	var p model.Post
	if json.Unmarshal(body, &p) != nil {
		return nil, refuse(400, "api.context.invalid_body_param.app_error", "Invalid or missing post.")
	}
	c, no := s.mine(p.ChannelId)
	if no != nil {
		return nil, no
	}
	old := s.pending[p.PendingPostId]
	switch {
	case p.RootId != "" && (s.posts[p.RootId] == nil || s.posts[p.RootId].DeleteAt != 0 || s.posts[p.RootId].ChannelId != c.Id):
		return nil, refuse(400, "api.post.create_post.root_id.app_error", "Invalid RootId parameter.")
	case p.Id != "":
		return nil, refuse(400, "api.context.invalid_body_param.app_error", "A post cannot choose its id.")
	case c.DeleteAt != 0:
		return nil, refuse(400, "api.post.create_post.can_not_post_to_deleted.error", "Can not post to deleted channel.")
	case utf8.RuneCountInString(p.Message) > 16383:
		return nil, refuse(400, "model.post.is_valid.msg.app_error", "Invalid message.")
	case len(p.FileIds) > 10:
		return nil, refuse(400, "model.post.is_valid.file_ids.app_error", "Too many files.")
	case p.PendingPostId != "" && old != "":
		return s.shown(s.posts[old]), nil
	}
	p.UserId = s.as
	if s.users[s.as].IsBot {
		p.AddProp(model.PostPropsFromBot, "true")
	}
	made := s.put(&p)
	if p.PendingPostId != "" {
		s.pending[p.PendingPostId] = made.Id
	}
	return s.shown(made), nil
}

// put shows a post in its channel; s.mu is held.
func (s *server) put(p *model.Post) *model.Post {
	c := s.channels[p.ChannelId]
	p.Id, p.CreateAt = s.id(), s.now()
	p.UpdateAt, c.LastPostAt = p.CreateAt, p.CreateAt
	p.Metadata = &model.PostMetadata{}
	ids := p.FileIds
	p.FileIds = nil
	for _, id := range ids {
		if f := s.uploads[id]; f != nil && f.post == "" && f.info.CreatorId == p.UserId { // others are dropped silently
			f.post = p.Id
			p.FileIds = append(p.FileIds, id)
			p.Metadata.Files = append(p.Metadata.Files, f.info)
		}
	}
	s.posts[p.Id] = p
	c.order = append(c.order, p.Id)
	s.hideActions(p)
	s.tell(c, model.WebsocketEventPosted, map[string]any{"channel_type": c.Type, "sender_name": "@" + s.users[p.UserId].Username}, p)
	return p
}

// hideActions keeps what the buttons of a post call, which no client gets to see.
func (s *server) hideActions(p *model.Post) {
	cards := p.Attachments()
	if len(cards) == 0 {
		return
	}
	s.actions[p.Id] = map[string]*model.PostActionIntegration{}
	for _, card := range cards {
		for _, b := range card.Actions {
			s.actions[p.Id][b.Id] = b.Integration
			b.Integration = nil
		}
	}
	p.AddProp("attachments", cards)
}

func (s *server) whisper(_ *http.Request, body []byte) (any, *model.AppError) {
	var in model.PostEphemeral
	if json.Unmarshal(body, &in) != nil || in.Post == nil || !s.may("create_post_ephemeral") {
		return nil, forbidden()
	}
	if _, no := s.mine(in.Post.ChannelId); no != nil {
		return nil, no
	}
	if r := s.posts[in.Post.RootId]; in.Post.RootId != "" && (r == nil || r.ChannelId != in.Post.ChannelId) {
		return nil, refuse(400, "api.post.create_post.root_id.app_error", "Invalid RootId parameter.")
	}
	in.Post.Id = s.id()
	s.hideActions(in.Post) // they are in a cookie, really
	s.hints = append(s.hints, hint{in.UserID, in.Post})
	return in.Post, nil
}

// own is a post that the caller may change.
func (s *server) own(id string) (*model.Post, *model.AppError) {
	p := s.posts[id]
	if p == nil || p.DeleteAt != 0 || p.UserId != s.as {
		return nil, forbidden()
	}
	return p, nil
}

func (s *server) patch(r *http.Request, body []byte) (any, *model.AppError) {
	p, no := s.own(r.PathValue("id"))
	if no != nil {
		return nil, no
	}
	var in model.PostPatch
	if json.Unmarshal(body, &in) != nil || in.Message == nil || utf8.RuneCountInString(*in.Message) > 16383 {
		return nil, refuse(400, "model.post.is_valid.msg.app_error", "Invalid message.")
	}
	s.edit(p, *in.Message)
	return s.shown(p), nil
}

func (s *server) edit(p *model.Post, text string) {
	p.Message, p.EditAt = text, s.now()
	p.UpdateAt = p.EditAt
	s.tell(s.channels[p.ChannelId], model.WebsocketEventPostEdited, nil, p)
}

func (s *server) deletePost(r *http.Request, _ []byte) (any, *model.AppError) {
	p, no := s.own(r.PathValue("id"))
	if no != nil {
		return nil, no
	}
	s.remove(p)
	return map[string]string{"status": "OK"}, nil
}

func (s *server) remove(p *model.Post) {
	gone := p.Clone() // the event has the text
	p.DeleteAt = s.now()
	p.UpdateAt = p.DeleteAt
	gone.DeleteAt, gone.UpdateAt = p.DeleteAt, p.UpdateAt
	s.tell(s.channels[p.ChannelId], model.WebsocketEventPostDeleted, nil, gone)
}

func (s *server) react(_ *http.Request, body []byte) (any, *model.AppError) {
	var re model.Reaction
	_ = json.Unmarshal(body, &re)
	p := s.posts[re.PostId]
	switch {
	case re.UserId != s.as || p == nil:
		return nil, forbidden()
	case p.DeleteAt != 0:
		return nil, notFound()
	case model.SystemEmojis[re.EmojiName] == "":
		return nil, refuse(404, "app.emoji.get_by_name.no_result", "We couldn't find the emoji.")
	}
	return s.mark(p, re.UserId, re.EmojiName, true), nil
}

func (s *server) unreact(r *http.Request, _ []byte) (any, *model.AppError) {
	p := s.posts[r.PathValue("post")]
	if p == nil || r.PathValue("user") != s.as {
		return nil, forbidden()
	}
	s.mark(p, s.as, r.PathValue("emoji"), false)
	return map[string]string{"status": "OK"}, nil
}

// mark puts a reaction on a post or takes it away; the event of the latter lacks the channel.
func (s *server) mark(p *model.Post, user, emoji string, on bool) *model.Reaction {
	re := &model.Reaction{UserId: user, PostId: p.Id, EmojiName: emoji, CreateAt: s.now(), ChannelId: p.ChannelId}
	re.UpdateAt = re.CreateAt
	p.UpdateAt = re.CreateAt
	p.Metadata.Reactions = slices.DeleteFunc(p.Metadata.Reactions, func(o *model.Reaction) bool { return o.UserId == user && o.EmojiName == emoji })
	event := model.WebsocketEventReactionRemoved
	if on {
		event = model.WebsocketEventReactionAdded
		p.Metadata.Reactions = append(p.Metadata.Reactions, re)
	}
	told := *re
	if !on {
		told.ChannelId = ""
	}
	b, _ := json.Marshal(told)
	s.tell(s.channels[p.ChannelId], event, map[string]any{"reaction": string(b)}, nil)
	return re
}

func (s *server) typing(r *http.Request, body []byte) (any, *model.AppError) {
	var in model.TypingRequest
	_ = json.Unmarshal(body, &in)
	if _, no := s.mine(in.ChannelId); no != nil || s.me(r.PathValue("id")) != s.as {
		return nil, forbidden()
	}
	s.typed[in.ChannelId+in.ParentId]++
	return map[string]string{"status": "OK"}, nil
}

func (s *server) upload(r *http.Request, body []byte) (any, *model.AppError) {
	name := r.URL.Query().Get("filename")
	c, no := s.mine(r.URL.Query().Get("channel_id"))
	switch {
	case no != nil:
		return nil, no
	case name == "" || strings.ContainsAny(name, "/\\"):
		return nil, refuse(400, "api.file.upload_file.incorrect_filename.app_error", "Invalid file name.")
	case int64(len(body)) > s.maxFile:
		return nil, refuse(413, "api.file.upload_file.too_large_detailed.app_error", "Unable to upload the file.")
	}
	f := s.store(s.as, c.Id, name, "", body)
	return &model.FileUploadResponse{FileInfos: []*model.FileInfo{f}}, nil
}

func (s *server) store(user, channel, name, typ string, data []byte) *model.FileInfo {
	f := &model.FileInfo{Id: s.id(), CreatorId: user, ChannelId: channel, Name: name, MimeType: typ, Size: int64(len(data))}
	s.uploads[f.Id] = &upload{info: f, data: data}
	return f
}

func (s *server) download(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	f, as := s.uploads[r.PathValue("id")], s.caller(r)
	s.mu.Unlock()
	if as == "" || f == nil {
		reply(w, nil, refuse(404, "app.file_info.get.app_error", "Unable to get the file info."))
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(f.data)
}

func (s *server) createCommand(r *http.Request, body []byte) (any, *model.AppError) {
	var c model.Command
	if json.Unmarshal(body, &c) != nil || !s.may("manage_slash_commands") {
		return nil, forbidden()
	}
	for i, old := range s.commands {
		if old.Id == r.PathValue("id") {
			s.commands[i] = &c
			return &c, nil
		}
		if old.Trigger == c.Trigger {
			return nil, refuse(400, "api.command.duplicate_trigger.app_error", "This trigger word is already in use.")
		}
	}
	c.Id, c.Token = s.id(), s.id()
	s.commands = append(s.commands, &c)
	return &c, nil
}

func (s *server) patchChannel(r *http.Request, body []byte) (any, *model.AppError) {
	c, no := s.mine(r.PathValue("id"))
	var in model.ChannelPatch
	if no != nil || json.Unmarshal(body, &in) != nil || in.DisplayName == nil || !s.may("manage_private_channel_properties") {
		return nil, forbidden()
	}
	if n := utf8.RuneCountInString(*in.DisplayName); n == 0 || n > 64 {
		return nil, refuse(400, "model.channel.is_valid.display_name.app_error", "Invalid display name.")
	}
	c.DisplayName = *in.DisplayName
	s.put(&model.Post{ChannelId: c.Id, UserId: s.as, Type: model.PostTypeDisplaynameChange, Message: "updated the channel display name"})
	return c.Channel, nil
}

// No bot may make bots, whatever its roles.
func (s *server) createBot(_ *http.Request, body []byte) (any, *model.AppError) {
	var b model.Bot
	bad := json.Unmarshal(body, &b) != nil
	b.OwnerId = s.as
	switch {
	case bad || !s.may("create_bot") || s.users[s.as].IsBot:
		return nil, forbidden()
	case b.IsValidCreate() != nil:
		return nil, refuse(400, "model.bot.is_valid.username.app_error", "Invalid bot.")
	}
	for _, u := range s.users {
		if u.Username == b.Username {
			return nil, refuse(400, "app.user.save.username_exists.app_error", "An account with that username already exists.")
		}
	}
	u := s.user(b.Username)
	s.inTeam[u.Id] = false
	u.IsBot, u.FirstName = true, b.DisplayName
	b.UserId = u.Id
	return b, nil
}

func (s *server) patchBot(r *http.Request, body []byte) (any, *model.AppError) {
	var in model.BotPatch
	u := s.users[r.PathValue("id")]
	if json.Unmarshal(body, &in) != nil || u == nil || !s.may("manage_bots") {
		return nil, forbidden()
	}
	if in.DisplayName != nil {
		u.FirstName = *in.DisplayName
	}
	return model.Bot{UserId: u.Id, Username: u.Username, DisplayName: u.FirstName}, nil
}

func (s *server) createToken(r *http.Request, body []byte) (any, *model.AppError) {
	var t model.UserAccessToken
	u := s.users[r.PathValue("id")]
	if json.Unmarshal(body, &t) != nil || u == nil || t.Description == "" || !s.may("create_user_access_token") || !s.may("manage_bots") {
		return nil, forbidden()
	}
	t.Id, t.UserId, t.Token = s.id(), u.Id, s.id()
	s.tokens[t.Token] = u.Id
	return t, nil
}

func (s *server) portray(r *http.Request, body []byte) (any, *model.AppError) {
	if !s.may("manage_bots") {
		return nil, forbidden()
	}
	s.pictures[r.PathValue("id")] = len(body)
	return map[string]string{"status": "OK"}, nil
}

func (s *server) addToTeam(_ *http.Request, body []byte) (any, *model.AppError) {
	var in model.TeamMember
	if json.Unmarshal(body, &in) != nil || s.users[in.UserId] == nil || in.TeamId != s.team.Id {
		return nil, forbidden()
	}
	s.inTeam[in.UserId] = true
	return in, nil
}

// tell brings an event to the bot, which is in the channel or not.
func (s *server) tell(c *channel, event model.WebsocketEventType, data map[string]any, p *model.Post) {
	if !slices.Contains(c.members, s.bot.Id) {
		return
	}
	data = maps.Clone(data)
	if data == nil {
		data = map[string]any{}
	}
	if p != nil {
		b, _ := json.Marshal(s.shown(p))
		if event == model.WebsocketEventPostDeleted {
			b, _ = json.Marshal(p)
		}
		data["post"] = string(b)
	}
	if s.between {
		return
	}
	lost := s.drop != nil && s.drop(string(event), p)
	for _, conn := range s.conns {
		conn.add(event, data, c.Id, lost)
	}
}
