package adaptertest

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing/iotest"

	"github.com/hutong-im/hutong/bridge"
)

func fileChecks() []Check {
	return []Check{
		{"files/heard", checkHeardFile},
		{"files/said", checkSaidFile},
		{"files/several", checkFiles},
		{"files/too large", checkLargeFile},
		{"files/broken", checkBrokenFile},
	}
}

func checkHeardFile(r *rig) {
	r.start()
	room, user := r.net.Room()
	data := bytes.Repeat([]byte("中文 content\x00\xff"), 500)
	text := r.text()
	id := r.do(Act{Verb: Say, Room: room, User: user, Text: text, Files: []Upload{{Name: "报告 1.txt", Type: "text/plain", Data: data}}})
	var got bridge.MessageEvent
	if id != "" {
		got = r.awaitMsg(room, id)
	} else {
		got = r.awaitText(room, text)
	}
	if len(got.Files) != 1 {
		r.Fatalf("heard %d files, want 1: %+v", len(got.Files), got)
	}
	f := got.Files[0]
	if f.Name != "" && f.Name != "报告 1.txt" {
		r.Errorf("the file is called %q", f.Name)
	}
	if f.Size != 0 && f.Size != int64(len(data)) {
		r.Errorf("the file has %d bytes, want %d or 0", f.Size, len(data))
	}
	if f.Blob != "" {
		return // the adapter has kept it in the gateway's deposit
	}
	fetcher, ok := r.adapter.(bridge.Fetcher)
	if !ok {
		r.Fatalf("files come by reference, but the adapter is no Fetcher")
	}
	for range 2 { // the caller may ask again
		if content := r.fetch(fetcher, f); !bytes.Equal(content, data) {
			r.Errorf("fetched %d bytes, want the %d that were sent", len(content), len(data))
		}
	}
	rd, err := fetcher.Fetch(r.ctx(), bridge.File{Name: "x", Ref: "no-such-file"})
	r.note(err)
	if err == nil {
		_, err = io.ReadAll(rd)
		_ = rd.Close()
	}
	if err == nil {
		r.Errorf("a file that is not there is fetched")
	}
}

func (r *rig) fetch(f bridge.Fetcher, file bridge.File) []byte {
	r.Helper()
	rd, err := f.Fetch(r.ctx(), file)
	r.note(err)
	if err != nil {
		r.Fatalf("fetch: %v", err)
	}
	data, err := io.ReadAll(rd)
	if err = errors.Join(err, rd.Close()); err != nil {
		r.note(err)
		r.Fatalf("fetch: %v", err)
	}
	return data
}

// attach makes an attachment of some bytes.
func attach(name string, data []byte) bridge.Attachment {
	return bridge.Attachment{
		File: bridge.File{Name: name, Type: "text/plain", Size: int64(len(data))},
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
	}
}

func checkSaidFile(r *rig) {
	if r.adapter.Caps().MaxFile == 0 {
		r.Skipf("the network takes no files")
	}
	room, _ := r.ready()
	data := bytes.Repeat([]byte("中文 content\x00\xff"), 50)
	r.send(room, bridge.Draft{Key: "key-" + r.text(), Text: r.text(), Files: []bridge.Attachment{attach("报告 1.txt", data)}})
	r.eventually(room, "the file must be shown", func(v View) bool {
		return slices.ContainsFunc(v.mine(), func(l Line) bool {
			return slices.ContainsFunc(l.Files, func(f Upload) bool { return f.Name == "报告 1.txt" && bytes.Equal(f.Data, data) })
		})
	})
	r.send(room, bridge.Draft{Key: "key-" + r.text(), Files: []bridge.Attachment{attach("alone.txt", data)}})
	r.eventually(room, "a file without text must be shown", func(v View) bool {
		return slices.ContainsFunc(v.mine(), func(l Line) bool {
			return slices.ContainsFunc(l.Files, func(f Upload) bool { return f.Name == "alone.txt" })
		})
	})
}

func checkFiles(r *rig) {
	n := min(r.adapter.Caps().MaxFiles, 3)
	if n < 2 || r.adapter.Caps().MaxFile == 0 {
		r.Skipf("the network takes one file at a time")
	}
	room, _ := r.ready()
	var files []bridge.Attachment
	for i := range n {
		files = append(files, attach(strings.Repeat("x", i+1)+".txt", []byte{byte('0' + i)}))
	}
	r.send(room, bridge.Draft{Key: "key-" + r.text(), Text: r.text(), Files: files})
	r.eventually(room, "all files must be shown", func(v View) bool {
		sum := 0
		for _, l := range v.mine() {
			sum += len(l.Files)
		}
		return sum == n
	})
}

func checkLargeFile(r *rig) {
	limit := r.adapter.Caps().MaxFile
	if limit == 0 {
		r.Skipf("the network takes no files")
	}
	if limit > 16<<20 {
		r.Skipf("a file of more than %d bytes is too large for a test", limit)
	}
	room, _ := r.ready()
	_, err := r.try(r.ctx(), room, bridge.Draft{Key: "key-" + r.text(), Files: []bridge.Attachment{attach("big.txt", make([]byte, limit+1))}})
	if v := bridge.Judge(err).Verdict; v != bridge.VerdictPermanent {
		r.Errorf("a file over the limit: verdict %s (%v), want permanent", verdict(v), err)
	}
	if got := r.net.View(room).mine(); len(got) > 0 {
		r.Errorf("something is shown: %d messages", len(got))
	}
}

var errDisk = errors.New("the disk is broken")

// A file that cannot be read is not sent, not even its first half.
func checkBrokenFile(r *rig) {
	if r.adapter.Caps().MaxFile == 0 {
		r.Skipf("the network takes no files")
	}
	room, user := r.ready()
	for name, open := range map[string]func() (io.ReadCloser, error){
		"open": func() (io.ReadCloser, error) { return nil, errDisk },
		"read": func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader("half"), iotest.ErrReader(errDisk))), nil
		},
	} {
		f := bridge.Attachment{File: bridge.File{Name: name, Type: "text/plain", Size: 8}, Open: open}
		_, err := r.try(r.ctx(), room, bridge.Draft{Key: "key-" + r.text(), Files: []bridge.Attachment{f}})
		if v := bridge.Judge(err).Verdict; v != bridge.VerdictRetry && v != bridge.VerdictUnsure {
			r.Errorf("%s fails: verdict %s (%v), want retry", name, verdict(v), err)
		}
	}
	r.flush(room, user)
	if got := r.net.View(room).mine(); len(got) > 0 {
		r.Errorf("half a file is shown: %+v", got)
	}
}
