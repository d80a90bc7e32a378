package tencent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// Part is the file of an upload.
type Part struct {
	Field string // "media" in every documented call
	Name  string // shown to receivers
	Type  string // MIME type
	Size  int64  // bytes; it must be right, because the networks take no chunked bodies
	Open  func() (io.ReadCloser, error)
}

// Upload sends a file as multipart/form-data and reads the answer into out. Uploading twice does no
// harm, so it is never Unsure. The file is streamed, and opened again for a second try.
func (c *Client) Upload(ctx context.Context, path string, query url.Values, p Part, out any) error {
	err := c.withToken(ctx, path, func(token string) error {
		content, err := p.Open()
		if err != nil {
			return fmt.Errorf("%s: open the file: %w", path, err)
		}
		defer func() { _ = content.Close() }()
		req, err := c.multipart(ctx, path, query, token, p, content)
		if err != nil {
			return err
		}
		resp, err := httpx.Do(ctx, c.HTTP, req, maxAnswer)
		if err != nil {
			return err
		}
		return c.read(req, path, token, resp.Body, out)
	})
	return harmless(err)
}

func (c *Client) multipart(ctx context.Context, path string, query url.Values, token string, p Part, content io.Reader) (*http.Request, error) {
	req, err := httpx.Request(ctx, http.MethodPost, c.address(path, query, token), nil)
	if err != nil {
		return nil, bridge.Permanent(err)
	}
	var head bytes.Buffer
	form := multipart.NewWriter(&head)
	h := textproto.MIMEHeader{}
	h.Set("Content-Disposition", multipart.FileContentDisposition(p.Field, p.Name))
	h.Set("Content-Type", mediaType(p.Type))
	if _, err := form.CreatePart(h); err != nil {
		return nil, fmt.Errorf("%s: make the form: %w", path, err)
	}
	tail := "\r\n--" + form.Boundary() + "--\r\n"
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.ContentLength = int64(head.Len()) + p.Size + int64(len(tail))
	req.Body = io.NopCloser(io.MultiReader(&head, &exact{content, p.Size}, strings.NewReader(tail)))
	return req, nil
}

// exact reads as many bytes as were promised. More or fewer are an error, before the form's end: what was not what
// was promised is never taken for a file.
type exact struct {
	r    io.Reader
	left int64
}

var errLength = errors.New("the file is not as long as was said")

func (e *exact) Read(b []byte) (int, error) {
	n, err := e.r.Read(b)
	e.left -= int64(n)
	switch {
	case e.left < 0, errors.Is(err, io.EOF) && e.left > 0:
		return 0, errLength
	case errors.Is(err, io.EOF):
		return n, io.EOF
	}
	return n, err
}

// mediaType is a MIME type that can stand in a header.
func mediaType(t string) string {
	kind, params, err := mime.ParseMediaType(t)
	if err != nil || !strings.Contains(kind, "/") {
		return "application/octet-stream"
	}
	return mime.FormatMediaType(kind, params)
}

// Download is the answer to a call for a file.
type Download struct {
	Body io.ReadCloser // the caller closes and limits it
	Type string        // MIME type as the network says
	Name string        // as the network says; untrusted, may be ""
	Size int64         // 0 when the network does not say
}

// maxNotice bounds an answer in JSON where a file was asked for: an error, or a video's address.
const maxNotice = 64 << 10

// Download asks for a file with GET. The networks answer an error in JSON with status 200; that becomes
// the error it is. JSON without an errcode (an Official Account's video comes as {"video_url":…}) is
// handed out like a file. A customer's own file of JSON has a name, an error has none.
func (c *Client) Download(ctx context.Context, path string, query url.Values) (*Download, error) {
	var out *Download
	err := c.withToken(ctx, path, func(token string) error {
		req, err := httpx.Request(ctx, http.MethodGet, c.address(path, query, token), nil)
		if err != nil {
			return bridge.Permanent(err)
		}
		once := *c.HTTP // a redirect would carry the token to another host
		once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		resp, err := once.Do(req)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", path, req.URL.Host, bare(err))
		}
		out, err = c.file(path, token, resp)
		if out == nil {
			_ = resp.Body.Close()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// file reads the head of an answer; nil with an error.
func (c *Client) file(path, token string, resp *http.Response) (*Download, error) {
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, httpx.Verdict(resp.Request.URL.Host, resp.StatusCode, resp.Header, time.Now())
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	d := &Download{Body: resp.Body, Type: kind, Name: fileName(resp.Header.Get("Content-Disposition")), Size: max(resp.ContentLength, 0)}
	if d.Name != "" || (kind != "application/json" && kind != "text/plain") {
		return d, nil
	}
	head, err := io.ReadAll(io.LimitReader(resp.Body, maxNotice))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, bare(err))
	}
	var r refusal
	if DecodeJSON(head, &r) == nil && r.Code != 0 {
		return nil, c.fail(path, token, r)
	}
	d.Body = &rest{Reader: io.MultiReader(bytes.NewReader(head), resp.Body), Closer: resp.Body}
	return d, nil
}

// rest is a body whose head was read before.
type rest struct {
	io.Reader
	io.Closer
}

// fileName reads the name of an attachment; the networks write UTF-8 into it as it is.
func fileName(disposition string) string {
	_, params, err := mime.ParseMediaType(disposition)
	if err == nil {
		return params["filename"]
	}
	_, name, _ := strings.Cut(disposition, "filename=")
	name, _, _ = strings.Cut(name, ";")
	return strings.Trim(name, `" `)
}

// bare takes the address, in which the token stands, out of an error of net/http.
func bare(err error) error {
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	return err
}
