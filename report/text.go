package report

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/pgparity/pgparity/checker"
)

const (
	defaultWidth  = 80
	narrowest     = 60
	manyMatches   = 30 // more matching tables than this are counted, not listed
	listedReasons = 20 // reasons named before the rest is counted
	groupedNames  = 12 // objects named per sentence
	labelColumns  = 10 // "  Source  "
	detailColumns = 13 // "  different  "
)

// textPage writes lines; every text that reaches line or item is escaped.
type textPage struct {
	*bytes.Buffer
	Options
}

func writeText(buf *bytes.Buffer, r *checker.Result, o Options) error {
	if o.Width == 0 {
		o.Width = defaultWidth
	}
	o.Width = max(o.Width, narrowest)
	p := &textPage{buf, o}

	p.head(r)
	if err := p.tables(r); err != nil {
		return err
	}
	p.groups("Not proven", tableErrors(bySeverity(r.Tables)))
	p.findings(r)
	p.unsettled(r)
	p.sequences(r)
	p.schema(r)
	p.groups("Skipped, so not proven", skippedElse(r))
	p.groups("Excluded on purpose", groups(r.Coverage.Excluded))
	p.notes(r)
	if o.Verbose {
		p.groups("As of", asOf(r.Tables))
		p.groups("Columns not compared by their type's own digest", columnForms(r.Tables))
	}
	p.WriteString("\n")
	// The verdict once more: of a long report the end is what is on screen.
	p.verdict(r, coverageLine(r))
	return nil
}

func (p *textPage) head(r *checker.Result) {
	p.verdict(r, headline(r))
	p.WriteString("\n")
	label := "Why"
	for i, reason := range r.Reasons {
		if i == listedReasons && !p.Verbose {
			p.item("", labelColumns, "", fmt.Sprintf("… and %d more (-v lists them)", len(r.Reasons)-i))
			break
		}
		p.item("  "+label, labelColumns, "- ", prose(reason))
		label = ""
	}
	if sampled := sampledText(r); sampled != "" {
		p.item("  Sample", labelColumns, "", sampled)
	}
	p.item("  Source", labelColumns, "", sideLine(r.Source))
	p.item("  Target", labelColumns, "", sideLine(r.Target))
	if run := runLine(r); run != "" {
		p.item("  Run", labelColumns, "", run)
	}
	p.replication(r)
}

func (p *textPage) verdict(r *checker.Result, text string) {
	verdict := r.Verdict.String()
	word := strings.ToUpper(verdict) + strings.TrimPrefix(verdictWord(r), verdict)
	p.item(p.paint(r.Verdict, word), width(word)+2, "", text)
}

func (p *textPage) findings(r *checker.Result) {
	open := false
	for _, t := range bySeverity(r.Tables) {
		if total(&t) == 0 {
			continue
		}
		if !open {
			p.section("Findings")
			open = true
		} else {
			p.WriteString("\n")
		}
		p.item("", 2, "", p.bold(ident(t.Name))+"  "+plural(total(&t), "finding", "findings"))
		for i := range t.Findings {
			f := &t.Findings[i]
			p.item("  "+kindText(f), detailColumns, "", findingText(&t, f))
			for _, line := range valuesOf(f) {
				p.item("", detailColumns+2, "", line)
			}
		}
		if more := moreFindings(&t, len(t.Findings)); more != "" {
			p.item("", 2, "", more)
		}
	}
}

func (p *textPage) sequences(r *checker.Result) {
	if len(r.Sequences) == 0 {
		return
	}
	p.section("Sequences")
	loud, quiet := telling(r.Sequences)
	for i := range loud {
		s := &loud[i]
		word := sequenceWord(s)
		if word == s.Verdict.String() {
			word = p.paint(s.Verdict, word)
		}
		p.item("  "+word, detailColumns, "", ident(s.Name)+": "+sequenceText(s))
	}
	switch {
	case quiet > 0 && len(loud) > 0:
		p.item("", 2, "", "+ "+plural(int64(quiet), "sequence matches", "sequences match"))
	case quiet > 0:
		p.item("", 2, "", plural(int64(quiet), "sequence matches", "sequences match"))
	}
}

func (p *textPage) schema(r *checker.Result) {
	if len(r.Schema) == 0 {
		return
	}
	p.section("Schema differences")
	infos := 0
	for _, f := range schemaBySeverity(r.Schema) {
		if f.Severity == checker.SeverityInfo && !p.Verbose {
			infos++
			continue
		}
		p.item("  "+severityText(&f), 9, "", ident(f.Object)+": "+schemaText(&f))
	}
	if infos > 0 {
		p.item("", 2, "", "+ "+count(int64(infos))+" of severity info (-v lists them)")
	}
}

func (p *textPage) notes(r *checker.Result) {
	said := tableNotes(r.Tables)
	if len(r.Notes)+len(said) == 0 {
		return
	}
	p.section("Notes")
	for _, n := range r.Notes {
		p.item("", 2, "- ", prose(n))
	}
	for _, g := range said {
		p.item("", 2, "- ", p.said(g))
	}
}

func (p *textPage) groups(title string, gs []group) {
	if len(gs) == 0 {
		return
	}
	p.section(title)
	for _, g := range gs {
		p.item("", 2, "- ", p.said(g))
	}
}

func (p *textPage) said(g group) string {
	limit := groupedNames
	if p.Verbose {
		limit = 0
	}
	return g.names(limit) + ": " + g.Text
}

func (p *textPage) section(title string) { p.WriteString("\n" + p.bold(title) + "\n") }

// item writes a label in a column of the given width, and beside it the text,
// wrapped, its further lines below the first one's start.
func (p *textPage) item(label string, column int, bullet, text string) {
	pad := max(column-width(label), 0)
	indent := strings.Repeat(" ", column+width(bullet))
	lines := wrap(text, max(p.Width-len(indent), 20))
	p.WriteString(strings.TrimRight(label+strings.Repeat(" ", pad)+bullet+lines[0], " ") + "\n")
	for _, l := range lines[1:] {
		p.WriteString(indent + l + "\n")
	}
}

func (p *textPage) bold(s string) string { return p.sgr("1", s) }

func (p *textPage) paint(v checker.Verdict, s string) string {
	switch v {
	case checker.Match:
		return p.sgr("1;32", s)
	case checker.Mismatch:
		return p.sgr("1;31", s)
	default:
		return p.sgr("1;33", s)
	}
}

func (p *textPage) sgr(code, s string) string {
	if !p.Color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
