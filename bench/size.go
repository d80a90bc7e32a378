package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/store/bolt"
)

// populate writes contacts with a link each, and waiting deliveries of 1 KiB for the first of them.
func populate(store bridge.Store, contacts, waiting int) error {
	ctx, now := context.Background(), time.Now()
	const group, committers = 100, 16
	groups := make(chan int)
	errs := make(chan error, committers)
	var wg sync.WaitGroup
	for range committers {
		wg.Go(func() {
			for first := range groups {
				if err := populateGroup(ctx, store, now, first, min(first+group, contacts), waiting); err != nil {
					errs <- err
					for range groups {
					}
					return
				}
			}
		})
	}
	for first := 0; first < contacts; first += group {
		groups <- first
	}
	close(groups)
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

func populateGroup(ctx context.Context, store bridge.Store, now time.Time, first, end, waiting int) error {
	base := bridge.FirstID(now) + uint64(first)
	step := bridge.Step{At: now}
	for i := first; i < end; i++ {
		c, l := bridge.ContactID(base+uint64(i-first)), bridge.LinkID(base+uint64(i-first))
		user := bridge.UserRef{Adapter: "shop", User: bridge.UserID("user-" + strconv.Itoa(i))}
		room := bridge.RoomRef{Adapter: "shop", Room: bridge.RoomID("room-" + strconv.Itoa(i))}
		far := bridge.RoomRef{Adapter: "gone", Room: bridge.RoomID("far-" + strconv.Itoa(i))}
		step.Contacts = append(step.Contacts, bridge.Contact{ID: c, Name: "客户 " + strconv.Itoa(i), Accounts: []bridge.UserRef{user}, Since: now})
		step.Links = append(step.Links, bridge.Link{
			ID: l, Member: "work", Contact: c, State: bridge.LinkActive, Since: now, Rooms: [2]bridge.RoomRef{far, room},
		})
		step.Rooms = append(step.Rooms, bridge.Room{Ref: room, Side: bridge.ContactSide, Links: []bridge.LinkID{l}, Current: l})
	}
	if _, err := store.Commit(ctx, step); err != nil {
		return err
	}
	for i := first; i < min(end, waiting); i++ {
		l := bridge.LinkID(base + uint64(i-first))
		_, err := store.Commit(ctx, bridge.Step{
			At: now,
			Message: &bridge.Message{
				Link: l, Side: bridge.ContactSide, Src: "first", At: now, Text: kilobyte("waiting"),
				Room: bridge.RoomRef{Adapter: "shop", Room: bridge.RoomID("room-" + strconv.Itoa(i))},
			},
			Deliveries: []bridge.Delivery{{
				Lane: bridge.LinkLane(l, bridge.MemberSide), Kind: bridge.KindSay, Link: l, To: bridge.MemberSide, At: now,
				State: bridge.StatePending, Adapter: "gone",
			}},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// settleDown is how long the gateway may rest before its memory is read.
const settleDown = 3 * time.Second

// binary builds the gateway; its memory is what counts, not that of this program.
func (b *bench) binary() (string, error) {
	bin := filepath.Join(b.dir, "hutong")
	out, err := exec.Command("go", "build", "-o", bin, "./cmd/hutong").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return bin, nil
}

// restMemory starts the gateway on the data folder and reads its memory once it rests.
func (b *bench) restMemory(bin, data string) (rss, anon int64, err error) {
	conf := filepath.Join(b.dir, "config.yaml")
	text := "company: { name: ACME, short: ACME, language: zh }\n" +
		"gateway: { listen: '127.0.0.1:0', url: 'http://localhost:8420', data: '" + data + "' }\n" +
		"adapters:\n  desk: { kind: desk }\n  web: { kind: webchat }\n" +
		"members:\n  - { id: work, name: 李雷, accounts: { desk: lilei }, serves: true }\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return 0, 0, err
	}
	cmd := exec.Command(bin, "run", "--config", conf)
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait() // killed or stopped: both are the end
	}()
	wait(settleDown)
	return resident(cmd.Process.Pid)
}

func memory(b *bench) error {
	bin, err := b.binary()
	if err != nil {
		return err
	}
	empty := filepath.Join(b.dir, "empty")
	rss, anon, err := b.restMemory(bin, empty)
	if err != nil {
		return err
	}
	b.row("at rest, RSS", mib(rss), "<= 40 MiB", rss <= 40<<20)
	b.fact("of it the gateway's own (anonymous)", mib(anon))
	full := filepath.Join(b.dir, "contacts")
	const hundreds = 5
	if err := b.makeData(full, hundreds*100_000, 0); err != nil {
		return err
	}
	_, more, err := b.restMemory(bin, full)
	if err != nil {
		return err
	}
	per := (more - anon) / hundreds
	b.row("for each 100,000 contacts, anonymous", mib(per), "<= 4 MiB", per <= 4<<20)
	return os.RemoveAll(full)
}

// makeData writes a data folder as a clean shutdown leaves it.
func (b *bench) makeData(dir string, contacts, waiting int) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	s, err := bolt.Open(context.Background(), dir, bolt.Options{})
	if err != nil {
		return err
	}
	if err := populate(s, contacts, waiting); err != nil {
		return err
	}
	return s.Close()
}

func start(b *bench) error {
	dir := filepath.Join(b.dir, "start")
	if err := b.makeData(dir, 1_000_000, 100_000); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var took []float64
	for range b.rounds {
		d, err := b.startOnce(dir)
		if err != nil {
			return err
		}
		took = append(took, float64(d))
	}
	d := time.Duration(median(took))
	b.row("until every waiting lane is taken and a first message is durable", ms(d), "<= 1 s warm", d <= time.Second)
	return nil
}

// startOnce opens the store and the gateway, and waits until all lanes are at work and a message passes.
func (b *bench) startOnce(dir string) (time.Duration, error) {
	began := time.Now()
	s, err := bolt.Open(context.Background(), dir, bolt.Options{})
	if err != nil {
		return 0, err
	}
	src, dst := newSource(), &sink{}
	arrived := make(chan struct{}, 1)
	dst.got = func(bridge.RoomID, bridge.Draft) {
		select {
		case arrived <- struct{}{}:
		default:
		}
	}
	g, err := open(s, []string{"work"}, map[string]bridge.Adapter{"shop": src, "work": dst})
	if err != nil {
		return 0, err
	}
	<-src.up
	e := event(-1, strconv.FormatInt(time.Now().UnixNano(), 10), "first")
	if err := src.in.Receive(context.Background(), e); err != nil {
		return 0, err
	}
	<-arrived
	for g.bridge.Depth().Lanes < 100_000 {
		wait(time.Millisecond)
	}
	took := time.Since(began)
	return took, g.stop()
}

// churn: messages through the store over 30 simulated days with seven days of history.
func churn(b *bench) error {
	s, dir, err := b.fresh("churn")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	const days, keep = 30, 7 * 24 * time.Hour
	perDay := b.churn / days
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	began, peak := time.Now(), int64(0)
	for d := range days {
		now := day.AddDate(0, 0, d)
		if err := throughDay(s, now, d, perDay); err != nil {
			return err
		}
		if _, err := s.Expire(context.Background(), now.AddDate(0, 0, 1), now.AddDate(0, 0, 1).Add(-keep)); err != nil {
			return err
		}
		st, err := s.Stats(context.Background())
		if err != nil {
			return err
		}
		peak = max(peak, st.Size)
	}
	st, err := s.Stats(context.Background())
	if err != nil {
		return err
	}
	live := st.Size - st.Free
	b.fact("messages", fmt.Sprintf("%d in %.0f s, %.0f/s", perDay*days, time.Since(began).Seconds(), float64(perDay*days)/time.Since(began).Seconds()))
	ratio := float64(peak) / float64(live)
	b.row("largest file, beside what is live in it", fmt.Sprintf("%s, %.2f x", mib(peak), ratio), "<= 2 x", ratio <= 2)
	return s.Close()
}

// throughDay brings a day's messages from accept to settled.
func throughDay(s bridge.Store, day time.Time, d, n int) error {
	ctx := context.Background()
	errs := make(chan error, inFlight)
	var wg sync.WaitGroup
	text := kilobyte("churn")
	for w := range inFlight {
		wg.Go(func() {
			for i := w; i < n; i += inFlight {
				at := day.Add(time.Duration(i) * 24 * time.Hour / time.Duration(n))
				if err := through(ctx, s, at, text, d, i); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

func through(ctx context.Context, s bridge.Store, at time.Time, text string, d, i int) error {
	link := bridge.LinkID(1 + i%conversations)
	lane := bridge.LinkLane(link, bridge.MemberSide)
	room := "room-" + strconv.Itoa(i%conversations)
	out, err := s.Commit(ctx, bridge.Step{
		At: at,
		Message: &bridge.Message{
			Link: link, Side: bridge.ContactSide, From: bridge.UserRef{Adapter: "shop", User: "user"}, At: at, Text: text,
			Room: bridge.RoomRef{Adapter: "shop", Room: bridge.RoomID(room)}, Src: bridge.MsgID(fmt.Sprintf("in-%d-%d", d, i)),
		},
		Deliveries: []bridge.Delivery{{
			Lane: lane, Kind: bridge.KindSay, Link: link, To: bridge.MemberSide, At: at, State: bridge.StatePending, Adapter: "work",
		}},
	})
	if err != nil {
		return err
	}
	_, err = s.Commit(ctx, bridge.Step{At: at, Settle: []bridge.Settlement{{
		Lane: lane, Delivery: out.Deliveries[0].ID, State: bridge.StateSent, Adapter: "work",
		Copy: &bridge.Copy{
			Room: bridge.RoomRef{Adapter: "work", Room: bridge.RoomID("far-" + room)},
			IDs:  []bridge.MsgID{bridge.MsgID(fmt.Sprintf("out-%d-%d", d, i))},
		},
	}}})
	return err
}
