package hostile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hutong-im/hutong/adapters/fake"
	"github.com/hutong-im/hutong/internal/httpx"
)

// input is one thing that a stranger sends, byte by byte.
type input struct {
	name string
	raw  []byte
	// broken is no HTTP at all, or more than anybody reads: the server may close the connection without
	// an answer, or with one of net/http's own (501, 505).
	broken bool
}

// target is what hostile inputs are aimed at.
type target struct {
	host   string
	card   string // path of a card: /c/…
	cookie string // of a customer who is signed in
	room   string // theirs
}

// request writes a request. Headers are written as they are given.
func (g target) request(method, path, body string, headers ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", method, path, g.host)
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	if method != "GET" && method != "HEAD" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	return b.Bytes()
}

// nasty are texts that somebody may give as a name, an id, a text or a path.
func nasty() []string {
	return []string{
		"", " ", "\x00", "a\x00b", "\xff\xfe\xfd", "\xed\xa0\x80", "\xf0\x9f\x98", "\u202e\u2066evil\u2069", "\ufeff", "\u200b\u200d",
		"<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "{{.}}{{template \"x\"}}", "{{printf \"%s\" .}}", "${7*7}#{7*7}",
		"'; DROP TABLE links; --", "../../../../etc/passwd", "..\\..\\windows\\win.ini", "/etc/shadow", "file:///etc/passwd",
		"http://169.254.169.254/latest/meta-data/", "CON", "a\r\nSet-Cookie: x=y", "%00%2e%2e%2f", "\u0041\u030a" + strings.Repeat("\u0301", 5000),
		strings.Repeat("a", 600), strings.Repeat("家", 70000), strings.Repeat("👨‍👩‍👧‍👦", 3000), strings.Repeat("**_`[](", 20000), strings.Repeat(">", 50000),
		"@all @channel <!here> <@U123>", "/to \x00", "/who", "/" + strings.Repeat("x", 9000), "NaN", "-1", "18446744073709551616", "true", "null", "[]",
	}
}

// broken are bodies that are no JSON, or not the JSON that is wanted.
func broken() []string {
	return []string{
		"", "{", "}", "[", "null", "0", `""`, "[]", "{}", "{\"", `{"id":`, `{"id":1}{"id":2}`, `{"id":1} trailing`, "\xef\xbb\xbf{}", "\xff\xfe{\x00}\x00",
		`{"id":1e999}`, `{"id":-1}`, `{"id":"1"}`, `{"id":1.5}`, `{"room":{}}`, `{"room":["a"]}`, `{"files":{}}`, `{"files":[[]]}`, `{"files":[null]}`,
		`{"unknown":1}`, `{"room":"a","room":"b"}`, strings.Repeat("[", 100000), strings.Repeat(`{"a":`, 50000), "{\"text\":\"\\ud800\"}", "{\"text\":\"\\u0000\"}",
		"<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><x>&a;</x>", "a=b&c=d", strings.Repeat("x", 100000),
	}
}

func (g target) all() []input {
	return slices.Concat(g.hooks(), g.forged(), g.paths(), g.headers(), g.forms(), g.chat(), g.huge())
}

// hooks are calls that are rightly signed, as from a network that has been taken over.
func (g target) hooks() []input {
	var out []input
	add := func(name string, body []byte) {
		sign := httpx.Signer{Key: []byte(fake.DefaultSecret)}.Sign(time.Now(), body)
		out = append(out, input{
			name: "hook: " + name,
			raw:  g.request("POST", "/hook/keyed", string(body), "Content-Type: application/json", "X-Fake-Signature: "+sign),
		})
	}
	for i, text := range nasty() {
		for _, field := range []string{"kind", "room", "user", "msg", "name", "text", "reply_to", "emoji", "card", "ask", "state"} {
			kind := map[string]string{"emoji": "react", "card": "join", "ask": "answer", "state": "receipt"}[field]
			if kind == "" {
				kind = "message"
			}
			event := map[string]any{"id": 1000 + i, "kind": kind, "room": "dm-eve", "user": "eve", "msg": fmt.Sprintf("%s%d", field, i), "at": time.Now()}
			event[field] = text
			body, err := json.Marshal(event)
			if err == nil {
				add(fmt.Sprintf("%s %.20q", field, text), body)
			}
		}
		file := map[string]any{"name": text, "type": text, "ref": text, "size": -1}
		body, err := json.Marshal(map[string]any{"id": 1, "kind": "message", "room": "dm-eve", "user": "eve", "msg": fmt.Sprint("file", i), "files": []any{file}})
		if err == nil {
			add(fmt.Sprintf("file %.20q", text), body)
		}
	}
	for _, body := range broken() {
		add(fmt.Sprintf("body %.20q", body), []byte(body))
	}
	return out
}

// forged are calls of hooks by somebody who has no key.
func (g target) forged() []input {
	var out []input
	body := `{"id":7,"kind":"message","room":"dm-eve","user":"eve","msg":"x","text":"let me in"}`
	good := httpx.Signer{Key: []byte(fake.DefaultSecret)}
	signs := []string{
		"", "t=", "t=1,v1=", "t=99999999999999999999,v1=00", "v1=00,t=1", "t=-1,v1=zz", strings.Repeat("t", 9000),
		good.Sign(time.Now().Add(-time.Hour), []byte(body)), good.Sign(time.Now().Add(time.Hour), []byte(body)), good.Sign(time.Now(), []byte(body+" ")),
		httpx.Signer{Key: []byte("guess")}.Sign(time.Now(), []byte(body)), httpx.Signer{}.Sign(time.Now(), []byte(body)),
	}
	for _, hook := range []string{"keyed", "team", "desk", "web", "nobody", "", "%2e%2e", "keyed/", "keyed/more", "KEYED"} {
		for i, sign := range signs {
			for _, method := range []string{"POST", "PUT"} {
				out = append(out, input{
					name: fmt.Sprintf("forged: %s /hook/%s sign %d", method, hook, i),
					raw:  g.request(method, "/hook/"+hook, body, "Content-Type: application/json", "X-Fake-Signature: "+sign),
				})
			}
		}
	}
	return out
}

// paths are addresses that lead nowhere, or should.
func (g target) paths() []input {
	heads := []string{"/", "/c/", "/verify/", "/desk/", "/desk/assets/", "/chat/assets/x/", "/chat/", "/hook/", "/metrics/", "/readyz?format=", "/chat?r=", "/desk/enter?t=", "/widget.js?"}
	var out []input
	for _, head := range heads {
		for _, tail := range nasty() {
			if len(tail) > 5000 {
				tail = tail[:5000]
			}
			for _, form := range []string{url.PathEscape(tail), url.QueryEscape(tail)} {
				out = append(out, input{name: fmt.Sprintf("path: %s%.20q", head, form), raw: g.request("GET", head+form, "")})
			}
		}
	}
	for _, path := range []string{"//", "/./", "/../", "/..%2f..%2fetc/passwd", "/desk/..%5c", "/c/%", "/c/%zz", "/c/%c0%ae", "*", "http://evil.example/", "/c//", "/desk//enter", "/%2fdesk"} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"} {
			out = append(out, input{name: "path: " + method + " " + path, raw: g.request(method, path, ""), broken: true})
		}
	}
	return out
}

// headers are tricks below and in the headers.
func (g target) headers() []input {
	var out []input
	add := func(name, raw string) { out = append(out, input{"header: " + name, []byte(raw), true}) }
	host := "Host: " + g.host + "\r\n"
	add("nothing", "\r\n\r\n")
	add("noise", string(slices.Repeat([]byte{0, 1, 2, 0xff}, 1000)))
	add("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"+strings.Repeat("\x00", 500))
	add("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	add("HTTP/9.9", "GET / HTTP/9.9\r\n"+host+"\r\n")
	add("no host", "GET / HTTP/1.1\r\n\r\n")
	add("two hosts", "GET / HTTP/1.1\r\n"+host+"Host: evil\r\n\r\n")
	add("two lengths", "POST /desk/in HTTP/1.1\r\n"+host+"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab")
	add("length and chunks", "POST /desk/in HTTP/1.1\r\n"+host+"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\n"+host+"\r\n")
	add("strange encoding", "POST /desk/in HTTP/1.1\r\n"+host+"Transfer-Encoding: xchunked\r\n\r\n")
	add("negative length", "POST /desk/in HTTP/1.1\r\n"+host+"Content-Length: -1\r\n\r\n")
	add("endless length", "POST /desk/in HTTP/1.1\r\n"+host+"Content-Length: 99999999999999\r\n\r\nx")
	add("bad chunk", "POST /desk/in HTTP/1.1\r\n"+host+"Transfer-Encoding: chunked\r\n\r\nZZ\r\nx\r\n")
	add("folded", "GET / HTTP/1.1\r\n"+host+"X: a\r\n b\r\n\r\n")
	add("line feeds", "GET / HTTP/1.1\n"+"Host: x\n\n")
	add("space in name", "GET / HTTP/1.1\r\n"+host+"Cookie : a=b\r\n\r\n")
	add("large header", "GET / HTTP/1.1\r\n"+host+"X: "+strings.Repeat("x", 200<<10)+"\r\n\r\n")
	add("many headers", "GET / HTTP/1.1\r\n"+host+strings.Repeat("X: y\r\n", 20000)+"\r\n")
	add("long path", "GET /"+strings.Repeat("x", 200<<10)+" HTTP/1.1\r\n"+host+"\r\n")
	for i, text := range nasty() {
		if len(text) > 8000 {
			text = text[:8000]
		}
		for _, h := range []string{"Cookie: desk=", "Cookie: chat=", "Last-Event-ID: ", "Origin: ", "Referer: ", "X-Forwarded-For: ", "Accept-Language: ", "Range: bytes=", "If-None-Match: ", "Sec-Fetch-Site: "} {
			out = append(out, input{fmt.Sprintf("header: %s text %d", h, i), g.request("GET", "/desk", "", h+text), true})
		}
	}
	return out
}

// forms are what somebody may put into the pages' forms.
func (g target) forms() []input {
	var out []input
	add := func(path string, v url.Values) {
		out = append(out, input{
			name: fmt.Sprintf("form: %s %.40q", path, v),
			raw:  g.request("POST", path, v.Encode(), "Content-Type: application/x-www-form-urlencoded", "Origin: http://"+g.host, "Sec-Fetch-Site: same-origin"),
		})
	}
	for _, text := range nasty() {
		add(g.card, url.Values{"name": {text}, "hello": {text}, "id": {text}})
		add("/c/"+url.PathEscape(text[:min(len(text), 3000)]), url.Values{"name": {"eve"}})
		add("/desk/in", url.Values{"account": {text}, "password": {text}})
		add("/desk/enter", url.Values{"t": {text}})
		add("/desk/password", url.Values{"password": {text}, "again": {text}})
	}
	for i, kind := range []string{"multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=x", "text/xml", "application/json", "\xff", ""} {
		for _, path := range []string{g.card, "/desk/in", "/desk/enter", "/desk/out"} {
			out = append(out, input{
				name: fmt.Sprintf("form: %s of type %d", path, i), broken: true,
				raw: g.request("POST", path, "--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n", "Content-Type: "+kind, "Origin: http://"+g.host),
			})
		}
	}
	return out
}

// chat are posts of a customer who is signed in and means no good.
func (g target) chat() []input {
	var out []input
	add := func(api, kind, body string) {
		out = append(out, input{
			name: fmt.Sprintf("chat: %s %.40q", api, body),
			raw: g.request("POST", "/chat/api/"+api, body, "Content-Type: "+kind, "Origin: http://"+g.host, "Sec-Fetch-Site: same-origin",
				"Cookie: "+g.cookie),
		})
	}
	for _, api := range []string{"say", "edit", "recall", "react", "seen", "typing", "answer", "leave"} {
		for _, body := range broken() {
			add(api, "application/json", body)
		}
	}
	for _, text := range nasty() {
		for _, api := range []string{"say", "edit", "recall", "react", "answer"} {
			for _, field := range []string{"id", "room", "text", "msg", "reply_to", "emoji", "ask", "choice"} {
				fields := map[string]any{"room": g.room, "id": fmt.Sprintf("%026d", len(out)), "text": "x"}
				fields[field] = text
				if body, err := json.Marshal(fields); err == nil && len(text) < 20000 {
					add(api, "application/json", string(body))
				}
			}
		}
		add("upload?name="+url.QueryEscape(text[:min(len(text), 3000)]), "image/png", "\x89PNG no picture")
	}
	for _, kind := range []string{"text/html", "image/svg+xml", "application/x-msdownload", "a/b; c=" + strings.Repeat("d", 5000), "\xff"} {
		add("upload?name=x", kind, "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
	}
	for _, query := range []string{"file?room=&id=&i=", "file?room=x&id=m1&i=-1", "file?i=99999999999999999999", "line?id=../../x", "room?room=%00&before=-1", "room?n=1e9", "rooms?after=x"} {
		out = append(out, input{name: "chat: " + query, raw: g.request("GET", "/chat/api/"+query, "", "Cookie: "+g.cookie)})
	}
	return out
}

// tooMuch is more than any body may be, in bytes.
const tooMuch = 40 << 20

// huge are bodies that must not end up in memory.
func (g target) huge() []input {
	var out []input
	body := strings.Repeat("A", tooMuch)
	for path, kind := range map[string]string{
		"/hook/keyed": "application/json", "/desk/in": "application/x-www-form-urlencoded", g.card: "multipart/form-data; boundary=x",
		"/chat/api/say": "application/json", "/chat/api/upload?name=x": "image/png", "/desk/api/say": "application/json", "/": "text/plain", "/desk/enter": "",
	} {
		out = append(out, input{
			name: "huge: " + path, broken: true,
			raw: g.request("POST", path, body, "Content-Type: "+kind, "Origin: http://"+g.host, "Cookie: "+g.cookie),
		})
	}
	return out
}
