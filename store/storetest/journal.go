package storetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

func testIDs(t T, k Kind) {
	e := open(t, k)
	var last bridge.MessageID
	times := []time.Duration{0, time.Millisecond, time.Hour, time.Hour, -time.Hour, 25 * time.Hour, 0}
	high := time.Time{}
	for i, after := range times {
		at := start.Add(after)
		if at.After(high) {
			high = at
		}
		id := e.do(bridge.Step{At: at, Message: message(1, bridge.MsgID(fmt.Sprint(i)), "x")}).Message
		if id <= last {
			e.Errorf("id %d after %d", id, last)
		}
		if got := id.Time(); !got.Equal(high) {
			e.Errorf("message accepted at %v has an id of %v", at, got)
		}
		last = id
	}
	var before bridge.DeliveryID
	for range 3 {
		out := e.do(bridge.Step{Deliveries: []bridge.Delivery{delivery(2), delivery(1), delivery(2)}})
		for _, d := range out.Deliveries {
			if d.ID <= before {
				e.Errorf("delivery %d after %d", d.ID, before)
			}
			before = d.ID
		}
	}
}

func testDefaults(t T, k Kind) {
	e := open(t, k)
	other := delivery(2)
	other.Kind, other.Text = bridge.KindNotice, "说"
	old := delivery(1)
	old.Message = 99
	whole := full(3)
	out := e.do(bridge.Step{
		Message:    rich(1, "s1"),
		Deliveries: []bridge.Delivery{delivery(1), other, old, whole},
	})
	e.equal("number of deliveries", len(out.Deliveries), 4)
	e.equal("mine", out.Mine, []bool{true, true, true, true})
	for i, want := range []bridge.MessageID{out.Message, 0, 99, 7} {
		e.equal(fmt.Sprintf("message of delivery %d", i), out.Deliveries[i].Message, want)
	}
	e.equal("state", out.Deliveries[0].State, bridge.StatePending)
	e.equal("accepted", out.Deliveries[0].At, e.now)
	whole.ID = out.Deliveries[3].ID
	e.equal("a whole delivery, as returned", out.Deliveries[3], whole)
	got, err := e.s.Delivery(e.ctx, whole.ID)
	e.must("delivery", err)
	e.equal("a whole delivery, as stored", got, whole)
	first, err := e.s.Delivery(e.ctx, out.Deliveries[0].ID)
	e.must("delivery", err)
	e.equal("a delivery, as stored", first, out.Deliveries[0])
	want := bridge.Record{Message: *rich(1, "s1")}
	want.ID = out.Message
	e.equal("a whole message, as stored", e.record(out.Message), want)

	held := delivery(4)
	held.State, held.Reason = bridge.StateHeld, "窗口已关闭"
	out = e.do(bridge.Step{Message: message(4, "h", "x"), Deliveries: []bridge.Delivery{held}})
	if r := e.record(out.Message); r.State != bridge.StateHeld || r.Reason != held.Reason {
		e.Errorf("a message stored with a held delivery is %q (%s)", r.State, r.Reason)
	}
}

func testSeen(t T, k Kind) {
	e := open(t, k)
	step := bridge.Step{Seen: "wechat/1", Message: message(1, "s1", "a"), Deliveries: []bridge.Delivery{delivery(1)}}
	first := e.do(step)
	e.do(bridge.Step{Seen: "wechat/0", Audit: []bridge.AuditEntry{audit("room.leave")}})
	before := dump(e, e.s)
	for _, c := range []struct {
		name string
		step bridge.Step
		want bridge.MessageID
	}{
		{"the same again", step, first.Message},
		{"another message", bridge.Step{Seen: "wechat/1", Message: message(1, "s2", "b")}, first.Message},
		{"one that would be stale", bridge.Step{Seen: "wechat/1", Expect: []bridge.Expect{{Link: 1, Rev: 9}}}, first.Message},
		{"one without a message", bridge.Step{Seen: "wechat/0", Message: message(1, "s3", "c")}, 0},
	} {
		c.step.At = e.now.Add(bridge.SeenFor - time.Hour)
		out, err := e.s.Commit(e.ctx, c.step)
		if err != nil || !out.Duplicate || out.Message != c.want || len(out.Deliveries) > 0 {
			e.Errorf("%s: %+v, %v, want a duplicate of %d", c.name, out, err, c.want)
		}
	}
	if after := dump(e, e.s); after != before {
		e.Errorf("a duplicate changed something: %s", diff(after, before))
	}
	e.finds(chat("w1"), "s2", 0)
	e.do(bridge.Step{Message: message(1, "", "no name")})
	e.do(bridge.Step{Message: message(1, "", "no name")})
}

func testKnownMessage(t T, k Kind) {
	e := open(t, k)
	id, d := e.say(1, "s1", "a")
	e.settle(d, bridge.StateSent, "copy1", "copy2")
	for _, c := range []struct {
		room bridge.RoomRef
		src  bridge.MsgID
		dup  bool
	}{
		{chat("w1"), "s1", true},
		{desk("d1"), "copy1", true},
		{desk("d1"), "copy2", true},
		{desk("d1"), "s1", false},
		{chat("w2"), "s1", false},
		{bridge.RoomRef{Adapter: "tele", Room: "w1"}, "s1", false},
	} {
		m := message(1, c.src, "again")
		m.Room = c.room
		out, err := e.s.Commit(e.ctx, bridge.Step{At: e.now, Message: m, Audit: []bridge.AuditEntry{audit("x")}})
		e.must("commit", err)
		if out.Duplicate != c.dup || c.dup && out.Message != id {
			e.Errorf("%s in %v: %+v, want duplicate %v of %d", c.src, c.room, out, c.dup, id)
		}
	}
}

func testTwins(t T, k Kind) {
	e := open(t, k)
	for i := range 20 {
		var wg sync.WaitGroup
		var mu sync.Mutex
		done := map[bridge.MessageID]int{}
		gate := make(chan struct{})
		for range 8 {
			wg.Go(func() {
				<-gate
				st := bridge.Step{At: start, Deliveries: []bridge.Delivery{delivery(1)}}
				if i%2 == 0 {
					st.Seen = fmt.Sprint("event ", i)
				} else {
					st.Message = message(1, bridge.MsgID(fmt.Sprint("src", i)), "x")
				}
				out, err := e.s.Commit(e.ctx, st)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					e.Errorf("commit: %v", err)
				}
				if !out.Duplicate {
					done[out.Message]++
				} else if i%2 == 1 && out.Message == 0 {
					e.Errorf("a twin was not told which message its twin became")
				}
			})
		}
		close(gate)
		wg.Wait()
		if len(done) != 1 || sum(done) != 1 {
			e.Errorf("round %d: %d of 8 twins were done, want 1", i, sum(done))
		}
	}
	ds, err := e.s.Waiting(e.ctx, lane(1), 0, 1000)
	e.must("waiting", err)
	e.equal("deliveries", len(ds), 20)
}

func sum(m map[bridge.MessageID]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

func testThen(t T, k Kind) {
	e := open(t, k)
	var mu sync.Mutex
	var order []bridge.DeliveryID
	busy := 0
	then := func(out bridge.Outcome) {
		mu.Lock()
		busy++
		if busy > 1 {
			e.Errorf("two calls at once")
		}
		for _, d := range out.Deliveries {
			order = append(order, d.ID)
		}
		busy--
		mu.Unlock()
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 25 {
				n := len(snapshot(&mu, &order))
				ctx, cancel := context.WithCancel(e.ctx)
				_, err := e.s.Commit(ctx, bridge.Step{
					At: start, Seen: fmt.Sprint(w, "-", i/2), Deliveries: []bridge.Delivery{delivery(1)}, Then: then,
				})
				cancel()
				if err != nil {
					e.Errorf("commit: %v", err)
				}
				if i%2 == 0 && len(snapshot(&mu, &order)) <= n {
					e.Errorf("commit returned before then was called")
				}
			}
		})
	}
	wg.Wait()
	e.equal("calls", len(order), 8*13)
	for i := 1; i < len(order); i++ {
		if order[i] <= order[i-1] {
			e.Errorf("then was called for %d after %d", order[i], order[i-1])
		}
	}
	e.refuses("stale", bridge.Step{
		Expect: []bridge.Expect{{Link: 1, Rev: 4}},
		Then:   func(bridge.Outcome) { e.Errorf("then was called for a stale step") },
	}, bridge.ErrStale)
}

func snapshot(mu *sync.Mutex, o *[]bridge.DeliveryID) []bridge.DeliveryID {
	mu.Lock()
	defer mu.Unlock()
	return *o
}

func testContext(t T, k Kind) {
	e := open(t, k)
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	before := dump(e, e.s)
	_, err := e.s.Commit(ctx, bridge.Step{At: start, Message: message(1, "s", "x"), Audit: []bridge.AuditEntry{audit("x")}})
	e.fails("commit", err, context.Canceled)
	_, err = e.s.KV("a").Put(ctx, "k", nil, 0)
	e.fails("put", err, context.Canceled)
	_, err = e.s.Message(ctx, 1)
	e.fails("message", err, context.Canceled)
	n := 0
	for _, err = range e.s.Links(ctx) {
		n++
	}
	e.fails("links", err, context.Canceled)
	e.equal("yields", n, 1)
	if after := dump(e, e.s); after != before {
		e.Errorf("something was done: %s", diff(after, before))
	}
	e.finds(chat("w1"), "s", 0)
}

func testClosed(t T, k Kind) {
	e := open(t, k)
	e.do(bridge.Step{Message: message(1, "s", "x")})
	e.must("close", e.s.Close())
	e.refuses("commit", bridge.Step{Message: message(1, "s2", "x")}, bridge.ErrClosed)
	_, err := e.s.KV("a").Put(e.ctx, "k", nil, 0)
	e.fails("put", err, bridge.ErrClosed)
	_, err = e.s.Erase(e.ctx, 1, audit("contact.erase"))
	e.fails("erase", err, bridge.ErrClosed)
	_, err = e.s.Message(e.ctx, 1)
	e.fails("message", err, bridge.ErrClosed)
	e.must("close again", e.s.Close())
}
