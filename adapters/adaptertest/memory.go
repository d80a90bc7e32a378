package adaptertest

import (
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/hutong-im/hutong/bridge"
)

// memory is a bridge.KV that lives as long as a check.
type memory struct {
	mu   sync.Mutex
	vals map[string][]byte
	revs map[string]uint64
	last uint64
}

func newMemory() *memory { return &memory{vals: map[string][]byte{}, revs: map[string]uint64{}} }

func (m *memory) Get(_ context.Context, key string) ([]byte, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.vals[key]
	if !ok {
		return nil, 0, bridge.ErrNotFound
	}
	return slices.Clone(v), m.revs[key], nil
}

func (m *memory) Put(_ context.Context, key string, val []byte, rev uint64) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if rev != bridge.AnyRev && rev != m.revs[key] {
		return 0, bridge.ErrStale
	}
	m.last++
	m.vals[key], m.revs[key] = slices.Clone(val), m.last
	return m.last, nil
}

func (m *memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.vals, key)
	delete(m.revs, key)
	return nil
}

func (m *memory) List(_ context.Context, prefix, after string, n int) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m.vals)) {
		if strings.HasPrefix(k, prefix) && k > after && len(out) < n {
			out = append(out, k)
		}
	}
	return out, nil
}

// all is everything that is kept.
func (m *memory) all() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make(map[string]string, len(m.vals))
	for k, v := range m.vals {
		out[k] = string(v)
	}
	return out
}

// nobody is a lobby that knows nobody.
type nobody struct{}

func (nobody) Company() bridge.Company  { return bridge.Company{Name: "ACME", Short: "ACME"} }
func (nobody) Members() []bridge.Member { return nil }
func (nobody) Commands() []string       { return nil }
func (nobody) Card(context.Context, bridge.CardID) (bridge.CardView, error) {
	return bridge.CardView{}, bridge.ErrNotFound
}

func (nobody) Verify(context.Context, string) (bridge.CardView, error) {
	return bridge.CardView{}, bridge.ErrNotFound
}

func (nobody) Rooms(context.Context, bridge.UserID) ([]bridge.RoomView, error) { return nil, nil }

func (nobody) Room(context.Context, bridge.UserID, bridge.RoomID) (bridge.RoomView, error) {
	return bridge.RoomView{}, bridge.ErrNotFound
}

func (nobody) History(context.Context, bridge.UserID, bridge.RoomID, bridge.MessageID, int) ([]bridge.Line, error) {
	return nil, bridge.ErrNotFound
}

func (nobody) Line(context.Context, bridge.UserID, bridge.RoomID, bridge.MsgID) (bridge.Line, error) {
	return bridge.Line{}, bridge.ErrNotFound
}

func (nobody) Keep(context.Context, string, string, io.Reader) (bridge.File, error) {
	return bridge.File{}, bridge.ErrRefused
}

func (nobody) OpenFile(context.Context, bridge.UserID, bridge.RoomID, bridge.MessageID, int) (bridge.File, io.ReadCloser, error) {
	return bridge.File{}, nil, bridge.ErrNotFound
}
