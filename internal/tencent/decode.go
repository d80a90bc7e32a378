package tencent

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep elements of a push may lie in one another; the documented ones go to 5
// (a template card's SelectedItems), and 32 leaves room.
const maxDepth = 32

// DecodeXML reads the XML of a push into v: one element, of any name, and nothing beside it. Document
// types and the entities that they declare are refused, as are elements too deep in one another.
// Unknown elements are passed over, and text may be CDATA. Characters that XML forbids (a customer can type
// some) are read as U+FFFD, lest the message be lost. Every error is ErrMalformed.
func DecodeXML(body []byte, v any) error {
	guard := &guardedTokens{dec: xml.NewDecoder(bytes.NewReader(legal(body)))}
	guard.dec.CharsetReader = func(charset string, in io.Reader) (io.Reader, error) {
		if !strings.EqualFold(charset, "utf-8") {
			return nil, errors.New("not UTF-8")
		}
		return in, nil
	}
	dec := xml.NewTokenDecoder(guard)
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("the push is not the XML that was expected: %w", ErrMalformed)
	}
	for {
		switch t, err := dec.Token(); t := t.(type) {
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return fmt.Errorf("more follows the XML: %w", ErrMalformed)
			}
		case xml.Comment:
		default:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("more follows the XML: %w", ErrMalformed)
		}
	}
}

// guardedTokens ends the reading at what no push has.
type guardedTokens struct {
	dec   *xml.Decoder
	depth int
}

// Token implements xml.TokenReader.
func (g *guardedTokens) Token() (xml.Token, error) {
	t, err := g.dec.Token()
	switch t := t.(type) {
	case xml.Directive:
		return nil, errors.New("a document type")
	case xml.ProcInst:
		if t.Target != "xml" {
			return nil, errors.New("an instruction")
		}
	case xml.StartElement:
		if g.depth++; g.depth > maxDepth {
			return nil, errors.New("too deep")
		}
	case xml.EndElement:
		g.depth--
	}
	return t, err
}

// legal replaces what XML 1.0 forbids in a document, https://www.w3.org/TR/xml/#charsets.
func legal(body []byte) []byte {
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	return bytes.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r == '\r', r >= 0x20 && r <= 0xD7FF, r >= 0xE000 && r <= 0xFFFD, r >= 0x10000:
			return r // bytes that are no UTF-8 come as U+FFFD
		default:
			return utf8.RuneError
		}
	}, body)
}

// DecodeJSON reads the JSON of a push into v: one value, and nothing beside it. Unknown keys are
// passed over. Every error is ErrMalformed.
func DecodeJSON(body []byte, v any) error {
	if err := json.Unmarshal(bytes.TrimPrefix(body, []byte("\ufeff")), v); err != nil {
		return fmt.Errorf("the push is not the JSON that was expected: %w", ErrMalformed)
	}
	return nil
}

// Decode reads a push, XML or JSON as it came; v has fields whose names are the elements' in CamelCase.
func (p Push) Decode(v any) error {
	if p.JSON {
		return DecodeJSON(p.Body, v)
	}
	return DecodeXML(p.Body, v)
}
