package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/hutong-im/hutong/bridge"
)

func testSettle(t T, k Kind) {
	for _, c := range []struct {
		state  bridge.State
		lane   bool // it stays in its lane
		parked bool
	}{
		{bridge.StatePending, true, false},
		{bridge.StateHeld, true, false},
		{bridge.StateSent, false, false},
		{bridge.StateDelivered, false, false},
		{bridge.StateFailed, false, true},
		{bridge.StateUnknown, false, true},
		{bridge.StateCancelled, false, false},
	} {
		e := open(t, k)
		_, d := e.say(1, "s1", "a")
		_, next := e.say(1, "s2", "b")
		x := bridge.Settlement{
			Lane: d.Lane, Delivery: d.ID, State: c.state, Reason: "因为", Adapter: "desk", Attempts: 4, Begun: true,
			Sent: []bridge.MsgID{"p1"}, Parts: 1,
		}
		e.do(bridge.Step{Settle: []bridge.Settlement{x}})
		want := d
		want.Apply(x, e.now)
		got, err := e.s.Delivery(e.ctx, d.ID)
		if c.lane || c.parked {
			e.must(string(c.state), err)
			e.equal(string(c.state), got, want)
		} else {
			e.fails(string(c.state), err, bridge.ErrNotFound)
		}
		if c.lane {
			e.waits(d.Lane, d.ID, next.ID)
		} else {
			e.waits(d.Lane, next.ID)
		}
		if c.parked {
			e.parked(d.ID)
		} else {
			e.parked()
		}
		if !c.lane && !c.parked { // settled before: whatever comes now is too late
			late := settlement(d, bridge.StatePending, "late")
			e.do(bridge.Step{Settle: []bridge.Settlement{late}})
			e.waits(d.Lane, next.ID)
			e.finds(desk("d1"), "late", 0)
		}
	}
}

func testParked(t T, k Kind) {
	e := open(t, k)
	for _, parked := range []bridge.State{bridge.StateFailed, bridge.StateUnknown} {
		_, d := e.say(1, bridge.MsgID(parked), "a")
		_, next := e.say(1, bridge.MsgID(parked)+"2", "b")
		e.settle(d, parked)
		e.parked(d.ID)
		e.settle(d, bridge.StatePending)
		e.parked()
		e.waits(d.Lane, d.ID, next.ID) // under its old id, before what came after it
		got, err := e.s.Delivery(e.ctx, d.ID)
		e.must("delivery", err)
		e.equal("state", got.State, bridge.StatePending)
		e.settle(d, parked)
		e.settle(d, parked)
		e.parked(d.ID)
		e.settle(d, bridge.StateCancelled)
		e.parked()
		_, err = e.s.Delivery(e.ctx, d.ID)
		e.fails("a cancelled one", err, bridge.ErrNotFound)
		e.settle(d, bridge.StatePending)
		e.waits(d.Lane, next.ID)
		e.settle(next, bridge.StateSent)
		e.waits(d.Lane)
	}
	id, d := e.say(1, "lost", "a")
	e.settle(d, bridge.StateUnknown)
	e.settle(d, bridge.StateSent, "found after all")
	e.parked()
	e.finds(desk("d1"), "found after all", id)
	e.equal("state", e.record(id).State, bridge.StateSent)
}

func testSettleMissing(t T, k Kind) {
	e := open(t, k)
	id, d := e.say(1, "s1", "a")
	strange := settlement(d, bridge.StateSent, "c1")
	strange.Delivery = 4711
	other := settlement(d, bridge.StateSent, "c2")
	other.Lane = lane(2)
	e.do(bridge.Step{Settle: []bridge.Settlement{strange, other}, Audit: []bridge.AuditEntry{audit("done all the same")}})
	e.waits(d.Lane, d.ID)
	e.finds(desk("d1"), "c1", 0)
	e.finds(desk("d1"), "c2", 0)
	e.equal("state", e.record(id).State, bridge.State(""))
	n := 0
	for _, err := range e.s.Trail(e.ctx) {
		e.must("trail", err)
		n++
	}
	e.equal("audit entries", n, 1)
	both := []bridge.Settlement{settlement(d, bridge.StateSent, "c3"), settlement(d, bridge.StateFailed, "c4")}
	e.do(bridge.Step{Settle: both}) // the second finds nothing to settle
	e.parked()
	e.finds(desk("d1"), "c3", id)
	e.finds(desk("d1"), "c4", 0)
}

func testStates(t T, k Kind) {
	all := []bridge.State{
		bridge.StatePending, bridge.StateHeld, bridge.StateUnknown, bridge.StateFailed, bridge.StateSent, bridge.StateCancelled,
	}
	e := open(t, k)
	for i, first := range all {
		for j, second := range all {
			src := bridge.MsgID(fmt.Sprint(i, "-", j))
			out := e.do(bridge.Step{Message: message(1, src, "x"), Deliveries: []bridge.Delivery{delivery(1), delivery(2)}})
			one, two := settlement(out.Deliveries[0], first), settlement(out.Deliveries[1], second)
			one.Reason, two.Reason = "first", "second"
			e.do(bridge.Step{Settle: []bridge.Settlement{one}})
			e.do(bridge.Step{Settle: []bridge.Settlement{two}})
			var want bridge.Record
			for _, x := range []bridge.Settlement{one, two} {
				if x.State.Beats(want.State) {
					want.State, want.Reason = x.State, x.Reason
				}
			}
			if got := e.record(out.Message); got.State != want.State || got.Reason != want.Reason {
				e.Errorf("%s then %s: %q (%s), want %q (%s)", first, second, got.State, got.Reason, want.State, want.Reason)
			}
		}
	}
	mark := delivery(1)
	id := e.do(bridge.Step{Message: message(1, "marked", "x")}).Message
	mark.Kind, mark.Message = bridge.KindMark, id
	d := e.do(bridge.Step{Deliveries: []bridge.Delivery{mark}}).Deliveries[0]
	e.settle(d, bridge.StateFailed)
	e.equal("state after another kind failed", e.record(id).State, bridge.State(""))
}

func testCopies(t T, k Kind) {
	e := open(t, k)
	id, d := e.say(1, "s1", "a")
	x := settlement(d, bridge.StatePending, "part1")
	x.Sent, x.Parts = []bridge.MsgID{"part1"}, 1
	e.do(bridge.Step{Settle: []bridge.Settlement{x}})
	e.finds(desk("d1"), "part1", id) // while it is still on its way
	e.settle(d, bridge.StateSent, "part1", "part2", "part3")
	e.finds(chat("w1"), "s1", id)
	for _, part := range []bridge.MsgID{"part1", "part2", "part3"} {
		e.finds(desk("d1"), part, id)
		e.finds(desk("d2"), part, 0)
	}
	e.equal("copies", e.record(id).Copies, []bridge.Copy{{Room: desk("d1"), IDs: []bridge.MsgID{"part1", "part2", "part3"}}})

	amend := delivery(1)
	amend.Kind, amend.Message = bridge.KindAmend, id
	other := amend
	other.Link = 2
	ds := e.do(bridge.Step{Deliveries: []bridge.Delivery{amend, other}}).Deliveries
	x = settlement(ds[0], bridge.StateSent, "new1")
	x.Copy.Version = 1
	e.do(bridge.Step{Settle: []bridge.Settlement{x}})
	e.settle(ds[1], bridge.StateSent, "elsewhere")
	e.equal("copies", e.record(id).Copies, []bridge.Copy{
		{Room: desk("d1"), IDs: []bridge.MsgID{"new1"}, Version: 1},
		{Room: desk("d2"), IDs: []bridge.MsgID{"elsewhere"}},
	})
	for _, part := range []bridge.MsgID{"new1", "part1", "part2", "part3"} {
		e.finds(desk("d1"), part, id)
	}
	e.finds(desk("d2"), "elsewhere", id)
	notice := delivery(1)
	notice.Kind, notice.Text = bridge.KindNotice, "hello"
	n := e.do(bridge.Step{Deliveries: []bridge.Delivery{notice}}).Deliveries[0]
	e.settle(n, bridge.StateSent, "notice") // has no message for a copy
	e.finds(desk("d1"), "notice", 0)
}

func testClaim(t T, k Kind) {
	e := open(t, k)
	heads := map[bridge.LaneID]bridge.DeliveryID{}
	for i := range 5 {
		for _, l := range []bridge.LinkID{7, 3, 9, 1, 5} {
			d := delivery(l)
			if i == 0 && l == 3 {
				d.State = bridge.StateHeld
			}
			if i == 0 && l == 9 {
				d.Lane = bridge.RoomLane(chat("w9"))
			}
			d = e.do(bridge.Step{Deliveries: []bridge.Delivery{d}}).Deliveries[0]
			if heads[d.Lane] == 0 {
				heads[d.Lane] = d.ID
			}
		}
	}
	for _, n := range []int{1, 2, 100} {
		got := map[bridge.LaneID]bridge.DeliveryID{}
		var after bridge.LaneID
		for range 10 {
			ds, err := e.s.Claim(e.ctx, after, n)
			e.must("claim", err)
			if len(ds) > n {
				e.Errorf("claimed %d, asked for %d", len(ds), n)
			}
			for _, d := range ds {
				if d.Lane <= after {
					e.Errorf("lane %d after %d", d.Lane, after)
				}
				got[d.Lane], after = d.ID, d.Lane
			}
			if len(ds) == 0 {
				break
			}
		}
		e.equal("heads", got, heads)
	}
	d, err := e.s.Delivery(e.ctx, heads[lane(7)])
	e.must("delivery", err)
	e.settle(d, bridge.StateFailed)
	ds, err := e.s.Claim(e.ctx, lane(7)-1, 1)
	e.must("claim", err)
	if len(ds) != 1 || ds[0].Lane != lane(7) || ds[0].ID <= d.ID {
		e.Errorf("head of a lane whose first failed: %+v", ds)
	}
	ds, err = e.s.Waiting(e.ctx, lane(7), ds[0].ID, 2)
	e.must("waiting", err)
	if len(ds) != 2 || ds[0].ID <= d.ID || ds[1].ID <= ds[0].ID {
		e.Errorf("a page of a lane: %v", ids(ds))
	}
	e.waits(lane(8))
}

func testDeliveries(t T, k Kind) {
	e := open(t, k)
	states := []bridge.State{bridge.StatePending, bridge.StateHeld, bridge.StateFailed, bridge.StateUnknown}
	want := map[bridge.State][]bridge.DeliveryID{}
	for i := range 40 {
		state := states[i%4]
		_, d := e.say(bridge.LinkID(50-i%7), bridge.MsgID(fmt.Sprint(i)), "x")
		e.settle(d, state)
		want[state] = append(want[state], d.ID)
	}
	for _, state := range states {
		var got []bridge.DeliveryID
		var after bridge.DeliveryID
		for range 20 {
			ds, err := e.s.Deliveries(e.ctx, after, 3, state)
			e.must("deliveries", err)
			if len(ds) == 0 {
				break
			}
			got, after = append(got, ids(ds)...), ds[len(ds)-1].ID
		}
		e.equal(string(state), got, want[state])
	}
	ds, err := e.s.Deliveries(e.ctx, 0, 100, bridge.StateFailed, bridge.StateHeld)
	e.must("deliveries", err)
	e.equal("of two states", len(ds), 20)
	for i := 1; i < len(ds); i++ {
		if ds[i].ID <= ds[i-1].ID {
			e.Errorf("%d after %d", ds[i].ID, ds[i-1].ID)
		}
	}
}

func testLaneOrder(t T, k Kind) {
	e := open(t, k)
	type span struct {
		begin, end int64
		id         bridge.DeliveryID
	}
	var clock atomic.Int64
	var mu sync.Mutex
	var spans []span
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 20 {
				s := span{begin: clock.Add(1)}
				out, err := e.s.Commit(e.ctx, bridge.Step{
					At: start, Message: message(1, bridge.MsgID(fmt.Sprint(w, "-", i)), "x"), Deliveries: []bridge.Delivery{delivery(1)},
				})
				s.end = clock.Add(1)
				if err != nil || len(out.Deliveries) != 1 {
					e.Errorf("commit: %+v, %v", out, err)
					return
				}
				s.id = out.Deliveries[0].ID
				mu.Lock()
				spans = append(spans, s)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for _, a := range spans {
		for _, b := range spans {
			if a.end < b.begin && a.id >= b.id {
				e.Errorf("commit of %d returned before that of %d began", a.id, b.id)
			}
		}
	}
	ds, err := e.s.Waiting(e.ctx, lane(1), 0, 1000)
	e.must("waiting", err)
	e.equal("waiting", len(ds), len(spans))
	var last bridge.Delivery
	for _, d := range ds {
		if d.ID <= last.ID || d.Message <= last.Message {
			e.Errorf("delivery %d of message %d after %d of %d", d.ID, d.Message, last.ID, last.Message)
		}
		last = d
	}
}
