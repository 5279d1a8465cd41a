package report

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/pgparity/pgparity/cutover"
	"github.com/pgparity/pgparity/preflight"
	"github.com/pgparity/pgparity/schema"
)

const (
	cutoverLabels = 13 // "  Strategy  "
	proofLabels   = 13 // "  Elsewhere  "
	listedGate    = 20 // tables of the gate that are listed unasked
	narrowestWhat = 14 // what is said in a table gets at least this
)

func cutoverText(buf *bytes.Buffer, r *cutover.Result, o Options) error {
	if o.Width == 0 {
		o.Width = defaultWidth
	}
	o.Width = max(o.Width, narrowest)
	p := &textPage{buf, o}

	p.cutoverHead(r)
	p.cutoverPreflight(r.Preflight)
	if r.Command == "status" {
		p.sentences(soIt, r.Notes)
	}
	if r.Command == "plan" {
		p.runbook(r)
	} else if err := p.protocol(r); err != nil {
		return err
	}
	if r.Command != "status" {
		p.sentences("Notes", r.Notes)
	}
	p.sentences("What to do now", r.Next)
	p.WriteString("\n")
	// The outcome once more: of a long report the end is what is on screen.
	p.outcome(r)
	return nil
}

func (p *textPage) outcome(r *cutover.Result) {
	word := strings.ToUpper(outcomeWord(r))
	shown := p.bold(word)
	if v, tells := mood(r); tells {
		shown = p.paint(v, word)
	}
	p.item(shown, width(word)+2, "", outcomeSentence(r))
}

func (p *textPage) cutoverHead(r *cutover.Result) {
	p.outcome(r)
	p.WriteString("\n")
	label := "  Why"
	for i, reason := range r.Reasons {
		if i == listedReasons && !p.Verbose {
			p.item("", cutoverLabels, "", fmt.Sprintf("… and %d more (-v lists them)", len(r.Reasons)-i))
			break
		}
		p.item(label, cutoverLabels, "- ", prose(reason))
		label = ""
	}
	p.item("  State", cutoverLabels, "", stateText(r))
	p.item("  Source", cutoverLabels, "", strings.Join(preflightSide(r.Source), ", "))
	p.item("  Target", cutoverLabels, "", strings.Join(preflightSide(r.Target), ", "))
	p.item("  Strategy", cutoverLabels, "", strategyText(r.Strategy))
	if run := cutoverRunLine(r); run != "" {
		p.item("  Run", cutoverLabels, "", run)
	}
	for _, l := range proofs(r) {
		p.item("  "+l.Name, cutoverLabels, "", l.Text)
	}
}

// cutoverPreflight is what a preflight has to say that is not ready.
func (p *textPage) cutoverPreflight(r *preflight.Result) {
	if r == nil {
		return
	}
	p.item("  Preflight", cutoverLabels, "", string(r.Verdict)+": "+preflightHeadline(r))
	for _, s := range severityTitles {
		if s.Severity != schema.Info {
			p.hazards("Preflight: "+strings.ToLower(s.Title), openHazards(r, s.Severity))
		}
	}
	p.groups("Preflight: not looked for, so not known", unknowns(r, false))
}

// protocol is what happened.
func (p *textPage) protocol(r *cutover.Result) error {
	p.gateFindings(r.Gate)
	p.failures(r)
	if err := p.stepTable(r); err != nil {
		return fmt.Errorf("table of steps: %w", err)
	}
	p.outageOf(r)
	if err := p.gateTable(r.Gate); err != nil {
		return fmt.Errorf("table of the gate: %w", err)
	}
	if p.Verbose {
		p.section("What was run")
		p.steps(r)
	}
	return nil
}

func (p *textPage) sentences(title string, list []string) {
	if len(list) == 0 {
		return
	}
	p.section(title)
	for _, s := range list {
		p.item("", 2, "- ", prose(s))
	}
}

func (p *textPage) gateFindings(g *cutover.Gate) {
	if g != nil {
		p.sentences("What differs in the window", g.Findings)
	}
}

// failures lists what failed, and what exactly was tried.
func (p *textPage) failures(r *cutover.Result) {
	list := failures(r)
	if len(list) == 0 {
		return
	}
	p.section("What failed")
	for _, f := range list {
		text := f.Step
		if f.Action != nil {
			text += ": " + ident(f.Action.ID) + ", " + place(f.Action.On)
		}
		p.item("", 2, "- ", text+f.often()+": "+f.Error)
		if f.Action != nil && f.Action.Do != "" {
			p.statement(f.Action.Do, 6)
		}
	}
}

// stepTable is how long the steps took, against what they were allowed and
// predicted to.
func (p *textPage) stepTable(r *cutover.Result) error {
	if len(r.Steps) == 0 {
		return nil
	}
	p.section("Steps")
	rows := [][]string{{"step", "what", "took", "budget", "predicted"}}
	n, words, times := attempts(r.Steps), stepWords(r), 1
	for i := range r.Steps {
		s := &r.Steps[i]
		if i+1 < len(r.Steps) && words[i] == "retried" && r.Steps[i+1].State == s.State && r.Steps[i+1].Error == s.Error {
			times++ // the last of them stands for all
			continue
		}
		budget, predicted := budgets(s)
		lasted, word := tookOf(s.TookMS), words[i]
		if late(s) && word == "done" {
			word = "late"
		}
		if times > 1 {
			word += fmt.Sprintf(" %d×", times)
			times = 1
		}
		if word != "done" {
			lasted = strings.TrimPrefix(lasted+"\n", "-\n") + word
		}
		what := prose(s.What)
		if s.Skipped != "" {
			what += ": " + prose(s.Skipped)
		}
		rows = append(rows, []string{stepName(s, n), what, lasted, budget, predicted})
	}
	rest := p.Width - tableIndent - tableGap
	for c, w := range naturalWidths(rows) {
		if c != 1 {
			rest -= w + tableGap
		}
	}
	for ; rest < narrowestWhat; rest += tableGap { // columns give way, the last first
		last := len(rows[0]) - 1
		rest += naturalWidths(rows)[last]
		for i := range rows {
			rows[i] = rows[i][:last]
		}
	}
	for _, row := range rows {
		row[1] = strings.Join(wrap(row[1], rest), "\n")
	}
	return p.draw(rows, naturalWidths(rows))
}

// outageOf is what the application saw.
func (p *textPage) outageOf(r *cutover.Result) {
	if r.Outage == nil {
		return
	}
	p.section("What the application saw")
	last := ""
	for _, l := range outageFigures(r) {
		label := "  " + l.Name
		if l.Name == last {
			label = ""
		}
		last = l.Name
		p.item(label, proofLabels, "", l.Text)
	}
	indent := "  "
	if p.Width < narrowest+len(indent) { // a picture has at least these
		indent = ""
	}
	for i, l := range pictureText(r.Outage, p.Width-len(indent)) {
		if i == 0 {
			p.WriteString("\n")
		}
		p.WriteString(strings.TrimRight(indent+l, " ") + "\n")
	}
}

func (p *textPage) gateTable(g *cutover.Gate) error {
	if g == nil || len(g.Tables) == 0 {
		return nil
	}
	limit := listedGate
	if p.Verbose {
		limit = 0
	}
	shown, more := listedClaims(g, limit)
	p.section("What was proved in the window")
	rows := [][]string{{"table", "proved", "rows", "how"}}
	for i := range shown {
		t := &shown[i]
		rows = append(rows, []string{shorten(ident(t.Name), p.Width/3), claimWord(t.Claim), claimRows(t), prose(t.Why)})
	}
	rest := func() int {
		widths := naturalWidths(rows)
		return p.Width - tableIndent - 3*tableGap - widths[0] - widths[1] - widths[2]
	}
	if rest() < narrowestWhat {
		for _, row := range rows {
			row[0], row[2] = shorten(row[0], tightestName), strings.ReplaceAll(row[2], " of ", "\nof ")
		}
	}
	columns := max(rest(), 12)
	for _, row := range rows {
		row[3] = strings.Join(wrap(row[3], columns), "\n")
	}
	if err := p.draw(rows, naturalWidths(rows)); err != nil {
		return err
	}
	if more != "" {
		p.item("", 2, "", more+" (-v lists them)")
	}
	return nil
}
