package browser

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// uploadLife is how long an upload may wait for its message: a page that is offline over a weekend
// still sends it.
const uploadLife = 7 * 24 * time.Hour

// upload keeps a file for a message that is about to be posted. The answer is a token that only this
// user can put into a message: a file's name in the store is no permission to read it.
func (c *Chat) upload(w http.ResponseWriter, r *http.Request, u bridge.UserID) error {
	if err := c.permit(c.kept, u); err != nil {
		return err
	}
	if r.ContentLength > c.opts.MaxFile {
		return fmt.Errorf("the file: %w", bridge.ErrTooLarge)
	}
	name := bridge.Tidy(r.URL.Query().Get("name"), 120)
	if name == "" {
		name = "file"
	}
	typ := r.Header.Get("Content-Type")
	if typ == "" || len(typ) > 120 {
		typ = "application/octet-stream"
	}
	f, err := c.lobby.Keep(r.Context(), name, typ, http.MaxBytesReader(w, r.Body, c.opts.MaxFile))
	if err != nil {
		return err
	}
	token, err := c.sealToken(r.Context(), f, u)
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, struct {
		Token string `json:"token"`
		fileView
	}{token, fileView{Name: f.Name, Type: f.Type, Size: f.Size}})
	return nil
}

// file serves the i-th file of a message.
func (c *Chat) file(w http.ResponseWriter, r *http.Request, u bridge.UserID) error {
	q := r.URL.Query()
	id, ok := bridge.ParseID('m', q.Get("id"))
	i, err := strconv.Atoi(q.Get("i"))
	if !ok || err != nil || i < 0 || i > 1000 {
		return refuse("the file's address is malformed")
	}
	f, body, err := c.lobby.OpenFile(r.Context(), u, bridge.RoomID(q.Get("room")), bridge.MessageID(id), i)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // read only: nothing to lose
	httpx.FileHeaders(w.Header(), f.Name, f.Type)
	if q.Has("save") {
		httpx.FileHeaders(w.Header(), f.Name, "")
	}
	if f.Size > 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(f.Size, 10))
	}
	_, _ = io.Copy(w, body) // the page is gone or sees a short file; the headers are out
	return nil
}

// uploadKey signs the tokens of uploads; it is made once and kept in the adapter's state.
type uploadKey struct {
	mu  sync.Mutex
	key []byte
}

func (k *uploadKey) get(ctx context.Context, kv bridge.KV) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key != nil {
		return k.key, nil
	}
	key, _, err := kv.Get(ctx, "key/upload")
	if errors.Is(err, bridge.ErrNotFound) {
		key = make([]byte, 32) // as HMAC-SHA256 takes
		_, _ = rand.Read(key)  // never fails: crypto/rand.Read aborts the program instead
		if _, err = kv.Put(ctx, "key/upload", key, 0); errors.Is(err, bridge.ErrStale) {
			key, _, err = kv.Get(ctx, "key/upload") // somebody else was quicker
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the key of uploads: %w", err)
	}
	k.key = key
	return key, nil
}

// sealed is what a token carries.
type sealed struct {
	User bridge.UserID `json:"u"`
	File bridge.File   `json:"f"`
	Ends int64         `json:"e"` // Unix seconds
}

func (c *Chat) sealToken(ctx context.Context, f bridge.File, u bridge.UserID) (string, error) {
	key, err := c.key.get(ctx, c.env.State)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(sealed{User: u, File: f, Ends: c.now().Add(uploadLife).Unix()})
	if err != nil {
		return "", fmt.Errorf("seal an upload: %w", err)
	}
	first := base64.RawURLEncoding.EncodeToString(body)
	return first + "." + sum(key, first), nil
}

func (c *Chat) openToken(token string, u bridge.UserID) (bridge.File, error) {
	var s sealed
	bad := refuse("the file was not uploaded here, or too long ago: choose it again")
	key, err := c.key.get(context.Background(), c.env.State)
	if err != nil {
		return s.File, err
	}
	first, second, _ := strings.Cut(token, ".")
	if !hmac.Equal([]byte(second), []byte(sum(key, first))) {
		return bridge.File{}, bad
	}
	body, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil || json.Unmarshal(body, &s) != nil {
		return bridge.File{}, bad
	}
	if s.User != u || c.now().Unix() > s.Ends {
		return bridge.File{}, bad
	}
	return s.File, nil
}

func sum(key []byte, body string) string {
	h := hmac.New(sha256.New, key)
	_, _ = io.WriteString(h, body) // a hash never fails
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
