package bolt_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/store/bolt"
)

// BenchmarkStart measures what a start costs when there is much: 1,000,000 contacts, and 100,000
// deliveries in as many lanes, whose heads are claimed.
func BenchmarkStart(b *testing.B) {
	const contacts, lanes = 1_000_000, 100_000
	dir := benchDir(b)
	s, err := bolt.Open(b.Context(), dir, bolt.Options{NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	for i := 1; i <= contacts; i += 1000 {
		st := bridge.Step{At: time.Now()}
		for id := i; id < i+1000; id++ {
			st.Contacts = append(st.Contacts, bridge.Contact{
				ID: bridge.ContactID(id), Name: fmt.Sprint("王小明 ", id), Since: time.Now(),
				Accounts: []bridge.UserRef{{Adapter: "wechat", User: bridge.UserID(fmt.Sprintf("o%032x", id*7919))}},
			})
			if id <= lanes {
				st.Deliveries = append(st.Deliveries, bridge.Delivery{Lane: bridge.LaneID(id), Kind: bridge.KindNotice, Text: "hello"})
			}
		}
		if _, err := s.Commit(b.Context(), st); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	var opening, claiming time.Duration
	for b.Loop() {
		begun := time.Now()
		s, err := bolt.Open(b.Context(), dir, bolt.Options{NoSync: true})
		if err != nil {
			b.Fatal(err)
		}
		opening += time.Since(begun)
		begun = time.Now()
		var n int
		for after := bridge.LaneID(0); ; {
			ds, err := s.Claim(b.Context(), after, 1000)
			if err != nil {
				b.Fatal(err)
			}
			if len(ds) == 0 {
				break
			}
			n, after = n+len(ds), ds[len(ds)-1].Lane
		}
		claiming += time.Since(begun)
		if n != lanes {
			b.Fatalf("claimed %d", n)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(opening.Milliseconds())/float64(b.N), "open-ms")
	b.ReportMetric(float64(claiming.Milliseconds())/float64(b.N), "claim-ms")
}
