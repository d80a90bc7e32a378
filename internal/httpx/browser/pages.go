package browser

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"math"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// Pages renders templates and serves the files that they name.
type Pages struct {
	files   fs.FS
	folders []string
	prefix  string // of the assets' addresses: "/desk/assets/HASH/"
	base    string // "/desk"
	company func() bridge.Company
	set     *template.Template
	words   Words
}

// OpenPages reads the templates (*.html), words (words.json) and assets of the folders below files, to
// be served below base. The assets' addresses carry a hash of them all, so that browsers may keep them
// for ever and scripts may import each other by relative names.
func OpenPages(files fs.FS, base string, company func() bridge.Company, folders ...string) (*Pages, error) {
	p := &Pages{files: files, folders: folders, base: base, company: company}
	hash := sha256.New()
	var html, words []string
	for _, dir := range folders {
		err := fs.WalkDir(files, dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			switch path.Ext(name) {
			case ".html":
				html = append(html, name)
			case ".json":
				words = append(words, name)
			}
			raw, err := fs.ReadFile(files, name)
			_, _ = fmt.Fprintf(hash, "%s %d\n%s", name, len(raw), raw) // a hash never fails
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read pages: %w", err)
		}
	}
	p.prefix = base + "/assets/" + hex.EncodeToString(hash.Sum(nil)[:8]) + "/"
	var err error
	if p.words, err = LoadWords(files, words...); err != nil {
		return nil, err
	}
	if p.set, err = template.New("").ParseFS(files, html...); err != nil {
		return nil, fmt.Errorf("read pages: %w", err)
	}
	return p, nil
}

// Mount adds the assets' addresses.
func (p *Pages) Mount(mux *http.ServeMux) {
	mux.HandleFunc("GET "+p.base+"/assets/{hash}/{name...}", p.asset)
}

// assetType is the type of a file that is served; "" for those that are not: templates and words.
func assetType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		return ""
	}
}

func (p *Pages) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	typ := assetType(name)
	folder, _, _ := strings.Cut(name, "/")
	if typ == "" || !fs.ValidPath(name) || !slices.Contains(p.folders, folder) {
		http.NotFound(w, r)
		return
	}
	raw, err := fs.ReadFile(p.files, name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", typ)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	if !strings.HasPrefix(r.URL.Path, p.prefix) { // a page from before an update asks for what is here now
		w.Header().Set("Cache-Control", "no-store")
	}
	_, _ = w.Write(raw) //nolint:gosec // an embedded file; a visitor who is gone cannot be told
}

// View is what every template gets.
type View struct {
	Lang    string
	Company bridge.Company
	Title   string
	Path    string // of this page, for the language switch
	Query   template.URL
	Data    any
	Boot    any // for the page's script
	page    *Pages
}

// T is a text in the page's language; %s in it takes the arguments.
func (v View) T(key string, args ...any) string {
	text, ok := v.page.words[v.Lang][key]
	if !ok {
		return key
	}
	if len(args) > 0 {
		return fmt.Sprintf(text, args...)
	}
	return text
}

// Asset is the address of a file, such as "desk/desk.css".
func (v View) Asset(name string) string { return v.page.prefix + name }

// Words is the table of the page's language.
func (v View) Words() map[string]string { return v.page.words.Of(v.Lang) }

// HTMLLang is the page's language as HTML names it.
func (v View) HTMLLang() string {
	if v.Lang == "zh" {
		return "zh-Hans"
	}
	return "en"
}

// Other is the other language.
func (v View) Other() string {
	if v.Lang == "zh" {
		return "en"
	}
	return "zh"
}

// Lang is the visitor's language.
func (p *Pages) Lang(r *http.Request) string { return Language(r, p.company().Language) }

// Say is a text in the visitor's language.
func (p *Pages) Say(r *http.Request, key string) string {
	return View{Lang: p.Lang(r), page: p}.T(key)
}

// Render answers with a page. The boot value is what its script starts with.
func (p *Pages) Render(w http.ResponseWriter, r *http.Request, status int, name, title string, data, boot any) {
	company := p.company()
	keepLanguage(w, r, Secure(company))
	q := url.Values{}
	for k, list := range r.URL.Query() {
		if k != "lang" {
			q[k] = list
		}
	}
	v := View{Lang: p.Lang(r), Company: company, Path: r.URL.Path, Data: data, Boot: boot, page: p}
	if len(q) > 0 {
		v.Query = template.URL("&" + q.Encode()) //nolint:gosec // encoded just now
	}
	v.Title = v.T(title)
	var b bytes.Buffer
	if err := p.set.ExecuteTemplate(&b, name, v); err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Add("Vary", "Accept-Language, Cookie")
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "2")
	}
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // the visitor is gone; nobody is left to tell
}

// Secure reports whether visitors come over https.
func Secure(c bridge.Company) bool { return strings.HasPrefix(strings.ToLower(c.URL), "https://") }

// Origin is the outward origin of the gateway, or "".
func Origin(c bridge.Company) string {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// maxPostForm bounds a plain HTML form.
const maxPostForm = 16 << 10

// ReadForm reads a plain HTML form of one value a field. It is false when there is none or too much.
func ReadForm(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	typ, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || typ != "application/x-www-form-urlencoded" {
		return nil, false
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxPostForm)
	if err := r.ParseForm(); err != nil {
		return nil, false
	}
	return r.PostForm, true
}

// Words are what a page's script says in the language.
func (p *Pages) Words(lang string) map[string]string { return p.words.Of(lang) }

// Guard puts the headers of pages before the handler and refuses what other sites make browsers post.
func Guard(h http.Handler, c bridge.Company, policy httpx.Policy) http.Handler {
	var trusted []string
	if o := Origin(c); o != "" {
		trusted = append(trusted, o)
	}
	guarded, err := httpx.SameOrigin(h, trusted...)
	if err != nil { // the company's address has no origin to trust: the Host alone counts
		guarded = http.NewCrossOriginProtection().Handler(h)
	}
	return httpx.Secure(guarded, policy)
}

// RetryAfter says when a request may be made again.
func RetryAfter(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
}
