package wecom

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/hutong-im/hutong/bridge"
)

// WeCom has no idempotency key. It has a check that swallows a message whose body equals that of one of the last
// hours (https://developer.work.weixin.qq.com/document/path/90236). So that this makes retries harmless, and nothing
// else, a retry must have the same body, and two messages must not. The ledger remembers what was sent: a text that
// was sent to the room before, under another key, gets marks at its end that nobody sees; a file's retry is given the
// media_id of its first try.
const (
	checkSeconds = 14400 // the longest that the check remembers
	// sureFor is how long a retry is surely swallowed: less than the check remembers, for clocks that differ.
	sureFor = checkSeconds*time.Second - 5*time.Minute
	// keptDays is how long the ledger remembers, for quotes and for messages that waited.
	keptDays = 7
	// headRunes is how much of a text it is found by: clients shorten what is quoted.
	headRunes = 30
)

// errForgotten is a message whose answer was lost so long ago that a repetition would be shown.
var errForgotten = errors.New("it was sent hours ago and the answer was lost; it is not known whether it arrived")

// line is one message of a room.
type line struct {
	Key   string       `json:"k,omitempty"` // "" is the member's own
	Sum   string       `json:"s"`           // of the whole content
	Marks int          `json:"n,omitempty"` // how many equal ones were before it
	At    time.Time    `json:"t"`
	Media string       `json:"m,omitempty"`
	ID    bridge.MsgID `json:"i,omitempty"` // once it is known
}

// ledger is what was said in each room, a page for all texts that begin alike on one day.
type ledger struct {
	state        bridge.KV
	swallows     bool // WeCom's check is on
	now          func() time.Time
	minute, hour int

	mu      sync.Mutex
	budgets map[bridge.RoomID]*budget
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:12])
}

// unmarked is a text without the marks, and with one space for many, as clients may quote it.
func unmarked(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

// head is what a text is found by.
func head(text string) string {
	runes := []rune(unmarked(text))
	return digest(string(runes[:min(len(runes), headRunes)]))
}

const ledgerPrefix = "said/"

func day(t time.Time) string { return t.UTC().Format("20060102") }

func pageKey(day string, room bridge.RoomID, head string) string {
	return ledgerPrefix + day + "/" + url.PathEscape(string(room)) + "/" + head
}

func (l *ledger) page(ctx context.Context, key string) ([]line, error) {
	raw, _, err := l.state.Get(ctx, key)
	if errors.Is(err, bridge.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	var out []line
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	return out, nil
}

func (l *ledger) save(ctx context.Context, key string, page []line) error {
	raw, err := json.Marshal(page)
	if err == nil {
		_, err = l.state.Put(ctx, key, raw, bridge.AnyRev)
	}
	if err != nil {
		return fmt.Errorf("keep the ledger: %w", err)
	}
	return nil
}

// entry is a line and where it stands.
type entry struct {
	line
	page string
}

// days are the days that the ledger remembers, today first.
func (l *ledger) days() []string {
	out := make([]string, 0, keptDays)
	for i := range keptDays {
		out = append(out, day(l.now().AddDate(0, 0, -i)))
	}
	return out
}

// enter notes durably that a text is about to be sent under a key, or finds that it was.
func (l *ledger) enter(ctx context.Context, room bridge.RoomID, key, text string) (entry, error) {
	now, sum, first := l.now(), digest(text), head(text)
	marks := 0
	for _, d := range l.days() {
		at := pageKey(d, room, first)
		page, err := l.page(ctx, at)
		if err != nil {
			return entry{}, err
		}
		for _, e := range page {
			age := now.Sub(e.At)
			switch {
			case e.Key == key && e.ID == "" && age > sureFor && l.swallows:
				// A person who sends it again after this wants it sent.
				return entry{}, errors.Join(bridge.Permanent(errForgotten), l.drop(ctx, entry{e, at}))
			case e.Key == key:
				return entry{e, at}, nil
			case e.Key != "" && e.Sum == sum && age <= checkSeconds*time.Second:
				marks = max(marks, e.Marks+1)
			}
		}
	}
	at := pageKey(day(now), room, first)
	e := entry{line{Key: key, Sum: sum, Marks: marks, At: now}, at}
	return e, l.change(ctx, e)
}

// change writes an entry over the one with its key; an entry without a sum is taken away.
func (l *ledger) change(ctx context.Context, e entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	page, err := l.page(ctx, e.page)
	if err != nil {
		return err
	}
	now := l.now()
	page = slices.DeleteFunc(page, func(x line) bool {
		// Of what was said over and over, the newest is enough; the last hour is kept for the count.
		old := x.ID != "" && x.Sum == e.Sum && (x.Key == "" || now.Sub(x.At) > time.Hour)
		return old || x.Key == e.Key && (x.Key != "" || x.ID == e.ID)
	})
	if e.Sum != "" {
		page = append(page, e.line)
	}
	return l.save(ctx, e.page, page)
}

// drop takes away what certainly did not arrive.
func (l *ledger) drop(ctx context.Context, e entry) error {
	e.Sum = ""
	return l.change(ctx, e)
}

// spoil notes that a message did not arrive although WeCom took its body: the check knows that body now, so that the
// next try needs another one.
func (l *ledger) spoil(ctx context.Context, e entry) error {
	spoilt := e
	spoilt.Key = "spoilt " + e.Key + strings.Repeat("+", e.Marks)
	return errors.Join(l.drop(ctx, e), l.change(ctx, spoilt))
}

// heard notes what the member said, to be found when it is quoted.
func (l *ledger) heard(ctx context.Context, room bridge.RoomID, text string, id bridge.MsgID) error {
	now := l.now()
	return l.change(ctx, entry{line{Sum: digest(text), At: now, ID: id}, pageKey(day(now), room, head(text))})
}

// find looks for the newest message of a room that reads like a quote.
func (l *ledger) find(ctx context.Context, room bridge.RoomID, quoted string) (bridge.MsgID, error) {
	want := unmarked(quoted)
	if want == "" {
		return "", nil
	}
	for _, d := range l.days() {
		page, err := l.page(ctx, pageKey(d, room, head(quoted)))
		if err != nil {
			return "", err
		}
		for _, e := range slices.Backward(page) {
			if e.ID != "" {
				return e.ID, nil
			}
		}
	}
	return "", nil
}

// sweep forgets the days that are over.
func (l *ledger) sweep(ctx context.Context) error {
	const some = 500
	oldest := ledgerPrefix + day(l.now().AddDate(0, 0, 1-keptDays))
	for {
		keys, err := l.state.List(ctx, ledgerPrefix, "", some)
		if err != nil {
			return fmt.Errorf("list the ledger: %w", err)
		}
		for _, k := range keys {
			if k >= oldest {
				return nil
			}
			if err := l.state.Delete(ctx, k); err != nil {
				return fmt.Errorf("sweep the ledger: %w", err)
			}
		}
		if len(keys) < some {
			return nil
		}
	}
}

// The marks are a number in binary, written with two characters that have no width and are no white space: 3 bytes each.
const (
	markZero = "\u200b"
	markOne  = "\u2060"
)

// marked is the text as it is sent when n equal ones were sent before it.
func marked(text string, n int) string {
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			text += markOne
		} else {
			text += markZero
		}
	}
	return text
}

// budget is when a room was sent messages, within the last hour, oldest first.
type budget struct{ sent []time.Time }

// afford says how long a room must wait for its next message: WeCom drops what is too much without a word.
func (l *ledger) afford(ctx context.Context, room bridge.RoomID) (time.Duration, error) {
	l.mu.Lock()
	b, known := l.budgets[room]
	l.mu.Unlock()
	if !known {
		var err error
		if b, err = l.count(ctx, room); err != nil {
			return 0, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if have := l.budgets[room]; have != nil {
		b = have
	}
	l.budgets[room] = b
	now := l.now()
	b.sent = slices.DeleteFunc(b.sent, func(t time.Time) bool { return now.Sub(t) >= time.Hour })
	var wait time.Duration
	if n := len(b.sent) - l.hour; n >= 0 {
		wait = time.Hour - now.Sub(b.sent[n])
	}
	if n := len(b.sent) - l.minute; n >= 0 {
		wait = max(wait, time.Minute-now.Sub(b.sent[n]))
	}
	return wait, nil
}

// spend notes that a message went out.
func (l *ledger) spend(room bridge.RoomID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.budgets[room]; b != nil {
		b.sent = append(b.sent, l.now())
	}
}

// count reads what the process before this one has sent to a room within the hour.
func (l *ledger) count(ctx context.Context, room bridge.RoomID) (*budget, error) {
	const most = 4000 // four times what a member gets in an hour
	b := &budget{}
	now := l.now()
	for _, d := range slices.Compact([]string{day(now.Add(-time.Hour)), day(now)}) {
		keys, err := l.state.List(ctx, pageKey(d, room, ""), "", most)
		if err != nil {
			return nil, fmt.Errorf("list the ledger: %w", err)
		}
		for _, k := range keys {
			page, err := l.page(ctx, k)
			if err != nil {
				return nil, err
			}
			for _, e := range page {
				if e.Key != "" && now.Sub(e.At) < time.Hour {
					b.sent = append(b.sent, e.At)
				}
			}
		}
	}
	slices.SortFunc(b.sent, time.Time.Compare)
	return b, nil
}
