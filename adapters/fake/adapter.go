package fake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// core is the three methods that every profile has.
type core struct {
	env     bridge.Env
	caps    bridge.Caps
	secret  bridge.Secret
	link    link
	network *Network // in process; else nil
	poll    bool     // asks for events over HTTP, rather than being called
	gate    gate
}

// Caps are the network's limits.
func (a *core) Caps() bridge.Caps { return a.caps }

// Run hears until ctx ends.
func (a *core) Run(ctx context.Context, in bridge.Inbox) error {
	if a.network == nil && a.poll {
		return a.ask(ctx, in)
	}
	a.gate.open(ctx, in)
	defer a.gate.shut()
	if a.network != nil {
		s := &inside{a}
		a.network.listen(s)
		defer a.network.unlisten(s)
	}
	<-ctx.Done()
	return ctx.Err()
}

func (a *core) now() time.Time {
	if a.env.Now != nil {
		return a.env.Now()
	}
	return time.Now()
}

// Send says a draft in a room.
func (a *core) Send(ctx context.Context, to bridge.RoomID, d bridge.Draft) ([]bridge.MsgID, error) {
	if n := count(d.Text, a.caps.Count); a.caps.MaxText > 0 && n > a.caps.MaxText {
		return nil, bridge.Permanent(fmt.Errorf("text of %d %s, more than %d", n, units()[a.caps.Count], a.caps.MaxText))
	}
	files, err := a.read(d.Files)
	if err != nil {
		return nil, err
	}
	got, err := a.link.call(ctx, &call{
		Op: opSend, Room: to, Key: d.Key, Name: d.As.Name, Text: d.Text, ReplyTo: d.ReplyTo, Files: files,
	})
	if err != nil {
		return nil, err
	}
	if len(got.IDs) == 0 {
		return nil, bridge.Unsure(errors.New("send: the network gave no id"))
	}
	return got.IDs, nil
}

// read takes the files of a draft into memory: this network takes them whole.
func (a *core) read(in []bridge.Attachment) ([]File, error) {
	if len(in) > max(a.caps.MaxFiles, 1) {
		return nil, bridge.Permanent(fmt.Errorf("%d files, more than %d", len(in), max(a.caps.MaxFiles, 1)))
	}
	var out []File
	for _, f := range in {
		data, err := readFile(f, a.caps.MaxFile)
		if err != nil {
			return nil, err
		}
		out = append(out, File{Name: f.Name, Type: f.Type, Size: int64(len(data)), Data: data})
	}
	return out, nil
}

func readFile(f bridge.Attachment, limit int64) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("open the file: %w", err)
	}
	defer func() { _ = r.Close() }()
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	if int64(len(data)) > limit {
		return nil, bridge.Permanent(fmt.Errorf("file of more than %d bytes: %w", limit, bridge.ErrTooLarge))
	}
	return data, nil
}

// fetch reads a file that came by reference.
func (a *core) fetch(ctx context.Context, f bridge.File) (io.ReadCloser, error) {
	got, err := a.link.call(ctx, &call{Op: opFetch, Text: f.Ref})
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(got.Data)), nil
}

// cursorKey is where the adapter keeps how far it has heard.
const cursorKey = "cursor"

// ask polls. The cursor moves only past what was received; it is kept, so that a new process does not
// ask for what an old one has handled.
func (a *core) ask(ctx context.Context, in bridge.Inbox) error {
	after, err := a.cursor(ctx)
	if err != nil {
		return err
	}
	for {
		got, err := a.link.call(ctx, &call{Op: opPoll, After: after})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err // the supervisor comes again
		}
		done, err := a.take(ctx, in, got.Events, after)
		if done > after {
			after = done
			if _, err := a.env.State.Put(ctx, cursorKey, []byte(strconv.FormatUint(after, 10)), bridge.AnyRev); err != nil {
				return fmt.Errorf("keep the cursor: %w", err)
			}
		}
		if err != nil {
			pause(ctx, 50*time.Millisecond) // what was not received is asked for again
		}
	}
}

// take brings events in order, up to the first that is not received.
func (a *core) take(ctx context.Context, in bridge.Inbox, events []Event, after uint64) (uint64, error) {
	for i := range events {
		heard, err := events[i].convert()
		if err == nil {
			err = in.Receive(ctx, heard)
		}
		if err != nil && !errors.Is(err, bridge.ErrRefused) {
			return after, err
		}
		after = events[i].ID
	}
	return after, nil
}

func (a *core) cursor(ctx context.Context) (uint64, error) {
	val, _, err := a.env.State.Get(ctx, cursorKey)
	if errors.Is(err, bridge.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the cursor: %w", err)
	}
	n, err := strconv.ParseUint(string(val), 10, 64)
	if err != nil {
		return 0, nil //nolint:nilerr // a cursor that is none begins from the start, and known events are known
	}
	return n, nil
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// inside is the sink of an adapter in the network's own process.
type inside struct{ a *core }

func (s *inside) deliver(ctx context.Context, e *Event) error { return s.a.gate.receive(ctx, e) }

// gate lets events in while Run runs.
type gate struct {
	mu    sync.RWMutex
	in    bridge.Inbox
	run   context.Context
	calls *sync.WaitGroup
}

func (g *gate) open(ctx context.Context, in bridge.Inbox) {
	g.mu.Lock()
	g.run, g.in, g.calls = ctx, in, &sync.WaitGroup{}
	g.mu.Unlock()
}

// shut waits for the events that are on their way in.
func (g *gate) shut() {
	g.mu.Lock()
	calls := g.calls
	g.in = nil
	g.mu.Unlock()
	calls.Wait()
}

var errNotRunning = errors.New("the adapter does not run now")

// receive brings an event. It ends when either ctx or Run does.
func (g *gate) receive(ctx context.Context, e *Event) error {
	heard, err := e.convert()
	if err != nil {
		return err
	}
	g.mu.RLock()
	in, run, calls := g.in, g.run, g.calls
	if in == nil {
		g.mu.RUnlock()
		return errNotRunning
	}
	calls.Add(1)
	g.mu.RUnlock()
	defer calls.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(run, cancel)()
	return in.Receive(ctx, heard)
}
