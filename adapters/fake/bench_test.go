package fake_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/hutong-im/hutong/adapters/fake"
	"github.com/hutong-im/hutong/bridge"
)

// echo answers every message in its room: what the network itself costs, without a gateway.
type echo struct{ a bridge.Adapter }

func (e echo) Receive(ctx context.Context, ev bridge.Event) error {
	m, ok := ev.(bridge.MessageEvent)
	if !ok {
		return nil
	}
	_, err := e.a.Send(ctx, m.Room, bridge.Draft{Key: string(m.Msg), Text: m.Text})
	return err
}

// BenchmarkRoundTrip is one message heard and one said, in process.
func BenchmarkRoundTrip(b *testing.B) {
	n, err := fake.NewNetwork(fake.Options{Quiet: true})
	if err != nil {
		b.Fatal(err)
	}
	defer n.Close()
	a, err := n.Config().Open(bridge.Env{Name: "fake"})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = a.Run(ctx, echo{a})
	}()
	if err := n.Wait(ctx, n.Hearing); err != nil { // until Run has begun
		b.Fatal(err)
	}
	users := make([]bridge.UserID, 1000)
	for i := range users {
		users[i] = bridge.UserID(fmt.Sprint("user", i))
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		if _, err := n.SayNow(ctx, fake.Said{User: users[i%len(users)], Text: "hello"}); err != nil {
			b.Fatal(err)
		}
	}
	cancel()
	<-done
}
