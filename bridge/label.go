package bridge

import (
	"fmt"
	"io"
	"strings"
	"text/template"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// Limits of what is taken over from a network: a name is as long as Mattermost's longest display name
// (64); a label is two of them and what stands between.
const (
	maxName  = 64
	maxLabel = 160
)

func parseLabel(field, text string) (*template.Template, error) {
	t, err := template.New(field).Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, Problem(field, "%s", strings.TrimPrefix(err.Error(), "template: "))
	}
	if err := t.Execute(io.Discard, LabelData{Name: "x"}); err != nil {
		return nil, Problem(field, "%s (there are .Name .Title .Department .Remark .Network .Company)", strings.TrimPrefix(err.Error(), "template: "))
	}
	return t, nil
}

// Tidy makes an untrusted name fit to stand beside a message: one line, no control or direction
// characters (they could make a name look like another), no runs of space, at most limit graphemes.
func Tidy(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\u200d' || r == '\ufe0f': // joiner and emoji style: parts of emoji
			return r
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs):
			return -1
		default:
			return r
		}
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	return clip(s, limit)
}

// clip cuts after limit graphemes, with an ellipsis in place of the last. A grapheme may be any number of
// marks on one letter, so that bytes are bounded too.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const bytesPerGrapheme = 16
	rest, state, n, cut := s, -1, 0, 0
	for rest != "" {
		var cluster string
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		end := len(s) - len(rest)
		if n++; n > limit || end > limit*bytesPerGrapheme {
			return s[:cut] + "…"
		}
		if n < limit {
			cut = cut + len(cluster)
		}
	}
	return s
}

// excerpt is a short piece of a text, to say which message is meant.
func excerpt(text string, files []File) string {
	if t := Tidy(text, 24); t != "" {
		return t
	}
	if len(files) > 0 {
		return Tidy(files[0].Name, 24)
	}
	return "…"
}

// memberLabel is how an employee is named to customers.
func (s *settled) memberLabel(m *Member) Label {
	return s.label(s.member, "", LabelData{
		Name: Tidy(m.Name, maxName), Title: Tidy(m.Title, maxName), Department: Tidy(m.Department, maxName), Company: s.Company,
	})
}

// contactLabel is how a customer who writes from a network of that kind is named to employees.
func (s *settled) contactLabel(c *Contact, l *Link, kind string) Label {
	d := LabelData{Name: Tidy(c.Name, maxName), Network: s.words.network(kind), Company: s.Company}
	if l != nil {
		d.Remark = Tidy(l.Remark, maxName)
	}
	if d.Name == "" {
		d.Name = fmt.Sprintf("%s %s", s.words.network(kind), c.ID)
	}
	return s.label(s.contact, s.picture(c.Avatar), d)
}

// labelsKept bounds the labels kept ready: about what talks within a few minutes.
const labelsKept = 4096

// labelKey is what a label depends on: the template is the settings', one per side.
type labelKey struct {
	contact bool
	avatar  string
	data    LabelData
}

// label is a label kept ready, or made.
func (s *settled) label(t *template.Template, avatar string, d LabelData) Label {
	k := labelKey{contact: t == s.contact, avatar: avatar, data: d}
	s.labels.RLock()
	l, ok := s.labels.m[k]
	s.labels.RUnlock()
	if ok {
		return l
	}
	l = makeLabel(t, avatar, d)
	s.labels.Lock()
	defer s.labels.Unlock()
	if len(s.labels.m) >= labelsKept {
		clear(s.labels.m)
	}
	s.labels.m[k] = l
	return l
}

// makeLabel executes a template. A name that contains template syntax is data, and stays text.
func makeLabel(t *template.Template, avatar string, d LabelData) Label {
	var b strings.Builder
	b.Grow(64)
	if err := t.Execute(&b, d); err != nil || !utf8.ValidString(b.String()) {
		return Label{Name: d.Name, Text: d.Name, Avatar: avatar} // parseLabel has tried it: only data can be at fault
	}
	return Label{Name: d.Name, Text: Tidy(b.String(), maxLabel), Avatar: avatar}
}

// house is how the gateway itself speaks.
func (s *settled) house() Label {
	name := s.Company.Short
	if name == "" {
		name = s.Company.Name
	}
	return Label{Name: name, Text: name}
}
