// Package wechatkftest is a 微信客服 in memory, for tests: an HTTP server that is as strict as WeCom's documents
// (https://developer.work.weixin.qq.com/document/path/94638), customers that a test lets speak, and callbacks to the gateway.
package wechatkftest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options are what the two sides have agreed on. Zero values take the defaults.
type Options struct {
	CorpID, Secret, Token, AESKey string

	// Untokened is how often in a minute messages may be asked for without a callback's token; default 600.
	Untokened int
	// Page is the most messages of one page; default 1000.
	Page int
	// Repeat is how long after a failed callback it comes again, three times in all; default 5 s.
	Repeat time.Duration
	// Once says that a message whose msgid was used before is not shown again; otherwise it is refused.
	Once bool
	// Start is where the clock begins; default now.
	Start time.Time
}

// The defaults of Options.
const (
	CorpID = "ww5f0a9c11d2e3b4c5"
	Secret = "s3cret-of-the-app-Zx81qLk0"
	Token  = "callback-t0ken-qWeRtY"
	AESKey = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
)

// Account is the account that there is from the beginning.
const Account = "wkAJ2GCAAASSm4_FhToWMFea0xAFfd3Q"

// Network is one corp's customer service. Its methods may be called from any goroutine.
type Network struct {
	opts  Options
	began time.Time
	done  chan struct{}
	work  sync.WaitGroup

	calling sync.Mutex // held while a callback is under way

	mu         sync.Mutex
	ahead      time.Duration // how far the clock was put forward
	access     string
	accessEnd  time.Time
	revoked    bool
	hook       string
	deaf       bool
	dirty      map[string]bool
	wake       chan struct{}
	accounts   []*account
	chats      map[string]*chat
	customers  map[string]Customer
	files      map[string]File
	tokens     map[string]pass
	codes      map[string]*eventCode
	faults     map[string][]*Fault
	requests   []Request
	complaints []string
	asked      []time.Time // without a token
	serial     int
	callbacks  int
}

type account struct {
	id, name string
	managed  bool
	log      []entry
}

// entry is one item of an account's log.
type entry struct {
	at   time.Time
	item map[string]any
}

// pass is what a callback's token allows.
type pass struct {
	account string
	end     time.Time
}

// Customer is what the network tells of one.
type Customer struct{ Nickname, Avatar, UnionID string }

// Request is a call as it came, without its access token.
type Request struct {
	Method, Path, Query string
	Body                []byte
}

// Fault is a way in which a call goes wrong.
type Fault struct {
	Code   int    // errcode
	Msg    string // errmsg
	Status int    // of HTTP
	Break  bool   // the connection breaks before anything is done
	Lost   bool   // it breaks after all is done
	Slow   bool   // all is done, and answered when the caller has given up
	Times  int    // how often; 0 is until Calm
}

// New makes a network. Close ends it.
func New(o Options) *Network {
	for _, d := range []struct {
		to *string
		v  string
	}{{&o.CorpID, CorpID}, {&o.Secret, Secret}, {&o.Token, Token}, {&o.AESKey, AESKey}} {
		if *d.to == "" {
			*d.to = d.v
		}
	}
	if o.Untokened == 0 {
		o.Untokened = 600
	}
	if o.Page == 0 {
		o.Page = 1000
	}
	if o.Repeat == 0 {
		o.Repeat = 5 * time.Second
	}
	n := &Network{
		opts: o, began: time.Now(), done: make(chan struct{}), dirty: map[string]bool{}, wake: make(chan struct{}, 1),
		chats: map[string]*chat{}, customers: map[string]Customer{}, files: map[string]File{}, tokens: map[string]pass{},
		codes: map[string]*eventCode{}, faults: map[string][]*Fault{},
	}
	if !o.Start.IsZero() {
		n.ahead = o.Start.Sub(n.began)
	}
	n.AddAccount(Account, "ACME 客服", true)
	n.work.Go(n.pushes)
	return n
}

// Close ends the callbacks.
func (n *Network) Close() {
	close(n.done)
	n.work.Wait()
}

// now is the network's clock; n.mu is held.
func (n *Network) now() time.Time { return time.Now().Add(n.ahead) }

// Advance puts the clock forward.
func (n *Network) Advance(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ahead += d
}

// id makes an id like no other; n.mu is held.
func (n *Network) id(prefix string) string {
	n.serial++
	return fmt.Sprintf("%s%06d%s", prefix, n.serial, rand.Text()[:8])
}

// AddAccount makes a customer service account.
func (n *Network) AddAccount(id, name string, managed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.accounts = append(n.accounts, &account{id: id, name: name, managed: managed})
}

// RemoveAccount deletes one.
func (n *Network) RemoveAccount(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.accounts = slices.DeleteFunc(n.accounts, func(a *account) bool { return a.id == id })
}

func (n *Network) account(id string) *account {
	for _, a := range n.accounts {
		if a.id == id {
			return a
		}
	}
	return nil
}

// Fail lets the calls of a path go wrong. Several faults are met one after another.
func (n *Network) Fail(path string, f Fault) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults[path] = append(n.faults[path], &f)
}

// Calm ends all faults.
func (n *Network) Calm() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.faults)
	n.revoked = false
}

// Revoke lets the app's secret and every token be refused, until Calm.
func (n *Network) Revoke() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.revoked, n.access = true, ""
}

// ExpireToken ends the access token that is in use.
func (n *Network) ExpireToken() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.accessEnd = n.now()
}

// Requests are the calls of a path so far; "" is all.
func (n *Network) Requests(path string) []Request {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(n.requests), func(r Request) bool { return path != "" && r.Path != path })
}

// Complaints are what was wrong with calls though it was not refused, or was refused for its form.
func (n *Network) Complaints() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.complaints)
}

func (n *Network) complain(format string, args ...any) {
	n.complaints = append(n.complaints, fmt.Sprintf(format, args...))
}

// refusal is an errcode.
type refusal struct {
	code int
	msg  string
}

func no(code int, msg string) *refusal { return &refusal{code, msg} }

// answer is JSON, or a file.
type answer struct {
	fields map[string]any
	file   *File
}

type handler func(n *Network, r *http.Request, body []byte) (answer, *refusal)

// Handler is the API.
func (n *Network) Handler() http.Handler {
	post := map[string]handler{
		"/cgi-bin/kf/account/list": listAccounts, "/cgi-bin/kf/add_contact_way": addContactWay, "/cgi-bin/kf/sync_msg": syncMsg,
		"/cgi-bin/kf/send_msg": sendMsg, "/cgi-bin/kf/send_msg_on_event": sendOnEvent, "/cgi-bin/kf/service_state/get": getState,
		"/cgi-bin/kf/service_state/trans": transState, "/cgi-bin/kf/customer/batchget": batchGet, "/cgi-bin/media/upload": upload,
	}
	mux := http.NewServeMux()
	for path, h := range post {
		mux.HandleFunc(path, n.serve(http.MethodPost, true, h))
	}
	mux.HandleFunc("/cgi-bin/media/get", n.serve(http.MethodGet, true, getMedia))
	mux.HandleFunc("/cgi-bin/gettoken", n.serve(http.MethodGet, false, getToken))
	return mux
}

func (n *Network) serve(method string, tokened bool, h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 32<<20))
		if err != nil {
			return // cut off
		}
		f := n.note(r, body)
		switch {
		case f.Break:
			panic(http.ErrAbortHandler)
		case f.Status != 0:
			w.WriteHeader(f.Status)
			return
		}
		a, bad := answer{}, no(f.Code, f.Msg)
		if f.Code == 0 {
			a, bad = n.do(method, tokened, h, r, body)
		}
		switch {
		case f.Lost:
			panic(http.ErrAbortHandler)
		case f.Slow:
			<-r.Context().Done()
			return
		case bad != nil:
			a = answer{fields: map[string]any{"errcode": bad.code, "errmsg": bad.msg + ", hint: [1700000000_1], from ip: 203.0.113.7"}}
		}
		if a.file != nil {
			w.Header().Set("Content-Type", a.file.Type)
			w.Header().Set("Content-Disposition", `attachment; filename="`+a.file.Name+`"`)
			_, _ = w.Write(a.file.Data)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		_ = json.NewEncoder(w).Encode(a.fields)
	}
}

// note writes a call down and finds its fault.
func (n *Network) note(r *http.Request, body []byte) Fault {
	n.mu.Lock()
	defer n.mu.Unlock()
	q := r.URL.Query()
	q.Del("access_token")
	if q.Has("corpsecret") {
		q.Set("corpsecret", "…")
	}
	n.requests = append(n.requests, Request{r.Method, r.URL.Path, q.Encode(), body})
	list := n.faults[r.URL.Path]
	if len(list) == 0 {
		return Fault{}
	}
	f := *list[0]
	if list[0].Times > 0 {
		if list[0].Times--; list[0].Times == 0 {
			n.faults[r.URL.Path] = list[1:]
		}
	}
	return f
}

func (n *Network) do(method string, tokened bool, h handler, r *http.Request, body []byte) (answer, *refusal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if r.Method != method {
		n.complain("%s %s: want %s", r.Method, r.URL.Path, method)
		return answer{}, no(43002, "require POST method")
	}
	if tokened {
		if bad := n.authorised(r.URL.Query()); bad != nil {
			return answer{}, bad
		}
	}
	a, bad := h(n, r, body)
	if bad != nil {
		return a, bad
	}
	if a.file == nil {
		if a.fields == nil {
			a.fields = map[string]any{}
		}
		a.fields["errcode"], a.fields["errmsg"] = 0, "ok"
	}
	return a, nil
}

func (n *Network) authorised(q url.Values) *refusal {
	token := q.Get("access_token")
	switch {
	case token == "":
		return no(41001, "access_token missing")
	case n.revoked || token != n.access:
		return no(40014, "invalid access_token")
	case !n.now().Before(n.accessEnd):
		return no(42001, "access_token expired")
	}
	return nil
}

func getToken(n *Network, r *http.Request, _ []byte) (answer, *refusal) {
	q := r.URL.Query()
	switch {
	case q.Get("corpid") != n.opts.CorpID:
		return answer{}, no(40013, "invalid corpid")
	case n.revoked || q.Get("corpsecret") != n.opts.Secret:
		return answer{}, no(40001, "invalid credential")
	}
	const life = 7200
	if n.access == "" || !n.now().Before(n.accessEnd) {
		n.access, n.accessEnd = n.id("access-t0ken-"), n.now().Add(life*time.Second)
	}
	left := int(n.accessEnd.Sub(n.now()).Seconds())
	return answer{fields: map[string]any{"access_token": n.access, "expires_in": left}}, nil
}

// read takes a body apart: no unknown fields, no nulls, no other types, Chinese as it is.
func read[T any](n *Network, r *http.Request, body []byte) (T, *refusal) {
	var v T
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil || dec.More() {
		n.complain("%s: %v in %s", r.URL.Path, err, body)
		return v, no(47001, "data format error")
	}
	var whole any
	_ = json.Unmarshal(body, &whole)
	if hasNull(whole) || bytes.Contains(body, []byte(`\u`)) {
		n.complain("%s: a null, or text that is escaped, in %s", r.URL.Path, body)
		return v, no(40058, "invalid Request Parameter")
	}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		n.complain("%s: Content-Type %q", r.URL.Path, r.Header.Get("Content-Type"))
	}
	return v, nil
}

func hasNull(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case []any:
		return slices.ContainsFunc(v, hasNull)
	case map[string]any:
		for _, x := range v {
			if hasNull(x) {
				return true
			}
		}
	}
	return false
}
