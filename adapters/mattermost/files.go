package mattermost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// upload brings a file to the server, for a post that follows.
func (a *adapter) upload(ctx context.Context, s *site, channel string, f bridge.Attachment) (string, error) {
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
	req, err := httpx.Request(ctx, http.MethodPost, a.api.APIURL+"/files?"+q.Encode(), nil)
	if err != nil {
		return "", bridge.Permanent(err)
	}
	req.Body, req.ContentLength = body, f.Size
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("Authorization", "Bearer "+a.cfg.Token.Reveal())
	resp, err := a.api.HTTPClient.Do(req)
	if err != nil {
		return "", plainly(fault("upload", err))
	}
	defer func() { _ = resp.Body.Close() }()
	got, _, err := model.DecodeJSONFromResponse[*model.FileUploadResponse](resp)
	if err != nil || got == nil || len(got.FileInfos) != 1 {
		return "", errors.New("upload: the server did not say what it calls the file")
	}
	return got.FileInfos[0].Id, nil
}

// Fetch reads a file of a post.
func (a *adapter) Fetch(ctx context.Context, f bridge.File) (io.ReadCloser, error) {
	if !model.IsValidId(f.Ref) {
		return nil, bridge.Permanent(errors.New("fetch: not the id of a file"))
	}
	req, err := httpx.Request(ctx, http.MethodGet, a.api.APIURL+"/files/"+f.Ref, nil)
	if err != nil {
		return nil, bridge.Permanent(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.cfg.Token.Reveal())
	once := *a.env.HTTP
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := once.Do(req)
	if err != nil {
		return nil, fault("fetch", err)
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("fetch: %w", httpx.Verdict(a.host, resp.StatusCode, resp.Header, a.now()))
	}
	return resp.Body, nil
}
