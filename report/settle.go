package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/checker"
)

// schemaVersion is the version of the JSON report that is written and read.
const schemaVersion = 1

// settle returns the copy of r that is rendered: no nil list, times in UTC,
// and no match that the content does not carry. Lists that need no change
// stay shared with r.
func settle(r *checker.Result) *checker.Result {
	c := *r
	c.SchemaVersion = schemaVersion
	c.StartedAt, c.FinishedAt = c.StartedAt.UTC(), c.FinishedAt.UTC()
	c.Reasons, c.Notes = listed(c.Reasons), listed(c.Notes)
	c.Coverage.Skipped, c.Coverage.Excluded = listed(c.Coverage.Skipped), listed(c.Coverage.Excluded)
	c.Sequences, c.Schema = slices.Clone(listed(c.Sequences)), listed(c.Schema)
	c.Verdict = known(c.Verdict)
	for i := range c.Sequences {
		c.Sequences[i].Verdict = known(c.Sequences[i].Verdict)
	}

	if p := c.Replication; p != nil {
		known := *p
		known.Evidence, known.Streams = listed(known.Evidence), listed(known.Streams)
		c.Replication = &known
	}

	// Before the tables are settled: a table that loses its match here must
	// cost the run its match too.
	if against := contradictions(r); r.Verdict == checker.Match && len(against) > 0 {
		c.Verdict = checker.Unproven
		c.Reasons = slices.Concat(c.Reasons, []string{
			"the result claims match and contradicts itself: " + strings.Join(against, "; "),
		})
	}
	c.Tables = make([]checker.TableResult, len(r.Tables))
	for i := range r.Tables {
		c.Tables[i] = settleTable(r.Tables[i])
	}
	return &c
}

// known makes a value that is none of the three verdicts unproven.
func known(v checker.Verdict) checker.Verdict {
	if v == checker.Match || v == checker.Mismatch {
		return v
	}
	return checker.Unproven
}

func settleTable(t checker.TableResult) checker.TableResult {
	t.Verdict = known(t.Verdict)
	if against := tableContradictions(&t); len(against) > 0 {
		t.Verdict = checker.Unproven
		if t.Error == "" {
			t.Error = "claimed match and contradicts itself: " + strings.Join(against, "; ")
		}
	}
	t.Columns = listed(t.Columns)
	t.Findings = slices.Clone(listed(t.Findings))
	for i := range t.Findings {
		if t.Findings[i].Key == nil {
			t.Findings[i].Key = map[string]string{}
		}
	}
	t.Unsettled = slices.Clone(t.Unsettled)
	for i := range t.Unsettled {
		if t.Unsettled[i].Key == nil {
			t.Unsettled[i].Key = map[string]string{}
		}
	}
	return t
}

func listed[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// contradictions says what in r speaks against r being a match, whatever
// r.Verdict is. A sequence that only has something to tell (ahead, or behind
// where sequences are not replicated) has the verdict match.
func contradictions(r *checker.Result) []string {
	var against []string
	add := func(format string, args ...any) { against = append(against, fmt.Sprintf(format, args...)) }

	cov := &r.Coverage
	if cov.ChunksCompared != cov.ChunksPlanned {
		add("%s of %s chunks were compared", count(cov.ChunksCompared), count(cov.ChunksPlanned))
	}
	if n := len(cov.Skipped); n > 0 {
		add("%s skipped, the first is %s", plural(int64(n), "object was", "objects were"), cov.Skipped[0].Object)
	}
	if cov.Tables > len(r.Tables) {
		add("%s planned, %d reported", plural(int64(cov.Tables), "table was", "tables were"), len(r.Tables))
	}
	if cov.ChunksPlanned == 0 && len(r.Tables) == 0 && len(r.Sequences) == 0 {
		add("nothing was compared")
	}
	if len(r.Reasons) > 0 {
		add("it gives a reason against: %s", r.Reasons[0])
	}
	for i := range r.Tables {
		t := &r.Tables[i]
		if t.Verdict != checker.Match {
			add("table %s is %s", t.Name, t.Verdict)
		} else if own := tableContradictions(t); len(own) > 0 {
			add("table %s claims match, but %s", t.Name, own[0])
		}
	}
	for _, s := range r.Sequences {
		if s.Verdict != checker.Match {
			add("sequence %s is %s", s.Name, s.Verdict)
		}
	}
	// The list can be as long as the tables are many; the first few tell it.
	if n := len(against); n > 5 {
		against = append(against[:5], fmt.Sprintf("and %d more", n-5))
	}
	return against
}

// tableContradictions says what in a table that claims match speaks against
// it; nothing for a table that does not claim it.
func tableContradictions(t *checker.TableResult) []string {
	if t.Verdict != checker.Match {
		return nil
	}
	var against []string
	if t.Chunks.Compared != t.Chunks.Planned {
		against = append(against, fmt.Sprintf("%s of its %s chunks were compared",
			count(t.Chunks.Compared), count(t.Chunks.Planned)))
	}
	if n := max(t.FindingsTotal, int64(len(t.Findings))); n != 0 {
		against = append(against, "it has "+plural(n, "finding", "findings"))
	}
	if unsettled(t) > 0 {
		against = append(against, "it has "+plural(unsettled(t), "unsettled row", "unsettled rows"))
	}
	if strings.Contains(t.Chunks.Strip, "?") {
		against = append(against, "its strip shows chunks that were not compared")
	}
	if strings.Contains(t.Chunks.Strip, "x") {
		against = append(against, "its strip shows chunks that differ")
	}
	if t.Error != "" {
		against = append(against, "it carries an error: "+t.Error)
	}
	return against
}
