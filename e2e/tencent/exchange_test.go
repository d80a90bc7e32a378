// Package tencent tries the envelope against the npm package wechat-crypto, which nobody here wrote: what
// either side seals, the other opens.
package tencent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/tencent"
)

// noNPM is the environment variable that says that this machine cannot install npm's packages.
const noNPM = "HUTONG_E2E_NO_NPM"

// What both sides have agreed on. The key's last character has bits that belong to no byte.
const (
	token    = "QDG6eK"
	key      = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
	receiver = "wx5823bf96d3bd56c7"
)

type fields = map[string]string

// peer is the other implementation: a process that answers line by line.
type peer struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
}

func newPeer(t *testing.T) *peer {
	t.Helper()
	if os.Getenv(noNPM) != "" {
		t.Skipf("%s is set: without npm's packages there is nobody to exchange messages with", noNPM)
	}
	dir := t.TempDir()
	for _, f := range []string{"package.json", "package-lock.json", "crypt.cjs"} {
		b, err := os.ReadFile(filepath.Join("npm", f))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, f), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	install := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s\nwithout npm set %s=1", err, out, noNPM)
	}
	cmd := exec.CommandContext(t.Context(), "node", "crypt.cjs")
	cmd.Dir = dir
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil && t.Context().Err() == nil || t.Failed() {
			t.Logf("node: %v\n%s", err, complaints.String())
		}
	})
	return &peer{t: t, in: in, out: bufio.NewReader(out)}
}

// do asks the other implementation.
func (p *peer) do(what string, f fields) fields {
	p.t.Helper()
	q := fields{"do": what, "token": token, "key": key, "id": receiver}
	maps.Copy(q, f)
	b, err := json.Marshal(q)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.in.Write(append(b, '\n')); err != nil {
		p.t.Fatal(err)
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		p.t.Fatal(err)
	}
	out := fields{}
	if err := json.Unmarshal(line, &out); err != nil {
		p.t.Fatalf("%s: %v", line, err)
	}
	return out
}

// texts have every length of padding, and what is hard to carry.
func texts() []string {
	out := []string{"你好，世界 👨‍👩‍👧 <&> ]]>", strings.Repeat("互通", 5000), `{"Content":"好"}`}
	for n := range 34 {
		out = append(out, "<"+strings.Repeat("x", n))
	}
	return out
}

func callback(t *testing.T, network tencent.Network, take func(context.Context, tencent.Push) ([]byte, error)) *httptest.Server {
	t.Helper()
	e, err := tencent.NewEnvelope(tencent.EnvelopeOptions{
		Network: network, Token: bridge.MakeSecret(token), AESKey: bridge.MakeSecret(key), Receiver: receiver,
	}, "receiver")
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(&tencent.Callback{Envelope: e, Take: take, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(srv.Close)
	return srv
}

func call(t *testing.T, srv *httptest.Server, method string, q url.Values, body string) (status int, answer []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+"/?"+q.Encode(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// answer is what the network reads.
type answer struct{ Encrypt, MsgSignature, TimeStamp, Nonce string }

func readAnswer(t *testing.T, raw []byte, asJSON bool) answer {
	t.Helper()
	if !asJSON {
		var a answer
		if err := xml.Unmarshal(raw, &a); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		return a
	}
	var a struct {
		Encrypt, MsgSignature, Nonce string
		TimeStamp                    json.Number
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return answer{a.Encrypt, a.MsgSignature, a.TimeStamp.String(), a.Nonce}
}

// A push sealed by the package is taken, and the answer is read by the package.
func TestExchange(t *testing.T) {
	p := newPeer(t)
	got := ""
	srv := callback(t, tencent.OfficialAccountNetwork, func(_ context.Context, push tencent.Push) ([]byte, error) {
		got = string(push.Body)
		return append([]byte("answer to "), push.Body...), nil
	})
	for _, text := range texts() {
		stamp := strconv.FormatInt(time.Now().Unix(), 10)
		s := p.do("seal", fields{"text": text, "timestamp": stamp, "nonce": "n 1+&"})
		q := url.Values{"encrypt_type": {"aes"}, "timestamp": {stamp}, "nonce": {"n 1+&"}, "msg_signature": {s["signature"]}}
		status, raw := call(t, srv, http.MethodPost, q, "<xml><ToUserName>gh_1</ToUserName><Encrypt><![CDATA["+s["encrypt"]+"]]></Encrypt></xml>")
		if status != http.StatusOK || got != text {
			t.Fatalf("%d: %q became %q", status, text, got)
		}
		a := readAnswer(t, raw, strings.HasPrefix(text, "{"))
		o := p.do("open", fields{"encrypt": a.Encrypt, "timestamp": a.TimeStamp, "nonce": a.Nonce})
		if o["text"] != "answer to "+text || o["id"] != receiver || o["signature"] != a.MsgSignature {
			t.Errorf("the answer to %q was read as %q for %s, signature %s, want %s", text, o["text"], o["id"], a.MsgSignature, o["signature"])
		}
		q.Set("nonce", "n2")
		if status, _ := call(t, srv, http.MethodPost, q, "<xml><Encrypt>"+s["encrypt"]+"</Encrypt></xml>"); status != http.StatusForbidden {
			t.Errorf("with another nonce: %d", status)
		}
	}
}

// The check of the address in WeCom's way, and a push for another corp.
func TestExchangeWeCom(t *testing.T) {
	p := newPeer(t)
	srv := callback(t, tencent.WeComNetwork, func(context.Context, tencent.Push) ([]byte, error) { return nil, nil })
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	for _, c := range []struct {
		id     string
		status int
		answer string
	}{
		{receiver, http.StatusOK, "1616140317555161061"},
		{"ww2", http.StatusForbidden, "Forbidden\n"},
	} {
		s := p.do("seal", fields{"id": c.id, "text": "1616140317555161061", "timestamp": stamp, "nonce": "n"})
		q := url.Values{"timestamp": {stamp}, "nonce": {"n"}, "msg_signature": {s["signature"]}, "echostr": {s["encrypt"]}}
		if status, answer := call(t, srv, http.MethodGet, q, ""); status != c.status || string(answer) != c.answer {
			t.Errorf("%s: %d %q", c.id, status, answer)
		}
	}
}
