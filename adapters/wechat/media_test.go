package wechat

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/wechat/wechattest"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx/browser/browsertest"
)

func newRecorder(r *rig, method, query, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r.Hook().ServeHTTP(w, httptest.NewRequest(method, "/hook/wx?"+query, strings.NewReader(body)))
	return w
}

// opened is an adapter that does not run.
func opened(tb testing.TB) *adapter {
	tb.Helper()
	s := wechattest.New(wechattest.Options{})
	tb.Cleanup(s.Close)
	a, err := configOf(s, "http://127.0.0.1:1").Open(bridge.Env{
		Name: "wx", HTTP: http.DefaultClient, State: &browsertest.KV{}, Log: slog.New(slog.DiscardHandler), Now: time.Now, //nolint:forbidigo // not used
		Lobby: memory{&browsertest.Far{}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return a.(*adapter)
}

// What WeChat shows goes as it is, the rest as a link.
func TestFilesUp(t *testing.T) {
	r := newRig(t, wechattest.Options{Messages: 20}, nil)
	to := r.talker()
	r.far.Meet(to, bridge.UserID(to))
	big := append(png(), make([]byte, maxImage)...)
	for _, c := range []struct {
		name, file, typ string
		data            []byte
		want            string
	}{
		{"a picture", "图.png", "image/png", png(), "image"},
		{"a picture too large", "图.png", "image/png", big, "news"},
		{"a picture of another kind", "图.webp", "image/webp", []byte("RIFF"), "news"},
		{"what says picture and is none", "x.png", "image/png", []byte("MZ"), "news"},
		{"a voice", "v.amr", "audio/amr", []byte("#!AMR\n"), "voice"},
		{"a voice too large", "v.mp3", "audio/mpeg", make([]byte, maxVoice+1), "news"},
		{"a video", "片.mp4", "video/mp4; codecs=x", []byte("ftyp"), "video"},
		{"a document", "报价 <1>.pdf", "application/pdf", []byte("%PDF"), "news"},
	} {
		f := attachment(c.file, c.typ, c.data)
		d := bridge.Draft{Key: c.name, Files: []bridge.Attachment{f}}
		ids, err := r.Send(t.Context(), to, d)
		if _, err := r.far.Sent(to, d, ids, err); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		list := r.shown(to)
		got := list[len(list)-1]
		if got.Type != c.want {
			t.Errorf("%s: shown as %s", c.name, got.Type)
		}
		if got.Type == "news" {
			if w := r.get(got.URL); w.Code != http.StatusOK || !bytes.Equal(w.Body.Bytes(), c.data) || got.Title != c.file {
				t.Errorf("%s: %d, %d bytes of %d", c.name, w.Code, w.Body.Len(), len(c.data))
			} else if h := w.Header(); !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") && !strings.HasPrefix(h.Get("Content-Type"), "audio") && !strings.HasPrefix(h.Get("Content-Type"), "image") {
				t.Errorf("%s: %v", c.name, h)
			}
		} else if !bytes.Equal(got.Data, c.data) {
			t.Errorf("%s: %d bytes of %d", c.name, len(got.Data), len(c.data))
		}
	}
}

// get opens one of the adapter's own addresses, as the gateway serves it.
func (r *rig) get(address string) *httptest.ResponseRecorder {
	mux := http.NewServeMux()
	for _, p := range r.Pages() {
		mux.Handle(p.Pattern, p.Handler)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, strings.TrimPrefix(address, gateway), nil))
	return w
}

func TestLinks(t *testing.T) {
	r := newRig(t, wechattest.Options{}, nil)
	to := r.talker()
	r.far.Meet(to, bridge.UserID(to))
	d := bridge.Draft{Key: "k", Files: []bridge.Attachment{attachment("a.pdf", "application/pdf", []byte("%PDF"))}}
	ids, err := r.Send(t.Context(), to, d)
	if _, err := r.far.Sent(to, d, ids, err); err != nil {
		t.Fatal(err)
	}
	address := r.shown(to)[0].URL
	if strings.Contains(address, string(to)) {
		t.Errorf("the address tells the openid: %s", address)
	}
	at := strings.LastIndex(address, "/file/") + 20
	letter := "A"
	if address[at] == 'A' {
		letter = "B"
	}
	for name, bad := range map[string]string{
		"altered": address[:at] + letter + address[at+1:], "cut": address[:at] + "/a.pdf", "no token": gateway + "/wechat/wx/file/!/a.pdf",
	} {
		if w := r.get(bad); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	menu, err := r.links.seal(t.Context(), forMenu, `{"u":"`+string(to)+`","b":"","t":99999999999}`)
	if err != nil {
		t.Fatal(err)
	}
	if w := r.get(gateway + "/wechat/wx/file/" + menu + "/x"); w.Code != http.StatusNotFound {
		t.Errorf("a button's id opens files: %d", w.Code)
	}
	r.advance(linkLife - time.Hour)
	if w := r.get(address); w.Code != http.StatusOK {
		t.Errorf("after 30 days less an hour: %d", w.Code)
	}
	r.advance(2 * time.Hour)
	if w := r.get(address); w.Code != http.StatusNotFound {
		t.Errorf("after 30 days: %d", w.Code)
	}
}

// A recalled file is there no more.
func TestLinkRecalled(t *testing.T) {
	r := newRig(t, wechattest.Options{}, nil)
	to := r.talker()
	r.far.Meet(to, bridge.UserID(to))
	d := bridge.Draft{Key: "k", Files: []bridge.Attachment{attachment("a.pdf", "application/pdf", []byte("%PDF"))}}
	ids, err := r.Send(t.Context(), to, d)
	if _, err := r.far.Sent(to, d, ids, err); err != nil {
		t.Fatal(err)
	}
	_ = r.far.Change(to, ids[0], nil, func(l *bridge.Line) { l.Files = nil })
	if w := r.get(r.shown(to)[0].URL); w.Code != http.StatusNotFound {
		t.Errorf("%d", w.Code)
	}
}

// Without an address that customers can open, the member is told, and nothing is shown.
func TestNoLinks(t *testing.T) {
	for _, address := range []string{"http://localhost:8420", "http://127.0.0.1:8420", "https://10.0.0.7", "https://gw.local", "https://intranet", "gateway.example"} {
		r := newRig(t, wechattest.Options{}, nil)
		r.where.URL = address
		to := r.talker()
		_, err := r.Send(t.Context(), to, bridge.Draft{Key: "k", Text: "请看", Files: []bridge.Attachment{attachment("a.pdf", "application/pdf", []byte("%PDF"))}})
		if bridge.Judge(err).Verdict != bridge.VerdictPermanent || !strings.Contains(err.Error(), "“a.pdf”未发送") || len(r.shown(to)) > 0 {
			t.Errorf("%s: %v", address, err)
		}
		if w := strings.Join(r.Warnings(), "\n"); !strings.Contains(w, "gateway.url") || r.Caps().MaxFile != maxVideo {
			t.Errorf("%s: %s, %d", address, w, r.Caps().MaxFile)
		}
	}
}

func (r *rig) fetched(ref string) ([]byte, error) {
	body, err := r.Fetch(r.t.Context(), bridge.File{Ref: ref})
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(body)
	_ = body.Close()
	return b, err
}

func TestFetch(t *testing.T) {
	r := newRig(t, wechattest.Options{}, nil)
	r.ffmpeg = ""
	for ref, typ := range map[string]string{refImage: "image/jpeg", refVoice: "audio/amr", refSpeex: "voice/speex", refVideo: "video/mp4"} {
		kind, _, _ := strings.Cut(strings.Replace(ref, "speex", "voice", 1), "/")
		for range 2 {
			got, err := r.fetched(ref + r.server.Keep(kind, typ, []byte("content of "+ref)))
			if err != nil || string(got) != "content of "+ref {
				t.Errorf("%s: %q, %v", ref, got, err)
			}
		}
	}
	old := r.server.Keep("image", "image/jpeg", []byte("x"))
	r.server.Advance(4 * 24 * time.Hour)
	for _, ref := range []string{refImage + old, "image/none", "image/", "../../etc/passwd", ""} {
		if _, err := r.fetched(ref); bridge.Judge(err).Verdict != bridge.VerdictPermanent {
			t.Errorf("%q: %v", ref, err)
		}
	}
	id := r.server.Keep("image", "image/jpeg", []byte("x"))
	r.server.Refuse("/cgi-bin/media/get", -1, 1)
	if _, err := r.fetched(refImage + id); bridge.Judge(err).Verdict != bridge.VerdictRetry || err == nil {
		t.Errorf("busy: %v", err)
	}
}

// program writes a script that stands for ffmpeg.
func program(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestVoicePlayable(t *testing.T) {
	r := newRig(t, wechattest.Options{}, nil)
	t.Setenv("SECRET_OF_TESTS", "in the environment")
	id := r.server.Keep("voice", "audio/amr", []byte("#!AMR\nvoice"))
	for _, c := range []struct{ name, script, want string }{
		{"made playable", `printf 'mp3:'; cat`, "mp3:#!AMR\nvoice"},
		{"fails", `cat >/dev/null; exit 1`, "#!AMR\nvoice"},
		{"says nothing", `cat >/dev/null`, "#!AMR\nvoice"},
		{"never ends its output", `cat >/dev/null; yes`, "#!AMR\nvoice"},
		{"sees nothing of the process", `cat >/dev/null; printf "[%s]" "$SECRET_OF_TESTS"`, "[]"},
	} {
		r.ffmpeg = program(t, c.script)
		began := time.Now()
		if got, err := r.fetched(refVoice + id); err != nil || string(got) != c.want {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
		if took := time.Since(began); took > playWithin/2 {
			t.Errorf("%s: took %s", c.name, took)
		}
	}
	r.ffmpeg = program(t, "exec sleep 60")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := r.Fetch(ctx, bridge.File{Ref: refVoice + id}); err == nil || bridge.Judge(err).Verdict != bridge.VerdictRetry {
		t.Errorf("out of time: %v", err)
	}
}

// The real program understands its arguments; a machine without it learns nothing here.
func TestFFmpeg(t *testing.T) {
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("there is no ffmpeg")
	}
	r := newRig(t, wechattest.Options{}, nil)
	r.ffmpeg = path
	// One frame of silence (3GPP TS 26.101, mode 0: 4.75 kbit/s, 13 bytes), fifty a second.
	frame := append([]byte{0x04}, make([]byte, 12)...)
	voice := append([]byte("#!AMR\n"), bytes.Repeat(frame, 50)...)
	got, err := r.fetched(refVoice + r.server.Keep("voice", "audio/amr", voice))
	if err != nil || len(got) < 1000 || bytes.HasPrefix(got, []byte("#!AMR")) {
		t.Fatalf("%d bytes, %v: %s", len(got), err, r.log)
	}
	if typ := http.DetectContentType(got); typ != "audio/mpeg" && got[0] != 0xff {
		t.Errorf("it is %s: % x", typ, got[:8])
	}
	// A playlist that names files is no voice.
	list := []byte("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")
	if got, err := r.fetched(refVoice + r.server.Keep("voice", "audio/amr", list)); err != nil || !bytes.Equal(got, list) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestInvite(t *testing.T) {
	for qr, calls := range map[string]int{permanent: 2, temporary: 3} {
		r := newRig(t, wechattest.Options{}, func(c *Config) { c.QR = qr })
		var first string
		for i := range 5 {
			if i == 3 {
				r.stop()
				r.open(&r.cfg) // the next life
				r.run()
			}
			got, err := r.Invite(t.Context(), "CARD1")
			if err != nil || r.server.Scene(got) != "CARD1" || first != "" && got != first {
				t.Errorf("%s: %q, then %q, %v", qr, first, got, err)
			}
			first = got
		}
		if got, err := r.Invite(t.Context(), "CARD2"); err != nil || got == first {
			t.Errorf("%q, %v", got, err)
		}
		r.advance(28 * 24 * time.Hour)
		if got, err := r.Invite(t.Context(), "CARD1"); err != nil || (got == first) != (qr == permanent) {
			t.Errorf("%s, after 28 days: %q, %v", qr, got, err)
		}
		if n := len(r.server.Requests("/cgi-bin/qrcode/create")); n != calls {
			t.Errorf("%s: %d calls, want %d", qr, n, calls)
		}
		for _, card := range []bridge.CardID{"", bridge.CardID(strings.Repeat("x", 65))} {
			if _, err := r.Invite(t.Context(), card); bridge.Judge(err).Verdict != bridge.VerdictPermanent {
				t.Errorf("%q: %v", card, err)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	a := opened(f)
	good, err := a.links.seal(f.Context(), forFile, "x")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("")
	f.Fuzz(func(t *testing.T, sealed string) {
		if text, err := a.links.open(t.Context(), forFile, sealed); err == nil && text != "x" {
			t.Errorf("%q opens to %q", sealed, text)
		}
		if _, err := a.links.open(t.Context(), forMenu, sealed); err == nil {
			t.Errorf("%q opens as something else", sealed)
		}
	})
}
