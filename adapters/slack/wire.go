package slack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	slackapi "github.com/slack-go/slack"

	"github.com/hutong-im/hutong/internal/httpx"
)

// news is one thing that Slack tells, however it came: exactly one of the fields is set.
type news struct {
	event   *event
	action  *interaction
	command *command
}

// message is what the gateway needs of a message. Slack adds fields and changes them as it likes, so that only
// these are read, and one of another type than expected is left out rather than all of it.
type message struct {
	Type        string `json:"type"`
	SubType     string `json:"subtype"`
	User        string `json:"user"`
	BotID       string `json:"bot_id"`
	Text        string `json:"text"`
	TS          string `json:"ts"`
	ThreadTS    string `json:"thread_ts"`
	LatestReply string `json:"latest_reply"`
	Edited      struct {
		TS string `json:"ts"`
	} `json:"edited"`
	Files     []sharedFile `json:"files"`
	Reactions []reaction   `json:"reactions"`
	Metadata  struct {
		EventType    string `json:"event_type"`
		EventPayload struct {
			Key string `json:"key"`
		} `json:"event_payload"`
	} `json:"metadata"`
}

// reaction is an emoji by its name, and who put it on the message.
type reaction struct {
	Name  string   `json:"name"`
	Users []string `json:"users"`
}

// sharedFile is a file of a message.
type sharedFile struct {
	Name       string `json:"name"`
	Type       string `json:"mimetype"`
	Size       int64  `json:"size"`
	Mode       string `json:"mode"`
	IsExternal bool   `json:"is_external"`
	URL        string `json:"url_private"`
}

// event is an inner event of the Events API: a message, or one of the others that the manifest subscribes to.
type event struct {
	message
	Channel   string   `json:"channel"`
	EventTS   string   `json:"event_ts"`
	DeletedTS string   `json:"deleted_ts"`
	Now       *message `json:"message"`          // of message_changed
	Before    *message `json:"previous_message"` // and of message_deleted
	Reaction  string   `json:"reaction"`
	Item      struct {
		Type    string `json:"type"`
		Channel string `json:"channel"`
		TS      string `json:"ts"`
	} `json:"item"`
	Tab     string  `json:"tab"`
	Account account `json:"-"` // of user_change, whose user is an object
}

// about is the message that an event tells of.
func (e *event) about() *message {
	switch {
	case e.Now != nil:
		return e.Now
	case e.Before != nil:
		return e.Before
	}
	return &e.message
}

// account is a user of the workspace.
type account struct {
	ID       string `json:"id"`
	Deleted  bool   `json:"deleted"`
	RealName string `json:"real_name"`
	Profile  struct {
		DisplayName string `json:"display_name"`
	} `json:"profile"`
}

// command is a slash command.
type command struct {
	Text      string `json:"text"`
	UserID    string `json:"user_id"`
	ChannelID string `json:"channel_id"`
	TriggerID string `json:"trigger_id"`
}

// named is an object of which only the id counts.
type named struct {
	ID string `json:"id"`
}

// interaction is a button that was pressed, a shortcut, or a form that was sent.
type interaction struct {
	Type        string                 `json:"type"`
	CallbackID  string                 `json:"callback_id"`
	TriggerID   string                 `json:"trigger_id"`
	ResponseURL string                 `json:"response_url"`
	User        named                  `json:"user"`
	Channel     named                  `json:"channel"`
	Message     message                `json:"message"`
	Actions     []slackapi.BlockAction `json:"actions"`
	View        struct {
		ID         string             `json:"id"`
		CallbackID string             `json:"callback_id"`
		Room       string             `json:"private_metadata"`
		State      slackapi.ViewState `json:"state"`
	} `json:"view"`
}

var errNotUnderstood = errors.New("not understood")

// lenient reads JSON, and takes fields of an unexpected type for absent.
func lenient(b []byte, v any) error {
	err := json.Unmarshal(b, v)
	if _, odd := errors.AsType[*json.UnmarshalTypeError](err); odd {
		return nil
	}
	return err
}

// parse reads what a Socket Mode envelope or a call of the hook carries. Kind is as in Socket Mode.
func parse(kind string, payload []byte) (news, error) {
	var n news
	var err error
	switch kind {
	case "events_api":
		var outer struct {
			Type  string `json:"type"`
			Event *event `json:"event"`
		}
		var changed struct {
			Event struct {
				User account `json:"user"`
			} `json:"event"`
		}
		if err = lenient(payload, &outer); outer.Type == "event_callback" {
			n.event = outer.Event
		}
		if n.event != nil && n.event.Type == "user_change" {
			err = lenient(payload, &changed)
			n.event.Account = changed.Event.User
		}
	case "interactive":
		n.action = &interaction{}
		err = lenient(payload, n.action)
	case "slash_commands":
		n.command = &command{}
		err = lenient(payload, n.command)
	}
	if err != nil || !n.whole() {
		return news{}, fmt.Errorf("%s: %w", kind, errNotUnderstood)
	}
	return n, nil
}

// whole reports whether the news have what all of their kind have.
func (n *news) whole() bool {
	switch {
	case n.event != nil:
		return n.event.Type != ""
	case n.action != nil:
		return n.action.Type != "" && n.action.User.ID != ""
	case n.command != nil:
		return n.command.UserID != "" && n.command.ChannelID != ""
	}
	return false
}

// parseForm reads a call of the hook that is a form: a slash command, or an interaction in its field payload.
func parseForm(body []byte) (news, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return news{}, fmt.Errorf("form: %w", errNotUnderstood)
	}
	if form.Has("payload") {
		return parse("interactive", []byte(form.Get("payload")))
	}
	n := news{command: &command{
		Text: form.Get("text"), UserID: form.Get("user_id"), ChannelID: form.Get("channel_id"), TriggerID: form.Get("trigger_id"),
	}}
	if !n.whole() {
		return news{}, fmt.Errorf("form: %w", errNotUnderstood)
	}
	return n, nil
}

// micros reads a timestamp such as 1700000000.000100 in millionths of a second; 0 is none.
func micros(ts string) int64 {
	sec, frac, _ := strings.Cut(ts, ".")
	s, err := strconv.ParseInt(sec, 10, 64)
	if err != nil || len(frac) > 6 || s < 0 || s > 1<<40 {
		return 0
	}
	f, err := strconv.ParseUint(frac+strings.Repeat("0", 6-len(frac)), 10, 32)
	if err != nil {
		return 0
	}
	return s*1e6 + int64(f)
}

func stampOf(micros int64) string { return fmt.Sprintf("%d.%06d", micros/1e6, micros%1e6) }

func moment(ts string) time.Time { return time.UnixMicro(micros(ts)) }

// maxCall is more than anything that Slack calls with has, in bytes.
const maxCall = 1 << 20

// Hook takes events, interactions and commands over HTTP.
func (h *hooked) Hook() http.Handler { return http.HandlerFunc(h.serve) }

func (h *hooked) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	body, err := httpx.ReadBody(w, r, maxCall)
	if err != nil {
		http.Error(w, "too large, or cut", httpx.Status(err))
		return
	}
	check, err := slackapi.NewSecretsVerifier(r.Header, h.cfg.SigningSecret.Reveal()) // what is older than five minutes, too
	if err == nil {
		_, _ = check.Write(body)
		err = check.Ensure()
	}
	if err != nil {
		http.Error(w, "wrong or old signature; compare signing_secret and the clock", http.StatusUnauthorized)
		return
	}
	var n news
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		n, err = parseForm(body)
	} else {
		var check struct{ Type, Challenge string }
		if json.Unmarshal(body, &check) == nil && check.Type == "url_verification" {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = io.WriteString(w, check.Challenge)
			return
		}
		n, err = parse("events_api", body)
	}
	if err != nil {
		http.Error(w, "not understood", http.StatusBadRequest)
		return
	}
	if err := h.hand(r, n); err != nil {
		http.Error(w, "not now", http.StatusServiceUnavailable)
	}
}

var errNotRunning = errors.New("the adapter does not run now")

// hand gives news to Run and waits for what becomes of them.
func (h *hooked) hand(r *http.Request, n news) error {
	s := h.session.Load()
	if s == nil {
		return errNotRunning
	}
	j := job{news: n, late: r.Header.Get("X-Slack-Retry-Num") != "", done: make(chan error, 1)}
	select {
	case s.work <- j:
	case <-s.ctx.Done():
		return errNotRunning
	case <-r.Context().Done():
		return r.Context().Err()
	}
	select {
	case err := <-j.done:
		return err
	case <-s.ctx.Done():
		return errNotRunning
	}
}
