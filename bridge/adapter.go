package bridge

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"
)

// Adapter is one account on one network. Implementing an add-on interface of this file is declaring
// the ability; there are no flags beside it. All methods but Run may be called concurrently, for
// different rooms; for one room the core has at most one call in flight.
type Adapter interface {
	// Run hears, until ctx ends; then it returns ctx's error, with all its goroutines stopped. Any
	// other return is a failure: the supervisor says so and calls Run again after a pause.
	Run(ctx context.Context, in Inbox) error
	// Send says d in the room and returns what the network calls the message (an album has several
	// ids). An error carries its verdict: plain means that it did not arrive. Send may be called
	// while Run is not running.
	Send(ctx context.Context, to RoomID, d Draft) ([]MsgID, error)
	// Caps are the network's limits; constant for the life of the adapter.
	Caps() Caps
}

// Inbox is where an adapter brings what it hears.
type Inbox interface {
	// Receive returns nil once the event is stored durably (or was stored before, or is one that
	// nobody needs): only then tell the network that you have it. ErrRefused is an event that will
	// never be accepted: tell the network not to repeat it, and say why where that helps. Any other
	// error: the network, or the adapter, must bring it again.
	Receive(ctx context.Context, e Event) error
}

// Kind is a type of adapter; each adapter package exports one, listed in adapters.go.
type Kind struct {
	Name string
	// New makes a config with its defaults set.
	New func() Config
}

// Config is the settings of one adapter, decoded strictly from YAML by its `yaml` struct tags.
type Config interface {
	// Check names every problem: FieldErrors joined with errors.Join.
	Check() error
	// Open makes the adapter. It does not speak to the network: that is Run's work.
	Open(Env) (Adapter, error)
}

// Env is all that an adapter gets.
type Env struct {
	Name  string       // its name in config
	Log   *slog.Logger // carries the adapter's name
	HTTP  *http.Client // for the network; with time-outs
	State KV           // durable, its own
	Lobby Lobby        // for adapters with pages of their own
	Now   func() time.Time
}

// Draft is a message on its way out, already cut to fit the network's Caps.
type Draft struct {
	// Key is the same on every retry of the same part; a network that can dedupe is given it.
	Key string
	// As is who speaks. A network with Caps.Names shows it; for the others it is already in Text.
	As Label
	// Text is what to show, in the markup of Caps.Markup.
	Text    string
	Files   []Attachment
	ReplyTo MsgID
	// Quiet says that the reader does not want to be called: show it without a notification.
	Quiet bool
}

// Label is how a party is named to the other side.
type Label struct {
	Name   string // 王小明
	Text   string // 王小明 · 微信联系人
	Avatar string // the address of a picture that anybody may load, or ""
}

// TextUnit is what a network counts when it limits text.
type TextUnit uint8

// The units of text limits.
const (
	Runes TextUnit = iota
	Bytes
	UTF16
)

// Markup is how a network reads text.
type Markup uint8

// The markups. Plain shows every character as it is; the core takes CommonMark's signs away for it.
const (
	Plain Markup = iota
	CommonMark
)

// Window is what a network allows after a customer has written. The zero Window is no limit.
type Window struct {
	Open     time.Duration // how long after the customer's last message
	Messages int           // how many messages within it; 0 is any number
}

// Caps are a network's limits.
type Caps struct {
	MaxText  int      // in Count's unit, for one message; 0 is no limit
	Count    TextUnit // what MaxText counts
	MaxFile  int64    // bytes of one file; 0 is no files at all
	MaxFiles int      // files of one message; 0 is one
	Markup   Markup
	Window   Window
	Names    bool // the network shows Draft.As beside each message
	Dedupes  bool // a second Send with the same Key shows nothing twice
}

// Editor changes the text of a sent message.
type Editor interface {
	Edit(ctx context.Context, room RoomID, msg MsgID, d Draft) error
}

// Deleter takes a sent message back. A message that is already gone is no error.
type Deleter interface {
	Delete(ctx context.Context, room RoomID, msg MsgID) error
}

// Reactor puts an emoji on a message, or takes it away.
type Reactor interface {
	React(ctx context.Context, room RoomID, msg MsgID, emoji string, on bool) error
}

// Typer shows that the other side is writing, for a few seconds.
type Typer interface {
	Type(ctx context.Context, room RoomID) error
}

// Reader tells the network that the other side has read everything up to msg.
type Reader interface {
	MarkRead(ctx context.Context, room RoomID, msg MsgID) error
}

// Marker shows a writer what became of their own message msg.
type Marker interface {
	Mark(ctx context.Context, room RoomID, msg MsgID, f Fate) error
}

// Fate is what became of a message, for its writer.
type Fate struct {
	State  State
	User   UserID // the writer
	Reason string // for failed, unknown and held: why, and what can be done
	// Ask, if set, are buttons for what can be done. Its text is Reason; a network without buttons shows
	// the reason alone.
	Ask *Ask
}

// Opening is a wish for a room, and what there is to show in it of the contact.
type Opening struct {
	Key     string   // the same for the same link: opening twice gives the same room
	Members []UserID // who shall be in it
	Title   string   // the contact's name
	Label   Label    // who the other side is
	State   LinkState
	Remark  string   // the member's own words
	Tags    []string // the member's and the rules'
	Hello   string   // what the contact said with the request; untrusted
	Since   time.Time
	Window  string // what the contact's network allows now, in words; "" is no limit
}

// Opener makes, or finds, the room of a link. An adapter that shows every link in one room (an app's
// chat with an employee) returns that room each time; the core then labels and chooses.
type Opener interface {
	Open(ctx context.Context, o Opening) (RoomID, error)
}

// Updater brings what a room shows of its contact (title, label, remark, tags, window) and who is in it up
// to date. It is called when any of that has changed; with the same Opening twice it does nothing.
type Updater interface {
	Update(ctx context.Context, room RoomID, o Opening) error
}

// Hinter says something to one user alone in a room, with buttons if a has any. Where such words cannot have
// buttons or a picture, their text alone is shown, with the picture's address.
type Hinter interface {
	Hint(ctx context.Context, room RoomID, user UserID, a Ask) error
}

// Noticer asks the customer to write again, in a way that the network allows outside its window (a template).
// It is called once when something begins to wait for that, in the name of who speaks; a way that is not
// configured is no error.
type Noticer interface {
	Notice(ctx context.Context, room RoomID, as Label) error
}

// Asker shows a question with buttons. Without it the core asks in words.
type Asker interface {
	Ask(ctx context.Context, room RoomID, key string, a Ask) ([]MsgID, error)
}

// Fetcher reads a file that a message of this adapter brought by reference. The caller closes it,
// limits it, and may ask again.
type Fetcher interface {
	Fetch(ctx context.Context, f File) (io.ReadCloser, error)
}

// Finder looks in a room for the message that was sent with the key, after the answer was lost. No
// message is no error and no ids.
type Finder interface {
	Find(ctx context.Context, room RoomID, key string) ([]MsgID, error)
}

// Prober asks the network whether the account works. Its error says what a person must do.
type Prober interface {
	Probe(ctx context.Context) error
}

// Warner says what is missing but can be done without: one sentence each, for the operator, who reads it in
// /readyz. It must not ask the network.
type Warner interface {
	Warnings() []string
}

// Inviter makes the address behind a card's QR code on this network.
type Inviter interface {
	Invite(ctx context.Context, c CardID) (string, error)
}

// Entrance gives a member a way to sign in to the adapter's own pages, good for one use.
type Entrance interface {
	SignIn(ctx context.Context, u UserID) (string, error)
}

// Forgetter removes what it keeps itself of a contact who is erased. It must not need the network: what is shown
// there stays there. Forgetting twice is no error.
type Forgetter interface {
	Forget(ctx context.Context, t Traces) error
}

// Traces are what an adapter knows a contact by.
type Traces struct {
	Users []UserID // who they are on this network
	Rooms []RoomID // where they write, or are shown, and nobody else
	Keys  []string // Opening.Key of their links
}

// Hooked takes what a network calls; it is served at /hook/NAME.
type Hooked interface {
	Hook() http.Handler
}

// Page is an address that an adapter serves itself, as a pattern of net/http's ServeMux.
type Page struct {
	Pattern string
	Handler http.Handler
}

// Paged has pages of its own.
type Paged interface {
	Pages() []Page
}
