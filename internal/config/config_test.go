package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hutong-im/hutong/bridge"
)

var update = flag.Bool("update", false, "write what the loader says into testdata")

// toyConfig has a field of every type that adapters use.
type toyConfig struct {
	URL     string         `yaml:"url" jsonschema_description:"Where it is."`
	Token   bridge.Secret  `yaml:"token"`
	Poll    time.Duration  `yaml:"poll"`
	Limit   int            `yaml:"limit"`
	Ratio   float64        `yaml:"ratio"`
	Deep    toyDeep        `yaml:"deep"`
	Maybe   *bool          `yaml:"maybe"`
	Routes  []toyRoute     `yaml:"routes"`
	Names   []string       `yaml:"names"`
	Extra   map[string]int `yaml:"extra"`
	toyBase `yaml:",inline"`
}

type toyBase struct {
	Rooms string `yaml:"rooms"`
}

type toyDeep struct {
	On   bool  `yaml:"on"`
	Many uint8 `yaml:"many"`
}

type toyRoute struct {
	To string `yaml:"to"`
}

func (c *toyConfig) Check() error {
	var errs []error
	if c.Token.IsZero() {
		errs = append(errs, bridge.Problem("token", "missing (write env:NAME)"))
	}
	for i, r := range c.Routes {
		if r.To == "nowhere" {
			errs = append(errs, bridge.Problem(index("routes", i)+".to", "leads nowhere"))
		}
	}
	if c.Rooms == "attic" {
		errs = append(errs, bridge.Problem("", "rooms and reason do not fit"), errors.New("and a plain error"))
	}
	return errors.Join(errs...)
}

func (c *toyConfig) Open(bridge.Env) (bridge.Adapter, error) { return nil, errors.New("a toy") }

type emptyConfig struct{}

func (c *emptyConfig) Check() error                            { return nil }
func (c *emptyConfig) Open(bridge.Env) (bridge.Adapter, error) { return nil, errors.New("a toy") }

func toyKinds() []bridge.Kind {
	return []bridge.Kind{
		{Name: "desk", New: func() bridge.Config { return &emptyConfig{} }},
		{Name: "toy", New: func() bridge.Config { return &toyConfig{URL: "https://toy.example", Poll: 5 * time.Second} }},
		{Name: "webchat", New: func() bridge.Config { return &emptyConfig{} }},
	}
}

// TestMistakes holds each file of testdata against what it says shall be found in it.
func TestMistakes(t *testing.T) {
	t.Setenv("TOY_TOKEN", "s3cret")
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(ar.Files) != 2 || ar.Files[0].Name != "config.yaml" || ar.Files[1].Name != "want" {
				t.Fatal("want the sections config.yaml and want")
			}
			got := verdict(Parse("config.yaml", ar.Files[0].Data, toyKinds()))
			if *update {
				ar.Files[1].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(ar), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if want := string(ar.Files[1].Data); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// verdict is all that the loader said.
func verdict(c *Config, err error) string {
	if err != nil {
		return err.Error() + "\n"
	}
	out := "fine\n"
	for _, w := range c.Warnings {
		out += "warning: " + w.String() + "\n"
	}
	return out
}

const small = `
company:  { name: ACME 贸易有限公司, short: ACME, zone: Asia/Shanghai, language: zh }
adapters:
  desk: { kind: desk }
  web:  { kind: webchat }
members:
  - { id: lilei, name: 李雷, title: 销售经理, accounts: { web: li, desk: lilei }, serves: true, state: away }
fallback: lilei
files: { max: 5MB, types: [image/*] }
history: { keep: 30d }
limits: { age: 2d }
`

func TestParse(t *testing.T) {
	c, err := Parse("/etc/hutong/config.yaml", []byte(small), toyKinds())
	if err != nil {
		t.Fatal(err)
	}
	company := c.BridgeCompany()
	if company.Zone.String() != "Asia/Shanghai" || company.URL != "http://localhost:8420" || company.Short != "ACME" {
		t.Errorf("company = %+v", company)
	}
	m := c.BridgeMembers()[0]
	if m.State != bridge.MemberAway || len(m.Accounts) != 2 || m.Accounts[0] != (bridge.UserRef{Adapter: "web", User: "li"}) {
		t.Errorf("member = %+v; the order of accounts is that of the file", m)
	}
	if c.Gateway.Data != "/etc/hutong/data" {
		t.Errorf("data = %s, want it beside the file", c.Gateway.Data)
	}
	if c.Files.Max != 5e6 || c.Limits.Age != 48*time.Hour || time.Duration(c.History.Keep) != 720*time.Hour {
		t.Errorf("files %v, limits %v, history %v", c.Files, c.Limits, c.History)
	}
	if a, ok := c.Adapter("web"); !ok || a.Kind != "webchat" {
		t.Errorf("adapter web = %+v, %v", a, ok)
	}
	if _, ok := c.Adapter("nope"); ok {
		t.Error("found an adapter that is not there")
	}
	if c.Limits.Workers != 16 || c.Log.Format != "text" {
		t.Error("defaults are lost")
	}
}

func TestValuesOfAdapters(t *testing.T) {
	t.Setenv("TOY_TOKEN", "s3cret")
	src := `
company: { name: ACME }
adapters:
  a-1:
    kind: toy
    token: env:TOY_TOKEN
    poll: 250ms
    limit: 0x10
    ratio: 0.5
    deep: { on: true, many: 255 }
    maybe: false
    routes: [{ to: here }, { to: there }]
    names: [x, "1"]
    extra: { one: 1, two: 2 }
    rooms: |
      channel
`
	c, err := Parse("config.yaml", []byte(src), toyKinds())
	if err != nil {
		t.Fatal(err)
	}
	got := c.Adapters[0].Config.(*toyConfig)
	if got.URL != "https://toy.example" || got.Token.Reveal() != "s3cret" || got.Poll != 250*time.Millisecond ||
		got.Limit != 16 || got.Ratio != 0.5 || !got.Deep.On || got.Deep.Many != 255 || got.Maybe == nil || *got.Maybe ||
		len(got.Routes) != 2 || got.Routes[1].To != "there" || got.Names[1] != "1" || got.Extra["two"] != 2 || got.Rooms != "channel\n" {
		t.Errorf("got %+v", got)
	}
}

func TestLoad(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "nope.yaml"), nil); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "--config") {
		t.Errorf("a missing file: %v", err)
	}
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(small), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, toyKinds())
	if err != nil || c.Path != path {
		t.Errorf("Load = %v, %v", c, err)
	}
}

func TestAdopt(t *testing.T) {
	c, err := Parse("config.yaml", []byte(small), toyKinds())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Adopt("adapters.web", nil); err != nil {
		t.Errorf("nothing wrong, but %v", err)
	}
	err = c.Adopt("adapters.web", bridge.Problem("url", "is also that of desk"))
	if want := "config.yaml:5:3: adapters.web.url: is also that of desk"; err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestTooLarge(t *testing.T) {
	_, err := Parse("config.yaml", make([]byte, maxFile+1), nil)
	if err == nil || !strings.Contains(err.Error(), "larger than 4 MiB") {
		t.Errorf("got %v", err)
	}
}
