package report

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/pgparity/pgparity/preflight"
	"github.com/pgparity/pgparity/schema"
)

const (
	preflightLabels = 15 // "  Replication  "
	figureLabels    = 13 // "  To verify  "
)

// severityTitles head the lists of open hazards, the worst first.
var severityTitles = []struct {
	Severity schema.Severity
	Title    string
}{{schema.Block, "Blocks"}, {schema.Warn, "Warnings"}, {schema.Info, "To know"}}

func preflightText(buf *bytes.Buffer, r *preflight.Result, o Options) error {
	if o.Width == 0 {
		o.Width = defaultWidth
	}
	o.Width = max(o.Width, narrowest)
	p := &textPage{buf, o}

	p.preflightHead(r)
	cut := false
	for _, s := range severityTitles {
		cut = p.hazards(s.Title, openHazards(r, s.Severity)) || cut
	}
	p.groups("Not looked for, so not known", unknowns(r, false))
	p.groups("Not carried by the replication, or not whole", notCarried(r))
	if err := p.rehearsal(r.Rehearsal); err != nil {
		return err
	}
	p.acknowledged(r)
	p.preflightNotes(r)
	if o.Verbose {
		p.groups("Had nothing to look at", skips(r))
		p.groups("Looked and found nothing", nothingFound(r))
	}
	p.WriteString("\n")
	if cut {
		p.item("", 0, "", "-v lists all objects and every statement that mends them.")
	}
	// The verdict once more: of a long report the end is what is on screen.
	p.preflightVerdict(r, preflightClose(r))
	return nil
}

func (p *textPage) preflightVerdict(r *preflight.Result, text string) {
	word := strings.ToUpper(string(r.Verdict))
	p.item(p.paint(shade(r.Verdict), word), width(word)+2, "", text)
}

func (p *textPage) preflightHead(r *preflight.Result) {
	p.preflightVerdict(r, preflightHeadline(r))
	p.WriteString("\n")
	label := "  Why"
	for i, reason := range r.Reasons {
		if i == listedReasons && !p.Verbose {
			p.item("", preflightLabels, "", fmt.Sprintf("… and %d more (-v lists them)", len(r.Reasons)-i))
			break
		}
		p.item(label, preflightLabels, "- ", prose(reason))
		label = ""
	}
	p.item("  Source", preflightLabels, "", strings.Join(preflightSide(r.Source), ", "))
	p.item("  Target", preflightLabels, "", strings.Join(preflightSide(r.Target), ", "))
	if run := runLine(asRun(r)); run != "" {
		p.item("  Run", preflightLabels, "", run)
	}
	p.item("  Replication", preflightLabels, "", carrierLine(r))
	if r.Replication != nil {
		for _, s := range sentences(r.Replication.Evidence) {
			p.item("", preflightLabels, "- ", s)
		}
	}
	p.item("  Coverage", preflightLabels, "", carriedLine(r))
	if r.Rehearsal != nil {
		p.item("  Outage", preflightLabels, "", p.bold(outageOf(r.Rehearsal).sentence()))
	}
}

// hazards lists the groups, and tells whether it left anything out.
func (p *textPage) hazards(title string, gs []hazardGroup) (cut bool) {
	for i := range gs {
		if i == 0 {
			p.section(title)
		} else {
			p.WriteString("\n")
		}
		cut = p.hazard(&gs[i]) || cut
	}
	return cut
}

func (p *textPage) hazard(g *hazardGroup) (cut bool) {
	limit := listedObjects
	if p.Verbose {
		limit = 0
	}
	id := p.bold(g.ID)
	if v, tells := weight(g.Severity); tells {
		id = p.paint(v, g.ID)
	}
	p.item("", 2, "", id+"  "+g.where())
	shown, more := g.first(limit)
	for i := range shown {
		s := &shown[i]
		switch {
		case len(g.Said) == 1:
			p.item("", 4, "", s.Text)
			if g.Total > 1 {
				p.item("", 4, "", s.names(limit))
			}
		case len(s.Objects) == 0:
			p.item("", 4, "- ", s.Text)
		default:
			p.item("", 4, "- ", s.names(limit)+": "+s.Text)
		}
		cut = cut || limit > 0 && len(s.Objects) > limit
	}
	if more > 0 {
		p.item("", 4, "- ", "and "+count(int64(more))+" more")
	}
	label := "    fix"
	for _, f := range g.fixes(limit) {
		p.item(label, 9, "", f)
		label = ""
	}
	return cut || more > 0 || len(g.fixes(limit)) < len(g.fixes(0))
}

// acknowledged are notes: counted, and named in one line each.
func (p *textPage) acknowledged(r *preflight.Result) {
	gs, quiet := acknowledgedHazards(r), unknowns(r, true)
	if len(gs)+len(quiet) == 0 {
		return
	}
	p.section("Acknowledged")
	for i := range gs {
		p.item("", 2, "- ", acknowledgedText(&gs[i], p.Verbose))
	}
	for _, g := range quiet {
		p.item("", 2, "- ", p.said(g))
	}
}

// acknowledgedText is a group in one line: somebody has read it before.
func acknowledgedText(g *hazardGroup, whole bool) string {
	limit := listedObjects
	if whole {
		limit = 0
	}
	var objects []string
	for _, s := range g.Said {
		objects = append(objects, s.Objects...)
	}
	text := fmt.Sprintf("%s (%s, %s", g.ID, shortSeverity(g.Severity), g.Side)
	if g.Total > 1 {
		text += ", " + count(int64(g.Total))
	}
	text += ")"
	if len(objects) > 0 {
		text += ": " + group{Objects: objects}.names(limit)
	}
	if len(g.Said) == 1 {
		text += ": " + g.Said[0].Text
	}
	return text
}

func shortSeverity(s schema.Severity) string { return shorten(prose(string(s)), 5) }

// rehearsal draws the phases and lists the figures.
func (p *textPage) rehearsal(rh *preflight.Rehearsal) error {
	if rh == nil {
		return nil
	}
	p.section("Rehearsal")
	if len(rh.Phases) > 0 {
		if err := p.phases(rh.Phases); err != nil {
			return fmt.Errorf("table of phases: %w", err)
		}
		p.WriteString("\n")
	}
	limit, last := listedObjects, ""
	if p.Verbose {
		limit = 0
	}
	for _, f := range figures(rh, limit) {
		label := "  " + f.Name
		if f.Name == last {
			label = ""
		}
		last = f.Name
		p.item(label, figureLabels, "", f.Text)
	}
	return nil
}

func (p *textPage) phases(phases []preflight.Phase) error {
	rows := [][]string{{"phase", "writes", "estimate", "how"}}
	for i := range phases {
		ph := &phases[i]
		rows = append(rows, []string{shorten(ident(ph.Name), max(p.Width/4, 16)), writesWord(ph), spanOf(ph.EstimateMS), prose(ph.How)})
	}
	widths := naturalWidths(rows)
	rest := max(p.Width-tableIndent-3*tableGap-widths[0]-widths[1]-widths[2], 16)
	for _, row := range rows {
		row[3] = strings.Join(wrap(row[3], rest), "\n")
	}
	widths = naturalWidths(rows)
	for i, row := range rows[1:] {
		if !phases[i].Writes {
			row[1] = p.bold(row[1])
		}
	}
	return p.draw(rows, widths)
}

func (p *textPage) preflightNotes(r *preflight.Result) {
	if len(r.Notes) == 0 {
		return
	}
	p.section("Notes")
	for _, n := range r.Notes {
		p.item("", 2, "- ", prose(n))
	}
}

// nothingFound are the detectors that looked and found nothing, in one group.
func nothingFound(r *preflight.Result) []group {
	g := group{Text: "none"}
	for _, t := range turns(r) {
		if t.Word == "clear" {
			g.Objects = append(g.Objects, t.ID)
		}
	}
	if len(g.Objects) == 0 {
		return nil
	}
	return []group{g}
}
