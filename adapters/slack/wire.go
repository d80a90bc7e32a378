package slack

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	slackapi "github.com/slack-go/slack"
)

// news is one thing that Slack tells, however it came: exactly one of the fields is set.
type news struct {
	event   *event
	action  *interaction
	command *slackapi.SlashCommand
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
	Files    []sharedFile `json:"files"`
	Metadata struct {
		EventType    string `json:"event_type"`
		EventPayload struct {
			Key string `json:"key"`
		} `json:"event_payload"`
	} `json:"metadata"`
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
	Tab string `json:"tab"`
}

// named is an object of which only the id counts.
type named struct {
	ID string `json:"id"`
}

// interaction is a button that was pressed, or a message's shortcut.
type interaction struct {
	Type       string  `json:"type"`
	CallbackID string  `json:"callback_id"`
	TriggerID  string  `json:"trigger_id"`
	User       named   `json:"user"`
	Channel    named   `json:"channel"`
	Message    message `json:"message"`
	Container  struct {
		MessageTS string `json:"message_ts"`
	} `json:"container"`
	Actions []struct {
		Value string `json:"value"`
		TS    string `json:"action_ts"`
		Text  struct {
			Text string `json:"text"`
		} `json:"text"`
	} `json:"actions"`
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
	known := false
	switch kind {
	case "events_api":
		var outer struct {
			Type  string `json:"type"`
			Event *event `json:"event"`
		}
		err = lenient(payload, &outer)
		n.event = outer.Event
		known = outer.Type == "event_callback" && outer.Event != nil && outer.Event.Type != ""
	case "interactive":
		n.action = &interaction{}
		err = lenient(payload, n.action)
		known = n.action.Type != "" && n.action.User.ID != ""
	case "slash_commands":
		n.command = &slackapi.SlashCommand{}
		err = lenient(payload, n.command)
		known = n.command.UserID != "" && n.command.ChannelID != ""
	}
	if err != nil || !known {
		return news{}, fmt.Errorf("%s: %w", kind, errNotUnderstood)
	}
	return n, nil
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
	fields := map[string]string{}
	for k := range form {
		fields[k] = form.Get(k)
	}
	b, err := json.Marshal(fields)
	if err != nil {
		return news{}, fmt.Errorf("form: %w", err)
	}
	return parse("slash_commands", b)
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
