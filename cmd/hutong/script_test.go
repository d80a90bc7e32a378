package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hutong-im/hutong/adapters"
	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/config"
)

// TestMain makes the scripts' hutong this very program; seed fills a data folder that nobody has open.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"hutong": func() { os.Exit(hutong()) },
		"seed":   func() { os.Exit(seedMain()) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("TZ", "UTC")
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else each command waits a second at its end, with -race
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await": await, "fetch": fetch, "replace": replace, "log": logged,
		},
	})
}

// patience bounds what a script waits for.
const patience = 20 * time.Second

// until asks again and again, and fails the script when patience ends.
func until(ts *testscript.TestScript, what string, done func() error) {
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := done()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("%s: %v", what, err)
		}
	}
}

// conf reads the script's config.
func conf(ts *testscript.TestScript) *config.Config {
	c, err := config.Load(ts.MkAbs("config.yaml"), adapters.Kinds())
	ts.Check(err)
	return c
}

// statusOf asks the gateway of the script over its socket.
func statusOf(c *config.Config) (v statusView, err error) {
	gw, err := dial(context.Background(), c)
	if err != nil {
		return v, err
	}
	err = gw.do(context.Background(), http.MethodGet, "/status", nil, &v)
	return v, errors.Join(err, gw.close())
}

// await waits until the gateway answers; "await down" until it does not; "await adapter NAME" until one
// of that name runs, "await ! adapter NAME" until there is none.
func await(ts *testscript.TestScript, neg bool, args []string) {
	c := conf(ts)
	until(ts, "await "+strings.Join(args, " "), func() error {
		v, err := statusOf(c)
		switch {
		case len(args) == 0:
			return err
		case args[0] == "down":
			if err == nil {
				return errors.New("it still answers")
			}
			return nil
		}
		found := false
		for _, a := range v.Adapters {
			found = found || a.Name == args[1] && a.State == "running"
		}
		if found == neg {
			return errors.Join(fmt.Errorf("adapters are %+v", v.Adapters), err)
		}
		return nil
	})
}

// fetch asks the gateway for a path and prints the status and the body: fetch [-json] PATH.
func fetch(ts *testscript.TestScript, neg bool, args []string) {
	v, err := statusOf(conf(ts))
	ts.Check(err)
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, v.URL+args[len(args)-1], nil)
	ts.Check(err)
	if args[0] == "-json" {
		req.Header.Set("Accept", "application/json")
	}
	res, err := (&http.Client{Timeout: patience}).Do(req)
	ts.Check(err)
	defer func() { ts.Check(res.Body.Close()) }()
	body, err := io.ReadAll(res.Body)
	ts.Check(err)
	_, err = fmt.Fprintf(ts.Stdout(), "%s\n%s", res.Status, body)
	ts.Check(err)
	if neg != (res.StatusCode >= http.StatusBadRequest) {
		ts.Fatalf("%s: %s", args[len(args)-1], res.Status)
	}
}

// replace changes a file in place, as an editor does: it writes another and renames it.
func replace(ts *testscript.TestScript, _ bool, args []string) {
	name := ts.MkAbs(args[2])
	text := ts.ReadFile(args[2])
	if !strings.Contains(text, args[0]) {
		ts.Fatalf("%s has no %q", args[2], args[0])
	}
	ts.Check(os.WriteFile(name+"~", []byte(strings.ReplaceAll(text, args[0], args[1])), 0o600))
	ts.Check(os.Rename(name+"~", name))
}

// logged waits until the file, which a gateway in the background writes, has the text.
func logged(ts *testscript.TestScript, _ bool, args []string) {
	until(ts, "log "+strings.Join(args, " "), func() error {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && !strings.Contains(string(text), args[1]) {
			err = fmt.Errorf("%s has no %q:\n%s", args[0], args[1], text)
		}
		return err
	})
}

// seedMain fills the data folder of ./config.yaml with a contact who talked with lilei, a delivery that
// failed and one that is held.
func seedMain() int {
	c, err := config.Load("config.yaml", adapters.Kinds())
	if err == nil {
		err = seed(context.Background(), c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func seed(ctx context.Context, c *config.Config) (err error) {
	d, err := openData(ctx, c, dataOptions{log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	blob, size, err := d.blobs.Put(strings.NewReader("price list"), 1<<20)
	if err != nil {
		return err
	}
	now := time.Now()
	link := bridge.Link{
		ID: bridge.LinkID(bridge.FirstID(now)), Member: "lilei", Contact: 0xC0FFEE, State: bridge.LinkActive, Since: now,
		Rooms: [2]bridge.RoomRef{{Adapter: "desk", Room: "r"}, {Adapter: "web", Room: "wang"}},
	}
	lane := bridge.LinkLane(link.ID, bridge.ContactSide)
	out, err := d.store.Commit(ctx, bridge.Step{
		At: now,
		Contacts: []bridge.Contact{{
			ID: link.Contact, Name: "王小明\x1b[2J", Since: now, Accounts: []bridge.UserRef{{Adapter: "web", User: "wang"}},
		}},
		Links: []bridge.Link{link},
		Message: &bridge.Message{
			Link: link.ID, Side: bridge.ContactSide, From: bridge.UserRef{Adapter: "web", User: "wang"}, At: now, Text: "您好",
			Files: []bridge.File{{Name: "价目表.txt", Type: "text/plain", Size: size, Blob: blob}},
		},
		Deliveries: []bridge.Delivery{
			{Lane: lane, Kind: bridge.KindNotice, Link: link.ID, To: bridge.ContactSide, Text: "one", State: bridge.StatePending, At: now},
			{Lane: lane, Kind: bridge.KindNotice, Link: link.ID, To: bridge.ContactSide, Text: "two", State: bridge.StateHeld, Reason: "the window is closed", At: now},
		},
	})
	if err != nil {
		return err
	}
	_, err = d.store.Commit(ctx, bridge.Step{At: now, Settle: []bridge.Settlement{{
		Lane: lane, Delivery: out.Deliveries[0].ID, State: bridge.StateFailed, Reason: "blocked by the customer", Adapter: "web", Attempts: 3,
	}}})
	return err
}
