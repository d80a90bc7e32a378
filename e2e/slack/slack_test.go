package slack

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/hutong-im/hutong/adapters/fake"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/e2e/gateway"
)

// office is a company: its Slack, its gateway, and a messenger with one customer.
type office struct {
	*workspace
	site      *gateway.Site
	messenger *fake.Network
	process   *gateway.Process
}

// The customer, and where the messenger shows what is said to them.
const customer = "wang"

func newOffice(t *testing.T, rooms string) *office {
	t.Helper()
	o := &office{site: binary.NewSite(t)}
	o.workspace = newWorkspace(t, o.site.URL("/hook/slack"))
	n, err := fake.NewNetwork(fake.Options{Profile: fake.Full})
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(n.Handler())
	t.Cleanup(api.Close)
	t.Cleanup(n.Close)
	n.SetHook(o.site.URL("/hook/messenger"))
	o.messenger = n
	o.site.Found(t, gateway.Founding{Account: "slack: " + o.user("lilei"), Adapters: fmt.Sprintf(`
  slack: { kind: slack, bot_token: %s, signing_secret: %s, rooms: %s, api_url: "%s/api/" }
  messenger: { kind: fake, url: %q, secret: %s, profile: full }
`, botToken, signing, rooms, o.url, api.URL, fake.DefaultSecret)})
	o.start()
	return o
}

func (o *office) start() {
	o.t.Helper()
	o.process = o.site.Run(o.t)
}

// writes is what the customer says; the channel in which it appears is made if need be.
func (o *office) writes(text string) bridge.MsgID {
	return o.messenger.Say(fake.Said{User: customer, Name: "王小明", Text: text})
}

// received are the texts that the customer got from people, in order.
func (o *office) received() []string {
	var out []string
	for _, m := range o.messenger.Messages(fake.DM(customer)) {
		if m.User == "" && !m.Deleted {
			out = append(out, m.Text)
		}
	}
	return out
}

// met is an office in which the customer and the employee have met, and their channel.
// This Slack takes Latin names of channels only.
func met(t *testing.T) (*office, string) {
	t.Helper()
	o := newOffice(t, "channel")
	o.writes("你好 <!channel> & *原文*")
	channel := ""
	o.until("a channel of the customer's own", func() bool {
		channel = o.channel("hutong-")
		return channel != "" && o.find(channel, "你好 &lt;!channel&gt; &amp; _原文_") != nil
	})
	return o, channel
}

func TestConversation(t *testing.T) {
	o, channel := met(t)
	said := o.find(channel, "你好 &lt;!channel&gt; &amp; _原文_")
	if name, _ := said["username"].(string); !strings.Contains(name, "王小明") {
		t.Errorf("the customer's message is shown as by %q", name)
	}
	pins := list(o.do("pins.list", fields{"channel": channel})["items"])
	if len(pins) != 1 {
		t.Errorf("%d pins, want the contact's card", len(pins))
	}
	id := o.say(channel, "您好，*价格* 见 <https://acme.example/p?a=1&amp;b=2|这里> :+1:")
	o.until("the answer", func() bool {
		return slices.ContainsFunc(o.received(), func(s string) bool { return strings.Contains(s, "价格") && strings.Contains(s, "👍") })
	})
	o.until("the mark", func() bool {
		return slices.Contains(reactions(o.find(channel, textOf(o, channel, id))), "white_check_mark")
	})

	o.do("chat.postMessage", fields{"channel": channel, "thread_ts": id, "text": "内部备注"})
	o.do("chat.update", fields{"channel": channel, "ts": id, "text": "您好，改好了"})
	o.until("the correction", func() bool {
		return slices.ContainsFunc(o.received(), func(s string) bool { return strings.Contains(s, "改好了") })
	})
	o.do("reactions.add", fields{"channel": channel, "timestamp": said["ts"].(string), "name": "heart"})
	o.until("the reaction", func() bool {
		all := o.messenger.Messages(fake.DM(customer))
		return slices.ContainsFunc(all, func(m fake.Message) bool { return m.User == customer && len(m.Reactions) == 1 })
	})
	o.do("chat.delete", fields{"channel": channel, "ts": id})
	o.until("the recall", func() bool {
		return !slices.ContainsFunc(o.received(), func(s string) bool { return strings.Contains(s, "改好了") })
	})
	if slices.ContainsFunc(o.received(), func(s string) bool { return strings.Contains(s, "内部备注") }) {
		t.Error("the customer sees a note of the employee's")
	}
}

func reactions(m map[string]any) []string {
	var out []string
	for _, r := range list(m["reactions"]) {
		name, _ := r["name"].(string)
		out = append(out, name)
	}
	return out
}

// textOf is the text of a message now.
func textOf(o *office, channel, ts string) string {
	for _, m := range o.history(channel) {
		if m["ts"] == ts {
			text, _ := m["text"].(string)
			return text
		}
	}
	return ""
}

func TestFiles(t *testing.T) {
	o, channel := met(t)
	data := []byte("报价\x00\xff content")
	o.share(channel, "报价.txt", "请看附件", data)
	o.until("the employee's file", func() bool {
		return slices.ContainsFunc(o.messenger.Messages(fake.DM(customer)), func(m fake.Message) bool {
			return m.User == "" && len(m.Files) == 1 && m.Files[0].Name == "报价.txt" && string(m.Files[0].Data) == string(data)
		})
	})
	o.messenger.Say(fake.Said{User: customer, Text: "照片", Files: []fake.File{{Name: "a.txt", Type: "text/plain", Size: int64(len(data)), Data: data}}})
	o.until("the customer's file", func() bool {
		return slices.ContainsFunc(o.history(channel), func(m map[string]any) bool {
			text, _ := m["text"].(string)
			return strings.HasPrefix(text, "照片\n<http") && strings.HasSuffix(text, "|a.txt>")
		})
	})
	files := list(o.must("files.list", nil)["files"])
	at := slices.IndexFunc(files, func(f map[string]any) bool { return f["name"] == "a.txt" })
	if at < 0 {
		t.Fatalf("Slack has no such file: %v", files)
	}
	address, _ := files[at]["url_private"].(string)
	if got := download(t, address); got != string(data) {
		t.Errorf("Slack has %q", got)
	}
}

// must is what the app does; it must work.
func (o *office) must(method string, f fields) map[string]any {
	o.t.Helper()
	got, err := o.call(botToken, method, f)
	if err != nil || got["ok"] != true {
		o.t.Fatalf("%s: %v, %v", method, got, err)
	}
	return got
}

func download(t *testing.T, address string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+botToken)
	resp, err := http.DefaultClient.Do(req) //nolint:forbidigo // one call to this machine
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The gateway is killed while both write, and again while they write on: this Slack brings each event once, so that
// what is said meanwhile has to be looked up. Nothing is lost, nothing repeated, and the order stays.
func TestKilled(t *testing.T) {
	o, channel := met(t)
	var toCustomer, toMember []string
	both := func(from, n int) {
		for i := from; i < from+n; i++ {
			toMember = append(toMember, fmt.Sprintf("c%03d", i))
			o.writes(toMember[len(toMember)-1])
			toCustomer = append(toCustomer, fmt.Sprintf("m%03d", i))
			o.say(channel, toCustomer[len(toCustomer)-1])
		}
	}
	for round := range 3 {
		both(round*40, 20)
		o.process.Kill()
		both(round*40+20, 20)
		o.start()
	}
	numbered := func(all []string, first byte) []string {
		return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return len(s) != 4 || s[0] != first })
	}
	shown := func() []string {
		var out []string
		for _, m := range o.history(channel) {
			if text, _ := m["text"].(string); m["username"] != nil {
				out = append(out, text)
			}
		}
		return numbered(out, 'c')
	}
	received := func() []string {
		var out []string
		for _, s := range o.received() {
			out = append(out, s[strings.LastIndexByte(s, '\n')+1:]) // a label may precede it
		}
		return numbered(out, 'm')
	}
	o.until("all is there", func() bool { return len(shown()) >= len(toMember) && len(received()) >= len(toCustomer) })
	if got := shown(); !slices.Equal(got, toMember) {
		t.Errorf("the employee sees %v", got)
	}
	if got := received(); !slices.Equal(got, toCustomer) {
		t.Errorf("the customer sees %v", got)
	}
}

// What is for one employee alone is said privately; a form brings the words of a command; and the card and the App Home
// follow what changes.
func TestPrivately(t *testing.T) {
	o, channel := met(t)
	hook := o.site.URL("/hook/slack")
	root := o.say(channel, "稍等")
	o.do("chat.postMessage", fields{"channel": channel, "thread_ts": root, "text": "要给折扣吗"})
	o.until("a private hint about the note", func() bool { return strings.Contains(o.inspect(channel, "Ephemeral"), "备注") })

	o.knock(hook, "application/json", fmt.Sprintf(
		`{"type":"event_callback","event":{"type":"app_home_opened","user":%q,"tab":"home","channel":"D1","event_ts":"1.2"}}`, o.user("lilei")))
	trigger, _ := o.must("views.generateTriggerId", fields{"user_id": o.user("lilei")})["trigger_id"].(string)
	o.knock(hook, "application/x-www-form-urlencoded", url.Values{
		"command": {"/hutong"}, "text": {"remark"}, "user_id": {o.user("lilei")}, "channel_id": {channel}, "trigger_id": {trigger},
	}.Encode())
	o.until("the form", func() bool { return strings.Contains(o.inspect(channel, "Modals"), "/remark") })
	if got, err := o.call(botToken, "views.open", fields{"trigger_id": trigger, "view": `{"type":"modal","title":{"type":"plain_text","text":"x"},"blocks":[]}`}); err != nil || got["error"] != "exchanged_trigger_id" {
		t.Errorf("the gateway used another trigger: %v, %v", got, err)
	}
	o.knock(hook, "application/x-www-form-urlencoded", url.Values{"payload": {fmt.Sprintf(
		`{"type":"view_submission","user":{"id":%q},"view":{"id":"V7","type":"modal","callback_id":"remark","private_metadata":%q,
		"state":{"values":{"text":{"text":{"type":"plain_text_input","value":"茶商 <!here>"}}}}}}`, o.user("lilei"), channel)}}.Encode())
	o.until("the card shows the remark", func() bool {
		return slices.ContainsFunc(o.history(channel), func(m map[string]any) bool {
			text, _ := m["text"].(string)
			return strings.Contains(text, "\n备注：茶商 &lt;!here&gt;\n") && m["username"] == nil
		})
	})
	if pins := list(o.do("pins.list", fields{"channel": channel})["items"]); len(pins) != 1 {
		t.Errorf("%d pins, want the contact's card", len(pins))
	}
}

// With rooms: thread a customer is a thread in the employee's chat with the app, of which each message tells its owner.
func TestThread(t *testing.T) {
	o := newOffice(t, "thread")
	o.writes("你好")
	chat, _ := o.do("conversations.open", fields{"users": o.user("hutong")})["channel"].(map[string]any)
	channel, _ := chat["id"].(string)
	var root string
	replies := func() []map[string]any {
		return list(o.do("conversations.replies", fields{"channel": channel, "ts": root})["messages"])
	}
	o.until("the customer's message in a thread", func() bool {
		for _, m := range o.history(channel) {
			if text, _ := m["text"].(string); strings.Contains(text, "王小明") {
				root, _ = m["ts"].(string)
			}
		}
		return root != "" && slices.ContainsFunc(replies(), func(m map[string]any) bool { return m["text"] == "<@"+o.user("lilei")+"> 你好" })
	})
	o.do("chat.postMessage", fields{"channel": channel, "thread_ts": root, "text": "您好"})
	o.until("the answer", func() bool {
		return slices.ContainsFunc(o.received(), func(s string) bool { return strings.HasSuffix(s, "您好") })
	})
	o.until("the mark", func() bool {
		return slices.ContainsFunc(replies(), func(m map[string]any) bool {
			return m["text"] == "您好" && slices.Contains(reactions(m), "white_check_mark")
		})
	})
	trigger, _ := o.must("views.generateTriggerId", fields{"user_id": o.user("lilei")})["trigger_id"].(string)
	o.knock(o.site.URL("/hook/slack"), "application/x-www-form-urlencoded", url.Values{
		"command": {"/hutong"}, "text": {"note 要报价"}, "user_id": {o.user("lilei")}, "channel_id": {channel}, "trigger_id": {trigger},
	}.Encode())
	o.until("the form that asks whom the note is about", func() bool { return strings.Contains(o.inspect(channel, "Modals"), "/note") })
}

// What an employee deletes, and how they react, while the gateway does not run is found out when it does.
func TestDoneMeanwhile(t *testing.T) {
	o, channel := met(t)
	said := o.find(channel, "你好 &lt;!channel&gt; &amp; _原文_")
	id := o.say(channel, "说错了")
	o.until("the message", func() bool {
		return len(o.received()) > 0 && strings.HasSuffix(o.received()[len(o.received())-1], "说错了")
	})
	o.process.Kill()
	o.do("chat.delete", fields{"channel": channel, "ts": id})
	o.do("reactions.add", fields{"channel": channel, "timestamp": said["ts"].(string), "name": "heart"})
	o.start()
	o.until("the recall", func() bool {
		return !slices.ContainsFunc(o.received(), func(s string) bool { return strings.HasSuffix(s, "说错了") })
	})
	o.until("the reaction", func() bool {
		all := o.messenger.Messages(fake.DM(customer))
		return slices.ContainsFunc(all, func(m fake.Message) bool { return m.User == customer && len(m.Reactions) == 1 })
	})
}

// A channel that is archived gets a successor, in which the conversation goes on.
func TestArchived(t *testing.T) {
	o, channel := met(t)
	o.do("conversations.archive", fields{"channel": channel})
	o.writes("还在吗？")
	next := ""
	o.until("the successor", func() bool {
		next = o.channel("hutong-")
		return next != "" && next != channel && o.find(next, "还在吗？") != nil
	})
	o.say(next, "在的")
	o.until("the answer", func() bool {
		return slices.ContainsFunc(o.received(), func(s string) bool { return strings.HasSuffix(s, "在的") })
	})
}
