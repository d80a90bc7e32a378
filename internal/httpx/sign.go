package httpx

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// Signer signs what one party calls at the other, and checks it: HMAC-SHA256 over the time, a dot and
// the body, written as "t=UNIX,v1=HEX". The time bounds replays: what is older, or further ahead, than
// Window is refused, and within it the events' own ids keep anything from happening twice.
type Signer struct {
	Key    []byte
	Window time.Duration // 0 is 5 minutes
}

// Sign makes the signature's header.
func (s Signer) Sign(at time.Time, body []byte) string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	return "t=" + stamp + ",v1=" + hex.EncodeToString(s.mac(stamp, body))
}

// Check reads the header that Sign made. The error is bridge.ErrRefused, does not say which byte was
// wrong, and takes the same time whichever it was.
func (s Signer) Check(header string, body []byte, now time.Time) error {
	rest, ok := strings.CutPrefix(header, "t=")
	stamp, sum, ok2 := strings.Cut(rest, ",v1=")
	unix, err := strconv.ParseInt(stamp, 10, 64)
	if !ok || !ok2 || err != nil || len(s.Key) == 0 {
		return fmt.Errorf("no signature: %w", bridge.ErrRefused)
	}
	got, err := hex.DecodeString(sum)
	if err != nil || !hmac.Equal(got, s.mac(stamp, body)) {
		return fmt.Errorf("wrong signature: %w", bridge.ErrRefused)
	}
	window := s.Window
	if window <= 0 {
		window = 5 * time.Minute
	}
	if age := now.Sub(time.Unix(unix, 0)); age > window || age < -window {
		return fmt.Errorf("signed too long ago or in the future; check both clocks: %w", bridge.ErrRefused)
	}
	return nil
}

func (s Signer) mac(stamp string, body []byte) []byte {
	h := hmac.New(sha256.New, s.Key)
	h.Write([]byte(stamp + "."))
	h.Write(body)
	return h.Sum(nil)
}
