package telegram

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/telegram/telegramtest"
	"github.com/hutong-im/hutong/e2e/gateway"
)

// tg-mock is a Bot API that somebody else wrote, from Telegram's own list of methods (github.com/watzon/tg-mock, MIT). It
// knows every method and its required fields, takes JSON only, and makes its answers up.
const (
	mockModule  = "github.com/watzon/tg-mock"
	mockVersion = "v0.2.2"
	// noMock is the environment variable that says that this machine cannot get Go modules.
	noMock = "HUTONG_E2E_NO_TGMOCK"
)

// buildMock builds the server where it stays for the next time. Its dependencies are those of its own go.mod, whose version
// lists a proxy need not have: hence a module of its own.
func buildMock(t *testing.T) string {
	t.Helper()
	if os.Getenv(noMock) != "" {
		t.Skipf("%s is set: nothing is known about a Bot API that others wrote", noMock)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(mockModule + mockVersion))
	dir := filepath.Join(cache, "hutong-e2e-telegram", hex.EncodeToString(sum[:8]))
	path := filepath.Join(dir, "tg-mock")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	mod := fmt.Sprintf("module tgmock\n\ngo 1.26\n\nrequire %s %s\n", mockModule, mockVersion)
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-mod=mod", "-o", path, mockModule+"/cmd/tg-mock")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build tg-mock: %v\n%s\nwithout Go modules set %s=1", err, out, noMock)
	}
	return path
}

// mock is a running tg-mock, and what the gateway has called.
type mock struct {
	t   *testing.T
	url string // for tests
	api string // for the gateway: every call passes by here

	mu    sync.Mutex
	calls []call
}

type call struct {
	method string
	status int
	answer string
}

func newMock(t *testing.T) *mock {
	t.Helper()
	port := gateway.Port(t)
	cmd := exec.Command(buildMock(t), "--port", fmt.Sprint(port), "--faker-seed", "7")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	m := &mock{t: t, url: fmt.Sprintf("http://127.0.0.1:%d", port)}
	to, err := url.Parse(m.url)
	if err != nil {
		t.Fatal(err)
	}
	record := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(to) },
		ModifyResponse: m.record,
	})
	t.Cleanup(record.Close)
	m.api = record.URL
	for end := time.Now().Add(10 * time.Second); ; {
		resp, err := http.Get(m.url + "/health") //nolint:forbidigo // one call to this machine
		if err == nil {
			_ = resp.Body.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
		<-time.After(20 * time.Millisecond)
	}
	m.control("scenarios", map[string]any{"method": "getMe", "response_data": map[string]any{
		"id": 123456789, "is_bot": true, "first_name": "ACME", "username": telegramtest.Username,
	}})
	m.control("scenarios", map[string]any{"method": "getUserProfilePhotos", "response_data": map[string]any{"total_count": 0, "photos": []any{}}})
	return m
}

// body is a request's body that was kept for the record.
type body struct {
	io.Reader
	io.Closer
}

// record keeps what was called and what it was answered.
func (m *mock) record(resp *http.Response) error {
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	resp.Body = body{bytes.NewReader(answer), resp.Body}
	method := resp.Request.URL.Path[strings.LastIndexByte(resp.Request.URL.Path, '/')+1:]
	c := call{method: method, status: resp.StatusCode, answer: string(answer)}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, c)
	return nil
}

// control uses tg-mock's own address for tests.
func (m *mock) control(what string, v any) {
	m.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		m.t.Fatal(err)
	}
	resp, err := http.Post(m.url+"/__control/"+what, "application/json", bytes.NewReader(b)) //nolint:forbidigo // one call to this machine
	if err != nil {
		m.t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		m.t.Fatalf("%s: %s", what, resp.Status)
	}
}

// says is a customer who writes.
func (m *mock) says(id int64, more map[string]any) {
	m.t.Helper()
	message := map[string]any{
		"message_id": id, "date": time.Now().Unix(), "chat": map[string]any{"id": wang.ID, "type": "private", "first_name": wang.Name},
		"from": map[string]any{"id": wang.ID, "is_bot": false, "first_name": wang.Name},
	}
	maps.Copy(message, more)
	m.control("updates", map[string]any{"message": message})
}

// of are the calls of a method so far.
func (m *mock) of(method string) []call {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []call
	for _, c := range m.calls {
		if c.method == method {
			out = append(out, c)
		}
	}
	return out
}

// A Bot API that nobody here wrote finds nothing to complain about in what the gateway calls, and its refusals are understood.
func TestAgainstMock(t *testing.T) {
	m := newMock(t)
	o := newOffice(t, m.api, "poll")
	o.signIn()
	m.says(11, map[string]any{"text": "你好 世界", "entities": []any{map[string]any{"type": "bold", "offset": 0, "length": 2}}})
	r := o.meets(wang.Name)
	heard := o.sees(r, "**你好** 世界")
	m.says(12, map[string]any{"location": map[string]any{"latitude": 31.2, "longitude": 121.4}})
	o.find(r, "the place", func(l line) bool { return strings.Contains(l.Text, "121.400000") })

	said := o.says(r, "您好，**价格** 😀", fields{"reply_to": heard.Msg})
	o.find(r, "the tick", func(l line) bool { return l.Msg == said && l.State == "sent" })
	o.do("edit", fields{"room": r.Room, "msg": said, "text": "您好，*价格*"})
	o.do("react", fields{"room": r.Room, "msg": heard.Msg, "emoji": "👍"})
	o.do("typing", fields{"room": r.Room})
	o.until("the edit and the reaction", func() bool {
		return len(m.of("editMessageText")) == 1 && len(m.of("setMessageReaction")) == 1
	})
	o.do("recall", fields{"room": r.Room, "msg": said})
	o.until("the recall", func() bool { return len(m.of("deleteMessage")) == 1 })

	m.control("scenarios", map[string]any{"method": "sendMessage", "times": 1, "response": map[string]any{
		"error_code": 429, "description": "Too Many Requests: retry after 1", "retry_after": 1,
	}})
	waits := o.says(r, "稍后", nil)
	o.find(r, "what had to wait", func(l line) bool { return l.Msg == waits && l.State == "sent" })
	m.control("scenarios", map[string]any{"method": "sendMessage", "times": 1, "response": map[string]any{
		"error_code": 403, "description": "Forbidden: bot was blocked by the user",
	}})
	lost := o.says(r, "在吗", nil)
	if l := o.find(r, "the failure", func(l line) bool { return l.Msg == lost && l.State == "failed" }); !strings.Contains(l.Reason, "屏蔽") {
		t.Errorf("the reason: %q", l.Reason)
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	methods := map[string]int{}
	for _, c := range m.calls {
		methods[c.method]++
		if c.status != http.StatusOK && c.status != http.StatusTooManyRequests && c.status != http.StatusForbidden {
			t.Errorf("%s: %d %s", c.method, c.status, c.answer)
		}
	}
	for _, want := range []string{"getMe", "deleteWebhook", "setMyCommands", "getUpdates", "getUserProfilePhotos", "sendMessage", "sendChatAction"} {
		if methods[want] == 0 {
			t.Errorf("%s was never called: %v", want, methods)
		}
	}
}
