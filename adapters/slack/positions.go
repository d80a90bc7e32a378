package slack

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/hutong-im/hutong/bridge"
)

// positions are up to where each place was heard, in µs. They are durable a little later: what was heard since comes
// twice after a crash, and is known by its id.
type positions struct {
	kv    bridge.KV
	mu    sync.Mutex // held while the store is written to, so that nothing that was forgotten comes back
	heard map[string]int64
	dirty map[string]bool // what is not kept yet
}

func newPositions(kv bridge.KV) *positions {
	return &positions{kv: kv, heard: map[string]int64{}, dirty: map[string]bool{}}
}

// load reads what is kept.
func (p *positions) load(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for k, err := range bridge.Keys(ctx, p.kv, readKey("")) {
		var ts string
		if err == nil {
			_, err = bridge.Load(ctx, p.kv, k, &ts)
		}
		if err != nil {
			return err
		}
		place := strings.TrimPrefix(k, readKey(""))
		p.heard[place] = max(p.heard[place], micros(ts))
	}
	return nil
}

// places are all of them, those that were spoken in last at the end.
func (p *positions) places() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.SortedFunc(maps.Keys(p.heard), func(a, b string) int { return cmp.Compare(p.heard[a], p.heard[b]) })
}

// of tells up to where a place was heard; false: it is none that is listened to.
func (p *positions) of(place string) (int64, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, known := p.heard[place]
	return at, known
}

// begin makes a place one that is listened to, durably, from a moment on. One that is already stays where it is.
func (p *positions) begin(ctx context.Context, place string, at int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.heard[place]; known {
		return nil
	}
	if err := keepFirst(ctx, p.kv, readKey(place), stampOf(at)); err != nil {
		return err
	}
	p.heard[place] = at
	return nil
}

// advance notes how far a place was heard, if it was not forgotten meanwhile.
func (p *positions) advance(place string, at int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if before, known := p.heard[place]; known && at > before {
		p.heard[place], p.dirty[place] = at, true
	}
}

// keep makes durable what is not.
func (p *positions) keep(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for place := range p.dirty {
		if err := bridge.Keep(ctx, p.kv, readKey(place), stampOf(p.heard[place])); err != nil {
			return err
		}
		delete(p.dirty, place)
	}
	return nil
}

// forget makes a place one that is not listened to.
func (p *positions) forget(ctx context.Context, place string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.heard, place)
	delete(p.dirty, place)
	return p.kv.Delete(ctx, readKey(place))
}

// Forget removes what is kept of a contact's rooms: who is shown there, and where they are and were before.
func (a *adapter) Forget(ctx context.Context, t bridge.Traces) error {
	rooms := slices.Clone(t.Rooms)
	for _, key := range t.Keys {
		var room bridge.RoomID
		known, err := bridge.Load(ctx, a.env.State, openKey(key), &room)
		if err != nil {
			return err
		}
		if known {
			rooms = append(rooms, room)
		}
	}
	for _, room := range rooms {
		if err := a.forgetRoom(ctx, room); err != nil {
			return fmt.Errorf("forget a room: %w", err)
		}
	}
	for _, key := range t.Keys { // they lead to the rooms, should any of that have failed
		if err := a.env.State.Delete(ctx, openKey(key)); err != nil {
			return fmt.Errorf("forget a link: %w", err)
		}
	}
	return nil
}

func (a *adapter) forgetRoom(ctx context.Context, room bridge.RoomID) error {
	r, _, _, err := a.where(ctx, room)
	if err != nil {
		return err
	}
	places := []string{string(room), r.Place}
	for k, err := range bridge.Keys(ctx, a.env.State, homeKey("")) {
		var of bridge.RoomID
		if err == nil {
			_, err = bridge.Load(ctx, a.env.State, k, &of)
		}
		if err != nil {
			return err
		}
		if of == room {
			places = append(places, strings.TrimPrefix(k, homeKey("")))
		}
	}
	for _, place := range places {
		if err := a.positions.forget(ctx, place); err != nil {
			return err
		}
		if err := a.env.State.Delete(ctx, homeKey(place)); err != nil {
			return err
		}
	}
	return a.env.State.Delete(ctx, roomKey(room))
}
