package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/hutong-im/hutong/bridge"
)

// maxFile is the largest config file that is read: a thousand members are about 200 KiB.
const maxFile = 4 << 20

// Load reads a file. Its error is Mistakes when the file could be read: all that is wrong with it.
func Load(path string, kinds []bridge.Kind) (*Config, error) {
	f, err := os.Open(path) //nolint:gosec // the operator chooses the file
	if err != nil {
		return nil, fmt.Errorf("read the config: %w (say which file with --config)", err)
	}
	defer func() { _ = f.Close() }()
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the config: %w", err)
	}
	return Parse(path, src, kinds)
}

// Parse reads the text of a file; path is its name for mistakes and for relative folders. Its error is
// always Mistakes.
func Parse(path string, src []byte, kinds []bridge.Kind) (*Config, error) {
	d := &decoder{report: newReport(path), kinds: kinds}
	c := defaults()
	c.Path, c.Text = path, src
	if root := d.parse(src); root != nil {
		d.structure(root, "", reflect.ValueOf(c).Elem())
		c.check(d.report)
	}
	if len(d.mistakes) > 0 {
		d.mistakes.sort()
		return nil, d.mistakes
	}
	d.warnings.sort()
	c.Warnings, c.at = d.warnings, d.at
	return c, nil
}

// parse turns text into the syntax tree of its only document; nil when it found a mistake.
func (d *decoder) parse(src []byte) (root ast.Node) {
	if len(src) > maxFile {
		d.mistake("", "larger than %d MiB; is this the right file?", maxFile>>20)
		return nil
	}
	// The parser has panicked on hostile input before; a mistake is a better answer.
	defer func() {
		if r := recover(); r != nil {
			d.mistake("", "cannot be read as YAML: %v", r)
			root = nil
		}
	}()
	file, err := parser.ParseBytes(src, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntax(err)
		return nil
	}
	docs := slices.DeleteFunc(file.Docs, func(doc *ast.DocumentNode) bool { return doc.Body == nil })
	switch {
	case len(docs) == 0:
		d.mistake("", "empty; begin with company: and adapters: (docs/configuration.md)")
		return nil
	case len(docs) > 1:
		d.mistakeAt(d.placeOf(docs[1].Body, ""), "", "a second document (---); the config is one")
		return nil
	}
	return docs[0].Body
}

func (d *decoder) syntax(err error) {
	var y yaml.Error
	if !errors.As(err, &y) || y.GetToken() == nil {
		d.mistake("", "cannot be read as YAML: %v", err)
		return
	}
	p := y.GetToken().Position
	d.mistakeAt(place{p.Line, max(p.Column, 1)}, "", "cannot be read as YAML: %s", strings.TrimSpace(y.GetMessage()))
}
