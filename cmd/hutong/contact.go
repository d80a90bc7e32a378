package main

import (
	"archive/zip"
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func (a *app) contactCommand() *cobra.Command {
	return group("contact", "contacts: give out or remove all that is kept of a customer", a.contactExport(), a.contactErase())
}

func (a *app) contactExport() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "export CONTACT", Short: "write all that is kept of a contact into a folder or a zip file", Args: exactly("CONTACT"),
		Long: `Write all that is kept of a contact: contact.json for machines, a Markdown file for each
conversation, and the files that were sent. The export is written down in the audit log.`,
		Example: "  hutong contact export c1abc2def --out wang.zip",
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				out = "contact-" + filepath.Base(args[0])
			}
			if _, err := os.Lstat(out); err == nil {
				return usage("%s is there already; name another one with --out", out)
			}
			return a.with(cmd.Context(), func(gw *client) error { return a.export(cmd, gw, args[0], out) })
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "", "the new folder, or the new `FILE.zip` (default contact-CONTACT)")
	return c
}

func (a *app) export(cmd *cobra.Command, gw *client, id, out string) (err error) {
	path := "/contacts/" + url.PathEscape(id)
	var stock stockView
	if err := gw.do(cmd.Context(), http.MethodGet, path, nil, &stock); err != nil {
		return err
	}
	part, err := os.OpenFile(out+".part", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // whoever types the command chooses the file
	if err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	defer func() { err = errors.Join(err, part.Close(), removed(part.Name())) }()
	bar := a.bar("exporting", stock.Bytes)
	if err := gw.stream(cmd.Context(), http.MethodPost, path+"/export", io.MultiWriter(part, bar)); err != nil {
		return err
	}
	if err := bar.Finish(); err != nil {
		return err
	}
	if strings.HasSuffix(out, ".zip") {
		err = os.Rename(part.Name(), out)
	} else {
		err = unpack(part, out)
	}
	if err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	_, err = fmt.Fprintf(a.out, "%s: %d links, %d messages, %d files of %s\n", out, stock.Links, stock.Messages, stock.Files, stock.Contact)
	return err
}

// removed removes a file that need not be there.
func removed(name string) error {
	if err := os.Remove(name); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// unpack writes a zip file into a new folder; a name in it cannot lead out of it.
func unpack(f *os.File, dir string) (err error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	archive, err := zip.NewReader(f, size)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	for _, entry := range archive.File {
		if err := unpackOne(root, entry); err != nil {
			return err
		}
	}
	return nil
}

func unpackOne(root *os.Root, entry *zip.File) (err error) {
	name := filepath.FromSlash(entry.Name)
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	r, err := entry.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	w, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r) //nolint:gosec // the gateway made the archive a moment ago
	return errors.Join(err, w.Close())
}

func (a *app) contactErase() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "erase CONTACT", Short: "remove a contact and all that was said, for ever", Args: exactly("CONTACT"),
		Long: `Remove a contact with all links, messages, files and waiting deliveries. Says first what
there is, and asks. The audit log keeps that it was done, with numbers and no words. What is on the
networks themselves stays there, and what is in backups stays in them.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(gw *client) error { return a.erase(cmd, gw, args[0], yes) })
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	a.jsonFlag(c)
	return c
}

func (a *app) erase(cmd *cobra.Command, gw *client, id string, yes bool) error {
	path := "/contacts/" + url.PathEscape(id)
	var stock stockView
	if err := gw.do(cmd.Context(), http.MethodGet, path, nil, &stock); err != nil {
		return err
	}
	if !yes {
		if err := a.confirm(stock); err != nil {
			return err
		}
	}
	if err := gw.do(cmd.Context(), http.MethodPost, path+"/erase", nil, &stock); err != nil {
		return err
	}
	if a.json {
		return printJSON(a.out, stock)
	}
	_, err := fmt.Fprintf(a.out, "erased %s\n", stock)
	return err
}

// String says how much there is.
func (s stockView) String() string {
	return fmt.Sprintf("%s (%s): %d links, %d messages, %d files (%d bytes), %d waiting deliveries",
		s.Contact, tidy(s.Name), s.Links, s.Messages, s.Files, s.Bytes, s.Waiting)
}

// confirm asks at a terminal; a script must have said --yes.
func (a *app) confirm(stock stockView) error {
	if _, err := fmt.Fprintf(a.err, "this removes for ever: %s\n", stock); err != nil {
		return err
	}
	if in, ok := a.in.(*os.File); !ok || !term.IsTerminal(int(in.Fd())) {
		return usage("nothing was erased; say --yes to do it")
	}
	if _, err := fmt.Fprintf(a.err, "type %s to do it: ", stock.Contact); err != nil {
		return err
	}
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != stock.Contact {
		return usage("nothing was erased")
	}
	return nil
}
