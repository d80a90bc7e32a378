package tencent

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/hutong-im/hutong/bridge"
)

func part(name, kind, content string) Part {
	return Part{Field: "media", Name: name, Type: kind, Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

func TestUpload(t *testing.T) {
	var got struct{ name, kind, content string }
	n := &network{answer: func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength <= 0 {
			t.Error("no length: the networks take no chunked bodies")
		}
		f, head, err := r.FormFile("media")
		if err != nil {
			_, _ = io.WriteString(w, `{"errcode":41005,"errmsg":"media data missing"}`)
			return
		}
		b, _ := io.ReadAll(f)
		got.name, got.kind, got.content = head.Filename, head.Header.Get("Content-Type"), string(b)
		_, _ = io.WriteString(w, `{"type":"file","media_id":"id1","created_at":"1380000000"}`)
	}}
	c := client(t, n)
	for _, x := range []struct{ name, kind, wantName, wantKind string }{
		{"报价 1.pdf", "application/pdf", "报价 1.pdf", "application/pdf"},
		{`a"b\c.txt`, "text/plain; charset=utf-8", `a"b\c.txt`, "text/plain; charset=utf-8"},
		{"a\r\nX-Evil: 1", "text/plain\r\nX-Evil: 1", "a%0D%0AX-Evil: 1", "application/octet-stream"},
		{"x", "", "x", "application/octet-stream"},
	} {
		n.expire() // the file has to be sent twice
		var out struct {
			ID string `json:"media_id"`
		}
		err := c.Upload(t.Context(), "/cgi-bin/media/upload", nil, part(x.name, x.kind, "内容\r\n--x"), &out)
		if err != nil || out.ID != "id1" || got.name != x.wantName || got.kind != x.wantKind || got.content != "内容\r\n--x" {
			t.Errorf("%q: %v, %+v", x.name, err, got)
		}
	}
	for name, p := range map[string]Part{
		"shorter than said": {Field: "media", Name: "x", Size: 9, Open: part("", "", "123").Open},
		"longer than said":  {Field: "media", Name: "x", Size: 1, Open: part("", "", "123").Open},
		"not there": {Field: "media", Name: "x", Size: 1, Open: func() (io.ReadCloser, error) {
			return nil, bridge.ErrNotFound
		}},
	} {
		err := c.Upload(t.Context(), "/cgi-bin/media/upload", nil, p, nil)
		if err == nil || bridge.Judge(err).Verdict == bridge.VerdictUnsure {
			t.Errorf("%s: %v", name, err)
		}
		noSecret(t, err)
	}
	n.now(says("<html>")) // an answer that is lost does no harm
	if err := c.Upload(t.Context(), "/x", nil, part("x", "", "1"), nil); bridge.Judge(err).Verdict != bridge.VerdictRetry || err == nil {
		t.Error(err)
	}
}

func TestDownload(t *testing.T) {
	for _, x := range []struct {
		name, kind, disposition, body string
		status                        int
		code                          int // of the error; 0 for none
		file                          string
	}{
		{"a picture", "image/jpeg", `attachment; filename="a 图.jpg"`, "\xff\xd8\xff", 200, 0, "a 图.jpg"},
		{"without a name", "image/png", "", "\x89PNG", 200, 0, ""},
		{"an error", "application/json; charset=utf-8", "", `{"errcode":40007,"errmsg":"invalid media_id"}`, 200, 40007, ""},
		{"an error as text", "text/plain", "", `{"errcode":40007,"errmsg":"invalid media_id"}`, 200, 40007, ""},
		{"a video's address", "application/json", "", `{"video_url":"https://v.example/1"}`, 200, 0, ""},
		{"a customer's JSON", "application/json", `attachment; filename="x.json"`, `{"errcode":40007}`, 200, 0, "x.json"},
		{"a customer's text", "text/plain", "", strings.Repeat("字", maxNotice), 200, 0, ""},
		{"a name without quotes", "application/pdf", "attachment; filename=报价 1.pdf; x", "1", 200, 0, "报价 1.pdf"},
		{"no such page", "text/html", "", "", 404, -404, ""},
		{"elsewhere", "text/html", "", "", 302, -302, ""},
	} {
		n := &network{answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", x.kind)
			w.Header().Set("Location", "http://127.0.0.1:1/")
			if x.disposition != "" {
				w.Header().Set("Content-Disposition", x.disposition)
			}
			w.WriteHeader(x.status)
			_, _ = io.WriteString(w, x.body)
		}}
		c := client(t, n)
		if _, err := c.Tokens.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.expire()
		d, err := c.Download(t.Context(), "/cgi-bin/media/get", nil)
		if x.code != 0 {
			noSecret(t, err)
			if e, is := errors.AsType[*Error](err); err == nil || x.code > 0 && (!is || e.Code != x.code) {
				t.Errorf("%s: %v", x.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", x.name, err)
			continue
		}
		b, err := io.ReadAll(d.Body)
		_ = d.Body.Close()
		if err != nil || string(b) != x.body || d.Name != x.file || !strings.HasPrefix(x.kind, d.Type) || n.asked != 2 {
			t.Errorf("%s: %d bytes as %q %q, %v, %d tokens", x.name, len(b), d.Name, d.Type, err, n.asked)
		}
	}
}

// A form is never whole when the file is not as long as was said: what was sent of it is no file then.
func TestExact(t *testing.T) {
	for content, want := range map[string]error{"123": nil, "12": errLength, "1234": errLength, "": errLength} {
		for name, r := range map[string]io.Reader{
			"at once": strings.NewReader(content), "byte by byte": iotest.OneByteReader(strings.NewReader(content)),
			"with its end": iotest.DataErrReader(strings.NewReader(content)),
		} {
			if got, err := io.ReadAll(&exact{r, 3}); !errors.Is(err, want) || want == nil && string(got) != content {
				t.Errorf("%q %s: %q, %v", content, name, got, err)
			}
		}
	}
}
