package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/rivo/uniseg"

	"github.com/hutong-im/hutong/bridge"
)

// row is one line of a table.
type row []string

// maxCell bounds untrusted words in a table, in graphemes.
const maxCell = 60

// table prints names and values, without those that have none.
func (a *app) table(rows []row) error {
	var full []row
	for _, r := range rows {
		if r[1] != "" {
			full = append(full, r)
		}
	}
	return a.columns(full)
}

// list prints a table with a head, or the words for an empty one.
func (a *app) list(rows []row, empty string) error {
	if len(rows) == 1 {
		_, err := fmt.Fprintln(a.out, empty)
		return err
	}
	return a.columns(rows)
}

// columns aligns cells by how wide a terminal shows them: a Chinese character takes two columns.
func (a *app) columns(rows []row) error {
	var widths []int
	for _, r := range rows {
		for i, cell := range r {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], uniseg.StringWidth(tidy(cell)))
		}
	}
	for _, r := range rows {
		var line strings.Builder
		for i, cell := range r {
			cell = tidy(cell)
			line.WriteString(cell + strings.Repeat(" ", widths[i]-uniseg.StringWidth(cell)+2))
		}
		if _, err := fmt.Fprintln(a.out, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// tidy keeps what customers wrote from steering the terminal. An address stays whole: it has no such signs.
func tidy(cell string) string {
	if strings.HasPrefix(cell, "http") {
		return cell
	}
	return bridge.Tidy(cell, maxCell)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// ago is how long something has been so, as people say it.
func ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return "never"
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
