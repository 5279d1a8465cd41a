package report

import (
	"bytes"
	"io"
	"strings"

	"github.com/pgparity/pgparity/checker"
)

// valueLines is how many lines a value gets without Verbose.
const valueLines = 3

// WriteRow renders one row of both sides next to each other. NULL is bare,
// an empty or ambiguous value is quoted, what cannot be seen is escaped.
// Verbose shows long values whole.
func WriteRow(w io.Writer, r *checker.RowPair, o Options) error {
	var buf bytes.Buffer
	if o.Width == 0 {
		o.Width = defaultWidth
	}
	o.Width = max(o.Width, narrowest)
	p := &textPage{&buf, o}
	p.row(r)
	_, err := w.Write(buf.Bytes())
	return err
}

func (p *textPage) row(r *checker.RowPair) {
	key := make([]string, len(r.Key))
	for i, k := range r.Key {
		key[i] = ident(k.Name) + "=" + value(k.Value)
	}
	p.item("", 0, "", p.bold(ident(r.Table))+"  "+strings.Join(key, ", "))
	if r.Source || r.Target {
		p.WriteString("\n")
		p.rowTable(r)
	}
	p.WriteString("\n")
	p.rowVerdict(r)
}

func (p *textPage) rowVerdict(r *checker.RowPair) {
	v := r.Verdict()
	var differ, open []string
	for _, c := range r.Columns {
		switch {
		case c.Differs:
			differ = append(differ, ident(c.Name))
		case !c.Compared:
			open = append(open, ident(c.Name)+" ("+prose(c.Why)+")")
		}
	}
	var text string
	switch {
	case !r.Source && !r.Target:
		text = "the row is on neither side"
	case !r.Target:
		text = "the row is on the source only"
	case !r.Source:
		text = "the row is on the target only"
	case len(differ) > 0:
		text = "the row differs in " + strings.Join(differ, ", ")
	case len(open) > 0:
		text = "not compared: " + strings.Join(open, ", ")
	default:
		text = "the row is the same on both sides"
	}
	word := strings.ToUpper(v.String())
	p.item(p.paint(v, word), width(word)+2, "", text)
}

// rowTable draws a line or more per column, with a mark where it differs.
func (p *textPage) rowTable(r *checker.RowPair) {
	name := width("column")
	for _, c := range r.Columns {
		name = max(name, width(ident(c.Name)))
	}
	name = min(name, p.Width/4)
	cell := (p.Width - 4 - name - 4) / 2
	values := shape{limit: cell * valueLines, noteFits: true, hint: "; --full", reserved: noRow}
	if p.Verbose {
		values.limit = 0
	}
	line := func(mark, column, source, target string) {
		p.WriteString(strings.TrimRight(pad(mark, 4)+pad(column, name)+"  "+pad(source, cell)+"  "+target, " ") + "\n")
	}
	line("", "column", "source", "target")
	p.WriteString("    " + strings.Repeat("─", name) + "  " + strings.Repeat("─", cell) + "  " + strings.Repeat("─", cell) + "\n")
	for _, c := range r.Columns {
		mark := ""
		switch {
		case c.Differs || r.Source != r.Target:
			mark = "  ≠"
		case !c.Compared:
			mark = "  ?"
		}
		source, target := values.pair(c.Source, c.Target)
		left, right := rowCell(r.Source && c.Why != "on the target only", source, cell), rowCell(r.Target && c.Why != "missing on the target", target, cell)
		for i := range max(len(left), len(right)) {
			column := ""
			if i == 0 {
				column = shorten(ident(c.Name), name)
			}
			line(mark, column, at(left, i), at(right, i))
			mark = ""
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

func pad(s string, n int) string { return s + strings.Repeat(" ", max(n-width(s), 0)) }

// noRow stands for a side without the row or the column; no value prints so.
const noRow = "—"

// rowCell breaks a value into lines.
func rowCell(there bool, text string, n int) []string {
	if !there {
		return []string{noRow}
	}
	var lines []string
	for text != "" {
		head := fitting(text, n)
		lines, text = append(lines, head), text[len(head):]
	}
	return lines
}
