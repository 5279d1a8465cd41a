package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"

	"github.com/pgparity/pgparity/checker"
)

//go:embed page.html.tmpl
var pageSource string

//go:embed page.css
var pageStyle string

var page = template.Must(template.New("page").Parse(pageSource))

// drawnStrips bounds the cells of matching tables: a thousand green bars say
// no more than the count, and make a slow page.
const drawnStrips = 6000

// htmlPage is what the template sees. Its strings went through ident, prose
// or value (the template escapes for HTML, but an invisible character stays
// invisible there).
type htmlPage struct {
	Style      template.CSS // our own file, allowed by its hash and nothing else
	StyleHash  string
	Verdict    string
	Word       string // the verdict as it is shown
	Headline   string
	Coverage   string
	Sampled    string
	Bar        string // width of the coverage bar in percent; "" when no chunk was planned
	Percent    string // what the bar shows, in words
	Run        string
	Reasons    []string
	Sides      []htmlSide
	Moving     *htmlReplication
	Facts      []htmlFact
	Loud       []htmlTable // not match, or all when they are few
	Quiet      []htmlTable // matching ones, folded away
	Findings   []htmlFindings
	Unsettled  []htmlUnsettled
	Errors     []group
	Sequences  []htmlLine
	QuietSeqs  string
	Schema     []htmlLine
	Skipped    []group
	Excluded   []group
	Notes      []string
	TableNotes []group
	Forms      []group
}

type htmlSide struct {
	Role  string
	Lines []string
}

type htmlFact struct{ Value, Name string }

type htmlLine struct{ Word, Object, Text string }

type htmlTable struct {
	Name, Verdict, Source, Target, Chunks, Findings, How, AsOf string
	Strip                                                      []string // a class per cell
	StripText                                                  string
}

type htmlFindings struct {
	Name, Total, More string
	Open              bool
	Rows              []htmlFinding
}

type htmlFinding struct {
	Kind, Text string
	Values     []string
}

func writeHTML(buf *bytes.Buffer, r *checker.Result, _ Options) error {
	sum := sha256.Sum256([]byte(pageStyle))
	p := htmlPage{
		Style:      template.CSS(pageStyle),
		StyleHash:  base64.StdEncoding.EncodeToString(sum[:]),
		Verdict:    r.Verdict.String(),
		Word:       verdictWord(r),
		Headline:   headline(r),
		Coverage:   coverageLine(r),
		Sampled:    sampledText(r),
		Run:        runLine(r),
		Sides:      []htmlSide{{"Source", sideParts(r.Source)}, {"Target", sideParts(r.Target)}},
		Moving:     htmlReplicationOf(r),
		Facts:      htmlFacts(r),
		Findings:   htmlFindingsOf(r),
		Unsettled:  htmlUnsettledOf(r),
		Errors:     tableErrors(bySeverity(r.Tables)),
		Skipped:    skippedElse(r),
		Excluded:   groups(r.Coverage.Excluded),
		TableNotes: tableNotes(r.Tables),
		Forms:      columnForms(r.Tables),
	}
	p.Bar, p.Percent = coverageBar(&r.Coverage)
	for _, s := range r.Reasons {
		p.Reasons = append(p.Reasons, prose(s))
	}
	for _, s := range r.Notes {
		p.Notes = append(p.Notes, prose(s))
	}
	p.Loud, p.Quiet = htmlTables(r)
	loud, quiet := telling(r.Sequences)
	for i := range loud {
		s := &loud[i]
		p.Sequences = append(p.Sequences, htmlLine{sequenceWord(s), ident(s.Name), sequenceText(s)})
	}
	if quiet > 0 {
		p.QuietSeqs = plural(int64(quiet), "sequence matches", "sequences match")
	}
	for _, f := range schemaBySeverity(r.Schema) {
		p.Schema = append(p.Schema, htmlLine{severityText(&f), ident(f.Object), schemaText(&f)})
	}
	return page.Execute(buf, p)
}

// coverageBar rounds down: what is not whole must neither look whole nor be
// called 100 percent.
func coverageBar(c *checker.Coverage) (bar, percent string) {
	if c.ChunksPlanned <= 0 {
		return "", ""
	}
	share := 100 * float64(c.ChunksCompared) / float64(c.ChunksPlanned)
	if c.ChunksCompared == c.ChunksPlanned {
		return "100", "100 percent of the planned chunks were compared"
	}
	return fmt.Sprintf("%.2f", min(max(share, 0), 99)),
		fmt.Sprintf("%.2f percent of the planned chunks were compared", min(share, 99.99))
}

func htmlFacts(r *checker.Result) []htmlFact {
	var findings int64
	for i := range r.Tables {
		findings += total(&r.Tables[i])
	}
	facts := []htmlFact{
		{count(r.Coverage.RowsCompared), "rows compared"},
		{count(r.Coverage.ChunksCompared) + " of " + count(r.Coverage.ChunksPlanned), "chunks compared"},
		{count(int64(len(r.Tables))), "tables"},
		{count(findings), "rows with findings"},
		{count(int64(len(r.Sequences))), "sequences"},
	}
	if d, ok := elapsed(r); ok {
		facts = append(facts, htmlFact{d, "duration"})
	}
	return facts
}

func htmlTables(r *checker.Result) (loud, quiet []htmlTable) {
	matches, cells := 0, 0
	for _, t := range r.Tables {
		if t.Verdict == checker.Match {
			matches++
			cells += len(t.Chunks.Strip)
		}
	}
	for _, t := range bySeverity(r.Tables) {
		h := htmlTable{
			Name: ident(t.Name), Verdict: t.Verdict.String(),
			Source: rowsText(t.Rows.Source), Target: rowsText(t.Rows.Target),
			Chunks: chunksText(t.Chunks), Findings: findingsText(&t), How: how(&t), AsOf: ident(t.AsOfLSN),
		}
		if t.Verdict != checker.Match || cells <= drawnStrips {
			h.Strip, h.StripText = stripCells(t.Chunks.Strip)
		}
		if t.Verdict == checker.Match && matches > manyMatches {
			quiet = append(quiet, h)
		} else {
			loud = append(loud, h)
		}
	}
	return loud, quiet
}

// stripCells gives every cell a class, and the sentence for those who do not
// see it. A cell of an unknown kind was not compared, as far as is known.
func stripCells(strip string) (classes []string, text string) {
	var equal, differing, open int64
	for _, c := range strip {
		switch c {
		case '=':
			classes = append(classes, "eq")
			equal++
		case 'x':
			classes = append(classes, "ne")
			differing++
		default:
			classes = append(classes, "no")
			open++
		}
	}
	return classes, fmt.Sprintf("Chunks in key order: %s of %s equal, %s differing, %s not compared",
		count(equal), plural(int64(len(classes)), "cell", "cells"), count(differing), count(open))
}

func htmlFindingsOf(r *checker.Result) []htmlFindings {
	var out []htmlFindings
	for _, t := range bySeverity(r.Tables) {
		if total(&t) == 0 {
			continue
		}
		h := htmlFindings{
			Name:  ident(t.Name),
			Total: plural(total(&t), "finding", "findings"),
			More:  moreFindings(&t, len(t.Findings)),
			Open:  len(out) < 3 && len(t.Findings) <= 20,
		}
		for i := range t.Findings {
			f := &t.Findings[i]
			h.Rows = append(h.Rows, htmlFinding{Kind: kindText(f), Text: findingText(&t, f), Values: valuesOf(f)})
		}
		out = append(out, h)
	}
	return out
}
