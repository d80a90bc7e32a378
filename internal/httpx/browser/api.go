package browser

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// errNobody is a request without a session.
var errNobody = errors.New("nobody is signed in")

// Limited is a request that came too early; Wait says when it may come again.
type Limited struct{ Wait time.Duration }

func (l *Limited) Error() string {
	return "too many requests: wait " + l.Wait.Round(time.Second).String()
}

// Mount adds the addresses that pages use, below the prefix ("/desk"): prefix/live and prefix/api/….
func (c *Chat) Mount(mux *http.ServeMux, prefix string) {
	get := func(name string, h handler) { mux.Handle("GET "+prefix+"/api/"+name, c.signed(h)) }
	post := func(name string, h handler) { mux.Handle("POST "+prefix+"/api/"+name, c.signed(h)) }
	get("rooms", c.rooms)
	get("room", c.room)
	get("line", c.line)
	get("file", c.file)
	post("say", c.say)
	post("edit", c.edit)
	post("recall", c.recall)
	post("react", c.react)
	post("seen", c.seen)
	post("typing", c.typing)
	post("answer", c.answer)
	if c.opts.Side == bridge.ContactSide {
		post("leave", c.leave)
	} else {
		post("command", c.command)
	}
	post("upload", c.upload)
	mux.Handle("GET "+prefix+"/live", c.signed(func(w http.ResponseWriter, r *http.Request, u bridge.UserID) error {
		c.live.Serve(w, r, string(u))
		return nil
	}))
}

// handler answers a signed-in user. It writes nothing before it returns an error.
type handler func(w http.ResponseWriter, r *http.Request, u bridge.UserID) error

func (c *Chat) signed(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, err := c.opts.Who(r)
		if errors.Is(err, bridge.ErrNotFound) {
			err = errNobody
		}
		if err == nil {
			err = h(w, r, u)
		}
		if err != nil {
			c.fail(w, r, err)
		}
	})
}

// permit asks the limiter, and says when to come again.
func (c *Chat) permit(l *Limiter, u bridge.UserID) error {
	if wait := l.Take(string(u)); wait > 0 {
		return &Limited{Wait: wait}
	}
	return nil
}

// fail answers with the error as pages read it: a code to decide by, and words for refusals only, since
// other errors speak of the gateway's inside.
func (c *Chat) fail(w http.ResponseWriter, r *http.Request, err error) {
	var body struct {
		Error string `json:"error"`
		Text  string `json:"text,omitempty"`
	}
	status, wait := httpx.Status(err), time.Duration(0)
	var limited *Limited
	var large *http.MaxBytesError
	switch {
	case errors.Is(err, errNobody):
		status, body.Error = http.StatusUnauthorized, "signed_out"
	case errors.As(err, &limited):
		status, body.Error, wait = http.StatusTooManyRequests, "too_many", limited.Wait
	case errors.As(err, &large), status == http.StatusRequestEntityTooLarge:
		status, body.Error = http.StatusRequestEntityTooLarge, "too_large"
	case status == http.StatusBadRequest:
		body.Error, body.Text = "refused", err.Error()
	case status == http.StatusNotFound:
		body.Error = "not_found"
	default:
		status, body.Error, wait = http.StatusServiceUnavailable, "unavailable", 2*time.Second
		if r.Context().Err() == nil && !errors.Is(err, errNotRunning) {
			c.env.Log.Warn("a page was not answered", "path", r.URL.Path, "err", err)
		}
	}
	if wait > 0 {
		RetryAfter(w, wait)
	}
	httpx.WriteJSON(w, status, body)
}

func (c *Chat) rooms(w http.ResponseWriter, r *http.Request, u bridge.UserID) error {
	m, _, err := c.marks.get(r.Context(), string(u))
	if err != nil {
		return err
	}
	list, err := c.lobby.Rooms(r.Context(), u)
	if err != nil {
		return err
	}
	out := struct {
		Rooms []roomView `json:"rooms"`
	}{make([]roomView, 0, len(list))}
	for _, v := range list {
		out.Rooms = append(out.Rooms, viewRoom(v, c.opts.Side, m))
	}
	httpx.WriteJSON(w, http.StatusOK, out)
	return nil
}

// maxPage is how many lines one answer may carry.
const maxPage = 100

func (c *Chat) room(w http.ResponseWriter, r *http.Request, u bridge.UserID) error {
	q := r.URL.Query()
	id := bridge.RoomID(q.Get("room"))
	var before uint64
	if s := q.Get("before"); s != "" {
		var ok bool
		if before, ok = bridge.ParseID('m', s); !ok {
			return refuse("before is no message")
		}
	}
	n, err := strconv.Atoi(q.Get("n"))
	if err != nil || n < 1 || n > maxPage {
		return refuse("n is not between 1 and %d", maxPage)
	}
	v, err := c.viewOf(r, u, id)
	if err != nil {
		return err
	}
	lines, err := c.lobby.History(r.Context(), u, id, bridge.MessageID(before), n)
	if err != nil {
		return err
	}
	out := struct {
		Room  roomView   `json:"room"`
		Lines []lineView `json:"lines"`
		More  bool       `json:"more"` // there may be older ones
	}{v, make([]lineView, 0, len(lines)), len(lines) == n}
	for _, l := range lines {
		out.Lines = append(out.Lines, viewLine(l, c.opts.Side))
	}
	httpx.WriteJSON(w, http.StatusOK, out)
	return nil
}

// viewOf is a room with the questions that wait in it.
func (c *Chat) viewOf(r *http.Request, u bridge.UserID, id bridge.RoomID) (roomView, error) {
	room, err := c.lobby.Room(r.Context(), u, id)
	if err != nil {
		return roomView{}, err
	}
	m, _, err := c.marks.get(r.Context(), string(u))
	if err != nil {
		return roomView{}, err
	}
	stored, _, err := c.asks.get(r.Context(), string(id))
	if err != nil {
		return roomView{}, err
	}
	v := viewRoom(room, c.opts.Side, m)
	v.Asks = viewAsks(room, stored)
	return v, nil
}

// viewAsks lists what a room asks: the questions that were sent, and the customer's request, which is
// open as long as the gateway says so, whether its question is still known here or not.
func viewAsks(v bridge.RoomView, stored []asked) []askView {
	var out []askView
	known := false
	for _, a := range stored {
		request := v.AskID != "" && a.Ask.ID == v.AskID
		if a.Request && !request {
			continue // answered elsewhere
		}
		known = known || request
		out = append(out, askView{ID: a.Ask.ID, Msg: a.Msg, Text: a.Ask.Text, Choices: a.Ask.Choices, Request: request})
	}
	if v.AskID != "" && !known {
		out = append(out, askView{ID: v.AskID, Request: true, Choices: []bridge.Choice{
			{ID: "accept", Style: "primary"}, {ID: "decline"},
		}})
	}
	return out
}

func (c *Chat) line(w http.ResponseWriter, r *http.Request, u bridge.UserID) error {
	q := r.URL.Query()
	l, err := c.lobby.Line(r.Context(), u, bridge.RoomID(q.Get("room")), bridge.MsgID(q.Get("msg")))
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, viewLine(l, c.opts.Side))
	return nil
}
