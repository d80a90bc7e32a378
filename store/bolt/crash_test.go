package bolt_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/store/bolt"
)

// The variables that make this test's binary the process that is killed.
const (
	envDir  = "HUTONG_BOLT_CRASH_DIR"
	envAt   = "HUTONG_BOLT_CRASH_AT"   // the failpoint
	envHits = "HUTONG_BOLT_CRASH_HITS" // how often it is passed before
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(envDir); dir != "" {
		victim(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// victim works on a store until it kills itself. It prints what it was told is done, as it is told.
func victim(dir string) {
	var left atomic.Int64
	var hits int64
	_, _ = fmt.Sscan(os.Getenv(envHits), &hits)
	left.Store(hits)
	s, err := bolt.Open(context.Background(), dir, bolt.MergeAbove(bolt.Options{Failpoint: func(name string) {
		if name == os.Getenv(envAt) && left.Add(-1) < 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}}, 40))
	if err != nil {
		fmt.Println("error", err)
		return
	}
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() { work(s, fmt.Sprint(rand.Uint64(), "-", w)) })
	}
	wg.Wait()
	_ = s.Close()
}

func work(s *bolt.Store, name string) {
	ctx := context.Background()
	for i := range 30 {
		src := fmt.Sprint(name, "-", i)
		m := &bridge.Message{Link: 1, Room: bridge.RoomRef{Adapter: "a", Room: "r"}, Src: bridge.MsgID(src), Text: src}
		out, err := s.Commit(ctx, bridge.Step{
			At: time.Now(), Seen: src, Message: m, Deliveries: []bridge.Delivery{{Lane: 1, Kind: bridge.KindSay, Link: 1}},
		})
		if err != nil {
			fmt.Println("error", err)
			return
		}
		fmt.Println("accepted", src, uint64(out.Deliveries[0].ID), uint64(out.Message))
		if i%3 == 2 {
			continue // stays in its lane
		}
		x := bridge.Settlement{
			Lane: 1, Delivery: out.Deliveries[0].ID, State: bridge.StateSent,
			Copy: &bridge.Copy{Room: bridge.RoomRef{Adapter: "b", Room: "r"}, IDs: []bridge.MsgID{bridge.MsgID(src)}},
		}
		if _, err := s.Commit(ctx, bridge.Step{At: time.Now(), Settle: []bridge.Settlement{x}}); err != nil {
			fmt.Println("error", err)
			return
		}
		fmt.Println("settled", src, uint64(out.Deliveries[0].ID), uint64(out.Message))
		if i == 15 {
			_, _ = s.Expire(ctx, time.Now(), time.Time{})
			_ = s.Backup(ctx, nothing{})
		}
	}
}

type nothing struct{}

func (nothing) Write(b []byte) (int, error) { return len(b), nil }

// TestKilled kills the process at every failpoint, again and again on the same file, and looks for all
// that it was told before.
func TestKilled(t *testing.T) {
	for _, at := range []string{"step", "commit", "committed", "merge", "expire", "backup", "close"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			dir, told := t.TempDir(), map[string]fact{}
			for round := range 3 {
				hits := round * 7
				if at == "close" || at == "expire" || at == "backup" {
					hits = round / 2
				}
				killed := kill(t, dir, at, hits, told)
				if !killed && hits == 0 {
					t.Errorf("round %d: the failpoint was never passed", round)
				}
				inspect(t, dir, told)
			}
			if len(told) == 0 && at != "step" && at != "commit" {
				t.Error("nothing was ever acknowledged")
			}
		})
	}
}

// fact is what the victim was told of a message.
type fact struct {
	delivery bridge.DeliveryID
	message  bridge.MessageID
	settled  bool
}

// kill runs the victim and notes what it was told. It reports whether it was killed.
func kill(t *testing.T, dir, at string, hits int, told map[string]fact) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), envDir+"="+dir, envAt+"="+at, fmt.Sprint(envHits, "=", hits))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var what, src string
		var d, m uint64
		if n, _ := fmt.Sscan(lines.Text(), &what, &src, &d, &m); n < 4 {
			if !strings.HasPrefix(lines.Text(), "accepted") && !strings.HasPrefix(lines.Text(), "settled") {
				t.Errorf("the victim says: %s", lines.Text())
			}
			continue // cut short
		}
		told[src] = fact{bridge.DeliveryID(d), bridge.MessageID(m), told[src].settled || what == "settled"}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ProcessState.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
}

// inspect opens what the victim left, and looks for everything that it was told.
func inspect(t *testing.T, dir string, told map[string]fact) {
	t.Helper()
	if err := bolt.Verify(filepath.Join(dir, bolt.File)); err != nil {
		t.Fatal(err)
	}
	s, err := bolt.Open(t.Context(), dir, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	history, err := s.History(t.Context(), 1, 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	there := map[bridge.MessageID]bool{}
	for _, r := range history {
		there[r.ID] = true
	}
	for src, f := range told {
		id, err := s.Find(t.Context(), bridge.MsgRef{RoomRef: bridge.RoomRef{Adapter: "a", Room: "r"}, Msg: bridge.MsgID(src)})
		if err != nil || id != f.message || !there[id] {
			t.Errorf("accepted %s is %d, %v, in history %v; want %d", src, id, err, there[id], f.message)
		}
		out, err := s.Commit(t.Context(), bridge.Step{At: time.Now(), Seen: src})
		if err != nil || !out.Duplicate || out.Message != f.message {
			t.Errorf("accepted %s again: %+v, %v", src, out, err)
		}
		_, err = s.Delivery(t.Context(), f.delivery)
		copied, found := s.Find(t.Context(), bridge.MsgRef{RoomRef: bridge.RoomRef{Adapter: "b", Room: "r"}, Msg: bridge.MsgID(src)})
		if f.settled && (err == nil || found != nil || copied != f.message) {
			t.Errorf("settled %s: delivery %v, copy of %d, %v", src, err, copied, found)
		}
		if (err == nil) == (found == nil) {
			t.Errorf("%s is neither waiting nor sent, or both: %v, %v", src, err, found)
		}
	}
}
