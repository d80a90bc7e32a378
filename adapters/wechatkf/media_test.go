package wechatkf

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/wechatkf/wechatkftest"
	"github.com/hutong-im/hutong/bridge"
)

// scripted answers kf/sync_msg from a list, and passes everything else on.
type scripted struct {
	pages  *[]string
	limits *[]int
	next   http.RoundTripper
}

func (s scripted) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path != syncPath || len(*s.pages) == 0 {
		return s.next.RoundTrip(req)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	*s.limits = append(*s.limits, limitIn(body))
	page := (*s.pages)[0]
	*s.pages = (*s.pages)[1:]
	rec := httptest.NewRecorder()
	_, _ = rec.WriteString(page)
	return rec.Result(), nil
}

// stopping ends the caller's patience with the second message that is sent.
type stopping struct {
	next http.RoundTripper
	stop func()
	n    *int
}

func (s stopping) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path == sendPath {
		if *s.n++; *s.n == 2 {
			s.stop()
			return nil, req.Context().Err()
		}
	}
	return s.next.RoundTrip(req)
}

func fetch(t *testing.T, a *adapter, f bridge.File) []byte {
	t.Helper()
	body, err := a.Fetch(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// silence is a second of AMR: 50 frames of type 7 (12.2 kbit/s), as RFC 4867 §5 has them in files.
func silence() []byte {
	frame := append([]byte{0x3c}, make([]byte, 31)...)
	return append([]byte("#!AMR\n"), bytes.Repeat(frame, 50)...)
}

func TestVoice(t *testing.T) {
	real, err := exec.LookPath("ffmpeg")
	r := newRig(t, wechatkftest.Options{})
	id := r.Upload(wechatkftest.File{Kind: "voice", Name: "v.amr", Type: "audio/amr", Data: silence()})
	t.Run("without ffmpeg", func(t *testing.T) {
		a := r.open()
		f := a.mediaFile("voice", id)
		if got := fetch(t, a, f); f.Type != "audio/amr" || !bytes.Equal(got, silence()) {
			t.Errorf("%+v with %d bytes", f, len(got))
		}
		if w := strings.Join(a.Warnings(), "\n"); !strings.Contains(w, "ffmpeg") {
			t.Errorf("the operator reads %q", w)
		}
	})
	t.Setenv("SECRET_OF_TESTS", "in the environment")
	large := r.Upload(wechatkftest.File{Kind: "voice", Name: "v.amr", Type: "audio/amr", Data: make([]byte, maxVoice+1)})
	for script, want := range map[string]string{
		"exit 1": string(silence()), "exit 0": string(silence()), `printf "mp3:[%s]" "$SECRET_OF_TESTS"`: "mp3:[]",
	} {
		t.Run("with an ffmpeg that does "+script, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "ffmpeg"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", dir)
			a := r.open()
			if got := fetch(t, a, a.mediaFile("voice", id)); string(got) != want {
				t.Errorf("%d bytes", len(got))
			}
			_, err := a.Fetch(t.Context(), a.mediaFile("voice", large))
			verdict(t, err, bridge.VerdictPermanent)
		})
	}
	t.Run("with ffmpeg", func(t *testing.T) {
		if err != nil {
			t.Skip("there is no ffmpeg here")
		}
		t.Setenv("PATH", filepath.Dir(real))
		a := r.open()
		f := a.mediaFile("voice", id)
		got := fetch(t, a, f)
		if f.Type != "audio/mpeg" || f.Name != "语音.mp3" || http.DetectContentType(got) != "audio/mpeg" {
			t.Errorf("%+v is %s", f, http.DetectContentType(got))
		}
	})
}

// A picture comes from an address that somebody else chose: it must not lead into the company's own network.
func TestAvatar(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	a := r.open()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/gone" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte("picture"))
	}))
	defer srv.Close()
	if got := fetch(t, a, profile{Picture: srv.URL + "/0"}.avatar()); string(got) != "picture" {
		t.Errorf("fetched %q", got)
	}
	r.config = func(c *Config) { c.API = "https://qyapi.weixin.qq.com" } // not a test any more
	strict := r.open()
	for name, address := range map[string]string{
		"this machine": srv.URL + "/0", "the company's network": "http://10.0.0.1/x", "a cloud's metadata": "http://169.254.169.254/", "a file": "file:///etc/passwd", "nonsense": "::",
	} {
		_, err := strict.Fetch(t.Context(), profile{Picture: address}.avatar())
		if bridge.Judge(err).Verdict != bridge.VerdictPermanent {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := a.Fetch(t.Context(), profile{Picture: srv.URL + "/gone"}.avatar())
	verdict(t, err, bridge.VerdictPermanent)
}

func TestFetch(t *testing.T) {
	r := newRig(t, wechatkftest.Options{})
	a := r.start()
	id := r.Upload(wechatkftest.File{Kind: "file", Name: "报告 1.pdf", Type: "application/pdf", Data: []byte("document")})
	r.Send(account, customer, "file", map[string]any{"media_id": id})
	m := await(r, func(m bridge.MessageEvent) bool { return len(m.Files) == 1 })
	if f := m.Files[0]; f.Name != "报告 1.pdf" || f.Type != "application/pdf" || f.Size != 8 || string(fetch(t, a, f)) != "document" {
		t.Errorf("heard %+v", f)
	}
	for _, ref := range []string{"", "x", "media/file", "media/file/", "media/file/unknown"} {
		_, err := a.Fetch(t.Context(), bridge.File{Ref: ref})
		verdict(t, err, bridge.VerdictPermanent)
	}
	r.Advance(73 * time.Hour)
	r.ExpireToken()
	_, err := a.Fetch(t.Context(), m.Files[0])
	verdict(t, err, bridge.VerdictPermanent)
}
