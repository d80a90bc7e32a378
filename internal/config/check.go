package config

import (
	"fmt"
	"io"
	"mime"
	"net"
	"net/url"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// check finds what is wrong although each value can be read, and fills in what follows from others.
func (c *Config) check(r *report) {
	checkWords(r, "", reflect.ValueOf(c).Elem())
	c.checkCompany(r)
	c.checkGateway(r)
	c.checkMembers(r)
	c.checkLabels(r)
	c.checkFiles(r)
	if len(c.Adapters) == 0 && !anyBelow(r, "adapters") {
		r.mistake("adapters", "none; add at least one, such as desk: { kind: desk }")
	}
	if c.Store.Kind == "mem" {
		r.warn("store.kind", "mem forgets every message when the gateway stops; it is for trying things out")
	}
	if c.Limits.Workers < 1 || c.Limits.Workers > 256 {
		r.mistake("limits.workers", "must be from 1 to 256")
	}
	if c.Limits.Age < time.Minute && !r.blamed("limits.age") {
		r.mistake("limits.age", "must be at least 1m")
	}
	if c.History.Keep != 0 && time.Duration(c.History.Keep) < day && !r.blamed("history.keep") {
		r.mistake("history.keep", "must be at least 1d; whole days are forgotten at once")
	}
}

// checkWords compares each Word with the enum of its field.
func checkWords(r *report, key string, v reflect.Value) {
	if v.Kind() == reflect.Slice {
		for i := range v.Len() {
			checkWords(r, index(key, i), v.Index(i))
		}
	}
	if v.Kind() != reflect.Struct {
		return
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := f.Tag.Get("yaml")
		if !f.IsExported() || name == "" || name == "-" {
			continue
		}
		if f.Type == reflect.TypeFor[Word]() {
			checkWord(r, join(key, name), v.Field(i).String(), enumOf(f))
			continue
		}
		checkWords(r, join(key, name), v.Field(i))
	}
}

func checkWord(r *report, key, word string, known []string) {
	if word == "" || indexOf(known, word) >= 0 {
		return
	}
	if key == "store.kind" && word == "postgres" {
		r.mistake(key, "postgres is not available in this version; use bolt")
		return
	}
	r.mistake(key, "%s is not one of %s%s", quote(word), strings.Join(known, ", "), maybe(word, known))
}

func maybe(word string, known []string) string {
	if near := nearest(word, known); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// enumOf are the words that a field's jsonschema tag allows.
func enumOf(f reflect.StructField) []string {
	var words []string
	for part := range strings.SplitSeq(f.Tag.Get("jsonschema"), ",") {
		if word, ok := strings.CutPrefix(part, "enum="); ok {
			words = append(words, word)
		}
	}
	return words
}

func (c *Config) checkCompany(r *report) {
	if strings.TrimSpace(c.Company.Name) == "" && !r.blamed("company.name") {
		r.mistake("company.name", "missing; customers see it on every card")
	}
	if c.Company.Short == "" {
		c.Company.Short = c.Company.Name
	}
	zone, err := time.LoadLocation(c.Company.Zone)
	if err != nil || c.Company.Zone == "Local" || c.Company.Zone == "" {
		if !r.blamed("company.zone") {
			r.mistake("company.zone", "there is no time zone %s; write one such as Asia/Shanghai or UTC", quote(c.Company.Zone))
		}
		zone = time.UTC
	}
	c.zone = zone
}

func (c *Config) checkGateway(r *report) {
	host, port, err := net.SplitHostPort(c.Gateway.Listen)
	if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n == 0 && port != "0" {
		if !r.blamed("gateway.listen") {
			r.mistake("gateway.listen", "must be host:port such as 127.0.0.1:8420 (or :8420 for all addresses of this machine), not %s", quote(c.Gateway.Listen))
		}
		host, port = "", "8420"
	}
	if c.Gateway.URL == "" {
		c.derived = true
		c.Gateway.URL = "http://localhost:" + port
		if host != "" && !isLoopback(host) && !isEverywhere(host) {
			c.Gateway.URL = "http://" + net.JoinHostPort(host, port)
		}
	}
	c.checkURL(r)
	if c.Gateway.Data == "" {
		r.mistake("gateway.data", "missing; write a folder such as ./data")
		return
	}
	if !filepath.IsAbs(c.Gateway.Data) {
		c.Gateway.Data = filepath.Join(filepath.Dir(c.Path), c.Gateway.Data)
	}
}

func (c *Config) checkURL(r *report) {
	if r.blamed("gateway.url") {
		return
	}
	u, err := url.Parse(c.Gateway.URL)
	if err == nil && u.User != nil {
		r.mistake("gateway.url", "must not hold a user name or password; everybody sees this address")
		return
	}
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		r.mistake("gateway.url", "must be http(s)://host without a path, such as https://chat.acme.example, not %s", quote(c.Gateway.URL))
		return
	}
	c.Gateway.URL = strings.TrimRight(c.Gateway.URL, "/")
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		r.warn("gateway.url", "http sends messages and sign-in links readable over the network; put a proxy with https before the gateway")
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func isEverywhere(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsUnspecified()
}

func (c *Config) checkLabels(r *report) {
	checkLabel(r, "labels.member", c.Labels.Member)
	checkLabel(r, "labels.contact", c.Labels.Contact)
}

func checkLabel(r *report, key, text string) {
	t, err := template.New(key).Option("missingkey=error").Parse(text)
	if err == nil {
		err = t.Execute(io.Discard, bridge.LabelData{Name: "x"})
	}
	if err != nil {
		r.mistake(key, "is no template over .Name .Title .Department .Remark .Network .Company: %s",
			strings.TrimPrefix(err.Error(), fmt.Sprintf("template: %s:", key)))
	}
}

func (c *Config) checkFiles(r *report) {
	if c.Files.Max < 1<<10 && !r.blamed("files.max") {
		r.mistake("files.max", "must be at least 1KiB")
	}
	for i, t := range c.Files.Types {
		full, params, err := mime.ParseMediaType(t)
		major, minor, ok := strings.Cut(full, "/")
		if err != nil || len(params) > 0 || !ok || major == "" || minor == "" || major == "*" ||
			strings.Contains(minor, "*") && minor != "*" {
			r.mistake(index("files.types", i), "must be a MIME type such as application/pdf or image/*, not %s", quote(t))
		}
	}
}

// anyBelow reports whether a mistake was found in the key or below it.
func anyBelow(r *report, key string) bool {
	for _, m := range r.mistakes {
		if m.Key == key || strings.HasPrefix(m.Key, key+".") || strings.HasPrefix(m.Key, key+"[") {
			return true
		}
	}
	return false
}
