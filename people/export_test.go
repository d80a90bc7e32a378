package people

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/hutong-im/hutong/bridge"
)

// folder is a Sink in memory.
type folder map[string]*bytes.Buffer

func (f folder) Create(name string) (io.Writer, error) {
	if f[name] != nil {
		return nil, fmt.Errorf("%s is created twice", name)
	}
	f[name] = &bytes.Buffer{}
	return f[name], nil
}

// fill gives the contact 1 two links with more messages than a page, and another contact a shared file.
func (w *town) fill() (shared, own bridge.File) {
	shared, own = w.file("价目表.txt", "shared"), w.file("../../etc/passwd", "own")
	l1 := w.befriend(1, "王*小明*", "lilei")
	w.commit(bridge.Step{Links: []bridge.Link{{
		ID: l1 + 1, Member: "hanmeimei", Contact: 1, State: bridge.LinkEnded, Since: w.now, Remark: "VIP",
	}}})
	for i := range page + 5 {
		side := bridge.Side(i % 2)
		w.say(l1, bridge.Message{Side: side, Text: fmt.Sprintf("line %d", i)})
	}
	w.say(l1, bridge.Message{Side: bridge.ContactSide, Files: []bridge.File{shared, own, {Name: "lost.jpg", Ref: "x"}}})
	edited := w.say(l1+1, bridge.Message{Side: bridge.MemberSide, Text: "您好", Note: true, Files: []bridge.File{shared}})
	w.commit(bridge.Step{Change: &bridge.Change{ID: edited, Edit: &bridge.Edit{At: w.now, Text: "你好"}}})
	w.commit(bridge.Step{Deliveries: []bridge.Delivery{{
		Lane: bridge.LinkLane(l1, bridge.MemberSide), Kind: bridge.KindNotice, Link: l1, Text: "x", State: bridge.StatePending, At: w.now,
	}}})
	l2 := w.befriend(2, "小红", "lilei")
	w.say(l2, bridge.Message{Side: bridge.ContactSide, Text: "not yours", Files: []bridge.File{shared}})
	return shared, own
}

func TestExport(t *testing.T) {
	w := newTown(t)
	shared, own := w.fill()
	out := folder{}
	if err := w.Export(w.ctx, Operator("root"), 1, out); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"contact.json", "conversation-01.md", "conversation-02.md",
		"files/" + own.Blob[:12] + "-_.._etc_passwd", "files/" + shared.Blob[:12] + "-价目表.txt",
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(out)); !slices.Equal(got, want) {
		t.Errorf("files = %q, want %q", got, want)
	}
	var data struct {
		ID       string
		Name     string
		Links    []struct{ ID, Remark string }
		Messages []exportedMessage
	}
	if err := json.Unmarshal(out["contact.json"].Bytes(), &data); err != nil {
		t.Fatal(err)
	}
	if data.ID != "c1" || data.Name != "王*小明*" || len(data.Links) != 2 || len(data.Messages) != page+7 {
		t.Errorf("contact.json has id %s, name %s, %d links, %d messages", data.ID, data.Name, len(data.Links), len(data.Messages))
	}
	for i := range page + 5 {
		if m := data.Messages[i]; m.Text != fmt.Sprintf("line %d", i) || m.By != bridge.Side(i%2).String() {
			t.Fatalf("message %d = %+v; the order is that of the conversation", i, m)
		}
	}
	files := data.Messages[page+5].Files
	if len(files) != 3 || files[2].Path != "" || out[files[0].Path].String() != "shared" || out[files[1].Path].String() != "own" {
		t.Errorf("files = %+v", files)
	}
	talk := out["conversation-02.md"].String()
	for _, s := range []string{`王\*小明\* — 韩梅梅`, "ended", "(internal note) (edited)", "你好"} {
		if !strings.Contains(talk, s) {
			t.Errorf("conversation-02.md lacks %q:\n%s", s, talk)
		}
	}
	if all := out["conversation-01.md"].String() + talk; strings.Contains(all, "not yours") {
		t.Error("somebody else's words are in the export")
	}
	if trail := w.trail(); len(trail) != 1 || trail[0] != "command line (root) contact.export c1: 2 links" {
		t.Errorf("audit = %q", trail)
	}
}

func TestErase(t *testing.T) {
	w := newTown(t)
	shared, own := w.fill()
	op := Operator("root")
	w.stuck = errors.New("the disk is full")
	if _, err := w.Erase(w.ctx, op, 1, w.forget); !errors.Is(err, w.stuck) {
		t.Errorf("an adapter could not forget: %v", err)
	}
	w.stuck = nil
	want := Stock{Contact: 1, Name: "王*小明*", Links: 2, Messages: page + 7, Files: 4, Bytes: 6 + 3 + 6, Waiting: 1}
	if got, err := w.Stock(w.ctx, op, 1); err != nil || got != want {
		t.Errorf("stock = %+v, %v, want %+v", got, err, want)
	}
	if got, err := w.Erase(w.ctx, op, 1, w.forget); err != nil || got != want {
		t.Errorf("erased %+v, %v, want %+v", got, err, want)
	}
	if _, err := w.Stock(w.ctx, op, 1); !errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("still there: %v", err)
	}
	if want := []bridge.ContactID{1, 1}; !slices.Equal(w.forgot, want) {
		t.Errorf("the adapters were made to forget %v, want %v", w.forgot, want)
	}
	if _, err := w.blobs.Open(own.Blob); !errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("the contact's own file: %v", err)
	}
	if _, err := w.blobs.Open(shared.Blob); err != nil {
		t.Errorf("a file that somebody else has too: %v", err)
	}
	if got, err := w.Stock(w.ctx, op, 2); err != nil || got.Messages != 1 {
		t.Errorf("the other contact: %+v, %v", got, err)
	}
	trail := w.trail()
	if last := trail[len(trail)-1]; last != "command line (root) contact.erase c1: 2 links, 207 messages, 4 files" {
		t.Errorf("audit = %q", last)
	}
}

func TestSweepRemovesWhatWasNeverSent(t *testing.T) {
	w := newTown(t)
	shared, own := w.fill()
	orphan, _, err := w.blobs.Put(strings.NewReader("uploaded and forgotten"), 100)
	if err != nil {
		t.Fatal(err)
	}
	before := len(w.blobs.blobs)
	if _, err := w.Sweep(w.ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := w.blobs.Open(orphan); !errors.Is(err, bridge.ErrNotFound) || len(w.blobs.blobs) == before {
		t.Errorf("the orphan: %v", err)
	}
	for _, f := range []bridge.File{shared, own} {
		if _, err := w.blobs.Open(f.Blob); err != nil {
			t.Errorf("a file that was sent: %v", err)
		}
	}
}

func TestEraseSaysWhichFileStays(t *testing.T) {
	w := newTown(t)
	_, own := w.fill()
	w.blobs.broken = own.Blob
	if _, err := w.Erase(w.ctx, Operator("root"), 1, w.forget); err == nil || !strings.Contains(err.Error(), own.Blob) {
		t.Errorf("got %v", err)
	}
}

func TestOnlyOperatorsHaveAllOfAContact(t *testing.T) {
	w := newTown(t)
	w.fill()
	for _, by := range []Actor{AsMember("lilei"), {}} {
		if _, err := w.Stock(w.ctx, by, 1); !errors.Is(err, ErrForbidden) {
			t.Errorf("stock: %v", err)
		}
		if _, err := w.Erase(w.ctx, by, 1, w.forget); !errors.Is(err, ErrForbidden) {
			t.Errorf("erase: %v", err)
		}
		out := folder{}
		if err := w.Export(w.ctx, by, 1, out); !errors.Is(err, ErrForbidden) || len(out) > 0 {
			t.Errorf("export: %v, %d files", err, len(out))
		}
	}
	if trail := w.trail(); len(trail) > 0 || len(w.forgot) > 0 {
		t.Errorf("audit = %q, forgotten %v", trail, w.forgot)
	}
}

func FuzzSafeName(f *testing.F) {
	for _, s := range []string{"a.txt", "../../x", "..", "", "C:\\x", "a/b", "\x00", "\u202egpj.exe", strings.Repeat("长", 500), "/", "con?"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := safeName(name)
		if got == "" || got == "." || got == ".." || strings.ContainsAny(got, "/\\\x00:") || len(got) > 1000 ||
			path.Join("files", got) != "files/"+got {
			t.Errorf("safeName(%q) = %q", name, got)
		}
	})
}
