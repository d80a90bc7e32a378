package config

import (
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// Config is a config file that was read without a mistake.
type Config struct {
	Company  Company  `yaml:"company" jsonschema:"required" jsonschema_description:"Who the employees work for, as customers see it."`
	Gateway  Gateway  `yaml:"gateway" jsonschema_description:"Where the gateway listens and keeps its data."`
	Store    Store    `yaml:"store" jsonschema_description:"What keeps everything that must not be lost."`
	Adapters Adapters `yaml:"adapters" jsonschema:"required" jsonschema_description:"The accounts on networks, each under a name of your choice."`
	Members  []Member `yaml:"members" jsonschema_description:"The employees."`
	Fallback string   `yaml:"fallback" jsonschema_description:"The member who gets a customer that no card, choice or rule gave to anyone. Without it such a customer waits, visibly."`
	Labels   Labels   `yaml:"labels" jsonschema_description:"How each side is named to the other, as Go templates."`
	Files    Files    `yaml:"files" jsonschema_description:"Which files may pass."`
	Limits   Limits   `yaml:"limits" jsonschema_description:"How long and how much at once."`
	History  History  `yaml:"history" jsonschema_description:"How long what was said is kept."`
	Log      Log      `yaml:"log" jsonschema_description:"What the gateway writes about itself, to standard error."`
	Rules    Later    `yaml:"rules" jsonschema_description:"Not available in this version; may only be empty."`
	Apps     Later    `yaml:"apps" jsonschema_description:"Not available in this version; may only be empty."`

	// Path is the file that it was read from.
	Path string `yaml:"-"`
	// Text is what stood in it.
	Text []byte `yaml:"-"`
	// Warnings are what is allowed but unwise.
	Warnings Mistakes `yaml:"-"`

	zone    *time.Location
	derived bool // the URL was not written
	at      map[string]place
}

// Company is who the employees work for, as customers see it.
type Company struct {
	Name     string `yaml:"name" jsonschema:"required" jsonschema_description:"The full name, on cards and verify pages."`
	Short    string `yaml:"short" jsonschema_description:"The short name, in labels. Default: the full name."`
	Zone     string `yaml:"zone" jsonschema_description:"The time zone, such as Asia/Shanghai. Default: UTC."`
	Language Word   `yaml:"language" jsonschema:"enum=en,enum=zh" jsonschema_description:"The language of what the gateway itself says where a reader's own is not known."`
}

// Gateway is where the gateway listens and keeps its data.
type Gateway struct {
	Listen string `yaml:"listen" jsonschema_description:"host:port to listen on."`
	URL    string `yaml:"url" jsonschema_description:"The address under which customers and members reach the gateway: http(s)://host, without a path. Default: http://localhost and the port."`
	Data   string `yaml:"data" jsonschema_description:"The folder for the store, files and the control socket; relative to the config file."`
}

// Store is what keeps everything that must not be lost.
type Store struct {
	Kind Word `yaml:"kind" jsonschema:"enum=bolt,enum=mem" jsonschema_description:"bolt is one file in the data folder; mem forgets everything when the gateway stops."`
}

// Adapter is one account on one network.
type Adapter struct {
	Name   string
	Kind   string
	Config bridge.Config // decoded and checked
}

// Member is one employee.
type Member struct {
	ID         string   `yaml:"id" jsonschema:"required" jsonschema_description:"A short name of your choice; it never changes."`
	Name       string   `yaml:"name" jsonschema:"required" jsonschema_description:"As customers see it."`
	Title      string   `yaml:"title" jsonschema_description:"What the member does, in labels."`
	Department string   `yaml:"department" jsonschema_description:"Where the member belongs."`
	Accounts   Accounts `yaml:"accounts" jsonschema_description:"Adapter: user. Customers appear in the first one."`
	Serves     bool     `yaml:"serves" jsonschema_description:"May talk to customers."`
	Quota      int      `yaml:"quota" jsonschema:"minimum=0" jsonschema_description:"Most customers at once; 0 is any number."`
	State      Word     `yaml:"state" jsonschema:"enum=active,enum=away,enum=left" jsonschema_description:"Whether the member works here now."`
}

// Labels are templates of how each side is named to the other; "" is the default.
type Labels struct {
	Member  string `yaml:"member" jsonschema_description:"How an employee is named to a customer."`
	Contact string `yaml:"contact" jsonschema_description:"How a customer is named to an employee."`
}

// Files says which files may pass.
type Files struct {
	Max   Size     `yaml:"max" jsonschema_description:"The largest file, such as 25MiB."`
	Types []string `yaml:"types" jsonschema_description:"MIME types that may pass, such as image/* or application/pdf. Empty: all but programs."`
}

// Limits say how long and how much at once.
type Limits struct {
	Age     time.Duration `yaml:"age" jsonschema_description:"A message that could not be delivered for so long fails, such as 24h."`
	Workers int           `yaml:"workers" jsonschema:"minimum=1,maximum=256" jsonschema_description:"How many messages one adapter sends at once."`
}

// History says how long what was said is kept.
type History struct {
	Keep Span `yaml:"keep" jsonschema_description:"Such as 365d; forever keeps everything."`
}

// Log says what the gateway writes about itself.
type Log struct {
	Format Word `yaml:"format" jsonschema:"enum=text,enum=json" jsonschema_description:"text is for people, json for machines."`
	Level  Word `yaml:"level" jsonschema:"enum=debug,enum=info,enum=warn,enum=error" jsonschema_description:"The least important line that is written."`
}

// defaults are the settings of a file that says nothing.
func defaults() *Config {
	return &Config{
		Company: Company{Zone: "UTC", Language: "en"},
		Gateway: Gateway{Listen: "127.0.0.1:8420", Data: "./data"},
		Store:   Store{Kind: "bolt"},
		Files:   Files{Max: bridge.DefaultMaxFile},
		Limits:  Limits{Age: bridge.DefaultMaxAge, Workers: bridge.DefaultWorkers},
		Log:     Log{Format: "text", Level: "info"},
	}
}

// BridgeCompany is the company as the core knows it.
func (c *Config) BridgeCompany() bridge.Company {
	return bridge.Company{
		Name: c.Company.Name, Short: c.Company.Short, Zone: c.zone,
		Language: string(c.Company.Language), URL: c.Gateway.URL,
	}
}

// BridgeMembers are the members as the core knows them.
func (c *Config) BridgeMembers() []bridge.Member {
	list := make([]bridge.Member, len(c.Members))
	for i, m := range c.Members {
		state := bridge.MemberState(m.State)
		if m.State == "active" {
			state = bridge.MemberActive
		}
		list[i] = bridge.Member{
			ID: bridge.MemberID(m.ID), Name: m.Name, Title: m.Title, Department: m.Department,
			Accounts: m.Accounts, Serves: m.Serves, Quota: m.Quota, State: state,
		}
	}
	return list
}

// Adapter is the adapter of that name.
func (c *Config) Adapter(name string) (Adapter, bool) {
	for _, a := range c.Adapters {
		if a.Name == name {
			return a, true
		}
	}
	return Adapter{}, false
}

// Adopt turns what was found wrong with a key after loading (two adapters that want one address) into
// mistakes with their places. It returns nil if err is nil.
func (c *Config) Adopt(key string, err error) error {
	if err == nil {
		return nil
	}
	r := &report{file: c.Path, at: c.at}
	r.adopt(key, err)
	return r.mistakes
}
