package bridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
)

// attach makes the message's files ready to send: fetched, within limits, of an allowed type. What
// cannot go is told in a line of text instead. ok is false when the result says how to go on.
func (j *job) attach(ctx context.Context) (out []Attachment, lines []string, r result, ok bool) {
	if len(j.record.Files) == 0 {
		return nil, nil, result{}, true
	}
	files := append([]File(nil), j.record.Files...)
	changed := false
	for i := range files {
		f := &files[i]
		if f.Blob == "" && f.Ref != "" {
			line, err := j.b.fetch(ctx, j.record.Room.Adapter, f)
			if err != nil {
				return nil, nil, j.judge(err, j.item.d.Sent, j.item.d.Parts), false
			}
			changed = changed || line == ""
			if line != "" {
				lines = append(lines, line)
				continue
			}
		}
		if f.Size > j.caps.MaxFile {
			lines = append(lines, fmt.Sprintf(j.words().fileTooLarge, f.Name, size(j.caps.MaxFile)))
			continue
		}
		out = append(out, Attachment{File: *f, Open: func() (io.ReadCloser, error) { return j.b.blobs.Open(f.Blob) }})
	}
	if changed {
		step := Step{At: j.set.Now(), Change: &Change{ID: j.record.ID, Files: files}}
		if _, err := j.b.commit(ctx, step); err != nil {
			return nil, nil, pending(fmt.Errorf("store the files: %w", err)), false
		}
	}
	return out, lines, result{}, true
}

// fetch brings a file from its network into the blobs. A line instead of an error: it will never come,
// and this is what to tell people.
func (b *Bridge) fetch(ctx context.Context, adapter string, f *File) (string, error) {
	set := b.set.Load()
	a, _, ok := b.adapter(adapter)
	if !ok {
		return "", fmt.Errorf("fetch a file: adapter %s is not there", adapter)
	}
	fetcher, ok := a.(Fetcher)
	if !ok {
		return fmt.Sprintf(set.words.fileGone, f.Name), nil
	}
	if f.Size > set.MaxFile {
		return fmt.Sprintf(set.words.fileTooLarge, f.Name, size(set.MaxFile)), nil
	}
	body, err := fetcher.Fetch(ctx, *f)
	if err != nil {
		if Judge(err).Verdict == VerdictPermanent {
			return fmt.Sprintf(set.words.fileGone, f.Name), nil
		}
		return "", fmt.Errorf("fetch a file: %w", err)
	}
	kept, err := b.keep(f.Name, f.Type, body)
	if cerr := body.Close(); err == nil {
		err = cerr
	}
	if no, ok := errors.AsType[*refusedFile](err); ok {
		return no.text, nil
	}
	if err != nil {
		return "", err
	}
	kept.Ref = f.Ref
	*f = kept
	return "", nil
}

// refusedFile is a file that may not pass; the text is for people.
type refusedFile struct{ text string }

func (e *refusedFile) Error() string { return e.text }
func (e *refusedFile) Unwrap() error { return ErrRefused }

// keep stores a file's bytes under the company's limits. The name becomes a plain one; the type is
// what the bytes look like where they and the network disagree.
func (b *Bridge) keep(name, typ string, r io.Reader) (File, error) {
	set := b.set.Load()
	f := File{Name: fileName(name)}
	head := make([]byte, sniffLen)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return File{}, fmt.Errorf("read a file: %w", err)
	}
	head = head[:n]
	f.Type = sniff(head, typ)
	if !set.allowFile(f.Type) {
		return File{}, &refusedFile{fmt.Sprintf(set.words.fileRefused, f.Name, f.Type)}
	}
	f.Blob, f.Size, err = b.blobs.Put(io.MultiReader(bytes.NewReader(head), r), set.MaxFile)
	if errors.Is(err, ErrTooLarge) {
		return File{}, &refusedFile{fmt.Sprintf(set.words.fileTooLarge, f.Name, size(set.MaxFile))}
	}
	if err != nil {
		return File{}, fmt.Errorf("keep a file: %w", err)
	}
	return f, nil
}

// sniffLen is what http.DetectContentType looks at.
const sniffLen = 512

// sniff is the file's type: what the bytes show of programs and pictures, else what was said of it.
func sniff(head []byte, said string) string {
	switch {
	case bytes.HasPrefix(head, []byte("MZ")):
		return "application/x-msdownload"
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		return "application/x-elf"
	case bytes.HasPrefix(head, []byte("#!AMR")): // voice: RFC 4867 section 5
		return "audio/amr"
	case bytes.HasPrefix(head, []byte("#!")):
		return "application/x-sh"
	}
	found := http.DetectContentType(head)
	said = strings.ToLower(strings.TrimSpace(said))
	switch {
	case strings.HasPrefix(found, "image/"):
		return found
	case strings.HasPrefix(said, "image/") && said != "image/svg+xml": // says picture, is none
		return found
	case said != "" && len(said) < 128:
		return said
	default:
		return found
	}
}

// fileName keeps the last part of a name, without what would make it a path or hide its ending.
func fileName(name string) string {
	name = path.Base(strings.ReplaceAll(Tidy(name, 200), "\\", "/"))
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/:*?"<>|`, r) {
			return '_'
		}
		return r
	}, name)
	if strings.Trim(name, ". ") == "" {
		return "file"
	}
	return name
}
