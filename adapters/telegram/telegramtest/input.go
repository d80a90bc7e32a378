package telegramtest

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf16"
)

// input is what a call brought, checked.
type input struct {
	params map[string]any
	files  map[string]*File
}

func (in input) number(key string) int64 {
	n, _ := in.params[key].(float64)
	return int64(n)
}

func (in input) text(key string) string {
	t, _ := in.params[key].(string)
	return t
}

// fields are the parameters of a method: their type, with a * where they are required.
type fields map[string]string

// maxUpload is what the server takes, in bytes, and a little for what is around the file.
const maxUpload = 50<<20 + 64<<10

// read reads a call's parameters, as JSON or as a form, and refuses what is not as documented.
func read(r *http.Request, want fields) (input, *fault) {
	in := input{map[string]any{}, map[string]*File{}}
	typ, args, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method != http.MethodPost || err != nil {
		return in, bad("POST with a content type is expected")
	}
	switch typ {
	case "application/json":
		if f := in.readJSON(r.Body); f != nil {
			return in, f
		}
	case "multipart/form-data":
		if f := in.readForm(r, args["boundary"], want); f != nil {
			return in, f
		}
	default:
		return in, bad("content type %q", typ)
	}
	for k := range in.params {
		if want[k] == "" {
			return in, bad("the method has no field %q", k)
		}
	}
	for k, kind := range want {
		kind, required := strings.CutPrefix(kind, "*")
		v, ok := in.params[k]
		if !ok && in.files[k] != nil && kind == "file" {
			continue
		}
		if !ok && required {
			return in, bad("%s is empty", k)
		}
		if ok {
			if err := fits(kind, v); err != nil {
				return in, bad("%s: %v", k, err)
			}
		}
	}
	return in, nil
}

func (in *input) readJSON(r io.Reader) *fault {
	body, err := io.ReadAll(r)
	if err != nil {
		return bad("%v", err)
	}
	if len(body) == 0 {
		return nil
	}
	if json.Unmarshal(body, &in.params) != nil {
		return bad("can't parse the JSON")
	}
	return nil
}

// readForm reads multipart/form-data. A body that ends before its last boundary is refused.
func (in *input) readForm(r *http.Request, boundary string, want fields) *fault {
	if r.ContentLength > maxUpload {
		return &fault{Code: http.StatusRequestEntityTooLarge, Text: "Request Entity Too Large"}
	}
	r.Body = http.MaxBytesReader(nil, r.Body, maxUpload)
	if boundary == "" || r.ParseMultipartForm(1<<20) != nil { //nolint:gosec // it is bounded one line above
		return bad("can't parse the form")
	}
	for k, v := range r.MultipartForm.Value {
		in.params[k] = v[0]
		if kind := strings.TrimPrefix(want[k], "*"); kind != "string" && kind != "" {
			var parsed any
			if json.Unmarshal([]byte(v[0]), &parsed) != nil {
				return bad("can't parse %s", k)
			}
			in.params[k] = parsed
		}
	}
	for k, v := range r.MultipartForm.File {
		part, err := v[0].Open()
		if err != nil {
			return bad("%v", err)
		}
		data, err := io.ReadAll(part)
		_ = part.Close()
		if err != nil || len(data) == 0 {
			return bad("file must be non-empty")
		}
		in.files[k] = &File{Name: v[0].Filename, Type: http.DetectContentType(data), Data: data}
	}
	return nil
}

// fits checks a parameter's type.
func fits(kind string, v any) error {
	ok := false
	switch kind {
	case "int":
		var n float64
		n, ok = v.(float64)
		ok = ok && n == float64(int64(n))
	case "string", "file":
		_, ok = v.(string)
	case "bool":
		_, ok = v.(bool)
	case "object":
		_, ok = v.(map[string]any)
	case "list":
		_, ok = v.([]any)
	}
	if !ok {
		return fmt.Errorf("%s expected, not %T", kind, v)
	}
	return nil
}

// Entity is a style, link or mention within a text.
type Entity struct {
	Type     string `json:"type"`
	Offset   int    `json:"offset"`
	Length   int    `json:"length"`
	URL      string `json:"url,omitempty"`
	Language string `json:"language,omitempty"`
}

var (
	plainKinds = regexp.MustCompile(`^(bold|italic|underline|strikethrough|spoiler|code|pre|blockquote|expandable_blockquote|text_link)$`)
	linkStart  = regexp.MustCompile(`^(https?|tg|ton|mailto|tel):`)
)

// styled reads a text with its entities, as Telegram keeps them: without the white space at its ends.
func styled(in input, textKey, entitiesKey string, limit int, what string) (string, []Entity, *fault) {
	text := in.text(textKey)
	all := utf16.Encode([]rune(text))
	var list []Entity
	if raw, ok := in.params[entitiesKey]; ok {
		b, _ := json.Marshal(raw)
		if json.Unmarshal(b, &list) != nil {
			return "", nil, bad("can't parse entities: not an Array of MessageEntity")
		}
	}
	if f := sound(all, list); f != nil {
		return "", nil, f
	}
	if len(utf16.Encode([]rune(strings.TrimSpace(text)))) > limit {
		return "", nil, bad("%s is too long", what)
	}
	return strings.TrimSpace(text), list, nil
}

func sound(all []uint16, list []Entity) *fault {
	if len(list) > 100 {
		return bad("entities too long")
	}
	for _, e := range list {
		end := e.Offset + e.Length
		switch {
		case !plainKinds.MatchString(e.Type):
			return bad("can't parse entities: unsupported type %q", e.Type)
		case e.Offset < 0 || e.Length <= 0 || end > len(all):
			return bad("can't parse entities: %s at %d of %d is outside", e.Type, e.Offset, e.Length)
		case low(all, e.Offset) || low(all, end):
			return bad("can't parse entities: %s at %d cuts a character", e.Type, e.Offset)
		case e.Type == "text_link" && !goodLink(e.URL):
			return bad("can't parse entities: wrong URL %q", e.URL)
		}
		for _, o := range list {
			if o.Offset < e.Offset && e.Offset < o.Offset+o.Length && o.Offset+o.Length < end {
				return bad("can't parse entities: %s and %s overlap", o.Type, e.Type)
			}
		}
	}
	return nil
}

func low(all []uint16, at int) bool { return at < len(all) && all[at] >= 0xDC00 && all[at] < 0xE000 }

func goodLink(s string) bool {
	_, err := url.Parse(s)
	return err == nil && linkStart.MatchString(s)
}
