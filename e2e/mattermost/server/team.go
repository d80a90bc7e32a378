package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"testing"

	"github.com/hutong-im/hutong/e2e/gateway"
)

// Main starts a server for the tests of a package, with the gateway's binary, and is the exit code. Where the
// environment says that there is no Mattermost, it says what is not known then.
func Main(m *testing.M, unknown string, set func(*Server, *gateway.Binary)) int {
	if os.Getenv(Without) != "" {
		fmt.Println(Without + " is set: nothing is known about " + unknown)
		return 0
	}
	s, err := Start(context.Background())
	if err != nil {
		fmt.Fprintf(os.Stderr, "%v; to go without Mattermost set %s=1\n", err, Without)
		return 1
	}
	defer s.Close()
	return gateway.Main(m, func(b *gateway.Binary) { set(s, b) })
}

// Team is a company on the server: its bot, and whoever is employed.
type Team struct {
	ID, Name string
	Bot      *Client
	Token    string // the bot's

	server *Server
}

const employeePassword = "an-employee-of-tests"

// NewTeam makes a team with a bot in it.
func (s *Server) NewTeam(ctx context.Context, name string) (*Team, error) {
	t := &Team{Name: name, server: s}
	var err error
	if t.ID, err = s.Admin.Make(ctx, "/teams", map[string]any{"name": name, "display_name": "ACME", "type": "I"}); err != nil {
		return nil, err
	}
	var bot struct {
		ID string `json:"user_id"`
	}
	if err := s.Admin.Do(ctx, http.MethodPost, "/bots", map[string]any{"username": "bot-" + name, "display_name": "hutong"}, &bot); err != nil {
		return nil, err
	}
	if t.Token, err = s.TokenOf(ctx, bot.ID); err != nil {
		return nil, err
	}
	t.Bot = NewClient(s.URL, t.Token)
	t.Bot.ID = bot.ID
	return t, t.Join(ctx, bot.ID)
}

// TokenOf makes a token of an account.
func (s *Server) TokenOf(ctx context.Context, user string) (string, error) {
	var token struct {
		Token string `json:"token"`
	}
	err := s.Admin.Do(ctx, http.MethodPost, "/users/"+user+"/tokens", map[string]any{"description": "hutong"}, &token)
	return token.Token, err
}

// Join brings an account into the team.
func (t *Team) Join(ctx context.Context, user string) error {
	return t.server.Admin.Do(ctx, http.MethodPost, "/teams/"+t.ID+"/members", map[string]any{"team_id": t.ID, "user_id": user}, nil)
}

// Username is what an employee of the team is called on the server.
func (t *Team) Username(name string) string { return name + "-" + t.Name }

// Employ makes an employee, who is signed in.
func (t *Team) Employ(ctx context.Context, name string) (*Client, error) {
	user := t.Username(name)
	id, err := t.server.Admin.Make(ctx, "/users", map[string]any{"username": user, "email": user + "@acme.example", "password": employeePassword})
	if err != nil {
		return nil, err
	}
	if err := t.Join(ctx, id); err != nil {
		return nil, err
	}
	return t.server.Login(ctx, user, employeePassword)
}

// AwaitPost waits for a post in a channel that fits.
func (c *Client) AwaitPost(t testing.TB, channel, what string, fits func(*Post) bool) Post {
	t.Helper()
	var found Post
	gateway.Eventually(t, gateway.Patience, what, func() (string, bool) {
		list, err := c.Posts(t.Context(), channel)
		if err != nil {
			return err.Error(), false
		}
		for i := range list {
			if fits(&list[i]) {
				found = list[i]
				return "", true
			}
		}
		b, _ := json.Marshal(list)
		return string(b), false
	})
	return found
}

// AwaitChannel waits for a private channel that fits.
func (c *Client) AwaitChannel(t testing.TB, what string, fits func(*Channel) bool) Channel {
	t.Helper()
	var found Channel
	gateway.Eventually(t, gateway.Patience, what, func() (string, bool) {
		list, err := c.Channels(t.Context())
		if err != nil {
			return err.Error(), false
		}
		i := slices.IndexFunc(list, func(ch Channel) bool { return ch.Type == "P" && fits(&ch) })
		if i >= 0 {
			found = list[i]
		}
		return fmt.Sprint(list), i >= 0
	})
	return found
}
