package wechat

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

const (
	// maxLinked is the largest file that goes as a link, in bytes; the gateway's own limit counts too.
	maxLinked = 1 << 30
	// linkLife is how long such a link is good: as long as a temporary QR code.
	linkLife = 30 * 24 * time.Hour
	// linkSearch is how many lines of a conversation are looked through for a file, linkPage at a time.
	linkSearch = 5000
	linkPage   = 100
)

// What is sealed, so that one cannot be used for the other.
const (
	forMenu = "menu"
	forFile = "file"
)

// linker makes what comes back from outside: addresses of files, and buttons.
type linker struct {
	*adapter

	mu     sync.Mutex
	sealer cipher.AEAD
	once   sync.Once
	opened bool // customers can open the gateway's address
}

// public reports whether customers can open the gateway's address. It stays as it was found first, since
// Caps must not change.
func (l *linker) public() bool {
	l.once.Do(func() {
		u, err := url.Parse(l.env.Lobby.Company().URL)
		if err != nil || !webAddress(u.String()) {
			return
		}
		host := u.Hostname()
		if ip, err := netip.ParseAddr(host); err == nil {
			l.opened = httpx.Public(ip)
			return
		}
		l.opened = strings.Contains(host, ".") && !strings.HasSuffix(host, ".local") && !strings.HasSuffix(host, ".internal")
	})
	return l.opened
}

// linked is what stands sealed in a file's address.
type linked struct {
	User  bridge.UserID `json:"u"`
	Blob  string        `json:"b"` // SHA-256 of the content in hex, as in File.Blob
	Until int64         `json:"t"`
}

// link makes a message of a file that WeChat does not show: a card that leads to it.
func (a *adapter) link(ctx context.Context, to bridge.RoomID, f bridge.Attachment) (*message, error) {
	if !a.links.public() {
		return nil, bridge.Permanent(fmt.Errorf(a.words().noFile, f.Name))
	}
	blob, err := content(f)
	if err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	raw, err := json.Marshal(linked{bridge.UserID(to), blob, a.env.Now().Add(linkLife).Unix()})
	if err != nil {
		return nil, fmt.Errorf("make a link: %w", err)
	}
	token, err := a.links.seal(ctx, forFile, string(raw))
	if err != nil {
		return nil, err
	}
	c := article{
		Title: f.Name, Description: fmt.Sprintf(a.words().tapFile, sized(f.Size)),
		URL: a.env.Lobby.Company().URL + a.links.path() + token + "/" + url.PathEscape(f.Name),
	}
	return &message{To: to, Type: "news", News: &news{Articles: []article{c}}}, nil
}

// sized is a number of bytes for people.
func sized(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d KB", max(1, n>>10))
	}
	return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
}

// content reads a file to its end, so that no link is sent to one that cannot be read.
func content(f bridge.Attachment) (string, error) {
	r, err := f.Open()
	if err != nil {
		return "", err
	}
	defer func() { _ = r.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func (l *linker) path() string { return "/wechat/" + l.env.Name + "/file/" }

// Pages are the addresses of files.
func (a *adapter) Pages() []bridge.Page {
	return []bridge.Page{{Pattern: "GET " + a.links.path() + "{token}/{name}", Handler: http.HandlerFunc(a.links.serve)}}
}

func (l *linker) serve(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	var to linked
	raw, err := l.open(ctx, forFile, r.PathValue("token"))
	if err != nil || json.Unmarshal([]byte(raw), &to) != nil || l.env.Now().Unix() > to.Until {
		http.Error(w, l.words().linkOver, http.StatusNotFound)
		return
	}
	f, body, err := l.find(ctx, to)
	if errors.Is(err, bridge.ErrNotFound) {
		http.Error(w, l.words().linkOver, http.StatusNotFound)
		return
	}
	if err != nil {
		l.env.Log.ErrorContext(ctx, "a file behind a link could not be read", "err", err)
		http.Error(w, l.words().linkLater, http.StatusServiceUnavailable)
		return
	}
	defer func() { _ = body.Close() }()
	httpx.FileHeaders(w.Header(), f.Name, f.Type)
	if f.Size > 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(f.Size, 10))
	}
	_, _ = io.Copy(w, body) // the customer has gone; nobody is left to tell
}

// find looks for the file in what the customer has been sent: a recalled one is there no more.
func (l *linker) find(ctx context.Context, to linked) (bridge.File, io.ReadCloser, error) {
	room := bridge.RoomID(to.User)
	var before bridge.MessageID
	for looked := 0; looked < linkSearch; looked += linkPage {
		list, err := l.env.Lobby.History(ctx, to.User, room, before, linkPage)
		if err != nil {
			return bridge.File{}, nil, err
		}
		for _, line := range list {
			for i, f := range line.Files {
				if f.Blob == to.Blob {
					return l.env.Lobby.OpenFile(ctx, to.User, room, line.ID, i)
				}
			}
		}
		if len(list) < linkPage {
			break
		}
		before = list[0].ID // oldest first
	}
	return bridge.File{}, nil, bridge.ErrNotFound
}

// seal makes a text unreadable and impossible to make up, fit for an address.
func (l *linker) seal(ctx context.Context, use, text string) (string, error) {
	s, err := l.key(ctx)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(s.Seal(nil, nil, []byte(text), []byte(use))), nil //nolint:gosec // this AEAD makes its nonces itself
}

// open is the other way.
func (l *linker) open(ctx context.Context, use, sealed string) (string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return "", bridge.ErrRefused
	}
	s, err := l.key(ctx)
	if err != nil {
		return "", err
	}
	text, err := s.Open(nil, nil, raw, []byte(use))
	if err != nil {
		return "", bridge.ErrRefused
	}
	return string(text), nil
}

// key is made once, and kept.
func (l *linker) key(ctx context.Context) (cipher.AEAD, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sealer != nil {
		return l.sealer, nil
	}
	var key []byte
	found, err := bridge.Load(ctx, l.env.State, "key", &key)
	if err != nil {
		return nil, err
	}
	if !found {
		key = make([]byte, 32)
		_, _ = rand.Read(key) // never fails, says its comment
		if err := bridge.Keep(ctx, l.env.State, "key", key); err != nil {
			return nil, err
		}
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("the kept key: %w", err)
	}
	l.sealer, err = cipher.NewGCMWithRandomNonce(block)
	return l.sealer, err
}
