package people

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// nameLimit bounds names in an export: a file name of 60 graphemes of 3 bytes fits every file system (255 bytes).
const nameLimit = 60

// conversation writes one link as Markdown, and the files that it mentions.
func (e *export) conversation(ctx context.Context, i int, l bridge.Link) error {
	var files []bridge.File
	w, err := e.to.Create(fmt.Sprintf("conversation-%02d.md", i+1))
	if err != nil {
		return err
	}
	member := e.memberName(l.Member)
	if _, err := fmt.Fprintf(w, "# %s — %s\n\n%s, %s\n", inline(e.contact.Name), inline(member), l.State, stamp(l.Since)); err != nil {
		return err
	}
	names := map[bridge.Side]string{bridge.ContactSide: e.contact.Name, bridge.MemberSide: member}
	for r, err := range e.said(ctx, l.ID) {
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, paragraph(r, names[r.Side])); err != nil {
			return err
		}
		files = append(files, r.Files...)
	}
	for _, f := range files {
		if err := e.file(f); err != nil {
			return err
		}
	}
	return nil
}

// paragraph is one message for people to read.
func paragraph(r bridge.Record, name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n**%s** %s", inline(name), stamp(r.At))
	for _, remark := range []struct {
		holds bool
		text  string
	}{
		{r.Note, "internal note"},
		{len(r.Edits) > 0, "edited"},
		{r.Recalled, "recalled"},
		{r.State == bridge.StateFailed || r.State == bridge.StateUnknown, string(r.State)},
	} {
		if remark.holds {
			fmt.Fprintf(&b, " (%s)", remark.text)
		}
	}
	b.WriteString("\n\n")
	if r.Text != "" {
		b.WriteString(strings.TrimRight(r.Text, "\n") + "\n")
	}
	for _, f := range r.Files {
		if p := pathOf(f); p != "" {
			fmt.Fprintf(&b, "- [%s](<%s>)\n", inline(f.Name), p)
		} else {
			fmt.Fprintf(&b, "- %s (not kept)\n", inline(f.Name))
		}
	}
	return b.String()
}

// file copies a blob into the export, once.
func (e *export) file(f bridge.File) error {
	name := pathOf(f)
	if name == "" || e.written[name] {
		return nil
	}
	e.written[name] = true
	r, err := e.blobs.Open(f.Blob)
	if errors.Is(err, bridge.ErrNotFound) {
		return nil // forgotten by age since the message was read
	}
	if err != nil {
		return fmt.Errorf("file %s: %w", f.Blob, err)
	}
	defer func() { _ = r.Close() }()
	w, err := e.to.Create(name)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, r); err != nil {
		return fmt.Errorf("file %s: %w", f.Blob, err)
	}
	return nil
}

// pathOf is where a file lies in an export: the same content under the same name once.
func pathOf(f bridge.File) string {
	if f.Blob == "" {
		return ""
	}
	return path.Join("files", f.Blob[:min(12, len(f.Blob))]+"-"+safeName(f.Name))
}

// safeName makes an untrusted name one that every file system takes, and that leads nowhere else.
func safeName(name string) string {
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|%`, r) || r < ' ' {
			return '_'
		}
		return r
	}, bridge.Tidy(name, nameLimit))
	name = strings.Trim(name, ". ")
	if name == "" {
		return "file"
	}
	return name
}

// inline keeps an untrusted name from being read as Markdown.
func inline(name string) string {
	var b strings.Builder
	for _, r := range bridge.Tidy(name, nameLimit) {
		if strings.ContainsRune("\\`*_{}[]()<>#!|~&", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func stamp(t time.Time) string { return t.Format("2006-01-02 15:04:05 MST") }
