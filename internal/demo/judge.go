package demo

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/checker"
)

// BrokenError says that verify did not report what it should have.
type BrokenError struct {
	Faults []string // each a sentence
}

func (e *BrokenError) Error() string {
	return "the demo is broken: " + strings.Join(e.Faults, "; ") + ": report this as a bug of pgparity"
}

// forgotten is the sequence that stays behind: said, and not deciding.
const forgotten = "public.invoice_no"

// judgeClean holds the first report against the shop: a match, and one that
// speaks of all that the shop holds.
func judgeClean(r *checker.Result) error { return judge(r, checker.Match, nil) }

// judgeDamaged holds the second report against what was done to the target.
func judgeDamaged(r *checker.Result, done []damage) error { return judge(r, checker.Mismatch, done) }

func judge(r *checker.Result, want checker.Verdict, done []damage) error {
	var e BrokenError
	fault := func(format string, args ...any) { e.Faults = append(e.Faults, fmt.Sprintf(format, args...)) }
	if r.Verdict != want {
		fault("the verdict is %s, not %s", r.Verdict, want)
	}
	if c := r.Coverage; c.Tables != shopTables || c.RowsCompared != shopRows || c.ChunksCompared != c.ChunksPlanned || len(c.Skipped) > 0 {
		fault("%d tables with %d rows and %d of %d chunks were compared and %d skipped, not all of %d tables with %d rows",
			c.Tables, c.RowsCompared, c.ChunksCompared, c.ChunksPlanned, len(c.Skipped), shopTables, shopRows)
	}
	for _, s := range r.Schema {
		fault("the schemas differ (%s %s)", s.Kind, s.Object)
	}
	expected, reported := expectations(done), reports(r)
	for _, s := range without(expected, reported) {
		fault("not found: %s", s)
	}
	for _, s := range without(reported, expected) {
		fault("found, and not done: %s", s)
	}
	if len(e.Faults) > 0 {
		return &e
	}
	return nil
}

// expectations are the findings that damages lead to, in words, sorted.
func expectations(done []damage) []string {
	list := []string{sequenceLine(forgotten, "behind")}
	for _, x := range done {
		for _, f := range x.findings {
			list = append(list, findingLine(x.table, f))
		}
		if x.collides != "" {
			list = append(list, sequenceLine(x.collides, "collides"))
		}
	}
	slices.Sort(list)
	return list
}

// reports are the findings of a result, likewise. What a table counts beyond
// those it lists, and an error, is a line too.
func reports(r *checker.Result) []string {
	var list []string
	for _, t := range r.Tables {
		for _, f := range t.Findings {
			list = append(list, findingLine(t.Name, f))
		}
		if n := t.FindingsTotal - int64(len(t.Findings)); n != 0 {
			list = append(list, fmt.Sprintf("%s: %d more", t.Name, n))
		}
		if t.Error != "" {
			list = append(list, t.Name+": "+t.Error)
		}
	}
	for _, s := range r.Sequences {
		if s.Finding != "" || s.Verdict == checker.Unproven {
			list = append(list, sequenceLine(s.Name, s.Finding))
		}
	}
	slices.Sort(list)
	return list
}

// findingLine is a finding in words. A row without a key goes by its counts:
// its hash is nothing one could know beforehand.
func findingLine(table string, f checker.Finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", table, f.Kind)
	for _, k := range slices.Sorted(maps.Keys(f.Key)) {
		if f.Count == nil {
			fmt.Fprintf(&b, " %s=%s", k, f.Key[k])
		}
	}
	if f.Count != nil {
		fmt.Fprintf(&b, " %d:%d", f.Count.Source, f.Count.Target)
	}
	if len(f.Columns) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(f.Columns, ", "))
	}
	return b.String()
}

func sequenceLine(name, finding string) string { return "sequence " + name + " " + finding }

// without lists what of a is not in b, copies counted.
func without(a, b []string) []string {
	left := map[string]int{}
	for _, s := range b {
		left[s]++
	}
	var list []string
	for _, s := range a {
		if left[s]--; left[s] < 0 {
			list = append(list, s)
		}
	}
	return list
}
