package telegram

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"

	"github.com/hutong-im/hutong/bridge"
)

// maxPhoto is what Telegram takes as a picture, in bytes; a larger one goes as a document
// (https://core.telegram.org/bots/api#sending-files).
const maxPhoto = 10 << 20

// tooLarge names a file that Telegram does not take.
func (a *adapter) tooLarge(files []bridge.Attachment) error {
	for _, f := range files {
		if f.Size > a.cfg.MaxFile {
			return bridge.Permanent(fmt.Errorf("%s: more than %d bytes: %w", bridge.Tidy(f.Name, 64), a.cfg.MaxFile, bridge.ErrTooLarge))
		}
	}
	return nil
}

// kind is how Telegram shows a file: what fits nothing else is a document.
func kind(f bridge.File) string {
	typ, _, err := mime.ParseMediaType(f.Type)
	if err != nil {
		return "document"
	}
	switch {
	case (typ == "image/jpeg" || typ == "image/png" || typ == "image/webp") && f.Size <= maxPhoto:
		return "photo"
	case typ == "video/mp4":
		return "video"
	case typ == "audio/ogg":
		return "voice"
	case typ == "audio/mpeg", typ == "audio/mp4":
		return "audio"
	}
	return "document"
}

// group is what one call sends: a file, or several as an album.
type group struct {
	kinds []string
	files []bridge.Attachment
}

// groups cuts files, in their order, into what Telegram shows together: pictures and videos, or documents, or music;
// never voices.
func groups(files []bridge.Attachment) []group {
	var out []group
	family := map[string]string{"photo": "seen", "video": "seen", "document": "document", "audio": "audio"}
	for _, f := range files {
		k := kind(f.File)
		if n := len(out); n > 0 && family[k] != "" && family[k] == family[out[n-1].kinds[0]] && len(out[n-1].files) < maxFiles {
			out[n-1].kinds, out[n-1].files = append(out[n-1].kinds, k), append(out[n-1].files, f)
			continue
		}
		out = append(out, group{[]string{k}, []bridge.Attachment{f}})
	}
	return out
}

// upload sends a group. What Telegram cannot show as a picture, a video or sound goes as documents.
func (a *adapter) upload(ctx context.Context, params obj, g group) ([]bridge.MsgID, error) {
	got, err := a.post(ctx, params, g)
	if misstyled(err) && params["caption_entities"] != nil {
		params = with(params, nil)
		delete(params, "caption_entities")
		got, err = a.post(ctx, params, g)
	}
	if says(err, "PHOTO_", "IMAGE_PROCESS", "VIDEO_", "wrong type of", "wrong file", "VOICE_MESSAGES_FORBIDDEN", "can't use file of type", "MEDIA_INVALID") {
		plain := group{files: g.files}
		for range g.files {
			plain.kinds = append(plain.kinds, "document")
		}
		got, err = a.post(ctx, params, plain)
	}
	return ids(err, got...)
}

// post sends a group as it is.
func (a *adapter) post(ctx context.Context, params obj, g group) ([]sent, error) {
	method := "send" + strings.ToUpper(g.kinds[0][:1]) + g.kinds[0][1:]
	fields := []string{g.kinds[0]}
	if len(g.files) > 1 {
		method, fields = "sendMediaGroup", nil
		var media []obj
		for i, k := range g.kinds {
			fields = append(fields, fmt.Sprintf("file%d", i))
			m := obj{"type": k, "media": "attach://" + fields[i]}
			if i == 0 {
				m = with(m, only(params, "caption", "caption_entities"))
			}
			media = append(media, m)
		}
		params = with(params, obj{"media": media})
		delete(params, "caption")
		delete(params, "caption_entities")
	}
	body := &form{}
	defer func() { _ = body.Close() }()
	if err := body.fill(params, fields, g.files); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.address(method), body)
	if err != nil {
		return nil, bridge.Permanent(fmt.Errorf("%s: the address is wrong", method))
	}
	req.ContentLength = body.size // a file that turns out shorter is refused, not cut
	req.Header.Set("Content-Type", body.typ)
	var raw json.RawMessage
	err = a.do(ctx, method, req, fmt.Sprint(params["chat_id"]), &raw)
	if bad := body.broken(); bad != nil {
		return nil, fmt.Errorf("read the file: %w", bad) // Telegram got half a request, and did nothing
	}
	if err != nil {
		return nil, err
	}
	var all []sent
	if len(g.files) == 1 {
		raw = json.RawMessage("[" + string(raw) + "]")
	}
	if json.Unmarshal(raw, &all) != nil || len(all) != len(g.files) {
		return nil, bridge.Unsure(fmt.Errorf("%s: the answer does not name the messages", method))
	}
	return all, nil
}

func only(params obj, keys ...string) obj {
	out := obj{}
	for _, k := range keys {
		if v, ok := params[k]; ok {
			out[k] = v
		}
	}
	return out
}

// form is a multipart/form-data body that reads its files while it is sent; none is in memory. The one who sends it may
// still be reading when the answer is there.
type form struct {
	size int64
	typ  string

	mu     sync.Mutex
	all    io.Reader
	files  []io.ReadCloser
	closed bool
	bad    error // of reading a file
}

// Read implements io.Reader.
func (f *form) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, io.ErrClosedPipe
	}
	n, err := f.all.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.bad = err
	}
	return n, err
}

// Close implements io.Closer.
func (f *form) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	var bad []error
	for _, r := range f.files {
		bad = append(bad, r.Close())
	}
	f.files = nil
	return errors.Join(bad...)
}

// broken is why a file could not be read.
func (f *form) broken() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bad
}

// fill lays the body out.
func (f *form) fill(params obj, fields []string, files []bridge.Attachment) error {
	var head bytes.Buffer
	var parts []io.Reader
	w := multipart.NewWriter(&head)
	f.typ = w.FormDataContentType()
	for k, v := range params {
		text, ok := v.(string)
		if !ok {
			b, err := json.Marshal(v)
			if err != nil {
				return bridge.Permanent(fmt.Errorf("write the request: %w", err))
			}
			text = string(b)
		}
		_ = w.WriteField(k, text) // a buffer takes everything
	}
	flush := func() {
		f.size += int64(head.Len())
		parts = append(parts, bytes.NewReader(bytes.Clone(head.Bytes())))
		head.Reset()
	}
	for i, file := range files {
		if file.Size <= 0 {
			return bridge.Permanent(errors.New("telegram takes no empty files"))
		}
		_, _ = w.CreateFormFile(fields[i], file.Name)
		flush()
		r, err := file.Open()
		if err != nil {
			return fmt.Errorf("open the file: %w", err)
		}
		f.files = append(f.files, r)
		parts, f.size = append(parts, io.LimitReader(r, file.Size)), f.size+file.Size
	}
	_ = w.Close()
	flush()
	f.all = io.MultiReader(parts...)
	return nil
}
