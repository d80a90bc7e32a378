package mattermost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// noGhosts is the note why ghosts are not made.
const noGhosts = "ghosts"

// ghost is a bot account of a customer's own.
type ghost struct {
	User    string `json:"user"`
	Token   []byte `json:"token"`   // sealed
	Channel string `json:"channel"` // that it was added to
	Name    string `json:"name"`
	Avatar  string `json:"avatar,omitempty"` // the address of the picture that it has

	api *model.Client4
}

func ghostKey(id bridge.RoomID) string { return "ghost/" + string(id) }

// ghost is the account in whose name a room's customer speaks; nil is the bot itself. as, if it is not empty,
// makes what is missing and corrects name and picture.
func (a *adapter) ghost(ctx context.Context, s *site, r *room, as bridge.Label) (*ghost, error) {
	if a.cfg.Ghosts.Token.IsZero() || a.snapshot(r).Direct {
		return nil, nil
	}
	id := a.idOf(r)
	var g *ghost
	var off bool
	a.locked(func() { g, off = a.ghosts[id], a.notes[noGhosts] != "" })
	if g == nil {
		g = &ghost{}
		if _, err := bridge.Load(ctx, a.env.State, ghostKey(id), g); err != nil {
			return nil, err
		}
		if token, err := a.safe.Open(nil, nil, g.Token, nil); err == nil {
			g.api = a.client(string(token))
		}
	}
	name := clip(as.Text, model.BotDisplayNameMaxRunes)
	if name != "" && !off && (g.api == nil || g.Name != name || g.Avatar != as.Avatar || g.Channel != r.channel) {
		made := *g
		err := a.makeGhost(ctx, s, r, &made, name, as.Avatar)
		if j := bridge.Judge(err).Verdict; j == bridge.VerdictLogin || j == bridge.VerdictPermanent {
			a.note(noGhosts, fmt.Sprintf("customers have no accounts of their own, since the server refuses (%v): correct ghosts.token: or the rights of its owner", err))
		} else if err != nil {
			return nil, err
		} else {
			g = &made
		}
	}
	if g.api == nil {
		return nil, nil
	}
	a.locked(func() { a.ghosts[id] = g })
	return g, nil
}

// makeGhost makes the account, or finds it, and gives it its name, its picture, and its place in team and channel.
func (a *adapter) makeGhost(ctx context.Context, s *site, r *room, g *ghost, name, avatar string) error {
	maker, id := a.client(a.cfg.Ghosts.Token.Reveal()), a.idOf(r)
	called := "customer-" + a.keyed("ghost\x00"+string(id))
	if g.User == "" {
		b, err := told(maker.CreateBot(ctx, &model.Bot{Username: called, DisplayName: name, Description: "hutong"}))
		if says(err, "app.user.save.username_exists.app_error") {
			var u *model.User
			if u, err = told(a.api.GetUserByUsername(ctx, called, "")); err == nil {
				b = &model.Bot{UserId: u.Id}
			}
		}
		if err != nil {
			return err
		}
		g.User = b.UserId
	}
	if g.Name != name {
		if _, err := told(maker.PatchBot(ctx, g.User, &model.BotPatch{DisplayName: &name})); err != nil {
			return err
		}
		g.Name = name
	}
	if g.api == nil {
		t, err := told(maker.CreateUserAccessToken(ctx, g.User, "hutong", 0))
		if err != nil {
			return err
		}
		g.Token = a.safe.Seal(nil, nil, []byte(t.Token), nil) //nolint:gosec // the cipher makes its own nonce
		g.api, g.Channel = a.client(t.Token), ""
	}
	if g.Channel != r.channel {
		if _, err := told(a.api.AddTeamMember(ctx, s.team.Id, g.User)); err != nil {
			return err
		}
		if _, err := told(a.api.AddChannelMember(ctx, r.channel, g.User)); err != nil {
			return err
		}
		g.Channel = r.channel
	}
	if g.Avatar != avatar && avatar != "" {
		if err := a.setPicture(ctx, maker, g.User, avatar); err != nil {
			a.env.Log.Debug("a customer's picture cannot be shown", "err", err)
		}
	}
	g.Avatar = avatar
	return bridge.Keep(ctx, a.env.State, ghostKey(id), g)
}

// forgetToken forgets the token of an account that may not speak any more: the next message makes another.
func (a *adapter) forgetToken(ctx context.Context, r *room, g *ghost) error {
	id := a.idOf(r)
	a.locked(func() { delete(a.ghosts, id) })
	gone := *g
	gone.Token = nil
	return bridge.Keep(ctx, a.env.State, ghostKey(id), gone)
}

// maxPicture bounds a picture, in bytes; the core's are smaller.
const maxPicture = 2 << 20

// setPicture gives an account the picture at an address of the gateway's own.
func (a *adapter) setPicture(ctx context.Context, maker *model.Client4, user, address string) error {
	if !strings.HasPrefix(address, a.env.Lobby.Company().URL+"/") {
		return errors.New("the picture is not the gateway's")
	}
	req, err := httpx.Request(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := httpx.Do(ctx, a.env.HTTP, req, maxPicture)
	if err != nil {
		return err
	}
	return done(maker.SetProfileImage(ctx, user, resp.Body))
}

// checkGhosts notes what keeps ghosts from being made, before one is needed.
func (a *adapter) checkGhosts(ctx context.Context, s *site) {
	if a.cfg.Ghosts.Token.IsZero() {
		return
	}
	maker := a.client(a.cfg.Ghosts.Token.Reveal())
	me, err := told(maker.GetMe(ctx, ""))
	var may map[string]bool
	if err == nil {
		may, err = rights(ctx, maker, me.Roles)
	}
	why := ""
	switch {
	case err != nil:
		why = err.Error()
	case me.IsBot:
		why = "the token is of a bot, and no bot may make bots: take one of a person"
	case s.conf["EnableBotAccountCreation"] == "false":
		why = "System Console > Integrations > Bot Accounts > Enable Bot Account Creation is off"
	default:
		for _, p := range []string{model.PermissionCreateBot.Id, model.PermissionManageBots.Id, model.PermissionReadBots.Id, model.PermissionCreateUserAccessToken.Id} {
			if !may[p] {
				why += " " + p
			}
		}
		if why != "" {
			why = "the role of @" + me.Username + " lacks" + why
		}
	}
	if why != "" {
		why = "customers have no accounts of their own, since ghosts.token: does not do: " + why
	}
	a.note(noGhosts, why)
}
