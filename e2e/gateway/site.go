package gateway

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// NewSite is an installation of its own, which lasts as long as the test; Found writes its config.
func (b *Binary) NewSite(t testing.TB) *Site {
	t.Helper()
	return &Site{Binary: b, Port: Port(t), Config: filepath.Join(t.TempDir(), "config.yaml")}
}

// Founding is a company for tests: ACME, with 李雷 as the only one who serves customers.
type Founding struct {
	Adapters string // as YAML, each in a line, indented by two
	Account  string // of 李雷, as in "team: lilei"
	URL      string // the gateway's address as customers see it; the site's own if it is ""
}

// Found writes the config of the site.
func (s *Site) Found(t testing.TB, f Founding) {
	t.Helper()
	if f.URL == "" {
		f.URL = s.URL("")
	}
	data := filepath.Join(filepath.Dir(s.Config), "data")
	config := fmt.Sprintf(`company: { name: ACME 贸易有限公司, short: ACME, zone: Asia/Shanghai, language: zh }
gateway: { listen: "127.0.0.1:%d", url: %q, data: %q }
adapters:
%s
members:
  - { id: lilei, name: 李雷, title: 销售经理, accounts: { %s }, serves: true }
fallback: lilei
`, s.Port, f.URL, data, f.Adapters, f.Account)
	if err := os.WriteFile(s.Config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
}
