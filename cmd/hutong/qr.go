package main

import (
	"fmt"
	"os"
	"strings"

	qrcode "github.com/skip2/go-qrcode"
)

// pixels is the size of a QR code for screens: 512 is sharp where a page shows it at half the size.
const pixels = 512

// White blocks on black, and back to what the terminal had: some phones read only dark on light, and
// terminals come in either colour.
const (
	whiteOnBlack = "\x1b[97;40m"
	asBefore     = "\x1b[0m"
)

// terminalCode is a QR code of half blocks. Where it is not shown on a terminal but kept in a file it
// has no colours.
func terminalCode(url string, colours bool) (string, error) {
	q, err := qrcode.New(url, qrcode.Low)
	if err != nil {
		return "", fmt.Errorf("make the QR code: %w", err)
	}
	code := q.ToSmallString(false)
	if !colours {
		return code, nil
	}
	var b strings.Builder
	for line := range strings.Lines(code) {
		b.WriteString(whiteOnBlack + strings.TrimSuffix(line, "\n") + asBefore + "\n")
	}
	return b.String(), nil
}

// writeCodes writes the QR code into the files that were asked for; "" is none.
func writeCodes(url, png, svg string) error {
	q, err := qrcode.New(url, qrcode.Medium)
	if err != nil {
		return fmt.Errorf("make the QR code: %w", err)
	}
	if png != "" {
		if err := q.WriteFile(pixels, png); err != nil {
			return fmt.Errorf("write the QR code: %w", err)
		}
	}
	if svg != "" {
		if err := os.WriteFile(svg, []byte(svgCode(q.Bitmap())), 0o644); err != nil { //nolint:gosec // it is made to be shown
			return fmt.Errorf("write the QR code: %w", err)
		}
	}
	return nil
}

// svgCode draws each dark module as a square of one unit; the bitmap has the quiet border already.
func svgCode(bits [][]bool) string {
	var path strings.Builder
	for y, line := range bits {
		for x, dark := range line {
			if dark {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x, y)
			}
		}
	}
	n := len(bits)
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges">`+
		`<rect width="%d" height="%d" fill="#fff"/><path d="%s"/></svg>`+"\n", n, n, n, n, path.String())
}
