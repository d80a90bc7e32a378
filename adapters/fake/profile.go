package fake

import (
	"time"
	"unicode/utf8"

	"github.com/hutong-im/hutong/bridge"
)

// The profiles, each a type of adapter with its own set of add-ons.
const (
	// Full is a workspace or messenger that can do everything: it shows names, dedupes, and has every add-on.
	Full = "full"
	// Plain has the three methods of bridge.Adapter and nothing else; over HTTP it polls with a cursor.
	Plain = "plain"
	// Windowed is like WeChat: one account, 48 hours and 5 messages after the customer has written,
	// no edits, no keys.
	Windowed = "window"
	// Searchable has no keys, but can be searched for what was sent, edits and recalls.
	Searchable = "search"
)

// Profiles lists the profiles.
func Profiles() []string { return []string{Full, Plain, Windowed, Searchable} }

// ProfileCaps are a profile's limits; ok is false for a name that is none.
func ProfileCaps(profile string) (caps bridge.Caps, ok bool) {
	switch profile {
	case Full:
		return bridge.Caps{
			MaxText: 4000, Count: bridge.Runes, MaxFile: 8 << 20, MaxFiles: 10,
			Markup: bridge.CommonMark, Names: true, Dedupes: true,
		}, true
	case Plain: // as Telegram counts
		return bridge.Caps{MaxText: 4096, Count: bridge.UTF16}, true
	case Windowed: // as WeChat's customer service messages count, and its window
		return bridge.Caps{
			MaxText: 2048, Count: bridge.Bytes, MaxFile: 2 << 20,
			Window: bridge.Window{Open: 48 * time.Hour, Messages: 5},
		}, true
	case Searchable:
		return bridge.Caps{MaxText: 1000, Count: bridge.Runes, MaxFile: 1 << 20, Names: true}, true
	default:
		return bridge.Caps{}, false
	}
}

// count is the length of s as the network counts.
func count(s string, u bridge.TextUnit) int {
	switch u {
	case bridge.Bytes:
		return len(s)
	case bridge.UTF16:
		n := 0
		for _, r := range s {
			if n++; r > 0xFFFF {
				n++
			}
		}
		return n
	default:
		return utf8.RuneCountInString(s)
	}
}
