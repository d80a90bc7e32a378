package bolt_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/store/bolt"
)

const (
	benchLinks    = 1000
	benchInFlight = 256
)

// BenchmarkWholeMessage measures a message's whole life in the store: accepted with one delivery and
// its dedupe key, then settled as sent with one copy. Run it with -benchtime=200000x or more: the index
// is merged only when there is some.
func BenchmarkWholeMessage(b *testing.B) {
	for _, c := range []struct {
		name string
		id   func(n int64) string
	}{
		{"ordered", func(n int64) string { return fmt.Sprintf("%016x", n) }},
		{"random", func(int64) string { return rand.Text() }},
	} {
		b.Run(c.name, func(b *testing.B) { benchWhole(b, c.id) })
	}
}

func benchWhole(b *testing.B, id func(int64) string) {
	dir := benchDir(b)
	f := syncs(b, dir)
	s, err := bolt.Open(b.Context(), dir, bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	text := strings.Repeat("你好 hello ", 90)[:1024]
	var n atomic.Int64
	var wg sync.WaitGroup
	cpu := cpuTime()
	b.ResetTimer()
	for range benchInFlight {
		wg.Go(func() {
			for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
				if err := whole(b.Context(), s, i, id(i), id(i), text); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	rate := float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(rate, "messages/s")
	b.ReportMetric(f, "F/s")
	b.ReportMetric(rate/f, "xF")
	b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "cpu-us/message")
	st, err := s.Stats(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(st.Commits.Steps)/float64(st.Commits.Commits), "steps/commit")
	b.ReportMetric(float64(st.Size)/float64(b.N)/1024, "KiB/message")
}

// whole takes one message through the store.
func whole(ctx context.Context, s bridge.Store, i int64, src, copied, text string) error {
	l := bridge.LinkID(1 + i%benchLinks)
	lane, room := bridge.LinkLane(l, bridge.MemberSide), bridge.RoomID(fmt.Sprint("room", l))
	out, err := s.Commit(ctx, bridge.Step{
		At: time.Now(), Seen: "wechat/" + src,
		Message: &bridge.Message{
			Link: l, Side: bridge.ContactSide, From: bridge.UserRef{Adapter: "wechat", User: "u"},
			Room: bridge.RoomRef{Adapter: "wechat", Room: room}, Src: bridge.MsgID(src), At: time.Now(), Text: text,
		},
		Deliveries: []bridge.Delivery{{Lane: lane, Kind: bridge.KindSay, Link: l, To: bridge.MemberSide}},
	})
	if err != nil {
		return err
	}
	if out.Duplicate {
		return fmt.Errorf("message %d is a duplicate", i)
	}
	_, err = s.Commit(ctx, bridge.Step{At: time.Now(), Settle: []bridge.Settlement{{
		Lane: lane, Delivery: out.Deliveries[0].ID, State: bridge.StateSent, Adapter: "desk", Attempts: 1,
		Copy: &bridge.Copy{Room: bridge.RoomRef{Adapter: "desk", Room: room}, IDs: []bridge.MsgID{bridge.MsgID(copied)}},
	}}})
	return err
}

// benchDir is on a disk, which /tmp may not be: HUTONG_BENCH_DIR names another place.
func benchDir(b *testing.B) string {
	b.Helper()
	dir, err := os.MkdirTemp(os.Getenv("HUTONG_BENCH_DIR"), "hutong-bench-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// syncs is F: how many times a second 4 KiB are appended to a file and synced.
func syncs(b *testing.B, dir string) float64 {
	b.Helper()
	f, err := os.Create(filepath.Join(dir, "f"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page, n, begun := make([]byte, 4096), 0, time.Now()
	for ; time.Since(begun) < time.Second; n++ {
		if _, err := f.Write(page); err != nil {
			b.Fatal(err)
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			b.Fatal(err)
		}
	}
	return float64(n) / time.Since(begun).Seconds()
}

// cpuTime is what the process has used, on all cores.
func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
