package main

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hutong-im/hutong/internal/httpx"
)

// Limits of the web server. A browser sends its headers at once; a file of 25 MiB on a slow line takes
// minutes; headers of 64 KiB are more than any browser or network sends.
const (
	headerWait = 10 * time.Second
	bodyWait   = 5 * time.Minute
	idleWait   = 2 * time.Minute
	maxHeader  = 64 << 10
	bodyExtra  = 1 << 20 // what a form adds to the file in it
)

// ownPatterns are the addresses that no adapter can have.
func ownPatterns() []string {
	return []string{"/{$}", "/hook/", "/healthz", "/readyz", "/metrics", "/avatar/", "/qr/", "/api/", "/cgi-bin/", "/console", "/console/"}
}

// web is the gateway's addresses.
func (o *office) web(metrics *prometheus.Registry, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", o.where)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("alive\n"))
	})
	mux.HandleFunc("GET /readyz", o.ready)
	mux.HandleFunc("GET /avatar/{name}", o.picture)
	mux.HandleFunc("GET /qr/{name}", o.code)
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { o.posts.Load().pages.ServeHTTP(w, r) })
	return o.bounded(mux)
}

// bounded keeps a request from being endless, in bytes and in time. Answers may be: live updates are.
func (o *office) bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyWait))
			r.Body = http.MaxBytesReader(w, r.Body, int64(o.conf.Load().Files.Max)+bodyExtra)
		}
		next.ServeHTTP(w, r)
	})
}

func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerWait, IdleTimeout: idleWait, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), // strangers' broken connections are no news
	}
}

// listen opens the gateway's address.
func listen(ctx context.Context, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w (is another program there? choose another address at gateway.listen)", err)
	}
	return l, nil
}

// serve answers until ctx ends, then lets requests in flight finish for as long as grace allows.
func serve(ctx context.Context, s *http.Server, l net.Listener, grace time.Duration) error {
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		err := s.Shutdown(wait)
		if err != nil {
			err = errors.Join(err, s.Close())
		}
		stopped <- err
	}()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	return <-stopped
}

// ready tells load balancers by its status, and people and scripts by its body.
func (o *office) ready(w http.ResponseWriter, r *http.Request) {
	v := o.status(r.Context())
	code := http.StatusOK
	if !v.Ready {
		code = http.StatusServiceUnavailable
	}
	w.Header().Set("Cache-Control", "no-store")
	if strings.Contains(r.Header.Get("Accept"), "json") || r.URL.Query().Get("format") == "json" {
		httpx.WriteJSON(w, code, v)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(v.String()))
}

// where is the page at the root: where to go from here.
func (o *office) where(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	c := o.conf.Load()
	desk := false
	for _, a := range c.Adapters {
		desk = desk || a.Kind == "desk"
	}
	page, err := template.New("where").Parse(whereText)
	if err == nil {
		err = page.Execute(w, map[string]any{"Company": c.Company.Name, "Chinese": c.Company.Language == "zh", "Desk": desk})
	}
	if err != nil && r.Context().Err() == nil {
		http.Error(w, "this page cannot be shown", http.StatusInternalServerError)
	}
}

const whereText = `<!doctype html>
<html lang="{{if .Chinese}}zh-CN{{else}}en{{end}}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{.Company}}</title>
<style>
body { font: 1.1rem/1.6 system-ui, sans-serif; max-width: 34rem; margin: 12vh auto; padding: 0 1.2rem }
a { color: LinkText } small { opacity: .75 }
</style>
<main>
<h1>{{.Company}}</h1>
{{if .Desk}}<p><a href="/desk">工作台 · Desk</a><br><small>员工请从这里登录。 For employees.</small></p>{{end}}
<p>客户请扫描员工名片上的二维码，或打开名片链接。<br>
<small>Customers: scan the code on an employee's card, or open its link.</small></p>
</main>
</html>
`
