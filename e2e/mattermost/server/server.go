package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Without is the environment variable that says that this machine shall do without Mattermost.
const Without = "HUTONG_E2E_NO_MATTERMOST"

// Server is a Mattermost that runs.
type Server struct {
	URL   string
	Admin *Client // of a system administrator

	dir  string
	home string // of the program
	port int
	pg   *postgres
	cmd  *exec.Cmd
}

const adminPassword = "an-admin-of-tests"

// Start builds what is not built yet and starts a server with an empty database.
func Start(ctx context.Context) (_ *Server, err error) {
	s := &Server{}
	if s.home, err = build(ctx); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "hutong-mm-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.pg, err = newPostgres(ctx); err != nil {
		return nil, err
	}
	if s.port, err = port(ctx); err != nil {
		return nil, err
	}
	s.URL = "http://127.0.0.1:" + strconv.Itoa(s.port)
	if err := s.configure(); err != nil {
		return nil, err
	}
	if err := s.Up(ctx); err != nil {
		return nil, err
	}
	return s, s.firstAdmin(ctx)
}

func port(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// configure writes the settings that differ from the server's own.
func (s *Server) configure() error {
	type m = map[string]any
	off := m{"Enable": false}
	b, err := json.Marshal(m{
		"ServiceSettings": m{
			"SiteURL": s.URL, "ListenAddress": "127.0.0.1:" + strconv.Itoa(s.port),
			"EnableBotAccountCreation": true, "EnableUserAccessTokens": true, "EnableCommands": true,
			"EnablePostUsernameOverride": true, "EnablePostIconOverride": true,
			// Buttons call the gateway, which is on this machine.
			"AllowedUntrustedInternalConnections": "127.0.0.1 localhost",
			"EnableSecurityFixAlert":              false, "EnableLinkPreviews": false, "MaximumLoginAttempts": 100000,
		},
		"TeamSettings":  m{"EnableOpenServer": true, "MaxUsersPerTeam": 100000, "MaxChannelsPerTeam": 1000000},
		"SqlSettings":   m{"DriverName": "postgres", "DataSource": s.pg.source(), "MaxIdleConns": 20, "MaxOpenConns": 80},
		"LogSettings":   m{"EnableConsole": false, "EnableFile": true, "FileLevel": "WARN", "FileLocation": s.dir, "EnableDiagnostics": false, "EnableSentry": false},
		"FileSettings":  m{"DriverName": "local", "Directory": filepath.Join(s.dir, "data") + "/"},
		"EmailSettings": m{"SendEmailNotifications": false, "SendPushNotifications": false, "SMTPServer": "127.0.0.1", "SMTPPort": "1"},
		"PasswordSettings": m{
			"MinimumLength": 8, "Lowercase": false, "Number": false, "Uppercase": false, "Symbol": false,
		},
		"RateLimitSettings": off, "PluginSettings": off,
		"NotificationLogSettings": m{"EnableConsole": false, "EnableFile": false},
		"AnnouncementSettings":    m{"AdminNoticesEnabled": false, "UserNoticesEnabled": false},
		"JobSettings":             m{"RunScheduler": false},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, "config.json"), b, 0o600)
}

// Up starts the server, and waits until it answers.
func (s *Server) Up(ctx context.Context) error {
	s.cmd = exec.Command(filepath.Join(s.home, "bin", "mattermost"), "server", "--config", filepath.Join(s.dir, "config.json")) //nolint:gosec,noctx // Down ends it
	s.cmd.Dir = s.home
	s.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TZ=UTC"} // any MM_ variable would win over the file
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start Mattermost: %w", err)
	}
	const patience = time.Minute
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/v4/system/ping", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return errors.New("Mattermost does not answer; see mattermost.log in " + s.dir)
		}
	}
}

// Down ends the server as an operator does, and waits until it is gone. Up starts it again.
func (s *Server) Down() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	hard := time.AfterFunc(10*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer hard.Stop()
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Close ends everything and forgets it.
func (s *Server) Close() {
	s.Down()
	if s.pg != nil {
		s.pg.stop()
	}
	_ = os.RemoveAll(s.dir)
}

// firstAdmin makes the first account, which is the system administrator's.
func (s *Server) firstAdmin(ctx context.Context) error {
	anyone := NewClient(s.URL, "")
	if _, err := anyone.Make(ctx, "/users", map[string]any{"username": "sysadmin", "email": "sysadmin@acme.example", "password": adminPassword}); err != nil {
		return fmt.Errorf("make the administrator: %w", err)
	}
	admin, err := s.Login(ctx, "sysadmin", adminPassword)
	s.Admin = admin
	return err
}

// Login gives a client of a person.
func (s *Server) Login(ctx context.Context, name, password string) (*Client, error) {
	c := NewClient(s.URL, "")
	var me struct {
		ID string `json:"id"`
	}
	head, err := c.call(ctx, http.MethodPost, "/users/login", map[string]any{"login_id": name, "password": password}, &me)
	if err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	c.token, c.ID = head.Get("Token"), me.ID
	return c, nil
}
