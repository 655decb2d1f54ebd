package term

import (
	"io"
	"strings"
	"unicode/utf8"
)

// Table lays out cells in columns two spaces apart. The zero value is a table without a header.
type Table struct {
	rows  [][]string
	right []bool // by column
	head  bool
}

// NewTable makes a table with a header line. A column whose name begins with ">" is aligned to the right.
func NewTable(columns ...string) *Table {
	t := &Table{head: true}
	names := make([]string, len(columns))
	for i, c := range columns {
		name, right := strings.CutPrefix(c, ">")
		names[i] = name
		t.right = append(t.right, right)
	}
	t.rows = append(t.rows, names)
	return t
}

// Row adds a row. Cells hold no line breaks; trailing cells may be left out.
func (t *Table) Row(cells ...string) { t.rows = append(t.rows, cells) }

// Len is the number of rows, the header apart.
func (t *Table) Len() int {
	if t.head {
		return len(t.rows) - 1
	}
	return len(t.rows)
}

// WriteTo writes the table, a line for each row, without spaces at the ends of lines.
func (t *Table) WriteTo(w io.Writer) (int64, error) {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			fill := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i > 0 {
				line.WriteString("  ")
			}
			if i < len(t.right) && t.right[i] {
				line.WriteString(fill + cell)
			} else {
				line.WriteString(cell + fill)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}
