package mattermost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
	me      *model.User
	team    *model.Team
	address string            // where people find the server
	host    string            // of it
	conf    map[string]string // what the server tells its clients
	may     map[string]bool   // the bot's permissions
	maxFile int64             // bytes; 0 is not told
	at      time.Time         // when it was asked for
}

// settling is how long the server may take to tell its clients of a change, though it has told that there is one.
const settling = 3 * time.Second

// names reports whether a post may show another name than the bot's.
func (s *site) names() bool { return s.conf["EnablePostUsernameOverride"] == "true" }

// known is the site, asked once and again after a change; twice, if it was asked as soon as that was told.
func (a *adapter) known(ctx context.Context) (*site, error) {
	var s *site
	var settled time.Time
	a.locked(func() { s, settled = a.site, a.told.Add(settling) })
	now := a.env.Now()
	if s != nil && (!s.at.Before(settled) || now.Before(settled)) {
		return s, nil
	}
	s, err := a.survey(ctx, now)
	if err == nil {
		a.locked(func() { a.site = s })
	}
	return s, err
}

func (a *adapter) changed() {
	a.locked(func() {
		a.site = nil
		clear(a.users)
	})
}

func (a *adapter) survey(ctx context.Context, now time.Time) (*site, error) {
	me, err := told(a.api.GetMe(ctx, ""))
	if err != nil {
		return nil, err
	}
	teams, err := told(a.api.GetTeamsForUser(ctx, me.Id, ""))
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(teams, func(t *model.Team) bool { return t.Name == a.cfg.Team })
	if i < 0 {
		return nil, bridge.Login(fmt.Errorf("@%s is not in the team %s: invite it there (team menu > Invite People), or correct team: in the config", me.Username, a.cfg.Team))
	}
	s := &site{me: me, team: teams[i], address: a.base, host: a.host, at: now}
	if s.conf, err = a.settings(ctx); err != nil {
		return nil, err
	}
	if u, err := url.Parse(s.conf["SiteURL"]); err == nil && u.Host != "" {
		s.address, s.host = strings.TrimRight(s.conf["SiteURL"], "/"), u.Host
	}
	s.maxFile, _ = strconv.ParseInt(s.conf["MaxFileSize"], 10, 64)
	member, err := told(a.api.GetTeamMember(ctx, s.team.Id, me.Id, ""))
	if err != nil {
		return nil, err
	}
	s.may, err = rights(ctx, a.api, me.Roles+" "+member.Roles+" "+model.ChannelUserRoleId)
	return s, err
}

// rights are the permissions of some roles.
func rights(ctx context.Context, api *model.Client4, names string) (map[string]bool, error) {
	roles, err := told(api.GetRolesByNames(ctx, strings.Fields(names)))
	may := map[string]bool{}
	for _, r := range roles {
		for _, p := range r.Permissions {
			may[p] = true
		}
	}
	return may, err
}

// settings are what the server tells its clients. Client4's own call is refused by servers before 11.
func (a *adapter) settings(ctx context.Context) (conf map[string]string, err error) {
	resp, err := a.api.DoAPIGet(ctx, "/config/client?format=old", "")
	if err != nil {
		return nil, done(nil, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if json.NewDecoder(resp.Body).Decode(&conf) != nil {
		return nil, errors.New("the server's settings are not what was expected; is url: the address of Mattermost?")
	}
	return conf, nil
}

// person is a user of the server.
type person struct {
	user   *model.User
	as     bridge.UserID // what the config calls them; the id for somebody who is not in it
	member bool          // they are in it
	at     time.Time
}

// personFor is how long a user's names are believed. Changes are told by an event, but not all reach a bot.
const personFor = 10 * time.Minute

// person finds a user by id.
func (a *adapter) person(ctx context.Context, id string) (*person, error) {
	if p := a.remembered(id); p != nil {
		return p, nil
	}
	u, err := told(a.api.GetUser(ctx, id, ""))
	if refused(err, http.StatusForbidden, http.StatusNotFound, http.StatusBadRequest) {
		u, err = &model.User{Id: id}, nil // deleted for good, or hidden
	}
	if err != nil {
		return nil, err
	}
	return a.meet(u, bridge.UserID(u.Id)), nil
}

func (a *adapter) remembered(key string) *person {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.users[key]; p != nil && a.env.Now().Sub(p.at) < personFor {
		return p
	}
	return nil
}

// meet remembers a user, whom the caller knows as that, and the config maybe by another name.
func (a *adapter) meet(u *model.User, as bridge.UserID) *person {
	p := &person{user: u, as: as, at: a.env.Now()}
	for _, m := range a.env.Lobby.Members() {
		if name, ok := m.Account(a.env.Name); ok && called(u, name) {
			p.as, p.member = name, true
		}
	}
	a.locked(func() { a.users[u.Id], a.users["@"+string(p.as)] = p, p })
	return p
}

// called reports whether the config means this user: by id, name or e-mail address.
func called(u *model.User, as bridge.UserID) bool {
	s := strings.ToLower(strings.TrimPrefix(string(as), "@"))
	return s == u.Id || s == u.Username || u.Email != "" && s == strings.ToLower(u.Email)
}

// user finds whom the config means.
func (a *adapter) user(ctx context.Context, as bridge.UserID) (*person, error) {
	if p := a.remembered("@" + string(as)); p != nil {
		return p, nil
	}
	s := strings.ToLower(strings.TrimPrefix(string(as), "@"))
	ask := a.api.GetUserByUsername
	switch {
	case model.IsValidId(s):
		ask = a.api.GetUser
	case strings.Contains(s, "@"):
		ask = a.api.GetUserByEmail
	}
	u, err := told(ask(ctx, s, ""))
	if refused(err, http.StatusNotFound, http.StatusBadRequest) {
		return nil, bridge.Permanent(fmt.Errorf("there is no user %s in Mattermost: correct accounts: in the config", s))
	}
	if err != nil {
		return nil, err
	}
	return a.meet(u, as), nil
}

// watchMembers tells the core whose accounts work, and notes who cannot be served: when events may have been
// lost, and from time to time, since not every change reaches a bot.
func (a *adapter) watchMembers(ctx context.Context, in bridge.Inbox) {
	tick := time.NewTicker(personFor)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-a.roll:
		case <-ctx.Done():
			return
		}
		amiss, err := a.members(ctx, in)
		if err != nil && ctx.Err() == nil {
			a.env.Log.Debug("it is not known whose accounts work", "err", err)
		} else if err == nil {
			a.note("members", strings.Join(amiss, "\n"))
		}
	}
}

// members looks at the members' accounts: who cannot be shown customers, and why. in, if there is one, is told
// which accounts are deactivated.
func (a *adapter) members(ctx context.Context, in bridge.Inbox) (amiss []string, err error) {
	s, err := a.known(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range a.env.Lobby.Members() {
		as, ok := m.Account(a.env.Name)
		if !ok {
			continue
		}
		p, err := a.user(ctx, as)
		if bridge.Judge(err).Verdict == bridge.VerdictPermanent {
			amiss = append(amiss, fmt.Sprintf("member %s: %v", m.ID, err))
			continue
		}
		if err != nil {
			return nil, err
		}
		if in != nil {
			if err := receive(ctx, in, bridge.AccountState{User: p.as, Active: p.user.DeleteAt == 0, At: a.env.Now()}); err != nil {
				return nil, err
			}
		}
		if p.user.DeleteAt != 0 {
			if in == nil { // or the core says so
				amiss = append(amiss, fmt.Sprintf("member %s: @%s is deactivated in Mattermost: hand the customers over, or activate the account", m.ID, p.user.Username))
			}
			continue
		}
		t, err := told(a.api.GetTeamMember(ctx, s.team.Id, p.user.Id, ""))
		if refused(err, http.StatusNotFound) || err == nil && t.DeleteAt > 0 {
			amiss = append(amiss, fmt.Sprintf("member %s: @%s is not in the team %s: invite them there (team menu > Invite People)", m.ID, p.user.Username, s.team.Name))
		} else if err != nil {
			return nil, err
		}
	}
	return amiss, nil
}

// needs are the permissions that the adapter cannot do without, by their names in the System Console; the
// members of a team have them in a new server.
func (a *adapter) needs() map[string][]string {
	out := map[string][]string{
		"Create Posts":     {model.PermissionCreatePost.Id},
		"Edit Own Posts":   {model.PermissionEditPost.Id},
		"Delete Own Posts": {model.PermissionDeletePost.Id},
		"Upload Files":     {model.PermissionUploadFile.Id},
		"Post Reactions":   {model.PermissionAddReaction.Id, model.PermissionRemoveReaction.Id},
	}
	if a.cfg.Rooms == roomsChannel {
		out["Manage Private Channels > Create Channels"] = []string{model.PermissionCreatePrivateChannel.Id}
		out["Manage Private Channels > Manage Channel Settings"] = []string{model.PermissionManagePrivateChannelProperties.Id}
		out["Manage Private Channels > Manage Members"] = []string{model.PermissionManagePrivateChannelMembers.Id}
	} else {
		out["Create Direct Channels (create_direct_channel, of the system's role)"] = []string{model.PermissionCreateDirectChannel.Id}
	}
	return out
}

// Probe asks the server whether everything is as it must be.
func (a *adapter) Probe(ctx context.Context) error {
	a.changed()
	s, err := a.known(ctx)
	if err != nil {
		return err
	}
	var missing []string
	for name, ids := range a.needs() {
		if slices.ContainsFunc(ids, func(id string) bool { return !s.may[id] }) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return fmt.Errorf("@%s lacks permissions: %s (System Console > User Management > Permissions, in the scheme of the team %s)",
			s.me.Username, strings.Join(missing, "; "), s.team.Name)
	}
	a.checkGhosts(ctx, s)
	amiss, err := a.members(ctx, nil)
	for _, m := range amiss {
		err = errors.Join(err, errors.New(m))
	}
	return err
}

// note keeps what is missing and can be done without, for Warnings; "" is nothing.
func (a *adapter) note(subject, text string) {
	a.locked(func() {
		if a.notes[subject] = text; text == "" {
			delete(a.notes, subject)
		}
	})
}

// Warnings are what is missing and can be done without.
func (a *adapter) Warnings() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []string
	for _, subject := range slices.Sorted(maps.Keys(a.notes)) {
		out = append(out, strings.Split(a.notes[subject], "\n")...)
	}
	s := a.site
	if s == nil {
		return out
	}
	const overrides = "System Console > Integrations > Integration Management > Enable integrations to override "
	if !s.names() {
		out = append(out, "customers' names stand in the text of their messages, since the server shows no other name than the bot's: "+overrides+"usernames")
	} else if s.conf["EnablePostIconOverride"] != "true" {
		out = append(out, "customers' pictures are not shown: "+overrides+"profile picture icons")
	}
	if s.maxFile > 0 && s.maxFile < a.cfg.MaxFile {
		out = append(out, fmt.Sprintf("the server takes files of %d bytes at most, max_file: says %d: lower it, or raise "+
			"System Console > Environment > File Storage > Maximum File Size", s.maxFile, a.cfg.MaxFile))
	}
	if a.cfg.Command != "" && !s.may[model.PermissionManageSlashCommands.Id] && !s.may[model.PermissionManageOwnSlashCommands.Id] {
		out = append(out, fmt.Sprintf("there is no /%s, since the bot may not register it: write @%s and the command, "+
			"or give its role manage_slash_commands, or set command: \"\"", a.cfg.Command, s.me.Username))
	}
	if a.cfg.Rooms == roomsChannel && !s.may[model.PermissionCreatePostEphemeral.Id] {
		out = append(out, fmt.Sprintf("private words come in the chat with @%s, since the bot may not whisper in a channel: give its role create_post_ephemeral", s.me.Username))
	}
	return out
}
