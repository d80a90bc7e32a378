package httpx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// GuardOptions are the limits of a guarded client; zero values take the defaults.
type GuardOptions struct {
	MaxBytes  int64         // of one answer, after decompression; default 32 MiB
	Redirects int           // followed at most; default 3, negative none
	Timeout   time.Duration // of the whole exchange; default 1 min
	Loopback  bool          // lets 127.0.0.0/8 and ::1 through, for tests
}

// Guarded makes a client for addresses that a stranger chose: it speaks http and https to public
// addresses only. The address is checked when it is dialled, after the name was resolved, for every
// redirect too; so no name leads to the company's own network or a cloud's metadata. Answers above the
// limit end with bridge.ErrTooLarge, refused addresses with bridge.ErrRefused. It uses no proxy.
func Guarded(o GuardOptions) *http.Client {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 32 << 20
	}
	if o.Redirects == 0 {
		o.Redirects = 3
	}
	if o.Timeout <= 0 {
		o.Timeout = time.Minute
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, ControlContext: o.control}
	return &http.Client{
		Timeout: o.Timeout,
		Transport: &guard{limit: o.MaxBytes, next: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    10 * time.Second,
			ResponseHeaderTimeout:  30 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			DisableKeepAlives:      true, // strangers' servers are seldom asked twice
		}},
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) > o.Redirects {
				return fmt.Errorf("more than %d redirects: %w", max(o.Redirects, 0), bridge.ErrRefused)
			}
			return nil
		},
	}
}

// control runs for each dial, with the address that was resolved.
func (o GuardOptions) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("not an address of the internet: %w", bridge.ErrRefused)
	}
	if o.Loopback && ap.Addr().Unmap().IsLoopback() {
		return nil
	}
	if !Public(ap.Addr()) {
		return fmt.Errorf("%s is not a public address: %w", ap.Addr(), bridge.ErrRefused)
	}
	return nil
}

// special are the prefixes that lead somewhere else than to one host of the public internet, from the
// IANA special-purpose registries (RFC 6890), and one address by which Azure reaches into its guests.
func special() []netip.Prefix {
	list := []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
		"192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32",
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	}
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// Public reports whether an address is one of the public internet. IPv4 inside IPv6 (mapped, or by
// NAT64's 64:ff9b::/96) is judged as the IPv4 address.
func Public(a netip.Addr) bool {
	a = a.Unmap()
	if a.Zone() != "" {
		return false
	}
	if netip.MustParsePrefix("64:ff9b::/96").Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if a.Is6() && !netip.MustParsePrefix("2000::/3").Contains(a) {
		return false
	}
	for _, p := range special() {
		if p.Contains(a) {
			return false
		}
	}
	return a.IsValid()
}

// guard checks the scheme and bounds the answer.
type guard struct {
	next  http.RoundTripper
	limit int64
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if s := req.URL.Scheme; s != "http" && s != "https" {
		return nil, fmt.Errorf("only http and https: %w", bridge.ErrRefused)
	}
	resp, err := g.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.ContentLength > g.limit {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("answer of %d bytes, more than %d: %w", resp.ContentLength, g.limit, bridge.ErrTooLarge)
	}
	resp.Body = &bounded{ReadCloser: resp.Body, left: g.limit}
	return resp, nil
}

// bounded ends with bridge.ErrTooLarge when there is more than the limit.
type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if int64(n) > b.left {
		n, err = int(b.left), bridge.ErrTooLarge
	}
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, fmt.Errorf("read the answer: %w", redact(err))
	}
	return n, err
}
