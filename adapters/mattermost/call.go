package mattermost

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// maxAnswer bounds one answer: a thousand posts of the longest kind.
const maxAnswer = 128 << 20

// wire carries the requests of model.Client4, so that its errors have verdicts and say what was asked.
type wire struct{ http *http.Client }

// RoundTrip never answers with a status that is not 2xx: that is an error, with what the server says.
func (w wire) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := httpx.Do(req.Context(), w.http, req, maxAnswer)
	if status, ok := errors.AsType[*httpx.Error](err); ok && resp != nil {
		no := &refusal{error: err, status: status.Status}
		_ = json.Unmarshal(resp.Body, &no.says) // a proxy's page says nothing
		err = no
	}
	if err != nil {
		_, what, _ := strings.Cut(req.URL.Path, "/api/v4")
		return nil, fmt.Errorf("%s %s: %w", req.Method, what, err)
	}
	return &http.Response{
		Status: http.StatusText(resp.Status), StatusCode: resp.Status, Header: resp.Header, Request: req,
		Body: io.NopCloser(bytes.NewReader(resp.Body)), ContentLength: int64(len(resp.Body)), ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// refusal is an answer that is not 2xx; its verdict is that of the status.
type refusal struct {
	error
	status int
	says   struct {
		ID      string `json:"id"`
		Message string `json:"message"`
	}
}

func (r *refusal) Error() string {
	if r.says.Message == "" {
		return r.error.Error()
	}
	return r.error.Error() + ": " + r.says.Message
}

// Unwrap leads to the verdict.
func (r *refusal) Unwrap() error { return r.error }

// told is what the server answers, with an error that the core can read: what net/http put around it is taken
// away; a limit is the account's, not the room's; and what the server has switched off stays off.
func told[T any](v T, _ *model.Response, err error) (T, error) {
	if err == nil {
		return v, nil
	}
	if around, ok := errors.AsType[*url.Error](err); ok {
		err = around.Err
	} else { // all that fails after the answer has come
		err = bridge.Unsure(errors.New("the answer is not what was expected; is url: the address of Mattermost?"))
	}
	if j := bridge.Judge(err); j.Verdict == bridge.VerdictWait {
		err = bridge.RetryAccountAfter(err, j.Wait)
	} else if refused(err, http.StatusNotImplemented) {
		err = bridge.Permanent(err)
	}
	return v, err
}

// done is told for a call without an answer.
func done(resp *model.Response, err error) error {
	_, err = told(struct{}{}, resp, err)
	return err
}

// refused reports whether the server answered one of the statuses.
func refused(err error, statuses ...int) bool {
	no, ok := errors.AsType[*refusal](err)
	return ok && slices.Contains(statuses, no.status)
}

// says reports whether the server gave one of the reasons.
func says(err error, ids ...string) bool {
	no, ok := errors.AsType[*refusal](err)
	return ok && slices.Contains(ids, no.says.ID)
}

func hexSum(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// upload brings a file to the server, for a post of the same account that follows. Client4 would hold it in memory.
func (a *adapter) upload(ctx context.Context, s *site, as *model.Client4, channel string, f bridge.Attachment) (string, error) {
	limit := a.cfg.MaxFile
	if s.maxFile > 0 {
		limit = min(limit, s.maxFile)
	}
	if f.Size > limit {
		return "", bridge.Permanent(fmt.Errorf("%d bytes, more than %d: %w", f.Size, limit, bridge.ErrTooLarge))
	}
	body, err := f.Open()
	if err != nil {
		return "", fmt.Errorf("open: %w", err)
	}
	defer func() { _ = body.Close() }()
	q := url.Values{"channel_id": {channel}, "filename": {f.Name}}
	req, err := a.ask(ctx, as, http.MethodPost, "/files?"+q.Encode())
	if err != nil {
		return "", err
	}
	req.Body, req.ContentLength = body, f.Size
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err := as.HTTPClient.Do(req)
	if err != nil {
		return "", done(nil, err)
	}
	defer func() { _ = resp.Body.Close() }()
	got, _, err := model.DecodeJSONFromResponse[*model.FileUploadResponse](resp)
	if err != nil || got == nil || len(got.FileInfos) != 1 {
		return "", errors.New("the server did not say what it calls the file")
	}
	return got.FileInfos[0].Id, nil
}

// ask is a request that Client4 does not make as it is needed.
func (a *adapter) ask(ctx context.Context, as *model.Client4, method, path string) (*http.Request, error) {
	req, err := httpx.Request(ctx, method, as.APIURL+path, nil)
	if err != nil {
		return nil, bridge.Permanent(err)
	}
	req.Header.Set("Authorization", "Bearer "+as.AuthToken)
	return req, nil
}

// Fetch reads a file of a post.
func (a *adapter) Fetch(ctx context.Context, f bridge.File) (io.ReadCloser, error) {
	if !model.IsValidId(f.Ref) {
		return nil, bridge.Permanent(errors.New("fetch: not the id of a file"))
	}
	req, err := a.ask(ctx, a.api, http.MethodGet, "/files/"+f.Ref)
	if err != nil {
		return nil, err
	}
	once := *a.env.HTTP
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := once.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch: no connection to %s", a.host)
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("fetch: %w", httpx.Verdict(a.host, resp.StatusCode, resp.Header, a.env.Now()))
	}
	return resp.Body, nil
}
