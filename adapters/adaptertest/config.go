package adaptertest

import (
	"errors"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

func configChecks() []Check {
	return []Check{
		{"config/kind", checkKind},
		{"config/fresh", checkFresh},
		{"config/names every problem", checkProblems},
		{"config/refuses nonsense", checkNonsense},
		{"config/secrets", checkSecretFields},
		{"config/open is silent", checkOpenSilent},
		{"caps", checkCaps},
	}
}

func checkKind(r *rig) {
	if !regexp.MustCompile(`^[a-z][a-z0-9]*$`).MatchString(r.kind.Name) {
		r.Errorf("kind %q: want a short word in lower case, as it stands in config", r.kind.Name)
	}
	if r.kind.New == nil || r.kind.New() == nil {
		r.Fatalf("kind %s makes no config", r.kind.Name)
	}
	if got, want := reflect.TypeOf(r.net.Config()), reflect.TypeOf(r.kind.New()); got != want {
		r.Errorf("the network's config is a %v, the kind's a %v", got, want)
	}
}

// Two configs must not share anything: one adapter's settings would change another's.
func checkFresh(r *rig) {
	a, b := r.kind.New(), r.kind.New()
	if reflect.ValueOf(a).Kind() != reflect.Pointer {
		r.Fatalf("New makes a %T; want a pointer, to be decoded into", a)
	}
	if a == b {
		r.Errorf("New makes the same config twice")
	}
}

// field is one setting of a config.
type field struct {
	name  string // as in YAML
	value reflect.Value
}

// fields lists a config's settings, also those of structs in it.
func fields(c bridge.Config) []field {
	v := reflect.ValueOf(c)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return nil
	}
	return fieldsOf(v.Elem(), "")
}

func fieldsOf(v reflect.Value, prefix string) []field {
	var out []field
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		f := v.Field(i)
		switch {
		case !f.CanSet() || name == "-":
		case name == "" && options == "inline" && f.Kind() == reflect.Struct:
			out = append(out, fieldsOf(f, prefix)...)
		case name == "":
		case f.Kind() == reflect.Struct && f.Type() != secretType():
			out = append(out, fieldsOf(f, prefix+name+".")...)
		default:
			out = append(out, field{prefix + name, f})
		}
	}
	return out
}

func secretType() reflect.Type { return reflect.TypeFor[bridge.Secret]() }

// named lists the fields of all FieldErrors in an error.
func named(err error) []string {
	var out []string
	switch e := err.(type) { //nolint:errorlint // it walks the tree itself
	case nil:
	case *bridge.FieldError:
		out = append(out, e.Field)
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			out = append(out, named(err)...)
		}
	case interface{ Unwrap() error }:
		out = append(out, named(e.Unwrap())...)
	}
	return out
}

// check is Config.Check with its error kept, to be searched for secrets, and without panics.
func (r *rig) check(c bridge.Config, what string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.Errorf("%s: Check panics: %v", what, p)
		}
	}()
	err = c.Check()
	r.note(err)
	return err
}

// Blanks what the config needs: first each setting alone, then all of them.
func checkProblems(r *rig) {
	good := r.net.Config()
	var needed []string
	for i, f := range fields(good) {
		cfg := r.net.Config()
		fields(cfg)[i].value.SetZero()
		if err := r.check(cfg, f.name); err != nil {
			needed = append(needed, f.name)
			if !slices.Contains(named(err), f.name) {
				r.Errorf("without %s, Check says %v; want a bridge.Problem(%q, …)", f.name, err, f.name)
			}
		}
	}
	all := r.net.Config()
	for _, f := range fields(all) {
		if slices.Contains(needed, f.name) {
			f.value.SetZero()
		}
	}
	err := r.check(all, "all")
	for _, name := range needed {
		if !slices.Contains(named(err), name) {
			r.Errorf("without all of %v, Check does not name %s: every problem is named at once", needed, name)
		}
	}
	bare := r.kind.New()
	secrets := slices.ContainsFunc(fields(bare), func(f field) bool { return f.value.Type() == secretType() })
	if secrets && r.check(bare, "New") == nil {
		r.Errorf("Check accepts a config without any setting, though the adapter has secrets")
	}
}

func checkNonsense(r *rig) {
	for i, f := range fields(r.kind.New()) {
		var values []any
		switch last := f.name[strings.LastIndexByte(f.name, '.')+1:]; {
		case f.value.Kind() == reflect.String && (last == "url" || strings.HasSuffix(last, "_url")):
			values = []any{"::nonsense", "no-scheme.example", "ftp://files.example", "http://"}
		case f.value.Type() == reflect.TypeFor[time.Duration](), f.value.CanInt():
			values = []any{-1}
		}
		for _, v := range values {
			cfg := r.kind.New()
			to := fields(cfg)[i].value
			to.Set(reflect.ValueOf(v).Convert(to.Type()))
			if err := r.check(cfg, f.name); !slices.Contains(named(err), f.name) {
				r.Errorf("%s: %v is accepted (%v); want a bridge.Problem(%q, …)", f.name, v, err, f.name)
			}
		}
	}
}

// What must not be printed has the type that does not print.
func checkSecretFields(r *rig) {
	secret := regexp.MustCompile(`(^|[._])(secret|token|password|key|aes_key)$`)
	for _, f := range fields(r.kind.New()) {
		if f.value.Kind() == reflect.String && secret.MatchString(f.name) {
			r.Errorf("%s is a string; want a bridge.Secret, which prints as ***", f.name)
		}
	}
}

// Open does not speak to the network: that is Run's work.
func checkOpenSilent(r *rig) {
	r.client.CloseIdleConnections()
	before := r.dials.Load()
	r.offline.Store(true)
	r.open()
	if r.dials.Load() != before {
		r.Errorf("Open speaks to the network")
	}
	r.offline.Store(false)
	cfg := r.net.Config()
	if err := errors.Join(cfg.Check(), cfg.Check()); err != nil {
		r.Errorf("Check a second time: %v", err)
	}
}

func checkCaps(r *rig) {
	c := r.adapter.Caps()
	if c != r.adapter.Caps() {
		r.Errorf("Caps change")
	}
	if c.MaxText < 0 || c.MaxFile < 0 || c.MaxFiles < 0 || c.Window.Open < 0 || c.Window.Messages < 0 {
		r.Errorf("Caps are negative: %+v", c)
	}
	if c.Count > bridge.UTF16 || c.Markup > bridge.CommonMark {
		r.Errorf("Caps have an unknown unit or markup: %+v", c)
	}
	if r.facts.MaxText != c.MaxText || (c.MaxText > 0 && c.Count != r.facts.Count) {
		r.Errorf("Caps limit text to %d of unit %d, the network to %d of unit %d", c.MaxText, c.Count, r.facts.MaxText, r.facts.Count)
	}
	if p, ok := r.adapter.(bridge.Paged); ok {
		mux := http.NewServeMux()
		for _, page := range p.Pages() {
			if page.Handler == nil {
				r.Errorf("page %q has no handler", page.Pattern)
				continue
			}
			mux.Handle(page.Pattern, page.Handler)
		}
	}
	if h, ok := r.adapter.(bridge.Hooked); ok && h.Hook() == nil {
		r.Errorf("the hook has no handler")
	}
}
