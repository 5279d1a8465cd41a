package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pgparity/pgparity/cutover"
)

// The words for what a switch rests on: the full verification before it, and
// what was verified in the window. Everything returned here is safe to show.

// proofLine is one thing that was proved: what, and how.
type proofLine struct{ Name, Text string }

// proofs say what was proved, and at which position in the log.
func proofs(r *cutover.Result) []proofLine {
	var lines []proofLine
	if r.Verified != nil {
		lines = append(lines, proofLine{"Verified", evidenceText(r.Verified, r.StartedAt)})
	}
	if r.FenceLSN != "" {
		from, to := ends(r)
		lines = append(lines, proofLine{"Drained", fmt.Sprintf("all that was committed on the %s before LSN %s is on the %s", from, ident(r.FenceLSN), to)})
	}
	if r.Gate != nil {
		lines = append(lines, proofLine{"Gate", gateText(r.Gate)})
	}
	return lines
}

// evidenceText says what was verified; began is when the command did that rests on it.
func evidenceText(e *cutover.Evidence, began time.Time) string {
	s := fmt.Sprintf("%s of %s, %s", e.Verdict, plural(int64(e.Tables), "table", "tables"), plural(e.Rows, "row", "rows"))
	if e.AsOfLSN != "" {
		s += ", as of LSN " + ident(e.AsOfLSN)
	}
	if !e.FinishedAt.IsZero() {
		s += ", finished " + e.FinishedAt.Format("2006-01-02 15:04:05") + " UTC"
	}
	switch {
	case e.Own && e.FinishedAt.Before(began):
		s += ", by an earlier run of the switch"
	case e.Own:
		s += ", by this run"
	default:
		s += ", by an earlier verify"
	}
	if e.Horizon != "" {
		s += "; what was written since has transaction " + ident(e.Horizon) + " or a later one"
	}
	return s
}

// gateText says what was proved in the window of the pair at rest.
func gateText(g *cutover.Gate) string {
	s := "not passed"
	if g.Passed {
		s = "passed"
	}
	if n := len(g.Findings); n > 0 {
		s += ", " + plural(int64(n), "finding", "findings")
	}
	s += ": " + claimsText(g)
	if g.LSN != "" {
		s += "; of the pair at rest, all that was committed before LSN " + ident(g.LSN) + " included"
	}
	return s + ", in " + took(g.TookMS)
}

func claimsText(g *cutover.Gate) string {
	s := plural(int64(len(g.Tables)), "table", "tables")
	n := claims(g.Tables)
	var parts []string
	for _, c := range slices.Backward(gateClaims) {
		if n[c] > 0 {
			parts = append(parts, claimWord(c)+": "+count(n[c]))
		}
	}
	if len(parts) > 0 {
		s += " (" + strings.Join(parts, ", ") + ")"
	}
	return s
}

func claims(tables []cutover.GateTable) map[string]int64 {
	n := map[string]int64{}
	for _, t := range tables {
		n[t.Claim]++
	}
	return n
}

// claimWord says what was read of a table, in a few words.
func claimWord(claim string) string {
	switch claim {
	case "whole":
		return "whole"
	case "changed":
		return "what changed"
	case "followed":
		return "what was followed"
	case "last":
		return "last rows"
	}
	return "nothing"
}

// weakest orders the tables of which the least was proved first.
func weakest(tables []cutover.GateTable) []cutover.GateTable {
	return slices.SortedStableFunc(slices.Values(tables), func(a, b cutover.GateTable) int {
		return cmp.Compare(slices.Index(gateClaims, a.Claim), slices.Index(gateClaims, b.Claim))
	})
}

// listedClaims leaves out the tables of which the most was proved when they are
// many, and says what is left out.
func listedClaims(g *cutover.Gate, limit int) (shown []cutover.GateTable, more string) {
	shown = weakest(g.Tables)
	if limit == 0 || len(shown) <= limit {
		return shown, ""
	}
	rest := &cutover.Gate{Tables: shown[limit:]}
	return shown[:limit], "and " + claimsText(rest) + " more"
}

// claimRows is how many rows were compared, and of how many where all were
// counted.
func claimRows(t *cutover.GateTable) string {
	if t.Count {
		return count(t.Compared) + " of " + count(t.Rows)
	}
	return count(t.Compared)
}

// outageFigures are what the application's own connection saw.
func outageFigures(r *cutover.Result) []proofLine {
	o := r.Outage
	if o == nil {
		return nil
	}
	every := ""
	if o.IntervalMS > 0 {
		every = ", tried every " + took(o.IntervalMS)
	}
	lines := []proofLine{
		{"Writes", fmt.Sprintf("%s%s; %s acknowledged%s", strings.TrimPrefix(writesStopped(o), "writes "), forecast(r), count(int64(o.Writes)), every)},
		{"Reads", fmt.Sprintf("stopped for %s; %s acknowledged%s", took(o.ReadMS), count(int64(o.Reads)), every)},
		{"Failed", plural(int64(o.Failed), "statement", "statements") + "; " + count(int64(o.Retried)) + " came through when they were tried again"},
	}
	if o.Failed == 0 {
		lines[2].Text = "no statement"
	}
	for _, f := range o.Failures {
		lines = append(lines, proofLine{"Failed", fmt.Sprintf("%s, %s: %s", prose(f.Kind), plural(int64(f.Count), "time", "times"), prose(f.Error))})
	}
	if o.Lost != 0 {
		lines = append(lines, proofLine{"LOST", plural(int64(o.Lost), "write was acknowledged and is", "writes were acknowledged and are") + " in neither database"})
	}
	if o.Elsewhere != 0 {
		lines = append(lines, proofLine{"Elsewhere", plural(int64(o.Elsewhere), "write was", "writes were") + " acknowledged by a database that is neither side"})
	}
	return lines
}
