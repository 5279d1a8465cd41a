package report

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/pgparity/pgparity/cutover"
	"github.com/pgparity/pgparity/preflight"
	"github.com/pgparity/pgparity/schema"
)

// cutoverMarkdown writes a plan as the runbook, which is a document of its own
// and never cut; anything else as a comment that fits a forge.
func cutoverMarkdown(buf *bytes.Buffer, r *cutover.Result, o Options) error {
	if r.Command == "plan" {
		mdRunbook(buf, r, o)
		return nil
	}
	mark := "✅"
	if v, tells := mood(r); !tells {
		mark = "ℹ️"
	} else if v.String() == "mismatch" {
		mark = "❌"
	} else if v.String() != "match" {
		mark = "⚠️"
	}
	fmt.Fprintf(buf, "### %s pgparity cutover %s: **%s** – %s\n\n", mark, mdText(prose(r.Command)), mdText(outcomeWord(r)), mdText(outcomeSentence(r)))
	for i, s := range r.Reasons {
		if i == listedReasons && !o.Verbose {
			fmt.Fprintf(buf, "- … and %d more\n", len(r.Reasons)-i)
			break
		}
		fmt.Fprintf(buf, "- %s\n", mdText(shorten(prose(s), longestReason)))
	}
	if len(r.Reasons) > 0 {
		buf.WriteString("\n")
	}
	fmt.Fprintf(buf, "State: %s\n", mdText(stateText(r)))

	limit := listedGate
	if o.Verbose {
		limit = 0
	}
	var found []string
	notes := r.Notes
	if r.Command == "status" {
		found, notes = notes, nil
	}
	var sections []mdSection
	for _, s := range []struct{ title, body string }{
		{"what is so", mdSentences(soIt, found)},
		{"what to do now", mdSentences("What to do now", r.Next)},
		{"what differs in the window", mdGateFindings(r.Gate)},
		{"what failed", mdFailures(r)},
		{"what was proved", mdProofs(r)},
		{"the steps", mdSteps(r)},
		{"what the application saw", mdOutage(r)},
		{"the tables of the window", mdGate(r.Gate, limit)},
		{"the preflight", mdPreflight(r.Preflight, listedObjects)},
		{"notes", mdSentences("Notes", notes)},
		{"the sides", mdCutoverSides(r)},
		{"what was run", mdProtocol(r)},
	} {
		sections = append(sections, mdSection{s.title, s.body, s.body})
	}
	mdFill(buf, sections)
	return nil
}

// stateText is the state, and since when.
func stateText(r *cutover.Result) string {
	s := ident(string(r.State))
	if since := reached(r); since != "" {
		s += ", since " + since
	}
	return s
}

func mdSentences(title string, list []string) string {
	if len(list) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n\n", title)
	for _, s := range list {
		fmt.Fprintf(&b, "- %s\n", mdText(prose(s)))
	}
	return b.String()
}

func mdGateFindings(g *cutover.Gate) string {
	if g == nil {
		return ""
	}
	return mdSentences("What differs in the window", g.Findings)
}

func mdFailures(r *cutover.Result) string {
	list := failures(r)
	if len(list) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("**What failed**\n\n")
	for _, f := range list {
		fmt.Fprintf(&b, "- %s", mdText(f.Step))
		if f.Action != nil {
			fmt.Fprintf(&b, ": %s, %s", mdCode(ident(f.Action.ID)), mdText(place(f.Action.On)))
		}
		fmt.Fprintf(&b, "%s: %s\n", f.often(), mdText(f.Error))
	}
	return b.String()
}

func mdProofs(r *cutover.Result) string {
	list := proofs(r)
	if len(list) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("**What was proved**\n\n")
	for _, l := range list {
		fmt.Fprintf(&b, "- %s: %s\n", l.Name, mdText(l.Text))
	}
	return b.String()
}

func mdSteps(r *cutover.Result) string {
	if len(r.Steps) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("**Steps**\n\n| step | what | | took | budget | predicted |\n| --- | --- | --- | ---: | ---: | ---: |\n")
	n, words := attempts(r.Steps), stepWords(r)
	for i := range r.Steps {
		s := &r.Steps[i]
		budget, predicted := budgets(s)
		word := words[i]
		if word == "failed" {
			word = "**failed**"
		}
		what := prose(s.What)
		if s.Skipped != "" {
			what += ": " + prose(s.Skipped)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", mdText(stepName(s, n)), mdText(what), word, tookOf(s.TookMS), budget, predicted)
	}
	return b.String()
}

func mdOutage(r *cutover.Result) string {
	if r.Outage == nil {
		return ""
	}
	var b strings.Builder
	b.WriteString("**What the application saw**\n\n")
	for _, l := range outageFigures(r) {
		fmt.Fprintf(&b, "- %s: %s\n", l.Name, mdText(l.Text))
	}
	if lines := pictureText(r.Outage, defaultWidth); len(lines) > 0 {
		fence := fenceAround(lines)
		fmt.Fprintf(&b, "\n%stext\n%s\n%s\n", fence, strings.Join(lines, "\n"), fence)
	}
	return b.String()
}

func mdGate(g *cutover.Gate, limit int) string {
	if g == nil || len(g.Tables) == 0 {
		return ""
	}
	shown, more := listedClaims(g, limit)
	var b strings.Builder
	b.WriteString("**What was proved in the window**\n\n| table | proved | rows | why |\n| --- | --- | ---: | --- |\n")
	for i := range shown {
		t := &shown[i]
		word := claimWord(t.Claim)
		if word == "nothing" {
			word = "**nothing**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", mdCode(ident(t.Name)), word, claimRows(t), mdText(prose(t.Why)))
	}
	if more != "" {
		fmt.Fprintf(&b, "\n%s\n", mdText(more))
	}
	return b.String()
}

// mdPreflight is what a preflight has to say that is not ready.
func mdPreflight(r *preflight.Result, limit int) string {
	if r == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "**Preflight: %s** – %s\n", r.Verdict, mdText(preflightHeadline(r)))
	for _, s := range severityTitles {
		if s.Severity == schema.Info {
			continue
		}
		if list := mdHazards(s.Title, openHazards(r, s.Severity), limit); list != "" {
			b.WriteString("\n" + list)
		}
	}
	if quiet := mdGroups("Not looked for, so not known", unknowns(r, false), groupedNames); quiet != "" {
		b.WriteString("\n" + quiet)
	}
	return b.String()
}

func mdCutoverSides(r *cutover.Result) string {
	parts := []string{"source: " + strings.Join(preflightSide(r.Source), ", "), "target: " + strings.Join(preflightSide(r.Target), ", "), "strategy: " + strategyText(r.Strategy)}
	if run := cutoverRunLine(r); run != "" {
		parts = append(parts, run)
	}
	return "<sub>" + mdText(strings.Join(parts, " · ")) + "</sub>\n"
}

// mdProtocol is every action of every step, folded away.
func mdProtocol(r *cutover.Result) string {
	var b strings.Builder
	n := attempts(r.Steps)
	for i := range r.Steps {
		s := &r.Steps[i]
		if len(s.Actions) == 0 {
			continue
		}
		fmt.Fprintf(&b, "<details><summary>%s: what was run (%s)</summary>\n\n", mdEntities(stepName(s, n)), plural(int64(len(s.Actions)), "action", "actions"))
		for k := range s.Actions {
			a := &s.Actions[k]
			fmt.Fprintf(&b, "%s", mdAction(a))
			if a.TookMS != nil {
				fmt.Fprintf(&b, " – %s", took(*a.TookMS))
			}
			b.WriteString("\n\n" + mdBlock(a))
			if a.Error != "" {
				fmt.Fprintf(&b, "Failed: %s\n\n", mdText(prose(a.Error)))
			}
		}
		b.WriteString("</details>\n")
	}
	return b.String()
}

// mdAction names an action in a line.
func mdAction(a *cutover.Action) string {
	s := mdCode(ident(a.ID)) + ", " + mdText(place(a.On))
	if kind := actionKind(a); kind != "" {
		s = kind + " " + s
	}
	if a.Why != "" {
		s += ": " + mdText(prose(a.Why))
	}
	return s
}

// mdBlock is what an action runs, in a block of its own at the start of the
// line: in a list its lines would be moved, and with them what is quoted.
func mdBlock(a *cutover.Action) string {
	if a.Do == "" {
		return ""
	}
	lines, exact := statementLines(typed(a))
	fence := fenceAround(lines)
	s := fence + language(a.On) + "\n" + strings.Join(lines, "\n") + "\n" + fence + "\n\n"
	if !exact {
		s += "(" + inexact + ")\n\n"
	}
	return s
}
