package report

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/pgparity/pgparity/cutover"
)

// mdRunbook is a plan as a document to be worked through: every command as it is
// run, with boxes to check.
func mdRunbook(buf *bytes.Buffer, r *cutover.Result, o Options) {
	from, to := ends(r)
	verb := "Switching"
	if r.Direction == cutover.Rollback {
		verb = "Switching back"
	}
	fmt.Fprintf(buf, "# %s %s: from the %s to the %s\n\n", verb, mdText(application(r)), from, to)
	if r.Outcome != cutover.Done {
		fmt.Fprintf(buf, "> **This is no runbook to be worked through: %s.** %s\n\n", mdText(outcomeWord(r)), mdText(capital(outcomeSentence(r))))
	}
	for _, s := range r.Reasons {
		fmt.Fprintf(buf, "- %s\n", mdText(prose(s)))
	}
	if len(r.Reasons) > 0 {
		buf.WriteString("\n")
	}
	if s := predictedSentence(r); s != "" {
		fmt.Fprintf(buf, "**%s.**\n\n", mdText(capital(s)))
	}
	fmt.Fprintf(buf, "| | |\n| --- | --- |\n| source | %s |\n| target | %s |\n| strategy | %s |\n", mdText(strings.Join(preflightSide(r.Source), ", ")), mdText(strings.Join(preflightSide(r.Target), ", ")), mdText(strategyText(r.Strategy)))
	if run := cutoverRunLine(r); run != "" {
		fmt.Fprintf(buf, "| made by | %s |\n", mdText(run))
	}
	buf.WriteString("\n`pgparity cutover run` does all of this by itself, in this order, and proves each gate before it goes on. The commands stand here to be read before, and for the hour in which somebody has to know what was done.\n")

	buf.WriteString("\n## Who has to be there\n\n")
	for _, p := range people(r) {
		fmt.Fprintf(buf, "- [ ] %s\n", mdText(p))
	}
	mdConditions(buf, r, o)
	mdOverview(buf, r)
	words := stepWords(r)
	for i := range r.Steps {
		mdStep(buf, r, i, words[i])
	}
	if r.Strategy != cutover.VerifyOnly {
		mdAbort(buf, r)
		mdBack(buf, r)
	}
	for _, s := range []string{mdSentences("Notes", r.Notes), mdSentences("What to do now", r.Next)} {
		if s != "" {
			apart(buf)
			buf.WriteString(s)
		}
	}
}

// apart ends a paragraph.
func apart(buf *bytes.Buffer) {
	if !bytes.HasSuffix(buf.Bytes(), []byte("\n\n")) {
		buf.WriteString("\n")
	}
}

// mdConditions are what has to hold before anything is begun.
func mdConditions(buf *bytes.Buffer, r *cutover.Result, o Options) {
	buf.WriteString("\n## Before it begins\n\n")
	if p := r.Preflight; p != nil {
		fmt.Fprintf(buf, "- [ ] the preflight is ready (it is %s now: %s)\n", p.Verdict, mdText(preflightHeadline(p)))
	} else {
		buf.WriteString("- [ ] `pgparity preflight` says ready\n")
	}
	if e := r.Verified; e != nil {
		fmt.Fprintf(buf, "- [ ] a full verification is a match, and young enough (now: %s)\n", mdText(evidenceText(e, r.StartedAt)))
	} else {
		buf.WriteString("- [ ] a full verification is a match, and young enough (none is at hand now)\n")
	}
	if n := gates(r.Steps); n > 0 {
		fmt.Fprintf(buf, "- [ ] all gates of the steps before writes stop hold (%d)\n", n)
	}
	if masked(r.Steps) {
		buf.WriteString("- [ ] secrets are at hand: they stand in the commands as `xxxxx`\n")
	}
	buf.WriteString("- [ ] everybody above knows the time, and how to reach the others\n")
	limit := listedObjects
	if o.Verbose {
		limit = 0
	}
	if r.Preflight != nil {
		buf.WriteString("\n" + mdPreflight(r.Preflight, limit))
	}
}

// mdOverview is the table of all steps.
func mdOverview(buf *bytes.Buffer, r *cutover.Result) {
	buf.WriteString("\n## The steps\n\n| | step | what | writes | predicted | budget |\n| ---: | --- | --- | --- | ---: | ---: |\n")
	for i := range r.Steps {
		s := &r.Steps[i]
		budget, predicted := budgets(s)
		writes, what := "go on", mdText(prose(s.What))
		if partOf(s.State) == window {
			writes = "**stop**"
		}
		if s.State == cutover.PNR {
			what = "**point of no return**: " + what
		}
		if s.Skipped != "" {
			what += " – skipped: " + mdText(prose(s.Skipped))
		}
		fmt.Fprintf(buf, "| %d | %s | %s | %s | %s | %s |\n", i+1, mdText(stepName(s, 0)), what, writes, predicted, budget)
	}
}

// mdStep is a section: what is run where, what has to hold, how it is undone.
func mdStep(buf *bytes.Buffer, r *cutover.Result, i int, word string) {
	s := &r.Steps[i]
	switch b := border(r.Steps, i); b {
	case "":
	case noReturn:
		apart(buf)
		fmt.Fprintf(buf, "---\n\n> ⛔ **%s**\n\n---\n", mdText(capital(b)))
	default:
		apart(buf)
		fmt.Fprintf(buf, "---\n\n> **%s**\n", mdText(capital(b)))
	}
	apart(buf)
	fmt.Fprintf(buf, "## %d. %s – %s\n\n", i+1, mdText(stepName(s, 0)), mdText(prose(s.What)))
	if line := stepFigures(s, word); line != "" {
		fmt.Fprintf(buf, "%s\n\n", mdText(capital(line)))
	}
	mdActions(buf, fmt.Sprintf("%d.", i+1), s.Actions)
	if len(s.Undo) > 0 {
		buf.WriteString("**To take it back**\n\n")
		mdActions(buf, fmt.Sprintf("%d.undo.", i+1), s.Undo)
	}
}

func mdActions(buf *bytes.Buffer, number string, list []cutover.Action) {
	for k := range list {
		a := &list[k]
		fmt.Fprintf(buf, "- [ ] **%s%d** %s\n\n%s", number, k+1, mdAction(a), mdBlock(a))
	}
}

// mdAbort is what takes everything back, in the order in which it is run: in
// that hour nobody looks it up section by section.
func mdAbort(buf *bytes.Buffer, r *cutover.Result) {
	apart(buf)
	buf.WriteString("## To abort, before the point of no return\n\n")
	for _, s := range abortText(r) {
		fmt.Fprintf(buf, "- %s\n", mdText(s))
	}
	buf.WriteString("\n")
	back := takeBack(r.Steps)
	for i := range back {
		s := &back[i]
		fmt.Fprintf(buf, "**%s**\n\n", mdText(stepName(s, 0)))
		mdActions(buf, fmt.Sprintf("abort.%d.", i+1), s.Actions)
	}
}

func mdBack(buf *bytes.Buffer, r *cutover.Result) {
	apart(buf)
	buf.WriteString("## To go back, after the point of no return\n\n")
	for _, s := range backText(r) {
		fmt.Fprintf(buf, "- %s\n", mdText(s))
	}
}
