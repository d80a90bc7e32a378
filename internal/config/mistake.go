package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hutong-im/hutong/bridge"
)

// Mistake is one thing that is wrong, or unwise, in a config file.
type Mistake struct {
	File string
	Line int    // from 1; 0 when the file as a whole is meant
	Col  int    // in characters, from 1
	Key  string // dots lead deeper, [n] into lists; "" is the file itself
	Text string // what is wrong and what to do
}

// String is the mistake as editors and people read it: config.yaml:14:7: adapters.sales.secret: missing.
func (m Mistake) String() string {
	var b strings.Builder
	b.WriteString(m.File)
	if m.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", m.Line, m.Col)
	}
	b.WriteString(": ")
	if m.Key != "" {
		b.WriteString(m.Key + ": ")
	}
	return b.String() + m.Text
}

// Mistakes are all that was found in one file, in the order of their places. As an error it has one line for each.
type Mistakes []Mistake

// Error has one line for each mistake.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, one := range m {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

func (m Mistakes) sort() {
	slices.SortStableFunc(m, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col), cmp.Compare(a.Key, b.Key))
	})
}

// place is where a key or value stands.
type place struct{ line, col int }

// report collects mistakes and warnings, and knows where each key stands.
type report struct {
	file     string
	at       map[string]place
	mistakes Mistakes
	warnings Mistakes
}

func newReport(file string) *report {
	return &report{file: file, at: map[string]place{"": {1, 1}}}
}

// locate is the place of the key, or of the nearest thing above it that is written in the file.
func (r *report) locate(key string) place {
	for {
		if p, ok := r.at[key]; ok {
			return p
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
}

func (r *report) mistake(key, format string, args ...any) {
	r.mistakeAt(r.locate(key), key, format, args...)
}

func (r *report) mistakeAt(p place, key, format string, args ...any) {
	r.mistakes = append(r.mistakes, Mistake{r.file, p.line, p.col, key, fmt.Sprintf(format, args...)})
}

func (r *report) warn(key, format string, args ...any) {
	p := r.locate(key)
	r.warnings = append(r.warnings, Mistake{r.file, p.line, p.col, key, fmt.Sprintf(format, args...)})
}

// blamed reports whether the key already has a mistake: what follows from it need not be told too.
func (r *report) blamed(key string) bool {
	return slices.ContainsFunc(r.mistakes, func(m Mistake) bool { return m.Key == key })
}

// adopt takes over what a Config.Check found, as mistakes below the key; but not for keys that could
// not even be read.
func (r *report) adopt(key string, err error) {
	before := &report{mistakes: r.mistakes}
	for _, e := range leaves(err) {
		at, text := key, e.Error()
		if field, ok := errors.AsType[*bridge.FieldError](e); ok {
			text = field.Text
			if field.Field != "" {
				at += "." + field.Field
			}
		}
		if !before.blamed(at) {
			r.mistake(at, "%s", text)
		}
	}
}

// leaves are the errors that errors.Join joined.
func leaves(err error) []error {
	if err == nil {
		return nil
	}
	list, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range list.Unwrap() {
		all = append(all, leaves(e)...)
	}
	return all
}
