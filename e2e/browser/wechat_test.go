package browser

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/hutong-im/hutong/adapters/wechatkf/wechatkftest"
	"github.com/hutong-im/hutong/e2e/gateway"
	"github.com/hutong-im/hutong/e2e/window"
)

// deskAndWeChat is a company whose employee sits at the desk, and whose customers write in WeChat. It returns the
// employee's sign-in link.
func deskAndWeChat(t *testing.T, kf *wechatkftest.Network) string {
	t.Helper()
	site := binary.NewSite(t)
	service := httptest.NewServer(kf.Handler())
	t.Cleanup(func() { kf.Close(); service.Close() })
	kf.SetHook(site.URL("/hook/kf"))
	site.Found(t, gateway.Founding{Account: "desk: lilei", Adapters: fmt.Sprintf(`
  desk: { kind: desk }
  kf: { kind: wechatkf, corp_id: %s, secret: %s, token: %s, aes_key: %s, api: %q }
`, wechatkftest.CorpID, wechatkftest.Secret, wechatkftest.Token, wechatkftest.AESKey, service.URL)})
	site.Run(t)
	out, err := site.Command(t.Context(), "signin", "lilei", "--json")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var links []struct {
		URL string `json:"url"`
	}
	if err := json.Unmarshal([]byte(out), &links); err != nil || len(links) != 1 {
		t.Fatalf("%v: %s", err, out)
	}
	return links[0].URL
}

// What WeChat allows is counted where the employee writes, and what is one too many waits, visibly, until the
// customer writes again.
func TestTheWindowAtTheDesk(t *testing.T) {
	const ming = "wmAJ2GCAAAme1XQRC-NI-q0_ZM9ukoAw"
	kf := wechatkftest.New(wechatkftest.Options{})
	kf.Know(ming, wechatkftest.Customer{Nickname: "王小明", UnionID: "oUnion1"})
	member := window.Open(t, "employee")
	signIn(member, deskAndWeChat(t, kf))
	kf.Say(wechatkftest.Account, ming, "在吗")
	member.Click(window.ID("room"))
	allows := func(text string) {
		member.T.Helper()
		member.Sees(text, fmt.Sprintf(`document.querySelector('%s').innerText.includes(%q)`, window.ID("window"), text))
	}
	shows := func(text, state string) {
		member.T.Helper()
		member.Sees(text+" as "+state, window.Message(text)+fmt.Sprintf(`[0]?.querySelector('%s')?.dataset.state === %q`, window.ID("tick"), state))
	}
	allows("还可发 5/5 条")
	for i, left := range []string{"还可发 4/5 条", "还可发 3/5 条", "还可发 2/5 条", "还可发 1/5 条", "已关闭"} {
		member.Say(fmt.Sprintf("第%d条", i+1))
		allows(left)
	}
	member.Say("第六条")
	shows("第六条", "held")
	member.Look("window", window.Wide)
	kf.Say(wechatkftest.Account, ming, "还在")
	shows("第六条", "sent")
	allows("还可发 4/5 条")
	member.Quiet()
}
