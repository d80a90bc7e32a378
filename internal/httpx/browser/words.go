package browser

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Words are what pages say, by language ("en", "zh") and key.
type Words map[string]map[string]string

// LoadWords reads tables of the form {"key": {"en": "…", "zh": "…"}}; later files win. A key that
// lacks a language is an error.
func LoadWords(files fs.FS, names ...string) (Words, error) {
	out := Words{"en": {}, "zh": {}}
	for _, name := range names {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("read words: %w", err)
		}
		table := map[string]map[string]string{}
		if err := json.Unmarshal(raw, &table); err != nil {
			return nil, fmt.Errorf("read words %s: %w", name, err)
		}
		for key, texts := range table {
			for lang := range out {
				if texts[lang] == "" || len(texts) != len(out) {
					return nil, fmt.Errorf("read words %s: %s: needs en and zh", name, key)
				}
				out[lang][key] = texts[lang]
			}
		}
	}
	return out, nil
}

// Of is the table of one language, for a page's script.
func (w Words) Of(lang string) map[string]string { return maps.Clone(w[lang]) }

const langCookie = "hutong_lang"

// Language is what the visitor reads: what they chose (?lang= or the cookie), else what their browser
// asks for first, else the fallback.
func Language(r *http.Request, fallback string) string {
	if l := known(r.URL.Query().Get("lang")); l != "" {
		return l
	}
	if c, err := r.Cookie(langCookie); err == nil {
		if l := known(c.Value); l != "" {
			return l
		}
	}
	best, weight := "", 0.0
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		q := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			if f, err := strconv.ParseFloat(v, 64); err == nil {
				q = f
			}
		}
		if l := known(tag); l != "" && q > weight {
			best, weight = l, q
		}
	}
	if best != "" {
		return best
	}
	if l := known(fallback); l != "" {
		return l
	}
	return "en"
}

func known(tag string) string {
	tag, _, _ = strings.Cut(strings.ToLower(tag), "-")
	if tag == "en" || tag == "zh" {
		return tag
	}
	return ""
}

// keepLanguage remembers a choice made by ?lang=.
func keepLanguage(w http.ResponseWriter, r *http.Request, secure bool) {
	if l := known(r.URL.Query().Get("lang")); l != "" {
		http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever the gateway is reached by https
			Name: langCookie, Value: l, Path: "/", MaxAge: int((365 * 24 * time.Hour).Seconds()),
			Secure: secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
	}
}
