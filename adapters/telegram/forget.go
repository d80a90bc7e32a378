package telegram

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hutong-im/hutong/bridge"
)

// What is kept of people, by its keys: connectionKey and metKey name a user, albumsOf, askedKey and halfPrefix a chat.

func metKey(user int64) string { return fmt.Sprintf("met/%d", user) }

func albumsOf(chat int64) string { return fmt.Sprintf("%s%d/", albumPrefix, chat) }

func halfPrefix(room bridge.RoomID) string { return "half/" + string(room) + "/" }

// Forget removes what is kept of somebody: that they were met, whose account the bot serves for them, albums that are
// not whole, questions that were not answered, and how far messages were sent.
func (a *adapter) Forget(ctx context.Context, t bridge.Traces) error {
	rooms := slices.Clone(t.Rooms)
	for _, u := range t.Users {
		owner, id, ok := splitRoom(bridge.RoomID(u))
		if !ok || owner != 0 {
			continue
		}
		if err := a.forgetUser(ctx, id); err != nil {
			return err
		}
		rooms = append(rooms, bridge.RoomID(u))
	}
	for _, r := range rooms {
		_, chat, ok := splitRoom(r)
		if !ok {
			continue
		}
		if err := a.forgetAlbums(ctx, chat); err != nil {
			return err
		}
		for _, prefix := range []string{askedKey(r, ""), halfPrefix(r)} {
			if err := a.drop(ctx, prefix); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *adapter) forgetUser(ctx context.Context, id int64) error {
	keys := []string{metKey(id)}
	if !a.member(userOf(id)) { // an employee has customers of their own, who stay
		keys = append(keys, connectionKey(id))
	}
	for _, key := range keys {
		if err := a.env.State.Delete(ctx, key); err != nil {
			return fmt.Errorf("forget a user: %w", err)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.owners, func(_ string, owner int64) bool { return owner == id })
	return nil
}

func (a *adapter) forgetAlbums(ctx context.Context, chat int64) error {
	a.albums.mu.Lock() // so that none is brought meanwhile
	defer a.albums.mu.Unlock()
	if err := a.drop(ctx, albumsOf(chat)); err != nil {
		return err
	}
	maps.DeleteFunc(a.albums.open, func(key string, _ *album) bool { return strings.HasPrefix(key, albumsOf(chat)) })
	return nil
}

// drop removes everything under a prefix.
func (a *adapter) drop(ctx context.Context, prefix string) error {
	for key, err := range bridge.Keys(ctx, a.env.State, prefix) {
		if err == nil {
			err = a.env.State.Delete(ctx, key)
		}
		if err != nil {
			return fmt.Errorf("forget a chat: %w", err)
		}
	}
	return nil
}
