package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// The pages of the store cannot be seen, and what was seen may go.
func TestKeys(t *testing.T) {
	kv := newStore().KV("adapter/x")
	var want []string
	for i := range 1203 {
		want = append(want, fmt.Sprintf("a/%04d", i))
	}
	for _, k := range append([]string{"b/0"}, want...) {
		if err := bridge.Keep(t.Context(), kv, k, 1); err != nil {
			t.Fatal(err)
		}
	}
	for _, delete := range []bool{false, true} {
		var got []string
		for k, err := range bridge.Keys(t.Context(), kv, "a/") {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, k)
			if delete {
				if err := kv.Delete(t.Context(), k); err != nil {
					t.Fatal(err)
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("deleting %v: %d keys, want %d", delete, len(got), len(want))
		}
	}
	for k, err := range bridge.Keys(t.Context(), kv, "") {
		if k != "b/0" || err != nil {
			t.Errorf("left: %s, %v", k, err)
		}
		break
	}
	errs := 0
	for k, err := range bridge.Keys(t.Context(), broken{kv}, "who/secret-id") {
		if errs++; !errors.Is(err, errDisk) || k != "" || strings.Contains(err.Error(), "secret") {
			t.Errorf("a broken store: %s, %v", k, err)
		}
	}
	if errs != 1 {
		t.Errorf("a broken store says so %d times", errs)
	}
}

var errDisk = errors.New("the disk is gone")

// broken is a KV that lists nothing.
type broken struct{ bridge.KV }

func (broken) List(context.Context, string, string, int) ([]string, error) { return nil, errDisk }
