package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/store/mem"
)

// wire is a message as the two made-up networks of this measurement write it.
type wire struct {
	ID   string `json:"id"`
	Room string `json:"room"`
	User string `json:"user"`
	Name string `json:"name"`
	Text string `json:"text"`
}

const hookSecret = "bench"

func sign(body []byte) string {
	h := hmac.New(sha256.New, []byte(hookSecret))
	_, _ = h.Write(body) // a hash never fails
	return hex.EncodeToString(h.Sum(nil))
}

// hookSource hears by HTTP: signed JSON, answered once it is durable.
type hookSource struct{ *source }

func (s hookSource) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil || !hmac.Equal([]byte(sign(body)), []byte(r.Header.Get("X-Signature"))) {
		http.Error(w, "bad signature", http.StatusForbidden)
		return
	}
	var m wire
	if err := json.Unmarshal(body, &m); err != nil {
		http.Error(w, "bad body", http.StatusBadRequest)
		return
	}
	e := bridge.MessageEvent{
		Room: bridge.RoomID(m.Room), User: bridge.UserID(m.User), Msg: bridge.MsgID(m.ID), Name: m.Name, Text: m.Text, At: time.Now(),
	}
	if err := s.in.Receive(r.Context(), e); err != nil {
		http.Error(w, "try again", http.StatusServiceUnavailable)
	}
}

// postSink speaks by HTTP.
type postSink struct {
	*sink
	client *http.Client
	url    string
}

func (s *postSink) Send(ctx context.Context, room bridge.RoomID, d bridge.Draft) ([]bridge.MsgID, error) {
	body, err := json.Marshal(wire{ID: d.Key, Room: string(room), Name: d.As.Text, Text: d.Text})
	if err != nil {
		return nil, bridge.Permanent(err)
	}
	got, err := post(ctx, s.client, s.url, body)
	if err != nil {
		return nil, err
	}
	var m wire
	if err := json.Unmarshal(got, &m); err != nil {
		return nil, bridge.Unsure(err)
	}
	return []bridge.MsgID{bridge.MsgID(m.ID)}, nil
}

func post(ctx context.Context, c *http.Client, url string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Signature", sign(body))
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(resp.Body)
	if cerr := resp.Body.Close(); err == nil {
		err = cerr
	}
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	return got, err
}

// listen serves on a free port of the loopback.
func listen(h http.Handler) (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(l) }) // ends with ErrServerClosed
	return "http://" + l.Addr().String(), func() { _ = srv.Close(); wg.Wait() }, nil
}

func pooled() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConns: 2 * inFlight, MaxIdleConnsPerHost: inFlight}}
}

// web runs a gateway with HTTP on both sides and measures what passes with n in flight.
func (b *bench) web(store bridge.Store, n int) (rate float64, each time.Duration, err error) {
	src, dst := newSource(), &sink{}
	var shown atomic.Int64
	far, stopFar, err := listen(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m wire
		body, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(body, &m) != nil {
			http.Error(w, "bad body", http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(wire{ID: "far-" + strconv.FormatInt(shown.Add(1), 10)}) // the caller sees a cut answer
	}))
	if err != nil {
		return 0, 0, err
	}
	defer stopFar()
	g, err := open(store, []string{"work"}, map[string]bridge.Adapter{"shop": src, "work": &postSink{dst, pooled(), far}})
	if err != nil {
		return 0, 0, err
	}
	defer func() {
		if cerr := g.stop(); err == nil {
			err = cerr
		}
	}()
	<-src.up
	near, stopNear, err := listen(hookSource{src})
	if err != nil {
		return 0, 0, err
	}
	defer stopNear()
	if err := acquaint(src.in, conversations); err != nil {
		return 0, 0, err
	}
	if err := drain(g); err != nil {
		return 0, 0, err
	}
	was, wasCPU, began := shown.Load(), cpu(), time.Now()
	sent, err := b.pourHTTP(near, n, began.Add(b.time))
	if err != nil {
		return 0, 0, err
	}
	if err := drain(g); err != nil {
		return 0, 0, err
	}
	took := time.Since(began).Seconds()
	if got := shown.Load() - was; got != sent {
		return 0, 0, fmt.Errorf("%d messages went in and %d came out", sent, got)
	}
	return float64(sent) / took, (cpu() - wasCPU) / time.Duration(sent), nil
}

func (b *bench) pourHTTP(url string, n int, until time.Time) (int64, error) {
	client, text, run := pooled(), kilobyte("m"), time.Now().UnixNano()
	var count atomic.Int64
	errs := make(chan error, n)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for time.Now().Before(until) {
				k := count.Add(1)
				u := strconv.Itoa(int(k) % conversations)
				body, err := json.Marshal(wire{ID: fmt.Sprintf("%d-%09d", run, k), Room: "room-" + u, User: "user-" + u, Text: text})
				if err == nil {
					_, err = post(context.Background(), client, url, body)
				}
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return 0, err
	default:
		return count.Load(), nil
	}
}

func overHTTP(b *bench) error {
	for _, n := range []int{32, inFlight} {
		var rates, ratios, mems []float64
		var ours, lights time.Duration
		for range b.rounds {
			f, err := b.flushes()
			if err != nil {
				return err
			}
			s, dir, err := b.fresh("http")
			if err != nil {
				return err
			}
			rate, each, err := b.web(s, n)
			if err != nil {
				return err
			}
			_ = os.RemoveAll(dir)
			m, light, err := b.web(mem.New(), n)
			if err != nil {
				return err
			}
			rates, ratios, mems = append(rates, rate), append(ratios, rate/f), append(mems, rate/m)
			ours, lights = each, light
		}
		at := fmt.Sprintf(", %d in flight", n)
		b.fact("messages/s"+at, fmt.Sprintf("%.0f", median(rates)))
		b.fact("processor time of a message, all three parts; with store/mem", fmt.Sprintf("%.0f us; %.0f us", float64(ours)/1e3, float64(lights)/1e3))
		b.row("in F"+at, fmt.Sprintf("%.2f F", median(ratios)), ">= 0.75 F", median(ratios) >= 0.75)
		b.row("of store/mem in the same run"+at, fmt.Sprintf("%.2f", median(mems)), ">= 0.6", median(mems) >= 0.6)
	}
	return nil
}
