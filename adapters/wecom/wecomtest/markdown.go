package wecomtest

import (
	"html"
	"regexp"
	"strings"
)

// What a client may read in markdown. It is more than is documented
// (https://developer.work.weixin.qq.com/document/path/90236#支持的markdown语法): no sender can be sure of the rest.
var (
	heading   = regexp.MustCompile(`^ {0,3}#{1,6}[ \t]+(.*)$`)
	quotation = regexp.MustCompile(`^ {0,3}>[ ]?(.*)$`)
	underline = regexp.MustCompile(`^ {0,3}(?:-+|=+|(?:[-*_] *){3,})[ \t]*$`)
	codeBlock = regexp.MustCompile("^(?: {4}|\\t| {0,3}(?:```|~~~))")
)

// spanForm is something within a line.
type spanForm struct {
	name string
	form *regexp.Regexp
}

func spanForms() []spanForm {
	return []spanForm{
		{"code", regexp.MustCompile("`([^`]+)`")},
		{"mention", regexp.MustCompile(`<(@[^>]*)>`)},
		{"tag", regexp.MustCompile(`<(/?[A-Za-z!?][^>]*)>`)},
		{"link", regexp.MustCompile(`!?\[([^\]]*)\]\(([^)]*)\)`)},
		{"bold", regexp.MustCompile(`\*\*([^*]+)\*\*`)},
		{"bold", regexp.MustCompile(`__([^_]+)__`)},
		{"italic", regexp.MustCompile(`\*([^*]+)\*`)},
		{"italic", regexp.MustCompile(`_([^_]+)_`)},
	}
}

// ReadMarkdown is markdown as a member reads it, and what in it is more than letters: "bold 请", "link 公告 https://…".
func ReadMarkdown(content string) (string, []string) {
	var text, found []string
	for l := range strings.SplitSeq(content, "\n") {
		for _, b := range []spanForm{{"heading", heading}, {"quote", quotation}} {
			if m := b.form.FindStringSubmatch(l); m != nil {
				found, l = append(found, b.name), m[1]
			}
		}
		switch {
		case codeBlock.MatchString(l):
			found = append(found, "code block "+l)
		case underline.MatchString(l):
			found = append(found, "underline "+l)
		}
		for _, x := range spanForms() {
			l = x.form.ReplaceAllStringFunc(l, func(s string) string {
				m := x.form.FindStringSubmatch(s)
				found = append(found, x.name+" "+strings.Join(m[1:], " "))
				return m[1]
			})
		}
		if clear := html.UnescapeString(l); clear != l {
			found, l = append(found, "letters "+l), clear
		}
		text = append(text, l)
	}
	return strings.Join(text, "\n"), found
}
