package httpx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/hutong-im/hutong/bridge"
)

// Policy is what the pages of one handler may do. The zero Policy is the strictest.
type Policy struct {
	// Frames are the origins that may show the pages in a frame, such as "https://acme.example"; none
	// is nobody. "'self'" is the gateway itself.
	Frames []string
	// Anywhere lets other sites load the answers as a script or picture: for the widget's script tag.
	Anywhere bool
}

// Secure sets the headers that keep a page's visitors safe: only scripts, styles and connections of the
// gateway itself, nothing inline, no frames but those of the policy, no sniffing, no address in a
// Referer. A handler may still replace a header for one answer.
func Secure(h http.Handler, p Policy) http.Handler {
	frames := "'none'"
	if len(p.Frames) > 0 {
		frames = strings.Join(p.Frames, " ")
	}
	csp := "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; " +
		"img-src 'self' data: blob:; media-src 'self' blob:; manifest-src 'self'; form-action 'self'; " +
		"base-uri 'none'; frame-ancestors " + frames
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", csp)
		head.Set("X-Content-Type-Options", "nosniff")
		// Not "no-referrer": under it browsers send "Origin: null" with a form of the page's own.
		head.Set("Referrer-Policy", "same-origin")
		head.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		if len(p.Frames) == 0 {
			head.Set("X-Frame-Options", "DENY") // for what does not know frame-ancestors
			head.Set("Cross-Origin-Opener-Policy", "same-origin")
		}
		if p.Anywhere {
			head.Set("Cross-Origin-Resource-Policy", "cross-origin")
		} else {
			head.Set("Cross-Origin-Resource-Policy", "same-origin")
		}
		h.ServeHTTP(w, r)
	})
}

// SameOrigin refuses with 403 what another site makes a visitor's browser send: every method but GET,
// HEAD and OPTIONS whose Sec-Fetch-Site, or else Origin, says that it came from elsewhere. What comes
// from no browser has neither header and passes. The trusted origins ("https://chat.acme.example") are
// the gateway's own outward addresses, for proxies that change the Host. A malformed origin is an error.
func SameOrigin(h http.Handler, trusted ...string) (http.Handler, error) {
	p := http.NewCrossOriginProtection()
	for _, o := range trusted {
		if err := p.AddTrustedOrigin(o); err != nil {
			return nil, fmt.Errorf("trusted origin %q: %w", o, err)
		}
	}
	return p.Handler(h), nil
}

// shown are the types that a browser may show in place when a stranger uploaded them: pictures and
// sound that cannot hold script. SVG, HTML and PDF are not among them.
func shown() []string {
	return []string{
		"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif",
		"audio/mpeg", "audio/ogg", "audio/mp4", "audio/webm", "video/mp4", "video/webm",
	}
}

// FileHeaders prepares an answer that carries a file that a stranger uploaded: shown in place only for
// pictures, sound and video that cannot hold script, saved for everything else, never sniffed, never
// with rights on the page's origin. Call it before the first Write.
func FileHeaders(head http.Header, name, typ string) {
	base, _, err := mime.ParseMediaType(typ)
	if err != nil {
		base = "application/octet-stream"
	}
	how := "attachment"
	if slices.Contains(shown(), base) {
		how = "inline"
	} else if !strings.HasPrefix(base, "text/plain") {
		base = "application/octet-stream"
	}
	head.Set("Content-Type", base)
	if d := mime.FormatMediaType(how, map[string]string{"filename": fileName(name)}); d != "" {
		how = d
	}
	head.Set("Content-Disposition", how)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	head.Set("Cache-Control", "private, max-age=3600")
}

// fileName takes what is no part of a name away: folders and control characters.
func fileName(name string) string {
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '"' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	if name == "" || name == "." || name == ".." {
		return "file"
	}
	return name
}

// ReadBody reads a request's body of at most limit bytes. More is bridge.ErrTooLarge.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, fmt.Errorf("body: more than %d bytes: %w", limit, bridge.ErrTooLarge)
	}
	if err != nil {
		return nil, fmt.Errorf("body: %w", redact(err))
	}
	return body, nil
}

// ReadJSON reads one JSON value of at most limit bytes into v. Unknown fields, a second value and a
// type other than application/json are bridge.ErrRefused; the last also keeps plain HTML forms of
// other sites out.
func ReadJSON(w http.ResponseWriter, r *http.Request, limit int64, v any) error {
	if typ, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || typ != "application/json" {
		return fmt.Errorf("content type is not application/json: %w", bridge.ErrRefused)
	}
	body, err := ReadBody(w, r, limit)
	if err != nil {
		return err
	}
	return Decode(body, v)
}

// Decode reads one JSON value, strictly. Its error is bridge.ErrRefused and quotes nothing of the body.
func Decode(body []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("malformed JSON near byte %d: %w", dec.InputOffset(), bridge.ErrRefused)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("more than one JSON value: %w", bridge.ErrRefused)
	}
	return nil
}

// WriteJSON answers with v. Chinese text and <&> stay as they are; the type and nosniff keep browsers
// from reading it as a page.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := EncodeJSON(v)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	head := w.Header()
	head.Set("Content-Type", "application/json; charset=utf-8")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone; nobody is left to tell
}

// EncodeJSON is json.Marshal without HTML escaping, so that text stays as it was typed.
func EncodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode JSON: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Status is the HTTP answer to a caller whose request ended with err.
func Status(err error) int {
	switch {
	case err == nil:
		return http.StatusOK
	case errors.Is(err, bridge.ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, bridge.ErrRefused):
		return http.StatusBadRequest
	case errors.Is(err, bridge.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, bridge.ErrStale):
		return http.StatusConflict
	default:
		return http.StatusServiceUnavailable
	}
}
