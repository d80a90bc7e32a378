package fake

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// Handler is the network's API: POST / does a call, GET /?call= asks something that changes nothing.
// The adapter shows the secret as a bearer token.
func (n *Network) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if subtle.ConstantTimeCompare([]byte(token), []byte(n.opts.Secret)) != 1 {
			httpx.WriteJSON(w, http.StatusUnauthorized, refusal{Code: "wrong_token"})
			return
		}
		var c call
		if err := readCall(w, r, &c); err != nil {
			httpx.WriteJSON(w, httpx.Status(err), refusal{Code: "malformed"})
			return
		}
		a, no := n.handle(r.Context(), &c)
		switch {
		case no == nil:
			httpx.WriteJSON(w, http.StatusOK, a)
		case no.cut:
			panic(http.ErrAbortHandler) // how net/http is told to break the connection without an answer
		default:
			maps.Copy(w.Header(), no.header())
			httpx.WriteJSON(w, no.Status, no)
		}
	})
}

func readCall(w http.ResponseWriter, r *http.Request, c *call) error {
	if r.Method == http.MethodGet {
		if err := httpx.Decode([]byte(r.URL.Query().Get("call")), c); err != nil {
			return err
		}
		if !asks(c.Op) {
			return fmt.Errorf("%s by GET: %w", c.Op, bridge.ErrRefused)
		}
		return nil
	}
	return httpx.ReadJSON(w, r, maxCall, c)
}

// asks reports whether a call changes nothing, so that a lost answer leaves nothing unsure.
func asks(op string) bool {
	switch op {
	case opFetch, opFind, opProbe, opInvite, opPoll:
		return true
	default:
		return false
	}
}

func (r *refusal) header() http.Header {
	h := http.Header{}
	if r.After > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(r.After.Seconds()))))
	}
	return h
}

// link is the adapter's way to the network.
type link interface {
	call(ctx context.Context, c *call) (answer, error)
}

// wire is a link over HTTP.
type wire struct {
	base   string
	secret bridge.Secret
	client *http.Client
}

func (w *wire) call(ctx context.Context, c *call) (answer, error) {
	req, err := w.request(ctx, c)
	if err != nil {
		return answer{}, bridge.Permanent(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.secret.Reveal())
	resp, err := httpx.Do(ctx, w.client, req, maxCall)
	if err != nil {
		var no refusal
		if resp != nil && json.Unmarshal(resp.Body, &no) == nil {
			err = no.window(err)
		}
		return answer{}, fmt.Errorf("%s: %w", c.Op, err)
	}
	var a answer
	if err := json.Unmarshal(resp.Body, &a); err != nil {
		err = fmt.Errorf("%s: the answer is not what was expected", c.Op)
		if asks(c.Op) {
			return answer{}, err
		}
		return answer{}, bridge.Unsure(err)
	}
	return a, nil
}

func (w *wire) request(ctx context.Context, c *call) (*http.Request, error) {
	if !asks(c.Op) {
		return httpx.Request(ctx, http.MethodPost, w.base, c)
	}
	body, err := httpx.EncodeJSON(c)
	if err != nil {
		return nil, err
	}
	return httpx.Request(ctx, http.MethodGet, w.base+"?call="+url.QueryEscape(string(body)), nil)
}

// direct is a link without a connection, for benches and tests in one process.
type direct struct{ n *Network }

func (d direct) call(ctx context.Context, c *call) (answer, error) {
	if err := ctx.Err(); err != nil {
		return answer{}, fmt.Errorf("%s: %w", c.Op, err)
	}
	a, no := d.n.handle(ctx, c)
	switch {
	case no == nil && ctx.Err() == nil, no == nil && asks(c.Op):
		return a, nil
	case no == nil: // done, but nobody waited for the answer
		return answer{}, bridge.Unsure(fmt.Errorf("%s: %w", c.Op, ctx.Err()))
	case no.cut && no.done && !asks(c.Op):
		return answer{}, bridge.Unsure(fmt.Errorf("%s: %w", c.Op, errLostAnswer))
	case no.cut:
		return answer{}, fmt.Errorf("%s: %w", c.Op, errDropped)
	default:
		return answer{}, fmt.Errorf("%s: %w", c.Op, no.window(httpx.Verdict("fake", no.Status, no.header(), time.Now())))
	}
}

var (
	errLostAnswer = errors.New("the connection broke before the answer came")
	errDropped    = errors.New("no connection")
)
