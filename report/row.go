package report

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

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
		source, target := p.valuePair(c, cell)
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

// rowCell breaks a value into lines; a side without the row or the column
// has a dash, which no value prints as.
func rowCell(there bool, text string, n int) []string {
	if !there {
		return []string{"—"}
	}
	var lines []string
	for text != "" {
		head := fitting(text, n)
		lines, text = append(lines, head), text[len(head):]
	}
	return lines
}

// valuePair shows a column's two values so that what tells them apart can be
// seen: long ones around the first difference, and by escapes where two
// spellings of one letter would look the same.
func (p *textPage) valuePair(c checker.RowColumn, cell int) (source, target string) {
	show := shownValue
	if c.Source != nil && c.Target != nil && *c.Source != *c.Target && norm.NFKC.String(*c.Source) == norm.NFKC.String(*c.Target) {
		show = strconv.QuoteToASCII
	}
	from := 0
	if c.Source != nil && c.Target != nil && c.Differs {
		from = firstDifference(*c.Source, *c.Target)
	}
	one := func(v *string) string {
		if v == nil {
			return "NULL"
		}
		if p.Verbose {
			return show(*v)
		}
		return window(*v, from, cell*valueLines, show)
	}
	return one(c.Source), one(c.Target)
}

// shownValue is value without its limit.
func shownValue(s string) string {
	bare := s != "" && s != "NULL" && s != "—" && strings.TrimSpace(s) == s && utf8.ValidString(s) &&
		!strings.ContainsAny(s, `"\`) && !strings.ContainsFunc(s, unsafeRune)
	if bare {
		return s
	}
	return strconv.Quote(s)
}

// window shows the part of a long value around the given byte.
func window(s string, from, limit int, show func(string) string) string {
	whole := show(s)
	if width(whole) <= limit {
		return whole
	}
	const before = 12 // characters of context ahead of the difference
	start := 0
	if from > limit/2 {
		start = from
		for n := 0; n < before && start > 0; n++ {
			_, size := utf8.DecodeLastRuneInString(s[:start])
			start -= size
		}
	}
	note := fmt.Sprintf(" (%s characters; --full)", count(int64(utf8.RuneCountInString(s))))
	room := max(limit-width(note)-4, 8)
	part := firstRunes(s[start:], room)
	for width(show(part)) > room && part != "" {
		_, size := utf8.DecodeLastRuneInString(part)
		part = part[:len(part)-size]
	}
	text := show(part)
	if start > 0 {
		text = "…" + text
	}
	if start+len(part) < len(s) {
		text += "…"
	}
	return text + note
}

// firstDifference is the byte at which the first unlike character begins.
func firstDifference(a, b string) int {
	for i, r := range a {
		if i >= len(b) {
			return i
		}
		if other, _ := utf8.DecodeRuneInString(b[i:]); other != r {
			return i
		}
	}
	return min(len(a), len(b))
}
