package tencent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// The addresses of the API.
const (
	OfficialAccountURL = "https://api.weixin.qq.com"
	WeComURL           = "https://qyapi.weixin.qq.com"
)

// maxAnswer bounds one JSON answer. The largest is a page of kf/sync_msg: 1000 messages of 2 KiB each,
// in JSON at most six times as long when everything is escaped.
const maxAnswer = 16 << 20

// Client calls the API of one account. Every error carries its verdict: httpx.Do's for what happened
// to the request, Codes' for an errcode. A caller that knows more wraps it in another verdict.
type Client struct {
	URL      string // OfficialAccountURL or WeComURL, or a test's
	HTTP     *http.Client
	Tokens   *Tokens       // nil for calls without an access token, such as those that get one
	Codes    Codes         // OfficialAccountCodes() or WeComCodes()
	Language func() string // of the words in errors: "zh" or anything else for English; nil is English
}

// Call sends in as JSON (nil for no body) to a path such as "/cgi-bin/message/send" and reads the answer into out
// (nil for none). A token that is refused is dropped and the call made once more with a new one. A POST
// whose answer is lost is Unsure: use it for what people see, and Query for the rest.
func (c *Client) Call(ctx context.Context, method, path string, query url.Values, in, out any) error {
	return c.withToken(ctx, path, func(token string) error {
		req, err := httpx.Request(ctx, method, c.address(path, query, token), in)
		if err != nil {
			return bridge.Permanent(err)
		}
		resp, err := httpx.Do(ctx, c.HTTP, req, maxAnswer)
		if err != nil {
			return err
		}
		return c.read(req, path, token, resp.Body, out)
	})
}

// Query is Call for what may be asked twice without harm, though it may be a POST: it is never Unsure.
func (c *Client) Query(ctx context.Context, method, path string, query url.Values, in, out any) error {
	return harmless(c.Call(ctx, method, path, query, in, out))
}

// withToken runs a call, and once more if its token was refused: such a call did nothing.
func (c *Client) withToken(ctx context.Context, path string, call func(token string) error) error {
	var token string
	for try := 0; ; try++ {
		if c.Tokens != nil {
			var err error
			if token, err = c.Tokens.Get(ctx); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		err := call(token)
		var e *Error
		if err == nil || c.Tokens == nil || !errors.As(err, &e) || !e.tokenRefused() || try > 0 {
			return err
		}
		c.Tokens.Drop(ctx, token)
	}
}

// address puts the token into the query, where the networks want it. Nothing may quote an address.
func (c *Client) address(path string, query url.Values, token string) string {
	q := url.Values{}
	maps.Copy(q, query)
	if token != "" {
		q.Set("access_token", token)
	}
	address := strings.TrimSuffix(c.URL, "/") + path
	if len(q) > 0 {
		address += "?" + q.Encode()
	}
	return address
}

// refusal is what an answer says of its success. Some calls leave it out when they succeed.
type refusal struct {
	Code int    `json:"errcode"`
	Msg  string `json:"errmsg"`
}

// read takes an answer apart; status 200 says nothing here.
func (c *Client) read(req *http.Request, path, token string, body []byte, out any) error {
	var r refusal
	if err := json.Unmarshal(body, &r); err != nil {
		return unreadable(req, path)
	}
	if r.Code != 0 {
		return c.fail(path, token, r)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return unreadable(req, path)
	}
	return nil
}

// unreadable is an answer that is no answer: the network has done something.
func unreadable(req *http.Request, path string) error {
	err := fmt.Errorf("%s: the answer of %s is not the JSON that was expected", path, req.URL.Host)
	if req.Method == http.MethodGet {
		return err
	}
	return bridge.Unsure(err)
}

// fail makes the error of an errcode, with the verdict of the table.
func (c *Client) fail(path, token string, r refusal) error {
	msg := r.Msg
	if token != "" {
		msg = strings.ReplaceAll(msg, token, "***")
	}
	e := &Error{Code: r.Code, Msg: tidy(msg), Path: path}
	lang := ""
	if c.Language != nil {
		lang = c.Language()
	}
	return c.Codes.judge(e, lang)
}

// answeredToken is what both networks answer with a token.
type answeredToken struct {
	Token string `json:"access_token"`
	Life  int64  `json:"expires_in"` // seconds
}

func (a answeredToken) get(err error) (string, time.Duration, error) {
	return a.Token, time.Duration(a.Life) * time.Second, err
}

// StableToken fetches the token of an Official Account in the way that leaves tokens of others alone.
// The client's own Tokens are not used.
// https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken.html
func StableToken(c Client, appID string, secret bridge.Secret) Fetch {
	c.Tokens = nil
	return func(ctx context.Context) (string, time.Duration, error) {
		var a answeredToken
		in := map[string]string{"grant_type": "client_credential", "appid": appID, "secret": secret.Reveal()}
		return a.get(c.Query(ctx, http.MethodPost, "/cgi-bin/stable_token", nil, in, &a))
	}
}

// CorpToken fetches the token of a WeCom app. The client's own Tokens are not used.
// https://developer.work.weixin.qq.com/document/path/91039
func CorpToken(c Client, corpID string, secret bridge.Secret) Fetch {
	c.Tokens = nil
	return func(ctx context.Context) (string, time.Duration, error) {
		var a answeredToken
		q := url.Values{"corpid": {corpID}, "corpsecret": {secret.Reveal()}}
		return a.get(c.Query(ctx, http.MethodGet, "/cgi-bin/gettoken", q, nil, &a))
	}
}
