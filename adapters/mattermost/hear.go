package mattermost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/mattermost/mattermost/server/public/model"

	"github.com/hutong-im/hutong/bridge"
)

// Times of the WebSocket. The server's own pings come each minute; a token that is not accepted is let in,
// too, and thrown out after five seconds without a hello.
const (
	pingEach  = 20 * time.Second
	silence   = 50 * time.Second // without a frame: the connection is dead
	helloWait = 15 * time.Second
	redial    = 100 * time.Millisecond
)

// maxFrame bounds a frame: a post of the longest kind, escaped twice, with its files.
const maxFrame = 4 << 20

// resume is how to go on after the connection broke. Only Run touches it.
type resume struct {
	connection string // what the server calls it
	next       int64  // the number of the frame that is to come
	cursor     int64  // everything up to this moment of the server's clock was received, in ms
	kept       time.Time
	fresh      bool // nothing was heard ever
}

// errBroken is a connection that worked and broke: the next is made at once.
var errBroken = errors.New("the connection broke")

// Run hears until ctx ends.
func (a *adapter) Run(ctx context.Context, in bridge.Inbox) error {
	a.gate.set(ctx, in)
	defer a.gate.set(ctx, nil)
	a.changed()
	s, err := a.known(ctx)
	if err == nil {
		err = a.begin(ctx)
	}
	if err != nil {
		return ended(ctx, err)
	}
	defer a.markPlace(context.WithoutCancel(ctx), true)
	a.register(ctx, s)
	a.checkGhosts(ctx, s)
	beside, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() { a.watchMembers(beside, in) })
	all.Go(func() { a.watch(beside, in) })
	defer func() {
		cancel()
		all.Wait()
	}()
	for {
		err := a.listen(ctx, in)
		if ctx.Err() != nil || !errors.Is(err, errBroken) {
			return ended(ctx, err)
		}
		a.env.Log.Debug("connecting again", "err", err)
		pause(ctx, redial)
	}
}

func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// listen makes one connection and hears over it until it breaks.
func (a *adapter) listen(ctx context.Context, in bridge.Inbox) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, err := a.dial(ctx)
	if err != nil {
		return err
	}
	var beside sync.WaitGroup
	beside.Go(func() { a.ping(ctx, conn) })
	defer func() {
		cancel()
		_ = conn.CloseNow()
		beside.Wait()
	}()
	worked := false
	for limit := helloWait; ; limit = silence {
		f, err := read(ctx, conn, limit)
		switch {
		case err != nil && worked:
			return fmt.Errorf("%w: %w", errBroken, err)
		case err != nil:
			a.wake.connection = "" // what cannot be resumed begins anew
			return fmt.Errorf("listen: the server lets nothing be heard (%w); is the token still good, and does a proxy between pass WebSockets?", err)
		}
		if f.SeqReply != 0 && f.Status != model.StatusOk {
			return bridge.Login(errors.New("listen: the server refuses the token: make a new one and put it into the config"))
		}
		if !worked && a.resumed(&f) {
			if err := a.catchUp(ctx, in); err != nil {
				return err
			}
		}
		// An answer proves nothing to a new connection, which begins with hello.
		worked = worked || f.SeqReply == 0 || a.wake.connection != ""
		if err := a.frame(ctx, in, &f); err != nil {
			return err
		}
	}
}

// resumed reports whether the first frame of a connection shows that an earlier one goes on. Then what was said in
// between is read back, and no sooner: the server drops events, without a gap in their numbers, from when it stops to count the
// old connection until it counts the new one (checkConn and register in web_hub.go), which is after it let this one in.
func (a *adapter) resumed(f *frame) bool {
	return a.wake.connection != "" && (f.Event != model.WebsocketEventHello || f.Data.ConnectionID == a.wake.connection)
}

// dial connects, and asks for what was missed since the last connection, if the server still knows it.
func (a *adapter) dial(ctx context.Context) (*websocket.Conn, error) {
	address := "ws" + strings.TrimPrefix(a.api.APIURL, "http") + "/websocket"
	if a.wake.connection != "" {
		address += fmt.Sprintf("?connection_id=%s&sequence_number=%d", a.wake.connection, a.wake.next)
	}
	header := http.Header{"Authorization": {"Bearer " + a.cfg.Token.Reveal()}}
	conn, resp, err := websocket.Dial(ctx, address, &websocket.DialOptions{HTTPClient: a.env.HTTP, HTTPHeader: header}) //nolint:bodyclose // Dial has read it
	if err != nil {
		if resp != nil {
			return nil, fmt.Errorf("connect: %s answered %s instead of opening a WebSocket; a proxy must pass Upgrade on /api/v4/websocket", a.host, resp.Status)
		}
		return nil, fmt.Errorf("connect: no connection to %s", a.host)
	}
	conn.SetReadLimit(maxFrame)
	return conn, nil
}

// ping asks for a sign of life until ctx ends. The first ping proves that a resumed connection works, on
// which nothing else may come for long.
func (a *adapter) ping(ctx context.Context, conn *websocket.Conn) {
	tick := time.NewTicker(pingEach)
	defer tick.Stop()
	for n := 1; ; n++ {
		if err := conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"action":"ping","seq":%d}`, n)); err != nil {
			return // reading fails as well
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func read(ctx context.Context, conn *websocket.Conn, limit time.Duration) (frame, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_, b, err := conn.Read(ctx)
	if err != nil {
		return frame{}, errors.New("nothing more comes over the connection")
	}
	f, err := readFrame(b)
	if err != nil {
		return frame{}, errors.New("what came is no event")
	}
	return f, nil
}

// frame hears one frame: in its turn, or after what was lost before it.
func (a *adapter) frame(ctx context.Context, in bridge.Inbox, f *frame) error {
	switch {
	case f.Event == "":
		return nil // an answer
	case f.Event == model.WebsocketEventHello:
		if f.Data.ConnectionID == a.wake.connection {
			return nil
		}
		if err := a.catchUp(ctx, in); err != nil {
			return err
		}
		a.wake.connection, a.wake.next = f.Data.ConnectionID, f.Seq+1
		return nil
	case f.Seq < a.wake.next:
		return nil // heard before
	case f.Seq > a.wake.next:
		a.env.Log.Warn("events were lost; reading what was said", "lost", f.Seq-a.wake.next)
		if err := a.catchUp(ctx, in); err != nil {
			return err
		}
	}
	if err := a.event(ctx, in, f); err != nil {
		return err
	}
	a.wake.next = f.Seq + 1
	a.markPlace(ctx, false)
	return nil
}
