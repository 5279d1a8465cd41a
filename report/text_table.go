package report

import (
	"fmt"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"

	"github.com/pgparity/pgparity/checker"
)

// layout says how the table of tables is arranged so that it fits.
type layout struct {
	joinRows   bool // one column: the count, and below it the target's where it is another
	stackHow   bool // digest above plan
	joinChunks bool // planned below compared, where they differ, when they are long
	dropHow    bool // the last resort of narrow pages
}

var layouts = []layout{
	{},
	{joinRows: true},
	{joinRows: true, stackHow: true},
	{joinRows: true, stackHow: true, joinChunks: true},
	{joinRows: true, joinChunks: true, dropHow: true},
}

const (
	tableGap     = 2  // blanks between columns
	tableIndent  = 2  // blanks before a row
	shortestName = 24 // a name gets at least this before columns are stacked
	tightestName = 12 // and at least this in any case
)

func (p *textPage) tables(r *checker.Result) error {
	if len(r.Tables) == 0 {
		return nil
	}
	shown, hidden := p.listedTables(r.Tables)
	p.section("Tables")
	if len(shown) > 0 {
		if err := p.tableOf(shown); err != nil {
			return fmt.Errorf("table of tables: %w", err)
		}
	}
	if hidden > 0 {
		plus := ""
		if len(shown) > 0 {
			plus = "+ "
		}
		p.item("", 2, "", plus+plural(int64(hidden), "table matches", "tables match")+" (-v lists them)")
	}
	return nil
}

// listedTables leaves the matching tables out when they are many: they would
// hide the ones that matter.
func (p *textPage) listedTables(tables []checker.TableResult) (shown []checker.TableResult, hidden int) {
	sorted := bySeverity(tables)
	matches := 0
	for _, t := range sorted {
		if t.Verdict == checker.Match {
			matches++
		}
	}
	if p.Verbose || matches <= manyMatches {
		return sorted, 0
	}
	return sorted[:len(sorted)-matches], matches
}

// tableOf tries the layouts, the roomiest first. When even the tightest is
// too wide, names give way and then the page does.
func (p *textPage) tableOf(tables []checker.TableResult) error {
	longest := 0
	for _, t := range tables {
		longest = max(longest, width(ident(t.Name)))
	}
	want := min(longest, shortestName)
	var rows [][]string
	var widths []int
	for i, l := range layouts {
		rows = cells(tables, l)
		widths = naturalWidths(rows)
		rest := p.Width - tableIndent - tableGap*(len(widths)-1)
		for _, w := range widths[1:] {
			rest -= w
		}
		widths[0] = min(widths[0], max(rest, tightestName))
		// A column is only given up when the page would overflow.
		if rest >= want || i == len(layouts)-2 && rest >= tightestName {
			break
		}
	}
	for i, row := range rows {
		row[0] = shorten(row[0], widths[0])
		if i > 0 {
			v := tables[i-1].Verdict
			row[1] = p.paint(v, row[1])
		}
	}
	return p.draw(rows, widths)
}

// cells makes the header and one row per table; a cell's lines are separated
// by line breaks.
func cells(tables []checker.TableResult, l layout) [][]string {
	header := []string{"table", "verdict", "source\nrows", "target\nrows", "chunks", "findings", "how"}
	if l.joinRows {
		header = []string{"table", "verdict", "rows", "chunks", "findings", "how"}
	}
	rows := [][]string{header}
	for i := range tables {
		t := &tables[i]
		row := []string{ident(t.Name), t.Verdict.String()}
		source, target := rowsText(t.Rows.Source), rowsText(t.Rows.Target)
		switch {
		case l.joinRows && t.Verdict == checker.Match: // counts of a moving table are of two moments
			row = append(row, source)
		case l.joinRows:
			row = append(row, joined(source, target, "≠ "))
		default:
			row = append(row, source, target)
		}
		chunks, by := chunksText(t.Chunks), how(t)
		if compared, planned, ok := strings.Cut(chunks, "/"); ok && l.joinChunks && len(chunks) > 9 {
			chunks = joined(compared, planned, "of ")
		}
		if l.stackHow {
			by = strings.Replace(by, " ", "\n", 1)
		}
		rows = append(rows, append(row, chunks, findingsText(t), by))
	}
	if l.dropHow {
		for i, row := range rows {
			rows[i] = row[:len(row)-1]
		}
	}
	return rows
}

// joined is one value where both are the same, else the second below the
// first.
func joined(first, second, word string) string {
	if first == second {
		return first
	}
	return first + "\n" + word + second
}

func naturalWidths(rows [][]string) []int {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			for line := range strings.SplitSeq(cell, "\n") {
				widths[i] = max(widths[i], width(line))
			}
		}
	}
	return widths
}

// draw hands the fitted cells to the table writer, which is left nothing to
// decide: no formatting, no wrapping, fixed widths.
func (p *textPage) draw(rows [][]string, widths []int) error {
	last := len(widths) - 1
	perColumn := tw.NewMapper[int, int]()
	aligns := make([]tw.Align, len(widths))
	paddings := make([]tw.Padding, len(widths))
	for i, w := range widths {
		paddings[i] = tw.Padding{Right: strings.Repeat(" ", tableGap), Overwrite: true}
		if i == 0 {
			paddings[i].Left = strings.Repeat(" ", tableIndent)
		}
		if i == last {
			paddings[i].Right = ""
		}
		perColumn.Set(i, w+len(paddings[i].Left)+len(paddings[i].Right))
		aligns[i] = tw.AlignRight
		if i <= 1 || rows[0][i] == "how" {
			aligns[i] = tw.AlignLeft
		}
	}
	section := tw.CellConfig{
		Formatting: tw.CellFormatting{AutoWrap: tw.WrapNone, AutoFormat: tw.Off},
		Alignment:  tw.CellAlignment{PerColumn: aligns},
		Padding:    tw.CellPadding{PerColumn: paddings},
	}
	var out strings.Builder
	table := tablewriter.NewTable(&out,
		tablewriter.WithEastAsian(tw.Off), // the locale must not change a report
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders: tw.BorderNone,
			Symbols: tw.NewSymbols(tw.StyleLight),
			Settings: tw.Settings{
				Separators: tw.Separators{BetweenColumns: tw.Off, BetweenRows: tw.Off},
				Lines:      tw.Lines{ShowHeaderLine: tw.Off},
			},
		})),
		tablewriter.WithConfig(tablewriter.Config{Header: section, Row: section, Widths: tw.CellWidth{PerColumn: perColumn}}),
		tablewriter.WithTrimSpace(tw.Off),
	)
	table.Header(rows[0])
	if err := table.Bulk(rows[1:]); err != nil {
		return err
	}
	if err := table.Render(); err != nil {
		return err
	}
	headerLines := 1
	for _, cell := range rows[0] {
		headerLines = max(headerLines, 1+strings.Count(cell, "\n"))
	}
	p.ruled(out.String(), headerLines, widths)
	return nil
}

// ruled copies the drawn table with a rule below the header and no blanks at
// the line ends.
func (p *textPage) ruled(drawn string, headerLines int, widths []int) {
	for i, line := range strings.Split(strings.TrimRight(drawn, "\n"), "\n") {
		p.WriteString(strings.TrimRight(line, " ") + "\n")
		if i == headerLines-1 {
			rule := make([]string, len(widths))
			for c, w := range widths {
				rule[c] = strings.Repeat("─", w)
			}
			p.WriteString(strings.Repeat(" ", tableIndent) + strings.Join(rule, strings.Repeat(" ", tableGap)) + "\n")
		}
	}
}
