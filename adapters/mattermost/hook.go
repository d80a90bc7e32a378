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
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// maxHook bounds what the server calls the hook with: a press of a button with the text that it stands under, or
// a slash command with its text.
const maxHook = 256 << 10

// press is what a button brings back. Clients never see it, but the server does not sign its calls.
type press struct {
	Room   bridge.RoomID `json:"room"` // that it is about, wherever it is shown
	Ask    string        `json:"ask"`
	Choice string        `json:"choice"`
	Sig    string        `json:"sig"`
	// What is shown once it is pressed: not signed, since it goes back to who pressed and to nobody else.
	Label   string `json:"label"`
	Text    string `json:"text"`
	Key     string `json:"key,omitempty"`
	Whisper bool   `json:"whisper,omitempty"` // it is not kept by the server, and cannot be changed
}

func (a *adapter) sign(p press) string {
	h := hmac.New(sha256.New, a.key)
	_ = json.NewEncoder(h).Encode([]string{string(p.Room), p.Ask, p.Choice})
	return hex.EncodeToString(h.Sum(nil))
}

func (a *adapter) hookURL() string {
	return a.env.Lobby.Company().URL + "/hook/" + url.PathEscape(a.env.Name)
}

// addButtons puts what can be chosen, and the picture, under a post. p is what all buttons bring back.
func (a *adapter) addButtons(post *model.Post, q bridge.Ask, p press, pretext string) {
	under := &model.MessageAttachment{Pretext: pretext, ImageURL: q.Picture}
	p.Ask, p.Text = q.ID, post.Message
	for i, c := range q.Choices {
		p.Choice, p.Label = c.ID, c.Label
		p.Sig = a.sign(p)
		b, _ := json.Marshal(p) // texts always can be
		var bring map[string]any
		_ = json.Unmarshal(b, &bring)
		under.Actions = append(under.Actions, &model.PostAction{
			Id: fmt.Sprintf("choice%d", i), Name: c.Label, Type: model.PostActionTypeButton, Style: c.Style,
			Integration: &model.PostActionIntegration{URL: a.hookURL(), Context: bring},
		})
	}
	if pretext != "" || q.Picture != "" || len(under.Actions) > 0 {
		post.AddProp(model.PostPropsAttachments, []*model.MessageAttachment{under})
	}
}

// Ask shows a question with buttons; once, though the core may ask again after a crash.
func (a *adapter) Ask(ctx context.Context, room bridge.RoomID, key string, q bridge.Ask) ([]bridge.MsgID, error) {
	if ids, err := a.Find(ctx, room, key); err == nil && len(ids) > 0 {
		return ids, nil
	}
	s, r, err := a.there(ctx, room)
	if err != nil {
		return nil, err
	}
	post := &model.Post{ChannelId: r.channel, RootId: r.root, Message: harmless(bridge.EscapeMarkdown(q.Text))}
	a.addButtons(post, q, press{Room: room, Key: key}, a.mention(ctx, r, true))
	id, err := a.say(ctx, s, r, a.api, post, key)
	if err != nil {
		return nil, err
	}
	return []bridge.MsgID{id}, nil
}

// Hint says something to one user alone.
func (a *adapter) Hint(ctx context.Context, room bridge.RoomID, user bridge.UserID, q bridge.Ask) error {
	return a.whisper(ctx, room, user, q, "")
}

// gathering is how long the server may take to put two people into a new chat.
const gathering = 200 * time.Millisecond

// whisper says something to one user alone: in the room, where the bot may, else in its own chat with them, with
// the name of the channel that it is about.
func (a *adapter) whisper(ctx context.Context, room bridge.RoomID, user bridge.UserID, q bridge.Ask, before string) error {
	s, r, err := a.there(ctx, room)
	if err != nil {
		return err
	}
	p, err := a.user(ctx, user)
	if err != nil {
		return err
	}
	post := &model.Post{ChannelId: r.channel, RootId: r.root, Message: before + harmless(bridge.EscapeMarkdown(q.Text))}
	if s.may[model.PermissionCreatePostEphemeral.Id] {
		a.addButtons(post, q, press{Room: room, Whisper: true}, "")
		_, err := told(a.api.CreatePostEphemeral(ctx, &model.PostEphemeral{UserID: p.user.Id, Post: post}))
		if !refused(err, http.StatusForbidden) {
			return err
		}
	}
	dm, err := told(a.api.CreateDirectChannel(ctx, s.me.Id, p.user.Id))
	if err != nil {
		return err
	}
	if dm.Id != r.channel {
		post.ChannelId, post.RootId = dm.Id, ""
		if ch, err := told(a.api.GetChannel(ctx, r.channel)); err == nil {
			post.Message = "~" + ch.Name + "\n" + post.Message
		}
	}
	a.addButtons(post, q, press{Room: room}, "")
	for try := 0; ; try++ {
		_, err = told(a.api.CreatePost(ctx, post))
		if try > 2 || !refused(err, http.StatusForbidden) {
			return err
		}
		pause(ctx, gathering) // the user opens the same chat right now, and nobody is in it yet
	}
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
	answer := a.pressed
	if typ, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); typ == "application/x-www-form-urlencoded" {
		answer = a.slash
	}
	status, v := answer(r.Context(), r.Header.Get("Authorization"), body)
	if v == nil {
		w.WriteHeader(status)
		return
	}
	httpx.WriteJSON(w, status, v)
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
	if err != nil || req.UserId == "" || p.Room == "" || p.Ask == "" {
		return req, p, fmt.Errorf("not the press of a button: %w", bridge.ErrRefused)
	}
	return req, p, nil
}

// pressed takes a press, and shows in place of the buttons what was chosen. Whether it is too late is for
// the core to say.
func (a *adapter) pressed(ctx context.Context, _ string, body []byte) (int, any) {
	req, p, err := readPress(body)
	if err != nil {
		return http.StatusBadRequest, nil
	}
	if !hmac.Equal([]byte(a.sign(p)), []byte(p.Sig)) {
		return http.StatusUnauthorized, nil
	}
	user, err := a.person(ctx, req.UserId)
	if err == nil {
		err = a.gate.receive(ctx, bridge.Answered{Room: p.Room, User: user.as, Ask: p.Ask, Choice: p.Choice, At: a.env.Now()})
	}
	chosen := a.words().chosen + bridge.EscapeMarkdown(p.Label)
	switch {
	case errors.Is(err, bridge.ErrRefused):
		return http.StatusOK, model.PostActionIntegrationResponse{EphemeralText: a.words().notYours}
	case err != nil:
		return http.StatusServiceUnavailable, nil
	case p.Whisper:
		return http.StatusOK, model.PostActionIntegrationResponse{EphemeralText: chosen}
	}
	post := &model.Post{Message: p.Text}
	post.AddProp(model.PostPropsAttachments, []*model.MessageAttachment{{Text: chosen + " · " + user.user.Username}})
	if p.Key != "" {
		post.AddProp(propKey, p.Key)
	}
	return http.StatusOK, map[string]any{"update": post}
}

// slash takes a slash command as if its words had been said to the bot.
func (a *adapter) slash(ctx context.Context, auth string, body []byte) (int, any) {
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("user_id") == "" || form.Get("channel_id") == "" || form.Get("trigger_id") == "" {
		return http.StatusBadRequest, nil
	}
	var token string
	a.locked(func() { token = a.command })
	if token == "" || subtle.ConstantTimeCompare([]byte(auth), []byte("Token "+token)) != 1 {
		return http.StatusUnauthorized, nil
	}
	user, err := a.person(ctx, form.Get("user_id"))
	if err != nil {
		return http.StatusServiceUnavailable, nil
	}
	r, err := a.heardIn(ctx, form.Get("channel_id"), form.Get("root_id"))
	if err != nil {
		return http.StatusServiceUnavailable, nil
	}
	room := bridge.RoomID(form.Get("channel_id")) // none of ours: the core says that nobody is there
	if r != nil {
		room = a.idOf(r)
	}
	err = a.gate.receive(ctx, bridge.MessageEvent{
		Room: room, User: user.as, Msg: bridge.MsgID("slash-" + hexSum(form.Get("trigger_id"))[:32]),
		At: a.env.Now(), Text: a.spoken(form.Get("text"), user),
	})
	if err != nil && !errors.Is(err, bridge.ErrRefused) {
		return http.StatusServiceUnavailable, nil
	}
	return http.StatusOK, struct{}{}
}

// register makes the slash command, or takes over what is left of an earlier one. A bot that may not does
// without: Warnings says so.
func (a *adapter) register(ctx context.Context, s *site) {
	if a.cfg.Command == "" {
		return
	}
	list, err := told(a.api.ListCommands(ctx, s.team.Id, true))
	want := &model.Command{
		TeamId: s.team.Id, Trigger: a.cfg.Command, Method: model.CommandMethodPost, URL: a.hookURL(), DisplayName: "hutong",
		AutoComplete: true, AutoCompleteDesc: "hutong: " + a.words().describe, AutoCompleteHint: "[" + strings.Join(a.env.Lobby.Commands(), "|") + "]",
	}
	var c *model.Command
	for _, old := range list {
		if old.Trigger == want.Trigger {
			c = old
		}
	}
	switch {
	case err != nil:
	case c == nil:
		c, err = told(a.api.CreateCommand(ctx, want))
	case c.URL != want.URL || c.AutoCompleteHint != want.AutoCompleteHint:
		want.Id, want.Token, want.CreatorId = c.Id, c.Token, c.CreatorId
		c, err = told(a.api.UpdateCommand(ctx, want))
	}
	if err != nil {
		if s.may[model.PermissionManageSlashCommands.Id] { // or Warnings knows why
			a.note("command", fmt.Sprintf("there is no /%s: %v", a.cfg.Command, err))
		}
		return
	}
	a.note("command", "")
	a.locked(func() { a.command = c.Token })
}

// gate lets calls of the hook in while Run runs.
type gate struct {
	mu  sync.RWMutex // held by every call that is under way
	in  bridge.Inbox
	run context.Context //nolint:containedctx // of Run, which ends the calls that are under way
}

// set opens the gate, or shuts it for nil; then it waits for the events that are on their way in.
func (g *gate) set(ctx context.Context, in bridge.Inbox) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.run, g.in = ctx, in
}

var errNotRunning = errors.New("the adapter does not run now")

// receive brings an event. It ends when either ctx or Run does.
func (g *gate) receive(ctx context.Context, e bridge.Event) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.in == nil {
		return errNotRunning
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(g.run, cancel)()
	return g.in.Receive(ctx, e)
}
