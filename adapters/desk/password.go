package desk

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/hutong-im/hutong/bridge"
)

// The parameters of argon2id are OWASP's second choice, which takes the least memory of those with
// t=2: https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
const (
	argonTime    = 2
	argonMemory  = 19 << 10 // KiB
	argonThreads = 1
	argonKey     = 32
	argonSalt    = 16
)

// maxHashing is how many passwords are checked at once: each takes argonMemory.
const maxHashing = 2

// The length of a password: OWASP asks for 8 at least with a second factor; there is none here. The
// upper bound keeps hashing cheap.
const (
	minPassword = 10
	maxPassword = 200
)

// account is what is kept of a member who sits at the desk.
type account struct {
	Hash string `json:"hash,omitempty"` // in PHC form
	Gen  int    `json:"gen"`            // counts passwords; sessions of older ones are over
}

const accountPrefix = "account/"

// account is the zero account when there is none yet.
func (d *Desk) account(ctx context.Context, u bridge.UserID) (account, error) {
	a, _, err := d.readAccount(ctx, u)
	return a, err
}

func (d *Desk) readAccount(ctx context.Context, u bridge.UserID) (a account, rev uint64, err error) {
	raw, rev, err := d.env.State.Get(ctx, accountPrefix+string(u))
	if errors.Is(err, bridge.ErrNotFound) {
		return account{}, 0, nil
	}
	if err != nil {
		return account{}, 0, fmt.Errorf("read the account: %w", err)
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return account{}, 0, fmt.Errorf("read the account: %w", err)
	}
	return a, rev, nil
}

// keepPassword sets a member's password, and ends all sessions that began with an older one.
func (d *Desk) keepPassword(ctx context.Context, u bridge.UserID, password string) (gen int, err error) {
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails: crypto/rand.Read aborts the program instead
	key, err := d.hash(ctx, password, salt)
	if err != nil {
		return 0, err
	}
	a, rev, err := d.readAccount(ctx, u)
	if err != nil {
		return 0, err
	}
	enc := base64.RawStdEncoding
	a.Hash = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		enc.EncodeToString(salt), enc.EncodeToString(key))
	a.Gen++
	raw, err := json.Marshal(a)
	if err != nil {
		return 0, fmt.Errorf("keep the account: %w", err)
	}
	if _, err := d.env.State.Put(ctx, accountPrefix+string(u), raw, rev); err != nil {
		return 0, fmt.Errorf("keep the account: %w", err)
	}
	return a.Gen, nil
}

// rightPassword reports whether the password is the member's. It takes as long when there is no such
// account, so that names cannot be found out.
func (d *Desk) rightPassword(ctx context.Context, a account, password string) (bool, error) {
	salt, want := make([]byte, argonSalt), make([]byte, argonKey)
	stored := a.Hash != ""
	if stored {
		parts := strings.Split(a.Hash, "$")
		var err1, err2 error
		if len(parts) == 6 {
			salt, err1 = base64.RawStdEncoding.DecodeString(parts[4])
			want, err2 = base64.RawStdEncoding.DecodeString(parts[5])
		}
		form := fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, argonMemory, argonTime, argonThreads)
		if err := errors.Join(err1, err2); err != nil || len(parts) != 6 || !strings.HasPrefix(a.Hash, form) {
			return false, errors.New("the stored password is not readable: make a new sign-in link for the member")
		}
	}
	got, err := d.hash(ctx, password, salt)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1 && stored, nil
}

// hash waits for its turn, so that a crowd of guesses cannot take the memory.
func (d *Desk) hash(ctx context.Context, password string, salt []byte) ([]byte, error) {
	select {
	case d.hashing <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-d.hashing }()
	return argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, argonKey), nil
}

// goodPassword names what is wrong with a new password, as a key of the page's words; "" is nothing.
func goodPassword(password, again string, u bridge.UserID) string {
	switch n := utf8.RuneCountInString(password); {
	case !utf8.ValidString(password), len(password) > maxPassword:
		return "password_long"
	case n < minPassword:
		return "password_short"
	case strings.EqualFold(password, string(u)), strings.Count(password, password[:1]) == len(password):
		return "password_plain"
	case password != again:
		return "password_differs"
	}
	return ""
}
