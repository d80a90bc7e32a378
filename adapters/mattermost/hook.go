package mattermost

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// maxHook bounds what the server calls the hook with: a press of a button, or a slash command with its text.
const maxHook = 256 << 10

// deriveKey makes the key of signatures from the token: the same in every process that has it.
func deriveKey(token string) []byte {
	h := hmac.New(sha256.New, []byte(token))
	h.Write([]byte("hutong buttons"))
	return h.Sum(nil)
}

// press is what a button brings back. Clients never see it, but the server does not sign its calls.
type press struct {
	Room   string `json:"room"`
	Ask    string `json:"ask"`
	Choice string `json:"choice"`
	Label  string `json:"label"` // what the button says
	Sig    string `json:"sig"`
}

func (a *adapter) sign(p press) string {
	h := hmac.New(sha256.New, a.key)
	_ = json.NewEncoder(h).Encode([]string{p.Room, p.Ask, p.Choice, p.Label})
	return hex.EncodeToString(h.Sum(nil))
}

func (a *adapter) hookURL() string {
	return a.env.Lobby.Company().URL + "/hook/" + url.PathEscape(a.env.Name)
}

// Ask shows a question with buttons; once, though the core may ask again after a crash.
func (a *adapter) Ask(ctx context.Context, room bridge.RoomID, key string, q bridge.Ask) ([]bridge.MsgID, error) {
	s, err := a.known(ctx)
	if err != nil {
		return nil, err
	}
	if ids, err := a.Find(ctx, room, key); err == nil && len(ids) > 0 {
		return ids, nil
	}
	channel, r, err := a.channel(ctx, room)
	if err != nil {
		return nil, err
	}
	card := &model.MessageAttachment{Pretext: a.mention(ctx, r, true)}
	for i, c := range q.Choices {
		p := press{Room: channel, Ask: q.ID, Choice: c.ID, Label: c.Label}
		card.Actions = append(card.Actions, &model.PostAction{
			Id: fmt.Sprintf("choice%d", i), Name: c.Label, Type: model.PostActionTypeButton, Style: c.Style,
			Integration: &model.PostActionIntegration{
				URL: a.hookURL(), Context: map[string]any{"room": p.Room, "ask": p.Ask, "choice": p.Choice, "label": p.Label, "sig": a.sign(p)},
			},
		})
	}
	p := &model.Post{ChannelId: channel, Message: harmless(bridge.EscapeMarkdown(q.Text))}
	p.AddProp("attachments", []*model.MessageAttachment{card})
	return a.say(ctx, s, room, p, key)
}

// Hook takes pressed buttons and slash commands.
func (a *adapter) Hook() http.Handler { return http.HandlerFunc(a.hook) }

func (a *adapter) hook(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	body, err := httpx.ReadBody(w, r, maxHook)
	if err != nil {
		w.WriteHeader(httpx.Status(err))
		return
	}
	if typ, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); typ == "application/x-www-form-urlencoded" {
		a.slash(w, r, body)
		return
	}
	a.pressed(w, r, body)
}

// readPress reads a call that a button makes.
func readPress(body []byte) (req model.PostActionIntegrationRequest, p press, err error) {
	if err := json.Unmarshal(body, &req); err != nil {
		return req, p, fmt.Errorf("not the press of a button: %w", bridge.ErrRefused)
	}
	raw, err := json.Marshal(req.Context)
	if err == nil {
		err = json.Unmarshal(raw, &p)
	}
	if err != nil || req.UserId == "" || req.ChannelId == "" || p.Ask == "" {
		return req, p, fmt.Errorf("not the press of a button: %w", bridge.ErrRefused)
	}
	return req, p, nil
}

// pressed takes a press, and shows in place of the buttons what was chosen. Whether it is too late is for
// the core to say.
func (a *adapter) pressed(w http.ResponseWriter, r *http.Request, body []byte) {
	req, p, err := readPress(body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if !hmac.Equal([]byte(a.sign(p)), []byte(p.Sig)) || p.Room != req.ChannelId {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	ctx := r.Context()
	user, err := a.person(ctx, req.UserId)
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	room, err := a.room(ctx, p.Room)
	if err == nil {
		err = a.gate.receive(ctx, bridge.Answered{
			Room: a.named(p.Room, room), User: user.as, Ask: p.Ask, Choice: p.Choice, At: a.now(),
		})
	}
	switch {
	case errors.Is(err, bridge.ErrRefused):
		httpx.WriteJSON(w, http.StatusOK, model.PostActionIntegrationResponse{EphemeralText: a.words().notYours})
	case err != nil:
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		httpx.WriteJSON(w, http.StatusOK, map[string]any{"update": a.answeredPost(ctx, req.PostId, p.Label, user.user.Username)})
	}
}

// answeredPost is the question without its buttons, with what was chosen and by whom; nil leaves it as it is.
func (a *adapter) answeredPost(ctx context.Context, id, chosen, by string) *model.Post {
	p, err := call("read the question", func() (*model.Post, *model.Response, error) { return a.api.GetPost(ctx, id, "") })
	if err != nil {
		return nil
	}
	out := &model.Post{Message: p.Message}
	out.SetProps(p.GetProps())
	out.AddProp("attachments", []*model.MessageAttachment{{Text: a.words().chosen + bridge.EscapeMarkdown(chosen) + " · " + by}})
	return out
}

// slash takes a slash command as if its words had been said to the bot.
func (a *adapter) slash(w http.ResponseWriter, r *http.Request, body []byte) {
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("user_id") == "" || form.Get("channel_id") == "" || form.Get("trigger_id") == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	token := a.command
	a.mu.Unlock()
	if token == "" || subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Token "+token)) != 1 {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	ctx := r.Context()
	user, err := a.person(ctx, form.Get("user_id"))
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	room, err := a.room(ctx, form.Get("channel_id"))
	if err == nil {
		sum := sha256.Sum256([]byte(form.Get("trigger_id")))
		err = a.gate.receive(ctx, bridge.MessageEvent{
			Room: a.named(form.Get("channel_id"), room), User: user.as, Msg: bridge.MsgID("slash-" + hex.EncodeToString(sum[:16])),
			At: a.now(), Text: spoken(form.Get("text")),
		})
	}
	if err != nil && !errors.Is(err, bridge.ErrRefused) {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	httpx.WriteJSON(w, http.StatusOK, struct{}{})
}

// register makes the slash command, or finds it. A bot that may not does without: Probe says so.
func (a *adapter) register(ctx context.Context) {
	s, err := a.known(ctx)
	if err != nil || a.cfg.Command == "" {
		return
	}
	list, err := call("ask for the slash commands", func() ([]*model.Command, *model.Response, error) { return a.api.ListCommands(ctx, s.team.Id, true) })
	if err != nil {
		a.env.Log.Debug("no slash command", "err", err)
		return
	}
	want := &model.Command{
		TeamId: s.team.Id, Trigger: a.cfg.Command, Method: model.CommandMethodPost, URL: a.hookURL(), DisplayName: "hutong",
		AutoComplete: true, AutoCompleteDesc: "hutong 互通", AutoCompleteHint: "[" + strings.Join(commands(), "|") + "]",
	}
	made, err := a.adopt(ctx, list, want)
	if err != nil {
		a.env.Log.Warn("the slash command could not be registered; the same words work after the bot's name", "command", want.Trigger, "err", err)
		return
	}
	a.mu.Lock()
	a.command = made.Token
	a.mu.Unlock()
}

// adopt takes over a command that is ours, with its address corrected, or makes it.
func (a *adapter) adopt(ctx context.Context, list []*model.Command, want *model.Command) (*model.Command, error) {
	for _, c := range list {
		if c.Trigger != want.Trigger {
			continue
		}
		if c.URL == want.URL {
			return c, nil
		}
		want.Id, want.Token, want.CreatorId = c.Id, c.Token, c.CreatorId
		return call("correct the slash command", func() (*model.Command, *model.Response, error) { return a.api.UpdateCommand(ctx, want) })
	}
	return call("make the slash command", func() (*model.Command, *model.Response, error) { return a.api.CreateCommand(ctx, want) })
}

// gate lets calls of the hook in while Run runs.
type gate struct {
	mu    sync.Mutex
	in    bridge.Inbox
	run   context.Context //nolint:containedctx // of Run, which ends the calls that are under way
	calls *sync.WaitGroup
}

func (g *gate) open(ctx context.Context, in bridge.Inbox) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.run, g.in, g.calls = ctx, in, &sync.WaitGroup{}
}

// shut waits for the events that are on their way in.
func (g *gate) shut() {
	g.mu.Lock()
	calls := g.calls
	g.in = nil
	g.mu.Unlock()
	calls.Wait()
}

var errNotRunning = errors.New("the adapter does not run now")

// receive brings an event. It ends when either ctx or Run does.
func (g *gate) receive(ctx context.Context, e bridge.Event) error {
	g.mu.Lock()
	in, run, calls := g.in, g.run, g.calls
	if in == nil {
		g.mu.Unlock()
		return errNotRunning
	}
	calls.Add(1)
	g.mu.Unlock()
	defer calls.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(run, cancel)()
	return in.Receive(ctx, e)
}
