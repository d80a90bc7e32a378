package bridge

import (
	"errors"
	"fmt"
	"mime"
	"strings"
	"sync"
	"text/template"
	"time"
)

// Settings are what the company decides; they may change while the gateway runs.
type Settings struct {
	Company  Company
	Members  []Member
	Fallback MemberID // who gets a customer that no card, choice or rule gave to anyone

	// MemberLabel and ContactLabel are text/template texts over LabelData; "" is the default.
	MemberLabel, ContactLabel string

	Decider Decider
	Apps    []App

	MaxFile   int64    // bytes of one file; 0 is DefaultMaxFile
	FileTypes []string // allowed MIME types, "image/*" for a family; empty is all but programs

	MaxAge  time.Duration // a delivery older than this fails; 0 is DefaultMaxAge
	Workers int           // sends in flight per adapter; 0 is DefaultWorkers

	Now       func() time.Time  // the clock; nil is time.Now
	Failpoint func(name string) // called at the road's steps by crash tests; nil in production
}

// Defaults of Settings. A day is how long a network's user still expects an answer to be delivered;
// 25 MiB is what mail servers accept, and so what people are used to send.
const (
	DefaultMaxAge       = 24 * time.Hour
	DefaultWorkers      = 16
	DefaultMaxFile      = 25 << 20
	DefaultMemberLabel  = "{{.Name}} · {{.Company.Short}}{{with .Title}} {{.}}{{end}}"
	DefaultContactLabel = "{{.Name}} · {{.Network}}"
)

// LabelData is what a label's template may use.
type LabelData struct {
	Name       string
	Title      string
	Department string
	Remark     string // the member's own words about the contact
	Network    string // 微信联系人, "WeChat contact", …: the kind of network and what the party is to it
	Company    Company
}

// settled is Settings checked and indexed.
type settled struct {
	Settings
	members   map[MemberID]*Member
	accounts  map[UserRef]*Member
	member    *template.Template
	contact   *template.Template
	commands  map[string]App
	words     *phrases
	allowFile func(typ string) bool
	absent    *absent                  // members whose accounts are deactivated
	picture   func(blob string) string // the address of a contact's picture
	labels    struct {
		sync.RWMutex
		m map[labelKey]Label
	}
}

func settle(s Settings) (*settled, error) {
	applyDefaults(&s)
	out := &settled{
		Settings: s,
		members:  make(map[MemberID]*Member, len(s.Members)),
		accounts: make(map[UserRef]*Member, len(s.Members)),
		commands: make(map[string]App),
		words:    phrasesOf(s.Company.Language),
	}
	out.labels.m = make(map[labelKey]Label)
	var errs []error
	for i := range s.Members {
		m := &out.Members[i]
		if _, twice := out.members[m.ID]; twice || m.ID == "" {
			errs = append(errs, Problem(fmt.Sprintf("members[%d].id", i), "each member needs an id of its own"))
		}
		out.members[m.ID] = m
		for j, a := range m.Accounts {
			if o, taken := out.accounts[a]; taken {
				errs = append(errs, Problem(fmt.Sprintf("members[%d].accounts[%d]", i, j), "is the account of %s already", o.ID))
			}
			out.accounts[a] = m
		}
	}
	if _, ok := out.members[s.Fallback]; s.Fallback != "" && !ok {
		errs = append(errs, Problem("fallback", "no member is called %q", s.Fallback))
	}
	for _, a := range s.Apps {
		for _, c := range a.Commands() {
			out.commands[c] = a
		}
	}
	var err error
	if out.member, err = parseLabel("labels.member", s.MemberLabel); err != nil {
		errs = append(errs, err)
	}
	if out.contact, err = parseLabel("labels.contact", s.ContactLabel); err != nil {
		errs = append(errs, err)
	}
	out.allowFile = fileRule(s.FileTypes)
	return out, errors.Join(errs...)
}

func applyDefaults(s *Settings) {
	if s.MemberLabel == "" {
		s.MemberLabel = DefaultMemberLabel
	}
	if s.ContactLabel == "" {
		s.ContactLabel = DefaultContactLabel
	}
	if s.MaxFile == 0 {
		s.MaxFile = DefaultMaxFile
	}
	if s.MaxAge == 0 {
		s.MaxAge = DefaultMaxAge
	}
	if s.Workers == 0 {
		s.Workers = DefaultWorkers
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Failpoint == nil {
		s.Failpoint = func(string) {}
	}
	if s.Company.Zone == nil {
		s.Company.Zone = time.UTC
	}
	s.Members = append([]Member(nil), s.Members...)
}

// fileRule says which MIME types may pass. Without a list everything may but what computers run at a click.
func fileRule(allowed []string) func(string) bool {
	return func(typ string) bool {
		t, _, err := mime.ParseMediaType(typ)
		if err != nil {
			t = "application/octet-stream"
		}
		if len(allowed) == 0 {
			return !program(t)
		}
		for _, a := range allowed {
			if a == t || strings.HasSuffix(a, "/*") && strings.HasPrefix(t, strings.TrimSuffix(a, "*")) {
				return true
			}
		}
		return false
	}
}

func program(t string) bool {
	switch t {
	case "application/x-msdownload", "application/x-msdos-program", "application/vnd.microsoft.portable-executable",
		"application/x-executable", "application/x-elf", "application/x-mach-binary", "application/x-sharedlib",
		"application/x-sh", "application/x-bat", "application/hta", "application/x-msi":
		return true
	default:
		return false
	}
}

// serving is the member if there is one who may talk to customers now.
func (s *settled) serving(id MemberID) (*Member, bool) {
	m, ok := s.members[id]
	if !ok || !m.Serves || m.State == MemberLeft || s.absent.gone(m) {
		return nil, false
	}
	return m, true
}
