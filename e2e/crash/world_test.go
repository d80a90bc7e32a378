package crash

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hutong-im/hutong/adapters/fake"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/e2e/gateway"
)

// member is the employee whom all customers come to.
const member = "lilei"

// team is the workspace's network.
const team = "team"

// messengers are the networks of the customers, each with its profile: one that knows a key, one that
// can be searched for what was sent, and one that can do neither, so that a lost answer stays unsure.
func messengers() map[string]string {
	return map[string]string{"keyed": fake.Full, "searched": fake.Searchable, "bare": fake.Plain}
}

// chats is how many customers each messenger has.
const chats = 4

// world is two sides that talk through a gateway which may die at any time. The networks live on in
// this process and remember everything.
type world struct {
	t      *testing.T
	site   *gateway.Site
	nets   map[string]*fake.Network
	ledger *ledger
	pad    string // makes messages longer
}

func newWorld(t *testing.T, data string) *world {
	t.Helper()
	return newWorldOn(t, data, "bolt")
}

// newWorldOn is a world with a kind of store.
func newWorldOn(t *testing.T, data, store string) *world {
	t.Helper()
	w := &world{t: t, nets: map[string]*fake.Network{}, ledger: newLedger()}
	w.site = &gateway.Site{Binary: binary, Port: gateway.Port(t), Config: filepath.Join(t.TempDir(), "config.yaml")}
	var adapters strings.Builder
	w.add(&adapters, team, fake.Full)
	for name, profile := range messengers() {
		w.add(&adapters, name, profile)
	}
	config := fmt.Sprintf(`
company: { name: ACME 贸易有限公司, short: ACME, zone: Asia/Shanghai, language: zh }
gateway: { listen: "127.0.0.1:%d", url: "%s", data: "%s" }
store: { kind: %s }
adapters:
%s
members:
  - { id: %s, name: 李雷, title: 销售经理, accounts: { %s: %s }, serves: true }
fallback: %s
`, w.site.Port, w.site.URL(""), data, store, adapters.String(), member, team, member, member)
	if err := os.WriteFile(w.site.Config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// add makes a network that listens, and its entry in the config.
func (w *world) add(config *strings.Builder, name, profile string) {
	w.t.Helper()
	n, err := fake.NewNetwork(fake.Options{
		Profile: profile,
		OnSend:  func(m fake.Message) { w.ledger.arrive(name, m.Room, m.Text) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	api := httptest.NewServer(n.Handler())
	w.t.Cleanup(api.Close)
	w.t.Cleanup(n.Close)
	if profile != fake.Plain { // which asks by itself
		n.SetHook(w.site.URL("/hook/" + name))
	}
	w.nets[name] = n
	fmt.Fprintf(config, "  %s: { kind: fake, url: %q, secret: %s, profile: %s }\n", name, api.URL, fake.DefaultSecret, profile)
}

// talk lets everybody write, both ways, until ctx ends: while the gateway is away, too.
func (w *world) talk(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	for name := range messengers() {
		for i := range chats {
			all.Go(func() { w.chat(ctx, name, fmt.Sprintf("%s%d", name, i)) })
		}
	}
	return func() { cancel(); all.Wait() }
}

// pace is how often each of the two in a chat writes.
const pace = 30 * time.Millisecond

// backlog is how many events of a network may wait for a gateway that is away before people stop to
// write: it bounds how long catching up takes.
const backlog = 60

func (w *world) chat(ctx context.Context, network, customer string) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if w.nets[network].Unheard() < backlog {
			w.ledger.say(lane{customer, bridge.ContactSide}, func(text string) (string, bridge.RoomID, bridge.MsgID) {
				said := fake.Said{User: bridge.UserID(customer), Text: text + w.pad}
				return network, fake.DM(said.User), w.nets[network].Say(said)
			})
		}
		if room := w.ledger.room(customer); room != "" && w.nets[team].Unheard() < backlog {
			w.ledger.say(lane{customer, bridge.MemberSide}, func(text string) (string, bridge.RoomID, bridge.MsgID) {
				return team, room, w.nets[team].Say(fake.Said{User: member, Room: room, Text: text + w.pad})
			})
		}
	}
}

// jam makes every network refuse what is sent to it, so that what is accepted has to be kept; or ends it.
func (w *world) jam(on bool) {
	for _, n := range w.nets {
		n.Heal()
		if on {
			n.Fail(fake.Fault{Trouble: fake.Broken, Op: "send"})
		}
	}
}

// start starts the gateway and waits until it answers, or has ended.
func (w *world) start(env ...string) *gateway.Process {
	w.t.Helper()
	p := w.site.Start(w.t, env...)
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	if !p.Ready(ctx) {
		select {
		case <-p.Gone():
		default:
			p.Signal(3) // SIGQUIT: its trace tells where it hangs
			<-p.Gone()
			w.t.Fatalf("the gateway runs but does not answer:\n%s", p.Log())
		}
	}
	return p
}

// running is start for a gateway that has to run.
func (w *world) running(env ...string) *gateway.Process {
	w.t.Helper()
	p := w.start(env...)
	select {
	case <-p.Gone():
		w.t.Fatalf("the gateway does not start: exit code %d\n%s", p.ExitCode(), p.Log())
	default:
	}
	return p
}

// get reads an address of the gateway.
func (w *world) get(path string) (int, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.site.URL(path), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, string(body)
}
