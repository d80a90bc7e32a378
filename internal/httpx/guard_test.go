package httpx

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

func TestPublic(t *testing.T) {
	for addr, want := range map[string]bool{
		"8.8.8.8": true, "223.5.5.5": true, "2606:4700::1111": true, "2400:3200::1": true,
		"::ffff:8.8.8.8": true, "64:ff9b::808:808": true,

		"127.0.0.1": false, "127.8.8.8": false, "0.0.0.0": false, "10.1.2.3": false, "172.16.0.1": false,
		"172.31.255.255": false, "192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false,
		"100.100.100.200": false, "192.0.0.192": false, "168.63.129.16": false, "198.18.0.1": false, "224.0.0.1": false,
		"255.255.255.255": false, "240.0.0.1": false, "192.0.2.1": false,
		"::": false, "::1": false, "::ffff:127.0.0.1": false, "::ffff:169.254.169.254": false, "::7f00:1": false,
		"64:ff9b::7f00:1": false, "64:ff9b::a9fe:a9fe": false, "64:ff9b:1::808:808": false,
		"fe80::1": false, "fe80::1%eth0": false, "2606:4700::1111%eth0": false, "fc00::1": false, "fd00:ec2::254": false,
		"ff02::1": false, "2002:7f00:1::": false, "2001::1": false, "2001:db8::1": false,
	} {
		if got := Public(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v, want %v", addr, got, want)
		}
	}
	if Public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

func TestGuardRefuses(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "inside") }))
	defer srv.Close()
	port := srv.URL[strings.LastIndex(srv.URL, ":"):]
	c := Guarded(GuardOptions{Timeout: 5 * time.Second})
	for _, u := range []string{
		srv.URL, "http://localhost" + port, "http://0.0.0.0" + port, "http://[::ffff:127.0.0.1]" + port, "http://2130706433" + port,
		"http://169.254.169.254/latest/meta-data", "http://[::1]" + port, "file:///etc/passwd", "gopher://8.8.8.8/", "http://[64:ff9b::7f00:1]" + port,
	} {
		resp, err := c.Get(u)
		if err == nil {
			_ = resp.Body.Close()
			t.Errorf("%s: answered %d", u, resp.StatusCode)
		} else if !errors.Is(err, bridge.ErrRefused) && !strings.Contains(err.Error(), "no such host") {
			t.Errorf("%s: failed by chance: %v", u, err)
		}
	}
}

func TestGuardRedirects(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/meta", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
	})
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/once", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ok", http.StatusFound) })
	mux.HandleFunc("/ok", func(http.ResponseWriter, *http.Request) {})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	c := Guarded(GuardOptions{Loopback: true, Timeout: 5 * time.Second})
	for path, want := range map[string]error{"/meta": bridge.ErrRefused, "/file": bridge.ErrRefused, "/loop": bridge.ErrRefused, "/once": nil} {
		resp, err := c.Get(srv.URL + path)
		if err == nil {
			_ = resp.Body.Close()
		}
		if !errors.Is(err, want) || (want == nil && err != nil) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
}

func TestGuardLimits(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := strings.Repeat("x", 100)
		switch r.URL.Path {
		case "/fits":
			text = text[:64]
		case "/streamed":
			w.(http.Flusher).Flush()
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, strings.Repeat("0", 1<<20))
			_ = z.Close()
			return
		}
		_, _ = io.WriteString(w, text)
	}))
	defer srv.Close()
	c := Guarded(GuardOptions{Loopback: true, MaxBytes: 64, Timeout: 5 * time.Second})
	for path, want := range map[string]error{"/fits": nil, "/known": bridge.ErrTooLarge, "/streamed": bridge.ErrTooLarge, "/bomb": bridge.ErrTooLarge} {
		resp, err := c.Get(srv.URL + path)
		n := 0
		if err == nil {
			var b []byte
			b, err = io.ReadAll(resp.Body)
			n = len(b)
			_ = resp.Body.Close()
		}
		if !errors.Is(err, want) || (want == nil && err != nil) || n > 64 {
			t.Errorf("%s: %d bytes, %v, want %v", path, n, err, want)
		}
	}
}
