package httpx

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

func TestSigner(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := Signer{Key: []byte("k1")}
	body := []byte(`{"text":"你好"}`)
	good := s.Sign(now, body)
	for _, c := range []struct {
		name, header string
		body         []byte
		at           time.Time
		ok           bool
	}{
		{"good", good, body, now, true},
		{"four minutes later", good, body, now.Add(4 * time.Minute), true},
		{"their clock is ahead", good, body, now.Add(-4 * time.Minute), true},
		{"replayed", good, body, now.Add(6 * time.Minute), false},
		{"from the future", good, body, now.Add(-6 * time.Minute), false},
		{"other body", good, append([]byte(nil), "{}"...), now, false},
		{"other key", Signer{Key: []byte("k2")}.Sign(now, body), body, now, false},
		{"time changed", strings.Replace(good, "t=18", "t=19", 1), body, time.Unix(1_900_000_000, 0), false},
		{"cut", good[:len(good)-2], body, now, false},
		{"not hex", good[:len(good)-1] + "z", body, now, false},
		{"empty", "", body, now, false},
		{"no sum", "t=1800000000,v1=", body, now, false},
	} {
		err := s.Check(c.header, c.body, c.at)
		if (err == nil) != c.ok || (err != nil && !errors.Is(err, bridge.ErrRefused)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	var empty Signer
	if err := empty.Check(empty.Sign(now, body), body, now); err == nil {
		t.Error("an empty key signs")
	}
}

func FuzzSigner(f *testing.F) {
	s := Signer{Key: []byte("k")}
	f.Add("t=1,v1=00", []byte("x"))
	f.Add(s.Sign(time.Unix(1, 0), []byte("y")), []byte("x"))
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		at := time.Unix(1, 0)
		if err := s.Check(header, body, at); err == nil && !strings.EqualFold(header, s.Sign(at, body)) {
			t.Errorf("%q was taken for %q", header, body)
		}
	})
}
