package checker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/sampler"
)

// Fold takes an outcome into the result. It may be called in any order, from
// several goroutines, and twice for the same unit, which counts once.
func (r *run) Fold(o Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	tr := r.byName[o.Unit.Table]
	if tr == nil || tr.done[o.Unit.ID()] {
		return
	}
	r.checkpoint(tr, o)
	tr.done[o.Unit.ID()] = true
	tr.pending--
	res := tr.result
	res.FindingsTotal += o.Total
	for _, f := range o.Findings {
		if len(res.Findings) < r.o.MaxDiffs {
			res.Findings = append(res.Findings, f)
		}
	}
	if o.Unsettled > 0 {
		r.foldUnsettled(tr, o)
	}
	if o.Err != "" {
		tr.fail(o.Err)
	}
	if o.gone > 0 {
		tr.note(fmt.Sprintf("%s deleted, or got another key, while the table was closed: such a row is judged by its old key", plural(o.gone, "row was", "rows were")))
	}
	if o.rewrites > 0 {
		tr.note("it was rewritten while it was read (VACUUM FULL, CLUSTER or the like), and read again")
	}
	if o.Compared && o.Err == "" {
		r.foldCompared(tr, o)
		r.foldSample(tr, o)
	}
	if tr.strip != nil && o.Unit.Check == sampler.CheckContent {
		tr.strip.mark(o.Unit.Chunk, o)
	}
	e := Event{Kind: UnitDone, Table: tr.table.Name, Planned: res.Chunks.Planned, Compared: res.Chunks.Compared,
		Rows: o.Source, Findings: res.FindingsTotal, Message: o.Err, Restored: o.restored, Unit: o.verdict(), Found: o.Findings}
	if o.Unit.Check == sampler.CheckContent {
		e.Chunk, e.Chunks = o.Unit.Chunk, o.Unit.Chunks
	}
	r.emitLocked(e)
	if tr.pending == 0 {
		r.emitLocked(Event{Kind: TableDone, Table: tr.table.Name, Planned: res.Chunks.Planned, Compared: res.Chunks.Compared,
			Findings: res.FindingsTotal, Verdict: tr.verdict()})
	}
}

// foldUnsettled lists each row once: several checks may have met it.
func (r *run) foldUnsettled(tr *tableRun, o Outcome) {
	res := tr.result
	res.UnsettledTotal += o.Unsettled
	for _, row := range o.UnsettledRows {
		switch {
		case slices.ContainsFunc(res.Unsettled, func(u Unsettled) bool { return maps.Equal(u.Key, row.Key) }):
			res.UnsettledTotal--
		case len(res.Unsettled) < r.o.MaxDiffs:
			res.Unsettled = append(res.Unsettled, row)
		}
	}
	tr.fail(fmt.Sprintf("%s unsettled: %s", plural(o.Unsettled, "row is", "rows are"), o.unsettledWhy))
}

func (r *run) foldCompared(tr *tableRun, o Outcome) {
	res := tr.result
	res.Chunks.Compared++
	r.result.Coverage.ChunksCompared++
	if o.Unit.Check == sampler.CheckLast || o.Unit.Check == sampler.CheckSample || o.Unit.Check == sampler.CheckClosing {
		return
	}
	if res.Rows.Source == nil {
		res.Rows.Source, res.Rows.Target = new(int64), new(int64)
	}
	*res.Rows.Source += o.Source
	*res.Rows.Target += o.Target
	if o.Unit.Check == sampler.CheckContent {
		r.result.Coverage.RowsCompared += o.Source
	}
}

// verdict judges one table by what was counted. A match needs that something
// was planned and all of it was compared.
func (tr *tableRun) verdict() Verdict {
	res := tr.result
	switch {
	case res.FindingsTotal > 0, tr.decisive(), tr.countsDiffer():
		return Mismatch
	case res.Error != "", len(tr.table.Incomparable) > 0, tr.digest == nil, len(tr.digest.Undecidable) > 0,
		res.Chunks.Planned == 0, res.Chunks.Compared != res.Chunks.Planned:
		return Unproven
	}
	return Match
}

// decisive tells whether the table itself is missing on the target.
func (tr *tableRun) decisive() bool { return tr.table.Target == nil }

// countsDiffer tells whether exact counts of the whole table differ. Counts
// that come from chunks are complete only when all of those were compared.
func (tr *tableRun) countsDiffer() bool {
	rows := tr.result.Rows
	if tr.fences != nil {
		return false // they are of different moments, and rows come and go
	}
	complete := tr.result.Chunks.Compared == tr.result.Chunks.Planned
	return complete && rows.Source != nil && *rows.Source != *rows.Target
}

// finish decides every verdict and writes down why. setup is what kept the
// run from doing its work, nil when it was done.
func (r *run) finish(ctx context.Context, setup error) {
	res := r.result
	v := &verdicts{result: res, verdict: Match}
	if cause := context.Cause(ctx); cause != nil {
		r.ended = cause.Error()
	} else if setup != nil {
		r.ended = setup.Error()
	}
	if r.ended != "" {
		v.unproven(r.ended)
	}
	if r.pair != nil {
		r.finishPair(v)
	}
	res.Verdict = v.verdict
	res.Reasons = v.capped()
	for _, u := range v.unprovens {
		res.Doubts = append(res.Doubts, u.String())
	}
	if res.Verdict == Match {
		res.Reasons = nil
	}
	res.FinishedAt = time.Now().UTC()
	r.emit(Event{Kind: RunDone, Planned: res.Coverage.ChunksPlanned, Compared: res.Coverage.ChunksCompared, Verdict: res.Verdict})
}

func (r *run) finishPair(v *verdicts) {
	for _, o := range r.pair.Excluded {
		r.result.Coverage.Excluded = append(r.result.Coverage.Excluded, Skipped{o.Object, o.Reason})
	}
	for _, g := range r.pair.Unmatched {
		v.unproven(fmt.Sprintf("no table matched %q", g))
	}
	extra := r.finishSchema(v)
	for _, tr := range r.tables {
		r.finishTable(v, tr, extra[tr.table.Name])
	}
	for _, q := range r.result.Sequences {
		v.add(q.Verdict, "sequence "+q.Name+": "+q.Detail)
		if q.Verdict == Unproven {
			r.result.Coverage.Skipped = append(r.result.Coverage.Skipped, Skipped{q.Name, q.Detail})
		}
	}
	for _, name := range r.created {
		const why = "it was created, or renamed to this, while the run was on: run again"
		r.result.Coverage.Skipped = append(r.result.Coverage.Skipped, Skipped{name, why})
		v.unproven(name + ": " + why)
	}
	if !r.looked() {
		v.unproven("nothing to compare: " + r.whyNothing())
	}
	r.finishSample()
	if !r.o.has("ranges") && len(r.tables) > 0 {
		r.note("the whole content was not asked for (--checks): a match speaks only of what was checked")
	}
	if n := len(r.pair.Subscriptions); n > 0 && r.moving == nil {
		r.note(fmt.Sprintf("the target subscribes (%s), and nothing was waited for: rows that were still on their way are reported, so stop the writers and let it catch up before the run, or let pgparity wait (--replication auto); sequences that are behind are only noted, since logical replication does not carry them", strings.Join(r.pair.Subscriptions, ", ")))
	}
}

// looked tells whether there was anything of the source to judge. What only
// the target holds is judged against nothing: an empty source, or a source
// that is the wrong database, must not pass for a match.
func (r *run) looked() bool {
	return slices.ContainsFunc(r.tables, func(tr *tableRun) bool { return tr.table.Source != nil }) ||
		r.o.has("sequences") && slices.ContainsFunc(r.pair.Sequences, func(q *pairing.Sequence) bool { return q.Source != nil })
}

func (r *run) whyNothing() string {
	ofSource := slices.ContainsFunc(r.pair.Tables, func(t *pairing.Table) bool { return t.Source != nil }) ||
		slices.ContainsFunc(r.pair.Sequences, func(q *pairing.Sequence) bool { return q.Source != nil })
	switch {
	case ofSource:
		return "the checks asked for compare no data"
	case len(r.pair.Tables) > 0 || len(r.pair.Sequences) > 0:
		return "what there is is on the target only; is the source the right database?"
	}
	if r.o.Pairing.Filter.Empty() {
		return "the databases hold no tables or sequences that the checks ask for"
	}
	return "no table matched the filter"
}

// finishSchema reports the differences of the catalogs and returns, per
// table, those that --strict makes decide.
func (r *run) finishSchema(v *verdicts) map[string][]string {
	strict := map[string][]string{}
	for _, d := range r.pair.Differences {
		r.result.Schema = append(r.result.Schema, SchemaFinding{Kind: d.Kind, Object: d.Object, Source: d.Source, Target: d.Target, Severity: severity(d)})
		if decides(d, r.o.Strict) {
			v.add(Mismatch, d.Sentence())
			strict[d.Table] = append(strict[d.Table], d.Sentence())
		}
	}
	r.finishDefinitions(v, strict)
	return strict
}

// finishTable decides a table. decided are differences of the catalogs that
// make it a mismatch.
func (r *run) finishTable(v *verdicts, tr *tableRun, decided []string) {
	res := tr.result
	res.Verdict = tr.verdict()
	if len(decided) > 0 {
		res.Verdict = Mismatch
	}
	if tr.table.Source == nil && len(decided) == 0 {
		res.Verdict = Match
		tr.note("on the target only: nothing of the source to compare")
	}
	if tr.table.Source != nil {
		r.result.Coverage.Tables++
	}
	if n := len(tr.errors); n > 1 {
		res.Error += fmt.Sprintf(" (and %s)", plural(int64(n-1), "other reason", "other reasons"))
	}
	if tr.strip != nil {
		res.Chunks.Strip = tr.strip.String()
	}
	sort.SliceStable(res.Findings, func(i, j int) bool { return findingLess(tr, res.Findings[i], res.Findings[j]) })
	for _, f := range res.Findings {
		r.keys.apply(f.Key)
	}
	for _, row := range res.Unsettled {
		r.keys.apply(row.Key)
	}
	r.explain(v, tr)
	r.result.Tables = append(r.result.Tables, *res)
}

// explain adds a table's reasons and its skipped parts.
func (r *run) explain(v *verdicts, tr *tableRun) {
	res := tr.result
	skip := func(object, reason string) {
		r.result.Coverage.Skipped = append(r.result.Coverage.Skipped, Skipped{object, reason})
		v.unprovenOf(object, reason)
	}
	if res.FindingsTotal > 0 {
		v.add(Mismatch, fmt.Sprintf("%s: %s", res.Name, plural(res.FindingsTotal, "row differs", "rows differ")))
	} else if tr.countsDiffer() {
		v.add(Mismatch, fmt.Sprintf("%s: %d rows on the source, %d on the target", res.Name, *res.Rows.Source, *res.Rows.Target))
	}
	if tr.digest == nil {
		if len(tr.table.Incomparable) > 0 {
			skip(res.Name, tr.table.Incomparable[0])
		}
		return
	}
	for _, why := range tr.table.Incomparable {
		skip(res.Name, why)
	}
	for _, c := range tr.digest.Undecidable {
		skip(res.Name+"."+c.Name, c.Why)
	}
	if res.Error == "" && res.Chunks.Compared < res.Chunks.Planned {
		res.Error = "the run ended before it was compared"
		if r.ended != "" {
			res.Error = r.ended
		}
	}
	if res.Error == "" && res.Chunks.Planned == 0 {
		res.Error = "no check could be planned for it"
		if r.ended != "" {
			res.Error = r.ended
		}
	}
	if res.Error != "" {
		skip(res.Name, res.Error)
	}
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
