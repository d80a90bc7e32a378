package wecomtest

import (
	"bytes"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"time"
)

// mediaLife: https://developer.work.weixin.qq.com/document/path/90253
const mediaLife = 3 * 24 * time.Hour

type medium struct {
	File
	kind string
	at   time.Time
}

// limitOf is how many bytes an upload may have.
func limitOf(kind string) int {
	return map[string]int{"image": 10 << 20, "voice": 2 << 20, "video": 10 << 20, "file": 20 << 20}[kind]
}

// fits reports whether the bytes are what WeCom takes as that kind.
func fits(kind string, data []byte) bool {
	switch kind {
	case "image":
		return bytes.HasPrefix(data, []byte("\xff\xd8\xff")) || bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n"))
	case "voice":
		return bytes.HasPrefix(data, []byte("#!AMR\n"))
	case "video":
		return len(data) > 8 && string(data[4:8]) == "ftyp"
	default:
		return true
	}
}

func (s *Server) mediaUpload(c *call) (obj, *refusal) {
	kind := c.q.Get("type")
	if limitOf(kind) == 0 {
		return nil, refuse(40004, "invalid media type")
	}
	if c.r.ContentLength < 0 {
		return nil, refuse(41005, "media data missing: chunked")
	}
	mt, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || mt != "multipart/form-data" {
		return nil, refuse(41005, "media data missing")
	}
	form, err := multipart.NewReader(bytes.NewReader(c.body), params["boundary"]).ReadForm(maxCall)
	if err != nil {
		return nil, refuse(41005, "media data missing")
	}
	defer func() { _ = form.RemoveAll() }()
	parts := form.File["media"]
	if len(form.File) != 1 || len(parts) != 1 {
		return nil, refuse(41005, "media data missing")
	}
	f, err := parts[0].Open()
	if err != nil {
		return nil, refuse(41005, "media data missing")
	}
	defer func() { _ = f.Close() }()
	var b bytes.Buffer
	if _, err := b.ReadFrom(f); err != nil {
		return nil, refuse(41005, "media data missing")
	}
	switch {
	case b.Len() <= 5:
		return nil, refuse(40006, "invalid media size")
	case b.Len() > limitOf(kind):
		return nil, refuse(45001, "media size out of limit")
	case !fits(kind, b.Bytes()):
		return nil, refuse(40005, "invalid file type")
	}
	id := "media-" + itoa(s.next())
	s.media[id] = &medium{File{parts[0].Filename, parts[0].Header.Get("Content-Type"), b.Bytes()}, kind, s.now()}
	return obj{"type": kind, "media_id": id, "created_at": itoa(int(s.now().Unix()))}, nil
}

func (s *Server) mediaGet(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	c := &call{r: r, q: r.URL.Query()}
	var found *medium
	fault, _, no := s.serve(c, http.MethodGet, func(c *call) (obj, *refusal) {
		f := s.media[c.q.Get("media_id")]
		if f == nil || s.now().Sub(f.at) > mediaLife {
			return nil, refuse(40007, "invalid media_id")
		}
		found = f
		return nil, nil
	})
	s.mu.Unlock()
	switch {
	case fault != nil && fault.HTTP != 0:
		w.WriteHeader(fault.HTTP)
	case fault != nil && fault.Code != 0:
		s.answer(w, fault.Code, fault.Msg, nil)
	case no != nil:
		s.answer(w, no.code, no.msg, nil)
	default:
		w.Header().Set("Content-Type", found.Type)
		w.Header().Set("Content-Disposition", `attachment; filename="`+strings.ReplaceAll(found.Name, `"`, "")+`"`)
		_, _ = w.Write(found.Data)
	}
}
