package wecom

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/hutong-im/hutong/bridge"
)

// book knows by which userid an account or a room goes now, where that is another: a mobile number, an e-mail
// address, or a userid that was changed.
type book struct {
	state bridge.KV

	mu     sync.Mutex
	users  map[string]string        // by account or room, in lower case
	rooms  map[string]bridge.RoomID // by userid, in lower case: of those who had another before
	loaded bool
}

const (
	userPrefix = "user/"
	roomPrefix = "room/"
)

func (b *book) load(ctx context.Context) error {
	if b.loaded {
		return nil
	}
	b.users, b.rooms = map[string]string{}, map[string]bridge.RoomID{}
	const page = 500
	for _, prefix := range []string{userPrefix, roomPrefix} {
		for after := ""; ; {
			keys, err := b.state.List(ctx, prefix, after, page)
			if err != nil {
				return fmt.Errorf("read the book of members: %w", err)
			}
			for _, k := range keys {
				v, _, err := b.state.Get(ctx, k)
				if err != nil {
					return fmt.Errorf("read the book of members: %w", err)
				}
				name := strings.TrimPrefix(k, prefix)
				if prefix == userPrefix {
					b.users[name] = string(v)
				} else {
					b.rooms[name] = bridge.RoomID(v)
				}
			}
			if len(keys) < page {
				break
			}
			after = keys[len(keys)-1]
		}
	}
	b.loaded = true
	return nil
}

// user is the userid of an account or a room.
func (b *book) user(ctx context.Context, account string) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.load(ctx); err != nil {
		return "", err
	}
	if u := b.users[strings.ToLower(account)]; u != "" {
		return u, nil
	}
	return account, nil
}

// room is the chat of a userid; it stays when the userid is changed.
func (b *book) room(ctx context.Context, userid string) (bridge.RoomID, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.load(ctx); err != nil {
		return "", err
	}
	if r := b.rooms[strings.ToLower(userid)]; r != "" {
		return r, nil
	}
	return bridge.RoomID(strings.ToLower(userid)), nil
}

// put notes the userid of an account.
func (b *book) put(ctx context.Context, account, userid string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.load(ctx); err != nil {
		return err
	}
	if _, err := b.state.Put(ctx, userPrefix+strings.ToLower(account), []byte(userid), bridge.AnyRev); err != nil {
		return fmt.Errorf("keep the userid: %w", err)
	}
	b.users[strings.ToLower(account)] = userid
	return nil
}

// rename notes that a member has another userid; the room and the account of the config stay.
func (b *book) rename(ctx context.Context, from, to string) error {
	room, err := b.room(ctx, from)
	if err != nil {
		return err
	}
	if err := b.put(ctx, from, to); err != nil {
		return err
	}
	if err := b.put(ctx, string(room), to); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for account, user := range b.users { // a mobile number that stood for the old one
		if strings.EqualFold(user, from) {
			if _, err := b.state.Put(ctx, userPrefix+account, []byte(to), bridge.AnyRev); err != nil {
				return fmt.Errorf("keep the userid: %w", err)
			}
			b.users[account] = to
		}
	}
	if _, err := b.state.Put(ctx, roomPrefix+strings.ToLower(to), []byte(room), bridge.AnyRev); err != nil {
		return fmt.Errorf("keep the room: %w", err)
	}
	b.rooms[strings.ToLower(to)] = room
	return nil
}
