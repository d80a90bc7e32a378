package bridge_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/hutong-im/hutong/bridge"
)

func TestLoadAndKeep(t *testing.T) {
	store := newStore()
	kv := store.KV("adapter/x")
	type thing struct{ Name string }
	var got thing
	if known, err := bridge.Load(t.Context(), kv, "who/secret-id", &got); known || err != nil {
		t.Fatalf("before: %v, %v", known, err)
	}
	for _, name := range []string{"小红", "王小明"} {
		if err := bridge.Keep(t.Context(), kv, "who/secret-id", thing{name}); err != nil {
			t.Fatal(err)
		}
		if known, err := bridge.Load(t.Context(), kv, "who/secret-id", &got); !known || err != nil || got.Name != name {
			t.Errorf("after: %+v, %v, %v", got, known, err)
		}
	}
	if _, err := kv.Put(t.Context(), "who/secret-id", []byte("no JSON"), bridge.AnyRev); err != nil {
		t.Fatal(err)
	}
	known, damaged := bridge.Load(t.Context(), kv, "who/secret-id", &got)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	closed := bridge.Keep(t.Context(), kv, "who/secret-id", got)
	for what, err := range map[string]error{"damaged": damaged, "closed": closed, "no JSON": bridge.Keep(t.Context(), kv, "who/secret-id", func() {})} {
		if err == nil || strings.Contains(err.Error(), "secret-id") || !strings.Contains(err.Error(), "who") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if known || !errors.Is(closed, bridge.ErrClosed) {
		t.Errorf("damaged is known: %v; closed: %v", known, closed)
	}
}
