package mattermost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/bridge"
)

// site is what there is to know of the server: who the bot is, its team, and what the server allows.
type site struct {
	me       *model.User
	team     *model.Team
	address  string // where people find the server
	host     string // of it
	names    bool   // a post may show another name than the bot's
	maxFile  int64  // bytes; 0 is not told
	whispers bool   // the bot may say something to one user alone in a channel
}

// known is the site, asked once and again after a change.
func (a *adapter) known(ctx context.Context) (*site, error) {
	a.mu.Lock()
	s := a.site
	a.mu.Unlock()
	if s != nil {
		return s, nil
	}
	s, err := a.survey(ctx)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.site = s
	return s, nil
}

func (a *adapter) changed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.site = nil
	clear(a.users)
}

func (a *adapter) survey(ctx context.Context) (*site, error) {
	me, err := call("ask who the bot is", func() (*model.User, *model.Response, error) { return a.api.GetMe(ctx, "") })
	if err != nil {
		return nil, err
	}
	teams, err := call("ask for the bot's teams", func() ([]*model.Team, *model.Response, error) { return a.api.GetTeamsForUser(ctx, me.Id, "") })
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(teams, func(t *model.Team) bool { return t.Name == a.cfg.Team })
	if i < 0 {
		return nil, bridge.Login(fmt.Errorf("@%s is not in the team %s: invite it there (team menu > Invite People), or correct team: in the config", me.Username, a.cfg.Team))
	}
	conf, err := a.settings(ctx)
	if err != nil {
		return nil, err
	}
	s := &site{me: me, team: teams[i], address: a.api.URL, host: a.host, names: conf["EnablePostUsernameOverride"] == "true", whispers: true}
	if u, err := url.Parse(conf["SiteURL"]); err == nil && u.Host != "" {
		s.address, s.host = strings.TrimRight(conf["SiteURL"], "/"), u.Host
	}
	s.maxFile, _ = strconv.ParseInt(conf["MaxFileSize"], 10, 64)
	return s, nil
}

// settings are what the server tells its clients. Client4's own call is refused by servers before 11.
func (a *adapter) settings(ctx context.Context) (map[string]string, error) {
	resp, err := a.api.DoAPIGet(ctx, "/config/client?format=old", "")
	if err != nil {
		return nil, fault("ask for the server's settings", err)
	}
	defer func() { _ = resp.Body.Close() }()
	var conf map[string]string
	if err := json.NewDecoder(resp.Body).Decode(&conf); err != nil {
		return nil, errors.New("ask for the server's settings: the answer is not what was expected; is url: the address of Mattermost?")
	}
	return conf, nil
}

// person is a user of the server.
type person struct {
	user *model.User
	as   bridge.UserID // what the config calls them; the id for somebody who is not in it
	at   time.Time
}

// personFor is how long a user's names are believed. Changes are told by an event, but not all reach a bot.
const personFor = 10 * time.Minute

// person finds a user by id.
func (a *adapter) person(ctx context.Context, id string) (*person, error) {
	a.mu.Lock()
	p, ok := a.users[id]
	a.mu.Unlock()
	if ok && a.now().Sub(p.at) < personFor {
		return p, nil
	}
	u, err := call("ask who a user is", func() (*model.User, *model.Response, error) { return a.api.GetUser(ctx, id, "") })
	if refused(err, http.StatusForbidden, http.StatusNotFound, http.StatusBadRequest) {
		u, err = &model.User{Id: id}, nil // deleted for good, or hidden
	}
	if err != nil {
		return nil, err
	}
	return a.meet(u), nil
}

func (a *adapter) meet(u *model.User) *person {
	p := &person{user: u, as: bridge.UserID(u.Id), at: a.now()}
	for _, m := range a.env.Lobby.Members() {
		if as, ok := m.Account(a.env.Name); ok && called(u, as) {
			p.as = as
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.users[u.Id] = p
	return p
}

// called reports whether the config means this user: by id, name or e-mail address.
func called(u *model.User, as bridge.UserID) bool {
	s := strings.ToLower(strings.TrimPrefix(string(as), "@"))
	return s == u.Id || s == u.Username || u.Email != "" && s == strings.ToLower(u.Email)
}

// user finds whom the config means.
func (a *adapter) user(ctx context.Context, as bridge.UserID) (*person, error) {
	s := strings.ToLower(strings.TrimPrefix(string(as), "@"))
	a.mu.Lock()
	for _, p := range a.users {
		if p.as == as && a.now().Sub(p.at) < personFor {
			a.mu.Unlock()
			return p, nil
		}
	}
	a.mu.Unlock()
	ask := a.api.GetUserByUsername
	switch {
	case model.IsValidId(s):
		ask = a.api.GetUser
	case strings.Contains(s, "@"):
		ask = a.api.GetUserByEmail
	}
	u, err := call("look for the user "+s, func() (*model.User, *model.Response, error) { return ask(ctx, s, "") })
	if refused(err, http.StatusNotFound, http.StatusBadRequest) {
		return nil, bridge.Permanent(fmt.Errorf("there is no user %s in Mattermost: correct accounts: in the config", s))
	}
	if err != nil {
		return nil, err
	}
	p := a.meet(u)
	if p.as != as { // the lobby does not know them: the caller does
		return &person{user: u, as: as, at: p.at}, nil
	}
	return p, nil
}

// needs are the permissions that the adapter cannot do without, and the role that has them in a new server.
func needs() map[string][]string {
	return map[string][]string{
		"Manage Private Channels > Create Channels":         {model.PermissionCreatePrivateChannel.Id},
		"Manage Private Channels > Manage Channel Settings": {model.PermissionManagePrivateChannelProperties.Id},
		"Manage Private Channels > Manage Members":          {model.PermissionManagePrivateChannelMembers.Id},
		"Create Posts":     {model.PermissionCreatePost.Id},
		"Edit Own Posts":   {model.PermissionEditPost.Id},
		"Delete Own Posts": {model.PermissionDeletePost.Id},
		"Upload Files":     {model.PermissionUploadFile.Id},
		"Post Reactions":   {model.PermissionAddReaction.Id, model.PermissionRemoveReaction.Id},
	}
}

// Probe asks the server whether everything is as it must be. What can be done without is told the first
// time only.
func (a *adapter) Probe(ctx context.Context) error {
	a.changed()
	s, err := a.known(ctx)
	if err != nil {
		return err
	}
	may, err := a.rights(ctx, s)
	if err != nil {
		return err
	}
	var missing []string
	for name, ids := range needs() {
		if !slices.ContainsFunc(ids, func(id string) bool { return !may[id] }) {
			continue
		}
		missing = append(missing, name)
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return fmt.Errorf("@%s lacks permissions: %s (System Console > User Management > Permissions, in the scheme of the team %s)",
			s.me.Username, strings.Join(missing, "; "), s.team.Name)
	}
	var wanted []error
	for _, m := range a.env.Lobby.Members() {
		as, ok := m.Account(a.env.Name)
		if !ok {
			continue
		}
		if err := a.serves(ctx, s, as); err != nil {
			wanted = append(wanted, fmt.Errorf("member %s: %w", m.ID, err))
		}
	}
	return errors.Join(append(wanted, a.comforts(s, may)...)...)
}

// serves says why a member cannot be in a channel of the team.
func (a *adapter) serves(ctx context.Context, s *site, as bridge.UserID) error {
	p, err := a.user(ctx, as)
	if err != nil {
		return err
	}
	if p.user.DeleteAt > 0 {
		return fmt.Errorf("@%s is deactivated in Mattermost: hand the customers over, or activate the account", p.user.Username)
	}
	in, err := call("look whether "+p.user.Username+" is in the team", func() (*model.TeamMember, *model.Response, error) {
		return a.api.GetTeamMember(ctx, s.team.Id, p.user.Id, "")
	})
	if refused(err, http.StatusNotFound) || err == nil && in.DeleteAt > 0 {
		return fmt.Errorf("@%s is not in the team %s: invite them there (team menu > Invite People)", p.user.Username, s.team.Name)
	}
	return err
}

// rights are the bot's permissions: of its own roles, of those in the team, and of every channel's members.
func (a *adapter) rights(ctx context.Context, s *site) (map[string]bool, error) {
	member, err := call("ask for the bot's roles", func() (*model.TeamMember, *model.Response, error) {
		return a.api.GetTeamMember(ctx, s.team.Id, s.me.Id, "")
	})
	if err != nil {
		return nil, err
	}
	names := append(strings.Fields(s.me.Roles+" "+member.Roles), model.ChannelUserRoleId)
	roles, err := call("ask for the bot's permissions", func() ([]*model.Role, *model.Response, error) {
		return a.api.GetRolesByNames(ctx, names)
	})
	if err != nil {
		return nil, err
	}
	may := map[string]bool{}
	for _, r := range roles {
		for _, p := range r.Permissions {
			may[p] = true
		}
	}
	return may, nil
}

// warn says in the log what is missing and can be done without.
func (a *adapter) warn(ctx context.Context) {
	s, err := a.known(ctx)
	if err != nil {
		return
	}
	may, err := a.rights(ctx, s)
	if err != nil {
		return
	}
	for _, missing := range a.comforts(s, may) {
		a.env.Log.Warn("it works, but not everything", "missing", missing)
	}
}

// comforts are what is missing and can be done without, told once.
func (a *adapter) comforts(s *site, may map[string]bool) []error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.told {
		return nil
	}
	a.told = true
	var out []error
	if !s.names {
		out = append(out, errors.New("customers' names stand in the text of their messages, since the server shows no other name than the bot's: "+
			"System Console > Integrations > Integration Management > Enable integrations to override usernames (it works without)"))
	}
	if s.maxFile > 0 && s.maxFile < a.cfg.MaxFile {
		out = append(out, fmt.Errorf("the server takes files of %d bytes at most, max_file: says %d: "+
			"lower it, or raise System Console > Environment > File Storage > Maximum File Size", s.maxFile, a.cfg.MaxFile))
	}
	if a.cfg.Command != "" && !may[model.PermissionManageSlashCommands.Id] && !may[model.PermissionManageOwnSlashCommands.Id] {
		out = append(out, fmt.Errorf("there is no /%s, since the bot may not register it: write @%s and the command, "+
			"or give its role Manage Slash Commands, or set command: \"\" (it works without)", a.cfg.Command, s.me.Username))
	}
	return out
}
