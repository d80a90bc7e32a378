package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"github.com/hutong-im/hutong/internal/config"
)

// startWait is how long a command waits for a gateway that has the data but does not answer yet.
const startWait = 5 * time.Second

// client speaks to the gateway: the one that runs, or one inside this process when none does.
type client struct {
	http  *http.Client
	conf  *config.Config
	live  bool // another process
	close func() error
}

// with connects, does, and leaves everything behind as it was.
func (a *app) with(ctx context.Context, do func(*client) error) error {
	c, err := config.Load(a.config, a.kinds)
	if err != nil {
		return err
	}
	gw, err := a.connect(ctx, c)
	if err != nil {
		return err
	}
	return errors.Join(do(gw), gw.close())
}

func (a *app) connect(ctx context.Context, c *config.Config) (*client, error) {
	deadline := time.Now().Add(startWait)
	for {
		if gw, err := dial(ctx, c); err == nil {
			return gw, nil
		}
		gw, err := a.inside(ctx, c)
		if !errors.Is(err, errHeld) {
			return gw, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%w and does not answer; if it is a gateway that starts or stops, try again in a moment", err)
		}
		select {
		case <-time.After(lockEvery):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func socketPath(c *config.Config) string { return filepath.Join(c.Gateway.Data, "control.sock") }

// dial reaches the gateway that runs.
func dial(ctx context.Context, c *config.Config) (*client, error) {
	var d net.Dialer
	first, err := d.DialContext(ctx, "unix", socketPath(c))
	if err != nil {
		return nil, err
	}
	_ = first.Close()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return d.DialContext(ctx, "unix", socketPath(c))
	}}
	return &client{http: &http.Client{Transport: transport}, conf: c, live: true, close: func() error {
		transport.CloseIdleConnections()
		return nil
	}}, nil
}

// inside opens the data in this process and serves the same handler over a pipe.
func (a *app) inside(ctx context.Context, c *config.Config) (*client, error) {
	log := slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if _, err := os.Stat(c.Gateway.Data); err != nil {
		return nil, fmt.Errorf("there is no data yet: %w (hutong run makes it)", err)
	}
	d, err := openData(ctx, c, dataOptions{log: log})
	if err != nil {
		return nil, err
	}
	o, err := openOffice(c, d, log, nil, nil)
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	pipe := newPipe()
	server := &http.Server{Handler: control{o}.handler(), ReadHeaderTimeout: headerWait}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(pipe); !errors.Is(err, http.ErrServerClosed) {
			log.Error("commands are not answered", "err", err)
		}
	}()
	transport := &http.Transport{DialContext: pipe.dial}
	return &client{http: &http.Client{Transport: transport}, conf: c, close: func() error {
		transport.CloseIdleConnections()
		err := server.Close()
		<-done
		return errors.Join(err, d.close())
	}}, nil
}

// do sends one command and reads its answer into v, if v is not nil.
func (c *client) do(ctx context.Context, method, path string, body, v any) error {
	res, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if v == nil {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(v); err != nil {
		return fmt.Errorf("read the gateway's answer: %w", err)
	}
	return nil
}

// stream sends one command and copies its answer. It fails, too, when the gateway failed on the way.
func (c *client) stream(ctx context.Context, method, path string, w io.Writer) error {
	res, err := c.send(ctx, method, path, nil)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(w, res.Body); err != nil {
		return fmt.Errorf("copy what the gateway sends: %w", err)
	}
	if text := res.Trailer.Get(errorTrailer); text != "" {
		return errors.New(text)
	}
	return nil
}

func (c *client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var r io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("write the command: %w", err)
		}
		r = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://gateway"+path, r)
	if err != nil {
		return nil, fmt.Errorf("write the command: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set(userHeader, userName())
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("speak to the gateway: %w", errors.Unwrap(err))
	}
	if res.StatusCode != http.StatusOK {
		defer func() { _ = res.Body.Close() }()
		return nil, refused(res)
	}
	return res, nil
}

// answered is a refusal of the gateway: its words, and the error that they stand for.
type answered struct {
	text string
	kind error
}

func (e *answered) Error() string { return e.text }
func (e *answered) Unwrap() error { return e.kind }

func refused(res *http.Response) error {
	var r refusal
	if err := json.NewDecoder(io.LimitReader(res.Body, maxCommand)).Decode(&r); err != nil || r.Text == "" {
		return fmt.Errorf("the gateway answers %s; is it of the same version as this command?", res.Status)
	}
	return &answered{r.Text, refusalKinds()[r.Kind]}
}

func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return os.Getenv("USER")
}
