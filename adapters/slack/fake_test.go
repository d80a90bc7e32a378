package slack

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hutong-im/hutong/adapters/adaptertest"
	"github.com/hutong-im/hutong/bridge"
)

// What the workspace calls itself, and its secrets.
const (
	botUser   = "UBOT"
	botID     = "BBOT"
	botToken  = "xoxb-1-secret-of-the-bot"
	appToken  = "xapp-1-secret-of-the-app"
	signing   = "secret-that-signs"
	ticket    = "ticket-of-the-socket"
	retrySecs = 7
)

type obj = map[string]any

// workspace is Slack in memory: strict about what it takes, and ready to misbehave. What it refuses that the real one
// refuses is in the answers of the methods' pages at https://docs.slack.dev/reference/methods.
type workspace struct {
	t     *testing.T
	srv   *httptest.Server
	rooms string // roomsChannel or roomsThread
	http  bool   // events over HTTP

	mu       sync.Mutex
	last     int64
	ids      int
	channels map[string]*channel
	users    map[string]string // name by id
	files    map[string]*file
	calls    []string
	forms    map[string]url.Values // the last call of each method
	views    map[string]string     // App Home, by user
	modals   map[string]obj        // forms that are open, by id
	triggers map[string]bool       // that may still open a form
	respond  map[string]func(text string, blocks any)
	deleted  map[string]bool // users
	broken   *channel        // whose history Slack cannot read
	trouble  adaptertest.Trouble
	latin    bool   // channel names are Latin only
	forgets  bool   // events are lost while nobody is connected
	scopes   string // granted
	refuse   map[string]string
	answers  map[string]string // what methods answer instead, as it is
	busy     map[string]int    // methods that answer 429, and for how many seconds
	shouted  []string          // what would have notified everybody

	queue   []*envelope
	conns   []*websocket.Conn
	hook    http.Handler
	calling sync.WaitGroup
	wake    chan struct{}
	emoji   emojis
}

type channel struct {
	id, name, topic string
	im, archived    bool
	topics          int
	members         []string
	msgs            []obj
	pins            []string
	hints           []obj // that one user sees
}

type file struct {
	id, name, typ string
	data          []byte
	announced     int // bytes
	done          bool
}

type envelope struct {
	id   string
	kind string
	body []byte // JSON, or a form over HTTP
	form bool
}

func newWorkspace(t *testing.T, rooms string, overHTTP bool) *workspace {
	w := &workspace{
		t: t, rooms: rooms, http: overHTTP, last: time.Now().UnixMicro(), channels: map[string]*channel{}, users: map[string]string{},
		files: map[string]*file{}, forms: map[string]url.Values{}, views: map[string]string{}, modals: map[string]obj{}, triggers: map[string]bool{},
		respond: map[string]func(string, any){}, deleted: map[string]bool{}, trouble: adaptertest.Calm, refuse: map[string]string{}, answers: map[string]string{}, busy: map[string]int{},
		scopes: strings.Join(scopes(), ","), wake: make(chan struct{}, 1), emoji: readEmojis(),
	}
	w.srv = httptest.NewServer(w)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { defer close(stopped); w.push(stop) }()
	t.Cleanup(func() { close(stop); <-stopped; w.cut(); w.srv.Close() })
	return w
}

// Config implements adaptertest.Network.
func (w *workspace) Config() bridge.Config {
	c := &Config{BotToken: bridge.MakeSecret(botToken), Rooms: w.rooms, APIURL: w.srv.URL + "/api/"}
	if w.http {
		c.SigningSecret = bridge.MakeSecret(signing)
	} else {
		c.AppToken = bridge.MakeSecret(appToken)
	}
	return c
}

// Facts implements adaptertest.Network.
func (w *workspace) Facts() adaptertest.Facts {
	return adaptertest.Facts{
		Secrets: []string{botToken, appToken, signing, ticket}, MaxText: 4000, Count: bridge.Runes, Retry: retrySecs * time.Second,
	}
}

// Attach implements adaptertest.Network.
func (w *workspace) Attach(a bridge.Adapter) {
	w.mu.Lock()
	w.hook = nil
	w.mu.Unlock()
	w.calling.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if h, ok := a.(bridge.Hooked); ok {
		w.hook = h.Hook()
	}
	w.poke()
}

func (w *workspace) id(prefix string) string {
	w.ids++
	return fmt.Sprintf("%s%06d", prefix, w.ids)
}

// ts is a moment that no message has yet.
func (w *workspace) ts() string {
	w.last = max(w.last+1, time.Now().UnixMicro())
	return stampOf(w.last)
}

// Room implements adaptertest.Network.
func (w *workspace) Room() (bridge.RoomID, bridge.UserID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	user := w.id("U")
	w.users[user] = "user " + user
	if w.rooms == roomsChannel {
		c := &channel{id: w.id("C"), members: []string{botUser, user}}
		c.name = strings.ToLower(c.id)
		w.channels[c.id] = c
		return bridge.RoomID(c.id), bridge.UserID(user)
	}
	c := w.direct(user)
	root := w.say(c, obj{"user": botUser, "bot_id": botID, "text": "root"})
	return bridge.RoomID(c.id + ":" + root), bridge.UserID(user)
}

func (w *workspace) direct(user string) *channel {
	for _, c := range w.channels {
		if c.im && slices.Contains(c.members, user) {
			return c
		}
	}
	c := &channel{id: w.id("D"), im: true, members: []string{botUser, user}}
	w.channels[c.id] = c
	return c
}

// say adds a message and tells of it.
func (w *workspace) say(c *channel, m obj) string {
	ts := w.ts()
	m["type"], m["ts"] = "message", ts
	if root, ok := m["thread_ts"].(string); ok {
		if r := c.find(root); r != nil {
			r["thread_ts"], r["latest_reply"] = root, ts
		}
	}
	c.msgs = append(c.msgs, m)
	e := obj{"channel": c.id, "event_ts": ts}
	maps.Copy(e, m)
	w.tell("events_api", obj{"type": "event_callback", "event": e})
	return ts
}

func (c *channel) find(ts string) obj {
	for _, m := range c.msgs {
		if m["ts"] == ts {
			return m
		}
	}
	return nil
}

// tell queues an event.
func (w *workspace) tell(kind string, payload any) {
	if w.forgets && len(w.conns) == 0 && w.hook == nil {
		return
	}
	b, err := json.Marshal(payload)
	if err != nil {
		w.t.Error(err)
	}
	e := &envelope{id: w.id("env"), kind: kind, body: b}
	if w.http && kind == "interactive" {
		e.body, e.form = []byte(url.Values{"payload": {string(b)}}.Encode()), true
	}
	if w.http && kind == "slash_commands" {
		v := url.Values{}
		for k, s := range payload.(obj) {
			v.Set(k, s.(string))
		}
		e.body, e.form = []byte(v.Encode()), true
	}
	w.queue = append(w.queue, e)
	if w.http {
		w.poke()
		return
	}
	for _, conn := range w.conns {
		w.send(conn, e)
	}
}

func (w *workspace) send(conn *websocket.Conn, e *envelope) {
	_ = conn.WriteJSON(obj{"type": e.kind, "envelope_id": e.id, "payload": json.RawMessage(e.body), "accepts_response_payload": false})
}

func (w *workspace) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// push calls the hook, in order, again and again until it answers 2xx.
func (w *workspace) push(stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-w.wake:
		case <-time.After(15 * time.Millisecond):
		}
		for w.pushOne() {
		}
	}
}

func (w *workspace) pushOne() bool {
	w.mu.Lock()
	if w.hook == nil || len(w.queue) == 0 {
		w.mu.Unlock()
		return false
	}
	e, hook := w.queue[0], w.hook
	w.calling.Add(1)
	w.mu.Unlock()
	code := knock(hook, e.body, e.form, time.Now(), signing)
	w.calling.Done()
	if code != http.StatusOK {
		return false
	}
	w.mu.Lock()
	w.queue = w.queue[1:]
	w.mu.Unlock()
	return true
}

func stampSec(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }

// knockSigned calls the hook with a signature.
func knockSigned(hook http.Handler, body []byte, at time.Time, sum string) int {
	req := httptest.NewRequest(http.MethodPost, "/hook/slack", strings.NewReader(string(body)))
	req.Header.Set("X-Slack-Request-Timestamp", stampSec(at))
	req.Header.Set("X-Slack-Signature", sum)
	rec := httptest.NewRecorder()
	hook.ServeHTTP(rec, req)
	return rec.Code
}

// knock calls the hook as Slack does.
func knock(hook http.Handler, body []byte, form bool, at time.Time, secret string) int {
	req := httptest.NewRequest(http.MethodPost, "/hook/slack", strings.NewReader(string(body)))
	req.Header.Set("Content-Type", "application/json")
	if form {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if secret != "" {
		req.Header.Set("X-Slack-Request-Timestamp", stampSec(at))
		req.Header.Set("X-Slack-Signature", signature(secret, stampSec(at), body))
	}
	rec := httptest.NewRecorder()
	hook.ServeHTTP(rec, req)
	return rec.Code
}

// socket is the other end of Socket Mode.
func (w *workspace) socket(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("ticket") != ticket {
		http.Error(rw, "no ticket", http.StatusForbidden)
		return
	}
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := up.Upgrade(rw, r, nil)
	if err != nil {
		return
	}
	w.mu.Lock()
	_ = conn.WriteJSON(obj{"type": "hello", "num_connections": 1})
	w.conns = append(w.conns, conn)
	for _, e := range w.queue {
		w.send(conn, e)
	}
	w.mu.Unlock()
	for {
		var ack struct {
			ID string `json:"envelope_id"`
		}
		if conn.ReadJSON(&ack) != nil {
			break
		}
		w.mu.Lock()
		w.queue = slices.DeleteFunc(w.queue, func(e *envelope) bool { return e.id == ack.ID })
		w.mu.Unlock()
	}
	w.mu.Lock()
	w.conns = slices.DeleteFunc(w.conns, func(c *websocket.Conn) bool { return c == conn })
	w.mu.Unlock()
	_ = conn.Close()
}

func (w *workspace) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		_ = c.UnderlyingConn().Close()
	}
}

// Trouble implements adaptertest.Network.
func (w *workspace) Trouble(t adaptertest.Trouble) bool {
	switch t {
	case adaptertest.Closed:
		return false
	case adaptertest.Cut:
		w.mu.Lock()
		w.trouble = adaptertest.Calm
		w.mu.Unlock()
		w.cut()
		return !w.http
	default:
		w.mu.Lock()
		defer w.mu.Unlock()
		w.trouble = t
		return true
	}
}

// changes are the methods that say or change something.
var changes = regexp.MustCompile(`^(chat|reactions\.(add|remove)|conversations\.(create|invite|open|set)|pins|views|files\.(get|complete))`)

// ServeHTTP is the Web API, the upload address, the files and the socket.
func (w *workspace) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/socket":
		w.socket(rw, r)
		return
	case strings.HasPrefix(r.URL.Path, "/respond/"):
		w.responded(rw, r)
		return
	case strings.HasPrefix(r.URL.Path, "/upload/"):
		w.upload(rw, r)
		return
	case strings.HasPrefix(r.URL.Path, "/files-pri/"):
		w.download(rw, r)
		return
	}
	method := strings.TrimPrefix(r.URL.Path, "/api/")
	if err := readForm(r); err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	trouble := w.trouble
	w.calls, w.forms[method] = append(w.calls, method), r.Form
	refusal, busy := w.refuse[method], w.busy[method]
	instead, strange := w.answers[method]
	w.mu.Unlock()
	if strange {
		_, _ = io.WriteString(rw, instead)
		return
	}
	if !changes.MatchString(method) && trouble != adaptertest.Revoked {
		trouble = adaptertest.Calm
	}
	if busy == 0 {
		busy = retrySecs
	} else {
		trouble = adaptertest.Busy
	}
	switch trouble { //nolint:exhaustive // the others come later
	case adaptertest.Broken:
		http.Error(rw, "<html>oops", http.StatusInternalServerError)
		return
	case adaptertest.Busy:
		rw.Header().Set("Retry-After", strconv.Itoa(busy))
		rw.WriteHeader(http.StatusTooManyRequests)
		return
	}
	want := "Bearer " + botToken
	if method == "apps.connections.open" {
		want = "Bearer " + appToken
	}
	var answer obj
	switch {
	case trouble == adaptertest.Revoked:
		answer = no("token_revoked")
	case r.Header.Get("Authorization") != want:
		answer = no("not_authed")
	case refusal != "":
		answer = no(refusal)
	default:
		w.mu.Lock()
		if answer = w.permitted(method); answer == nil {
			answer = w.answer(method, r.Form)
		}
		rw.Header().Set("X-OAuth-Scopes", w.scopes)
		w.mu.Unlock()
	}
	switch trouble { //nolint:exhaustive // the others come later
	case adaptertest.Lost:
		if conn, _, err := http.NewResponseController(rw).Hijack(); err == nil {
			_ = conn.Close()
		}
		return
	case adaptertest.Slow:
		<-r.Context().Done()
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(answer)
}

func (w *workspace) upload(rw http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, lost := w.answers["upload"]; lost {
		panic(http.ErrAbortHandler)
	}
	f := w.files[strings.TrimPrefix(r.URL.Path, "/upload/")]
	if f == nil || err != nil || len(data) != f.announced {
		http.Error(rw, "no", http.StatusBadRequest)
		return
	}
	f.data = data
	_, _ = io.WriteString(rw, "OK - "+strconv.Itoa(len(data)))
}

func (w *workspace) download(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	f := w.files[strings.Split(r.URL.Path, "/")[2]]
	w.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+botToken {
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(rw, "<html>sign in")
		return
	}
	if f == nil {
		http.NotFound(rw, r)
		return
	}
	rw.Header().Set("Content-Type", f.typ)
	_, _ = rw.Write(f.data)
}
