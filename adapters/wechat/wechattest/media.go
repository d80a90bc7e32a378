package wechattest

import (
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// file is temporary media.
type file struct {
	kind string // image, voice, video, thumb
	typ  string
	name string
	data []byte
	ends time.Time
}

// mediaLife is how long temporary media are kept.
const mediaLife = 3 * 24 * time.Hour

// taken are the limits of uploads.
// https://developers.weixin.qq.com/doc/service/api/material/temporary/api_uploadtempmedia.html
func taken(kind string) (endings []string, limit int) {
	switch kind {
	case "image":
		return []string{".bmp", ".png", ".jpeg", ".jpg", ".gif"}, 10 << 20
	case "voice":
		return []string{".amr", ".mp3"}, 2 << 20
	case "video":
		return []string{".mp4"}, 10 << 20
	case "thumb":
		return []string{".jpg"}, 64 << 10
	default:
		return nil, 0
	}
}

func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	if code := s.checkToken(q); code != 0 {
		refuse(w, code)
		return
	}
	kind := q.Get("type")
	endings, limit := taken(kind)
	if endings == nil {
		refuse(w, 40004)
		return
	}
	part, head, err := r.FormFile("media")
	if err != nil || r.ContentLength < 0 || head.Header.Get("Content-Type") == "" || head.Filename == "" {
		refuse(w, 41005)
		return
	}
	data, _ := io.ReadAll(part) // from memory
	sniffed := http.DetectContentType(data)
	switch {
	case len(data) == 0:
		refuse(w, 44001)
	case !slices.Contains(endings, strings.ToLower(path.Ext(head.Filename))),
		(kind == "image" || kind == "thumb") && !strings.HasPrefix(sniffed, "image/"):
		refuse(w, 40005)
	case len(data) > limit:
		refuse(w, map[string]int{"image": 40009, "voice": 40010, "video": 40011, "thumb": 40012}[kind])
	default:
		id := s.id("MEDIA-")
		s.media[id] = &file{kind: kind, typ: head.Header.Get("Content-Type"), name: head.Filename, data: data, ends: s.now().Add(mediaLife)}
		key := "media_id"
		if kind == "thumb" {
			key = "thumb_media_id"
		}
		write(w, map[string]any{"type": kind, key: id, "created_at": s.now().Unix()})
	}
}

func (s *Server) download(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	if code := s.checkToken(q); code != 0 {
		refuse(w, code)
		return
	}
	id := q.Get("media_id")
	f := s.media[id]
	jssdk := strings.HasSuffix(r.URL.Path, "/jssdk")
	switch {
	case f == nil, s.now().After(f.ends), jssdk && f.typ != "voice/speex":
		refuse(w, 40007)
	case f.kind == "video":
		write(w, map[string]any{"video_url": "http://" + r.Host + "/video/" + id})
	default:
		w.Header().Set("Content-Type", f.typ)
		w.Header().Set("Content-Disposition", `attachment; filename="`+f.name+`"`)
		_, _ = w.Write(f.data) // the caller is gone
	}
}

func (s *Server) video(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	f := s.media[r.PathValue("id")]
	s.mu.Unlock()
	if f == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "video/mp4")
	_, _ = w.Write(f.data) // the caller is gone
}

// Keep puts a file of a customer into WeChat and returns its media_id; type is that of the answer, such as
// image/jpeg, and "voice/speex" for what JSSDK recorded.
func (s *Server) Keep(kind, typ string, data []byte) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.id("MEDIA-")
	s.media[id] = &file{kind: kind, typ: typ, name: id, data: data, ends: s.now().Add(mediaLife)}
	return id
}
