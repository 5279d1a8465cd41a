package report

import (
	"fmt"
	"strings"

	"github.com/pgparity/pgparity/cutover"
)

// runbook is a plan: all steps with all that they run.
func (p *textPage) runbook(r *cutover.Result) {
	p.sentences("Who has to be there", people(r))
	p.section("Runbook")
	p.steps(r)
	p.abortAndBack(r)
}

// steps lists each with its actions, and in a plan with how it is taken back.
func (p *textPage) steps(r *cutover.Result) {
	n, words := attempts(r.Steps), stepWords(r)
	for i := range r.Steps {
		s := &r.Steps[i]
		if b := border(r.Steps, i); b != "" {
			p.border(b)
		} else if i > 0 {
			p.WriteString("\n")
		}
		number := fmt.Sprintf("%2d", i+1)
		p.item(number, 4, "", p.bold(stepName(s, n))+"  "+prose(s.What))
		if line := stepFigures(s, words[i]); line != "" {
			p.item("", 4, "", line)
		}
		p.actions(number, s.Actions)
		if len(s.Undo) > 0 {
			p.item("", 4, "", "taken back by")
			p.actions("", s.Undo)
		}
	}
}

// stepFigures are a step's times, and why it is not taken.
func stepFigures(s *cutover.StepResult, word string) string {
	var parts []string
	if s.Skipped != "" {
		return "skipped: " + prose(s.Skipped)
	}
	if s.TookMS != nil {
		parts = append(parts, "took "+took(*s.TookMS))
	}
	budget, predicted := budgets(s)
	if predicted != "-" {
		parts = append(parts, "predicted "+predicted)
	}
	if budget != "-" {
		parts = append(parts, "budget "+budget)
	}
	if s.Error != "" {
		parts = append(parts, word+": "+prose(s.Error))
	}
	return strings.Join(parts, ", ")
}

// actions lists what is run: numbered by their step, or with a dash.
func (p *textPage) actions(step string, list []cutover.Action) {
	for i := range list {
		a := &list[i]
		label, column := "    -", 6
		if step != "" {
			label = fmt.Sprintf("    %s.%d", strings.TrimSpace(step), i+1)
			column = 11
		}
		title := actionTitle(a)
		if a.TookMS != nil {
			title += " (" + took(*a.TookMS) + ")"
		}
		p.item(label, column, "", title)
		if a.Do != "" {
			p.statement(typed(a), column+2)
		}
		if a.Error != "" {
			p.item("", column, "", "failed: "+prose(a.Error))
		}
	}
}

// statement writes what is run, as it is run but for where its lines end.
func (p *textPage) statement(do string, indent int) {
	lines, exact := foldedLines(do, max(p.Width-indent, 20))
	for _, l := range lines {
		p.WriteString(strings.TrimRight(strings.Repeat(" ", indent)+l, " ") + "\n")
	}
	if !exact {
		p.item("", indent, "", "("+broken+")")
	}
}

// border is a line across the page that nobody can overlook.
func (p *textPage) border(text string) {
	p.WriteString("\n")
	if len(wrap(text, p.Width-8)) == 1 {
		line := "──── " + text + " "
		p.WriteString(p.bold(line+strings.Repeat("─", max(p.Width-width(line), 0))) + "\n\n")
		return
	}
	rule := strings.Repeat("━", p.Width)
	p.WriteString(p.bold(rule) + "\n")
	for i, l := range wrap(text, p.Width-4) {
		if i == 0 {
			l = strings.ToUpper(l[:1]) + l[1:]
		}
		p.WriteString("  " + p.bold(l) + "\n")
	}
	p.WriteString(p.bold(rule) + "\n\n")
}

// abortAndBack say what to do when it goes wrong.
func (p *textPage) abortAndBack(r *cutover.Result) {
	if r.Strategy == cutover.VerifyOnly {
		return
	}
	p.section("To abort, before the point of no return")
	for _, s := range abortText(r) {
		p.item("", 2, "- ", s)
	}
	p.section("To go back, after it")
	for _, s := range backText(r) {
		p.item("", 2, "- ", s)
	}
}

// abortText says how a switch is given up.
func abortText(r *cutover.Result) []string {
	from, _ := ends(r)
	list := []string{
		"pgparity cutover abort undoes whatever was done; a step that overruns its budget, and the death of the process, do so unasked.",
		fmt.Sprintf("By hand: run what takes the steps back, the last step's first, from another database than the closed one; the %s takes writes again, and the replication was never removed.", from),
	}
	if len(takeBack(r.Steps)) == 0 {
		list[1] = "There is nothing that has to be taken back."
	}
	return list
}

// backText says how a finished switch is taken back.
func backText(r *cutover.Result) []string {
	from, to := ends(r)
	if ready, why := wayBack(r); !ready {
		return []string{
			fmt.Sprintf("There is no way back that keeps what was written since: %s. What the %s took would be lost to the %s.", why, to, from),
			"A switch that stopped halfway is run again: it only goes forward.",
		}
	}
	return []string{
		"A switch that stopped halfway is run again: pgparity cutover run only goes forward.",
		fmt.Sprintf("When it is live, pgparity cutover rollback is the same runbook with the sides changed: it closes the %s, waits until the %s holds all that was written since, proves it, and opens the %s.", to, from, from),
		"pgparity cutover finalize removes the way back. Until then the old side keeps receiving what is written.",
	}
}
